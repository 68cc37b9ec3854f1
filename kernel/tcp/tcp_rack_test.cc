// RACK and TLP (RFC 8985): loss by time, patience with reordering, probes for lost tails.
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Rack : public SegmentTest {
 protected:
  // Sends n segments at 0 ms; the peer reports, and RACK (1), or TLP too (2), is on.
  void Begin(int64_t rack_tlp, int n, std::string_view options = ",sackOK,eol,eol") {
    Sysctl("net.inet.tcp.knob.rack_tlp", rack_tlp);
    Sysctl("net.inet.tcp.debug_walks", 1);
    Establish(options);
    SendSegments(n);
  }
  void SendSegments(int n) {
    EXPECT_EQ(Write(1460 * n), 0);
    EXPECT_EQ(Skip(), n);
  }
  void Ack(uint32_t ack) { Send(". 1:1(0) ack " + std::to_string(ack)); }
  // "ack Segments(k)": the first k segments.
  static constexpr uint32_t Segments(uint32_t k) { return 1 + 1460 * k; }
  void Report(std::string_view blocks, uint32_t ack = 1) {
    Send(". 1:1(0) ack " + std::to_string(ack) + " <nop,nop,sack " + std::string(blocks) + ">");
  }
  static std::string Block(uint32_t from, uint32_t to) {
    return std::to_string(Segments(from)) + ":" + std::to_string(Segments(to));
  }
  // The k-th segment, from 0.
  static std::string At(uint32_t k) { return Block(k, k + 1) + "(1460) ack 1"; }
};

// 6.2: a quarter of the round trip is what reordering may take.
TEST_F(Rack, WaitsAQuarterRoundTripForWhatIsLate) {
  Begin(1, 5);
  RunTo(100);
  Report(Block(1, 2));
  ExpectNothingUntil(124);
  ExpectAt(125, ". " + At(0));
  EXPECT_EQ(Stat(tcps_rack_lost), 1u);
  EXPECT_EQ(tp()->snd_ssthresh, 5 * 1460u);
  Ack(Segments(5));
  ExpectNothingUntil(100'000);
}

TEST_F(Rack, ReorderingIsNoLoss) {
  Begin(1, 5);
  const uint32_t cwnd = tp()->snd_cwnd;
  RunTo(100);
  Report(Block(1, 3));
  RunTo(120);
  Ack(Segments(5));
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_sndrexmitpack), 0u);
  EXPECT_EQ(Stat(tcps_rack_reordered), 1u);
  EXPECT_GE(tp()->snd_cwnd, cwnd);
}

// Without reordering seen, three segments reported are proof enough (RFC 5681's count).
TEST_F(Rack, ThreeReportedSegmentsEndThePatience) {
  Begin(1, 8);
  RunTo(100);
  Report(Block(1, 3));
  ExpectNothing();
  Report(Block(1, 4));
  Expect(". " + At(0));
}

// Once reordering was seen, their number says nothing.
TEST_F(Rack, AfterReorderingOnlyTimeCounts) {
  Begin(1, 3);
  RunTo(100);
  Report(Block(1, 2));
  Ack(Segments(3));
  SendSegments(6);  // 3 to 8, at 100 ms
  RunTo(200);
  Report(Block(4, 9), Segments(3));
  ExpectNothingUntil(224);
  ExpectAt(225, ". " + At(3));
}

// A segment that arrived twice shows that the patience was too short: it grows.
TEST_F(Rack, DuplicatesMakeItMorePatient) {
  Begin(1, 5);
  RunTo(100);
  Report(Block(1, 2));
  ExpectAt(125, ". " + At(0));
  RunTo(130);
  Report(Block(0, 1), Segments(5));  // the late one, and its copy
  ASSERT_NE(tp()->t_rack, nullptr);
  EXPECT_EQ(tp()->t_rack->reo_wnd_mult, 2);
  EXPECT_TRUE(tp()->t_rack->reordering_seen || tp()->t_rack->reo_wnd_persist != 0);
}

