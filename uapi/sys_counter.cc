// Files that are a count: eventfd(2), which programs add to; timerfd_create(2), which time adds to.
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernel/sched/event.h"
#include "kernel/sched/periodic.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/synch.h"
#include "uapi/filedesc.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

constexpr uint64_t kCountMax = UINT64_MAX - 1;

struct Counter {
  uint64_t count = 0;
  bool semaphore = false;
  selinfo sel;
};
Counter& CounterOf(const file* fp) { return *static_cast<Counter*>(fp->f_data); }

struct TimerFile : Counter {
  struct Timer : periodic {
    TimerFile* file = nullptr;
  };
  clockid_t clock = CLOCK_MONOTONIC;
  Timer timer;
  bool absolute = false;       // set for a time of the clock
  bool cancel_on_set = false;  // TFD_TIMER_CANCEL_ON_SET
  bool cancelled = false;      // the clock was set, and no read has told
  struct Watch : WallWatch {
    TimerFile* file = nullptr;
  };
  Watch watch;  // among the host's while `clock` is CLOCK_REALTIME
};
TimerFile& TimerOf(const file* fp) { return static_cast<TimerFile&>(CounterOf(fp)); }

// The count has changed: whoever sleeps or polls looks again.
void Changed(Counter& counter) {
  wakeup(&counter.count);
  selwakeup(&counter.sel);
}

// Sleeps until the count changes. [sleeps] Errors: EWOULDBLOCK, EINTR, kERESTART.
int AwaitChange(const file* fp, const char* wmesg) {
  if ((fp->f_flag & FNONBLOCK) != 0) return EWOULDBLOCK;
  return tsleep(&CounterOf(fp).count, PSOCK | PCATCH, wmesg, 0);
}

int ReadCount(file* fp, uio* uio, const char* wmesg) {
  if (uio->uio_resid < sizeof(uint64_t)) return EINVAL;
  Counter& counter = CounterOf(fp);
  while (counter.count == 0) {
    if (const int error = AwaitChange(fp, wmesg)) return error;
  }
  uint64_t taken = counter.semaphore ? 1 : counter.count;
  if (const int error = uiomove(&taken, sizeof taken, uio)) return error;
  counter.count -= taken;
  Changed(counter);
  return 0;
}

int eventfd_read(file* fp, uio* uio) { return ReadCount(fp, uio, "evfdrd"); }
int timerfd_read(file* fp, uio* uio) {
  if (uio->uio_resid < sizeof(uint64_t)) return EINVAL;
  TimerFile& timer = TimerOf(fp);
  while (timer.count == 0) {
    if (const int error = AwaitChange(fp, "tmfdrd")) return error;
  }
  if (!std::exchange(timer.cancelled, false)) return ReadCount(fp, uio, "tmfdrd");
  timer.count = 0;
  return ECANCELED;
}

int eventfd_write(file* fp, uio* uio) {
  uint64_t added;
  if (uio->uio_resid < sizeof added) return EINVAL;
  if (const int error = uiomove(&added, sizeof added, uio)) return error;
  if (added > kCountMax) return EINVAL;
  Counter& counter = CounterOf(fp);
  while (counter.count > kCountMax - added) {
    if (const int error = AwaitChange(fp, "evfdwr")) {
      uio->uio_resid += sizeof added;  // they do not count as moved
      return error;
    }
  }
  counter.count += added;
  Changed(counter);
  return 0;
}

int timerfd_write(file*, uio*) { return EINVAL; }

// O_NONBLOCK is looked at where it counts; a signal never comes.
int counter_ioctl(file*, unsigned long com, void* data) {
  return com == FIONBIO || (com == FIOASYNC && *static_cast<int*>(data) == 0) ? 0 : ENOTTY;
}

int Poll(file* fp, int events, proc* p, bool writable) {
  Counter& counter = CounterOf(fp);
  int ready = 0;
  if (counter.count > 0) ready |= events & (POLLIN | POLLRDNORM);
  if (writable && counter.count < kCountMax) ready |= events & (POLLOUT | POLLWRNORM);
  if (ready == 0 && p != nullptr) selrecord(p, &counter.sel);
  return ready;
}
int eventfd_poll(file* fp, int events, proc* p) { return Poll(fp, events, p, true); }
int timerfd_poll(file* fp, int events, proc* p) { return Poll(fp, events, p, false); }

