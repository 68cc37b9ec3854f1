// epoll(7) over the event queue: Linux's names and rules for what kqueue(2) does.
//
// A watch is up to three knotes of one file and number: READ always, since an end of file is told
// unasked; WRITE and EXCEPT if they are asked for. Each carries the events asked for (kn_sdata) and
// the program's word (kn_udata). Whichever of them is pending makes epoll ask the file (fo_poll)
// for all events at once; the others of the watch are then told as well.
//
//   epoll_ctl(ADD, 5, IN|OUT)      kn READ 5  --.
//                                  kn WRITE 5 --+-- pending --> fo_poll(IN|OUT) --> one epoll_event
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kernel/sched/kqueue.h"
#include "kernel/sched/selinfo.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

constexpr uint32_t kPollEvents = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND |
                                 EPOLLWRNORM | EPOLLWRBAND | EPOLLERR | EPOLLHUP;
// EPOLLWAKEUP keeps a host awake that is about to be suspended; none ever is.
constexpr uint32_t kKnownEvents =
    kPollEvents | EPOLLRDHUP | EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;
// What may stand beside EPOLLEXCLUSIVE.
constexpr uint32_t kExclusiveEvents =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI);
static_assert(EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDNORM == POLLRDNORM);

constexpr short kFilters[] = {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT};

uint32_t Wanted(const knote* kn) { return static_cast<uint32_t>(kn->kn_sdata); }

// Calls `visit` for each knote of kn's watch, `kn` included.
template <typename Visit>
void ForEachOfWatch(const knote* kn, Visit&& visit) {
  for (knote* other = kn->kn_fp->f_knotes; other != nullptr; other = other->kn_fnext) {
    if (other->kn_kq == kn->kn_kq && other->kn_id == kn->kn_id) visit(other);
  }
}

// Whether a socket's peer sends no more: READ's filter knows.
bool PeerIsDone(const knote* kn) {
  if (kn->kn_fp->f_type != FileType::kSocket) return false;
  bool done = false;
  ForEachOfWatch(kn, [&](knote* other) {
    if (other->kn_filter != EVFILT_READ) return;
    other->kn_fop->f_event(other, 0);
    done = (other->kn_flags & EV_EOF) != 0;
  });
  return done;
}

// The events of kn's watch that hold now.
uint32_t ReadyEvents(const knote* kn) {
  const uint32_t wanted = Wanted(kn);
  const uint32_t asked = (wanted & kPollEvents) | EPOLLERR | EPOLLHUP;
  file* const fp = kn->kn_fp;
  uint32_t ready =
      static_cast<uint32_t>(fp->f_ops->fo_poll(fp, static_cast<int>(asked), nullptr)) & asked;
  if ((wanted & EPOLLRDHUP) != 0 && PeerIsDone(kn)) ready |= EPOLLRDHUP;
  return ready;
}

struct Collected {
  epoll_event* next;
};

KnoteVerdict Collect(knote* kn, void* arg) {
  const uint32_t round = kqueue_round(kn->kn_kq);
  if (kn->kn_round == round) return KnoteVerdict::kRepeat;
  const uint32_t ready = ReadyEvents(kn);
  if (ready == 0) return KnoteVerdict::kNothing;
  epoll_event& event = *static_cast<Collected*>(arg)->next++;
  event.events = ready;
  event.data.ptr = kn->kn_udata;
  const uint32_t wanted = Wanted(kn);
  ForEachOfWatch(kn, [&](knote* other) {
    other->kn_round = round;
    if ((wanted & EPOLLONESHOT) != 0) {
      knote_disable(other);
    } else if ((wanted & EPOLLET) != 0 && other != kn) {
      knote_deactivate(other);
    }
  });
  return KnoteVerdict::kTold;
}

// --- An epoll as an open file. ---

int epoll_transfer(file*, uio*) { return EINVAL; }

// O_NONBLOCK may be set, for nothing blocks; a signal never comes.
int epoll_ioctl(file*, unsigned long com, void* data) {
  return com == FIONBIO || (com == FIOASYNC && *static_cast<int*>(data) == 0) ? 0 : ENOTTY;
}

