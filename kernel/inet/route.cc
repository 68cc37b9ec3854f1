#include "kernel/inet/route.h"

#include <errno.h>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/nd6.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr uint32_t kMtuLeast = 68;  // RFC 791: every link carries that much

int BitsOf(sa_family_t family) { return family == AF_INET6 ? 128 : 32; }

unsigned __int128 KeyOf(const in6_addr& a) {
  return static_cast<unsigned __int128>(in6_high(a)) << 64 | in6_low(a);
}

// The list of a prefix, best priority first; null: there is none.
rtentry* FindPrefix(const InetHost& inet, sa_family_t family, const inpaddru& dest, int plen) {
  return family == AF_INET6 ? inet.routes6.Find(KeyOf(dest.v6()), plen)
                            : inet.routes.Find(in_host(dest.v4()), plen);
}

void SetPrefix(InetHost& inet, const rtentry* rt, rtentry* head) {
  if (rt->rt_family == AF_INET6) {
    inet.routes6.Set(KeyOf(rt->rt_dest.v6()), rt->rt_plen, head);
  } else {
    inet.routes.Set(in_host(rt->rt_dest.v4()), rt->rt_plen, head);
  }
}

// Whether `dest` has bits beyond `plen`.
bool HasHostBits(sa_family_t family, const inpaddru& dest, int plen) {
  if (family == AF_INET6) return !in6_equal(in6_prefix(dest.v6(), plen), dest.v6());
  const uint32_t mask = plen == 0 ? 0 : ~uint32_t{0} << (32 - plen);
  return (in_host(dest.v4()) & ~mask) != 0;
}

// A record about a route: its prefix and two numbers; one of IPv6 has room for one.
void Note(InetRecord type, InetRecord type6, const rtentry* rt, uint64_t a1 = 0, uint64_t a2 = 0) {
  if (rt->rt_family == AF_INET6) {
    const in6_addr dest = rt->rt_dest.v6();
    Emit(Room::kInet, static_cast<uint8_t>(type6), rt->rt_id, in6_high(dest), in6_low(dest),
         PackPair(rt->rt_plen, static_cast<uint32_t>(a1)));
  } else {
    Emit(Room::kInet, static_cast<uint8_t>(type), rt->rt_id,
         PackPair(in_host(rt->rt_dest.v4()), rt->rt_plen), a1, a2);
  }
}

void NoteMtu(const rtentry* rt) {
  Note(InetRecord::kRouteMtu, InetRecord::kRouteMtu6, rt, rt->rt_mtu, rt->rt_locks);
}

void NoteMade(const rtentry* rt) {
  if (rt->rt_family != AF_INET6) {
    return Note(InetRecord::kRoute, InetRecord::kRoute, rt, in_host(rt->rt_gateway.v4()),
                PackText(rt->rt_ifp->if_xname));
  }
  Note(InetRecord::kRoute6, InetRecord::kRoute6, rt, rt->rt_ifp->if_index);
  if ((rt->rt_flags & RTF_GATEWAY) == 0) return;
  const in6_addr gateway = rt->rt_gateway.v6();
  Emit(Room::kInet, static_cast<uint8_t>(InetRecord::kVia6), rt->rt_id, in6_high(gateway),
       in6_low(gateway));
}

// Links `rt` into the list of its prefix, best priority first.
void Link(InetHost& inet, rtentry* rt) {
  rtentry* head = FindPrefix(inet, rt->rt_family, rt->rt_dest, rt->rt_plen);
  rtentry** at = &head;
  while (*at != nullptr && (*at)->rt_priority < rt->rt_priority) at = &(*at)->rt_next;
  rt->rt_next = *at;
  *at = rt;
  SetPrefix(inet, rt, head);
  ++inet.live_routes;
  ++inet.rt_generation;
}

// Takes `rt` out of the table and frees it.
void Unlink(InetHost& inet, rtentry* rt) {
  rtentry* head = FindPrefix(inet, rt->rt_family, rt->rt_dest, rt->rt_plen);
  rtentry** at = &head;
  while (*at != rt) {
    KASSERT(*at != nullptr);
    at = &(*at)->rt_next;
  }
  *at = rt->rt_next;
  SetPrefix(inet, rt, head);
  --inet.live_routes;
  ++inet.rt_generation;
  Note(InetRecord::kUnroute, InetRecord::kUnroute6, rt);
  timeout_del(&rt->rt_timer);
  delete rt;
}

