// The machine: one clock, one event queue, the fibers, and the loop that runs them.
//
// Lives here:  Machine, MachineScope, Emit.
// Called by:   sched (processes, sleeping), net (packets as events), host (the simulation).
// May touch:   the rest of sim/. Knows nothing of networking, hosts or processes beyond their ids.
// Context:     Run is called from outside; all else from inside (see each). One OS thread only: the
//              one that calls Run first.
// Owns:        its Context and Trace; borrows Choices and the fault plan.
// Invariants:  1. Virtual time moves only when no fiber is ready.
//              2. Handlers of events run in interrupt context: Here().process is
//                 null, nothing may sleep.
//              3. Events pending for one instant all run before any fiber that they make ready:
//                 interrupts come before processes.
//              4. The same Options and the same program give the same trace, to the byte.
#ifndef SOCKBED_KERNEL_SIM_MACHINE_H_
#define SOCKBED_KERNEL_SIM_MACHINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernel/sim/choices.h"
#include "kernel/sim/context.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/fiber.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/machine_local.h"
#include "kernel/sim/prefetch.h"
#include "kernel/sim/time.h"
#include "kernel/sim/trace.h"

namespace sockbed {

namespace fault {
class Plan;
}

class Machine {
 public:
  struct Options {
    uint64_t seed = 1;
    Choices* choices = nullptr;         // borrowed; null: SeededFaults of the seed
    fault::Plan* fault_plan = nullptr;  // borrowed; null: nothing fails
    MachineStore* store = nullptr;      // borrowed, by one machine at a time; null: its own
    // Virtual time a process may use before the clock moves on.
    SimTime quantum_ns = 10 * kMicrosecond;
    bool digest = true;  // false only to measure what the digest costs
    bool check = false;  // a checking run: payload goes into trace and digest too
    // Events also come where a fiber lets them in (LetIn), and before the next fiber runs when one
    // sleeps. Default: from the loop alone, once no fiber is ready.
    bool deliver_at_splx = false;
  };

  explicit Machine(const Options& options);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  enum class End : uint8_t {
    kQuiescent,  // no fiber is ready and no event is pending, but for idle ones (CountIdle)
    kDeadline,   // the next event lies after the deadline; the clock stands at the deadline
    kStopped,    // Stop was called
  };

  // Runs ready fibers and events in order until one of the ends. `progress`, if set, is called
  // every few thousand events from outside any context: it may look and call Stop, nothing else.
  End Run(SimTime deadline = kForever, const std::function<void()>& progress = nullptr);

  // Runs ready fibers until none is left, and no event: virtual time stands still. For tear-down.
  // REQUIRES: outside Run.
  void RunReady();

  // Makes Run return before the next fiber or event. From anywhere on this thread, or from a
  // signal handler. Asked for outside Run, it ends the next Run at once.
  void Stop() { stop_ = 1; }

  SimTime now() const { return context_.now; }
  uint64_t seed() const { return options_.seed; }
  Choices& choices() { return *choices_; }
  fault::Plan* fault_plan() const { return options_.fault_plan; }
  bool checking() const { return options_.check; }
  bool delivers_at_splx() const { return options_.deliver_at_splx; }
  Trace& trace() { return trace_; }
  const Trace& trace() const { return trace_; }
  Context& context() { return context_; }
  MachineStore& store() { return *store_; }
  uint64_t events_run() const { return events_run_; }

  // --- Events. ---

  // Schedules `event` at virtual time `when` on the current host, caused by what runs now. Borrows
  // it until it has run. An event in the past is our mistake. REQUIRES: not pending.
  void Schedule(Event* event, SimTime when);
  void ScheduleAfter(Event* event, SimTime delay_ns) { Schedule(event, context_.now + delay_ns); }
  // Takes a place in the order of events, for one that is scheduled later: among those of its
  // instant it comes as if it had been scheduled now. Its host and its cause are set by the caller.
  uint64_t TakePlace() { return events_.TakePlace(); }
  void ScheduleInPlace(Event* event, SimTime when, uint64_t place);
  // Takes it back; harmless when not pending.
  void Cancel(Event* event);

  // Whether an event of the current host that would be scheduled at `when` in that place is simply
  // the next one: then it has been counted as run, what it causes is caused by `cause`, and the
  // current event's handler does its work at once, before it returns. A burst of packets spares the
  // queue that way. REQUIRES: in an event's handler.
  bool GoesOnWith(SimTime when, uint64_t place, TraceId cause);

  // Runs the events of the current host that are due now and whose level is above `ipl`, on the
  // running fiber's stack, as a processor does with interrupts: the strongest first, of equal ones
  // the first scheduled. Outside Run nothing happens. REQUIRES: in a fiber.
  void LetIn(int ipl);

  // One pending event more (1) or less (-1) keeps no run going: a timer that comes for ever.
  void CountIdle(int n) { idle_events_ += n; }

  // --- Fibers. ---

  // Gives `fiber` a stack and makes it ready; it will run entry(arg). Borrows the
  // fiber until it has ended.
  void StartFiber(Fiber* fiber, Fiber::Entry entry, void* arg,
                  size_t stack_bytes = kFiberStackBytes);

