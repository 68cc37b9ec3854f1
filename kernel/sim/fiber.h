// Stackful fibers: what lets a simulated process stop in the middle of any call.
//
// Lives here:  Fiber, SwitchHook. The only user of Boost.Context (fiber.cc).
// Called by:   Machine (switching), sched/ (a proc holds a Fiber).
// Context:     a fiber runs until it calls Machine::Suspend or its entry returns.
// Owns:        a Fiber owns its stack from Start until it has ended; stacks come
//              from the Machine's pool.
// Invariants:  1. A fiber is on the ready queue at most once, and never while it runs.
//              2. errno, the exceptions being handled and the state of every switch hook belong to
//                 the fiber, not to the OS thread.
//              3. At a switch the thread's errno is 0 and no exception is in flight: whoever leaves
//                 with something there keeps it in a frame of its own, and finds it again.
#ifndef SOCKBED_KERNEL_SIM_FIBER_H_
#define SOCKBED_KERNEL_SIM_FIBER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernel/sim/context.h"
#include "kernel/sim/stack_pool.h"
#include "kernel/sim/time.h"

namespace sockbed {

class Fiber;

// Called at every switch between fibers: saves what belongs to `from` and restores what belongs to
// `to` (either may be null: the event loop). May change errno; must not sleep. ssl/ moves OpenSSL's
// error queue here. `slot` is the hook's own index into Fiber::hook_state.
struct SwitchHook {
  void (*switched)(SwitchHook* self, Fiber* from, Fiber* to) = nullptr;
  // The fiber's last moment: what it has in the thread and in its hook_state can be dropped. A last
  // `switched` from it follows, before the fiber may be destroyed. May be null.
  void (*ended)(SwitchHook* self, Fiber* fiber) = nullptr;
  int slot = 0;  // given by Machine::AddSwitchHook
};

inline constexpr int kSwitchHooksMax = 4;
inline constexpr size_t kFiberStackBytes = 64 * 1024;  // default; TLS needs less than 10 KB of it

// Its Who is what the Context shows while it runs: set before Machine::StartFiber, never after.
class Fiber : public Who {
 public:
  using Entry = void (*)(void* arg);
  enum class State : uint8_t { kNew, kReady, kRunning, kSuspended, kEnded };

  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  State state() const { return state_; }

  TraceId cause = 0;         // becomes Here().cause when the fiber is resumed
  SimTime charged_ns = 0;    // virtual time used by system calls and not yet slept off
  std::array<void*, kSwitchHooksMax> hook_state{};

 private:
  friend class Machine;
  friend class FiberSwitch;

  void* stack_pointer_ = nullptr;   // Boost.Context's fcontext_t while it does not run
  Fiber* ready_next_ = nullptr;
  State state_ = State::kNew;
  Stack stack_;
  Entry entry_ = nullptr;
  void* arg_ = nullptr;
  void* fake_stack_ = nullptr;      // AddressSanitizer's, while suspended
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_FIBER_H_
