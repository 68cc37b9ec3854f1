#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

// Each row of spec 3.1 and 3.2.
class IpInputTest : public InetTestNet {
 protected:
  IpInputTest() : a_(AddHost("a")), b_(AddHost("b")), in_(Join(a_, b_).interface(0)) {}

  // From b to a, over the link.
  static Packet Good() {
    return {.src = Addr("10.0.1.2"), .dst = Addr("10.0.1.1"), .payload = "payload!"};
  }
  // The bytes of a good packet with some of them changed and the checksum made right again.
  static std::string Changed(size_t at, const std::string& bytes) {
    std::string packet = Good().Bytes();
    packet.replace(at, bytes.size(), bytes);
    packet.replace(10, 2, std::string(2, '\0'));
    StoreBe16(reinterpret_cast<uint8_t*>(packet.data()) + 10, in_cksum_bytes(packet.data(), 20));
    return packet;
  }
  void ExpectDropped(const std::string& packet, ipstat_counters why) {
    const size_t before = Packets(a_).size();
    const uint64_t count = ipstat_get(a_, why);
    Inject(in_, packet);
    EXPECT_EQ(Packets(a_).size(), before);
    ExpectDrops(a_, why, count + 1);
  }
  // Whether a packet gets through that its interface has found good.
  bool Passes(ifnet* ifp, const std::string& packet) {
    std::vector<Packet>& packets = Packets(*ifp->if_host);
    const size_t before = packets.size();
    Inject(ifp, packet, 0, M_IPV4_CSUM_IN_OK);
    return packets.size() == before + 1;
  }
  void ExpectFrom(const char* src, bool accepted) {
    Packet packet = Good();
    packet.src = Addr(src);
    const size_t before = Packets(a_).size();
    Inject(in_, packet.Bytes());
    EXPECT_EQ(Packets(a_).size(), before + (accepted ? 1 : 0)) << src;
  }

  HostBase& a_;
  HostBase& b_;
  ifnet* in_;
};

TEST_F(IpInputTest, DeliversAGoodPacketWhole) {
  Inject(in_, Good().Bytes());
  ASSERT_EQ(Packets(a_).size(), 1u);
  EXPECT_EQ(Packets(a_)[0].payload, "payload!");
  EXPECT_EQ(Text(Packets(a_)[0].src), "10.0.1.2");
  EXPECT_EQ(ipstat_get(a_, ips_delivered), 1u);
}

TEST_F(IpInputTest, DropsWhatIsShorterThanAHeader) {
  ExpectDropped(Good().Bytes().substr(0, 19), ips_toosmall);
  ExpectDropped("", ips_toosmall);
}

TEST_F(IpInputTest, DropsOtherVersions) { ExpectDropped(Changed(0, "\x65"), ips_badvers); }

TEST_F(IpInputTest, DropsImpossibleHeaderLengths) {
  ExpectDropped(Changed(0, "\x44"), ips_badhlen);  // 16 bytes
  ExpectDropped(Changed(0, "\x4f"), ips_badhlen);  // 60, longer than the packet
}

TEST_F(IpInputTest, DropsLoopbackAddressesFromAWire) {
  Packet packet = Good();
  packet.src = Addr("127.0.0.1");
  ExpectDropped(packet.Bytes(), ips_badaddr);
  packet = Good();
  packet.dst = Addr("127.0.0.1");
  ExpectDropped(packet.Bytes(), ips_badaddr);
}

TEST_F(IpInputTest, DropsAWrongChecksumUnlessTheInterfaceVouchesForIt) {
  std::string packet = Good().Bytes();
  packet[11] = static_cast<char>(packet[11] ^ 1);
  ExpectDropped(packet, ips_badsum);
  HostScope scope(a_);
  for (const uint16_t verdict : {M_IPV4_CSUM_IN_OK, M_IPV4_CSUM_IN_BAD}) {
    MbufPtr m = m_devget(packet.data(), static_cast<int>(packet.size()), 0);
    m->m_pkthdr.ph_family = AF_INET;
    m->m_pkthdr.csum_flags = verdict;
    if_input(in_, std::move(m));
  }
  EXPECT_EQ(Packets(a_).size(), 1u);
  ExpectDrops(a_, ips_badsum, 2);
}

// The next packet of the same addresses passes without their rules, but for none of the others.
TEST_F(IpInputTest, WhatFollowsAPacketOfItsAddressesIsStillExamined) {
  EXPECT_TRUE(Passes(in_, Good().Bytes()));
  EXPECT_TRUE(Passes(in_, Good().Bytes()));
  EXPECT_TRUE(Passes(in_, Good().Bytes() + "padding"));
  EXPECT_EQ(Packets(a_).back().payload, "payload!");
  EXPECT_FALSE(Passes(in_, Good().Bytes().substr(0, 27)));
  EXPECT_FALSE(Passes(in_, Changed(0, "\x65")));
  EXPECT_FALSE(Passes(in_, Changed(0, "\x4f")));
  EXPECT_FALSE(Passes(in_, Changed(6, "\x20"))) << "waits for the other fragments";
  Inject(in_, Good().Bytes(), 0, M_IPV4_CSUM_IN_BAD);
  ExpectDrops(a_, ips_badsum, 1);
  Packet stray = Good();
  stray.dst = Addr("10.0.1.9");
  EXPECT_FALSE(Passes(in_, stray.Bytes()));
  EXPECT_TRUE(Passes(in_, Good().Bytes()));
}

