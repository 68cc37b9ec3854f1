// Socket options of TCP: what each does to the segments, and who may set it when.
#include <cerrno>
#include <cstring>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/segment_peer.h"
#include "kernel/tcp/tcp_info.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

class Options : public SegmentTest {
 protected:
  int Set(int name, int value) { return SetOption(IPPROTO_TCP, name, value); }
  int Get(int name) { return GetOption(IPPROTO_TCP, name); }
  // Of the listener.
  int SetOnListener(int name, int value) {
    int error = 0;
    Do([&] {
      MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
      std::memcpy(m->m_data, &value, sizeof value);
      m->m_len = sizeof value;
      error = sosetopt(listener(), IPPROTO_TCP, name, m.release() /*taken*/);
    });
    return error;
  }
  void FreeBsd() { Sysctl("net.inet.tcp.profile", 1); }
};

TEST_F(Options, BelongToTheirSystem) {
  Establish();
  for (const int name : {kTcpNoOpt, kTcpKeepInit, int{TCP_KEEPIDLE}, int{TCP_KEEPINTVL},
                         int{TCP_KEEPCNT}, kTcpMaxUnackTime, int{TCP_USER_TIMEOUT}}) {
    EXPECT_EQ(Set(name, 1), ENOPROTOOPT) << name;
    EXPECT_EQ(Get(name), -ENOPROTOOPT) << name;
  }
  EXPECT_EQ(Get(kTcpSackEnable), 1);
  FreeBsd();
  EXPECT_EQ(Get(kTcpSackEnable), -ENOPROTOOPT);
  for (const int name : {kTcpNoOpt, kTcpKeepInit, int{TCP_KEEPIDLE}, int{TCP_KEEPINTVL},
                         int{TCP_KEEPCNT}, kTcpMaxUnackTime, int{TCP_USER_TIMEOUT}}) {
    EXPECT_EQ(Set(name, 1), 0) << name;
    EXPECT_EQ(Get(name), 1) << name;
  }
  EXPECT_EQ(Set(TCP_DEFER_ACCEPT, 1), ENOPROTOOPT);
  EXPECT_EQ(Get(TCP_DEFER_ACCEPT), -ENOPROTOOPT);
}

TEST_F(Options, KeepaliveFallsBackToTheHost) {
  FreeBsd();
  Establish();
  EXPECT_EQ(Get(kTcpKeepInit), 75);
  EXPECT_EQ(Get(TCP_KEEPIDLE), 7200);
  EXPECT_EQ(Get(TCP_KEEPINTVL), 75);
  EXPECT_EQ(Get(TCP_KEEPCNT), 8);
  Sysctl("net.inet.tcp.keepidle", 15000);
  EXPECT_EQ(Get(TCP_KEEPIDLE), 15);
  EXPECT_EQ(Set(TCP_KEEPIDLE, 20), 0);
  EXPECT_EQ(Get(TCP_KEEPIDLE), 20);
  EXPECT_EQ(Set(TCP_KEEPIDLE, -1), EINVAL);
  EXPECT_EQ(Set(TCP_KEEPIDLE, 1 << 30), EINVAL);
  EXPECT_EQ(Set(TCP_KEEPCNT, -1), EINVAL);
  EXPECT_EQ(Set(TCP_KEEPIDLE, 0), 0);
  EXPECT_EQ(Get(TCP_KEEPIDLE), 15);
}

TEST_F(Options, KeepaliveProbesAsTheSocketSays) {
  FreeBsd();
  Establish();
  EXPECT_EQ(Set(TCP_KEEPIDLE, 1), 0);
  EXPECT_EQ(Set(TCP_KEEPINTVL, 2), 0);
  EXPECT_EQ(Set(TCP_KEEPCNT, 2), 0);
  ExpectAt(1000, ". 0:0(0) ack 1");
  ExpectAt(3000, ". 0:0(0) ack 1");
  ExpectAt(5000, "R. 1:1(0) ack 1");
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
}

