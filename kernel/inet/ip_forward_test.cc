#include <errno.h>

#include "kernel/inet/if_arp.h"
#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

// a - router - c: spec 3.4.
class IpForwardTest : public InetTestNet {
 protected:
  IpForwardTest()
      : a_(AddHost("a")),
        router_(AddHost("router")),
        c_(AddHost("c")),
        near_(Join(a_, router_)),
        far_(Join(router_, c_)) {
    Set(router_, "net.inet.ip.forwarding", 1);
    AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
    AddRoute(c_, "0.0.0.0", 0, "10.0.2.1");
  }

  Packet ToC(size_t size = 8) {
    return {.dst = Addr("10.0.2.2"), .payload = std::string(size, 'p')};
  }
  // Type and code of the ICMP error that the sender was told of, or "none".
  std::string Told() {
    RunFor(kSecond);
    if (Errors(a_).empty()) return "none";
    return std::to_string(Errors(a_).back().type) + "/" + std::to_string(Errors(a_).back().code);
  }

  HostBase& a_;
  HostBase& router_;
  HostBase& c_;
  Link& near_;
  Link& far_;
};

TEST_F(IpForwardTest, SendsOnWithOneHopLess) {
  EXPECT_EQ(Output(a_, ToC()), 0);
  Run();
  ASSERT_EQ(Packets(c_).size(), 1u);
  EXPECT_EQ(Packets(c_)[0].ttl, 63);
  EXPECT_EQ(Text(Packets(c_)[0].src), "10.0.1.1");
  EXPECT_EQ(ipstat_get(router_, ips_forwarded), 1u);
}

TEST_F(IpForwardTest, TheHeaderChecksumIsRightOnEveryLink) {
  class Tap : public PacketTap {
   public:
    void OnPacket(const TappedPacket& tapped) override {
      const std::string bytes = BytesOf(tapped.packet);
      EXPECT_EQ(in_cksum_bytes(bytes.data(), 20), 0);
      ++seen;
    }
    int seen = 0;
  } tap;
  far_.AddTap(&tap);
  EXPECT_EQ(Output(a_, ToC()), 0);  // its sum is pending all the way
  Run();
  near_.AddTap(&tap);
  EXPECT_EQ(Output(a_, ToC()), 0);  // computed on the first link, adjusted by the router
  Run();
  EXPECT_EQ(tap.seen, 6);
  EXPECT_EQ(Packets(c_).size(), 2u);
}

TEST_F(IpForwardTest, BothCopiesOfADuplicateLoseOneHop) {
  near_.set_options(0, {.duplicate = kAlways});
  EXPECT_EQ(Output(a_, ToC(1000)), 0);
  Run();
  ASSERT_EQ(Packets(c_).size(), 2u);
  EXPECT_EQ(Packets(c_)[0].ttl, 63);
  EXPECT_EQ(Packets(c_)[1].ttl, 63);
}

TEST_F(IpForwardTest, TellsTheSenderWhenTheHopsAreUsedUp) {
  Packet packet = ToC();
  packet.ttl = 1;
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "11/0");
  EXPECT_EQ(Errors(a_)[0].error, 0);
  ExpectDrops(router_, ips_ttlexceeded, 1);
}

TEST_F(IpForwardTest, TellsTheSenderThatThereIsNoRoute) {
  Packet packet = ToC();
  packet.dst = Addr("10.9.9.9");
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "3/1");
  EXPECT_EQ(Errors(a_)[0].error, EHOSTUNREACH);
  ExpectDrops(router_, ips_noroute, 1);
}

TEST_F(IpForwardTest, RejectRoutesAnswerAndBlackholesDoNot) {
  {
    HostScope scope(router_);
    ifnet* lo0 = if_loopback(router_);
    EXPECT_EQ(rt_add({.dest = Addr("10.5.0.0"), .plen = 16, .flags = RTF_REJECT, .ifp = lo0}), 0);
    EXPECT_EQ(rt_add({.dest = Addr("10.6.0.0"), .plen = 16, .flags = RTF_BLACKHOLE, .ifp = lo0}),
              0);
  }
  Packet packet = ToC();
  packet.dst = Addr("10.6.0.1");
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "none");
  packet.dst = Addr("10.5.0.1");
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "3/1");
  ExpectDrops(router_, ips_rejected, 2);
}

