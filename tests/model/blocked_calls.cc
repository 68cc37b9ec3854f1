// The calls of the driver that wait: a process of its own makes the call and sleeps, and the driver
// does what ends the wait, one way or another.
//
//   driver                        caller
//     | spawns it ----------------> | send(), no room          recv(), nothing there
//     | it sleeps: as foretold?     | tsleep &so_snd.sb_cc     tsleep &so_rcv.sb_cc
//     | reads | sends | shuts down  |
//     | | signals | lets time pass  |
//     | the result: as foretold? <--+
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "kernel/sched/synch.h"
#include "tests/model/socket_driver.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr SimTime kSettle = 20 * kMillisecond;
constexpr int kRoundsMax = 3000;
constexpr int kSendsMax = 60;
constexpr suseconds_t kLimitUs = 500'000;

// How a wait is ended.
enum class Ending : uint8_t { kProgress, kShutdown, kSignal, kLimit };

}  // namespace

// A system call that another process makes.
class SocketDriver::BlockedCall {
 public:
  explicit BlockedCall(std::function<ssize_t()> call) : state_(std::make_shared<State>()) {
    pid_ = uapi::spawn("caller", [call = std::move(call), state = state_] {
      struct sigaction act = {};
      act.sa_handler = [](int) {};
      EXPECT_EQ(uapi::sigaction(SIGUSR1, &act, nullptr), 0);
      const ssize_t n = call();
      state->result = n < 0 ? -errno : n;
      state->done = true;
      return 0;
    });
    EXPECT_GT(pid_, 0);
  }
  ~BlockedCall() {
    if (!done()) {
      EXPECT_EQ(uapi::kill(pid_, SIGKILL), 0);  // the test has failed
    }
    EXPECT_EQ(uapi::waitpid(pid_, nullptr, 0), pid_);
  }
  BlockedCall(const BlockedCall&) = delete;
  BlockedCall& operator=(const BlockedCall&) = delete;

  bool done() const { return state_->done; }
  ssize_t result() const { return state_->result; }
  void Signal() { EXPECT_EQ(uapi::kill(pid_, SIGUSR1), 0); }

 private:
  struct State {
    bool done = false;
    ssize_t result = 0;
  };
  std::shared_ptr<State> state_;
  pid_t pid_;
};

