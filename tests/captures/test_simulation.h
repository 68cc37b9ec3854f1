// A simulation of a test, which does what the environment asks of all of them.
//
// Lives here:  TestSimulation.
// Called by:   tests that build hosts and links, in place of Simulation.
// Invariants:  without the environment it is a Simulation.
//
// SOCKBED_CAPTURES names a folder: each link without a tap of its own writes a capture there.
// SOCKBED_ISS: as in test_sysctls.h.
#ifndef SOCKBED_TESTS_CAPTURES_TEST_SIMULATION_H_
#define SOCKBED_TESTS_CAPTURES_TEST_SIMULATION_H_

#include <string>
#include <utility>

#include "kernel/host/simulation.h"
#include "tests/captures/test_captures.h"
#include "tests/captures/test_sysctls.h"

namespace sockbed {

// A base, since captures live longer than the links that borrow them.
struct CapturesOfATest {
  TestCaptures captures;
};

class TestSimulation : private CapturesOfATest, public Simulation {
 public:
  explicit TestSimulation(const Machine::Options& options) : Simulation(options) {}

  Host& AddHost(std::string name, const HostOptions& options = {}) {
    Host& host = Simulation::AddHost(std::move(name), options);
    for (const auto& [sysctl, value] : TestSysctls()) host.SetSysctl(sysctl, value);
    return host;
  }
  Link& Connect(Host& first, Host& second, const LinkSpec& spec, PacketTap* tap = nullptr) {
    if (tap == nullptr) tap = captures.Next(spec.ethernet);
    return Simulation::Connect(first, second, spec, tap);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_CAPTURES_TEST_SIMULATION_H_
