// What sysctls change that no other conversation shows.
#include <cerrno>
#include <string>

#include "kernel/tcp/segment_peer.h"
#include "kernel/tcp/tcp_host.h"

namespace sockbed {
namespace {

class Tunable : public SegmentTest {
 protected:
  // One handshake more than the listener has room for, each lacking but its last segment, from the
  // ports behind kPeerPort.
  void BeginHandshakes() {
    // One number for all: they end in any order.
    Sysctl("net.inet.tcp.knob.iss", 4294966272);
    Listen(1);
    handshakes_ = 3 * listener()->so_qlimit + 2;
    for (int i = 0; i < handshakes_; ++i) {
      peer_port_ = static_cast<uint16_t>(kPeerPort + i);
      Send("S 0:0(0) win 32767 <mss 1460>");
      Expect("S. 0:0(0) ack 1");
    }
  }
  // Ends them one after the other; the last one must fail.
  void EndHandshakes() {
    for (int i = 0; i < handshakes_; ++i) {
      ExpectNothing();
      peer_port_ = static_cast<uint16_t>(kPeerPort + i);
      Send(". 1:1(0) ack 1");
    }
    EXPECT_EQ(Stat(tcps_accepts), static_cast<uint64_t>(handshakes_ - 1));
  }
  // Whether the timestamp of what the host has just sent is far from the first that it ever sent.
  bool IsFarOff() {
    const std::string sent = TakeWhole(), mark = "TS val ";
    const size_t at = sent.find(mark);
    EXPECT_NE(at, sent.npos) << sent;
    return std::stoul(sent.substr(at + mark.size())) > 1000;  // no second has passed
  }

  int handshakes_ = 0;
};

TEST_F(Tunable, OneSystemBoundsWhatTheOtherTakes) {
  SysctlTable& sysctls = host().sysctls;
  EXPECT_EQ(sysctls.Set("net.inet.tcp.keepidle", 36001), EINVAL);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.keepintvl", 226), EINVAL);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.keepinittime", 226), EINVAL);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.mssdflt", 511), EINVAL);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.keepidle", 36000), 0);
  Sysctl("net.inet.tcp.profile", 1);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.keepidle", 36001), 0);
  EXPECT_EQ(sysctls.Set("net.inet.tcp.mssdflt", 511), 0);
}

TEST_F(Tunable, RstOnSockFailResetsWhatCannotBeAccepted) {
  BeginHandshakes();
  EndHandshakes();
  Expect("R 1:1(0)");
  EXPECT_EQ(Stat(tcps_sc_aborted), 1u);
}

TEST_F(Tunable, WithoutRstOnSockFailTheAckIsLostAndTheHandshakeStays) {
  BeginHandshakes();
  Sysctl("net.inet.tcp.syncache.rst_on_sock_fail", 0);
  EndHandshakes();
  ExpectNothing();
  EXPECT_EQ(Stat(tcps_sc_aborted), 0u);
  ASSERT_TRUE(Accept());
  const uint64_t before = Stat(tcps_accepts);
  Send(". 1:1(0) ack 1");
  EXPECT_EQ(Stat(tcps_accepts), before + 1) << "now there is room";
}

TEST_F(Tunable, RstOnSockFailHoldsForCookiesToo) {
  Sysctl("net.inet.tcp.profile", 1);
  Sysctl("net.inet.tcp.syncookies_only", 1);
  Listen();
  const int room = listener()->so_qlimit;
  for (const int reset : {-1, 0, 1}) {  // -1: the one that fills the queue
    Sysctl("net.inet.tcp.syncache.rst_on_sock_fail", reset == 1);
    listener()->so_qlimit = room;
    ++peer_port_;
    Send("S 0:0(0) win 32767 <mss 1460>");
    Expect("S. 0:0(0) ack 1");
    if (reset >= 0) listener()->so_qlimit = 0;
    Send(". 1:1(0) ack 1");
    if (reset == 1) Expect("R 1:1(0)");
    ExpectNothing();
  }
  EXPECT_EQ(Stat(tcps_accepts), 1u);
}

TEST_F(Tunable, SynUseLimitRenewsTheSecretOfAnEmptyCache) {
  for (const auto& [limit, secrets] : {std::pair(2, 3u), std::pair(100000, 1u)}) {
    Sysctl("net.inet.tcp.synuselimit", limit);
    Sysctl("net.inet.tcp.synhashsize", limit == 2 ? 7 : 11);  // another table: another secret
    if (listener() == nullptr) Listen();
    const uint64_t before = Stat(tcps_sc_seedrandom);
    for (int i = 0; i < 5; ++i) {
      Send("S 0:0(0) win 32767 <mss 1460>");
      Expect("S. 0:0(0) ack 1");
      Send("R 1:1(0) win 0");
    }
    EXPECT_EQ(Stat(tcps_sc_seedrandom) - before, secrets) << limit;
  }
}

