// The scenario routers: static routes and forwarding hosts, from the command down to the wire.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"

namespace sockbed::tools {
namespace {

RunOptions Routers(const std::string& mtu) {
  TestRunOptions options;
  options.scenario = std::string(getenv("TEST_SRCDIR")) + "/sockbed/tools/scenarios/routers.yaml";
  options.settings = {{"mtu", mtu}};
  options.seed = 1;
  return options;
}

RunVerdict RunRouters(const std::string& mtu) {
  absl::StatusOr<RunVerdict> verdict = RunScenario(Routers(mtu));
  EXPECT_TRUE(verdict.ok()) << verdict.status();
  return verdict.ok() ? *std::move(verdict) : RunVerdict{};
}

TEST(Routers, CarryEchoesAndConnectionsBothWays) {
  const RunVerdict verdict = RunRouters("1500");
  EXPECT_TRUE(verdict.passed) << verdict.complaints << verdict.screen;
  EXPECT_NE(verdict.screen.find("number 2, TTL 253"), std::string::npos)
      << "each router has taken one\n"
      << verdict.screen;
}

// Three hops are as far as packets may go; what the scenario itself says of forwarding stands.
TEST(Routers, SysctlsOfTheCommandAreOfEveryHostBeforeItsOwn) {
  RunOptions options = Routers("1500");
  for (const int ttl : {2, 3}) {
    options.sysctls = {{"net.inet.ip.ttl", std::to_string(ttl)},
                       {"net.inet.ip.forwarding", "0"},
                       {"net.inet.udp.baddynamic", "+587,-623"},
                       {"net.inet.tcp.rootonly", "2049,3000"}};
    const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
    ASSERT_TRUE(verdict.ok()) << verdict.status();
    EXPECT_EQ(verdict->passed, ttl == 3) << verdict->complaints << verdict->screen;
  }
}

TEST(Routers, SysctlsOfTheCommandMustBeThere) {
  RunOptions options = Routers("1500");
  options.sysctls = {{"net.inet.ip.nothing", "1"}};
  EXPECT_EQ(RunScenario(options).status().message(),
            "no sysctl \"net.inet.ip.nothing\" (see: sockbed sysctls)");
  for (const std::string wrong : {"-1", "many", "1.5"}) {
    options.sysctls = {{"net.inet.ip.ttl", wrong}};
    EXPECT_EQ(RunScenario(options).status().message(),
              "net.inet.ip.ttl cannot be \"" + wrong + "\": it is a whole number from 1 to 255");
  }
  options.sysctls = {{"net.inet.udp.rootonly", "2049 3000"}};
  EXPECT_EQ(RunScenario(options).status().message(),
            "net.inet.udp.rootonly cannot be \"2049 3000\": it is a list of ports like 587,749, or "
            "of changes like +587,-600");
}

// The first ping over IPv6 is lost: its sender learns of the link by it.
TEST(Routers, LargePingsCrossANarrowLink) {
  TestRunOptions options;
  options.scenario =
      std::string(getenv("TEST_SRCDIR")) + "/sockbed/tests/scenario/narrow_path.yaml";
  options.seed = 1;
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  for (const char* line : {"here/ping4: 5 sent, 5 answered", "here/ping6: 5 sent, 4 answered"}) {
    EXPECT_NE(verdict->screen.find(line), std::string::npos) << verdict->screen;
  }
}

TEST(Routers, NarrowLinkInTheMiddleIsFoundOut) {
  const RunVerdict verdict = RunRouters("600");
  EXPECT_TRUE(verdict.passed) << verdict.complaints << verdict.screen;
}

}  // namespace
}  // namespace sockbed::tools
