// The life of a socket, driven through the loop protocol: spec socket-layer.md sections 5 and 6.
#include <errno.h>
#include <signal.h>

#include <string>
#include <vector>

#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

constexpr int kConnectionBits =
    SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING | SS_ISDISCONNECTED;

class SocketTest : public LoopTestHost {
 protected:
  // A server process that accepts one connection on `port` and hands it to `body`.
  void Serve(uint16_t port, std::function<void(socket*)> body) {
    Spawn("server", [port, body = std::move(body)] {
      socket* head = CreateListener(port);
      int error = 0;
      socket* so = Accept(head, &error);
      EXPECT_EQ(error, 0);
      if (so != nullptr) {
        body(so);
        soclose(so);
      }
      soclose(head);
    });
  }
};

// --- socreate. ---

TEST_F(SocketTest, UnknownFamilyTypeAndProtocolAreNotSupported) {
  InProcess([] {
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET6, &so, SOCK_STREAM, 0), EPROTONOSUPPORT);
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_RDM, 0), EPROTONOSUPPORT);
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    EXPECT_EQ(socreate(AF_UNSPEC, &so, SOCK_STREAM, IPPROTO_TCP), EPROTONOSUPPORT);
    EXPECT_EQ(so, nullptr);
  });
}

TEST_F(SocketTest, RawSocketsFallBackToTheWildcard) {
  InProcess([] {
    socket* so = nullptr;
    ASSERT_EQ(socreate(AF_INET, &so, SOCK_RAW, 123), 0);
    EXPECT_EQ(so->so_proto->pr_protocol, 0);
    soclose(so);
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_DGRAM, 123), EPROTONOSUPPORT);
  });
}

TEST_F(SocketTest, FailedAttachLeavesNothing) {
  InProcess([this] {
    loop().attach_error = ENOBUFS;
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), ENOBUFS);
    EXPECT_EQ(so, nullptr);
    EXPECT_EQ(sockets().live_sockets, 0);
  });
}

TEST_F(SocketTest, NewSocketKnowsItsCreator) {
  InProcess(
      [] {
        socket* so = Create(SOCK_STREAM);
        EXPECT_EQ(so->so_euid, 10u);
        EXPECT_EQ(so->so_ruid, 11u);
        EXPECT_EQ(so->so_egid, 20u);
        EXPECT_EQ(so->so_rgid, 21u);
        EXPECT_EQ(so->so_cpid, curproc()->p_pid);
        EXPECT_EQ(so->so_state, 0);
        soclose(so);
      },
      {.cr_uid = 10, .cr_ruid = 11, .cr_gid = 20, .cr_rgid = 21});
}

TEST_F(SocketTest, SuperusersSocketIsPrivileged) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(so->so_state, SS_PRIV);
    soclose(so);
  });
}

TEST_F(SocketTest, NumbersCountSocketsOfTheHost) {
  InProcess([] {
    socket* a = Create(SOCK_STREAM);
    soclose(a);
    socket* b = Create(SOCK_STREAM);
    EXPECT_EQ(b->so_id, 2u);
    EXPECT_EQ(a, b) << "its memory is used again";
    soclose(b);
  });
}

// --- solisten. ---

TEST_F(SocketTest, BacklogIsKeptBetweenItsLimits) {
  InProcess([] {
    socket* so = CreateBound(SOCK_STREAM, 80);
    for (const auto& [asked, given] : {std::pair{-1, 128}, {1000, 128}, {0, 80}, {100, 100}}) {
      EXPECT_EQ(solisten(so, asked), 0);
      EXPECT_EQ(so->so_qlimit, given) << asked;
    }
    EXPECT_NE(so->so_options & kSoAcceptConn, 0);
    soclose(so);
  });
}

TEST_F(SocketTest, BacklogLimitsAreTunable) {
  ASSERT_EQ(host().sysctls.Set("kern.somaxconn", 2), 0);
  ASSERT_EQ(host().sysctls.Set("kern.sominconn", 1), 0);
  InProcess([] {
    socket* so = CreateListener(80, 100);
    EXPECT_EQ(so->so_qlimit, 2);
    EXPECT_EQ(solisten(so, 0), 0);
    EXPECT_EQ(so->so_qlimit, 1);
    soclose(so);
  });
}

