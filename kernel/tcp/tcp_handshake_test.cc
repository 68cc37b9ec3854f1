// Openings: both ways, at once, refused, given up; what a listener does with all else.
#include <cerrno>

#include "kernel/inet/in_var.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socket.h"
#include "kernel/inet/in_var.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Handshake : public SegmentTest {};

// OpenBSD's SYN, byte for byte, and its answer to a peer that wants all it offers.
TEST_F(Handshake, OpensActively) {
  ASSERT_EQ(Connect(), 0);
  EXPECT_EQ(so()->so_state & SS_ISCONNECTING, SS_ISCONNECTING);
  Expect(
      "S 0:0(0) win 16384 "
      "<mss 1460,nop,nop,sackOK,nop,wscale 3,nop,nop,TS val 0 ecr 0>");
  RunTo(30);
  Send("S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7,sackOK,TS val 700 ecr 0>");
  Expect(". 1:1(0) ack 1 <nop,nop,TS val 30 ecr 700>");
  EXPECT_EQ(so()->so_state & SS_ISCONNECTED, SS_ISCONNECTED);
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(tp()->snd_scale, 7);
  EXPECT_EQ(tp()->rcv_scale, 3);
  EXPECT_EQ(tp()->t_maxseg, 1448u);
  EXPECT_EQ(tp()->snd_wnd, 65535u);
  EXPECT_EQ(so()->so_snd.sb_hiwat, 17376u);
  EXPECT_EQ(so()->so_rcv.sb_hiwat, 17376u);
  EXPECT_EQ(tp()->snd_cwnd, 14480u + 1448u);
  EXPECT_EQ(tp()->t_srtt, 31 * 32);
}

TEST_F(Handshake, OpensPassively) {
  Listen();
  Send("S 0:0(0) win 32767 <mss 1460,nop,wscale 4,sackOK,TS val 5 ecr 0>");
  Expect(
      "S. 0:0(0) ack 1 win 16384 "
      "<mss 1460,nop,nop,sackOK,nop,wscale 3,nop,nop,TS val 0 ecr 5>");
  EXPECT_FALSE(Accept());
  Send(". 1:1(0) ack 1 win 1000 <nop,nop,TS val 6 ecr 0>");
  ExpectNothing();
  ASSERT_TRUE(Accept());
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(tp()->snd_wnd, 16000u);
  EXPECT_EQ(tp()->snd_cwnd, 14480u);
  EXPECT_EQ(so()->so_rcv.sb_hiwat, 17376u);
}

// A SYN-ACK offers nothing that the SYN did not.
TEST_F(Handshake, AnswersOnlyWhatWasOffered) {
  Listen();
  Send("S 0:0(0) win 32767 <mss 1460,sackOK,eol,eol>");
  Expect("S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->rcv_scale, 0);
  EXPECT_EQ(tp()->t_maxseg, 1460u);
  EXPECT_EQ(so()->so_rcv.sb_hiwat, 17520u);
}

TEST_F(Handshake, LaysOptionsOutAsTheProfileSays) {
  Sysctl("net.inet.tcp.profile", 1);
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0) win 65535 <mss 1460,nop,wscale 6,sackOK,TS val 0 ecr 0>");
}

TEST_F(Handshake, TakesDataThatComesWithTheLastAck) {
  Listen();
  Send("S 0:0(0) win 32767 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  Send("P. 1:101(100) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Read(), 100);
  ExpectAt(200, ". 1:1(0) ack 101");
}

TEST_F(Handshake, OpensFromBothSidesAtOnce) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("S 0:0(0) win 65535 <mss 1000>");
  Expect("S. 0:0(0) ack 1 <mss 1460>");
  EXPECT_EQ(State(), TCPS_SYN_RECEIVED);
  Send(". 1:1(0) ack 1");
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(so()->so_state & SS_ISCONNECTED, SS_ISCONNECTED);
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
}

