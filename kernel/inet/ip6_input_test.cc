#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/inet6_test_net.h"

namespace sockbed {
namespace {

// Spec 7.1, row by row. The test plays the neighbour, 2001:db8:1::2.
class Ip6InputTest : public Inet6TestNet {
 protected:
  Ip6InputTest() : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_)) {}

  Packet6 Good() {
    return {.src = Addr6("2001:db8:1::2"), .dst = Addr6("2001:db8:1::1"), .payload = "payload!"};
  }
  void Arrives(const Packet6& packet, uint16_t flags = 0) {
    Inject6(link_.interface(0), packet.Bytes(), flags);
  }
  // An extension header of 8 * (1 + more) bytes with these options, padded.
  static std::string Extension(uint8_t next, const std::string& options) {
    std::string header = std::string(1, static_cast<char>(next)) + '\0' + options;
    while (header.size() % 8 != 0) header += '\0';  // Pad1
    header[1] = static_cast<char>(header.size() / 8 - 1);
    return header;
  }
  // The ICMPv6 error that host a has sent to b's stack: b has no transport for the quoted packet,
  // so what it says is read off the record.
  std::vector<Record> ErrorsSent() { return RecordsOf(InetRecord::kIcmp6Send); }
  static uint64_t TypeCode(const Record& record) { return record.args[2] >> 32; }
  static uint32_t Parameter(const Record& record) { return static_cast<uint32_t>(record.args[2]); }
  void ExpectProblem(uint8_t code, uint32_t pointer) {
    const std::vector<Record> errors = ErrorsSent();
    ASSERT_FALSE(errors.empty());
    EXPECT_EQ(TypeCode(errors.back()), uint64_t{ICMP6_PARAM_PROB} << 8 | code);
    EXPECT_EQ(Parameter(errors.back()), pointer);
  }

  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(Ip6InputTest, DeliversWithTheBytesBeyondItsLengthTrimmed) {
  Inject6(link_.interface(0), Good().Bytes() + "padding");
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].payload, "payload!");
}

TEST_F(Ip6InputTest, DropsMalformedHeaders) {
  Inject6(link_.interface(0), Good().Bytes().substr(0, 39));
  ExpectDrops6(a_, ip6s_toosmall, 1);
  std::string version = Good().Bytes();
  version[0] = 0x40;
  Inject6(link_.interface(0), version);
  ExpectDrops6(a_, ip6s_badvers, 1);
  Inject6(link_.interface(0), Good().Bytes().substr(0, 47));
  ExpectDrops6(a_, ip6s_tooshort, 1);
  EXPECT_TRUE(Packets6(a_).empty());
}

TEST_F(Ip6InputTest, DropsAddressesThatCannotBe) {
  uint64_t dropped = 0;
  for (const char* src : {"ff02::1", "::1", "::ffff:10.0.0.1", "::10.0.0.1", "fe80:2::7"}) {
    Packet6 packet = Good();
    packet.src = Addr6(src);
    Arrives(packet);
    ExpectDrops6(a_, ip6s_badscope, ++dropped);
  }
  for (const char* dst : {"::", "::1", "::ffff:10.0.0.1", "ff01::1", "ff00::1"}) {
    Packet6 packet = Good();
    packet.dst = Addr6(dst);
    Arrives(packet);
    ExpectDrops6(a_, ip6s_badscope, ++dropped);
  }
}

TEST_F(Ip6InputTest, ListensToItsOwnGroupsOnly) {
  for (const char* dst : {"ff02::1", "ff02::1:ff00:1"}) {
    Packet6 packet = Good();
    packet.dst = Addr6(dst);
    Arrives(packet);
  }
  ASSERT_EQ(Packets6(a_).size(), 2u);
  EXPECT_EQ(in6_text(Packets6(a_)[0].dst), "ff02::1%2");
  EXPECT_NE(Packets6(a_)[0].mbuf_flags & M_MCAST, 0);
  Packet6 packet = Good();
  packet.dst = Addr6("ff02::2");
  Arrives(packet);
  ExpectDrops6(a_, ip6s_notmember, 1);
}

TEST_F(Ip6InputTest, AnAddressBelongsToItsInterface) {
  HostBase& c = AddHost6("c");
  Join6(a_, c);
  Packet6 packet = Good();
  packet.dst = Addr6("2001:db8:2::1");
  Arrives(packet);
  ExpectDrops6(a_, ip6s_wrongif, 1);
  Set(a_, "net.inet6.ip6.forwarding", 1);
  Arrives(packet);
  EXPECT_EQ(Packets6(a_).size(), 1u);
}

