// Raw sockets: packets of a protocol, for ping and for protocols that live in programs. Those of
// IPv4 are whole, those of IPv6 begin behind the headers.
//
// Lives here:  rip_usrreqs, rip_ctloutput, rip_input; rip6_ctloutput, rip6_input.
// Called by:   socket (requests, through kernel/host's table); ip_input, icmp_input and their like
//              of IPv6 hand packets over.
// May touch:   socket, the rest of inet.
// Context:     requests in process context, input in interrupt context; nothing sleeps.
// Owns:        the host's InetHost owns the table of pcbs; a pcb's inp_ppcb is a rawcb of ours.
// Invariants:  a raw pcb has no ports and stands in no hash: its names are in the rawcb.
// Source:      OpenBSD sys/netinet/raw_ip.c, sys/netinet6/raw_ip6.c; ip(4), icmp(4). Spec 11.
// Differs:     received headers are as on the wire: lengths and offsets in network order. The
//              sender of a packet that IPV6_CHECKSUM finds bad hears of no unknown protocol.
#ifndef SOCKBED_KERNEL_INET_RAW_IP_H_
#define SOCKBED_KERNEL_INET_RAW_IP_H_

#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip_var.h"
#include "kernel/socket/protosw.h"

namespace sockbed {

// The row of kernel/host's inetsw: {SOCK_RAW, &inetdomain, 0, kRawPrFlags, &rip_usrreqs,
// rip_ctloutput}. Number 0 stands for every protocol.
inline constexpr int kRawPrFlags = PR_ATOMIC | PR_ADDR;
extern const pr_usrreqs rip_usrreqs;

// IP_HDRINCL and the other options of IPPROTO_IP. Borrows m. Errors: as ip_ctloutput.
[[nodiscard]] int rip_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);

// Gives a copy of a packet for this host, whole, to every raw socket that wants it: of its protocol
// or of all, bound to its destination or to none, connected to its source or to nobody. Borrows m.
// Returns whether there was one.
bool rip_input(mbuf* m, int hlen);

// The same of IPv6: IPV6_CHECKSUM and the other options of IPPROTO_IPV6, and ICMP6_FILTER of level
// IPPROTO_ICMPV6.
[[nodiscard]] int rip6_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m);
// `protocol` is what begins at `off`.
bool rip6_input(mbuf* m, int off, uint8_t protocol);
// Whether a raw socket may have sent the packet of `protocol` that an ICMPv6 error quotes.
bool rip6_sent(const IcmpError& error, uint8_t protocol);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_RAW_IP_H_
