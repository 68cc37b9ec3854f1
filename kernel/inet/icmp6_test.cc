// ICMPv6 echo, and what transports hear of errors: spec inet.md 8. That errors are sent is tested
// where they arise.
#include "kernel/inet/icmp6.h"

#include "kernel/inet/inet6_test_net.h"

namespace sockbed {
namespace {

class Icmp6Test : public Inet6TestNet {
 protected:
  Icmp6Test() : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_)) { link_.AddTap(&tap_); }
  ~Icmp6Test() override { link_.RemoveTap(&tap_); }

  struct Tap : PacketTap {
    void OnPacket(const TappedPacket& tapped) override {
      if (tapped.fate == PacketFate::kSent) sent.push_back(Packet6::Of(BytesOf(tapped.packet)));
    }
    std::vector<Packet6> sent;
  };

  static std::string Request(const std::string& data) {
    std::string bytes(kIcmpHeader, '\0');
    IcmpHeader{.type = ICMP6_ECHO_REQUEST, .code = 0, .rest = 0x1234'0007}.Write(bytes.data(),
                                                                                 bytes.size());
    return bytes + data;
  }
  // A message arrives at host a, its checksum right unless `sum` is off.
  void Inject(const char* src, const char* dst, std::string message, uint16_t off = 0) {
    Packet6 packet = {.src = Addr6(src),
                      .dst = Addr6(dst),
                      .payload = std::move(message),
                      .next = IPPROTO_ICMPV6};
    const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6,
                                        static_cast<int>(packet.payload.size()));
    auto* p = reinterpret_cast<uint8_t*>(packet.payload.data());
    StoreBe16(p + 2, static_cast<uint16_t>(
                         in_cksum_finish(in_cksum_add(sum, p, packet.payload.size())) + off));
    Inject6(link_.interface(0), packet.Bytes());
  }

  // An error about a packet of host a arrives there. Returns what the transport heard.
  IcmpError Error(uint8_t type, uint8_t code, uint32_t rest = 0) {
    std::string bytes(kIcmpHeader, '\0');
    IcmpHeader{.type = type, .code = code, .rest = rest}.Write(bytes.data(), bytes.size());
    const size_t heard = Errors6(a_).size();
    Inject("2001:db8:1::9", "2001:db8:1::1",
           bytes + Packet6{.src = Addr6("2001:db8:1::1"),
                           .dst = Addr6("2001:db8:1::2"),
                           .payload = "eight of"}
                       .Bytes());
    EXPECT_EQ(Errors6(a_).size(), heard + 1) << int{type} << "/" << int{code};
    return Errors6(a_).back();
  }

  Tap tap_;
  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(Icmp6Test, EchoAnswersWithTheSameDataFromTheAddressAsked) {
  Inject("2001:db8:1::2", "2001:db8:1::1", Request("twelve bytes"));
  ASSERT_EQ(tap_.sent.size(), 1u);
  const Packet6& reply = tap_.sent[0];
  EXPECT_EQ(in6_text(reply.src), "2001:db8:1::1");
  EXPECT_EQ(in6_text(reply.dst), "2001:db8:1::2");
  EXPECT_EQ(reply.hops, 64);
  const IcmpView icmp(reply.payload.data(), reply.payload.size());
  EXPECT_EQ(icmp.type(), ICMP6_ECHO_REPLY);
  EXPECT_EQ(icmp.id(), 0x1234);
  EXPECT_EQ(icmp.sequence(), 7);
  EXPECT_EQ(reply.payload.substr(kIcmpHeader), "twelve bytes");
  const uint64_t sum =
      in6_pseudo_sum(reply.src, reply.dst, IPPROTO_ICMPV6, static_cast<int>(reply.payload.size()));
  EXPECT_EQ(in_cksum_finish(in_cksum_add(sum, reply.payload.data(), reply.payload.size())), 0);
  EXPECT_EQ(icmp6stat_get(a_, icp6s_reflected), 1u);
}

TEST_F(Icmp6Test, EchoToAGroupIsAnsweredFromAnAddressOfTheLink) {
  Inject("fe80::ff:fe00:102", "ff02::1", Request(""));
  ASSERT_EQ(tap_.sent.size(), 1u);
  EXPECT_EQ(in6_text(tap_.sent[0].src), "fe80::ff:fe00:101");
  EXPECT_EQ(in6_text(tap_.sent[0].dst), "fe80::ff:fe00:102");
}