namespace {

// A time limit on one direction of a socket for as long as this lives.
class TimeLimit {
 public:
  TimeLimit(int fd, int option, bool wanted) : fd_(fd), option_(option) {
    if (wanted) Set(kLimitUs);
  }
  ~TimeLimit() { Set(0); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  void Set(suseconds_t usec) {
    const timeval limit = {.tv_sec = 0, .tv_usec = usec};
    EXPECT_EQ(uapi::setsockopt(fd_, SOL_SOCKET, option_, &limit, sizeof limit), 0);
  }
  const int fd_, option_;
};

}  // namespace

// Through a window of a few bytes TCP would take days of virtual time to send what is queued.
bool SocketDriver::TooSlow(const End& from, const End& to) const {
  constexpr uint64_t kFew = 2048;
  return kind_ == Kind::kTcp && (from.so->so_snd.sb_hiwat < kFew || to.so->so_rcv.sb_hiwat < kFew);
}

// Waits until the call is over. REQUIRES: what ends it has happened.
void SocketDriver::AwaitEnd(const BlockedCall& call) {
  for (int i = 0; i < kRoundsMax && !call.done(); ++i) Settle(a_while());
  ASSERT_TRUE(call.done()) << "nothing wakes it";
}

// --- Sending. ---

void SocketDriver::SendBlocked(End& a, End& b) {
  if (is_dgram() || a.wr_shut || b.deaf || b.marked || TooSlow(a, b) || !Chance(4)) return;
  is_stream() ? SendStreamBlocked(a, b) : SendRecordBlocked(a, b);
}

// More than there is room for. The bytes arrive in order, as many as the result says.
void SocketDriver::SendStreamBlocked(End& a, End& b) {
  Drain(b, a);
  if (testing::Test::HasFatalFailure()) return;
  const sockbuf* snd = &a.so->so_snd;
  for (int i = 0; i < kRoundsMax && snd->sb_cc != 0; ++i) Settle(a_while());
  const uint64_t more = Below(std::min<uint64_t>(8000, 8 * snd->sb_hiwat));
  const std::string bytes = Bytes(snd->sb_hiwat + 1 + more);
  const auto ending = static_cast<Ending>(Below(4));
  const TimeLimit limit(a.fd, SO_SNDTIMEO, ending == Ending::kLimit);
  BlockedCall call(
      [fd = a.fd, bytes] { return uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  Settle(kSettle);
  // TCP may have moved it all to the other side already.
  ASSERT_TRUE(!is_unix() || !call.done());
  ASSERT_TRUE(call.done() || is_slept_on(&snd->sb_cc));
  if (ending == Ending::kShutdown && !call.done()) {
    ShutNow(a, SHUT_WR);
  }
  if (ending == Ending::kSignal && !call.done()) call.Signal();
  if (ending != Ending::kProgress) AwaitEnd(call);
  const std::string got = ReadWhileBlocked(a, b, call, bytes.size());
  AwaitEnd(call);
  if (testing::Test::HasFatalFailure()) return;
  ASSERT_TRUE(got == bytes.substr(0, got.size())) << "other bytes";
  if (a.wr_shut) {
    ASSERT_EQ(call.result(), -EPIPE);
  } else if (ending == Ending::kProgress || got.size() == bytes.size()) {
    ASSERT_EQ(call.result(), static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(got.size(), bytes.size());
  } else if (got.empty()) {
    ASSERT_EQ(call.result(), ending == Ending::kSignal ? -EINTR : -EWOULDBLOCK);
  } else {
    ASSERT_EQ(call.result(), static_cast<ssize_t>(got.size())) << "some bytes are a success";
  }
}

// Reads at `b` until the call has ended and all that it sent has been read. A local writer sleeps
// on as long as there is too little room for it, and no longer.
std::string SocketDriver::ReadWhileBlocked(const End& a, const End& b, const BlockedCall& call,
                                           size_t len) {
  const sockbuf *snd = &a.so->so_snd, *rcv = &b.so->so_rcv;
  std::string got;
  for (int i = 0; i < kRoundsMax; ++i) {
    std::string space(1 + Size(), '\0');
    const ssize_t n = uapi::recv(b.fd, space.data(), space.size(), MSG_DONTWAIT);
    got += space.substr(0, static_cast<size_t>(std::max<ssize_t>(n, 0)));
    Settle(a_while());
    sbcheck(rcv);
    if (is_unix() && !call.done()) {
      const auto left = static_cast<int64_t>(len - got.size() - rcv->sb_cc);
      EXPECT_GT(left, 0) << "it sleeps though all is sent";
      EXPECT_LT(sbspace(snd), left);
      EXPECT_LT(sbspace(snd), std::max<int64_t>(snd->sb_lowat, 1));
    }
    if (call.done() && rcv->sb_cc == 0 && (is_unix() || snd->sb_cc == 0)) break;
  }
  return got;
}

// A record that fits the buffer, but not what is left of it: it goes as a whole or not at all.
void SocketDriver::SendRecordBlocked(End& a, End& b) {
  const sockbuf* snd = &a.so->so_snd;
  if (b.in.empty() && snd->sb_cc == 0) {
    const std::string filler = Bytes(snd->sb_hiwat);
    ASSERT_EQ(uapi::send(a.fd, filler.data(), filler.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
              static_cast<ssize_t>(filler.size()));
    b.in.Put({.bytes = filler});
  }
  const int64_t space = std::max<int64_t>(sbspace(snd), 0);
  const auto hiwat = static_cast<int64_t>(snd->sb_hiwat);
  if (space >= hiwat) return;
  Message message{
      .bytes = Bytes(static_cast<size_t>(space) + 1 + Below(static_cast<uint64_t>(hiwat - space)))};
  const auto len = static_cast<int64_t>(message.bytes.size());
  const auto ending = static_cast<Ending>(Below(4));
  const TimeLimit limit(a.fd, SO_SNDTIMEO, ending == Ending::kLimit);
  BlockedCall call([fd = a.fd, bytes = message.bytes] {
    return uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  });
  Settle(kSettle);
  ASSERT_FALSE(call.done());
  ASSERT_TRUE(is_slept_on(&snd->sb_cc));
  if (ending == Ending::kShutdown) {
    ShutNow(a, SHUT_WR);
  }
  if (ending == Ending::kSignal) call.Signal();
  while (ending == Ending::kProgress && !call.done() && !testing::Test::HasFatalFailure()) {
    ASSERT_LT(sbspace(snd), len);
    ReadAndCompare(b, a, Size(), MSG_DONTWAIT, true);
    Settle(kSettle);
  }
  AwaitEnd(call);
  if (testing::Test::HasFatalFailure()) return;
  const ssize_t results[] = {len, -EPIPE, -EINTR, -EWOULDBLOCK};
  ASSERT_EQ(call.result(), results[static_cast<size_t>(ending)]);
  if (ending == Ending::kProgress) b.in.Put(std::move(message));
}

// --- Receiving. ---

// A read that finds nothing, until something comes: data, the end, a signal, the limit.
void SocketDriver::ReceiveBlocked(End& a, End& b) {
  if (a.deaf || a.marked || (b.wr_shut && !is_dgram())) return;
  if (TooSlow(b, a) || !Chance(4)) return;
  Drain(a, b);
  if (testing::Test::HasFatalFailure()) return;
  const sockbuf* rcv = &a.so->so_rcv;
  const size_t size = 1 + Size();
  const bool waitall = is_stream() && size <= rcv->sb_hiwat / 4 && Chance(3);
  auto ending = static_cast<Ending>(Below(4));
  if (is_dgram() && ending == Ending::kShutdown && Chance(2)) ending = Ending::kProgress;
  const TimeLimit limit(a.fd, SO_RCVTIMEO, ending == Ending::kLimit);
  const auto space = std::make_shared<std::string>(size, '\0');
  BlockedCall call([fd = a.fd, space, flags = waitall ? MSG_WAITALL : 0] {
    return uapi::recv(fd, space->data(), space->size(), flags);
  });
  Settle(kSettle);
  ASSERT_FALSE(call.done());
  ASSERT_TRUE(is_slept_on(&rcv->sb_cc));
  const auto least = static_cast<int64_t>(
      waitall ? size : std::min(size, static_cast<size_t>(std::max<int64_t>(rcv->sb_lowat, 1))));
  if (ending == Ending::kProgress) {
    SendUntilDone(a, b, call, least);
    if (call.done()) return CheckReceived(a, call, *space, least);
    ending = Ending::kSignal;  // the mark is higher than what the peer may send
    if (!a.in.empty()) return EndWithBytes(a, b, call, *space);
  }
  if (ending == Ending::kShutdown) {
    const bool by_peer = !is_dgram() && Chance(2);
    by_peer ? ShutNow(b, SHUT_WR) : ShutNow(a, SHUT_RD);
  }
  if (ending == Ending::kSignal) call.Signal();
  AwaitEnd(call);
  if (testing::Test::HasFatalFailure()) return;
  const ssize_t results[] = {0, 0, -EINTR, -EWOULDBLOCK};
  ASSERT_EQ(call.result(), results[static_cast<size_t>(ending)]);
}

// The peer sends until the read has enough; until then the reader sleeps.
void SocketDriver::SendUntilDone(End& a, End& b, const BlockedCall& call, int64_t least) {
  for (int i = 0; i < kSendsMax && !call.done() && !testing::Test::HasFatalFailure(); ++i) {
    Send(b, a);
    Settle(kSettle);
    if (call.done()) return;
    if (is_stream()) {
      ASSERT_LT(static_cast<int64_t>(a.so->so_rcv.sb_cc), least);
    } else {
      SkipEmpty(a, b);  // swallowed by the read, which goes on waiting
      ASSERT_TRUE(a.in.empty() || kind_ == Kind::kUdp);  // which takes its time
    }
  }
}

// The read has ended with data: what, and was it enough?
void SocketDriver::CheckReceived(End& a, const BlockedCall& call, const std::string& space,
                                 int64_t least) {
  while (kind_ == Kind::kUnixSeqpacket && a.in.front().bytes.empty() && !a.in.front().eor) {
    (void)a.in.Take(1, false, false);
  }
  ASSERT_GE(call.result(), 0);
  const auto n = static_cast<size_t>(call.result());
  const Taken expected = a.in.Take(is_stream() ? n : space.size(), false, false);
  ASSERT_EQ(n, expected.bytes.size());
  ASSERT_TRUE(space.substr(0, n) == expected.bytes) << "other bytes";
  if (!is_stream()) return;
  ASSERT_GE(static_cast<int64_t>(n), least);
  if (kind_ == Kind::kUnixStream) {
    ASSERT_TRUE(n == space.size() || a.in.empty()) << "it left bytes behind";
  }
}

// What has come is too little for the low-water mark: with the end of the stream it is enough.
void SocketDriver::EndWithBytes(End& a, End& b, BlockedCall& call, const std::string& space) {
  ShutNow(b, SHUT_WR);
  AwaitEnd(call);
  if (!testing::Test::HasFatalFailure()) CheckReceived(a, call, space, 0);
}

}  // namespace sockbed
