// Clocks, sleeping until they show something, and the interval timer.
#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "kernel/sched/itimer.h"
#include "uapi/filedesc.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

// What `clock` shows. Errors: EINVAL (there is no such clock here).
int ReadClock(clockid_t clock, int64_t* ns) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: *ns = CurrentHost().wall_clock_ns(); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: *ns = Now(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      *ns = curproc()->p_stime;  // computing takes no time, calls do
      return 0;
    default: return EINVAL;
  }
}

timespec ToTimespec(int64_t ns) { return {.tv_sec = ns / kSecond, .tv_nsec = ns % kSecond}; }

// Sleeps until virtual time `until`. [sleeps] "nanslp". Errors: EINTR.
int SleepUntil(SimTime until) {
  // A sleep may end early only by a signal: ticks begin before the program asks.
  while (Now() < until) {
    const int error =
        tsleep_nsec(&nowake, PWAIT | PCATCH, "nanslp", static_cast<uint64_t>(until - Now()));
    if (error != 0 && error != EWOULDBLOCK) return NoRestart(error);
  }
  return 0;
}

// The same for a time of the wall clock, which may be set meanwhile.
int SleepUntilShown(int64_t shown_ns) {
  const Host& host = CurrentHost();
  while (host.wall_clock_ns() < shown_ns) {
    const int error = tsleep_nsec(&HostLocal<UapiHost>::Get().wall_watches, PWAIT | PCATCH,
                                  "nanslp", static_cast<uint64_t>(shown_ns - host.wall_clock_ns()));
    if (error != 0 && error != EWOULDBLOCK) return NoRestart(error);
  }
  return 0;
}

// Sets the wall clock and tells everybody who counts on it. Errors: EPERM, EINVAL.
int SetWallClock(const proc* p, const timespec& ts) {
  if (!suser(p->p_ucred)) return EPERM;
  const bool fits = ts.tv_sec >= 0 && ts.tv_sec <= kForever / kSecond / 2;
  if (!fits || ts.tv_nsec < 0 || ts.tv_nsec >= kSecond) return EINVAL;
  Host& host = CurrentHost();
  const SimTime step = ts.tv_sec * kSecond + ts.tv_nsec - host.wall_clock_ns();
  host.StepWallClock(step);
  WallWatches& watches = HostLocal<UapiHost>::Get().wall_watches;
  watches.Tell(step);
  wakeup(&watches);
  return 0;
}

int sys_nanosleep(const timespec* interval, timespec* rest) {
  if (interval == nullptr) return EFAULT;
  if (!IsCanonical(*interval)) return EINVAL;
  const SimTime until = Now() + TimespecNs(*interval);
  const int error = SleepUntil(until);
  if (error == EINTR && rest != nullptr) *rest = ToTimespec(std::max<SimTime>(until - Now(), 0));
  return error;
}

int sys_clock_nanosleep(clockid_t clock, int flags, const timespec* t, timespec* rest) {
  int64_t shown;
  if (const int error = ReadClock(clock, &shown)) return error;
  if ((flags & ~TIMER_ABSTIME) != 0) return EINVAL;
  // Asleep it would wait for ever: time passes on those two only for who is not.
  if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) return EINVAL;
  if ((flags & TIMER_ABSTIME) == 0) return sys_nanosleep(t, rest);
  if (t == nullptr) return EFAULT;
  if (t->tv_nsec < 0 || t->tv_nsec >= kSecond) return EINVAL;
  // Far enough for any run; a product beyond would overflow.
  const int64_t seconds = std::clamp<int64_t>(t->tv_sec, 0, kForever / kSecond / 2);
  const int64_t until = seconds * kSecond + t->tv_nsec;
  const bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  return wall ? SleepUntilShown(until) : SleepUntil(Now() + (until - shown));
}

int sys_getitimer(const proc* p, int which, itimerval* value) {
  itimerval now;
  if (const int error = itimer_get(p, which, &now)) return error;
  if (value == nullptr) return EFAULT;
  *value = now;
  return 0;
}

int sys_setitimer(proc* p, int which, const itimerval* value, itimerval* old) {
  itimerval before;
  if (const int error = itimer_get(p, which, &before)) return error;
  if (value == nullptr) return EFAULT;
  if (const int error = itimer_set(p, which, *value)) return error;
  if (old != nullptr) *old = before;
  return 0;
}

}  // namespace

void WallWatches::Begin(WallWatch* watch) {
  watch->prev = std::exchange(last_, watch);
  (watch->prev != nullptr ? watch->prev->next : first_) = watch;
}

void WallWatches::End(WallWatch* watch) {
  if (watch->prev == nullptr && first_ != watch) return;
  (watch->prev != nullptr ? watch->prev->next : first_) = watch->next;
  (watch->next != nullptr ? watch->next->prev : last_) = watch->prev;
  watch->next = watch->prev = nullptr;
}

void WallWatches::Tell(SimTime step) const {
  for (WallWatch* watch = first_; watch != nullptr; watch = watch->next) {
    watch->clock_set(watch, step);
  }
}

