// Calls on any open file: read, write, ioctl. Waiting for several files is in sys_poll.cc.
#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr enum uio_rw Way(int need) { return need == FREAD ? UIO_READ : UIO_WRITE; }

// `need` is FREAD or FWRITE. Part of the call's own frame: a read of a byte is not much longer.
template <int need>
[[gnu::always_inline]] inline int Transfer(proc* p, int fd, UserTransfer* bytes, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if ((fp->f_flag & need) == 0) return EBADF;
  bytes->MaybeShorten(fp);
  const auto move = need == FREAD ? fp->f_ops->fo_read : fp->f_ops->fo_write;
  const int error = bytes->Finish(move(fp, bytes->get()), value);
  if (error == EPIPE && need == FWRITE) psignal(p, SIGPIPE);
  return error;
}

template <int need>
ssize_t OneBuffer(Sys sys, int fd, const void* data, size_t len) {
  return SystemCall(sys, {.fd = fd, .a0 = len}, [&](proc* p, int64_t* value) {
    if (len > SSIZE_MAX) return EINVAL;
    UserBuffer bytes(data, len, Way(need));
    return Transfer<need>(p, fd, &bytes, value);
  });
}

template <int need>
ssize_t ManyBuffers(Sys sys, int fd, const iovec* iov, int count) {
  return SystemCall(sys, {.fd = fd, .a0 = Shown(count)}, [&](proc* p, int64_t* value) {
    if (count <= 0 || count > IOV_MAX) return EINVAL;
    UserVectors vectors;
    if (const int error = vectors.CopyIn(iov, static_cast<size_t>(count), Way(need))) return error;
    return Transfer<need>(p, fd, &vectors, value);
  });
}

// At a position of its own. Errors: ESPIPE (only files have any), EINVAL (negative), EBADF.
int TransferAt(proc* p, int fd, int need, off_t offset, UserTransfer* bytes, int64_t* value) {
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (vn_of(fp) == nullptr) return ESPIPE;
  if ((fp->f_flag & need) == 0) return EBADF;
  if (offset < 0) return EINVAL;
  bytes->MaybeShorten(fp);
  return bytes->Finish(vn_rdwr(fp, bytes->get(), &offset), value);
}

ssize_t OneBufferAt(Sys sys, int fd, const void* data, size_t len, off_t offset, int need) {
  return SystemCall(sys, {.fd = fd, .a0 = len, .a1 = Shown(offset)}, [&](proc* p, int64_t* value) {
    if (len > SSIZE_MAX) return EINVAL;
    UserBuffer bytes(data, len, Way(need));
    return TransferAt(p, fd, need, offset, &bytes, value);
  });
}

ssize_t ManyBuffersAt(Sys sys, int fd, const iovec* iov, int count, off_t offset, int need) {
  const CallArgs args{.fd = fd, .a0 = Shown(count), .a1 = Shown(offset)};
  return SystemCall(sys, args, [&](proc* p, int64_t* value) {
    if (count <= 0 || count > IOV_MAX) return EINVAL;
    UserVectors vectors;
    if (const int error = vectors.CopyIn(iov, static_cast<size_t>(count), Way(need))) return error;
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
  auto close_on_exec = p->p_fd->fd_exclose[static_cast<size_t>(fd)];
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
  return OneBuffer<FREAD>(Sys::kRead, fd, data, len);
}

ssize_t write(int fd, const void* data, size_t len) {
  return OneBuffer<FWRITE>(Sys::kWrite, fd, data, len);
}

ssize_t readv(int fd, const iovec* iov, int count) {
  return ManyBuffers<FREAD>(Sys::kReadv, fd, iov, count);
}

ssize_t writev(int fd, const iovec* iov, int count) {
  return ManyBuffers<FWRITE>(Sys::kWritev, fd, iov, count);
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
