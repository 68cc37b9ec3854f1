// The mover: spec socket-layer.md section 10, sosplice(9).
#include <errno.h>

#include <string>
#include <vector>

#include "kernel/socket/splice_test_relay.h"

namespace sockbed {
namespace {

using SpliceTest = LoopTestHost;

// --- What moves. ---

TEST_F(SpliceTest, BytesOfTheSourceLeaveThroughTheDrain) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(Send(relay.client, "through"), 0);
    EXPECT_EQ(Receive(relay.peer, 100).data, "through");
    EXPECT_EQ(Send(relay.client, " again"), 0);
    EXPECT_EQ(Receive(relay.peer, 100).data, " again");
    EXPECT_EQ(so_splicelen(relay.source), 13);
    EXPECT_TRUE(IsSpliced(relay));
    Close(relay);
  });
}

TEST_F(SpliceTest, WhatIsQueuedMovesAtOnce) {
  InProcess([] {
    const Relay relay = Connected();
    EXPECT_EQ(Send(relay.client, "early"), 0);
    Pause(2 * kLoopDelay);
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(relay.source->so_rcv.sb_cc, 0u);
    EXPECT_EQ(relay.drain->so_snd.sb_cc, 5u);
    sbcheck(&relay.drain->so_snd);
    EXPECT_EQ(Receive(relay.peer, 100).data, "early");
    Close(relay);
  });
}

TEST_F(SpliceTest, BytesAreNotCopied) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    MbufPtr top = PacketOf(4000);
    const char* bytes = top->m_data;
    EXPECT_EQ(sosend(relay.client, nullptr, nullptr, top.release(), nullptr, 0), 0);
    mbuf* got = nullptr;
    EXPECT_EQ(soreceive(relay.peer, nullptr, nullptr, &got, nullptr, nullptr), 0);
    EXPECT_EQ(got->m_data, bytes);
    m_freem(got);
    Close(relay);
  });
}

TEST_F(SpliceTest, FullDrainHoldsTheSourceBack) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    const std::string full(kLoopSpace, 'd');
    EXPECT_EQ(Send(relay.drain, full), 0);  // another writer fills the peer's buffer,
    Pause(2 * kLoopDelay);
    EXPECT_EQ(Send(relay.drain, full), 0);  // and then the drain's
    EXPECT_EQ(Send(relay.client, std::string(12'000, 's')), 0);
    Pause(2 * kLoopDelay);
    EXPECT_EQ(relay.source->so_rcv.sb_cc, kLoopSpace);
    EXPECT_TRUE(ReadAll(relay.peer, 2 * kLoopSpace) == full + full);
    EXPECT_TRUE(ReadAll(relay.peer, 12'000) == std::string(12'000, 's'));
    Close(relay);
  });
}

TEST_F(SpliceTest, MbufThatDoesNotFitWaitsAsAWhole) {
  InProcess([this] {
    const Relay relay = Connected();
    loop().stalled = true;
    EXPECT_EQ(Send(relay.drain, std::string(kLoopSpace - 100, 'd')), 0);
    relay.drain->so_snd.sb_lowat = 1;
    sbappendstream(&relay.source->so_rcv, PacketOf(101));
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(so_splicelen(relay.source), 0) << "though there is room for all but a byte";
    loop().stalled = false;
    Close(relay);
  });
}

TEST_F(SpliceTest, NothingMovesBelowTheDrainsLowWaterMark) {
  InProcess([] {
    const Relay relay = Connected();
    for (int i = 0; i < 3; ++i) sbappendstream(&relay.source->so_rcv, PacketOf(1000));
    EXPECT_EQ(Send(relay.drain, std::string(kLoopSpace - 2047, 'd')), 0);
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(relay.source->so_rcv.sb_cc, 3000u) << "2047 bytes of room are not worth it";
    EXPECT_EQ(ReadAll(relay.peer, kLoopSpace - 2047 + 3000).substr(kLoopSpace - 2047),
              std::string(3000, 'x'));
    Close(relay);
  });
}

TEST_F(SpliceTest, MbufLargerThanTheDrainsBufferMovesInParts) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(sbreserve(&relay.drain->so_snd, 3000), 0);
    ASSERT_EQ(Splice(relay), 0);
    MbufPtr top = PacketOf(8000);
    EXPECT_EQ(sosend(relay.client, nullptr, nullptr, top.release(), nullptr, 0), 0);
    EXPECT_EQ(ReadAll(relay.peer, 8000), std::string(8000, 'x'));
    EXPECT_EQ(so_splicelen(relay.source), 8000);
    Close(relay);
  });
}

