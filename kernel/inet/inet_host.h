// What this room keeps for each host.
//
// Lives here:  InetHost: counters, tunables, addresses, routes, protocols, fragments, rate limits.
// Called by:   the files of inet/ only.
// Owns:        addresses, routes, reassembly queues.
// Units:       tunables as their sysctls have them.
#ifndef SOCKBED_KERNEL_INET_INET_HOST_H_
#define SOCKBED_KERNEL_INET_INET_HOST_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "kernel/inet/if_arp.h"
#include "kernel/inet/igmp.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_reass.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/prefix_tree.h"
#include "kernel/inet/route.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/random.h"

namespace sockbed {

// net.inet.ip.* and net.inet.icmp.*, with OpenBSD's defaults.
struct InetTunables {
  int64_t profile = 0;  // what the BSDs differ in: 0 OpenBSD, 1 FreeBSD
  int64_t forwarding = 0;
  int64_t redirect = 1;
  int64_t ttl = 64;
  int64_t sourceroute = 0;
  int64_t directed_broadcast = 0;
  int64_t portfirst = 1024;
  int64_t portlast = 49151;
  int64_t porthifirst = 49152;
  int64_t porthilast = 65535;
  int64_t portrandom = 1;
  // Of fragments that wait; 0: takes none; -1: no limit. Beyond maxqueue the new fragment and the
  // oldest packets go, beyond maxfragpackets the oldest packet, beyond maxfrags the new fragment,
  // beyond maxfragsperpacket its packet.
  int64_t maxqueue = 300;
  int64_t maxfragpackets = 49;
  int64_t maxfrags = -1;
  int64_t maxfragsperpacket = -1;
  int64_t mtudisc = 1;
  int64_t mtudisctimeout = 600;
  int64_t reass_icmp = 0;
  int64_t mcast_members_only = 0;
  int64_t strong_es = 1;      // an address belongs to its interface (RFC 1122 3.3.4.2)
  int64_t rfc6864 = 0;        // what is never a fragment has id 0
  int64_t icmp_quotelen = 8;  // of the transport's bytes in an error
  int64_t icmp_errppslimit = 100;
  int64_t icmp_bmcastecho = 0;
  int64_t icmp_maskrepl = 0;
  int64_t icmp_tstamprepl = 1;
  int64_t icmp_rediraccept = 0;
  int64_t icmp_redirtimeout = 600;
};

// Numbers packets: a linear congruential sequence of full period, its constants drawn at boot, so
// that no number comes back within 65535 packets.
class IpIds {
 public:
  explicit IpIds(Stream stream);
  uint16_t Next();  // never 0

 private:
  uint16_t state_, factor_, step_;
};

// A packet that was let in: the next one of the same addresses from the same interface need not be
// asked where it comes from and whether it is ours, as long as no route has changed.
struct alignas(32) LetIn {
  const ifnet* ifp = nullptr;
  uint64_t rt_generation = 0;
  uint64_t addresses = 0;  // Ipv4View::addresses

  friend bool operator==(const LetIn&, const LetIn&) = default;
};

struct InetHost {
  static constexpr HostSlot kHostSlot = HostSlot::kInet;
  explicit InetHost(HostBase& host_in);

  HostBase* host;
  InetTunables tunables;
  std::array<uint64_t, ips_ncounters> ipstat{};
  std::array<uint64_t, icps_ncounters> icmpstat{};
  std::array<uint64_t, igps_ncounters> igmpstat{};
  std::array<const InetProtocol*, 256> protocols{};

  std::vector<std::unique_ptr<in_ifaddr>> addresses;  // in order of configuration
  int broadcast_addresses = 0;                        // how many of them have a broadcast address
  PrefixTree<uint32_t, rtentry*> routes;              // of one prefix: a list by priority, rt_next
  PrefixTree<unsigned __int128, rtentry*> routes6;
  uint64_t rt_generation = 1;
  uint64_t next_rt_id = 0;
  route input_route;              // towards the last destination received
  std::array<LetIn, 32> last_let_in;  // by the last digits of the interface's index
  route last_match, last_match6;  // the last look-up in each table

  InMultiTable multis;                        // groups that interfaces listen to
  std::map<uint32_t, SimTime> igmp_v1_until;  // by interface: a version 1 router is there till then

  ArpTable arp;
  std::unique_ptr<inpcbtable> raw;  // of raw sockets
  ReassemblyTable reassembly;
  IpIds ids;
  ppsrate icmp_errors, icmp_echoes, icmp_timestamps;

  Inet6Host v6;

  int64_t live_pcbs = 0;         // live count "inpcb"
  int64_t live_routes = 0;       // "route"
  int64_t live_fragments = 0;    // "IPv4 fragment"
  int64_t live_memberships = 0;  // "IPv4 membership", of sockets
};

// The last packet let in from that interface, or from one in its place.
inline LetIn& LastLetIn(InetHost& inet, const ifnet* ifp) {
  return inet.last_let_in[ifp->if_index % inet.last_let_in.size()];
}

inline InetHost& inet_here() { return HostLocal<InetHost>::Get(); }
inline void ipstat_inc(ipstat_counters counter) { ++inet_here().ipstat[counter]; }
inline void icmpstat_inc(icmpstat_counters counter) { ++inet_here().icmpstat[counter]; }

// Removes what the host has configured: all addresses and routes.
void in_purge(InetHost& inet);
void rt_purge(InetHost& inet);
// Routes of an interface that went down or came up.
void rt_link_state(ifnet* ifp);
// Removes the routes whose source address is `ifa`: those to its own network, and all beyond.
void rt_flush(const ifaddr* ifa);

// A dynamic host route to `dst` that copies what leads there now, or that host route if there is
// one; null when nothing leads there, what does refuses or swallows it, or it is this host.
rtentry* rt_clone(sa_family_t family, const inpaddru& dst);
// Makes what ICMP has told about a route end after `seconds`: a dynamic one goes, another gets its
// MTU back.
void rt_expire_after(rtentry* rt, int64_t seconds);
// Sets a route's MTU to what ICMP has told; 0 locks it: no path MTU discovery along here.
void rt_lower_mtu(rtentry* rt, uint32_t mtu);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET_HOST_H_
