// Segmentation offload: what TCP hands over in one piece leaves as the segments that it would have
// sent (specification 16.5).
#include <errno.h>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/net/if_ether.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

constexpr int kTcpHeader = 32;  // with twelve bytes of options
constexpr uint8_t kFin = 0x01, kPush = 0x08, kAck = 0x10, kCwr = 0x80;
constexpr uint32_t kSequence = 0xffff'ff00;  // wraps
constexpr int kOffload = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6;

// A segment as it left.
struct Segment {
  std::string bytes;  // from the network header on
  int ip_length;

  uint32_t sequence() const { return LoadBe32(tcp() + 4); }
  uint8_t flags() const { return tcp()[13]; }
  std::string options() const { return bytes.substr(Offset(20), 12); }
  std::string data() const { return bytes.substr(Offset(kTcpHeader)); }
  uint16_t id() const { return Ipv4View(bytes.data(), bytes.size()).id(); }

 private:
  size_t Offset(int in_tcp) const { return static_cast<size_t>(ip_length + in_tcp); }
  const uint8_t* tcp() const { return reinterpret_cast<const uint8_t*>(bytes.data()) + ip_length; }
};

// Keeps the TCP packets that a link carries.
struct Kept : PacketTap {
  std::vector<Segment> segments;

  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate != PacketFate::kSent) return;
    const std::string bytes = BytesOf(tapped.packet).substr(ethernet ? kEtherHeader : 0);
    const bool v6 = bytes[0] >> 4 == 6;
    const uint8_t protocol = static_cast<uint8_t>(bytes[v6 ? 6 : 9]);
    if (protocol == IPPROTO_TCP) segments.push_back({bytes, v6 ? kIpv6Header : kIpv4HeaderMin});
  }
  bool ethernet = false;
};

// Over which family, and whether the interface cuts or IP does it before.
struct Case {
  bool v6, offload;
};

class TcpChopperTest : public Inet6TestNet, public testing::WithParamInterface<Case> {
 protected:
  TcpChopperTest() { Start({}); }

  void Start(const LinkOptions& options) {
    a_ = &AddHost6("a");
    b_ = &AddHost6("b");
    kept_ = {};
    kept_.ethernet = options.ethernet;
    link_ = &Join6(*a_, *b_, options);
    const int capabilities = GetParam().offload ? kOffload : IFCAP_CSUM_ALL;
    EXPECT_EQ(if_setcapabilities(link_->interface(0), capabilities), 0);
    Wait(2 * kSecond);  // addresses are no longer tentative
    link_->AddTap(&kept_);
  }
  static bool v6() { return GetParam().v6; }
  static int ip_length() { return v6() ? kIpv6Header : kIpv4HeaderMin; }

