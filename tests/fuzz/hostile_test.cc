// Seeded programs of a hostile peer, and the corpus of those that were once of interest.
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/sim/random.h"
#include "tests/fuzz/hostile_peer.h"

namespace sockbed::fuzz {
namespace {

std::string Hex(const std::vector<uint8_t>& bytes) {
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// Each program is a function of its number alone.
std::vector<uint8_t> Random(uint64_t number) {
  Stream draws(number, Site::kProgram, 1, 0);
  std::vector<uint8_t> program(20 + draws.NextBelow(400));
  draws.Fill(std::as_writable_bytes(std::span(program)));
  return program;
}

class Hostile : public testing::TestWithParam<int> {};

TEST_P(Hostile, DoesNoHarm) {
  constexpr uint64_t kPrograms = 500;
  MachineStore store;
  const uint64_t first = static_cast<uint64_t>(GetParam()) * kPrograms;
  for (uint64_t number = first; number < first + kPrograms; ++number) {
    const std::vector<uint8_t> program = Random(number);
    ASSERT_EQ(PlayHostile(program, &store), "") << "program " << number << ": " << Hex(program);
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, Hostile, testing::Range(0, 8));

TEST(HostileCorpus, DoesNoHarm) {
  const std::string folder = "tests/fuzz/corpus";
  DIR* dir = opendir(folder.c_str());
  ASSERT_NE(dir, nullptr);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  EXPECT_FALSE(names.empty());
  for (const std::string& name : names) {
    std::ifstream file(folder + "/" + name, std::ios::binary);
    const std::vector<uint8_t> program((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(PlayHostile(program, nullptr), "") << name;
  }
}

}  // namespace
}  // namespace sockbed::fuzz
