// Recovery as FreeBSD has it: RFC 6675, RFC 6937, limited transmit, needless timeouts, CUBIC.
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Recovery : public SegmentTest {
 protected:
  void Begin(int n, std::string_view options = ",sackOK,eol,eol") {
    Sysctl("net.inet.tcp.profile", 1);
    Establish(options);
    EXPECT_EQ(Write(static_cast<int>(tp()->t_maxseg) * n), 0);
    EXPECT_EQ(Skip(), n);
  }
  void Report(std::string_view blocks, uint32_t ack = 1) {
    Send(". 1:1(0) ack " + std::to_string(ack) + " <nop,nop,sack " + std::string(blocks) + ">");
  }
  static std::string At(uint32_t segment, uint32_t length = 1460) {
    const uint32_t from = 1 + 1460 * segment;
    return std::to_string(from) + ":" + std::to_string(from + length) + "(" +
           std::to_string(length) + ")";
  }
};

// Where the last loss was is forgotten as acknowledgements pass it. After 2 GiB it would seem to
// lie ahead, and what is lost now to be an echo of it.
TEST_F(Recovery, TheLastLossStaysBehind) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  Send(". 1:1(0) ack 11");
  EXPECT_EQ(tp()->snd_last, tp()->snd_una);
}

// RFC 3042: two new segments, then recovery.
TEST_F(Recovery, LimitedTransmitKeepsTheClockGoing) {
  Begin(10, "");
  EXPECT_EQ(Write(1460 * 4), 0);
  ExpectNothing();
  const uint32_t cwnd = tp()->snd_cwnd;
  Send(". 1:1(0) ack 1");
  Expect(". " + At(10) + " ack 1");
  Send(". 1:1(0) ack 1");
  Expect(". " + At(11) + " ack 1");
  EXPECT_EQ(tp()->snd_cwnd, cwnd);
  Send(". 1:1(0) ack 1");
  Expect(". " + At(0) + " ack 1");
  EXPECT_EQ(Stat(tcps_limited_xmit), 2u);
}

// RFC 6675: more than two segments reported above it, and the first is lost, however few ACKs said
// so.
TEST_F(Recovery, ReportsCountBytesNotAcks) {
  Begin(8);
  Report("1461:5841");
  Expect(". " + At(0) + " ack 1");
  EXPECT_TRUE((tp()->t_flags & TF_PRR) != 0);
}

TEST_F(Recovery, ThreeIslandsCountToo) {
  Begin(10);
  Report("1461:1500");
  ExpectNothing();
  Report("2921:2960 1461:1500");
  ExpectNothing();
  Report("4381:4420 2921:2960 1461:1500");
  Expect(". " + At(0) + " ack 1");
}

// RFC 6937: what leaves follows what arrives, by the ratio of the reduction; nothing bursts.
TEST_F(Recovery, TheWindowShrinksInProportion) {
  Begin(10);
  EXPECT_EQ(Write(1460 * 10), 0);
  Skip();
  const uint32_t flight = static_cast<uint32_t>(tp()->snd_max - tp()->snd_una);
  int sent = 0;
  for (uint32_t n = 4; n <= 10; ++n) {
    Report("1461:" + std::to_string(1 + 1460 * n));
    sent += Skip();
  }
  EXPECT_LE(tp()->t_prr_out, uint64_t{tp()->t_prr_delivered} * tp()->snd_ssthresh / flight + 1460);
  EXPECT_GT(sent, 2);
  Send(". 1:1(0) ack " + std::to_string(1 + flight));
  EXPECT_EQ(tp()->t_flags & TF_PRR, 0u);
}

// Recovery does not hang on the row of duplicates: it ends when what was out has arrived.
TEST_F(Recovery, AnOldAckDoesNotEndIt) {
  Begin(10);
  Report("1461:5841");
  Expect(". " + At(0) + " ack 1");
  Report("7301:14601 1461:5841");
  Skip();
  Report("7301:14601", 5841);
  Skip();
  Report("1461:4381");  // late
  EXPECT_TRUE(tcp_recovering(tp()));
  Send(". 1:1(0) ack 5841 win 60000");  // as is a smaller window
  EXPECT_TRUE(tcp_recovering(tp()));
  Send(". 1:1(0) ack 14601");
  EXPECT_FALSE(tcp_recovering(tp()));
  EXPECT_EQ(tp()->t_flags & TF_PRR, 0u);
}

