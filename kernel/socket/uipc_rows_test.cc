// Rows of spec socket-layer.md and sockbuf.md that no other test of the room would miss: each was
// broken by hand, and all the others passed.
#include <errno.h>
#include <poll.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/kqueue.h"
#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"
#include "kernel/socket/splice_test_relay.h"

namespace sockbed {
namespace {

class RowsTest : public LoopTestHost {
 protected:
  // Has memory for 100 pages and holds as many mbufs with a page each as make that many percent.
  void Use(int percent) {
    ASSERT_EQ(host().sysctls.Set("kern.maxclusters", 200), 0);
    while (m_pool_used() < percent) held_.push_back(PacketOf(4096));
    while (m_pool_used() > percent) held_.pop_back();
    ASSERT_EQ(m_pool_used(), percent);
  }
  void UseNoMore() { held_.clear(); }

 private:
  std::vector<MbufPtr> held_;
};

// Gives the buffer one record of these mbufs.
void AppendChain(sockbuf* sb, std::vector<MbufPtr> mbufs) {
  MbufPtr chain;
  while (!mbufs.empty()) {
    mbufs.back()->m_next = chain.release();
    chain = std::move(mbufs.back());
    mbufs.pop_back();
  }
  sbappendrecord(sb, std::move(chain));
}

template <typename... Mbufs>
void AppendRecord(sockbuf* sb, Mbufs... mbufs) {
  std::vector<MbufPtr> all;
  (all.push_back(std::move(mbufs)), ...);
  AppendChain(sb, std::move(all));
}

MbufPtr Marked(MbufPtr m) {
  m->m_flags |= M_EOR;
  return m;
}

// --- Section 5: who is told, and what a new connection inherits. ---

TEST_F(RowsTest, UpcallComesAfterTheSleepersHaveBeenWoken) {
  InProcess([this] {
    socket* so = Create(SOCK_STREAM);
    so->so_state |= SS_ISCONNECTED;
    Spawn("reader", [so] { EXPECT_EQ(Receive(so, 10).data, "x"); });
    Pause(kTickNs);
    bool asleep = true;
    so->so_upcallarg = &asleep;
    so->so_upcall = [](socket* s, void* arg, int) {
      *static_cast<bool*>(arg) = is_slept_on(&s->so_rcv.sb_cc);
    };
    sbappendstream(&so->so_rcv, MbufWith("x"));
    sorwakeup(so);
    EXPECT_FALSE(asleep);
    so->so_upcall = nullptr;
    Pause(kTickNs);
    so->so_state &= ~SS_ISCONNECTED;
    soclose(so);
  });
}

TEST_F(RowsTest, NewConnectionInheritsIdsMarksLimitsAndAsync) {
  InProcess([] {
    socket* head = CreateListener(80);
    head->so_siguid = 11;
    head->so_sigeuid = 12;
    head->so_cpid = 13;
    head->so_euid = 14;
    head->so_ruid = 15;
    head->so_snd.sb_lowat = 16;
    head->so_rcv.sb_timeo = 17;
    head->so_egid = 18;
    head->so_rgid = 19;
    for (sockbuf* sb : {&head->so_snd, &head->so_rcv}) sb->sb_flags |= SB_ASYNC;
    socket* so = NewConnection(head, 0);
    ASSERT_NE(so, nullptr);
    EXPECT_EQ(std::tuple(so->so_siguid, so->so_sigeuid, so->so_cpid, so->so_euid, so->so_ruid),
              std::tuple(11u, 12u, 13, 14u, 15u));
    EXPECT_EQ(std::tuple(so->so_egid, so->so_rgid), std::tuple(18u, 19u));
    EXPECT_EQ(so->so_snd.sb_lowat, 16);
    EXPECT_EQ(so->so_rcv.sb_timeo, 17);
    EXPECT_NE(so->so_snd.sb_flags & SB_ASYNC, 0);
    EXPECT_NE(so->so_rcv.sb_flags & SB_ASYNC, 0);
    soclose(head);
  });
}

TEST_F(RowsTest, NewConnectionIsRefusedAboveNinetyFivePercentOfTheMemory) {
  InProcess([this] {
    socket* head = CreateListener(80);
    Use(95);
    EXPECT_NE(NewConnection(head, 0), nullptr);
    Use(96);
    EXPECT_EQ(NewConnection(head, 0), nullptr);
    UseNoMore();
    soclose(head);
  });
}

TEST_F(RowsTest, ConnectionMadeFinishedWakesThePollersOfItsListener) {
  InProcess([this] {
    socket* head = CreateListener(80);
    bool woken = false;
    Spawn("poller", [&] {
      EXPECT_EQ(sopoll(head, POLLIN, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      woken = true;
    });
    Pause(kTickNs);
    ASSERT_NE(NewConnection(head, SS_ISCONNECTED), nullptr);
    Pause(kTickNs);
    EXPECT_TRUE(woken);
    soclose(head);
  });
}

constexpr uid_t kUser = 1000, kOther = 5;

// What is posted to the current process because of `so`, of SIGIO and SIGURG.
uint64_t SignalsOf(socket* so) {
  Hear(so);
  sohasoutofband(so);
  return std::exchange(curproc()->p_siglist, 0);
}

TEST_F(RowsTest, SignalsOfASocketObeyTheIdsOfWhoeverSetItsOwner) {
  InProcess(
      [] {
        for (const int signo : {SIGIO, SIGURG}) {
          ASSERT_EQ(sigaction_set(curproc(), signo,
                                  {.kind = sigact::Kind::kCatch, .handler = [](int) {}}),
                    0);
        }
        socket* so = Create(SOCK_STREAM);
        so->so_rcv.sb_flags |= SB_ASYNC;
        const uint64_t both = SigBit(SIGIO) | SigBit(SIGURG);
        so->so_pgid = curproc()->p_pid;
        EXPECT_EQ(SignalsOf(so), SigBit(SIGURG)) << "nobody asked for SIGIO";
        so->so_pgid = 0;
        so->so_state |= SS_ASYNC;
        EXPECT_EQ(SignalsOf(so), 0u) << "nobody owns it";
        so->so_pgid = curproc()->p_pid;
        for (const auto& [uid, euid, expected] : {std::tuple{kOther, kOther, uint64_t{0}},
                                                  {kUser, kOther, both},
                                                  {kOther, kUser, both},
                                                  {kOther, uid_t{0}, both},
                                                  {uid_t{0}, kOther, uint64_t{0}}}) {
          so->so_siguid = uid;
          so->so_sigeuid = euid;
          EXPECT_EQ(SignalsOf(so), expected) << uid << ", " << euid;
        }
        so->so_state &= ~SS_ASYNC;
        soclose(so);
      },
      {.cr_uid = kUser, .cr_ruid = kUser, .cr_svuid = kUser});
}

// A knote is told of data; that reading was shut, which takes everything else from the buffer, does
// not end its interest.
TEST_F(RowsTest, KnoteHearsOfDataBeforeAndAfterAShutdown) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    so->so_state |= SS_ISCONNECTED;
    file* fp = nullptr;
    ASSERT_EQ(sofile(so, FREAD | FWRITE, &fp), 0);
    kqueue* kq = kqueue_make(nullptr);
    struct kevent change;
    EV_SET(&change, 3, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, nullptr);
    ASSERT_EQ(kqueue_register(kq, change, fp), 0);
    const auto told = [kq] {
      return kqueue_scan(
          kq, 10, [](knote*, void*) { return KnoteVerdict::kTold; }, nullptr);
    };
    EXPECT_EQ(told(), 0);
    sbappendstream(&so->so_rcv, MbufWith("x"));
    Hear(so);
    EXPECT_EQ(told(), 1);
    EXPECT_EQ(told(), 0);
    sorflush(so);
    EXPECT_EQ(told(), 1) << "of the end";
    sbappendstream(&so->so_rcv, MbufWith("y"));
    Hear(so);
    EXPECT_EQ(told(), 1);
    kqueue_free(kq);
    so->so_state &= ~SS_ISCONNECTED;
    EXPECT_EQ(FRELE(fp), 0);
  });
}

// --- Section 6. ---

TEST_F(RowsTest, SocketInItsHandshakeOrItsEndCannotListen) {
  InProcess([] {
    for (const int state : {SS_ISCONNECTING, SS_ISDISCONNECTING}) {
      socket* so = CreateBound(SOCK_STREAM, 80);
      so->so_state |= state;
      EXPECT_EQ(solisten(so, 1), EINVAL) << state;
      so->so_state &= ~state;
      soclose(so);
    }
  });
}

TEST_F(RowsTest, LingeringCloseStartsItsTimeAnewAtEachWakeup) {
  InProcess([this] {
    const auto [a, b] = CreatePair(SOCK_STREAM);
    a->so_options |= kSoLinger;
    a->so_linger = 2;
    Spawn("waker", [a = a] {
      Pause(kSecond);
      wakeup(&a->so_timeo);
    });
    EXPECT_EQ(soclose_error(a), EWOULDBLOCK);
    EXPECT_EQ(Now(), 3 * kSecond);
    soclose(b);
  });
}

TEST_F(RowsTest, SocketThatNoLongerReadsStillSends) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(soshutdown(pair.first, SHUT_RD), 0);
    EXPECT_EQ(Send(pair.first, "still"), 0);
    EXPECT_EQ(Receive(pair.second, 10).data, "still");
    ClosePair(pair);
  });
}

