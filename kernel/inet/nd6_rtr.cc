// Routers: asking for them, believing what they advertise, redirects both ways (RFC 4861 6.3, 8;
// RFC 4862 5.5). A host believes routers while net.inet6.ip6.autoconf is set and it is none itself.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr int kSolicitationsMax = 3;  // RFC 4861 10
constexpr int kSolicitSeconds = 4;
constexpr uint32_t kForEver = 0xffff'ffff;  // of a lifetime
constexpr int64_t kReachableMaxMs = 3'600'000;
constexpr uint8_t kAutoconfPrefixLen = 64;
constexpr SimTime kTwoHours = 7200 * kSecond;  // RFC 4862 5.5.3 e

bool Believes() {
  const Inet6Tunables& tunables = inet6_here().tunables;
  return tunables.autoconf != 0 && tunables.forwarding == 0;
}

// The end of a lifetime as routers tell it; 0: never.
SimTime EndOf(uint32_t seconds) {
  return seconds == kForEver ? 0 : Now() + int64_t{seconds} * kSecond;
}

bool IsReady(const in6_ifaddr* ia6) {
  return ia6 != nullptr && (ia6->ia6_flags & IN6_IFF_NOTREADY) == 0;
}

// --- Default routers. ---

// The default route goes by the first router of the list.
void SelectRouter() {
  Inet6Host& inet6 = inet6_here();
  rtentry* rt = rt_get(kIn6Any, 0, RTP_DEFAULT);
  const nd_router* router = inet6.nd_routers.empty() ? nullptr : &inet6.nd_routers.begin()->second;
  if (rt != nullptr && router != nullptr && rt->rt_ifp == router->ifp &&
      rt->rt_gateway == inpaddru(router->addr)) {
    return;
  }
  if (rt != nullptr) rt_delete(rt);
  if (router == nullptr) return;
  // It fails when the interface has gone meanwhile: then there is no way out.
  (void)rt_add({.dest = kIn6Any,
                .family = AF_INET6,
                .plen = 0,
                .priority = RTP_DEFAULT,
                .flags = 0,
                .gateway = router->addr,
                .ifp = router->ifp});
}

void RouterEnded(void* arg) {
  const auto* router = static_cast<nd_router*>(arg);
  nd6_router_gone(router->ifp, router->addr);
}

void HearRouter(ifnet* ifp, const in6_addr& addr, uint32_t lifetime) {
  auto& routers = inet6_here().nd_routers;
  const std::tuple key(ifp->if_index, in6_high(addr), in6_low(addr));
  if (lifetime == 0) return nd6_router_gone(ifp, addr);
  const auto [at, made] = routers.try_emplace(key);
  nd_router* router = &at->second;
  if (made) {
    router->ifp = ifp;
    router->addr = addr;
    timeout_set(&router->lifetime, RouterEnded, router);
  }
  timeout_add_sec(&router->lifetime, static_cast<int>(lifetime));
  SelectRouter();
}

// --- Prefixes. ---

std::tuple<uint32_t, uint64_t, uint64_t, uint8_t> KeyOf(const ifnet* ifp, const in6_addr& prefix,
                                                        uint8_t plen) {
  return {ifp->if_index, in6_high(prefix), in6_low(prefix), plen};
}

void EndPrefix(nd_prefix* prefix) {
  timeout_del(&prefix->lifetime);
  if (rtentry* rt = rt_get(prefix->prefix, prefix->plen, RTP_STATIC)) rt_delete(rt);
  inet6_here().nd_prefixes.erase(KeyOf(prefix->ifp, prefix->prefix, prefix->plen));
}

// A timeout cannot wait for years: it may come before the end.
void PrefixTimer(void* arg) {
  auto* prefix = static_cast<nd_prefix*>(arg);
  if (prefix->until <= Now()) return EndPrefix(prefix);
  timeout_add_nsec(&prefix->lifetime, prefix->until - Now());
}

void SetUntil(nd_prefix* prefix, SimTime until) {
  prefix->until = until;
  timeout_del(&prefix->lifetime);
  if (until != 0) PrefixTimer(prefix);
}

