// Multicast groups of IPv6: which ones an interface listens to, and what a socket asks of them.
//
// Lives here:  struct in6_multi, in6_addmulti and kin; struct ip6_moptions and its socket options.
// Called by:   ip6_output, ip6_input, in6.cc (groups that come with addresses), mld6.cc, udp, raw
//              sockets.
// May touch:   net (the link's filter), the rest of inet.
// Context:     any; never sleeps.
// Owns:        the host's Inet6Host owns every in6_multi; a pcb owns its ip6_moptions.
// Units:       addresses in network order, with their zone if they need one.
// Invariants:  those of in_mcast.h.
// Source:      OpenBSD sys/netinet6/in6.c, ip6_output.c (ip6_setmoptions); RFC 3493 5.2; ip6(4).
#ifndef SOCKBED_KERNEL_INET_IN6_MCAST_H_
#define SOCKBED_KERNEL_INET_IN6_MCAST_H_

#include <netinet/in.h>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "kernel/net/if.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct inpcb;
struct mbuf;

struct ip6_pktopts;  // ip6_var.h

// A group that an interface listens to.
struct in6_multi {
  in6_addr in6m_addr{};             // [I]
  uint32_t in6m_ifidx = 0;          // [I]
  int in6m_refcnt = 0;              // memberships
  bool in6m_last_reporter = false;  // nobody has reported the group since we did
  uint64_t in6m_draws = 0;          // delays drawn so far
  timeout in6m_timer;               // runs while a report is due (mld6.h)
};
// By interface index and the halves of the group.
using In6MultiTable = std::map<std::tuple<uint32_t, uint64_t, uint64_t>, in6_multi>;

// One more membership of `group` on ifp, one less. The first tells the link and the routers, the
// last takes that back. REQUIRES: the group bears ifp's zone if it needs one; leaving follows
// joining; on the current host.
in6_multi* in6_addmulti(ifnet* ifp, const in6_addr& group);
void in6_delmulti(ifnet* ifp, const in6_addr& group);
// Whether ifp listens to `group`; null when not.
in6_multi* in6_hasmulti(const ifnet* ifp, const in6_addr& group);

inline constexpr int IPV6_DEFAULT_MULTICAST_HOPS = 1;

// What a socket says of the multicasts it sends and hears. A plain value but for the memberships.
struct ip6_moptions {
  uint32_t im6o_ifidx = 0;  // the way out; 0: the destination's zone, or by route
  int im6o_hlim = IPV6_DEFAULT_MULTICAST_HOPS;
  bool im6o_loop = true;  // this host hears what it sends, if it is a member
  std::vector<in6_multi*> im6o_membership;
};

// The options of one packet, if it goes to a group: the socket's, but for the hop limit that `opt`
// asks for. Without memberships.
ip6_moptions ip6_packetmoptions(const inpcb* inp, const ip6_pktopts& opt);

// Leaves all groups and frees. Null is nothing. REQUIRES: on the current host.
void ip6_freemoptions(ip6_moptions* im6o);

// Whether the socket hears what has come to `group` on the interface of that index: as
// ip_hearsgroup says of IPv4.
bool ip6_hearsgroup(const inpcb* inp, uint32_t ifidx, const in6_addr& group);

// The multicast options of level IPPROTO_IPV6 (spec 12.2, 13), and whether that is one.
bool ip6_ismoption(int optname);
// Borrows m. Errors: EINVAL (length, value, no multicast address), EADDRNOTAVAIL (no such
// interface, or one without multicast; not a member), EADDRINUSE (a member already), ETOOMANYREFS,
// ENOBUFS.
[[nodiscard]] int ip6_setmoptions(int optname, inpcb* inp, const mbuf* m);
// Fills m. Errors: ENOPROTOOPT (memberships are not to be read).
[[nodiscard]] int ip6_getmoptions(int optname, const inpcb* inp, mbuf* m);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN6_MCAST_H_
