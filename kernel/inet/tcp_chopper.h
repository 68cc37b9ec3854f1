// Segments cut from what TCP hands over in one piece.
//
// Lives here:  tcp_chopper, tcp_may_leave_whole, tcp_send_chopped.
// Called by:   ip_output and ip6_output, when an interface cannot cut (IFCAP_TSOv4, IFCAP_TSOv6);
//              interfaces that can, through if_family::chop.
// Units:       bytes.
// Source:      OpenBSD sys/netinet/tcp_output.c (tcp_chopper); RFC 9293 3.1; RFC 3168 6.1.2.
#ifndef SOCKBED_KERNEL_INET_TCP_CHOPPER_H_
#define SOCKBED_KERNEL_INET_TCP_CHOPPER_H_

#include <cstdint>
#include <utility>

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"
#include "kernel/net/if.h"

namespace sockbed {

// Whether the interface has `capability` (IFCAP_TSOv4, IFCAP_TSOv6), and what it will cut from m
// fits into `mtu`. REQUIRES: as of tcp_chopper.
bool tcp_may_leave_whole(const ifnet* ifp, int capability, uint32_t mtu, const mbuf* m);

// Cuts a TCP packet of either family into segments of at most ph_mss bytes of data, which share its
// storage. Each gets the headers with its own length and sequence number, and over IPv4 an
// identification of its own, as if it had been sent alone; PSH and FIN stay with the last one, CWR
// with the first. Checksums remain pending.
// Takes m. Errors: ENOBUFS, counted as one drop; then `segments` is empty.
// REQUIRES: M_TCP_TSO, ph_mss > 0; all headers in the first mbuf, which is the caller's alone.
[[nodiscard]] int tcp_chopper(MbufPtr m, mbuf_list* segments);

// Does so, and hands one segment after the other to `send`, which takes it, until that fails; what
// is left to `drop`. Errors: tcp_chopper's, `send`'s.
template <typename Send, typename Drop>
[[nodiscard]] int tcp_send_chopped(MbufPtr m, Send send, Drop drop) {
  mbuf_list segments;
  int error = tcp_chopper(std::move(m), &segments);
  while (MbufPtr segment = ml_dequeue(&segments)) {
    error = send(std::move(segment));
    if (error != 0) break;
  }
  while (MbufPtr rest = ml_dequeue(&segments)) drop(std::move(rest));
  return error;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_TCP_CHOPPER_H_
