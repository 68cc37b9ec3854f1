// Segmentation offload (net.inet.tcp.tso): a host that leaves the cutting to its interface puts the
// same bytes on the wire as one that sends segment by segment.
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/net/if_ether.h"
#include "kernel/tcp/stream_hosts.h"

namespace sockbed {
namespace {

constexpr int kOffload = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6;

// All that a link carries, but for IPv4's identifications, which offload counts up (and the
// checksums that cover them).
struct Wire : PacketTap {
  struct Packet {
    SimTime time;
    int direction;
    std::string bytes;
    bool operator==(const Packet&) const = default;
  };
  std::vector<Packet> packets;

  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    std::string bytes(static_cast<size_t>(tapped.packet->m_pkthdr.len), '\0');
    m_copydata(tapped.packet, 0, tapped.packet->m_pkthdr.len, bytes.data());
    const size_t ip = tapped.family == kFamilyArp ? kEtherHeader : 0;
    if (bytes[ip] == 0x45) bytes[ip + 4] = bytes[ip + 5] = bytes[ip + 10] = bytes[ip + 11] = 0;
    packets.push_back({tapped.time, tapped.direction, std::move(bytes)});
  }
};

struct Case {
  const char* name;
  LinkOptions link;
  StreamPlan plan;
  const char* sysctl = nullptr;  // set to 1
};

class TcpTso : public StreamTest, public testing::WithParamInterface<Case> {
 protected:
  // Plays the case and returns what was on the wire. The packets that left TCP are in sent_.
  std::vector<Wire::Packet> Play(int capabilities, int64_t tso) {
    const Case& c = GetParam();
    Boot(3, c.link);
    Wire wire;
    link().AddTap(&wire);
    if (c.sysctl != nullptr) Sysctl(c.sysctl, 1);
    Sysctl("net.inet.tcp.tso", tso);
    for (int i = 0; i < 2; ++i) {
      ifnet* ifp = link().interface(i);
      EXPECT_EQ(if_setcapabilities(ifp, ifp->if_capabilities | capabilities), 0);
    }
    const StreamResult result = Converse(c.plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, c.plan.up);
    EXPECT_EQ(result.down, c.plan.down);
    EXPECT_FALSE(result.wrong_byte);
    link().RemoveTap(&wire);
    sent_ = Stat(1, tcps_sndpack);
    return std::move(wire.packets);
  }

  uint64_t sent_ = 0;
};

TEST_P(TcpTso, PutsTheSameBytesOnTheWire) {
  const auto without = Play(0, 1);
  const uint64_t segments = sent_;
  const auto with = Play(kOffload, 1);
  EXPECT_LT(sent_, segments * 9 / 10) << "nothing was left to the interface";
  EXPECT_EQ(with.size(), without.size());
  for (size_t i = 0; i < std::min(with.size(), without.size()); ++i) {
    ASSERT_EQ(with[i], without[i]) << "packet " << i << " at " << without[i].time << " ns";
  }
}

TEST_P(TcpTso, CanBeTurnedOff) {
  (void)Play(0, 1);
  const uint64_t segments = sent_;
  (void)Play(kOffload, 0);
  EXPECT_EQ(sent_, segments);
}

constexpr LinkOptions kWan = {.latency_ns = 20 * kMillisecond, .rate_bps = 100'000'000};
constexpr LinkOptions kLossy = {.latency_ns = 5 * kMillisecond, .loss = kAlways / 100};
constexpr LinkOptions kEthernet = {.latency_ns = kMillisecond, .ethernet = true};
constexpr StreamPlan kUp = {.up = 1'000'000, .write = 32768};
constexpr StreamPlan kUp6 = {.up = 1'000'000, .write = 32768, .v6 = true};
constexpr StreamPlan kBoth = {.up = 600'000, .down = 600'000, .write = 16384};
constexpr Case kCases[] = {
    {"Ipv4", kWan, kUp},
    {"Ipv6", kWan, kUp6},
    {"BothWays", kWan, kBoth},
    {"Losses", kLossy, kUp},
    {"Losses6", kLossy, kUp6},
    {"Ethernet", kEthernet, kUp},
    {"Marked", kWan, kUp, "net.inet.tcp.ecn"},
    {"FreeBsd", kWan, kUp, "net.inet.tcp.profile"},
};
INSTANTIATE_TEST_SUITE_P(, TcpTso, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

// What is not plain goes segment by segment.
class TcpPlain : public StreamTest {
 protected:
  uint64_t Packets(int capabilities, const StreamPlan& plan, const char* sysctl = nullptr) {
    Boot(3, kWan);
    if (sysctl != nullptr) Sysctl(sysctl, 1);
    ifnet* ifp = link().interface(1);
    EXPECT_EQ(if_setcapabilities(ifp, ifp->if_capabilities | capabilities), 0);
    const StreamResult result = Converse(plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, plan.up);
    return Stat(1, tcps_sndpack);
  }
};

TEST_F(TcpPlain, SignedSegmentsAreNotCutByInterfaces) {
  StreamPlan plan = kUp;
  plan.md5[0] = plan.md5[1] = true;
  EXPECT_EQ(Packets(kOffload, plan), Packets(0, plan));
}

TEST_F(TcpPlain, RackCountsSegments) {
  const char* const rack = "net.inet.tcp.knob.rack_tlp";
  EXPECT_EQ(Packets(kOffload, kUp, rack), Packets(0, kUp, rack));
}

// lo0 takes two of its segments of 32 KB in one piece, which stays one.
TEST_F(TcpPlain, LoopbackCarriesPiecesWhole) {
  const StreamPlan plan = {.up = 4'000'000, .write = 131072, .over_loopback = true};
  const auto packets = [&](int64_t tso) {
    Boot(3, {});
    Sysctl("net.inet.tcp.tso", tso);
    Sysctl("net.inet.tcp.sendspace", 200'000);
    Sysctl("net.inet.tcp.recvspace", 200'000);
    EXPECT_EQ(Converse(plan).up, plan.up);
    return Stat(0, tcps_sndpack);
  };
  EXPECT_LT(packets(1), packets(0));
}

}  // namespace
}  // namespace sockbed
