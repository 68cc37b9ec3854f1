// Solicitations and advertisements of neighbours, and duplicate detection, which is made of them
// (RFC 4861 7.1, 7.2; RFC 4862 5.4).
#include <utility>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

void Note(InetRecord type, const in6_ifaddr* ia6) {
  Emit(Room::kInet, static_cast<uint8_t>(type), ia6->ia6_id, in6_high(ia6->ia_addr),
       in6_low(ia6->ia_addr));
}

// A solicitation or advertisement to be sent.
struct Message {
  uint8_t type;
  in6_addr source, destination, target;
  uint32_t flags = 0;
  uint8_t option = 0;  // ND_OPT_*: with our link address; 0: none
};

void Send(ifnet* ifp, const Message& message) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return icmp6stat_inc(icp6s_nobufs);  // as lost as on the wire
  const int length = kNdNeighbour + (message.option != 0 ? kNdLinkOption : 0);
  m->m_data += max_linkhdr;
  m->m_len = m->m_pkthdr.len = kIpv6Header + length;
  Ipv6Header{.payload_length = length,
             .hop_limit = kIpv6HopsMax,
             .next_header = IPPROTO_ICMPV6,
             .source = message.source,
             .destination = message.destination}
      .Write(m->m_data, kIpv6Header);
  uint8_t* p = mtod<uint8_t>(m.get()) + kIpv6Header;
  IcmpHeader{.type = message.type, .code = 0, .rest = message.flags}.Write(p, kIcmpHeader);
  StoreAddress6(p + kNdTargetAt, in6_clearscope(message.target));
  if (message.option != 0) NdWriteLinkAddress(p + kNdNeighbour, message.option, ifp->if_lladdr);
  icmp6_send_by(std::move(m), ifp);
}

// What a message holds, once checked.
struct Received {
  ifnet* ifp;
  in6_addr source, destination, target;
  uint32_t flags;
  bool has_link = false;
  ether_addr link;
};

// The checks of RFC 4861 7.1 that both kinds share. False: to be dropped.
bool Read(const mbuf* m, int hlen, uint8_t option, Received* got) {
  const int length = m->m_pkthdr.len - hlen;
  const uint8_t* p = mtod<uint8_t>(m) + hlen;
  if (ip6_view(m).hop_limit() != kIpv6HopsMax || p[1] != 0 || length < kNdNeighbour) return false;
  got->ifp = if_byindex(*Here().host, m->m_pkthdr.ph_ifidx);
  got->source = ip6_source(m);
  got->destination = ip6_destination(m);
  got->flags = LoadBe32(p + 4);
  const in6_addr target = LoadAddress6(p + kNdTargetAt);
  got->target = in6_setscope(target, m->m_pkthdr.ph_ifidx);
  // A target that brings a zone along is forged.
  if (in6_ismulticast(target) || in6_zone(target) != 0) return false;
  return NdForEachOption(p + kNdNeighbour, length - kNdNeighbour, [&](const NdOption& o) {
    if (o.type != option || o.length != kNdLinkOption || got->has_link) return;
    got->has_link = true;
    got->link = NdLinkAddress(o);
  });
}

bool IsSolicitedGroup(const in6_addr& a) {
  const in6_addr bare = in6_clearscope(a);
  return in6_high(bare) == 0xff02'0000'0000'0000 && in6_low(bare) >> 24 == 0x1ff;
}

// --- Duplicate detection. ---

nd_address* Find(const in6_ifaddr* ia6) {
  auto& all = inet6_here().nd_addresses;
  const auto found = all.find(ia6->ia6_id);
  return found != all.end() ? &found->second : nullptr;
}

void Probe(nd_address* nd) {
  in6_ifaddr* ia6 = nd->ia6;
  if (!if_is_up(ia6->ia_ifp)) return;  // begins again when the interface comes up
  --nd->probes;
  timeout_add_msec(&nd->probe_timer, static_cast<int>(nd6_ifinfo(ia6->ia_ifp)->retrans_ms));
  nd6_ns_output(ia6->ia_ifp, kIn6Any, ia6->ia_addr, nullptr);
}

