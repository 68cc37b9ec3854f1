// Routes: which interface, next hop and source address a destination has. Both families.
//
// Lives here:  struct rtentry, struct route (the cache in a pcb), rt_* and rtalloc.
// Called by:   inet throughout; tcp (the route's MTU); kernel/host and tools (rt_add ... of
//              scenarios).
// May touch:   net, sched, sim.
// Context:     any; never sleeps.
// Owns:        the table owns its entries; a struct route borrows one and knows when it has gone
//              stale.
// Units:       addresses in network order, those of a link with their zone (in6.h); virtual ns.
// Invariants:  1. Two entries of one family differ in destination, length or priority.
//              2. Whatever adds, removes or re-flags an entry moves rt_generation: a cache of an
//              older
//                 generation is never followed.
//              3. A dynamic entry has a running timer.
// Source:      OpenBSD sys/net/route.c, rtable.c; route(4).
// Differs:     no reference counts and no routing socket: changes are trace records.
#ifndef SOCKBED_KERNEL_INET_ROUTE_H_
#define SOCKBED_KERNEL_INET_ROUTE_H_

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "kernel/inet/in6.h"
#include "kernel/net/if.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct ifaddr;

inline constexpr uint32_t RTF_UP = 0x1;
inline constexpr uint32_t RTF_GATEWAY = 0x2;  // via another router
inline constexpr uint32_t RTF_HOST = 0x4;
inline constexpr uint32_t RTF_REJECT = 0x8;    // refused with an error
inline constexpr uint32_t RTF_DYNAMIC = 0x10;  // made by an ICMP message
inline constexpr uint32_t RTF_MODIFIED = 0x20;
inline constexpr uint32_t RTF_CLONING = 0x100;     // on-link
inline constexpr uint32_t RTF_STATIC = 0x800;      // made by hand
inline constexpr uint32_t RTF_BLACKHOLE = 0x1000;  // dropped in silence
inline constexpr uint32_t RTF_LOCAL = 0x200000;    // an address of this host
inline constexpr uint32_t RTF_BROADCAST = 0x400000;
inline constexpr uint32_t RTF_CONNECTED = 0x800000;

inline constexpr uint8_t RTP_LOCAL = 1;  // the lower, the better
inline constexpr uint8_t RTP_CONNECTED = 4;
inline constexpr uint8_t RTP_STATIC = 8;
inline constexpr uint8_t RTP_DEFAULT = 56;

inline constexpr uint32_t RTV_MTU = 0x1;  // rt_locks: no path MTU discovery

struct rtentry {
  inpaddru rt_dest;                   // [I] the prefix; bits beyond rt_plen are 0
  sa_family_t rt_family = AF_INET;    // [I] or AF_INET6
  uint8_t rt_plen = 0;                // [I] 0 .. 32 or 128
  uint8_t rt_priority = RTP_DEFAULT;  // [I]
  uint32_t rt_flags = 0;              // RTF_*
  inpaddru rt_gateway;                // next hop, with RTF_GATEWAY
  ifnet* rt_ifp = nullptr;            // the way out
  ifaddr* rt_ifa = nullptr;           // the address to send from; lives longer than the route
  uint32_t rt_mtu = 0;  // 0: the interface's; of IPv6 below 1280: beside a fragment header
  uint32_t rt_locks = 0;              // RTV_*
  SimTime rt_expire = 0;              // of what ICMP has told; 0: never
  uint64_t rt_use = 0;                // packets sent along
  uint64_t rt_id = 0;                 // [I] for the trace
  timeout rt_timer;                   // for rt_expire
  rtentry* rt_next = nullptr;         // of the same prefix, worse priority
};

// The MTU towards a destination.
inline uint32_t rt_path_mtu(const rtentry* rt) {
  return rt->rt_mtu != 0 ? rt->rt_mtu : rt->rt_ifp->if_mtu;
}

