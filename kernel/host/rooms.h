// The boot list: every room of the kernel in the order in which a host needs it.
//
// Lives here:  describe_rooms, boot_rooms, halt_rooms.
// Called by:   Simulation.
// Source:      the manner of OpenBSD sys/kern/init_main.c.
#ifndef SOCKBED_KERNEL_HOST_ROOMS_H_
#define SOCKBED_KERNEL_HOST_ROOMS_H_

#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// Tells `trace` how the records of all rooms read. Once per machine.
void describe_rooms(Trace& trace);

// Boots all rooms on `host`, from the bottom up. REQUIRES: once per host, on it.
void boot_rooms(HostBase& host);

// Gives back what no process owns, from the top down. REQUIRES: on `host`; no process is left.
void halt_rooms(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_ROOMS_H_
