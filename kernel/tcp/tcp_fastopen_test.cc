// Fast Open for clients: cookies, data on a SYN, and what is done when it does not work (RFC 7413).
#include <cerrno>
#include <cstring>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

class FastOpen : public SegmentTest {
 protected:
  void SetUp() override { Sysctl("net.inet.tcp.profile", 1); }

  void Begin() {
    Create();
    EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_FASTOPEN, 1), 0);
    EXPECT_EQ(SendTo(100), 0);
  }
  // The peer has all data and closes first; the number `fin` is its FIN's.
  void End() {
    Send(". 1:1(0) ack 101");
    Send("F. 1:1(0) ack 101");
    Expect(". 101:101(0) ack 2");
    EXPECT_EQ(Close(), 0);
    Expect("F. 101:101(0) ack 2");
    Send(". 2:2(0) ack 102");
    Anew();
  }
  // A first connection, whose answer has this option.
  void Learn(std::string_view option) {
    Begin();
    Expect("S 0:0(0) win 65535 <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO,eol,eol>");
    Send("S. 0:0(0) ack 1 <mss 1460,sackOK" + std::string(option) + ">");
    Expect("P. 1:101(100) ack 1");
    End();
  }
};

TEST_F(FastOpen, AsksForACookieAndUsesIt) {
  Learn(",FO 0102030405060708");
  Begin();
  Expect(
      "S 0:100(100) win 65535 "
      "<mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO 0102030405060708,eol,eol>");
  Send("S. 0:0(0) ack 101 <mss 1460>");
  Expect(". 101:101(0) ack 1");
  EXPECT_EQ(so()->so_snd.sb_cc, 0u);
  End();
}

// 4.1.3.1: the server may take the SYN alone; that is no loss.
TEST_F(FastOpen, SendsAgainWhatWasNotTaken) {
  Learn(",FO 0102030405060708");
  Begin();
  Expect("S 0:100(100)");
  const uint32_t cwnd = 10 * 1460;
  Send("S. 0:0(0) ack 1 <mss 1460,FO 01020304>");
  Expect("P. 1:101(100) ack 1");
  EXPECT_GE(tp()->snd_cwnd, cwnd);
  End();
  Begin();  // with the new cookie
  Expect("S 0:100(100) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO 01020304,eol,eol>");
}

TEST_F(FastOpen, ATimeoutFallsBackToAPlainSyn) {
  Learn(",FO 0102030405060708");
  Begin();
  Expect("S 0:100(100)");
  ExpectAt(now_ms() + 1000, "S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *>");
  Send("S. 0:0(0) ack 1 <mss 1460>");
  Expect("P. 1:101(100) ack 1");
}

TEST_F(FastOpen, TakesCookiesOfLegalLengthOnly) {
  for (const std::string_view bad : {"0102", "010203", "0102030405"}) {
    Learn(",FO " + std::string(bad));
    Begin();  // the path is out of use for a while
    Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *>");
    EXPECT_EQ(Close(), 0);
    Anew();
    Sysctl("net.inet.tcp.fastopen.client_enable", 0);
    Sysctl("net.inet.tcp.fastopen.client_enable", 1);
  }
}

TEST_F(FastOpen, APathComesBackAfterItsTime) {
  Learn("");
  RunTo(899'000);
  Begin();
  Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *>");
  EXPECT_EQ(Close(), 0);
  Anew();
  RunTo(901'000);
  Begin();
  Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO,eol,eol>");
}

TEST_F(FastOpen, AnIllegalCookieLeavesTheOldOneIfDataWasTaken) {
  Learn(",FO 0102030405060708");
  Begin();
  Expect("S 0:100(100)");
  Send("S. 0:0(0) ack 101 <mss 1460,FO 010203>");
  Expect(". 101:101(0) ack 1");
  End();
  Begin();
  Expect("S 0:100(100) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO 0102030405060708,eol,eol>");
}

TEST_F(FastOpen, SwitchingItOffForgetsTheCookies) {
  Learn(",FO 0102030405060708");
  Sysctl("net.inet.tcp.fastopen.client_enable", 0);
  Begin();
  Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *>");
  EXPECT_EQ(Close(), 0);
  Anew();
  Sysctl("net.inet.tcp.fastopen.client_enable", 1);
  Begin();
  Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *,FO,eol,eol>");
}

// What the server once offered may be more than the path carries.
TEST_F(FastOpen, TheSynFitsThePath) {
  Begin();
  Skip();
  Send("S. 0:0(0) ack 1 <mss 8960,sackOK,FO 0102030405060708>");
  Expect("P. 1:101(100) ack 1");
  End();
  Create();
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_FASTOPEN, 1), 0);
  EXPECT_EQ(SendTo(5000), 0);
  Expect("S 0:1420(1420)");
}

// Without the option a name on a send just connects.
TEST_F(FastOpen, SendingToANameConnects) {
  EXPECT_EQ(SendTo(100), 0);
  Expect("S 0:0(0) <mss 1460,nop,wscale 6,sackOK,TS val * ecr *>");
  Send("S. 0:0(0) ack 1 <mss 1460>");
  Expect("P. 1:101(100) ack 1");
}

