// Running a scenario of programs that were written for real sockets.
//
// Lives here:  ConsumerRun, RunConsumer; what every such scenario must hold to.
// Called by:   *_test.cc here.
// May touch:   real files: scenarios, programs, captures.
#ifndef SOCKBED_TESTS_CONSUMERS_CONSUMER_H_
#define SOCKBED_TESTS_CONSUMERS_CONSUMER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/run_command.h"

namespace sockbed {

// A scenario of this folder with the programs that it names.
struct Consumer {
  std::string scenario;               // "echo.yaml"
  std::vector<std::string> programs;  // "tcp_echo_server": variables of the scenario
  std::map<std::string, std::string> settings;
};

// Runs it; all that it expects must come true. `out`: a folder below the test's for its captures.
Digest RunConsumer(const Consumer& consumer, uint64_t seed, const std::string& loss,
                   const std::string& out = "");

// Twice here and once in a process of its own: one digest, the same bytes in the captures, which
// tshark reads, and finds `filter` in.
void ExpectDeterministic(const Consumer& consumer, const std::string& link,
                         const std::string& filter);

// Seeds 1 to `seeds`, each at a loss between 0 and 10 %.
void SweepSeeds(const Consumer& consumer, uint64_t seeds);

}  // namespace sockbed

#endif  // SOCKBED_TESTS_CONSUMERS_CONSUMER_H_
