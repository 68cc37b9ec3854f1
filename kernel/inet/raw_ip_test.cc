// Raw sockets: spec inet.md 11. Host a is 10.0.1.1, host b 10.0.1.2; of IPv6 2001:db8:1::1, ::2.
#include "kernel/inet/raw_ip.h"

#include <errno.h>

#include <functional>
#include <utility>

#include "kernel/inet/in_options.h"
#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

extern const domain kRawDomain;
constexpr protosw kRawSwitch[] = {
    {SOCK_RAW, &kRawDomain, 0, kRawPrFlags, &rip_usrreqs, rip_ctloutput}};
const domain kRawDomain = {.dom_family = AF_INET, .dom_name = "raw", .dom_protosw = kRawSwitch};
extern const domain kRaw6Domain;
constexpr protosw kRaw6Switch[] = {
    {SOCK_RAW, &kRaw6Domain, 0, kRawPrFlags, &rip_usrreqs, rip6_ctloutput}};
const domain kRaw6Domain = {.dom_family = AF_INET6, .dom_name = "raw6", .dom_protosw = kRaw6Switch};

constexpr uint8_t kUnclaimed = 200;  // a protocol that no host here knows

class RawIpTest : public Inet6TestNet {
 protected:
  RawIpTest()
      : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_, {.latency_ns = kSecond})) {
    for (HostBase* host : {&a_, &b_}) {
      domain_register(*host, &kRawDomain);
      domain_register(*host, &kRaw6Domain);
    }
  }

  // Runs `body` as a process of host a, with all that follows from it.
  void InProcess(std::function<void()> body, ucred cred = {}) {
    HostScope scope(a_);
    bool ended = false;
    proc_spawn({.name = "test",
                .main =
                    [&] {
                      body();
                      for (socket* so : std::exchange(open_, {})) soclose(so);
                      ended = true;
                      return 0;
                    },
                .cred = cred});
    Run();
    EXPECT_TRUE(ended);
  }
  socket* Create(int protocol, int family = AF_INET) {
    socket* so = nullptr;
    EXPECT_EQ(socreate(family, &so, SOCK_RAW, protocol), 0);
    if (so != nullptr) open_.push_back(so);
    return so;
  }
  static MbufPtr Name(const char* address) {
    MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    if (std::strchr(address, ':') != nullptr) {
      in6_sin2nam(Addr6(address), 0, nam.get());
    } else {
      in_sin2nam(Addr(address), 0, nam.get());
    }
    return nam;
  }
  // To that address, or to the peer.
  static int Send(socket* so, std::string bytes, const char* to = nullptr) {
    iovec iov = {bytes.data(), bytes.size()};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = bytes.size(), .uio_rw = UIO_WRITE};
    const MbufPtr nam = to != nullptr ? Name(to) : nullptr;
    return sosend(so, nam.get(), &uio, nullptr, nullptr, 0);
  }
  // What comes next; waits unless told otherwise. Empty: nothing.
  static std::string Receive(socket* so, int flags = 0, in_addr* from = nullptr) {
    std::string space(9000, '\0');
    iovec iov = {space.data(), space.size()};
    uio uio = {.uio_iov = &iov, .uio_iovcnt = 1, .uio_resid = space.size(), .uio_rw = UIO_READ};
    mbuf* nam = nullptr;
    if (soreceive(so, &nam, &uio, nullptr, nullptr, &flags) != 0) return "";
    const MbufPtr owner(nam);
    if (from != nullptr && nam != nullptr) *from = mtod<sockaddr_in>(nam)->sin_addr;
    return space.substr(0, space.size() - uio.uio_resid);
  }
  static bool IsEmpty(socket* so) { return so->so_rcv.sb_cc == 0; }
  static void Pause(SimTime ns) {
    EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", static_cast<uint64_t>(ns)), EWOULDBLOCK);
  }
  template <typename T = int>
  static int SetOption(socket* so, int name, T value, int level = IPPROTO_IP) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return sosetopt(so, level, name, m.release() /*taken*/);
  }
  // An ICMP echo request, checksum and all.
  static std::string Echo(const std::string& payload) {
    std::string bytes(kIcmpHeader, '\0');
    IcmpHeader{.type = ICMP_ECHO, .code = 0, .rest = 0x12340001}.Write(bytes.data(), kIcmpHeader);
    bytes += payload;
    const uint16_t sum = in_cksum_bytes(bytes.data(), bytes.size());
    StoreBe16(reinterpret_cast<uint8_t*>(&bytes[2]), sum);
    return bytes;
  }

  HostBase& a_;
  HostBase& b_;
  Link& link_;
  std::vector<socket*> open_;
};