TEST_F(SpliceTest, BytesWaitForADrainThatIsConnecting) {
  InProcess([] {
    socket* listener = CreateListener(7);
    const auto [client, source] = CreatePair(SOCK_STREAM);
    socket* drain = Create(SOCK_STREAM);
    const MbufPtr nam = LoopAddress(7);
    ASSERT_EQ(soconnect(drain, nam.get()), 0);
    EXPECT_EQ(Send(client, "wait"), 0);
    ASSERT_EQ(SpliceSockets(source, drain, 0, nullptr), 0);
    int error = 0;
    socket* peer = Accept(listener, &error);
    EXPECT_EQ(Receive(peer, 100).data, "wait");
    Close({client, source, drain, peer});
    soclose(listener);
  });
}

TEST_F(SpliceTest, BothDirectionsMakeARelay) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    ASSERT_EQ(SpliceSockets(relay.drain, relay.source, 0, nullptr), 0);
    EXPECT_EQ(Send(relay.client, "question"), 0);
    EXPECT_EQ(Receive(relay.peer, 100).data, "question");
    EXPECT_EQ(Send(relay.peer, "answer"), 0);
    EXPECT_EQ(Receive(relay.client, 100).data, "answer");
    Close(relay);
  });
}

TEST_F(SpliceTest, SocketSplicedToItselfEchoes) {
  InProcess([] {
    const auto pair = CreatePair(SOCK_STREAM);
    ASSERT_EQ(SpliceSockets(pair.second, pair.second, 0, nullptr), 0);
    EXPECT_EQ(Send(pair.first, "echo"), 0);
    EXPECT_EQ(Receive(pair.first, 100).data, "echo");
    ClosePair(pair);
  });
}

TEST_F(SpliceTest, ControlMessagesDoNotTravel) {
  InProcess([] {
    const Relay relay = Connected();
    MbufPtr data = PacketOf(3), control = sbcreatecontrol("c", 1, 77, SOL_SOCKET);
    EXPECT_EQ(sbappendcontrol(&relay.source->so_rcv, data, control), 1);
    control = sbcreatecontrol("d", 1, 77, SOL_SOCKET);
    EXPECT_EQ(sbappendcontrol(&relay.source->so_rcv, data, control), 1);
    data = PacketOf(2, 'y');
    control = sbcreatecontrol("e", 1, 77, SOL_SOCKET);
    EXPECT_EQ(sbappendcontrol(&relay.source->so_rcv, data, control), 1);
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(ReadAll(relay.peer, 5), "xxxyy") << "and a record of control alone does not stop it";
    EXPECT_EQ(relay.source->so_rcv.sb_cc, 0u);
    Close(relay);
  });
}

// --- Urgent data. ---

TEST_F(SpliceTest, UrgentByteInlineStaysUrgent) {
  InProcess([] {
    const Relay relay = Connected();
    relay.source->so_options |= kSoOobInline;
    sbappendstream(&relay.source->so_rcv, MbufWith("abc!def"));
    relay.source->so_oobmark = 3;
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(Receive(relay.peer, 1, MSG_OOB).data, "!");
    EXPECT_EQ(ReadAll(relay.peer, 6), "abcdef");
    EXPECT_EQ(so_splicelen(relay.source), 7);
    EXPECT_EQ(relay.source->so_oobmark, 0u);
    Close(relay);
  });
}

TEST_F(SpliceTest, UrgentByteAtTheFrontStaysUrgent) {
  InProcess([] {
    const Relay relay = Connected();
    relay.source->so_options |= kSoOobInline;
    sbappendstream(&relay.source->so_rcv, MbufWith("!def"));
    relay.source->so_state |= SS_RCVATMARK;
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(Receive(relay.peer, 1, MSG_OOB).data, "!");
    EXPECT_EQ(ReadAll(relay.peer, 3), "def");
    EXPECT_EQ(relay.source->so_state & SS_RCVATMARK, 0);
    Close(relay);
  });
}

