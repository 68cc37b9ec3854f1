// Segmentation offload (net.inet.tcp.tso): a host that leaves the cutting to its interface puts the
// same bytes on the wire as one that sends segment by segment, at the same times, and counts the
// same.
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/net/if_ether.h"
#include "kernel/tcp/stream_hosts.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

constexpr int kOffload = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6;

// All that a link carries, and what becomes of it.
struct Wire : PacketTap {
  struct Packet {
    SimTime time, departs;
    int direction;
    PacketFate fate;
    uint64_t number;
    std::string bytes;
    bool operator==(const Packet&) const = default;
  };
  std::vector<Packet> packets;

  void OnPacket(const TappedPacket& tapped) override {
    std::string bytes(static_cast<size_t>(tapped.packet->m_pkthdr.len), '\0');
    m_copydata(tapped.packet, 0, tapped.packet->m_pkthdr.len, bytes.data());
    packets.push_back({tapped.time, tapped.departs, tapped.direction, tapped.fate, tapped.number,
                       std::move(bytes)});
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
  struct Outcome {
    std::vector<Wire::Packet> packets;
    std::vector<uint64_t> counters;  // of TCP and IP, both hosts
    uint64_t pieces = 0;             // that were left to interfaces
  };

  Outcome Play(int capabilities, int64_t tso) {
    const Case& c = GetParam();
    Boot(3, c.link);
    Wire wire;
    link().AddTap(&wire);
    if (c.sysctl != nullptr) Sysctl(c.sysctl, 1);
    Sysctl("net.inet.tcp.tso", tso);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(if_setcapabilities(link().interface(i), capabilities), 0);
    const StreamResult result = Converse(c.plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, c.plan.up);
    EXPECT_EQ(result.down, c.plan.down);
    EXPECT_FALSE(result.wrong_byte);
    link().RemoveTap(&wire);
    Outcome outcome{.packets = std::move(wire.packets)};
    for (int i = 0; i < 2; ++i) {
      for (uint8_t n = 0; n < tcps_ncounters; ++n) {
        const auto counter = static_cast<tcpstat_counters>(n);
        const bool piece = counter == tcps_outhwtso;
        (piece ? outcome.pieces : outcome.counters.emplace_back()) += Stat(i, counter);
      }
      outcome.counters.push_back(ipstat_get(host(i), ips_localout));
      outcome.counters.push_back(ip6stat_get(host(i), ip6s_localout));
    }
    return outcome;
  }
};

TEST_P(TcpTso, PutsTheSameOnTheWire) {
  const Outcome without = Play(IFCAP_CSUM_ALL, 1);
  EXPECT_EQ(without.pieces, 0u);
  const Outcome with = Play(kOffload, 1);
  EXPECT_GT(with.pieces, 10u) << "nothing was left to the interface";
  EXPECT_EQ(with.packets.size(), without.packets.size());
  for (size_t i = 0; i < std::min(with.packets.size(), without.packets.size()); ++i) {
    ASSERT_EQ(with.packets[i], without.packets[i])
        << "packet " << i << " at " << without.packets[i].time << " ns";
  }
  EXPECT_EQ(with.counters, without.counters);
}

TEST_P(TcpTso, CanBeTurnedOff) { EXPECT_EQ(Play(kOffload, 0).pieces, 0u); }

constexpr LinkOptions kWan = {.latency_ns = 20 * kMillisecond, .rate_bps = 100'000'000};
constexpr LinkOptions kFast = {.latency_ns = 10 * kMicrosecond};
constexpr LinkOptions kLossy = {.latency_ns = 5 * kMillisecond, .loss = kAlways / 100};
constexpr LinkOptions kLossyWan = {
    .latency_ns = 5 * kMillisecond, .rate_bps = 50'000'000, .loss = kAlways / 200};
constexpr LinkOptions kUneven = {.latency_ns = 5 * kMillisecond,
                                 .rate_bps = 100'000'000,
                                 .duplicate = kAlways / 100,
                                 .reorder = kAlways / 200,
                                 .corrupt = kAlways / 200,
                                 .jitter_ns = kMillisecond};
constexpr LinkOptions kShortQueue = {
    .latency_ns = 5 * kMillisecond, .rate_bps = 20'000'000, .queue_len = 7};
constexpr LinkOptions kTinyQueue = {
    .latency_ns = 5 * kMillisecond, .rate_bps = 20'000'000, .queue_len = 2};
constexpr LinkOptions kEthernet = {.latency_ns = kMillisecond, .ethernet = true};
constexpr StreamPlan kUp = {.up = 1'000'000, .write = 32768};
constexpr StreamPlan kUp6 = {.up = 1'000'000, .write = 32768, .v6 = true};
constexpr StreamPlan kBoth = {.up = 600'000, .down = 600'000, .write = 16384};
constexpr StreamPlan kSlowReader = {.up = 600'000, .write = 32768, .read_pause = 30 * kMillisecond};
constexpr Case kCases[] = {
    {"Ipv4", kWan, kUp},
    {"Ipv6", kWan, kUp6},
    {"BothWays", kWan, kBoth},
    {"AllAtOnce", kFast, kBoth},
    {"Losses", kLossy, kUp},
    {"Losses6", kLossy, kUp6},
    {"LossesAtARate", kLossyWan, kBoth},
    {"Uneven", kUneven, kUp},
    {"UnevenBothWays", kUneven, kBoth},
    {"ShortQueue", kShortQueue, kUp},
    {"ShortQueueBothWays", kShortQueue, kBoth},
    {"TinyQueue6", kTinyQueue, kUp6},
    {"SlowReader", kWan, kSlowReader},
    {"Ethernet", kEthernet, kUp},
    {"Marked", kWan, kUp, "net.inet.tcp.ecn"},
    {"FreeBsd", kWan, kUp, "net.inet.tcp.profile"},
    {"FreeBsdLosses", kLossyWan, kUp, "net.inet.tcp.profile"},
};
INSTANTIATE_TEST_SUITE_P(, TcpTso, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

// What is not plain goes segment by segment.
class TcpPlain : public StreamTest {
 protected:
  // Keeps the arguments of all TCP records of a kind.
  struct RecordsOf : TraceSink {
    explicit RecordsOf(TcpEvent kind) : type(static_cast<uint8_t>(kind)) {}
    void Consume(std::span<const Record> records) override {
      for (const Record& record : records) {
        if (record.room != Room::kTcp || record.type != type) continue;
        seen.emplace_back(record.time, record.host, record.object, record.args);
      }
    }
    uint8_t type;
    std::vector<std::tuple<SimTime, HostId, uint64_t, std::array<uint64_t, 3>>> seen;
  };

  uint64_t Pieces(const LinkOptions& link_options, const StreamPlan& plan,
                  const char* sysctl = nullptr) {
    Boot(3, link_options);
    if (sysctl != nullptr) Sysctl(sysctl, 1);
    const StreamResult result = Converse(plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, plan.up);
    return Stat(1, tcps_outhwtso);
  }
};

TEST_F(TcpPlain, LinksOfBarePacketsCutFromTheStart) {
  EXPECT_GT(Pieces(kWan, kUp), 10u);
  EXPECT_EQ(Pieces(kEthernet, kUp), 0u);
}

TEST_F(TcpPlain, SignedSegmentsAreNotCutByInterfaces) {
  StreamPlan plan = kUp;
  plan.md5[0] = plan.md5[1] = true;
  EXPECT_EQ(Pieces(kWan, plan), 0u);
}

TEST_F(TcpPlain, RackCountsSegments) {
  EXPECT_EQ(Pieces(kWan, kUp, "net.inet.tcp.knob.rack_tlp"), 0u);
}

TEST_F(TcpPlain, APieceIsNoLargerThanTheQueue) {
  const LinkOptions one = {.latency_ns = kMillisecond, .rate_bps = 20'000'000, .queue_len = 1};
  EXPECT_EQ(Pieces(one, kUp), 0u);
}

// Each segment has its record, as it has without offload.
TEST_F(TcpPlain, EachSegmentHasARecord) {
  const auto records = [&](int64_t tso) {
    Boot(3, kFast);
    Sysctl("net.inet.tcp.tso", tso);
    RecordsOf records(TcpEvent::kOut);
    machine().trace().set_sink(&records);
    EXPECT_EQ(Converse(kUp).up, kUp.up);
    machine().trace().set_sink(nullptr);
    return records.seen;
  };
  const auto with = records(1);
  EXPECT_GT(Stat(1, tcps_outhwtso), 10u);
  EXPECT_EQ(with, records(0));
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
