// Routers: RFC 4861 6.3 and 8, RFC 4862 5.5. Host a on Ethernet configures itself; a router fe80::9
// is the test's, host b a router of ours where one must forward.
#include <errno.h>

#include <algorithm>
#include <utility>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/nd6_wire.h"

namespace sockbed {
namespace {

constexpr ether_addr kRouterLink = {{0x02, 9, 9, 9, 9, 9}};
constexpr char kOwn[] = "2001:db8:9:0:0:ff:fe00:101";

class RouterTest : public Inet6TestNet {
 protected:
  RouterTest() : a_(AddHost6("a")), b_(AddHost6("b")) {
    Set(a_, "net.inet6.ip6.autoconf", 1);
    link_ = &Join(a_, b_, {.ethernet = true});
    link_->AddTap(&tap_);
  }
  ~RouterTest() override { link_->RemoveTap(&tap_); }

  struct Tap : PacketTap {
    void OnPacket(const TappedPacket& tapped) override {
      const std::string bytes = BytesOf(tapped.packet).substr(kEtherHeader);
      if (tapped.fate == PacketFate::kDelivered || static_cast<uint8_t>(bytes[0]) >> 4 != 6) return;
      const Packet6 packet = Packet6::Of(bytes.substr(
          0, kIpv6Header + static_cast<uint8_t>(bytes[4]) * 256u + static_cast<uint8_t>(bytes[5])));
      if (packet.next == IPPROTO_ICMPV6) sent.push_back(packet);
    }
    int Count(uint8_t type) const {
      return static_cast<int>(std::count_if(sent.begin(), sent.end(), [&](const Packet6& p) {
        return static_cast<uint8_t>(p.payload[0]) == type;
      }));
    }
    std::vector<Packet6> sent;
  };

  // Goes on with other hosts, on another machine; returns the first.
  HostBase& Restart(const Machine::Options& options) {
    link_->RemoveTap(&tap_);
    Boot(options);
    HostBase& host = AddHost6("a");
    link_ = &Join(host, AddHost6("b"), {.ethernet = true});
    link_->AddTap(&tap_);
    return host;
  }
  ifnet* a() { return link_->interface(0); }
  void Inject(const char* src, const char* dst, std::string message, uint8_t hops = 255) {
    Packet6 packet = {.src = Addr6(src),
                      .dst = Addr6(dst),
                      .payload = std::move(message),
                      .next = IPPROTO_ICMPV6,
                      .hops = hops};
    const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6,
                                        static_cast<int>(packet.payload.size()));
    auto* p = reinterpret_cast<uint8_t*>(packet.payload.data());
    StoreBe16(p + 2, in_cksum_finish(in_cksum_add(sum, p, packet.payload.size())));
    Inject6(a(), packet.Bytes());
  }
  static std::string Advert(uint16_t lifetime, uint8_t hops = 0, uint32_t reachable = 0,
                            uint32_t retrans = 0) {
    std::string bytes(kNdRouterAdvert, '\0');
    auto* p = reinterpret_cast<uint8_t*>(bytes.data());
    p[0] = ND_ROUTER_ADVERT;
    p[4] = hops;
    StoreBe16(p + 6, lifetime);
    StoreBe32(p + 8, reachable);
    StoreBe32(p + 12, retrans);
    return bytes;
  }
  static std::string LinkOption(uint8_t type) {
    std::string bytes(kNdLinkOption, '\0');
    NdWriteLinkAddress(reinterpret_cast<uint8_t*>(bytes.data()), type, kRouterLink);
    return bytes;
  }
  // L and A as RFC 4861 4.6.2 names them.
  static std::string Prefix(const char* prefix, uint32_t valid, uint32_t preferred,
                            uint8_t flags = 0xc0) {
    std::string bytes(kNdPrefixOption, '\0');
    auto* p = reinterpret_cast<uint8_t*>(bytes.data());
    p[0] = ND_OPT_PREFIX_INFORMATION;
    p[1] = 4;
    p[2] = 64;
    p[3] = flags;
    StoreBe32(p + 4, valid);
    StoreBe32(p + 8, preferred);
    StoreAddress6(p + 16, Addr6(prefix));
    return bytes;
  }
  static std::string Mtu(uint32_t mtu) {
    std::string bytes(8, '\0');
    bytes[0] = ND_OPT_MTU;
    bytes[1] = 1;
    StoreBe32(reinterpret_cast<uint8_t*>(bytes.data()) + 4, mtu);
    return bytes;
  }
  void Hear(const std::string& advert) { Inject("fe80::9", "ff02::1", advert); }
  in6_ifaddr* Address(const char* addr) {
    HostScope scope(a_);
    return in6_ifawithaddr(Addr6(addr));
  }
  const rtentry* Route(const char* dst) {
    HostScope scope(a_);
    return rt_match(Addr6(dst));
  }
  void Settle() { Wait(15 * kSecond); }

