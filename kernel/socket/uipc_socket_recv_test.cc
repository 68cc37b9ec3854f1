// soreceive: spec socket-layer.md section 7, row by row.
#include <errno.h>

#include <string>
#include <vector>

#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

class ReceiveTest : public LoopTestHost {
 protected:
  // Puts bytes into so_rcv as the protocol would.
  static void Arrive(socket* so, std::string_view bytes, int type = MT_DATA, int flags = 0) {
    MbufPtr m = MbufWith(bytes, type);
    m->m_flags |= static_cast<uint16_t>(flags);
    if ((so->so_proto->pr_flags & PR_ATOMIC) != 0) {
      sbappendrecord(&so->so_rcv, std::move(m));
    } else {
      sbappendstream(&so->so_rcv, std::move(m));
    }
    sorwakeup(so);
  }
};

// --- What wins when there is nothing, or something, to read. ---

TEST_F(ReceiveTest, DataBeatsPendingErrorWhichBeatsEndOfFile) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "data");
    pair.first->so_error = ECONNRESET;
    socantrcvmore(pair.first);
    EXPECT_EQ(Receive(pair.first, 10).data, "data");
    EXPECT_EQ(Receive(pair.first, 10).error, ECONNRESET);
    const Received end = Receive(pair.first, 10);
    EXPECT_EQ(end.error, 0);
    EXPECT_EQ(end.data, "");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, PeekLeavesThePendingError) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_error = ECONNRESET;
    EXPECT_EQ(Receive(pair.first, 10, MSG_PEEK).error, ECONNRESET);
    EXPECT_EQ(Receive(pair.first, 10).error, ECONNRESET);
    EXPECT_EQ(pair.first->so_error, 0);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, DataThatAConnectionLeftBehindCanBeRead) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "last words");
    LoopReset(pair.first, ECONNRESET);
    const int told = loop().rcvd_calls;
    EXPECT_EQ(Receive(pair.first, 100).data, "last words");
    EXPECT_EQ(loop().rcvd_calls, told) << "no protocol is left to be told";
    EXPECT_EQ(Receive(pair.first, 100).error, ECONNRESET);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, StreamNeverConnectedIsNotConnected) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Receive(so, 10).error, ENOTCONN);
    soclose(so);
  });
}

TEST_F(ReceiveTest, ConnectingStreamBlocks) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(80);
    EXPECT_EQ(soconnect(so, nam.get()), 0);
    EXPECT_EQ(Receive(so, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    EXPECT_EQ(Receive(so, 10).error, ECONNREFUSED);
    soclose(so);
  });
}

TEST_F(ReceiveTest, RequestForNothingDoesNotWait) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Receive(pair.first, 0).error, 0);
    Arrive(pair.first, "data");
    EXPECT_EQ(Receive(pair.first, 0).error, 0);
    EXPECT_EQ(pair.first->so_rcv.sb_cc, 4u) << "consumes nothing";
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, NonBlockingReadTakesWhatIsThere) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_state |= SS_NBIO;
    EXPECT_EQ(Receive(pair.first, 10).error, EWOULDBLOCK);
    pair.first->so_rcv.sb_lowat = 8;
    Arrive(pair.first, "four");
    EXPECT_EQ(Receive(pair.first, 10).data, "four") << "the low-water mark is for those who wait";
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, DontwaitDoesNotWaitForTheLock) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "data");
    EXPECT_EQ(sblock(&pair.first->so_rcv, false), 0);
    EXPECT_EQ(Receive(pair.first, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    sbunlock(&pair.first->so_rcv);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, BlockingReadWaitsForTheLowWaterMark) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_rcv.sb_lowat = 6;
    Arrive(pair.first, "four");
    Spawn("later", [so = pair.first] {
      Pause(kSecond);
      Arrive(so, "more");
    });
    EXPECT_EQ(Receive(pair.first, 4).data, "four") << "the request is less than the mark";
    Arrive(pair.first, "1234");
    EXPECT_EQ(Receive(pair.first, 100).data, "1234more");
    EXPECT_EQ(Now(), kSecond);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, TimeLimitEndsTheWait) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_rcv.sb_timeo = 10;
    EXPECT_EQ(Receive(pair.first, 10).error, EWOULDBLOCK);
    EXPECT_EQ(Now(), 10 * kTickNs);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, SignalEndsTheWait) {
  proc* reader = Spawn("reader", [] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Receive(pair.first, 10).error, EINTR);
    EXPECT_EQ(pair.first->so_rcv.sb_flags & SB_LOCK, 0);
    ClosePair(pair);
  });
  Spawn("killer", [reader] {
    Pause(kSecond);
    psignal(reader, SIGTERM);
  });
  Run();
}

