// The command line: Abseil flags by name, `--set` and `--sysctl` as often as one likes, the rest in
// order.
//
// Lives here:  CommandLine, ParseCommandLine.
// Called by:   main.cc.
// May touch:   Abseil's flags, through their public reflection (an error must not end the process
//              with another status than ours).
#ifndef SOCKBED_TOOLS_COMMAND_LINE_H_
#define SOCKBED_TOOLS_COMMAND_LINE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace sockbed::tools {

struct CommandLine {
  std::vector<std::string> words;                            // what is no flag, in order
  std::map<std::string, std::string> settings;               // --set name=value
  std::vector<std::pair<std::string, std::string>> sysctls;  // --sysctl name=value, in order
  bool help = false;                                         // --help or -h
};

// Reads the arguments (without the program's name) and sets the flags they name. `allowed` are the
// flags that the command takes. Errors: InvalidArgument, for people.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args,
                                             const std::vector<std::string>& allowed);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_COMMAND_LINE_H_
