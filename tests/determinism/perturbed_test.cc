// The same scenario and seed in other worlds: other processes, addresses, heaps, environments,
// directories. Digest, captures, key log and trace must be the same to the byte.

#include <regex>

#include "gtest/gtest.h"
#include "tests/determinism/process.h"

namespace sockbed {
namespace {

constexpr const char* kFiles[] = {"wan.pcapng", "keys.log", "trace.txt", "digests.txt"};

// Runs the scenario in `world` into a folder of its own and returns the digest that it printed.
std::string RunIn(const Perturbation& world, int seed, const std::string& folder) {
  const ProcessResult result = RunProcess(
      {Runfile("tools/sockbed_main"), "run", Runfile("tools/scenarios/tls_transfer.yaml"), "--set",
       "file=" + Runfile("LICENSE"), "--set", "loss=5 %", "--seed", std::to_string(seed), "--check",
       "--out", folder},
      world);
  EXPECT_EQ(result.status, 0) << world.name << "\n" << result.output;
  std::smatch match;
  EXPECT_TRUE(std::regex_search(result.output, match, std::regex("digest +([0-9a-f]{32})")))
      << result.output;
  return match[1];
}

std::string Folder(size_t i) { return testing::TempDir() + "/world" + std::to_string(i); }

TEST(Perturbed, EveryWorldGivesTheSameRunToTheByte) {
  const std::vector<Perturbation> worlds = Worlds();
  const std::string digest = RunIn(worlds[0], 7, Folder(0));
  for (size_t i = 1; i < worlds.size(); ++i) {
    SCOPED_TRACE(worlds[i].name);
    EXPECT_EQ(RunIn(worlds[i], 7, Folder(i)), digest);
    for (const char* file : kFiles) {
      EXPECT_TRUE(Slurp(Folder(0) + "/" + file) == Slurp(Folder(i) + "/" + file)) << file;
    }
  }
}

TEST(Perturbed, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(RunIn(Worlds()[0], 7, Folder(0)), RunIn(Worlds()[0], 8, Folder(1)));
  EXPECT_FALSE(Slurp(Folder(0) + "/keys.log") == Slurp(Folder(1) + "/keys.log"));
}

}  // namespace
}  // namespace sockbed