TEST_F(SocketTest, ListenFailsAsTheProtocolSays) {
  InProcess([] {
    socket* unbound = Create(SOCK_STREAM);
    EXPECT_EQ(solisten(unbound, 1), EINVAL);
    EXPECT_EQ(unbound->so_options & kSoAcceptConn, 0);
    soclose(unbound);
    socket* datagram = CreateBound(SOCK_DGRAM, 5);
    EXPECT_EQ(solisten(datagram, 1), EOPNOTSUPP);
    soclose(datagram);
  });
}

TEST_F(SocketTest, ListenOnAConnectedSocketIsInvalid) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(solisten(pair.first, 1), EINVAL);
    ClosePair(pair);
  });
}

// --- Connecting. ---

TEST_F(SocketTest, ConnectSleepsUntilTheHandshakeIsDone) {
  Serve(80, [](socket* so) { EXPECT_EQ(so->so_state & kConnectionBits, SS_ISCONNECTED); });
  Spawn("client", [] {
    Pause(kMillisecond);
    socket* so = Create(SOCK_STREAM);
    const SimTime start = Now();
    EXPECT_EQ(Connect(so, 80), 0);
    EXPECT_EQ(Now() - start, 2 * kLoopDelay);
    EXPECT_EQ(so->so_state & kConnectionBits, SS_ISCONNECTED);
    soclose(so);
  });
  Run();
}

TEST_F(SocketTest, SoconnectItselfDoesNotSleep) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(so, nam.get()), 0);
    EXPECT_EQ(Now(), 0);
    EXPECT_EQ(so->so_state & kConnectionBits, SS_ISCONNECTING);
    soclose(so);
  });
}

TEST_F(SocketTest, RefusedConnectReportsItsErrorOnce) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Connect(so, 80), ECONNREFUSED);
    EXPECT_EQ(so->so_error, 0);
    EXPECT_EQ(so->so_state & kConnectionBits, SS_ISDISCONNECTED);
    EXPECT_EQ(Connect(so, 80), EINVAL) << "the protocol has let go";
    soclose(so);
  });
}

TEST_F(SocketTest, SecondConnectIsAlreadyConnected) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(pair.first, nam.get()), EISCONN);
    ClosePair(pair);
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(soconnect(so, nam.get()), 0);
    EXPECT_EQ(soconnect(so, nam.get()), EISCONN) << "connecting counts";
    soclose(so);
  });
}

TEST_F(SocketTest, ListenerCannotConnect) {
  InProcess([] {
    socket* so = CreateListener(80);
    const MbufPtr nam = LoopAddress(81);
    EXPECT_EQ(soconnect(so, nam.get()), EOPNOTSUPP);
    soclose(so);
  });
}

TEST_F(SocketTest, DatagramSocketIsPointedElsewhere) {
  InProcess([] {
    socket* to[] = {CreateBound(SOCK_DGRAM, 1), CreateBound(SOCK_DGRAM, 2)};
    socket* so = Create(SOCK_DGRAM);
    for (const uint16_t port : {1, 2}) {
      EXPECT_EQ(Connect(so, port), 0);
      EXPECT_EQ(Send(so, "hello"), 0);
      EXPECT_EQ(Receive(to[port - 1], 10).data, "hello");
    }
    EXPECT_EQ(Connect(so, 3), ECONNREFUSED);
    EXPECT_EQ(so->so_state & SS_ISCONNECTED, 0) << "the old peer is forgotten";
    for (socket* s : {so, to[0], to[1]}) soclose(s);
  });
}

TEST_F(SocketTest, PairsNeedAProtocolThatKnowsThem) {
  InProcess([] {
    socket* a = Create(SOCK_DGRAM);
    socket* b = Create(SOCK_DGRAM);
    EXPECT_EQ(soconnect2(a, b), EOPNOTSUPP);
    soclose(a);
    soclose(b);
  });
}

// --- Accepting. ---

