// IPv6: the way out and the way in.
//
// Lives here:  ip6_output, ip6_input; struct ip6_pktopts; the counters.
// Called by:   tcp, udp, raw sockets (ip6_output); interfaces (ip6_input, through if_family).
// May touch:   net, mbuf, socket (a pcb's options), sched, sim. Never a transport: those fill the
//              table of ip_var.h for both families.
// Context:     ip6_output anywhere; input and ctlinput run in interrupt context. Nothing sleeps.
// Owns:        a packet is taken by whatever it is passed to as MbufPtr.
// Units:       addresses of a link bear their zone (in6.h), in pcbs and in packets alike, until
//              ip6_output takes it out at the border of the host. What ip6_input hands to a
//              protocol is as on the wire: read its addresses with ip6_source, ip6_destination.
// Invariants:  1. Every packet taken is sent, delivered, held as a fragment, or dropped with
//                 exactly one counter moved and one record left.
//              2. Inside IPv6 a packet's first mbuf holds the whole 40-byte header.
// Source:      RFC 8200; OpenBSD sys/netinet6/ip6_{input,output,var}.*; ip6(4), inet6(4).
#ifndef SOCKBED_KERNEL_INET_IP6_VAR_H_
#define SOCKBED_KERNEL_INET_IP6_VAR_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/inet/in6.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/route.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/net/if.h"