// Nobody has objected for a while: the next probe, or the address is ours.
void ProbeTimer(void* arg) {
  auto* nd = static_cast<nd_address*>(arg);
  if (nd->probes > 0) return Probe(nd);
  nd->ia6->ia6_flags &= ~IN6_IFF_TENTATIVE;
  Note(InetRecord::kDadDone, nd->ia6);
  // With a link-local address one can ask for routers.
  if (in6_islinklocal(nd->ia6->ia_addr)) nd6_rs_start(nd->ia6->ia_ifp);
}

// Another node has the address, or checks it too: it is nobody's here.
void Duplicate(in6_ifaddr* ia6) {
  nd_address* nd = Find(ia6);
  timeout_del(&nd->probe_timer);
  ia6->ia6_flags = (ia6->ia6_flags & ~IN6_IFF_TENTATIVE) | IN6_IFF_DUPLICATED;
  Note(InetRecord::kDadDuplicate, ia6);
  in6_ifunroute(ia6);
}

bool IsTentative(const in6_ifaddr* ia6) { return (ia6->ia6_flags & IN6_IFF_TENTATIVE) != 0; }

// --- Answering. ---

// Answers `m`, a solicitation for an address that is ours alone (RFC 4861 7.2.4), or one of many's,
// which says nothing itself.
void Answer(MbufPtr m, const Received& ns, const in6_ifaddr* ia6) {
  const bool known = !in6_isany(ns.source);
  const bool anycast = (ia6->ia6_flags & IN6_IFF_ANYCAST) != 0;
  uint32_t flags = inet6_here().tunables.forwarding != 0 ? ND_NA_FLAG_ROUTER : 0;
  if (known) flags |= ND_NA_FLAG_SOLICITED;
  if (!anycast) flags |= ND_NA_FLAG_OVERRIDE;
  const in6_addr to = known ? ns.source : in6_allnodes(ns.ifp->if_index);
  const in6_ifaddr* from = anycast ? in6_ifawithscope(ns.ifp, to) : ia6;
  if (from == nullptr) return ip6_drop(ip6s_sources_none, std::move(m));
  Send(ns.ifp, {.type = ND_NEIGHBOR_ADVERT,
                .source = from->ia_addr,
                .destination = to,
                .target = ns.target,
                .flags = flags,
                .option = ND_OPT_TARGET_LINKADDR});
}

}  // namespace

void nd6_ns_output(ifnet* ifp, const in6_addr& source, const in6_addr& target, const in6_addr* to) {
  Send(ifp, {.type = ND_NEIGHBOR_SOLICIT,
             .source = source,
             .destination = to != nullptr ? *to : in6_solicited(target, ifp->if_index),
             .target = target,
             .option = in6_isany(source) ? uint8_t{0} : ND_OPT_SOURCE_LINKADDR});
}

void nd6_ns_input(MbufPtr m, int hlen) {
  Received ns;
  if (!Read(m.get(), hlen, ND_OPT_SOURCE_LINKADDR, &ns)) {
    return icmp6_drop(icp6s_badnd, std::move(m));
  }
  const bool known = !in6_isany(ns.source);
  if (!known && (ns.has_link || !IsSolicitedGroup(ns.destination))) {
    return icmp6_drop(icp6s_badnd, std::move(m));
  }
  in6_ifaddr* ia6 = in6_ifawithaddr(ns.target);
  if (ia6 == nullptr || ia6->ia_ifp != ns.ifp) return icmp6_drop(icp6s_ignored, std::move(m));
  if (IsTentative(ia6)) {
    // Whoever asks from nowhere checks the same address; who asks from somewhere must wait.
    return known ? icmp6_drop(icp6s_ignored, std::move(m)) : Duplicate(ia6);
  }
  if ((ia6->ia6_flags & IN6_IFF_DUPLICATED) != 0) return icmp6_drop(icp6s_ignored, std::move(m));
  if (known && ns.has_link) (void)nd6_table().Learn(ns.ifp, ns.source, ns.link);
  Answer(std::move(m), ns, ia6);
}

