#include "tests/bench/paired.h"

#include <gtest/gtest.h>

namespace sockbed {
namespace {

// Work whose time is proportional to what is asked.
struct Spin {
  void operator()(int64_t operations) {
    for (int64_t i = 0; i < operations * weight; ++i) benchmark::DoNotOptimize(i);
    done += operations;
  }
  int64_t weight;
  int64_t done = 0;
};

constexpr PairedOptions kQuick = {.slice_seconds = 1e-4, .pairs = 51};

// Generous bounds: this asks whether the ratio is the right way up, not how exact it is.
TEST(PairedTest, SaysHowManyTimesTheReferenceTheSubjectTakes) {
  Spin subject{4000}, reference{1000};
  const PairedResult result = PairedRatio(subject, reference, kQuick);
  EXPECT_NEAR(result.ratio, 4, 2);
  EXPECT_GT(result.subject_seconds, result.reference_seconds);
  EXPECT_EQ(result.pairs, 51);
}

TEST(PairedTest, LongSlicesMakeFewerPairs) {
  Spin subject{1000}, reference{1000};
  const PairedResult result = PairedRatio(
      subject, reference, {.slice_seconds = 1e-4, .pairs = 1'000'000, .seconds_max = 0.02});
  EXPECT_LT(result.pairs, 1'000'000);
  EXPECT_GE(result.pairs, kPairsMin);
}

TEST(PairedTest, TheMedianIgnoresWhatIsFarOff) {
  EXPECT_EQ(MedianOf({5, 1, 1000, 2, 3}), 3);
  EXPECT_EQ(MedianOf({7}), 7);
}

}  // namespace
}  // namespace sockbed