TEST_F(RowsTest, CloseOfASocketThatItsProtocolHasLetGoIsNoError) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    LoopReset(pair.first, ECONNRESET);
    EXPECT_EQ(soclose_error(pair.first), 0);
    soclose(pair.second);
  });
}

TEST_F(RowsTest, ListenerTakesAConnectionAlongThatItsProtocolHasLetGo) {
  InProcess([this] {
    socket* head = CreateListener(80);
    socket* client = Create(SOCK_STREAM);
    EXPECT_EQ(Connect(client, 80), 0);
    LoopReset(head->so_q.first, ECONNRESET);
    soclose(head);
    EXPECT_EQ(sockets().live_sockets, 1);
    soclose(client);
  });
}

TEST_F(RowsTest, CloseOfAConnectionThatIsEndingAlreadyIsNoError) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(sodisconnect(pair.first), 0);
    EXPECT_EQ(soclose_error(pair.first), 0);
    soclose(pair.second);
  });
}

TEST_F(RowsTest, ConnectedSocketWithANameCannotListenEither) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    ASSERT_EQ(sobind(pair.first, nam.get(), curproc()), 0);
    EXPECT_EQ(solisten(pair.first, 1), EINVAL);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, DatagramSocketThatCannotDisconnectIsAlreadyConnected) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    const MbufPtr nam = LoopAddress(7);
    so->so_state |= SS_ISCONNECTING;  // which is nothing that could be disconnected
    EXPECT_EQ(soconnect(so, nam.get()), EISCONN);
    so->so_state &= ~SS_ISCONNECTING;
    soclose(so);
  });
}

