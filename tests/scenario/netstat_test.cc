// The scenario netstat: what netstat -m prints while a transfer is under way and after it. The
// limit is a sysctl of the scenario, and a fault of one named pool shows as a request denied.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/captures/test_run_options.h"

namespace sockbed::tools {
namespace {

constexpr char kDuring[] =
    "16 mbufs in use:\n"
    "\t9 mbufs allocated to data\n"
    "\t7 mbufs allocated to packet headers\n"
    "1/2 mbuf 2048 byte clusters in use (current/peak)\n"
    "0/0 mbuf 2050 byte clusters in use (current/peak)\n"
    "0/0 mbuf 4096 byte clusters in use (current/peak)\n"
    "1/1 mbuf 8192 byte clusters in use (current/peak)\n"
    "0/0 mbuf 9216 byte clusters in use (current/peak)\n"
    "0/0 mbuf 12288 byte clusters in use (current/peak)\n"
    "0/0 mbuf 16384 byte clusters in use (current/peak)\n"
    "0/0 mbuf 65536 byte clusters in use (current/peak)\n"
    "16/16/2048 Kbytes allocated to network (current/peak/max)\n"
    "1 requests for memory denied\n"
    "0 requests for memory delayed\n"
    "0 calls to protocol drain routines\n";

constexpr char kAfter[] =
    "0 mbufs in use:\n"
    "0/2 mbuf 2048 byte clusters in use (current/peak)\n"
    "0/0 mbuf 2050 byte clusters in use (current/peak)\n"
    "0/0 mbuf 4096 byte clusters in use (current/peak)\n"
    "0/1 mbuf 8192 byte clusters in use (current/peak)\n"
    "0/0 mbuf 9216 byte clusters in use (current/peak)\n"
    "0/0 mbuf 12288 byte clusters in use (current/peak)\n"
    "0/0 mbuf 16384 byte clusters in use (current/peak)\n"
    "0/0 mbuf 65536 byte clusters in use (current/peak)\n"
    "0/16/2048 Kbytes allocated to network (current/peak/max)\n"
    "1 requests for memory denied\n"
    "0 requests for memory delayed\n"
    "0 calls to protocol drain routines\n";

// What `program` of host `here` has printed, as `screen` shows it.
std::string PrintedBy(const std::string& program, const std::string& screen) {
  const std::string mark = "here/" + program + ": ";
  std::string printed;
  for (size_t at = screen.find(mark); at != screen.npos; at = screen.find(mark, at)) {
    at += mark.size();
    printed += screen.substr(at, screen.find('\n', at) + 1 - at);
  }
  return printed;
}

TEST(Netstat, ShowsTheMemoryDuringAndAfterATransfer) {
  TestRunOptions options;
  options.scenario = std::string(getenv("TEST_SRCDIR")) + "/sockbed/tools/scenarios/netstat.yaml";
  const absl::StatusOr<RunVerdict> verdict = RunScenario(options);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_TRUE(verdict->passed) << verdict->complaints;
  EXPECT_EQ(PrintedBy("during", verdict->screen), kDuring);
  EXPECT_EQ(PrintedBy("after", verdict->screen), kAfter);
}

}  // namespace
}  // namespace sockbed::tools
