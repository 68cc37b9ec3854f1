// poll(2) and select(2): wait until one of several files is ready.
//
// Both scan all descriptors in order, sleep only if nothing was ready, and scan all again. A scan
// that has found something records nothing more: there will be no sleep.
#include <errno.h>
#include <poll.h>
#include <sys/select.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernel/sched/selinfo.h"
#include "kernel/sched/timeout.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

// Scans, sleeps and scans again. `scan(recorder)` returns how many were ready, -errno on error; it
// records the process given, null: nobody. [sleeps] `wmesg`. Errors: EINTR, and the scan's.
template <typename Scan>
int WaitReady(proc* p, const char* wmesg, const WaitLimit& limit, Scan&& scan, int64_t* ready) {
  limit.ChargeLook();
  for (;;) {
    const int found = scan(limit.only_looks() ? nullptr : p);
    *ready = std::max(found, 0);
    if (found != 0 || limit.only_looks()) {
      selclear(p);
      return found < 0 ? -found : 0;
    }
    int timo;
    if (!limit.TicksLeft(&timo)) {
      selclear(p);
      return 0;
    }
    if (const int error = selwait(p, wmesg, timo)) {
      return error == EWOULDBLOCK ? 0 : NoRestart(error);
    }
  }
}

int PollScan(proc* p, pollfd* fds, nfds_t count, proc* recorder) {
  int found = 0;
  for (nfds_t i = 0; i < count; ++i) {
    pollfd& entry = fds[i];
    entry.revents = 0;
    if (entry.fd < 0) continue;
    file* const fp = fd_getfile(p, entry.fd);
    entry.revents = fp == nullptr ? short{POLLNVAL}
                                  : static_cast<short>(fp->f_ops->fo_poll(
                                        fp, entry.events, found == 0 ? recorder : nullptr));
    if (entry.revents != 0) ++found;
  }
  return found;
}

int sys_poll(proc* p, pollfd* fds, nfds_t count, const WaitLimit& limit, int64_t* ready) {
  if (count > static_cast<nfds_t>(fd_limit(p))) return EINVAL;
  if (fds == nullptr && count > 0) return EFAULT;
  return WaitReady(
      p, "poll", limit, [&](proc* recorder) { return PollScan(p, fds, count, recorder); }, ready);
}

// The three sets of a select: which descriptors are asked about, and the answers.
class SelectSets {
 public:
  SelectSets(int count, fd_set* in, fd_set* out, fd_set* except) : count_(count) {
    sets_[0] = {in, POLLIN, {}};
    sets_[1] = {out, POLLOUT, {}};
    sets_[2] = {except, POLLPRI, {}};
  }

  // How many are ready, or -EBADF.
  int Scan(proc* p, proc* recorder) {
    int found = 0;
    for (Set& set : sets_) {
      FD_ZERO(&set.ready);
      for (int fd = 0; set.asked != nullptr && fd < count_; ++fd) {
        if (!FD_ISSET(fd, set.asked)) continue;
        file* const fp = fd_getfile(p, fd);
        if (fp == nullptr) return -EBADF;
        if (!Holds(fp, set.event,
                   fp->f_ops->fo_poll(fp, set.event, found == 0 ? recorder : nullptr))) {
          continue;
        }
        FD_SET(fd, &set.ready);
        ++found;
      }
    }
    return found;
  }

  // Only a call that succeeds changes the program's sets.
  void CopyOut() {
    const size_t bytes = static_cast<size_t>(count_ + 7) / 8;
    for (Set& set : sets_) {
      if (set.asked != nullptr) std::memcpy(set.asked, &set.ready, bytes);
    }
  }

 private:
  struct Set {
    fd_set* asked;
    short event;
    fd_set ready;
  };
  // Hanging up, which comes unasked, is an answer to those who can read or write, never urgent.
  static bool Holds(const file* fp, short event, int ready) {
    if ((ready & event) != 0) return true;
    if ((ready & POLLHUP) == 0 || event == POLLPRI) return false;
    return (fp->f_flag & (event == POLLIN ? FREAD : FWRITE)) != 0;
  }

  const int count_;
  Set sets_[3];
};

int sys_select(proc* p, int count, fd_set* in, fd_set* out, fd_set* except, const WaitLimit& limit,
               int64_t* ready) {
  if (count < 0) return EINVAL;
  SelectSets sets(std::min({count, fd_limit(p), FD_SETSIZE}), in, out, except);
  const int error = WaitReady(
      p, "select", limit, [&](proc* recorder) { return sets.Scan(p, recorder); }, ready);
  if (error == 0) sets.CopyOut();
  return error;
}

}  // namespace

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  const CallArgs args{.a0 = count, .a1 = Shown(timeout_ms)};
  return static_cast<int>(SystemCall(Sys::kPoll, args, [&](proc* p, int64_t* value) {
    if (timeout_ms < -1) return EINVAL;
    const WaitLimit limit =
        timeout_ms == -1 ? WaitLimit::Never() : WaitLimit::After(timeout_ms * kMillisecond);
    return sys_poll(p, fds, count, limit, value);
  }));
}

int ppoll(pollfd* fds, nfds_t count, const timespec* limit, const sigset_t* mask) {
  const CallArgs args{.a0 = count, .a1 = Shown(limit != nullptr ? TimespecNs(*limit) : -1)};
  return static_cast<int>(SystemCall(Sys::kPpoll, args, [&](proc* p, int64_t* value) {
    if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
    return UnderMask(p, mask, [&] { return sys_poll(p, fds, count, LimitOf(limit), value); });
  }));
}

int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* limit) {
  const SimTime limit_ns = limit != nullptr ? TimevalNs(*limit) : -1;
  const CallArgs args{.a0 = Shown(count), .a1 = Shown(limit_ns)};
  return static_cast<int>(SystemCall(Sys::kSelect, args, [&](proc* p, int64_t* value) {
    if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
    return sys_select(p, count, in, out, except,
                      limit != nullptr ? WaitLimit::After(limit_ns) : WaitLimit::Never(), value);
  }));
}

int pselect(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* limit,
            const sigset_t* mask) {
  const CallArgs args{.a0 = Shown(count), .a1 = Shown(limit != nullptr ? TimespecNs(*limit) : -1)};
  return static_cast<int>(SystemCall(Sys::kPselect, args, [&](proc* p, int64_t* value) {
    if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
    return UnderMask(p, mask,
                     [&] { return sys_select(p, count, in, out, except, LimitOf(limit), value); });
  }));
}

}  // namespace sockbed::uapi