// --- Section 7: sending. ---

TEST_F(RowsTest, UrgentDataHasRoomBeyondTheLimit) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace, 'x')), 0);
    EXPECT_EQ(Send(pair.first, "x", MSG_DONTWAIT), EWOULDBLOCK);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB | MSG_DONTWAIT), 0);
    loop().stalled = false;
    ClosePair(pair);
  });
}

TEST_F(RowsTest, DontrouteIsForMessagesAndLeavesTheOptionAsItWas) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "x", MSG_DONTROUTE), 0);
    EXPECT_EQ(loop().sent_options.back() & kSoDontRoute, 0) << "a stream takes no notice";
    ClosePair(pair);
    const auto records = CreatePair(SOCK_SEQPACKET);
    records.first->so_options |= kSoDontRoute;
    EXPECT_EQ(Send(records.first, "x", MSG_DONTROUTE), 0);
    EXPECT_NE(records.first->so_options & kSoDontRoute, 0) << "it was on, and stays on";
    ClosePair(records);
  });
}

TEST_F(RowsTest, ProtocolSeesThatMoreFollowsUntilTheLastPiece) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(2 * kLoopSpace, 'x')), 0);
    EXPECT_EQ(loop().sent_hints, (std::vector<bool>{true, false}));
    EXPECT_EQ(Receive(pair.second, 2 * kLoopSpace, MSG_WAITALL).error, 0);
    loop().sent_hints.clear();
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace, 'x')), 0);
    Spawn("reader",
          [so = pair.second] { EXPECT_EQ(Receive(so, 4 * kLoopSpace, MSG_WAITALL).error, 0); });
    EXPECT_EQ(Send(pair.first, std::string(3 * kLoopSpace, 'x')), 0);
    for (size_t i = 1; i < loop().sent_hints.size(); ++i) {
      EXPECT_EQ(loop().sent_hints[i], i + 1 < loop().sent_hints.size()) << "waits or not";
    }
    Pause(kSecond);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, DataWithControlNeedsAConnectionAsDataAloneDoes) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    const auto send = [so](std::string_view bytes) {
      return SendTo(so, bytes, nullptr, 0, nullptr, MbufWith("control-message!", MT_CONTROL));
    };
    EXPECT_EQ(send("x"), ENOTCONN);
    EXPECT_NE(send(""), ENOTCONN) << "the protocol has the last word";
    soclose(so);
  });
}