// Data on a simultaneous SYN waits until the connection stands.
TEST_F(Handshake, KeepsDataOfASimultaneousSyn) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("S 0:10(10) win 65535 <mss 1000>");
  Expect("S. 0:0(0) ack 1");
  EXPECT_EQ(so()->so_rcv.sb_cc, 0u);
  Send(". 11:11(0) ack 1");
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  ExpectAt(200, ". 1:1(0) ack 11");
  EXPECT_EQ(so()->so_rcv.sb_cc, 10u);
}

// No window holds a SYN back: it is REXMT's, not PERSIST's, behind a window that never opened, too.
TEST_F(Handshake, ClosesBeforeASimultaneousSynIsAcknowledged) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("S 0:0(0) win 0 <mss 1000>");
  Expect("S. 0:0(0) ack 1");
  EXPECT_EQ(Shutdown(), 0);
  Expect("F. 1:1(0) ack 1");
  Send("S 0:0(0) win 0 <mss 1000>");
  Skip();
  for (const int64_t ms : {6000, 18'000}) {
    ExpectAt(ms, "S. 0:0(0) ack 1");
    Expect("F. 1:1(0) ack 1");
  }
  Send(". 1:1(0) ack 2 win 0");
  EXPECT_EQ(State(), TCPS_FIN_WAIT_2);
}

// The systems differ about a FIN that came with it.
TEST_F(Handshake, KeepsTheFinOfASimultaneousSynOrNot) {
  for (const int64_t drop : {0, 1}) {
    Sysctl("net.inet.tcp.knob.synsent_drop_fin", drop);
    ASSERT_EQ(Connect(), 0);
    Skip();
    Send("SF 0:10(10) win 65535 <mss 1000>");
    Expect("S. 0:0(0) ack 1");
    Send(". 11:11(0) ack 1");
    EXPECT_EQ(State(), drop == 0 ? TCPS_CLOSE_WAIT : TCPS_ESTABLISHED);
    EXPECT_EQ(Read(), 10);
    Send("R 11:11(0)");
    Send("R 12:12(0)");
    Skip();
    EXPECT_EQ(Close(), 0);
    Anew();
  }
}

// The ACK that lets that FIN count may itself lie left of it.
TEST_F(Handshake, AnOldAckLetsTheFinOfASimultaneousSynCount) {
  for (const char* ack : {". 0:0(0) ack 1", "F. 0:0(0) ack 1", "P. 0:5(5) ack 1"}) {
    SCOPED_TRACE(ack);
    ASSERT_EQ(Connect(), 0);
    Skip();
    Send("SF 0:10(10) win 65535 <mss 1000>");
    Expect("S. 0:0(0) ack 1");
    Send(ack);
    Expect(". 1:1(0) ack 12");
    EXPECT_EQ(State(), TCPS_CLOSE_WAIT);
    EXPECT_EQ(Read(), 10);
    Send("R 12:12(0)");
    EXPECT_EQ(Close(), 0);
    Anew();
  }
}

