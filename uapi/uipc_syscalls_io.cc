// Data through sockets: the send and receive families.
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socketvar.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"
#include "uapi/wait_limit.h"

namespace sockbed::uapi {
namespace {

// Control messages: one after another, each aligned but the last; what does not fit is cut, the
// rest is dropped. Stores the length, and MSG_CTRUNC if something was lost.
void CopyOutControl(const mbuf* control, msghdr* msg, int* flags) {
  char* const out = static_cast<char*>(msg->msg_control);
  size_t used = 0;
  for (const mbuf* m = control; m != nullptr; m = m->m_next) {
    used = CMSG_ALIGN(used);
    const size_t room = msg->msg_controllen - std::min(used, msg->msg_controllen);
    const size_t n = std::min(room, static_cast<size_t>(m->m_len));
    if (n < static_cast<size_t>(m->m_len)) *flags |= MSG_CTRUNC;
    if (n == 0) break;
    std::memcpy(out + used, mtod<char>(m), n);
    used += n;
  }
  msg->msg_controllen = std::min(used, msg->msg_controllen);
}

// Room for control messages, or the reason why not. A sender's must hold a header at least.
int CheckControl(const msghdr* msg) {
  if (msg->msg_control == nullptr) return 0;
  return msg->msg_controllen < sizeof(cmsghdr) ? EINVAL : 0;
}

// A destination of no family is none: what a datagram BIO that knows no peer passes.
bool HasDestination(const msghdr* msg) {
  return msg->msg_name != nullptr &&
         (msg->msg_namelen < sizeof(sa_family_t) ||
          static_cast<const sockaddr*>(msg->msg_name)->sa_family != AF_UNSPEC);
}

int sendit(proc* p, int fd, const msghdr* msg, UserTransfer* bytes, int flags, int64_t* value) {
  file* fp;
  struct socket* so;
  if (const int error = getsock(p, fd, &fp, &so)) return error;
  MbufPtr to, control;
  if (HasDestination(msg)) {
    if (const int error = sockargs(&to, msg->msg_name, msg->msg_namelen, kSockAddrMax, MT_SONAME)) {
      return error;
    }
  }
  if (msg->msg_control != nullptr) {
    if (const int error = CheckControl(msg)) return error;
    if (const int error = sockargs(&control, msg->msg_control,
                                   static_cast<socklen_t>(std::min<size_t>(
                                       msg->msg_controllen, kOptionMax + 1)),
                                   kOptionMax, MT_CONTROL)) {
      return error;
    }
  }
  bytes->MaybeShorten(fp);
  const int error = bytes->Finish(
      sosend(so, to.get(), bytes->get(), nullptr, control.release() /*taken*/, flags), value);
  if (error == EPIPE && (flags & MSG_NOSIGNAL) == 0) psignal(p, SIGPIPE);
  return error;
}

int recvit(proc* p, int fd, msghdr* msg, UserTransfer* bytes, int flags, int64_t* value) {
  file* fp;
  struct socket* so;
  if (const int error = getsock(p, fd, &fp, &so)) return error;
  bytes->MaybeShorten(fp);
  mbuf *raw_from = nullptr, *raw_control = nullptr;
  const bool wants_control = msg->msg_control != nullptr;
  const int received = soreceive_limit(so, &raw_from, bytes->get(), nullptr,
                                       wants_control ? &raw_control : nullptr, &flags,
                                       static_cast<socklen_t>(msg->msg_controllen));
  const MbufPtr from(raw_from), control(raw_control);
  if (const int error = bytes->Finish(received, value)) return error;
  if (msg->msg_name != nullptr) {
    // No error: the name's length is a field of `msg`.
    (void)CopyOutName(from.get(), static_cast<sockaddr*>(msg->msg_name), &msg->msg_namelen);
  }
  if (wants_control) CopyOutControl(control.get(), msg, &flags);
  msg->msg_flags = flags;
  return 0;
}

// The header of sendmsg and recvmsg, and its vectors.
int CopyInMessage(const msghdr* msg, enum uio_rw rw, UserVectors* vectors) {
  if (msg == nullptr) return EFAULT;
  if (msg->msg_iovlen > IOV_MAX) return EMSGSIZE;
  return vectors->CopyIn(msg->msg_iov, msg->msg_iovlen, rw);
}

ssize_t SendBytes(Sys sys, int fd, const void* data, size_t len, int flags, const sockaddr* to,
                  socklen_t tolen) {
  const CallArgs args{.fd = fd, .a0 = len, .a1 = Shown(flags), .a2 = Shown(to, tolen)};
  return SystemCall(sys, args, [&](proc* p, int64_t* value) {
    if (len > SSIZE_MAX) return EINVAL;
    UserBuffer bytes(data, len, UIO_WRITE);
    msghdr msg{};
    msg.msg_name = const_cast<sockaddr*>(to);  // only read
    msg.msg_namelen = tolen;
    return sendit(p, fd, &msg, &bytes, flags, value);
  });
}

ssize_t ReceiveBytes(Sys sys, int fd, void* data, size_t len, int flags, sockaddr* from,
                     socklen_t* fromlen) {
  const CallArgs args{.fd = fd, .a0 = len, .a1 = Shown(flags)};
  return SystemCall(sys, args, [&](proc* p, int64_t* value) {
    if (from != nullptr && fromlen == nullptr) return EFAULT;
    if (len > SSIZE_MAX) return EINVAL;
    UserBuffer bytes(data, len, UIO_READ);
    msghdr msg{};
    msg.msg_name = from;
    msg.msg_namelen = fromlen != nullptr ? *fromlen : 0;
    const int error = recvit(p, fd, &msg, &bytes, flags, value);
    if (error == 0 && fromlen != nullptr) *fromlen = from != nullptr ? msg.msg_namelen : 0;
    return error;
  });
}

int SendOne(proc* p, int fd, const msghdr* msg, int flags, int64_t* value) {
  UserVectors vectors;
  if (const int error = CopyInMessage(msg, UIO_WRITE, &vectors)) return error;
  return sendit(p, fd, msg, &vectors, flags, value);
}
int ReceiveOne(proc* p, int fd, msghdr* msg, int flags, int64_t* value) {
  UserVectors vectors;
  if (const int error = CopyInMessage(msg, UIO_READ, &vectors)) return error;
  return recvit(p, fd, msg, &vectors, flags, value);
}

// Moves messages until one fails; stores how many were moved. `move` moves one and stores its
// bytes; `done` says whether to stop after it. Errors: the first one's.
template <typename Move, typename Done>
int MoveMany(mmsghdr* messages, unsigned count, int64_t* moved, Move&& move, Done&& done) {
  if (messages == nullptr && count > 0) return EFAULT;
  count = std::min<unsigned>(count, IOV_MAX);
  for (*moved = 0; *moved < count; ++*moved) {
    mmsghdr& message = messages[*moved];
    int64_t bytes = 0;
    if (const int error = move(&message.msg_hdr, &bytes)) return *moved > 0 ? 0 : error;
    message.msg_len = static_cast<unsigned>(bytes);
    if (done()) {
      ++*moved;
      break;
    }
  }
  return 0;
}

}  // namespace

ssize_t send(int fd, const void* data, size_t len, int flags) {
  return SendBytes(Sys::kSend, fd, data, len, flags, nullptr, 0);
}

ssize_t sendto(int fd, const void* data, size_t len, int flags, const sockaddr* to,
               socklen_t tolen) {
  return SendBytes(Sys::kSendto, fd, data, len, flags, to, tolen);
}

ssize_t sendmsg(int fd, const msghdr* msg, int flags) {
  const CallArgs args{
      .fd = fd, .a0 = msg != nullptr ? msg->msg_iovlen : 0, .a1 = Shown(flags)};
  return SystemCall(Sys::kSendmsg, args, [&](proc* p, int64_t* value) {
    return SendOne(p, fd, msg, flags, value);
  });
}

int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  const CallArgs args{.fd = fd, .a0 = count, .a1 = Shown(flags)};
  return static_cast<int>(SystemCall(Sys::kSendmmsg, args, [&](proc* p, int64_t* value) {
    return MoveMany(
        messages, count, value,
        [&](msghdr* msg, int64_t* bytes) { return SendOne(p, fd, msg, flags, bytes); },
        [] { return false; });
  }));
}