// ... be it more than the buffer holds: what is left is like any write that would wait.
TEST_F(FastOpen, SendingMuchToANameConnects) {
  EXPECT_EQ(SendTo(40'000), EWOULDBLOCK);
  EXPECT_EQ(so()->so_snd.sb_cc, 32'768u);
  Expect("S 0:0(0)");
  Send("S. 0:0(0) ack 1 <mss 1460>");
  Expect(". 1:1461(1460) ack 1");
  Skip();
}

TEST_F(FastOpen, TheOtherSystemWantsAConnection) {
  Sysctl("net.inet.tcp.profile", 0);
  EXPECT_EQ(SendTo(100), ENOTCONN);
  EXPECT_EQ(SetOption(IPPROTO_TCP, TCP_FASTOPEN, 1), ENOPROTOOPT);
}

// --- The server's side. ---

class FastOpenServer : public FastOpen {
 protected:
  void Serve() {
    Sysctl("net.inet.tcp.fastopen.server_enable", 1);
    Listen();
    Do([&] {
      const int on = 1;
      MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
      std::memcpy(m->m_data, &on, sizeof on);
      m->m_len = sizeof on;
      EXPECT_EQ(sosetopt(listener(), IPPROTO_TCP, TCP_FASTOPEN, m.release() /*taken*/), 0);
    });
  }
  // Asks for a cookie, and gives the handshake up.
  std::string Cookie() {
    Send("S 0:0(0) win 65535 <mss 1460,FO>");
    const std::string answer = TakeWhole();
    const size_t at = answer.find("FO ");
    Send("R 1:1(0)");
    ++peer_port_;
    return at == answer.npos ? "" : answer.substr(at, answer.find_first_of(",>", at) - at);
  }
};

TEST_F(FastOpenServer, DeliversDataBeforeTheHandshakeIsDone) {
  Serve();
  const std::string cookie = Cookie();
  ASSERT_EQ(cookie.size(), 3 + 16u);
  Send("S 0:100(100) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 101");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(State(), TCPS_SYN_RECEIVED);
  EXPECT_EQ(Read(), 100);
  EXPECT_EQ(Write(50), 0);
  Expect("P. 1:51(50) ack 101");
  Send(". 101:101(0) ack 51");
  EXPECT_EQ(State(), TCPS_ESTABLISHED);
  EXPECT_EQ(so()->so_snd.sb_cc, 0u);
  EXPECT_EQ(Stat(tcps_tfo_accepts), 1u);
}

TEST_F(FastOpenServer, AForgedCookieGetsARealOne) {
  Serve();
  Send("S 0:100(100) win 65535 <mss 1460,FO 0102030405060708>");
  Expect("S. 0:0(0) ack 1 <mss 1460,FO *,eol,eol>");
  EXPECT_FALSE(Accept());
}

TEST_F(FastOpenServer, SendsItsSynAgain) {
  Serve();
  const std::string cookie = Cookie();
  Send("S 0:100(100) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 101");
  ExpectAt(1000, "S. 0:0(0) ack 101");
  Send("S 0:100(100) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 101");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Read(), 100);
}

TEST_F(FastOpenServer, CookiesOutliveOneKey) {
  Serve();
  const std::string cookie = Cookie();
  RunTo(200'000);
  Send("S 0:10(10) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 11");
  Send("R 11:11(0)");
  ++peer_port_;
  RunTo(500'000);
  Send("S 0:10(10) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 1 <mss 1460,FO *,eol,eol>");
}

TEST_F(FastOpenServer, HalfTheBacklogMayBeUnproven) {
  Sysctl("kern.sominconn", 0);
  Serve();
  const std::string cookie = Cookie();
  for (const uint32_t ack : {11u, 11u, 1u}) {
    Send("S 0:10(10) win 65535 <mss 1460," + cookie + ">");
    Expect("S. 0:0(0) ack " + std::to_string(ack));
    ++peer_port_;
  }
}

TEST_F(FastOpenServer, IsOffByDefault) {
  Listen();
  EXPECT_EQ(Cookie(), "");
}

// What was answered to the first data is not lost because nobody waits for more.
TEST_F(FastOpenServer, ClosesLikeAnyConnection) {
  Serve();
  const std::string cookie = Cookie();
  Send("S 0:100(100) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 101");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Read(), 100);
  EXPECT_EQ(Write(50), 0);
  Expect("P. 1:51(50) ack 101");
  EXPECT_EQ(Close(), 0);
  Expect("F. 51:51(0) ack 101");
  Send(". 101:101(0) ack 52");
  Send("F. 101:101(0) ack 52");
  Expect(". 52:52(0) ack 102");
}

TEST_F(FastOpenServer, ClosesInOrderThoughTheSynAckIsLost) {
  Serve();
  const std::string cookie = Cookie();
  Send("S 0:100(100) win 65535 <mss 1460," + cookie + ">");
  Expect("S. 0:0(0) ack 101");
  ASSERT_TRUE(Accept());
  EXPECT_EQ(Write(50), 0);
  EXPECT_EQ(Close(), 0);
  EXPECT_EQ(Skip(), 2);
  ExpectAt(1000, "S. 0:0(0) ack 101");
  Send(". 101:101(0) ack 1");
  RunTo(3000);
  EXPECT_GE(Skip(), 1);
  Send("F. 101:101(0) ack 52");
  Expect(". 52:52(0) ack 102");
}

}  // namespace
}  // namespace sockbed
