#include "tests/model/socket_driver.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "kernel/sched/synch.h"
#include "kernel/socket/fdops.h"
#include "kernel/socket/socket_host.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr SimTime kSettle = 20 * kMillisecond;
constexpr int kPatience = 3000;  // rounds of waiting before bytes count as lost
constexpr socklen_t kRightsLen = CMSG_SPACE(sizeof(int));
constexpr size_t kRightsSlack = 64;  // a descriptor in flight may take more than its number

// The result of a call as one number: what it returned, or -errno.
template <typename Result>
ssize_t Outcome(Result result) {
  return result < 0 ? -errno : static_cast<ssize_t>(result);
}

int GetInt(int fd, int option) {
  int value = 0;
  socklen_t len = sizeof value;
  EXPECT_EQ(uapi::getsockopt(fd, SOL_SOCKET, option, &value, &len), 0);
  return value;
}

sockaddr* AsSockaddr(sockaddr_storage& name) { return reinterpret_cast<sockaddr*>(&name); }

sockaddr_in LoopbackPort(uint16_t port) {
  sockaddr_in sin = {};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sin;
}

template <typename Name>
ssize_t Bind(int fd, const Name& name) {
  return Outcome(uapi::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name));
}
template <typename Name>
ssize_t Connect(int fd, const Name& name) {
  return Outcome(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name));
}

}  // namespace

std::string_view KindName(Kind kind) {
  constexpr std::string_view kNames[] = {"UnixStream", "UnixSeqpacket", "UnixDgram", "Tcp", "Udp"};
  return kNames[static_cast<size_t>(kind)];
}

// --- Opening. ---

SocketDriver::SocketDriver(Kind kind, uint64_t seed)
    : kind_(kind),
      random_(seed, Site::kProgram, 0, static_cast<uint64_t>(kind)),
      ends_{End(!is_stream()), End(!is_stream())} {
  switch (kind_) {
    case Kind::kTcp: OpenTcp(); break;
    case Kind::kUdp: OpenUdp(); break;
    default: OpenUnix();
  }
  token_ = uapi::socket(AF_UNIX, SOCK_DGRAM, 0);
  Adopt();
}

SocketDriver::~SocketDriver() { EXPECT_EQ(uapi::close(token_), 0); }

void SocketDriver::OpenUnix() {
  const int type = kind_ == Kind::kUnixStream      ? SOCK_STREAM
                   : kind_ == Kind::kUnixSeqpacket ? SOCK_SEQPACKET
                                                   : SOCK_DGRAM;
  int fds[2];
  EXPECT_EQ(uapi::socketpair(AF_UNIX, type, 0, fds), 0);
  for (int i = 0; i < 2; ++i) ends_[i].fd = fds[i];
  if (!Chance(2)) return;
  const sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/first"};
  EXPECT_EQ(Bind(ends_[0].fd, name), 0);
}

void SocketDriver::OpenTcp() {
  const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in name = LoopbackPort(7);
  EXPECT_EQ(Bind(listener, name), 0);
  EXPECT_EQ(uapi::listen(listener, 1), 0);
  ends_[0].fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(Connect(ends_[0].fd, name), 0);
  ends_[1].fd = uapi::accept(listener, nullptr, nullptr);
  EXPECT_EQ(uapi::close(listener), 0);
  for (End& end : ends_) {
    const int inline_urgent = Chance(2) ? 1 : 0;
    EXPECT_EQ(uapi::setsockopt(end.fd, SOL_SOCKET, SO_OOBINLINE, &inline_urgent, sizeof(int)), 0);
  }
}

void SocketDriver::OpenUdp() {
  for (int i = 0; i < 2; ++i) {
    ends_[i].fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_EQ(Bind(ends_[i].fd, LoopbackPort(static_cast<uint16_t>(1001 + i))), 0);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Connect(ends_[i].fd, LoopbackPort(static_cast<uint16_t>(1002 - i))), 0);
  }
}

