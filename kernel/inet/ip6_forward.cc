#include <algorithm>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

// Tells the sender that a packet is dropped, and drops it.
void Refuse(ip6stat_counters why, MbufPtr m, uint8_t type, uint8_t code, uint32_t param = 0) {
  ip6_note_drop(why, ip6_source(m.get()), ip6_destination(m.get()), m->m_pkthdr.len);
  icmp6_error(std::move(m), type, code, param);
}

// Rule 7 of spec 7.1. It comes before the packet is changed, so that an error quotes it as it came.
// Null: dropped.
MbufPtr CheckWayOn(const ifnet* ifp, const rtentry* rt, MbufPtr m) {
  const in6_addr src = ip6_source(m.get());
  if (ip6_view(m.get()).hop_limit() <= 1) {
    Refuse(ip6s_hopsexceeded, std::move(m), ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT);
  } else if (rt == nullptr || (rt->rt_flags & RTF_REJECT) != 0 || !if_is_up(rt->rt_ifp)) {
    const ip6stat_counters why = rt == nullptr                      ? ip6s_noroute
                                 : (rt->rt_flags & RTF_REJECT) != 0 ? ip6s_rejected
                                                                    : ip6s_odropped;
    Refuse(why, std::move(m), ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE);
  } else if ((rt->rt_flags & RTF_BLACKHOLE) != 0) {
    ip6_drop(ip6s_rejected, std::move(m));
  } else if (in6_islinklocal(src) && rt->rt_ifp != ifp) {
    Refuse(ip6s_badscope, std::move(m), ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE);
  } else if (const uint32_t mtu = std::max(rt_path_mtu(rt), kIpv6MtuLeast);
             static_cast<uint32_t>(m->m_pkthdr.len) > mtu) {
    Refuse(ip6s_cantfrag, std::move(m), ICMP6_PACKET_TOO_BIG, 0, mtu);
  }
  return m;
}

}  // namespace

void ip6_forward(ifnet* ifp, MbufPtr m) {
  const in6_addr dst = ip6_destination(m.get());
  // An address of a link is never another host's to reach through here (spec 7.1, rule 3), and
  // nobody answers to ::.
  if (in6_islinklocal(dst) || in6_isany(ip6_source(m.get()))) {
    return ip6_drop(ip6s_cantforward, std::move(m));
  }
  route ro;
  const rtentry* rt = rtalloc(&ro, dst);
  m = CheckWayOn(ifp, rt, std::move(m));
  if (m == nullptr) return;
  if (rt->rt_ifp == ifp) nd6_redirect_output(m.get(), rt);
  m = ip6_own_header(std::move(m));
  if (m == nullptr) return;
  Ipv6Edit ip = ip6_edit(m.get());
  ip.set_hop_limit(static_cast<uint8_t>(ip.hop_limit() - 1));
  // What can still fail is the interface's queue: nobody is told of that.
  if (ip6_output(std::move(m), nullptr, &ro, IPV6_FORWARDING, nullptr, nullptr) == 0) {
    ip6stat_inc(ip6s_forward);
  }
}

}  // namespace sockbed
