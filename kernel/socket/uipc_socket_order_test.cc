// Which reason wins where several apply, where calls sleep, and what stops the run: the order of
// the rows of the tables in spec socket-layer.md, sections 6 and 7.
#include <errno.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "kernel/sched/sched_trace.h"
#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

class OrderTest : public LoopTestHost {
 protected:
  // Fills so_snd of a stream whose protocol delivers nothing from now on.
  void Fill(socket* so) {
    loop().stalled = true;
    EXPECT_EQ(Send(so, std::string(kLoopSpace, 'f'), MSG_DONTWAIT), 0);
  }
  void CloseUnstalled(std::pair<socket*, socket*> pair) {
    loop().stalled = false;
    ClosePair(pair);
  }
};

// sosend of a packet of that size, which goes as a whole, without waiting.
int SendPacket(socket* so, int size) {
  return sosend(so, nullptr, nullptr, PacketOf(size).release(), nullptr, MSG_DONTWAIT);
}

// --- sosend. ---

TEST_F(OrderTest, ReasonsNotToSend) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    socket* so = pair.first;
    constexpr int kTooLong = kLoopSpace + 1;
    Fill(so);
    loop().send_error = EHOSTUNREACH;
    so->so_state = (so->so_state & ~SS_ISCONNECTED) | SS_CANTSENDMORE;
    so->so_error = EHOSTDOWN;
    EXPECT_EQ(SendPacket(so, kTooLong), EPIPE);
    so->so_state &= ~SS_CANTSENDMORE;
    EXPECT_EQ(SendPacket(so, kTooLong), EHOSTDOWN);
    EXPECT_EQ(SendPacket(so, kTooLong), ENOTCONN);
    so->so_state |= SS_ISCONNECTED;
    EXPECT_EQ(SendPacket(so, kTooLong), EMSGSIZE);
    EXPECT_EQ(SendPacket(so, 100), EWOULDBLOCK);
    sbflush(&so->so_snd);
    EXPECT_EQ(SendPacket(so, 100), EHOSTUNREACH) << "the protocol comes last";
    loop().send_error = 0;
    CloseUnstalled(pair);
  });
}

TEST_F(OrderTest, ReasonsNotToSendADatagram) {
  InProcess([this] {
    socket* so = Create(SOCK_DGRAM);
    const std::string too_long(kLoopSpace + 1, 'm');
    so->so_state |= SS_CANTSENDMORE;
    so->so_error = EHOSTDOWN;
    EXPECT_EQ(Send(so, too_long), EPIPE);
    so->so_state &= ~SS_CANTSENDMORE;
    EXPECT_EQ(Send(so, too_long), EHOSTDOWN);
    EXPECT_EQ(Send(so, too_long), EDESTADDRREQ);
    EXPECT_EQ(Send(so, too_long, 0, 7), EMSGSIZE);
    EXPECT_EQ(loop().send_calls, 0);
    soclose(so);
  });
}

// A reason that comes up while a writer waits for room is found when it looks again.
TEST_F(OrderTest, ReasonsAreLookedForAgainAfterTheWait) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Fill(pair.first);
    std::vector<int> errors;
    for (int i = 0; i < 2; ++i) {
      Spawn("writer", [&, so = pair.first] { errors.push_back(Send(so, std::string(9000, 'w'))); });
    }
    Pause(kSecond);
    pair.first->so_error = EHOSTDOWN;
    socantsendmore(pair.first);
    Pause(kSecond);
    EXPECT_EQ(errors, (std::vector<int>{EPIPE, EPIPE}));
    pair.first->so_error = 0;
    CloseUnstalled(pair);
  });
}

// --- soreceive. ---

TEST_F(OrderTest, ReasonsToReturnWithoutData) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    so->so_error = EHOSTDOWN;
    so->so_state |= SS_CANTRCVMORE;
    EXPECT_EQ(Receive(so, 10, MSG_DONTWAIT).error, EHOSTDOWN);
    EXPECT_EQ(Receive(so, 10, MSG_DONTWAIT).error, 0) << "the end, though never connected";
    so->so_state &= ~SS_CANTRCVMORE;
    EXPECT_EQ(Receive(so, 0, MSG_DONTWAIT).error, ENOTCONN) << "even where nothing is asked for";
    so->so_state |= SS_ISCONNECTING;
    EXPECT_EQ(Receive(so, 0, MSG_DONTWAIT).error, 0);
    EXPECT_EQ(Receive(so, 0, MSG_DONTWAIT, /*want_control=*/true).error, EWOULDBLOCK);
    EXPECT_EQ(Receive(so, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    so->so_state &= ~SS_ISCONNECTING;
    soclose(so);
  });
}

