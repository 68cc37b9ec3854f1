// Comparing two runs: are they the same, and if not, which event is the first that differs?
//
// Lives here:  CompareRuns.
// Called by:   the diff command and tests.
// May touch:   real files: the folders that RunOutputs wrote.
// Cost:        bisects the digests, then reads one stretch of both traces.
#ifndef SOCKBED_TOOLS_COMPARE_H_
#define SOCKBED_TOOLS_COMPARE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sockbed::tools {

struct RunDifference {
  bool same = false;
  uint64_t record = 0;      // number of the first record that differs
  std::string first_line;   // that record in the first run; empty: it had ended
  std::string second_line;  // that record in the second run; empty: it had ended
  std::string before;       // the last line that is the same, for orientation; may be empty
};

// Errors: a folder that holds no run.
absl::StatusOr<RunDifference> CompareRuns(const std::string& first, const std::string& second);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_COMPARE_H_
