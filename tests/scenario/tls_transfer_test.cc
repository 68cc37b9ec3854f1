// The scenario tls_transfer over 200 seeds and losses from 0 to 20 %: the file arrives every time,
// and nothing is left behind.

#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"

namespace sockbed::tools {
namespace {

constexpr int kSeeds = 200;

std::string Runfile(const std::string& path) {
  return std::string(getenv("TEST_SRCDIR")) + "/sockbed/" + path;
}

RunOptions Transfer(uint64_t seed, const std::string& file, const std::string& loss) {
  TestRunOptions options;
  options.scenario = Runfile("tools/scenarios/tls_transfer.yaml");
  options.settings = {{"file", file}, {"loss", loss}};
  options.seed = seed;
  return options;
}

void ExpectPass(const RunOptions& options) {
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_TRUE(verdict->passed) << "seed " << options.seed << "\n"
                               << verdict->complaints << verdict->screen;
}

class TlsTransfer : public testing::TestWithParam<int> {};

TEST_P(TlsTransfer, ArrivesWhateverTheLinkLoses) {
  const int seed = GetParam();
  RunOptions options = Transfer(seed, Runfile("LICENSE"), std::to_string(seed % 21) + " %");
  options.settings["nonblocking"] = seed % 2 == 0 ? "true" : "false";
  ExpectPass(options);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TlsTransfer, testing::Range(1, kSeeds + 1));

TEST(TlsTransferSizes, AnEmptyFileArrives) { ExpectPass(Transfer(1, "/dev/null", "1 %")); }

TEST(TlsTransferSizes, FilesAroundARecordArrive) {
  for (const int size : {1, 16'383, 16'384, 16'385, 1'000'000}) {
    const std::string path = testing::TempDir() + "/file";
    std::ofstream(path) << std::string(static_cast<size_t>(size), 'x');
    ExpectPass(Transfer(static_cast<uint64_t>(size), path, "2 %"));
  }
}

// A server that never comes: the client's complaint and the failed expectation are told, not
// hidden.
TEST(TlsTransferFailures, AFailedExpectationSaysWhichAndWhen) {
  RunOptions options = Transfer(1, Runfile("LICENSE"), "100 %");
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_FALSE(verdict->passed);
  EXPECT_NE(verdict->complaints.find("client/tls-file-client was to exit 0; it exited 1 at "),
            std::string::npos)
      << verdict->complaints;
  EXPECT_NE(verdict->complaints.find("sleeps on \"netacc\""), std::string::npos)
      << verdict->complaints;
}

// Whoever has not ended has not ended in time, though nobody ended too late.
TEST(TlsTransferFailures, WhatIsCutOffDidNotEndInTime) {
  const std::string path = testing::TempDir() + "/cut_off.yaml";
  std::ifstream whole(Runfile("tools/scenarios/tls_transfer.yaml"));
  std::ofstream(path) << whole.rdbuf() << "  - ends_by: 1 s\nend: 10 ms\n";
  RunOptions options = Transfer(1, Runfile("LICENSE"), "0 %");
  options.scenario = path;
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_NE(verdict->complaints.find("programs were to end by 1.000000 s, not all had ended at "),
            std::string::npos)
      << verdict->complaints;
  EXPECT_EQ(verdict->screen.find("programs done at"), std::string::npos) << verdict->screen;
}

TEST(TlsTransferFailures, AnUnwritableFolderFailsBeforeTheRun) {
  RunOptions options = Transfer(1, Runfile("LICENSE"), "0 %");
  options.out = "/proc/no/such";
  EXPECT_FALSE(RunScenario(options).ok());
}

}  // namespace
}  // namespace sockbed::tools
