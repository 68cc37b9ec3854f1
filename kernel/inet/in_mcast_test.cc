// Multicast groups: spec inet.md 13 and rows 9 to 13 of 12.1; ip_output's row 7; the way in.
#include "kernel/inet/in_mcast.h"

#include <errno.h>

#include "kernel/inet/in_options.h"
#include "kernel/inet/pcb_test_net.h"
#include "kernel/net/if_ether.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

constexpr char kGroup[] = "239.1.2.3";
constexpr char kOther[] = "239.1.2.4";

// Host a has link1 (10.0.1.1), link2 (10.0.2.1) and, on Ethernet, link3 (10.0.3.1).
class MulticastTest : public PcbTestNet {
 protected:
  MulticastTest() : ether_(Join(a_, b_, {.ethernet = true})) { Run(); }

  static int SetBytes(socket* so, int optname, const void* value, size_t size) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, value, size);
    m->m_len = static_cast<int>(size);
    return ip_ctloutput(PRCO_SETOPT, so, IPPROTO_IP, optname, m.get());
  }
  template <typename T>
  static int Set(socket* so, int optname, const T& value) {
    return SetBytes(so, optname, &value, sizeof value);
  }
  // The value, or minus the error.
  static int64_t Get(socket* so, int optname) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    if (const int error = ip_ctloutput(PRCO_GETOPT, so, IPPROTO_IP, optname, m.get())) {
      return -error;
    }
    EXPECT_EQ(m->m_len, 4);
    uint32_t value;
    std::memcpy(&value, m->m_data, sizeof value);
    return value;
  }
  static int Member(socket* so, int optname, const char* group, const char* interface) {
    return Set(so, optname, ip_mreq{Addr(group), Addr(interface)});
  }
  static int Join4(socket* so, const char* group, const char* interface = "10.0.1.1") {
    return Member(so, IP_ADD_MEMBERSHIP, group, interface);
  }
  static int Leave4(socket* so, const char* group, const char* interface = "10.0.1.1") {
    return Member(so, IP_DROP_MEMBERSHIP, group, interface);
  }
  ifnet* Interface(const char* name) { return if_byname(a_, name); }
  bool Listens(const char* interface, const char* group) {
    HostScope scope(a_);
    return in_hasmulti(Interface(interface), Addr(group)) != nullptr;
  }
  bool LinkListens(const char* group) {
    const ether_addr address = ether_multicast4(in_host(Addr(group)));
    for (const ether_multi& multi : Interface("link3")->if_multiaddrs) {
      if (multi.address == address) return true;
    }
    return false;
  }
  static Packet To(const char* dst, uint8_t ttl = 64) {
    return {.dst = Addr(dst), .payload = "to all", .ttl = ttl};
  }
  // Lets what is on its way to this host arrive.
  static void Pause() { EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", kSecond), EWOULDBLOCK); }
  // Sends on host a with the options of `so`.
  int OutputOf(socket* so, const Packet& packet, int flags = 0) {
    const std::string bytes = packet.Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    return ip_output(std::move(m), nullptr, nullptr, flags, sotoinpcb(so)->inp_moptions, nullptr);
  }

  Link& ether_;
};

// --- 13: joining and leaving. ---

TEST_F(MulticastTest, SocketsJoinAndLeaveAndTheInterfaceCountsThem) {
  InProcess([&] {
    socket* one = Create(SOCK_DGRAM);
    socket* two = Create(SOCK_DGRAM);
    EXPECT_FALSE(Listens("link1", kGroup));
    EXPECT_EQ(Join4(one, kGroup), 0);
    EXPECT_EQ(Join4(two, kGroup), 0);
    EXPECT_TRUE(Listens("link1", kGroup));
    EXPECT_FALSE(Listens("link2", kGroup));
    EXPECT_EQ(Live(a_, "IPv4 membership"), 2);
    EXPECT_EQ(Leave4(one, kGroup), 0);
    EXPECT_TRUE(Listens("link1", kGroup));
    EXPECT_EQ(Leave4(two, kGroup), 0);
    EXPECT_FALSE(Listens("link1", kGroup));
    EXPECT_EQ(sotoinpcb(two)->inp_moptions, nullptr) << "nothing left to remember";
  });
  EXPECT_EQ(Live(a_, "IPv4 membership"), 0);
}

