// sosend: spec socket-layer.md section 7, row by row.
#include <errno.h>

#include <string>
#include <vector>

#include "kernel/sched/signal.h"
#include "kernel/socket/loop_test_host.h"

namespace sockbed {
namespace {

using SendTest = LoopTestHost;

// --- Why a socket may not send, and which reason wins. ---

TEST_F(SendTest, ClosedDirectionBeatsPendingError) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_error = ECONNRESET;
    socantsendmore(pair.first);
    EXPECT_EQ(Send(pair.first, "x"), EPIPE);
    EXPECT_EQ(pair.first->so_error, ECONNRESET) << "not reported, so kept";
    pair.first->so_error = 0;
    ClosePair(pair);
  });
}

TEST_F(SendTest, PendingErrorIsReportedOnce) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_error = ETIMEDOUT;
    EXPECT_EQ(Send(pair.first, "x"), ETIMEDOUT);
    EXPECT_EQ(Send(pair.first, "x"), 0);
    ClosePair(pair);
  });
}

TEST_F(SendTest, StreamNeedsAConnection) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    EXPECT_EQ(Send(so, "x"), ENOTCONN);
    soclose(so);
  });
}

TEST_F(SendTest, DatagramNeedsADestination) {
  InProcess([] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Send(so, "x"), EDESTADDRREQ);
    soclose(so);
  });
}

TEST_F(SendTest, ControlAloneMayPrecedeTheConnection) {
  InProcess([] {
    socket* so = Create(SOCK_STREAM);
    uio uio = {.uio_rw = UIO_WRITE};
    mbuf* control = MbufWith("control!", MT_CONTROL).release();
    EXPECT_EQ(sosend(so, nullptr, &uio, nullptr, control, 0), EINVAL) << "the protocol's answer";
    soclose(so);
  });
}

TEST_F(SendTest, MessageLongerThanTheBufferIsTooLong) {
  InProcess([] {
    socket* to = CreateBound(SOCK_DGRAM, 7);
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Send(so, std::string(kLoopSpace + 1, 'x'), 0, 7), EMSGSIZE);
    mbuf* control = PacketOf(kLoopSpace + 1).release();
    uio uio = {.uio_rw = UIO_WRITE};
    const MbufPtr nam = LoopAddress(7);
    EXPECT_EQ(sosend(so, nam.get(), &uio, nullptr, control, 0), EMSGSIZE);
    soclose(so);
    soclose(to);
  });
}

TEST_F(SendTest, EndOfRecordOnAStreamIsInvalid) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, "x", MSG_EOR), EINVAL);
    ClosePair(pair);
  });
}

TEST_F(SendTest, NegativeResidueIsInvalid) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    uio uio = {.uio_resid = SIZE_MAX, .uio_rw = UIO_WRITE};
    EXPECT_EQ(sosend(pair.first, nullptr, &uio, nullptr, nullptr, 0), EINVAL);
    MbufPtr top = PacketOf(10);
    top->m_pkthdr.len = -1;
    EXPECT_EQ(sosend(pair.first, nullptr, nullptr, top.release(), nullptr, 0), EINVAL);
    ClosePair(pair);
  });
}

TEST_F(SendTest, ProtocolErrorEndsTheCall) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().send_error = EHOSTUNREACH;
    size_t sent = 0;
    EXPECT_EQ(Send(pair.first, "abc", 0, 0, &sent), EHOSTUNREACH);
    EXPECT_EQ(sent, 3u) << "what was taken stays taken";
    loop().send_error = 0;
    ClosePair(pair);
  });
}

TEST_F(SendTest, FaultOfTheCallersMemoryEndsTheCall) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    iovec iov = {nullptr, 100};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = 100, .uio_rw = UIO_WRITE};
    EXPECT_EQ(sosend(pair.first, nullptr, &uio, nullptr, nullptr, 0), EFAULT);
    EXPECT_EQ(pair.first->so_snd.sb_flags & SB_LOCK, 0);
    ClosePair(pair);
  });
}

TEST_F(SendTest, UnknownRequestIsNotSupported) {
  InProcess([] {
    socket* so = CreateBound(SOCK_DGRAM, 7);
    EXPECT_EQ(Send(so, "!", MSG_OOB, 7), EOPNOTSUPP);
    soclose(so);
  });
}

// --- Room. ---

TEST_F(SendTest, NonBlockingStreamTakesWhatFits) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    pair.first->so_state |= SS_NBIO;
    size_t sent = 0;
    EXPECT_EQ(Send(pair.first, std::string(10000, 'x'), 0, 0, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, kLoopSpace);
    sbcheck(&pair.first->so_snd);
    EXPECT_EQ(Send(pair.first, "x", 0, 0, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, 0u);
    ClosePair(pair);
  });
}

