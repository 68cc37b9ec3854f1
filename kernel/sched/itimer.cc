#include "kernel/sched/itimer.h"

#include <errno.h>
#include <signal.h>

#include <algorithm>

#include "kernel/sched/signal.h"

namespace sockbed {
namespace {

constexpr int64_t kSecondsMax = 100'000'000;
constexpr int64_t kMicrosecondsPerSecond = 1'000'000;

// Whether it is an interval at all; stores it, a tick at least unless it is zero.
bool ToNs(const timeval& tv, SimTime* ns) {
  if (tv.tv_sec < 0 || tv.tv_sec > kSecondsMax) return false;
  if (tv.tv_usec < 0 || tv.tv_usec >= kMicrosecondsPerSecond) return false;
  *ns = tv.tv_sec * kSecond + tv.tv_usec * kMicrosecond;
  if (*ns != 0) *ns = std::max(*ns, kTickNs);
  return true;
}

timeval ToTimeval(SimTime ns) {
  return {.tv_sec = ns / kSecond, .tv_usec = ns % kSecond / kMicrosecond};
}

// Intervals are a tick at least: no two times fall together.
void Alarm(periodic* pt, int64_t) { psignal(static_cast<itimer::Real*>(pt)->owner, SIGALRM); }

void SetReal(proc* p, itimer::Real* real, SimTime until, SimTime interval) {
  real->owner = p;
  real->pt_fire = Alarm;
  periodic_stop(real);
  if (until != 0) {
    periodic_start(real, Now() + until, interval);
  } else {
    real->pt_interval = interval;  // getitimer tells it
  }
}

// Posts `signo` if the time is used up. A call that used several intervals at once posts it once.
void Use(proc* p, itimer::Used* timer, int signo) {
  if (timer->due == 0 || p->p_stime < timer->due) return;
  psignal(p, signo);
  if (timer->interval == 0) {
    timer->due = 0;
  } else {
    timer->due += ((p->p_stime - timer->due) / timer->interval + 1) * timer->interval;
  }
}

}  // namespace

int itimer_set(proc* p, int which, const itimerval& value) {
  SimTime until, interval;
  if (which != ITIMER_REAL && which != ITIMER_VIRTUAL && which != ITIMER_PROF) return EINVAL;
  if (!ToNs(value.it_value, &until) || !ToNs(value.it_interval, &interval)) return EINVAL;
  if (p->p_itimer == nullptr) {
    if (until == 0) return 0;
    p->p_itimer = std::make_unique<itimer>();
  }
  itimer* const it = p->p_itimer.get();
  if (which == ITIMER_REAL) {
    SetReal(p, &it->it_real, until, interval);
    return 0;
  }
  (which == ITIMER_VIRTUAL ? it->it_virtual : it->it_prof) = {
      .due = until != 0 ? p->p_stime + until : 0, .interval = interval};
  return 0;
}

int itimer_get(const proc* p, int which, itimerval* value) {
  if (which != ITIMER_REAL && which != ITIMER_VIRTUAL && which != ITIMER_PROF) return EINVAL;
  const itimer* const it = p->p_itimer.get();
  *value = {};
  if (it == nullptr) return 0;
  const itimer::Used& used = which == ITIMER_VIRTUAL ? it->it_virtual : it->it_prof;
  const bool real = which == ITIMER_REAL;
  const SimTime left =
      real ? periodic_left(&it->it_real)
           : used.due != 0 ? std::max<SimTime>(used.due - p->p_stime, 0) : 0;
  value->it_interval = ToTimeval(real ? it->it_real.pt_interval : used.interval);
  value->it_value = ToTimeval(left);
  return 0;
}

// Rare, but asked for by every call.
[[gnu::noinline]] void itimer_used(proc* p) {
  Use(p, &p->p_itimer->it_virtual, SIGVTALRM);
  Use(p, &p->p_itimer->it_prof, SIGPROF);
}

}  // namespace sockbed
