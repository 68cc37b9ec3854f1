#include <errno.h>

#include <algorithm>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/tcp_chopper.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// Where a packet goes, once decided.
struct Way {
  rtentry* rt = nullptr;  // null: multicast
  ifnet* ifp = nullptr;
  in6_addr next_hop{};
};

int Refuse(MbufPtr m, ip6stat_counters why, int error) {
  ip6_drop(why, std::move(m));
  return error;
}

// The interface of a multicast without a route of its own: the packet's options say it, its zone,
// the socket's options, or the route.
ifnet* MulticastInterface(const ip6_pktopts* opt, const ip6_moptions* im6o, const in6_addr& dst) {
  HostBase& host = *Here().host;
  if (opt != nullptr && opt->ip6po_ifindex != 0) return if_byindex(host, opt->ip6po_ifindex);
  if (in6_zone(dst) != 0) return if_byindex(host, in6_zone(dst));
  if (im6o != nullptr && im6o->im6o_ifidx != 0) return if_byindex(host, im6o->im6o_ifidx);
  const rtentry* rt = rt_match(dst);
  return rt != nullptr ? rt->rt_ifp : nullptr;
}

int FindMulticastWay(const ip6_pktopts* opt, const ip6_moptions* im6o, const in6_addr& dst,
                     Way* way, ip6stat_counters* why) {
  *why = ip6s_noroute;
  way->ifp = MulticastInterface(opt, im6o, dst);
  if (way->ifp == nullptr) return ENETUNREACH;
  way->next_hop = in6_setscope(dst, way->ifp->if_index);
  *why = ip6s_sources_none;
  const bool elsewhere = in6_isscoped(dst) && in6_zone(way->next_hop) != way->ifp->if_index;
  return elsewhere || (way->ifp->if_flags & IFF_MULTICAST) == 0 ? EADDRNOTAVAIL : 0;
}

