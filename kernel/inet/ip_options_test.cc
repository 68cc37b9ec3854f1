#include <errno.h>

#include "kernel/inet/inet_test_net.h"
#include "kernel/inet/ip_private.h"

namespace sockbed {
namespace {

std::string Raw(std::initializer_list<int> bytes) {
  std::string raw;
  for (const int byte : bytes) raw += static_cast<char>(byte);
  return raw;
}

class IpOptionsTest : public InetTestNet {
 protected:
  IpOptionsTest() : host_(AddHostOnLan(&lan_)) {}

  Packet With(const std::string& options) {
    return {.src = Addr("192.168.1.9"),
            .dst = Addr("192.168.1.1"),
            .payload = "payload!",
            .options = options};
  }
  // The options as the protocol saw them, or how the packet was answered: "type/code/rest".
  std::string After(const std::string& options) {
    const size_t before = Packets(host_).size();
    lan_.sent.clear();
    Inject(lan_.ifp, With(options).Bytes());
    if (Packets(host_).size() > before) return Packets(host_).back().options;
    if (lan_.sent.empty()) return "dropped";
    const std::string& icmp = lan_.sent[0].payload;
    return std::to_string(icmp[0]) + "/" + std::to_string(icmp[1]) + "/" +
           std::to_string(static_cast<uint8_t>(icmp[4]));
  }

