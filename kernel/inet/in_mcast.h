// Multicast groups of IPv4: which ones an interface listens to, and what a socket asks of them.
//
// Lives here:  struct in_multi, in_addmulti and kin; struct ip_moptions and its socket options.
// Called by:   ip_output, ip_input, in.cc (224.0.0.1), igmp.cc, udp, raw_ip.cc.
// May touch:   net (the link's filter), the rest of inet.
// Context:     any; never sleeps.
// Owns:        the host's InetHost owns every in_multi; a pcb owns its ip_moptions.
// Units:       addresses in network order.
// Invariants:  1. An in_multi lives while somebody is a member through it: a socket, once for each
//                 place in its list, or the kernel, once for each address of the interface.
//              2. The link's filter lets a group in exactly while its in_multi lives.
// Source:      OpenBSD sys/netinet/in.c, in_var.h, ip_output.c (ip_setmoptions); RFC 1112; ip(4).
// Differs:     an interface is named by its index, so that one which goes leaves nothing dangling.
#ifndef SOCKBED_KERNEL_INET_IN_MCAST_H_
#define SOCKBED_KERNEL_INET_IN_MCAST_H_

#include <netinet/in.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "kernel/net/if.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct inpcb;
struct mbuf;

// A group that an interface listens to.
struct in_multi {
  in_addr inm_addr{};              // [I]
  uint32_t inm_ifidx = 0;          // [I]
  int inm_refcnt = 0;              // memberships
  bool inm_last_reporter = false;  // nobody has reported the group since we did
  uint64_t inm_draws = 0;          // delays drawn so far
  timeout inm_timer;               // runs while a report is due (igmp.h)
};
// By interface index and group, the latter in host order.
using InMultiTable = std::map<std::pair<uint32_t, uint32_t>, in_multi>;

// One more membership of `group` on ifp, one less. The first tells the link and the routers, the
// last takes that back. REQUIRES: a multicast address; IFF_MULTICAST; on the current host.
in_multi* in_addmulti(in_addr group, ifnet* ifp);
void in_delmulti(in_multi* inm);
// Whether ifp listens to `group`; null when not.
in_multi* in_hasmulti(const ifnet* ifp, in_addr group);

inline constexpr size_t kMembershipsAtFirst = 15;  // room of a socket's list to begin with
inline constexpr size_t kMembershipsMax = 4095;

// What a socket says of the multicasts it sends and hears. A plain value but for the memberships.
struct ip_moptions {
  uint32_t imo_ifidx = 0;  // the way out; 0: by route
  uint8_t imo_ttl = IP_DEFAULT_MULTICAST_TTL;
  bool imo_loop = true;  // this host hears what it sends, if it is a member
  std::vector<in_multi*> imo_membership;
};

// Leaves all groups and frees. Null is nothing. REQUIRES: on the current host.
void ip_freemoptions(ip_moptions* imo);

// Whether the socket hears what has come to `group` on the interface of that index: each one does,
// or with ip.mcast_members_only those that have joined the group there themselves.
bool ip_hearsgroup(const inpcb* inp, uint32_t ifidx, in_addr group);

// The multicast options of level IPPROTO_IP (spec 12.1, 13), and whether that is one.
bool ip_ismoption(int optname);
// Borrows m. Errors: EINVAL (length, value, no multicast address), EADDRNOTAVAIL (no such
// interface, or one without multicast; not a member), EADDRINUSE (a member already), ETOOMANYREFS,
// ENOBUFS.
[[nodiscard]] int ip_setmoptions(int optname, inpcb* inp, const mbuf* m);
// Fills m. Errors: ENOPROTOOPT (memberships are not to be read).
[[nodiscard]] int ip_getmoptions(int optname, const inpcb* inp, mbuf* m);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_MCAST_H_
