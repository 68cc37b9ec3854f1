#include <algorithm>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/inet_host.h"

namespace sockbed {
namespace {

class Ip6OutputTest : public Inet6TestNet {
 protected:
  Ip6OutputTest()
      : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_, {.latency_ns = kMillisecond})) {}

  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(Ip6OutputTest, APacketReachesItsNeighbour) {
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:1::2"),
                         .payload = "hello",
                         .traffic_class = 0x28,
                         .flow = 0x12345}),
            0);
  Run();
  ASSERT_EQ(Packets6(b_).size(), 1u);
  const Packet6& packet = Packets6(b_)[0];
  EXPECT_EQ(in6_text(packet.src), "2001:db8:1::1");
  EXPECT_EQ(packet.payload, "hello");
  EXPECT_EQ(packet.traffic_class, 0x28);
  EXPECT_EQ(packet.flow, 0x12345u);
  EXPECT_EQ(packet.hops, 64);
  EXPECT_EQ(packet.header_length, kIpv6Header);
  EXPECT_EQ(packet.time, kMillisecond);
}

// On the wire there are no zones; both ends see their own.
TEST_F(Ip6OutputTest, LinkLocalAddressesHaveTheZoneOfTheirInterface) {
  EXPECT_EQ(Output6(a_, {.dst = Addr6("fe80::ff:fe00:102%2"), .payload = "x"}), 0);
  EXPECT_EQ(Output6(a_, {.dst = Addr6("fe80::ff:fe00:102"), .payload = "x"}), EHOSTUNREACH);
  Run();
  ASSERT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(in6_text(Packets6(b_)[0].src), "fe80::ff:fe00:101%2");
  EXPECT_EQ(in6_text(Packets6(b_)[0].dst), "fe80::ff:fe00:102%2");
  ExpectDrops6(a_, ip6s_noroute, 1);
}

// RFC 6724 5, rule 5 before rule 8: an address of the interface that the packet leaves by, though
// another one has more bits in common with the destination.
TEST_F(Ip6OutputTest, TheSourceIsOneOfTheOutgoingInterface) {
  Join6(a_, b_);  // 2001:db8:2::/64
  AddRoute6(a_, "2001:db8:1:5::", 64, "2001:db8:2::2");
  AddRoute6(a_, "2001:db8:2:5::", 64, "2001:db8:1::2");
  AddAddress6(if_loopback(b_), "2001:db8:1:5::9", 128);
  AddAddress6(if_loopback(b_), "2001:db8:2:5::9", 128);
  Set(b_, "net.inet6.ip6.forwarding", 1);  // its addresses answer on every link
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:1:5::9"), .payload = "x"}), 0);
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:2:5::9"), .payload = "y"}), 0);
  Run();
  ASSERT_EQ(Packets6(b_).size(), 2u);
  std::ranges::sort(Packets6(b_), {}, &Packet6::payload);
  EXPECT_EQ(in6_text(Packets6(b_)[0].src), "2001:db8:2::1");
  EXPECT_EQ(in6_text(Packets6(b_)[1].src), "2001:db8:1::1");
}

// Somebody on the way translates: he has told of less than 1280 bytes.
TEST_F(Ip6OutputTest, EveryPacketBearsAFragmentHeaderWhereARouterTranslates) {
  {
    const HostScope scope(a_);
    rtentry* rt = rt_clone(AF_INET6, Addr6("2001:db8:1::2"));
    rt_lower_mtu(rt, 1272);
    rt_expire_after(rt, 600);
  }
  constexpr size_t kMost = 1272 - kIpv6Header;
  uint64_t fragments = 0;
  for (const auto& [size, parts] : {std::pair{size_t{1}, 1u}, {kMost, 1u}, {kMost + 1, 2u}}) {
    EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:1::2"), .payload = std::string(size, 'x')}), 0);
    RunFor(kSecond);
    fragments += parts;
    EXPECT_EQ(ip6stat_get(a_, ip6s_ofragments), fragments) << size;
    EXPECT_EQ(ip6stat_get(b_, ip6s_fragments), fragments) << size;
    EXPECT_EQ(Packets6(b_).back().payload.size(), size);
  }
  RunFor(600 * kSecond);
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:1::2"), .payload = "x"}), 0);
  RunFor(kSecond);
  EXPECT_EQ(ip6stat_get(a_, ip6s_ofragments), fragments);
}

TEST_F(Ip6OutputTest, OwnAddressesAreReachedThroughLoopback) {
  for (const char* dst : {"::1", "2001:db8:1::1", "fe80::1%1", "fe80::ff:fe00:101%2"}) {
    EXPECT_EQ(Output6(a_, {.dst = Addr6(dst), .payload = "x"}), 0) << dst;
    Run();
    ASSERT_EQ(Packets6(a_).size(), 1u) << dst;
    EXPECT_EQ(in6_text(Packets6(a_)[0].src), dst);
    EXPECT_EQ(in6_text(Packets6(a_)[0].dst), dst);
    Packets6(a_).clear();
  }
  EXPECT_EQ(link_.counters(0).packets, 0u);
}

}  // namespace
}  // namespace sockbed
