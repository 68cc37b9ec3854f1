// The half of Machine that switches fibers.
#include "kernel/sim/fiber.h"

#include <cxxabi.h>

#include <boost/context/detail/fcontext.hpp>
#include <cerrno>
#include <utility>

#include "kernel/sim/float_flags.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/prefetch.h"
#include "kernel/sim/sanitizer.h"

namespace sockbed {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// jump_fcontext, entered without a call instruction where we know how. It leaves by a jump, so that
// each call of it would leave one address too many on the processor's stack of predicted returns,
// and every return from there up to the program's own frame would be mispredicted: measured, 67 ns
// a switch instead of 12 where six frames return. As it is, a fiber that sleeps where the last one
// slept (the usual case: in tsleep, under soreceive) finds its returns predicted.
inline transfer_t Jump(fcontext_t to, void* data) {
#if defined(__x86_64__) && !defined(__AVX512F__) && !defined(__CET__)
  transfer_t from;
  asm volatile(
      "subq $128, %%rsp\n\t"  // step over the red zone
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "jmp jump_fcontext@PLT\n"
      "1:\n\t"
      "addq $128, %%rsp"
      : "=a"(from.fctx), "=d"(from.data), "+D"(to), "+S"(data)
      :
      : "rcx", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
        "xmm15");
  return from;
#else
  return jump_fcontext(to, data);
#endif
}

}  // namespace

// The exceptions in flight, as the Itanium C++ ABI (2.2.2) lays out __cxa_eh_globals. The runtime
// keeps them per OS thread; here each fiber has its own, since it may sleep in a catch block or in
// a destructor that unwinding runs.
struct Machine::ExceptionGlobals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

// A fiber's first frame, and what else only the switch may see.
class FiberSwitch {
 public:
  // The first thing on a stack that was jumped to: notes where the other side stands, and lets go
  // of it if it has ended. `fake_stack` is what the sanitizer kept for this stack.
  static void Arrive(Machine& machine, const transfer_t& transfer, void* fake_stack) {
    *static_cast<fcontext_t*>(transfer.data) = transfer.fctx;
    const bool from_loop = transfer.data == &machine.loop_stack_pointer_;
    AfterSwitch(fake_stack, from_loop ? &machine.loop_stack_ : nullptr);
    if (machine.ended_ != nullptr) [[unlikely]]
      machine.ReapEnded();
  }

  static Machine::ExceptionGlobals* Exceptions() {
    return reinterpret_cast<Machine::ExceptionGlobals*>(abi::__cxa_get_globals());
  }

  static void Main(transfer_t transfer) noexcept {
    Machine& machine = *Here().machine;
    Arrive(machine, transfer, nullptr);
    Fiber* const self = machine.running_;
    self->entry_(self->arg_);
    machine.EndRunning();
  }
};

Fiber::~Fiber() { KASSERT(state_ == State::kNew || state_ == State::kEnded); }

void Machine::StartFiber(Fiber* fiber, Fiber::Entry entry, void* arg, size_t stack_bytes) {
  KASSERT(fiber->state_ == Fiber::State::kNew || fiber->state_ == Fiber::State::kEnded);
  fiber->entry_ = entry;
  fiber->arg_ = arg;
  fiber->cause = context_.cause;
  fiber->stack_ = stacks_.Take(stack_bytes);
  RaiseInexact();  // make_fcontext gives the fiber the flags that stand here now
  fiber->stack_pointer_ =
      make_fcontext(fiber->stack_.top(), fiber->stack_.bytes, &FiberSwitch::Main);
  PushReady(fiber);
}

void Machine::AddSwitchHook(SwitchHook* hook) {
  KASSERT(hook_count_ < kSwitchHooksMax);
  hook->slot = hook_count_;
  hooks_[hook_count_++] = hook;
}

void Machine::RunReady() {
  EnterThread();
  MachineScope scope(*this);
  const Context saved = context_;
  int stop = 0;
  while (ready_head_ != nullptr) {  // Stop is for Run: it waits until this is done.
    stop |= std::exchange(stop_, 0);
    RunUntilNoneReady();
  }
  if (stop != 0) stop_ = 1;
  context_ = saved;
}

void Machine::EnterThread() {
  KASSERT(running_ == nullptr);
  KASSERT(errno_ == nullptr || errno_ == &errno);
  RaiseInexact();
  exceptions_ = FiberSwitch::Exceptions();
  errno_ = &errno;
  choosing_ = choices_->picks();
}

