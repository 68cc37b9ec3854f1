// A timer that comes at a time and then at every interval, without drifting.
//
// Lives here:  struct periodic, periodic_start, periodic_stop.
// Called by:   itimer.h (SIGALRM), kern_event_filters.cc (EVFILT_TIMER), uapi (timerfd).
// Context:     pt_fire runs in interrupt context of the host that started the timer.
// Owns:        its timeout; stops when it dies.
// Units:       virtual nanoseconds since boot.
// Invariants:  the timeout is pending exactly while pt_deadline != 0.
// Source:      OpenBSD sys/kern/kern_time.c (realitexpire).
// Differs:     it comes with the first tick at or after each time, not one tick later.
#ifndef SOCKBED_KERNEL_SCHED_PERIODIC_H_
#define SOCKBED_KERNEL_SCHED_PERIODIC_H_

#include "kernel/sched/timeout.h"

namespace sockbed {

struct periodic {
  periodic() = default;
  ~periodic();
  periodic(const periodic&) = delete;
  periodic& operator=(const periodic&) = delete;

  // Told how many times have come since it was told last: more than one if the interval is shorter
  // than a tick. May start or stop the timer, not free it.
  void (*pt_fire)(periodic* pt, int64_t times) = nullptr;
  timeout pt_to;
  SimTime pt_deadline = 0;  // the next time; 0: stopped
  SimTime pt_interval = 0;  // between it and the ones that follow; 0: there are none
};

// Comes at `deadline` (the past: with the next tick) and then every `interval`. A running timer
// starts over. REQUIRES: pt_fire; deadline > 0, interval >= 0.
void periodic_start(periodic* pt, SimTime deadline, SimTime interval);
void periodic_stop(periodic* pt);
// What is left until the next time; 0 if it is stopped.
SimTime periodic_left(const periodic* pt);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_PERIODIC_H_
