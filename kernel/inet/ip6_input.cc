#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_ipip.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// Drops and returns nothing.
MbufPtr Dropped(ip6stat_counters why, MbufPtr m) {
  ip6_drop(why, std::move(m));
  return nullptr;
}

// Drops a packet because of what stands at `at`, and tells its sender.
MbufPtr Complain(ip6stat_counters why, MbufPtr m, uint8_t code, int at) {
  ip6_note_drop(why, ip6_source(m.get()), ip6_destination(m.get()), m->m_pkthdr.len);
  icmp6_error(std::move(m), ICMP6_PARAM_PROB, code, static_cast<uint32_t>(at));
  return nullptr;
}

// A zone that the wire bears is forged: only packets that have not left the host may.
bool HasForgedZone(const in6_addr& a) { return in6_zone(a) != 0; }

// Rule 1, the addresses. `inside`: the packet has not left this host.
bool IsImpossible(const in6_addr& src, const in6_addr& dst, bool inside) {
  if (in6_ismulticast(src) || in6_isany(dst)) return true;
  for (const in6_addr* a : {&src, &dst}) {
    if (in6_ismapped(*a) || in6_iscompatible(*a)) return true;
    if (!inside && (in6_isloopback(*a) || HasForgedZone(*a))) return true;
  }
  if (!in6_ismulticast(dst)) return false;
  const int scope = in6_addrscope(dst);
  return scope == 0 || (scope == kScopeInterface && !inside);
}

// Rules 1 and 2 of spec 7.1. Returns the packet with its header in the first mbuf and nothing
// behind its end; null when dropped.
MbufPtr CheckHeader(MbufPtr m) {
  const int bytes = m->m_pkthdr.len;
  if (bytes < kIpv6Header) return Dropped(ip6s_toosmall, std::move(m));
  if (m->m_len < kIpv6Header) {
    m = m_pullup(std::move(m), kIpv6Header);
    if (m == nullptr) return ip6_note_drop(ip6s_nobufs, {}, {}, bytes), nullptr;
  }
  const Ipv6View ip = ip6_view(m.get());
  if (ip.version() != 6) return Dropped(ip6s_badvers, std::move(m));
  if (IsImpossible(ip.source(), ip.destination(), (m->m_flags & M_LOOP) != 0)) {
    return Dropped(ip6s_badscope, std::move(m));
  }
  const int length = kIpv6Header + ip.payload_length();
  if (bytes < length) return Dropped(ip6s_tooshort, std::move(m));
  if (bytes > length) m_adj(m.get(), length - bytes);
  return m;
}

// Whether what begins at `at` is a message of neighbour discovery.
bool IsNeighbourDiscovery(const mbuf* m, const Ip6Chain& at) {
  if (at.next != IPPROTO_ICMPV6 || m->m_pkthdr.len <= at.offset) return false;
  uint8_t type;
  m_copydata(m, at.offset, sizeof type, &type);
  return type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT;
}

enum class Ours : uint8_t { kYes, kNo, kNotMember, kWrongInterface, kNotReady };

// Rule 4. Marks multicasts.
Ours IsOurs(Inet6Host& inet6, const ifnet* ifp, mbuf* m) {
  const in6_addr dst = ip6_destination(m);
  if (in6_ismulticast(dst)) {
    m->m_flags |= M_MCAST;
    return in6_hasmulti(ifp, dst) != nullptr ? Ours::kYes : Ours::kNotMember;
  }
  const rtentry* rt = rtalloc(&inet6.input_route, dst);
  if (rt == nullptr || (rt->rt_flags & RTF_LOCAL) == 0) return Ours::kNo;
  const in6_ifaddr* ia6 = ifatoia6(rt->rt_ifa);
  const bool other_interface = ia6->ia_ifp != ifp && (ifp->if_flags & IFF_LOOPBACK) == 0;
  if (other_interface && inet6.tunables.forwarding == 0) return Ours::kWrongInterface;
  if ((ia6->ia6_flags & IN6_IFF_DUPLICATED) != 0) return Ours::kNotReady;
  // While it is checked for duplicates it has no more than neighbour discovery.
  const bool checked = (ia6->ia6_flags & IN6_IFF_TENTATIVE) != 0;
  return checked && !IsNeighbourDiscovery(m, ip6_firsthdr(m)) ? Ours::kNotReady : Ours::kYes;
}

// Rule 5: a routing header is stepped over when there is nothing left to visit.
MbufPtr CheckRouting(MbufPtr m, const Ip6Chain& at) {
  uint8_t head[4];  // next header, length, type, segments left
  m_copydata(m.get(), at.offset, sizeof head, head);
  constexpr uint8_t kTypeSource = 0;  // RFC 5095 has done away with it
  if (head[2] == kTypeSource || head[3] != 0) {
    return Complain(ip6s_badhdr, std::move(m), ICMP6_PARAMPROB_HEADER, at.offset + 2);
  }
  return m;
}