  Tap tap_;
  HostBase& a_;
  HostBase& b_;
  Link* link_;
};

// A redirect of dst 2001:db8:77::1 to `target`.
std::string RedirectTo(const char* target) {
  std::string bytes(kNdRedirect, '\0');
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  p[0] = ND_REDIRECT;
  StoreAddress6(p + kNdTargetAt, Addr6(target));
  StoreAddress6(p + kNdRedirectDestinationAt, Addr6("2001:db8:77::1"));
  return bytes;
}

// --- Who configures itself: RFC 4862 5.3. ---

TEST_F(RouterTest, LinkThatComesUpGetsItsLinkLocalAddress) {
  constexpr char kLinkLocal[] = "fe80::ff:fe00:101%2";
  EXPECT_NE(Address(kLinkLocal), nullptr);
  {
    HostScope scope(b_);
    EXPECT_EQ(in6_ifalinklocal(link_->interface(1)), nullptr) << "b is configured by hand";
  }
  HostScope scope(a_);
  EXPECT_EQ(in6_ifdel(a(), Addr6(kLinkLocal)), 0);
  link_->SetConnected(false);
  EXPECT_EQ(Address(kLinkLocal), nullptr);
  link_->SetConnected(true);
  ASSERT_NE(Address(kLinkLocal), nullptr);
  EXPECT_EQ(Address(kLinkLocal)->ia6_flags, IN6_IFF_TENTATIVE);
  Run();
  EXPECT_EQ(Address(kLinkLocal)->ia6_flags, 0);
  EXPECT_EQ(tap_.Count(ND_NEIGHBOR_SOLICIT), 1) << "checked for duplicates once";
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 3);
}

// --- Asking: 6.3.7. ---

TEST_F(RouterTest, RoutersAreAskedForThreeTimesFourSecondsApart) {
  Run();
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 3);
  EXPECT_EQ(Now(), kSecond + 12 * kSecond) << "detection of duplicates comes first";
  const Packet6& rs = tap_.sent.back();
  EXPECT_EQ(in6_text(rs.src), "fe80::ff:fe00:101");
  EXPECT_EQ(in6_text(rs.dst), "ff02::2");
  EXPECT_EQ(rs.hops, 255);
  EXPECT_EQ(rs.payload.size(), static_cast<size_t>(kNdRouterSolicit + kNdLinkOption));
}

TEST_F(RouterTest, AnAnswerOfOneThatMayBeTheDefaultEndsTheAsking) {
  Wait(2 * kSecond);
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 1);
  Hear(Advert(0));
  Wait(4 * kSecond);
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 2) << "that one may not";
  Hear(Advert(1800));
  Run();
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 2);
}

TEST_F(RouterTest, WhoIsConfiguredByHandAsksNobodyAndBelievesNobody) {
  Set(a_, "net.inet6.ip6.autoconf", 0);
  Run();
  EXPECT_EQ(tap_.Count(ND_ROUTER_SOLICIT), 0);
  Hear(Advert(1800) + Prefix("2001:db8:9::", 3600, 1800));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_ignored), 1u);
  EXPECT_EQ(Address(kOwn), nullptr);
}

// --- Believing: 6.3.4. ---

TEST_F(RouterTest, DefaultRouteLivesAsLongAsItsRouter) {
  Settle();
  Hear(Advert(100) + LinkOption(ND_OPT_SOURCE_LINKADDR));
  const rtentry* rt = Route("2001:db8:77::1");
  ASSERT_NE(rt, nullptr);
  EXPECT_EQ(in6_text(rt->rt_gateway.v6()), "fe80::9%2");
  {
    HostScope scope(a_);
    EXPECT_TRUE(nd6_table().Find(a(), Addr6("fe80::9%2"))->router);
  }
  Wait(60 * kSecond);
  Hear(Advert(100));
  Wait(99 * kSecond);
  EXPECT_NE(Route("2001:db8:77::1"), nullptr);
  Wait(kSecond);
  EXPECT_EQ(Route("2001:db8:77::1"), nullptr);
  Hear(Advert(100));
  Hear(Advert(0));
  EXPECT_EQ(Route("2001:db8:77::1"), nullptr) << "a lifetime of 0 ends it at once";
}