TEST_F(SpliceTest, MarkBehindWhatMovesIsKept) {
  InProcess([] {
    const Relay relay = Connected();
    sbappendstream(&relay.source->so_rcv, MbufWith("abc"));
    relay.source->so_oobmark = 3;
    ASSERT_EQ(Splice(relay, 3), 0);
    EXPECT_NE(relay.source->so_state & SS_RCVATMARK, 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("def"));
    relay.source->so_state &= ~SS_RCVATMARK;
    relay.source->so_oobmark = 10;
    relay.source->so_error = 0;
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(relay.source->so_oobmark, 7u);
    EXPECT_EQ(relay.source->so_state & SS_RCVATMARK, 0) << "it is still ahead";
    EXPECT_EQ(ReadAll(relay.peer, 6), "abcdef");
    Close(relay);
  });
}

TEST_F(SpliceTest, NothingIsUrgentThatIsNotInlineOrNotMarked) {
  InProcess([] {
    for (const bool is_inline : {true, false}) {
      const Relay relay = Connected();
      if (is_inline) {
        relay.source->so_options |= kSoOobInline;
      } else {
        relay.source->so_state |= SS_RCVATMARK;  // the byte itself is held aside
      }
      sbappendstream(&relay.source->so_rcv, MbufWith("abc"));
      ASSERT_EQ(Splice(relay), 0);
      EXPECT_EQ(ReadAll(relay.peer, 3), "abc");
      EXPECT_EQ(Receive(relay.peer, 1, MSG_OOB).error, EINVAL);
      Close(relay);
    }
  });
}

TEST_F(SpliceTest, UrgentByteWithoutMemoryIsAnOrdinaryOne) {
  InProcess([this] {
    const Relay relay = Connected();
    relay.source->so_options |= kSoOobInline;
    ASSERT_EQ(Splice(relay), 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("!abc"));
    relay.source->so_state |= SS_RCVATMARK;
    Fail({{.site = Site::kMbufGet}});
    Hear(relay.source);
    Fail({});
    EXPECT_EQ(ReadAll(relay.peer, 4), "!abc");
    Close(relay);
  });
}

// --- How it ends. ---

TEST_F(SpliceTest, MaximumEndsItAndCutsAnMbuf) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay, 5), 0);
    EXPECT_EQ(Send(relay.client, "hello, reader"), 0);
    EXPECT_EQ(Receive(relay.peer, 100).data, "hello");
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(so_splicelen(relay.source), 5);
    EXPECT_EQ(Receive(relay.source, 100).data, ", reader");
    EXPECT_EQ(Receive(relay.source, 100).error, EFBIG) << "data beats the error";
    Close(relay);
  });
}

TEST_F(SpliceTest, MaximumThatIsQueuedAlreadyEndsItAtOnce) {
  InProcess([this] {
    const Relay relay = Connected();
    EXPECT_EQ(Send(relay.client, "12345 and more"), 0);
    Pause(2 * kLoopDelay);
    ASSERT_EQ(Splice(relay, 5), 0);
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(relay.source->so_error, EFBIG);
    EXPECT_EQ(relay.source->so_rcv.sb_flags & SB_SPLICE, 0);
    EXPECT_EQ(relay.drain->so_snd.sb_flags & SB_SPLICE, 0);
    EXPECT_FALSE(loop().sent_hints.back()) << "no more will follow";
    EXPECT_EQ(ReadAll(relay.peer, 5), "12345");
    Close(relay);
  });
}

TEST_F(SpliceTest, WithoutMemoryToCutItEndsShort) {
  InProcess([this] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay, 5), 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("123456"));
    Fail({{.site = Site::kMbufGet}});
    Hear(relay.source);
    Fail({});
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(so_splicelen(relay.source), 0);
    EXPECT_EQ(relay.source->so_error, 0) << "the caller sees the count and tries again";
    ASSERT_EQ(Splice(relay, 5), 0);
    EXPECT_EQ(ReadAll(relay.peer, 5), "12345");
    Close(relay);
  });
}

TEST_F(SpliceTest, IdleTimeEndsIt) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay, 0, 1000), 0);
    const Received got = Receive(relay.source, 1);
    EXPECT_EQ(got.error, ETIMEDOUT);
    EXPECT_EQ(Now(), kSecond);
    EXPECT_FALSE(IsSpliced(relay));
    Close(relay);
  });
}

TEST_F(SpliceTest, DataPutsTheIdleTimeOff) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay, 0, 1000), 0);
    for (int i = 0; i < 5; ++i) {
      Pause(600 * kMillisecond);
      EXPECT_EQ(Send(relay.client, "x"), 0);
    }
    EXPECT_EQ(ReadAll(relay.peer, 5), "xxxxx");
    EXPECT_TRUE(IsSpliced(relay));
    EXPECT_EQ(Receive(relay.source, 1).error, ETIMEDOUT);
    EXPECT_GT(Now(), 4 * kSecond);
    Close(relay);
  });
}

