#include <errno.h>

#include <set>

#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

// Each row of spec 4.
class IpOutputTest : public InetTestNet {
 protected:
  IpOutputTest() : a_(AddHost("a")), b_(AddHost("b")), link_(Join(a_, b_)) {}

  static Packet To(const char* dst, size_t size = 8) {
    return {.dst = Addr(dst), .payload = std::string(size, 'p')};
  }
  void ExpectError(const Packet& packet, int error, ipstat_counters why, int flags = 0) {
    const uint64_t count = ipstat_get(a_, why);
    EXPECT_EQ(Output(a_, packet, flags), error);
    ExpectDrops(a_, why, count + 1);
  }

  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(IpOutputTest, FillsInSourceIdAndChecksum) {
  class Tap : public PacketTap {
   public:
    void OnPacket(const TappedPacket& tapped) override { bytes = BytesOf(tapped.packet); }
    std::string bytes;
  } tap;
  link_.AddTap(&tap);
  EXPECT_EQ(Output(a_, To("10.0.1.2")), 0);
  EXPECT_EQ(in_cksum_bytes(tap.bytes.data(), 20), 0);
  const Packet sent = Packet::Of(tap.bytes);
  EXPECT_EQ(Text(sent.src), "10.0.1.1");
  EXPECT_NE(sent.id, 0);
  EXPECT_EQ(sent.ttl, 64);
  EXPECT_FALSE(sent.dont_fragment);
  Run();
  EXPECT_EQ(Packets(b_).size(), 1u);
}

TEST_F(IpOutputTest, WhatIsNeverAFragmentNeedsNoIdOnFreeBsd) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  EXPECT_EQ(Output(host, To("192.168.1.9", 0), IP_MTUDISC), 0);
  Set(host, "net.inet.ip.profile", 1);
  EXPECT_EQ(Output(host, To("192.168.1.9", 0), IP_MTUDISC), 0);
  EXPECT_EQ(Output(host, To("192.168.1.9", 0)), 0);
  ASSERT_EQ(lan.sent.size(), 3u);
  EXPECT_NE(lan.sent[0].id, 0);
  EXPECT_EQ(lan.sent[1].id, 0);
  EXPECT_NE(lan.sent[2].id, 0);
}

TEST_F(IpOutputTest, IdsDoNotComeBackWithin32768Packets) {
  std::vector<uint16_t> ids;
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  for (int i = 0; i < 70000; ++i) ASSERT_EQ(Output(host, To("192.168.1.9", 0)), 0);
  std::vector<int> last(65536, -40000);
  for (int i = 0; i < 70000; ++i) {
    const uint16_t id = lan.sent[static_cast<size_t>(i)].id;
    ASSERT_NE(id, 0);
    ASSERT_GE(i - last[id], 32768) << i;
    last[id] = i;
  }
}

TEST_F(IpOutputTest, RefusesTheUnspecifiedNetwork) {
  ExpectError(To("0.0.0.0"), ENETUNREACH, ips_outaddr);
  ExpectError(To("0.1.2.3"), ENETUNREACH, ips_outaddr);
}

TEST_F(IpOutputTest, NeedsARoute) {
  ExpectError(To("8.8.8.8"), EHOSTUNREACH, ips_noroute);
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  EXPECT_EQ(Output(a_, To("8.8.8.8")), 0);
  EXPECT_EQ(Output(a_, To("8.8.8.8"), IP_ROUTETOIF), ENETUNREACH);  // not on a link
  EXPECT_EQ(Output(a_, To("10.0.1.2"), IP_ROUTETOIF), 0);
}

// A cached way spares the rules about it, while it holds and the packet gives them no cause.
TEST_F(IpOutputTest, ACachedWayIsTakenOnlyWhileItHolds) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  AddRoute(host, "0.0.0.0", 0, "192.168.1.254");
  HostScope scope(host);
  rtentry* rt = rt_get(Addr("0.0.0.0"), 0);
  route ro;
  Packet packet = To("8.8.8.8");
  packet.src = Addr("192.168.1.1");
  const auto send = [&](int flags = 0) { return Output(host, packet, flags, &ro); };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(send(), 0);
    EXPECT_EQ(Text(lan.next_hop.sin_addr), "192.168.1.254");
  }
  EXPECT_EQ(rt->rt_use, 2u);
  EXPECT_EQ(send(IP_ROUTETOIF), ENETUNREACH);
  packet.src = {};
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(Text(lan.sent.back().src), "192.168.1.1");
  packet.src = Addr("127.0.0.1");
  EXPECT_EQ(send(), EADDRNOTAVAIL);
  packet.src = Addr("192.168.1.1");
  EXPECT_EQ(rt_change(rt, Addr("192.168.1.253")), 0);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(Text(lan.next_hop.sin_addr), "192.168.1.253");
  rt_delete(rt);
  EXPECT_EQ(send(), EHOSTUNREACH);
}