TEST_F(Ip6InputTest, WhatIsNotReadyReceivesOnlyNeighbourDiscovery) {
  HostScope scope(a_);
  in6_ifaddr* ia6 = in6_ifawithaddr(Addr6("2001:db8:1::1"));
  ia6->ia6_flags |= IN6_IFF_TENTATIVE;
  Arrives(Good());
  ExpectDrops6(a_, ip6s_notready, 1);
  Packet6 solicitation = Good();
  solicitation.next = IPPROTO_ICMPV6;
  solicitation.payload = std::string(1, static_cast<char>(ND_NEIGHBOR_SOLICIT)) + "1234567";
  Arrives(solicitation);
  ExpectDrops6(a_, ip6s_notready, 1);
  ia6->ia6_flags = IN6_IFF_DUPLICATED;
  Arrives(solicitation);
  ExpectDrops6(a_, ip6s_notready, 2);
}

TEST_F(Ip6InputTest, WhatIsNotOursAndNotForwardedIsDropped) {
  Packet6 packet = Good();
  packet.dst = Addr6("2001:db8:9::1");
  Arrives(packet);
  ExpectDrops6(a_, ip6s_cantforward, 1);
}

TEST_F(Ip6InputTest, StepsOverExtensionHeaders) {
  Packet6 packet = Good();
  packet.next = IPPROTO_HOPOPTS;
  packet.payload = Extension(IPPROTO_ROUTING, {"\x05\x02\0\0", 4}) +         // router alert
                   Extension(IPPROTO_DSTOPTS, {"\x02\0", 2}) +               // none left to visit
                   Extension(kTestProtocol, {"\x01\x02\0\0\x1e\x01x", 7}) +  // PadN, unknown
                   "data";
  Arrives(packet);
  ASSERT_EQ(Packets6(a_).size(), 1u);
  EXPECT_EQ(Packets6(a_)[0].header_length, 40 + 8 + 8 + 16);
}

TEST_F(Ip6InputTest, TheTopBitsSayWhatToDoAboutUnknownOptions) {
  const struct {
    uint8_t type;
    bool taken, told, told_of_multicast;
  } kRows[] = {{0x1e, true, false, false},
               {0x5e, false, false, false},
               {0x9e, false, true, true},
               {0xde, false, true, false}};
  for (const auto& row : kRows) {
    for (const bool multicast : {false, true}) {
      Packets6(a_).clear();
      const size_t before = ErrorsSent().size();
      Packet6 packet = Good();
      if (multicast) packet.dst = Addr6("ff02::1");
      packet.next = IPPROTO_DSTOPTS;
      packet.payload =
          Extension(kTestProtocol, std::string(1, static_cast<char>(row.type)) + "\x02xx");
      Arrives(packet);
      EXPECT_EQ(Packets6(a_).size(), row.taken ? 1u : 0u) << int{row.type};
      const bool told = multicast ? row.told_of_multicast : row.told;
      EXPECT_EQ(ErrorsSent().size() - before, told ? 1u : 0u) << int{row.type};
      if (told) ExpectProblem(ICMP6_PARAMPROB_OPTION, 42);
      Wait(kSecond);
    }
  }
}

TEST_F(Ip6InputTest, OptionsOfHopsConcernOnlyThoseThatThePacketIsFor) {
  Join6(a_, AddHost6("c"));
  Packet6 packet = Good();
  packet.next = IPPROTO_HOPOPTS;
  packet.payload = Extension(kTestProtocol, "\x9e\x02xx");  // unknown: drop it and tell
  const auto arrives_for = [&](const char* dst) {
    packet.dst = Addr6(dst);
    Arrives(packet);
  };
  arrives_for("ff02::2");
  ExpectDrops6(a_, ip6s_notmember, 1);
  arrives_for("2001:db8:2::1");
  ExpectDrops6(a_, ip6s_wrongif, 1);
  arrives_for("2001:db8:9::1");
  ExpectDrops6(a_, ip6s_cantforward, 1);
  {
    HostScope scope(a_);
    in6_ifawithaddr(Addr6("2001:db8:1::1"))->ia6_flags |= IN6_IFF_TENTATIVE;
    arrives_for("2001:db8:1::1");
    ExpectDrops6(a_, ip6s_notready, 1);
    in6_ifawithaddr(Addr6("2001:db8:1::1"))->ia6_flags &= ~IN6_IFF_TENTATIVE;
  }
  EXPECT_TRUE(ErrorsSent().empty());
  ExpectDrops6(a_, ip6s_badoptions, 0);
  Set(a_, "net.inet6.ip6.forwarding", 1);
  for (const char* dst : {"2001:db8:9::1", "2001:db8:1::1"}) {  // a router's, the host's own
    const size_t before = ErrorsSent().size();
    arrives_for(dst);
    EXPECT_EQ(ErrorsSent().size(), before + 1);
    ExpectProblem(ICMP6_PARAMPROB_OPTION, 42);
  }
}

