// Two hosts and a link, for the tests of what stands on the kernel.
//
// Lives here:  TwoHosts; the matchers Works and FailsWith.
// Called by:   *_test.cc here and above.
// Invariants:  a test that ran its simulation has nothing to complain of and leaked nothing.
#ifndef SOCKBED_UAPI_TWO_HOSTS_H_
#define SOCKBED_UAPI_TWO_HOSTS_H_

#include <errno.h>
#include <string.h>

#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/captures/test_simulation.h"
#include "uapi/uapi.h"

namespace sockbed {

// A system call's result: -1 with that errno.
MATCHER_P(FailsWith, error, std::string("fails with ") + strerrorname_np(error)) {
  *result_listener << "errno " << strerrorname_np(errno);
  return arg == -1 && errno == error;
}
// A system call's result: not -1, and errno is 0.
MATCHER(Works, "works") {
  *result_listener << "errno " << strerrorname_np(errno);
  return arg != -1 && errno == 0;
}

inline const sockaddr* AsSockaddr(const sockaddr_in& sin) {
  return reinterpret_cast<const sockaddr*>(&sin);
}
inline sockaddr* AsSockaddr(sockaddr_in& sin) { return reinterpret_cast<sockaddr*>(&sin); }

class TwoHosts : public testing::Test {
 protected:
  explicit TwoHosts(const Machine::Options& options = {.seed = 7},
                    const LinkSpec& link = {.latency = absl::Milliseconds(5)})
      : sim_(options), server_(sim_.AddHost("server")), client_(sim_.AddHost("client")) {
    sim_.Connect(server_, client_, link);
  }

  // Runs to the end, which is to be a good one.
  void Run() {
    result_ = sim_.Run();
    EXPECT_EQ(result_.Complaints(), "");
  }

  // An address of the server, ready for bind and connect.
  sockaddr_in ServerPort(uint16_t port) const { return server_.address(port); }

  TestSimulation sim_;
  Host& server_;
  Host& client_;
  RunResult result_;
};

}  // namespace sockbed

#endif  // SOCKBED_UAPI_TWO_HOSTS_H_