TEST_F(IpOutputTest, ACachedWayThatRefusesOrBroadcastsIsDecidedEachTime) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  HostScope scope(host);
  EXPECT_EQ(rt_add({.dest = Addr("10.5.0.0"), .plen = 16, .flags = RTF_REJECT, .ifp = lan.ifp}), 0);
  route ro;
  Packet packet;
  packet.src = Addr("192.168.1.1");
  const auto send_twice = [&](const char* dst, int error, int flags = 0) {
    packet.dst = Addr(dst);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Output(host, packet, flags, &ro), error) << dst;
  };
  send_twice("10.5.0.1", ENETUNREACH);
  send_twice("192.168.1.255", EACCES);
  send_twice("192.168.1.255", 0, IP_ALLOWBROADCAST);
  EXPECT_NE(lan.sent.back().mbuf_flags & M_BCAST, 0);
  send_twice("127.0.0.1", 0);
  EXPECT_EQ(lan.sent.size(), 2u);
}

TEST_F(IpOutputTest, RejectAndBlackholeRoutesRefuseAndSwallow) {
  HostScope scope(a_);
  ifnet* lo0 = if_loopback(a_);
  auto add = [&](const char* dest, uint8_t plen, uint32_t flag) {
    EXPECT_EQ(rt_add({.dest = Addr(dest), .plen = plen, .flags = flag, .ifp = lo0}), 0);
  };
  add("10.5.0.0", 16, RTF_REJECT);
  add("10.6.6.6", 32, RTF_REJECT);
  add("10.7.0.0", 16, RTF_BLACKHOLE);
  ExpectError(To("10.5.0.1"), ENETUNREACH, ips_rejected);
  ExpectError(To("10.6.6.6"), EHOSTUNREACH, ips_rejected);
  ExpectError(To("10.7.0.1"), 0, ips_rejected);
}

TEST_F(IpOutputTest, BroadcastNeedsALinkThatHasItPermissionAndASmallPacket) {
  ExpectError(To("10.0.1.255", 2000), EMSGSIZE, ips_cantfrag, IP_MTUDISC);  // no broadcast here
  AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
  ExpectError(To("255.255.255.255"), EADDRNOTAVAIL, ips_outaddr, IP_ALLOWBROADCAST);

  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  EXPECT_EQ(Output(host, To("192.168.1.255")), EACCES);
  ExpectDrops(host, ips_outacces, 1);
  EXPECT_EQ(Output(host, To("192.168.1.255", 1481), IP_ALLOWBROADCAST), EMSGSIZE);
  ExpectDrops(host, ips_cantfrag, 1);
  EXPECT_EQ(Output(host, To("192.168.1.255", 1480), IP_ALLOWBROADCAST), 0);
  ASSERT_EQ(lan.sent.size(), 1u);
  EXPECT_NE(lan.sent[0].mbuf_flags & M_BCAST, 0);
}

// The host is told what it is when it has its addresses already.
TEST_F(IpOutputTest, TheFirstAddressOfANetIsAHostOnFreeBsd) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  const Packet packet = {.dst = Addr("192.168.1.0"), .payload = "x"};
  EXPECT_EQ(Output(host, packet), EACCES);
  Set(host, "net.inet.ip.profile", 1);
  EXPECT_EQ(Output(host, packet), 0);
  ASSERT_EQ(lan.sent.size(), 1u);
  EXPECT_EQ(lan.sent[0].mbuf_flags & M_BCAST, 0);
  EXPECT_EQ(Text(lan.next_hop.sin_addr), "192.168.1.0");
  EXPECT_EQ(Output(host, {.dst = Addr("192.168.1.255"), .payload = "x"}), EACCES);
  Set(host, "net.inet.ip.profile", 0);
  EXPECT_EQ(Output(host, packet), EACCES);
}