TEST_F(ReceiveTest, ReadersTakeTurns) {
  std::string first, second;
  InProcess([&] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("first", [&, so = pair.first] { first = Receive(so, 4, MSG_WAITALL).data; });
    Spawn("second", [&, so = pair.first] { second = Receive(so, 4, MSG_WAITALL).data; });
    for (const char* part : {"ab", "cd", "ef", "gh"}) {
      Pause(kSecond);
      Arrive(pair.first, part);
    }
    Pause(kSecond);
    ClosePair(pair);
  });
  EXPECT_EQ(first, "abcd");
  EXPECT_EQ(second, "efgh");
}

// --- MSG_WAITALL. ---

TEST_F(ReceiveTest, WaitallWaitsForMoreThanTheBufferHolds) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    const std::string bytes(3 * kLoopSpace, 'w');
    Spawn("writer", [&bytes, so = pair.second] { EXPECT_EQ(Send(so, bytes), 0); });
    EXPECT_TRUE(Receive(pair.first, bytes.size(), MSG_WAITALL).data == bytes);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, WaitallIsShortAtTheEndOfFile) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "half");
    Spawn("later", [so = pair.first] {
      Pause(kSecond);
      socantrcvmore(so);
    });
    const Received got = Receive(pair.first, 2 * kLoopSpace, MSG_WAITALL);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "half");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, WaitallEndsWithTheRecord) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    for (const char* record : {"ab", "cd"}) sbappendrecord(&pair.first->so_rcv, MbufWith(record));
    EXPECT_EQ(Receive(pair.first, 4, MSG_WAITALL).data, "ab");
    EXPECT_EQ(Receive(pair.first, 2, MSG_WAITALL).data, "cd");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, WaitallThatIsCutShortIsASuccess) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "half");
    pair.first->so_rcv.sb_timeo = 10;
    const Received got = Receive(pair.first, 2 * kLoopSpace, MSG_WAITALL);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "half");
    EXPECT_EQ(pair.first->so_rcv.sb_flags & SB_LOCK, 0);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, WaitallWaitsForNothingWhereNothingMayWait) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "ab");
    EXPECT_EQ(Receive(pair.first, 10, MSG_WAITALL | MSG_DONTWAIT).data, "ab");
    EXPECT_EQ(Receive(pair.first, 10, MSG_WAITALL | MSG_DONTWAIT).error, EWOULDBLOCK);
    pair.first->so_state |= SS_NBIO;
    Arrive(pair.first, "cd");
    EXPECT_EQ(Receive(pair.first, 10, MSG_WAITALL).data, "cd");
    ClosePair(pair);
  });
}

// --- MSG_PEEK. ---

TEST_F(ReceiveTest, PeekChangesNothing) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, std::string(100, 'a'));
    Arrive(pair.first, std::string(100, 'b'));
    EXPECT_EQ(Receive(pair.first, 150, MSG_PEEK).data,
              std::string(100, 'a') + std::string(50, 'b'));
    EXPECT_EQ(pair.first->so_rcv.sb_cc, 200u);
    EXPECT_EQ(Receive(pair.first, 300, MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT).data.size(), 200u);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, PeekSeesNameAndTruncationOfADatagram) {
  InProcess([] {
    socket* to = CreateBound(SOCK_DGRAM, 7);
    socket* from = CreateBound(SOCK_DGRAM, 8);
    EXPECT_EQ(Send(from, "datagram", 0, 7), 0);
    const Received got = Receive(to, 4, MSG_PEEK);
    EXPECT_EQ(got.data, "data");
    EXPECT_EQ(LoopPort(got.name.get()), 8);
    EXPECT_NE(got.flags & MSG_TRUNC, 0);
    EXPECT_EQ(Receive(to, 100).data, "datagram");
    soclose(to);
    soclose(from);
  });
}

