// What sosplice refuses, in the order in which it looks, and the forms of SO_SPLICE: the errors of
// sosplice(9), the text of setsockopt(2).
#include <errno.h>
#include <sys/time.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernel/sched/sched_trace.h"
#include "kernel/sched/signal.h"
#include "kernel/socket/fdops.h"
#include "kernel/socket/splice_test_relay.h"

namespace sockbed {
namespace {

// The descriptors of every process of the host.
struct Files {
  static constexpr HostSlot kHostSlot = HostSlot::kUapi;
  std::vector<file*> files;
};

file* GetFile(proc*, int fd) {
  const std::vector<file*>& files = HostLocal<Files>::Get().files;
  return static_cast<size_t>(fd) < files.size() ? files[static_cast<size_t>(fd)] : nullptr;
}

constexpr fdops kOnlyLookups = {.fd_getfile = GetFile, .fd_install = nullptr};

class SpliceErrorsTest : public LoopTestHost {
 protected:
  SpliceErrorsTest() {
    HostLocal<Files>::Make(host());
    sockets().fd_ops = &kOnlyLookups;
  }

  // A descriptor of `so`, which owns it from then on.
  static int Descriptor(socket* so) {
    std::vector<file*>& files = HostLocal<Files>::Get().files;
    EXPECT_EQ(sofile(so, FREAD | FWRITE, &files.emplace_back()), 0);
    return static_cast<int>(files.size()) - 1;
  }
  static void CloseDescriptors() {
    for (file* fp : HostLocal<Files>::Get().files) (void)FRELE(fp);
    HostLocal<Files>::Get().files.clear();
  }
};

TEST_F(SpliceErrorsTest, ProtocolMustKnowSplicing) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(sosplice(pair.first, -1, 0, nullptr), EPROTONOSUPPORT);
    ClosePair(pair);
  });
}

TEST_F(SpliceErrorsTest, ListenersCannotBeSpliced) {
  InProcess([] {
    socket* listener = CreateListener(7);
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(sosplice(listener, -1, 0, nullptr), EOPNOTSUPP);
    EXPECT_EQ(SpliceSockets(pair.first, listener, 0, nullptr), EOPNOTSUPP);
    soclose(listener);
    ClosePair(pair);
  });
}

TEST_F(SpliceErrorsTest, SplicedSocketsCannotListen) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(solisten(relay.source, 1), EOPNOTSUPP);
    EXPECT_EQ(solisten(relay.drain, 1), EOPNOTSUPP);
    Close(relay);
  });
}

TEST_F(SpliceErrorsTest, BothEndsMustBeConnected) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    socket* lonely = Create(SOCK_STREAM);
    EXPECT_EQ(sosplice(lonely, -1, 0, nullptr), ENOTCONN);
    EXPECT_EQ(SpliceSockets(pair.first, lonely, 0, nullptr), ENOTCONN);
    socket* unpointed = Create(SOCK_DGRAM);
    EXPECT_EQ(SpliceSockets(unpointed, unpointed, 0, nullptr), ENOTCONN);
    soclose(unpointed);
    soclose(lonely);
    ClosePair(pair);
  });
}

TEST_F(SpliceErrorsTest, LimitsMustMakeSense) {
  InProcess([] {
    const Relay relay = Connected();
    const int fd = 99;  // looked at later
    EXPECT_EQ(sosplice(relay.source, fd, -1, nullptr), EINVAL);
    for (const timeval idle : {timeval{-1, 0}, timeval{0, -1}, timeval{0, 1'000'000}}) {
      EXPECT_EQ(sosplice(relay.source, fd, 0, &idle), EINVAL);
      EXPECT_EQ(SpliceSockets(relay.source, relay.drain, 0, &idle), EINVAL);
    }
    Close(relay);
  });
}

TEST_F(SpliceErrorsTest, DescriptorMustBeAnOpenSocket) {
  InProcess([] {
    const Relay relay = Connected();
    EXPECT_EQ(sosplice(relay.source, 99, 0, nullptr), EBADF);
    const int fd = Descriptor(Create(SOCK_STREAM));
    GetFile(curproc(), fd)->f_type = FileType::kPipe;
    EXPECT_EQ(sosplice(relay.source, fd, 0, nullptr), ENOTSOCK);
    CloseDescriptors();
    Close(relay);
  });
}