TEST_F(SendTest, DontwaitDoesNotWaitForRoom) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace, 'x')), 0);
    EXPECT_EQ(Send(pair.first, "x", MSG_DONTWAIT), EWOULDBLOCK);
    ClosePair(pair);
  });
}

TEST_F(SendTest, DontwaitDoesNotWaitForTheLock) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(sblock(&pair.first->so_snd, false), 0);
    EXPECT_EQ(Send(pair.first, "x", MSG_DONTWAIT), EWOULDBLOCK);
    sbunlock(&pair.first->so_snd);
    ClosePair(pair);
  });
}

TEST_F(SendTest, BlockedWriterGoesOnWhenThereIsRoom) {
  std::string got;
  InProcess([&] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("reader", [&got, so = pair.second] {
      while (got.size() < 100'000) got += Receive(so, 1000).data;
    });
    std::string bytes;
    for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>('a' + i % 23);
    EXPECT_EQ(Send(pair.first, bytes), 0);
    Pause(kSecond);
    EXPECT_TRUE(got == bytes);
    ClosePair(pair);
  });
}

TEST_F(SendTest, WriterWaitsForTheLowWaterMarkUnlessTheRestFits) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace - 2000, 'x')), 0);
    EXPECT_EQ(Send(pair.first, std::string(2000, 'x'), MSG_DONTWAIT), 0) << "fits";
    sbdrop(&pair.first->so_snd, 2047);
    EXPECT_EQ(Send(pair.first, std::string(3000, 'x'), MSG_DONTWAIT), EWOULDBLOCK) << "2047 < 2048";
    sbdrop(&pair.first->so_snd, 1);
    size_t sent = 0;
    EXPECT_EQ(Send(pair.first, std::string(3000, 'x'), MSG_DONTWAIT, 0, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, 2048u);
    EXPECT_EQ(loop().sent_lengths.back(), 2048);
    loop().stalled = false;
    ClosePair(pair);
  });
}

TEST_F(SendTest, TimeLimitEndsTheWait) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    pair.first->so_snd.sb_timeo = 50;
    size_t sent = 0;
    EXPECT_EQ(Send(pair.first, std::string(10000, 'x'), 0, 0, &sent), EWOULDBLOCK);
    EXPECT_EQ(sent, kLoopSpace);
    EXPECT_EQ(Now(), 50 * kTickNs);
    EXPECT_EQ(pair.first->so_state & SS_ISSENDING, 0);
    loop().stalled = false;
    ClosePair(pair);
  });
}

TEST_F(SendTest, SignalEndsTheWait) {
  proc* writer = Spawn("writer", [this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    EXPECT_EQ(Send(pair.first, std::string(10000, 'x')), EINTR);
    EXPECT_EQ(pair.first->so_snd.sb_flags & SB_LOCK, 0);
    loop().stalled = false;
    ClosePair(pair);
  });
  Spawn("killer", [writer] {
    Pause(kSecond);
    psignal(writer, SIGTERM);
  });
  Run();
}

// A writer that was woken by room, and finds the buffer locked again, may be interrupted there too.
TEST_F(SendTest, SignalEndsTheWaitForTheLockBehindTheOneForRoom) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().stalled = true;
    int result = 0;
    proc* writer = Spawn("writer", [&result, so = pair.first] {
      result = Send(so, std::string(2 * kLoopSpace, 'w'));
    });
    Pause(kSecond);
    EXPECT_EQ(sblock(&pair.first->so_snd, true), 0);
    sowwakeup(pair.first);
    Pause(kSecond);
    EXPECT_EQ(result, 0) << "it waits";
    psignal(writer, SIGTERM);
    Pause(kSecond);
    EXPECT_EQ(result, EINTR);
    sbunlock(&pair.first->so_snd);
    loop().stalled = false;
    ClosePair(pair);
  });
}

TEST_F(SendTest, ResetWakesTheBlockedWriter) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Spawn("writer", [so = pair.first] {
      EXPECT_EQ(Send(so, std::string(100'000, 'x')), EPIPE);
      EXPECT_EQ(so->so_error, ECONNRESET) << "EPIPE came first";
    });
    Pause(kSecond);
    LoopReset(pair.first, ECONNRESET);
    Pause(kSecond);
    pair.first->so_error = 0;
    ClosePair(pair);
  });
}

