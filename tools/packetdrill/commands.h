// Commands of a script: what a shell would do to the host, done to the simulated one.
//
// Lives here:  Commands.
// Called by:   runner.
// May touch:   the host's tunables, routes, keys and list of connections.
// Differs:     no shell runs. Known forms are acted upon, all others refused: sysctl, sockstat with
//              its greps, tcpdrop, setkey for TCP-MD5, kldstat, and the set-up scripts of google's
//              suite.
#ifndef SOCKBED_TOOLS_PACKETDRILL_COMMANDS_H_
#define SOCKBED_TOOLS_PACKETDRILL_COMMANDS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/packetdrill/calls.h"
#include "tools/packetdrill/live_host.h"

namespace sockbed::packetdrill {

class Commands {
 public:
  // Sysctl names that may be set, and commands that may be given, without effect.
  Commands(LiveHost* host, const Calls* calls, std::set<std::string> ignored_sysctls,
           std::set<std::string> ignored_commands)
      : host_(host),
        calls_(calls),
        ignored_sysctls_(std::move(ignored_sysctls)),
        ignored_commands_(std::move(ignored_commands)) {}

  // Errors: FailedPrecondition (it ends with a status other than 0, and why), Unimplemented (not
  // among the known forms).
  absl::Status Run(const std::string& text);

 private:
  using Words = std::vector<std::string>;

  absl::Status RunPipeline(const std::vector<Words>& stages);
  absl::Status Sysctl(const Words& words);
  // `lenient`: a name that the host has not is no error.
  absl::Status SetSysctl(std::string name, const std::string& text, bool lenient);
  absl::Status Sockstat(const std::vector<Words>& stages);
  absl::Status Tcpdrop(const Words& words);
  absl::Status Setkey(const std::string& input);
  absl::Status AddKey(const Words& words);
  void PurgeHostCache();

  LiveHost* const host_;
  const Calls* const calls_;
  const std::set<std::string> ignored_sysctls_, ignored_commands_;
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_COMMANDS_H_
