// IGMP version 2, the host's side: telling routers which groups are listened to.
//
// Lives here:  igmp_joingroup, igmp_leavegroup, the protocol's entry, the counters.
// Called by:   in_mcast.cc (joining and leaving), ip_input (through the table of protocols).
// May touch:   ip_output, the rest of inet.
// Context:     any; reports are sent in interrupt context. Never sleeps.
// Units:       delays in virtual ns, drawn from nd.jitter: one name for each group and delay.
// Invariants:  1. 224.0.0.1 and groups of lo0 are never reported.
//              2. A group's timer runs exactly while a report of it is due.
// Source:      RFC 2236; OpenBSD sys/netinet/igmp.c.
// Differs:     no router functions. What version 1 routers need (RFC 2236 4) is there.
#ifndef SOCKBED_KERNEL_INET_IGMP_H_
#define SOCKBED_KERNEL_INET_IGMP_H_

#include <cstdint>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/ip_var.h"

namespace sockbed {

// A group has its first member: reports it now and, in case that is lost, once more later.
void igmp_joingroup(in_multi* inm);
// Its last member goes: if nobody else has reported it since we did, tells the routers.
void igmp_leavegroup(in_multi* inm);

// IGMP as a protocol.
extern const InetProtocol kIgmpProtocol;

// Counters of IGMP. X(name, meaning); * as in SOCKBED_IPSTAT.
#define SOCKBED_IGMPSTAT(X)                                         \
  X(igps_rcv_total, "messages received")                            \
  X(igps_rcv_queries, "queries received")                           \
  X(igps_rcv_reports, "reports received")                           \
  X(igps_rcv_ourreports, "reports received of groups we listen to") \
  X(igps_snd_reports, "reports sent")                               \
  X(igps_snd_leaves, "departures told")                             \
  X(igps_rcv_tooshort, "* message shorter than its header")         \
  X(igps_rcv_badsum, "* bad checksum")                              \
  X(igps_rcv_badqueries, "* query of or to what it cannot be")      \
  X(igps_rcv_badreports, "* report of or to what it cannot be")     \
  X(igps_unclaimed, "* message that nobody here waits for")         \
  X(igps_nobufs, "* no memory for a message")

enum igmpstat_counters : uint8_t {
#define SOCKBED_IGMPSTAT_ENUM(name, meaning) name,
  SOCKBED_IGMPSTAT(SOCKBED_IGMPSTAT_ENUM)
#undef SOCKBED_IGMPSTAT_ENUM
      igps_ncounters
};
uint64_t igmpstat_get(HostBase& host, igmpstat_counters counter);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IGMP_H_