TEST_F(SpliceTest, EndOfFileEndsItBehindTheData) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(Send(relay.client, "last"), 0);
    EXPECT_EQ(soshutdown(relay.client, SHUT_WR), 0);
    EXPECT_EQ(ReadAll(relay.peer, 4), "last");
    const Received end = Receive(relay.source, 10);
    EXPECT_EQ(end.error, 0);
    EXPECT_EQ(end.data, "");
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(relay.drain->so_state & SS_CANTSENDMORE, 0) << "the drain is its user's to close";
    Close(relay);
  });
}

// Fills the way from the drain to the peer, and queues bytes at the source that find no room.
void Congest(const Relay& relay) {
  const std::string full(kLoopSpace, 'd');
  EXPECT_EQ(Send(relay.drain, full), 0);
  Pause(2 * kLoopDelay);
  EXPECT_EQ(Send(relay.drain, full), 0);
  EXPECT_EQ(Send(relay.client, "stuck"), 0);
  Pause(2 * kLoopDelay);
  EXPECT_EQ(relay.source->so_rcv.sb_cc, 5u);
}

TEST_F(SpliceTest, EndOfFileWaitsForTheBytesBeforeIt) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    Congest(relay);
    EXPECT_EQ(soshutdown(relay.client, SHUT_WR), 0);
    Pause(2 * kLoopDelay);
    EXPECT_TRUE(IsSpliced(relay));
    EXPECT_EQ(ReadAll(relay.peer, 2 * kLoopSpace + 5).substr(2 * kLoopSpace), "stuck");
    EXPECT_FALSE(IsSpliced(relay));
    Close(relay);
  });
}

TEST_F(SpliceTest, DrainThatCannotSendEndsItAsABrokenPipe) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(soshutdown(relay.drain, SHUT_WR), 0);
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(Receive(relay.source, 1).error, EPIPE);
    Close(relay);
  });
}

TEST_F(SpliceTest, ErrorOfTheDrainIsTheSources) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    relay.drain->so_error = EHOSTUNREACH;
    EXPECT_EQ(Send(relay.client, "x"), 0);
    Pause(2 * kLoopDelay);
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(relay.source->so_error, EHOSTUNREACH);
    EXPECT_EQ(Receive(relay.source, 10).data, "x") << "what did not move is still there";
    Close(relay);
  });
}

TEST_F(SpliceTest, EndOfTheDrainsOwnSpliceDoesNotDisturb) {
  for (const int error : {ETIMEDOUT, EFBIG, ELOOP}) {
    InProcess([error] {
      const Relay relay = Connected();
      relay.drain->so_error = error;
      ASSERT_EQ(Splice(relay), 0);
      EXPECT_EQ(Send(relay.client, "x"), 0);
      EXPECT_EQ(Receive(relay.peer, 10).data, "x");
      EXPECT_EQ(relay.drain->so_error, error);
      Close(relay);
    });
  }
}

TEST_F(SpliceTest, ResetOfTheSourceEndsIt) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    LoopReset(relay.source, ECONNRESET);
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(Receive(relay.source, 1).error, ECONNRESET);
    Close(relay);
  });
}

TEST_F(SpliceTest, RefusedSendEndsIt) {
  InProcess([this] {
    const Relay relay = Connected();
    EXPECT_EQ(Send(relay.client, "x"), 0);
    Pause(2 * kLoopDelay);
    loop().send_error = ENOBUFS;
    ASSERT_EQ(Splice(relay), 0) << "the splice was made; that it ended is so_error's to tell";
    loop().send_error = 0;
    EXPECT_FALSE(IsSpliced(relay));
    EXPECT_EQ(relay.source->so_error, ENOBUFS);
    EXPECT_EQ(so_splicelen(relay.source), 0);
    Close(relay);
  });
}

TEST_F(SpliceTest, ShutdownOfReadingEndsItAndWakesTheReader) {
  InProcess([this] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    Congest(relay);
    Received got;
    got.error = -1;
    Spawn("reader", [&] { got = Receive(relay.source, 1); });
    Pause(kLoopDelay);
    EXPECT_EQ(soshutdown(relay.source, SHUT_RD), 0);
    Pause(kLoopDelay);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "");
    EXPECT_FALSE(IsSpliced(relay));
    Close(relay);
  });
}