TEST_F(IpOutputTest, LoopbackAddressesDoNotLeaveTheHost) {
  Packet packet = To("10.0.1.2");
  packet.src = Addr("127.0.0.1");
  ExpectError(packet, EADDRNOTAVAIL, ips_outaddr);
}

TEST_F(IpOutputTest, DontFragmentRefusesWhatIsTooBig) {
  Packet packet = To("10.0.1.2", 1481);
  packet.dont_fragment = true;
  ExpectError(packet, EMSGSIZE, ips_cantfrag);
  packet.payload.resize(1480);
  EXPECT_EQ(Output(a_, packet), 0);
}

TEST_F(IpOutputTest, MtuDiscoverySetsDontFragmentAsThePolicySays) {
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  {
    HostScope scope(host);
    EXPECT_EQ(rt_set_mtu(rt_get(Addr("192.168.1.0"), 24), 1000), 0);
  }
  auto send = [&](size_t size, int flags) {
    lan.sent.clear();
    const int error = Output(host, To("192.168.1.9", size), flags);
    if (error != 0) return std::string(error == EMSGSIZE ? "EMSGSIZE" : "?");
    const std::string df = lan.sent[0].dont_fragment ? " DF" : "";
    return std::to_string(lan.sent.size()) + df;
  };
  EXPECT_EQ(send(500, 0), "1");
  EXPECT_EQ(send(1200, 0), "2");
  EXPECT_EQ(send(500, IP_MTUDISC), "1 DF");
  EXPECT_EQ(send(1200, IP_MTUDISC), "EMSGSIZE");
  EXPECT_EQ(send(500, IP_MTUWANT), "1 DF");
  EXPECT_EQ(send(1200, IP_MTUWANT), "2");
  EXPECT_EQ(send(1200, IP_MTUPROBE), "1 DF");
  EXPECT_EQ(send(1500, IP_MTUPROBE), "EMSGSIZE");
  Set(host, "net.inet.ip.mtudisc", 0);
  EXPECT_EQ(send(1200, IP_MTUDISC), "2");
}

TEST_F(IpOutputTest, ReportsWhatTheInterfaceRefuses) {
  link_.set_options(0, {.rate_bps = 8000, .queue_len = 1});
  EXPECT_EQ(Output(a_, To("10.0.1.2")), 0);
  EXPECT_EQ(Output(a_, To("10.0.1.2")), 0);
  EXPECT_EQ(Output(a_, To("10.0.1.2")), ENOBUFS);
  EXPECT_EQ(link_.interface(0)->if_counters.ifi_oqdrops, 1u);
  link_.SetConnected(false);
  EXPECT_EQ(Output(a_, To("10.0.1.2")), EHOSTUNREACH);  // its route is down with it
}

TEST_F(IpOutputTest, FragmentsBehindARefusedOneAreFreed) {
  link_.set_options(0, {.rate_bps = 8000, .queue_len = 1});
  EXPECT_EQ(Output(a_, To("10.0.1.2", 6000)), ENOBUFS);  // 5 fragments: 2 taken, 1 refused
  EXPECT_EQ(link_.counters(0).packets, 3u);
  EXPECT_EQ(link_.interface(0)->if_counters.ifi_oqdrops, 1u);
  ExpectDrops(a_, ips_odropped, 2);
}

TEST_F(IpOutputTest, AFragmentThatCannotBeMadeLeavesNothingBehind) {
  int refused = 0;
  for (uint64_t n = 1; n <= 30; ++n) {
    fault::Plan plan({{.site = Site::kMbufGet, .host = 1, .only_ordinal = n}});
    Boot({.seed = 1, .fault_plan = &plan});
    HostBase& a = AddHost("a");
    Link& link = Join(a, AddHost("b"));
    const int error = Output(a, To("10.0.1.2", 4000));
    EXPECT_EQ(link.counters(0).packets, error == 0 ? 3u : 0u) << n;
    if (error != 0) {
      EXPECT_EQ(error, ENOBUFS);
      ++refused;
    }
    Boot({.seed = 1});  // checks for leaks while the plan still lives
  }
  EXPECT_GT(refused, 3);
}

}  // namespace
}  // namespace sockbed
