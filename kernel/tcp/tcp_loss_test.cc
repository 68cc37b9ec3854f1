// Loss: timeouts, fast retransmit with and without SACK; and the timers that ask whether anybody is
// there.
#include <cerrno>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Loss : public SegmentTest {
 protected:
  // Writes n segments of 1460 and sees them leave.
  void SendSegments(int n) {
    const uint32_t from = static_cast<uint32_t>(tp()->snd_max - tp()->iss);
    EXPECT_EQ(Write(1460 * n), 0);
    for (int i = 0; i < n; ++i) {
      const uint32_t at = from + 1460 * static_cast<uint32_t>(i);
      const bool last = i == n - 1;
      Expect((last ? "P. " : ". ") + Range(at, 1460) + " ack 1");
    }
    ExpectNothing();
  }
  static std::string Range(uint32_t at, uint32_t length) {
    return std::to_string(at) + ":" + std::to_string(at + length) + "(" + std::to_string(length) +
           ")";
  }
};

// RFC 6298 5.5: the timeout doubles; after twelve retransmissions the connection is given up.
TEST_F(Loss, BacksOffAndGivesUp) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  Send(". 1:1(0) ack 11");  // a sample of 0 ms: the timeout is the smallest, 1 s
  EXPECT_EQ(tp()->t_rxtcur, 1000);
  EXPECT_EQ(Write(10), 0);
  Expect("P. 11:21(10) ack 1");
  int64_t at = 0;
  for (const int64_t wait : {1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64}) {
    at += wait * 1000;
    ExpectAt(at, "P. 11:21(10) ack 1");
  }
  RunTo(510'999);
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  RunTo(511'000);
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
  Expect("R. 21:21(0) ack 1 win 0");
  EXPECT_EQ(Summary().retransmissions, 12u);
}

TEST_F(Loss, TimeoutBeginsSlowlyAgain) {
  Establish();
  SendSegments(8);
  const uint32_t flight = std::min(tp()->snd_wnd, tp()->snd_cwnd);
  ExpectAt(6000, ". 1:1461(1460) ack 1");
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
  EXPECT_EQ(tp()->snd_ssthresh, flight / 2 / 1460 * 1460);
  Send(". 1:1(0) ack 1461");
  Expect(". 1461:2921(1460) ack 1");
  Expect(". 2921:4381(1460) ack 1");
  ExpectNothing();
  Send(". 1:1(0) ack 11681");
  ExpectNothingUntil(100'000);
}

// RFC 6298 5.3: an ACK of something new begins the timeout anew.
TEST_F(Loss, AcksMoveTheTimeout) {
  Establish();
  SendSegments(3);
  RunTo(100);
  Send(". 1:1(0) ack 1461");
  ExpectNothingUntil(1099);
  ExpectAt(1100, ". 1461:2921(1460) ack 1");
}

// --- Fast retransmit without SACK (RFC 6582). ---

TEST_F(Loss, ThirdDuplicateAckSendsAgain) {
  Establish();
  SendSegments(8);
  Send(". 1:1(0) ack 1");
  Send(". 1:1(0) ack 1");
  ExpectNothing();
  Send(". 1:1(0) ack 1");
  Expect(". 1:1461(1460) ack 1");
  ExpectNothing();
  const uint32_t half = 5 * 1460;
  EXPECT_EQ(tp()->snd_ssthresh, half);
  EXPECT_EQ(tp()->snd_cwnd, half + 3 * 1460);
  Send(". 1:1(0) ack 1");
  EXPECT_EQ(tp()->snd_cwnd, half + 4 * 1460);
  // Partial: the next hole at once.
  Send(". 1:1(0) ack 2921");
  Expect(". 2921:4381(1460) ack 1");
  EXPECT_EQ(tp()->snd_cwnd, half + 4 * 1460 - 2920 + 1460);
  // All of it: back to half, but no more than what is out.
  Send(". 1:1(0) ack 11681");
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
  EXPECT_EQ(tp()->t_dupacks, 0);
  ExpectNothingUntil(100'000);
}

TEST_F(Loss, NewDataFlowsDuringRecovery) {
  Establish();
  SendSegments(10);
  for (int i = 0; i < 3; ++i) Send(". 1:1(0) ack 1");
  Expect(". 1:1461(1460) ack 1");
  EXPECT_EQ(Write(1460), 0);
  ExpectNothing();
  for (int i = 0; i < 3; ++i) Send(". 1:1(0) ack 1");
  Expect("P. 14601:16061(1460) ack 1");
}

TEST_F(Loss, OtherAcksAreNoDuplicates) {
  Establish();
  SendSegments(4);
  Send(". 1:1(0) ack 1");
  Send(". 1:1(0) ack 1");
  Send("P. 1:11(10) ack 1");           // data: does not count
  Send(". 11:11(0) ack 1 win 60000");  // a smaller window: begins the count anew
  Send(". 11:11(0) ack 1 win 60000");
  Send(". 11:11(0) ack 1 win 60000");
  ExpectNothing();
  Send(". 11:11(0) ack 1 win 60000");
  Expect(". 1:1461(1460) ack 11");
}

// After a timeout the echoes of what was sent twice do not halve the window once more.
TEST_F(Loss, DuplicatesOfBeforeATimeoutDoNotCount) {
  Establish();
  SendSegments(4);
  ExpectAt(6000, ". 1:1461(1460) ack 1");
  for (int i = 0; i < 3; ++i) Send(". 1:1(0) ack 1");
  ExpectNothing();
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
}

// --- With SACK (RFC 2018; three reports make a hole). ---

class SackLoss : public Loss {
 protected:
  void Begin(int n) {
    Establish(",sackOK,eol,eol");
    SendSegments(n);
  }
  void Report(std::string_view blocks, uint32_t ack = 1) {
    Send(". 1:1(0) ack " + std::to_string(ack) + " <nop,nop,sack " + std::string(blocks) + ">");
  }
};

TEST_F(SackLoss, FillsHolesAndNothingElse) {
  Begin(8);  // 1461:2921 and 5841:7301 are lost
  Send(". 1:1(0) ack 1461");
  Report("2921:4381", 1461);
  Report("2921:5841", 1461);
  ExpectNothing();
  Report("7301:8761 2921:5841", 1461);
  Expect(". 1461:2921(1460) ack 1");
  ExpectNothing();
  Report("7301:10221 2921:5841", 1461);
  ExpectNothing();
  Report("7301:11681 2921:5841", 1461);
  Expect(". 5841:7301(1460) ack 1");
  Report("7301:11681", 5841);
  ExpectNothing();
  Send(". 1:1(0) ack 11681");
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_sack_rexmits), 2u);
  EXPECT_EQ(Stat(tcps_rexmttimeo), 0u);
}

TEST_F(SackLoss, FillsAWideHolePieceByPiece) {
  Begin(8);  // 1:4381 is lost
  Report("4381:5841");
  Report("4381:7301");
  Report("4381:8761");
  Expect(". 1:1461(1460) ack 1");
  Report("4381:10221");
  Expect(". 1461:2921(1460) ack 1");
  Report("4381:11681");
  Expect(". 2921:4381(1460) ack 1");
  Send(". 1:1(0) ack 11681");
  ExpectNothingUntil(100'000);
}

TEST_F(SackLoss, WithoutReportsSendsTheFirstAgain) {
  Begin(8);
  for (int i = 0; i < 3; ++i) Send(". 1:1(0) ack 1");
  Expect(". 1:1461(1460) ack 1");
}

TEST_F(SackLoss, TimeoutForgetsTheReports) {
  Begin(4);
  Report("2921:4381");
  EXPECT_EQ(tp()->snd_sack.count, 1);
  ExpectAt(6000, ". 1:1461(1460) ack 1");
  EXPECT_EQ(tp()->snd_sack.count, 0);
}

TEST_F(SackLoss, IgnoresReportsOfWhatWasNotSent) {
  Begin(4);
  Report("5841:7301");
  Report("4381:4381");
  Report("4381:2921");
  EXPECT_FALSE(tp()->snd_sack.active);
}

// --- A shut window (14.2). ---

TEST_F(Loss, ProbesAShutWindow) {
  Establish("", "0");
  EXPECT_EQ(Write(1000), 0);
  int64_t at = 0;
  for (const int64_t wait : {5, 6, 12, 24, 48, 60, 60}) {
    at += wait * 1000;
    ExpectAt(at, ". 1:2(1) ack 1");
    Send(". 1:1(0) ack 1 win 0");
  }
  Send(". 1:1(0) ack 1 win 5000");
  Expect("P. 1:1001(1000) ack 1");
  EXPECT_EQ(Stat(tcps_sndprobe), 7u);
}

TEST_F(Loss, ProbesFasterWhenTheRoundTripIsKnown) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  RunTo(100);
  Send(". 1:1(0) ack 11 win 0");
  EXPECT_EQ(Write(1000), 0);
  int64_t at = 100;
  for (const int64_t wait : {5, 5, 5, 8, 16, 32, 60}) {
    at += wait * 1000;
    ExpectAt(at, ". 11:12(1) ack 1");
    Send(". 1:1(0) ack 11 win 0");
  }
}

TEST_F(Loss, TheProbesByteMayBeTaken) {
  Establish("", "0");
  EXPECT_EQ(Write(1000), 0);
  ExpectAt(5000, ". 1:2(1) ack 1");
  Send(". 1:1(0) ack 2 win 5000");
  Expect("P. 2:1001(999) ack 1");
  Send(". 1:1(0) ack 1001 win 5000");
  ExpectNothingUntil(100'000);
}

// The answer to the data is a mere ACK; what waits behind the window is watched over all the same.
TEST_F(Loss, AWindowThatIsShutWithDataIsProbed) {
  Establish("", "1000");
  EXPECT_EQ(Write(1500), 0);
  Expect(". 1:1001(1000) ack 1");
  Send(". 1:101(100) ack 1");
  Send(". 101:201(100) ack 1001 win 0");
  Expect(". 1001:1001(0) ack 201");
  ExpectAt(5000, ". 1001:1002(1) ack 201");
}

TEST_F(Loss, AnAckBetweenProbesLeavesThemBe) {
  Establish("", "0");
  EXPECT_EQ(Write(1000), 0);
  ExpectAt(5000, ". 1:2(1) ack 1");
  Send(". 1:101(100) ack 1 win 0");
  Send(". 101:201(100) ack 1 win 0");
  Expect(". 1:1(0) ack 201");
  ExpectAt(11'000, ". 1:2(1) ack 201");
}

TEST_F(Loss, AWindowTakenBackIsProbed) {
  Establish("", "5000");
  SendSegments(3);
  Send(". 1:1(0) ack 1461 win 0");
  ExpectNothing();
  ExpectAt(5000, ". 1461:1462(1) ack 1");
  Send(". 1:1(0) ack 4381 win 5000");
  ExpectNothingUntil(100'000);
}

// A segment of a lower number than another before it acknowledges, but says nothing of the window:
// what it acknowledges has used up the window, and data is out behind it.
TEST_F(Loss, AWindowThatAcksHaveUsedUpIsProbed) {
  for (const bool duplicates : {false, true}) {
    SCOPED_TRACE(duplicates);
    Establish("", "5840");
    const int64_t now = now_ms();
    SendSegments(4);
    Send(". 101:101(0) ack 1 win 1460");
    Send(". 1:1(0) ack 1461");
    EXPECT_EQ(tp()->snd_wnd, 0u);
    for (int i = 0; duplicates && i < 4; ++i) Send(". 1:1(0) ack 1461 win 0");
    ExpectAt(now + 5000, ". 1461:1462(1) ack 1");
    Send(". 101:101(0) ack 1461 win 5840");
    Expect(". 1461:2921(1460) ack 1");
    Send(". 101:101(0) ack 5841 win 5840");
    Skip();
    Send("R 1:1(0)");
    EXPECT_EQ(Close(), 0);
    Anew();
    ++peer_port_;
  }
}

// --- Is anybody there? ---

TEST_F(Loss, KeepaliveProbesAndGivesUp) {
  Establish();
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  for (int64_t s = 7200; s <= 7725; s += 75) ExpectAt(s * 1000, ". 0:0(0) ack 1");
  RunTo(7'799'999);
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  RunTo(7'800'000);
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
  Expect("R. 1:1(0) ack 1 win 0");
}

TEST_F(Loss, AnAnswerBeginsTheSilenceAnew) {
  Establish();
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  ExpectAt(7'200'000, ". 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  ExpectAt(14'400'000, ". 0:0(0) ack 1");
}

TEST_F(Loss, ProbesAreAnswered) {
  Establish();
  Send(". 0:0(0) ack 1");
  Expect(". 1:1(0) ack 1");
}

TEST_F(Loss, WithoutKeepaliveNothingHappens) {
  Establish();
  EXPECT_EQ(machine().Run(), Machine::End::kQuiescent);
  ExpectNothing();
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
}

// --- After idleness. ---

TEST_F(Loss, AfterIdlenessBeginsWithTwoSegments) {
  Establish();
  SendSegments(4);
  Send(". 1:1(0) ack 5841");
  EXPECT_GT(tp()->snd_cwnd, 10 * 1460u);
  RunTo(10'000);
  EXPECT_EQ(Write(8 * 1460), 0);
  EXPECT_EQ(Skip(), 2);
}

}  // namespace
}  // namespace sockbed