// A prefix is on the link. Where one of our own addresses says so too, its route stands before.
void HearOnLink(ifnet* ifp, const in6_addr& prefix, uint8_t plen, uint32_t valid) {
  auto& prefixes = inet6_here().nd_prefixes;
  const auto key = KeyOf(ifp, prefix, plen);
  const auto found = prefixes.find(key);
  if (found != prefixes.end()) {
    return valid == 0 ? EndPrefix(&found->second) : SetUntil(&found->second, EndOf(valid));
  }
  const int error = valid == 0 ? 0
                               : rt_add({.dest = prefix,
                                         .family = AF_INET6,
                                         .plen = plen,
                                         .flags = RTF_CLONING,
                                         .ifp = ifp});
  if (valid == 0 || error != 0) return;
  nd_prefix* made = &prefixes[key];
  made->ifp = ifp;
  made->prefix = prefix;
  made->plen = plen;
  timeout_set(&made->lifetime, PrefixTimer, made);
  SetUntil(made, EndOf(valid));
}

// --- Addresses of our own making. ---

void LifetimeTimer(void* arg) {
  auto* nd = static_cast<nd_address*>(arg);
  in6_ifaddr* ia6 = nd->ia6;
  const SimTime valid = ia6->ia6_valid_until, preferred = ia6->ia6_preferred_until;
  if (valid != 0 && valid <= Now()) {
    const int error = in6_ifdel(ia6->ia_ifp, ia6->ia_addr);
    KASSERT(error == 0);
    return;
  }
  const bool old = preferred != 0 && preferred <= Now();
  ia6->ia6_flags = old ? ia6->ia6_flags | IN6_IFF_DEPRECATED : ia6->ia6_flags & ~IN6_IFF_DEPRECATED;
  const SimTime next = old || preferred == 0 ? valid : preferred;
  if (next != 0) timeout_add_nsec(&nd->lifetime_timer, next - Now());
}

void SetLifetimes(in6_ifaddr* ia6, uint32_t valid, uint32_t preferred) {
  ia6->ia6_valid_until = EndOf(valid);
  ia6->ia6_preferred_until = EndOf(preferred);
  nd_address* nd = nd6_address(ia6);
  timeout_del(&nd->lifetime_timer);
  timeout_set(&nd->lifetime_timer, LifetimeTimer, nd);
  LifetimeTimer(nd);
}

// An address under an advertised prefix, its identifier that of the link-local one.
void Configure(ifnet* ifp, const NdPrefixView& info) {
  const in6_ifaddr* own = in6_ifalinklocal(ifp);
  if (own == nullptr || info.length() != kAutoconfPrefixLen) return;
  const in6_addr addr = in6_make(in6_high(info.prefix()), in6_low(own->ia_addr));
  in6_ifaddr* ia6 = in6_ifawithaddr(addr);
  uint32_t valid = info.valid_seconds();
  if (ia6 == nullptr) {
    // Whether its neighbours are on the link is for the router to say.
    const int flags = info.on_link() ? IN6_IFF_AUTOCONF : IN6_IFF_AUTOCONF | IN6_IFF_NOPFX;
    if (valid == 0 || in6_ifadd(ifp, addr, kAutoconfPrefixLen, flags) != 0) return;
    ia6 = in6_ifawithaddr(addr);
  } else if ((ia6->ia6_flags & IN6_IFF_AUTOCONF) == 0) {
    return;
  } else if (ia6->ia6_valid_until != 0) {
    // Nobody unauthenticated may end an address sooner than in two hours.
    const SimTime left = ia6->ia6_valid_until - Now();
    const SimTime told = int64_t{valid} * kSecond;
    if (told <= kTwoHours && told <= left) {
      if (left <= kTwoHours) valid = static_cast<uint32_t>(left / kSecond);
      if (left > kTwoHours) valid = static_cast<uint32_t>(kTwoHours / kSecond);
    }
  } else if (int64_t{valid} * kSecond < kTwoHours) {
    valid = static_cast<uint32_t>(kTwoHours / kSecond);
  }
  SetLifetimes(ia6, valid, std::min(info.preferred_seconds(), valid));
}

void HearPrefix(ifnet* ifp, const NdOption& option) {
  const NdPrefixView info(option);
  const in6_addr prefix = info.prefix();
  const bool possible = info.length() <= 128 && !in6_islinklocal(prefix) &&
                        !in6_ismulticast(prefix) &&
                        info.preferred_seconds() <= info.valid_seconds();
  if (!possible) return;
  if (info.autonomous()) Configure(ifp, info);
  if (info.on_link()) {
    HearOnLink(ifp, in6_prefix(prefix, info.length()), info.length(), info.valid_seconds());
  }
}