TEST_F(ReceiveTest, PeekTellsTheProtocolNothingAndNeedsNoPlaceForWhatIsNotWanted) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "abc");
    const int told = loop().rcvd_calls;
    EXPECT_EQ(Receive(pair.first, 3, MSG_PEEK).data, "abc");
    EXPECT_EQ(loop().rcvd_calls, told) << "there is no more room than before";
    ClosePair(pair);

    socket* to = CreateBound(SOCK_DGRAM, 7);
    MbufPtr m = PacketOf(10), control = MbufWith("control-message!", MT_CONTROL);
    const sockaddr from = {};
    EXPECT_EQ(sbappendaddr(&to->so_rcv, &from, sizeof from, m, control), 1);
    uio uio = {.uio_rw = UIO_READ};
    int flags = MSG_PEEK;
    EXPECT_EQ(soreceive(to, nullptr, &uio, nullptr, nullptr, &flags), 0);
    EXPECT_EQ(flags, MSG_PEEK | MSG_TRUNC);
    EXPECT_EQ(to->so_rcv.sb_datacc, 10u);
    soclose(to);
  });
}

TEST_F(ReceiveTest, ChainOfAPeekAtAnEmptyRecordIsNone) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    Arrive(pair.first, "");
    mbuf* chain = nullptr;
    int flags = MSG_PEEK;
    EXPECT_EQ(soreceive(pair.first, nullptr, nullptr, &chain, nullptr, &flags), 0);
    EXPECT_EQ(chain, nullptr);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, PeekAtAnEmptyRecordReturns) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    Arrive(pair.first, "");
    EXPECT_EQ(Receive(pair.first, 10, MSG_PEEK).error, 0);
    ClosePair(pair);
  });
}

// --- Records. ---

TEST_F(ReceiveTest, RestOfADatagramIsDropped) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    EXPECT_EQ(Send(so, "datagram", 0, 7), 0);
    EXPECT_EQ(Send(so, "next", 0, 7), 0);
    const Received got = Receive(so, 4);
    EXPECT_EQ(got.data, "data");
    EXPECT_EQ(got.flags, MSG_TRUNC);
    EXPECT_EQ(LoopPort(got.name.get()), 7);
    EXPECT_EQ(Receive(so, 10).data, "next");
    soclose(so);
  });
}

TEST_F(ReceiveTest, DatagramsAreReadOneByOne) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    for (const char* text : {"one", "", "three"}) EXPECT_EQ(Send(so, text, 0, 7), 0);
    for (const char* text : {"one", "", "three"}) {
      const Received got = Receive(so, 100, MSG_WAITALL);
      EXPECT_EQ(got.data, text);
      EXPECT_EQ(got.flags & MSG_TRUNC, 0);
    }
    EXPECT_EQ(Receive(so, 100, MSG_DONTWAIT).error, EWOULDBLOCK);
    soclose(so);
  });
}

TEST_F(ReceiveTest, RequestForNothingConsumesADatagram) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    EXPECT_EQ(Send(so, "gone", 0, 7), 0);
    EXPECT_EQ(Receive(so, 0).flags, MSG_TRUNC);
    EXPECT_EQ(so->so_rcv.sb_cc, 0u);
    soclose(so);
  });
}

TEST_F(ReceiveTest, EndOfRecordIsReportedWhenItIsReached) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(pair.first, "whole", MSG_EOR), 0);
    EXPECT_EQ(Send(pair.first, "unmarked"), 0);
    EXPECT_EQ(Send(pair.first, "cut", MSG_EOR), 0);
    EXPECT_EQ(Receive(pair.second, 10).flags, MSG_EOR);
    EXPECT_EQ(Receive(pair.second, 10).flags, 0);
    EXPECT_EQ(Receive(pair.second, 2).flags, MSG_TRUNC);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, EmptyRecordIsSwallowedUnlessMarked) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(pair.first, ""), 0);
    EXPECT_EQ(Receive(pair.second, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    EXPECT_EQ(Send(pair.first, ""), 0);
    EXPECT_EQ(Send(pair.first, "next"), 0);
    EXPECT_EQ(Receive(pair.second, 10).data, "next");
    EXPECT_EQ(Send(pair.first, "", MSG_EOR), 0);
    const Received got = Receive(pair.second, 10);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.flags, MSG_EOR);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, LinkLevelBroadcastAndMulticastAreFlags) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    Arrive(pair.first, "b", MT_DATA, M_BCAST);
    Arrive(pair.first, "m", MT_DATA, M_MCAST);
    EXPECT_EQ(Receive(pair.first, 10).flags, MSG_BCAST);
    EXPECT_EQ(Receive(pair.first, 10).flags, MSG_MCAST);
    ClosePair(pair);
  });
}