TEST_F(MulticastTest, ClosingLeavesEveryGroup) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    for (int i = 1; i <= 40; ++i) {
      EXPECT_EQ(Join4(so, ("239.1.1." + std::to_string(i)).c_str()), 0);
    }
  });
  EXPECT_EQ(Live(a_, "IPv4 membership"), 0);
  EXPECT_FALSE(Listens("link1", "239.1.1.1"));
  EXPECT_FALSE(Listens("link1", "239.1.1.40"));
}

TEST_F(MulticastTest, InterfaceIsNamedByIndexByAddressOrByRoute) {
  AddRoute(a_, "239.0.0.0", 8, "10.0.2.2");
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    const int index = static_cast<int>(Interface("link1")->if_index);
    EXPECT_EQ(Set(so, IP_ADD_MEMBERSHIP, ip_mreqn{Addr(kGroup), Addr("10.0.2.1"), index}), 0);
    EXPECT_TRUE(Listens("link1", kGroup)) << "the index counts";
    EXPECT_EQ(Set(so, IP_ADD_MEMBERSHIP, ip_mreqn{Addr(kOther), Addr("10.0.1.1"), 0}), 0);
    EXPECT_TRUE(Listens("link1", kOther));
    EXPECT_EQ(Join4(so, kGroup, "0.0.0.0"), 0);
    EXPECT_TRUE(Listens("link2", kGroup));
    EXPECT_EQ(Leave4(so, kGroup, "0.0.0.0"), 0);
    EXPECT_FALSE(Listens("link1", kGroup)) << "the first one joined goes first";
    EXPECT_TRUE(Listens("link2", kGroup));
    EXPECT_EQ(Set(so, IP_DROP_MEMBERSHIP, ip_mreqn{Addr(kOther), {}, index}), 0);
    EXPECT_FALSE(Listens("link1", kOther));
  });
}

TEST_F(MulticastTest, JoinIsRefusedWithItsReason) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Join4(so, "10.0.1.2"), EINVAL);
    EXPECT_EQ(Join4(so, kGroup, "10.9.9.9"), EADDRNOTAVAIL);
    EXPECT_EQ(Join4(so, kGroup, "0.0.0.0"), EADDRNOTAVAIL) << "no route";
    EXPECT_EQ(Set(so, IP_ADD_MEMBERSHIP, ip_mreqn{Addr(kGroup), {}, 99}), EADDRNOTAVAIL);
    EXPECT_EQ(Set(so, IP_ADD_MEMBERSHIP, ip_mreqn{Addr(kGroup), {}, -1}), EINVAL);
    EXPECT_EQ(Set(so, IP_ADD_MEMBERSHIP, Addr(kGroup)), EINVAL);
    EXPECT_EQ(SetBytes(so, IP_ADD_MEMBERSHIP, "", 0), EINVAL);
    Interface("link2")->if_flags &= ~IFF_MULTICAST;
    EXPECT_EQ(Join4(so, kGroup, "10.0.2.1"), EADDRNOTAVAIL);
    EXPECT_EQ(Join4(so, kGroup), 0);
    EXPECT_EQ(Join4(so, kGroup), EADDRINUSE);
    EXPECT_EQ(Leave4(so, "10.0.1.2"), EINVAL);
    EXPECT_EQ(Leave4(so, kOther), EADDRNOTAVAIL);
    EXPECT_EQ(Leave4(so, kGroup, "10.0.3.1"), EADDRNOTAVAIL);
    EXPECT_EQ(Leave4(so, kGroup, "10.9.9.9"), EADDRNOTAVAIL);
    EXPECT_EQ(Get(so, IP_ADD_MEMBERSHIP), -ENOPROTOOPT);
    EXPECT_EQ(Join4(Create(SOCK_STREAM), kGroup), ENOPROTOOPT);
  });
}