ssize_t recv(int fd, void* data, size_t len, int flags) {
  return ReceiveBytes(Sys::kRecv, fd, data, len, flags, nullptr, nullptr);
}

ssize_t recvfrom(int fd, void* data, size_t len, int flags, sockaddr* from, socklen_t* fromlen) {
  return ReceiveBytes(Sys::kRecvfrom, fd, data, len, flags, from, fromlen);
}

ssize_t recvmsg(int fd, msghdr* msg, int flags) {
  const CallArgs args{
      .fd = fd, .a0 = msg != nullptr ? msg->msg_iovlen : 0, .a1 = Shown(flags)};
  return SystemCall(Sys::kRecvmsg, args, [&](proc* p, int64_t* value) {
    return ReceiveOne(p, fd, msg, flags, value);
  });
}

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  const SimTime limit_ns = limit != nullptr ? TimespecNs(*limit) : -1;
  const CallArgs args{.fd = fd, .a0 = count, .a1 = Shown(flags), .a2 = Shown(limit_ns)};
  return static_cast<int>(SystemCall(Sys::kRecvmmsg, args, [&](proc* p, int64_t* value) {
    if (limit != nullptr && !IsCanonical(*limit)) return EINVAL;
    const SimTime until = Now() + limit_ns;
    int how = flags & ~MSG_WAITFORONE;
    return MoveMany(
        messages, count, value,
        [&](msghdr* msg, int64_t* bytes) { return ReceiveOne(p, fd, msg, how, bytes); },
        [&] {
          if ((flags & MSG_WAITFORONE) != 0) how |= MSG_DONTWAIT;
          return limit != nullptr && Now() >= until;
        });
  }));
}

}  // namespace sockbed::uapi
