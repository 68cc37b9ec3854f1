#include "tests/consumers/consumer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"
#include "tests/determinism/process.h"

namespace sockbed {
namespace {

std::string Own(const std::string& name) { return Runfile("tests/consumers/" + name); }

std::map<std::string, std::string> Settings(const Consumer& consumer, const std::string& loss) {
  std::map<std::string, std::string> settings = consumer.settings;
  for (const std::string& program : consumer.programs) settings[program] = Own(program + ".so");
  settings["loss"] = loss;
  return settings;
}

}  // namespace

Digest RunConsumer(const Consumer& consumer, uint64_t seed, const std::string& loss,
                   const std::string& out) {
  TestRunOptions options;
  options.scenario = Own(consumer.scenario);
  options.settings = Settings(consumer, loss);
  options.seed = seed;
  options.out = out.empty() ? "" : testing::TempDir() + "/" + out;
  const auto verdict = tools::RunScenario(options);
  EXPECT_TRUE(verdict.ok()) << verdict.status();
  if (!verdict.ok()) return {};
  EXPECT_TRUE(verdict->passed) << "seed " << seed << ", loss " << loss << ": "
                               << verdict->complaints;
  return verdict->digest;
}

void ExpectDeterministic(const Consumer& consumer, const std::string& link,
                         const std::string& filter) {
  const Digest first = RunConsumer(consumer, 7, "5 %", "first");
  (void)RunConsumer(consumer, 8, "5 %");  // something else in between
  EXPECT_EQ(first, RunConsumer(consumer, 7, "5 %", "second"));
  std::vector<std::string> command = {
      Runfile("tools/sockbed_main"), "run", Own(consumer.scenario), "--seed", "7", "--out",
      testing::TempDir() + "/third"};
  for (const std::string& word : TestRunOptions().Flags()) command.push_back(word);
  for (const auto& [name, value] : Settings(consumer, "5 %")) {
    command.insert(command.end(), {"--set", name + "=" + value});
  }
  const ProcessResult other = RunProcess(command, Worlds().front());
  EXPECT_EQ(other.status, 0) << other.output;
  const std::string capture = "/" + link + ".pcapng";
  const std::string bytes = Slurp(testing::TempDir() + "/first" + capture);
  EXPECT_TRUE(bytes == Slurp(testing::TempDir() + "/second" + capture));
  EXPECT_TRUE(bytes == Slurp(testing::TempDir() + "/third" + capture));
  const ProcessResult read = RunProcess(
      {"/usr/bin/tshark", "-n", "-r", testing::TempDir() + "/first" + capture, "-Y", filter},
      {.name = "plain", .environment = {{"HOME", testing::TempDir()}}});
  EXPECT_EQ(read.status, 0) << read.output;
  EXPECT_NE(read.output, "") << "no packet is " << filter;
}

void SweepSeeds(const Consumer& consumer, uint64_t seeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    (void)RunConsumer(consumer, seed, std::to_string(seed % 11) + " %");
  }
}

}  // namespace sockbed
