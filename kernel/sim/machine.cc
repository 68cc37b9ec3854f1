#include "kernel/sim/machine.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "kernel/sim/kassert.h"
#include "kernel/sim/sim_trace.h"

namespace sockbed {
namespace {

// How many alternatives a choice offers at most: the first so many of those that are ready.
constexpr uint32_t kChoiceWidth = 256;

// Ends the sleep that Machine::Charge makes of charged time. Lives on the sleeper's stack.
struct ChargeEvent : Event {
  Fiber* fiber;
};

}  // namespace

Machine::Machine(const Options& options)
    : options_(options),
      store_(options.store != nullptr ? options.store : &own_store_),
      stacks_(MachineLocal<StackPool>::Of(*store_)),
      default_choices_(options.seed),
      choices_(options.choices != nullptr ? options.choices : &default_choices_) {
  context_.machine = this;
  context_.fault_plan = options_.fault_plan;
  if (!options.digest) trace_.DisableDigest();
  trace_.Describe(Room::kSim, SimRoomTypes());
  // Not a MachineScope: a machine may be made while another one is installed.
  Context* const saved = std::exchange(current_context, &context_);
  Emit(Room::kSim, kSimBoot, 0, options.seed);
  current_context = saved;
}

Machine::~Machine() { KASSERT(running_ == nullptr && ready_head_ == nullptr); }

Machine::End Machine::Run(SimTime deadline, const std::function<void()>& progress) {
  EnterThread();
  KASSERT(deadline >= context_.now);
  MachineScope scope(*this);
  delivering_ = options_.deliver_at_splx;
  const Context saved = context_;
  End end = End::kStopped;
  bool instant_over = true;
  for (;;) {
    if (instant_over) RunUntilNoneReady();
    if (stop_ != 0) [[unlikely]]
      break;
    if (events_.size() == idle_events_) {
      end = End::kQuiescent;
      break;
    }
    Event* const event = NextEvent(deadline);
    if (event == nullptr) {
      end = End::kDeadline;
      break;
    }
    RunEvent(event);
    instant_over = !events_.AnyMoreAt(context_.now);
    if (progress && events_run_ % kProgressEvents == 0) [[unlikely]] {
      LeaveContext();
      progress();
    }
  }
  delivering_ = false;
  if (end == End::kStopped) stop_ = 0;
  if (end == End::kDeadline) context_.now = deadline;
  const SimTime now = context_.now;
  context_ = saved;
  context_.now = now;
  return end;
}

void Machine::Schedule(Event* event, SimTime when) {
  KASSERT(when >= context_.now);
  event->when = when;
  event->host = context_.host;
  event->host_id = context_.host_id;
  event->cause = context_.cause;
  events_.Insert(event);
}

void Machine::ScheduleInPlace(Event* event, SimTime when, uint64_t place) {
  KASSERT(when >= context_.now);
  event->when = when;
  events_.InsertInPlace(event, place);
}

bool Machine::GoesOnWith(SimTime when, uint64_t place, TraceId cause) {
  if (when != context_.now || events_.AnyMoreBefore(when, place)) return false;
  if (choosing_ || delivering_ || stop_ != 0 || events_run_ % kProgressEvents == 0) return false;
  ++events_run_;
  context_.cause = cause;
  return true;
}

void Machine::Cancel(Event* event) {
  if (event->pending()) events_.Remove(event);
}

// Seldom, and its event would lie in the frame of every system call.
[[gnu::noinline]] void Machine::SleepOffCharge() {
  Fiber* const self = running_;
  ChargeEvent event;
  event.fiber = self;
  event.handler = [](Event* e) { Here().machine->MakeReady(static_cast<ChargeEvent*>(e)->fiber); };
  ScheduleAfter(&event, std::exchange(self->charged_ns, 0));
  Suspend();
  Cancel(&event);  // still pending when something else made the fiber ready
}

Event* Machine::NextEvent(SimTime deadline) {
  if (!choosing_ && !delivering_) [[likely]]
    return events_.TakeFirst(deadline);
  const SimTime first = events_.NextTime();
  if (first > deadline || events_.empty()) return nullptr;
  if (!choosing_) return events_.TakeStrongest(first, -1, nullptr);
  LeaveContext();
  const int n = events_.CountAtFirstTime(kChoiceWidth);
  return events_.TakeAtFirstTime(n < 2 ? 0 : static_cast<int>(Choose(Site::kEventNext, n)));
}

void Machine::RunEvent(Event* event) {
  ++events_run_;
  context_.now = event->when;
  context_.who() = {.host = event->host, .host_id = event->host_id};
  context_.cause = event->cause;
  event->handler(event);
}

void Machine::LetIn(int ipl) {
  KASSERT(running_ != nullptr);
  if (!delivering_) return;
  Fiber* const interrupted = running_;
  const Context saved = context_;
  const int kept_errno = errno;
  while (Event* const event = events_.TakeStrongest(saved.now, ipl, saved.host)) {
    running_ = nullptr;
    RunEvent(event);
    running_ = interrupted;
    context_.who() = saved;
    context_.cause = saved.cause;
  }
  errno = kept_errno;
}

uint32_t Machine::Choose(Site site, uint32_t n) {
  n = std::min(n, kChoiceWidth);
  const DecisionName name = {.site = site, .host = 0, .object = 0, .ordinal = picks_++};
  const uint32_t answer = choices_->Pick(name, n);
  KASSERT(answer < n);
  Emit(Room::kSim, kSimPick, name.ordinal, static_cast<uint64_t>(site), answer, n);
  return answer;
}

void Machine::LeaveContext() {
  context_.who() = {};
  context_.cause = 0;
}

MachineScope::MachineScope(Machine& machine) : saved_(current_context) {
  KASSERT(saved_ == nullptr || saved_ == &machine.context_);
  current_context = &machine.context_;
}

MachineScope::~MachineScope() { current_context = saved_; }

}  // namespace sockbed