time_t time(time_t* result) {
  const time_t now = SystemCallValue(Sys::kTime, {},
                                     [](proc*) { return CurrentHost().wall_clock_ns() / kSecond; });
  if (result != nullptr) *result = now;
  return now;
}

int gettimeofday(timeval* tv, void*) {
  return static_cast<int>(SystemCallValue(Sys::kGettimeofday, {}, [&](proc*) {
    const int64_t ns = CurrentHost().wall_clock_ns();
    if (tv != nullptr) *tv = {.tv_sec = ns / kSecond, .tv_usec = ns % kSecond / kMicrosecond};
    return 0;
  }));
}

int clock_gettime(clockid_t clock, timespec* ts) {
  return static_cast<int>(
      SystemCall(Sys::kClockGettime, {.a0 = Shown(clock)}, [&](proc*, int64_t*) {
        int64_t ns;
        if (const int error = ReadClock(clock, &ns)) return error;
        if (ts == nullptr) return EFAULT;
        *ts = ToTimespec(ns);
        return 0;
      }));
}

int clock_getres(clockid_t clock, timespec* ts) {
  return static_cast<int>(SystemCall(Sys::kClockGetres, {.a0 = Shown(clock)}, [&](proc*, int64_t*) {
    int64_t ns;
    if (const int error = ReadClock(clock, &ns)) return error;
    if (ts != nullptr) *ts = {.tv_sec = 0, .tv_nsec = 1};
    return 0;
  }));
}

int clock_settime(clockid_t clock, const timespec* ts) {
  const CallArgs args{.a0 = Shown(clock), .a1 = Shown(ts != nullptr ? TimespecNs(*ts) : 0)};
  return static_cast<int>(SystemCall(Sys::kClockSettime, args, [&](const proc* p, int64_t*) {
    if (clock != CLOCK_REALTIME) return EINVAL;
    return ts == nullptr ? EFAULT : SetWallClock(p, *ts);
  }));
}

int settimeofday(const timeval* tv, const struct timezone* tz) {
  const CallArgs args{.a0 = Shown(tv != nullptr ? TimevalNs(*tv) : 0)};
  return static_cast<int>(SystemCall(Sys::kSettimeofday, args, [&](const proc* p, int64_t*) {
    if (tz != nullptr) return EINVAL;
    if (tv == nullptr) return EFAULT;
    if (tv->tv_usec < 0 || tv->tv_usec >= kSecond / kMicrosecond) return EINVAL;
    return SetWallClock(p, {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * kMicrosecond});
  }));
}

int nanosleep(const timespec* interval, timespec* rest) {
  const int64_t shown = interval != nullptr ? TimespecNs(*interval) : 0;
  return static_cast<int>(SystemCall(Sys::kNanosleep, {.a0 = Shown(shown)}, [&](proc*, int64_t*) {
    return sys_nanosleep(interval, rest);
  }));
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* t, timespec* rest) {
  const CallArgs args{.a0 = Shown(clock), .a1 = Shown(t != nullptr ? TimespecNs(*t) : 0)};
  const int64_t result = SystemCall(Sys::kClockNanosleep, args, [&](proc*, int64_t*) {
    return sys_clock_nanosleep(clock, flags, t, rest);
  });
  return result == 0 ? 0 : errno;
}

unsigned sleep(unsigned seconds) {
  const timespec interval{.tv_sec = static_cast<time_t>(seconds), .tv_nsec = 0};
  timespec rest{};
  if (uapi::nanosleep(&interval, &rest) == 0) return 0;
  return static_cast<unsigned>(rest.tv_sec + (rest.tv_nsec != 0));
}

int usleep(useconds_t usec) {
  const timespec interval = ToTimespec(int64_t{usec} * kMicrosecond);
  return uapi::nanosleep(&interval, nullptr);
}

int getitimer(int which, itimerval* value) {
  return static_cast<int>(
      SystemCall(Sys::kGetitimer, {.a0 = Shown(which)},
                 [&](const proc* p, int64_t*) { return sys_getitimer(p, which, value); }));
}

int setitimer(int which, const itimerval* value, itimerval* old) {
  CallArgs args{.a0 = Shown(which)};
  if (value != nullptr) {
    args.a1 = Shown(TimevalNs(value->it_value));
    args.a2 = Shown(TimevalNs(value->it_interval));
  }
  return static_cast<int>(SystemCall(Sys::kSetitimer, args, [&](proc* p, int64_t*) {
    return sys_setitimer(p, which, value, old);
  }));
}

unsigned alarm(unsigned seconds) {
  const itimerval value{.it_interval = {}, .it_value = {.tv_sec = seconds, .tv_usec = 0}};
  itimerval old{};
  if (uapi::setitimer(ITIMER_REAL, &value, &old) != 0) return static_cast<unsigned>(-1);
  return static_cast<unsigned>(old.it_value.tv_sec + (old.it_value.tv_usec != 0));
}

}  // namespace sockbed::uapi
