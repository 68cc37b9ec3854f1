// The interval timers of a process: setitimer(2).
//
// Lives here:  struct itimer, itimer_set, itimer_get, proc_charge.
// Called by:   uapi (setitimer, getitimer, alarm; proc_charge on every call), proc.cc (exit).
// Owns:        a process owns its timers from the first time one is set until it ends.
// Units:       timeval in the calls; virtual nanoseconds inside.
// Source:      OpenBSD sys/kern/kern_time.c (realitexpire, itimerfix, itimerdecr).
// Differs:     1. SIGALRM comes with the first tick at or after the time, not one tick later.
//              2. A program's own instructions take no virtual time: all the time that a process
//                 uses is what its system calls are charged. ITIMER_VIRTUAL and ITIMER_PROF both
//                 count that; their signals come with the call that uses the time up.
#ifndef SOCKBED_KERNEL_SCHED_ITIMER_H_
#define SOCKBED_KERNEL_SCHED_ITIMER_H_

#include <sys/time.h>

#include <array>

#include "kernel/sched/periodic.h"
#include "kernel/sched/proc.h"

namespace sockbed {

struct itimer {
  // ITIMER_VIRTUAL or ITIMER_PROF, in time used (p_stime).
  struct Used {
    SimTime due = 0;       // when the next signal is; 0: disarmed
    SimTime interval = 0;  // between it and the ones that follow; 0: there are none
  };

  // ITIMER_REAL, in time since boot.
  struct Real : periodic {
    proc* owner = nullptr;  // who gets SIGALRM
  };

  Real it_real;
  Used it_virtual, it_prof;
};

// Arms p's timer `which` (ITIMER_*), or disarms it if it_value is zero. Intervals shorter than a
// tick are a tick. Errors: EINVAL (no such timer; negative, not canonical, beyond 100,000,000 s).
[[nodiscard]] int itimer_set(proc* p, int which, const itimerval& value);

// What is left until the timer's next signal, and the interval. Errors: EINVAL (no such timer).
[[nodiscard]] int itimer_get(const proc* p, int which, itimerval* value);

// Posts the signals of those timers of `p` whose time has been used.
void itimer_used(proc* p);

// curproc has used `ns` of virtual time.
inline void proc_charge(proc* p, SimTime ns) {
  p->p_stime += ns;
  Here().machine->Charge(ns);
  if (__builtin_expect(p->p_itimer != nullptr, 0)) itimer_used(p);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_ITIMER_H_
