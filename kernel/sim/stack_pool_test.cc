#include "kernel/sim/stack_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

namespace sockbed {
namespace {

TEST(StackPoolTest, GivesAtLeastWhatIsAsked) {
  StackPool pool;
  for (const size_t bytes : {1ul, 4096ul, 4097ul, 65536ul, 1ul << 20}) {
    const Stack stack = pool.Take(bytes);
    EXPECT_GE(stack.bytes, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(stack.top()) % 64, 0u);
    std::memset(stack.low, 0xab, stack.bytes);
    pool.Give(stack);
  }
}

TEST(StackPoolTest, TakesTheLastGivenOfTheSizeFirst) {
  StackPool pool;
  const Stack a = pool.Take(65536), b = pool.Take(65536), other = pool.Take(32768);
  pool.Give(a);
  pool.Give(b);
  pool.Give(other);
  EXPECT_EQ(pool.Take(65536).low, b.low);
  EXPECT_EQ(pool.Take(65536).low, a.low);
  EXPECT_EQ(pool.Take(32768).low, other.low);
  for (const Stack& stack : {a, b, other}) pool.Give(stack);
}

TEST(StackPoolTest, SpreadsTheTopsOverTheCache) {
  StackPool pool;
  std::set<uintptr_t> places;
  std::vector<Stack> stacks;
  for (int i = 0; i < 64; ++i) {
    stacks.push_back(pool.Take(65536));
    places.insert(reinterpret_cast<uintptr_t>(stacks.back().top()) % 4096);
  }
  EXPECT_GE(places.size(), 32u);
  for (const Stack& stack : stacks) pool.Give(stack);
}

TEST(StackPoolDeathTest, TheGuardPageCannotBeTouched) {
  StackPool pool;
  const Stack stack = pool.Take(65536);
  stack.low[0] = std::byte{1};
  EXPECT_DEATH(*static_cast<volatile std::byte*>(stack.low - 1) = std::byte{1}, "");
  pool.Give(stack);
}

}  // namespace
}  // namespace sockbed