// The link carries packets of that size, less than the interface could: so do all its routes, by
// whichever gateway.
void HearMtu(ifnet* ifp, const NdOption& option) {
  const uint32_t mtu = LoadBe32(option.data + 4);
  if (mtu < kIpv6MtuLeast || mtu > ifp->if_mtu) return;
  nd6_ifinfo(ifp)->link_mtu = mtu;
  std::vector<rtentry*> routes;
  rt_foreach([&](const rtentry& rt) {
    if (rt.rt_family != AF_INET6 || rt.rt_ifp != ifp || (rt.rt_flags & RTF_DYNAMIC) != 0) return;
    routes.push_back(rt_get(AF_INET6, rt.rt_dest, rt.rt_plen, rt.rt_priority));
  });
  for (rtentry* rt : routes) (void)rt_set_mtu(rt, mtu);  // it fits: see above
}

void HearOption(ifnet* ifp, const in6_addr& router, const NdOption& option) {
  constexpr int kMtuOption = 8;
  if (option.type == ND_OPT_SOURCE_LINKADDR && option.length == kNdLinkOption) {
    nd6_table().Learn(ifp, router, NdLinkAddress(option))->router = true;
  }
  if (option.type == ND_OPT_MTU && option.length == kMtuOption) HearMtu(ifp, option);
  if (option.type == ND_OPT_PREFIX_INFORMATION && option.length == kNdPrefixOption) {
    HearPrefix(ifp, option);
  }
}

// --- Asking. ---

void SolicitRouters(void* arg) {
  auto* nd = static_cast<nd_ifinfo*>(arg);
  if (nd->heard_router || nd->solicitations == 0 || !Believes() || !if_is_up(nd->ifp)) return;
  --nd->solicitations;
  timeout_add_sec(&nd->solicit_timer, kSolicitSeconds);
  const in6_ifaddr* ia6 = in6_ifalinklocal(nd->ifp);
  const bool ready = IsReady(ia6);
  const int length = kNdRouterSolicit + (ready ? kNdLinkOption : 0);
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return icmp6stat_inc(icp6s_nobufs);  // as lost as on the wire
  m->m_data += max_linkhdr;
  m->m_len = m->m_pkthdr.len = kIpv6Header + length;
  Ipv6Header{.payload_length = length,
             .hop_limit = kIpv6HopsMax,
             .next_header = IPPROTO_ICMPV6,
             .source = ready ? ia6->ia_addr : kIn6Any,
             .destination = in6_allrouters(nd->ifp->if_index)}
      .Write(m->m_data, kIpv6Header);
  uint8_t* p = mtod<uint8_t>(m.get()) + kIpv6Header;
  IcmpHeader{.type = ND_ROUTER_SOLICIT, .code = 0}.Write(p, kIcmpHeader);
  if (ready) {
    NdWriteLinkAddress(p + kNdRouterSolicit, ND_OPT_SOURCE_LINKADDR, nd->ifp->if_lladdr);
  }
  icmp6_send_by(std::move(m), nd->ifp);
}

// Whether the sender of a packet, which came by the interface it leaves by, has a shorter way.
bool DeservesRedirect(const rtentry* rt, const in6_addr& src) {
  const Inet6Tunables& tunables = inet6_here().tunables;
  if (tunables.redirect == 0 || !if_is_ethernet(rt->rt_ifp)) return false;
  if ((rt->rt_flags & (RTF_DYNAMIC | RTF_MODIFIED)) != 0) return false;
  if ((rt->rt_flags & RTF_GATEWAY) != 0 && !in6_islinklocal(rt->rt_gateway.v6())) return false;
  const in6_ifaddr* near = in6_ifaonlink(src);
  return near != nullptr && near->ia_ifp == rt->rt_ifp && IsReady(in6_ifalinklocal(rt->rt_ifp));
}

// What a redirect says. RFC 4861 8.1. False: to be dropped.
struct Redirect {
  in6_addr source, target, destination;
  bool has_link = false;
  ether_addr link;
};

