// The guard must see: three planted leaks of the real world are caught, and their first event is
// named.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/determinism/process.h"
#include "tools/compare.h"

namespace sockbed {
namespace {

// Compares runs of the leak in two worlds that differ in what it leaks.
tools::RunDifference Compare(const std::string& kind, const Perturbation& one,
                             const Perturbation& other) {
  const std::string first = testing::TempDir() + "/" + kind + "1";
  const std::string second = testing::TempDir() + "/" + kind + "2";
  EXPECT_EQ(RunProcess({Runfile("tests/determinism/leaky"), kind, first}, one).status, 0);
  EXPECT_EQ(RunProcess({Runfile("tests/determinism/leaky"), kind, second}, other).status, 0);
  const auto difference = tools::CompareRuns(first, second);
  EXPECT_TRUE(difference.ok()) << difference.status();
  return difference.ok() ? *difference : tools::RunDifference{};
}

// The heap is filled differently, by the C library's allocator and by AddressSanitizer's.
const Perturbation kPlain = {
    .name = "plain",
    .environment = {{"MALLOC_PERTURB_", "1"},
                    {"ASAN_OPTIONS", "malloc_fill_byte=1:max_malloc_fill_size=65536"}}};
const Perturbation kOther = {
    .name = "other",
    .environment = {{"MALLOC_PERTURB_", "2"},
                    {"ASAN_OPTIONS", "malloc_fill_byte=2:max_malloc_fill_size=65536"}}};

class PlantedLeak : public testing::TestWithParam<const char*> {};

TEST_P(PlantedLeak, IsCaughtAndItsPacketNamed) {
  const tools::RunDifference difference = Compare(GetParam(), kPlain, kOther);
  EXPECT_FALSE(difference.same);
  EXPECT_GT(difference.record, 0u);
  // The 21st packet carries it; the twenty before it are alike.
  EXPECT_THAT(difference.first_line, testing::HasSubstr("packet 21"));
  EXPECT_NE(difference.first_line, difference.second_line);
}

INSTANTIATE_TEST_SUITE_P(Leaks, PlantedLeak, testing::Values("clock", "heap", "hash"),
                         [](const auto& info) { return std::string(info.param); });

TEST(PlantedLeak, NothingIsCaughtWhereNothingLeaks) {
  EXPECT_TRUE(Compare("none", kPlain, kOther).same);
}

}  // namespace
}  // namespace sockbed
