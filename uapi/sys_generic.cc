// Calls on any open file: read, write, ioctl. Waiting for several files is in sys_poll.cc.
#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

// At a position of its own. Errors: ESPIPE (only files have any), EINVAL (negative), EBADF.
int TransferAt(proc* p, int fd, int need, off_t offset, UserVectors* vectors, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (vn_of(fp) == nullptr) return ESPIPE;
  if ((fp->f_flag & need) == 0) return EBADF;
  if (offset < 0) return EINVAL;
  vectors->MaybeShorten(fp);
  return vectors->Finish(vn_rdwr(fp, vectors->get(), &offset), value);
}

ssize_t OneBufferAt(Sys sys, int fd, const void* data, size_t len, off_t offset, int need) {
  return SystemCall(sys, {.fd = fd, .a0 = len, .a1 = Shown(offset)}, [&](proc* p, int64_t* value) {
    UserVectors vectors;
    if (const int error = vectors.CopyIn(data, len, need == FREAD ? UIO_READ : UIO_WRITE)) {
      return error;
    }
    return TransferAt(p, fd, need, offset, &vectors, value);
  });
}

ssize_t ManyBuffersAt(Sys sys, int fd, const iovec* iov, int count, off_t offset, int need) {
  const CallArgs args{.fd = fd, .a0 = Shown(count), .a1 = Shown(offset)};
  return SystemCall(sys, args, [&](proc* p, int64_t* value) {
    if (count <= 0 || count > IOV_MAX) return EINVAL;
    UserVectors vectors;
    if (const int error = vectors.CopyIn(iov, static_cast<size_t>(count),
                                         need == FREAD ? UIO_READ : UIO_WRITE)) {
      return error;
    }
    return TransferAt(p, fd, need, offset, &vectors, value);
  });
}

int sys_lseek(proc* p, int fd, off_t offset, int whence, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  OpenInode* const open = vn_of(fp);
  if (open == nullptr) return ESPIPE;
  off_t from;
  switch (whence) {
    case SEEK_SET: from = 0; break;
    case SEEK_CUR: from = open->offset; break;
    case SEEK_END: from = static_cast<off_t>(open->ip->i_data.size()); break;
    default: return EINVAL;
  }
  if (__builtin_add_overflow(from, offset, &offset)) return EOVERFLOW;
  if (offset < 0) return EINVAL;
  *value = open->offset = offset;
  return 0;
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

ssize_t pread(int fd, void* data, size_t len, off_t offset) {
  return OneBufferAt(Sys::kPread, fd, data, len, offset, FREAD);
}

ssize_t pwrite(int fd, const void* data, size_t len, off_t offset) {
  return OneBufferAt(Sys::kPwrite, fd, data, len, offset, FWRITE);
}

ssize_t preadv(int fd, const iovec* iov, int count, off_t offset) {
  return ManyBuffersAt(Sys::kPread, fd, iov, count, offset, FREAD);
}

ssize_t pwritev(int fd, const iovec* iov, int count, off_t offset) {
  return ManyBuffersAt(Sys::kPwrite, fd, iov, count, offset, FWRITE);
}

off_t lseek(int fd, off_t offset, int whence) {
  return SystemCall(Sys::kLseek, {.fd = fd, .a0 = Shown(offset)}, [&](proc* p, int64_t* value) {
    return sys_lseek(p, fd, offset, whence, value);
  });
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
