// Calls on descriptors themselves: close, dup, fcntl, fstat, and their limit.
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>

#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// F_DUPFD and kin: a new number for the same open file, from `from` on.
int Duplicate(proc* p, int fd, long from, bool close_on_exec, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (from < 0 || from >= fd_limit(p)) return EINVAL;
  int newfd;
  if (const int error = fdalloc(p, static_cast<int>(from), fp, close_on_exec, &newfd)) return error;
  FREF(fp);
  *value = newfd;
  return 0;
}

int OpenFlags(const file* fp) {
  int flags = (fp->f_flag & (FREAD | FWRITE)) - 1;  // O_RDONLY, O_WRONLY, O_RDWR
  if ((fp->f_flag & FNONBLOCK) != 0) flags |= O_NONBLOCK;
  if ((fp->f_flag & FASYNC) != 0) flags |= O_ASYNC;
  return flags | (fp->f_flag & O_APPEND);
}

// Sets one flag of the file, and of what the file is.
int SetFileFlag(file* fp, int flag, unsigned long request, bool on) {
  int value = on ? 1 : 0;
  if (const int error = fp->f_ops->fo_ioctl(fp, request, &value)) return error;
  fp->f_flag = on ? fp->f_flag | flag : fp->f_flag & ~flag;
  return 0;
}

// O_APPEND may be given to what is no file, as in the original, and says nothing.
int SetOpenFlags(file* fp, long flags) {
  const bool was_nonblocking = (fp->f_flag & FNONBLOCK) != 0;
  if (const int error = SetFileFlag(fp, FNONBLOCK, FIONBIO, (flags & O_NONBLOCK) != 0)) {
    return error;
  }
  if (vn_of(fp) != nullptr) {
    fp->f_flag = (fp->f_flag & ~O_APPEND) | static_cast<int>(flags & O_APPEND);
  }
  const int error = SetFileFlag(fp, FASYNC, FIOASYNC, (flags & O_ASYNC) != 0);
  // The first step is undone; that it succeeded in the other direction says that it can be.
  if (error != 0) (void)SetFileFlag(fp, FNONBLOCK, FIONBIO, was_nonblocking);
  return error;
}

int sys_fcntl(proc* p, int fd, int cmd, long arg, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  auto close_on_exec = p->p_fd->fd_exclose[static_cast<size_t>(fd)];
  int owner = static_cast<int>(arg);
  switch (cmd) {
    case F_DUPFD:
      return Duplicate(p, fd, arg, false, value);
    case F_DUPFD_CLOEXEC:
      return Duplicate(p, fd, arg, true, value);
    case F_GETFD:
      *value = close_on_exec ? FD_CLOEXEC : 0;
      return 0;
    case F_SETFD:
      close_on_exec = (arg & FD_CLOEXEC) != 0;
      return 0;
    case F_GETFL:
      *value = OpenFlags(fp);
      return 0;
    case F_SETFL:
      return SetOpenFlags(fp, arg);
    case F_SETOWN:
      return fp->f_ops->fo_ioctl(fp, SIOCSPGRP, &owner);
    case F_GETOWN: {
      const int error = fp->f_ops->fo_ioctl(fp, SIOCGPGRP, &owner);
      *value = owner;
      return error;
    }
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
      return vn_of(fp) != nullptr ? ENOLCK : EBADF;  // of files, where there are none to give
    default:
      return EINVAL;
  }
}

// RLIMIT_NOFILE is simulated. Nothing else here has a limit that a process could meet.
int sys_getrlimit(const proc* p, int resource, rlimit* limit) {
  if (limit == nullptr) return EFAULT;
  if (resource < 0 || resource >= RLIM_NLIMITS) return EINVAL;
  *limit = {RLIM_INFINITY, RLIM_INFINITY};
  if (resource == RLIMIT_NOFILE) {
    const int64_t most = std::min(p->p_fd->fd_limit_max, CurrentHost().kern.maxfilesperproc);
    *limit = {static_cast<rlim_t>(fd_limit(p)), static_cast<rlim_t>(most)};
  }
  return 0;
}

