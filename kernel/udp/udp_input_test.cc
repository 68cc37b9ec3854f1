#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/udp_wire.h"
#include "kernel/udp/udp_test_net.h"

namespace sockbed {
namespace {

// Spec 10.2 and the receiving half of 10.5, row by row. The test plays the peer, 10.0.1.2.
class UdpInputTest : public UdpTestNet {
 protected:
  UdpInputTest() : a_(AddHost("a")), link_(Join(a_, AddHost("b"))) {}

  struct Wire {
    const char* src = "10.0.1.2";
    const char* dst = "10.0.1.1";
    uint16_t sport = 1234, dport = 7;
    int length = -1;  // of the UDP header; -1: the right one
    int sum = -1;     // -1: the right one
    int ttl = 64;
    std::string data = "data";
  };
  static std::string Bytes(const Wire& wire) {
    const int total = 28 + static_cast<int>(wire.data.size());
    std::string bytes(28, '\0');
    bytes += wire.data;
    Ipv4Header{.total_length = total,
               .tos = 0x20,
               .ttl = static_cast<uint8_t>(wire.ttl),
               .protocol = IPPROTO_UDP,
               .source = Addr(wire.src),
               .destination = Addr(wire.dst)}
        .Write(bytes.data(), bytes.size());
    uint8_t* p = reinterpret_cast<uint8_t*>(bytes.data());
    StoreBe16(p + 10, in_cksum_bytes(p, 20));
    UdpHeader{.source_port = wire.sport, .destination_port = wire.dport, .length = total - 20}
        .Write(p + 20, bytes.size() - 20);
    if (wire.length >= 0) StoreBe16(p + 24, static_cast<uint16_t>(wire.length));
    const int covered = wire.length >= 8 && wire.length < total - 20 ? wire.length : total - 20;
    uint64_t sum = in_pseudo_sum(Addr(wire.src), Addr(wire.dst), IPPROTO_UDP, covered);
    uint16_t right = in_cksum_finish(in_cksum_add(sum, p + 20, static_cast<size_t>(covered)));
    if (right == 0) right = 0xffff;
    StoreBe16(p + 26, wire.sum >= 0 ? static_cast<uint16_t>(wire.sum) : right);
    return bytes;
  }
  void GetBytes(const std::string& bytes, uint16_t flags = 0) {
    ifnet* ifp = link_.interface(0);
    HostScope scope(a_);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    m->m_pkthdr.ph_family = AF_INET;
    m->m_flags |= flags;
    if_input(ifp, std::move(m));
  }
  void Get(const Wire& wire, uint16_t flags = 0) { GetBytes(Bytes(wire), flags); }
  // What a socket has received by now, "-" between datagrams.
  static std::string Taken(socket* so) {
    std::string taken;
    while (so->so_rcv.sb_cc > 0) taken += (taken.empty() ? "" : "-") + Receive(so).data;
    return taken;
  }

  HostBase& a_;
  Link& link_;
};

TEST_F(UdpInputTest, DropsWhatCannotBeADatagram) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    std::string bytes = Bytes({});
    bytes.resize(27);
    StoreBe16(reinterpret_cast<uint8_t*>(bytes.data()) + 2, 27);
    StoreBe16(reinterpret_cast<uint8_t*>(bytes.data()) + 10, 0);
    StoreBe16(reinterpret_cast<uint8_t*>(bytes.data()) + 10, in_cksum_bytes(bytes.data(), 20));
    GetBytes(bytes);
    ExpectDrops(a_, udps_hdrops, 1);
    Get({.dport = 0});
    ExpectDrops(a_, udps_badport, 1);
    Get({.length = 7});
    Get({.length = 13});
    ExpectDrops(a_, udps_badlen, 2);
    Get({.sum = 1});
    ExpectDrops(a_, udps_badsum, 1);
    EXPECT_EQ(Taken(so), "");
    EXPECT_EQ(udpstat_get(a_, udps_ipackets), 5u);
  });
  Run();
}