// Finds the sockets behind the descriptors, and their names.
void SocketDriver::Adopt() {
  const fdops* ops = HostLocal<SocketHost>::Get().fd_ops;
  for (End& end : ends_) {
    file* fp = ops->fd_getfile(curproc(), end.fd);
    ASSERT_NE(fp, nullptr);
    end.so = static_cast<socket*>(fp->f_data);
    end.namelen = sizeof end.name;
    EXPECT_EQ(uapi::getsockname(end.fd, AsSockaddr(end.name), &end.namelen), 0);
  }
}

// --- One step. ---

void SocketDriver::Step() {
  using Call = void (SocketDriver::*)(End & a, End & b);
  // How often a call stands here is how often it is made.
  static constexpr Call kCalls[] = {
      &SocketDriver::Send,        &SocketDriver::Send,           &SocketDriver::Send,
      &SocketDriver::Send,        &SocketDriver::SendRights,     &SocketDriver::SendUrgent,
      &SocketDriver::Receive,     &SocketDriver::Receive,        &SocketDriver::Receive,
      &SocketDriver::Receive,     &SocketDriver::Peek,           &SocketDriver::ReceiveAll,
      &SocketDriver::ReceiveAll,  &SocketDriver::ReceiveWaiting, &SocketDriver::FetchUrgent,
      &SocketDriver::LookForMark, &SocketDriver::SetBuffer,      &SocketDriver::SetLowWater,
      &SocketDriver::Poll,        &SocketDriver::Count,          &SocketDriver::Shut,
      &SocketDriver::SendBlocked, &SocketDriver::ReceiveBlocked, &SocketDriver::LosePeer};
  const size_t which = Below(2);
  (this->*kCalls[Below(std::size(kCalls))])(ends_[which], ends_[1 - which]);
  if (kind_ != Kind::kUdp) Walk();  // a datagram takes until then to arrive
  Settle(kSettle);
  Walk();
}

// Lets the host work: what is on its way may arrive.
void SocketDriver::Settle(SimTime most) {
  const auto ns = static_cast<uint64_t>(kMillisecond) + Below(static_cast<uint64_t>(most));
  EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "settle", ns), EWOULDBLOCK);
}

size_t SocketDriver::Size() {
  constexpr size_t kNear[] = {1, MHLEN, MLEN, MINCLSIZE, MCLBYTES / 4, MCLBYTES, 2 * MCLBYTES};
  if (Chance(2)) return kNear[Below(std::size(kNear))] + Below(3) - 1;
  return Below(Chance(4) ? 12'000 : 600);
}

std::string SocketDriver::Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = next_++;
  return bytes;
}

// Every buffer of the host is sound, and the pair's hold what the reference holds.
void SocketDriver::Walk() const {
  for (const socket* so = HostLocal<SocketHost>::Get().sockets_first; so != nullptr;
       so = so->so_list_next) {
    sbcheck(&so->so_rcv);
    const bool mirrored = so->so_proto->pr_domain->dom_family == AF_UNIX;
    if (!mirrored) sbcheck(&so->so_snd);
    EXPECT_TRUE(!mirrored || so->so_snd.sb_mb == nullptr);
  }
  for (int i = 0; i < 2; ++i) {
    const End &a = ends_[i], &b = ends_[1 - i];
    const uint64_t arrived = a.so->so_rcv.sb_datacc, sent = a.in.bytes();
    if (kind_ != Kind::kTcp) {
      ASSERT_EQ(arrived, sent);
      if (!is_dgram() && !a.deaf) {
        ASSERT_EQ(b.so->so_snd.sb_cc, a.so->so_rcv.sb_cc);
      }
    } else if (!a.deaf) {
      ASSERT_LE(arrived, sent);
      ASSERT_LE(sent, arrived + b.so->so_snd.sb_cc) << "bytes acknowledged and not delivered";
    }
    ASSERT_EQ(a.so->so_error, 0);
  }
}

// --- Sending. ---