TEST_F(IpForwardTest, TellsTheNextMtuOfWhatMayNotBeFragmented) {
  far_.set_options(0, {.mtu = 1400});
  Packet packet = ToC(1472);
  EXPECT_EQ(Output(a_, packet), 0);
  Run();
  EXPECT_EQ(Packets(c_).size(), 1u);  // in two fragments
  packet.dont_fragment = true;
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "3/4");
  EXPECT_EQ(Errors(a_)[0].error, EMSGSIZE);
  EXPECT_EQ(Errors(a_)[0].mtu, 1400u);
  EXPECT_EQ(Output(a_, packet), EMSGSIZE);  // the path's MTU is known now
}

TEST_F(IpForwardTest, ThePathsMtuIsForgottenAfterTenMinutes) {
  far_.set_options(0, {.mtu = 1400});
  Packet packet = ToC(1472);
  packet.dont_fragment = true;
  EXPECT_EQ(Output(a_, packet), 0);
  Run(kSecond);
  HostScope scope(a_);
  const rtentry* rt = rt_match(Addr("10.0.2.2"));
  EXPECT_EQ(rt_path_mtu(rt), 1400u);
  EXPECT_EQ(rt->rt_flags & (RTF_DYNAMIC | RTF_HOST), RTF_DYNAMIC | RTF_HOST);
  Run(600 * kSecond - 20 * kMillisecond);
  EXPECT_EQ(rt_path_mtu(rt_match(Addr("10.0.2.2"))), 1400u);
  Run();
  EXPECT_EQ(rt_path_mtu(rt_match(Addr("10.0.2.2"))), 1500u);
  EXPECT_EQ(rt_match(Addr("10.0.2.2"))->rt_flags & RTF_DYNAMIC, 0u);
}

TEST_F(IpForwardTest, AMessageThatTheTransportDoesNotBelieveChangesNothing) {
  far_.set_options(0, {.mtu = 1400});
  InboxOf(a_).believes_needfrag = false;
  Packet packet = ToC(1472);
  packet.dont_fragment = true;
  EXPECT_EQ(Output(a_, packet), 0);
  Run();
  EXPECT_EQ(Output(a_, packet), 0);
}

TEST_F(IpForwardTest, AnAbsurdMtuTurnsDiscoveryOffForTheRoute) {
  far_.set_options(0, {.mtu = 200});
  Packet packet = ToC(1000);
  EXPECT_EQ(Output(a_, packet, IP_MTUDISC), 0);
  Run(kSecond);
  HostScope scope(a_);
  EXPECT_EQ(rt_match(Addr("10.0.2.2"))->rt_locks, RTV_MTU);
  EXPECT_EQ(rt_path_mtu(rt_match(Addr("10.0.2.2"))), 1500u);
  EXPECT_EQ(Output(a_, packet, IP_MTUDISC), 0);  // without DF now: the router cuts it
  Run(2 * kSecond);
  EXPECT_EQ(Packets(c_).size(), 1u);
}

TEST_F(IpForwardTest, DoesNotForwardWhatIsNotForOneHost) {
  for (const char* dst : {"0.1.2.3", "240.0.0.1"}) {
    Packet packet = {.src = Addr("10.0.1.1"), .dst = Addr(dst), .payload = "x"};
    Inject(near_.interface(1), packet.Bytes());
  }
  Packet unspecified = {.src = Addr("0.0.0.0"), .dst = Addr("10.0.2.2"), .payload = "x"};
  Inject(near_.interface(1), unspecified.Bytes());
  ExpectDrops(router_, ips_cantforward, 3);
  EXPECT_EQ(Told(), "none");
}

TEST_F(IpForwardTest, TellsOfALinkThatIsDown) {
  far_.SetConnected(false);
  EXPECT_EQ(Output(a_, ToC()), 0);
  EXPECT_EQ(Told(), "3/1");
}