TEST_F(RowsTest, ControlWaitsForRoomAsAWholeAndCountsAgainstTheRequest) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    socket* so = pair.first;
    loop().stalled = loop().drops_control = true;
    const auto send = [so](int bytes, int control) {
      return SendTo(so, std::string(static_cast<size_t>(bytes), 'x'), nullptr, MSG_DONTWAIT,
                    nullptr, MbufWith(std::string(static_cast<size_t>(control), 'c'), MT_CONTROL));
    };
    EXPECT_EQ(Send(so, std::string(kLoopSpace - 150, 'f')), 0);
    so->so_snd.sb_lowat = 1;
    EXPECT_EQ(send(10, 151), EWOULDBLOCK) << "more control than room";
    so->so_snd.sb_lowat = 200;
    EXPECT_EQ(send(100, 51), EWOULDBLOCK) << "both do not fit, and there is less than the mark";
    EXPECT_EQ(send(100, 50), 0) << "both fit";
    loop().stalled = false;
    ClosePair(pair);
  });
}

TEST_F(RowsTest, FromThreeHundredAndSixtyNineBytesOnDataGoesIntoACluster) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    for (const size_t size : {368u, 369u}) {
      EXPECT_EQ(Send(pair.first, std::string(size, 'x')), 0);
      EXPECT_EQ((pair.first->so_snd.sb_mb->m_flags & M_EXT) != 0, size == 369) << size;
      sbflush(&pair.first->so_snd);
    }
    loop().stalled = false;
    ClosePair(pair);
  });
}

// --- Section 7: receiving. ---

TEST_F(RowsTest, CallThatFailsGivesNothing) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    const MbufPtr before = MbufWith("of an earlier call");
    mbuf *nam = before.get(), *chain = before.get(), *control = before.get();
    int flags = MSG_DONTWAIT;
    EXPECT_EQ(soreceive(pair.first, &nam, nullptr, &chain, &control, &flags), EWOULDBLOCK);
    EXPECT_EQ(nam, nullptr);
    EXPECT_EQ(chain, nullptr);
    EXPECT_EQ(control, nullptr);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, UrgentOrMarkedRecordIsDeliveredThoughBelowTheLowWaterMark) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_rcv.sb_lowat = 5;
    AppendRecord(&pair.first->so_rcv, MbufWith("!", MT_OOBDATA));
    EXPECT_EQ(Receive(pair.first, 10).data, "!");
    AppendRecord(&pair.first->so_rcv, Marked(MbufWith("ab")));
    const Received got = Receive(pair.first, 10);
    EXPECT_EQ(got.data, "ab");
    EXPECT_EQ(got.flags, MSG_EOR);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, MarkedEndStopsEvenWhoWaitsForAll) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    AppendRecord(&pair.first->so_rcv, Marked(MbufWith("ab")));
    EXPECT_EQ(Receive(pair.first, 10, MSG_WAITALL).data, "ab");
    ClosePair(pair);
  });
}

TEST_F(RowsTest, ControlMessageInsideARecordStopsTheRead) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    AppendRecord(&pair.first->so_rcv, MbufWith("ab"), MbufWith("control-message!", MT_CONTROL),
                 MbufWith("cd"));
    EXPECT_EQ(Receive(pair.first, 10, 0, true).data, "ab");
    const Received got = Receive(pair.first, 10, 0, true);
    EXPECT_EQ(got.data, "cd");
    EXPECT_EQ(BytesOf(got.control.get()), "control-message!");
    ClosePair(pair);
  });
}

TEST_F(RowsTest, LookAtTheMarkLeavesItReached) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    sbappendstream(&pair.first->so_rcv, MbufWith("later"));
    pair.first->so_state |= SS_RCVATMARK;
    EXPECT_EQ(Receive(pair.first, 10, MSG_PEEK).data, "later");
    EXPECT_NE(pair.first->so_state & SS_RCVATMARK, 0);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, ErrorEndsAWaitForAllWithWhatHasCome) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    bool done = false;
    Spawn("reader", [so = pair.first, &done] {
      EXPECT_EQ(Receive(so, 10, MSG_WAITALL).data, "abc");
      EXPECT_EQ(Receive(so, 10).error, EHOSTUNREACH) << "the error is for the next call";
      done = true;
    });
    Pause(kTickNs);
    sbappendstream(&pair.first->so_rcv, MbufWith("abc"));
    Hear(pair.first);
    Pause(kTickNs);
    so_seterror(pair.first, EHOSTUNREACH);
    Hear(pair.first);
    Pause(kTickNs);
    EXPECT_TRUE(done);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, FlagsOfACallThatFailedAreTheCallersOwn) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    AppendRecord(&pair.first->so_rcv, MbufWith("abcdef"));
    iovec iov = {nullptr, 4};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = 4, .uio_rw = UIO_READ};
    int flags = MSG_DONTWAIT;
    EXPECT_EQ(soreceive(pair.first, nullptr, &uio, nullptr, nullptr, &flags), EFAULT);
    EXPECT_EQ(flags, MSG_DONTWAIT) << "though a record was cut short";
    ClosePair(pair);
  });
}

