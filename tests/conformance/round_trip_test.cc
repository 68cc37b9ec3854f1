// Every script of a suite parses, and prints back the tokens it was read from.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "tools/packetdrill/parser.h"
#include "tools/packetdrill/printer.h"

namespace sockbed::packetdrill {
namespace {

std::vector<std::string> Scripts(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".pkt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string Contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Options may be laid out in many ways, so "a b" is compared with "a\n// c\nb" token by token.
std::string TokensOf(const std::string& text, const Definitions& definitions) {
  const auto tokens = Tokenize(text, "", definitions);
  if (!tokens.ok()) return std::string(tokens.status().message());
  std::string all;
  for (const Token& token : *tokens) all += token.spelling + "\n";
  return all;
}

class RoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(RoundTrip, PrintsTheTokensThatWereRead) {
  const char* const folder = getenv("TCP_TESTSUITE");
  if (folder == nullptr) GTEST_SKIP() << "TCP_TESTSUITE names no folder of scripts";
  const Definitions definitions = {{GetParam(), ""}};
  int refused = 0;
  for (const std::string& path : Scripts(folder)) {
    const std::string text = Contents(path);
    const auto script = ParseScript(text, path, definitions);
    if (!script.ok()) {
      // The one whose first line is a syntax error, in the judgement of its authors too.
      ++refused;
      EXPECT_NE(path.find("cookie-update-of-length-17"), std::string::npos)
          << script.status().message();
      EXPECT_NE(script.status().message().find(":1:1: parse error at 's'"), std::string::npos)
          << script.status().message();
      continue;
    }
    EXPECT_EQ(TokensOf(PrintScript(*script), {}), TokensOf(text, definitions)) << path;
  }
  EXPECT_LE(refused, 1);
}

INSTANTIATE_TEST_SUITE_P(Personalities, RoundTrip, testing::Values("FreeBSD", "STANDARD"));

}  // namespace
}  // namespace sockbed::packetdrill
