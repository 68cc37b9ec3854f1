#include "tools/packetdrill/peer.h"

#include <netinet/in.h>

#include "gtest/gtest.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

class PeerTest : public testing::Test {
 protected:
  PeerTest() : host_(*LiveHost::Boot(DefaultHost(), nullptr)) {}
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

}  // namespace
}  // namespace sockbed::packetdrill
