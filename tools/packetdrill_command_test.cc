#include "tools/packetdrill_command.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace sockbed::tools {
namespace {

// A folder of its own with two scripts: a/good.pkt passes, bad.pkt does not.
class PacketdrillCommand : public testing::Test {
 protected:
  PacketdrillCommand() : folder_(std::filesystem::path(testing::TempDir()) / "packetdrill") {
    std::filesystem::remove_all(folder_);
    Write("a/good.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(3) = 0\n");
    Write("bad.pkt", "0 close(3) = 0\n");
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  absl::StatusOr<bool> Play(const std::vector<std::string>& args) {
    const auto options = ParsePacketdrillArguments(args);
    if (!options.ok()) return options.status();
    return RunPacketdrill(*options);
  }

  const std::filesystem::path folder_;
};

TEST_F(PacketdrillCommand, OneFailureIsAFailure) {
  EXPECT_EQ(*Play({folder_.string()}), false);
  EXPECT_EQ(*Play({(folder_ / "a").string()}), true);
  EXPECT_EQ(*Play({(folder_ / "a/good.pkt").string()}), true);
}

TEST_F(PacketdrillCommand, TheListOfFailuresHoldsBothWays) {
  const std::string right = "--expected_failures=" + Write("right", "# a reason\nbad.pkt\n");
  EXPECT_EQ(*Play({right, folder_.string()}), true);
  const std::string wrong =
      "--expected_failures=" + Write("wrong", "# a reason\nbad.pkt\na/\ngood.pkt\n");
  EXPECT_EQ(*Play({wrong, folder_.string()}), false);
  const std::string mute = "--expected_failures=" + Write("mute", "bad.pkt\n");
  EXPECT_FALSE(Play({mute, folder_.string()}).ok());
}

TEST_F(PacketdrillCommand, FailuresAndWarningsGoToStderr) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(*Play({folder_.string()}), false);
  std::string out = testing::internal::GetCapturedStdout();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("bad.pkt:1: runtime error"),
            std::string::npos);
  EXPECT_EQ(out.find("runtime error"), std::string::npos) << out;
  EXPECT_NE(out.find("2 scripts: 1 passed, 1 failed"), std::string::npos) << out;

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(*Play({"--non_fatal=syscall", (folder_ / "bad.pkt").string()}), true);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("bad.pkt:1: runtime warning"),
            std::string::npos);
}

TEST_F(PacketdrillCommand, EachScriptHasACaptureOfItsOwn) {
  Write("b/good.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n");
  const std::string capture = "--capture=" + (folder_ / "captures").string();
  EXPECT_FALSE(Play({capture, (folder_ / "a").string(), (folder_ / "b").string()}).ok());
  EXPECT_EQ(*Play({capture, (folder_ / "a").string()}), true);
}

TEST_F(PacketdrillCommand, PrintsWithTheDefinitionsOfARun) {
  const std::string script = Write("print.pkt",
                                   "0 socket(..., SOCK_STREAM, 0) = STANDARD\n"
                                   "#ifdef STANDARD\n+1 x() = 0\n#endif");
  testing::internal::CaptureStdout();
  EXPECT_EQ(*Play({"--print", "-DSTANDARD=3", script}), true);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "0 socket(..., SOCK_STREAM, 0) = 3\n+1 x() = 0\n");
}

TEST_F(PacketdrillCommand, RefusesBadArguments) {
  for (const char* arg :
       {"--profile=linux", "--nonsense", "--jobs=0", "--mtu=1", "--exact=yes", "-x", "--seed"}) {
    EXPECT_FALSE(Play({arg, folder_.string()}).ok()) << arg;
  }
  EXPECT_FALSE(Play({}).ok());
  EXPECT_FALSE(Play({"/nowhere.pkt"}).ok());
}

TEST_F(PacketdrillCommand, OptionsOfScriptsAreTaken) {
  const auto options = ParsePacketdrillArguments(
      {"--profile=freebsd", "--mtu=1280", "-D", "A=7", "-DB", "--exact", "-v",
       "--ignore_command=tc,nstat", "x.pkt"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->run.overrides.at(0).first, "mtu");
  EXPECT_EQ(options->run.definitions.at("A"), "7");
  EXPECT_EQ(options->run.definitions.at("B"), "");
  EXPECT_EQ(options->run.ignored_commands, (std::set<std::string>{"tc", "nstat"}));
  EXPECT_TRUE(options->run.exact && options->run.verbose);
}

}  // namespace
}  // namespace sockbed::tools
