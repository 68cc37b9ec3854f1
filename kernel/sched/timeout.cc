#include "kernel/sched/timeout.h"

#include <limits.h>

#include <algorithm>

#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/spl.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

constexpr int64_t kTicksMax = INT_MAX;
constexpr int64_t kUsecPerTick = kTickNs / 1000;

SchedHost& HostOf(const timeout* to) { return HostLocal<SchedHost>::Of(*to->to_event.host); }

// Not pending from here on. `to` may be gone afterwards: fn may free what holds it.
void RunTimeout(timeout* to) {
  --HostOf(to).timeouts;
  to->to_triggered = true;
  const CauseScope cause(EmitSched(SchedEvent::kTimeout));
  to->to_func(to->to_arg);
}

// The program of the softclock process: runs what is due until nothing is.
int Softclock() {
  SchedHost& sched = Sched();
  while (timeout* const to = sched.softclock_due) {
    sched.softclock_due = to->to_next;
    to->to_due = false;
    sched.softclock_runs = to;
    {
      const CauseScope armed(to->to_event.cause);
      RunTimeout(to);
    }
    sched.softclock_runs = nullptr;
    wakeup(&sched.softclock_runs);
  }
  sched.softclock = 0;
  return 0;
}

// Leaves `to` to the softclock process, behind what is due already.
void QueueForSoftclock(timeout* to) {
  SchedHost& sched = HostOf(to);
  timeout** link = &sched.softclock_due;
  while (*link != nullptr) link = &(*link)->to_next;
  *link = to;
  to->to_next = nullptr;
  to->to_due = true;
  if (sched.softclock == 0) {
    sched.softclock = proc_spawn({.name = "softclock", .main = Softclock, .system = true})->p_pid;
  }
}

void UnqueueFromSoftclock(timeout* to) {
  timeout** link = &HostOf(to).softclock_due;
  while (*link != to) link = &(*link)->to_next;
  *link = to->to_next;
  to->to_due = false;
}

// The event of a timeout has come: it is its first field.
void TimeoutEvent(Event* event) {
  timeout* const to = reinterpret_cast<timeout*>(event);
  to->to_proc ? QueueForSoftclock(to) : RunTimeout(to);
}

// Takes back what is pending.
void Withdraw(timeout* to) {
  --HostOf(to).timeouts;
  if (to->to_due) {
    UnqueueFromSoftclock(to);
  } else {
    Here().machine->Cancel(&to->to_event);
  }
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
  to->to_event.handler = TimeoutEvent;
  to->to_event.ipl = IPL_SOFTCLOCK;
  to->to_func = fn;
  to->to_arg = arg;
  to->to_triggered = false;
  to->to_proc = false;
}

void timeout_set_proc(timeout* to, void (*fn)(void*), void* arg) {
  timeout_set(to, fn, arg);
  to->to_proc = true;
}

int timeout_add(timeout* to, int to_ticks) {
  KASSERT(timeout_initialized(to));
  KASSERT(to_ticks >= 0);
  to->to_triggered = false;
  const int was_pending = timeout_pending(to) ? 1 : 0;
  if (was_pending != 0) Withdraw(to);
  const CauseScope cause(EmitSched(SchedEvent::kTimeoutAdd, 0, static_cast<uint64_t>(to_ticks),
                                   static_cast<uint64_t>(was_pending)));
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

int timeout_add_ts(timeout* to, const timespec* ts) {
  KASSERT(ts->tv_sec >= 0 && ts->tv_nsec >= 0);
  const int64_t secs = std::min<int64_t>(ts->tv_sec, kTicksMax);
  return AddRounded(to, secs * hz + ts->tv_nsec / kTickNs, ts->tv_nsec % kTickNs != 0);
}

int timeout_add_bt(timeout* to, const bintime* bt) {
  // The upper half of the fraction says all that a tick can tell.
  const timespec ts = {.tv_sec = bt->sec,
                       .tv_nsec = static_cast<int64_t>((bt->frac >> 32) * kSecond >> 32)};
  return timeout_add_ts(to, &ts);
}

int timeout_del(timeout* to) {
  to->to_triggered = false;
  if (!timeout_pending(to)) return 0;
  EmitSched(SchedEvent::kTimeoutDel, to->to_event.cause);
  Withdraw(to);
  return 1;
}

void timeout_barrier(timeout* to) {
  KASSERT(curproc() != nullptr);
  SchedHost& sched = Sched();
  KASSERT(sched.softclock_runs != to || sched.softclock != curproc()->p_pid);
  // What runs in interrupt context has ended before any process goes on. Refused in tear-down.
  while (sched.softclock_runs == to) {
    if (tsleep(&sched.softclock_runs, PSWP, "tmobar", 0) != 0) return;
  }
}

int timeout_del_barrier(timeout* to) {
  const int was_pending = timeout_del(to);
  timeout_barrier(to);
  return was_pending;
}

int tvtohz(const timeval* tv) {
  KASSERT(tv->tv_sec >= 0 && tv->tv_usec >= 0);
  const uint64_t secs = std::min<uint64_t>(static_cast<uint64_t>(tv->tv_sec), INT_MAX);
  const uint64_t usecs = static_cast<uint64_t>(tv->tv_usec);
  return TicksToCover(secs * hz + usecs / kUsecPerTick, usecs % kUsecPerTick != 0);
}

int nstohz(uint64_t ns) { return TicksToCover(ns / kTickNs, ns % kTickNs != 0); }

}  // namespace sockbed