TEST_F(UdpInputTest, TrimsWhatLiesBehindTheDatagramAndTakesAMissingChecksum) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    Get({.length = 10});
    Get({.sum = 0});
    EXPECT_EQ(Taken(so), "da-data");
    EXPECT_EQ(udpstat_get(a_, udps_nosum), 1u);
  });
  Run();
}

TEST_F(UdpInputTest, NobodyHomeIsAnsweredWithPortUnreachable) {
  Get({});
  ExpectDrops(a_, udps_noport, 1);
  EXPECT_EQ(icmpstat_get(a_, icps_sent), 1u);
  Get({}, M_BCAST);
  ExpectDrops(a_, udps_noportbcast, 1);
  Set(a_, "net.inet.udp.blackhole", 1);
  Get({});
  ExpectDrops(a_, udps_noport, 2);
  EXPECT_EQ(icmpstat_get(a_, icps_sent), 1u);
}

// Spec 20.9, and what is connected comes first.
TEST_F(UdpInputTest, TheMostSpecificSocketGetsTheDatagram) {
  Spawn(a_, [&] {
    socket* any = Bound("0.0.0.0", 5000, kSoReuseAddr);
    socket* own = Bound("10.0.1.1", 5000, kSoReuseAddr);
    socket* peer = Create(kSoReuseAddr);
    EXPECT_EQ(Bind(peer, "127.0.0.1", 5000), 0);
    Get({.dport = 5000, .data = "own"});
    AddRoute(a_, "10.0.0.0", 8, "10.0.1.2");
    Set(a_, "net.inet.ip.forwarding", 1);  // so that any interface takes any of our addresses
    EXPECT_EQ(Connect(peer, "127.0.0.1", 9), 0);
    Get({.dport = 5000, .data = "own again"});
    EXPECT_EQ(Taken(own), "own-own again");
    EXPECT_EQ(Taken(any), "");
    socket* third = Create(kSoReuseAddr | kSoReusePort);
    EXPECT_EQ(Bind(third, "0.0.0.0", 5001), 0);
    EXPECT_EQ(Connect(third, "10.0.1.2", 1234), 0);
    Get({.dport = 5001, .data = "from the peer"});
    Get({.sport = 1235, .dport = 5001, .data = "from another port"});
    EXPECT_EQ(Taken(third), "from the peer");
    ExpectDrops(a_, udps_noport, 1);
  });
  Run();
}

TEST_F(UdpInputTest, BroadcastsGoToEverybodyWhoSharesThePort) {
  Spawn(a_, [&] {
    socket* first = Bound("0.0.0.0", 5000, kSoReusePort);
    socket* second = Bound("0.0.0.0", 5000, kSoReusePort);
    socket* other = Bound("10.0.1.1", 5000, kSoReusePort);
    socket* connected = Bound("0.0.0.0", 5000, kSoReusePort);
    EXPECT_EQ(Connect(connected, "10.0.1.2", 1), 0);
    Get({.dst = "255.255.255.255", .dport = 5000, .data = "all"});
    EXPECT_EQ(Taken(first), "all");
    EXPECT_EQ(Taken(second), "all");
    EXPECT_EQ(Taken(other), "");      // bound to another destination
    EXPECT_EQ(Taken(connected), "");  // to another peer
    first->so_options &= ~kSoReusePort;
    second->so_options &= ~kSoReusePort;
    Get({.dst = "255.255.255.255", .dport = 5000, .data = "one"});
    EXPECT_EQ(Taken(first), "");
    EXPECT_EQ(Taken(second), "one");  // the newest, which does not share
  });
  Run();
}

TEST_F(UdpInputTest, IgnoresPacketsThatHaveComeTooFar) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(SetOption(so, IP_MINTTL, 255), 0);
    Get({.ttl = 254, .data = "far"});
    Get({.ttl = 255, .data = "near"});
    EXPECT_EQ(Taken(so), "near");
    ExpectDrops(a_, udps_minttl, 1);
  });
  Run();
}

