// What the machine itself puts into the trace.
//
// Lives here:  the types of Room::kSim's records and how they read.
// Called by:   machine.cc and fault.cc (emit), Machine (describes at boot).
#ifndef SOCKBED_KERNEL_SIM_SIM_TRACE_H_
#define SOCKBED_KERNEL_SIM_SIM_TRACE_H_

#include "kernel/sim/trace.h"

namespace sockbed {

enum SimRecord : uint8_t {
  kSimBoot,   // a0: seed. The first record of every run: a run is named by its seed.
  kSimPick,   // a choice among several: a0 site, a1 the answer, a2 of how many; object: its ordinal
  kSimFault,  // a fault point fired: a0 site, a1 its ordinal there; object: the site's object
};

// The table for Trace::Describe.
RoomTypes SimRoomTypes();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_SIM_TRACE_H_
