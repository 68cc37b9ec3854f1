// What the scheduler writes into the trace.
//
// Lives here:  SchedEvent.
// Called by:   this room (Emit); tests that read records.
// A record's pid is whoever runs when it is made; `object` is the process that it is about.
#ifndef SOCKBED_KERNEL_SCHED_SCHED_TRACE_H_
#define SOCKBED_KERNEL_SCHED_SCHED_TRACE_H_

#include <cstdint>

#include "kernel/sim/machine.h"

namespace sockbed {

// The order is that of the table in sched_trace.cc.
enum class SchedEvent : uint8_t {
  kSpawn,       // object: pid; 0, 1: name; 2: parent
  kStart,       // object: pid; first instruction of its program
  kSleep,       // object: pid; 0: wmesg; 1: priority and PCATCH; 2: timo in ticks
  kWake,        // object: pid of the first one woken; 0: how many
  kResume,      // object: pid; 0: the error that the sleep returns; none when it was woken
  kTimeout,     // object: none; a timeout runs; its cause is the kTimeoutAdd that armed it
  kPost,        // object: pid; 0: signal
  kDeliver,     // object: pid; 0: signal; 1: what is done (SignalDeed)
  kStop,        // object: pid
  kContinue,    // object: pid
  kThrow,       // object: pid; 0, 1, 2: the start of what() of an exception that ends the process
  kExit,        // object: pid; 0: status; 1: signal, or 0
  kWait,        // object: pid of a child that has been waited for
  kKnote,       // object: kqueue; 0: descriptor or signal, else -1; 1: filter; it is pending now
  kThread,      // object: pid of a new thread; 0: that of its process
  kThrExit,     // object: pid of a thread that has ended, not the main one
  kTimeoutAdd,  // object: none; 0: ticks from now; 1: whether it was pending, and is moved
  kTimeoutDel,  // object: the kTimeoutAdd that is taken back
};

// A record of this room, from wherever the code stands: `here`, for who has asked already.
inline TraceId EmitSched(const Context& here, SchedEvent type, uint64_t object = 0, uint64_t a0 = 0,
                         uint64_t a1 = 0, uint64_t a2 = 0) {
  return here.machine->trace().Append(here, Room::kSched, static_cast<uint8_t>(type), object, a0,
                                      a1, a2);
}
inline TraceId EmitSched(SchedEvent type, uint64_t object = 0, uint64_t a0 = 0, uint64_t a1 = 0,
                         uint64_t a2 = 0) {
  return EmitSched(Here(), type, object, a0, a1, a2);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SCHED_TRACE_H_
