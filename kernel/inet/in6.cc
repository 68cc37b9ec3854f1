#include <errno.h>

#include <algorithm>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/route.h"
#include "kernel/net/if_ether.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr uint8_t kLinkLocalPrefix = 64;
constexpr uint64_t kLinkLocal = 0xfe80'0000'0000'0000;

// Adds the routes that come with an address; what fails was there before (two addresses of one
// network).
void AddRoutes(in6_ifaddr* ia6) {
  (void)rt_add({.dest = ia6->ia_addr,
                .family = AF_INET6,
                .priority = RTP_LOCAL,
                .flags = RTF_LOCAL,
                .ifp = if_loopback(*ia6->ia_ifp->if_host),
                .ifa = ia6});
  const bool has_peer = !in6_isany(ia6->ia_dstaddr);
  if (!has_peer && (ia6->ia_plen == 128 || (ia6->ia6_flags & IN6_IFF_NOPFX) != 0)) return;
  (void)rt_add({.dest = has_peer ? ia6->ia_dstaddr : in6_prefix(ia6->ia_addr, ia6->ia_plen),
                .family = AF_INET6,
                .plen = has_peer ? kHostRoute : ia6->ia_plen,
                .priority = RTP_CONNECTED,
                .flags = has_peer ? RTF_CONNECTED : RTF_CONNECTED | RTF_CLONING,
                .ifp = ia6->ia_ifp,
                .ifa = ia6});
}

// The routes of an address have gone: another one of the same network takes its place.
void RouteOthers(const in6_ifaddr* gone) {
  for (const auto& ia6 : inet6_here().addresses) {
    const bool usable = (ia6->ia6_flags & IN6_IFF_DUPLICATED) == 0;
    if (ia6.get() != gone && ia6->ia_ifp == gone->ia_ifp && usable) AddRoutes(ia6.get());
  }
}

void Note(InetRecord type, const in6_ifaddr* ia6) {
  Emit(Room::kInet, static_cast<uint8_t>(type), ia6->ia6_id, in6_high(ia6->ia_addr),
       in6_low(ia6->ia_addr), PackPair(ia6->ia_plen, ia6->ia_ifp->if_index));
}

// Whether an interface can have that address.
bool IsPossible(const ifnet* ifp, const in6_addr& addr) {
  if (in6_isany(addr) || in6_ismulticast(addr) || in6_ismapped(addr) || in6_iscompatible(addr)) {
    return false;
  }
  if (in6_isloopback(addr)) return (ifp->if_flags & IFF_LOOPBACK) != 0;
  return !in6_islinklocal(addr) || in6_zone(addr) == ifp->if_index;
}

// The modified EUI-64 of a MAC (RFC 4291 appendix A).
uint64_t InterfaceId(const ether_addr& mac) {
  const uint64_t octets = ether_pack(mac) ^ uint64_t { 0x02 } << 40;
  return (octets >> 24) << 40 | uint64_t{0xfffe} << 24 | (octets & 0xff'ffff);
}

// --- Choosing a source (RFC 6724 5). ---

// Whether `a` serves better than `b` to reach `dst` by `ifp`; equal ones go by age.
bool IsBetterSource(const ifnet* ifp, const in6_addr& dst, const in6_ifaddr& a,
                    const in6_ifaddr& b) {
  // Rule 1: the same address.
  if (in6_equal(b.ia_addr, dst)) return false;
  if (in6_equal(a.ia_addr, dst)) return true;
  // Rule 2: the smallest scope that reaches it.
  const int scope = in6_addrscope(dst);
  const int scope_a = in6_addrscope(a.ia_addr), scope_b = in6_addrscope(b.ia_addr);
  if (scope_a < scope_b) return scope_a >= scope;
  if (scope_b < scope_a) return scope_b < scope;
  // Rule 3: not a deprecated one.
  const bool old_a = (a.ia6_flags & IN6_IFF_DEPRECATED) != 0;
  const bool old_b = (b.ia6_flags & IN6_IFF_DEPRECATED) != 0;
  if (old_a != old_b) return old_b;
  // Rule 5: of the outgoing interface.
  if ((a.ia_ifp == ifp) != (b.ia_ifp == ifp)) return a.ia_ifp == ifp;
  // Rule 8: the longest prefix in common, as far as the source's own goes.
  return std::min<int>(in6_matchlen(a.ia_addr, dst), a.ia_plen) >
         std::min<int>(in6_matchlen(b.ia_addr, dst), b.ia_plen);
}

// Whether the address may be a source at all.
bool IsCandidate(const ifnet* ifp, const in6_addr& dst, const in6_ifaddr& a) {
  if ((a.ia6_flags & IN6_IFF_NOSOURCE) != 0) return false;
  const bool is_old = (a.ia6_flags & IN6_IFF_DEPRECATED) != 0;
  if (is_old && inet6_here().tunables.use_deprecated == 0) return false;
  // ::1 speaks to this host alone.
  if (in6_isloopback(a.ia_addr)) return (ifp->if_flags & IFF_LOOPBACK) != 0;
  // An address of a link speaks on that link alone. What stays inside goes by lo0, to any.
  const uint32_t zone = in6_zone(dst) != 0 ? in6_zone(dst) : ifp->if_index;
  return in6_zone(a.ia_addr) == 0 || in6_zone(a.ia_addr) == zone;
}

}  // namespace