TEST_F(MulticastTest, SocketJoins4095GroupsAndNoMore) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    for (size_t i = 0; i < kMembershipsMax; ++i) {
      const in_addr group = {htonl(0xef01'0000u + static_cast<uint32_t>(i))};
      ASSERT_EQ(Set(so, IP_ADD_MEMBERSHIP, ip_mreq{group, Addr("127.0.0.1")}), 0) << i;
    }
    EXPECT_EQ(Join4(so, "239.200.0.1"), ETOOMANYREFS);
  });
}

TEST_F(MulticastTest, WithoutMemoryNothingIsJoined) {
  // The first of these allocations is the pcb's.
  for (const uint64_t nth : {2, 3}) {
    fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = nth}});
    Boot({.seed = 1, .fault_plan = &plan});
    HostBase& host = AddHost("host");
    BootPcbs(host);
    InProcessOf(host, [&] {
      socket* so = Create(SOCK_DGRAM);
      EXPECT_EQ(Join4(so, kGroup, "127.0.0.1"), ENOBUFS) << nth;
      EXPECT_EQ(sotoinpcb(so)->inp_moptions, nullptr);
      EXPECT_EQ(in_hasmulti(if_loopback(host), Addr(kGroup)), nullptr);
      EXPECT_EQ(Join4(so, kGroup, "127.0.0.1"), 0);
    });
    Boot({.seed = 1});
  }
}

TEST_F(MulticastTest, LinkFilterFollowsTheGroups) {
  EXPECT_TRUE(LinkListens("224.0.0.1"));
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Join4(so, kGroup, "10.0.3.1"), 0);
    EXPECT_TRUE(LinkListens(kGroup));
    EXPECT_EQ(Join4(so, "239.129.2.3", "10.0.3.1"), 0) << "the same address on the link";
    EXPECT_EQ(Leave4(so, kGroup, "10.0.3.1"), 0);
    EXPECT_TRUE(LinkListens(kGroup));
  });
  EXPECT_FALSE(LinkListens(kGroup));
}

TEST_F(MulticastTest, EveryInterfaceWithAnAddressIsInTheGroupOfAllHosts) {
  for (const char* name : {"lo0", "link1", "link3"}) {
    EXPECT_TRUE(Listens(name, "224.0.0.1")) << name;
  }
  HostScope scope(a_);
  EXPECT_EQ(in_ifadd(Interface("link3"), Addr("10.0.3.77"), 24), 0);
  EXPECT_EQ(in_ifdel(Interface("link3"), Addr("10.0.3.1")), 0);
  EXPECT_TRUE(Listens("link3", "224.0.0.1"));
  EXPECT_EQ(in_ifdel(Interface("link3"), Addr("10.0.3.77")), 0);
  EXPECT_FALSE(Listens("link3", "224.0.0.1"));
  EXPECT_FALSE(LinkListens("224.0.0.1"));
}

// --- 12.1: IP_MULTICAST_IF, _TTL, _LOOP. ---

