#include <errno.h>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

bool IsForwardable(const mbuf* m) {
  const Ipv4View ip = ip_view(m);
  const in_addr dst = ip.destination();
  return (m->m_flags & (M_BCAST | M_MCAST)) == 0 && !in_isthisnet(dst) && !in_isloopback(dst) &&
         !in_ismulticast(dst) && !in_isreserved(dst) && !in_broadcast(dst) &&
         !in_isany(ip.source());
}

// TTL - 1, and the checksum with it, if it stands in the packet already.
void DecrementTtl(mbuf* m) {
  Ipv4Edit ip = ip_edit(m);
  const uint16_t before = static_cast<uint16_t>(ip.ttl() << 8 | ip.protocol());
  ip.set_ttl(static_cast<uint8_t>(ip.ttl() - 1));
  const uint16_t after = static_cast<uint16_t>(ip.ttl() << 8 | ip.protocol());
  if ((m->m_pkthdr.csum_flags & M_IPV4_CSUM_OUT) != 0) return;
  ip.set_checksum(in_cksum_adjust(ip.checksum(), before, after));
}

// Whether the sender could have reached the next hop by itself: it is on the link that the packet
// came by and leaves by.
bool DeservesRedirect(const ifnet* ifp, const rtentry* rt, in_addr src, bool source_routed) {
  if (source_routed || rt->rt_ifp != ifp || inet_here().tunables.redirect == 0) return false;
  if ((rt->rt_flags & (RTF_DYNAMIC | RTF_MODIFIED)) != 0) return false;
  const in_ifaddr* near = in_ifaonlink(src);
  return near != nullptr && near->ia_ifp == ifp && (ifp->if_flags & IFF_POINTOPOINT) == 0;
}

// Tells the sender that a packet is dropped, and drops it.
void Refuse(ipstat_counters why, MbufPtr m, uint8_t type, uint8_t code, uint32_t arg = 0) {
  const Ipv4View ip = ip_view(m.get());
  ip_note_drop(why, ip.source(), ip.destination(), m->m_pkthdr.len);
  icmp_error(std::move(m), type, code, {}, arg);
}

in_addr NextHop(const rtentry* rt, in_addr dst) {
  return (rt->rt_flags & RTF_GATEWAY) != 0 ? rt->rt_gateway.v4() : dst;
}

// Rules 2, 4, 6 and 7 of spec 3.4. They come before the packet is changed, so that an error quotes
// it as it came, and before ip_output takes it: that is what rule 8 saves bytes for. Null: dropped.
MbufPtr CheckWayOn(const rtentry* rt, in_addr dst, MbufPtr m) {
  if (ip_view(m.get()).ttl() <= 1) {
    Refuse(ips_ttlexceeded, std::move(m), ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS);
  } else if (rt == nullptr) {
    Refuse(ips_noroute, std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
  } else if ((rt->rt_flags & RTF_BLACKHOLE) != 0) {
    ip_drop(ips_rejected, std::move(m));
  } else if ((rt->rt_flags & RTF_REJECT) != 0) {
    Refuse(ips_rejected, std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
  } else if (!if_is_up(rt->rt_ifp)) {
    Refuse(ips_odropped, std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
  } else if (ip_view(m.get()).dont_fragment() &&
             static_cast<uint32_t>(m->m_pkthdr.len) > rt_path_mtu(rt)) {
    Refuse(ips_cantfrag, std::move(m), ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG, rt_path_mtu(rt));
  } else if (inet_here().arp.IsDown(rt->rt_ifp, NextHop(rt, dst))) {
    Refuse(ips_arpdropped, std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
  }
  return m;
}

}  // namespace

void ip_forward(ifnet* ifp, MbufPtr m, bool source_routed) {
  if (!IsForwardable(m.get())) return ip_drop(ips_cantforward, std::move(m));
  const in_addr src = ip_view(m.get()).source();
  const in_addr dst = ip_view(m.get()).destination();
  route ro;
  const rtentry* rt = rtalloc(&ro, dst);
  m = CheckWayOn(rt, dst, std::move(m));
  if (m == nullptr) return;
  if (DeservesRedirect(ifp, rt, src, source_routed)) {
    MbufPtr copy = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
    if (copy != nullptr) {
      ipstat_inc(ips_redirectsent);
      icmp_error(std::move(copy), ICMP_REDIRECT, ICMP_REDIRECT_HOST, NextHop(rt, dst));
    }
  }
  m = ip_own_header(std::move(m));
  if (m == nullptr) return;
  DecrementTtl(m.get());
  // What can still fail is the interface's queue: nobody is told of that (source quench is dead);
  // nor of what waited for a neighbour in vain, only of what comes once it is known to be down.
  const int error = ip_output(std::move(m), nullptr, &ro, IP_FORWARDING, nullptr, nullptr);
  if (error == 0) ipstat_inc(ips_forwarded);
}

}  // namespace sockbed