// RFC 8200 4.1: nowhere but in front.
TEST_F(Ip6InputTest, OptionsOfHopsDoNotTravelInFragments) {
  const std::string part = Extension(kTestProtocol, "") + "payload!" + "and more";
  Packet6 packet = Good();
  packet.next = IPPROTO_FRAGMENT;
  const auto fragment = [](int offset_and_more) {
    return std::string{static_cast<char>(IPPROTO_HOPOPTS), 0, 0,
                       static_cast<char>(offset_and_more), 0, 0, 0, 7};
  };
  packet.payload = fragment(0) + part;  // all in one
  Arrives(packet);
  ExpectProblem(ICMP6_PARAMPROB_NEXTHEADER, 6);
  ExpectDrops6(a_, ip6s_badhdr, 1);
  packet.payload = fragment(1) + part.substr(0, 16);
  Arrives(packet);
  packet.payload = fragment(16) + part.substr(16);
  Arrives(packet);
  ExpectDrops6(a_, ip6s_badhdr, 2);
  EXPECT_EQ(ErrorsSent().size(), 2u);
  EXPECT_TRUE(Packets6(a_).empty());
}

TEST_F(Ip6InputTest, ComplainsOfHeadersThatItCannotObey) {
  Packet6 source_routed = Good();
  source_routed.next = IPPROTO_ROUTING;
  source_routed.payload = Extension(kTestProtocol, {"\0\0", 2});
  Arrives(source_routed);
  ExpectProblem(ICMP6_PARAMPROB_HEADER, 42);
  source_routed.payload = Extension(kTestProtocol, {"\x03\x01", 2});
  Arrives(source_routed);
  ExpectDrops6(a_, ip6s_badhdr, 2);

  Packet6 late = Good();
  late.next = IPPROTO_DSTOPTS;
  late.payload = Extension(IPPROTO_HOPOPTS, "") + Extension(kTestProtocol, "");
  Arrives(late);
  ExpectProblem(ICMP6_PARAMPROB_NEXTHEADER, 40);

  Packet6 unknown = Good();
  unknown.next = 200;
  Arrives(unknown);
  ExpectProblem(ICMP6_PARAMPROB_NEXTHEADER, 6);
  ExpectDrops6(a_, ip6s_noproto, 1);

  Packet6 overlong = Good();
  overlong.next = IPPROTO_DSTOPTS;
  overlong.payload = Extension(kTestProtocol, {"\x1e\x09xx", 4});
  Arrives(overlong);
  ExpectProblem(ICMP6_PARAMPROB_HEADER, 43);
}

TEST_F(Ip6InputTest, GivesUpOnEndlessChains) {
  Packet6 packet = Good();
  packet.next = IPPROTO_DSTOPTS;
  packet.payload.clear();
  for (int i = 0; i < 10; ++i) packet.payload += Extension(IPPROTO_DSTOPTS, "");
  packet.payload += Extension(kTestProtocol, "");
  Arrives(packet);
  ExpectDrops6(a_, ip6s_toomanyhdr, 1);
  Set(a_, "net.inet6.ip6.hdrnestlimit", 11);
  Arrives(packet);
  EXPECT_EQ(Packets6(a_).size(), 1u);
  Set(a_, "net.inet6.ip6.hdrnestlimit", 0);
  Arrives(packet);
  EXPECT_EQ(Packets6(a_).size(), 2u) << "unless it is to bear them all";
}

TEST_F(Ip6InputTest, NothingBehindTheHeadersIsNothing) {
  Packet6 packet = Good();
  packet.next = IPPROTO_NONE;
  Arrives(packet);
  ExpectDrops6(a_, ip6s_nonxt, 1);
  EXPECT_TRUE(ErrorsSent().empty());
}

TEST_F(Ip6InputTest, OfTunnelsIpInIpIsDroppedAndGreUnknown) {
  Packet6 packet = Good();
  for (const uint8_t protocol : {IPPROTO_IPIP, IPPROTO_IPV6}) {
    packet.next = protocol;
    Arrives(packet);
  }
  ExpectDrops6(a_, ip6s_notunnel, 2);
  EXPECT_TRUE(ErrorsSent().empty());
  packet.next = IPPROTO_GRE;
  Arrives(packet);
  ExpectProblem(ICMP6_PARAMPROB_NEXTHEADER, 6);
}

TEST_F(Ip6InputTest, AHeaderCutShortIsDropped) {
  Packet6 packet = Good();
  packet.next = IPPROTO_DSTOPTS;
  packet.payload = std::string(1, static_cast<char>(kTestProtocol)) + "\x05short";
  Arrives(packet);
  ExpectDrops6(a_, ip6s_toomanyhdr, 1);
}

}  // namespace
}  // namespace sockbed