TEST_F(RowsTest, EmptyRecordAfterTheEndIsARead) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    for (const char* record : {"", "x"}) AppendRecord(&pair.first->so_rcv, MbufWith(record));
    pair.first->so_state |= SS_CANTRCVMORE;
    EXPECT_EQ(Receive(pair.first, 10).data, "");
    EXPECT_EQ(Receive(pair.first, 10).data, "x");
    ClosePair(pair);
  });
}

TEST_F(RowsTest, RequestForNoneOfTheUrgentByteGetsNone) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    uio uio = {.uio_resid = 0, .uio_rw = UIO_READ};
    mbuf* chain = nullptr;
    int flags = MSG_OOB;
    EXPECT_EQ(soreceive(pair.second, nullptr, &uio, &chain, nullptr, &flags), 0);
    EXPECT_EQ(uio.uio_resid, 0u);
    m_freem(chain);
    ClosePair(pair);
  });
}

TEST_F(RowsTest, UrgentDataWakesPollers) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    bool woken = false;
    Spawn("poller", [so = pair.second, &woken] {
      EXPECT_EQ(sopoll(so, POLLPRI, curproc()), 0);
      EXPECT_EQ(selwait(curproc(), "poll", 0), 0);
      woken = true;
    });
    Pause(kTickNs);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    Pause(kTickNs);
    EXPECT_TRUE(woken);
    ClosePair(pair);
  });
}

// --- Section 10. ---

TEST_F(RowsTest, ErrorOfTheSourceEndsItsSpliceBeforeAnythingMoves) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    so_seterror(relay.source, EHOSTUNREACH);
    sbappendstream(&relay.source->so_rcv, MbufWith("stays"));
    Hear(relay.source);
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(relay.source->so_rcv.sb_cc, 5u);
    EXPECT_EQ(so_takeerror(relay.source), EHOSTUNREACH);
    Close(relay);
  });
}

// Urgent data finds room beyond the drain's limit, as it does in sosend.
TEST_F(RowsTest, DataAroundAnUrgentByteMovesThoughTheDrainIsNearlyFull) {
  InProcess([this] {
    const Relay relay = Connected();
    loop().stalled = true;
    EXPECT_EQ(Send(relay.drain, std::string(kLoopSpace - 10, 'f')), 0);
    relay.drain->so_snd.sb_lowat = 1;
    sbappendstream(&relay.source->so_rcv, MbufWith(std::string(100, 'x')));
    relay.source->so_oobmark = 50;
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(so_splicelen(relay.source), 100);
    loop().stalled = false;
    Close(relay);
  });
}

TEST_F(RowsTest, LastPieceOfASpliceIsSentWithoutTheHintOfMore) {
  InProcess([this] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("all"));
    Hear(relay.source);
    EXPECT_EQ(loop().sent_hints, (std::vector<bool>{false}));
    Close(relay);
  });
}

// --- sockbuf.md. ---

TEST_F(RowsTest, MemoryIsLowFromAboveEightyPercentToBelowSixty) {
  InProcess([this] {
    for (const auto& [percent, error] :
         {std::pair{80, 0}, {81, ENOBUFS}, {60, ENOBUFS}, {59, 0}, {80, 0}}) {
      Use(percent);
      EXPECT_EQ(sbcheckreserve(1000, 100), error) << percent;
    }
    UseNoMore();
  });
}

TEST_F(RowsTest, AddressMayFillAnMbuf) {
  InProcess([] {
    socket* so = Create(SOCK_DGRAM);
    const char address[MLEN] = {};
    MbufPtr m, control;
    EXPECT_EQ(
        sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(address), MLEN, m, control), 1);
    EXPECT_EQ(so->so_rcv.sb_mb->m_len, MLEN);
    soclose(so);
  });
}