SocketDriver::Verdict SocketDriver::Foretell(const End& a, const End& b, size_t len,
                                             bool rights) const {
  if (a.wr_shut) return {EPIPE};
  const sockbuf *snd = &a.so->so_snd, *rcv = &b.so->so_rcv;
  const auto want = static_cast<int64_t>(len);
  const int64_t clen = rights ? kRightsLen : 0;
  const auto hiwat = static_cast<int64_t>(snd->sb_hiwat);
  if ((!is_stream() && want > hiwat) || clen > hiwat) return {EMSGSIZE};
  const int64_t space = sbspace(snd), lowat = std::max<int64_t>(snd->sb_lowat, 1);
  if (space < want + clen && (!is_stream() || space < lowat || space < clen)) return {EWOULDBLOCK};
  const int64_t room = sbspace(rcv);
  if (kind_ == Kind::kUnixDgram) {
    const int64_t need = a.namelen + want;
    if (need > room) return {ENOBUFS};
    return {0, rights && need + static_cast<int64_t>(kRightsSlack) > room};
  }
  if (!rights) return {};
  const int64_t piece = is_stream() ? std::min(want, space - clen) : want;
  if (piece > room) return {ENOBUFS};
  return {0, piece + static_cast<int64_t>(kRightsSlack) > room};
}

// Puts what was sent where it will be read. A datagram that finds no room at the other end of the
// network is lost, and so are bytes for who has stopped reading.
void SocketDriver::Transmit(End& a, End& b, Message message) {
  const auto need = static_cast<int64_t>(a.namelen + message.bytes.size());
  if (kind_ == Kind::kUdp && need > sbspace(&b.so->so_rcv)) return;
  if (kind_ == Kind::kTcp && b.deaf) return;
  b.in.Put(std::move(message));
}

// A stream took n of len bytes; `room` was free before. It may stop only where it would have to
// wait.
void SocketDriver::CheckStreamSend(const End& a, const Verdict& verdict, ssize_t n, size_t len,
                                   int64_t room) {
  if (verdict.error != 0) return;
  const sockbuf* snd = &a.so->so_snd;
  const auto left = static_cast<int64_t>(len) - n;
  ASSERT_GE(n, std::min(room, static_cast<int64_t>(len)));
  ASSERT_GE(left, 0);
  if (left == 0) return;
  EXPECT_LT(sbspace(snd), left);
  EXPECT_LT(sbspace(snd), std::max<int64_t>(snd->sb_lowat, 1));
}

void SocketDriver::Send(End& a, End& b) {
  Message message{.bytes = Bytes(Size())};
  message.eor = !is_stream() && is_unix() && Chance(3);
  const size_t len = message.bytes.size();
  const Verdict verdict = Foretell(a, b, len, false);
  const int64_t room = sbspace(&a.so->so_snd);
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (message.eor ? MSG_EOR : 0);
  const ssize_t n = Outcome(uapi::send(a.fd, message.bytes.data(), len, flags));
  if (verdict.error != 0) {
    ASSERT_EQ(n, -verdict.error);
    return;
  }
  if (is_stream()) {
    ASSERT_GE(n, 0);
    CheckStreamSend(a, verdict, n, len, room);
  } else {
    ASSERT_EQ(n, static_cast<ssize_t>(len));
  }
  message.bytes.resize(static_cast<size_t>(n));
  Transmit(a, b, std::move(message));
}