// --- Making one. ---

TEST_F(RawIpTest, NeedsTheSuperuser) {
  InProcess(
      [] {
        socket* so = nullptr;
        EXPECT_EQ(socreate(AF_INET, &so, SOCK_RAW, IPPROTO_ICMP), EACCES);
      },
      {.cr_uid = 1000});
}

TEST_F(RawIpTest, HasBuffersOf8192AndProtocolsUpTo255) {
  InProcess([this] {
    socket* so = Create(255);
    EXPECT_EQ(so->so_snd.sb_hiwat, 8192u);
    EXPECT_EQ(so->so_rcv.sb_hiwat, 8192u);
    socket* none = nullptr;
    EXPECT_EQ(socreate(AF_INET, &none, SOCK_RAW, 256), EPROTONOSUPPORT);
    EXPECT_EQ(socreate(AF_INET, &none, SOCK_RAW, -1), EPROTONOSUPPORT);
  });
}

// --- Receiving. ---

TEST_F(RawIpTest, PingHearsItsAnswerHeaderIncluded) {
  InProcess([this] {
    socket* so = Create(IPPROTO_ICMP);
    EXPECT_EQ(Send(so, Echo("payload"), "10.0.1.2"), 0);
    in_addr from{};
    const std::string answer = Receive(so, 0, &from);
    EXPECT_EQ(Now(), 2 * kSecond);
    EXPECT_EQ(Text(from), "10.0.1.2");
    const Packet packet = Packet::Of(answer);
    EXPECT_EQ(packet.protocol, IPPROTO_ICMP);
    EXPECT_EQ(Text(packet.dst), "10.0.1.1");
    EXPECT_EQ(packet.payload.substr(kIcmpHeader), "payload");
    EXPECT_EQ(packet.payload[0], ICMP_ECHOREPLY);
    const Ipv4View ip(answer.data(), answer.size());
    EXPECT_EQ(ip.total_length(), answer.size()) << "in network order, as on the wire";
    EXPECT_EQ(in_cksum_bytes(answer.data(), kIpv4HeaderMin), 0) << "sums are there to be seen";
    EXPECT_EQ(in_cksum_bytes(packet.payload.data(), packet.payload.size()), 0);
  });
}

TEST_F(RawIpTest, EachSocketThatWantsAPacketGetsACopy) {
  InProcess([this] {
    socket* every = Create(0);
    socket* mine = Create(kUnclaimed);
    socket* other = Create(kUnclaimed + 1);
    Inject(link_.interface(0), Packet{.src = Addr("10.0.1.2"),
                                      .dst = Addr("10.0.1.1"),
                                      .payload = "data",
                                      .protocol = kUnclaimed}
                                   .Bytes());
    EXPECT_EQ(Packet::Of(Receive(every)).payload, "data");
    EXPECT_EQ(Packet::Of(Receive(mine)).payload, "data");
    EXPECT_TRUE(IsEmpty(other));
    EXPECT_EQ(ipstat_get(a_, ips_noproto), 0u);
  });
}

