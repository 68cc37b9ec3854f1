// kqueue(2): the calls. The queue itself is kernel/sched's.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include <algorithm>

#include "kernel/sched/kqueue.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

constexpr SimTime kWaitMax = 24 * 3600 * kSecond;

// Where a scan stores what it is told.
struct Collected {
  struct kevent* next;
};

KnoteVerdict Collect(knote* kn, void* arg) {
  *static_cast<Collected*>(arg)->next++ = knote_kevent(kn);
  return KnoteVerdict::kTold;
}

// What is set for a time of the wall clock: the queue knows the time since boot.
int SetForATime(sockbed::kqueue* kq, struct kevent change) {
  SimTime shown;
  if (const int error = timer_ns(change.fflags, change.data, &shown)) return error;
  change.fflags = NOTE_ABSTIME | NOTE_NSECONDS;
  change.data = std::max<int64_t>(Now() + (shown - CurrentHost().wall_clock_ns()), 0);
  return kqueue_register(kq, change, nullptr);
}

int ApplyChange(proc* p, sockbed::kqueue* kq, const struct kevent& change) {
  const bool sets = change.filter == EVFILT_TIMER && (change.flags & EV_ADD) != 0;
  if (sets && (change.fflags & NOTE_ABSTIME) != 0) return SetForATime(kq, change);
  file* const fp = filter_isfd(change.filter) && change.ident <= INT_MAX
                       ? fd_getfile(p, static_cast<int>(change.ident))
                       : nullptr;
  return kqueue_register(kq, change, fp);
}

// Applies all changes; those that fail, or ask for it, answer with an event while there is room.
// Errors: that of the first change that fails without room.
int ApplyChanges(proc* p, sockbed::kqueue* kq, const struct kevent* changes, int nchanges,
                 struct kevent* events, int nevents, int64_t* answers) {
  for (int i = 0; i < nchanges; ++i) {
    struct kevent change = changes[i];  // `events` may be the same array
    const int error = ApplyChange(p, kq, change);
    if (error == 0 && (change.flags & EV_RECEIPT) == 0) continue;
    if (*answers < nevents) {
      change.flags = EV_ERROR;
      change.data = error;
      events[(*answers)++] = change;
    } else if (error != 0) {
      return error;
    }
  }
  return 0;
}

int AwaitEvents(sockbed::kqueue* kq, struct kevent* events, int nevents, const timespec* limit,
                int64_t* found) {
  if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
  const WaitLimit until = limit != nullptr
                              ? WaitLimit::After(std::min(TimespecNs(*limit), kWaitMax))
                              : WaitLimit::Never();
  until.ChargeLook();
  for (;;) {
    Collected collected{events};
    *found = kqueue_scan(kq, nevents, Collect, &collected);
    int timo;
    if (*found != 0 || until.only_looks() || !until.TicksLeft(&timo)) return 0;
    const int error = kqueue_sleep(kq, "kqread", timo);
    if (error != 0) return error == EWOULDBLOCK ? 0 : NoRestart(error);
  }
}

int sys_kevent(proc* p, int fd, const struct kevent* changes, int nchanges, struct kevent* events,
               int nevents, const timespec* limit, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (fp->f_type != FileType::kKqueue) return EBADF;
  if ((changes == nullptr && nchanges > 0) || (events == nullptr && nevents > 0)) return EFAULT;
  sockbed::kqueue* const kq = kqueue_of(fp);
  if (const int error = ApplyChanges(p, kq, changes, nchanges, events, nevents, value)) {
    return error;
  }
  if (*value != 0 || nevents <= 0) return 0;
  return AwaitEvents(kq, events, nevents, limit, value);
}

int sys_kqueue(proc* p, int flags, int64_t* value) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0) return EINVAL;
  sockbed::kqueue* const kq = kqueue_make(p->p_fd);
  const int flag = FREAD | FWRITE | ((flags & O_NONBLOCK) != 0 ? FNONBLOCK : 0);
  int fd;
  const int error =
      fdcreate(p, FileType::kKqueue, &kqueueops, kq, flag, (flags & O_CLOEXEC) != 0, &fd);
  if (error != 0) {
    kqueue_free(kq);
    return error;
  }
  *value = fd;
  return 0;
}

}  // namespace

int kqueue() { return uapi::kqueue1(0); }

int kqueue1(int flags) {
  return static_cast<int>(
      SystemCall(Sys::kKqueue, {.a0 = Shown(flags)},
                 [&](proc* p, int64_t* value) { return sys_kqueue(p, flags, value); }));
}

int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const timespec* limit) {
  const CallArgs args{.fd = kq,
                      .a0 = Shown(nchanges),
                      .a1 = Shown(nevents),
                      .a2 = Shown(limit != nullptr ? TimespecNs(*limit) : -1)};
  return static_cast<int>(SystemCall(Sys::kKevent, args, [&](proc* p, int64_t* value) {
    return sys_kevent(p, kq, changes, nchanges, events, nevents, limit, value);
  }));
}

}  // namespace sockbed::uapi