bool Read(const mbuf* m, int hlen, Redirect* got) {
  const int length = m->m_pkthdr.len - hlen;
  const uint8_t* p = mtod<uint8_t>(m) + hlen;
  got->source = ip6_source(m);
  if (ip6_view(m).hop_limit() != kIpv6HopsMax || p[1] != 0 || length < kNdRedirect) return false;
  const uint32_t zone = m->m_pkthdr.ph_ifidx;
  const in6_addr target = LoadAddress6(p + kNdTargetAt);
  const in6_addr destination = LoadAddress6(p + kNdRedirectDestinationAt);
  // One that brings a zone along is forged.
  if (in6_zone(target) != 0 || in6_zone(destination) != 0) return false;
  got->target = in6_setscope(target, zone);
  got->destination = in6_setscope(destination, zone);
  if (!in6_islinklocal(got->source) || in6_ismulticast(got->destination)) return false;
  if (!in6_islinklocal(got->target) && !in6_equal(got->target, got->destination)) return false;
  return NdForEachOption(p + kNdRedirect, length - kNdRedirect, [&](const NdOption& o) {
    if (o.type != ND_OPT_TARGET_LINKADDR || o.length != kNdLinkOption) return;
    got->has_link = true;
    got->link = NdLinkAddress(o);
  });
}

}  // namespace

void nd6_rs_start(ifnet* ifp) {
  if (!Believes() || !if_is_ethernet(ifp)) return;
  nd_ifinfo* nd = nd6_ifinfo(ifp);
  nd->solicitations = kSolicitationsMax;
  nd->heard_router = false;
  if (!timeout_initialized(&nd->solicit_timer)) timeout_set(&nd->solicit_timer, SolicitRouters, nd);
  SolicitRouters(nd);
}

void nd6_router_gone(const ifnet* ifp, const in6_addr& addr) {
  auto& routers = inet6_here().nd_routers;
  const auto found = routers.find({ifp->if_index, in6_high(addr), in6_low(addr)});
  if (found == routers.end()) return;
  timeout_del(&found->second.lifetime);
  routers.erase(found);
  SelectRouter();
}

void nd6_forget_routers(const ifnet* ifp) {
  Inet6Host& inet6 = inet6_here();
  for (auto at = inet6.nd_prefixes.begin(); at != inet6.nd_prefixes.end();) {
    nd_prefix* prefix = &(at++)->second;
    if (prefix->ifp != ifp) continue;
    EndPrefix(prefix);
  }
  for (auto at = inet6.nd_routers.begin(); at != inet6.nd_routers.end();) {
    const nd_router& router = (at++)->second;
    if (router.ifp == ifp) nd6_router_gone(ifp, in6_addr(router.addr));
  }
}

void nd6_ra_input(MbufPtr m, int hlen) {
  const in6_addr router = ip6_source(m.get());
  const int length = m->m_pkthdr.len - hlen;
  const uint8_t* p = mtod<uint8_t>(m.get()) + hlen;
  const bool good =
      ip6_view(m.get()).hop_limit() == kIpv6HopsMax && p[1] == 0 && in6_islinklocal(router) &&
      length >= kNdRouterAdvert &&
      NdForEachOption(p + kNdRouterAdvert, length - kNdRouterAdvert, [](const NdOption&) {});
  if (!good) return icmp6_drop(icp6s_badnd, std::move(m));
  if (!Believes()) return icmp6_drop(icp6s_ignored, std::move(m));
  ifnet* ifp = if_byindex(*Here().host, m->m_pkthdr.ph_ifidx);
  nd_ifinfo* nd = nd6_ifinfo(ifp);
  if (p[4] != 0) {
    nd->hop_limit = p[4];
    inet6_here().nd_hops_told = true;
  }
  const uint32_t lifetime = LoadBe16(p + 6), reachable = LoadBe32(p + 8),
                 retrans = LoadBe32(p + 12);
  // One that may not be the default router ends no asking (6.3.7).
  nd->heard_router |= lifetime != 0;
  if (reachable != 0 && reachable <= kReachableMaxMs && reachable != nd->basereachable_ms) {
    nd->basereachable_ms = reachable;
    nd->drawn_until = 0;
  }
  if (retrans != 0 && retrans <= kReachableMaxMs) nd->retrans_ms = retrans;
  (void)NdForEachOption(p + kNdRouterAdvert, length - kNdRouterAdvert,
                        [&](const NdOption& option) { HearOption(ifp, router, option); });
  HearRouter(ifp, router, lifetime);
}