TEST_F(RouterTest, AnotherRouterTakesOverFromOneThatGoes) {
  Settle();
  Hear(Advert(100));
  Inject("fe80::a", "ff02::1", Advert(200));
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::9%2");
  Wait(100 * kSecond);
  ASSERT_NE(Route("2001:db8:77::1"), nullptr);
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::a%2");
}

TEST_F(RouterTest, RouterThatDoesNotAnswerIsNoneAnyMore) {
  Settle();
  Hear(Advert(1800));
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:77::1"), .payload = "x"}), 0);
  Wait(3 * kSecond);
  EXPECT_EQ(Route("2001:db8:77::1"), nullptr);
}

TEST_F(RouterTest, InterfaceTakesOverWhatTheRouterSays) {
  Settle();
  HostScope scope(a_);
  RouteSpec by_hand = {.dest = Addr6("2001:db8:88::"), .family = AF_INET6, .plen = 48};
  by_hand.gateway = in6_setscope(Addr6("fe80::7"), a()->if_index);
  EXPECT_EQ(rt_add(by_hand), 0);
  Hear(Advert(1800, 33, 60'000, 200) + Prefix("2001:db8:9::", 3600, 1800) + Mtu(1400));
  const nd_ifinfo* nd = nd6_ifinfo(a());
  EXPECT_EQ(nd->hop_limit, 33);
  route ro;
  EXPECT_EQ(in6_selecthlim(-1, &ro, Addr6("2001:db8:77::1")), 33);
  EXPECT_EQ(in6_selecthlim(7, &ro, Addr6("2001:db8:77::1")), 7) << "a socket's own comes first";
  EXPECT_EQ(nd->retrans_ms, 200);
  EXPECT_GE(nd6_reachable_time(a()), 30 * kSecond);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:77::1")), 1400u);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:9::77")), 1400u);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:88::1")), 1400u);
  Hear(Advert(1800) + Mtu(1279) + Mtu(1501));
  EXPECT_EQ(nd->link_mtu, 1400u) << "neither is possible";
}

// Its MTU is that of every route by the link, whatever comes first.
TEST_F(RouterTest, LinksMtuIsThatOfRoutesThatComeLater) {
  Settle();
  Set(a_, "net.inet6.icmp6.rediraccept", 1);
  Hear(Advert(1800) + Mtu(1400) + Prefix("2001:db8:9::", 3600, 1800));
  ASSERT_NE(Address(kOwn), nullptr);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:9::77")), 1400u) << "the prefix of its address";
  AddAddress6(a(), "2001:db8:5::1", 64);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:5::77")), 1400u) << "of one added by hand";
  AddRoute6(a_, "2001:db8:88::", 48, "2001:db8:5::2");
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:88::1")), 1400u) << "likewise a route";
  Inject("fe80::9", "fe80::ff:fe00:101", RedirectTo("fe80::a"));
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::a%2");
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:77::1")), 1400u) << "and another router";
  AddRoute6(a_, "2001:db8:88::1", 128, "2001:db8:5::2");
  HostScope scope(a_);
  icmp6_mtudisc({.family = AF_INET6, .dst = Addr6("2001:db8:88::1"), .mtu = 1300});
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:88::1")), 1300u);
  Wait(600 * kSecond);
  EXPECT_EQ(rt_path_mtu(Route("2001:db8:88::1")), 1400u) << "when that of the path is forgotten";
}

TEST_F(RouterTest, MalformedAdvertisementsAreDropped) {
  Settle();
  Inject("fe80::9", "ff02::1", Advert(1800), 254);
  Inject("2001:db8:9::9", "ff02::1", Advert(1800));
  Hear(Advert(1800).substr(0, 12));
  Hear(Advert(1800) + std::string(8, '\0'));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), 4u);
  EXPECT_EQ(Route("2001:db8:77::1"), nullptr);
}

// --- Addresses: RFC 4862 5.5.3. ---

