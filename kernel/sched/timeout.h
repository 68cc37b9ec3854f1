// timeout(9): run a function after a number of ticks.
//
// Lives here:  struct timeout and the timeout_* functions; hz and ticks.
// Called by:   tsleep, protocols, socket splicing. Timers of finer grain use a sim Event directly.
// Context:     fn runs in interrupt context of the host that armed the timeout; it must not sleep,
//              may wake, post signals, and arm or delete any timeout, its own included. After
//              timeout_set_proc it runs in a process of the host, "softclock", and may sleep.
// Owns:        nothing: whoever holds the struct deletes the timeout before it dies.
// Units:       ticks of 1/hz s on tick boundaries of virtual time; the timeout_add_* forms convert.
// Invariants:  due timeouts of one tick run in the order of their latest
//              timeout_add, before any process.
// Source:      OpenBSD sys/kern/kern_timeout.c; timeout(9).
// Differs:     order of equal deadlines is fixed (the original's depends on when
//              its wheel cascades). The softclock process lives only while it has work, so that an
//              idle host has no sleeper.
#ifndef SOCKBED_KERNEL_SCHED_TIMEOUT_H_
#define SOCKBED_KERNEL_SCHED_TIMEOUT_H_

#include <sys/time.h>
#include <time.h>

#include <cstdint>

#include "kernel/sim/event_queue.h"
#include "kernel/sim/machine.h"

namespace sockbed {

inline constexpr int hz = 100;                    // ticks per second
inline constexpr SimTime kTickNs = kSecond / hz;  // 10 ms
inline int64_t ticks() { return Now() / kTickNs; }

struct timeout {
  Event to_event;  // pending while the timeout is
  void (*to_func)(void*) = nullptr;
  void* to_arg = nullptr;
  timeout* to_next = nullptr;  // behind this one in the softclock process's queue
  bool to_triggered = false;   // has started to run since the last add or del
  bool to_proc = false;        // runs in the softclock process
  bool to_due = false;         // stands in that process's queue
};

// Time as seconds and 2^-64ths of a second.
struct bintime {
  time_t sec;
  uint64_t frac;
};

// Initialises. REQUIRES: not pending.
void timeout_set(timeout* to, void (*fn)(void*), void* arg);
// The same for an fn that may sleep.
void timeout_set_proc(timeout* to, void (*fn)(void*), void* arg);

// Runs fn(arg) when ticks() has advanced by `to_ticks` (0: at the next tick). A pending timeout is
// moved. Returns 1 if newly scheduled, 0 if it was pending. A negative count panics.
int timeout_add(timeout* to, int to_ticks);
// The same with other units: rounded down to ticks, but at least 1 tick unless 0;
// capped at INT_MAX ticks.
int timeout_add_sec(timeout* to, int secs);
int timeout_add_msec(timeout* to, int msecs);
int timeout_add_usec(timeout* to, int usecs);
int timeout_add_nsec(timeout* to, int64_t nsecs);
int timeout_add_tv(timeout* to, const timeval* tv);
int timeout_add_ts(timeout* to, const timespec* ts);
int timeout_add_bt(timeout* to, const bintime* bt);

// Cancels. Returns 1 if it was pending, else 0. One whose fn has begun is not pending.
int timeout_del(timeout* to);
// Waits until fn does not run. [sleeps] "tmobar" REQUIRES: not called from fn.
void timeout_barrier(timeout* to);
// timeout_del, and then the same.
int timeout_del_barrier(timeout* to);

inline bool timeout_pending(const timeout* to) { return to->to_event.pending() || to->to_due; }
inline bool timeout_initialized(const timeout* to) { return to->to_func != nullptr; }
inline bool timeout_triggered(const timeout* to) { return to->to_triggered; }

// Ticks that surely cover `tv`: rounded up, plus the one that has partly elapsed.
int tvtohz(const timeval* tv);
int nstohz(uint64_t ns);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_TIMEOUT_H_
