// `sockbed run`: builds the simulation that a scenario describes, runs it, and says how it went.
//
// Lives here:  RunOptions, RunScenario.
// Called by:   main.cc and the tests of scenarios.
// May touch:   everything below; real files; the terminal.
// Context:     outside any simulation.
#ifndef SOCKBED_TOOLS_RUN_COMMAND_H_
#define SOCKBED_TOOLS_RUN_COMMAND_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernel/sim/trace.h"

namespace sockbed::tools {

struct RunOptions {
  std::string scenario;                         // path of the YAML file
  std::map<std::string, std::string> settings;  // --set
  // --sysctl: of every host, in this order, before its own.
  std::vector<std::pair<std::string, std::string>> sysctls;
  uint64_t seed = 1;
  std::string out;               // folder; empty: nothing is written
  bool shuffle = false;          // draw the order of processes and events from the seed
  bool deliver_at_splx = false;  // packets and timeouts come between two steps of the kernel, too
  bool check = false;            // hash the bytes of every packet into the digest
  bool progress = false;         // a line on stderr while it runs
  bool interruptible = false;    // SIGINT ends the run and keeps what there is
};

// How a run went.
struct RunVerdict {
  bool passed = false;     // every expectation held, nothing leaked, nobody was left asleep
  std::string screen;      // what the user sees: the report
  std::string complaints;  // what failed, in lines; empty when passed
  Digest digest;
  SimTime time = 0;
};

// Errors: what is wrong with the scenario, the settings or the folder; nothing has been written
// then.
absl::StatusOr<RunVerdict> RunScenario(const RunOptions& options);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_RUN_COMMAND_H_
