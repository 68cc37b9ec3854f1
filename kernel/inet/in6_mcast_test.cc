// Multicast groups of IPv6: spec inet.md 13 and the rows of 12.2; the way out.
#include "kernel/inet/in6_mcast.h"

#include <errno.h>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/pcb_test_net.h"
#include "kernel/net/if_ether.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

constexpr char kGroup[] = "ff05::db8:1";

// Host a has link1, link2 and, on Ethernet, link3; only the last has an IPv6 address beside.
class Multicast6Test : public PcbTestNet {
 protected:
  Multicast6Test() : ether_(Join(a_, b_, {.ethernet = true})) {
    for (int end = 0; end < 2; ++end) {
      HostScope scope(*ether_.interface(end)->if_host);
      EXPECT_EQ(in6_ifattach(ether_.interface(end)), 0);
    }
    Run();
  }

  template <typename T>
  static int Set(socket* so, int optname, const T& value) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return ip6_setmoptions(optname, sotoinpcb(so), m.get());
  }
  static int Get(socket* so, int optname) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    if (const int error = ip6_getmoptions(optname, sotoinpcb(so), m.get())) return -error;
    int value;
    std::memcpy(&value, m->m_data, sizeof value);
    return value;
  }
  int Enter(socket* so, const char* group, const char* interface = "link3") {
    return Set(so, IPV6_JOIN_GROUP, ipv6_mreq{Addr6(group), Index(interface)});
  }
  int Leave(socket* so, const char* group, uint32_t interface) {
    return Set(so, IPV6_LEAVE_GROUP, ipv6_mreq{Addr6(group), interface});
  }
  uint32_t Index(const char* interface) { return if_byname(a_, interface)->if_index; }
  bool Listens(const char* interface, const std::string& group) {
    HostScope scope(a_);
    return in6_hasmulti(if_byname(a_, interface), Addr6(group)) != nullptr;
  }
  bool LinkListens(const char* group) {
    const ether_addr address = ether_multicast6(Addr6(group).s6_addr);
    for (const ether_multi& multi : if_byname(a_, "link3")->if_multiaddrs) {
      if (multi.address == address) return true;
    }
    return false;
  }
  int Output(socket* so, const char* dst) {
    const std::string bytes = Packet6{.dst = Addr6(dst), .payload = "to all"}.Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    return ip6_output(std::move(m), nullptr, nullptr, 0, sotoinpcb(so)->inp_moptions6, nullptr);
  }

  Link& ether_;
};

TEST_F(Multicast6Test, JoiningAndLeavingAreCountedAndReachTheLink) {
  InProcess([&] {
    socket* one = Create(SOCK_DGRAM);
    socket* two = Create(SOCK_DGRAM);
    EXPECT_EQ(Enter(one, kGroup), 0);
    EXPECT_EQ(Enter(two, kGroup), 0);
    EXPECT_TRUE(Listens("link3", kGroup));
    EXPECT_TRUE(LinkListens(kGroup));
    EXPECT_FALSE(Listens("link1", kGroup));
    EXPECT_EQ(Leave(one, kGroup, Index("link3")), 0);
    EXPECT_TRUE(LinkListens(kGroup));
    EXPECT_EQ(Leave(two, kGroup, 0), 0);
    EXPECT_FALSE(LinkListens(kGroup));
    EXPECT_EQ(sotoinpcb(two)->inp_moptions6, nullptr);
    EXPECT_EQ(Enter(one, "ff02::9"), 0);
    EXPECT_TRUE(Listens("link3", "ff02::9%" + std::to_string(Index("link3"))));
  });
  EXPECT_FALSE(LinkListens("ff02::9")) << "closing leaves";
  EXPECT_EQ(Live(a_, "IPv6 membership"), 0);
}

