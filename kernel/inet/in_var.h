// The IPv4 addresses of a host, and what hangs off them.
//
// Lives here:  struct ifaddr, in_ifaddr; adding, removing and finding addresses.
// Called by:   kernel/host and tools (configuration), inet (is it ours?, source addresses).
// Owns:        the host's InetHost owns every in_ifaddr.
// Units:       addresses in network order.
// Invariants:  an address of an interface has a local host route via lo0 as long as it exists, and
//              a connected prefix route unless its length is 32 without a peer.
// Source:      OpenBSD sys/netinet/in.c, in_var.h; ifconfig(8).
#ifndef SOCKBED_KERNEL_INET_IN_VAR_H_
#define SOCKBED_KERNEL_INET_IN_VAR_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/inet/in6.h"
#include "kernel/net/if.h"

namespace sockbed {

// What the addresses of both families have in common: BSD's struct ifaddr.
struct ifaddr {
  ifnet* ia_ifp;
  uint8_t ia_plen;
};

struct in_ifaddr : ifaddr {
  in_addr ia_addr;
  in_addr ia_netmask;
  in_addr ia_broadaddr;  // interfaces with IFF_BROADCAST; else 0
  in_addr ia_dstaddr;    // the peer, if one was given; else 0
};

// Gives `ifp` an address. `peer` (0: none) is the far end of a point-to-point interface: then the
// route goes to it alone, else to the whole prefix. Errors: EINVAL (length beyond 32, an address
// that no host can have, a peer on another kind of interface), EEXIST (the host has it already).
// REQUIRES: on ifp's host.
[[nodiscard]] int in_ifadd(ifnet* ifp, in_addr addr, uint8_t plen, in_addr peer = {});
// Takes it away with its routes and all that lead through it. Pcbs bound to it stay. Errors:
// EADDRNOTAVAIL.
[[nodiscard]] int in_ifdel(ifnet* ifp, in_addr addr);

// The IPv4 address of which only what is common is known, as in a route of that family.
inline in_ifaddr* ifatoia(ifaddr* ifa) { return static_cast<in_ifaddr*>(ifa); }
inline const in_ifaddr* ifatoia(const ifaddr* ifa) { return static_cast<const in_ifaddr*>(ifa); }

// On the current host; null when there is none.
in_ifaddr* in_ifawithaddr(in_addr addr);  // this very address
in_ifaddr* in_ifaonlink(in_addr addr);    // whose prefix or peer this is
in_ifaddr* in_ifaof(const ifnet* ifp);    // the interface's first

// Whether `addr` is a broadcast address of an interface (null: of any): its own, its net's first
// address unless the profile is FreeBSD's, to which that is a host's, or 255.255.255.255.
bool in_broadcast(in_addr addr, const ifnet* ifp = nullptr);

// Classes of addresses.
inline uint32_t in_host(in_addr a) { return ntohl(a.s_addr); }
inline bool in_isany(in_addr a) { return a.s_addr == 0; }
inline bool in_isloopback(in_addr a) { return in_host(a) >> 24 == 127; }
inline bool in_ismulticast(in_addr a) { return in_host(a) >> 28 == 0xe; }
inline bool in_isreserved(in_addr a) { return in_host(a) >> 28 == 0xf; }  // 255.255.255.255 too
inline bool in_isthisnet(in_addr a) { return in_host(a) >> 24 == 0; }     // 0.0.0.0 too
// Of either family: a group's; a group's or for broadcasts, which is no single host's.
inline bool in_isgroup(const inpaddru& a) {
  return a.is_v4() ? in_ismulticast(a.v4()) : in6_ismulticast(a.v6());
}
inline bool in_isofmany(const inpaddru& a) {
  return in_isgroup(a) || (a.is_v4() && in_broadcast(a.v4()));
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_VAR_H_