// The route, through the cache.
int FindWay(const ip6_pktopts* opt, const in6_addr& dst, route* ro, Way* way,
            ip6stat_counters* why) {
  *why = ip6s_noroute;
  if (in6_isany(dst) || (in6_isscoped(dst) && in6_zone(dst) == 0)) return EHOSTUNREACH;
  rtentry* rt = rtalloc(ro, dst);
  if (rt == nullptr) return EHOSTUNREACH;
  if ((rt->rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0) {
    *why = ip6s_rejected;
    if ((rt->rt_flags & RTF_BLACKHOLE) != 0) return 0;
    return (rt->rt_flags & RTF_HOST) != 0 ? EHOSTUNREACH : ENETUNREACH;
  }
  *why = ip6s_sources_none;
  const bool local = (rt->rt_flags & RTF_LOCAL) != 0;
  if (opt != nullptr && opt->ip6po_ifindex != 0 && !local &&
      opt->ip6po_ifindex != rt->rt_ifp->if_index) {
    return EADDRNOTAVAIL;
  }
  ++rt->rt_use;
  way->rt = rt;
  way->ifp = rt->rt_ifp;
  way->next_hop = (rt->rt_flags & RTF_GATEWAY) != 0 ? rt->rt_gateway.v6() : dst;
  return 0;
}

// The way of either, by the destination.
int DecideWay(const ip6_pktopts* opt, const in6_addr& dst, route* ro, const ip6_moptions* im6o,
              Way* way, ip6stat_counters* why) {
  return in6_ismulticast(dst) ? FindMulticastWay(opt, im6o, dst, way, why)
                              : FindWay(opt, dst, ro, way, why);
}

// Whether a packet between these two may leave by that interface. lo0 carries anything.
bool MayLeave(const ifnet* ifp, const in6_addr& src, const in6_addr& dst) {
  if ((ifp->if_flags & IFF_LOOPBACK) != 0) return true;
  for (const in6_addr* a : {&src, &dst}) {
    if (in6_isloopback(*a) || in6_ismapped(*a) || in6_iscompatible(*a)) return false;
    if (in6_zone(*a) != 0 && in6_zone(*a) != ifp->if_index) return false;
  }
  return true;
}

// Sets the source that the sender has left open. Errors: EADDRNOTAVAIL.
int ChooseSource(const Way& way, int flags, mbuf* m) {
  Ipv6Edit ip = ip6_edit(m);
  if ((flags & IPV6_UNSPECSRC) != 0 || !in6_isany(ip.source())) return 0;
  const in6_ifaddr* ia6 = in6_ifawithscope(way.ifp, ip.destination());
  if (ia6 == nullptr) return EADDRNOTAVAIL;
  ip.set_source(ia6->ia_addr);
  return 0;
}

// This host is in the group too: a copy goes to its own input, unless the sender forbids it.
// Interface-local groups, a hop limit of 0 and lo0 end here. Returns whether the packet goes on.
bool LoopMulticast(const Way& way, const ip6_moptions* im6o, mbuf* m) {
  const Ipv6View ip = ip6_view(m);
  const bool wanted = im6o == nullptr || im6o->im6o_loop;
  if (wanted && in6_hasmulti(way.ifp, way.next_hop) != nullptr) {
    MbufPtr copy = m_copym(m, 0, M_COPYALL, M_DONTWAIT);
    if (copy != nullptr) if_input_local(way.ifp, std::move(copy), AF_INET6);
  }
  return ip.hop_limit() != 0 && in6_addrscope(way.next_hop) != kScopeInterface &&
         (way.ifp->if_flags & IFF_LOOPBACK) == 0;
}

// Takes the zones out of a packet that leaves the host. Null: no memory (counted).
MbufPtr ClearZones(MbufPtr m) {
  const in6_addr src = ip6_view(m.get()).source(), dst = ip6_view(m.get()).destination();
  if (in6_zone(src) == 0 && in6_zone(dst) == 0) return m;
  m = ip6_own_header(std::move(m));
  if (m == nullptr) return nullptr;
  Ipv6Edit ip = ip6_edit(m.get());
  ip.set_source(in6_clearscope(src));
  ip.set_destination(in6_clearscope(dst));
  return m;
}

// The largest packet that may go that way whole.
uint32_t MtuOf(const Way& way, const ip6_pktopts* opt, int flags, const inpcb* inp) {
  const bool path_counts = way.rt != nullptr && (flags & IPV6_MTUPROBE) == 0;
  uint32_t mtu = path_counts ? rt_path_mtu(way.rt) : way.ifp->if_mtu;
  if ((flags & IPV6_FORWARDING) != 0) mtu = std::max(mtu, kIpv6MtuLeast);
  mtu = ip6_getpmtu(inp, mtu);
  const int policy = opt != nullptr ? opt->ip6po_minmtu : -1;
  const bool least =
      (flags & IPV6_MINMTU) != 0 || policy == 1 || (policy == -1 && way.rt == nullptr);
  return least ? std::min(mtu, kIpv6MtuLeast) : mtu;
}

int Transmit(const Way& way, MbufPtr m) {
  sockaddr_in6 dst{};
  dst.sin6_family = AF_INET6;
  dst.sin6_addr = way.next_hop;
  const int error = if_output(way.ifp, std::move(m), reinterpret_cast<const sockaddr*>(&dst));
  // A gateway that does not answer says nothing of the host behind it.
  const bool via_gateway = way.rt != nullptr && (way.rt->rt_flags & RTF_GATEWAY) != 0;
  return error == EHOSTDOWN && via_gateway ? EHOSTUNREACH : error;
}

int TransmitFragments(const Way& way, uint32_t mtu, MbufPtr m) {
  mbuf_list fragments;
  const int error = ip6_fragment(std::move(m), mtu, &fragments);
  if (error != 0) return error;
  ip6stat_inc(ip6s_fragmented);
  while (MbufPtr fragment = ml_dequeue(&fragments)) {
    const int send_error = Transmit(way, std::move(fragment));
    if (send_error != 0) {
      while (MbufPtr rest = ml_dequeue(&fragments)) ip6_drop(ip6s_odropped, std::move(rest));
      return send_error;
    }
    ip6stat_inc(ip6s_ofragments);
  }
  return 0;
}

int SendSegments(const Way& way, const ip6_pktopts* opt, int flags, const inpcb* inp, MbufPtr m);

// Whether a packet bears a fragment header, however small it is: a router has told of less than
// every link must carry, so there is one that translates and needs it (RFC 2460 5). What is said of
// the link to a neighbour goes without (RFC 6980 5).
bool NeedsFragmentHeader(const Way& way, int flags) {
  return way.rt != nullptr && rt_path_mtu(way.rt) < kIpv6MtuLeast &&
         (flags & (IPV6_FORWARDING | IPV6_MTUPROBE | IPV6_UNSPECSRC)) == 0;
}

// Checksums, size, away.
int SendByWay(const Way& way, const ip6_pktopts* opt, int flags, const inpcb* inp, MbufPtr m) {
  const uint32_t mtu = MtuOf(way, opt, flags, inp);
  const int capabilities = way.ifp->if_capabilities;
  const bool headed = NeedsFragmentHeader(way, flags);
  if ((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0) {
    if (headed || !tcp_may_leave_whole(way.ifp, IFCAP_TSOv6, mtu, m.get())) {
      return SendSegments(way, opt, flags, inp, std::move(m));
    }
  } else if (static_cast<uint32_t>(m->m_pkthdr.len) > mtu) {
    // Only the source cuts packets up, and TCP never asks for it.
    const bool never = (flags & IPV6_FORWARDING) != 0 || (opt != nullptr && opt->ip6po_dontfrag);
    if (never) return Refuse(std::move(m), ip6s_cantfrag, EMSGSIZE);
    return TransmitFragments(way, mtu, std::move(m));
  } else if (headed) [[unlikely]] {
    return TransmitFragments(way, mtu + kIp6FragmentHeader, std::move(m));  // in one
  }
  uint16_t cannot = 0;
  if ((capabilities & IFCAP_CSUM_TCPv6) == 0) cannot |= M_TCP_CSUM_OUT;
  if ((capabilities & IFCAP_CSUM_UDPv6) == 0) cannot |= M_UDP_CSUM_OUT | M_ICMP_CSUM_OUT;
  if ((m->m_pkthdr.csum_flags & cannot) != 0) in6_proto_cksum_out(m.get(), cannot);
  return Transmit(way, std::move(m));
}

// Cuts up what TCP has handed over in one piece; each segment then goes as if it had come alone.
int SendSegments(const Way& way, const ip6_pktopts* opt, int flags, const inpcb* inp, MbufPtr m) {
  return tcp_send_chopped(
      std::move(m),
      [&](MbufPtr segment) { return SendByWay(way, opt, flags, inp, std::move(segment)); },
      [](MbufPtr rest) { ip6_drop(ip6s_odropped, std::move(rest)); });
}

}  // namespace

int ip6_output(MbufPtr m, const ip6_pktopts* opt, route* ro, int flags, ip6_moptions* im6o,
               inpcb* inp) {
  KASSERT((m->m_flags & M_PKTHDR) != 0 && m->m_len >= kIpv6Header);
  if (m->m_pkthdr.len - kIpv6Header > kIpv6PayloadMax) {
    return Refuse(std::move(m), ip6s_cantfrag, EMSGSIZE);
  }
  KASSERT(ip6_view(m.get()).payload_length() == m->m_pkthdr.len - kIpv6Header);
  if ((flags & IPV6_FORWARDING) == 0) ip6stat_inc(ip6s_localout);

  const in6_addr dst = ip6_view(m.get()).destination();
  Way way;
  route here;
  ip6stat_counters why;
  int error = DecideWay(opt, dst, ro != nullptr ? ro : &here, im6o, &way, &why);
  if (error != 0 || way.ifp == nullptr) return Refuse(std::move(m), why, error);
  error = ChooseSource(way, flags, m.get());
  if (error != 0 || !MayLeave(way.ifp, ip6_view(m.get()).source(), dst)) {
    return Refuse(std::move(m), ip6s_sources_none, EADDRNOTAVAIL);
  }
  if (in6_ismulticast(dst)) {
    if (!in6_equal(way.next_hop, dst)) ip6_edit(m.get()).set_destination(way.next_hop);
    if (im6o != nullptr) ip6_edit(m.get()).set_hop_limit(static_cast<uint8_t>(im6o->im6o_hlim));
    m->m_flags |= M_MCAST;
    if (!LoopMulticast(way, im6o, m.get())) return Refuse(std::move(m), ip6s_mcastlocal, 0);
  }
  if ((way.ifp->if_flags & IFF_LOOPBACK) == 0) {
    m = ClearZones(std::move(m));
    if (m == nullptr) return ENOBUFS;
  }
  return SendByWay(way, opt, flags, inp, std::move(m));
}

int ip6_pcboutput(inpcb* inp, MbufPtr m, ip6_pktopts opt, const InetName& peer) {
  ip6_moptions im6o = ip6_packetmoptions(inp, opt);
  const bool probe = inp->inp_mtu_discover == MtuDiscover::kProbe;
  if (probe || inp->inp_mtu_discover == MtuDiscover::kDo) opt.ip6po_dontfrag = true;
  const int flags = probe ? IPV6_MTUPROBE : 0;
  const int error = ip6_output(std::move(m), &opt, &inp->inp_route, flags, &im6o, inp);
  Way way;
  ip6stat_counters why;
  if (error == EMSGSIZE &&
      DecideWay(&opt, peer.addr.v6(), &inp->inp_route, &im6o, &way, &why) == 0) {
    ip6_notify_pmtu(inp, peer, MtuOf(way, &opt, flags, inp));
  }
  return error;
}

void in6_proto_cksum_out(mbuf* m, uint16_t which) {
  // Where each protocol keeps its checksum.
  constexpr struct {
    uint16_t flag;
    int offset;
  } kFields[] = {{M_TCP_CSUM_OUT, 16}, {M_UDP_CSUM_OUT, 6}, {M_ICMP_CSUM_OUT, 2}};
  uint16_t& flags = m->m_pkthdr.csum_flags;
  const uint16_t pending = flags & which;
  if (pending == 0) return;
  Ip6Chain at = ip6_firsthdr(m);
  const bool found = ip6_lasthdr(m, &at);
  KASSERT(found);
  const int length = m->m_pkthdr.len - at.offset;
  for (const auto& field : kFields) {
    if ((pending & field.flag) == 0) continue;
    KASSERT(length >= field.offset + 2);
    uint8_t sum[2] = {0, 0};
    // A shared mbuf may be written to: whoever shares it computes the same.
    int error = m_copyback(m, at.offset + field.offset, 2, sum, M_DONTWAIT);
    uint16_t value = in6_cksum(m, at.next, at.offset, length);
    if (value == 0 && field.flag == M_UDP_CSUM_OUT) value = 0xffff;  // RFC 8200 8.1
    StoreBe16(sum, value);
    error |= m_copyback(m, at.offset + field.offset, 2, sum, M_DONTWAIT);
    KASSERT(error == 0);  // the chain does not grow
  }
  flags &= static_cast<uint16_t>(~pending);
}

MbufPtr ip6_own_header(MbufPtr m) {
  if (!M_READONLY(m.get())) return m;
  uint8_t header[kIpv6Header];
  m_copydata(m.get(), 0, kIpv6Header, header);
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  const int bytes = m->m_pkthdr.len;
  m_adj(m.get(), kIpv6Header);
  m = m_prepend(std::move(m), kIpv6Header,
                M_DONTWAIT);  // a new mbuf: nobody writes to a shared one
  if (m == nullptr) {
    ip6_note_drop(ip6s_nobufs, src, dst, bytes);
    return nullptr;
  }
  std::memcpy(m->m_data, header, sizeof header);
  return m;
}

int in6_selecthlim(int hops, route* ro, const inpaddru& dst) {
  if (hops >= 0) return hops;
  const Inet6Host& inet6 = inet6_here();
  if (inet6.nd_hops_told && ro != nullptr && !dst.is_any()) {
    const rtentry* rt = rtalloc(ro, dst);
    const uint8_t told = rt != nullptr ? nd6_ifinfo(rt->rt_ifp)->hop_limit : uint8_t{0};
    if (told != 0) return told;
  }
  return static_cast<int>(inet6.tunables.hlim);
}

uint32_t ip6_getpmtu(const inpcb* inp, uint32_t mtu) {
  const bool capped = inp != nullptr && inp->inp_ip6_mtu != 0;
  return capped ? std::min(mtu, inp->inp_ip6_mtu) : mtu;
}

}  // namespace sockbed
