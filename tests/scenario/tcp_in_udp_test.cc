// TCP in UDP between two hosts, as FreeBSD has it: only datagrams cross the link.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kernel/net/link.h"
#include "kernel/tcp/tcp.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 7;
constexpr int kTunnelPort = 9811;
constexpr size_t kTransfer = 300'000;

// Counts packets by their IP protocol.
struct ProtocolTap : PacketTap {
  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    const auto* bytes = reinterpret_cast<const uint8_t*>(tapped.packet->m_data);
    const uint8_t protocol = tapped.family == AF_INET ? bytes[9] : bytes[6];
    ++(protocol == IPPROTO_UDP ? udp : protocol == IPPROTO_TCP ? tcp : other);
  }
  int udp = 0, tcp = 0, other = 0;
};

class TcpInUdp : public testing::TestWithParam<int> {
 protected:
  TcpInUdp() : sim_({.seed = 11}) {
    link_ = &sim_.Connect(server_, client_,
                          {.latency = absl::Milliseconds(5),
                           .loss = 0.02,
                           .first_address6 = "2001:db8::1/64",
                           .second_address6 = "2001:db8::2/64"});
    link_->AddTap(&tap_);
  }
  static void Tunnel(Host& host) {
    host.SetSysctl("net.inet.tcp.profile", 1);
    host.SetSysctl("net.inet.tcp.udp_tunneling_port", kTunnelPort);
  }
  static int Socket() { return uapi::socket(GetParam(), SOCK_STREAM, 0); }
  // The server's name, in the family of the test.
  socklen_t Name(sockaddr_storage* name) const {
    if (GetParam() == AF_INET) {
      const sockaddr_in sin = server_.address(kPort);
      memcpy(name, &sin, sizeof sin);
      return sizeof sin;
    }
    const sockaddr_in6 sin6 = server_.address6(kPort);
    memcpy(name, &sin6, sizeof sin6);
    return sizeof sin6;
  }
  // Reads a connection to its end and answers with how much it was.
  void Serve() {
    sockaddr_storage name;
    const socklen_t length = Name(&name);
    const int fd = Socket();
    EXPECT_THAT(uapi::bind(fd, reinterpret_cast<sockaddr*>(&name), length), Works());
    EXPECT_THAT(uapi::listen(fd, 1), Works());
    const int connection = uapi::accept(fd, nullptr, nullptr);
    char some[10'000];
    size_t total = 0;
    for (ssize_t n; (n = uapi::read(connection, some, sizeof some)) > 0;) {
      for (ssize_t i = 0; i < n; ++i) bad_ += some[i] != ByteAt(total + static_cast<size_t>(i));
      total += static_cast<size_t>(n);
    }
    EXPECT_EQ(uapi::write(connection, &total, sizeof total), ssize_t{sizeof total});
  }
  void Transfer() {
    sockaddr_storage name;
    const socklen_t length = Name(&name);
    const int fd = Socket();
    const int port = kTunnelPort;
    EXPECT_THAT(uapi::setsockopt(fd, IPPROTO_TCP, kTcpRemoteUdpEncapsPort, &port, sizeof port),
                Works());
    EXPECT_THAT(uapi::connect(fd, reinterpret_cast<sockaddr*>(&name), length), Works());
    std::string all(kTransfer, '\0');
    for (size_t i = 0; i < all.size(); ++i) all[i] = ByteAt(i);
    EXPECT_EQ(uapi::write(fd, all.data(), all.size()), static_cast<ssize_t>(all.size()));
    EXPECT_THAT(uapi::shutdown(fd, SHUT_WR), Works());
    EXPECT_EQ(uapi::read(fd, &told_, sizeof told_), ssize_t{sizeof told_});
  }
  static char ByteAt(size_t i) { return static_cast<char>('!' + i % 89); }

  TestSimulation sim_;
  Host& server_ = sim_.AddHost("server");
  Host& client_ = sim_.AddHost("client");
  Link* link_ = nullptr;
  ProtocolTap tap_;
  size_t told_ = 0;
  int bad_ = 0;
};

TEST_P(TcpInUdp, CarriesAStreamOverALossyLink) {
  Tunnel(server_);
  Tunnel(client_);
  server_.Spawn("serve", [this] { Serve(); });
  client_.Spawn("transfer", [this] { Transfer(); });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_EQ(told_, kTransfer);
  EXPECT_EQ(bad_, 0);
  EXPECT_GT(tap_.udp, static_cast<int>(kTransfer / 1460));
  EXPECT_EQ(tap_.tcp, 0);
  EXPECT_EQ(tcpstat_get(server_, tcps_tunneled_pkts), tcpstat_get(server_, tcps_rcvtotal));
}

INSTANTIATE_TEST_SUITE_P(Families, TcpInUdp, testing::Values(AF_INET, AF_INET6));

class TunnelPort : public TwoHosts {};

TEST_F(TunnelPort, IsTheOtherSystems) {
  client_.Spawn("ask", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    int port = 0;
    socklen_t length = sizeof port;
    EXPECT_THAT(uapi::setsockopt(fd, IPPROTO_TCP, kTcpRemoteUdpEncapsPort, &port, sizeof port),
                FailsWith(ENOPROTOOPT));
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_TCP, kTcpRemoteUdpEncapsPort, &port, &length),
                FailsWith(ENOPROTOOPT));
    EXPECT_EQ(client_.sysctls.Set("net.inet.tcp.udp_tunneling_port", 9811), ENOPROTOOPT);
    EXPECT_EQ(client_.sysctls.Set("net.inet.tcp.udp_tunneling_port", 0), 0);
  });
  Run();
}

TEST_F(TunnelPort, IsTakenLikeAnyOther) {
  client_.SetSysctl("net.inet.tcp.profile", 1);
  client_.Spawn("ask", [this] {
    const sockaddr_in sin = client_.address(kTunnelPort);
    SysctlTable& sysctls = client_.sysctls;
    EXPECT_EQ(sysctls.Set("net.inet.tcp.udp_tunneling_port", kTunnelPort), 0);
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), sizeof sin), FailsWith(EADDRINUSE));
    EXPECT_EQ(sysctls.Set("net.inet.tcp.udp_tunneling_port", 0), 0);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), sizeof sin), Works());
    EXPECT_EQ(sysctls.Set("net.inet.tcp.udp_tunneling_port", kTunnelPort), EADDRINUSE);
    int64_t port = -1;
    EXPECT_EQ(sysctls.Get("net.inet.tcp.udp_tunneling_port", &port), 0);
    EXPECT_EQ(port, 0);
  });
  Run();
}

}  // namespace
}  // namespace sockbed
