#include "kernel/sched/timeout.h"

#include <limits.h>

#include <algorithm>

#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"

namespace sockbed {
namespace {

constexpr int64_t kTicksMax = INT_MAX;
constexpr int64_t kUsecPerTick = kTickNs / 1000;

SchedHost& HostOf(const timeout* to) { return HostLocal<SchedHost>::Of(*to->to_event.host); }

// The event of a timeout has come: it is its first field.
void RunTimeout(Event* event) {
  timeout* to = reinterpret_cast<timeout*>(event);
  --HostOf(to).timeouts;
  to->to_triggered = true;
  const CauseScope cause(EmitSched(SchedEvent::kTimeout));
  to->to_func(to->to_arg);  // may free what holds `to`
}

// Down to whole ticks, but at least one unless nothing was asked for.
int AddRounded(timeout* to, int64_t whole, bool rest) {
  KASSERT(whole >= 0);
  if (whole == 0 && rest) whole = 1;
  return timeout_add(to, static_cast<int>(std::min(whole, kTicksMax)));
}

// Up to whole ticks, plus the one that has partly elapsed.
int TicksToCover(uint64_t whole, bool rest) {
  return static_cast<int>(std::min<uint64_t>(whole + rest, kTicksMax - 1)) + 1;
}

}  // namespace

void timeout_set(timeout* to, void (*fn)(void*), void* arg) {
  KASSERT(!timeout_pending(to));
  KASSERT(fn != nullptr);
  to->to_event.handler = RunTimeout;
  to->to_func = fn;
  to->to_arg = arg;
  to->to_triggered = false;
}

int timeout_add(timeout* to, int to_ticks) {
  KASSERT(timeout_initialized(to));
  KASSERT(to_ticks >= 0);
  const int was_pending = timeout_del(to);
  Here().machine->Schedule(&to->to_event, (ticks() + std::max(to_ticks, 1)) * kTickNs);
  ++HostOf(to).timeouts;
  return was_pending == 0;
}

int timeout_add_sec(timeout* to, int secs) { return AddRounded(to, int64_t{secs} * hz, false); }

int timeout_add_msec(timeout* to, int msecs) {
  return timeout_add_nsec(to, int64_t{msecs} * kMillisecond);
}

int timeout_add_usec(timeout* to, int usecs) {
  return timeout_add_nsec(to, int64_t{usecs} * kMicrosecond);
}

int timeout_add_nsec(timeout* to, int64_t nsecs) {
  KASSERT(nsecs >= 0);
  return AddRounded(to, nsecs / kTickNs, nsecs % kTickNs != 0);
}

int timeout_add_tv(timeout* to, const timeval* tv) {
  KASSERT(tv->tv_sec >= 0 && tv->tv_usec >= 0);
  const int64_t secs = std::min<int64_t>(tv->tv_sec, kTicksMax);
  return AddRounded(to, secs * hz + tv->tv_usec / kUsecPerTick, tv->tv_usec % kUsecPerTick != 0);
}

int timeout_del(timeout* to) {
  to->to_triggered = false;
  if (!timeout_pending(to)) return 0;
  --HostOf(to).timeouts;
  Here().machine->Cancel(&to->to_event);
  return 1;
}

int tvtohz(const timeval* tv) {
  KASSERT(tv->tv_sec >= 0 && tv->tv_usec >= 0);
  const uint64_t secs = std::min<uint64_t>(static_cast<uint64_t>(tv->tv_sec), INT_MAX);
  const uint64_t usecs = static_cast<uint64_t>(tv->tv_usec);
  return TicksToCover(secs * hz + usecs / kUsecPerTick, usecs % kUsecPerTick != 0);
}

int nstohz(uint64_t ns) { return TicksToCover(ns / kTickNs, ns % kTickNs != 0); }

}  // namespace sockbed