// A hop-by-hop header that is not the first of all, or was not before fragments became one packet
// (RFC 8200 4.1).
MbufPtr RefuseHops(MbufPtr m, const Ip6Chain& at) {
  return Complain(ip6s_badhdr, std::move(m), ICMP6_PARAMPROB_NEXTHEADER, at.next_at);
}

// Steps over one extension header and acts on it. Null: the packet is gone.
MbufPtr PassHeader(Inet6Host& inet6, MbufPtr m, Ip6Chain* at) {
  if (at->next == IPPROTO_FRAGMENT) {
    // What comes back whole has no such header any more; its first header begins here.
    m = inet6.reassembly.Add(std::move(m), at->offset, at->next_at);
    if (m == nullptr) return nullptr;
    m_copydata(m.get(), at->next_at, 1, &at->next);
    return at->next == IPPROTO_HOPOPTS ? RefuseHops(std::move(m), *at) : std::move(m);
  }
  Ip6Chain behind = *at;
  if (!ip6_nexthdr(m.get(), &behind)) return Dropped(ip6s_toomanyhdr, std::move(m));
  if (at->next == IPPROTO_HOPOPTS && at->next_at != kIpv6NextHeaderAt) {
    return RefuseHops(std::move(m), *at);
  }
  if (at->next == IPPROTO_DSTOPTS) m = ip6_dooptions(std::move(m), at->offset);
  if (at->next == IPPROTO_ROUTING) m = CheckRouting(std::move(m), *at);
  *at = behind;
  return m;
}

// No protocol has registered for what begins at `at`.
void DeliverRaw(Inet6Host& inet6, MbufPtr m, const Ip6Chain& at) {
  const IpipRule rule = ipip_rule(inet_here().tunables.profile, at.next);
  if (rule.raw && rip6_input(m.get(), at.offset, at.next)) {
    ++inet6.ip6stat[ip6s_delivered];
  } else if (!rule.tell) {
    ip6_drop(ip6s_notunnel, std::move(m));
  } else {
    (void)Complain(ip6s_noproto, std::move(m), ICMP6_PARAMPROB_NEXTHEADER, at.next_at);
  }
}

// Rule 6: through the headers to the protocol. Hop-by-hop options have been acted on.
void Deliver(Inet6Host& inet6, MbufPtr m) {
  const int64_t limit = inet6.tunables.hdrnestlimit;  // 0: as many as the packet has room for
  bool fragmented = false;
  Ip6Chain at = ip6_firsthdr(m.get());
  for (int64_t passed = 0; Ip6IsOptionsHeader(at.next) || at.next == IPPROTO_FRAGMENT; ++passed) {
    if (limit != 0 && passed >= limit) return ip6_drop(ip6s_toomanyhdr, std::move(m));
    fragmented |= at.next == IPPROTO_FRAGMENT;
    m = PassHeader(inet6, std::move(m), &at);
    if (m == nullptr) return;
  }
  // RFC 6980 5: no honest one is that long, and a forged one may hide so from who watches the link.
  if (fragmented && IsNeighbourDiscovery(m.get(), at)) {
    return icmp6_drop(icp6s_badnd, std::move(m));
  }
  if (at.next == IPPROTO_NONE) return ip6_drop(ip6s_nonxt, std::move(m));
  const InetProtocol* protocol = inet6.protocols[at.next];
  if (protocol == nullptr) return DeliverRaw(inet6, std::move(m), at);
  ++inet6.ip6stat[ip6s_delivered];
  protocol->input(std::move(m), at.offset);
}

}  // namespace

void ip6_input(ifnet* ifp, MbufPtr m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  Inet6Host& inet6 = inet6_here();
  ++inet6.ip6stat[ip6s_total];
  m = CheckHeader(std::move(m));
  if (m == nullptr) return;
  const Ours ours = IsOurs(inet6, ifp, m.get());
  switch (ours) {
    case Ours::kYes: break;
    case Ours::kNotMember: return ip6_drop(ip6s_notmember, std::move(m));
    case Ours::kWrongInterface: return ip6_drop(ip6s_wrongif, std::move(m));
    case Ours::kNotReady: return ip6_drop(ip6s_notready, std::move(m));
    case Ours::kNo:
      if (inet6.tunables.forwarding == 0 || (m->m_flags & (M_BCAST | M_MCAST)) != 0) {
        return ip6_drop(ip6s_cantforward, std::move(m));
      }
  }
  // Rule 5: of every node on the way, but of no bystander.
  if (ip6_view(m.get()).next_header() == IPPROTO_HOPOPTS) {
    Ip6Chain behind = ip6_firsthdr(m.get());
    if (!ip6_nexthdr(m.get(), &behind)) return ip6_drop(ip6s_toomanyhdr, std::move(m));
    m = ip6_dooptions(std::move(m), kIpv6Header);
    if (m == nullptr) return;
  }
  if (ours == Ours::kYes) return Deliver(inet6, std::move(m));
  ip6_forward(ifp, std::move(m));
}

}  // namespace sockbed
