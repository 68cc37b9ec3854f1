// The same scenario and seed in other worlds: other processes, addresses, heaps, environments,
// directories. Digest, captures, key log and trace must be the same to the byte.

#include <fstream>
#include <regex>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"
#include "tests/determinism/process.h"

namespace sockbed {
namespace {

constexpr const char* kFiles[] = {"wan.pcapng", "keys.log", "trace.txt", "digests.txt"};

// Runs the scenario in `world` into a folder of its own and returns the digest that it printed.
std::string RunIn(const Perturbation& world, int seed, const std::string& folder) {
  std::vector<std::string> command = {Runfile("tools/sockbed_main"),
                                      "run",
                                      Runfile("tools/scenarios/tls_transfer.yaml"),
                                      "--set",
                                      "file=" + Runfile("LICENSE"),
                                      "--set",
                                      "loss=5 %",
                                      "--seed",
                                      std::to_string(seed),
                                      "--check",
                                      "--out",
                                      folder};
  for (const std::string& word : TestRunOptions().Flags()) command.push_back(word);
  const ProcessResult result = RunProcess(command, world);
  EXPECT_EQ(result.status, 0) << world.name << "\n" << result.output;
  std::smatch match;
  EXPECT_TRUE(std::regex_search(result.output, match, std::regex("digest +([0-9a-f]{32})")))
      << result.output;
  return match[1];
}

std::string Folder(size_t i) { return testing::TempDir() + "/world" + std::to_string(i); }

// Worlds that OpenSSL alone would notice: a configuration file that narrows the groups of every
// handshake, and processors that lack what its code for this one uses.
std::vector<Perturbation> OpensslWorlds() {
  const std::string config = testing::TempDir() + "/openssl.cnf";
  std::ofstream(config) << "openssl_conf = all\n[all]\nssl_conf = programs\n"
                           "[programs]\nsystem_default = tls\n[tls]\nGroups = P-521\n";
  return {
      {.name = "configuration", .environment = {{"OPENSSL_CONF", config}}},
      {.name = "no AES-NI, no PCLMUL", .environment = {{"OPENSSL_ia32cap", "~0x200000200000000"}}},
      {.name = "no AVX2, BMI, ADX", .environment = {{"OPENSSL_ia32cap", ":~0x80128"}}},
  };
}

TEST(Perturbed, EveryWorldGivesTheSameRunToTheByte) {
  std::vector<Perturbation> worlds = Worlds();
  for (const Perturbation& world : OpensslWorlds()) worlds.push_back(world);
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
