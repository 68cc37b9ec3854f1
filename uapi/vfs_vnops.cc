// An open inode as an open file: reading and writing at a position.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/sched/event.h"
#include "uapi/filedesc.h"
#include "uapi/inode.h"

namespace sockbed::uapi {
namespace {

OpenInode& Open(file* fp) { return *static_cast<OpenInode*>(fp->f_data); }

int vn_read(file* fp, uio* uio) { return vn_rdwr(fp, uio, &Open(fp).offset); }

int vn_write(file* fp, uio* uio) {
  OpenInode& open = Open(fp);
  if ((fp->f_flag & O_APPEND) != 0) open.offset = static_cast<off_t>(open.ip->i_data.size());
  return vn_rdwr(fp, uio, &open.offset);
}

int vn_ioctl(file* fp, unsigned long com, void* data) {
  const OpenInode& open = Open(fp);
  switch (com) {
    case FIONBIO:
    case FIOASYNC: return 0;  // a file never makes anybody wait
    case FIONREAD: {
      const auto size = static_cast<off_t>(open.ip->i_data.size());
      *static_cast<int*>(data) =
          static_cast<int>(std::clamp<off_t>(size - open.offset, 0, INT_MAX));
      return 0;
    }
    default: return ENOTTY;
  }
}

int vn_poll(file*, int events, proc*) {
  return events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

int vn_statfile(file* fp, struct stat* st) {
  vn_stat(*Open(fp).ip, st);
  return 0;
}

int vn_closefile(file* fp) {
  delete &Open(fp);
  return 0;
}

// --- Devices. ---

int dev_read(file* fp, uio* uio) {
  const inode::Kind kind = Open(fp).ip->i_kind;
  if (kind == inode::Kind::kNull) return 0;
  std::array<char, 256> piece{};
  while (uio->uio_resid > 0) {
    const size_t n = std::min(uio->uio_resid, piece.size());
    if (kind == inode::Kind::kRandom) {
      HostLocal<UapiHost>::Get().getrandom.Fill({reinterpret_cast<std::byte*>(piece.data()), n});
    }
    if (const int error = uiomove(piece.data(), n, uio)) return error;
  }
  return 0;
}

int dev_write(file*, uio* uio) {
  uio->uio_resid = 0;
  return 0;
}

int dev_ioctl(file*, unsigned long com, void*) {
  return com == FIONBIO || com == FIOASYNC ? 0 : ENOTTY;
}

}  // namespace

const fileops inode_ops = {
    .fo_read = vn_read,
    .fo_write = vn_write,
    .fo_ioctl = vn_ioctl,
    .fo_poll = vn_poll,
    .fo_kqfilter = nullptr,  // as Linux: epoll refuses what is always ready
    .fo_stat = vn_statfile,
    .fo_close = vn_closefile,
};

const fileops device_ops = {
    .fo_read = dev_read,
    .fo_write = dev_write,
    .fo_ioctl = dev_ioctl,
    .fo_poll = vn_poll,
    .fo_kqfilter = seltrue_kqfilter,
    .fo_stat = vn_statfile,
    .fo_close = vn_closefile,
};

OpenInode* vn_of(const file* fp) {
  return fp->f_ops == &inode_ops ? static_cast<OpenInode*>(fp->f_data) : nullptr;
}

int vn_rdwr(file* fp, uio* uio, off_t* offset) {
  inode& ip = *Open(fp).ip;
  if (ip.i_kind == inode::Kind::kDirectory) return EISDIR;
  if (*offset < 0) return EINVAL;
  const auto at = static_cast<size_t>(*offset);
  if (uio->uio_rw == UIO_READ) {
    if (at >= ip.i_data.size()) return 0;
    const size_t n = std::min(uio->uio_resid, ip.i_data.size() - at);
    *offset += static_cast<off_t>(n);
    return uiomove(ip.i_data.data() + at, n, uio);
  }
  if (uio->uio_resid == 0) return 0;
  const size_t n = uio->uio_resid;
  if (n > static_cast<size_t>(INT64_MAX) - at) return EFBIG;
  Files& files = CurrentFiles();
  if (const int error = vn_resize(files, &ip, std::max(ip.i_data.size(), at + n))) return error;
  *offset += static_cast<off_t>(n);
  return uiomove(ip.i_data.data() + at, n, uio);
}

}  // namespace sockbed::uapi
