// The scenario ping: ARP, a raw socket and ICMP from the command down to the wire.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tools/run_command.h"

namespace sockbed::tools {
namespace {

RunVerdict Ping(const std::string& loss, const std::string& scenario = "ping") {
  RunOptions options;
  options.scenario =
      std::string(getenv("TEST_SRCDIR")) + "/sockbed/tools/scenarios/" + scenario + ".yaml";
  options.settings = {{"loss", loss}};
  options.seed = 1;
  absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  EXPECT_TRUE(verdict.ok()) << verdict.status();
  return verdict.ok() ? *std::move(verdict) : RunVerdict{};
}

TEST(Ping, EchoesComeBackOverEthernet) {
  const RunVerdict verdict = Ping("0 %");
  EXPECT_TRUE(verdict.passed) << verdict.complaints;
  EXPECT_NE(verdict.screen.find("64 bytes, number 1, TTL 255: 3."), std::string::npos)
      << "the first one waits for the neighbour to be known\n"
      << verdict.screen;
  EXPECT_NE(verdict.screen.find("64 bytes, number 2, TTL 255: 2."), std::string::npos)
      << verdict.screen;
}

TEST(Ping, EchoesComeBackByIpv6) {
  const RunVerdict verdict = Ping("0 %", "ping6");
  EXPECT_TRUE(verdict.passed) << verdict.complaints;
  EXPECT_NE(verdict.screen.find("64 bytes, number 2, TTL 64: 2."), std::string::npos)
      << verdict.screen;
}

TEST(Ping, SaysWhenNobodyAnswers) {
  const RunVerdict verdict = Ping("100 %");
  EXPECT_FALSE(verdict.passed);
  EXPECT_NE(verdict.screen.find("4 sent, 0 answered"), std::string::npos) << verdict.screen;
}

}  // namespace
}  // namespace sockbed::tools
