// The IPv6 addresses of a host, and what hangs off them.
//
// Lives here:  struct in6_ifaddr and its states; adding, removing, finding and choosing addresses.
// Called by:   kernel/host and tools (configuration), inet (is it ours?, source addresses, ND).
// Owns:        the host's Inet6Host owns every in6_ifaddr.
// Units:       addresses in network order, those of a link with their zone (in6.h); virtual ns.
// Invariants:  an address has a local host route via lo0 unless it is DUPLICATED, and a connected
//              route to its prefix or its peer unless its length is 128 without a peer, or it is
//              NOPFX; its interface listens to its solicited-node group.
// Source:      RFC 4291, RFC 4862, RFC 6724; OpenBSD sys/netinet6/in6.c, in6_ifattach.c,
//              in6_src.c, in6_var.h; ifconfig(8).
// Differs:     interface identifiers come from the simulated MAC (EUI-64); no temporary addresses.
#ifndef SOCKBED_KERNEL_INET_IN6_VAR_H_
#define SOCKBED_KERNEL_INET_IN6_VAR_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/inet/in6.h"
#include "kernel/inet/in_var.h"
#include "kernel/net/if.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

// ia6_flags. An address that is TENTATIVE or DUPLICATED is nobody's yet: it neither receives nor
// sends, neighbour discovery excepted.
inline constexpr int IN6_IFF_ANYCAST = 0x01;
inline constexpr int IN6_IFF_TENTATIVE = 0x02;   // duplicate detection goes on
inline constexpr int IN6_IFF_DUPLICATED = 0x04;  // another node has it
inline constexpr int IN6_IFF_DETACHED = 0x08;    // its router has gone
inline constexpr int IN6_IFF_DEPRECATED = 0x10;  // for old connections only
inline constexpr int IN6_IFF_AUTOCONF = 0x40;    // from a router's advertisement
inline constexpr int IN6_IFF_TEMPORARY = 0x80;   // never set here
inline constexpr int IN6_IFF_NOPFX = 0x8000;     // says nothing of what is on its link
inline constexpr int IN6_IFF_NOTREADY = IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED;
// Of an address that nobody can speak from.
inline constexpr int IN6_IFF_NOSOURCE = IN6_IFF_NOTREADY | IN6_IFF_ANYCAST | IN6_IFF_DETACHED;

struct in6_ifaddr : ifaddr {
  in6_addr ia_addr;
  in6_addr ia_dstaddr;          // the peer of a point-to-point interface, if one was given; else ::
  int ia6_flags;                // IN6_IFF_*
  SimTime ia6_preferred_until;  // then DEPRECATED; 0: for ever
  SimTime ia6_valid_until;      // then gone; 0: for ever
  uint64_t ia6_id;              // counts from 1 per host: the order of creation
};

// The IPv6 address of which only what is common is known, as in a route of that family.
inline in6_ifaddr* ifatoia6(ifaddr* ifa) { return static_cast<in6_ifaddr*>(ifa); }
inline const in6_ifaddr* ifatoia6(const ifaddr* ifa) { return static_cast<const in6_ifaddr*>(ifa); }

// Gives `ifp` an address, and a link-local one before it if it has none yet. `flags`: IN6_IFF_*
// ANYCAST, AUTOCONF, NOPFX. `peer` (::: none) is the far end of a point-to-point interface: then
// the route goes to it alone. On an Ethernet interface that is up the address is TENTATIVE until
// duplicate detection ends. Errors: EINVAL (length beyond 128; an address that no host can have; a
// peer on another kind of interface; an MTU below 1280), EEXIST (the host has it already).
// REQUIRES: on ifp's host.
[[nodiscard]] int in6_ifadd(ifnet* ifp, const in6_addr& addr, uint8_t plen, int flags = 0,
                            const in6_addr& peer = {});
// Takes it away with its routes and all that lead through it. Pcbs bound to it stay. Errors:
// EADDRNOTAVAIL.
[[nodiscard]] int in6_ifdel(ifnet* ifp, const in6_addr& addr);
// Gives `ifp` its link-local address, fe80::/64 and the EUI-64 of its MAC, unless it has one.
// Errors: as in6_ifadd.
[[nodiscard]] int in6_ifattach(ifnet* ifp);

// The address has turned out to be another node's: it stays, but leads nowhere. And back again.
void in6_ifunroute(in6_ifaddr* ia6);
void in6_ifreroute(in6_ifaddr* ia6);

// On the current host; null when there is none. Addresses in any state.
in6_ifaddr* in6_ifawithaddr(const in6_addr& addr);  // this very address
in6_ifaddr* in6_ifaof(const ifnet* ifp);            // the interface's first, its link-local one
in6_ifaddr* in6_ifalinklocal(const ifnet* ifp);
// The address whose prefix or peer this is: a neighbour's.
in6_ifaddr* in6_ifaonlink(const in6_addr& addr);

// The address to send to `dst` from when the packet leaves by `ifp`: RFC 6724 5, rules 1, 2, 3, 5
// and 8, then the order of creation. Null: none is ready.
in6_ifaddr* in6_ifawithscope(const ifnet* ifp, const in6_addr& dst);
// Whether a socket may ask for that address to speak from: it is ours, and not NOSOURCE.
bool in6_issource(const in6_addr& addr);

// Whether deprecated addresses may begin new conversations (ip6.use_deprecated).
bool in6_use_deprecated();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN6_VAR_H_