// SIGPIPE is the system calls' to raise.
TEST_F(OrderTest, CallersInTheKernelGetNoSigpipe) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(soshutdown(pair.first, SHUT_WR), 0);
    EXPECT_EQ(Send(pair.first, "x"), EPIPE);
    EXPECT_EQ(curproc()->p_siglist, 0u);
    ClosePair(pair);
  });
}

// so_error goes to whoever looks first, and to nobody else.
TEST_F(OrderTest, PendingErrorIsTakenByOneOfAll) {
  const auto get_error = [](socket* so) {
    mbuf* m = nullptr;
    EXPECT_EQ(sogetopt(so, SOL_SOCKET, SO_ERROR, &m), 0);
    int error = 0;
    m_copydata(m, 0, sizeof error, &error);
    m_freem(m);
    return error;
  };
  using Look = std::function<int(socket*)>;
  const Look looks[] = {[](socket* so) { return Send(so, "x"); },
                        [](socket* so) { return Receive(so, 1, MSG_DONTWAIT).error; }, get_error};
  InProcess([&] {
    for (const Look& first : looks) {
      const auto pair = CreatePair(SOCK_STREAM);
      pair.first->so_error = EHOSTDOWN;
      EXPECT_EQ(first(pair.first), EHOSTDOWN);
      for (const Look& other : looks) EXPECT_NE(other(pair.first), EHOSTDOWN);
      ClosePair(pair);
    }
  });
}

// --- Where calls sleep. ---

struct SleepingPoint {
  std::string ident, wmesg;
  int priority, timo;
  friend bool operator==(const SleepingPoint&, const SleepingPoint&) = default;
};
void PrintTo(const SleepingPoint& at, std::ostream* out) {
  *out << at.ident << " " << at.wmesg << " " << at.priority << " " << at.timo;
}

// Where each of the sleepers stands, in order of pid.
std::vector<SleepingPoint> PointsOf(const std::vector<SleeperInfo>& asleep,
                                    const std::vector<Record>& records) {
  std::vector<SleepingPoint> points;
  for (const SleeperInfo& sleeper : asleep) {
    for (const Record& record : records) {
      if (record.object != static_cast<uint64_t>(sleeper.pid)) continue;
      points.push_back({sleeper.ident, sleeper.wmesg, static_cast<int>(record.args[1]),
                        static_cast<int>(record.args[2])});
    }
  }
  return points;
}

TEST_F(OrderTest, SleepingPointsAreThoseOfTheTable) {
  std::vector<socket*> all;
  Spawn("test", [&] {
    const auto [so, peer] = CreatePair(SOCK_STREAM);
    const auto [closing, other] = CreatePair(SOCK_STREAM);
    all = {so, peer, other, CreateListener(80), Create(SOCK_STREAM)};
    Fill(so);
    so->so_snd.sb_timeo = 77;
    closing->so_options |= kSoLinger;
    closing->so_linger = 5;
    EXPECT_EQ(Send(closing, "x"), 0);
    peer->so_snd.sb_flags |= SB_LOCK;  // as if others held them
    peer->so_rcv.sb_flags |= SB_LOCK;
    Spawn("writer", [so = so] { EXPECT_EQ(Send(so, "w"), EINTR); });
    Spawn("reader", [so = so] { EXPECT_EQ(Receive(so, 1).error, EINTR); });
    Spawn("second writer", [peer = peer] { EXPECT_EQ(Send(peer, "w"), EINTR); });
    Spawn("second reader", [peer = peer] { EXPECT_EQ(Receive(peer, 1).error, EINTR); });
    Spawn("flusher", [peer = peer] { EXPECT_EQ(soshutdown(peer, SHUT_RD), 0); });
    Spawn("closer", [closing = closing] { EXPECT_EQ(soclose_error(closing), EINTR); });
    Spawn("client", [&all] { EXPECT_EQ(Connect(all.back(), 80), EINTR); });
  });
  Run(kMillisecond);
  constexpr int kCaught = PSOCK | PCATCH;
  EXPECT_EQ(
      PointsOf(sleepers(host()), RecordsOf(Room::kSched, static_cast<uint8_t>(SchedEvent::kSleep))),
      (std::vector<SleepingPoint>{{"so#1.so_snd.sb_cc", "netio", kCaught, 77},
                                  {"so#1.so_rcv.sb_cc", "netio", kCaught, 0},
                                  {"so#2.so_snd.sb_flags", "netlck", kCaught, 0},
                                  {"so#2.so_rcv.sb_flags", "netlck", kCaught, 0},
                                  {"so#2.so_rcv.sb_flags", "netlck", PSOCK, 0},
                                  {"so#3.so_timeo", "netcls", kCaught, 5 * hz},
                                  {"so#6.so_timeo", "netcon", kCaught, 0}}));
  proc_killall(host());
  loop().stalled = false;
  const HostScope on_host(host());
  all[1]->so_snd.sb_flags &= ~SB_LOCK;
  all[1]->so_rcv.sb_flags &= ~SB_LOCK;
  for (socket* so : all) soclose(so);
}

