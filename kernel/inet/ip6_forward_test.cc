#include "kernel/inet/inet6_test_net.h"

namespace sockbed {
namespace {

// a -- r -- b: rules of spec 7.1 (7), path MTU and errors as they reach the sender.
class Ip6ForwardTest : public Inet6TestNet {
 protected:
  Ip6ForwardTest()
      : a_(AddHost6("a")),
        r_(AddHost6("r")),
        b_(AddHost6("b")),
        near_(Join6(a_, r_)),
        far_(Join6(r_, b_, {.mtu = 1400})) {
    Set(r_, "net.inet6.ip6.forwarding", 1);
    AddRoute6(a_, "2001:db8:2::", 64, "2001:db8:1::2");
    AddRoute6(b_, "2001:db8:1::", 64, "2001:db8:2::1");
  }
  int Send(const char* dst, size_t size = 5, uint8_t hops = 64, const ip6_pktopts* opt = nullptr) {
    const int error =
        Output6(a_, {.dst = Addr6(dst), .payload = std::string(size, 'x'), .hops = hops}, opt);
    Run(Now() + kSecond);
    return error;
  }
  const IcmpError& Told() {
    EXPECT_FALSE(Errors6(a_).empty());
    return Errors6(a_).back();
  }

  HostBase& a_;
  HostBase& r_;
  HostBase& b_;
  Link& near_;
  Link& far_;
};

TEST_F(Ip6ForwardTest, CarriesPacketsOnWithOneHopLess) {
  EXPECT_EQ(Send("2001:db8:2::2"), 0);
  ASSERT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(Packets6(b_)[0].hops, 63);
  EXPECT_EQ(in6_text(Packets6(b_)[0].src), "2001:db8:1::1");
  EXPECT_EQ(ip6stat_get(r_, ip6s_forward), 1u);
}

TEST_F(Ip6ForwardTest, TellsTheSenderWhenTheHopsAreUsedUp) {
  EXPECT_EQ(Send("2001:db8:2::2", 20, 1), 0);
  EXPECT_EQ(Told().type, ICMP6_TIME_EXCEEDED);
  EXPECT_EQ(Told().error, 0);  // OpenBSD: no errno
  EXPECT_EQ(in6_text(Told().dst.v6()), "2001:db8:2::2");
  ExpectDrops6(r_, ip6s_hopsexceeded, 1);
}

TEST_F(Ip6ForwardTest, TellsTheSenderThatThereIsNoRoute) {
  AddRoute6(a_, "2001:db8:9::", 64, "2001:db8:1::2");
  EXPECT_EQ(Send("2001:db8:9::9", 20), 0);
  EXPECT_EQ(Told().type, ICMP6_DST_UNREACH);
  EXPECT_EQ(Told().code, ICMP6_DST_UNREACH_NOROUTE);
  EXPECT_EQ(Told().error, EHOSTUNREACH);
  ExpectDrops6(r_, ip6s_noroute, 1);
}

// RFC 8201: what is too big comes back with the MTU, and the next packet is cut by its source.
TEST_F(Ip6ForwardTest, LearnsThePathMtu) {
  EXPECT_EQ(Send("2001:db8:2::2", 1450), 0);
  EXPECT_EQ(Told().type, ICMP6_PACKET_TOO_BIG);
  EXPECT_EQ(Told().error, EMSGSIZE);
  EXPECT_EQ(Told().mtu, 1400u);
  EXPECT_TRUE(Packets6(b_).empty());
  {
    HostScope scope(a_);
    EXPECT_EQ(rt_path_mtu(rt_match(Addr6("2001:db8:2::2"))), 1400u);
  }
  EXPECT_EQ(Send("2001:db8:2::2", 1450), 0);
  ASSERT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(Packets6(b_)[0].payload.size(), 1450u);
  EXPECT_EQ(ip6stat_get(a_, ip6s_ofragments), 2u);
  const ip6_pktopts whole = {.ip6po_dontfrag = true};
  EXPECT_EQ(Send("2001:db8:2::2", 1450, 64, &whole), EMSGSIZE);
  Wait(601 * kSecond);
  HostScope scope(a_);
  EXPECT_EQ(rt_path_mtu(rt_match(Addr6("2001:db8:2::2"))), 1500u);
}

TEST_F(Ip6ForwardTest, NeverCarriesAddressesOfALinkBeyondIt) {
  Inject6(near_.interface(1), Packet6{.src = Addr6("fe80::7"),
                                      .dst = Addr6("2001:db8:2::2"),
                                      .payload = std::string(20, 'x')}
                                  .Bytes());
  Run(Now() + kSecond);
  ExpectDrops6(r_, ip6s_badscope, 1);
  const std::vector<Record> errors = RecordsOf(InetRecord::kIcmp6Send);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].args[2] >> 32,
            uint64_t{ICMP6_DST_UNREACH} << 8 | ICMP6_DST_UNREACH_BEYONDSCOPE);
  Inject6(near_.interface(1), Packet6{.src = Addr6("2001:db8:1::1"),
                                      .dst = Addr6("fe80::9"),
                                      .payload = std::string(20, 'x')}
                                  .Bytes());
  ExpectDrops6(r_, ip6s_cantforward, 1);
}

TEST_F(Ip6ForwardTest, ErrorsAreLimitedAndNeverAboutErrors) {
  Packet6 packet = {.src = Addr6("2001:db8:1::1"),
                    .dst = Addr6("2001:db8:9::9"),
                    .payload = std::string(20, 'x')};
  for (int i = 0; i < 150; ++i) Inject6(near_.interface(1), packet.Bytes());
  EXPECT_EQ(icmp6stat_get(r_, icp6s_sent), 100u);
  EXPECT_EQ(icmp6stat_get(r_, icp6s_toofreq), 50u);
  Wait(kSecond);
  packet.next = IPPROTO_ICMPV6;
  for (const uint8_t type : {ICMP6_DST_UNREACH, ICMP6_PARAM_PROB, ND_REDIRECT}) {
    packet.payload[0] = static_cast<char>(type);
    Inject6(near_.interface(1), packet.Bytes());
  }
  EXPECT_EQ(icmp6stat_get(r_, icp6s_oldicmp), 3u);
  packet.payload[0] = static_cast<char>(ICMP6_ECHO_REQUEST);
  Inject6(near_.interface(1), packet.Bytes());
  EXPECT_EQ(icmp6stat_get(r_, icp6s_sent), 101u);
}

TEST_F(Ip6ForwardTest, RoutesRefuseAndSwallow) {
  {
    HostScope scope(r_);
    ifnet* lo0 = if_loopback(r_);
    for (const auto& [dest, flag] :
         {std::pair{"2001:db8:5::", RTF_REJECT}, std::pair{"2001:db8:6::", RTF_BLACKHOLE}}) {
      EXPECT_EQ(
          rt_add({.dest = Addr6(dest), .family = AF_INET6, .plen = 48, .flags = flag, .ifp = lo0}),
          0);
    }
  }
  AddRoute6(a_, "2001:db8::", 32, "2001:db8:1::2");
  EXPECT_EQ(Send("2001:db8:5::1", 20), 0);
  EXPECT_EQ(Errors6(a_).size(), 1u);
  EXPECT_EQ(Send("2001:db8:6::1", 20), 0);
  EXPECT_EQ(Errors6(a_).size(), 1u);
  ExpectDrops6(r_, ip6s_rejected, 2);
}

}  // namespace
}  // namespace sockbed