void SocketDriver::SendRights(End& a, End& b) {
  if (!is_unix()) return;
  Message message{.bytes = Bytes(1 + Size()), .rights = true};
  const size_t len = message.bytes.size();
  alignas(cmsghdr) char control[kRightsLen] = {};
  iovec iov = {message.bytes.data(), len};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  cmsghdr* cmsg = CMSG_FIRSTHDR(&msg);
  *cmsg = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  std::memcpy(CMSG_DATA(cmsg), &token_, sizeof token_);

  const Verdict verdict = Foretell(a, b, len, true);
  const int64_t room = sbspace(&a.so->so_snd) - kRightsLen;
  const ssize_t n = Outcome(uapi::sendmsg(a.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (verdict.error != 0) {
    ASSERT_EQ(n, -verdict.error);
    return;
  }
  if (verdict.maybe_enobufs && n == -ENOBUFS) return;
  ASSERT_GT(n, 0);
  if (is_stream()) CheckStreamSend(a, verdict, n, len, room);
  message.bytes.resize(static_cast<size_t>(n));
  Transmit(a, b, std::move(message));
}

// Bytes of which the last is urgent, when all that came before has arrived and there is room for
// these, so that the mark is where the reference has it.
void SocketDriver::SendUrgent(End& a, End& b) {
  const sockbuf* rcv = &b.so->so_rcv;
  if (kind_ != Kind::kTcp || a.wr_shut || b.deaf || b.marked) return;
  if (a.so->so_snd.sb_cc != 0 || sbspace(rcv) < MCLBYTES) return;
  std::string bytes = Bytes(1 + Below(10));
  const auto len = static_cast<ssize_t>(bytes.size());
  if (sbspace(&a.so->so_snd) < len) return;
  ASSERT_EQ(Outcome(uapi::send(a.fd, bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL)), len);
  b.marked = true;
  b.taken = false;
  b.urgent = bytes.back();
  b.ahead = b.in.bytes() + bytes.size() - 1;
  if ((b.so->so_options & kSoOobInline) == 0) bytes.pop_back();
  b.in.Put({.bytes = std::move(bytes)});
  for (int i = 0; a.so->so_snd.sb_cc != 0 && i < kPatience; ++i) Settle(kSettle);
  ASSERT_EQ(a.so->so_snd.sb_cc, 0u) << "urgent data did not arrive";
}

// --- Receiving. ---

// Whether nothing more can come to `a` than what is queued there.
bool SocketDriver::AtEnd(const End& a, const End& b) const {
  const bool end = (a.so->so_state & SS_CANTRCVMORE) != 0;
  const bool ended = a.deaf || (b.wr_shut && !is_dgram());
  if (kind_ == Kind::kTcp) {
    EXPECT_TRUE(ended || !end);  // the end takes its time to arrive
  } else {
    EXPECT_EQ(end, ended);
  }
  return end;
}

// A record of nothing is swallowed by a read that wants something, unless its end was marked.
void SocketDriver::SkipEmpty(End& a, const End& b) {
  if (kind_ != Kind::kUnixSeqpacket || AtEnd(a, b)) return;
  while (!a.in.empty() && a.in.front().bytes.empty() && !a.in.front().eor) {
    (void)a.in.Take(1, false, false);
  }
}

// How many bytes of the first message a read can see now.
size_t SocketDriver::Readable(const End& a) const {
  if (a.in.empty()) return 0;
  size_t bytes = a.in.front().bytes.size();
  if (kind_ == Kind::kTcp) bytes = std::min(bytes, static_cast<size_t>(a.so->so_rcv.sb_cc));
  if (a.marked && a.ahead > 0) bytes = std::min(bytes, a.ahead);
  return bytes;
}

// A read takes n bytes: how far away is the mark?
void SocketDriver::PassMark(End& a, size_t n) {
  if (!a.marked || n == 0) return;
  if (a.ahead == 0) {
    a.marked = false;
  } else {
    a.ahead -= n;
  }
}

// Reads, and holds all of the result against the reference.
void SocketDriver::ReadAndCompare(End& a, End& b, size_t size, int flags, bool wants_rights) {
  const bool peek = (flags & MSG_PEEK) != 0;
  if (!peek && size > 0) SkipEmpty(a, b);
  const bool at_end = AtEnd(a, b);
  const bool nothing = a.in.empty() || (is_stream() && Readable(a) == 0);
  Taken expected;
  if (!nothing) {
    const size_t seen = is_stream() ? std::min(size, Readable(a)) : size;
    expected = a.in.Take(seen, peek, wants_rights);
    if (!peek) PassMark(a, expected.bytes.size());
  }
  std::string space(size, '\0');
  alignas(cmsghdr) char control[kRightsLen] = {};
  sockaddr_storage from = {};
  iovec iov = {space.data(), size};
  msghdr msg = {};
  msg.msg_name = &from;
  msg.msg_namelen = sizeof from;
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = wants_rights ? control : nullptr;
  msg.msg_controllen = wants_rights ? sizeof control : 0;
  const ssize_t n = Outcome(uapi::recvmsg(a.fd, &msg, flags));
  if (nothing) {
    const bool returns = at_end || (size == 0 && !wants_rights);
    ASSERT_EQ(n, returns ? 0 : -EWOULDBLOCK);
    return;
  }
  ASSERT_EQ(n, static_cast<ssize_t>(expected.bytes.size()));
  ASSERT_TRUE(space.substr(0, static_cast<size_t>(n)) == expected.bytes) << "other bytes";
  ASSERT_EQ((msg.msg_flags & MSG_TRUNC) != 0, expected.truncated);
  ASSERT_EQ((msg.msg_flags & MSG_EOR) != 0, expected.eor);
  const cmsghdr* cmsg = wants_rights ? CMSG_FIRSTHDR(&msg) : nullptr;
  ASSERT_EQ(cmsg != nullptr, expected.rights);
  if (cmsg != nullptr) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
    EXPECT_EQ(uapi::close(fd), 0);
  }
  if (!is_dgram()) return;
  ASSERT_EQ(msg.msg_namelen, b.namelen);
  ASSERT_EQ(std::memcmp(&from, &b.name, b.namelen), 0);
}

void SocketDriver::Receive(End& a, End& b) {
  const size_t size = is_stream() ? 1 + Size() : Size();
  ReadAndCompare(a, b, size, MSG_DONTWAIT, Chance(2));
}

void SocketDriver::Peek(End& a, End& b) {
  ReadAndCompare(a, b, 1 + Size(), MSG_DONTWAIT | MSG_PEEK, Chance(2));
}

// MSG_WAITALL, where it is certain that the wait ends.
void SocketDriver::ReceiveAll(End& a, End& b) {
  if (!is_stream() || a.in.empty() || a.deaf) return;
  const size_t size = 1 + Size();
  const sockbuf* rcv = &a.so->so_rcv;
  bool certain = Readable(a) >= size || AtEnd(a, b) || a.in.messages() > 1;
  if (!certain && kind_ == Kind::kTcp && !a.marked) {
    // More than the buffer holds: read in parts, and each part makes room for the next.
    certain = size > rcv->sb_hiwat && a.in.bytes() >= size &&
              static_cast<int64_t>(rcv->sb_cc) >= std::max<int64_t>(rcv->sb_lowat, 1);
    if (certain) {
      const std::string expected = a.in.Take(size, false, false).bytes;
      std::string space(size, '\0');
      ASSERT_EQ(Outcome(uapi::recv(a.fd, space.data(), size, MSG_WAITALL)),
                static_cast<ssize_t>(size));
      ASSERT_TRUE(space == expected) << "other bytes";
      return;
    }
  }
  if (certain) ReadAndCompare(a, b, size, MSG_WAITALL, Chance(2));
}

// A read that may wait, where the low-water mark says that it need not.
void SocketDriver::ReceiveWaiting(End& a, End& b) {
  const size_t size = 1 + Size();
  SkipEmpty(a, b);
  const sockbuf* rcv = &a.so->so_rcv;
  const auto least = std::min(static_cast<int64_t>(size), std::max<int64_t>(rcv->sb_lowat, 1));
  const bool ready = !is_stream()
                         ? !a.in.empty()
                         : static_cast<int64_t>(rcv->sb_cc) >= least || a.in.messages() > 1;
  if (!ready && !AtEnd(a, b)) {
    // The records that SkipEmpty forgot are still there: a read without waiting takes them.
    ReadAndCompare(a, b, size, MSG_DONTWAIT, true);
    return;
  }
  ReadAndCompare(a, b, size, 0, true);
}

// --- Urgent data. ---

void SocketDriver::FetchUrgent(End& a, End&) {
  if (kind_ != Kind::kTcp || a.deaf) return;
  const bool peek = Chance(2);
  const bool there = a.marked && !a.taken && (a.so->so_options & kSoOobInline) == 0;
  char byte = 0;
  const ssize_t n = Outcome(uapi::recv(a.fd, &byte, 1, MSG_OOB | (peek ? MSG_PEEK : 0)));
  ASSERT_EQ(n, there ? 1 : -EINVAL);
  if (!there) return;
  EXPECT_EQ(byte, a.urgent);
  if (!peek) a.taken = true;
}

void SocketDriver::LookForMark(End& a, End&) {
  if (kind_ != Kind::kTcp || a.deaf) return;
  int at_mark = -1;
  ASSERT_EQ(uapi::ioctl(a.fd, SIOCATMARK, &at_mark), 0);
  ASSERT_EQ(at_mark, a.marked && a.ahead == 0 ? 1 : 0);
}

// --- Options and questions. ---

void SocketDriver::SetBuffer(End& a, End& b) {
  constexpr int kSizes[] = {1, 100, 1000, 2048, 4096, 8192, 20'000};
  const int option = Chance(2) ? SO_SNDBUF : SO_RCVBUF;
  const int size = kSizes[Below(std::size(kSizes))];
  const bool closed = option == SO_SNDBUF ? a.wr_shut : AtEnd(a, b);
  ASSERT_EQ(Outcome(uapi::setsockopt(a.fd, SOL_SOCKET, option, &size, sizeof size)),
            closed ? -EINVAL : 0);
  if (closed) return;
  EXPECT_EQ(GetInt(a.fd, option), size);
}

void SocketDriver::SetLowWater(End& a, End&) {
  const bool snd = Chance(2);
  const int asked = static_cast<int>(Size()) - 1;
  const int option = snd ? SO_SNDLOWAT : SO_RCVLOWAT;
  const uint64_t hiwat = snd ? a.so->so_snd.sb_hiwat : a.so->so_rcv.sb_hiwat;
  ASSERT_EQ(uapi::setsockopt(a.fd, SOL_SOCKET, option, &asked, sizeof asked), 0);
  EXPECT_EQ(GetInt(a.fd, option), std::min(std::max(asked, 1), static_cast<int>(hiwat)));
}

void SocketDriver::Poll(End& a, End& b) {
  const sockbuf *rcv = &a.so->so_rcv, *snd = &a.so->so_snd;
  const bool in = AtEnd(a, b) || static_cast<int64_t>(rcv->sb_cc) >= rcv->sb_lowat;
  const bool out = a.wr_shut || sbspace(snd) >= snd->sb_lowat;
  pollfd fd = {a.fd, POLLIN | POLLOUT, 0};
  if (!a.deaf) fd.events |= POLLPRI;
  ASSERT_GE(uapi::poll(&fd, 1, 0), 0);
  EXPECT_EQ((fd.revents & POLLIN) != 0, in);
  EXPECT_EQ((fd.revents & POLLOUT) != 0, out);
  EXPECT_EQ((fd.revents & POLLPRI) != 0, a.marked && !a.deaf);
}

void SocketDriver::Count(End& a, End&) {
  int count = -1;
  ASSERT_EQ(uapi::ioctl(a.fd, FIONREAD, &count), 0);
  if (kind_ != Kind::kTcp) {
    EXPECT_EQ(static_cast<size_t>(count), a.in.bytes());
  } else {
    EXPECT_LE(static_cast<size_t>(count), a.in.bytes());
  }
  EXPECT_EQ(GetInt(a.fd, SO_ERROR), 0);
}

// --- Shutting down. ---

void SocketDriver::ShutNow(End& a, int how) {
  // A connection that has ended on both sides is forgotten by its protocol.
  const bool gone = how != SHUT_RD && a.so->so_pcb == nullptr;
  ASSERT_EQ(Outcome(uapi::shutdown(a.fd, how)), gone ? -EINVAL : 0);
  if (how != SHUT_RD) a.wr_shut = true;
  if (how == SHUT_WR) return;
  a.in.Clear();
  a.deaf = true;
  a.marked = false;
}

// Either direction or both, also when it is shut already.
void SocketDriver::Shut(End& a, End&) {
  constexpr int kWays[] = {SHUT_WR, SHUT_WR, SHUT_WR, SHUT_RD, SHUT_RD, SHUT_RDWR};
  EXPECT_EQ(Outcome(uapi::shutdown(a.fd, 3)), -EINVAL);
  if (Chance(12)) ShutNow(a, kWays[Below(std::size(kWays))]);
}

// --- Losing a peer. ---

// Gives a socket a name of its own.
void SocketDriver::BindAfresh(const End& end, int index) {
  if (kind_ == Kind::kUdp) {
    ASSERT_EQ(Bind(end.fd, LoopbackPort(static_cast<uint16_t>(1001 + index))), 0);
    return;
  }
  sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = "/" + std::to_string(++names_);
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(Bind(end.fd, name), 0);
}

// A datagram socket whose peer has gone hears of it once, behind what the peer had sent: at once
// where the kernel knows, else when it sends the next time. Then there is another peer.
void SocketDriver::LosePeer(End& a, End& b) {
  if (!is_dgram() || a.wr_shut || a.deaf || !Chance(10)) return;
  EXPECT_EQ(uapi::close(b.fd), 0);
  for (int i = 0; i < kPatience && !a.in.empty() && !testing::Test::HasFatalFailure(); ++i) {
    ReadAndCompare(a, b, Size(), MSG_DONTWAIT, true);
  }
  const bool tells = kind_ == Kind::kUnixDgram;
  if (!tells) {
    ASSERT_EQ(Outcome(uapi::send(a.fd, "x", 1, 0)), 1);
  }
  Settle(kSettle);
  ExpectErrorOnce(a.fd, tells ? ECONNRESET : ECONNREFUSED);
  if (tells) {
    ASSERT_EQ(Outcome(uapi::send(a.fd, "x", 1, 0)), -EDESTADDRREQ);
  }
  const int index = static_cast<int>(&b - ends_);
  b = End(/*keeps_messages=*/true);
  b.fd = uapi::socket(tells ? AF_UNIX : AF_INET, SOCK_DGRAM, 0);
  BindAfresh(b, index);
  if (tells && a.namelen == sizeof(sockaddr)) BindAfresh(a, 1 - index);  // it had none
  Adopt();
  ASSERT_EQ(Outcome(uapi::connect(b.fd, AsSockaddr(a.name), a.namelen)), 0);
  ASSERT_EQ(Outcome(uapi::connect(a.fd, AsSockaddr(b.name), b.namelen)), 0);
}

// One of the ways to hear of an error hears of it; then it is forgotten.
void SocketDriver::ExpectErrorOnce(int fd, int error) {
  char byte;
  switch (Below(3)) {
    case 0: ASSERT_EQ(Outcome(uapi::send(fd, "x", 1, 0)), -error); break;
    case 1: ASSERT_EQ(Outcome(uapi::recv(fd, &byte, 1, MSG_DONTWAIT)), -error); break;
    default: ASSERT_EQ(GetInt(fd, SO_ERROR), error);
  }
  ASSERT_EQ(Outcome(uapi::recv(fd, &byte, 1, MSG_DONTWAIT)), -EWOULDBLOCK);
  ASSERT_EQ(GetInt(fd, SO_ERROR), 0);
}

// --- The end. ---

// Reads all that is on its way to `a`.
void SocketDriver::Drain(End& a, End& b) {
  constexpr size_t kLarge = 20'000;
  for (int i = 0; i < kPatience && !a.in.empty() && !testing::Test::HasFatalFailure(); ++i) {
    ReadAndCompare(a, b, kLarge, MSG_DONTWAIT, true);
    Walk();
    if (kind_ == Kind::kTcp) Settle(kSecond);
  }
  ASSERT_TRUE(a.in.empty()) << "bytes were lost";
}

void SocketDriver::Finish() {
  const int size = 16'384;
  for (const End& end : ends_) {
    for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
      (void)uapi::setsockopt(end.fd, SOL_SOCKET, option, &size, sizeof size);  // unless it is shut
    }
  }
  End &a = ends_[0], &b = ends_[1];
  Drain(a, b);
  Drain(b, a);
  if (testing::Test::HasFatalFailure()) return;
  for (End& end : ends_) end.marked = false;
  a.wr_shut = true;
  EXPECT_EQ(uapi::close(a.fd), 0);
  Settle(kSettle);
  if (!is_dgram()) {
    char byte;
    EXPECT_EQ(Outcome(uapi::recv(b.fd, &byte, 1, 0)), 0) << "no end";
    if (is_unix()) {
      EXPECT_EQ(Outcome(uapi::send(b.fd, "x", 1, MSG_NOSIGNAL)), -EPIPE);
    }
  }
  EXPECT_EQ(uapi::close(b.fd), 0);
}

}  // namespace sockbed
