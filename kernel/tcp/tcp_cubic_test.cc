// CUBIC's arithmetic against the worked values of the specification, and what an epoch does.
#include "kernel/tcp/tcp_cubic.h"

#include "gtest/gtest.h"

namespace sockbed {
namespace {

TEST(CubeRoot, RoundsDown) {
  EXPECT_EQ(CubeRoot(0), 0u);
  EXPECT_EQ(CubeRoot(7), 1u);
  EXPECT_EQ(CubeRoot(8), 2u);
  EXPECT_EQ(CubeRoot(999'999'999), 999u);
  EXPECT_EQ(CubeRoot(1'000'000'000), 1000u);
  for (const uint64_t root : {1u, 1000u, 65535u, 2'642'245u}) {
    EXPECT_EQ(CubeRoot(root * root * root), root);
    EXPECT_EQ(CubeRoot(root * root * root - 1), root - 1);
  }
  EXPECT_EQ(CubeRoot(UINT64_MAX), 2'642'245u);
}

// From 70 segments to 100 and beyond.
TEST(Cubic, FollowsTheCurve) {
  constexpr uint32_t kMss = 1460, kMax = 146000;
  const int64_t k = CubicK(kMax, 102200, kMss);
  EXPECT_EQ(k, 4217);
  EXPECT_EQ(CubicWindow(kMax, k, 0, kMss), 102206u);
  EXPECT_EQ(CubicWindow(kMax, k, 1000, kMss), 126557u);
  EXPECT_EQ(CubicWindow(kMax, k, 2000, kMss), 139637u);
  EXPECT_EQ(CubicWindow(kMax, k, 5000, kMss), 146280u);
  EXPECT_EQ(CubicWindow(kMax, k, 6000, kMss), 149310u);
  EXPECT_EQ(CubicWindow(kMax, k, 8000, kMss), 177617u);
}

TEST(Cubic, BeginsAtTheTopWhenThereIsNothingToRegain) {
  EXPECT_EQ(CubicK(1000, 1000, 1460), 0);
  EXPECT_EQ(CubicK(1000, 2000, 1460), 0);
}

TEST(Cubic, StaysInBoundsForEver) {
  EXPECT_EQ(CubicWindow(1000, 1 << 30, 0, 65535), 0u);
  EXPECT_GT(CubicWindow(1000, 0, INT64_MAX, 65535), uint64_t{1} << 32);
}

}  // namespace
}  // namespace sockbed