// The MTU of a route of which nothing else is known: what routers have told of its link.
uint32_t PlainMtu(const rtentry* rt) {
  return rt->rt_family == AF_INET6 ? nd6_ifinfo(rt->rt_ifp)->link_mtu : 0;
}

// What ICMP has told is too old to be believed.
void Forget(rtentry* rt) {
  if ((rt->rt_flags & RTF_DYNAMIC) != 0) return Unlink(inet_here(), rt);
  rt->rt_expire = 0;
  rt->rt_mtu = PlainMtu(rt);
  rt->rt_locks &= ~RTV_MTU;
  NoteMtu(rt);
}

void Expired(void* arg) {
  rtentry* rt = static_cast<rtentry*>(arg);
  const InetHost& inet = inet_here();
  const auto& protocols = rt->rt_family == AF_INET6 ? inet.v6.protocols : inet.protocols;
  const inpaddru peer = rt->rt_dest;  // only host routes expire
  Forget(rt);
  for (const InetProtocol* protocol : protocols) {
    if (protocol != nullptr && protocol->mtuinc != nullptr) protocol->mtuinc(peer);
  }
}

// What ICMP has told of a route ends before its time, and one that it made stays: somebody has set
// it.
void TakeOver(rtentry* rt) {
  timeout_del(&rt->rt_timer);
  rt->rt_expire = 0;
  rt->rt_flags &= ~RTF_DYNAMIC;
  rt->rt_locks = 0;
}

// Calls visit(rt) for every entry.
template <typename Visit>
void VisitAll(InetHost& inet, Visit visit) {
  const auto visit_list = [&visit](rtentry* rt) {
    for (; rt != nullptr; rt = rt->rt_next) visit(rt);
  };
  inet.routes.ForEach(visit_list);
  inet.routes6.ForEach(visit_list);
}

// The routes for which `doomed` holds, collected first: removing one moves the tree.
template <typename Predicate>
void RemoveAll(InetHost& inet, Predicate doomed) {
  std::vector<rtentry*> found;
  VisitAll(inet, [&](rtentry* rt) {
    if (doomed(rt)) found.push_back(rt);
  });
  for (rtentry* rt : found) Unlink(inet, rt);
}

// The longest prefix over `key` with an entry that is up: the best of these.
template <typename Tree, typename Key>
rtentry* MatchUp(const Tree& tree, Key key) {
  rtentry* up = nullptr;
  (void)tree.Match(key, [&up](rtentry* rt) {
    while (rt != nullptr && (rt->rt_flags & RTF_UP) == 0) rt = rt->rt_next;
    if (rt != nullptr) up = rt;
    return rt != nullptr;
  });
  return up;
}

rtentry* Match(sa_family_t family, const inpaddru& dst) {
  return family == AF_INET6 ? rt_match(dst.v6()) : rt_match(dst.v4());
}

ifaddr* AddressOf(sa_family_t family, const ifnet* ifp) {
  if (family == AF_INET6) return in6_ifaof(ifp);
  return in_ifaof(ifp);
}

// Finds the interface that leads to a gateway, unless *ifp names one, and an address to send from,
// unless *ifa does. Errors: ENETUNREACH, EADDRNOTAVAIL.
int WayTo(sa_family_t family, const inpaddru& gateway, ifnet** ifp, ifaddr** ifa) {
  if (!gateway.is_any()) {
    const rtentry* on_link = Match(family, gateway);
    if (on_link == nullptr || (on_link->rt_flags & (RTF_GATEWAY | RTF_LOCAL)) != 0) {
      return ENETUNREACH;
    }
    if (*ifp == nullptr) *ifp = on_link->rt_ifp;
  }
  if (*ifa == nullptr) *ifa = AddressOf(family, *ifp);
  return *ifa != nullptr ? 0 : EADDRNOTAVAIL;
}