// Looks past what was ready once and is no more.
int epoll_poll(file* fp, int events, proc* p) {
  const int in = events & (POLLIN | POLLRDNORM);
  sockbed::kqueue* const kq = kqueue_of(fp);
  while (knote* const kn = kqueue_first(kq)) {
    if (ReadyEvents(kn) != 0) return in;
    knote_deactivate(kn);
  }
  if (in != 0 && p != nullptr) selrecord(p, kqueue_selinfo(kq));
  return 0;
}

int epoll_stat(file*, struct stat* st) {
  st->st_mode = 0600;
  return 0;
}

int epoll_close(file* fp) {
  kqueue_free(kqueue_of(fp));
  return 0;
}

constexpr fileops kEpollOps = {
    .fo_read = epoll_transfer,
    .fo_write = epoll_transfer,
    .fo_ioctl = epoll_ioctl,
    .fo_poll = epoll_poll,
    .fo_kqfilter = kqueue_kqfilter,
    .fo_stat = epoll_stat,
    .fo_close = epoll_close,
};

// --- The calls. ---

int sys_epoll_create(proc* p, int flags, int64_t* value) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return EINVAL;
  sockbed::kqueue* const kq = kqueue_make(nullptr);
  int fd;
  const int error = fdcreate(p, FileType::kEpoll, &kEpollOps, kq, FREAD | FWRITE,
                             (flags & EPOLL_CLOEXEC) != 0, &fd);
  if (error != 0) {
    kqueue_free(kq);
    return error;
  }
  *value = fd;
  return 0;
}

// A knote of the watch of `fp` as `fd`, or null.
const knote* FindWatch(sockbed::kqueue* kq, file* fp, int fd) {
  for (const short filter : kFilters) {
    const knote* const kn = kqueue_find(kq, filter, fp, static_cast<uintptr_t>(fd));
    if (kn != nullptr) return kn;
  }
  return nullptr;
}

// As epoll_ctl(2) has it: such a watch is added, never changed, and not of an epoll.
bool MayBeExclusive(int op, const file* fp, uint32_t events) {
  return op == EPOLL_CTL_ADD && fp->f_type != FileType::kEpoll && (events & ~kExclusiveEvents) == 0;
}

// Removes the watch of `fp` as `fd`; whether there was one.
bool DropWatch(sockbed::kqueue* kq, file* fp, int fd) {
  bool found = false;
  for (const short filter : kFilters) {
    knote* const kn = kqueue_find(kq, filter, fp, static_cast<uintptr_t>(fd));
    if (kn == nullptr) continue;
    knote_drop(kn);
    found = true;
  }
  return found;
}

int AddWatch(sockbed::kqueue* kq, file* fp, int fd, const epoll_event& event) {
  const unsigned short flags = EV_ADD | ((event.events & EPOLLET) != 0 ? EV_CLEAR : 0);
  bool watched = false;
  for (const short filter : kFilters) {
    // A file without something to read is watched for its other end.
    if (filter == EVFILT_WRITE && watched && (event.events & (EPOLLOUT | EPOLLWRNORM)) == 0) {
      continue;
    }
    if (filter == EVFILT_EXCEPT && (event.events & (EPOLLPRI | EPOLLRDBAND)) == 0) continue;
    const struct kevent change = {.ident = static_cast<uintptr_t>(fd),
                                  .filter = filter,
                                  .flags = flags,
                                  .fflags = filter == EVFILT_EXCEPT ? NOTE_OOB : 0,
                                  .data = event.events,
                                  .udata = event.data.ptr};
    const int error = kqueue_register(kq, change, fp);
    if (error == EINVAL) continue;  // the file has no such side
    if (error != 0) {
      DropWatch(kq, fp, fd);
      return error;
    }
    watched = true;
    // READ alone is for the end of the file, which everybody hears of.
    const uint32_t own = filter == EVFILT_WRITE ? EPOLLOUT : EPOLLIN;
    if ((event.events & EPOLLEXCLUSIVE) != 0 && (event.events & own) != 0) {
      knote_exclusive(kqueue_find(kq, filter, fp, static_cast<uintptr_t>(fd)));
    }
  }
  return watched ? 0 : EPERM;
}

