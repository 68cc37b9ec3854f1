// A scenario: hosts, links, programs, faults and expectations, read from a YAML file.
//
// Lives here:  Scenario and its parts; LoadScenario.
// Called by:   the sockbed command.
// May touch:   yaml-cpp, real files (the scenario and the files it names).
// Owns:        plain values.
// Invariants:  a Scenario that was loaded is sound: every name it mentions exists, every value has
//              its type. What is wrong is one error: file, line and column, what was found, what is
//              allowed.
#ifndef SOCKBED_TOOLS_SCENARIO_H_
#define SOCKBED_TOOLS_SCENARIO_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernel/host/host.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/time.h"
#include "tools/program.h"
#include "uapi/files.h"
#include "uapi/posix_program.h"

namespace sockbed::tools {

// Where something stands in the scenario: for errors found later.
struct Place {
  int line = 0;    // from 1
  int column = 0;  // from 1
};

struct ScenarioSysctl {
  std::string name;
  std::string value;
  Place place;
};

// What a host's programs find names with, beside the names of hosts.
struct ScenarioResolver {
  struct Target {
    std::string text;  // a host's name, or an address
    Place place;
  };
  std::vector<Target> nameservers;
  std::vector<std::pair<std::string, Target>> names;  // the hosts file
  std::vector<std::string> search;
  SimTime timeout = 5 * kSecond;
  int64_t attempts = 2;
};

struct ScenarioRoute {
  std::string destination, gateway;  // as written
  HostRoute route;
  Place place;
};

struct ScenarioHost {
  std::string name;
  SimTime clock_offset = 0;
  std::vector<ScenarioSysctl> sysctls;
  std::optional<ScenarioResolver> resolver;
  std::vector<ScenarioRoute> routes;
  std::vector<FileMount> files;
};

struct ScenarioLink {
  std::string name;
  std::string first, second;  // host names
  std::string first_address, second_address;
  std::string first_address6, second_address6;
  SimTime latency = 0;
  int64_t bits_per_second = 0;
  Chance loss = 0, duplicate = 0, reorder = 0, corrupt = 0;
  SimTime reorder_delay = 5 * kMillisecond;
  SimTime jitter = 0;
  int64_t queue_packets = 256;
  int64_t mtu = 1500;
  bool ethernet = false;
};

struct ScenarioProgram {
  std::string name;  // unique on its host
  std::string host;
  const ProgramInfo* info = nullptr;  // a built-in one, with `args`; null: a file, with `start`
  ProgramArgs args;
  ProgramStart start;
  SimTime start_at = 0;
  bool daemon = false;
};

// What must be true at the end. Exactly one of the three is set.
struct Expectation {
  std::string program;                 // "host/name"; empty for ends_by
  std::optional<int64_t> exit_status;  // it exited with that status
  std::optional<std::string> prints;   // it printed a line that contains this
  std::optional<SimTime> ends_by;      // the last program exited by then
  Place place;
};

struct Scenario {
  std::string path;
  std::string name;
  std::string about;
  std::vector<ScenarioHost> hosts;
  std::vector<ScenarioLink> links;
  std::vector<ScenarioProgram> programs;
  std::vector<fault::Rule> faults;  // hosts count from 1 in order of `hosts`
  std::vector<Expectation> expectations;
  SimTime end = kForever;  // the run stops then, whatever goes on
};

// Reads the scenario at `path`; `settings` give variables other values than the file does.
// Errors: InvalidArgument "path:line:column: what"; what the file system says.
absl::StatusOr<Scenario> LoadScenario(const std::string& path,
                                      const std::map<std::string, std::string>& settings);

// The same from text; `path` is for messages.
absl::StatusOr<Scenario> ParseScenario(const std::string& path, const std::string& text,
                                       const std::map<std::string, std::string>& settings);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_SCENARIO_H_