void nd6_na_input(MbufPtr m, int hlen) {
  Received na;
  const bool read = Read(m.get(), hlen, ND_OPT_TARGET_LINKADDR, &na);
  const bool solicited = read && (na.flags & ND_NA_FLAG_SOLICITED) != 0;
  if (!read || (solicited && in6_ismulticast(na.destination))) {
    return icmp6_drop(icp6s_badnd, std::move(m));
  }
  in6_ifaddr* ia6 = in6_ifawithaddr(na.target);
  const bool ours =
      ia6 != nullptr && ia6->ia_ifp == na.ifp && (ia6->ia6_flags & IN6_IFF_DUPLICATED) == 0;
  if (!ours) {
    return nd6_table().Advertised(na.ifp, na.target, na.has_link ? &na.link : nullptr, na.flags);
  }
  if (IsTentative(ia6)) return Duplicate(ia6);
  // Another node claims an address of ours; nothing is to be done about it (RFC 4862 5.4.4).
  icmp6_drop(icp6s_conflict, std::move(m));
}

nd_address* nd6_address(in6_ifaddr* ia6) {
  nd_address* nd = &inet6_here().nd_addresses[ia6->ia6_id];
  nd->ia6 = ia6;
  return nd;
}

void nd6_dad_start(in6_ifaddr* ia6) {
  nd_address* nd = nd6_address(ia6);
  nd->probes = static_cast<int>(inet6_here().tunables.dad_count);
  if (!timeout_initialized(&nd->probe_timer)) timeout_set(&nd->probe_timer, ProbeTimer, nd);
  if (nd->probes == 0) return ProbeTimer(nd);
  Probe(nd);
}

void nd6_dad_stop(in6_ifaddr* ia6) {
  nd_address* nd = Find(ia6);
  if (nd == nullptr) return;
  timeout_del(&nd->probe_timer);
  timeout_del(&nd->lifetime_timer);
  inet6_here().nd_addresses.erase(ia6->ia6_id);
}

// What was learned on a link that is gone is worth nothing; when it comes back, so do the checks.
void nd6_link_state(ifnet* ifp) {
  Inet6Host& inet6 = inet6_here();
  const bool was_up = std::exchange(nd6_ifinfo(ifp)->up, if_is_up(ifp));
  if (was_up == if_is_up(ifp)) return;
  if (was_up) {
    inet6.nd6.Flush(ifp);
    nd6_forget_routers(ifp);
    timeout_del(&nd6_ifinfo(ifp)->solicit_timer);
    for (auto& [id, nd] : inet6.nd_addresses) {
      if (nd.ia6->ia_ifp == ifp) timeout_del(&nd.probe_timer);
    }
    return;
  }
  for (auto& [id, nd] : inet6.nd_addresses) {
    in6_ifaddr* ia6 = nd.ia6;
    if (ia6->ia_ifp != ifp || (ia6->ia6_flags & IN6_IFF_ANYCAST) != 0) continue;
    if ((ia6->ia6_flags & IN6_IFF_DUPLICATED) != 0) in6_ifreroute(ia6);
    ia6->ia6_flags = (ia6->ia6_flags & ~IN6_IFF_DUPLICATED) | IN6_IFF_TENTATIVE;
    nd6_dad_start(ia6);
  }
  // A host that configures itself begins with a link-local address (RFC 4862 5.3). A link too
  // narrow for IPv6 goes without.
  if (inet6.tunables.autoconf != 0) (void)in6_ifattach(ifp);
}

}  // namespace sockbed