  // A TCP packet with `size` bytes of data, to be cut into segments of `mss`.
  MbufPtr Make(size_t size, uint16_t mss, uint8_t flags) {
    data_.clear();
    for (size_t i = 0; i < size; ++i) data_ += static_cast<char>('a' + i % 23);
    const int length = kTcpHeader + static_cast<int>(size);
    std::string bytes(static_cast<size_t>(ip_length() + kTcpHeader), '\0');
    if (v6()) {
      Ipv6Header{.payload_length = length,
                 .next_header = IPPROTO_TCP,
                 .source = Addr6("2001:db8:1::1"),
                 .destination = Addr6("2001:db8:1::2")}
          .Write(bytes.data(), bytes.size());
    } else {
      Ipv4Header{.total_length = kIpv4HeaderMin + length,
                 .protocol = IPPROTO_TCP,
                 .source = Addr("10.0.1.1"),
                 .destination = Addr("10.0.1.2")}
          .Write(bytes.data(), bytes.size());
    }
    auto* tcp = reinterpret_cast<uint8_t*>(bytes.data()) + ip_length();
    StoreBe32(tcp + 4, kSequence);
    tcp[12] = kTcpHeader / 4 << 4;
    tcp[13] = flags;
    for (uint8_t i = 20; i < kTcpHeader; ++i) tcp[i] = i;
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    MbufPtr data = m_devget(data_.data(), static_cast<int>(size), 0);
    if (m == nullptr || data == nullptr) return nullptr;
    m_cat(m.get(), std::move(data));
    m->m_pkthdr.len = static_cast<int>(bytes.size() + size);
    m->m_pkthdr.csum_flags = M_TCP_CSUM_OUT | M_TCP_TSO;
    m->m_pkthdr.ph_mss = mss;
    return m;
  }
  // Sends it; it is not to be fragmented.
  int Send(size_t size, uint16_t mss, uint8_t flags = kAck) {
    HostScope scope(*a_);
    MbufPtr m = Make(size, mss, flags);
    if (m == nullptr) return ENOBUFS;
    const ip6_pktopts whole = {.ip6po_dontfrag = true};
    if (v6()) return ip6_output(std::move(m), &whole, nullptr, 0, nullptr, nullptr);
    return ip_output(std::move(m), nullptr, nullptr, IP_MTUDISC, nullptr, nullptr);
  }
  // Checks `count` segments of `mss` bytes, the last one shorter, against what was handed over.
  void ExpectSegments(size_t count, size_t mss, uint8_t flags) {
    ASSERT_EQ(kept_.segments.size(), count);
    for (size_t i = 0; i < count; ++i) {
      SCOPED_TRACE(i);
      const Segment& segment = kept_.segments[i];
      EXPECT_EQ(segment.data(), data_.substr(i * mss, mss));
      EXPECT_EQ(segment.sequence(), kSequence + static_cast<uint32_t>(i * mss));
      EXPECT_EQ(segment.options(), kept_.segments[0].options());
      uint8_t expected = flags;
      if (i != 0) expected &= static_cast<uint8_t>(~kCwr);
      if (i + 1 != count) expected &= static_cast<uint8_t>(~(kPush | kFin));
      EXPECT_EQ(segment.flags(), expected);
      ExpectChecksums(segment);
    }
  }
  void ExpectChecksums(const Segment& segment) {
    HostScope scope(*a_);
    const int size = static_cast<int>(segment.bytes.size());
    const MbufPtr m = m_devget(segment.bytes.data(), size, 0);
    if (v6()) {
      EXPECT_EQ(in6_cksum(m.get(), IPPROTO_TCP, kIpv6Header, size - kIpv6Header), 0);
      EXPECT_EQ(Ipv6View(m->m_data, kIpv6Header).payload_length(), size - kIpv6Header);
    } else {
      EXPECT_EQ(in4_cksum(m.get(), IPPROTO_TCP, kIpv4HeaderMin, size - kIpv4HeaderMin), 0);
      EXPECT_EQ(in_cksum_bytes(m->m_data, kIpv4HeaderMin), 0);
      EXPECT_EQ(Ipv4View(m->m_data, kIpv4HeaderMin).total_length(), size);
      EXPECT_TRUE(Ipv4View(m->m_data, kIpv4HeaderMin).dont_fragment());
    }
  }
  HostBase* a_ = nullptr;
  HostBase* b_ = nullptr;
  Link* link_ = nullptr;
  Kept kept_;
  std::string data_;
};

TEST_P(TcpChopperTest, EachSegmentHasItsShareOfTheHeader) {
  const uint8_t flags = kAck | kPush | kFin | kCwr;
  EXPECT_EQ(Send(3500, 1000, flags), 0);
  ExpectSegments(4, 1000, flags);
}

TEST_P(TcpChopperTest, WhatFitsIntoOneSegmentStaysWhole) {
  const uint8_t flags = kAck | kPush | kFin | kCwr;
  EXPECT_EQ(Send(1000, 1000, flags), 0);
  ExpectSegments(1, 1000, flags);
}

// Over IPv4 each has the identification that it would have had alone.
TEST_P(TcpChopperTest, EachSegmentHasItsOwnIdentification) {
  if (v6()) return;
  const auto ids = [&](int packets, int segments) {
    Boot({.seed = 7});
    Start({});
    for (int i = 0; i < packets; ++i) EXPECT_EQ(Send(static_cast<size_t>(2 * segments), 2), 0);
    std::vector<uint16_t> all;
    for (const Segment& segment : kept_.segments) all.push_back(segment.id());
    return all;
  };
  const std::vector<uint16_t> alone = ids(60, 1);
  EXPECT_EQ(alone.size(), 60u);
  EXPECT_EQ(ids(3, 20), alone);
}

TEST_P(TcpChopperTest, WhereNoIdentificationIsNeededThereIsNone) {
  if (v6()) return;
  Set(*a_, "net.inet.ip.profile", 1);
  EXPECT_EQ(Send(2000, 1000), 0);
  ASSERT_EQ(kept_.segments.size(), 2u);
  EXPECT_EQ(kept_.segments[0].id(), 0);
  EXPECT_EQ(kept_.segments[1].id(), 0);
}

TEST_P(TcpChopperTest, EthernetCarriesThemInFrames) {
  Boot({.seed = 7});
  Start({.ethernet = true});
  EXPECT_EQ(Send(4000, 1000, kAck | kPush), 0);
  Run();  // the neighbour is asked for first
  ExpectSegments(4, 1000, kAck | kPush);
}

// The MTU holds for each segment, not for what was handed over. Of three that are too long the
// first is refused, and the others go with it.
TEST_P(TcpChopperTest, SegmentsThatDoNotFitAreRefused) {
  const auto fits = static_cast<uint16_t>(1500 - ip_length() - kTcpHeader);
  EXPECT_EQ(Send(3 * fits, fits), 0);
  ExpectSegments(3, fits, kAck);
  kept_.segments.clear();
  EXPECT_EQ(Send(3 * fits, fits + 1), EMSGSIZE);
  EXPECT_EQ(kept_.segments.size(), 0u);
  EXPECT_EQ(v6() ? ip6stat_get(*a_, ip6s_cantfrag) : ipstat_get(*a_, ips_cantfrag), 1u);
  EXPECT_EQ(v6() ? ip6stat_get(*a_, ip6s_odropped) : ipstat_get(*a_, ips_odropped), 2u);
}

