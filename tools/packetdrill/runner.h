// Running one script on a host of its own.
//
// Lives here:  RunOptions, Verdict, RunScript.
// Called by:   the command, tests.
// Units:       microseconds of virtual time since the script's start.
// Invariants:  1. A run is a function of script, options and seed.
//              2. Each script has a fresh host: no run can influence another.
#ifndef SOCKBED_TOOLS_PACKETDRILL_RUNNER_H_
#define SOCKBED_TOOLS_PACKETDRILL_RUNNER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/packetdrill/lexer.h"
#include "tools/packetdrill/live_host.h"

namespace sockbed::packetdrill {

struct RunOptions {
  Profile profile = Profile::kOpenBsd;
  Definitions definitions;  // beside those of the profile
  // Options as a script's head has them, which outrank it.
  std::vector<std::pair<std::string, std::optional<std::string>>> overrides;
  std::set<std::string> ignored_sysctls, ignored_commands;  // may be given in vain
  bool exact = false;  // no tolerance: the virtual clock must agree to the microsecond
  bool verbose = false;
  uint64_t seed = 1;
  MachineStore* store = nullptr;  // borrowed; null: the run's own
  PacketListener listener;        // of all packets; may be empty
};

struct Verdict {
  bool passed = false;
  bool readable = true;      // the script and its options are understood
  std::string message;       // of a failure: lines that begin with "path:line:"
  std::string log;           // warnings, and with `verbose` all events
  std::string left_behind;   // what the host had not given back at its end; empty is good
  int64_t deviation_us = 0;  // the largest, in size, of any event from its time
  int deviation_line = 0;
  int events = 0;
};

// `path` is named in messages; `text` is the script.
Verdict RunScript(const std::string& path, const std::string& text, const RunOptions& options);

// The names that #ifdef knows on a host of `profile`.
Definitions ProfileDefinitions(Profile profile);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_RUNNER_H_