int sys_epoll_ctl(proc* p, int epfd, int op, int fd, const epoll_event* event) {
  if (op != EPOLL_CTL_DEL && event == nullptr) return EFAULT;
  file *ep, *fp;
  if (const int error = getfile(p, epfd, &ep)) return error;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (fp->f_ops->fo_kqfilter == nullptr) return EPERM;
  if (ep->f_type != FileType::kEpoll || ep == fp) return EINVAL;
  sockbed::kqueue* const kq = kqueue_of(ep);
  if (op == EPOLL_CTL_DEL) return DropWatch(kq, fp, fd) ? 0 : ENOENT;
  if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD) return EINVAL;
  if ((event->events & ~kKnownEvents) != 0) return EINVAL;
  if ((event->events & EPOLLEXCLUSIVE) != 0 && !MayBeExclusive(op, fp, event->events)) {
    return EINVAL;
  }
  const knote* const watch = FindWatch(kq, fp, fd);
  if (op == EPOLL_CTL_ADD) return watch != nullptr ? EEXIST : AddWatch(kq, fp, fd, *event);
  if (watch == nullptr) return ENOENT;
  if ((Wanted(watch) & EPOLLEXCLUSIVE) != 0) return EINVAL;
  DropWatch(kq, fp, fd);
  return AddWatch(kq, fp, fd, *event);
}

int sys_epoll_wait(proc* p, int epfd, epoll_event* events, int max, const WaitLimit& limit,
                   int64_t* found) {
  if (max <= 0 || max > INT_MAX / static_cast<int>(sizeof(epoll_event))) return EINVAL;
  if (events == nullptr) return EFAULT;
  file* fp;
  if (const int error = getfile(p, epfd, &fp)) return error;
  if (fp->f_type != FileType::kEpoll) return EINVAL;
  sockbed::kqueue* const kq = kqueue_of(fp);
  limit.ChargeLook();
  for (;;) {
    Collected collected{events};
    *found = kqueue_scan(kq, max, Collect, &collected);
    int timo;
    if (*found != 0 || limit.only_looks() || !limit.TicksLeft(&timo)) return 0;
    const int error = kqueue_sleep(kq, "epoll", timo);
    if (error != 0) return error == EWOULDBLOCK ? 0 : NoRestart(error);
  }
}

WaitLimit Milliseconds(int limit_ms) {
  return limit_ms < 0 ? WaitLimit::Never() : WaitLimit::After(limit_ms * kMillisecond);
}

int EpollCreate(int flags) {
  return static_cast<int>(
      SystemCall(Sys::kEpollCreate, {.a0 = Shown(flags)},
                 [&](proc* p, int64_t* value) { return sys_epoll_create(p, flags, value); }));
}

}  // namespace

int epoll_create1(int flags) { return EpollCreate(flags); }
// The size is a hint of old; a flag that does not exist makes the call refuse a wrong one.
int epoll_create(int size) { return EpollCreate(size > 0 ? 0 : -1); }

int epoll_ctl(int epfd, int op, int fd, epoll_event* event) {
  const CallArgs args{
      .fd = epfd, .a0 = Shown(op), .a1 = Shown(fd), .a2 = event != nullptr ? event->events : 0};
  return static_cast<int>(SystemCall(Sys::kEpollCtl, args, [&](proc* p, int64_t*) {
    return sys_epoll_ctl(p, epfd, op, fd, event);
  }));
}

int epoll_wait(int epfd, epoll_event* events, int max, int limit_ms) {
  return uapi::epoll_pwait(epfd, events, max, limit_ms, nullptr);
}

int epoll_pwait(int epfd, epoll_event* events, int max, int limit_ms, const sigset_t* mask) {
  const CallArgs args{.fd = epfd, .a0 = Shown(max), .a1 = Shown(limit_ms * kMillisecond)};
  return static_cast<int>(SystemCall(Sys::kEpollWait, args, [&](proc* p, int64_t* value) {
    return UnderMask(p, mask, [&] {
      return sys_epoll_wait(p, epfd, events, max, Milliseconds(limit_ms), value);
    });
  }));
}

int epoll_pwait2(int epfd, epoll_event* events, int max, const timespec* limit,
                 const sigset_t* mask) {
  const CallArgs args{
      .fd = epfd, .a0 = Shown(max), .a1 = Shown(limit != nullptr ? TimespecNs(*limit) : -1)};
  return static_cast<int>(SystemCall(Sys::kEpollWait, args, [&](proc* p, int64_t* value) {
    if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
    return UnderMask(p, mask,
                     [&] { return sys_epoll_wait(p, epfd, events, max, LimitOf(limit), value); });
  }));
}

}  // namespace sockbed::uapi