void nd6_redirect_input(MbufPtr m, int hlen) {
  Inet6Host& inet6 = inet6_here();
  Redirect redirect;
  if (!Read(m.get(), hlen, &redirect)) return icmp6_drop(icp6s_badnd, std::move(m));
  rtentry* now = in6_isany(redirect.destination) ? nullptr : rt_match(redirect.destination);
  const bool from_gateway = now != nullptr && (now->rt_flags & RTF_GATEWAY) != 0 &&
                            now->rt_gateway == inpaddru(redirect.source);
  if (inet6.tunables.icmp6_rediraccept == 0 || inet6.tunables.forwarding != 0 || !from_gateway) {
    return icmp6_drop(icp6s_ignored, std::move(m));
  }
  ifnet* ifp = if_byindex(*Here().host, m->m_pkthdr.ph_ifidx);
  const bool on_link = in6_equal(redirect.target, redirect.destination);
  if (redirect.has_link) {
    llinfo_nd6* ln = nd6_table().Learn(ifp, redirect.target, redirect.link);
    if (!on_link) ln->router = true;
  }
  rtentry* made = nullptr;
  const int error = rt_add({.dest = redirect.destination,
                            .family = AF_INET6,
                            .flags = RTF_DYNAMIC,
                            .gateway = on_link ? inpaddru() : inpaddru(redirect.target),
                            .ifp = ifp,
                            .instead = (now->rt_flags & RTF_DYNAMIC) != 0 ? now : nullptr},
                           &made);
  if (error == 0) rt_expire_after(made, inet6.tunables.icmp6_redirtimeout);
}

void nd6_redirect_output(const mbuf* offender, const rtentry* rt) {
  const in6_addr src = ip6_source(offender), dst = ip6_destination(offender);
  Inet6Host& inet6 = inet6_here();
  if (!DeservesRedirect(rt, src)) return;
  if (!ppsratecheck(&inet6.icmp6_errors, inet6.tunables.icmp6_errppslimit)) {
    return icmp6_note_drop(icp6s_toofreq, src, dst);
  }
  const in6_addr target = (rt->rt_flags & RTF_GATEWAY) != 0 ? rt->rt_gateway.v6() : dst;
  const llinfo_nd6* ln = inet6.nd6.Find(rt->rt_ifp, target);
  const bool known = ln != nullptr && ln->state != llinfo_nd6::State::kIncomplete;
  const int front = kIpv6Header + kNdRedirect + (known ? kNdLinkOption : 0);
  // The quotation fills whole units of 8 bytes, and the whole the least MTU at most.
  const int room = static_cast<int>(kIpv6MtuLeast) - front - kNdRedirectedHeader;
  const int quoted = std::min(offender->m_pkthdr.len, room) & ~(kNdOptionUnit - 1);

  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  MbufPtr quotation;
  if (m != nullptr) quotation = m_copym(const_cast<mbuf*>(offender), 0, quoted, M_DONTWAIT);
  if (quotation == nullptr) return icmp6_note_drop(icp6s_nobufs, src, dst);
  static_assert(max_linkhdr + kIpv6Header + kNdRedirect + kNdLinkOption + kNdRedirectedHeader <=
                MHLEN);
  m->m_data += max_linkhdr;
  m->m_len = front + kNdRedirectedHeader;
  Ipv6Header{.payload_length = m->m_len - kIpv6Header + quoted,
             .hop_limit = kIpv6HopsMax,
             .next_header = IPPROTO_ICMPV6,
             .source = in6_ifalinklocal(rt->rt_ifp)->ia_addr,
             .destination = src}
      .Write(m->m_data, kIpv6Header);
  uint8_t* p = mtod<uint8_t>(m.get()) + kIpv6Header;
  IcmpHeader{.type = ND_REDIRECT, .code = 0}.Write(p, kIcmpHeader);
  StoreAddress6(p + kNdTargetAt, in6_clearscope(target));
  StoreAddress6(p + kNdRedirectDestinationAt, in6_clearscope(dst));
  if (known) NdWriteLinkAddress(p + kNdRedirect, ND_OPT_TARGET_LINKADDR, ln->link);
  uint8_t* header = mtod<uint8_t>(m.get()) + front;
  std::memset(header, 0, kNdRedirectedHeader);
  header[0] = ND_OPT_REDIRECTED_HEADER;
  header[1] = static_cast<uint8_t>((kNdRedirectedHeader + quoted) / kNdOptionUnit);
  m->m_pkthdr.len = m->m_len + quoted;
  m_cat(m.get(), std::move(quotation));
  ip6stat_inc(ip6s_redirectsent);
  icmp6_send(std::move(m));
}

}  // namespace sockbed
