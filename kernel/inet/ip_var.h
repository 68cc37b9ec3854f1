// IPv4: the way out and the way in.
//
// Lives here:  ip_output, ip_input; protocols by number; struct InetProtocol, IcmpError; the
//              counters.
// Called by:   tcp, udp (ip_output, inet_register_protocol); interfaces (ip_input, through
//              if_family).
// May touch:   net, mbuf, socket (a pcb's options), sched, sim. Never a transport: those fill a
//              table.
// Context:     ip_output anywhere; input and ctlinput run in interrupt context. Nothing here
//              sleeps.
// Owns:        a packet is taken by whatever it is passed to as MbufPtr.
// Invariants:  1. Every packet taken is sent, delivered, held as a fragment, or dropped with
//              exactly one
//                 counter moved and one record left.
//              2. Inside IP a packet's first mbuf holds the whole IPv4 header.
// Source:      OpenBSD sys/netinet/ip_{input,output,var}.*; ip(4), inet(4).
#ifndef SOCKBED_KERNEL_INET_IP_VAR_H_
#define SOCKBED_KERNEL_INET_IP_VAR_H_

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "kernel/inet/route.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/net/if.h"
#include "kernel/sched/host_local.h"

namespace sockbed {

class inpcbtable;  // in_pcb.h
struct inpcb;
struct ip_moptions;  // in_mcast.h

// Flags of ip_output.
inline constexpr int IP_FORWARDING = 0x1;       // the packet is another host's
inline constexpr int IP_RAWOUTPUT = 0x2;        // the header is final
inline constexpr int IP_ROUTETOIF = 0x10;       // SO_DONTROUTE: on-link destinations only
inline constexpr int IP_ALLOWBROADCAST = 0x20;  // SO_BROADCAST
inline constexpr int IP_MTUDISC = 0x0800;       // DF, unless ip.mtudisc=0 or the route is locked
inline constexpr int IP_MTUWANT = 0x1000;       // DF while it fits the path; else fragments
inline constexpr int IP_MTUPROBE = 0x2000;      // DF; only the interface's MTU counts

// Sends a packet. `m` starts with an IPv4 header of 20 bytes (Ipv4Header::Write): length, TOS, TTL,
// protocol, DF and addresses are the caller's (source 0: chosen here), the rest is filled in.
// Transport checksums may be pending in csum_flags (M_TCP_CSUM_OUT, M_UDP_CSUM_OUT,
// M_ICMP_CSUM_OUT): they cover the payload and are computed when somebody looks; the field is then
// overwritten. Takes m; borrows the rest. `opt`: IP options to insert, or null. `ro`: a route
// cache, or null. `imo`: which interface, TTL and loop copy a multicast gets, or null: the
// defaults. `inp`: the sender's pcb, or null. Errors:
//   ENETUNREACH     destination in 0/8; net route with RTF_REJECT; no interface for a multicast
//   EHOSTUNREACH    no route; host route with RTF_REJECT
//   EADDRNOTAVAIL   no source address; broadcast on a link without; 127/8 leaving the host
//   EACCES          broadcast not allowed
//   EMSGSIZE        too big for a broadcast, with DF, or for an IPv4 packet
//   EHOSTDOWN       a neighbour that has not answered ARP lately (a gateway: EHOSTUNREACH)
//   ENOBUFS, ENETDOWN, ELOOP   no memory; the interface's (if.h)
[[nodiscard]] int ip_output(MbufPtr m, const mbuf* opt, route* ro, int flags, ip_moptions* imo,
                            inpcb* inp);

// A packet has arrived on ifp. Takes.
void ip_input(ifnet* ifp, MbufPtr m);

// Whether a host discovers path MTUs: its sysctl net.inet.ip.mtudisc.
bool ip_mtudisc(HostBase& host);

// What an ICMP error says of a packet that this host has sent.
struct IcmpError {
  sa_family_t family;        // AF_INET, or AF_INET6: type and code are ICMPv6's
  int error;                 // the errno that spec 6.2 or 8 gives it; 0: none
  uint8_t type, code;        // as received
  inpaddru src, dst;         // of the quoted packet: ours, the peer's
  // Too big: of the next hop, after the plateau table, or what a fragment header leaves of 1280;
  // else 0.
  uint32_t mtu;
  const uint8_t* transport;  // the first 8 bytes (at least) of the quoted transport header
  int transport_len;
};

// A transport protocol, of one family or of both. Constant; handed over at boot.
struct InetProtocol {
  uint8_t number;  // IPPROTO_*
  // A packet for this host: whole, its header included; `hlen` bytes stand in front of the
  // protocol's own. Takes m.
  void (*input)(MbufPtr m, int hlen);
  // An ICMP error about a packet of ours. May be null. For one that was too big the protocol, when
  // it believes the message, calls icmp_mtudisc (ip_icmp.h) or icmp6_mtudisc (icmp6.h).
  void (*ctlinput)(const IcmpError& error);
  // What routers have told of the MTU towards `peer` is forgotten: packets may be larger again. May
  // be null.  BSD: PRC_MTUINC.
  void (*mtuinc)(const inpaddru& peer) = nullptr;
};

// Makes `protocol` receive its packets on `host`. REQUIRES: the number is free; the table lives on.
void inet_register_protocol(HostBase& host, const InetProtocol& protocol);
// Makes the sets of ports of a transport's pcbs tunables of their host: PREFIX.baddynamic and
// PREFIX.rootonly, lists like "587,749". Set to a list they become it; "+587,-600" puts a port in
// and takes one out. Errors of setting: EINVAL (no such list: nothing has changed).
void in_pcbsysctls(inpcbtable* table, const std::string& prefix);

// Whether IPv4 delivered the packet as link broadcast or multicast, or to such an address.
inline bool ip_wasbroadcast(const mbuf* m) { return (m->m_flags & (M_BCAST | M_MCAST)) != 0; }

// The room on a host: boot after net and socket, before the transports. halt cancels timers, frees
// fragments and routes, before the host's counts are checked.
void inet_describe(Trace& trace);
void inet_boot(HostBase& host);
void inet_halt(HostBase& host);

// Counters of IPv4. X(name, meaning). Those marked with * count packets that were dropped.
#define SOCKBED_IPSTAT(X)                                                        \
  X(ips_total, "packets received")                                               \
  X(ips_delivered, "packets handed to a protocol")                               \
  X(ips_forwarded, "packets forwarded")                                          \
  X(ips_localout, "packets sent from here")                                      \
  X(ips_fragments, "fragments received")                                         \
  X(ips_reassembled, "packets reassembled")                                      \
  X(ips_fragmented, "packets fragmented")                                        \
  X(ips_ofragments, "fragments sent")                                            \
  X(ips_redirectsent, "redirects sent")                                          \
  X(ips_toosmall, "* shorter than a header")                                     \
  X(ips_badvers, "* not version 4")                                              \
  X(ips_badhlen, "* bad header length")                                          \
  X(ips_badaddr, "* an address that cannot be")                                  \
  X(ips_badsum, "* bad header checksum")                                         \
  X(ips_badlen, "* length shorter than the header")                              \
  X(ips_tooshort, "* shorter than its length says")                              \
  X(ips_badoptions, "* bad options")                                             \
  X(ips_notmember, "* multicast of a group not joined")                          \
  X(ips_wrongif, "* for another interface's address")                            \
  X(ips_cantforward, "* not ours and not forwarded")                             \
  X(ips_ttlexceeded, "* TTL used up")                                            \
  X(ips_noproto, "* no such protocol here")                                      \
  X(ips_badfrags, "* malformed fragment")                                        \
  X(ips_toolong, "* fragments of more than 65535 bytes")                         \
  X(ips_fragdropped, "* fragment already covered, or beyond the limits")         \
  X(ips_fragtimeout, "* fragments of a packet not completed in time")            \
  X(ips_fragecn, "* fragments of contradictory ECN marks")                       \
  X(ips_mcastlocal, "* multicast that stays here: TTL 0, or on lo0")             \
  X(ips_noroute, "* no route out")                                               \
  X(ips_rejected, "* refused or swallowed by a route")                           \
  X(ips_outaddr, "* no source address, or a destination that cannot be sent to") \
  X(ips_outacces, "* broadcast not allowed")                                     \
  X(ips_cantfrag, "* too big and not to be fragmented")                          \
  X(ips_odropped, "* refused by the interface")                                  \
  X(ips_nobufs, "* no memory")                                                   \
  X(ips_rawdropped, "* no room for a raw socket's copy, or TTL below IP_MINTTL") \
  X(ips_badarp, "* malformed ARP packet")                                        \
  X(ips_arpdropped, "* waited in vain for a neighbour's link address")           \
  X(ips_arpconflict, "addresses of ours that another station claims")            \
  X(ips_notunnel, "* from a tunnel, of which this host has none")

enum ipstat_counters : uint8_t {
#define SOCKBED_IPSTAT_ENUM(name, meaning) name,
  SOCKBED_IPSTAT(SOCKBED_IPSTAT_ENUM)
#undef SOCKBED_IPSTAT_ENUM
      ips_ncounters
};

// A counter of `host`, as netstat -s shows it.
uint64_t ipstat_get(HostBase& host, ipstat_counters counter);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_VAR_H_