TEST_F(Tunable, TimestampsHaveAnOffsetOfEachConnectionOrNone) {
  Listen();
  for (const bool offset : {false, true}) {
    Sysctl("net.inet.tcp.ts_offset_per_conn", offset);
    ++peer_port_;
    Send("S 0:0(0) win 1000 <mss 1460,nop,nop,TS val 1 ecr 0>");
    EXPECT_EQ(IsFarOff(), offset) << "a listener's";
    Send("R 1:1(0) win 0");
  }
  for (const bool offset : {false, true}) {
    Sysctl("net.inet.tcp.ts_offset_per_conn", offset);
    Create();
    (void)Connect();
    EXPECT_EQ(IsFarOff(), offset) << "a client's";
    EXPECT_EQ(Close(), 0);
  }
}

// --- How buffers grow under the freebsd profile. ---

TEST_F(Tunable, AFullSendBufferGrowsBySendbufInc) {
  Sysctl("net.inet.tcp.knob.buffer_growth", 1);
  Establish();
  ASSERT_EQ(so()->so_snd.sb_hiwat, 17520u);
  EXPECT_EQ(Write(17520), 0);
  Skip();
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(so()->so_snd.sb_hiwat, 18u * 1460) << "17520 and 8192, in whole segments";
}

TEST_F(Tunable, ASendBufferThatIsNotFullDoesNotGrow) {
  Sysctl("net.inet.tcp.knob.buffer_growth", 1);
  Establish();
  EXPECT_EQ(Write(14600), 0);  // less than seven eighths
  Skip();
  Send(". 1:1(0) ack 1461");
  EXPECT_EQ(so()->so_snd.sb_hiwat, 17520u);
}

TEST_F(Tunable, ASendBufferGrowsToSendbufMaxAndBySendbufInc) {
  Sysctl("net.inet.tcp.knob.buffer_growth", 1);
  Sysctl("net.inet.tcp.sendbuf_inc", 1460);
  Sysctl("net.inet.tcp.sendbuf_max", 18000);
  Establish();
  for (const uint64_t grown : {13u * 1460, 13u * 1460}) {
    EXPECT_EQ(Write(static_cast<int>(so()->so_snd.sb_hiwat - so()->so_snd.sb_cc)), 0);
    Skip();
    Send(so()->so_snd.sb_hiwat == 17520 ? ". 1:1(0) ack 1461" : ". 1:1(0) ack 2921");
    EXPECT_EQ(so()->so_snd.sb_hiwat, grown) << "18000 at most, in whole segments";
  }
}

// Twelve segments in a round trip, and what the buffer is then.
class ReceiveBuffer : public Tunable {
 protected:
  uint64_t SizeAfterARoundTrip() {
    Sysctl("net.inet.tcp.knob.buffer_growth", 1);
    Establish(",sackOK,nop,nop,TS val 1 ecr 0");
    EXPECT_EQ(so()->so_rcv.sb_hiwat, 12u * 1448);
    const std::string stamp = " ack 1 win 65535 <nop,nop,TS val 2 ecr ";
    RunTo(now_ms() + 10);
    for (int i = 0; i < 12; ++i) {
      const int first = 1 + i * 1448;
      Send(". " + std::to_string(first) + ":" + std::to_string(first + 1448) + "(1448)" + stamp +
           "5>");
      EXPECT_EQ(Read(), 1448);
    }
    RunTo(now_ms() + 500);
    Send(". 17377:17378(1)" + stamp + "400>");
    Skip();
    return so()->so_rcv.sb_hiwat;
  }
};

TEST_F(ReceiveBuffer, GrowsToTwiceWhatARoundTripBrings) {
  EXPECT_EQ(SizeAfterARoundTrip(), 24u * 1448);
}

TEST_F(ReceiveBuffer, GrowsToRecvbufMax) {
  Sysctl("net.inet.tcp.recvbuf_max", 20000);
  EXPECT_EQ(SizeAfterARoundTrip(), 14u * 1448);
}

TEST_F(ReceiveBuffer, DoesNotGrowWithoutRecvbufAuto) {
  Sysctl("net.inet.tcp.recvbuf_auto", 0);
  EXPECT_EQ(SizeAfterARoundTrip(), 12u * 1448);
}

TEST_F(Tunable, NoSegmentIsLargerThanAPacket) {
  Sysctl("net.inet.tcp.mssdflt", 65535);
  Sysctl("net.inet.ip.mtudisc", 0);
  Listen();
  Send("S 0:0(0) win 65535 <mss 65535,nop,wscale 4>");
  Skip();
  Send(". 1:1(0) ack 1 win 65535");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_maxopd, 65535u - 40);
}

}  // namespace
}  // namespace sockbed