TEST_F(Icmp6Test, ExtensionHeadersAreNotRepeated) {
  Packet6 packet = {.src = Addr6("2001:db8:1::2"),
                    .dst = Addr6("2001:db8:1::1"),
                    .payload = std::string("\x3a\0\x01\x04\0\0\0\0", 8),
                    .next = IPPROTO_DSTOPTS};
  std::string message = Request("x");
  const uint64_t sum =
      in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6, static_cast<int>(message.size()));
  StoreBe16(reinterpret_cast<uint8_t*>(message.data()) + 2,
            in_cksum_finish(in_cksum_add(sum, message.data(), message.size())));
  packet.payload += message;
  Inject6(link_.interface(0), packet.Bytes());
  ASSERT_EQ(tap_.sent.size(), 1u);
  EXPECT_EQ(tap_.sent[0].next, IPPROTO_ICMPV6);
  EXPECT_EQ(tap_.sent[0].payload.size(), kIcmpHeader + 1u);
}

TEST_F(Icmp6Test, BadChecksumShortAndUnspecifiedSourceAreDropped) {
  Inject("2001:db8:1::2", "2001:db8:1::1", Request("x"), 1);
  EXPECT_EQ(icmp6stat_get(a_, icp6s_checksum), 1u);
  Inject("2001:db8:1::2", "2001:db8:1::1", Request("").substr(0, 7));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badlen), 1u);
  Inject("::", "2001:db8:1::1", Request(""));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badsource), 1u);
  EXPECT_EQ(tap_.sent.size(), 0u);
}

TEST_F(Icmp6Test, EchoOfAnotherCodeIsNotAnswered) {
  std::string request = Request("x");
  request[1] = 1;
  Inject("2001:db8:1::2", "2001:db8:1::1", request);
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badcode), 1u);
  EXPECT_EQ(tap_.sent.size(), 0u);
}

// The table of spec 8, by profile.
TEST_F(Icmp6Test, TheTransportHearsOfErrorsAsErrnos) {
  struct Row {
    uint8_t type, code;
    int openbsd, freebsd;
  };
  constexpr Row kRows[] = {
      {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, EHOSTUNREACH, EHOSTUNREACH},
      {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, ECONNREFUSED, ECONNREFUSED},
      {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE, ENOPROTOOPT, EHOSTUNREACH},
      {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, EHOSTDOWN, EHOSTUNREACH},
      {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, ECONNREFUSED, ECONNREFUSED},
      {ICMP6_PACKET_TOO_BIG, 0, EMSGSIZE, EMSGSIZE},
      {ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 0, EHOSTUNREACH},
      {ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY, 0, 0},
      {ICMP6_PARAM_PROB, ICMP6_PARAMPROB_HEADER, ENOPROTOOPT, ENOPROTOOPT},
      {ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER, ECONNREFUSED, ENOPROTOOPT},
      {ICMP6_PARAM_PROB, ICMP6_PARAMPROB_OPTION, ENOPROTOOPT, ENOPROTOOPT},
  };
  for (const int profile : {0, 1}) {
    Set(a_, "net.inet.ip.profile", profile);
    for (const Row& row : kRows) {
      const IcmpError heard = Error(row.type, row.code, 1300);
      EXPECT_EQ(heard.error, profile == 0 ? row.openbsd : row.freebsd)
          << int{row.type} << "/" << int{row.code} << " profile " << profile;
      EXPECT_EQ(in6_text(heard.src.v6()), "2001:db8:1::1");
      EXPECT_EQ(in6_text(heard.dst.v6()), "2001:db8:1::2");
      EXPECT_EQ(heard.mtu, row.type == ICMP6_PACKET_TOO_BIG ? 1300u : 0u);
    }
  }
}

// openbsd: there is a router that translates, which needs room for a fragment header.
TEST_F(Icmp6Test, NoPathIsNarrowerThanEveryLinkMayBe) {
  for (const auto& [profile, mtu] : {std::pair{1, 1280u}, {0, 1272u}}) {
    Set(a_, "net.inet.ip.profile", profile);
    EXPECT_EQ(Error(ICMP6_PACKET_TOO_BIG, 0, 600).mtu, mtu);
    HostScope scope(a_);
    EXPECT_EQ(rt_path_mtu(rt_match(Addr6("2001:db8:1::2"))), mtu);
  }
}

}  // namespace
}  // namespace sockbed