TEST_F(SocketTest, HandshakeWaitsOnQ0AndThenOnQ) {
  InProcess([] {
    socket* head = CreateListener(80);
    socket* so = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(so, nam.get()), 0);
    Pause(kLoopDelay + kLoopDelay / 2);
    EXPECT_EQ(head->so_q0len, 1);
    EXPECT_EQ(head->so_qlen, 0);
    EXPECT_FALSE(soreadable(head));
    Pause(kLoopDelay);
    EXPECT_EQ(head->so_q0len, 0);
    EXPECT_EQ(head->so_qlen, 1);
    EXPECT_TRUE(soreadable(head));
    soclose(so);
    soclose(head);
  });
}

TEST_F(SocketTest, AcceptTellsWhoConnected) {
  Spawn("client", [] {
    Pause(kMillisecond);
    socket* so = CreateBound(SOCK_STREAM, 4711);
    EXPECT_EQ(Connect(so, 80), 0);
    soclose(so);
  });
  InProcess([] {
    socket* head = CreateListener(80);
    int error = 0;
    uint16_t port = 0;
    socket* so = Accept(head, &error, &port);
    EXPECT_EQ(error, 0);
    EXPECT_EQ(port, 4711);
    EXPECT_EQ(so->so_state & SS_NOFDREF, 0);
    soclose(so);
    soclose(head);
  });
}

TEST_F(SocketTest, EachConnectionWakesOneAccepter) {
  std::string order;
  socket* head = nullptr;
  Spawn("main", [&] {
    head = CreateListener(80);
    Pause(kSecond);
    for (int i = 0; i < 2; ++i) {
      socket* so = Create(SOCK_STREAM);
      EXPECT_EQ(Connect(so, 80), 0);
      Pause(kSecond);
      soclose(so);
    }
    Pause(kSecond);
    soclose(head);
  });
  for (const char name : {'a', 'b'}) {
    Spawn(std::string(1, name), [&, name] {
      Pause(kMillisecond);
      int error = 0;
      socket* so = Accept(head, &error);
      order += name + std::to_string(Now() / kSecond);
      soclose(so);
    });
  }
  Run();
  EXPECT_EQ(order, "a1b2") << "the longest sleeper first, the other not at all";
}

TEST_F(SocketTest, DeadConnectionIsAcceptedAsAborted) {
  InProcess([this] {
    socket* head = CreateListener(80);
    socket* client = Create(SOCK_STREAM);
    EXPECT_EQ(Connect(client, 80), 0);
    LoopReset(head->so_q.first, ECONNRESET);
    EXPECT_EQ(head->so_qlen, 1) << "a poller may have been told";
    int error = 0;
    EXPECT_EQ(Accept(head, &error), nullptr);
    EXPECT_EQ(error, ECONNABORTED);
    soclose(client);
    soclose(head);
    EXPECT_EQ(sockets().live_sockets, 0);
  });
}

TEST_F(SocketTest, HandshakeThatDiesLeavesQ0) {
  InProcess([] {
    socket* head = CreateListener(80);
    socket* client = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(client, nam.get()), 0);
    Pause(kLoopDelay + kLoopDelay / 2);
    ASSERT_EQ(head->so_q0len, 1);
    LoopReset(head->so_q0.first, ECONNRESET);
    EXPECT_EQ(head->so_q0len, 0);
    soclose(client);
    soclose(head);
  });
}

TEST_F(SocketTest, ClosedListenerTakesItsQueuesAlong) {
  InProcess([this] {
    socket* head = CreateListener(80);
    socket* done = Create(SOCK_STREAM);
    EXPECT_EQ(Connect(done, 80), 0);
    socket* half = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(half, nam.get()), 0);
    Pause(kLoopDelay + kLoopDelay / 2);
    soclose(head);
    EXPECT_EQ(done->so_error, ECONNRESET);
    EXPECT_EQ(half->so_error, ECONNRESET);
    EXPECT_EQ(sockets().live_sockets, 2);
    soclose(done);
    soclose(half);
  });
  std::vector<uint64_t> queues;
  for (const Record& record : RecordsOf(SocketEvent::kDequeue)) queues.push_back(record.args[1]);
  EXPECT_EQ(queues, (std::vector<uint64_t>{0, 0, 1})) << "so_q0 is emptied before so_q";
}

// --- sonewconn. ---

