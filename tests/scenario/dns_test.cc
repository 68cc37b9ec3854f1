// The scenario dns: a resolver, a dead name server, a living one, over UDP and TCP.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"

namespace sockbed::tools {
namespace {

RunVerdict LookUp(const std::string& loss, const std::string& udp_size, uint64_t seed) {
  const std::string folder = std::string(getenv("TEST_SRCDIR")) + "/sockbed/tools/scenarios/";
  TestRunOptions options;
  options.scenario = folder + "dns.yaml";
  options.settings = {
      {"loss", loss}, {"udp_size", udp_size}, {"zone", folder + "example.zone"}};
  options.seed = seed;
  absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  EXPECT_TRUE(verdict.ok()) << verdict.status();
  return verdict.ok() ? *std::move(verdict) : RunVerdict{};
}

TEST(Dns, NamesAreFoundBehindADeadServer) {
  const RunVerdict verdict = LookUp("0 %", "512 B", 1);
  EXPECT_TRUE(verdict.passed) << verdict.complaints << verdict.screen;
}

TEST(Dns, LostQueriesAreAskedAgain) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const RunVerdict verdict = LookUp("10 %", "512 B", seed);
    EXPECT_TRUE(verdict.passed) << "seed " << seed << verdict.complaints << verdict.screen;
  }
}

TEST(Dns, TruncatedAnswersComeByTcp) {
  const RunVerdict verdict = LookUp("0 %", "48 B", 1);
  EXPECT_TRUE(verdict.passed) << verdict.complaints << verdict.screen;
}

}  // namespace
}  // namespace sockbed::tools