TEST_F(SendTest, WritersTakeTurns) {
  std::string got;
  InProcess([&] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(sblock(&pair.first->so_snd, true), 0);
    for (const char c : {'a', 'b'}) {
      Spawn("writer", [c, so = pair.first] { EXPECT_EQ(Send(so, std::string(3000, c)), 0); });
    }
    Pause(kSecond);
    sbunlock(&pair.first->so_snd);
    while (got.size() < 6000) got += Receive(pair.second, 10000).data;
    ClosePair(pair);
  });
  EXPECT_TRUE(got == std::string(3000, 'a') + std::string(3000, 'b'));
}

// --- What the protocol gets. ---

TEST_F(SendTest, EmptySendOnAStreamReachesTheProtocol) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, ""), 0);
    EXPECT_EQ(loop().sent_lengths, std::vector<int>{0});
    ClosePair(pair);
  });
}

TEST_F(SendTest, StreamGoesDownInOneChainPerRound) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(5000, 'x')), 0);
    EXPECT_EQ(loop().sent_lengths, std::vector<int>{5000});
    EXPECT_EQ(pair.first->so_snd.sb_mbcnt, 3u * 2304);
    sbcheck(&pair.first->so_snd);
    ClosePair(pair);
  });
}

TEST_F(SendTest, BulkDataGoesIntoLargeClusters) {
  ASSERT_EQ(host().sysctls.Set("kern.sbmax", 1 << 20), 0);
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(soreserve(pair.first, 1 << 18, 1 << 18), 0);
    EXPECT_EQ(Send(pair.first, std::string(65536 + 16384 + 8192 + 100, 'x')), 0);
    std::vector<uint32_t> sizes;
    for (const mbuf* m = pair.first->so_snd.sb_mb; m != nullptr; m = m->m_next) {
      sizes.push_back((m->m_flags & M_EXT) != 0 ? m->m_ext.ext_size : 0);
    }
    EXPECT_EQ(sizes, (std::vector<uint32_t>{65536, 16384, 8192, 0}));
    ClosePair(pair);
  });
}

TEST_F(SendTest, BulkDataGoesIntoSmallClustersWhenLargeOnesAreGone) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    Fail({{.site = Site::kMbufCluster}});
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace, 'x')), 0);
    Fail({});
    EXPECT_EQ(pair.first->so_snd.sb_mbcnt, 4u * 2304);
    ClosePair(pair);
  });
}

TEST_F(SendTest, DatagramLeavesRoomForHeaders) {
  InProcess([] {
    socket* to = CreateBound(SOCK_DGRAM, 7);
    socket* so = Create(SOCK_DGRAM);
    for (const int size : {0, 60, 100, 143, 1400}) {
      EXPECT_EQ(Send(so, std::string(static_cast<size_t>(size), 'x'), 0, 7), 0);
      const mbuf* data = to->so_rcv.sb_mb->m_next;
      EXPECT_EQ(data->m_pkthdr.len, size);
      const int room = size == 100 ? 40 : size == 143 ? 0 : max_hdr;
      EXPECT_GE(m_leadingspace(data), room) << size;
      EXPECT_EQ(data->m_next, nullptr) << size;
      sbdroprecord(&to->so_rcv);
    }
    for (const size_t size : {200u, 4000u}) {  // two mbufs
      EXPECT_EQ(Send(so, std::string(size, 'x'), 0, 7), 0);
      const mbuf* data = to->so_rcv.sb_mb->m_next;
      EXPECT_EQ(m_leadingspace(data), size == 200 ? 0 : max_hdr);
      EXPECT_EQ(m_leadingspace(data->m_next), 0) << "headers stand in front of the first alone";
      sbdroprecord(&to->so_rcv);
    }
    soclose(so);
    soclose(to);
  });
}

TEST_F(SendTest, EndOfRecordIsOnTheLastMbuf) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(pair.first, std::string(3000, 'x'), MSG_EOR), 0);
    sbcheck(&pair.second->so_rcv);
    EXPECT_NE(pair.second->so_rcv.sb_mbtail->m_flags & M_EOR, 0);
    EXPECT_EQ(pair.second->so_rcv.sb_mb->m_flags & M_EOR, 0);
    ClosePair(pair);
  });
}

TEST_F(SendTest, DontrouteHoldsForOneCall) {
  InProcess([this] {
    socket* to = CreateBound(SOCK_DGRAM, 7);
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Send(so, "x", MSG_DONTROUTE, 7), 0);
    EXPECT_EQ(Send(so, "x", 0, 7), 0);
    EXPECT_EQ(loop().sent_options, (std::vector<int>{kSoDontRoute, 0}));
    soclose(so);
    soclose(to);
  });
}

// --- Chains from the kernel. ---