TEST_F(IpInputTest, AnAddressTakenAwayIsOursNoLonger) {
  EXPECT_TRUE(Passes(in_, Good().Bytes()));
  {
    HostScope scope(a_);
    EXPECT_EQ(in_ifdel(in_, Addr("10.0.1.1")), 0);
  }
  EXPECT_FALSE(Passes(in_, Good().Bytes()));
  AddAddress(in_, "10.0.1.1", 24);
  EXPECT_TRUE(Passes(in_, Good().Bytes()));
  ifnet* other = Join(a_, b_).interface(0);
  EXPECT_FALSE(Passes(other, Good().Bytes())) << "of another interface";
}

TEST_F(IpInputTest, ASourceThatBecomesABroadcastAddressIsImpossible) {
  CaptureInterface lan;
  AddHostOnLan(&lan);
  const Packet packet = {.src = Addr("192.168.2.255"), .dst = Addr("192.168.1.1")};
  EXPECT_TRUE(Passes(lan.ifp, packet.Bytes()));
  AddAddress(lan.ifp, "192.168.2.1", 24);
  EXPECT_FALSE(Passes(lan.ifp, packet.Bytes()));
}

// Every route that the last address brings is there before it: by other addresses of its network,
// on a link without broadcasts and in a narrower network.
TEST_F(IpInputTest, ASourceBecomesABroadcastAddressThoughNoRouteChanges) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  ifnet* const wire = Join(host, b_).interface(0);
  AddAddress(wire, "192.168.2.1", 24);
  AddAddress(wire, "192.168.2.255", 32);
  AddAddress(lan.ifp, "192.168.2.2", 30);
  const Packet packet = {.src = Addr("192.168.2.255"), .dst = Addr("192.168.1.1")};
  EXPECT_TRUE(Passes(lan.ifp, packet.Bytes()));
  AddAddress(lan.ifp, "192.168.2.3", 24);
  EXPECT_FALSE(Passes(lan.ifp, packet.Bytes()));
}

TEST_F(IpInputTest, DropsLengthsThatDoNotFit) {
  ExpectDropped(Changed(2, std::string("\0\x13", 2)), ips_badlen);    // 19: less than the header
  ExpectDropped(Changed(2, std::string("\0\x1d", 2)), ips_tooshort);  // 29 of 28 bytes
}

TEST_F(IpInputTest, TrimsWhatLiesBehindThePacket) {
  Inject(in_, Good().Bytes() + std::string(18, 'E'));
  ASSERT_EQ(Packets(a_).size(), 1u);
  EXPECT_EQ(Packets(a_)[0].payload, "payload!");
}

TEST_F(IpInputTest, DropsSourcesThatNoHostCanHave) {
  ExpectFrom("224.0.0.1", false);
  ExpectFrom("240.0.0.1", false);
  ExpectFrom("255.255.255.255", false);
  ExpectDrops(a_, ips_badaddr, 3);
  ExpectFrom("0.0.0.0", true);
  ExpectFrom("8.8.8.8", true);
}

TEST_F(IpInputTest, AssemblesAHeaderSpreadOverMbufs) {
  HostScope scope(a_);
  const std::string bytes = Good().Bytes();
  MbufPtr m = m_devget(bytes.data(), 7, 0);
  m_catpkt(m.get(), m_devget(bytes.data() + 7, static_cast<int>(bytes.size()) - 7, 0));
  m->m_pkthdr.ph_family = AF_INET;
  if_input(in_, std::move(m));
  EXPECT_EQ(Packets(a_).size(), 1u);
}

TEST_F(IpInputTest, TakesTheLimitedBroadcastAndTheUnspecifiedAddressAsBroadcasts) {
  for (const char* dst : {"255.255.255.255", "0.0.0.0"}) {
    Packet packet = Good();
    packet.dst = Addr(dst);
    Inject(in_, packet.Bytes());
    EXPECT_NE(Packets(a_).back().mbuf_flags & M_BCAST, 0) << dst;
  }
  EXPECT_EQ(Packets(a_).size(), 2u);
}

TEST_F(IpInputTest, DropsMulticastOfGroupsNotJoined) {
  Packet packet = Good();
  packet.dst = Addr("224.0.0.9");
  ExpectDropped(packet.Bytes(), ips_notmember);
}

