// Jobs in child processes of our own: a crash costs one job, not the run.
//
// Lives here:  RunInWorkers.
// Called by:   packetdrill_command.
// Differs:     processes, not threads: a simulation has one thread, and a panic ends its process.
#ifndef SOCKBED_TOOLS_WORKER_POOL_H_
#define SOCKBED_TOOLS_WORKER_POOL_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace sockbed::tools {

// Runs `work` for 0 .. count-1 in `workers` forked processes, and tells `done` of each result here,
// in order of completion. A worker that dies is replaced; its job's result is "", and `died` says
// how. REQUIRES: the calling process has one thread. Errors: Internal (no process or pipe to be
// had).
absl::Status RunInWorkers(size_t count, int workers,
                          const std::function<std::string(size_t job)>& work,
                          const std::function<void(size_t job, const std::string& result,
                                                   const std::string& died)>& done);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_WORKER_POOL_H_
