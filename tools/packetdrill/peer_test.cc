#include "tools/packetdrill/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gtest/gtest.h"
#include "tests/captures/test_sysctls.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

class PeerTest : public testing::Test {
 protected:
  PeerTest() : host_(*LiveHost::Boot(DefaultHost(), nullptr)) {
    for (const auto& [name, value] : TestSysctls()) host_->host().SetSysctl(name, value);
  }
  ~PeerTest() override { EXPECT_EQ(host_->Finish(), ""); }

  // A listener on port 80, and what it has accepted.
  void Listen() {
    ASSERT_TRUE(host_->Do(
        [&] {
          listener_ = uapi::socket(AF_INET, SOCK_STREAM, 0);
          const sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(80)};
          ASSERT_EQ(uapi::bind(listener_, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
          ASSERT_EQ(uapi::listen(listener_, 5), 0);
        },
        0));
  }

  // What stands behind the IP header of `packet` goes to the script's side.
  static void SendRaw(uint8_t protocol, const std::vector<uint8_t>& packet) {
    const int raw = uapi::socket(AF_INET, SOCK_RAW, protocol);
    sockaddr_in to = {.sin_family = AF_INET};
    ASSERT_EQ(inet_pton(AF_INET, "192.0.2.1", &to.sin_addr), 1);
    const size_t bytes = packet.size() - 20;
    EXPECT_EQ(
        uapi::sendto(raw, &packet[20], bytes, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
        static_cast<ssize_t>(bytes));
    EXPECT_EQ(uapi::close(raw), 0);
  }

  std::unique_ptr<LiveHost> host_;
  int listener_ = -1;
};

TEST_F(PeerTest, ShakesHandsWithAListenerAndSendsData) {
  Listen();
  ScriptedPeer peer = ScriptedPeer::ToListener(host_.get(), 80);
  EXPECT_EQ(peer.Inject("S 1000:1000(0) win 65535 <mss 1460>"), "");
  EXPECT_EQ(peer.Expect("S. 0:0(0) ack 1001 <...>"), "");
  EXPECT_EQ(peer.Inject(". 1:1(0) ack 1 win 65535"), "");
  EXPECT_EQ(peer.Inject("P. 1:101(100) ack 1 win 65535"), "");
  char data[200];
  ssize_t n = 0;
  ASSERT_TRUE(host_->Do(
      [&] {
        const int fd = uapi::accept(listener_, nullptr, nullptr);
        n = uapi::recv(fd, data, sizeof data, 0);
      },
      0));
  EXPECT_EQ(n, 100);
}

TEST_F(PeerTest, SaysWhatDiffers) {
  Listen();
  ScriptedPeer peer = ScriptedPeer::ToListener(host_.get(), 80);
  EXPECT_EQ(peer.Inject("S 0:0(0) win 65535"), "");
  const std::string report = peer.Expect("S. 0:0(0) ack 7 <...>");
  EXPECT_NE(report.find("tcp_ack_seq: expected: 7 (0x7) vs actual: 1 (0x1)"), std::string::npos)
      << report;
  EXPECT_EQ(peer.ExpectNothing(), "");
  EXPECT_NE(peer.Inject("nonsense"), "");
}

TEST_F(PeerTest, IsConnectedTo) {
  ScriptedPeer peer = ScriptedPeer::ForConnect(host_.get(), 7);
  ASSERT_TRUE(host_->Do(
      [] {
        const int fd = uapi::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        const sockaddr_in to = {
            .sin_family = AF_INET, .sin_port = htons(7), .sin_addr = {htonl(0xc0000201)}};
        EXPECT_EQ(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
      },
      0));
  EXPECT_EQ(peer.Expect("S 0:0(0) <...>"), "");
  EXPECT_EQ(peer.Inject("S. 5000:5000(0) ack 1 win 1000"), "");
  EXPECT_EQ(peer.Expect(". 1:1(0) ack 1"), "");
}

// --- Packets in packets. ---

// A SYN to port 99 with an initial number of 7, inside tunnels.
WirePacket Tunnelled(std::vector<WireEncap> encaps) {
  WirePacket packet;
  packet.source = *ParseAddressText("192.168.0.1");
  packet.destination = *ParseAddressText("192.0.2.1");
  packet.source_port = 1024;
  packet.destination_port = 99;
  packet.tcp.seq = 7;
  packet.tcp.flags = kSyn;
  packet.encaps = std::move(encaps);
  return packet;
}

WireIp Outer(const char* source, const char* destination) {
  WireIp ip;
  ip.source = *ParseAddressText(source);
  ip.destination = *ParseAddressText(destination);
  ip.ttl = 64;
  return ip;
}

// What a raw socket of `protocol` sends, a line for it, one that is not for it, and why not.
struct TunnelCase {
  std::vector<WireEncap> encaps;
  uint8_t protocol;
  const char* good;
  const char* bad;
  const char* why;
};

std::vector<TunnelCase> TunnelCases() {
  const WireIp outer = Outer("192.168.0.1", "192.0.2.1");
  const WireIp inner = Outer("2001:db8::1", "2001:db8::2");
  const GreHeader gre = {.has_checksum = true, .key = 0x80001234, .sequence = 512};
  const MplsStack labels = {123 << 12 | 1 << 9 | 9, 0x1ff};
  return {
      {{outer}, 4, "ipv4 192.168.0.1 > 192.0.2.1:", "", "headers in front"},
      {{outer, inner},
       41,
       "ipv4 (ttl 64) 192.168.0.1 > 192.0.2.1: ipv6 2001:db8::1 > 2001:db8::2:",
       "ipv4 192.168.0.1 > 192.0.2.1: ipv6 2001:db8::1 > 2001:db8::3:",
       "outer addresses"},
      {{outer, gre},
       47,
       "ipv4 192.168.0.1 > 192.0.2.1: gre flags 0xb000, key 0x80001234, seq 512:",
       "ipv4 192.168.0.1 > 192.0.2.1: gre flags 0xb000, key 1, seq 512:",
       "gre_key"},
      {{outer, GreHeader(), labels},
       47,
       "ipv4 192.168.0.1 > 192.0.2.1: gre: mpls (label 123, tc 1, ttl 9) (label 0, tc 0, [S], "
       "ttl 255):",
       "ipv4 192.168.0.1 > 192.0.2.1: gre: mpls (label 123, tc 2, ttl 9) (label 0, tc 0, [S], "
       "ttl 255):",
       "mpls_tc"},
  };
}

TEST_F(PeerTest, SeesThroughTunnels) {
  for (const TunnelCase& c : TunnelCases()) {
    for (const bool good : {true, false}) {
      ScriptedPeer peer = ScriptedPeer::ForConnect(host_.get(), 99);
      const std::vector<uint8_t> whole = EncodePacket(Tunnelled(c.encaps));
      ASSERT_TRUE(host_->Do([&] { SendRaw(c.protocol, whole); }, 0));
      const std::string line = good ? c.good : c.bad;
      const std::string report = peer.Expect(line + " S 7:7(0) win 0");
      EXPECT_EQ(report == "", good) << report;
      EXPECT_EQ(report.find(c.why) != std::string::npos, !good) << report;
    }
  }
}

// By RFC 2784 and 2890, byte by byte.
TEST(Wire, GreIsAsTheRfcsHaveIt) {
  const GreHeader gre = {.has_checksum = true,
                         .checksum = uint16_t{511},
                         .offset = 1023,
                         .key = 0x80001234,
                         .sequence = 512};
  const auto bytes = EncodePacket(Tunnelled({Outer("1.1.1.1", "2.2.2.2"), gre}));
  EXPECT_EQ(bytes[9], 47);
  const std::vector<uint8_t> expected = {0xb0, 0, 8,    0,    1, 0xff, 3, 0xff,
                                         0x80, 0, 0x12, 0x34, 0, 0,    2, 0};
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + 20, bytes.begin() + 36), expected);
  EXPECT_EQ(DecodePacket(bytes, false).status().message(), "bad GRE checksum");
  std::vector<uint8_t> routed = bytes;
  routed[20] |= 0x40;
  EXPECT_EQ(DecodePacket(routed, false).status().message(), "bad GRE flags");
}

}  // namespace
}  // namespace sockbed::packetdrill
