// The same scenario and seed twice in one process, with other simulations in between.

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"
#include "tests/determinism/process.h"

namespace sockbed {
namespace {

tools::RunOptions Options(uint64_t seed, const std::string& folder) {
  TestRunOptions options;
  options.scenario = Runfile("tools/scenarios/tls_transfer.yaml");
  options.settings = {{"file", Runfile("LICENSE")}, {"loss", "5 %"}};
  options.seed = seed;
  options.out = folder.empty() ? "" : testing::TempDir() + "/" + folder;
  return options;
}

Digest DigestOf(const tools::RunOptions& options) {
  const auto verdict = tools::RunScenario(options);
  EXPECT_TRUE(verdict.ok()) << verdict.status();
  if (!verdict.ok()) return {};
  EXPECT_TRUE(verdict->passed) << verdict->complaints;
  return verdict->digest;
}

TEST(Repeat, OneSeedIsOneRun) {
  const Digest first = DigestOf(Options(7, "first"));
  const Digest other = DigestOf(Options(8, ""));
  const Digest second = DigestOf(Options(7, "second"));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  for (const char* file : {"wan.pcapng", "keys.log", "trace.txt"}) {
    EXPECT_TRUE(Slurp(testing::TempDir() + "/first/" + file) ==
                Slurp(testing::TempDir() + "/second/" + file))
        << file;
  }
}

// Writing files, or not, is no part of the run.
TEST(Repeat, OutputsDoNotDisturbTheRun) {
  EXPECT_EQ(DigestOf(Options(9, "with")), DigestOf(Options(9, "")));
}

TEST(Repeat, AShuffledRunRepeatsToo) {
  tools::RunOptions options = Options(3, "");
  const Digest in_order = DigestOf(options);
  options.shuffle = true;
  const Digest shuffled = DigestOf(options);
  EXPECT_EQ(shuffled, DigestOf(options));
  EXPECT_NE(shuffled, in_order);
}

}  // namespace
}  // namespace sockbed
