// Segments cut from what TCP hands over in one piece.
//
// Lives here:  tcp_chopper, tcp_chopped_max.
// Called by:   ip_output and ip6_output, when an interface cannot cut (IFCAP_TSOv4, IFCAP_TSOv6);
//              interfaces that can, through if_family::chop.
// Units:       bytes.
// Source:      OpenBSD sys/netinet/tcp_output.c (tcp_chopper); RFC 9293 3.1; RFC 3168 6.1.2.
#ifndef SOCKBED_KERNEL_INET_TCP_CHOPPER_H_
#define SOCKBED_KERNEL_INET_TCP_CHOPPER_H_

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"

namespace sockbed {

// The largest packet that tcp_chopper will make of m. REQUIRES: as of tcp_chopper.
int tcp_chopped_max(const mbuf* m);

// Cuts a TCP packet of either family into segments of at most ph_mss bytes of data, which share its
// storage. Each gets the headers with its own length and sequence number, and over IPv4 the next
// identification; PSH and FIN stay with the last one, CWR with the first. Checksums remain pending.
// Takes m. Errors: ENOBUFS, counted as one drop; then `segments` is empty.
// REQUIRES: M_TCP_TSO, ph_mss > 0; all headers in the first mbuf, which is the caller's alone.
[[nodiscard]] int tcp_chopper(MbufPtr m, mbuf_list* segments);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_TCP_CHOPPER_H_