TEST_F(Options, KeepInitEndsTheHandshake) {
  FreeBsd();
  Create();
  EXPECT_EQ(Set(kTcpKeepInit, 5), 0);
  EXPECT_EQ(Connect(), 0);
  Expect("S 0:0(0)");
  ExpectAt(1000, "S 0:0(0)");
  ExpectAt(3200, "S 0:0(0)");
  ExpectNothingUntil(20'000);
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
}

// RFC 5482: the limit cuts the last timeout short.
TEST_F(Options, MaxUnackTimeEndsTheWait) {
  FreeBsd();
  Establish();
  EXPECT_EQ(Set(kTcpMaxUnackTime, 5), 0);
  EXPECT_EQ(Get(TCP_USER_TIMEOUT), 5000);
  RunTo(10'000);
  EXPECT_EQ(Write(10), 0);
  Expect("P. 1:11(10) ack 1");
  RunTo(14'999);
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_GT(Skip(), 1);
  ExpectAt(15'000, "R. 11:11(0) ack 1");
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
}

TEST_F(Options, NoOptKeepsOptionsOutBothWays) {
  FreeBsd();
  Listen();
  EXPECT_EQ(SetOnListener(kTcpNoOpt, 1), 0);
  Send("S 0:0(0) win 65535 <mss 1000,wscale 6,TS val 100 ecr 0,sackOK>");
  Expect("S. 0:0(0) ack 1 win 65535 <>");
  Send(". 1:1(0) ack 1");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(tp()->t_maxseg, 536u);
  TcpInfo info;
  EXPECT_EQ(GetOption(IPPROTO_TCP, kTcpInfo, &info), 0);
  EXPECT_EQ(info.tcpi_options, 0);
  Send("P. 11:21(10) ack 1");
  Expect(". 1:1(0) ack 1 <>");
}

TEST_F(Options, NoOptGoesForTheSynToo) {
  FreeBsd();
  Create();
  EXPECT_EQ(Set(kTcpNoOpt, 1), 0);
  EXPECT_EQ(Connect(), 0);
  Expect("S 0:0(0) win 65535 <>");
  Send("S 0:0(0) win 65535 <sackOK,TS val 100 ecr 0>");
  Expect("S. 0:0(0) ack 1 win 65535 <>");
  Send(". 1:1(0) ack 1");
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
}

TEST_F(Options, MaxSegOnlyShrinks) {
  FreeBsd();
  Establish();
  EXPECT_EQ(Get(TCP_MAXSEG), 1460);
  EXPECT_EQ(Set(TCP_MAXSEG, 1461), EINVAL);
  EXPECT_EQ(Set(TCP_MAXSEG, 0), EINVAL);
  EXPECT_EQ(Set(TCP_MAXSEG, 175), EINVAL);
  EXPECT_EQ(Set(TCP_MAXSEG, 500), 0);
  EXPECT_EQ(Write(1000), 0);
  Expect(". 1:501(500) ack 1");
  Expect("P. 501:1001(500) ack 1");
}

TEST_F(Options, CorkHoldsPartialSegments) {
  Establish();
  EXPECT_EQ(Set(TCP_CORK, 1), 0);
  EXPECT_EQ(Get(kTcpNoPush), 1);
  EXPECT_EQ(Write(100), 0);
  ExpectNothing();
  EXPECT_EQ(Set(TCP_CORK, 0), 0);
  Expect("P. 1:101(100) ack 1");
}

TEST_F(Options, InfoCountsFromTheInitialNumbers) {
  Establish(",nop,wscale 3,sackOK,TS val 1 ecr 0");
  RunTo(10);
  EXPECT_EQ(Write(100), 0);
  RunTo(60);
  TcpInfo info;
  EXPECT_EQ(GetOption(IPPROTO_TCP, kTcpInfo, &info), 0);
  EXPECT_EQ(info.tcpi_state, TCPS_ESTABLISHED);
  EXPECT_EQ(info.tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
  EXPECT_EQ(info.tcpi_snd_una, 1u);
  EXPECT_EQ(info.tcpi_snd_nxt, 101u);
  EXPECT_EQ(info.tcpi_rcv_nxt, 1u);
  EXPECT_EQ(info.tcpi_snd_wscale, 3);
  EXPECT_EQ(info.tcpi_so_snd_sb_cc, 100u);
  EXPECT_EQ(info.tcpi_last_data_sent, 50'000u);
  EXPECT_EQ(info.tcpi_last_data_recv, 0u);
  tcp_info host;
  EXPECT_EQ(GetOption(IPPROTO_TCP, TCP_INFO, &host), 0);
  EXPECT_EQ(host.tcpi_state, TCP_ESTABLISHED);
  EXPECT_EQ(host.tcpi_unacked, 1u);
  EXPECT_EQ(host.tcpi_snd_cwnd, 10u);
  EXPECT_EQ(Set(TCP_INFO, 1), ENOPROTOOPT);
}

// The buffers of whoever has chosen their size do not grow.
TEST_F(Options, ChosenBuffersStay) {
  Establish(",sackOK,nop,nop,TS val 1 ecr 0");
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_RCVBUF, 20000), 0);
  EXPECT_EQ(SetOption(SOL_SOCKET, SO_SNDBUF, 16384), 0);
  tp()->rfbuf_cnt = 1 << 20;
  tcp_update_rcvspace(tp());
  EXPECT_EQ(so()->so_rcv.sb_hiwat, 20000u);
  EXPECT_EQ(Write(10000), 0);
  tcp_update_sndspace(tp());
  EXPECT_EQ(so()->so_snd.sb_hiwat, 16384u);
}

// The wait begins with the first byte that nobody acknowledges, be it a probe's.
TEST_F(Options, MaxUnackTimeBeginsWithTheFirstProbe) {
  Sysctl("net.inet.tcp.profile", 1);
  Establish();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000), 0);
  EXPECT_EQ(Write(1000), 0);
  Skip();
  Send(". 1:1(0) ack 1001 win 0");
  RunTo(100'000);
  EXPECT_EQ(Write(500), 0);
  ExpectAt(105'000, ". 1001:1002(1) ack 1");
  Send(". 1:1(0) ack 1001 win 0");
  ExpectAt(110'000, ". 1001:1002(1) ack 1");
  EXPECT_EQ(so()->so_error, 0);
  Send(". 1:1(0) ack 1001 win 0");
  RunTo(200'000);
  EXPECT_EQ(so()->so_error, ETIMEDOUT);
  Skip();
}

}  // namespace
}  // namespace sockbed