// --- Control messages. ---

TEST_F(ReceiveTest, ControlComesWithTheDataSentWithIt) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    MbufPtr m = MbufWith("data");
    MbufPtr control = MbufWith("control-message!", MT_CONTROL);
    control->m_next = MbufWith("and-another-one!", MT_CONTROL).release();
    EXPECT_EQ(sbappendcontrol(&pair.first->so_rcv, m, control), 1);
    const Received peeked = Receive(pair.first, 10, MSG_PEEK, true);
    EXPECT_EQ(BytesOf(peeked.control.get()), "control-message!and-another-one!");
    const Received got = Receive(pair.first, 10, 0, true);
    EXPECT_EQ(got.data, "data");
    EXPECT_EQ(BytesOf(got.control.get()), "control-message!and-another-one!");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, UnwantedControlIsFreed) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    MbufPtr m = MbufWith("data");
    MbufPtr control = MbufWith("control-message!", MT_CONTROL);
    EXPECT_EQ(sbappendcontrol(&pair.first->so_rcv, m, control), 1);
    EXPECT_EQ(Receive(pair.first, 10).data, "data");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, ControlWithoutDataEndsTheWait) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    MbufPtr none;
    MbufPtr control = MbufWith("control-message!", MT_CONTROL);
    EXPECT_EQ(sbappendcontrol(&pair.first->so_rcv, none, control), 1);
    const Received got = Receive(pair.first, 10, 0, true);
    EXPECT_EQ(got.data, "");
    EXPECT_NE(got.control, nullptr);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, StreamIsReadUpToTheNextControlMessage) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    sbappend(&pair.first->so_rcv, MbufWith("before"));
    MbufPtr m = MbufWith("with");
    MbufPtr control = MbufWith("control-message!", MT_CONTROL);
    EXPECT_EQ(sbappendcontrol(&pair.first->so_rcv, m, control), 1);
    sbappend(&pair.first->so_rcv, MbufWith("after"));
    EXPECT_EQ(Receive(pair.first, 100, MSG_WAITALL).data, "before");
    EXPECT_EQ(Receive(pair.first, 100).data, "withafter");
    ClosePair(pair);
  });
}

// --- Urgent data. ---

TEST_F(ReceiveTest, ReadStopsAtTheMark) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "normal"), 0);
    Pause(2 * kLoopDelay);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    EXPECT_EQ(Send(pair.first, "later"), 0);
    Pause(2 * kLoopDelay);
    EXPECT_EQ(Receive(pair.second, 100, MSG_PEEK).data, "normal");
    EXPECT_EQ(Receive(pair.second, 2).data, "no");
    EXPECT_EQ(pair.second->so_state & SS_RCVATMARK, 0);
    EXPECT_EQ(Receive(pair.second, 100).data, "rmal");
    EXPECT_NE(pair.second->so_state & SS_RCVATMARK, 0);
    EXPECT_EQ(Receive(pair.second, 100).data, "later");
    EXPECT_EQ(pair.second->so_state & SS_RCVATMARK, 0);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, UrgentByteIsFetchedAside) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Receive(pair.second, 1, MSG_OOB).error, EINVAL);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    EXPECT_EQ(Receive(pair.second, 10, MSG_OOB | MSG_PEEK).data, "!");
    EXPECT_EQ(Receive(pair.second, 10, MSG_OOB).data, "!");
    EXPECT_EQ(Receive(pair.second, 10, MSG_OOB).error, EINVAL);
    ClosePair(pair);
    socket* datagram = Create(SOCK_DGRAM);
    EXPECT_EQ(Receive(datagram, 1, MSG_OOB).error, EOPNOTSUPP);
    soclose(datagram);
  });
}