TEST_F(SpliceErrorsTest, SocketIsOneSourceAndOneDrainAtMost) {
  InProcess([] {
    const Relay one = Connected(), two = Connected();
    ASSERT_EQ(Splice(one), 0);
    EXPECT_EQ(SpliceSockets(one.source, two.drain, 0, nullptr), EBUSY);
    EXPECT_EQ(SpliceSockets(two.source, one.drain, 0, nullptr), EBUSY);
    EXPECT_EQ(SpliceSockets(one.drain, two.drain, 0, nullptr), 0) << "both at once is a chain";
    Close(one);
    Close(two);
  });
}

TEST_F(SpliceErrorsTest, ProtocolsMustBeTheSame) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    socket* datagrams = CreateBound(SOCK_DGRAM, 1);
    ASSERT_EQ(Connect(datagrams, 1), 0);
    EXPECT_EQ(SpliceSockets(pair.first, datagrams, 0, nullptr), EPROTONOSUPPORT);
    soclose(datagrams);
    ClosePair(pair);
  });
}

TEST_F(SpliceErrorsTest, NonBlockingSourceDoesNotWaitForTheBuffers) {
  InProcess([] {
    const Relay relay = Connected();
    relay.source->so_state |= SS_NBIO;
    for (sockbuf* sb : {&relay.source->so_rcv, &relay.drain->so_snd}) {
      ASSERT_EQ(sblock(sb, true), 0);
      EXPECT_EQ(Splice(relay), EWOULDBLOCK);
      sbunlock(sb);
    }
    ASSERT_EQ(sblock(&relay.source->so_rcv, true), 0);
    EXPECT_EQ(sosplice(relay.source, -1, 0, nullptr), EWOULDBLOCK);
    sbunlock(&relay.source->so_rcv);
    Close(relay);
  });
}

TEST_F(SpliceErrorsTest, WaitForTheBuffersIsInterrupted) {
  InProcess([this] {
    const Relay relay = Connected();
    ASSERT_EQ(sblock(&relay.drain->so_snd, true), 0);
    int error = 0;
    proc* waiter = Spawn("waiter", [&] { error = Splice(relay); });
    Pause(kLoopDelay);
    psignal(waiter, SIGKILL);
    Pause(kLoopDelay);
    EXPECT_EQ(error, EINTR);
    EXPECT_EQ(relay.source->so_rcv.sb_flags & SB_LOCK, 0);
    sbunlock(&relay.drain->so_snd);
    Close(relay);
  });
}

// --- In which order. ---

TEST_F(SpliceErrorsTest, EarlierReasonHidesLaterOnes) {
  InProcess([] {
    const Relay relay = Connected();
    socket* datagrams = CreateBound(SOCK_DGRAM, 1);
    ASSERT_EQ(Connect(datagrams, 1), 0);
    socket* listener = CreateListener(7);
    EXPECT_EQ(sosplice(relay.source, -1, -1, nullptr), 0) << "no descriptor: limits do not matter";
    EXPECT_EQ(SpliceSockets(datagrams, listener, 0, nullptr), EPROTONOSUPPORT)
        << "nor the listener";
    relay.source->so_state |= SS_NBIO;
    ASSERT_EQ(sblock(&relay.source->so_rcv, true), 0);
    EXPECT_EQ(sosplice(relay.source, 99, 0, nullptr), EBADF) << "before the locks";
    sbunlock(&relay.source->so_rcv);
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(SpliceSockets(relay.source, datagrams, 0, nullptr), EBUSY) << "before the protocols";
    ASSERT_EQ(sblock(&relay.drain->so_snd, true), 0);
    EXPECT_EQ(Splice(relay), EWOULDBLOCK) << "before the look at who is spliced";
    sbunlock(&relay.drain->so_snd);
    soclose(datagrams);
    soclose(listener);
    Close(relay);
  });
}

TEST_F(SpliceErrorsTest, MoverStopsForTheSourceThenThePipeThenTheDrain) {
  for (const int reasons : {3, 2, 1}) {
    InProcess([reasons] {
      const Relay relay = Connected();
      ASSERT_EQ(Splice(relay), 0);
      relay.drain->so_error = EHOSTUNREACH;
      if (reasons > 1) relay.drain->so_state |= SS_CANTSENDMORE;
      if (reasons > 2) relay.source->so_error = ECONNRESET;
      Hear(relay.source);
      EXPECT_FALSE(IsSpliced(relay));
      constexpr int kExpected[] = {EHOSTUNREACH, EPIPE, ECONNRESET};
      EXPECT_EQ(relay.source->so_error, kExpected[reasons - 1]);
      Close(relay);
    });
  }
}

