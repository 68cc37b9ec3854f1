#include <errno.h>

#include <algorithm>

#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

std::string Numbered(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

// "offset+length" of each fragment, with "+" behind when more follow.
std::string Picture(const std::vector<Packet>& fragments) {
  std::string picture;
  for (const Packet& f : fragments) {
    if (!picture.empty()) picture += ' ';
    picture += std::to_string(f.offset / 8) + ":" + std::to_string(f.payload.size());
    if (f.more) picture += '+';
  }
  return picture;
}

class FragmentTest : public InetTestNet {
 protected:
  FragmentTest() : host_(AddHostOnLan(&lan_)) {}

  std::vector<Packet> Cut(size_t payload, uint32_t mtu) {
    lan_.ifp->if_mtu = mtu;
    lan_.sent.clear();
    EXPECT_EQ(Output(host_, {.dst = Addr("192.168.1.9"), .payload = Numbered(payload)}), 0);
    return lan_.sent;
  }

  CaptureInterface lan_;
  HostBase& host_;
};

TEST_F(FragmentTest, CutsAtMultiplesOfEight) {
  // The picture of spec 5.1: 4000 bytes of data behind 8 of UDP header.
  EXPECT_EQ(Picture(Cut(4008, 1500)), "0:1480+ 185:1480+ 370:1048");
  EXPECT_EQ(Picture(Cut(1480, 1500)), "0:1480");
  EXPECT_EQ(Picture(Cut(1481, 1500)), "0:1480+ 185:1");
  EXPECT_EQ(Picture(Cut(50, 51)), "0:24+ 3:24+ 6:2");
  EXPECT_EQ(Picture(Cut(20, 28)), "0:8+ 1:8+ 2:4");
}

TEST_F(FragmentTest, FragmentsAgreeInAllButPlaceAndLength) {
  const std::vector<Packet> fragments = Cut(4008, 1500);
  std::string joined;
  for (const Packet& f : fragments) {
    EXPECT_EQ(f.id, fragments[0].id);
    EXPECT_EQ(Text(f.src), "192.168.1.1");
    EXPECT_EQ(Text(f.dst), "192.168.1.9");
    EXPECT_EQ(f.protocol, kTestProtocol);
    EXPECT_FALSE(f.dont_fragment);
    joined += f.payload;
  }
  EXPECT_EQ(joined, Numbered(4008));
  EXPECT_EQ(ipstat_get(host_, ips_fragmented), 1u);
  EXPECT_EQ(ipstat_get(host_, ips_ofragments), 3u);
}

TEST_F(FragmentTest, RefusesALinkThatFitsNoEightBytes) {
  lan_.ifp->if_mtu = 27;
  EXPECT_EQ(Output(host_, {.dst = Addr("192.168.1.9"), .payload = Numbered(100)}), EMSGSIZE);
  ExpectDrops(host_, ips_cantfrag, 1);
}

TEST_F(FragmentTest, ARouterCutsAFragmentFurther) {
  HostBase& router = AddHost("router");
  HostBase& end = AddHost("end");
  Link& link = Join(router, end, {.mtu = 600});
  Set(router, "net.inet.ip.forwarding", 1);
  class Tap : public PacketTap {
   public:
    void OnPacket(const TappedPacket& tapped) override {
      if (tapped.fate == PacketFate::kSent) seen.push_back(Packet::Of(BytesOf(tapped.packet)));
    }
    std::vector<Packet> seen;
  } tap;
  link.AddTap(&tap);
  CaptureInterface lan;
  lan.ifp = if_attach(router, "lan0");
  lan.ifp->if_flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST;
  Packet first = {.src = Addr("192.168.2.2"),
                  .dst = Addr("10.0.1.2"),
                  .payload = Numbered(1000),
                  .id = 77,
                  .more = true};
  Inject(lan.ifp, first.Bytes());
  Packet second = first;
  second.offset = 1000;
  second.more = false;
  second.payload = Numbered(600);
  Inject(lan.ifp, second.Bytes());
  EXPECT_EQ(Picture(tap.seen), "0:576+ 72:424+ 125:576+ 197:24");
  Run();
  ASSERT_EQ(Packets(end).size(), 1u);
  EXPECT_EQ(Packets(end)[0].payload, Numbered(1000) + Numbered(600));
  EXPECT_EQ(Packets(end)[0].ttl, 63);
}

// Fragments as they may arrive, put together again: spec 5.2.
class ReassemblyTest : public InetTestNet {
 protected:
  ReassemblyTest() : a_(AddHost("a")), in_(Join(a_, AddHost("b")).interface(0)) {}

  // A fragment with `length` bytes of `fill` at `offset`.
  Packet Piece(int offset, int length, bool more, char fill = 'x') {
    return {.src = Addr("10.0.1.2"),
            .dst = Addr("10.0.1.1"),
            .payload = std::string(static_cast<size_t>(length), fill),
            .id = 9,
            .offset = offset,
            .more = more};
  }
  void Get(const Packet& packet) { Inject(in_, packet.Bytes()); }
  std::string Got() { return Packets(a_).empty() ? "nothing" : Packets(a_).back().payload; }

  HostBase& a_;
  ifnet* in_;
};

TEST_F(ReassemblyTest, JoinsFragmentsInAnyOrder) {
  const std::string whole = Numbered(64);
  std::vector<int> order = {0, 1, 2, 3};
  uint16_t id = 1;
  do {
    for (const int n : order) {
      Packet piece = Piece(n * 16, 16, n != 3);
      piece.payload = whole.substr(static_cast<size_t>(n * 16), 16);
      piece.id = id;
      piece.ttl = static_cast<uint8_t>(60 - n);
      Get(piece);
    }
    ASSERT_EQ(Packets(a_).size(), id);
    EXPECT_EQ(Got(), whole);
    EXPECT_EQ(Packets(a_).back().ttl, 60);  // of the first by offset
    EXPECT_FALSE(Packets(a_).back().more);
    ++id;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(ipstat_get(a_, ips_reassembled), 24u);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 0);
}

TEST_F(ReassemblyTest, KeepsPacketsApartByIdAddressAndProtocol) {
  Get(Piece(0, 8, true));
  for (int what = 0; what < 3; ++what) {
    Packet other = Piece(8, 8, false);
    if (what == 0) other.id = 10;
    if (what == 1) other.src = Addr("10.0.1.3");
    if (what == 2) other.protocol = 200;
    Get(other);
  }
  EXPECT_EQ(Got(), "nothing");
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 4);
  Get(Piece(8, 8, false));
  EXPECT_EQ(Got(), std::string(16, 'x'));
}

