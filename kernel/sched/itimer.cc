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

// For the first tick that is not before the deadline.
void Arm(itimer* it) {
  const int64_t due = (it->it_deadline + kTickNs - 1) / kTickNs;
  timeout_add(&it->it_to, static_cast<int>(std::min<int64_t>(due - ticks(), INT32_MAX)));
}

void Expire(void* arg) {
  proc* const p = static_cast<proc*>(arg);
  itimer* const it = p->p_itimer.get();
  KASSERT(it->it_deadline != 0);
  if (Now() < it->it_deadline) return Arm(it);  // it lies beyond what a timeout can count
  psignal(p, SIGALRM);
  if (it->it_interval == 0) {
    it->it_deadline = 0;
    return;
  }
  it->it_deadline += it->it_interval;
  KASSERT(it->it_deadline > Now());  // each interval is a tick at least
  Arm(it);
}

void SetReal(proc* p, itimer* it, SimTime until, SimTime interval) {
  if (!timeout_initialized(&it->it_to)) timeout_set(&it->it_to, Expire, p);
  timeout_del(&it->it_to);
  it->it_interval = interval;
  it->it_deadline = until != 0 ? Now() + until : 0;
  if (until != 0) Arm(it);
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
    SetReal(p, it, until, interval);
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
  const SimTime due = real ? it->it_deadline : used.due;
  const SimTime now = real ? Now() : p->p_stime;
  value->it_interval = ToTimeval(real ? it->it_interval : used.interval);
  value->it_value = ToTimeval(due != 0 ? std::max<SimTime>(due - now, 0) : 0);
  return 0;
}

void itimer_used(proc* p) {
  Use(p, &p->p_itimer->it_virtual, SIGVTALRM);
  Use(p, &p->p_itimer->it_prof, SIGPROF);
}

}  // namespace sockbed
