// The TLS and DTLS programs as a user runs them: their scenarios, over seeds, versions and losses.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"

namespace sockbed::tools {
namespace {

std::string Scenario(const std::string& name, const std::string& folder = "tools/scenarios") {
  return std::string(getenv("TEST_SRCDIR")) + "/sockbed/" + folder + "/" + name + ".yaml";
}

void ExpectPass(const RunOptions& options) {
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_TRUE(verdict->passed) << "seed " << options.seed << "\n"
                               << verdict->complaints << verdict->screen;
}

class TlsTalk : public testing::TestWithParam<int> {};

TEST_P(TlsTalk, LinesComeBackReversedTwice) {
  const int seed = GetParam();
  TestRunOptions options;
  options.scenario = Scenario("tls_talk");
  options.seed = static_cast<uint64_t>(seed);
  options.settings = {{"loss", std::to_string(seed % 10) + " %"},
                      {"version", seed % 2 == 0 ? "1.2" : "1.3"},
                      {"nonblocking", seed % 3 == 0 ? "true" : "false"}};
  ExpectPass(options);
}

TEST_P(TlsTalk, DatagramsComeBackReversed) {
  const int seed = GetParam();
  TestRunOptions options;
  options.scenario = Scenario("dtls_talk");
  options.seed = static_cast<uint64_t>(seed);
  options.settings = {{"loss", std::to_string(seed % 15) + " %"},
                      {"ipv6", seed % 2 == 0 ? "true" : "false"}};
  ExpectPass(options);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TlsTalk, testing::Range(1, 31));

// The copy of the first client's hello, which waits at the server, is no second client.
TEST(DtlsServer, ServesOneClientAfterTheOtherThoughAllIsDoubled) {
  TestRunOptions options;
  options.scenario = Scenario("dtls_in_turn", "tests/scenario");
  options.seed = 1;
  ExpectPass(options);
}

TEST(HttpsGet, APageComes) {
  TestRunOptions options;
  options.scenario = Scenario("https_get");
  options.seed = 1;
  ExpectPass(options);
}

}  // namespace
}  // namespace sockbed::tools