  CaptureInterface lan_;
  HostBase& host_;
};

TEST_F(IpOptionsTest, UnknownOnesArePassedOver) {
  for (const std::string& options :
       {Raw({1, 1, 1, 0}), Raw({0, 0, 0, 0}), Raw({148, 4, 0, 0}), Raw({99, 3, 7, 1}),
        Raw({130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), Raw({136, 4, 0, 9})}) {
    EXPECT_EQ(After(options), options);
  }
}

TEST_F(IpOptionsTest, BadLengthsAreAnsweredWithTheOffset) {
  EXPECT_EQ(After(Raw({99, 1, 0, 0})), "12/0/21");
  EXPECT_EQ(After(Raw({1, 99, 9, 0})), "12/0/22");
  EXPECT_EQ(After(Raw({1, 1, 1, 99})), "12/0/24");
  EXPECT_EQ(After(Raw({7, 7, 3, 0, 0, 0, 0, 0})), "12/0/22");  // pointer into the header
  EXPECT_EQ(After(Raw({68, 8, 4, 0, 0, 0, 0, 0})), "12/0/22");
  EXPECT_EQ(After(Raw({68, 12, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0})), "12/0/23");  // unknown flag
  ExpectDrops(host_, ips_badoptions, 6);
}

TEST_F(IpOptionsTest, RecordsTheRoute) {
  EXPECT_EQ(After(Raw({7, 7, 4, 0, 0, 0, 0, 0})), Raw({7, 7, 8, 192, 168, 1, 1, 0}));
  const std::string full = Raw({7, 7, 8, 9, 9, 9, 9, 0});
  EXPECT_EQ(After(full), full);
}

TEST_F(IpOptionsTest, RecordsTimes) {
  Wait(258 * kMillisecond);  // 0x102 ms after midnight
  EXPECT_EQ(After(Raw({68, 8, 5, 0, 0, 0, 0, 0})), Raw({68, 8, 9, 0, 0, 0, 1, 2}));
  EXPECT_EQ(After(Raw({68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0})),
            Raw({68, 12, 13, 1, 192, 168, 1, 1, 0, 0, 1, 2}));
  EXPECT_EQ(After(Raw({68, 12, 5, 3, 192, 168, 1, 1, 0, 0, 0, 0})),
            Raw({68, 12, 13, 3, 192, 168, 1, 1, 0, 0, 1, 2}));
  EXPECT_EQ(After(Raw({68, 12, 5, 3, 10, 1, 1, 1, 0, 0, 0, 0})),
            Raw({68, 12, 5, 3, 10, 1, 1, 1, 0, 0, 0, 0}));  // not for us
  EXPECT_EQ(After(Raw({68, 8, 9, 0, 0, 0, 0, 0})), Raw({68, 8, 9, 0x10, 0, 0, 0, 0}));  // full
  EXPECT_EQ(After(Raw({68, 8, 9, 0xf0, 0, 0, 0, 0})), "12/0/23");  // once too often
  for (const int flag : {1, 3}) {
    EXPECT_EQ(After(Raw({68, 8, 5, flag, 0, 0, 0, 0})), "12/0/22") << "a time alone has room";
    EXPECT_EQ(After(Raw({68, 8, 9, flag, 0, 0, 0, 0})), Raw({68, 8, 9, 0x10 | flag, 0, 0, 0, 0}));
  }
}

TEST_F(IpOptionsTest, SourceRoutesAreRefusedUnlessAllowed) {
  const std::string loose = Raw({131, 7, 4, 192, 168, 1, 77, 0});
  EXPECT_EQ(After(loose), "3/5/0");
  Set(host_, "net.inet.ip.sourceroute", 1);
  EXPECT_EQ(After(Raw({131, 7, 8, 192, 168, 1, 77, 0})).size(), 8u);  // at its end: delivered
  EXPECT_EQ(After(Raw({131, 7, 3, 192, 168, 1, 77, 0})), "12/0/22");
}

TEST_F(IpOptionsTest, ASourceRouteMakesNoRouter) {
  Set(host_, "net.inet.ip.sourceroute", 1);
  EXPECT_EQ(After(Raw({131, 7, 4, 192, 168, 1, 77, 0})), "dropped");
  ExpectDrops(host_, ips_cantforward, 1);
}

TEST_F(IpOptionsTest, ASourceRouteLeadsOn) {
  Set(host_, "net.inet.ip.sourceroute", 1);
  Set(host_, "net.inet.ip.forwarding", 1);
  Set(host_, "net.inet.ip.redirect", 0);
  for (const int type : {131, 137}) {
    lan_.sent.clear();
    Inject(lan_.ifp, With(Raw({type, 7, 4, 192, 168, 1, 77, 0})).Bytes());
    ASSERT_EQ(lan_.sent.size(), 1u);
    EXPECT_EQ(Text(lan_.sent[0].dst), "192.168.1.77");
    EXPECT_EQ(lan_.sent[0].options, Raw({type, 7, 8, 192, 168, 1, 1, 0}));
    EXPECT_EQ(lan_.sent[0].ttl, 63);
  }
  EXPECT_EQ(After(Raw({137, 7, 4, 10, 9, 9, 9, 0})), "3/5/0");  // strict, and not on our link
  EXPECT_EQ(After(Raw({131, 7, 4, 10, 9, 9, 9, 0})), "3/5/0");  // loose, and no route
}

TEST_F(IpOptionsTest, AnAnswerRepeatsWhatWasRecorded) {
  std::string echo(kIcmpHeader, '\0');
  echo[0] = ICMP_ECHO;
  StoreBe16(reinterpret_cast<uint8_t*>(echo.data()) + 2, in_cksum_bytes(echo.data(), echo.size()));
  Packet request = With(Raw({148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0}));
  request.protocol = IPPROTO_ICMP;
  request.payload = echo;
  Inject(lan_.ifp, request.Bytes());
  ASSERT_EQ(lan_.sent.size(), 1u);
  EXPECT_EQ(lan_.sent[0].options, Raw({1, 1, 1, 1, 7, 7, 8, 192, 168, 1, 1, 0}));
}

// Options that a socket sends: what a pcb keeps, and what goes out.
class SentOptionsTest : public IpOptionsTest {
 protected:
  int Keep(const std::string& options) {
    HostScope scope(host_);
    kept_.reset();
    MbufPtr given = m_get(M_DONTWAIT, MT_SOOPTS);
    options.copy(given->m_data, options.size());
    given->m_len = static_cast<int>(options.size());
    mbuf* kept = nullptr;
    const int error = ip_pcbopts(given.get(), &kept);
    kept_.reset(kept);
    return error;
  }
  void Send(size_t size, uint32_t mtu) {
    lan_.ifp->if_mtu = mtu;
    lan_.sent.clear();
    HostScope scope(host_);
    const int total = kIpv4HeaderMin + static_cast<int>(size);
    std::string bytes(static_cast<size_t>(total), 'p');
    Ipv4Header{.total_length = total, .protocol = kTestProtocol, .destination = Addr("192.168.1.9")}
        .Write(bytes.data(), bytes.size());
    MbufPtr m = m_devget(bytes.data(), total, max_linkhdr);
    EXPECT_EQ(ip_output(std::move(m), kept_.get(), nullptr, 0, nullptr, nullptr), 0);
  }

  void TearDown() override { kept_.reset(); }

  MbufPtr kept_;
};

TEST_F(SentOptionsTest, GoOutBehindTheHeader) {
  EXPECT_EQ(Keep(Raw({7, 7, 4, 0, 0, 0, 0, 0})), 0);
  Send(100, 1500);
  ASSERT_EQ(lan_.sent.size(), 1u);
  EXPECT_EQ(lan_.sent[0].options, Raw({7, 7, 4, 0, 0, 0, 0, 0}));
  EXPECT_EQ(lan_.sent[0].payload, std::string(100, 'p'));
}

TEST_F(SentOptionsTest, OnlyCopiedOnesAreInLaterFragments) {
  EXPECT_EQ(Keep(Raw({7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0})), 0);
  Send(3000, 1500);
  ASSERT_EQ(lan_.sent.size(), 3u);
  EXPECT_EQ(lan_.sent[0].options.size(), 12u);
  EXPECT_EQ(lan_.sent[1].options, Raw({148, 4, 0, 0}));
  EXPECT_EQ(lan_.sent[2].options, Raw({148, 4, 0, 0}));
  EXPECT_EQ(lan_.sent[0].payload.size(), 1464u);
  EXPECT_EQ(lan_.sent[0].payload.size() + lan_.sent[1].payload.size() + lan_.sent[2].payload.size(),
            3000u);
}

TEST_F(SentOptionsTest, ASourceRoutesFirstHopIsTheDestination) {
  EXPECT_EQ(Keep(Raw({131, 11, 4, 192, 168, 1, 50, 10, 1, 1, 1, 0})), 0);
  Send(8, 1500);
  ASSERT_EQ(lan_.sent.size(), 1u);
  EXPECT_EQ(Text(lan_.sent[0].dst), "192.168.1.50");
  EXPECT_EQ(lan_.sent[0].options, Raw({131, 7, 4, 10, 1, 1, 1, 0}));
}

// RFC 1122 4.1.3.4 and 4.2.3.8: the pseudo header has the address that the packet ends at.
TEST_F(SentOptionsTest, ATransportsChecksumIsThatOfTheLastHop) {
  EXPECT_EQ(Keep(Raw({131, 11, 4, 192, 168, 1, 50, 10, 1, 1, 1, 0})), 0);
  std::string bytes(kIpv4HeaderMin + 8, '\0');
  Ipv4Header{.total_length = static_cast<int>(bytes.size()),
             .protocol = kTestProtocol,
             .source = Addr("192.168.1.1"),
             .destination = Addr("10.1.1.1")}
      .Write(bytes.data(), bytes.size());
  {
    HostScope scope(host_);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    m->m_pkthdr.csum_flags = M_UDP_CSUM_OUT;
    EXPECT_EQ(ip_output(std::move(m), kept_.get(), nullptr, 0, nullptr, nullptr), 0);
  }
  ASSERT_EQ(lan_.sent.size(), 1u);
  EXPECT_EQ(Text(lan_.sent[0].dst), "192.168.1.50");
  const std::string& payload = lan_.sent[0].payload;
  EXPECT_NE(payload.substr(6), std::string(2, '\0'));
  const uint64_t sum = in_pseudo_sum(Addr("192.168.1.1"), Addr("10.1.1.1"), kTestProtocol, 8);
  EXPECT_EQ(in_cksum_finish(in_cksum_add(sum, payload.data(), payload.size())), 0);
}

TEST_F(SentOptionsTest, RefusesWhatIsMalformed) {
  EXPECT_EQ(Keep(Raw({1, 1, 1})), EINVAL);
  EXPECT_EQ(Keep(std::string(44, '\1')), EINVAL);
  EXPECT_EQ(Keep(Raw({7, 9, 4, 0})), EINVAL);
  EXPECT_EQ(Keep(Raw({7, 1, 4, 0})), EINVAL);
  EXPECT_EQ(Keep(Raw({131, 3, 4, 0})), EINVAL);
  EXPECT_EQ(Keep(""), 0);
  EXPECT_EQ(kept_.get(), nullptr);
}

}  // namespace
}  // namespace sockbed