// The router finds out with the packets that it is asked to send on: the first ones go unreported,
// as those that wait for an answer do at any BSD.
TEST_F(IpForwardTest, TellsOfANeighbourThatDoesNotAnswer) {
  Join(router_, AddHost("d"), {.ethernet = true});
  Packet packet = ToC();
  packet.dst = Addr("10.0.3.9");
  for (int i = 0; i <= kArpRequestsMax; ++i) {
    EXPECT_EQ(Output(a_, packet), 0);
    Wait(kSecond);
  }
  EXPECT_EQ(Told(), "none");
  packet.ttl = 7;
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "3/1");
  EXPECT_EQ(Errors(a_).size(), 1u);
  EXPECT_EQ(Errors(a_)[0].error, EHOSTUNREACH);
  EXPECT_EQ(Text(Errors(a_)[0].dst.v4()), "10.0.3.9");
  ExpectDrops(router_, ips_arpdropped, kArpRequestsMax + 2);
  Wait(20 * kSecond);  // then it is asked for again
  EXPECT_EQ(Output(a_, packet), 0);
  Wait(kSecond);
  EXPECT_EQ(Errors(a_).size(), 1u);
  HostScope scope(router_);
  EXPECT_EQ(arp_table().Find(if_byname(router_, "link3"), packet.dst)->asked, 1);
}

TEST_F(IpForwardTest, TellsOfAGatewayThatDoesNotAnswer) {
  Join(router_, AddHost("d"), {.ethernet = true});
  AddRoute(router_, "10.8.0.0", 16, "10.0.3.9");
  Packet packet = ToC();
  packet.dst = Addr("10.8.0.1");
  for (int i = 0; i <= kArpRequestsMax; ++i) {
    EXPECT_EQ(Output(a_, packet), 0);
    Wait(kSecond);
  }
  EXPECT_EQ(Output(a_, packet), 0);
  EXPECT_EQ(Told(), "3/1");
  packet.dst = Addr("10.0.3.2");  // another one of that link is not concerned
  EXPECT_EQ(Output(a_, packet), 0);
  Wait(kSecond);
  EXPECT_EQ(Errors(a_).size(), 1u);
}

TEST_F(IpForwardTest, SaysNothingOfAFullQueue) {
  far_.set_options(0, {.rate_bps = 8000, .queue_len = 0});
  EXPECT_EQ(Output(a_, ToC()), 0);
  EXPECT_EQ(Output(a_, ToC()), 0);
  EXPECT_EQ(Told(), "none");
  EXPECT_EQ(ipstat_get(router_, ips_forwarded), 1u);
  EXPECT_EQ(Packets(c_).size(), 1u);
}

TEST_F(IpForwardTest, APacketThatGoesInCirclesEnds) {
  AddRoute(router_, "10.7.0.0", 16, "10.0.1.1");  // back to a, which sends it to the router ...
  Set(a_, "net.inet.ip.forwarding", 1);
  Packet packet = ToC();
  packet.dst = Addr("10.7.0.1");
  packet.ttl = 255;
  EXPECT_EQ(Output(a_, packet), 0);
  Run();
  EXPECT_EQ(ipstat_get(a_, ips_forwarded) + ipstat_get(router_, ips_forwarded), 254u);
}

TEST_F(IpForwardTest, PointsOutAShorterWayOnALan) {
  CaptureInterface lan;
  HostBase& gateway = AddHostOnLan(&lan);
  Set(gateway, "net.inet.ip.forwarding", 1);
  AddRoute(gateway, "10.8.0.0", 16, "192.168.1.254");
  const Packet packet = {
      .src = Addr("192.168.1.7"), .dst = Addr("10.8.0.1"), .payload = "payload!"};
  Inject(lan.ifp, packet.Bytes());
  ASSERT_EQ(lan.sent.size(), 2u);
  const IcmpView redirect(lan.sent[0].payload.data(), lan.sent[0].payload.size());
  EXPECT_EQ(redirect.type(), ICMP_REDIRECT);
  EXPECT_EQ(redirect.code(), ICMP_REDIRECT_HOST);
  EXPECT_EQ(Text(redirect.gateway()), "192.168.1.254");
  EXPECT_EQ(Text(lan.sent[0].dst), "192.168.1.7");
  EXPECT_EQ(Text(lan.sent[1].dst), "10.8.0.1");  // sent on all the same
  Set(gateway, "net.inet.ip.redirect", 0);
  Inject(lan.ifp, packet.Bytes());
  EXPECT_EQ(lan.sent.size(), 3u);
}

}  // namespace
}  // namespace sockbed