TEST_F(SocketTest, NewConnectionInheritsFromTheListener) {
  InProcess([] {
    socket* head = CreateListener(80);
    head->so_options |= kSoKeepAlive;
    head->so_linger = 7;
    head->so_state |= SS_NBIO;
    head->so_pgid = 99;
    head->so_rcv.sb_lowat = 3;
    head->so_snd.sb_timeo = 44;
    socket* so = NewConnection(head, 0);
    ASSERT_NE(so, nullptr);
    EXPECT_EQ(so->so_options, kSoKeepAlive) << "but not SO_ACCEPTCONN";
    EXPECT_EQ(so->so_linger, 7);
    EXPECT_EQ(so->so_state, SS_NBIO | SS_NOFDREF | SS_PRIV);
    EXPECT_EQ(so->so_pgid, 99);
    EXPECT_EQ(so->so_rcv.sb_lowat, 3);
    EXPECT_EQ(so->so_snd.sb_timeo, 44);
    EXPECT_EQ(so->so_snd.sb_hiwat, kLoopSpace);
    soclose(head);
  });
}

TEST_F(SocketTest, FullQueueRefusesConnections) {
  ASSERT_EQ(host().sysctls.Set("kern.sominconn", 1), 0);
  InProcess([] {
    socket* head = CreateListener(80, 1);
    int made = 0;
    while (NewConnection(head, made % 2 == 0 ? 0 : SS_ISCONNECTED) != nullptr) ++made;
    EXPECT_EQ(made, 3 * 1 + 1);
    soclose(head);
  });
}

TEST_F(SocketTest, NewConnectionFailsWithoutMemory) {
  InProcess([this] {
    socket* head = CreateListener(80);
    Fail({{.site = Site::kPoolGet}});
    EXPECT_EQ(NewConnection(head, 0), nullptr);
    Fail({});
    loop().attach_error = ENOBUFS;
    EXPECT_EQ(NewConnection(head, 0), nullptr);
    head->so_rcv.sb_hiwat = 0;
    EXPECT_EQ(NewConnection(head, 0), nullptr) << "buffers cannot be reserved";
    EXPECT_EQ(head->so_q0len, 0);
    EXPECT_EQ(sockets().live_sockets, 1);
    soclose(head);
  });
}

TEST_F(SocketTest, NewConnectionFailsWhenMbufsAreNearlyGone) {
  InProcess([this] {
    socket* head = CreateListener(80);
    ASSERT_EQ(host().sysctls.Set("kern.maxclusters", 10), 0);
    const MbufPtr hog = PacketOf(16384);
    EXPECT_EQ(NewConnection(head, 0), nullptr);
    soclose(head);
  });
}

TEST_F(SocketTest, FinishedConnectionWakesEverybodyAtOnce) {
  InProcess([] {
    socket* head = CreateListener(80);
    socket* so = NewConnection(head, SS_ISCONNECTED);
    EXPECT_EQ(head->so_qlen, 1);
    EXPECT_NE(so->so_state & SS_ISCONNECTED, 0);
    soclose(head);
  });
}

// --- Closing. ---

TEST_F(SocketTest, OrderlyCloseLetsThePeerReadToTheEnd) {
  Serve(80, [](socket* so) {
    EXPECT_EQ(Receive(so, 100, MSG_WAITALL).data, "farewell");
    EXPECT_EQ(Receive(so, 100).data, "") << "end of file";
    EXPECT_NE(so->so_state & SS_CANTRCVMORE, 0);
  });
  Spawn("client", [] {
    Pause(kMillisecond);
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Connect(so, 80), 0);
    EXPECT_EQ(Send(so, "farewell"), 0);
    soclose(so);
  });
  Run();
}

TEST_F(SocketTest, CloseReturnsBeforeTheConnectionHasEnded) {
  InProcess([this] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    soclose(a);
    EXPECT_EQ(sockets().live_sockets, 2) << "the protocol still needs it";
    EXPECT_EQ(Receive(b, 1).data, "");
    soclose(b);
    Pause(2 * kLoopDelay);
    EXPECT_EQ(sockets().live_sockets, 0);
  });
}

