#include "tools/command_line.h"

#include "absl/flags/flag.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(int, test_number, 1, "a number");
ABSL_FLAG(bool, test_switch, false, "a switch");

namespace sockbed::tools {
namespace {

const std::vector<std::string> kAllowed = {"test_number", "test_switch", "set", "sysctl"};

TEST(CommandLine, SplitsWordsFlagsAndSettings) {
  const auto line =
      ParseCommandLine({"a.yaml", "--test_number", "7", "--set", "x=1", "--set=y=2=3", "--sysctl",
                        "kern.z=-1", "--test_switch", "b", "--sysctl=kern.a=2"},
                       kAllowed);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->words, (std::vector<std::string>{"a.yaml", "b"}));
  EXPECT_EQ(line->settings.at("x"), "1");
  EXPECT_EQ(line->settings.at("y"), "2=3");
  EXPECT_THAT(line->sysctls,
              testing::ElementsAre(testing::Pair("kern.z", "-1"), testing::Pair("kern.a", "2")));
  EXPECT_EQ(absl::GetFlag(FLAGS_test_number), 7);
  EXPECT_TRUE(absl::GetFlag(FLAGS_test_switch));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"--nope"},
                                               {"--test_number", "many"},
                                               {"--test_number"},
                                               {"--set", "x"},
                                               {"--sysctl", "x"}}) {
    EXPECT_FALSE(ParseCommandLine(args, kAllowed).ok()) << args[0];
  }
}

TEST(CommandLine, NotesTheWishForHelp) { EXPECT_TRUE(ParseCommandLine({"-h"}, kAllowed)->help); }

}  // namespace
}  // namespace sockbed::tools