TEST_F(Recovery, AShutWindowEndsIt) {
  Begin(10);
  Report("1461:5841");
  Expect(". " + At(0) + " ack 1");
  Send(". 1:1(0) ack 1461 win 0 <nop,nop,sack 2921:5841>");
  Skip();
  Send(". 1:1(0) ack 1461 win 0");
  EXPECT_FALSE(tcp_recovering(tp()));
  EXPECT_EQ(tp()->t_flags & TF_PRR, 0u);
}

TEST_F(Recovery, ALostRetransmissionGoesAgain) {
  Begin(10);
  Report("1461:5841");
  Expect(". " + At(0) + " ack 1");
  EXPECT_EQ(Write(1460 * 8), 0);
  for (uint32_t n = 5; n <= 10; ++n) Report("1461:" + std::to_string(1 + 1460 * n));
  Skip();
  const uint32_t top = static_cast<uint32_t>(tp()->snd_max - tp()->iss);
  ASSERT_GE(top, 1 + 1460 * 13u);
  Report("1461:" + std::to_string(1 + 1460 * 13));
  Expect(". " + At(0) + " ack 1");
  EXPECT_EQ(Stat(tcps_sack_lostrexmt), 1u);
}

// The last segment is missing, too: no report will ever tell. One rescue saves the timeout.
TEST_F(Recovery, RescuesTheTail) {
  Begin(8);  // 0 and 7 are lost
  Report("1461:10221");
  Expect(". " + At(0) + " ack 1");
  Send(". 1:1(0) ack 10221");
  Expect("P. " + At(7) + " ack 1");
  Send(". 1:1(0) ack 11681");
  ExpectNothingUntil(100'000);
  EXPECT_EQ(Stat(tcps_rexmttimeo), 0u);
}

// The ACK of what was only late takes back what the timeout did (by its timestamp).
TEST_F(Recovery, ANeedlessTimeoutIsTakenBack) {
  Begin(4, ",sackOK,nop,nop,TS val 1 ecr 0");
  const uint32_t cwnd = tp()->snd_cwnd;
  RunTo(tp()->t_rxtcur);
  Expect(". 1:1449(1448) ack 1");
  EXPECT_EQ(tp()->snd_cwnd, 1448u);
  Send(". 1:1(0) ack 5793 <nop,nop,TS val 2 ecr 1>");
  EXPECT_GE(tp()->snd_cwnd, cwnd);
  EXPECT_EQ(Stat(tcps_sndrexmitbad), 1u);
}

// CUBIC, too, forgets such a timeout: the window returns to where congestion was met before.
TEST_F(Recovery, ANeedlessTimeoutDoesNotMoveTheTopOfTheCurve) {
  Begin(10, ",sackOK,nop,nop,TS val 1 ecr 0");
  CubicState& cubic = tp()->t_cubic;
  cubic.congested = true;
  cubic.w_max = 30 * 1448;
  tp()->snd_ssthresh = 5 * 1448;  // congestion avoidance
  RunTo(tp()->t_rxtcur);
  Skip();
  Send(". 1:1(0) ack 7241 <nop,nop,TS val 2 ecr 1>");
  ASSERT_EQ(Stat(tcps_sndrexmitbad), 1u);
  Send(". 1:1(0) ack 14481 <nop,nop,TS val 3 ecr 1>");
  EXPECT_EQ(cubic.w_max, 30 * 1448u);
  EXPECT_GT(cubic.k_ms, 0);
}

TEST_F(Recovery, ATimeoutThatWasNeededStays) {
  Begin(4, ",sackOK,nop,nop,TS val 1 ecr 0");
  RunTo(tp()->t_rxtcur);
  Skip();
  Send(". 1:1(0) ack 1449 <nop,nop,TS val 2 ecr 230>");
  EXPECT_LE(tp()->snd_cwnd, 3 * 1448u);
  EXPECT_EQ(Stat(tcps_sndrexmitbad), 0u);
}

// RFC 3390, RFC 6928: tcp(4)'s two ways to say how a connection begins.
TEST_F(Recovery, BeginsWithTheWindowThatTheHostSays) {
  struct Row {
    int64_t segments, rfc3390;
    int sent;
  };
  uint16_t port = kPeerPort;
  for (const Row row : {Row{0, 0, 1}, {0, 1, 3}, {0, 2, 10}, {3, 0, 3}, {1, 2, 1}}) {
    SCOPED_TRACE(row.sent);
    Sysctl("net.inet.tcp.initcwnd_segments", row.segments);
    Sysctl("net.inet.tcp.rfc3390", row.rfc3390);
    peer_port_ = port++;
    Establish();
    EXPECT_EQ(Write(17520), 0);
    EXPECT_EQ(Skip(), row.sent);
    EXPECT_EQ(Close(), 0);
    Anew();
  }
}

TEST_F(Recovery, SlowStartCountsBytes) {
  Begin(10);
  const uint32_t cwnd = tp()->snd_cwnd;
  Send(". 1:1(0) ack 2921");
  EXPECT_EQ(tp()->snd_cwnd, cwnd + 2920);
  Send(". 1:1(0) ack 10221");
  EXPECT_EQ(tp()->snd_cwnd, cwnd + 2 * 2920);  // two segments per ACK at most
}

TEST_F(Recovery, AWindowThatIsNotUsedDoesNotGrow) {
  Begin(2);
  const uint32_t cwnd = tp()->snd_cwnd;
  Send(". 1:1(0) ack 2921");
  EXPECT_EQ(tp()->snd_cwnd, cwnd);
}

TEST_F(Recovery, AlgorithmsAreChosenByName) {
  Begin(1);
  char name[16] = {};
  EXPECT_EQ(GetOption(IPPROTO_TCP, TCP_CONGESTION, &name), 0);
  EXPECT_STREQ(name, "cubic");
  EXPECT_EQ(tcp_cc_find("newreno"), &newreno_cc_algo);
  EXPECT_EQ(tcp_cc_find("vegas"), nullptr);
}

TEST_F(Recovery, CubicKeepsSevenTenthsAndConvergesFast) {
  Begin(10);
  const uint32_t cwnd = tp()->snd_cwnd;
  cubic_cc_algo.cong_signal(tp(), CcSignal::kDupAcks);
  EXPECT_EQ(tp()->snd_ssthresh, cwnd / 2);  // the first time
  EXPECT_EQ(tp()->t_cubic.w_max, cwnd);
  tp()->snd_cwnd = cwnd / 2;
  cubic_cc_algo.cong_signal(tp(), CcSignal::kDupAcks);
  EXPECT_EQ(tp()->snd_ssthresh, cwnd / 2 / 10 * 7);
  EXPECT_EQ(tp()->t_cubic.w_max, cwnd / 2 * 17 / 20);
  tp()->snd_cwnd = cwnd;
}

// RFC 9438 5.8: a minute without data is no minute of growth.
TEST_F(Recovery, CubicDoesNotCountIdleTime) {
  Begin(10);
  Send(". 1:1(0) ack 14601");
  tp()->snd_cwnd = 10 * 1460;
  tp()->snd_ssthresh = 5 * 1460;
  tp()->t_cubic.epoch = machine().now();
  RunTo(60'000);
  EXPECT_EQ(Write(10 * 1460), 0);
  EXPECT_EQ(Skip(), 10);
  EXPECT_GT(tp()->snd_cwnd, tp()->snd_ssthresh);
  Send(". 1:1(0) ack 16061");
  EXPECT_GE(tp()->t_cubic.epoch, 60 * kSecond);
  EXPECT_LE(tp()->t_cubic.epoch, machine().now());
}

// RFC 6675 2: what tells nothing new is no sign of a loss.
TEST_F(Recovery, ReportsWithoutNewsDoNotCount) {
  Begin(5);
  for (int i = 0; i < 4; ++i) Report("1461:2921");
  ExpectNothing();
  EXPECT_EQ(tp()->t_dupacks, 1);
  Report("1461:4381");
  Report("1461:5841");
  Expect(". " + At(0) + " ack 1");
}

}  // namespace
}  // namespace sockbed