TEST_F(Handshake, TriesAgainAndGivesUp) {
  ASSERT_EQ(Connect(), 0);
  for (const int64_t ms : {0, 6000, 18000, 42000}) ExpectAt(ms, "S 0:0(0)");
  ExpectNothingUntil(74'999);
  EXPECT_EQ(State(), TCPS_SYN_SENT);
  RunTo(75'000);
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
  EXPECT_EQ(Summary().state, TCPS_SYN_SENT);
  ExpectNothingUntil(200'000);
}

TEST_F(Handshake, TriesAgainAsTheOtherSystemDoes) {
  Sysctl("net.inet.tcp.profile", 1);
  ASSERT_EQ(Connect(), 0);
  for (const int64_t ms : {0, 1000, 3200, 7400, 15600, 31800, 64000}) ExpectAt(ms, "S 0:0(0)");
}

TEST_F(Handshake, IsRefused) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send("R. 0:0(0) ack 1");
  EXPECT_EQ(so()->so_error, ECONNREFUSED);
  EXPECT_EQ(so()->so_state & SS_ISDISCONNECTED, SS_ISDISCONNECTED);
  ExpectNothing();
}

TEST_F(Handshake, AfterALostSynBeginsWithOneSegment) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  ExpectAt(6000, "S 0:0(0)");
  Send("S. 0:0(0) ack 1 win 65535 <mss 1460>");
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
  EXPECT_EQ(tp()->t_srtt, 0) << "a SYN that was sent twice is not timed";
}

// Section 7.2 of the specification, row by row.
TEST_F(Handshake, SynSentTakesOnlyWhatFits) {
  ASSERT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  Send(". 0:0(0) ack 0");
  Expect("R 0:0(0)");
  Send("S. 0:0(0) ack 2");
  Expect("R 2:2(0)");
  Send("R. 0:0(0) ack 2");
  Send("R 0:0(0)");
  Send(". 1:1(0) ack 1");
  Send("P. 1:11(10) ack 1");
  Send("F 1:1(0)");
  ExpectNothing();
  EXPECT_EQ(State(), TCPS_SYN_SENT);
  EXPECT_EQ(so()->so_error, 0);
}

// Section 7.1: what a listener answers to what opens nothing.
TEST_F(Handshake, ListenerAnswersStrayers) {
  Listen();
  Send("R 5:5(0)");
  Send("R. 5:5(0) ack 9");
  ExpectNothing();
  Send(". 5:5(0) ack 9");
  Expect("R 9:9(0)");
  Send("S. 5:5(0) ack 9");
  Expect("R 9:9(0)");
  Send("F 5:5(0)");
  Expect("R. 0:0(0) ack 5");
  Send("P 5:15(10)");
  Expect("R. 0:0(0) ack 15");
  Sysctl("net.inet.tcp.knob.listen_rst_bare", 0);
  Sysctl("net.inet.tcp.knob.listen_rst_synack", 0);
  Send("S. 5:5(0) ack 9");
  Send("F 5:5(0)");
  ExpectNothing();
}

TEST_F(Handshake, ClosedPortsReset) {
  Send("S 0:0(0)");
  Expect("R. 0:0(0) ack 1");
  Send("SF 0:10(10)");
  Expect("R. 0:0(0) ack 11");
  Sysctl("net.inet.tcp.knob.rst_counts_fin", 1);
  Send("SF 0:10(10)");
  Expect("R. 0:0(0) ack 12");
  Send(". 0:0(0) ack 77");
  Expect("R 77:77(0)");
  Send("R 0:0(0)");
  ExpectNothing();
  Sysctl("net.inet.tcp.blackhole", 1);
  Send("S 0:0(0)");
  ExpectNothing();
}

// blackhole(4): what the host says to itself is answered even then, unless it is 3.
TEST_F(Handshake, BlackHolesSpareTheHostItself) {
  for (const int64_t blackhole : {2, 3}) {
    Sysctl("net.inet.tcp.blackhole", blackhole);
    Create();
    Do([&] {
      const MbufPtr nam = m_get(M_WAIT, MT_SONAME);
      in_sin2nam({htonl(INADDR_LOOPBACK)}, htons(9), nam.get());
      EXPECT_EQ(soconnect(so(), nam.get()), 0);
    });
    RunTo(now_ms() + 1);
    EXPECT_EQ(so()->so_error, blackhole == 2 ? ECONNREFUSED : 0);
    (void)Close();
  }
}

TEST_F(Handshake, ResetsAreLimited) {
  Sysctl("net.inet.tcp.rstppslimit", 3);
  for (int i = 0; i < 5; ++i) Send("S 0:0(0)");
  EXPECT_EQ(Skip(), 3);
  EXPECT_EQ(Stat(tcps_rstlimited), 2u);
  RunTo(1000);
  Send("S 0:0(0)");
  EXPECT_EQ(Skip(), 1);
}

TEST_F(Handshake, OneNameLimitsResetsAndIcmpInTheOtherSystem) {
  Sysctl("net.inet.icmp.icmplim", 1);
  for (int i = 0; i < 5; ++i) Send("S 0:0(0)");
  EXPECT_EQ(Skip(), 5) << "not in this one";
  RunTo(1000);
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.icmp.icmplim", 3);
  for (int i = 0; i < 5; ++i) Send("S 0:0(0)");
  EXPECT_EQ(Skip(), 3);
  RunTo(2000);
  Sysctl("net.inet.tcp.rstppslimit", 2);
  for (int i = 0; i < 5; ++i) Send("S 0:0(0)");
  EXPECT_EQ(Skip(), 2);
}

// --- The SYN cache. ---

class Cache : public SegmentTest {
 protected:
  void Begin() {
    Listen();
    Send("S 0:0(0) win 32767 <mss 1460>");
    Expect("S. 0:0(0) ack 1");
  }
};

TEST_F(Cache, AnswersAgainAndForgets) {
  Begin();
  for (const int64_t ms : {3000, 9000, 21000, 45000}) ExpectAt(ms, "S. 0:0(0) ack 1");
  ExpectNothingUntil(93'000);
  EXPECT_EQ(Stat(tcps_sc_timed_out), 1u);
  Send(". 1:1(0) ack 1");
  Expect("R 1:1(0)");
}

TEST_F(Cache, AnswersAgainAsTheOtherSystemDoes) {
  Sysctl("net.inet.tcp.profile", 1);
  Begin();
  for (const int64_t ms : {1000, 3200, 7400}) ExpectAt(ms, "S. 0:0(0) ack 1");
  RunTo(15'599);
  EXPECT_EQ(Stat(tcps_sc_timed_out), 0u);
  RunTo(15'600);
  EXPECT_EQ(Stat(tcps_sc_timed_out), 1u);
}

TEST_F(Cache, AnswersASecondSynForTheFirst) {
  Begin();
  RunTo(1000);
  Send("S 500:500(0) win 32767 <mss 1000>");
  Expect("S. 0:0(0) ack 1");
  ExpectAt(4000, "S. 0:0(0) ack 1");
  EXPECT_EQ(Stat(tcps_sc_dupesyn), 1u);
}

TEST_F(Cache, ChecksTheLastAck) {
  Begin();
  for (const char* wrong : {". 1:1(0) ack 2", ". 0:0(0) ack 1", ". 16386:16386(0) ack 1"}) {
    Send(wrong);
    Expect("S. 0:0(0) ack 1");
  }
  Sysctl("net.inet.tcp.knob.cache_bad_ack_rst", 1);
  Send(". 1:1(0) ack 2");
  Expect("R 2:2(0)");
  Send(". 1:1(0) ack 1");
  EXPECT_TRUE(Accept());
}

TEST_F(Cache, AnAckOlderThanItsSynIsDropped) {
  Listen();
  Send("S 0:0(0) win 1000 <mss 1460,nop,nop,TS val 500 ecr 0>");
  Expect("S. 0:0(0) ack 1");
  Send(". 1:1(0) ack 1 <nop,nop,TS val 499 ecr 0>");
  ExpectNothing();
  EXPECT_FALSE(Accept());
  Send(". 1:1(0) ack 1 <nop,nop,TS val 501 ecr 0>");
  EXPECT_TRUE(Accept());
}

TEST_F(Cache, BelievesResetsAtTheRightPlace) {
  Begin();
  Send("R 2:2(0)");
  EXPECT_EQ(Stat(tcps_sc_reset), 0u);
  Send("R 0:0(0)");
  EXPECT_EQ(Stat(tcps_sc_reset), 1u);
  Send("S 0:0(0) win 32767 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  Send("R. 1:1(0) ack 99");
  EXPECT_EQ(Stat(tcps_sc_reset), 2u);
  ExpectNothing();
}

// The suite's numbers (8.1): window 65535, challenged inside it.
TEST_F(Cache, ChallengesResetsInsideTheWindow) {
  Sysctl("net.inet.tcp.profile", 1);
  Begin();
  Send("R 0:0(0)");
  Send("R 65536:65536(0)");
  ExpectNothing();
  Send("R 65535:65535(0)");
  Expect(". 1:1(0) ack 1 win 65535");
  Send("R 1:1(0)");
  EXPECT_EQ(Stat(tcps_sc_reset), 1u);
}

TEST_F(Cache, ForgetsWithItsListener) {
  Begin();
  EXPECT_EQ(CloseListener(), 0);
  ExpectNothingUntil(10'000);
  Send(". 1:1(0) ack 1");
  Expect("R 1:1(0)");
}

TEST_F(Cache, DropsTheOldestWhenFull) {
  Sysctl("net.inet.tcp.syncachelimit", 2);
  Listen();
  for (int i = 0; i < 3; ++i) {
    peer_port_ = static_cast<uint16_t>(kPeerPort + i);
    Send("S 0:0(0) win 32767 <mss 1460>");
    Expect("S. 0:0(0) ack 1");
  }
  EXPECT_EQ(Stat(tcps_sc_overflowed), 1u);
  peer_port_ = kPeerPort;
  Send(". 1:1(0) ack 1");
  Expect("R 1:1(0)");
}

TEST_F(Cache, SynsAreDroppedWhenNobodyAccepts) {
  Listen(1);
  const int limit = listener()->so_qlimit;
  for (int i = 0; i <= limit; ++i) {
    peer_port_ = static_cast<uint16_t>(kPeerPort + i);
    Send("S 0:0(0) win 32767 <mss 1460>");
    Expect("S. 0:0(0) ack 1");
    Send(". 1:1(0) ack 1");
  }
  peer_port_ = 1;
  Send("S 0:0(0) win 32767 <mss 1460>");
  ExpectNothing();
  EXPECT_EQ(Stat(tcps_dropsyn), 1u);
}

// Nobody knows which SYN-ACK is acknowledged: no round trip, and the caution of a lost one.
TEST_F(Handshake, ARepeatedSynLeavesNothingMeasured) {
  Sysctl("net.inet.tcp.profile", 1);
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  ExpectAt(1000, "S. 0:0(0) ack 1");
  RunTo(3000);
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_rttsamples, 0u);
  EXPECT_EQ(tp()->snd_cwnd, 1460u);
}

// Ends are those of one connection only: who connects takes over from a handshake.
TEST_F(Handshake, ConnectingEndsTheHandshakeOfTheseEnds) {
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  Create();
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_REUSEPORT, 1), 0);
  listener()->so_options |= kSoReusePort;
  Do([&] {
    const MbufPtr name = m_get(M_DONTWAIT, MT_SONAME);
    in_sin2nam({}, htons(kPort), name.get());
    EXPECT_EQ(sobind(so(), name.get(), curproc()), 0);
    in_sin2nam({htonl(0x0a000002)}, htons(kPeerPort), name.get());
    EXPECT_EQ(soconnect(so(), name.get()), 0);
  });
  Expect("S 0:0(0)");
  for (const LiveCount& live : host().live_counts) {
    if (std::string_view(live.what) == "syncache") {
      EXPECT_EQ(*live.count, 0);
    }
  }
  ExpectNothingUntil(5000);
}

// A challenge is a segment of the connection to be: RFC 7323 2.3, 3.2.
TEST_F(Handshake, AChallengeSpeaksAsNegotiated) {
  Sysctl("net.inet.tcp.profile", 1);
  Listen();
  Send("S 0:0(0) win 65535 <mss 1000,nop,wscale 7,sackOK,TS val 1000 ecr 0>");
  Expect("S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 6,sackOK,TS val * ecr 1000>");
  Send("R 100:100(0)");
  Expect(". 1:1(0) ack 1 win 1023 <nop,nop,TS val * ecr 1000>");
}

}  // namespace
}  // namespace sockbed
