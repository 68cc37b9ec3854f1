// The room as a whole: what kernel/host calls to have sockets on a machine and on a host.
//
// Lives here:  socket_describe, socket_boot, socket_halt.
// Called by:   kernel/host; unit tests of the rooms above.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKET_H_
#define SOCKBED_KERNEL_SOCKET_SOCKET_H_

#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// Tells `trace` how the records of this room read (socket_trace.h).
void socket_describe(Trace& trace);

// Gives `host` its SocketHost; adds its sysctls (kern.sbmax, kern.somaxconn, kern.sominconn,
// kern.poll_hup), the live count "socket" and the names of its sleep channels.
// REQUIRES: once per host, after sched_boot and mbuf_boot.
void socket_boot(HostBase& host);

// The host ends: no pr_fasttimo or pr_slowtimo runs any more.
void socket_halt(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKET_H_