TEST_F(SocketTest, CloseDetachesThoughItCannotDisconnect) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_options |= kSoLinger;
    pair.first->so_linger = 1;
    loop().disconnect_error = EIO;
    loop().detach_error = ENXIO;
    EXPECT_EQ(soclose_error(pair.first), EIO) << "the first error is the one that counts";
    EXPECT_EQ(Now(), 0) << "nothing to linger for";
    EXPECT_EQ(sockets().live_sockets, 1);
    loop().detach_error = ENXIO;
    socket* lonely = Create(SOCK_STREAM);
    EXPECT_EQ(soclose_error(lonely), ENXIO);
    soclose(pair.second);
  });
}

TEST_F(SocketTest, LingeringCloseWaitsForThePeer) {
  InProcess([this] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    a->so_linger = 10;
    Spawn("peer", [b = b] {
      Pause(kSecond);
      soclose(b);
    });
    EXPECT_EQ(soclose_error(a), 0);
    EXPECT_GE(Now(), kSecond);
    EXPECT_LT(Now(), 2 * kSecond);
  });
}

TEST_F(SocketTest, LingeringCloseGivesUpAfterItsTime) {
  InProcess([] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    a->so_linger = 2;
    EXPECT_EQ(soclose_error(a), EWOULDBLOCK);
    EXPECT_EQ(Now(), 2 * kSecond);
    soclose(b);
  });
}

TEST_F(SocketTest, LingeringCloseIsInterrupted) {
  proc* closer = Spawn("closer", [] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    a->so_linger = 10;
    EXPECT_EQ(soclose_error(a), EINTR);
    EXPECT_EQ(Now(), kSecond);
    soclose(b);
  });
  Spawn("killer", [closer] {
    Pause(kSecond);
    psignal(closer, SIGTERM);
  });
  Run();
}

TEST_F(SocketTest, NonBlockingCloseDoesNotLinger) {
  InProcess([] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    a->so_linger = 10;
    a->so_state |= SS_NBIO;
    EXPECT_EQ(soclose_error(a), 0);
    EXPECT_EQ(Now(), 0);
    soclose(b);
  });
}

TEST_F(SocketTest, LingerOfZeroResets) {
  InProcess([] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    soclose(a);
    EXPECT_EQ(Receive(b, 1).error, ECONNRESET);
    soclose(b);
  });
}

TEST_F(SocketTest, DisconnectNeedsAConnectionThatIsNotEnding) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(sodisconnect(so), ENOTCONN);
    soclose(so);
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(sodisconnect(pair.first), 0);
    EXPECT_EQ(pair.first->so_state & kConnectionBits, SS_ISCONNECTED | SS_ISDISCONNECTING);
    EXPECT_EQ(sodisconnect(pair.first), EALREADY);
    ClosePair(pair);
  });
}

TEST_F(SocketTest, AbortTellsThePeerAndFrees) {
  InProcess([this] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_state |= SS_NOFDREF;
    {
      const SplScope spl(IPL_SOFTNET);
      soabort(a);
    }
    EXPECT_EQ(sockets().live_sockets, 1);
    EXPECT_EQ(Send(b, "x"), EPIPE);
    soclose(b);
  });
}

// --- Shutdown. ---

TEST_F(SocketTest, ShutdownKnowsThreeWays) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(soshutdown(pair.first, 3), EINVAL);
    EXPECT_EQ(soshutdown(pair.first, -1), EINVAL);
    ClosePair(pair);
    socket* datagram = Create(SOCK_DGRAM);
    EXPECT_EQ(soshutdown(datagram, SHUT_WR), EOPNOTSUPP) << "the protocol's answer";
    soclose(datagram);
  });
}

TEST_F(SocketTest, HalfClosedSocketStillReceives) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(soshutdown(pair.first, SHUT_WR), 0);
    EXPECT_EQ(Send(pair.first, "x"), EPIPE);
    EXPECT_EQ(Receive(pair.second, 1).data, "") << "the peer sees the end";
    EXPECT_EQ(Send(pair.second, "still"), 0);
    EXPECT_EQ(Receive(pair.first, 10).data, "still");
    ClosePair(pair);
  });
}

