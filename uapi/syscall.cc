#include "uapi/syscall.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "kernel/host/host.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/itimer.h"
#include "kernel/sim/fault.h"

namespace sockbed::uapi {

uint64_t Shown(const sockaddr* sa, socklen_t len) {
  sockaddr_in sin;
  if (sa == nullptr || len < sizeof sin) return 0;
  if (sa->sa_family == AF_INET6) {
    // An argument has no room for the address: its port stands for it, and the kernel's own records
    // show both.
    std::memcpy(&sin, sa, sizeof sin);
    return PackEndpoint(0, ntohs(sin.sin_port));
  }
  if (sa->sa_family != AF_INET) return 0;
  std::memcpy(&sin, sa, sizeof sin);
  return PackEndpoint(ntohl(sin.sin_addr.s_addr), ntohs(sin.sin_port));
}

uint64_t Shown(const char* text, int part) {
  if (text == nullptr) return 0;
  const size_t skip = static_cast<size_t>(part) * 8;
  const size_t len = strnlen(text, skip + 8);
  return len > skip ? PackText({text + skip, len - skip}) : 0;
}

proc* Enter(Sys sys, const CallArgs& args) {
  if (!InSimulation() || curproc() == nullptr) {
    KPANIC("a system call outside a simulated process: only programs have descriptors");
  }
  proc* const p = curproc();
  if (__builtin_expect(p->p_fd == nullptr, 0)) fdinit(p);
  const SimTime cost = CurrentHost().kern.syscall_ns;
  proc_charge(p, cost);
  Emit(Room::kUapi, static_cast<uint8_t>(sys), Shown(args.fd), args.a0, args.a1, args.a2);
  return p;
}

namespace {

void EmitLeave(Sys sys, UapiRecord type, int64_t shown) {
  Emit(Room::kUapi, static_cast<uint8_t>(type), static_cast<uint64_t>(sys), Shown(shown));
}

[[gnu::noinline]] int64_t LeaveWithError(Sys sys, int error) {
  KASSERT(error > 0);
  EmitLeave(sys, UapiRecord::kError, error);
  errno = error;
  return -1;
}

int64_t Answer(Sys sys, int error, int64_t value) {
  if (error != 0) return LeaveWithError(sys, error);
  EmitLeave(sys, UapiRecord::kReturn, value);
  errno = 0;
  return value;
}

[[gnu::noinline]] int64_t AnswerUnholding(const proc* p, Sys sys, int error, int64_t value) {
  fd_unhold(p);
  return Answer(sys, error, value);
}

}  // namespace

int64_t Leave(const proc* p, Sys sys, int error, int64_t value) {
  return p->p_fd->fd_held.empty() ? Answer(sys, error, value)
                                  : AnswerUnholding(p, sys, error, value);
}

uint64_t ToMask(const sigset_t& set) {
  uint64_t mask;
  std::memcpy(&mask, &set, sizeof mask);
  return mask;
}

void FromMask(uint64_t mask, sigset_t* set) {
  sigemptyset(set);
  std::memcpy(set, &mask, sizeof mask);
}

int sockargs(MbufPtr* mp, const void* data, socklen_t len, size_t max, int type) {
  if (len > max) return EINVAL;
  if (data == nullptr && len > 0) return EFAULT;
  MbufPtr m = m_get(M_WAIT, type);
  if (len > MLEN) MCLGET(m.get(), M_WAIT);
  std::copy_n(static_cast<const char*>(data), len, mtod<char>(m.get()));
  m->m_len = static_cast<int32_t>(len);
  *mp = std::move(m);
  return 0;
}

MbufPtr NameMbuf() { return m_get(M_WAIT, MT_SONAME); }

int CopyOutName(const mbuf* m, sockaddr* name, socklen_t* len) {
  if (name == nullptr) return 0;
  if (len == nullptr) return EFAULT;
  const socklen_t actual = m != nullptr ? static_cast<socklen_t>(m->m_len) : 0;
  *len = std::min(*len, actual);
  if (*len > 0) std::memcpy(name, mtod<char>(m), *len);
  return 0;
}

int UserVectors::CopyIn(const iovec* iov, size_t count, enum uio_rw rw) {
  KASSERT(count <= IOV_MAX);
  if (iov == nullptr && count > 0) return EFAULT;
  iovec* copy = few_.data();
  if (count > few_.size()) {
    many_.resize(count);
    copy = many_.data();
  }
  std::copy_n(iov, count, copy);
  size_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    if (copy[i].iov_len > SSIZE_MAX - sum) return EINVAL;
    sum += copy[i].iov_len;
  }
  Begin(copy, static_cast<int>(count), sum, rw);
  return 0;
}

void UserTransfer::KeepByte() {
  int i = 0;
  while (uio_.uio_iov[i].iov_len == 0) ++i;
  uio_.uio_iov[i].iov_len = 1;
  uio_.uio_iovcnt = i + 1;
  uio_.uio_resid = total_ = 1;
}

void UserTransfer::AskForFaults(const file* fp) {
  if (fp->f_type == FileType::kEventfd || fp->f_type == FileType::kTimerfd) return;
  if (fp->f_type == FileType::kSocket) {
    const auto* so = static_cast<const struct socket*>(fp->f_data);
    if ((so->so_proto->pr_flags & PR_ATOMIC) != 0) return;
  }
  if (fault::Fires(Site::kSyscallByte, Here().pid)) return KeepByte();
  if (!fault::Fires(Site::kSyscallShort, Here().pid)) return;
  // The first vector that holds more than a byte, and half of it.
  int i = 0;
  while (i < uio_.uio_iovcnt - 1 && uio_.uio_iov[i].iov_len < 2) ++i;
  uio_.uio_iov[i].iov_len = (uio_.uio_iov[i].iov_len + 1) / 2;
  uio_.uio_iovcnt = i + 1;
  uio_.uio_resid = 0;
  for (int k = 0; k <= i; ++k) uio_.uio_resid += uio_.uio_iov[k].iov_len;
  total_ = uio_.uio_resid;
}

}  // namespace sockbed::uapi