TEST_F(ReceiveTest, UrgentByteMayComeAsAChainOrNotForWantOfMemory) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "!", MSG_OOB), 0);
    {
      const HostScope interrupt(host());
      Fail({{.site = Site::kMbufGet}});
      EXPECT_EQ(Receive(pair.second, 1, MSG_OOB).error, ENOBUFS);
      Fail({});
    }
    mbuf* chain = nullptr;
    int flags = MSG_OOB;
    EXPECT_EQ(soreceive(pair.second, nullptr, nullptr, &chain, nullptr, &flags), 0);
    const MbufPtr got(chain);
    EXPECT_EQ(BytesOf(got.get()), "!");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, ExpeditedRecordIsFlaggedAndReadAlone) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    Arrive(pair.first, "normal");
    sbinsertoob(&pair.first->so_rcv, MbufWith("now", MT_OOBDATA));
    const Received got = Receive(pair.first, 10);
    EXPECT_EQ(got.data, "now");
    EXPECT_EQ(got.flags, MSG_OOB);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, InlineUrgentByteIsASeparateRead) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "abc");
    Arrive(pair.first, "!", MT_OOBDATA);
    EXPECT_EQ(Receive(pair.first, 10).data, "abc");
    const Received got = Receive(pair.first, 10);
    EXPECT_EQ(got.data, "!");
    EXPECT_EQ(got.flags, MSG_OOB);
    ClosePair(pair);
  });
}

// --- Faults of the caller's memory. ---

TEST_F(ReceiveTest, FaultConsumesTheRequestAndIsReported) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "abcdef");
    iovec iov = {nullptr, 4};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = 4, .uio_rw = UIO_READ};
    const int told = loop().rcvd_calls;
    EXPECT_EQ(soreceive(pair.first, nullptr, &uio, nullptr, nullptr, nullptr), EFAULT);
    EXPECT_EQ(uio.uio_resid, 0u) << "the whole request is used up";
    EXPECT_EQ(loop().rcvd_calls, told + 1) << "there is room again: the sender may wait for it";
    EXPECT_EQ(Receive(pair.first, 10).data, "ef");
    ClosePair(pair);
  });
}

// --- What the flags say in the end. ---

TEST_F(ReceiveTest, FlagsComeBackWithWhatHappened) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(pair.first, "record", MSG_EOR), 0);
    const Received got = Receive(pair.second, 6, MSG_DONTWAIT);
    EXPECT_EQ(got.flags, MSG_DONTWAIT | MSG_EOR);
    EXPECT_EQ(Receive(pair.second, 6, MSG_DONTWAIT).flags, MSG_DONTWAIT) << "a failure adds none";
    pair.second->so_state |= SS_NBIO;
    EXPECT_EQ(Send(pair.first, "record"), 0);
    EXPECT_EQ(Receive(pair.second, 6).flags, MSG_DONTWAIT) << "so it was received";
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, EndOfRecordInTheRequestMeansNothing) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, std::string(200, 'a'));
    Arrive(pair.first, std::string(200, 'b'));
    EXPECT_EQ(Receive(pair.first, 400, MSG_EOR).data.size(), 400u);
    ClosePair(pair);
  });
}

// --- Chains for the kernel. ---

TEST_F(ReceiveTest, ChainIsHandedOverWithoutACopy) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, std::string(200, 'a'));
    Arrive(pair.first, std::string(200, 'b'));
    const mbuf* same = pair.first->so_rcv.sb_mb;
    mbuf* chain = nullptr;
    int flags = MSG_WAITALL;
    EXPECT_EQ(soreceive(pair.first, nullptr, nullptr, &chain, nullptr, &flags), 0);
    const MbufPtr got(chain);
    EXPECT_EQ(got.get(), same);
    EXPECT_EQ(BytesOf(got.get()), std::string(200, 'a') + std::string(200, 'b'));
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, ChainMayBeLimited) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, std::string(200, 'a'));
    Arrive(pair.first, std::string(200, 'b'));
    uio limit = {.uio_resid = 250, .uio_rw = UIO_READ};
    mbuf* chain = nullptr;
    EXPECT_EQ(soreceive(pair.first, nullptr, &limit, &chain, nullptr, nullptr), 0);
    const MbufPtr got(chain);
    EXPECT_EQ(BytesOf(got.get()), std::string(200, 'a') + std::string(50, 'b'));
    EXPECT_EQ(limit.uio_resid, 0u);
    sbcheck(&pair.first->so_rcv);
    EXPECT_EQ(pair.first->so_rcv.sb_cc, 150u);
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, ChainOfAPeekIsACopy) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "abc");
    mbuf* chain = nullptr;
    int flags = MSG_PEEK;
    EXPECT_EQ(soreceive(pair.first, nullptr, nullptr, &chain, nullptr, &flags), 0);
    const MbufPtr got(chain);
    EXPECT_EQ(BytesOf(got.get()), "abc");
    EXPECT_EQ(Receive(pair.first, 10).data, "abc");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, DatagramBecomesAPacket) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    EXPECT_EQ(Send(so, std::string(3000, 'x'), 0, 7), 0);
    mbuf* chain = nullptr;
    mbuf* nam = nullptr;
    EXPECT_EQ(soreceive(so, &nam, nullptr, &chain, nullptr, nullptr), 0);
    const MbufPtr got(chain), name(nam);
    EXPECT_EQ(got->m_pkthdr.len, 3000);
    m_check(got.get());
    EXPECT_EQ(LoopPort(name.get()), 7);
    soclose(so);
  });
}

