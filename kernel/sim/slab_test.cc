#include "kernel/sim/slab.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "kernel/sim/huge_pages.h"

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

// Whoever fills the room behind an object touches no other object, and not the slab's own list.
TEST(SlabTest, TheRoomBehindAnObjectIsItsOwn) {
  constexpr size_t kRoom = 100;
  Slab<Block> slab(kRoom);
  std::array<Block*, 20> made;
  for (Block*& block : made) block = slab.Make();
  for (Block* block : made) std::memset(Slab<Block>::Behind(block), 0xff, kRoom);
  for (Block* block : made) {
    EXPECT_EQ(block->value, 7u);
    EXPECT_EQ(block->untouched.back(), 0u);
    slab.Free(block);
  }
  for (size_t i = made.size(); i-- > 0;) EXPECT_EQ(slab.Make(), made[i]);
  for (Block* block : made) slab.Free(block);
}

// A vector that grows comes to lie on huge pages, with all that it holds.
TEST(HugeAllocatorTest, KeepsWhatAGrowingTableHolds) {
  std::vector<uint64_t, HugeAllocator<uint64_t>> table;
  for (uint64_t i = 0; i < 2 * kHugePage / sizeof(uint64_t); ++i) table.push_back(i);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(table.data()) % kHugePage, 0u);
  for (uint64_t i = 0; i < table.size(); ++i) ASSERT_EQ(table[i], i);
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
