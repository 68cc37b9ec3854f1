#include "kernel/sched/itimer.h"

#include <errno.h>

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

}  // namespace

int itimer_set(proc* p, const itimerval& value) {
  SimTime until, interval;
  if (!ToNs(value.it_value, &until) || !ToNs(value.it_interval, &interval)) return EINVAL;
  if (p->p_itimer == nullptr) {
    if (until == 0) return 0;
    p->p_itimer = std::make_unique<itimer>();
    timeout_set(&p->p_itimer->it_to, Expire, p);
  }
  itimer* const it = p->p_itimer.get();
  timeout_del(&it->it_to);
  it->it_interval = interval;
  it->it_deadline = until != 0 ? Now() + until : 0;
  if (until != 0) Arm(it);
  return 0;
}

itimerval itimer_get(const proc* p) {
  const itimer* const it = p->p_itimer.get();
  if (it == nullptr) return {};
  const SimTime left = it->it_deadline != 0 ? std::max<SimTime>(it->it_deadline - Now(), 0) : 0;
  return {.it_interval = ToTimeval(it->it_interval), .it_value = ToTimeval(left)};
}

}  // namespace sockbed
