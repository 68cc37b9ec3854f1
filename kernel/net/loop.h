// lo0: what a host sends to itself comes back through the event queue, never by recursion.
//
// Lives here:  attaching lo0 and emptying it; loop_to, for broadcasts that come back.
// Called by:   net_boot, net_halt; if_ethersubr.cc.
// Owns:        packets wait in NetHost::loop_queue.
// Invariants:  packets come back in the order in which they were sent, at the same instant.
// Source:      OpenBSD sys/net/if_loop.c, if_input_local in sys/net/if.c; lo(4).
// Differs:     routes that reject or swallow are handled by ip_output, which knows routes.
#ifndef SOCKBED_KERNEL_NET_LOOP_H_
#define SOCKBED_KERNEL_NET_LOOP_H_

#include "kernel/net/if.h"
#include "kernel/sched/host_local.h"

namespace sockbed {

inline constexpr uint32_t kLoopMtu = 32768;

// Makes lo0, up. REQUIRES: it is the host's first interface.
void loop_attach(HostBase& host);
// Lets m arrive on `ifp` as if it had come from outside, by an event at the same instant; its
// family is set. Takes. Errors: ELOOP, ENOBUFS.
int loop_to(ifnet* ifp, MbufPtr m);
// Takes a packet of NetHost::loop_queue, whose owner `net_host` is: its event has come.
void loop_arrive(void* net_host, MbufPtr m);
// Frees what waits. REQUIRES: on `host`.
void loop_halt(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_LOOP_H_