TEST_F(RawIpTest, BoundAndConnectedOnesAreChoosy) {
  AddAddress(link_.interface(0), "10.0.1.77", 24);
  InProcess([this] {
    socket* bound = Create(kUnclaimed);
    EXPECT_EQ(sobind(bound, Name("10.0.1.77").get(), curproc()), 0);
    socket* connected = Create(kUnclaimed);
    EXPECT_EQ(soconnect(connected, Name("10.0.1.9").get()), 0);
    Packet packet = {.src = Addr("10.0.1.2"), .dst = Addr("10.0.1.1"), .protocol = kUnclaimed};
    packet.payload = "neither";
    Inject(link_.interface(0), packet.Bytes());
    packet.dst = Addr("10.0.1.77");
    packet.payload = "bound";
    Inject(link_.interface(0), packet.Bytes());
    packet.src = Addr("10.0.1.9");
    packet.dst = Addr("10.0.1.1");
    packet.payload = "connected";
    Inject(link_.interface(0), packet.Bytes());
    EXPECT_EQ(Packet::Of(Receive(bound)).payload, "bound");
    EXPECT_EQ(Packet::Of(Receive(connected)).payload, "connected");
    EXPECT_TRUE(IsEmpty(bound));
    EXPECT_TRUE(IsEmpty(connected));
  });
}

TEST_F(RawIpTest, WhatAHandlerTakesPassesThemByExceptIcmp) {
  InProcess([this] {
    socket* every = Create(0);
    Packet packet = {.src = Addr("10.0.1.2"), .dst = Addr("10.0.1.1"), .payload = "x"};
    Inject(link_.interface(0), packet.Bytes());  // the test's own protocol, as TCP and UDP
    EXPECT_EQ(Packets(a_).size(), 1u);
    EXPECT_TRUE(IsEmpty(every));
    packet.protocol = IPPROTO_ICMP;
    packet.payload = Echo("?");
    Inject(link_.interface(0), packet.Bytes());
    EXPECT_FALSE(IsEmpty(every)) << "and the kernel answers all the same";
    packet.payload[3] ^= 1;
    (void)Receive(every);
    Inject(link_.interface(0), packet.Bytes());
    EXPECT_TRUE(IsEmpty(every)) << "bad checksum";
  });
  EXPECT_EQ(link_.counters(0).packets, 1u);
}

TEST_F(RawIpTest, WithoutAReceiverTheProtocolIsUnreachable) {
  const Packet packet = {.src = Addr("10.0.1.2"),
                         .dst = Addr("10.0.1.1"),
                         .payload = "12345678",
                         .protocol = kUnclaimed};
  Inject(link_.interface(0), packet.Bytes());
  EXPECT_EQ(ipstat_get(a_, ips_noproto), 1u);
  EXPECT_EQ(link_.counters(0).packets, 1u) << "which is said";
}

// No host has tunnels; what comes by one is of less use to a raw socket than another protocol.
TEST_F(RawIpTest, WhatATunnelSendsIsDroppedOrTheirs) {
  struct Row {
    int64_t profile;
    uint8_t protocol;
    bool raw, told;
  };
  for (const Row& row : {Row{0, IPPROTO_IPIP, false, false}, Row{0, IPPROTO_IPV6, false, false},
                         Row{0, IPPROTO_GRE, true, true}, Row{1, IPPROTO_IPIP, true, false},
                         Row{1, IPPROTO_IPV6, true, false}, Row{1, IPPROTO_GRE, true, false},
                         Row{1, kUnclaimed, true, true}}) {
    SCOPED_TRACE(testing::Message() << row.profile << ", protocol " << int{row.protocol});
    Set(a_, "net.inet.ip.profile", row.profile);
    const Packet packet = {.src = Addr("10.0.1.2"),
                           .dst = Addr("10.0.1.1"),
                           .payload = "12345678",
                           .protocol = row.protocol};
    const uint64_t sent = link_.counters(0).packets;
    const uint64_t dropped = ipstat_get(a_, ips_notunnel);
    Inject(link_.interface(0), packet.Bytes());
    EXPECT_EQ(link_.counters(0).packets - sent, row.told ? 1u : 0u);
    EXPECT_EQ(ipstat_get(a_, ips_notunnel) - dropped, row.told ? 0u : 1u);
    InProcess([&] {
      socket* so = Create(row.protocol);
      Inject(link_.interface(0), packet.Bytes());
      EXPECT_EQ(!IsEmpty(so), row.raw);
    });
    Run();
  }
}

