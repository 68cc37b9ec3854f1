#include "kernel/sim/slab.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

namespace sockbed {
namespace {

struct Block {
  uint64_t value = 7;
  std::array<uint64_t, 60> untouched{};
};

TEST(SlabTest, WhatIsFreedLastIsMadeFirstAndFresh) {
  Slab<Block> slab;
  Block* first = slab.Make();
  Block* second = slab.Make();
  first->value = second->value = 1;
  slab.Free(first);
  slab.Free(second);
  EXPECT_EQ(slab.Make(), second);
  EXPECT_EQ(slab.Make(), first);
  EXPECT_EQ(first->value, 7u);
  slab.Free(first);
  slab.Free(second);
}

// More than a few huge pages' worth: chunks follow each other, and no place is given twice.
TEST(SlabTest, NoTwoObjectsShareAPlace) {
  Slab<Block> slab;
  std::vector<Block*> made;
  for (uint64_t i = 0; i < 20'000; ++i) {
    made.push_back(slab.Make());
    made.back()->value = i;
  }
  EXPECT_EQ(std::set<Block*>(made.begin(), made.end()).size(), made.size());
  for (uint64_t i = 0; i < made.size(); ++i) ASSERT_EQ(made[i]->value, i);
  for (Block* block : made) slab.Free(block);
}

TEST(SlabTest, ObjectsAreDestroyedWhenFreed) {
  Slab<std::shared_ptr<int>> slab;
  const auto counted = std::make_shared<int>(0);
  auto* copy = slab.Make(counted);
  EXPECT_EQ(counted.use_count(), 2);
  slab.Free(copy);
  EXPECT_EQ(counted.use_count(), 1);
}

}  // namespace
}  // namespace sockbed