// What the peer has is never sent again, not even after a timeout.
TEST_F(Rack, ATimeoutSendsOnlyWhatIsMissing) {
  Begin(1, 5);
  RunTo(100);
  Report(Block(1, 4));
  Expect(". " + At(0));  // lost again
  ExpectAt(6100, ". " + At(0));
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
  RunTo(6200);
  Report(Block(1, 4), Segments(1));
  Expect("P. " + At(4));  // 1 to 3 are there
  ExpectNothing();
  Ack(Segments(5));
  ExpectNothingUntil(100'000);
}

// 6.3: at a timeout all that was sent long ago is lost; it goes as the window opens.
TEST_F(Rack, ATimeoutBeginsSlowly) {
  Begin(1, 6);
  ExpectAt(6000, ". " + At(0));
  ExpectNothing();
  RunTo(6100);
  Ack(Segments(1));
  Expect(". " + At(1));
  Expect(". " + At(2));
  ExpectNothing();
  RunTo(6200);
  Ack(Segments(6));  // the others had only been late
  ExpectNothingUntil(100'000);
  EXPECT_FALSE(tp()->t_rack->timed_out);
}

// RFC 2018 8: a receiver may throw away what it has reported.
TEST_F(Rack, SendsWhatAReceiverHasThrownAway) {
  Begin(1, 3);
  RunTo(100);
  Report(Block(1, 3));
  ExpectAt(125, ". " + At(0));
  RunTo(225);
  Ack(Segments(1));  // yet 1 and 2 were reported
  ExpectAt(6225, ". " + At(1));
  Ack(Segments(2));
  Expect("P. " + At(2));
  Ack(Segments(3));
  ExpectNothingUntil(100'000);
}

// A retransmission is lost when something sent after it has arrived.
TEST_F(Rack, SeesThatARetransmissionIsLost) {
  Begin(1, 8);
  RunTo(100);
  Report(Block(1, 8));
  Expect(". " + At(0));
  SendSegments(4);  // 8 to 11, behind it
  RunTo(200);
  Report(Block(8, 9) + " " + Block(1, 8));
  Expect(". " + At(0));
  ExpectNothing();
  RunTo(300);
  Ack(Segments(12));
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_rexmttimeo), 0u);
}

TEST_F(Rack, NeedsReports) {
  Begin(2, 5, "");
  EXPECT_EQ(tp()->t_rack, nullptr);
  for (int i = 0; i < 3; ++i) Ack(1);
  Expect(". " + At(0));
}

TEST_F(Rack, IsOffUnlessAskedFor) {
  Begin(0, 1);
  EXPECT_EQ(tp()->t_rack, nullptr);
}

// --- Probes (7). ---

// Two round trips of silence: the last segment goes again, and its report shows what else is lost.
TEST_F(Rack, AProbeFindsALostTail) {
  Begin(2, 4);
  RunTo(100);
  Ack(Segments(1));  // a round trip of 100 ms, which this profile takes for 101
  ExpectAt(302, "P. " + At(3));
  RunTo(402);
  Report(Block(3, 4), Segments(1));
  Expect(". " + At(1));
  Expect(". " + At(2));
  RunTo(502);
  Ack(Segments(4));
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_rexmttimeo), 0u);
  EXPECT_EQ(Stat(tcps_tlp_probes), 1u);
}

// The probe itself has filled the gap: nobody noticed a loss, yet there was one.
TEST_F(Rack, ARepairByProbeReducesTheWindow) {
  Begin(2, 4);
  RunTo(100);
  Ack(Segments(1));
  ExpectAt(302, "P. " + At(3));
  RunTo(402);
  Ack(Segments(4));
  EXPECT_EQ(Stat(tcps_tlp_repaired), 0u) << "it may have been late";
  SendSegments(1);
  RunTo(502);
  Ack(Segments(5));
  EXPECT_EQ(Stat(tcps_tlp_repaired), 1u);
  EXPECT_LE(tp()->snd_cwnd, 6 * 1460u);
}

TEST_F(Rack, ANeedlessProbeCostsNothing) {
  Begin(2, 4);
  RunTo(100);
  Ack(Segments(1));
  ExpectAt(302, "P. " + At(3));
  RunTo(310);
  Ack(Segments(4));
  RunTo(402);
  Report(Block(3, 4), Segments(4));  // both have arrived
  SendSegments(1);
  RunTo(502);
  Ack(Segments(5));
  EXPECT_EQ(Stat(tcps_tlp_repaired), 0u);
  EXPECT_GT(tp()->snd_cwnd, 10 * 1460u);
}

