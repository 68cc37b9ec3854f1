#include "kernel/sim/xxh3.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sockbed {
namespace {

std::array<uint8_t, 8192> SomeBytes() {
  std::array<uint8_t, 8192> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i >> 3);
  return bytes;
}

// Short keys, and those around the sizes at which the algorithm changes its ways.
TEST(Xxh3Test, AllWaysGiveTheSameValue) {
  const auto bytes = SomeBytes();
  for (const size_t count : {0, 1, 8, 16, 32, 128, 129, 240, 241, 1024, 1025, 4096, 8192}) {
    const Hash128 expected = Xxh3Baseline(bytes.data(), count);
    const Hash128 fastest = FastestXxh3()(bytes.data(), count);
    EXPECT_EQ(fastest.high, expected.high) << count;
    EXPECT_EQ(fastest.low, expected.low) << count;
  }
}

// The value that xxHash's own documentation gives for no bytes at all.
TEST(Xxh3Test, IsXxh3) {
  const Hash128 nothing = Xxh3Baseline("", 0);
  EXPECT_EQ(nothing.high, 0x99aa06d3014798d8u);
  EXPECT_EQ(nothing.low, 0x6001c324468d497fu);
}

}  // namespace
}  // namespace sockbed
