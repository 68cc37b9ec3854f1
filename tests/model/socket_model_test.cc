// Random system calls on pairs of sockets, held against a reference: streams and messages over
// AF_UNIX, TCP and UDP over the loopback interface.
//
// SOCKBED_MODEL_SEED=n repeats one run of each kind, and prints its trace; the default runs are
// seeds 1 to kRuns.

#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/captures/test_simulation.h"
#include "tests/model/socket_driver.h"

namespace sockbed {
namespace {

constexpr uint64_t kRuns = 60;
constexpr int kSteps = 400;

std::vector<uint64_t> Seeds() {
  if (const char* seed = std::getenv("SOCKBED_MODEL_SEED")) {
    return {std::strtoull(seed, nullptr, 0)};
  }
  std::vector<uint64_t> seeds;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) seeds.push_back(seed);
  return seeds;
}

// Prints what happens, if one seed was asked for.
struct Printer : TraceSink {
  explicit Printer(const Trace& from) : trace(from) {}
  void Consume(std::span<const Record> records) override {
    for (const Record& record : records) std::cout << trace.Format(record) << "\n";
  }
  const Trace& trace;
};

class SocketModel : public testing::TestWithParam<std::tuple<Kind, uint64_t>> {};

TEST_P(SocketModel, DoesWhatTheReferenceDoes) {
  const auto [kind, seed] = GetParam();
  SCOPED_TRACE("SOCKBED_MODEL_SEED=" + std::to_string(seed));
  TestSimulation sim({.seed = seed});
  Printer printer(sim.trace());
  if (std::getenv("SOCKBED_MODEL_SEED") != nullptr) sim.trace().set_sink(&printer);
  Host& host = sim.AddHost("host");
  // Calls so short that they never use up the time slice: what the driver reads before one still
  // holds when it is made.
  host.SetSysctl("kern.syscall_ns", 1);
  host.Spawn("driver", [kind = kind, seed = seed] {
    SocketDriver driver(kind, seed);
    for (int step = 0; step < kSteps && !HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      driver.Step();
    }
    if (!HasFatalFailure()) driver.Finish();
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
  sim.trace().set_sink(nullptr);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SocketModel,
                         testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(Seeds())),
                         [](const auto& run) {
                           return std::string(KindName(std::get<0>(run.param))) + "Seed" +
                                  std::to_string(std::get<1>(run.param));
                         });

}  // namespace
}  // namespace sockbed
