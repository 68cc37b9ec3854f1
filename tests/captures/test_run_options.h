// The options with which a test runs a scenario, and what the environment asks of all of them.
//
// Lives here:  TestRunOptions.
// Called by:   tests that run scenarios, in place of tools::RunOptions.
// Invariants:  without the environment they are RunOptions.
#ifndef SOCKBED_TESTS_CAPTURES_TEST_RUN_OPTIONS_H_
#define SOCKBED_TESTS_CAPTURES_TEST_RUN_OPTIONS_H_

#include <string>
#include <vector>

#include "tests/captures/test_sysctls.h"
#include "tools/run_command.h"

namespace sockbed {

struct TestRunOptions : tools::RunOptions {
  TestRunOptions() {
    for (const auto& [name, value] : TestSysctls()) {
      sysctls.emplace_back(name, std::to_string(value));
    }
  }

  // What the environment asks, in words of the command line.
  std::vector<std::string> Flags() const {
    std::vector<std::string> flags;
    for (const auto& [name, value] : sysctls) {
      flags.insert(flags.end(), {"--sysctl", name + "=" + value});
    }
    return flags;
  }
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_CAPTURES_TEST_RUN_OPTIONS_H_