bool filt_countread(knote* kn, long) {
  const uint64_t count = static_cast<const Counter*>(kn->kn_hook)->count;
  kn->kn_data = static_cast<int64_t>(std::min<uint64_t>(count, INT64_MAX));
  return count > 0;
}
bool filt_countwrite(knote* kn, long) {
  const uint64_t room = kCountMax - static_cast<const Counter*>(kn->kn_hook)->count;
  kn->kn_data = static_cast<int64_t>(std::min<uint64_t>(room, INT64_MAX));
  return room > 0;
}
constexpr filterops kCountRead = {.f_detach = knote_detach, .f_event = filt_countread};
constexpr filterops kCountWrite = {.f_detach = knote_detach, .f_event = filt_countwrite};

int eventfd_kqfilter(file* fp, knote* kn) {
  if (kn->kn_filter != EVFILT_READ && kn->kn_filter != EVFILT_WRITE) return EINVAL;
  knote_attach(kn, kn->kn_filter == EVFILT_READ ? &kCountRead : &kCountWrite, &CounterOf(fp).sel,
               &CounterOf(fp));
  return 0;
}
int timerfd_kqfilter(file* fp, knote* kn) {
  return kn->kn_filter == EVFILT_READ ? eventfd_kqfilter(fp, kn) : EINVAL;
}

int counter_stat(file*, struct stat* st) {
  st->st_mode = 0600;
  return 0;
}

int eventfd_close(file* fp) {
  delete &CounterOf(fp);
  return 0;
}
int timerfd_close(file* fp) {
  HostLocal<UapiHost>::Get().wall_watches.End(&TimerOf(fp).watch);
  delete &TimerOf(fp);
  return 0;
}

constexpr fileops kEventfdOps = {
    .fo_read = eventfd_read,
    .fo_write = eventfd_write,
    .fo_ioctl = counter_ioctl,
    .fo_poll = eventfd_poll,
    .fo_kqfilter = eventfd_kqfilter,
    .fo_stat = counter_stat,
    .fo_close = eventfd_close,
};
constexpr fileops kTimerfdOps = {
    .fo_read = timerfd_read,
    .fo_write = timerfd_write,
    .fo_ioctl = counter_ioctl,
    .fo_poll = timerfd_poll,
    .fo_kqfilter = timerfd_kqfilter,
    .fo_stat = counter_stat,
    .fo_close = timerfd_close,
};

static_assert(int{EFD_NONBLOCK} == int{TFD_NONBLOCK} && int{EFD_CLOEXEC} == int{TFD_CLOEXEC});

// A descriptor of `counter`, which it owns from then on.
template <typename T>
int Open(proc* p, FileType type, const fileops* ops, std::unique_ptr<T> counter, int flags,
         int64_t* value) {
  const int flag = FREAD | FWRITE | ((flags & EFD_NONBLOCK) != 0 ? FNONBLOCK : 0);
  int fd;
  Counter* const data = counter.get();
  if (const int error = fdcreate(p, type, ops, data, flag, (flags & EFD_CLOEXEC) != 0, &fd)) {
    return error;
  }
  (void)counter.release() /*taken*/;
  *value = fd;
  return 0;
}

// --- Timers. ---

// The longest that a timer is set for; a sum with the clock stays far from overflow.
constexpr SimTime kTimerMax = kForever / 4;

bool IsTime(const timespec& ts) {
  return ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < kSecond;
}
SimTime ToNs(const timespec& ts) {
  return std::min<SimTime>(ts.tv_sec, kTimerMax / kSecond) * kSecond + ts.tv_nsec;
}
timespec ToTimespec(SimTime ns) { return {.tv_sec = ns / kSecond, .tv_nsec = ns % kSecond}; }

itimerspec Left(const TimerFile& timer) {
  return {.it_interval = ToTimespec(timer.timer.pt_interval),
          .it_value = ToTimespec(periodic_left(&timer.timer))};
}

void Fire(periodic* pt, int64_t times) {
  TimerFile& timer = *static_cast<TimerFile::Timer*>(pt)->file;
  timer.count += static_cast<uint64_t>(times);
  Changed(timer);
}

