// The interval timer of a process: setitimer(2) with ITIMER_REAL.
//
// Lives here:  struct itimer, itimer_set, itimer_get.
// Called by:   uapi (setitimer, getitimer, alarm), proc.cc (exit).
// Owns:        its timeout; a process owns its timer from the first time it is set until it ends.
// Units:       timeval in the calls; virtual nanoseconds since boot inside.
// Invariants:  the timeout is pending exactly while it_deadline != 0.
// Source:      OpenBSD sys/kern/kern_time.c (realitexpire, itimerfix).
// Differs:     SIGALRM comes with the first tick at or after the time, not one tick later.
#ifndef SOCKBED_KERNEL_SCHED_ITIMER_H_
#define SOCKBED_KERNEL_SCHED_ITIMER_H_

#include <sys/time.h>

#include "kernel/sched/proc.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct itimer {
  itimer() = default;
  ~itimer() {
    if (timeout_initialized(&it_to)) timeout_del(&it_to);
  }
  itimer(const itimer&) = delete;
  itimer& operator=(const itimer&) = delete;

  timeout it_to;
  SimTime it_deadline = 0;  // when the next SIGALRM is due; 0: disarmed
  SimTime it_interval = 0;  // between it and the ones that follow; 0: there are none
};

// Arms p's timer, or disarms it if it_value is zero. Intervals shorter than a tick are a tick.
// Errors: EINVAL (negative, not canonical, beyond 100,000,000 s).
[[nodiscard]] int itimer_set(proc* p, const itimerval& value);

// What is left until the next SIGALRM, and the interval.
itimerval itimer_get(const proc* p);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_ITIMER_H_