TEST_F(ReceiveTest, PairOfSocketsMayBeJoinedByChains) {
  InProcess([] {
    const auto in = CreatePair(SOCK_SEQPACKET);
    const auto out = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(in.first, "passed on", MSG_EOR), 0);
    mbuf* chain = nullptr;
    EXPECT_EQ(soreceive(in.second, nullptr, nullptr, &chain, nullptr, nullptr), 0);
    EXPECT_EQ(sosend(out.first, nullptr, nullptr, chain, nullptr, 0), 0);
    EXPECT_EQ(Receive(out.second, 100).data, "passed on");
    ClosePair(in);
    ClosePair(out);
  });
}

// --- Interrupt context, where there may be no memory for a copy. ---

TEST_F(ReceiveTest, LookWithoutMemoryForTheNameLeavesEverything) {
  InProcess([this] {
    socket* to = CreateBound(SOCK_DGRAM, 7);
    socket* from = CreateBound(SOCK_DGRAM, 8);
    EXPECT_EQ(Send(from, "datagram", 0, 7), 0);
    {
      const HostScope interrupt(host());
      Fail({{.site = Site::kMbufGet}});
      EXPECT_EQ(Receive(to, 100, MSG_PEEK | MSG_DONTWAIT).error, ENOBUFS);
      Fail({});
      EXPECT_EQ(Receive(to, 100, MSG_PEEK | MSG_DONTWAIT).data, "datagram") << "not locked";
    }
    EXPECT_EQ(LoopPort(Receive(to, 100).name.get()), 8);
    soclose(to);
    soclose(from);
  });
}

TEST_F(ReceiveTest, LookWithoutMemoryForControlLeavesEverything) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    MbufPtr m = MbufWith("data"), control = MbufWith("control-message!", MT_CONTROL);
    EXPECT_EQ(sbappendcontrol(&pair.first->so_rcv, m, control), 1);
    {
      const HostScope interrupt(host());
      Fail({{.site = Site::kMbufGet}});
      EXPECT_EQ(Receive(pair.first, 10, MSG_PEEK | MSG_DONTWAIT, true).error, ENOBUFS);
      Fail({});
    }
    const Received got = Receive(pair.first, 10, MSG_DONTWAIT, true);
    EXPECT_EQ(got.data, "data");
    EXPECT_EQ(BytesOf(got.control.get()), "control-message!");
    ClosePair(pair);
  });
}

TEST_F(ReceiveTest, PartOfAnMbufWithoutMemoryForItsCopyStays) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Arrive(pair.first, "abcdef");
    {
      const HostScope interrupt(host());
      uio limit = {.uio_resid = 2, .uio_rw = UIO_READ};
      mbuf* chain = nullptr;
      int flags = MSG_DONTWAIT;
      Fail({{.site = Site::kMbufGet}});
      EXPECT_EQ(soreceive(pair.first, nullptr, &limit, &chain, nullptr, &flags), ENOBUFS);
      Fail({});
      EXPECT_EQ(chain, nullptr);
    }
    EXPECT_EQ(Receive(pair.first, 10, MSG_DONTWAIT).data, "abcdef");
    ClosePair(pair);
  });
}

}  // namespace
}  // namespace sockbed