// New data is the better probe.
TEST_F(Rack, ProbesWithNewDataIfThereIsAny) {
  Begin(2, 1);
  RunTo(100);
  Ack(Segments(1));
  tp()->snd_cwnd = 4 * 1460;
  EXPECT_EQ(Write(1460 * 6), 0);
  EXPECT_EQ(Skip(), 4);
  ExpectAt(302, ". " + At(5));
  EXPECT_EQ(tp()->snd_cwnd, 4 * 1460u);
  RunTo(402);
  Report(Block(5, 6), Segments(1));
  Expect(". " + At(1));  // sent long before it, and not there
}

// A lone segment's ACK may be delayed by the peer.
TEST_F(Rack, ALoneSegmentIsProbedLater) {
  Begin(2, 1);
  RunTo(100);
  Ack(Segments(1));
  EXPECT_EQ(Write(100), 0);
  EXPECT_EQ(Skip(), 1);
  ExpectAt(100 + 202 + 200, "P. 1461:1561(100) ack 1");
  ExpectNothingUntil(100 + 202 + 200 + 999);
  ExpectAt(100 + 202 + 200 + 1000, "P. 1461:1561(100) ack 1");  // now it is REXMT
  EXPECT_EQ(Stat(tcps_rexmttimeo), 1u);
}

// When the timeout would come first, the probe takes its place, once.
TEST_F(Rack, AProbeGoesInsteadOfAnEarlyTimeout) {
  Sysctl("net.inet.tcp.rexmit_min", 300);
  Begin(2, 0);
  int64_t now = 0;
  for (uint32_t k = 0; k < 20; ++k) {
    SendSegments(1);
    RunTo(now += 500);
    Ack(Segments(k + 1));
  }
  ASSERT_LT(tp()->t_rxtcur, 2 * 500 + 200);
  const int64_t rto = tp()->t_rxtcur;
  SendSegments(1);
  ExpectAt(now + rto, "P. " + At(20));
  EXPECT_EQ(Stat(tcps_tlp_probes), 1u);
  EXPECT_EQ(Stat(tcps_rexmttimeo), 0u);
  ExpectAt(now + 2 * rto, "P. " + At(20));
  EXPECT_EQ(Stat(tcps_rexmttimeo), 1u);
}

TEST_F(Rack, ALostFinIsProbedFor) {
  Begin(2, 2);
  RunTo(100);
  Ack(Segments(2));
  EXPECT_EQ(Shutdown(), 0);
  Expect("F. 2921:2921(0) ack 1");
  ExpectAt(502, "F. 2921:2921(0) ack 1");
  Ack(Segments(2) + 1);
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
}

// A shut window is PERSIST's.
TEST_F(Rack, DoesNotProbeAShutWindow) {
  Begin(2, 2);
  RunTo(100);
  Send(". 1:1(0) ack 2921 win 0");
  EXPECT_EQ(Write(1000), 0);
  ExpectAt(5100, ". 2921:2922(1) ack 1");
  Send(". 1:1(0) ack 2921 win 0");
  Send(". 1:1(0) ack 2922 win 5000");
  Expect("P. 2922:3921(999) ack 1");
  Ack(3921);
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_tlp_probes), 0u);
}

// Nor one that what is acknowledged has used up while data is out behind it.
TEST_F(Rack, DoesNotProbeBehindAWindowThatIsUsedUp) {
  Begin(2, 4);
  RunTo(100);
  Send(". 101:101(0) ack 1 win 1460");
  Ack(Segments(1));
  EXPECT_EQ(tp()->snd_wnd, 0u);
  ExpectAt(100 + 5000, ". 1461:1462(1) ack 1");
  EXPECT_EQ(Stat(tcps_tlp_probes), 0u);
  Send(". 101:101(0) ack 1461 win 5840");
  Expect(". 1461:2921(1460) ack 1");
}

// A probe that found no room in the window is none: nothing is concluded from what comes after.
TEST_F(Rack, AProbeThatHasNotGoneIsNotJudged) {
  Begin(2, 4);
  RunTo(100);
  Send(". 1:1(0) ack 1461 win 100");
  ExpectNothingUntil(1099);
  EXPECT_EQ(Stat(tcps_tlp_probes), 0u);
  ExpectAt(1100, ". 1461:1561(100) ack 1");
}

}  // namespace
}  // namespace sockbed