  // Makes a suspended fiber ready, at the tail of the ready queue. It resumes
  // with `cause`, or with the current one.
  // REQUIRES: suspended.
  void MakeReady(Fiber* fiber, TraceId cause) {
    KASSERT(fiber->state_ == Fiber::State::kSuspended);
    fiber->cause = cause;
    PrefetchStack(*fiber);
    PushReady(fiber);
  }
  void MakeReady(Fiber* fiber) { MakeReady(fiber, context_.cause); }

  // Stops the running fiber until MakeReady; others run meanwhile. Everything read before may have
  // changed. May be called while an exception is handled or unwinds. REQUIRES: in a fiber.
  void Suspend();

  // Goes to the tail of the ready queue.
  void Yield();

  // Charges the running fiber `ns` of virtual time. Once a quantum has gathered, the fiber is
  // suspended until the clock has moved on by what it was charged, or until MakeReady.
  // REQUIRES: in a fiber.
  void Charge(SimTime ns) {
    KASSERT(running_ != nullptr && ns >= 0);
    running_->charged_ns += ns;
    if (running_->charged_ns >= options_.quantum_ns) [[unlikely]]
      SleepOffCharge();
  }

  // Ends the running fiber as its entry's return does, from wherever it stands: what the frames of
  // its stack own is lost. REQUIRES: in a fiber.
  [[noreturn]] void EndRunning();

  // The running fiber, or null in interrupt context.
  Fiber* running() { return running_; }

  // Registers a hook for all switches of this machine; borrows it for the machine's life.
  void AddSwitchHook(SwitchHook* hook);

 private:
  friend class MachineScope;
  friend class FiberSwitch;

  struct ExceptionGlobals;  // the C++ runtime's, of one thread: fiber.cc

  static constexpr uint64_t kProgressEvents = 4096;  // from one call of `progress` to the next

  void EnterThread();  // notes the thread's state; a machine never changes threads
  void RunUntilNoneReady();
  void RunEvent(Event* event);
  Event* NextEvent(SimTime deadline);
  uint32_t Choose(Site site, uint32_t n);
  void SleepOffCharge();
  void LeaveContext();  // no host, no process, no cause

  // Fetches what resuming `fiber` will touch first, while there is something else to do: a
  // simulator knows who runs next. Among ten thousand fibers it halves the cost of a switch.
  static void PrefetchStack(const Fiber& fiber) { Prefetch(fiber.stack_pointer_, 5 * kCacheLine); }
  void PushReady(Fiber* fiber) {
    fiber->state_ = Fiber::State::kReady;
    fiber->ready_next_ = nullptr;
    (ready_head_ == nullptr ? ready_head_ : ready_tail_->ready_next_) = fiber;
    ready_tail_ = fiber;
  }
  // Null when none is ready, the run is to stop, or events are let in first.
  Fiber* TakeReady();
  Fiber* ChooseReady();
  bool ThreadIsClean() const;  // errno is 0, no exception is in flight
  // From running_ to `next`; null is the event loop.
  void SwitchTo(Fiber* from, Fiber* next);
  void SwitchAndKeep(Fiber* from, Fiber* next);
  void JumpTo(Fiber* from, Fiber* next);
  void ReapEnded();

  const Options options_;
  MachineStore own_store_;
  MachineStore* const store_;
  StackPool& stacks_;  // store_'s
  SeededFaults default_choices_;
  Choices* const choices_;
  Context context_;
  Fiber* running_ = nullptr;
  Fiber* ready_head_ = nullptr;
  Fiber* ready_tail_ = nullptr;
  volatile int stop_ = 0;  // volatile: a signal handler may set it
  int hook_count_ = 0;
  bool choosing_ = false;    // choices_ wants to be asked
  bool delivering_ = false;  // inside Run, with deliver_at_splx
  std::array<SwitchHook*, kSwitchHooksMax> hooks_{};
  ExceptionGlobals* exceptions_ = nullptr;  // of the thread inside Run; so is errno_
  int* errno_ = nullptr;
  Fiber* ended_ = nullptr;  // has left its stack for good; the next to run gives that back
  void* loop_stack_pointer_ = nullptr;
  void* loop_fake_stack_ = nullptr;
  Stack loop_stack_;  // known to AddressSanitizer builds only
  uint64_t events_run_ = 0;
  int64_t idle_events_ = 0;
  uint64_t picks_ = 0;  // ordinal of scheduling choices
  Trace trace_;
  EventQueue events_;
};

// Installs a machine as this thread's current one, for set-up and tear-down outside Run.
class MachineScope {
 public:
  explicit MachineScope(Machine& machine);
  ~MachineScope();
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;

 private:
  Context* const saved_;  // null, or the same machine's: scopes of one machine nest
};

// Adds a record to the current machine's trace, on the current host and process; returns its id.
// REQUIRES: inside a simulation.
inline TraceId Emit(Room room, uint8_t type, uint64_t object = 0, uint64_t a0 = 0, uint64_t a1 = 0,
                    uint64_t a2 = 0) {
  const Context& here = Here();
  return here.machine->trace().Append(here, room, type, object, a0, a1, a2);
}

// The machine's clock, from anywhere inside a simulation.
inline SimTime Now() { return Here().now; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_MACHINE_H_