TEST_F(SpliceTest, ClosingEitherEndLeavesTheOtherSound) {
  for (const bool close_source : {true, false}) {
    InProcess([close_source] {
      const Relay relay = Connected();
      ASSERT_EQ(Splice(relay, 0, 5000), 0);
      EXPECT_EQ(Send(relay.client, "x"), 0);
      soclose(close_source ? relay.source : relay.drain);
      Pause(20 * kLoopDelay);
      socket* left = close_source ? relay.drain : relay.source;
      EXPECT_EQ(left->so_splice, nullptr);
      soclose(relay.client);
      soclose(relay.peer);
      Pause(20 * kLoopDelay);
      EXPECT_EQ(left->so_spliceback, nullptr);
      soclose(left);
    });
  }
}

// --- The source while it is spliced. ---

TEST_F(SpliceTest, SourceLooksEmpty) {
  InProcess([this] {
    const Relay relay = Connected();
    loop().stalled = true;
    EXPECT_EQ(Send(relay.drain, std::string(kLoopSpace, 'd')), 0);
    ASSERT_EQ(Splice(relay), 0);
    sbappendstream(&relay.source->so_rcv, MbufWith("queued"));
    Hear(relay.source);
    EXPECT_EQ(relay.source->so_rcv.sb_cc, 6u);
    EXPECT_FALSE(soreadable(relay.source));
    EXPECT_EQ(Receive(relay.source, 10, MSG_DONTWAIT).error, EWOULDBLOCK);
    relay.source->so_state |= SS_CANTRCVMORE;
    EXPECT_EQ(Receive(relay.source, 10, MSG_DONTWAIT).error, EWOULDBLOCK)
        << "bytes that wait for the drain are not the end of the file";
    relay.source->so_state &= ~SS_CANTRCVMORE;
    EXPECT_EQ(sosplice(relay.source, -1, 0, nullptr), 0);
    EXPECT_TRUE(soreadable(relay.source));
    EXPECT_EQ(Receive(relay.source, 10, MSG_DONTWAIT).data, "queued");
    loop().stalled = false;
    Close(relay);
  });
}

TEST_F(SpliceTest, NobodyIsToldOfWhatMoves) {
  InProcess([] {
    const Relay relay = Connected();
    int calls = 0;
    relay.source->so_upcall = [](socket*, void* arg, int) { ++*static_cast<int*>(arg); };
    relay.source->so_upcallarg = &calls;
    ASSERT_EQ(Splice(relay, 4), 0);
    EXPECT_EQ(Send(relay.client, "abc"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 3), "abc");
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(Send(relay.client, "d"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 1), "d");
    EXPECT_GT(calls, 0) << "that it ended is told";
    Close(relay);
  });
}

TEST_F(SpliceTest, ReaderIsWokenWhenItEnds) {
  InProcess([this] {
    const Relay relay = Connected();
    Received got;
    got.error = -1;
    Spawn("reader", [&] { got = Receive(relay.source, 10); });
    Pause(kLoopDelay);
    ASSERT_EQ(Splice(relay, 3), 0);
    EXPECT_EQ(Send(relay.client, "abcdef"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 3), "abc");
    Pause(kLoopDelay);
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "def");
    Close(relay);
  });
}

TEST_F(SpliceTest, CountOutlivesTheSplice) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(Send(relay.client, "12345"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 5), "12345");
    EXPECT_EQ(sosplice(relay.source, -1, 0, nullptr), 0);
    EXPECT_EQ(sosplice(relay.source, -1, 0, nullptr), 0) << "there is none to end: fine";
    EXPECT_EQ(so_splicelen(relay.source), 5);
    ASSERT_EQ(Splice(relay), 0);
    EXPECT_EQ(so_splicelen(relay.source), 0);
    Close(relay);
  });
}

TEST_F(SpliceTest, RecordsTellTheStory) {
  InProcess([] {
    const Relay relay = Connected();
    ASSERT_EQ(Splice(relay, 3), 0);
    EXPECT_EQ(Send(relay.client, "abc"), 0);
    EXPECT_EQ(ReadAll(relay.peer, 3), "abc");
    Close(relay);
  });
  ASSERT_EQ(RecordsOf(SocketEvent::kSplice).size(), 1u);
  ASSERT_EQ(RecordsOf(SocketEvent::kMove).size(), 1u);
  const std::vector<Record> ends = RecordsOf(SocketEvent::kUnsplice);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].args[1], 3u);
  EXPECT_EQ(ends[0].args[2], static_cast<uint64_t>(EFBIG));
}

