// Explicit congestion notification: who asks, who agrees, what a mark does (RFC 3168).
#include <cerrno>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Ecn : public SegmentTest {
 protected:
  void Ask() {
    Sysctl("net.inet.tcp.ecn", 1);
    EXPECT_EQ(Connect(), 0);
    Expect("SEW 0:0(0)");
  }
  void Agree() {
    Ask();
    Send("S.E 0:0(0) ack 1 win 65535 <mss 1460>");
    Expect("{noecn} . 1:1(0) ack 1");
  }
};

TEST_F(Ecn, MarksNewDataAndNothingElse) {
  Agree();
  EXPECT_EQ(Write(1000), 0);
  Expect("{ect0} P. 1:1001(1000) ack 1");
  ExpectAt(1000, "{noecn} P. 1:1001(1000) ack 1");  // sent again
  Send(". 1:11(10) ack 1001");
  ExpectAt(1200, "{noecn} . 1001:1001(0) ack 11");
}

TEST_F(Ecn, NeedsBothSides) {
  Ask();
  Send("S. 0:0(0) ack 1 win 65535 <mss 1460>");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(Write(10), 0);
  Expect("{noecn} P. 1:11(10) ack 1");
}

// An echo of all flags is no answer.
TEST_F(Ecn, DoesNotTrustAMirror) {
  Ask();
  Send("S.EW 0:0(0) ack 1 win 65535 <mss 1460>");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(tp()->t_flags & TF_ECN_PERMIT, 0u);
}