// A remembered look-up. A plain value, all zero when empty.
struct route {
  rtentry* ro_rt = nullptr;  // valid only through rtalloc
  uint64_t ro_generation : 63 = 0;
  // Of IPv4: nothing is left to decide about the way, since ro_dst is one host and the route
  // neither refuses nor broadcasts. A bit, since every connection has a route.
  uint64_t ro_plain : 1 = 0;
  inpaddru ro_dst;
};

// A prefix length that stands for all bits of an address: 32 or 128.
inline constexpr uint8_t kHostRoute = 255;

// What a caller of rt_add gives. Exactly one of gateway and ifp may be left out: an interface alone
// means on-link; a gateway alone finds its interface through the table.
struct RouteSpec {
  inpaddru dest;
  sa_family_t family = AF_INET;  // of dest and gateway
  uint8_t plen = kHostRoute;
  uint8_t priority = RTP_STATIC;
  uint32_t flags = RTF_STATIC;  // further RTF_*; UP, HOST and GATEWAY are derived
  inpaddru gateway;
  ifnet* ifp = nullptr;
  ifaddr* ifa = nullptr;       // null: an address of the interface
  rtentry* instead = nullptr;  // one that goes if the new one can be made
  uint32_t mtu = 0;            // 0: the link's, as routers have told it, else the interface's
};

// All on the current host's table.

// Adds a route. Errors: EINVAL (length, neither gateway nor interface), EEXIST, ENETUNREACH (the
// gateway is not on a link), EADDRNOTAVAIL (the interface has no address), ENOBUFS (RTF_DYNAMIC: a
// packet makes it, which cannot wait for memory).
[[nodiscard]] int rt_add(const RouteSpec& spec, rtentry** made = nullptr);
// Removes one.
void rt_delete(rtentry* rt);
// Sends what goes by `rt` to another gateway, which may be on another link, and from an address
// there; what ICMP has told about the old way is forgotten, and an entry that it made stays for
// good. Errors: EINVAL (no gateway, or `rt` has none: it is on-link, local or broadcast),
// ENETUNREACH (the gateway is not on a link), EADDRNOTAVAIL (no address there). After an error `rt`
// is as before.
[[nodiscard]] int rt_change(rtentry* rt, const inpaddru& gateway);
// The entry of exactly that prefix and priority (0: the best one), or null. Borrowed.
rtentry* rt_get(sa_family_t family, const inpaddru& dest, uint8_t plen, uint8_t priority = 0);
inline rtentry* rt_get(in_addr dest, uint8_t plen, uint8_t priority = 0) {
  return rt_get(AF_INET, dest, plen, priority);
}
inline rtentry* rt_get(const in6_addr& dest, uint8_t plen, uint8_t priority = 0) {
  return rt_get(AF_INET6, dest, plen, priority);
}
// Sets an entry's MTU, which then stays, as after rt_change; 0 means the interface's. Errors:
// EINVAL (below what the family asks of every link, 68 or 1280; beyond the interface's).
[[nodiscard]] int rt_set_mtu(rtentry* rt, uint32_t mtu);

// The most specific route to `dst` that is up, or null. Borrowed until the table changes.
rtentry* rt_match(in_addr dst);
rtentry* rt_match(const in6_addr& dst);

// The same through a cache: looks only if `ro` is stale or for another destination. Borrowed
// likewise. REQUIRES: an IPv6 destination is not ::.
rtentry* rtalloc(route* ro, in_addr dst);
rtentry* rtalloc(route* ro, const in6_addr& dst);
// Of the family that the address says. REQUIRES: it is not "any".
rtentry* rtalloc(route* ro, const inpaddru& dst);
// Forgets what is cached.
inline void rtfree(route* ro) { *ro = route{}; }

// Visits all entries, IPv4 first: most specific last, in order of address. The visitor changes
// nothing.
void rt_foreach(const std::function<void(const rtentry&)>& visit);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ROUTE_H_
