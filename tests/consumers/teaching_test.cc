// Programs of the sort that a teacher has, as they are.
#include "gtest/gtest.h"
#include "tests/consumers/consumer.h"

namespace sockbed {
namespace {

const Consumer kEcho = {"echo.yaml", {"tcp_echo_server", "tcp_echo_client"}, {}};
const Consumer kThreads = {"threads.yaml", {"threaded_server", "tcp_echo_client"}, {}};
const Consumer kWeb = {"web.yaml", {"epoll_server", "web_client"}, {}};

TEST(Teaching, SelectServerIsDeterministic) { ExpectDeterministic(kEcho, "one", "tcp.port == 7"); }
TEST(Teaching, SelectServerStandsLoss) { SweepSeeds(kEcho, 20); }
TEST(Teaching, ThreadedServerIsDeterministic) {
  ExpectDeterministic(kThreads, "wire", "tcp.port == 7");
}
TEST(Teaching, ThreadedServerStandsLoss) { SweepSeeds(kThreads, 20); }
TEST(Teaching, EpollServerIsDeterministic) { ExpectDeterministic(kWeb, "wire", "http"); }
TEST(Teaching, EpollServerStandsLoss) { SweepSeeds(kWeb, 20); }

}  // namespace
}  // namespace sockbed
