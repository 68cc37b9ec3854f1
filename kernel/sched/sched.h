// The room as a whole: what kernel/host calls to have processes on a machine and on a host.
//
// Lives here:  sched_describe, sched_boot, sched_broken, sched_check, host_crash.
// Called by:   kernel/host; unit tests of the rooms above.
// Every room has this pair of functions, <room>_describe(Trace&) and <room>_boot(HostBase&);
// kernel/host calls all of the first once per machine, and all of the second once per host, in the
// order of HostSlot.
#ifndef SOCKBED_KERNEL_SCHED_SCHED_H_
#define SOCKBED_KERNEL_SCHED_SCHED_H_

#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// Tells `trace` how the records of this room read.
void sched_describe(Trace& trace);

// Gives `host` its process table, sleep queues and open files; adds its sysctls (kern.maxfiles,
// kern.nfiles, kern.nprocs) and live counts ("process", "file", "timeout"). REQUIRES: the host's
// first boot function.
void sched_boot(HostBase& host);

// Walks the process table and the sleep queues of `host`: a process is on exactly one queue if it
// says that it sleeps, else on none. What is wrong, as a sentence; null when all is sound.
// REQUIRES: no process is running.
const char* sched_broken(HostBase& host);
// Stops the run if sched_broken has something to say.
void sched_check(HostBase& host);

// The host stops for good: tells the hooks, and kills every process, kernel threads among them.
// What of its kernel goes on nobody may hear: seeing to that is the hooks'. Fault point host.crash
// calls it at a return to user mode. A second crash is none.
void host_crash(HostBase& host);
using HostCrashHook = void (*)(HostBase& host);
void host_at_crash(HostBase& host, HostCrashHook hook);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SCHED_H_