TEST_F(RawIpTest, FullSocketLosesItsCopy) {
  InProcess([this] {
    socket* so = Create(kUnclaimed);
    const Packet packet = {.src = Addr("10.0.1.2"),
                           .dst = Addr("10.0.1.1"),
                           .payload = std::string(3000, 'x'),
                           .protocol = kUnclaimed};
    for (int i = 0; i < 3; ++i) Inject(link_.interface(0), packet.Bytes());
    EXPECT_EQ(SetOption(so, IP_MINTTL, 65), 0);
    Inject(link_.interface(0), packet.Bytes());
  });
  ExpectDrops(a_, ips_rawdropped, 2);
}

// --- Sending. ---

TEST_F(RawIpTest, KernelMakesTheHeaderOfTheSocketsOptions) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    EXPECT_EQ(SetOption(so, IP_TTL, 7), 0);
    EXPECT_EQ(SetOption(so, IP_TOS, 0x10), 0);
    EXPECT_EQ(Send(so, "data", "10.0.1.2"), 0);
  });
  ASSERT_EQ(Packets(b_).size(), 1u);
  const Packet& packet = Packets(b_)[0];
  EXPECT_EQ(packet.ttl, 7);
  EXPECT_EQ(packet.tos, 0x10);
  EXPECT_EQ(Text(packet.src), "10.0.1.1");
  EXPECT_EQ(packet.payload, "data");
  EXPECT_NE(packet.id, 0);
}

TEST_F(RawIpTest, OwnHeaderIsCheckedAndCompleted) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    EXPECT_EQ(SetOption(so, IP_HDRINCL, 1), 0);
    std::string bytes =
        Packet{.dst = Addr("10.0.1.2"), .payload = "own", .ttl = 9, .tos = 4}.Bytes();
    EXPECT_EQ(Send(so, bytes, "10.0.1.2"), 0);
    EXPECT_EQ(Send(so, bytes + "longer than it says", "10.0.1.2"), EINVAL);
    EXPECT_EQ(Send(so, bytes.substr(0, 19), "10.0.1.2"), EINVAL);
    bytes[0] = 0x44;
    EXPECT_EQ(Send(so, bytes, "10.0.1.2"), EINVAL) << "a header of 16 bytes";
    bytes[0] = 0x4f;
    EXPECT_EQ(Send(so, bytes, "10.0.1.2"), EINVAL) << "a header longer than the packet";
  });
  ASSERT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Text(Packets(b_)[0].src), "10.0.1.1") << "filled in";
  EXPECT_NE(Packets(b_)[0].id, 0) << "likewise";
  EXPECT_EQ(Packets(b_)[0].ttl, 9);
}

TEST_F(RawIpTest, LargePacketsAreFragmentedUnlessTheyMayNot) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    EXPECT_EQ(Send(so, std::string(4000, 'x'), "10.0.1.2"), 0);
    EXPECT_EQ(Send(so, std::string(8193, 'x'), "10.0.1.2"), EMSGSIZE) << "so_snd";
    EXPECT_EQ(SetOption(so, kIpDontFrag, 1), 0);
    EXPECT_EQ(Send(so, std::string(4000, 'x'), "10.0.1.2"), EMSGSIZE);
  });
  ASSERT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Packets(b_)[0].payload.size(), 4000u);
}

TEST_F(RawIpTest, ConnectFixesThePeer) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    const int unconnected = Send(so, "x");
    EXPECT_TRUE(unconnected == ENOTCONN || unconnected == EDESTADDRREQ);
    EXPECT_EQ(soconnect(so, Name("10.0.1.2").get()), 0);
    EXPECT_EQ(Send(so, "to the peer"), 0);
    EXPECT_EQ(Send(so, "x", "10.0.1.2"), EISCONN);
    const MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    EXPECT_EQ(so->so_proto->pr_usrreqs->pru_peeraddr(so, nam.get()), 0);
    EXPECT_EQ(Text(mtod<sockaddr_in>(nam.get())->sin_addr), "10.0.1.2");
    EXPECT_EQ(sodisconnect(so), 0);
    EXPECT_EQ(sodisconnect(so), ENOTCONN);
  });
  EXPECT_EQ(Packets(b_).size(), 1u);
}