// Closing a direction that another process is reading waits for it, whatever signals come.
TEST_F(OrderTest, ShutdownOfReadingWaitsForTheReaderUninterruptibly) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    sockbuf* rcv = &pair.first->so_rcv;
    EXPECT_EQ(sblock(rcv, true), 0);
    bool done = false;
    proc* shutter = Spawn("shutter", [&] {
      ASSERT_EQ(
          sigaction_set(curproc(), SIGUSR1, {.kind = sigact::Kind::kCatch, .handler = [](int) {}}),
          0);
      EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
      done = true;
    });
    Pause(kSecond);
    psignal(shutter, SIGUSR1);
    Pause(kSecond);
    EXPECT_FALSE(done);
    const std::vector<SleeperInfo> asleep = sleepers(host());
    ASSERT_EQ(asleep.size(), 1u);
    EXPECT_EQ(asleep[0].wmesg, "netlck");
    sbunlock(rcv);
    Pause(kSecond);
    EXPECT_TRUE(done);
    ClosePair(pair);
  });
}

// A socket that its protocol has let go answers nothing, but a stream with what ended it.
TEST_F(OrderTest, RequestsOnASocketWithoutControlBlock) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    socket* so = pair.first;
    LoopReset(so, ECONNRESET);
    ASSERT_EQ(so->so_pcb, nullptr);
    const MbufPtr nam = LoopAddress(7);
    for (const int error : {ECONNRESET, EINVAL}) {
      EXPECT_EQ(sobind(so, nam.get(), curproc()), error);
      EXPECT_EQ(solisten(so, 1), error);
      EXPECT_EQ(soconnect(so, nam.get()), error);
      EXPECT_EQ(soconnect2(so, pair.second), error);
      EXPECT_EQ(soshutdown(so, SHUT_WR), error);
      EXPECT_EQ(Receive(so, 1, MSG_OOB).error, error);
      so->so_error = 0;
    }
    ClosePair(pair);
  });
}

// --- What stops the run. ---

using OrderDeathTest = OrderTest;

TEST_F(OrderDeathTest, AcceptingOrClosingTwicePanics) {
  EXPECT_DEATH(InProcess([] {
                 const auto pair = CreatePair(SOCK_STREAM);
                 const MbufPtr nam = LoopAddress(0);
                 (void)soaccept(pair.first, nam.get());
               }),
               "SS_NOFDREF");
  EXPECT_DEATH(InProcess([] {
                 socket* so = Create(SOCK_STREAM);
                 so->so_state |= SS_NOFDREF;
                 soclose(so);
               }),
               "SS_NOFDREF");
}

TEST_F(OrderDeathTest, FreeingASocketThatSomebodySleepsOnPanics) {
  EXPECT_DEATH(InProcess([this] {
                 socket* so = Create(SOCK_DGRAM);
                 Spawn("sleeper", [so] { (void)tsleep(&so->so_snd.sb_flags, PSOCK, "test", 0); });
                 Pause(kSecond);
                 soclose(so);
               }),
               "is_slept_on");
}

}  // namespace
}  // namespace sockbed
