// Endings: each order of closing, TIME_WAIT, resets, what comes too late.
#include <cerrno>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/sched.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Closing : public SegmentTest {};

// The four ways through the lower half of the state diagram.

TEST_F(Closing, ByUsFirst) {
  Establish();
  Shutdown();
  Expect("F. 1:1(0) ack 1");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_1);
  Send(". 1:1(0) ack 2");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
  Send("P. 1:101(100) ack 2");
  Expect(". 2:2(0) ack 101");
  EXPECT_EQ(Read(), 100);
  Send("F. 101:101(0) ack 2");
  Expect(". 2:2(0) ack 102");
  EXPECT_EQ(State(), TCPS_TIME_WAIT);
  EXPECT_EQ(Read(), 0);
  RunTo(59'999);
  EXPECT_EQ(State(), TCPS_TIME_WAIT);
  RunTo(60'000);
  EXPECT_EQ(State(), TCPS_CLOSED);
  EXPECT_EQ(Summary().state, TCPS_TIME_WAIT);
  EXPECT_EQ(Summary().bytes_received, 100u);
}

TEST_F(Closing, ByThePeerFirst) {
  Establish();
  Send("F. 1:1(0) ack 1");
  Expect(". 1:1(0) ack 2");
  EXPECT_EQ(State(), TCPS_CLOSE_WAIT);
  EXPECT_EQ(Read(), 0);
  EXPECT_EQ(Write(50), 0);
  Expect("P. 1:51(50) ack 2");
  Close();
  Expect("F. 51:51(0) ack 2");
  EXPECT_EQ(State(), TCPS_LAST_ACK);
  Send(". 2:2(0) ack 52");
  EXPECT_EQ(State(), TCPS_CLOSED);
  EXPECT_EQ(Summary().bytes_sent, 50u);
  ExpectNothingUntil(120'000);
}

// A peer that shuts its window holds data back, not the end: that is sent again as REXMT says, ever
// more rarely, and not for each of the peer's ACKs. With RACK the same.
TEST_F(Closing, AShutWindowDoesNotHurryTheFin) {
  for (const int64_t rack : {0, 1, 2}) {
    SCOPED_TRACE(rack);
    Sysctl("net.inet.tcp.knob.rack_tlp", rack);
    Establish(",sackOK,eol,eol");
    Shutdown();
    Expect("F. 1:1(0) ack 1");
    const int64_t began = now_ms();
    for (int i = 0; i < 5; ++i) {
      RunTo(began + 10 * i);
      Send(". 1:1(0) ack 1 win 0");
    }
    ExpectNothingUntil(began + 900);
    int fins = 0;
    for (; State() == TCPS_FIN_WAIT_1 && fins < 100; fins += Skip()) RunTo(now_ms() + 1000);
    EXPECT_LE(fins, 14) << "the twelve of REXMT, perhaps a probe, and the reset";
    EXPECT_EQ(so()->so_error, ETIMEDOUT);
    Close();
    CloseListener();
    Anew();
  }
}

TEST_F(Closing, ByBothAtOnce) {
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send("F. 1:1(0) ack 1");
  Expect("F. 1:1(0) ack 2");
  EXPECT_EQ(State(), TCPS_CLOSING);
  Send(". 2:2(0) ack 2");
  EXPECT_EQ(State(), TCPS_TIME_WAIT);
  ExpectNothingUntil(60'000);
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(Closing, WithFinAndItsAckTogether) {
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send("F. 1:1(0) ack 2");
  Expect(". 2:2(0) ack 2");
  EXPECT_EQ(State(), TCPS_TIME_WAIT);
}

TEST_F(Closing, SendsWhatIsQueuedFirst) {
  Establish("", "2000");
  EXPECT_EQ(Write(5000), 0);
  EXPECT_EQ(Skip(), 1);
  Close();
  ExpectNothing();
  Send(". 1:1(0) ack 1461 win 65535");
  Expect(". 1461:2921(1460) ack 1");
  Expect(". 2921:4381(1460) ack 1");
  Expect("FP. 4381:5001(620) ack 1");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_1);
}

TEST_F(Closing, SendsALostFinAgain) {
  Establish();
  Close();
  for (const int64_t ms : {0, 6000, 18000}) ExpectAt(ms, "F. 1:1(0) ack 1");
}

TEST_F(Closing, ALateFinInTimeWaitIsAnswered) {
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send("F. 1:1(0) ack 2");
  Expect(". 2:2(0) ack 2");
  RunTo(1000);
  Send("F. 1:1(0) ack 2");
  Expect(". 2:2(0) ack 2");
  RunTo(60'000);
  EXPECT_EQ(State(), TCPS_CLOSED) << "a late FIN does not prolong it";
}

TEST_F(Closing, DataAfterCloseIsReset) {
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send("P. 1:11(10) ack 2");
  Expect("R 2:2(0)");
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(Closing, LingerZeroResets) {
  Establish();
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  so()->so_options |= kSoLinger;
  so()->so_linger = 0;
  Close();
  Expect("R. 11:11(0) ack 1 win 0 <>");
  EXPECT_EQ(State(), TCPS_CLOSED);
}

// Nobody will read: the peer may not hold us for ever.
TEST_F(Closing, FinWait2EndsWithoutReader) {
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send(". 1:1(0) ack 2");
  const int64_t sixteen_hours = 16 * 3600 * 1000;
  RunTo(sixteen_hours - 1);
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
  RunTo(sixteen_hours);
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(Closing, FinWait2EndsAsTheOtherSystemHasIt) {
  Sysctl("net.inet.tcp.profile", 1);
  Establish();
  Close();
  Expect("F. 1:1(0) ack 1");
  Send(". 1:1(0) ack 2");
  RunTo(599'999);
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
  RunTo(600'000);
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(Closing, ShutdownBeforeTheHandshakeIsDone) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("S 0:0(0) win 65535 <mss 1000>");
  Expect("S. 0:0(0) ack 1");
  Shutdown();
  Expect("F. 1:1(0) ack 1");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_1);
  ExpectAt(6000, "S. 0:0(0) ack 1");
  ExpectAt(6000, "F. 1:1(0) ack 1");
  Send(". 1:1(0) ack 2");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
}

// --- Resets (8.1). ---

struct RstRow {
  const char* name;
  uint32_t seq;      // relative to rcv_nxt = 101, with last_ack_sent = 1
  bool accepted[3];  // openbsd, freebsd, freebsd with insecure_rst
  bool challenged;   // freebsd
};

class Reset : public SegmentTest, public testing::WithParamInterface<RstRow> {
 protected:
  // Profile 0, 1, or 1 with insecure_rst; the receive window is 65700 behind byte 1.
  void Prepare(int variant) {
    Sysctl("net.inet.tcp.profile", variant == 0 ? 0 : 1);
    if (variant == 2) Sysctl("net.inet.tcp.insecure_rst", 1);
    Sysctl("net.inet.tcp.recvspace", 65536);
    Establish(",sackOK,eol,eol", "32767");
    ASSERT_EQ(so()->so_rcv.sb_hiwat, 65700u);
  }
  void Arrive(int variant) {
    Prepare(variant);
    const RstRow& row = GetParam();
    const std::string seq = std::to_string(row.seq);
    Send("R " + seq + ":" + seq + "(0)");
    EXPECT_EQ(State() == TCPS_CLOSED, row.accepted[variant]) << row.name;
    if (row.accepted[variant]) {
      EXPECT_EQ(so()->so_error, ECONNRESET);
    }
    if (variant == 1 && row.challenged) Expect(". 1:1(0) ack 1");
    ExpectNothing();
  }
};

TEST_P(Reset, AsOpenBsd) { Arrive(0); }
TEST_P(Reset, AsFreeBsd) { Arrive(1); }
TEST_P(Reset, AsFreeBsdInsecure) { Arrive(2); }

INSTANTIATE_TEST_SUITE_P(Table, Reset,
                         testing::Values(RstRow{"Exact", 1, {true, true, true}, false},
                                         RstRow{"OneMore", 2, {true, false, true}, true},
                                         RstRow{"Inside", 1000, {false, false, true}, true},
                                         RstRow{"LastByte", 65700, {false, false, true}, true},
                                         RstRow{"RightEdge", 65701, {false, false, false}, false},
                                         RstRow{"Beyond", 70000, {false, false, false}, false},
                                         RstRow{"LeftOfIt", 0, {false, false, false}, false}),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_F(Closing, ResetKeepsDataAndThenReportsOnce) {
  Establish();
  Send("P. 1:11(10) ack 1");
  Send("R 11:11(0)");
  EXPECT_EQ(Read(), 10);
  EXPECT_EQ(Read(), -ECONNRESET);
  EXPECT_EQ(Read(), 0);
}

TEST_F(Closing, ResetWhileClosingIsNoError) {
  Establish();
  Send("F. 1:1(0) ack 1");
  Expect(". 1:1(0) ack 2");
  Shutdown();
  Expect("F. 1:1(0) ack 2");
  Send("R 2:2(0)");
  EXPECT_EQ(State(), TCPS_CLOSED);
  EXPECT_EQ(so()->so_error, 0);
}

// --- SYN inside a connection (8.2). ---

TEST_F(Closing, SynInsideAConnectionIsChallenged) {
  Establish();
  Send("S 1:1(0)");
  Expect(". 1:1(0) ack 1");
  Send("S 0:0(0)");  // left of the window: an old one, answered like any duplicate
  Expect(". 1:1(0) ack 1");
  Send("S 50000:50000(0)");
  Expect(". 1:1(0) ack 1");
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(Stat(tcps_challenge), 1u);
}

TEST_F(Closing, ChallengesAreLimitedPerHost) {
  Sysctl("net.inet.tcp.ackppslimit", 4);
  Establish();
  for (int i = 0; i < 6; ++i) Send("S 1:1(0)");
  EXPECT_EQ(Skip(), 4);
  EXPECT_EQ(Stat(tcps_challenge_dropped), 2u);
  RunTo(1000);
  Send("S 1:1(0)");
  EXPECT_EQ(Skip(), 1);
}

TEST_F(Closing, ChallengesAreLimitedPerConnection) {
  Sysctl("net.inet.tcp.profile", 1);
  Establish();
  for (int i = 0; i < 8; ++i) Send("S 9:9(0)");
  EXPECT_EQ(Skip(), 5);
  RunTo(999);
  Send("S 9:9(0)");
  ExpectNothing();
  RunTo(1000);
  Send("S 9:9(0)");
  EXPECT_EQ(Skip(), 1);
}

TEST_F(Closing, InsecureSynResets) {
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.tcp.insecure_syn", 1);
  Establish();
  Send("S 5:5(0)");
  Expect("R. 1:1(0) ack 1 win 0");
  EXPECT_EQ(so()->so_error, ECONNRESET);
}

// --- TIME_WAIT (8.3): one table, three policies. ---

class TimeWait : public SegmentTest {
 protected:
  // After this rcv_nxt = 2 and snd_nxt = 2 on both sides.
  void Enter(int policy) {
    Sysctl("net.inet.tcp.profile", policy == 0 ? 0 : 1);
    Sysctl("net.inet.tcp.knob.timewait_policy", policy);
    Establish();
    Close();
    Expect("F. 1:1(0) ack 1");
    Send("F. 1:1(0) ack 2");
    Expect(". 2:2(0) ack 2");
    ASSERT_EQ(State(), TCPS_TIME_WAIT);
  }
  void Silent(const char* segment) {
    Send(segment);
    EXPECT_EQ(Skip(), 0) << segment;
    EXPECT_EQ(State(), TCPS_TIME_WAIT) << segment;
  }
  void Answered(const char* segment) {
    Send(segment);
    Expect(". 2:2(0) ack 2");
    EXPECT_EQ(State(), TCPS_TIME_WAIT) << segment;
  }
};

TEST_F(TimeWait, AsOpenBsd) {
  Enter(0);
  Silent(". 2:2(0) ack 2");
  Answered(". 1:1(0) ack 2");
  Silent(". 3:3(0) ack 2");
  Answered(". 60000:60000(0) ack 2");
  Answered("F. 1:1(0) ack 2");
  Silent("R 60:60(0)");
  Answered("S 1:1(0)");
  Send("R 2:2(0)");
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(TimeWait, AsFreeBsd) {
  Enter(1);
  Silent(". 2:2(0) ack 2");
  for (const char* s : {". 1:1(0) ack 2", ". 3:3(0) ack 2", ". 60000:60000(0) ack 2"}) Answered(s);
  for (const char* s : {"F. 1:1(0) ack 2", "F. 9:9(0) ack 2", "S. 0:0(0) ack 1"}) Answered(s);
  for (const char* s : {"F 1:1(0)", "R 2:2(0)", "R. 2:2(0) ack 2", "S 2:2(0)"}) Silent(s);
  RunTo(30'000);
  Answered("F. 1:1(0) ack 2");
  RunTo(89'999);
  EXPECT_EQ(State(), TCPS_TIME_WAIT) << "a FIN begins it anew";
  RunTo(90'000);
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(TimeWait, AsTheStandards) {
  Enter(2);
  Silent(". 2:2(0) ack 2");
  for (const char* s : {"S 1:1(0)", "S 9:9(0)", "S. 9:9(0) ack 2", "SF 3:3(0)"}) Answered(s);
  Sysctl("net.inet.tcp.drop_synfin", 1);
  Silent("SF 3:3(0)");
  Sysctl("net.inet.tcp.insecure_syn", 1);
  Send("S 9:9(0)");
  Expect("R. 2:2(0) ack 2 win 0");
  EXPECT_EQ(State(), TCPS_CLOSED);
}

TEST_F(TimeWait, MakesRoomForANewerConnection) {
  Enter(0);
  const tcp_seq old_end = peer_isn_ + 2;
  peer_isn_ = old_end + 1000;
  Send("S 0:0(0) win 1000 <mss 1000>");
  Expect("S. 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  EXPECT_TRUE(Accept());
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(Summary().state, TCPS_TIME_WAIT) << "the old one is over";
}

// Our own side may take its old connection's place, where the host lets it.
TEST_F(TimeWait, IsLeftByConnectingAnewIfTheHostLetsIt) {
  Enter(0);
  EXPECT_EQ(CloseListener(), 0);
  for (const int64_t reuse : {0, 1}) {
    Sysctl("net.inet.tcp.knob.timewait_connect_reuse", reuse);
    Create();
    EXPECT_EQ(SetOption(SOL_SOCKET, SO_REUSEADDR, 1), 0);
    Do([&] {
      const MbufPtr name = m_get(M_DONTWAIT, MT_SONAME);
      in_sin2nam({}, htons(kPort), name.get());
      EXPECT_EQ(sobind(so(), name.get(), curproc()), 0);
      in_sin2nam({htonl(0x0a000002)}, htons(kPeerPort), name.get());
      EXPECT_EQ(soconnect(so(), name.get()), reuse != 0 ? 0 : EADDRINUSE);
    });
    EXPECT_EQ(Skip(), reuse);
    EXPECT_EQ(Close(), 0);
  }
}

}  // namespace
}  // namespace sockbed