TEST_F(RouterTest, AddressIsMadeUnderThePrefixAndAgesWithIt) {
  Settle();
  Hear(Advert(0) + Prefix("2001:db8:9::", 10'000, 8'000));
  ASSERT_NE(Address(kOwn), nullptr);
  EXPECT_NE(Address(kOwn)->ia6_flags & IN6_IFF_TENTATIVE, 0);
  Wait(kSecond);
  EXPECT_EQ(Address(kOwn)->ia6_flags, IN6_IFF_AUTOCONF);
  Wait(7'998 * kSecond);
  EXPECT_EQ(Address(kOwn)->ia6_flags, IN6_IFF_AUTOCONF);
  Wait(kSecond);
  EXPECT_EQ(Address(kOwn)->ia6_flags, IN6_IFF_AUTOCONF | IN6_IFF_DEPRECATED);
  Hear(Advert(0) + Prefix("2001:db8:9::", 10'000, 8'000));
  EXPECT_EQ(Address(kOwn)->ia6_flags, IN6_IFF_AUTOCONF) << "heard again, young again";
  Wait(10'000 * kSecond);
  EXPECT_EQ(Address(kOwn), nullptr);
  EXPECT_EQ(Route("2001:db8:9::77"), nullptr);
}

TEST_F(RouterTest, NobodyEndsAnAddressSoonerThanInTwoHours) {
  Settle();
  Hear(Advert(0) + Prefix("2001:db8:9::", 100'000, 50'000));
  Hear(Advert(0) + Prefix("2001:db8:9::", 0, 0));
  Wait(7199 * kSecond);
  ASSERT_NE(Address(kOwn), nullptr);
  EXPECT_NE(Address(kOwn)->ia6_flags & IN6_IFF_DEPRECATED, 0);
  Wait(kSecond);
  EXPECT_EQ(Address(kOwn), nullptr);
}

TEST_F(RouterTest, PrefixMayBeOnTheLinkOrForAddressesOrBoth) {
  Settle();
  Hear(Advert(1800) + Prefix("2001:db8:8::", 3600, 1800, 0x80) +
       Prefix("2001:db8:9::", 3600, 1800, 0x40) + Prefix("fe80::", 3600, 1800) +
       Prefix("2001:db8:7::", 10, 20));
  EXPECT_EQ(Address("2001:db8:8:0:0:ff:fe00:101"), nullptr);
  EXPECT_EQ(Route("2001:db8:8::1")->rt_flags & RTF_GATEWAY, 0u);
  EXPECT_NE(Address(kOwn), nullptr);
  EXPECT_NE(Route("2001:db8:9::1")->rt_flags & RTF_GATEWAY, 0u) << "neighbours by the router";
  EXPECT_NE(Route("2001:db8:7::1")->rt_flags & RTF_GATEWAY, 0u) << "preferred beyond valid";
  Wait(3600 * kSecond);
  EXPECT_EQ(Route("2001:db8:8::1"), nullptr);
}

TEST_F(RouterTest, PrefixThatIsNotOnTheLinkStaysSo) {
  Settle();
  AddAddress6(a(), "2001:db8:5::1", 64);
  Hear(Advert(1800) + Prefix("2001:db8:9::", 3600, 1800, 0x40));
  ASSERT_NE(Address(kOwn), nullptr);
  Settle();
  HostScope scope(a_);
  EXPECT_EQ(in6_ifdel(a(), Addr6("2001:db8:5::1")), 0);
  EXPECT_NE(Route("2001:db8:9::77")->rt_flags & RTF_GATEWAY, 0u);
  Hear(Advert(1800) + Prefix("2001:db8:9::", 3600, 1800, 0xc0));
  EXPECT_EQ(Route("2001:db8:9::77")->rt_flags & RTF_GATEWAY, 0u) << "until a router says it is";
}

TEST_F(RouterTest, LinkThatGoesTakesItsRoutersAlong) {
  Settle();
  Hear(Advert(1800) + Prefix("2001:db8:8::", 3600, 1800, 0x80));
  link_->SetConnected(false);
  const SimTime then = Now();
  Run();
  EXPECT_EQ(Now(), then) << "no lifetime goes on";
  EXPECT_EQ(Route("2001:db8:8::1"), nullptr);
}

// --- Redirects: 8. ---

TEST_F(RouterTest, RedirectIsBelievedOfTheGatewayInUseIfAtAll) {
  Settle();
  Hear(Advert(1800));
  Inject("fe80::9", "fe80::ff:fe00:101", RedirectTo("fe80::a"));
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::9%2") << "off by default";
  Set(a_, "net.inet6.icmp6.rediraccept", 1);
  Inject("fe80::b", "fe80::ff:fe00:101", RedirectTo("fe80::a"));
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::9%2") << "not of anybody";
  Inject("fe80::9", "fe80::ff:fe00:101", RedirectTo("fe80::a"));
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::a%2");
  Wait(600 * kSecond);
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::9%2") << "for a while";
  Inject("fe80::9", "fe80::ff:fe00:101",
         RedirectTo("2001:db8:77::1") + LinkOption(ND_OPT_TARGET_LINKADDR));
  EXPECT_EQ(Route("2001:db8:77::1")->rt_flags & RTF_GATEWAY, 0u) << "it is on the link";
  Inject("fe80::9", "fe80::ff:fe00:101", RedirectTo("2001:db8:66::1"));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), 1u) << "a gateway has a link-local address";
  Wait(600 * kSecond);
  Inject("fe80::9", "fe80::ff:fe00:101", RedirectTo("fe80:2::a"));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), 2u) << "no zone travels";
  EXPECT_EQ(in6_text(Route("2001:db8:77::1")->rt_gateway.v6()), "fe80::9%2");
}