int in6_ifattach(ifnet* ifp) {
  if (in6_ifalinklocal(ifp) != nullptr) return 0;
  const bool lo0 = (ifp->if_flags & IFF_LOOPBACK) != 0;
  return in6_ifadd(ifp, in6_make(kLinkLocal, lo0 ? 1 : InterfaceId(ifp->if_lladdr)),
                   kLinkLocalPrefix);
}

int in6_ifadd(ifnet* ifp, const in6_addr& given, uint8_t plen, int flags, const in6_addr& peer) {
  KASSERT(Here().host == ifp->if_host);
  KASSERT((flags & ~(IN6_IFF_ANYCAST | IN6_IFF_AUTOCONF | IN6_IFF_NOPFX)) == 0);
  Inet6Host& inet6 = inet6_here();
  const in6_addr addr = in6_setscope(given, ifp->if_index);
  if (plen > 128 || !IsPossible(ifp, addr) || ifp->if_mtu < kIpv6MtuLeast) return EINVAL;
  if (!in6_isany(peer) && (ifp->if_flags & IFF_POINTOPOINT) == 0) return EINVAL;
  if (in6_ifawithaddr(addr) != nullptr) return EEXIST;
  if (!in6_islinklocal(addr)) {
    if (const int error = in6_ifattach(ifp)) return error;
  } else {
    // The interface's first: it listens to all nodes from now on.
    in6_addmulti(ifp, in6_allnodes(ifp->if_index));
    in6_addmulti(ifp, in6_setscope(in6_make(0xff01'0000'0000'0000, 1), ifp->if_index));
  }
  const int checked = if_is_ethernet(ifp) ? IN6_IFF_TENTATIVE : 0;
  inet6.addresses.push_back(std::make_unique<in6_ifaddr>(
      in6_ifaddr{{.ia_ifp = ifp, .ia_plen = plen},
                 addr,
                 in6_setscope(peer, ifp->if_index),
                 flags | ((flags & IN6_IFF_ANYCAST) != 0 ? 0 : checked),
                 0,
                 0,
                 ++inet6.next_ifaddr_id}));
  in6_ifaddr* ia6 = inet6.addresses.back().get();
  Note(InetRecord::kAddress6, ia6);
  AddRoutes(ia6);
  in6_addmulti(ifp, in6_solicited(addr, ifp->if_index));
  if ((ia6->ia6_flags & IN6_IFF_TENTATIVE) != 0) nd6_dad_start(ia6);
  return 0;
}

int in6_ifdel(ifnet* ifp, const in6_addr& given) {
  Inet6Host& inet6 = inet6_here();
  const in6_addr addr = in6_setscope(given, ifp->if_index);
  const auto found = std::ranges::find_if(inet6.addresses, [&](const auto& ia6) {
    return ia6->ia_ifp == ifp && in6_equal(ia6->ia_addr, addr);
  });
  if (found == inet6.addresses.end()) return EADDRNOTAVAIL;
  const std::unique_ptr<in6_ifaddr> gone = std::move(*found);
  inet6.addresses.erase(found);
  nd6_dad_stop(gone.get());
  rt_flush(gone.get());
  in6_delmulti(ifp, in6_solicited(addr, ifp->if_index));
  Note(InetRecord::kUnaddress6, gone.get());
  RouteOthers(gone.get());
  if (in6_islinklocal(addr)) {
    in6_delmulti(ifp, in6_allnodes(ifp->if_index));
    in6_delmulti(ifp, in6_setscope(in6_make(0xff01'0000'0000'0000, 1), ifp->if_index));
  }
  return 0;
}

void in6_ifunroute(in6_ifaddr* ia6) {
  rt_flush(ia6);
  RouteOthers(ia6);
}

void in6_ifreroute(in6_ifaddr* ia6) { AddRoutes(ia6); }

in6_ifaddr* in6_ifawithaddr(const in6_addr& addr) {
  for (const auto& ia6 : inet6_here().addresses) {
    if (in6_equal(ia6->ia_addr, addr)) return ia6.get();
  }
  return nullptr;
}

in6_ifaddr* in6_ifaof(const ifnet* ifp) {
  for (const auto& ia6 : inet6_here().addresses) {
    if (ia6->ia_ifp == ifp) return ia6.get();
  }
  return nullptr;
}

in6_ifaddr* in6_ifalinklocal(const ifnet* ifp) {
  for (const auto& ia6 : inet6_here().addresses) {
    if (ia6->ia_ifp == ifp && in6_islinklocal(ia6->ia_addr)) return ia6.get();
  }
  return nullptr;
}

in6_ifaddr* in6_ifaonlink(const in6_addr& addr) {
  const rtentry* rt = rt_match(addr);
  return rt != nullptr && (rt->rt_flags & (RTF_GATEWAY | RTF_LOCAL)) == 0 ? ifatoia6(rt->rt_ifa)
                                                                          : nullptr;
}

in6_ifaddr* in6_ifawithscope(const ifnet* ifp, const in6_addr& dst) {
  in6_ifaddr* best = nullptr;
  for (const auto& ia6 : inet6_here().addresses) {
    if (!IsCandidate(ifp, dst, *ia6)) continue;
    if (best == nullptr || IsBetterSource(ifp, dst, *ia6, *best)) best = ia6.get();
  }
  return best;
}

bool in6_issource(const in6_addr& addr) {
  const in6_ifaddr* ia6 = in6_ifawithaddr(addr);
  return ia6 != nullptr && (ia6->ia6_flags & IN6_IFF_NOSOURCE) == 0;
}

bool in6_use_deprecated() { return inet6_here().tunables.use_deprecated != 0; }

}  // namespace sockbed
