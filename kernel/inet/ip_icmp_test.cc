#include "kernel/inet/ip_icmp.h"

#include <errno.h>

#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

// One host on a network of the test's own, which plays everybody else.
class IcmpTest : public InetTestNet {
 protected:
  IcmpTest() : host_(AddHostOnLan(&lan_)) {}

  // An ICMP message with a right checksum.
  static std::string Message(uint8_t type, uint8_t code, uint32_t rest, const std::string& data) {
    std::string message(kIcmpHeader, '\0');
    IcmpHeader{.type = type, .code = code, .rest = rest}.Write(message.data(), message.size());
    message += data;
    StoreBe16(reinterpret_cast<uint8_t*>(message.data()) + 2,
              in_cksum_bytes(message.data(), message.size()));
    return message;
  }
  Packet From(const char* src, const std::string& message, const char* dst = "192.168.1.1") {
    return {.src = Addr(src), .dst = Addr(dst), .payload = message, .protocol = IPPROTO_ICMP};
  }
  void Get(const Packet& packet, uint16_t flags = 0) { Inject(lan_.ifp, packet.Bytes(), flags); }
  // The only packet sent since the last question, as an ICMP message.
  Packet Answer() {
    EXPECT_EQ(lan_.sent.size(), 1u);
    Packet answer = lan_.sent.empty() ? Packet{} : lan_.sent.back();
    lan_.sent.clear();
    EXPECT_EQ(in_cksum_bytes(answer.payload.data(), answer.payload.size()), 0);
    return answer;
  }
  // A packet that provokes an error: its protocol is unknown.
  Packet Provoking() {
    return {.src = Addr("192.168.1.9"),
            .dst = Addr("192.168.1.1"),
            .payload = "provoking payload",
            .protocol = 200};
  }
  // What the host would have sent, for quoting.
  std::string Sent(const char* dst = "192.168.1.9", size_t size = 100) {
    return Packet{.src = Addr("192.168.1.1"),
                  .dst = Addr(dst),
                  .payload = std::string(size, 'q'),
                  .dont_fragment = true}
        .Bytes();
  }
  uint64_t Count(icmpstat_counters counter) { return icmpstat_get(host_, counter); }

  CaptureInterface lan_;
  HostBase& host_;
};