TEST_F(RouterTest, RedirectThatFindsNoMemoryLeavesTheOneBefore) {
  fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = 2}});
  HostBase& host = Restart({.seed = 7, .fault_plan = &plan});
  Set(host, "net.inet6.ip6.autoconf", 1);
  Set(host, "net.inet6.icmp6.rediraccept", 1);
  const auto redirect = [&](const char* from, const char* to) {
    Inject(from, "fe80::ff:fe00:101", RedirectTo(to));
    HostScope scope(host);
    return in6_text(rt_match(Addr6("2001:db8:77::1"))->rt_gateway.v6());
  };
  {
    HostScope scope(host);
    EXPECT_EQ(in6_ifattach(a()), 0);
  }
  Settle();
  Hear(Advert(1800));
  EXPECT_EQ(redirect("fe80::9", "fe80::a"), "fe80::a%2");
  EXPECT_EQ(redirect("fe80::a", "fe80::b"), "fe80::a%2") << "no memory";
  EXPECT_EQ(redirect("fe80::a", "fe80::b"), "fe80::b%2");
  (void)Restart({.seed = 7});
}

TEST_F(RouterTest, RouterTellsOfTheShorterWayAndForwardsAllTheSame) {
  AddAddress6(a(), "2001:db8:1::1", 64);
  AddAddress6(link_->interface(1), "2001:db8:1::2", 64);
  Set(b_, "net.inet6.ip6.forwarding", 1);
  AddRoute6(a_, "2001:db8:77::", 64, "2001:db8:1::2");
  {
    HostScope scope(b_);
    EXPECT_EQ(rt_add({.dest = Addr6("2001:db8:77::"),
                      .family = AF_INET6,
                      .plen = 64,
                      .gateway = Addr6("fe80::c%2")}),
              0);
    nd6_table().Set(link_->interface(1), Addr6("fe80::c%2"), kRouterLink);
  }
  Settle();
  EXPECT_EQ(Output6(a_, {.dst = Addr6("2001:db8:77::1"), .payload = "by b"}), 0);
  RunFor(kMillisecond);
  ASSERT_EQ(tap_.Count(ND_REDIRECT), 1);
  const auto redirect = std::find_if(tap_.sent.begin(), tap_.sent.end(), [](const Packet6& p) {
    return static_cast<uint8_t>(p.payload[0]) == ND_REDIRECT;
  });
  const auto* p = reinterpret_cast<const uint8_t*>(redirect->payload.data());
  EXPECT_EQ(in6_text(redirect->src), "fe80::ff:fe00:102");
  EXPECT_EQ(in6_text(redirect->dst), "2001:db8:1::1");
  EXPECT_EQ(redirect->hops, 255);
  EXPECT_EQ(in6_text(LoadAddress6(p + kNdTargetAt)), "fe80::c");
  EXPECT_EQ(in6_text(LoadAddress6(p + kNdRedirectDestinationAt)), "2001:db8:77::1");
  EXPECT_EQ(p[kNdRedirect], ND_OPT_TARGET_LINKADDR);
  EXPECT_EQ(p[kNdRedirect + kNdLinkOption], ND_OPT_REDIRECTED_HEADER);
  EXPECT_EQ(ip6stat_get(b_, ip6s_redirectsent), 1u);
  EXPECT_EQ(ip6stat_get(b_, ip6s_forward), 1u);
}

}  // namespace
}  // namespace sockbed