// Inlined, as is SwitchTo: all that a process does between two sleeps may be shorter than a call.
[[gnu::always_inline]] inline Fiber* Machine::TakeReady() {
  Fiber* const taken = ready_head_;
  if (taken == nullptr || stop_ != 0) return nullptr;
  if (delivering_ && events_.AnyAt(context_.now)) [[unlikely]] return nullptr;
  if (taken->ready_next_ != nullptr) {
    if (choosing_) return ChooseReady();
    PrefetchStack(*taken->ready_next_);
    Prefetch(taken->ready_next_->ready_next_);
  }
  ready_head_ = taken->ready_next_;
  return taken;
}

Fiber* Machine::ChooseReady() {
  LeaveContext();
  uint32_t count = 0;
  for (const Fiber* f = ready_head_; f != nullptr; f = f->ready_next_) ++count;
  Fiber** link = &ready_head_;
  Fiber* before = nullptr;
  for (uint32_t n = Choose(Site::kRunNext, count); n > 0; --n) {
    before = *link;
    link = &before->ready_next_;
  }
  Fiber* const chosen = *link;
  *link = chosen->ready_next_;
  if (chosen == ready_tail_) ready_tail_ = before;
  return chosen;
}

bool Machine::ThreadIsClean() const {
  return (static_cast<unsigned int>(*errno_) | exceptions_->uncaught |
          reinterpret_cast<uintptr_t>(exceptions_->caught)) == 0;
}

// The switch itself. REQUIRES: the thread is clean.
[[gnu::always_inline]] inline void Machine::JumpTo(Fiber* from, Fiber* next) {
  running_ = next;
  fcontext_t to = loop_stack_pointer_;
  if (next != nullptr) {
    next->state_ = Fiber::State::kRunning;
    // A branch, which the processor foresees: as a plain copy, whatever the fiber looks up on its
    // host would have to wait for this load (measured: a fifth of a sleep and wakeup).
    if (context_.host != next->host) {
      context_.host = next->host;
      context_.host_id = next->host_id;
    }
    context_.process = next->process;
    context_.pid = next->pid;
    context_.cause = next->cause;
    to = next->stack_pointer_;
  }
  void** const stack_pointer = from != nullptr ? &from->stack_pointer_ : &loop_stack_pointer_;
  void** const fake_stack = from != nullptr ? &from->fake_stack_ : &loop_fake_stack_;
  BeforeSwitch(from != nullptr && from == ended_ ? nullptr : fake_stack,
               next != nullptr ? next->stack_ : loop_stack_);
  const transfer_t transfer = Jump(to, stack_pointer);
  FiberSwitch::Arrive(*this, transfer, *fake_stack);
}

[[gnu::always_inline]] inline void Machine::SwitchTo(Fiber* from, Fiber* next) {
  if (ThreadIsClean() && hook_count_ == 0) [[likely]] return JumpTo(from, next);
  SwitchAndKeep(from, next);
}

// A switch that hooks look at, or by somebody who has an errno or an exception in the thread: they
// are kept in this frame, on his own stack, and put back when some later switch comes back to it.
[[gnu::noinline]] void Machine::SwitchAndKeep(Fiber* from, Fiber* next) {
  const int kept_errno = *errno_;
  const ExceptionGlobals kept = std::exchange(*exceptions_, {});
  for (int i = 0; i < hook_count_; ++i) hooks_[i]->switched(hooks_[i], from, next);
  *errno_ = 0;
  JumpTo(from, next);
  *exceptions_ = kept;
  *errno_ = kept_errno;
}

void Machine::Suspend() {
  KASSERT(running_ != nullptr);
  running_->state_ = Fiber::State::kSuspended;
  Fiber* const next = TakeReady();
  SwitchTo(running_, next);
}

void Machine::Yield() {
  Fiber* const self = running_;
  KASSERT(self != nullptr);
  self->cause = context_.cause;
  PushReady(self);
  Fiber* const next = TakeReady();
  if (next != self) return SwitchTo(self, next);
  self->state_ = Fiber::State::kRunning;
  context_.who() = *self;  // somebody may have been asked who is next
  context_.cause = self->cause;
}

void Machine::RunUntilNoneReady() {
  while (Fiber* next = TakeReady()) SwitchTo(nullptr, next);
}

void Machine::EndRunning() {
  Fiber* const self = running_;
  for (int i = 0; i < hook_count_; ++i) {
    if (hooks_[i]->ended != nullptr) hooks_[i]->ended(hooks_[i], self);
  }
  Fiber* const next = TakeReady();
  self->state_ = Fiber::State::kEnded;
  ended_ = self;
  *errno_ = 0;
  SwitchTo(self, next);
  KPANIC("a fiber that has ended runs again");
}

void Machine::ReapEnded() {
  Fiber* const fiber = std::exchange(ended_, nullptr);
  stacks_.Give(fiber->stack_);
  fiber->stack_ = {};
}

}  // namespace sockbed
