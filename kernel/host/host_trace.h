// The records this room adds to the trace, and its own step of the boot list.
//
// Lives here:  HostRecord, host_describe, host_boot.
// Called by:   rooms.cc; tests and tools match on the records.
#ifndef SOCKBED_KERNEL_HOST_HOST_TRACE_H_
#define SOCKBED_KERNEL_HOST_HOST_TRACE_H_

#include <cstdint>

#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// Object: of a host its id, of a link its number.
enum class HostRecord : uint8_t {
  kBoot,     // (clock offset in ns) a host is up
  kLink,     // (host ids of both ends, addresses of both ends) a link is up
  kSay,      // (24 characters) a program prints a line ...
  kSayMore,  // (24 characters) ... and the rest of it
  kCrash,    // () a host stops for good
};

void host_describe(Trace& trace);
// Adds the kern.* tunables of host.h and begins to keep the list of exits. REQUIRES: `host` is a
// Host.
void host_boot(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_HOST_HOST_TRACE_H_