TEST_F(RowsTest, ControlMessageOfTwoHundredAndTwentyFourBytesNeedsNoCluster) {
  InProcess([] {
    const char data[MLEN] = {};
    const size_t fits = MLEN - CMSG_LEN(0);
    EXPECT_EQ(sbcreatecontrol(data, fits, 1, SOL_SOCKET)->m_flags & M_EXT, 0);
    EXPECT_NE(sbcreatecontrol(data, fits + 1, 1, SOL_SOCKET)->m_flags & M_EXT, 0);
  });
}

TEST_F(RowsTest, LockHeldOnReturnToUserModePanics) {
  EXPECT_DEATH(InProcess([] {
                 socket* so = Create(SOCK_STREAM);
                 EXPECT_EQ(sblock(&so->so_rcv, true), 0);
                 userret();
               }),
               "p_sblocks == 0");
}

TEST_F(RowsTest, ReservingClampsTheLowWaterMarkForSendingToTheLimit) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    so->so_snd.sb_lowat = 0;  // never reserved
    EXPECT_EQ(soreserve(so, 1000, 1000), 0);
    EXPECT_EQ(so->so_snd.sb_lowat, 1000);
    soclose(so);
  });
}

TEST_F(RowsTest, ExpeditedRecordGoesBehindOneThatStartsWithControl) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    sockbuf* sb = &pair.first->so_rcv;
    AppendRecord(sb, MbufWith("control-message!", MT_CONTROL), MbufWith("1", MT_OOBDATA));
    AppendRecord(sb, MbufWith("normal"));
    sbinsertoob(sb, MbufWith("2", MT_OOBDATA));
    for (const char* expected : {"1", "2", "normal"}) {
      EXPECT_EQ(Receive(pair.first, 10).data, expected);
    }
    ClosePair(pair);
  });
}

TEST_F(RowsTest, FiveHundredAndTwelveBytesAreMergedAndOneMoreIsNot) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    sockbuf* sb = &pair.first->so_rcv;
    for (const int size : {512, 513}) {
      MbufPtr roomy = PacketOf(1000);
      roomy->m_len = roomy->m_pkthdr.len = 100;
      sbappendstream(sb, std::move(roomy));
      sbappendstream(sb, PacketOf(size));
      EXPECT_EQ(sb->sb_mb->m_next == nullptr, size == 512) << size;
      sbflush(sb);
    }
    ClosePair(pair);
  });
}

TEST_F(RowsTest, NothingIsMergedBehindAMarkedEnd) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    sockbuf* sb = &pair.first->so_rcv;
    sbappendstream(sb, Marked(MbufWith("ab")));
    const mbuf* first = sb->sb_mb;
    sbappendstream(sb, MbufWith("cd"));
    EXPECT_EQ(first->m_len, 2);
    sbflush(sb);
    ClosePair(pair);
  });
}

// Traces are compared bit for bit: the numbers of what only BSD has are part of them.
TEST(SocketConstantsTest, StatesAndProtocolFlagsHaveTheNumbersOfTheTables) {
  constexpr int kStates[] = {SS_NOFDREF,      SS_ISCONNECTED, SS_ISCONNECTING, SS_ISDISCONNECTING,
                             SS_CANTSENDMORE, SS_CANTRCVMORE, SS_RCVATMARK,    SS_PRIV,
                             SS_NBIO,         SS_ASYNC,       SS_ISCONFIRMING, SS_ISDISCONNECTED,
                             SS_CONNECTOUT,   SS_ISSENDING};
  for (size_t i = 0; i < std::size(kStates); ++i) EXPECT_EQ(kStates[i], 1 << i) << i;
  constexpr int kFlags[] = {PR_ATOMIC, PR_ADDR,        PR_CONNREQUIRED, PR_WANTRCVD,
                            PR_RIGHTS, PR_ABRTACPTDIS, PR_SPLICE};
  for (size_t i = 0; i < std::size(kFlags); ++i) EXPECT_EQ(kFlags[i], 1 << i) << i;
  constexpr int kBuffer[] = {SB_LOCK,  SB_WANT,   SB_WAIT,   SB_SEL,
                             SB_ASYNC, SB_SPLICE, SB_NOINTR, SB_KNOTE};
  for (size_t i = 0; i < std::size(kBuffer); ++i) EXPECT_EQ(kBuffer[i], 1 << i) << i;
}

}  // namespace
}  // namespace sockbed
