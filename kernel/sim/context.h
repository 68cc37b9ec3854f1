// Where the code that runs now stands: which machine, which host, which process,
// and because of what.
//
// Lives here:  Who, Context and the one thread_local pointer to it.
// Called by:   every room, through Here() and the accessors of sched/.
// Owns:        nothing; a Machine owns its Context and installs it while it runs.
// Invariants:  1. The pointer is null outside Machine::Run and MachineScope.
//              2. proc is null in interrupt context: nothing may sleep then.
#ifndef SOCKBED_KERNEL_SIM_CONTEXT_H_
#define SOCKBED_KERNEL_SIM_CONTEXT_H_

#include <cstdint>

#include "kernel/sim/time.h"

namespace sockbed {

class Machine;
namespace fault {
class Plan;
}
struct HostBase;  // per-host storage: kernel/sched/host_local.h
struct proc;      // a simulated process: kernel/sched/proc.h

using HostId = uint16_t;     // a counter per machine; 0 is the machine itself
using TraceId = uint64_t;    // the number of a trace record; 0 is "none"

// On whose behalf code runs.
struct Who {
  HostBase* host = nullptr;
  proc* process = nullptr;   // null: interrupt context
  HostId host_id = 0;        // of `host`
  uint32_t pid = 0;          // of `process`; 0 in interrupt context
};

struct Context : Who {
  Machine* machine = nullptr;
  SimTime now = 0;           // moved by the event loop only
  TraceId cause = 0;         // the record that led to what happens now
  fault::Plan* fault_plan = nullptr;  // [I] the machine's; null: nothing fails
  bool panicking = false;    // a panic inside a panic prints one line only

  Who& who() { return *this; }
};

// The tree's only mutable global. Set by MachineScope, which asserts that it was empty.
extern constinit thread_local Context* current_context;

// The context of the running code. REQUIRES: a machine is installed in this thread.
inline Context& Here() { return *current_context; }

// Whether this thread is inside a simulation at all (the POSIX shim asks).
inline bool InSimulation() { return current_context != nullptr; }

// Makes `cause` the cause of everything in this scope.
class CauseScope {
 public:
  explicit CauseScope(TraceId cause) : saved_(Here().cause) { Here().cause = cause; }
  ~CauseScope() { Here().cause = saved_; }
  CauseScope(const CauseScope&) = delete;
  CauseScope& operator=(const CauseScope&) = delete;

 private:
  const TraceId saved_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_CONTEXT_H_
