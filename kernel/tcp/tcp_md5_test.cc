// MD5 against its document, and segments that are signed (RFC 2385).
#include "kernel/tcp/tcp_md5.h"

#include <cerrno>

#include "kernel/tcp/segment_peer.h"

namespace sockbed {
namespace {

std::string Hex(std::string_view text) {
  Md5 md5;
  md5.Update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  std::string hex;
  for (const uint8_t byte : md5.Finish()) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// RFC 1321 A.5.
TEST(Md5, AgreesWithTheDocument) {
  EXPECT_EQ(Hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(Hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

class Signed : public SegmentTest {
 protected:
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