TEST_F(ReassemblyTest, OfTwoOverlappingTheOneThatBeginsEarlierWins) {
  Get(Piece(0, 16, true, 'a'));
  Get(Piece(8, 16, true, 'b'));  // its front is trimmed
  Get(Piece(24, 8, false, 'c'));
  EXPECT_EQ(Got(), "aaaaaaaaaaaaaaaabbbbbbbbcccccccc");
}

TEST_F(ReassemblyTest, WhatLiesBehindANewFragmentGivesWay) {
  Get(Piece(8, 16, true, 'b'));
  Get(Piece(32, 8, true, 'd'));
  Get(Piece(0, 16, true, 'a'));    // trims b
  Get(Piece(24, 24, false, 'e'));  // covers d, which is removed
  EXPECT_EQ(Got(), "aaaaaaaaaaaaaaaabbbbbbbbeeeeeeeeeeeeeeeeeeeeeeee");
  ExpectDrops(a_, ips_fragdropped, 1);
}

TEST_F(ReassemblyTest, ALongerFirstFragmentKeepsItsHeaderAside) {
  Get(Piece(0, 8, true, 'a'));
  Get(Piece(0, 24, true, 'b'));
  Get(Piece(24, 8, false, 'c'));
  EXPECT_EQ(Got(), "aaaaaaaabbbbbbbbbbbbbbbbcccccccc");
}