TEST_F(RawIpTest, BindTakesOwnAddressesOnlyAndSendsFromThere) {
  AddAddress(link_.interface(0), "10.0.1.77", 24);
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    EXPECT_EQ(sobind(so, Name("10.0.1.2").get(), curproc()), EADDRNOTAVAIL);
    EXPECT_EQ(sobind(so, Name("10.0.1.77").get(), curproc()), 0);
    EXPECT_EQ(Send(so, "x", "10.0.1.2"), 0);
  });
  ASSERT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Text(Packets(b_)[0].src), "10.0.1.77");
}

TEST_F(RawIpTest, BoundToWhatIsForManyItSpeaksFromItsOwnAddress) {
  InProcess([this] {
    for (const char* many : {"224.0.0.9", "255.255.255.255"}) {
      socket* so = Create(kTestProtocol);
      EXPECT_EQ(sobind(so, Name(many).get(), curproc()), 0) << many;
      EXPECT_EQ(Send(so, "x", "10.0.1.2"), 0) << many;
    }
  });
  ASSERT_EQ(Packets(b_).size(), 2u);
  for (const Packet& packet : Packets(b_)) EXPECT_EQ(Text(packet.src), "10.0.1.1");
}

TEST_F(RawIpTest, BindTakesAnyAddressIfItMay) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    so->so_options |= kSoBindAny;
    EXPECT_EQ(sobind(so, Name("10.9.9.9").get(), curproc()), 0);
    socket* six = Create(kTestProtocol, AF_INET6);
    six->so_options |= kSoBindAny;
    EXPECT_EQ(sobind(six, Name("2001:db8:9::9").get(), curproc()), 0);
  });
}

TEST_F(RawIpTest, BroadcastNeedsPermission) {
  InProcess([this] {
    socket* so = Create(kTestProtocol);
    EXPECT_EQ(Send(so, "x", "255.255.255.255"), EHOSTUNREACH) << "no route leads there";
  });
}

// --- IPv6. ---

class RawIp6Test : public RawIpTest {
 protected:
  static std::string WithChecksum(std::string payload, uint8_t protocol, size_t at, const char* src,
                                  const char* dst) {
    const uint64_t sum =
        in6_pseudo_sum(Addr6(src), Addr6(dst), protocol, static_cast<int>(payload.size()));
    const uint16_t value = in_cksum_finish(in_cksum_add(sum, payload.data(), payload.size()));
    StoreBe16(reinterpret_cast<uint8_t*>(&payload[at]), value);
    return payload;
  }
  void SetFlags(const char* address, int flags) {
    HostScope scope(a_);
    in6_ifawithaddr(Addr6(address))->ia6_flags = flags;
  }
};

TEST_F(RawIp6Test, APacketWhoseChecksumIsWrongIsKeptBackFromWhoAsksForOne) {
  constexpr char kPeer[] = "2001:db8:1::2", kOwn[] = "2001:db8:1::1";
  InProcess([&] {
    socket* checks = Create(kUnclaimed, AF_INET6);
    EXPECT_EQ(SetOption(checks, IPV6_CHECKSUM, 2, IPPROTO_IPV6), 0);
    Packet6 packet = {.src = Addr6(kPeer), .dst = Addr6(kOwn), .next = kUnclaimed};
    packet.payload = std::string("\0\0\0\0wrong", 9);
    Inject6(link_.interface(0), packet.Bytes());
    EXPECT_TRUE(IsEmpty(checks));
    packet.payload = WithChecksum(std::string("\0\0\0\0right", 9), kUnclaimed, 2, kPeer, kOwn);
    Inject6(link_.interface(0), packet.Bytes());
    EXPECT_EQ(Receive(checks), packet.payload);
    EXPECT_TRUE(IsEmpty(checks));
    socket* trusts = Create(kUnclaimed, AF_INET6);
    packet.payload[4] = 'R';
    Inject6(link_.interface(0), packet.Bytes());
    EXPECT_EQ(Receive(trusts), packet.payload);
    EXPECT_TRUE(IsEmpty(checks));
  });
  ExpectDrops6(a_, ip6s_rawbadsum, 2);
  EXPECT_EQ(ip6stat_get(a_, ip6s_noproto), 0u) << "the sender is told nothing";
}