TEST_F(IpInputTest, TakesBroadcastsOfItsNetwork) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  for (const char* dst : {"192.168.1.255", "192.168.1.0"}) {
    Packet packet = {.src = Addr("192.168.1.9"), .dst = Addr(dst), .payload = "x"};
    Inject(lan.ifp, packet.Bytes());
    ASSERT_FALSE(Packets(host).empty()) << dst;
    EXPECT_NE(Packets(host).back().mbuf_flags & M_BCAST, 0) << dst;
  }
  Packet from_broadcast = {
      .src = Addr("192.168.1.255"), .dst = Addr("192.168.1.1"), .payload = "x"};
  Inject(lan.ifp, from_broadcast.Bytes());
  ExpectDrops(host, ips_badaddr, 1);
}

TEST_F(IpInputTest, TheFirstAddressOfANetIsAHostOnFreeBsd) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  Set(host, "net.inet.ip.profile", 1);
  const Packet to = {.src = Addr("192.168.1.9"), .dst = Addr("192.168.1.0"), .payload = "x"};
  Inject(lan.ifp, to.Bytes());
  ExpectDrops(host, ips_cantforward, 1);
  const Packet from = {.src = Addr("192.168.1.0"), .dst = Addr("192.168.1.1"), .payload = "x"};
  Inject(lan.ifp, from.Bytes(), 0, M_IPV4_CSUM_IN_OK);
  EXPECT_EQ(Packets(host).size(), 1u);
  Set(host, "net.inet.ip.profile", 0);
  Inject(lan.ifp, from.Bytes(), 0, M_IPV4_CSUM_IN_OK);
  ExpectDrops(host, ips_badaddr, 1);
}

TEST_F(IpInputTest, AnAddressBelongsToItsInterface) {
  HostBase& c = AddHost("c");
  Join(a_, c);  // a is also 10.0.2.1
  Packet packet = Good();
  packet.dst = Addr("10.0.2.1");
  ExpectDropped(packet.Bytes(), ips_wrongif);
  Set(a_, "net.inet.ip.forwarding", 1);  // a router is one host with many addresses
  Inject(in_, packet.Bytes());
  EXPECT_EQ(Packets(a_).size(), 1u);
  Set(a_, "net.inet.ip.forwarding", 0);
  Set(a_, "net.inet.ip.profile", 1);  // FreeBSD's hosts are weak, unless told otherwise
  Inject(in_, packet.Bytes());
  EXPECT_EQ(Packets(a_).size(), 2u);
  Set(a_, "net.inet.ip.rfc1122_strong_es", 1);
  Inject(in_, packet.Bytes());
  ExpectDrops(a_, ips_wrongif, 2);
}

// However many there are: what came in by one says nothing of the one that shares its place.
TEST_F(IpInputTest, APacketLetInSpeaksForItsInterfaceAlone) {
  HostBase& c = AddHost("c");
  const auto places = static_cast<uint32_t>(std::tuple_size_v<decltype(InetHost::last_let_in)>);
  for (uint32_t i = 0; i < places; ++i) Join(a_, c);
  ifnet* other = if_byindex(a_, in_->if_index + places);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Passes(in_, Good().Bytes()));
    EXPECT_FALSE(Passes(other, Good().Bytes()));
  }
}

TEST_F(IpInputTest, DropsWhatIsNotOursUnlessItForwards) {
  Packet packet = Good();
  packet.dst = Addr("10.0.9.9");
  ExpectDropped(packet.Bytes(), ips_cantforward);
  Set(a_, "net.inet.ip.forwarding", 1);
  Inject(in_, packet.Bytes(), M_BCAST);
  ExpectDrops(a_, ips_cantforward, 2);
}

TEST_F(IpInputTest, AnswersAProtocolThatNobodyHandles) {
  Packet packet = Good();
  packet.protocol = 200;
  ExpectDropped(packet.Bytes(), ips_noproto);
  EXPECT_EQ(icmpstat_get(a_, icps_sent), 1u);
  Run();
  EXPECT_EQ(icmpstat_get(b_, icps_received), 1u);
}

TEST_F(IpInputTest, ReachesItselfOverLo0WhateverTheAddress) {
  EXPECT_EQ(Output(a_, {.dst = Addr("10.0.1.1"), .payload = "self"}), 0);
  EXPECT_EQ(Output(a_, {.dst = Addr("127.0.0.1"), .payload = "loop"}), 0);
  EXPECT_EQ(Output(a_, {.dst = Addr("127.1.2.3"), .payload = "net"}), 0);
  Run();
  ASSERT_EQ(Packets(a_).size(), 2u);  // of 127/8 only 127.0.0.1 is an address
  EXPECT_EQ(Text(Packets(a_)[0].src), "10.0.1.1");
  EXPECT_EQ(Text(Packets(a_)[1].src), "127.0.0.1");
}

}  // namespace
}  // namespace sockbed