TEST_F(SocketTest, ShutdownOfReadingForgetsTheBufferAndItsSettings) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.second, "unread"), 0);
    Pause(2 * kLoopDelay);
    pair.first->so_rcv.sb_timeo = 5;
    EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
    const sockbuf& rcv = pair.first->so_rcv;
    EXPECT_EQ(rcv.sb_cc + rcv.sb_hiwat + rcv.sb_mbmax, 0u);
    EXPECT_EQ(rcv.sb_lowat + rcv.sb_timeo + rcv.sb_flags, 0);
    EXPECT_EQ(Receive(pair.first, 10).data, "") << "end of file";
    ClosePair(pair);
  });
}

TEST_F(SocketTest, ShutdownOfReadingWakesTheReader) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("reader", [so = pair.first] {
      const Received got = Receive(so, 10);
      EXPECT_EQ(got.error, 0);
      EXPECT_EQ(got.data, "");
    });
    Pause(kSecond);
    EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
    Pause(kSecond);
    ClosePair(pair);
  });
}

TEST_F(SocketTest, ShutdownOfWritingWakesTheWriter) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("writer", [so = pair.first] { EXPECT_EQ(Send(so, std::string(100'000, 'w')), EPIPE); });
    Pause(kSecond);
    EXPECT_EQ(soshutdown(pair.first, SHUT_WR), 0);
    Pause(kSecond);
    ClosePair(pair);
  });
}

// --- Wakeups. ---

TEST_F(SocketTest, UpcallFollowsEachWakeupOfTheReader) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    std::string heard;
    pair.first->so_upcallarg = &heard;
    pair.first->so_upcall = [](socket* so, void* arg, int how) {
      EXPECT_EQ(how, M_DONTWAIT);
      EXPECT_EQ(curproc(), nullptr) << "interrupt context: the packet's arrival";
      *static_cast<std::string*>(arg) += Receive(so, 100, MSG_DONTWAIT).data;
    };
    EXPECT_EQ(Send(pair.second, "ping"), 0);
    Pause(kSecond);
    EXPECT_EQ(heard, "ping");
    pair.first->so_upcall = nullptr;
    ClosePair(pair);
  });
}

TEST_F(SocketTest, AsynchronousSocketSignalsItsOwner) {
  int signals = 0;
  InProcess([&] {
    ASSERT_EQ(sigaction_set(curproc(), SIGIO,
                            {.kind = sigact::Kind::kCatch, .handler = [&](int) { ++signals; }}),
              0);
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_state |= SS_ASYNC;
    pair.first->so_rcv.sb_flags |= SB_ASYNC;
    pair.first->so_pgid = curproc()->p_pid;
    EXPECT_EQ(Send(pair.second, "x"), 0);
    EXPECT_EQ(tsleep(&nowake, PSOCK | PCATCH, "pause", hz), EINTR);
    userret();
    EXPECT_EQ(signals, 1);
    ClosePair(pair);  // the end of the connection is a change too
  });
}

TEST_F(SocketTest, UrgentDataSignalsItsOwner) {
  int signals = 0;
  InProcess([&] {
    ASSERT_EQ(sigaction_set(curproc(), SIGURG,
                            {.kind = sigact::Kind::kCatch, .handler = [&](int) { ++signals; }}),
              0);
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_pgid = curproc()->p_pid;
    EXPECT_EQ(Send(pair.second, "!", MSG_OOB), 0);
    userret();
    ClosePair(pair);
  });
  EXPECT_EQ(signals, 1);
}

TEST_F(SocketTest, StatesThatMeanNothingStopTheRun) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    soisdisconnected(so);
    EXPECT_DEATH(soisconnected(so), "MeansSomething");
    soclose(so);
  });
}

TEST_F(SocketTest, SleepersOnASocketAreNamed) {
  Spawn("reader", [] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Receive(pair.first, 1).error, EINTR) << "until the host is torn down";
    ClosePair(pair);
  });
  Run();
  const std::vector<SleeperInfo> asleep = sleepers(host());
  ASSERT_EQ(asleep.size(), 1u);
  EXPECT_EQ(asleep[0].wmesg, "netio");
  EXPECT_EQ(asleep[0].ident, "so#1.so_rcv.sb_cc");
}

}  // namespace
}  // namespace sockbed