TEST_F(RawIp6Test, AnAddressThatIsNotReadyOrNotItsAloneIsNotSpokenFrom) {
  AddAddress6(link_.interface(0), "2001:db8:1::77", 64);
  InProcess([this] {
    socket* so = Create(kTestProtocol, AF_INET6);
    socket* sticky = Create(kTestProtocol, AF_INET6);
    const in6_pktinfo info = {.ipi6_addr = Addr6("2001:db8:1::77"), .ipi6_ifindex = 0};
    EXPECT_EQ(SetOption(sticky, IPV6_PKTINFO, info, IPPROTO_IPV6), 0);
    for (const int flag :
         {IN6_IFF_TENTATIVE, IN6_IFF_DUPLICATED, IN6_IFF_ANYCAST, IN6_IFF_DETACHED}) {
      SetFlags("2001:db8:1::77", flag);
      EXPECT_EQ(sobind(so, Name("2001:db8:1::77").get(), curproc()), EADDRNOTAVAIL) << flag;
      EXPECT_EQ(Send(sticky, "x", "2001:db8:1::2"), EADDRNOTAVAIL) << flag;
    }
    EXPECT_EQ(sobind(so, Name("fe80::1").get(), curproc()), EINVAL) << "of no link";
    SetFlags("2001:db8:1::77", 0);
    EXPECT_EQ(sobind(so, Name("2001:db8:1::77").get(), curproc()), 0);
    EXPECT_EQ(Send(so, "x", "2001:db8:1::2"), 0);
    EXPECT_EQ(Send(sticky, "x", "2001:db8:1::2"), 0);
    socket* group = Create(kTestProtocol, AF_INET6);
    EXPECT_EQ(sobind(group, Name("ff0e::9").get(), curproc()), 0);
    EXPECT_EQ(Send(group, "x", "2001:db8:1::2"), 0);
  });
  ASSERT_EQ(Packets6(b_).size(), 3u);
  EXPECT_EQ(in6_text(Packets6(b_)[0].src), "2001:db8:1::77");
  EXPECT_EQ(in6_text(Packets6(b_)[1].src), "2001:db8:1::77");
  EXPECT_EQ(in6_text(Packets6(b_)[2].src), "2001:db8:1::1") << "a group says nothing itself";
}

TEST_F(RawIp6Test, HopLimitIsThatOfTheLinkUnlessTheSocketHasOne) {
  std::string advert(kNdRouterAdvert, '\0');
  advert[0] = static_cast<char>(ND_ROUTER_ADVERT);
  advert[4] = 33;
  Set(a_, "net.inet6.ip6.autoconf", 1);
  Inject6(link_.interface(0),
          Packet6{.src = Addr6("fe80::9"),
                  .dst = Addr6("ff02::1"),
                  .payload = WithChecksum(advert, IPPROTO_ICMPV6, 2, "fe80::9", "ff02::1"),
                  .next = IPPROTO_ICMPV6,
                  .hops = 255}
              .Bytes());
  InProcess([this] {
    socket* so = Create(kTestProtocol, AF_INET6);
    EXPECT_EQ(sobind(so, Name("2001:db8:1::1").get(), curproc()), 0);
    EXPECT_EQ(Send(so, "x", "2001:db8:1::2"), 0);
    AddRoute6(a_, "2001:db8:77::", 64, "2001:db8:1::2");
    EXPECT_EQ(Send(so, "x", "2001:db8:1::2"), 0) << "whatever becomes of the routes";
    EXPECT_EQ(SetOption(so, IPV6_UNICAST_HOPS, 7, IPPROTO_IPV6), 0);
    EXPECT_EQ(Send(so, "x", "2001:db8:1::2"), 0);
  });
  ASSERT_EQ(Packets6(b_).size(), 3u);
  EXPECT_EQ(Packets6(b_)[0].hops, 33);
  EXPECT_EQ(Packets6(b_)[1].hops, 33);
  EXPECT_EQ(Packets6(b_)[2].hops, 7);
}

}  // namespace
}  // namespace sockbed
