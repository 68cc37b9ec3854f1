// Groups and neighbours from system calls down to the wire, both families, on Ethernet.

#include <arpa/inet.h>

#include <array>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernel/host/simulation.h"
#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/net/if_ether.h"
#include "kernel/net/link.h"
#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 7000;
constexpr uint32_t kLinkIndex = 2;  // lo0 is the first

sockaddr_in6 Name6(const char* address, uint16_t port = kPort) {
  sockaddr_in6 sin6{};
  sin6.sin6_family = AF_INET6;
  sin6.sin6_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET6, address, &sin6.sin6_addr), 1);
  return sin6;
}
sockaddr_in Name4(const char* address, uint16_t port = kPort) {
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, address, &sin.sin_addr), 1);
  return sin;
}
template <typename Name>
const sockaddr* Cast(const Name& name) {
  return reinterpret_cast<const sockaddr*>(&name);
}
template <typename T>
int Set(int fd, int level, int option, const T& value) {
  return uapi::setsockopt(fd, level, option, &value, sizeof value);
}

// Counts what neighbours ask each other about in `sent`, by ICMPv6 type.
struct NeighbourTap : PacketTap {
  void OnPacket(const TappedPacket& tapped) override {
    uint8_t frame[kEtherHeader + kIpv6Header + 1];
    if (tapped.fate == PacketFate::kDelivered || tapped.packet->m_pkthdr.len < 62) return;
    m_copydata(tapped.packet, 0, sizeof frame, frame);
    const bool icmp6 = EtherView(frame, sizeof frame).type() == kEtherTypeIpv6 &&
                       frame[kEtherHeader + kIpv6NextHeaderAt] == IPPROTO_ICMPV6;
    if (icmp6) ++sent[frame[kEtherHeader + kIpv6Header]];
  }
  std::array<int, 256> sent{};
};

class GroupsTest : public TwoHosts {
 protected:
  GroupsTest() : TwoHosts({.seed = 7}, {.latency = absl::Milliseconds(1), .ethernet = true}) {
    const MachineScope machine(sim_.machine());
    link().AddTap(&tap_);
    AddAddress(0, "2001:db8::1");
    AddAddress(1, "2001:db8::2");
  }
  ~GroupsTest() override { link().RemoveTap(&tap_); }

  Link& link() { return *sim_.links()[0]; }
  void AddAddress(int end, const char* address) {
    const HostScope host(*link().interface(end)->if_host);
    EXPECT_EQ(in6_ifadd(link().interface(end), Name6(address).sin6_addr, 64), 0);
  }
  // Duplicate detection has ended by then.
  static constexpr SimTime kSettled = 2 * kSecond;

  NeighbourTap tap_;
};

TEST_F(GroupsTest, DatagramsReachTheMembersOfAnIpv6Group) {
  server_.Spawn("member", [] {
    const int fd = uapi::socket(AF_INET6, SOCK_DGRAM, 0);
    EXPECT_THAT(uapi::bind(fd, Cast(Name6("::")), sizeof(sockaddr_in6)), Works());
    const ipv6_mreq mreq = {Name6("ff05::db8:1").sin6_addr, kLinkIndex};
    EXPECT_THAT(Set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, mreq), Works());
    EXPECT_THAT(Set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, mreq), FailsWith(EADDRINUSE));
    char data[16];
    EXPECT_EQ(uapi::recv(fd, data, sizeof data, 0), 5);
    EXPECT_THAT(Set(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, mreq), Works());
    EXPECT_THAT(uapi::close(fd), Works());
  });
  client_.Spawn("sender",
                [] {
                  const int fd = uapi::socket(AF_INET6, SOCK_DGRAM, 0);
                  const sockaddr_in6 group = Name6("ff05::db8:1");
                  EXPECT_THAT(uapi::sendto(fd, "hello", 5, 0, Cast(group), sizeof group),
                              FailsWith(EADDRNOTAVAIL));
                  EXPECT_THAT(Set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, int{kLinkIndex}), Works());
                  EXPECT_THAT(uapi::sendto(fd, "hello", 5, 0, Cast(group), sizeof group), Works());
                  int hops = 0;
                  socklen_t length = sizeof hops;
                  EXPECT_THAT(
                      uapi::getsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, &length),
                      Works());
                  EXPECT_EQ(hops, 1);
                },
                {.start_at = kSettled});
  Run();
}

TEST_F(GroupsTest, DatagramsReachTheMembersOfAnIpv4Group) {
  server_.Spawn("member", [] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_THAT(uapi::bind(fd, Cast(Name4("0.0.0.0")), sizeof(sockaddr_in)), Works());
    const ip_mreqn mreq = {Name4("239.1.2.3").sin_addr, {}, kLinkIndex};
    EXPECT_THAT(Set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, mreq), Works());
    char data[16];
    EXPECT_EQ(uapi::recv(fd, data, sizeof data, 0), 5);
  });
  client_.Spawn(
      "sender",
      [] {
        const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
        EXPECT_THAT(Set(fd, IPPROTO_IP, IP_MULTICAST_IF, ip_mreqn{{}, {}, kLinkIndex}), Works());
        EXPECT_THAT(Set(fd, IPPROTO_IP, IP_MULTICAST_TTL, uint8_t{3}), Works());
        uint8_t ttl = 0;
        socklen_t length = sizeof ttl;
        EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, &length), Works());
        EXPECT_EQ(ttl, 3) << "a byte is given to whoever asks for one";
        const sockaddr_in group = Name4("239.1.2.3");
        EXPECT_THAT(uapi::sendto(fd, "hello", 5, 0, Cast(group), sizeof group), Works());
      },
      {.start_at = kSettled});
  Run();
}

// A message and its answer every second for two minutes: each acknowledgement shows the one who
// gets it that its peer is there, so that neither has to ask.
TEST_F(GroupsTest, ConnectionThatMakesProgressNeedsNoProbes) {
  server_.Spawn("sink", [] {
    const int fd = uapi::socket(AF_INET6, SOCK_STREAM, 0);
    EXPECT_THAT(uapi::bind(fd, Cast(Name6("::")), sizeof(sockaddr_in6)), Works());
    EXPECT_THAT(uapi::listen(fd, 1), Works());
    const int peer = uapi::accept(fd, nullptr, nullptr);
    char data[64];
    while (uapi::recv(peer, data, sizeof data, 0) > 0) {
      EXPECT_THAT(uapi::send(peer, "y", 1, 0), Works());
    }
  });
  client_.Spawn("source",
                [this] {
                  const int fd = uapi::socket(AF_INET6, SOCK_STREAM, 0);
                  const sockaddr_in6 to = Name6("2001:db8::1");
                  EXPECT_THAT(uapi::connect(fd, Cast(to), sizeof to), Works());
                  tap_.sent = {};
                  for (int i = 0; i < 120; ++i) {
                    char answer;
                    EXPECT_THAT(uapi::send(fd, "x", 1, 0), Works());
                    EXPECT_THAT(uapi::recv(fd, &answer, 1, 0), Works());
                    const timespec second = {.tv_sec = 1, .tv_nsec = 0};
                    EXPECT_THAT(uapi::nanosleep(&second, nullptr), Works());
                  }
                  EXPECT_EQ(tap_.sent[ND_NEIGHBOR_SOLICIT], 0);
                },
                {.start_at = kSettled});
  Run();
}

}  // namespace
}  // namespace sockbed
