#include "kernel/inet/inet6_test_net.h"

namespace sockbed {
namespace {

// Spec 5.3, row by row. The test plays the sender, 2001:db8:1::2.
class Frag6Test : public Inet6TestNet {
 protected:
  Frag6Test() : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_)) {}

  struct Piece {
    int offset = 0;
    size_t size = 0;
    bool more = true;
    uint32_t id = 7;
    uint8_t traffic_class = 0;
    uint8_t next = kTestProtocol;
  };
  // The data of a packet: each byte tells its place.
  static std::string Data(int offset, size_t size) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(offset + static_cast<int>(i));
    return data;
  }
  void Arrives(const Piece& piece) {
    std::string header(kIp6FragmentHeader, '\0');
    Ip6Fragment{piece.next, piece.offset, piece.more, piece.id}.Write(header.data(), header.size());
    Inject6(link_.interface(0), Packet6{.src = Addr6("2001:db8:1::2"),
                                        .dst = Addr6("2001:db8:1::1"),
                                        .payload = header + Data(piece.offset, piece.size),
                                        .next = IPPROTO_FRAGMENT,
                                        .traffic_class = piece.traffic_class}
                                    .Bytes());
  }
  int64_t Held() { return Live(a_, "IPv6 fragment"); }
  uint64_t LastError() {
    const std::vector<Record> errors = RecordsOf(InetRecord::kIcmp6Send);
    return errors.empty() ? 0 : errors.back().args[2];
  }
  static uint64_t Problem(uint32_t at) {
    return PackPair(uint32_t{ICMP6_PARAM_PROB} << 8 | ICMP6_PARAMPROB_HEADER, at);
  }

  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(Frag6Test, TheSourceCutsAndTheDestinationJoins) {
  const std::string data = Data(0, 4000);
  EXPECT_EQ(Output6(b_, {.dst = Addr6("2001:db8:1::1"), .payload = data}), 0);
  Run(Now() + kSecond);
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].payload, data);
  EXPECT_EQ(Packets6(a_)[0].next, kTestProtocol);
  EXPECT_EQ(ip6stat_get(b_, ip6s_ofragments), 3u);  // 1448, 1448, 1104
  EXPECT_EQ(ip6stat_get(a_, ip6s_fragments), 3u);
  EXPECT_EQ(Held(), 0);
}

TEST_F(Frag6Test, JoinsInAnyOrder) {
  Arrives({.offset = 48, .size = 5, .more = false});
  Arrives({.offset = 0, .size = 24});
  Arrives({.offset = 24, .size = 24});
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].payload, Data(0, 53));
  EXPECT_EQ(Packets6(a_)[0].header_length, kIpv6Header);
}

TEST_F(Frag6Test, APacketInOnePieceIsNeverJoined) {
  Arrives({.offset = 0, .size = 24});
  Arrives({.offset = 0, .size = 10, .more = false});
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].payload, Data(0, 10));
  EXPECT_EQ(Held(), 1);
}

// RFC 5722: nothing of a packet whose fragments overlap is believed.
TEST_F(Frag6Test, OverlapsDiscardTheWholePacket) {
  for (const Piece& second : {Piece{.offset = 16, .size = 16}, Piece{.offset = 0, .size = 24},
                              Piece{.offset = 0, .size = 8}}) {
    const uint64_t before = ip6stat_get(a_, ip6s_fragoverlap);
    Arrives({.offset = 0, .size = 24});
    Arrives(second);
    EXPECT_EQ(Held(), 0) << second.offset;
    EXPECT_EQ(ip6stat_get(a_, ip6s_fragoverlap), before + 2);
    Arrives({.offset = 24, .size = 5, .more = false});
    EXPECT_TRUE(Packets6(a_).empty());
    Wait(61 * kSecond);
  }
}

