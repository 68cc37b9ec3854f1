// UDP: datagrams with ports.
//
// Lives here:  the entry points of the room; its counters.
// Called by:   kernel/host (boot, protocol table); inet (input, through InetProtocol); socket
//              (requests).
// May touch:   inet, net, socket, mbuf.
// Context:     requests in process context, input in interrupt context; nothing sleeps.
// Owns:        the host's UdpHost owns the table of pcbs.
// Source:      RFC 768; OpenBSD sys/netinet/udp_usrreq.c, udp_var.h; udp(4).
// Differs:     IP_MTU_DISCOVER and IP_MTU have the meaning that Linux gives them: datagram TLS
//              needs them.
#ifndef SOCKBED_KERNEL_UDP_UDP_VAR_H_
#define SOCKBED_KERNEL_UDP_UDP_VAR_H_

#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/sim/trace.h"
#include "kernel/socket/protosw.h"

namespace sockbed {

// The rows of kernel/host's inetsw and inet6sw: {SOCK_DGRAM, &inetdomain, IPPROTO_UDP, kUdpPrFlags,
// &udp_usrreqs, udp_ctloutput}.
inline constexpr int kUdpPrFlags = PR_ATOMIC | PR_ADDR | PR_SPLICE;
extern const pr_usrreqs udp_usrreqs;
// Options: those of IPPROTO_IP and IPPROTO_IPV6, and none of IPPROTO_UDP (ENOPROTOOPT).
[[nodiscard]] int udp_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// Boot after inet_boot.
void udp_describe(Trace& trace);
void udp_boot(HostBase& host);

// Counters of UDP. X(name, meaning). Those marked with * count datagrams that were dropped.
#define SOCKBED_UDPSTAT(X)                                    \
  X(udps_ipackets, "datagrams received")                      \
  X(udps_opackets, "datagrams sent")                          \
  X(udps_nosum, "received without a checksum")                \
  X(udps_hdrops, "* shorter than a header")                   \
  X(udps_badport, "* destination port 0")                     \
  X(udps_badlen, "* length does not fit the packet")          \
  X(udps_badsum, "* bad checksum")                            \
  X(udps_noport, "* nobody has the port")                     \
  X(udps_noportbcast, "* broadcast, and nobody has the port") \
  X(udps_minttl, "* TTL below IP_MINTTL")                     \
  X(udps_fullsock, "* no room in the receive buffer")         \
  X(udps_nobufs, "* no memory for the datagram's headers")

enum udpstat_counters : uint8_t {
#define SOCKBED_UDPSTAT_ENUM(name, meaning) name,
  SOCKBED_UDPSTAT(SOCKBED_UDPSTAT_ENUM)
#undef SOCKBED_UDPSTAT_ENUM
      udps_ncounters
};
uint64_t udpstat_get(HostBase& host, udpstat_counters counter);

// The host's pcbs, for netstat and tests.
inpcbtable& udp_table(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UDP_UDP_VAR_H_
