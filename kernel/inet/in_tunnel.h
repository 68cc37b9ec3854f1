// A protocol of the kernel that travels in the datagrams of a socket, in its user's place.
//
// Lives here:  InetTunnel, to which a pcb's inp_tunnel points.
// Called by:   udp, when a datagram or an ICMP error is for such a pcb; filled by tcp.
// Context:     interrupt context.
// Owns:        nothing: constant tables.
// Source:      FreeBSD sys/netinet/udp_var.h (udp_set_kernel_tunneling).
#ifndef SOCKBED_KERNEL_INET_IN_TUNNEL_H_
#define SOCKBED_KERNEL_INET_IN_TUNNEL_H_

#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf.h"

namespace sockbed {

struct InetTunnel {
  // A datagram has come, with a good checksum; its first `off` bytes are headers, UDP's the last of
  // them. Takes m.
  void (*input)(MbufPtr m, int off);
  // An ICMP error about one that was sent from the socket's port: error.transport is UDP's header.
  void (*ctlinput)(const IcmpError& error);
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IN_TUNNEL_H_
