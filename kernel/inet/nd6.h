// Neighbour discovery: which link address an IPv6 neighbour has, and whether an address is ours
// alone.
//
// Lives here:  nd6_resolve, nd6_dad_start, nd6_link_state.
// Called by:   net (through if_family), in6.cc (addresses added and removed).
// Context:     any; never sleeps.
// Source:      RFC 4861, RFC 4862; OpenBSD sys/netinet6/nd6.c, nd6_nbr.c.
#ifndef SOCKBED_KERNEL_INET_ND6_H_
#define SOCKBED_KERNEL_INET_ND6_H_

#include "kernel/inet/in6_var.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/net/if.h"

namespace sockbed {

// if_family::resolve of IPv6. Errors: EHOSTDOWN (no link address is known).
[[nodiscard]] int nd6_resolve(ifnet* ifp, MbufPtr& m, const sockaddr* dst, ether_addr* to);

// Begins duplicate detection of an address just added; ends it when the address goes.
void nd6_dad_start(in6_ifaddr* ia6);
void nd6_dad_stop(in6_ifaddr* ia6);

// The interface went down or came up.
void nd6_link_state(ifnet* ifp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ND6_H_