namespace sockbed {

struct ip6_moptions;  // in6_mcast.h

// What a socket (sticky) or one datagram (control messages) asks of packets sent.
struct ip6_pktopts {
  int ip6po_hlim = -1;  // -1: the default
  int ip6po_tclass = -1;
  int ip6po_minmtu = -1;        // IPV6_USE_MIN_MTU: -1: multicast only; 0: never; 1: always
  bool ip6po_dontfrag = false;  // EMSGSIZE instead of fragments
  in6_addr ip6po_addr{};        // source; ::: chosen
  uint32_t ip6po_ifindex = 0;   // the interface to leave by; 0: any
};

// Flags of ip6_output.
inline constexpr int IPV6_UNSPECSRC = 0x01;   // the source stays ::
inline constexpr int IPV6_FORWARDING = 0x02;  // the packet is another host's
inline constexpr int IPV6_MINMTU = 0x04;      // whole only if it fits 1280 bytes
inline constexpr int IPV6_MTUPROBE = 0x08;    // only the interface's MTU counts, not the path's

// Sends a packet. `m` starts with an IPv6 header (Ipv6Header::Write); a source of :: is chosen
// here, the traffic class, hop limit and flow label are the caller's. Transport checksums may be
// pending in csum_flags: they cover what lies behind the headers up to the first that is no
// extension. Takes m; borrows the rest. `opt`: of it the MTU policy and the interface are obeyed
// here; null: defaults. `ro`: a route cache, or null. `im6o`: the interface, hop limit and loop
// copy of a multicast, or null: by zone or route, the packet's own, a copy. `inp`:
// the sender's pcb, or null. Errors:
//   EHOSTUNREACH    no route; a link-local destination without a zone; a host route with RTF_REJECT
//   ENETUNREACH     a net route with RTF_REJECT; multicast without an interface
//   EADDRNOTAVAIL   no source address; ::1 leaving the host; a scope that the source lacks; no such
//                   interface
//   EMSGSIZE        more than 65535 bytes; too big with ip6po_dontfrag
//   EHOSTDOWN       a neighbour does not answer
//   ENOBUFS, ENETDOWN, ELOOP   no memory; the interface's (if.h)
[[nodiscard]] int ip6_output(MbufPtr m, const ip6_pktopts* opt, route* ro, int flags,
                             ip6_moptions* im6o, inpcb* inp);

// A packet has arrived on ifp. Takes.
void ip6_input(ifnet* ifp, MbufPtr m);

// Makes `protocol` receive what follows the extension headers of IPv6 packets, as
// inet_register_protocol does for IPv4. Its input gets the whole packet, and the bytes in front of
// the protocol's own header as `hlen`, which may lie beyond the first mbuf.
void inet6_register_protocol(HostBase& host, const InetProtocol& protocol);

// The addresses of a packet received: of a link, with the zone of the interface that it came by.
// REQUIRES: m starts with its IPv6 header.
inline in6_addr ip6_source(const mbuf* m) {
  return in6_setscope(Ipv6View(m->m_data, static_cast<size_t>(m->m_len)).source(),
                      m->m_pkthdr.ph_ifidx);
}
inline in6_addr ip6_destination(const mbuf* m) {
  return in6_setscope(Ipv6View(m->m_data, static_cast<size_t>(m->m_len)).destination(),
                      m->m_pkthdr.ph_ifidx);
}

// The hop limit of a pcb's packets to `dst`: its own (-1: none), else what routers have told of the
// link that its route there leads to (`ro` is its cache; null: none), else the host's.
int in6_selecthlim(int hops, route* ro = nullptr, const inpaddru& dst = {});
// What a path of `mtu` bytes takes of a pcb's packets (null: of nobody's) whole: IPV6_MTU caps it.
uint32_t ip6_getpmtu(const inpcb* inp, uint32_t mtu);
// Counters of IPv6. X(name, meaning). Those marked with * count packets that were dropped.
#define SOCKBED_IP6STAT(X)                                                             \
  X(ip6s_total, "packets received")                                                    \
  X(ip6s_delivered, "packets handed to a protocol")                                    \
  X(ip6s_forward, "packets forwarded")                                                 \
  X(ip6s_localout, "packets sent from here")                                           \
  X(ip6s_fragments, "fragments received")                                              \
  X(ip6s_reassembled, "packets reassembled")                                           \
  X(ip6s_fragmented, "packets fragmented")                                             \
  X(ip6s_ofragments, "fragments sent")                                                 \
  X(ip6s_redirectsent, "redirects sent")                                               \
  X(ip6s_toosmall, "* shorter than a header")                                          \
  X(ip6s_badvers, "* not version 6")                                                   \
  X(ip6s_badscope, "* an address that cannot be, or not there")                        \
  X(ip6s_tooshort, "* shorter than its length says")                                   \
  X(ip6s_badoptions, "* an option that is not understood, or malformed")               \
  X(ip6s_toomanyhdr, "* too many extension headers, or one cut short")                 \
  X(ip6s_badhdr, "* an extension header out of place, or not supported")               \
  X(ip6s_nonxt, "* nothing behind the headers")                                        \
  X(ip6s_notmember, "* multicast of a group not joined")                               \
  X(ip6s_wrongif, "* for another interface's address")                                 \
  X(ip6s_notready, "* for an address that is tentative or duplicated")                 \
  X(ip6s_cantforward, "* not ours and not forwarded")                                  \
  X(ip6s_hopsexceeded, "* hop limit used up")                                          \
  X(ip6s_noproto, "* no such protocol here")                                           \
  X(ip6s_badfrags, "* malformed fragment")                                             \
  X(ip6s_toolong, "* fragments of more than 65535 bytes")                              \
  X(ip6s_fragoverlap, "* fragments that overlap")                                      \
  X(ip6s_fragdropped, "* fragment beyond the limits")                                  \
  X(ip6s_fragtimeout, "* fragments of a packet not completed in time")                 \
  X(ip6s_fragecn, "* fragments of contradictory ECN marks")                            \
  X(ip6s_noroute, "* no route out, or no zone")                                        \
  X(ip6s_rejected, "* refused or swallowed by a route")                                \
  X(ip6s_sources_none, "* no source address, or a destination that cannot be sent to") \
  X(ip6s_cantfrag, "* too big and not to be fragmented")                               \
  X(ip6s_mcastlocal, "* multicast that stays here: hop limit 0, interface scope, lo0") \
  X(ip6s_odropped, "* refused by the interface")                                       \
  X(ip6s_nobufs, "* no memory")                                                        \
  X(ip6s_rawdropped, "* no room for a raw socket's copy, or hops below the least")     \
  X(ip6s_nddropped, "* no link address for a neighbour")                               \
  X(ip6s_notunnel, "* from a tunnel, of which this host has none")                     \
  X(ip6s_rawbadsum, "* copy for a raw socket that asks for a checksum, which is wrong")

enum ip6stat_counters : uint8_t {
#define SOCKBED_IP6STAT_ENUM(name, meaning) name,
  SOCKBED_IP6STAT(SOCKBED_IP6STAT_ENUM)
#undef SOCKBED_IP6STAT_ENUM
      ip6s_ncounters
};

// A counter of `host`, as netstat -s shows it.
uint64_t ip6stat_get(HostBase& host, ip6stat_counters counter);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP6_VAR_H_
