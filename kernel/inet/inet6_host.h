// What IPv6 keeps for each host.
//
// Lives here:  Inet6Host: counters, tunables, addresses, groups, protocols, fragments.
// Called by:   the files of inet/ only.
// Owns:        addresses, groups, reassembly queues. Routes are the InetHost's, of both families.
// Units:       tunables as their sysctls have them.
#ifndef SOCKBED_KERNEL_INET_INET6_HOST_H_
#define SOCKBED_KERNEL_INET_INET6_HOST_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "kernel/inet/frag6.h"
#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/route.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/random.h"

namespace sockbed {

// net.inet6.ip6.* and net.inet6.icmp6.*, with OpenBSD's defaults.
struct Inet6Tunables {
  int64_t forwarding = 0;
  int64_t redirect = 1;
  int64_t hlim = 64;
  int64_t hdrnestlimit = 10;
  int64_t maxfragpackets = 200;
  int64_t maxfrags = 200;
  int64_t frag_exactdup = 0;  // tolerate an exact duplicate of a fragment (RFC 8200 4.5)
  int64_t auto_flowlabel = 1;
  int64_t use_deprecated = 1;
  int64_t v6only = 1;
  int64_t mtudisctimeout = 600;
  int64_t autoconf = 0;   // believe what routers advertise
  int64_t dad_count = 1;  // probes for duplicates; 0: none
  int64_t icmp6_errppslimit = 100;
  int64_t icmp6_rediraccept = 0;
  int64_t icmp6_redirtimeout = 600;
};

struct Inet6Host {
  explicit Inet6Host(HostBase& host);

  Inet6Tunables tunables;
  std::array<uint64_t, ip6s_ncounters> ip6stat{};
  std::array<uint64_t, icp6s_ncounters> icmp6stat{};
  std::array<const InetProtocol*, 256> protocols{};

  std::vector<std::unique_ptr<in6_ifaddr>> addresses;  // in order of configuration
  In6MultiTable groups;                                // that interfaces listen to
  uint64_t next_ifaddr_id = 0;
  route input_route;  // towards the last destination received

  Nd6Table nd6;
  std::map<uint32_t, nd_ifinfo> nd_interfaces;  // by index
  bool nd_hops_told = false;                    // a router has told a hop limit
  std::map<uint64_t, nd_address> nd_addresses;  // by ia6_id
  std::map<std::tuple<uint32_t, uint64_t, uint64_t>, nd_router>
      nd_routers;  // by interface, address
  std::map<std::tuple<uint32_t, uint64_t, uint64_t, uint8_t>, nd_prefix> nd_prefixes;

  std::unique_ptr<inpcbtable> raw;  // of raw sockets
  Frag6Table reassembly;
  Stream fragment_ids;  // ip6.fragid
  Stream flow_labels;   // ip6.flow
  ppsrate icmp6_errors;

  int64_t live_memberships = 0;  // live count "IPv6 membership", of sockets
};

Inet6Host& inet6_here();
inline void ip6stat_inc(ip6stat_counters counter) { ++inet6_here().ip6stat[counter]; }
inline void icmp6stat_inc(icmp6stat_counters counter) { ++inet6_here().icmp6stat[counter]; }

// Boot and end of IPv6, called by inet_boot and inet_halt: family, sysctls, ::1 and fe80::1 on lo0.
void inet6_boot(HostBase& host);
void inet6_halt();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET6_HOST_H_
