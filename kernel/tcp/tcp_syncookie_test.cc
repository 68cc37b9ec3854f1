// Handshakes that nothing is kept of (RFC 4987 3.6).
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Cookie : public SegmentTest {
 protected:
  void SetUp() override { Sysctl("net.inet.tcp.profile", 1); }
  void Only() { Sysctl("net.inet.tcp.syncookies_only", 1); }
  int64_t Entries() {
    for (const LiveCount& live : host().live_counts) {
      if (std::string_view(live.what) == "syncache") return *live.count;
    }
    return -1;
  }
};

TEST_F(Cookie, CarriesTheOfferInItsNumber) {
  Only();
  Listen();
  Send("S 0:0(0) win 1000 <mss 1420,nop,wscale 5,sackOK,eol,eol>");
  Expect("S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 6,sackOK,eol,eol>");
  EXPECT_EQ(Entries(), 0);
  RunTo(14'000);
  Send(". 1:1(0) ack 1 win 1000");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_maxseg, 1400u);  // rounded down
  EXPECT_EQ(tp()->snd_scale, 4);
  EXPECT_EQ(tp()->rcv_scale, 6);
  EXPECT_NE(tp()->t_flags & TF_SACK_PERMIT, 0u);
  EXPECT_EQ(Stat(tcps_sc_recvcookie), 1u);
  Send("P. 1:11(10) ack 1");
  EXPECT_EQ(Read(), 10);
}

// A peer that scales by nothing still reads our windows scaled.
TEST_F(Cookie, TellsAScaleOfNothingFromNone) {
  Only();
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460,nop,wscale 0>");
  Expect("S. 0:0(0) ack 1 <mss 1460,nop,wscale 6>");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_NE(tp()->t_flags & TF_RCVD_SCALE, 0u);
  EXPECT_EQ(tp()->snd_scale, 0);
  EXPECT_EQ(tp()->rcv_scale, 6);
  EXPECT_EQ(Close(), 0);
  Skip();
  peer_port_ = kPeerPort + 1;
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1 <mss 1460>");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_flags & TF_RCVD_SCALE, 0u);
  EXPECT_EQ(tp()->rcv_scale, 0);
}

TEST_F(Cookie, KeepsTimestampsThatTheAckCarries) {
  Only();
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 7 ecr 0>");
  Expect("S. 0:0(0) ack 1 <mss 1460,sackOK,TS val * ecr 7>");
  Send(". 1:1(0) ack 1 <nop,nop,TS val 8 ecr 1>");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1 <nop,nop,TS val * ecr 8>");
}

TEST_F(Cookie, GrowsStale) {
  Only();
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  RunTo(31'000);
  Send(". 1:1(0) ack 1");
  Expect("R 1:1(0)");
  EXPECT_FALSE(Accept());
}

TEST_F(Cookie, IsNotGuessed) {
  Only();
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  for (const uint32_t wrong : {2u, 257u, 1u << 20}) {
    Send(". 1:1(0) ack " + std::to_string(wrong));
    Expect("R " + std::to_string(wrong) + ":" + std::to_string(wrong) + "(0)");
  }
  Send(". 2:2(0) ack 1");
  Expect("R 1:1(0)");
}

// An ACK out of nowhere opens nothing as long as no cookie was sent.
TEST_F(Cookie, IsBelievedOnlyWhenTheCacheWasFull) {
  Sysctl("net.inet.tcp.syncache.bucketlimit", 1);
  Sysctl("net.inet.tcp.syncache.hashsize", 1);
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  EXPECT_EQ(Entries(), 1);
  peer_port_ = kPeerPort + 1;
  Send("S 0:0(0) win 65535 <mss 1460>");
  Expect("S. 0:0(0) ack 1");
  EXPECT_EQ(Entries(), 1);
  EXPECT_EQ(Stat(tcps_sc_sendcookie), 1u);
  Send(". 1:1(0) ack 1");
  EXPECT_TRUE(Accept());
}

TEST_F(Cookie, TheOtherSystemHasNone) {
  Sysctl("net.inet.tcp.profile", 0);
  Sysctl("net.inet.tcp.synbucketlimit", 1);
  Sysctl("net.inet.tcp.synhashsize", 1);
  Listen();
  Send("S 0:0(0) win 65535 <mss 1460>");
  peer_port_ = kPeerPort + 1;
  Send("S 0:0(0) win 65535 <mss 1460>");
  EXPECT_EQ(Skip(), 2);
  EXPECT_EQ(Entries(), 1);
  EXPECT_EQ(Stat(tcps_sc_bucketoverflow), 1u);
}

}  // namespace
}  // namespace sockbed