// --- Datagrams. ---

TEST_F(SpliceTest, DatagramsStayApartAndLoseTheirNames) {
  InProcess([] {
    socket* source = CreateBound(SOCK_DGRAM, 1);
    socket* peer = CreateBound(SOCK_DGRAM, 2);
    socket* drain = CreateBound(SOCK_DGRAM, 3);
    ASSERT_EQ(Connect(drain, 2), 0);
    ASSERT_EQ(SpliceSockets(source, drain, 0, nullptr), 0) << "the source needs no connection";
    for (const char* text : {"one", "", "three"}) EXPECT_EQ(Send(peer, text, 0, 1), 0);
    for (const char* text : {"one", "", "three"}) {
      const Received got = Receive(peer, 100);
      EXPECT_EQ(got.data, text);
      EXPECT_EQ(LoopPort(got.name.get()), 3) << "the drain is who sends";
    }
    EXPECT_EQ(so_splicelen(source), 8);
    Close({source, peer, drain, Create(SOCK_DGRAM)});
  });
}

TEST_F(SpliceTest, DatagramBeyondTheMaximumEndsItUnmoved) {
  InProcess([] {
    socket* source = CreateBound(SOCK_DGRAM, 1);
    socket* peer = CreateBound(SOCK_DGRAM, 2);
    ASSERT_EQ(Connect(source, 2), 0);
    ASSERT_EQ(SpliceSockets(source, source, 5, nullptr), 0);
    EXPECT_EQ(Send(peer, "four", 0, 1), 0);
    EXPECT_EQ(Send(peer, "two", 0, 1), 0);
    EXPECT_EQ(source->so_splice, nullptr);
    EXPECT_EQ(so_splicelen(source), 4);
    EXPECT_EQ(source->so_error, 0) << "the maximum was not reached";
    EXPECT_EQ(Receive(source, 100).data, "two");
    soclose(source);
    soclose(peer);
  });
}

TEST_F(SpliceTest, QueuedDatagramsMoveUpToTheMaximum) {
  InProcess([] {
    socket* source = CreateBound(SOCK_DGRAM, 1);
    socket* peer = CreateBound(SOCK_DGRAM, 2);
    ASSERT_EQ(Connect(source, 2), 0);
    for (const char* text : {"four", "xx", "left"}) EXPECT_EQ(Send(peer, text, 0, 1), 0);
    ASSERT_EQ(SpliceSockets(source, source, 6, nullptr), 0);
    EXPECT_EQ(so_splicelen(source), 6);
    EXPECT_EQ(source->so_error, EFBIG);
    EXPECT_EQ(Receive(source, 100).data, "left");
    soclose(source);
    soclose(peer);
  });
}

TEST_F(SpliceTest, DatagramThatTheDrainCannotHoldIsTooLong) {
  InProcess([] {
    socket* source = CreateBound(SOCK_DGRAM, 1);
    socket* peer = CreateBound(SOCK_DGRAM, 2);
    ASSERT_EQ(Connect(source, 2), 0);
    ASSERT_EQ(SpliceSockets(source, source, 0, nullptr), 0);
    ASSERT_EQ(sbreserve(&source->so_snd, 10), 0);
    EXPECT_EQ(Send(peer, "elevenbytes", 0, 1), 0);
    EXPECT_EQ(source->so_splice, nullptr);
    EXPECT_EQ(source->so_error, EMSGSIZE);
    soclose(source);
    soclose(peer);
  });
}

TEST_F(SpliceTest, DatagramsThatGoInCirclesEndIt) {
  InProcess([] {
    socket* source = CreateBound(SOCK_DGRAM, 1);
    ASSERT_EQ(Connect(source, 1), 0);
    MbufPtr m = PacketOf(4), none;
    m->m_pkthdr.ph_loopcnt = M_MAXLOOP;
    const MbufPtr from = LoopAddress(9);
    EXPECT_EQ(
        sbappendaddr(&source->so_rcv, mtod<sockaddr>(from.get()), sizeof(sockaddr_in), m, none), 1);
    ASSERT_EQ(SpliceSockets(source, source, 0, nullptr), 0);
    EXPECT_EQ(source->so_splice, nullptr);
    EXPECT_EQ(source->so_error, ELOOP);
    soclose(source);
  });
}

}  // namespace
}  // namespace sockbed
