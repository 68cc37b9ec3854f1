#include "kernel/sim/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

const DecisionName kName = {.site = Site::kTcpIss, .host = 3, .object = 5, .ordinal = 7};

// Pinned: a seed must give the same run with every later version, compiler and machine.
TEST(RandomTest, DrawsAreFixedForever) {
  EXPECT_EQ(Draw(1, kName), 665620311824963433u);
  EXPECT_EQ(Draw(2, kName), 12572143869659105570u);
}

TEST(RandomTest, EveryPartOfTheNameMatters) {
  std::set<uint64_t> values = {Draw(1, kName)};
  DecisionName other = kName;
  other.site = Site::kTcpTsoff;
  values.insert(Draw(1, other));
  other = kName;
  other.host = 4;
  values.insert(Draw(1, other));
  other = kName;
  other.object = 6;
  values.insert(Draw(1, other));
  other = kName;
  other.ordinal = 8;
  values.insert(Draw(1, other));
  values.insert(Draw(2, kName));
  EXPECT_EQ(values.size(), 6u);
}

TEST(RandomTest, BelowStaysBelowAndReachesBothEnds) {
  EXPECT_EQ(Below(0, 10), 0u);
  EXPECT_EQ(Below(UINT64_MAX, 10), 9u);
  EXPECT_EQ(Below(UINT64_MAX, 1), 0u);
}

TEST(RandomTest, AStreamIsTheDrawsOfItsOrdinals) {
  Stream stream(1, Site::kIpId, 2, 9);
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stream.Next64(),
              Draw(1, {.site = Site::kIpId, .host = 2, .object = 9, .ordinal = i}));
  }
}

TEST(RandomTest, FillTakesWholeDraws) {
  Stream bytes(1, Site::kGetrandom, 1, 0), words(1, Site::kGetrandom, 1, 0);
  std::array<std::byte, 11> out{};
  bytes.Fill(out);
  const uint64_t first = words.Next64(), second = words.Next64();
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t word = i < 8 ? first : second;
    EXPECT_EQ(static_cast<uint64_t>(out[i]), word >> (8 * (i % 8)) & 0xff);
  }
  EXPECT_EQ(bytes.Next64(), words.Next64());
}

TEST(RandomTest, AStreamOfTheCurrentHostTakesSeedAndHostFromTheMachine) {
  Machine machine({.seed = 77});
  MachineScope scope(machine);
  Here().host_id = 4;
  Stream here(Site::kProgram, 1), named(77, Site::kProgram, 4, 1);
  EXPECT_EQ(here.Next64(), named.Next64());
}

}  // namespace
}  // namespace sockbed
