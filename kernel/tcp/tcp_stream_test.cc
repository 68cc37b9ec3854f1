// Whole streams between two hosts, over links that do what links do.
#include "kernel/tcp/stream_hosts.h"

namespace sockbed {
namespace {

constexpr LinkOptions kWan = {.latency_ns = 20 * kMillisecond, .rate_bps = 10'000'000};
constexpr Chance Percent(int n) { return kAlways / 100 * static_cast<Chance>(n); }

class Stream2 : public StreamTest {
 protected:
  void ExpectWhole(const StreamPlan& plan) {
    const StreamResult result = Converse(plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, plan.up);
    EXPECT_EQ(result.down, plan.down);
    EXPECT_FALSE(result.wrong_byte);
  }
};

TEST_F(Stream2, CarriesNothingAtAll) {
  Boot(1, kWan);
  ExpectWhole({.up = 0, .down = 0});
  EXPECT_EQ(Stat(0, tcps_accepts), 1u);
}

TEST_F(Stream2, CarriesAFileWithoutRetransmissions) {
  Boot(1, kWan);
  ExpectWhole({.up = 1'000'000, .write = 16384});
  EXPECT_EQ(Summary(1).retransmissions, 0u);
  EXPECT_EQ(Summary(1).bytes_sent, 1'000'000u);
  EXPECT_EQ(Summary(0).bytes_received, 1'000'000u);
  // The path's delay, and what the largest window lets queue before it: 256 KiB at 10 Mbit/s.
  EXPECT_GE(Summary(1).srtt_us, 40'000);
  EXPECT_LE(Summary(1).srtt_us, 40'000 + 210'000);
}

// The path holds 10 Mbit/s for 40 ms, 50 KB: the buffers grow until it is full. The reader has
// nothing to say and has closed its own side: it measures in FIN_WAIT_2 as in ESTABLISHED.
TEST_F(Stream2, FillsThePath) {
  Boot(1, kWan);
  ExpectWhole({.up = 5'000'000, .write = 16384});
  const SimTime taken = Summary(1).ended - Summary(1).opened;
  EXPECT_GT(5'000'000 * 8 * kSecond / taken, 8'500'000) << "bits per second";
}

// The same while both sides are open.
TEST_F(Stream2, FillsThePathBothWays) {
  Boot(1, kWan);
  ExpectWhole({.up = 5'000'000, .down = 5'000'000, .write = 16384});
  const SimTime taken = Summary(1).ended - Summary(1).opened;
  EXPECT_LT(taken, 65 * kSecond + kSecond / 2) << "with a minute of TIME_WAIT";
}

TEST_F(Stream2, CarriesBothWaysAtOnce) {
  Boot(1, kWan);
  ExpectWhole({.up = 300'000, .down = 400'000, .write = 1000});
}

TEST_F(Stream2, WaitsForSlowReaders) {
  Boot(1, kWan);
  ExpectWhole({.up = 200'000, .write = 8192, .read_pause = 100 * kMillisecond});
  EXPECT_EQ(Summary(1).retransmissions, 0u);
}

TEST_F(Stream2, CarriesOverLoopback) {
  Boot(1, kWan);
  ExpectWhole({.up = 3'000'000, .down = 1'000'000, .write = 16384, .over_loopback = true});
  EXPECT_EQ(Stat(0, tcps_sndrexmitpack), 0u);
}

// As many closed connections as the host may remember, the latest ones; the limit may change.
TEST_F(Stream2, AreRememberedWhenTheyAreOver) {
  using Sizes = std::vector<uint64_t>;
  const auto remembered = [this](int64_t most, uint32_t up) {
    Sysctl("net.inet.tcp.summaries_max", most);
    ExpectWhole({.up = up});
    Sizes sizes;
    for (const TcpSummary& sum : tcp_connections(host(1))) sizes.push_back(sum.bytes_sent);
    return sizes;
  };
  EXPECT_EQ(remembered(3, 1), (Sizes{1}));
  EXPECT_EQ(remembered(3, 2), (Sizes{1, 2}));
  EXPECT_EQ(remembered(3, 3), (Sizes{1, 2, 3}));
  EXPECT_EQ(remembered(3, 4), (Sizes{2, 3, 4}));
  EXPECT_EQ(remembered(4, 5), (Sizes{2, 3, 4, 5}));
  EXPECT_EQ(remembered(4, 6), (Sizes{3, 4, 5, 6}));
  EXPECT_EQ(remembered(2, 7), (Sizes{6, 7}));
  EXPECT_EQ(remembered(2, 8), (Sizes{7, 8}));
  EXPECT_EQ(remembered(0, 9), (Sizes{7, 8})) << "from now on nothing";
}

TEST_F(Stream2, RunsAlikeForTheSameSeed) {
  Digest first, second;
  for (Digest* digest : {&first, &second}) {
    Boot(5, {.latency_ns = kMillisecond, .loss = Percent(5)});
    ExpectWhole({.up = 50'000, .down = 50'000});
    *digest = machine().trace().digest();
  }
  EXPECT_EQ(first, second);
}

// --- Links that lose, reorder, repeat and spoil. The invariants are checked at every step. ---

struct Weather {
  const char* name;
  LinkOptions link;
  int64_t sack;
  int64_t profile;
  int64_t rack_tlp = 0;
};

class Stormy : public Stream2, public testing::WithParamInterface<Weather> {};

TEST_P(Stormy, CarriesAllTheSame) {
  const Weather& weather = GetParam();
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Boot(seed, weather.link);
    Sysctl("net.inet.tcp.profile", weather.profile);
    Sysctl("net.inet.tcp.always_keepalive", 0);
    Sysctl("net.inet.tcp.sack", weather.sack);
    Sysctl("net.inet.tcp.knob.rack_tlp", weather.rack_tlp);
    ExpectWhole({.up = 60'000 + 1000 * static_cast<uint32_t>(seed),
                 .down = 20'000,
                 .write = 100 * static_cast<uint32_t>(seed) + 1});
  }
}

constexpr LinkOptions kRate = {.latency_ns = 10 * kMillisecond, .rate_bps = 50'000'000};
constexpr LinkOptions With(LinkOptions link, int loss, int reorder, int duplicate, int corrupt) {
  link.loss = Percent(loss);
  link.reorder = Percent(reorder);
  link.duplicate = Percent(duplicate);
  link.corrupt = Percent(corrupt);
  return link;
}

INSTANTIATE_TEST_SUITE_P(
    Weathers, Stormy,
    testing::Values(Weather{"Loss2", With(kRate, 2, 0, 0, 0), 1, 0},
                    Weather{"Loss10", With(kRate, 10, 0, 0, 0), 1, 0},
                    Weather{"Loss20", With(kRate, 20, 0, 0, 0), 1, 0},
                    Weather{"Loss10NoSack", With(kRate, 10, 0, 0, 0), 0, 0},
                    Weather{"Reorder20", With(kRate, 0, 20, 0, 0), 1, 0},
                    Weather{"Duplicate20", With(kRate, 0, 0, 20, 0), 1, 0},
                    Weather{"Corrupt5", With(kRate, 0, 0, 0, 5), 1, 0},
                    Weather{"AllAtOnce", With(kRate, 5, 10, 10, 3), 1, 0},
                    Weather{"AllAtOnceNoSack", With(kRate, 5, 10, 10, 3), 0, 0},
                    Weather{"AllAtOnceFreeBsd", With(kRate, 5, 10, 10, 3), 1, 1},
                    Weather{"Loss10Rack", With(kRate, 10, 0, 0, 0), 1, 0, 1},
                    Weather{"Loss20RackTlp", With(kRate, 20, 0, 0, 0), 1, 1, 2},
                    Weather{"Reorder20RackTlp", With(kRate, 0, 20, 0, 0), 1, 1, 2},
                    Weather{"AllAtOnceRackTlp", With(kRate, 5, 10, 10, 3), 1, 0, 2},
                    Weather{"AllAtOnceRackTlpFreeBsd", With(kRate, 5, 10, 10, 3), 1, 1, 2}),
    [](const auto& param) { return std::string(param.param.name); });

// Without memory for its records a connection goes on without RACK.
TEST_F(Stream2, RackDoesWithoutMemory) {
  constexpr uint64_t kSocket = 3;  // what the client's socket itself needs
  uint64_t visits = kSocket + 1;
  for (uint64_t k = kSocket + 1; k <= visits; ++k) {
    SCOPED_TRACE(k);
    fault::Plan plan({{.site = Site::kPoolGet, .host = 2, .only_ordinal = k}});
    Boot(3, With(kRate, 10, 0, 0, 0), &plan);
    Sysctl("net.inet.tcp.knob.rack_tlp", 2);
    ExpectWhole({.up = 30'000, .down = 1000});
    visits = plan.visits(Site::kPoolGet, 2);
  }
  EXPECT_GT(visits, 20u);
}

// A path whose queue holds little: losses come in bursts.
TEST_F(Stream2, SurvivesAShallowQueue) {
  LinkOptions link = kRate;
  link.queue_len = 8;
  Boot(3, link);
  ExpectWhole({.up = 2'000'000, .write = 16384});
  EXPECT_GT(Summary(1).retransmissions, 0u);
}

TEST_F(Stream2, FitsANarrowMtu) {
  LinkOptions link = kRate;
  link.mtu = 576;
  Boot(3, link);
  ExpectWhole({.up = 100'000, .down = 100'000});
}

}  // namespace
}  // namespace sockbed
