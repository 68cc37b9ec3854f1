// Raw sockets: whole IPv4 packets of a protocol, for ping and for protocols that live in programs.
//
// Lives here:  rip_usrreqs, rip_ctloutput, rip_input.
// Called by:   socket (requests, through kernel/host's table); ip_input and icmp_input hand packets
//              over.
// May touch:   socket, the rest of inet.
// Context:     requests in process context, input in interrupt context; nothing sleeps.
// Owns:        the host's InetHost owns the table of pcbs; a pcb's inp_ppcb is a rawcb of ours.
// Invariants:  a raw pcb has no ports and stands in no hash: its names are in the rawcb.
// Source:      OpenBSD sys/netinet/raw_ip.c; ip(4), icmp(4). Spec 11.
// Differs:     received headers are as on the wire: lengths and offsets in network order.
#ifndef SOCKBED_KERNEL_INET_RAW_IP_H_
#define SOCKBED_KERNEL_INET_RAW_IP_H_

#include <cstdint>

#include "kernel/inet/in_pcb.h"
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

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_RAW_IP_H_
