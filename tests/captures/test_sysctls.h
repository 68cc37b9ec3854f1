// What the environment asks of the hosts of every test.
//
// Lives here:  TestSysctls.
// Called by:   the worlds that tests share, and tests that make hosts by themselves.
// May touch:   the environment.
//
// SOCKBED_ISS is the initial sequence number of every connection: BUILD runs what moves data by TCP
// a second time with one that wraps (kernel/tcp/wraps.bzl).
#ifndef SOCKBED_TESTS_CAPTURES_TEST_SYSCTLS_H_
#define SOCKBED_TESTS_CAPTURES_TEST_SYSCTLS_H_

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace sockbed {

// Names and values, for each host; none without the environment.
inline std::vector<std::pair<std::string, int64_t>> TestSysctls() {
  const char* const iss = std::getenv("SOCKBED_ISS");
  if (iss == nullptr) return {};
  return {{"net.inet.tcp.knob.iss", std::atoll(iss)}};
}

}  // namespace sockbed

#endif  // SOCKBED_TESTS_CAPTURES_TEST_SYSCTLS_H_