TEST_F(ReassemblyTest, DropsExactCopies) {
  Get(Piece(8, 8, false, 'b'));
  Get(Piece(8, 8, false, 'B'));
  ExpectDrops(a_, ips_fragdropped, 1);
  Get(Piece(0, 8, true, 'a'));
  EXPECT_EQ(Got(), "aaaaaaaabbbbbbbb");
}

TEST_F(ReassemblyTest, DropsFragmentsThatCannotBe) {
  Get(Piece(0, 7, true));
  Get(Piece(0, 0, true));
  ExpectDrops(a_, ips_badfrags, 2);
  Get(Piece(65528, 8, false));
  ExpectDrops(a_, ips_toolong, 1);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 0);
}

TEST_F(ReassemblyTest, AWholeThatIsTooLongIsDropped) {
  Packet first = Piece(0, 1000, true);
  first.options = std::string("\1\1\1\1", 4);  // a header of 24 bytes: one too many at the end
  for (int offset = 1000; offset < 65000; offset += 1000) Get(Piece(offset, 1000, true));
  Get(Piece(65000, 515, false));
  Get(first);
  EXPECT_EQ(Got(), "nothing");
  ExpectDrops(a_, ips_toolong, 1);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 0);
}

TEST_F(ReassemblyTest, GivesUpAfterThirtySeconds) {
  Get(Piece(0, 8, true));
  Run(10 * kSecond);
  Get(Piece(16, 8, false));
  Run(30 * kSecond - 20 * kMillisecond);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 2);
  Run();
  EXPECT_LE(Now(), 30 * kSecond + 10 * kMillisecond);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 0);
  ExpectDrops(a_, ips_fragtimeout, 1);  // one packet
  EXPECT_EQ(icmpstat_get(a_, icps_sent), 0u);
}

TEST_F(ReassemblyTest, TellsTheSenderOfATimeoutOnlyIfAsked) {
  Set(a_, "net.inet.ip.reass_icmp", 1);
  Get(Piece(0, 8, true));
  Packet later = Piece(8, 8, true);
  later.id = 10;
  Get(later);
  Run();
  EXPECT_EQ(icmpstat_get(a_, icps_sent), 1u);  // RFC 1122: only if the first fragment is there
}

TEST_F(ReassemblyTest, HoldsNoMoreFragmentsThanItMay) {
  Set(a_, "net.inet.ip.maxqueue", 8);
  for (uint16_t id = 1; id <= 4; ++id) {
    for (int n = 0; n < 2; ++n) {
      Packet piece = Piece(8 + 16 * n, 8, true);
      piece.id = id;
      Get(piece);
    }
  }
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 8);
  Packet piece = Piece(8, 8, true);
  piece.id = 5;
  Get(piece);  // it goes, and the oldest packet with it: six are three quarters
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 6);
  ExpectDrops(a_, ips_fragdropped, 3);
  Get(piece);
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 7);
}

TEST_F(ReassemblyTest, ALimitOfNoneTakesNoFragmentAndOneBelowIsNoLimit) {
  struct Row {
    int64_t profile;
    const char* limit;
  };
  constexpr Row kRows[] = {{0, "net.inet.ip.maxqueue"},
                           {1, "net.inet.ip.maxfragpackets"},
                           {1, "net.inet.ip.maxfrags"},
                           {1, "net.inet.ip.maxfragsperpacket"}};
  uint64_t dropped = 0;
  size_t joined = 0;
  for (const Row& row : kRows) {
    Set(a_, "net.inet.ip.profile", row.profile);
    Set(a_, row.limit, 0);
    for (int n = 0; n < 2; ++n) {
      Get(Piece(8 * n, 8, n == 0));
      EXPECT_EQ(Live(a_, "IPv4 fragment"), 0) << row.limit;
      ExpectDrops(a_, ips_fragdropped, ++dropped);
    }
    Set(a_, row.limit, -1);
    for (int n = 0; n < 2; ++n) Get(Piece(8 * n, 8, n == 0));
    EXPECT_EQ(Packets(a_).size(), ++joined) << row.limit;
  }
}

