// The half of Machine that switches fibers.
#include "kernel/sim/fiber.h"

#include <cxxabi.h>

#include <boost/context/detail/fcontext.hpp>
#include <cerrno>
#include <utility>

#include "kernel/sim/kassert.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/sanitizer.h"

namespace sockbed {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

}  // namespace

// The exceptions in flight, as the Itanium C++ ABI (2.2.2) lays out __cxa_eh_globals. The runtime
// keeps them per OS thread; here each fiber has its own, since it may sleep in a catch block or in
// a destructor that unwinding runs.
struct Machine::ThreadState {
  void* caught_exceptions = nullptr;
  unsigned int uncaught_exceptions = 0;
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
    if (machine.ended_ != nullptr) machine.ReapEnded();
  }

  static Machine::ThreadState* State() {
    return reinterpret_cast<Machine::ThreadState*>(abi::__cxa_get_globals());
  }

  static void Main(transfer_t transfer) noexcept {
    Machine& machine = *Here().machine;
    Arrive(machine, transfer, nullptr);
    *machine.thread_ = {};
    errno = 0;
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
  fiber->stack_ = stacks_->Take(stack_bytes);
  fiber->stack_pointer_ =
      make_fcontext(fiber->stack_.top(), fiber->stack_.bytes, &FiberSwitch::Main);
  PushReady(fiber);
}

void Machine::MakeReady(Fiber* fiber) {
  KASSERT(fiber->state_ == Fiber::State::kSuspended);
  fiber->cause = context_.cause;
  PushReady(fiber);
}

void Machine::Suspend() {
  KASSERT(running_ != nullptr);
  running_->state_ = Fiber::State::kSuspended;
  SwitchTo(TakeReady());
}

void Machine::Yield() {
  KASSERT(running_ != nullptr);
  running_->cause = context_.cause;
  PushReady(running_);
  SwitchTo(TakeReady());
}

void Machine::AddSwitchHook(SwitchHook* hook) {
  KASSERT(hook_count_ < kSwitchHooksMax);
  hook->slot = hook_count_;
  hooks_[hook_count_++] = hook;
}

void Machine::RunReady() {
  KASSERT(running_ == nullptr);
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

void Machine::RunUntilNoneReady() {
  thread_ = FiberSwitch::State();
  while (Fiber* next = TakeReady()) SwitchTo(next);
}

void Machine::PushReady(Fiber* fiber) {
  fiber->state_ = Fiber::State::kReady;
  fiber->ready_next_ = nullptr;
  if (ready_head_ == nullptr) {
    ready_head_ = fiber;
  } else {
    ready_tail_->ready_next_ = fiber;
  }
  ready_tail_ = fiber;
  ++ready_count_;
}

Fiber* Machine::TakeReady() {
  if (ready_head_ == nullptr || stop_ != 0) return nullptr;
  if (ready_count_ > 1 && choices_->picks()) return ChooseReady();
  --ready_count_;
  return std::exchange(ready_head_, ready_head_->ready_next_);
}

Fiber* Machine::ChooseReady() {
  LeaveContext();
  Fiber** link = &ready_head_;
  Fiber* before = nullptr;
  for (uint32_t n = Choose(Site::kRunNext, ready_count_); n > 0; --n) {
    before = *link;
    link = &before->ready_next_;
  }
  Fiber* const chosen = *link;
  *link = chosen->ready_next_;
  if (chosen == ready_tail_) ready_tail_ = before;
  --ready_count_;
  return chosen;
}

// Everything that belongs to who runs now is kept in this frame, on its own stack, and put back
// when some later switch comes back to it.
void Machine::SwitchTo(Fiber* next) {
  Fiber* const from = running_;
  if (from == next) {  // yielded, and nobody else is ready
    next->state_ = Fiber::State::kRunning;
    context_.cause = next->cause;
    return;
  }
  const int saved_errno = errno;
  const ThreadState saved_thread = *thread_;
  if (hook_count_ != 0) CallHooks(from, next);
  running_ = next;
  fcontext_t to = loop_stack_pointer_;
  if (next != nullptr) {
    next->state_ = Fiber::State::kRunning;
    context_.host = next->host;
    context_.process = next->process;
    context_.host_id = next->host_id;
    context_.pid = next->pid;
    context_.cause = next->cause;
    to = next->stack_pointer_;
  }
  void** const stack_pointer = from != nullptr ? &from->stack_pointer_ : &loop_stack_pointer_;
  void** const fake_stack = from != nullptr ? &from->fake_stack_ : &loop_fake_stack_;
  BeforeSwitch(from != nullptr && from == ended_ ? nullptr : fake_stack,
               next != nullptr ? next->stack_ : loop_stack_);
  const transfer_t transfer = jump_fcontext(to, stack_pointer);
  FiberSwitch::Arrive(*this, transfer, *fake_stack);
  *thread_ = saved_thread;
  errno = saved_errno;
}

void Machine::EndRunning() {
  Fiber* const self = running_;
  for (int i = 0; i < hook_count_; ++i) {
    if (hooks_[i]->ended != nullptr) hooks_[i]->ended(hooks_[i], self);
  }
  Fiber* const next = TakeReady();
  self->state_ = Fiber::State::kEnded;
  ended_ = self;
  SwitchTo(next);
  KPANIC("a fiber that has ended runs again");
}

void Machine::ReapEnded() {
  Fiber* const fiber = std::exchange(ended_, nullptr);
  stacks_->Give(fiber->stack_);
  fiber->stack_ = {};
}

void Machine::CallHooks(Fiber* from, Fiber* to) {
  for (int i = 0; i < hook_count_; ++i) hooks_[i]->switched(hooks_[i], from, to);
}

}  // namespace sockbed
