// Intervals that programs give: checked, converted, and counted down while a call sleeps.
//
// Lives here:  WaitLimit; timeval and timespec to nanoseconds.
// Called by:   sys_poll.cc, sys_kqueue.cc, sys_epoll.cc, sys_counter.cc, kern_time.cc.
// Units:       virtual nanoseconds; ticks for sleeping.
#ifndef SOCKBED_UAPI_WAIT_LIMIT_H_
#define SOCKBED_UAPI_WAIT_LIMIT_H_

#include <limits.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>

#include "kernel/sched/itimer.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/machine.h"

namespace sockbed::uapi {

inline constexpr int64_t kIntervalSecondsMax = 100'000'000;  // what OpenBSD takes: three years

inline bool IsCanonical(const timespec& ts) {
  return ts.tv_sec >= 0 && ts.tv_sec <= kIntervalSecondsMax && ts.tv_nsec >= 0 &&
         ts.tv_nsec < kSecond;
}
inline bool IsCanonical(const timeval& tv) {
  return tv.tv_sec >= 0 && tv.tv_sec <= kIntervalSecondsMax && tv.tv_usec >= 0 &&
         tv.tv_usec < 1'000'000;
}
// Nonsense in, nonsense out, but defined: the trace shows it before it is checked.
inline SimTime TimespecNs(const timespec& ts) {
  return std::clamp<int64_t>(ts.tv_sec, -kIntervalSecondsMax, kIntervalSecondsMax) * kSecond +
         std::clamp<int64_t>(ts.tv_nsec, -kSecond, kSecond);
}
inline SimTime TimevalNs(const timeval& tv) {
  return std::clamp<int64_t>(tv.tv_sec, -kIntervalSecondsMax, kIntervalSecondsMax) * kSecond +
         std::clamp<int64_t>(tv.tv_usec, -1'000'000, 1'000'000) * kMicrosecond;
}

// When a call that waits gives up.
class WaitLimit {
 public:
  // A call that only looks costs this on top: a loop of such calls has to get somewhere.
  static constexpr SimTime kLookNs = kMicrosecond;

  static WaitLimit Never() { return WaitLimit(INT64_MAX, false); }
  // At least `ns` from now: rounded up to ticks, and one more for the tick that has partly elapsed.
  static WaitLimit After(SimTime ns) {
    return WaitLimit(ticks() + (ns + kTickNs - 1) / kTickNs + 1, ns == 0);
  }

  // An interval of nothing: the call asks and does not wait.
  bool only_looks() const { return only_looks_; }

  // What one that only looks pays for it.
  void ChargeLook() const {
    if (only_looks_) proc_charge(curproc(), kLookNs);
  }

  // Stores how many ticks are left to sleep (0: no limit); false when none are.
  bool TicksLeft(int* timo) const {
    if (deadline_ == INT64_MAX) {
      *timo = 0;
      return true;
    }
    const int64_t left = deadline_ - ticks();
    *timo = static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
    return left > 0;
  }

 private:
  WaitLimit(int64_t deadline, bool only_looks) : deadline_(deadline), only_looks_(only_looks) {}

  int64_t deadline_;  // in ticks
  bool only_looks_;
};

// The limit of a call that takes none as null. REQUIRES: canonical.
inline WaitLimit LimitOf(const timespec* limit) {
  return limit != nullptr ? WaitLimit::After(TimespecNs(*limit)) : WaitLimit::Never();
}

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_WAIT_LIMIT_H_