TEST_F(Frag6Test, AnExactDuplicateMayBeTolerated) {
  Set(a_, "net.inet6.ip6.frag_exactdup", 1);
  Arrives({.offset = 0, .size = 24});
  Arrives({.offset = 0, .size = 24});
  Arrives({.offset = 24, .size = 5, .more = false});
  EXPECT_EQ(Packets6(a_).size(), 1u);
  ExpectDrops6(a_, ip6s_fragdropped, 1);
}

TEST_F(Frag6Test, LengthsMustFit) {
  Arrives({.offset = 0, .size = 20});
  EXPECT_EQ(LastError(), Problem(4));
  ExpectDrops6(a_, ip6s_badfrags, 1);
  Arrives({.offset = 65528, .size = 16, .more = false});
  EXPECT_EQ(LastError(), Problem(42));
  ExpectDrops6(a_, ip6s_toolong, 1);
  Arrives({.offset = 8, .size = 0});
  ExpectDrops6(a_, ip6s_badfrags, 2);
}

TEST_F(Frag6Test, TheFirstFragmentHasTheUpperHeader) {
  Arrives({.offset = 0, .size = 16, .next = IPPROTO_TCP});
  ExpectDrops6(a_, ip6s_badfrags, 1);
  Arrives({.offset = 0, .size = 24, .next = IPPROTO_TCP});
  EXPECT_EQ(Held(), 1);
}

TEST_F(Frag6Test, WhatIsNotCompletedInTimeIsReported) {
  Arrives({.offset = 8, .size = 24});
  Wait(61 * kSecond);
  ExpectDrops6(a_, ip6s_fragtimeout, 1);
  EXPECT_EQ(LastError(), 0u);  // without the first fragment nobody is told
  Arrives({.offset = 0, .size = 24});
  Wait(59 * kSecond);
  EXPECT_EQ(Held(), 1);
  Wait(2 * kSecond);
  EXPECT_EQ(Held(), 0);
  EXPECT_EQ(LastError() >> 32, uint64_t{ICMP6_TIME_EXCEEDED} << 8 | ICMP6_TIME_EXCEED_REASSEMBLY);
}

TEST_F(Frag6Test, CongestionMarksAreKept) {
  constexpr uint8_t kNotEct = 0, kEct0 = 2, kCe = 3;
  Arrives({.offset = 0, .size = 24, .traffic_class = kEct0});
  Arrives({.offset = 24, .size = 5, .more = false, .traffic_class = kCe});
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].traffic_class, kCe);
  Arrives({.offset = 0, .size = 24, .traffic_class = kCe});
  Arrives({.offset = 24, .size = 5, .more = false, .traffic_class = kNotEct});
  ExpectDrops6(a_, ip6s_fragecn, 1);
}

TEST_F(Frag6Test, TheLimitsHold) {
  Set(a_, "net.inet6.ip6.maxfragpackets", 2);
  for (uint32_t id = 1; id <= 3; ++id) Arrives({.offset = 0, .size = 24, .id = id});
  ExpectDrops6(a_, ip6s_fragdropped, 1);
  Set(a_, "net.inet6.ip6.maxfrags", 3);
  Arrives({.offset = 24, .size = 24, .id = 1});
  Arrives({.offset = 48, .size = 24, .id = 1});
  ExpectDrops6(a_, ip6s_fragdropped, 2);
  EXPECT_EQ(Held(), 3);
}

// What every fragment repeats stays in front; the rest is cut.
TEST_F(Frag6Test, HopByHopOptionsGoWithEveryFragment) {
  std::string hop_by_hop = {static_cast<char>(kTestProtocol), 0, 1, 4, 0, 0, 0, 0};
  EXPECT_EQ(Output6(b_, {.dst = Addr6("2001:db8:1::1"),
                         .payload = hop_by_hop + Data(0, 3000),
                         .next = IPPROTO_HOPOPTS}),
            0);
  Run(Now() + kSecond);
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].header_length, kIpv6Header + 8);
  EXPECT_EQ(Packets6(a_)[0].payload, hop_by_hop + Data(0, 3000));
}

}  // namespace
}  // namespace sockbed