TEST_F(Multicast6Test, JoinAndLeaveAreRefusedWithTheirReasons) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Enter(so, "2001:db8::1"), EINVAL);
    EXPECT_EQ(Set(so, IPV6_JOIN_GROUP, ipv6_mreq{Addr6(kGroup), 99}), EADDRNOTAVAIL);
    EXPECT_EQ(Set(so, IPV6_JOIN_GROUP, ipv6_mreq{Addr6(kGroup), 0}), EADDRNOTAVAIL) << "no route";
    EXPECT_EQ(Set(so, IPV6_JOIN_GROUP, 7), EINVAL);
    if_byname(a_, "link2")->if_flags &= ~IFF_MULTICAST;
    EXPECT_EQ(Enter(so, kGroup, "link2"), EADDRNOTAVAIL);
    EXPECT_EQ(Enter(so, kGroup), 0);
    EXPECT_EQ(Enter(so, kGroup), EADDRINUSE);
    EXPECT_EQ(Leave(so, "2001:db8::1", 0), EINVAL);
    EXPECT_EQ(Leave(so, "ff05::9", 0), EADDRNOTAVAIL);
    EXPECT_EQ(Leave(so, kGroup, Index("link1")), EADDRNOTAVAIL);
    EXPECT_EQ(Get(so, IPV6_JOIN_GROUP), -ENOPROTOOPT);
  });
}

TEST_F(Multicast6Test, OptionsKeepTheirRanges) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_HOPS), 1);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_LOOP), 1);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_IF), 0);
    for (const int hops : {0, 1, 255}) {
      EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, hops), 0);
      EXPECT_EQ(Get(so, IPV6_MULTICAST_HOPS), hops);
    }
    for (const int bad : {-2, 256}) EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, bad), EINVAL);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, -1), 0);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_HOPS), 1);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, uint8_t{1}), EINVAL);
    for (const int bad : {-1, 2}) EXPECT_EQ(Set(so, IPV6_MULTICAST_LOOP, bad), EINVAL);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_LOOP), 0);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_IF, -1), EINVAL);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_IF, 99), EADDRNOTAVAIL);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_IF, static_cast<int>(Index("link3"))), 0);
    EXPECT_EQ(Get(so, IPV6_MULTICAST_IF), static_cast<int>(Index("link3")));
  });
}

TEST_F(Multicast6Test, PacketsGoByTheChosenInterfaceWithItsHopsAndCopy) {
  ifnet* ifp = if_byname(a_, "link3");
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Output(so, kGroup), ENETUNREACH);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_IF, static_cast<int>(Index("link3"))), 0);
    EXPECT_EQ(Enter(so, kGroup), 0);
    const uint64_t sent = ifp->if_counters.ifi_opackets;
    const uint64_t received = ifp->if_counters.ifi_ipackets;
    EXPECT_EQ(Output(so, kGroup), 0);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(Output(so, kGroup), 0);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_LOOP, 1), 0);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, 0), 0);
    EXPECT_EQ(Output(so, kGroup), 0);
    EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", kMillisecond), EWOULDBLOCK);
    EXPECT_EQ(ifp->if_counters.ifi_opackets, sent + 2) << "no hops: it stays here";
    EXPECT_EQ(ifp->if_counters.ifi_ipackets, received + 2) << "copies of the first and the last";
  });
}

TEST_F(Multicast6Test, WhatStaysHereIsCountedWhetherHeardOrNot) {
  ifnet* ether = if_byname(a_, "link3");
  ifnet* lo0 = if_byname(a_, "lo0");
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    const auto stays = [&](const ifnet* ifp, const char* group, uint64_t heard) {
      const uint64_t received = ifp->if_counters.ifi_ipackets;
      const uint64_t counted = ip6stat_get(a_, ip6s_mcastlocal);
      EXPECT_EQ(Set(so, IPV6_MULTICAST_IF, static_cast<int>(ifp->if_index)), 0);
      EXPECT_EQ(Output(so, group), 0);
      EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "pause", kMillisecond), EWOULDBLOCK);
      EXPECT_EQ(ip6stat_get(a_, ip6s_mcastlocal), counted + 1) << group;
      EXPECT_EQ(ifp->if_counters.ifi_ipackets, received + heard) << group;
    };
    const uint64_t sent = ether->if_counters.ifi_opackets;
    stays(ether, "ff01::1", 1);
    stays(ether, "ff01::9", 0);
    stays(lo0, "ff01::1", 1);
    stays(lo0, "ff02::9", 0);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_HOPS, 0), 0);
    stays(ether, "ff02::1", 1);
    EXPECT_EQ(Set(so, IPV6_MULTICAST_LOOP, 0), 0);
    stays(ether, "ff02::1", 0);
    EXPECT_EQ(ether->if_counters.ifi_opackets, sent);
  });
}

}  // namespace
}  // namespace sockbed