// A time of the wall clock comes sooner when the clock is set ahead, and later when it is set back.
void ClockSet(WallWatch* watch, SimTime step) {
  TimerFile& timer = *static_cast<TimerFile::Watch*>(watch)->file;
  if (!timer.absolute || timer.timer.pt_deadline == 0) return;
  periodic_start(&timer.timer, std::max<SimTime>(timer.timer.pt_deadline - step, 1),
                 timer.timer.pt_interval);
  if (!timer.cancel_on_set) return;
  timer.cancelled = true;
  ++timer.count;
  Changed(timer);
}

int GetTimer(proc* p, int fd, TimerFile** timer) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (fp->f_type != FileType::kTimerfd) return EINVAL;
  *timer = &TimerOf(fp);
  return 0;
}

int sys_timerfd_settime(proc* p, int fd, int flags, const itimerspec* value, itimerspec* old) {
  constexpr int kKnown = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if (value == nullptr) return EFAULT;
  if ((flags & ~kKnown) != 0 || !IsTime(value->it_value) || !IsTime(value->it_interval)) {
    return EINVAL;
  }
  TimerFile* timer;
  if (const int error = GetTimer(p, fd, &timer)) return error;
  if (old != nullptr) *old = Left(*timer);
  timer->count = 0;
  timer->absolute = (flags & TFD_TIMER_ABSTIME) != 0;
  timer->cancel_on_set = (flags & TFD_TIMER_CANCEL_ON_SET) != 0;
  timer->cancelled = false;
  periodic_stop(&timer->timer);
  const SimTime when = ToNs(value->it_value);
  if (when == 0) return 0;
  SimTime deadline = Now() + when;
  if ((flags & TFD_TIMER_ABSTIME) != 0) {
    const bool wall = timer->clock == CLOCK_REALTIME;
    deadline = wall ? Now() + (when - CurrentHost().wall_clock_ns()) : when;
  }
  periodic_start(&timer->timer, std::max<SimTime>(deadline, 1), ToNs(value->it_interval));
  return 0;
}

int sys_timerfd_create(proc* p, int clock, int flags, int64_t* value) {
  const bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
  if (!known || (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) != 0) return EINVAL;
  auto timer = std::make_unique<TimerFile>();
  timer->clock = clock;
  timer->timer.file = timer.get();
  timer->timer.pt_fire = Fire;
  timer->watch.file = timer.get();
  timer->watch.clock_set = ClockSet;
  TimerFile::Watch* const watch = &timer->watch;
  const int error = Open(p, FileType::kTimerfd, &kTimerfdOps, std::move(timer), flags, value);
  if (error == 0 && clock == CLOCK_REALTIME) {
    HostLocal<UapiHost>::Get().wall_watches.Begin(watch);
  }
  return error;
}

int sys_eventfd(proc* p, unsigned count, int flags, int64_t* value) {
  if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) != 0) return EINVAL;
  auto counter = std::make_unique<Counter>();
  counter->count = count;
  counter->semaphore = (flags & EFD_SEMAPHORE) != 0;
  return Open(p, FileType::kEventfd, &kEventfdOps, std::move(counter), flags, value);
}

}  // namespace

int eventfd(unsigned count, int flags) {
  return static_cast<int>(
      SystemCall(Sys::kEventfd, {.a0 = count, .a1 = Shown(flags)},
                 [&](proc* p, int64_t* value) { return sys_eventfd(p, count, flags, value); }));
}

int timerfd_create(int clock, int flags) {
  const CallArgs args{.a0 = Shown(clock), .a1 = Shown(flags)};
  return static_cast<int>(SystemCall(Sys::kTimerfdCreate, args, [&](proc* p, int64_t* value) {
    return sys_timerfd_create(p, clock, flags, value);
  }));
}

int timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old) {
  CallArgs args{.fd = fd, .a0 = Shown(flags)};
  if (value != nullptr) {
    args.a1 = Shown(TimespecNs(value->it_value));
    args.a2 = Shown(TimespecNs(value->it_interval));
  }
  return static_cast<int>(SystemCall(Sys::kTimerfdSettime, args, [&](proc* p, int64_t*) {
    return sys_timerfd_settime(p, fd, flags, value, old);
  }));
}

int timerfd_gettime(int fd, itimerspec* value) {
  return static_cast<int>(SystemCall(Sys::kTimerfdGettime, {.fd = fd}, [&](proc* p, int64_t*) {
    if (value == nullptr) return EFAULT;
    TimerFile* timer;
    if (const int error = GetTimer(p, fd, &timer)) return error;
    *value = Left(*timer);
    return 0;
  }));
}

}  // namespace sockbed::uapi
