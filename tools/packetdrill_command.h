// sockbed packetdrill: scripts and folders of them, in as many processes as there are processors.
//
// Lives here:  PacketdrillOptions, ParsePacketdrillArguments, RunPacketdrill.
// Called by:   main.cc.
#ifndef SOCKBED_TOOLS_PACKETDRILL_COMMAND_H_
#define SOCKBED_TOOLS_PACKETDRILL_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/runner.h"

namespace sockbed::tools {

extern const char kPacketdrillHelp[];

struct PacketdrillOptions {
  packetdrill::RunOptions run;
  std::vector<std::string> paths;  // scripts, and folders that are searched for *.pkt
  int jobs = 0;                    // processes; 0: one for each processor
  bool print = false;              // print the scripts as they were understood; run nothing
  bool help = false;
  std::string expected_failures;  // a file that lists the scripts that do not pass
  std::string capture;            // a folder for captures; empty: none
};

// Reads the arguments behind "packetdrill". Errors: InvalidArgument, for people.
absl::StatusOr<PacketdrillOptions> ParsePacketdrillArguments(const std::vector<std::string>& args);

// Runs all scripts and prints failures (to stderr) and totals. Returns whether each went as
// expected. Errors: NotFound (no such script or list), InvalidArgument (also: two scripts with one
// name for their captures).
absl::StatusOr<bool> RunPacketdrill(const PacketdrillOptions& options);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_PACKETDRILL_COMMAND_H_