// route::ro_plain.
bool IsPlain(const rtentry* rt, in_addr dst) {
  constexpr uint32_t kToDecide = RTF_REJECT | RTF_BLACKHOLE | RTF_BROADCAST;
  if (rt == nullptr || (rt->rt_flags & kToDecide) != 0) return false;
  if (in_isthisnet(dst) || in_host(dst) >= INADDR_UNSPEC_GROUP) return false;
  return !in_isloopback(dst) || (rt->rt_ifp->if_flags & IFF_LOOPBACK) != 0;  // it must not leave
}
bool IsPlain(const rtentry*, const in6_addr&) { return false; }

// The last look-up of a table, whoever asked.
route* LastMatch(InetHost& inet, in_addr) { return &inet.last_match; }
route* LastMatch(InetHost& inet, const in6_addr&) { return &inet.last_match6; }

bool IsFresh(const InetHost& inet, const route* ro, const inpaddru& dst) {
  return ro->ro_generation == inet.rt_generation && ro->ro_dst == dst;
}

// A new connection mostly goes where the one before it went.
template <typename Address>
[[gnu::noinline]] rtentry* MatchAnew(route* ro, const Address& dst) {
  InetHost& inet = inet_here();
  route* last = LastMatch(inet, dst);
  if (!IsFresh(inet, last, dst)) {
    rtentry* rt = rt_match(dst);
    *last = {.ro_rt = rt,
             .ro_generation = inet.rt_generation,
             .ro_plain = IsPlain(rt, dst),
             .ro_dst = dst};
  }
  *ro = *last;
  return ro->ro_rt;
}

template <typename Address>
inline rtentry* MatchCached(route* ro, const Address& dst) {
  return __builtin_expect(IsFresh(inet_here(), ro, dst), 1) ? ro->ro_rt : MatchAnew(ro, dst);
}

}  // namespace

int rt_add(const RouteSpec& spec, rtentry** made) {
  InetHost& inet = inet_here();
  const int bits = BitsOf(spec.family);
  const int plen = spec.plen == kHostRoute ? bits : spec.plen;
  if (plen > bits || HasHostBits(spec.family, spec.dest, plen)) return EINVAL;
  const bool via_gateway = !spec.gateway.is_any();
  if (!via_gateway && spec.ifp == nullptr) return EINVAL;
  const rtentry* same = rt_get(spec.family, spec.dest, static_cast<uint8_t>(plen), spec.priority);
  if (same != nullptr && same != spec.instead) return EEXIST;
  ifnet* ifp = spec.ifp;
  ifaddr* ifa = spec.ifa;
  if (const int error = WayTo(spec.family, spec.gateway, &ifp, &ifa)) return error;
  // Those that configuration makes may wait for memory.
  const bool may_wait = (spec.flags & RTF_DYNAMIC) == 0;
  if (!may_wait && fault::Fires(Site::kPoolGet, inet.next_rt_id + 1)) return ENOBUFS;
  if (spec.instead != nullptr) Unlink(inet, spec.instead);

  auto* rt = new rtentry;
  rt->rt_dest = spec.dest;
  rt->rt_family = spec.family;
  rt->rt_plen = static_cast<uint8_t>(plen);
  rt->rt_priority = spec.priority;
  rt->rt_flags = spec.flags | (if_is_up(ifp) ? RTF_UP : 0) | (via_gateway ? RTF_GATEWAY : 0) |
                 (plen == bits ? RTF_HOST : 0);
  rt->rt_gateway = spec.gateway;
  rt->rt_ifp = ifp;
  rt->rt_ifa = ifa;
  rt->rt_mtu = spec.mtu != 0 ? spec.mtu : PlainMtu(rt);
  rt->rt_id = ++inet.next_rt_id;
  timeout_set(&rt->rt_timer, Expired, rt);
  Link(inet, rt);
  NoteMade(rt);
  if (made != nullptr) *made = rt;
  return 0;
}

void rt_delete(rtentry* rt) { Unlink(inet_here(), rt); }

int rt_change(rtentry* rt, const inpaddru& gateway) {
  if (gateway.is_any() || (rt->rt_flags & RTF_GATEWAY) == 0) return EINVAL;
  ifnet* ifp = nullptr;
  ifaddr* ifa = nullptr;
  if (const int error = WayTo(rt->rt_family, gateway, &ifp, &ifa)) return error;
  rt->rt_gateway = gateway;
  rt->rt_ifp = ifp;
  rt->rt_ifa = ifa;
  rt->rt_flags = if_is_up(ifp) ? rt->rt_flags | RTF_UP : rt->rt_flags & ~RTF_UP;
  rt->rt_mtu = PlainMtu(rt);
  TakeOver(rt);
  ++inet_here().rt_generation;
  NoteMade(rt);
  return 0;
}