// FreeBSD refuses the new fragment where OpenBSD forgets the oldest packet, and a packet of many
// small pieces altogether.
TEST_F(ReassemblyTest, TheOtherSystemRefusesWhatIsNew) {
  Set(a_, "net.inet.ip.profile", 1);
  Set(a_, "net.inet.ip.maxfrags", 3);
  for (uint16_t id = 1; id <= 5; ++id) {
    Packet piece = Piece(8, 8, true);
    piece.id = id;
    Get(piece);
  }
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 3);
  ExpectDrops(a_, ips_fragdropped, 2);
  Set(a_, "net.inet.ip.maxfrags", 100);
  Set(a_, "net.inet.ip.maxfragpackets", 3);
  Packet piece = Piece(8, 8, true);
  piece.id = 6;
  Get(piece);  // the oldest of three makes room
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 3);
  ExpectDrops(a_, ips_fragdropped, 3);
  Set(a_, "net.inet.ip.maxfragpackets", 0);
  Get(Piece(8, 8, true));
  ExpectDrops(a_, ips_fragdropped, 4);
}

TEST_F(ReassemblyTest, APacketOfTooManyPiecesIsDropped) {
  Set(a_, "net.inet.ip.profile", 1);
  for (int n = 0; n < 16; ++n) Get(Piece(8 + 16 * n, 8, true));
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 16);
  Get(Piece(8 + 16 * 16, 8, true));
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 0);
  ExpectDrops(a_, ips_fragdropped, 17);
}

TEST_F(ReassemblyTest, HoldsAtMost49PacketsInParts) {
  for (uint16_t id = 1; id <= 60; ++id) {
    Packet piece = Piece(8, 8, true);
    piece.id = id;
    Get(piece);
  }
  EXPECT_EQ(Live(a_, "IPv4 fragment"), 49);
  ExpectDrops(a_, ips_fragdropped, 11);
}

TEST_F(ReassemblyTest, CongestionMarksSurviveAndContradictionsDoNot) {
  constexpr uint8_t kNotEct = 0, kEct = 2, kCe = 3;
  auto join = [&](uint8_t first, uint8_t second) -> std::string {
    const size_t before = Packets(a_).size();
    Packet piece = Piece(0, 8, true);
    piece.tos = first;
    Get(piece);
    piece = Piece(8, 8, false);
    piece.tos = second;
    Get(piece);
    if (Packets(a_).size() == before) {
      piece.tos = first;
      Get(piece);  // completes and empties the queue
      return "dropped";
    }
    return std::to_string(Packets(a_).back().tos);
  };
  EXPECT_EQ(join(kEct, kCe), "3");
  EXPECT_EQ(join(kCe, kEct), "3");
  EXPECT_EQ(join(kEct, kEct), "2");
  EXPECT_EQ(join(kNotEct, kCe), "dropped");
  EXPECT_EQ(join(kCe, kNotEct), "dropped");
  ExpectDrops(a_, ips_fragecn, 2);
}

TEST_F(ReassemblyTest, FragmentsCrossALinkAndLoseOneNowAndThen) {
  HostBase& c = AddHost("c");
  Link& link = Join(a_, c);
  EXPECT_EQ(Output(a_, {.dst = Addr("10.0.2.2"), .payload = Numbered(9000)}), 0);
  Run();
  ASSERT_EQ(Packets(c).size(), 1u);
  EXPECT_EQ(Packets(c)[0].payload, Numbered(9000));
  link.set_options(0, {.loss = kAlways / 2});
  EXPECT_EQ(Output(a_, {.dst = Addr("10.0.2.2"), .payload = Numbered(60000)}), 0);
  Run();
  EXPECT_EQ(Packets(c).size(), 1u);
  ExpectDrops(c, ips_fragtimeout, 1);
}

}  // namespace
}  // namespace sockbed
