// Segments that are signed (RFC 2385).
#include "kernel/tcp/tcp_md5.h"

#include <cerrno>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class Signed : public SegmentTest {
 protected:
  void SignListener() {
    Do([this] {
      MbufPtr m = m_get(M_WAIT, MT_SOOPTS);
      m->m_len = sizeof(int);
      *mtod<int>(m.get()) = 1;
      EXPECT_EQ(sosetopt(listener(), IPPROTO_TCP, TCP_MD5SIG, m.release() /*taken*/), 0);
    });
  }
  void Keys() {
    const in_addr us = {htonl(0x0a000001)}, peer = {htonl(0x0a000002)};
    tcp_md5_add(host(), us, peer, "secret");
    tcp_md5_add(host(), peer, us, "secret");
  }
  void Open() {
    Sysctl("net.inet.tcp.profile", 1);
    Keys();
    Create();
    EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MD5SIG, 1), 0);
    EXPECT_EQ(Connect(), 0);
    Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,nop,nop,md5 valid>");
    Send("S. 0:0(0) ack 1 win 32767 <mss 1460,sackOK,md5 valid>");
    Expect(". 1:1(0) ack 1 <nop,nop,md5 valid>");
  }
};

TEST_F(Signed, GoBothWays) {
  Open();
  EXPECT_EQ(Write(1440), 0);
  Expect("P. 1:1441(1440) ack 1 <nop,nop,md5 valid>");  // the option's room is not the data's
  Send(". 1:1(0) ack 1441 <nop,nop,md5 valid>");
  Send(". 11:21(10) ack 1441 <nop,nop,md5 valid>");
  Expect(". 1441:1441(0) ack 1 <nop,nop,md5 valid,nop,nop,sack 11:21>");
  Send("P. 1:11(10) ack 1441 <nop,nop,md5 valid>");
  Expect(". 1441:1441(0) ack 21 <nop,nop,md5 valid>");
}

TEST_F(Signed, UnsignedOrForgedSegmentsAreNothing) {
  Open();
  Send("R. 1:1(0) ack 1");
  Send("P. 1:11(10) ack 1 <nop,nop,md5 bad>");
  ExpectNothing();
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(Stat(tcps_rcvbadsig), 2u);
  Send("R. 1:1(0) ack 1 <nop,nop,md5 valid>");
  EXPECT_EQ(so()->so_error, ECONNRESET);
}

// Timestamps and a signature leave no room for a report: the ACK goes without.
TEST_F(Signed, TimestampsLeaveNoRoomForReports) {
  Sysctl("net.inet.tcp.profile", 1);
  Keys();
  Create();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MD5SIG, 1), 0);
  EXPECT_EQ(Connect(), 0);
  Skip();
  Send("S. 0:0(0) ack 1 win 32767 <mss 1460,sackOK,TS val 1 ecr 0,nop,nop,md5 valid>");
  Skip();
  Send(". 11:21(10) ack 1 <nop,nop,TS val 2 ecr 0,nop,nop,md5 valid>");
  Expect(". 1:1(0) ack 1 <nop,nop,TS val * ecr 1,nop,nop,md5 valid>");
}

TEST_F(Signed, AListenerThatSignsHearsNoOther) {
  Keys();
  Listen();
  SignListener();
  Send("S 0:0(0) win 1000 <mss 1460>");
  Send("S 0:0(0) win 1000 <mss 1460,nop,nop,md5 bad>");
  ExpectNothing();
  EXPECT_EQ(Stat(tcps_rcvbadsig), 2u);
  Send("S 0:0(0) win 1000 <mss 1460,nop,nop,md5 valid>");
  Expect("S. 0:0(0) ack 1 <mss 1460,nop,nop,md5 valid>");
}

TEST_F(Signed, ResetsAreSignedToo) {
  Open();
  Send("S 1:1(0) win 1000 <mss 1460,sackOK,md5 valid>");
  Expect(". 1:1(0) ack 1 <nop,nop,md5 valid>");  // the challenge
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MD5SIG, 0), EPERM);
}

TEST_F(Signed, WithoutAKeyNothingLeaves) {
  Create();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MD5SIG, 1), 0);
  EXPECT_EQ(Connect(), ENOENT);
  ExpectNothing();
}

// Laid out the openbsd way there is no room for SACK.
TEST_F(Signed, SackGivesWay) {
  Keys();
  Create();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_MD5SIG, 1), 0);
  EXPECT_EQ(SetOption(IPPROTO_TCP, kTcpSackEnable, 1), EPERM);
  EXPECT_EQ(Connect(), 0);
  Expect("S 0:0(0) <mss 1460,nop,wscale 3,nop,nop,TS val * ecr *,nop,nop,md5 valid>");
}

}  // namespace
}  // namespace sockbed
