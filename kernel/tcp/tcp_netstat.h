// The connections of a host as an administrator sees them: netstat(1), tcpdrop(8).
//
// Lives here:  TcpEndpoint, tcp_endpoints, tcp_drop_all, tcp_pending_timers.
// Called by:   tools and tests.
// Context:     any, from outside tcp: nothing of it may be on the stack.
// Units:       ports in host order; virtual ns.
// Source:      OpenBSD usr.bin/netstat, usr.sbin/tcpdrop.
#ifndef SOCKBED_KERNEL_TCP_TCP_NETSTAT_H_
#define SOCKBED_KERNEL_TCP_TCP_NETSTAT_H_

#include <cstdint>
#include <vector>

#include "kernel/sched/host_local.h"
#include "kernel/sim/time.h"
#include "kernel/tcp/tcp_fsm.h"

namespace sockbed {

struct TcpEndpoint {
  int family;  // AF_INET or AF_INET6
  uint16_t lport;
  uint16_t fport;  // 0: not connected
  TcpState state;
  bool owned;  // a descriptor refers to its socket
};

// All control blocks, newest first, then the handshakes of the SYN cache (SYN_RECEIVED, not owned).
std::vector<TcpEndpoint> tcp_endpoints(HostBase& host);

struct TcpPendingTimer {
  const char* name;  // "REXMT"; of a handshake that a listener has not handed over "SYN-ACK"
  SimTime when;
};

// What the host's TCP waits for by itself, soonest first.
std::vector<TcpPendingTimer> tcp_pending_timers(HostBase& host);

// Ends every connection in `state` without a word to the peer. Returns how many there were.
int tcp_drop_all(HostBase& host, TcpState state);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_NETSTAT_H_