TEST_F(IcmpTest, EchoesWhatItIsSent) {
  Packet request = From("192.168.1.9", Message(ICMP_ECHO, 0, 0x1234'0001, "data"));
  request.tos = 0x10;
  Get(request);
  const Packet answer = Answer();
  EXPECT_EQ(answer.payload, Message(ICMP_ECHOREPLY, 0, 0x1234'0001, "data"));
  EXPECT_EQ(Text(answer.src), "192.168.1.1");
  EXPECT_EQ(Text(answer.dst), "192.168.1.9");
  EXPECT_EQ(answer.ttl, 255);
}

TEST_F(IcmpTest, DropsMessagesThatAreShortOrBroken) {
  Get(From("192.168.1.9", Message(ICMP_ECHO, 0, 0, "").substr(0, 7)));
  EXPECT_EQ(Count(icps_badlen), 1u);
  std::string broken = Message(ICMP_ECHO, 0, 0, "x");
  broken.back() = 'y';
  Get(From("192.168.1.9", broken));
  EXPECT_EQ(Count(icps_checksum), 1u);
  EXPECT_EQ(lan_.sent.size(), 0u);
}

TEST_F(IcmpTest, AnswersABroadcastEchoOnlyIfAsked) {
  const Packet request = From("192.168.1.9", Message(ICMP_ECHO, 0, 1, ""), "192.168.1.255");
  Get(request);
  EXPECT_EQ(Count(icps_bmcastecho), 1u);
  Set(host_, "net.inet.icmp.bmcastecho", 1);
  Get(request);
  EXPECT_EQ(Text(Answer().src), "192.168.1.1");
}

TEST_F(IcmpTest, TellsTheTimeUnlessForbidden) {
  Wait(1500 * kMillisecond);
  const Packet request = From("192.168.1.9", Message(ICMP_TSTAMP, 0, 1, std::string(12, 't')));
  Get(request);
  const std::string payload = Answer().payload;
  EXPECT_EQ(payload[0], ICMP_TSTAMPREPLY);
  EXPECT_EQ(payload.substr(8, 4), "tttt");
  EXPECT_EQ(LoadBe32(reinterpret_cast<const uint8_t*>(payload.data()) + 12), 1500u);
  EXPECT_EQ(LoadBe32(reinterpret_cast<const uint8_t*>(payload.data()) + 16), 1500u);
  Set(host_, "net.inet.icmp.tstamprepl", 0);
  Get(request);
  EXPECT_EQ(Count(icps_ignored), 1u);
}

TEST_F(IcmpTest, TellsTheMaskOnlyIfAsked) {
  const Packet request = From("192.168.1.9", Message(ICMP_MASKREQ, 0, 1, std::string(4, '\0')));
  Get(request);
  EXPECT_EQ(Count(icps_ignored), 1u);
  Set(host_, "net.inet.icmp.maskrepl", 1);
  Get(request);
  const std::string payload = Answer().payload;
  EXPECT_EQ(payload[0], ICMP_MASKREPLY);
  EXPECT_EQ(payload.substr(8), std::string("\xff\xff\xff\0", 4));
}

TEST_F(IcmpTest, AnErrorQuotesHeaderAndEightBytes) {
  const Packet offender = Provoking();
  Get(offender);
  const Packet error = Answer();
  EXPECT_EQ(error.payload.substr(0, 2), std::string("\3\2", 2));
  EXPECT_EQ(error.payload.substr(kIcmpHeader), offender.Bytes().substr(0, 28));
  EXPECT_EQ(error.ttl, 255);
  EXPECT_EQ(Text(error.src), "192.168.1.1");
  EXPECT_EQ(Text(error.dst), "192.168.1.9");
}

TEST_F(IcmpTest, NoErrorAboutAnErrorButAboutAQuery) {
  Packet offender = From("192.168.1.9", Message(ICMP_UNREACH, 1, 0, Sent()));
  auto provoke = [&](const Packet& packet) {
    HostScope scope(host_);
    const std::string bytes = packet.Bytes();
    icmp_error(m_devget(bytes.data(), static_cast<int>(bytes.size()), 0), ICMP_UNREACH,
               ICMP_UNREACH_HOST);
  };
  provoke(offender);
  EXPECT_EQ(Count(icps_oldicmp), 1u);
  EXPECT_EQ(lan_.sent.size(), 0u);
  provoke(From("192.168.1.9", Message(44, 0, 0, "")));
  EXPECT_EQ(Count(icps_oldicmp), 2u) << "nor about what may be one";
  for (const uint8_t query : {0, 8, 9, 10, 13, 14, 15, 16, 17, 18}) {
    provoke(From("192.168.1.9", Message(query, 0, 0, "")));
    EXPECT_EQ(Answer().payload[0], ICMP_UNREACH) << int{query};
  }
}

TEST_F(IcmpTest, NoErrorAboutFragmentsBroadcastsAndNoSingleHosts) {
  auto provoke = [&](const Packet& packet, uint16_t flags = 0) {
    HostScope scope(host_);
    const std::string bytes = packet.Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    m->m_flags |= flags;
    icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_HOST);
  };
  Packet packet = Provoking();
  packet.offset = 8;
  provoke(packet);
  provoke(Provoking(), M_BCAST);
  provoke(Provoking(), M_MCAST);
  packet = Provoking();
  packet.dst = Addr("192.168.1.255");
  provoke(packet);
  packet.dst = Addr("224.0.0.9");
  provoke(packet);
  EXPECT_EQ(Count(icps_oldshort), 5u);
  for (const char* src : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1", "192.168.1.255"}) {
    packet = Provoking();
    packet.src = Addr(src);
    provoke(packet);
  }
  EXPECT_EQ(Count(icps_badsource), 5u);
  EXPECT_EQ(lan_.sent.size(), 0u);
}

TEST_F(IcmpTest, ErrorsAreLimitedToAHundredASecond) {
  for (int i = 0; i < 150; ++i) Get(Provoking());
  EXPECT_EQ(lan_.sent.size(), 100u);
  EXPECT_EQ(Count(icps_toofreq), 50u);
  EXPECT_EQ(RecordsOf(InetRecord::kIcmpDrop).size(), 50u);
  Wait(kSecond);
  Get(Provoking());
  EXPECT_EQ(lan_.sent.size(), 101u);
}

TEST_F(IcmpTest, TheTransportHearsOfErrorsAsErrnos) {
  struct Row {
    uint8_t type, code;
    int error;
  };
  constexpr Row kRows[] = {
      {3, 0, EHOSTUNREACH},
      {3, 1, EHOSTUNREACH},
      {3, 2, ECONNREFUSED},
      {3, 3, ECONNREFUSED},
      {3, 4, EMSGSIZE},
      {3, 5, EHOSTUNREACH},
      {3, 6, EHOSTUNREACH},
      {3, 9, EHOSTUNREACH},
      {3, 10, EHOSTUNREACH},
      {3, 13, EHOSTUNREACH},
      {3, 15, EHOSTUNREACH},
      {11, 0, 0},
      {11, 1, 0},
      {12, 0, ENOPROTOOPT},
      {12, 1, ENOPROTOOPT},
  };
  for (const Row& row : kRows) {
    Get(From("192.168.1.254", Message(row.type, row.code, 0, Sent())));
    ASSERT_FALSE(Errors(host_).empty());
    EXPECT_EQ(Errors(host_).back().error, row.error) << int{row.type} << "/" << int{row.code};
    EXPECT_EQ(Text(Errors(host_).back().src.v4()), "192.168.1.1");
    EXPECT_EQ(Text(Errors(host_).back().dst.v4()), "192.168.1.9");
  }
  EXPECT_EQ(Errors(host_).size(), std::size(kRows));
  for (const auto& [type, code] : {std::pair<uint8_t, uint8_t>{3, 16}, {11, 2}, {12, 2}}) {
    Get(From("192.168.1.254", Message(type, code, 0, Sent())));
  }
  EXPECT_EQ(Count(icps_badcode), 3u);
}

TEST_F(IcmpTest, FreeBsdHearsRefusalsAndLoops) {
  Set(host_, "net.inet.ip.profile", 1);
  struct Row {
    uint8_t type, code;
    int error;
  };
  constexpr Row kRows[] = {{3, 9, ECONNREFUSED}, {3, 10, ECONNREFUSED}, {3, 13, ECONNREFUSED},
                           {3, 1, EHOSTUNREACH}, {11, 0, EHOSTUNREACH}, {11, 1, 0}};
  for (const Row& row : kRows) {
    Get(From("192.168.1.254", Message(row.type, row.code, 0, Sent())));
    ASSERT_FALSE(Errors(host_).empty());
    EXPECT_EQ(Errors(host_).back().error, row.error) << int{row.type} << "/" << int{row.code};
  }
}

// There the limit is of answers, too, and each kind has its own count.
TEST_F(IcmpTest, FreeBsdLimitsEchoesAndTimestamps) {
  Set(host_, "net.inet.icmp.errppslimit", 2);
  const auto answered_of_four = [&](const Packet& packet) {
    lan_.sent.clear();
    for (int i = 0; i < 4; ++i) Get(packet);
    return lan_.sent.size();
  };
  const Packet echo = From("192.168.1.9", Message(ICMP_ECHO, 0, 1, "data"));
  const Packet stamp = From("192.168.1.9", Message(ICMP_TSTAMP, 0, 1, std::string(12, '\0')));
  EXPECT_EQ(answered_of_four(echo), 4u);
  EXPECT_EQ(answered_of_four(stamp), 4u);
  Set(host_, "net.inet.ip.profile", 1);
  Set(host_, "net.inet.icmp.icmplim", 3);
  EXPECT_EQ(answered_of_four(echo), 3u);
  EXPECT_EQ(answered_of_four(stamp), 3u);
  EXPECT_EQ(answered_of_four(Provoking()), 3u);
  EXPECT_EQ(Count(icps_toofreq), 3u);
  Set(host_, "net.inet.icmp.bmcastecho", 0);
  Packet to_all = echo;
  to_all.dst = Addr("192.168.1.255");
  Wait(kSecond);
  EXPECT_EQ(answered_of_four(to_all), 0u);
  EXPECT_EQ(answered_of_four(echo), 3u) << "what is not answered anyway does not count";
}

TEST_F(IcmpTest, QuotesAsMuchAsTheTunableSaysAndAnErrorMayHold) {
  Packet packet = Provoking();
  packet.payload = std::string(1000, 'p');
  for (const auto& [quotelen, expected] : {std::pair<int, size_t>{8, 28}, {100, 120}, {548, 548}}) {
    Set(host_, "net.inet.icmp.quotelen", quotelen);
    Get(packet);
    EXPECT_EQ(Answer().payload.size(), kIcmpHeader + expected) << quotelen;
  }
}

TEST_F(IcmpTest, DropsQuotationsThatAreShortOrNotOurs) {
  Get(From("192.168.1.254", Message(3, 3, 0, Sent().substr(0, 27))));
  std::string long_header = Sent().substr(0, 28);
  long_header[0] = 0x4f;
  Get(From("192.168.1.254", Message(3, 3, 0, long_header)));
  long_header[0] = 0x42;
  Get(From("192.168.1.254", Message(3, 3, 0, long_header)));
  EXPECT_EQ(Count(icps_tooshort), 3u);
  for (const char* dst : {"224.0.0.9", "255.255.255.255", "192.168.1.255"}) {
    Get(From("192.168.1.254", Message(3, 3, 0, Sent(dst))));
  }
  EXPECT_EQ(Count(icps_badquote), 3u);
  EXPECT_TRUE(Errors(host_).empty());
}

TEST_F(IcmpTest, AMissingMtuIsTheNextPlateau) {
  struct Row {
    size_t quoted;
    uint32_t told, expected;
  };
  constexpr Row kRows[] = {{1500, 1400, 1400}, {1500, 0, 1492},    {1500, 1500, 1492},
                           {1492, 0, 1006},    {1500, 9000, 1492}, {60, 0, 68}};
  for (const Row& row : kRows) {
    Get(From("192.168.1.254", Message(3, 4, row.told, Sent("192.168.1.9", row.quoted - 20))));
    EXPECT_EQ(Errors(host_).back().mtu, row.expected) << row.quoted << " " << row.told;
  }
}

TEST_F(IcmpTest, AnMtuIsLoweredNeverRaised) {
  auto tell = [&](uint32_t mtu) {
    Get(From("192.168.1.254", Message(3, 4, mtu, Sent("192.168.1.9", 1480))));
    HostScope scope(host_);
    return rt_path_mtu(rt_match(Addr("192.168.1.9")));
  };
  EXPECT_EQ(tell(1400), 1400u);
  EXPECT_EQ(tell(1300), 1300u);
  EXPECT_EQ(tell(1450), 1300u);
  Set(host_, "net.inet.ip.mtudisc", 0);
  EXPECT_EQ(tell(1200), 1300u);
  Set(host_, "net.inet.ip.mtudisc", 1);
  EXPECT_EQ(tell(200), 1300u) << "nobody's: the route is locked";
  EXPECT_EQ(tell(1200), 1300u) << "and hears no more";
}

TEST_F(IcmpTest, WhatLeadsNowhereLearnsNoMtu) {
  for (const uint32_t flag : {RTF_BLACKHOLE, RTF_REJECT}) {
    HostScope scope(host_);
    rtentry* nowhere = nullptr;
    const RouteSpec spec = {.dest = Addr("10.5.0.0"), .plen = 16, .flags = flag, .ifp = lan_.ifp};
    EXPECT_EQ(rt_add(spec, &nowhere), 0);
    Get(From("192.168.1.254", Message(3, 4, 1400, Sent("10.5.0.1", 1480))));
    EXPECT_EQ(rt_match(Addr("10.5.0.1")), nowhere) << flag;
    rt_delete(nowhere);
  }
  EXPECT_EQ(Errors(host_).size(), 2u);
}

TEST_F(IcmpTest, BelievesARedirectOnlyFromTheGatewayInUseAndIfAsked) {
  AddRoute(host_, "10.0.0.0", 8, "192.168.1.254");
  auto redirect = [&](const char* from, const char* to) {
    const uint32_t gateway = ntohl(Addr(to).s_addr);
    Get(From(from, Message(ICMP_REDIRECT, 1, gateway, Sent("10.1.1.1"))));
    HostScope scope(host_);
    return Text(rt_match(Addr("10.1.1.1"))->rt_gateway.v4());
  };
  EXPECT_EQ(redirect("192.168.1.254", "192.168.1.253"), "192.168.1.254");
  Set(host_, "net.inet.icmp.rediraccept", 1);
  EXPECT_EQ(redirect("192.168.1.66", "192.168.1.253"), "192.168.1.254");
  EXPECT_EQ(redirect("192.168.1.254", "172.16.0.1"), "192.168.1.254");
  EXPECT_EQ(redirect("192.168.1.254", "192.168.1.253"), "192.168.1.253");
  Run();
  EXPECT_GE(Now(), 600 * kSecond);
  HostScope scope(host_);
  EXPECT_EQ(Text(rt_match(Addr("10.1.1.1"))->rt_gateway.v4()), "192.168.1.254");
}

TEST_F(IcmpTest, ARedirectThatFindsItsHostsRouteMadeIsCounted) {
  AddRoute(host_, "10.1.1.1", 32, "192.168.1.254");
  Set(host_, "net.inet.icmp.rediraccept", 1);
  const uint32_t gateway = ntohl(Addr("192.168.1.253").s_addr);
  Get(From("192.168.1.254", Message(ICMP_REDIRECT, 1, gateway, Sent("10.1.1.1"))));
  EXPECT_EQ(Count(icps_ignored), 1u);
}

// RFC 1122 3.2.2.2: the new gateway stands on the link that the redirect came by.
TEST_F(IcmpTest, ARedirectNamesAGatewayOfItsOwnLink) {
  CaptureInterface other;
  other.ifp = if_attach(host_, "lan1");
  other.ifp->if_softc = &other;
  other.ifp->if_output = CaptureInterface::Output;
  other.ifp->if_flags = lan_.ifp->if_flags;
  AddAddress(other.ifp, "192.168.2.1", 24);
  AddRoute(host_, "10.0.0.0", 8, "192.168.1.254");
  Set(host_, "net.inet.icmp.rediraccept", 1);
  auto redirect = [&](const char* to) {
    const uint32_t gateway = ntohl(Addr(to).s_addr);
    Get(From("192.168.1.254", Message(ICMP_REDIRECT, 1, gateway, Sent("10.1.1.1"))));
    HostScope scope(host_);
    return Text(rt_match(Addr("10.1.1.1"))->rt_gateway.v4());
  };
  EXPECT_EQ(redirect("192.168.2.9"), "192.168.1.254") << "on another link";
  EXPECT_EQ(redirect("192.168.1.255"), "192.168.1.254") << "nobody's address";
  EXPECT_EQ(redirect("192.168.1.0"), "192.168.1.254") << "likewise";
  Set(host_, "net.inet.ip.forwarding", 1);
  EXPECT_EQ(redirect("192.168.1.253"), "192.168.1.254") << "a router knows better";
  EXPECT_EQ(Count(icps_ignored), 4u);
  Set(host_, "net.inet.ip.forwarding", 0);
  EXPECT_EQ(redirect("192.168.1.253"), "192.168.1.253");
}

TEST_F(IcmpTest, ARedirectThatFindsNoMemoryLeavesTheOneBefore) {
  fault::Plan plan({{.site = Site::kPoolGet, .only_ordinal = 2}});
  Boot({.seed = 1, .fault_plan = &plan});
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  AddRoute(host, "10.0.0.0", 8, "192.168.1.254");
  Set(host, "net.inet.icmp.rediraccept", 1);
  auto redirect = [&](const char* from, const char* to) {
    const uint32_t gateway = ntohl(Addr(to).s_addr);
    Inject(lan.ifp, From(from, Message(ICMP_REDIRECT, 1, gateway, Sent("10.1.1.1"))).Bytes());
    HostScope scope(host);
    return Text(rt_match(Addr("10.1.1.1"))->rt_gateway.v4());
  };
  EXPECT_EQ(redirect("192.168.1.254", "192.168.1.253"), "192.168.1.253");
  EXPECT_EQ(redirect("192.168.1.253", "192.168.1.252"), "192.168.1.253") << "no memory";
  EXPECT_EQ(icmpstat_get(host, icps_nobufs), 1u);
  EXPECT_EQ(redirect("192.168.1.253", "192.168.1.252"), "192.168.1.252");
  Boot({.seed = 1});
}

TEST_F(IcmpTest, DropsWhatNobodyWaitsFor) {
  Get(From("192.168.1.9", Message(ICMP_ECHOREPLY, 0, 1, "")));
  Get(From("192.168.1.9", Message(ICMP_SOURCEQUENCH, 0, 0, Sent())));
  EXPECT_EQ(Count(icps_unclaimed), 2u);
}

TEST_F(IcmpTest, AllocationFailuresLeaveNoMessageAndNoLeak) {
  for (uint64_t n = 1; n <= 8; ++n) {
    fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = n}});
    Boot({.seed = 1, .fault_plan = &plan});
    CaptureInterface lan;
    HostBase& host = AddHostOnLan(&lan);
    HostScope scope(host);
    const std::string bytes = Provoking().Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    if (m != nullptr) {
      m->m_pkthdr.ph_family = AF_INET;
      if_input(lan.ifp, std::move(m));
      EXPECT_EQ(lan.sent.size(), 1 - icmpstat_get(host, icps_nobufs)) << n;
    }
    Boot({.seed = 1});
  }
}

}  // namespace
}  // namespace sockbed