TEST_F(SpliceErrorsTest, SourcesProtocolIsToldThatThereIsRoom) {
  InProcess([this] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    const int told = loop().rcvd_calls;
    sbappendstream(&relay.source->so_rcv, MbufWith("x"));
    Hear(relay.source);
    EXPECT_EQ(loop().rcvd_calls, told + 1);
    Hear(relay.source);
    EXPECT_EQ(loop().rcvd_calls, told + 1) << "nothing moved";
    EXPECT_EQ(ReadAll(relay.peer, 1), "x");
    Close(relay);
  });
}

// Room at the drain goes to the splice first, and to those who wait to write after that.
TEST_F(SpliceErrorsTest, MoverRunsBeforeTheDrainsWritersAreWoken) {
  InProcess([this] {
    const Relay relay = Connected();
    loop().stalled = true;
    EXPECT_EQ(Send(relay.drain, std::string(kLoopSpace, 'd')), 0);
    ASSERT_EQ(Splice(relay), 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("x"));
    Hear(relay.source);
    Spawn("writer", [&] { EXPECT_EQ(Send(relay.drain, "y"), 0); });
    Pause(kLoopDelay);
    ASSERT_EQ(relay.source->so_rcv.sb_cc, 1u);
    {
      const SplScope spl(IPL_SOFTNET);  // what a protocol does when the peer has acknowledged
      sbdrop(&relay.drain->so_snd, kLoopSpace);
      sowwakeup(relay.drain);
    }
    Pause(kLoopDelay);
    loop().stalled = false;
    Close(relay);
  });
  const std::vector<Record> moves = RecordsOf(SocketEvent::kMove);
  ASSERT_EQ(moves.size(), 1u);
  std::vector<Record> wakes = RecordsOf(Room::kSched, static_cast<uint8_t>(SchedEvent::kWake));
  std::erase_if(wakes, [&](const Record& r) { return r.time != moves[0].time; });
  ASSERT_FALSE(wakes.empty());
  EXPECT_LT(moves[0].id, wakes[0].id);
}

// --- The option. ---

MbufPtr Value(const void* value, size_t size) {
  return MbufWith({static_cast<const char*>(value), size}, MT_SOOPTS);
}

off_t SpliceLength(socket* so) {
  mbuf* m = nullptr;
  EXPECT_EQ(sogetopt(so, SOL_SOCKET, SO_SPLICE, &m), 0);
  EXPECT_EQ(m->m_len, static_cast<int>(sizeof(off_t)));
  off_t length = 0;
  std::memcpy(&length, m->m_data, sizeof length);
  m_freem(m);
  return length;
}

TEST_F(SpliceErrorsTest, OptionTakesADescriptorOrEverythingOrNothing) {
  InProcess([] {
    const Relay relay = Connected();
    const int fd = Descriptor(relay.drain);
    EXPECT_EQ(SpliceLength(relay.source), 0);
    ASSERT_EQ(sosetopt(relay.source, SOL_SOCKET, SO_SPLICE, Value(&fd, sizeof fd).release()), 0);
    EXPECT_TRUE(IsSpliced(relay));
    EXPECT_EQ(sosetopt(relay.source, SOL_SOCKET, SO_SPLICE, nullptr), 0);
    EXPECT_FALSE(IsSpliced(relay));

    splice all = {.sp_fd = fd, .sp_max = 4, .sp_idle = {.tv_sec = 7, .tv_usec = 0}};
    ASSERT_EQ(sosetopt(relay.source, SOL_SOCKET, SO_SPLICE, Value(&all, sizeof all).release()), 0);
    EXPECT_TRUE(IsSpliced(relay));
    EXPECT_EQ(relay.source->so_sp->ssp_idletv.tv_sec, 7);
    EXPECT_EQ(Send(relay.client, "four!"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 4), "four");
    EXPECT_EQ(SpliceLength(relay.source), 4);
    const int none = -1;
    EXPECT_EQ(sosetopt(relay.source, SOL_SOCKET, SO_SPLICE, Value(&none, sizeof none).release()),
              0);
    EXPECT_EQ(sosetopt(relay.source, SOL_SOCKET, SO_SPLICE, Value(&fd, 3).release()), EINVAL);
    CloseDescriptors();
    for (socket* so : {relay.client, relay.source, relay.peer}) soclose(so);
  });
}

}  // namespace
}  // namespace sockbed
