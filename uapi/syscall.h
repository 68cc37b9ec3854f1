// The frame of a system call: in from the program, round again for a restart, out to the program.
//
// Lives here:  SystemCall, and what the calls share: user memory, addresses, vectors.
// Called by:   every file of this room that defines a system call; nobody else.
// Context:     a simulated process; asserted on every call.
// Invariants:  1. errno is set here and nowhere else.   2. kERESTART ends here.
//              3. No sockbuf stays locked by a process that returns to its program.
// Source:      OpenBSD sys/arch/*/trap.c (syscall), sys/sys/syscall_mi.h.
#ifndef SOCKBED_UAPI_SYSCALL_H_
#define SOCKBED_UAPI_SYSCALL_H_

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/mbuf/mbuf_ptr.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "uapi/filedesc.h"
#include "uapi/uapi_trace.h"

namespace sockbed::uapi {

// What the CALL record shows, as the table in uapi_trace.h says.
struct CallArgs {
  int64_t fd = -1;  // as wide as a record's object
  uint64_t a0 = 0, a1 = 0, a2 = 0;
};

// What goes into a trace for an int, a pointer's IPv4 address, a text's n-th 8 characters.
constexpr uint64_t Shown(int64_t value) { return static_cast<uint64_t>(value); }
uint64_t Shown(const sockaddr* sa, socklen_t len);
uint64_t Shown(const char* text, int part);

// Charges and traces the call; the process has a descriptor table afterwards.
proc* Enter(Sys sys, const CallArgs& args);
// Sets errno, traces, and returns what the program of `p`, curproc, sees: `value`, or -1.
int64_t Leave(const proc* p, Sys sys, int error, int64_t value);

// For calls that are never made again: a signal ends them, whatever its handler says.
constexpr int NoRestart(int error) { return error == kERESTART ? EINTR : error; }

// Runs `body(proc*, int64_t* value)`, which returns an errno, until it is not to be restarted.
// Signals are acted on in between; a fatal one does not return.
template <typename Body>
inline int64_t SystemCall(Sys sys, const CallArgs& args, Body&& body) {
  proc* const p = Enter(sys, args);
  int error;
  int64_t value;
  do {
    value = 0;
    error = body(p, &value);
    userret(p);
  } while (error == kERESTART);
  return Leave(p, sys, error, value);
}
// For calls of destructors, which no signal may unwind: it is acted on in the next call. Made once.
template <typename Body>
inline int64_t SystemCallStaying(Sys sys, const CallArgs& args, Body&& body) {
  proc* const p = Enter(sys, args);
  return Leave(p, sys, NoRestart(body(p)), 0);
}
// For calls that cannot fail.
template <typename Body>
inline int64_t SystemCallValue(Sys sys, const CallArgs& args, Body&& body) {
  return SystemCall(sys, args, [&](proc* p, int64_t* value) {
    *value = body(p);
    return 0;
  });
}

// A program's signal set holds the kernel's signals in its first word.
uint64_t ToMask(const sigset_t& set);
void FromMask(uint64_t mask, sigset_t* set);
inline constexpr uint64_t kCannotBlock = SigBit(SIGKILL) | SigBit(SIGSTOP);

// Installs a signal mask for the length of a call that waits; null: leaves it.
class MaskScope {
 public:
  MaskScope(proc* p, const sigset_t* mask) : p_(p), saved_(p->p_sigmask) {
    if (mask != nullptr) p->p_sigmask = ToMask(*mask) & ~kCannotBlock;
  }
  ~MaskScope() { p_->p_sigmask = saved_; }
  MaskScope(const MaskScope&) = delete;
  MaskScope& operator=(const MaskScope&) = delete;

 private:
  proc* const p_;
  const uint64_t saved_;
};

// Runs `wait`, which returns an errno, under `mask` (null: under the process's own).
template <typename Wait>
inline int UnderMask(proc* p, const sigset_t* mask, Wait&& wait) {
  const MaskScope scope(p, mask);
  const int error = wait();
  if (error == EINTR) userret();  // the signal that ended the wait is blocked again outside
  return error;
}

// An address or control buffer of the program as an mbuf. A zero length gives an empty one.
// [sleeps]
// Errors: EINVAL (longer than `max`), EFAULT.
[[nodiscard]] int sockargs(MbufPtr* mp, const void* data, socklen_t len, size_t max, int type);

// An empty mbuf for an address that the kernel fills in. [sleeps]
MbufPtr NameMbuf();

// Copies an address out, cut to *len, and stores the copied length there. `name` null: nothing.
// Errors: EFAULT.
[[nodiscard]] int CopyOutName(const mbuf* m, sockaddr* name, socklen_t* len);

// What a call moves between the program and a file.
class UserTransfer {
 public:
  UserTransfer(const UserTransfer&) = delete;
  UserTransfer& operator=(const UserTransfer&) = delete;

  // Fault points syscall.byte and syscall.short: the transfer may end early, unless `fp` carries
  // messages, which are whole.
  void MaybeShorten(const file* fp) {
    if (total_ >= 2 && Here().fault_plan != nullptr) [[unlikely]]
      AskForFaults(fp);
  }
  // The transfer has ended with `error`: stores how many bytes it moved and returns what the call
  // does. Cut short by a signal or a time limit after some bytes, it has succeeded with those.
  [[nodiscard]] int Finish(int error, int64_t* moved) const {
    *moved = static_cast<int64_t>(total_ - uio_.uio_resid);
    if (error == 0 || *moved == 0) return error;
    return error == EINTR || error == kERESTART || error == EWOULDBLOCK ? 0 : error;
  }

  uio* get() { return &uio_; }

 protected:
  UserTransfer() = default;
  UserTransfer(iovec* iov, int count, size_t bytes, enum uio_rw rw)
      : uio_{iov, count, bytes, rw}, total_(bytes) {}

  // Begins anew with `count` vectors of `bytes` in all.
  void Begin(iovec* iov, int count, size_t bytes, enum uio_rw rw) {
    uio_ = {iov, count, bytes, rw};
    total_ = bytes;
  }

 private:
  void AskForFaults(const file* fp);
  void KeepByte();  // the first one. REQUIRES: there is one

  uio uio_;
  size_t total_ = 0;
};

// ... in one buffer. A null one is the transfer's to find. REQUIRES: len <= SSIZE_MAX.
class UserBuffer : public UserTransfer {
 public:
  UserBuffer(const void* data, size_t len, enum uio_rw rw)
      : UserTransfer(&iov_, 1, len, rw),
        iov_{const_cast<void*>(data), len} {}  // a read alone writes there

 private:
  iovec iov_;
};

// ... in vectors of the program: a copy, since a transfer consumes them.
class UserVectors : public UserTransfer {
 public:
  // Errors: EFAULT (no vectors), EINVAL (the sum exceeds SSIZE_MAX). REQUIRES: count <= IOV_MAX.
  [[nodiscard]] int CopyIn(const iovec* iov, size_t count, enum uio_rw rw);

 private:
  std::array<iovec, 8> few_;
  std::vector<iovec> many_;
};

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_SYSCALL_H_