TEST_F(UdpInputTest, AFullBufferDropsWholeDatagrams) {
  Set(a_, "net.inet.udp.recvspace", 3000);
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    for (int i = 0; i < 5; ++i) Get({.data = std::string(1000, static_cast<char>('0' + i))});
    EXPECT_EQ(Taken(so), std::string(1000, '0') + "-" + std::string(1000, '1'));
    ExpectDrops(a_, udps_fullsock, 3);
    Get({.data = "room again"});
    EXPECT_EQ(Taken(so), "room again");
  });
  Run();
}

TEST_F(UdpInputTest, TellsWhatItIsAskedInOrder) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    so->so_options |= kSoTimestamp;
    for (const int name :
         {kIpRecvDstAddr, kIpRecvIf, IP_RECVTTL, kIpRecvDstPort, IP_RECVTOS, IP_PKTINFO}) {
      EXPECT_EQ(SetOption(so, name, 1), 0);
    }
    Get({.ttl = 33});
    const Datagram got = Receive(so);
    std::string bytes(static_cast<size_t>(m_length(got.control.get())), '\0');
    m_copydata(got.control.get(), 0, static_cast<int>(bytes.size()), bytes.data());
    std::vector<std::pair<int, int>> seen;
    for (size_t at = 0; at + sizeof(cmsghdr) <= bytes.size();) {
      cmsghdr header;
      std::memcpy(&header, bytes.data() + at, sizeof header);
      seen.emplace_back(header.cmsg_level, header.cmsg_type);
      if (header.cmsg_type == IP_TTL) {
        EXPECT_EQ(bytes[at + CMSG_LEN(0)], 33);
      }
      at += CMSG_ALIGN(header.cmsg_len);
    }
    EXPECT_EQ(seen, (std::vector<std::pair<int, int>>{{SOL_SOCKET, SCM_TIMESTAMP},
                                                      {IPPROTO_IP, kIpRecvDstAddr},
                                                      {IPPROTO_IP, kIpRecvIf},
                                                      {IPPROTO_IP, IP_TTL},
                                                      {IPPROTO_IP, kIpRecvDstPort},
                                                      {IPPROTO_IP, IP_TOS},
                                                      {IPPROTO_IP, IP_PKTINFO}}));
  });
  Run();
}

// An interface hears what is said to all even if it has no address.
TEST_F(UdpInputTest, ABroadcastToAnInterfaceWithoutAnAddressIsForNoneOfOurs) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(SetOption(so, IP_PKTINFO, 1), 0);
    const auto told = [&] {
      Get({.dst = "255.255.255.255"});
      const Datagram got = Receive(so);
      in_pktinfo info;
      std::memcpy(&info, got.control->m_data + CMSG_LEN(0), sizeof info);
      EXPECT_EQ(in_host(info.ipi_addr), INADDR_BROADCAST);
      return info.ipi_spec_dst.s_addr;
    };
    EXPECT_EQ(told(), Addr("10.0.1.1").s_addr);
    EXPECT_EQ(in_ifdel(link_.interface(0), Addr("10.0.1.1")), 0);
    EXPECT_EQ(told(), 0u);
  });
  Run();
}

TEST_F(UdpInputTest, AShortReceiveLosesTheRestAndPeekLeavesAll) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    Get({.data = "0123456789"});
    Get({.data = "next"});
    EXPECT_EQ(Receive(so, MSG_PEEK).data, "0123456789");
    const Datagram got = Receive(so, 0, 4);
    EXPECT_EQ(got.data, "0123");
    EXPECT_NE(got.flags & MSG_TRUNC, 0);
    EXPECT_EQ(got.from, "10.0.1.2:1234");
    EXPECT_EQ(Receive(so).data, "next");
  });
  Run();
}

}  // namespace
}  // namespace sockbed