TEST_F(Ecn, AnswersWhoAsks) {
  Sysctl("net.inet.tcp.ecn", 2);
  Listen();
  Send("SEW 0:0(0) win 65535 <mss 1460>");
  Expect("S.E 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Write(10), 0);
  Expect("{ect0} P. 1:11(10) ack 1");
}

TEST_F(Ecn, IsOffByDefault) {
  Listen();
  Send("SEW 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  EXPECT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
}

TEST_F(Ecn, TheCacheStopsAskingWhenItSendsAgain) {
  Sysctl("net.inet.tcp.ecn", 2);
  Listen();
  Send("SEW 0:0(0) win 65535 <mss 1460>");
  Expect("S.E 0:0(0) ack 1");
  ExpectAt(3000, "S. 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_flags & TF_ECN_PERMIT, 0u);
}

// D of the systems: how many SYNs ask.
TEST_F(Ecn, AsksAsOftenAsTheHostSays) {
  Sysctl("net.inet.tcp.profile", 1);
  Ask();
  ExpectAt(1000, "SEW 0:0(0)");
  ExpectAt(3200, "S 0:0(0)");
}

TEST_F(Ecn, ARefusedAskerTriesWithout) {
  Ask();
  Send("R. 0:0(0) ack 1");
  EXPECT_EQ(State(), TCPS_SYN_SENT);
  ExpectAt(6000, "S 0:0(0)");
  Send("R. 0:0(0) ack 1");
  EXPECT_EQ(so()->so_error, ECONNREFUSED);
}

TEST_F(Ecn, TheOtherSystemIsRefusedAtOnce) {
  Sysctl("net.inet.tcp.knob.ecn_rst_retry", 0);
  Ask();
  Send("R. 0:0(0) ack 1");
  EXPECT_EQ(so()->so_error, ECONNREFUSED);
}

TEST_F(Ecn, SynsThatCrossAgreeToo) {
  Ask();
  Send("SEW 0:0(0) win 65535 <mss 1460>");
  Expect("S.E 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  EXPECT_EQ(Write(10), 0);
  Expect("{ect0} P. 1:11(10) ack 1");
}

// 6.1.3: the echo goes on until the sender says that it has heard.
TEST_F(Ecn, EchoesAMarkUntilTheWindowIsReduced) {
  Agree();
  Send("{ce} . 1:1461(1460) ack 1");
  Send("{ect0} . 1461:2921(1460) ack 1");
  Expect(".E 1:1(0) ack 2921");
  Send("{ect0} .W 2921:4381(1460) ack 1");
  Send("{ect0} . 4381:5841(1460) ack 1");
  Expect(". 1:1(0) ack 5841");
  EXPECT_EQ(Stat(tcps_ecn_rcvce), 1u);
}

TEST_F(Ecn, AMarkOnABareAckSaysNothing) {
  Agree();
  Send("{ce} . 1:1(0) ack 1");
  EXPECT_EQ(tp()->t_flags & TF_RCVD_CE, 0u);
}

// 6.1.2: once per window of data; the next new data tells.
TEST_F(Ecn, AnEchoHalvesTheWindowOnce) {
  Agree();
  EXPECT_EQ(Write(8 * 1460), 0);
  EXPECT_EQ(Skip(), 8);
  const uint32_t cwnd = tp()->snd_cwnd;
  Send(".E 1:1(0) ack 1461");
  const uint32_t half = cwnd / 1460 / 2 * 1460;
  EXPECT_EQ(tp()->snd_ssthresh, half);
  Send(".E 1:1(0) ack 2921");
  EXPECT_EQ(tp()->snd_ssthresh, half);
  EXPECT_EQ(Stat(tcps_cwr_ecn), 1u);
  Send(".E 1:1(0) ack 11681");
  EXPECT_EQ(Write(100), 0);
  Expect("{ect0} P.W 11681:11781(100) ack 1");
  EXPECT_EQ(Write(100), 0);
  Send(". 1:1(0) ack 11781");
  Expect("{ect0} P. 11781:11881(100) ack 1");
}

// While marks are echoed the window stays; one system lets every ACK add to it.
TEST_F(Ecn, TheWindowDoesNotGrowByAnEcho) {
  for (const int by_bytes : {1, 0}) {
    SCOPED_TRACE(by_bytes);
    Sysctl("net.inet.tcp.rfc3465", by_bytes);
    Agree();
    EXPECT_EQ(Write(8 * 1460), 0);
    Skip();
    Send(".E 1:1(0) ack 1461");
    const uint32_t cwnd = tp()->snd_ssthresh;
    EXPECT_EQ(tp()->snd_cwnd == cwnd, by_bytes != 0);
    Send(".E 1:1(0) ack 4381");
    EXPECT_EQ(tp()->snd_cwnd == cwnd, by_bytes != 0);
    EXPECT_EQ(Close(), 0);
    Skip();
    Anew();
  }
}

// ... and so after a loss, whatever showed it.
TEST_F(Ecn, TellsOfAReductionAfterALoss) {
  Agree();
  EXPECT_EQ(Write(5 * 1460), 0);
  EXPECT_EQ(Skip(), 5);
  for (int i = 0; i < 3; ++i) Send(". 1:1(0) ack 1");
  Expect("{noecn} . 1:1461(1460) ack 1");
  Send(". 1:1(0) ack 7301");
  EXPECT_EQ(Write(100), 0);
  Expect("{ect0} P.W 7301:7401(100) ack 1");
}

TEST_F(Ecn, TellsOfAReductionAfterATimeout) {
  Agree();
  EXPECT_EQ(Write(1000), 0);
  Expect("{ect0} P. 1:1001(1000) ack 1");
  ExpectAt(1000, "{noecn} P. 1:1001(1000) ack 1");
  Send(". 1:1(0) ack 1001");
  EXPECT_EQ(Write(100), 0);
  Expect("{ect0} P.W 1001:1101(100) ack 1");
}

// A mark and a loss in one window: one reduction, but what is lost goes again. Where duplicates
// alone tell, and by the other system's rules, they pass for echoes of the mark.
TEST_F(Ecn, ALossBehindAMarkIsSeenByReports) {
  for (const int revised : {1, 0}) {
    SCOPED_TRACE(revised);
    peer_port_ = static_cast<uint16_t>(kPeerPort + revised);
    Sysctl("net.inet.tcp.ecn", 2);
    Sysctl("net.inet.tcp.sack.revised", revised);
    Sysctl("net.inet.tcp.do_prr", revised);
    if (listener() == nullptr) Listen();
    Send("SEW 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
    Expect("S.E 0:0(0) ack 1");
    Send(". 1:1(0) ack 1");
    ASSERT_TRUE(Accept());
    EXPECT_EQ(Write(8 * 1460), 0);
    EXPECT_EQ(Skip(), 8);
    Send(".E 1:1(0) ack 1461");
    const uint32_t ssthresh = tp()->snd_ssthresh;
    Send(".E 1:1(0) ack 1461 <nop,nop,sack 2921:4381>");
    Send(".E 1:1(0) ack 1461 <nop,nop,sack 2921:5841>");
    Send(".E 1:1(0) ack 1461 <nop,nop,sack 2921:7301>");
    if (revised != 0) Expect("{noecn} . 1461:2921(1460) ack 1");
    ExpectNothing();
    EXPECT_EQ(tp()->snd_ssthresh, ssthresh);
    EXPECT_EQ(Close(), 0);
    Skip();
    Anew();
  }
}

TEST_F(Ecn, AMarkMayLeaveOneSegmentOrTwo) {
  for (const int one : {1, 0}) {
    Sysctl("net.inet.tcp.knob.ecn_one_segment", 1);
    if (so() == nullptr) Agree();
    Sysctl("net.inet.tcp.knob.ecn_one_segment", one);
    tp()->snd_cwnd = 3 * 1460;
    newreno_cc_algo.cong_signal(tp(), CcSignal::kEcn);
    EXPECT_EQ(tp()->snd_cwnd, one != 0 ? 1460u : 2920u);
  }
  Sysctl("net.inet.tcp.knob.ecn_one_segment", 1);
}

TEST_F(Ecn, AbeKeepsMore) {
  Agree();
  Sysctl("net.inet.tcp.cc.abe", 1);
  tp()->snd_cwnd = 10 * 1460;
  newreno_cc_algo.cong_signal(tp(), CcSignal::kEcn);
  EXPECT_EQ(tp()->snd_cwnd, 8 * 1460u);
  newreno_cc_algo.cong_signal(tp(), CcSignal::kDupAcks);
  EXPECT_EQ(tp()->snd_ssthresh, 4 * 1460u);
}

// The answer to the SYN that asked, when one that does not is out already.
TEST_F(Ecn, ALateAnswerAgreesToo) {
  Ask();
  ExpectAt(6000, "S 0:0(0)");
  Send("S.E 0:0(0) ack 1 win 65535 <mss 1460>");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(Write(10), 0);
  Expect("{ect0} P. 1:11(10) ack 1");
}

TEST_F(Ecn, WhoDidNotAskIsNotAgreedWith) {
  Sysctl("net.inet.tcp.ecn", 2);
  EXPECT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("S.E 0:0(0) ack 1 win 65535 <mss 1460>");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(tp()->t_flags & TF_ECN_PERMIT, 0u);
}

}  // namespace
}  // namespace sockbed
