// Rows of spec socket-layer.md and sockbuf.md that no other test of the room would miss: each was
// broken by hand, and all the others passed.
#include <errno.h>
#include <poll.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernel/socket/loop_test_host.h"
#include "kernel/socket/splice_test_relay.h"

namespace sockbed {
namespace {

using RowsTest = LoopTestHost;

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
    for (sockbuf* sb : {&head->so_snd, &head->so_rcv}) sb->sb_flags |= SB_ASYNC;
    socket* so = NewConnection(head, 0);
    ASSERT_NE(so, nullptr);
    EXPECT_EQ(std::tuple(so->so_siguid, so->so_sigeuid, so->so_cpid, so->so_euid, so->so_ruid),
              std::tuple(11u, 12u, 13, 14u, 15u));
    EXPECT_EQ(so->so_snd.sb_lowat, 16);
    EXPECT_EQ(so->so_rcv.sb_timeo, 17);
    EXPECT_NE(so->so_snd.sb_flags & SB_ASYNC, 0);
    EXPECT_NE(so->so_rcv.sb_flags & SB_ASYNC, 0);
    soclose(head);
  });
}

// --- Section 6. ---

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
    ClosePair(pair);
  });
}

// --- Section 7: receiving. ---

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

// --- sockbuf.md. ---

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

}  // namespace
}  // namespace sockbed
