// What a run leaves behind in its --out folder: trace.txt, digests.txt, one capture per link,
// keys.log.
//
// Lives here:  RunOutputs.
// Called by:   the run command: Open before the links, Finish after the run.
// May touch:   real files; the trace and the links of the simulation.
// Owns:        its open files; hangs on the simulation's trace and links, which must outlive
//              Finish.
// Invariants:  each line of trace.txt shows one record with its number: digests.txt finds the first
//              difference of two runs by bisection, and the line says what it was.
#ifndef SOCKBED_TOOLS_RUN_OUTPUTS_H_
#define SOCKBED_TOOLS_RUN_OUTPUTS_H_

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernel/host/simulation.h"
#include "kernel/net/tap.h"
#include "tools/pcapng.h"

namespace sockbed::tools {

class RunOutputs {
 public:
  // Makes the folder if needed and starts the trace. Errors: what the file system says.
  static absl::StatusOr<std::unique_ptr<RunOutputs>> Open(const std::string& folder,
                                                          Simulation& simulation);
  ~RunOutputs();
  RunOutputs(const RunOutputs&) = delete;
  RunOutputs& operator=(const RunOutputs&) = delete;

  // Opens the capture of the link that is connected next, with this tap. Once for each link, in
  // order. Errors: what the file system says.
  absl::StatusOr<PacketTap*> AddCapture(const std::string& link_name, bool ethernet);

  // Writes what is left. `key_log` is the text of all TLS secrets. Errors: what the file system
  // says.
  absl::Status Finish(const std::string& key_log);

 private:
  class TraceFile;
  class CaptureTap;

  RunOutputs(std::string folder, Simulation& simulation);
  absl::Status WriteDigests();

  const std::string folder_;
  Simulation& simulation_;
  std::unique_ptr<TraceFile> trace_;
  std::vector<std::unique_ptr<CaptureTap>> captures_;
};

// The name of a file in the folder, for those who read it back.
std::string TracePath(const std::string& folder);
std::string DigestsPath(const std::string& folder);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_RUN_OUTPUTS_H_
