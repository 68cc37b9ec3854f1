#include "kernel/tcp/tcp_rtt.h"

#include <algorithm>
#include <numeric>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

struct Row {
  int32_t sample, srtt, rttvar, rto;
};

int32_t Timeout(int32_t base, const Row& row, RttRounding rounding) {
  if (rounding == RttRounding::kOpenBsd) {
    return std::clamp(base, std::max(1000, row.sample + 20), 64000);
  }
  return std::clamp(std::max(30, base) + 200, std::max(30, row.sample + 2), 64000);
}

void Check(std::initializer_list<Row> rows, RttRounding rounding) {
  int32_t srtt = 0, rttvar = 0;
  for (const Row& row : rows) {
    tcp_rtt_sample(&srtt, &rttvar, row.sample, rounding);
    EXPECT_EQ(srtt, row.srtt);
    EXPECT_EQ(rttvar, row.rttvar);
    EXPECT_EQ(Timeout(tcp_rtt_base(srtt, rttvar), row, rounding), row.rto);
  }
}

// The vectors of the specification (14.1): both systems' roundings of RFC 6298.
TEST(TcpRtt, FollowsOpenBsd) {
  Check({{100, 3232, 808, 1000},
         {100, 3228, 610, 1000},
         {100, 3225, 461, 1000},
         {200, 3622, 743, 1000},
         {50, 3370, 810, 1000},
         {1500, 8949, 6187, 1826},
         {1500, 13831, 9523, 2812}},
        RttRounding::kOpenBsd);
}

TEST(TcpRtt, FollowsFreeBsd) {
  Check({{100, 3200, 800, 500},
         {100, 3196, 604, 450},
         {100, 3193, 456, 413},
         {200, 3590, 739, 496},
         {50, 3338, 807, 506},
         {1500, 8917, 6185, 2024},
         {1500, 13799, 9521, 3011}},
        RttRounding::kFreeBsd);
}

TEST(TcpRtt, ClampsSamples) {
  for (const RttRounding rounding : {RttRounding::kOpenBsd, RttRounding::kFreeBsd}) {
    int32_t srtt = 0, rttvar = 0;
    tcp_rtt_sample(&srtt, &rttvar, -5, rounding);
    EXPECT_GT(srtt, 0) << "0 would mean that there is no sample";
    srtt = 0;
    tcp_rtt_sample(&srtt, &rttvar, int64_t{1} << 40, rounding);
    EXPECT_LE(srtt >> 5, kRttSampleMax + 1);
  }
}

TEST(TcpRtt, BackoffsAddUp) {
  const auto sum = [](const auto& factors) {
    return std::accumulate(factors.begin(), factors.end(), 0);
  };
  EXPECT_EQ(sum(tcp_backoff_openbsd), 511);
  EXPECT_EQ(sum(tcp_backoff_freebsd), 2559);
}

}  // namespace
}  // namespace sockbed