TEST_P(TcpChopperTest, AFullQueueRefusesTheRest) {
  link_->set_options(0, {.rate_bps = 8000, .queue_len = 1});
  EXPECT_EQ(Send(5000, 1000), ENOBUFS);  // one leaves, one waits
  const uint64_t refused = link_->interface(0)->if_counters.ifi_oqdrops;
  const uint64_t dropped = v6() ? ip6stat_get(*a_, ip6s_odropped) : ipstat_get(*a_, ips_odropped);
  EXPECT_EQ(refused, GetParam().offload ? 3u : 1u);
  EXPECT_EQ(refused + dropped, 3u) << "each of the five is accounted for";
}

TEST_P(TcpChopperTest, WithoutMemoryNothingLeaves) {
  int refused = 0;
  for (uint64_t n = 1; n <= 60; ++n) {
    fault::Plan plan({{.site = Site::kMbufGet, .host = 1, .only_ordinal = n}});
    Boot({.seed = 7, .fault_plan = &plan});
    Start({});
    const int error = Send(2500, 1000);
    EXPECT_EQ(kept_.segments.size(), error == 0 ? 3u : 0u) << n;
    const uint64_t drops = v6() ? ip6stat_get(*a_, ip6s_nobufs) : ipstat_get(*a_, ips_nobufs);
    if (error != 0 && drops == 1) ++refused;
    Boot({.seed = 7});  // checks for leaks while the plan still lives
  }
  // The headers of two segments beside the first, and the data on this side of two cuts.
  EXPECT_EQ(refused, 4);
}

// lo0 takes a packet in one piece, and hands it up so, unless it may not: each segment is then
// refused by the host, which has no TCP.
TEST_P(TcpChopperTest, LoopbackKeepsWholeWhatItMayHandUpJoined) {
  if (!GetParam().offload) return;
  ifnet* lo0 = if_loopback(*a_);
  HostScope scope(*a_);
  const auto loop = [&] {
    const uint64_t before = lo0->if_counters.ifi_opackets;
    MbufPtr m = Make(2500, 1000, kAck);
    int error;
    if (v6()) {
      Ipv6Edit(m->m_data, kIpv6Header).set_destination(Addr6("2001:db8:1::1"));
      error = ip6_output(std::move(m), nullptr, nullptr, 0, nullptr, nullptr);
    } else {
      Ipv4Edit(m->m_data, kIpv4HeaderMin).set_destination(Addr("10.0.1.1"));
      error = ip_output(std::move(m), nullptr, nullptr, 0, nullptr, nullptr);
    }
    EXPECT_EQ(error, 0);
    return lo0->if_counters.ifi_opackets - before;
  };
  EXPECT_EQ(loop(), 1u);
  EXPECT_EQ(if_setcapabilities(lo0, lo0->if_capabilities & ~IFCAP_LRO), 0);
  EXPECT_EQ(loop(), 3u);
  EXPECT_EQ(if_setcapabilities(lo0, IFCAP_CSUM_ALL), 0);
  EXPECT_EQ(loop(), 3u);
}

TEST_P(TcpChopperTest, AnInterfaceRefusesWhatItCannot) {
  ifnet* ifp = link_->interface(0);
  EXPECT_EQ(if_setcapabilities(ifp, kOffload | IFCAP_LRO), EINVAL) << "but lo0";
  EXPECT_EQ(if_setcapabilities(ifp, kOffload | 1 << 30), EINVAL);
  EXPECT_EQ(if_setcapabilities(ifp, kOffload & ~IFCAP_CSUM_IPv4), EINVAL);
  EXPECT_EQ(if_setcapabilities(ifp, kOffload & ~IFCAP_CSUM_TCPv4), EINVAL);
  EXPECT_EQ(if_setcapabilities(ifp, kOffload & ~IFCAP_CSUM_TCPv6), EINVAL);
  EXPECT_EQ(if_setcapabilities(ifp, IFCAP_TSOv6 | IFCAP_CSUM_TCPv6), 0);
  EXPECT_EQ(ifp->if_capabilities, IFCAP_TSOv6 | IFCAP_CSUM_TCPv6);
}

INSTANTIATE_TEST_SUITE_P(, TcpChopperTest,
                         testing::Values(Case{false, false}, Case{false, true}, Case{true, false},
                                         Case{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.v6 ? "Ipv6" : "Ipv4") +
                                  (info.param.offload ? "ByTheInterface" : "BeforeIt");
                         });

}  // namespace
}  // namespace sockbed
