// Stackful fibers: what lets a simulated process stop in the middle of any call.
//
// Lives here:  Fiber, StackPool, SwitchHook. The only user of Boost.Context.
// Called by:   Machine (switching), sched/ (a proc holds a Fiber).
// Context:     a fiber runs until it calls Machine::Suspend or its entry returns.
// Owns:        a Fiber owns its stack from Start until it has ended; stacks come from the Machine's pool.
// Invariants:  1. A fiber is on the ready queue at most once, and never while it runs.
//              2. errno and the state of every switch hook belong to the fiber, not to the OS thread.
#ifndef SOCKBED_KERNEL_SIM_FIBER_H_
#define SOCKBED_KERNEL_SIM_FIBER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel/sim/context.h"
#include "kernel/sim/time.h"

namespace sockbed {

class Fiber;

// Called at every switch between fibers, before errno is moved: saves what belongs to `from` and
// restores what belongs to `to` (either may be null: the event loop). Must not sleep.
// ssl/ moves OpenSSL's error queue here. `slot` is the hook's own index into Fiber::hook_state.
struct SwitchHook {
  void (*switched)(SwitchHook* self, Fiber* from, Fiber* to) = nullptr;
  void (*ended)(SwitchHook* self, Fiber* fiber) = nullptr;  // the fiber's state can be dropped
  int slot = 0;  // given by Machine::AddSwitchHook
};

inline constexpr int kSwitchHooksMax = 4;
inline constexpr size_t kFiberStackBytes = 64 * 1024;  // default; TLS needs less than 10 KB of it

class Fiber {
 public:
  using Entry = void (*)(void* arg);
  enum class State : uint8_t { kNew, kReady, kRunning, kSuspended, kEnded };

  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  State state() const { return state_; }

  // What the Context shows while this fiber runs. Set before Machine::StartFiber, never after.
  HostBase* host = nullptr;
  proc* process = nullptr;
  HostId host_id = 0;
  uint32_t pid = 0;

  TraceId cause = 0;         // becomes Here().cause when the fiber is resumed
  SimTime charged_ns = 0;    // virtual time used by system calls and not yet slept off
  std::array<void*, kSwitchHooksMax> hook_state{};

 private:
  friend class Machine;
  friend class FiberSwitch;

  void* stack_pointer_ = nullptr;   // Boost.Context's fcontext_t while suspended
  std::byte* stack_ = nullptr;      // lowest usable address
  size_t stack_bytes_ = 0;
  Entry entry_ = nullptr;
  void* arg_ = nullptr;
  Fiber* ready_next_ = nullptr;
  int saved_errno_ = 0;
  State state_ = State::kNew;
  void* sanitizer_fake_stack_ = nullptr;
  unsigned valgrind_stack_id_ = 0;
};

// Guarded stacks, kept for reuse (last in, first out); tops are spread over cache sets.
class StackPool {
 public:
  StackPool() = default;
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // A stack of at least `bytes` usable bytes above a guard page; returns its lowest usable address and
  // stores its usable size. Panics when the operating system refuses (out of memory is the real host's).
  std::byte* Take(size_t bytes, size_t* usable);
  void Give(std::byte* stack, size_t usable);

  // How far to move the n-th stack's top down so that tops fall into different cache sets.
  static size_t Colour(uint64_t n);

 private:
  struct Free {
    std::byte* stack;
    size_t usable;
  };
  std::vector<Free> free_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_FIBER_H_
