// Calls on any open file: read, write, ioctl. Waiting for several files is in sys_poll.cc.
#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

int Transfer(proc* p, int fd, int need, UserVectors* vectors, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if ((fp->f_flag & need) == 0) return EBADF;
  vectors->MaybeShorten(fp);
  const auto move = need == FREAD ? fp->f_ops->fo_read : fp->f_ops->fo_write;
  const int error = vectors->Finish(move(fp, vectors->get()), value);
  if (error == EPIPE && need == FWRITE) psignal(p, SIGPIPE);
  return error;
}

ssize_t OneBuffer(Sys sys, int fd, const void* data, size_t len, int need) {
  return SystemCall(sys, {.fd = fd, .a0 = len}, [&](proc* p, int64_t* value) {
    UserVectors vectors;
    if (const int error = vectors.CopyIn(data, len, need == FREAD ? UIO_READ : UIO_WRITE)) {
      return error;
    }
    return Transfer(p, fd, need, &vectors, value);
  });
}

ssize_t ManyBuffers(Sys sys, int fd, const iovec* iov, int count, int need) {
  return SystemCall(sys, {.fd = fd, .a0 = Shown(count)}, [&](proc* p, int64_t* value) {
    if (count <= 0 || count > IOV_MAX) return EINVAL;
    UserVectors vectors;
    if (const int error = vectors.CopyIn(iov, static_cast<size_t>(count),
                                         need == FREAD ? UIO_READ : UIO_WRITE)) {
      return error;
    }
    return Transfer(p, fd, need, &vectors, value);
  });
}

// Nothing that a program can open here has a position.
int64_t NotSeekable(Sys sys, int fd, uint64_t a0, uint64_t a1) {
  return SystemCall(sys, {.fd = fd, .a0 = a0, .a1 = a1}, [&](proc* p, int64_t*) {
    file* fp;
    const int error = getfile(p, fd, &fp);
    return error != 0 ? error : ESPIPE;
  });
}

int sys_ioctl(proc* p, int fd, unsigned long request, void* arg) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  bool& close_on_exec = p->p_fd->fd_ofiles[static_cast<size_t>(fd)].close_on_exec;
  switch (request) {
    case FIOCLEX:
      close_on_exec = true;
      return 0;
    case FIONCLEX:
      close_on_exec = false;
      return 0;
    default:
      break;
  }
  if (arg == nullptr) return EFAULT;
  if (request != FIONBIO && request != FIOASYNC) return fp->f_ops->fo_ioctl(fp, request, arg);
  // Kept twice: in the file, for fcntl and accept, and in what the file is.
  const int flag = request == FIONBIO ? FNONBLOCK : FASYNC;
  int on = *static_cast<int*>(arg);
  if (const int error = fp->f_ops->fo_ioctl(fp, request, &on)) return error;
  fp->f_flag = on != 0 ? fp->f_flag | flag : fp->f_flag & ~flag;
  return 0;
}

}  // namespace

ssize_t read(int fd, void* data, size_t len) {
  return OneBuffer(Sys::kRead, fd, data, len, FREAD);
}

ssize_t write(int fd, const void* data, size_t len) {
  return OneBuffer(Sys::kWrite, fd, data, len, FWRITE);
}

ssize_t readv(int fd, const iovec* iov, int count) {
  return ManyBuffers(Sys::kReadv, fd, iov, count, FREAD);
}

ssize_t writev(int fd, const iovec* iov, int count) {
  return ManyBuffers(Sys::kWritev, fd, iov, count, FWRITE);
}

ssize_t pread(int fd, void*, size_t len, off_t offset) {
  return NotSeekable(Sys::kPread, fd, len, Shown(offset));
}

ssize_t pwrite(int fd, const void*, size_t len, off_t offset) {
  return NotSeekable(Sys::kPwrite, fd, len, Shown(offset));
}

ssize_t preadv(int fd, const iovec*, int count, off_t offset) {
  return NotSeekable(Sys::kPread, fd, Shown(count), Shown(offset));
}

ssize_t pwritev(int fd, const iovec*, int count, off_t offset) {
  return NotSeekable(Sys::kPwrite, fd, Shown(count), Shown(offset));
}

off_t lseek(int fd, off_t offset, int) {
  return NotSeekable(Sys::kLseek, fd, Shown(offset), 0);
}

int ioctl(int fd, unsigned long request, void* arg) {
  const bool sets_int = request == FIONBIO || request == FIOASYNC || request == SIOCSPGRP ||
                        request == FIOSETOWN;
  const int shown = sets_int && arg != nullptr ? *static_cast<int*>(arg) : 0;
  return static_cast<int>(SystemCall(
      Sys::kIoctl, {.fd = fd, .a0 = request, .a1 = Shown(shown)},
      [&](proc* p, int64_t*) { return sys_ioctl(p, fd, request, arg); }));
}

}  // namespace sockbed::uapi