rtentry* rt_get(sa_family_t family, const inpaddru& dest, uint8_t plen, uint8_t priority) {
  if (plen == kHostRoute) plen = static_cast<uint8_t>(BitsOf(family));
  rtentry* rt = FindPrefix(inet_here(), family, dest, plen);
  while (rt != nullptr && priority != 0 && rt->rt_priority != priority) rt = rt->rt_next;
  return rt;
}

int rt_set_mtu(rtentry* rt, uint32_t mtu) {
  const uint32_t least = rt->rt_family == AF_INET6 ? kIpv6MtuLeast : kMtuLeast;
  if (mtu != 0 && (mtu < least || mtu > rt->rt_ifp->if_mtu)) return EINVAL;
  rt->rt_mtu = mtu;
  TakeOver(rt);
  NoteMtu(rt);
  return 0;
}

rtentry* rt_match(in_addr dst) { return MatchUp(inet_here().routes, in_host(dst)); }
rtentry* rt_match(const in6_addr& dst) { return MatchUp(inet_here().routes6, KeyOf(dst)); }

rtentry* rtalloc(route* ro, in_addr dst) { return MatchCached(ro, dst); }
rtentry* rtalloc(route* ro, const in6_addr& dst) {
  KASSERT(!in6_isany(dst));  // a cache holds it as it holds 0.0.0.0
  return MatchCached(ro, dst);
}

rtentry* rtalloc(route* ro, const inpaddru& dst) {
  return dst.is_v4() ? rtalloc(ro, dst.v4()) : rtalloc(ro, dst.v6());
}

void rt_foreach(const std::function<void(const rtentry&)>& visit) {
  VisitAll(inet_here(), [&visit](const rtentry* rt) { visit(*rt); });
}

rtentry* rt_clone(sa_family_t family, const inpaddru& dst) {
  rtentry* rt = Match(family, dst);
  constexpr uint32_t kNowhere = RTF_LOCAL | RTF_BROADCAST | RTF_REJECT | RTF_BLACKHOLE;
  if (rt == nullptr || (rt->rt_flags & kNowhere) != 0) return nullptr;
  if ((rt->rt_flags & RTF_HOST) != 0) return rt;
  rtentry* clone = nullptr;
  const int error = rt_add({.dest = dst,
                            .family = family,
                            .priority = rt->rt_priority,
                            .flags = RTF_DYNAMIC,
                            .gateway = rt->rt_gateway,
                            .ifp = rt->rt_ifp,
                            .ifa = rt->rt_ifa,
                            .mtu = rt->rt_mtu},
                           &clone);
  return error == 0 ? clone : nullptr;
}

void rt_expire_after(rtentry* rt, int64_t seconds) {
  rt->rt_expire = Now() + seconds * kSecond;
  timeout_add_sec(&rt->rt_timer, static_cast<int>(seconds));
}

void rt_lower_mtu(rtentry* rt, uint32_t mtu) {
  if (mtu == 0) {
    rt->rt_locks |= RTV_MTU;
  } else {
    KASSERT(mtu < rt_path_mtu(rt));
    rt->rt_mtu = mtu;
  }
  NoteMtu(rt);
}

void rt_link_state(ifnet* ifp) {
  InetHost& inet = inet_here();
  const bool up = if_is_up(ifp);
  VisitAll(inet, [&](rtentry* rt) {
    if (rt->rt_ifp == ifp) rt->rt_flags = up ? rt->rt_flags | RTF_UP : rt->rt_flags & ~RTF_UP;
  });
  ++inet.rt_generation;
}

void rt_flush(const ifaddr* ifa) {
  RemoveAll(inet_here(), [ifa](const rtentry* rt) { return rt->rt_ifa == ifa; });
}

void rt_purge(InetHost& inet) {
  RemoveAll(inet, [](const rtentry*) { return true; });
}

}  // namespace sockbed