TEST_F(MulticastTest, TtlAndLoopAreBytesOrInts) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Get(so, IP_MULTICAST_TTL), 1);
    EXPECT_EQ(Get(so, IP_MULTICAST_LOOP), 1);
    for (const int value : {0, 1, 200, 255}) {
      EXPECT_EQ(Set(so, IP_MULTICAST_TTL, value), 0);
      EXPECT_EQ(Get(so, IP_MULTICAST_TTL), value);
    }
    EXPECT_EQ(Set(so, IP_MULTICAST_TTL, uint8_t{33}), 0);
    EXPECT_EQ(Get(so, IP_MULTICAST_TTL), 33);
    EXPECT_EQ(Set(so, IP_MULTICAST_LOOP, uint8_t{0}), 0);
    EXPECT_EQ(Get(so, IP_MULTICAST_LOOP), 0);
    for (const int bad : {-1, 256}) EXPECT_EQ(Set(so, IP_MULTICAST_TTL, bad), EINVAL);
    for (const int bad : {-1, 2}) EXPECT_EQ(Set(so, IP_MULTICAST_LOOP, bad), EINVAL);
    EXPECT_EQ(Set(so, IP_MULTICAST_TTL, uint16_t{1}), EINVAL);
    EXPECT_EQ(SetBytes(so, IP_MULTICAST_LOOP, "", 0), EINVAL);
    EXPECT_EQ(Get(so, IP_MULTICAST_TTL), 33) << "what was refused changes nothing";
  });
}

TEST_F(MulticastTest, InterfaceIsChosenByAddressOrIndex) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Get(so, IP_MULTICAST_IF), 0);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("10.0.2.1")), 0);
    EXPECT_EQ(Get(so, IP_MULTICAST_IF), Addr("10.0.2.1").s_addr);
    const int index = static_cast<int>(Interface("link1")->if_index);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, ip_mreqn{{}, {}, index}), 0);
    EXPECT_EQ(Get(so, IP_MULTICAST_IF), Addr("10.0.1.1").s_addr);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("10.9.9.9")), EADDRNOTAVAIL);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, ip_mreq{}), EINVAL);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("0.0.0.0")), 0);
    EXPECT_EQ(Get(so, IP_MULTICAST_IF), 0);
  });
}

// --- Row 7 of ip_output. ---

TEST_F(MulticastTest, GoesOutByTheChosenInterfaceOrTheRoute) {
  EXPECT_EQ(Output(a_, To(kGroup)), ENETUNREACH);
  ExpectDrops(a_, ips_noroute, 1);
  AddRoute(a_, "0.0.0.0", 0, "10.0.2.2");
  EXPECT_EQ(Output(a_, To(kGroup)), 0);
  EXPECT_EQ(Interface("link2")->if_counters.ifi_omcasts, 1u);
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("10.0.1.1")), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup)), 0);
    EXPECT_EQ(Interface("link1")->if_counters.ifi_omcasts, 1u);
    EXPECT_EQ(OutputOf(so, To("10.0.2.2")), 0) << "unicast takes its route";
    EXPECT_EQ(Interface("link2")->if_counters.ifi_opackets, 2u);
    Interface("link1")->if_flags &= ~IFF_MULTICAST;
    EXPECT_EQ(OutputOf(so, To(kGroup)), ENETUNREACH);
  });
}

TEST_F(MulticastTest, LimitedBroadcastGoesOutByTheChosenInterfaceToo) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(OutputOf(so, To("255.255.255.255"), IP_ALLOWBROADCAST), EHOSTUNREACH);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("10.0.3.1")), 0);
    EXPECT_EQ(OutputOf(so, To("255.255.255.255")), EACCES);
    EXPECT_EQ(OutputOf(so, To("255.255.255.255"), IP_ALLOWBROADCAST), 0);
  });
  ASSERT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Text(Packets(b_)[0].src), "10.0.3.1");
}

TEST_F(MulticastTest, MembersHereGetACopyUnlessTheSenderForbidsIt) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("10.0.1.1")), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup)), 0);
    EXPECT_EQ(Join4(so, kGroup), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup)), 0);
    EXPECT_EQ(Packets(a_).size(), 0u) << "not by recursion";
    EXPECT_EQ(Set(so, IP_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup)), 0);
    Pause();
  });
  ASSERT_EQ(Packets(a_).size(), 1u);
  EXPECT_EQ(Packets(a_)[0].payload, "to all");
  EXPECT_EQ(Packets(a_)[0].mbuf_flags & (M_MCAST | M_LOOP), M_MCAST | M_LOOP);
  EXPECT_EQ(Packets(a_)[0].ttl, 1);
  EXPECT_EQ(Text(Packets(a_)[0].src), "10.0.1.1");
}

