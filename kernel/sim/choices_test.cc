#include "kernel/sim/choices.h"

#include <gtest/gtest.h>

#include <set>

namespace sockbed {
namespace {

DecisionName Drop(uint64_t ordinal) {
  return {.site = Site::kLinkDrop, .host = 1, .object = 2, .ordinal = ordinal};
}

TEST(ChoicesTest, FaultsFollowTheirProbability) {
  SeededFaults choices(9);
  int happened = 0;
  for (int i = 0; i < 10'000; ++i) happened += choices.Happens(Drop(i), kAlways / 10);
  EXPECT_NEAR(happened, 1000, 150);
}

TEST(ChoicesTest, CertaintyIsCertain) {
  SeededFaults choices(9);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(choices.Happens(Drop(i), kAlways));
}

// A plan with twice the loss drops all that the first one dropped: what a sweep
// over rates relies on.
TEST(ChoicesTest, ALargerChanceIncludesTheSmaller) {
  SeededFaults choices(9);
  for (int i = 0; i < 1000; ++i) {
    if (choices.Happens(Drop(i), kAlways / 10)) {
      EXPECT_TRUE(choices.Happens(Drop(i), kAlways / 5));
    }
  }
}

TEST(ChoicesTest, TheAnswerDependsOnTheNameOnly) {
  SeededFaults first(4), second(4);
  for (int i = 0; i < 100; ++i) (void)second.Happens(Drop(1000 + i), kAlways / 2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(first.Happens(Drop(i), kAlways / 2), second.Happens(Drop(i), kAlways / 2));
  }
}

TEST(ChoicesTest, SeededOrderPicksEveryAlternative) {
  SeededOrder choices(1);
  std::set<uint32_t> picked;
  for (uint64_t i = 0; i < 200; ++i) {
    picked.insert(choices.Pick({.site = Site::kRunNext, .ordinal = i}, 5));
  }
  EXPECT_EQ(picked, (std::set<uint32_t>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace sockbed