TEST_F(SendTest, ChainTravelsWithoutACopy) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    MbufPtr top = PacketOf(2000);
    const mbuf* same = top.get();
    EXPECT_EQ(sosend(pair.first, nullptr, nullptr, top.release(), nullptr, 0), 0);
    EXPECT_EQ(pair.second->so_rcv.sb_mb, same);
    ClosePair(pair);
  });
}

TEST_F(SendTest, ChainIsConsumedOnFailure) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    MbufPtr top = PacketOf(kLoopSpace + 1);
    EXPECT_EQ(sosend(pair.first, nullptr, nullptr, top.release(), nullptr, 0), EMSGSIZE);
    ClosePair(pair);
  });
}

TEST_F(SendTest, ChainWaitsForRoomAsAWhole) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(100, 'x')), 0);
    MbufPtr top = PacketOf(kLoopSpace);
    EXPECT_EQ(sosend(pair.first, nullptr, nullptr, top.release(), nullptr, MSG_DONTWAIT),
              EWOULDBLOCK);
    top = PacketOf(kLoopSpace);
    EXPECT_EQ(sosend(pair.first, nullptr, nullptr, top.release(), nullptr, 0), 0);
    EXPECT_GT(Now(), 0);
    ClosePair(pair);
  });
}

TEST_F(SendTest, InterruptContextMaySendWithoutWaiting) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    {
      const HostScope interrupt(host());
      EXPECT_EQ(Send(pair.first, "from below", MSG_DONTWAIT), 0);
      Fail({{.site = Site::kMbufGet}});
      EXPECT_EQ(Send(pair.first, "no memory", MSG_DONTWAIT), ENOBUFS);
      Fail({});
    }
    EXPECT_EQ(Receive(pair.second, 100).data, "from below");
    ClosePair(pair);
  });
}

TEST_F(SendTest, InterruptContextWithoutAClusterLeavesTheBufferUnlocked) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    {
      const HostScope interrupt(host());
      Fail({{.site = Site::kMbufCluster}});
      EXPECT_EQ(Send(pair.first, std::string(1000, 'x'), MSG_DONTWAIT), ENOBUFS);
      Fail({});
      EXPECT_EQ(mbuf_stat(host()).m_mtypes[MT_DATA], 0) << "the mbuf that was to have it";
      EXPECT_EQ(Send(pair.first, std::string(1000, 'y'), MSG_DONTWAIT), 0);
    }
    EXPECT_EQ(Receive(pair.second, 2000).data, std::string(1000, 'y'));
    ClosePair(pair);
  });
}

TEST_F(SendTest, HintOfMoreToComeEndsWithTheCallHoweverItEnds) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace + 1, 'x'), MSG_DONTWAIT), EWOULDBLOCK);
    EXPECT_EQ(pair.first->so_state & SS_ISSENDING, 0);
    Pause(kSecond);
    loop().send_error = EHOSTUNREACH;
    EXPECT_EQ(Send(pair.first, std::string(kLoopSpace + 1, 'x')), EHOSTUNREACH);
    EXPECT_EQ(pair.first->so_state & SS_ISSENDING, 0);
    loop().send_error = 0;
    ClosePair(pair);
  });
}

TEST_F(SendTest, ControlTakesRoomFromTheFirstPieceAlone) {
  InProcess([this] {
    const auto pair = CreatePair(SOCK_STREAM);
    loop().drops_control = true;
    const std::string bytes(2 * kLoopSpace - 100, 'x');
    MbufPtr control = MbufWith(std::string(100, 'c'), MT_CONTROL);
    EXPECT_EQ(SendTo(pair.first, bytes, nullptr, 0, nullptr, std::move(control)), 0);
    const auto space = static_cast<int>(kLoopSpace);
    EXPECT_EQ(loop().sent_lengths, (std::vector<int>{space - 100, space}));
    ClosePair(pair);
  });
}

TEST_F(SendTest, OneRecordTellsOfEachCall) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_SEQPACKET);
    EXPECT_EQ(Send(pair.first, "abc"), 0);
    ClosePair(pair);
    socket* lonely = Create(SOCK_STREAM);
    EXPECT_EQ(Send(lonely, "x"), ENOTCONN);
    soclose(lonely);
  });
  const std::vector<Record> sends = RecordsOf(SocketEvent::kSend);
  ASSERT_EQ(sends.size(), 2u);
  EXPECT_EQ(sends[0].args[0], 3u);
  EXPECT_EQ(sends[1].args[1], static_cast<uint64_t>(ENOTCONN));
}

}  // namespace
}  // namespace sockbed