TEST_F(MulticastTest, TtlIsOneUnlessSetAndZeroStaysHere) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  BootPcbs(host);
  lan.sent.clear();
  InProcessOf(host, [&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(so, IP_MULTICAST_IF, Addr("192.168.1.1")), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup, 99)), 0);
    EXPECT_EQ(Set(so, IP_MULTICAST_TTL, 7), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup, 99)), 0);
    EXPECT_EQ(OutputOf(so, To(kGroup, 99), IP_RAWOUTPUT), 0) << "a final header is left alone";
    EXPECT_EQ(Set(so, IP_MULTICAST_TTL, 0), 0);
    EXPECT_EQ(OutputOf(so, To("224.0.0.1", 99)), 0);
    Pause();
  });
  ASSERT_EQ(lan.sent.size(), 3u);
  EXPECT_EQ(lan.sent[0].ttl, 1);
  EXPECT_EQ(lan.sent[1].ttl, 7);
  EXPECT_EQ(lan.sent[2].ttl, 99);
  ExpectDrops(host, ips_mcastlocal, 1);
  EXPECT_EQ(Packets(host).size(), 1u) << "of all hosts, this one is one";
}

// --- The way in. ---

TEST_F(MulticastTest, OnlyMembersOfTheInterfaceTakeIt) {
  const Packet packet = {.src = Addr("10.0.1.2"), .dst = Addr(kGroup), .payload = "x"};
  HostScope scope(a_);
  in_multi* inm = in_addmulti(Addr(kGroup), Interface("link1"));
  Inject(Interface("link1"), packet.Bytes());
  ASSERT_EQ(Packets(a_).size(), 1u);
  EXPECT_NE(Packets(a_)[0].mbuf_flags & M_MCAST, 0);
  Inject(Interface("link2"), packet.Bytes());
  ExpectDrops(a_, ips_notmember, 1);
  in_delmulti(inm);
  Inject(Interface("link1"), packet.Bytes());
  ExpectDrops(a_, ips_notmember, 2);
  EXPECT_EQ(Packets(a_).size(), 1u);
}

TEST_F(MulticastTest, RouterForwardsNone) {
  PcbTestNet::Set(a_, "net.inet.ip.forwarding", 1);
  AddRoute(a_, "239.0.0.0", 8, "10.0.2.2");
  Inject(Interface("link1"), Packet{.src = Addr("10.0.1.2"), .dst = Addr(kGroup)}.Bytes());
  ExpectDrops(a_, ips_notmember, 1);
  EXPECT_EQ(Packets(b_).size(), 0u);
}

TEST_F(MulticastTest, FramesOfOtherGroupsStopAtTheLink) {
  const auto send = [&](const char* group) {
    HostScope scope(b_);
    const Packet packet = To(group);
    const std::string bytes = packet.Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    ip_moptions imo;
    imo.imo_ifidx = ether_.interface(1)->if_index;
    EXPECT_EQ(ip_output(std::move(m), nullptr, nullptr, 0, &imo, nullptr), 0);
    RunFor(0);
  };
  HostScope scope(a_);
  in_multi* inm = in_addmulti(Addr(kGroup), Interface("link3"));
  const uint64_t before = Interface("link3")->if_counters.ifi_imcasts;
  send(kGroup);
  EXPECT_EQ(Packets(a_).size(), 1u);
  EXPECT_EQ(Interface("link3")->if_counters.ifi_imcasts, before + 1);
  const uint64_t unwanted = Interface("link3")->if_counters.ifi_notours;
  send(kOther);
  EXPECT_EQ(Interface("link3")->if_counters.ifi_notours, unwanted + 1);
  send("239.129.2.3");  // the same address on the link: the network layer tells them apart
  ExpectDrops(a_, ips_notmember, 1);
  in_delmulti(inm);
}

}  // namespace
}  // namespace sockbed