int64_t Capped(rlim_t value) {
  return static_cast<int64_t>(std::min<rlim_t>(value, rlim_t{INT64_MAX}));
}

int sys_setrlimit(proc* p, int resource, const rlimit* limit) {
  rlimit now;
  if (const int error = sys_getrlimit(p, resource, &now)) return error;
  if (limit == nullptr) return EFAULT;
  if (limit->rlim_cur > limit->rlim_max) return EINVAL;
  if (resource != RLIMIT_NOFILE) {
    return limit->rlim_cur == RLIM_INFINITY ? 0 : EINVAL;  // nobody would keep to it
  }
  if (limit->rlim_max > now.rlim_max && !suser(p->p_ucred)) return EPERM;
  p->p_fd->fd_limit = Capped(limit->rlim_cur);
  p->p_fd->fd_limit_max = Capped(limit->rlim_max);
  return 0;
}

}  // namespace

int getrlimit(int resource, rlimit* limit) {
  return static_cast<int>(
      SystemCall(Sys::kGetrlimit, {.a0 = Shown(resource)}, [&](const proc* p, int64_t*) {
        return sys_getrlimit(p, resource, limit);
      }));
}

int setrlimit(int resource, const rlimit* limit) {
  CallArgs args{.a0 = Shown(resource)};
  if (limit != nullptr) {
    args.a1 = Shown(Capped(limit->rlim_cur));
    args.a2 = Shown(Capped(limit->rlim_max));
  }
  return static_cast<int>(SystemCall(Sys::kSetrlimit, args, [&](proc* p, int64_t*) {
    return sys_setrlimit(p, resource, limit);
  }));
}

int close(int fd) {
  return static_cast<int>(SystemCall(Sys::kClose, {.fd = fd}, [&](proc* p, int64_t*) {
    return NoRestart(fdrelease(p, fd));  // made again it would be another descriptor's close
  }));
}

int close_staying(int fd) noexcept {
  return static_cast<int>(
      SystemCallStaying(Sys::kClose, {.fd = fd}, [&](proc* p) { return fdrelease(p, fd); }));
}

int dup(int fd) {
  return static_cast<int>(SystemCall(Sys::kDup, {.fd = fd}, [&](proc* p, int64_t* value) {
    return Duplicate(p, fd, 0, false, value);
  }));
}

int dup2(int fd, int to) {
  const CallArgs args{.fd = fd, .a0 = Shown(to)};
  return static_cast<int>(SystemCall(Sys::kDup2, args, [&](proc* p, int64_t* value) {
    *value = to;
    return fddup2(p, fd, to, false);
  }));
}

int dup3(int fd, int to, int flags) {
  const CallArgs args{.fd = fd, .a0 = Shown(to), .a1 = Shown(flags)};
  return static_cast<int>(SystemCall(Sys::kDup3, args, [&](proc* p, int64_t* value) {
    if (fd == to || (flags & ~O_CLOEXEC) != 0) return EINVAL;
    *value = to;
    return fddup2(p, fd, to, (flags & O_CLOEXEC) != 0);
  }));
}

int fcntl(int fd, int cmd, long arg) {
  const CallArgs args{.fd = fd, .a0 = Shown(cmd), .a1 = Shown(arg)};
  return static_cast<int>(SystemCall(Sys::kFcntl, args, [&](proc* p, int64_t* value) {
    return sys_fcntl(p, fd, cmd, arg, value);
  }));
}

int fstat(int fd, struct stat* st) {
  return static_cast<int>(SystemCall(Sys::kFstat, {.fd = fd}, [&](proc* p, int64_t*) {
    file* fp;
    if (const int error = getfile(p, fd, &fp)) return error;
    if (st == nullptr) return EFAULT;
    *st = {};
    return fp->f_ops->fo_stat(fp, st);
  }));
}

}  // namespace sockbed::uapi
