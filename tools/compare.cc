#include "tools/compare.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/run_outputs.h"

namespace sockbed::tools {
namespace {

// digests.txt as read back.
struct Digests {
  uint64_t records = 0;
  uint64_t every = 0;                // records per checkpoint
  std::vector<std::string> digests;  // of the first every, 2*every, ... records; last: of all
};

absl::StatusOr<Digests> ReadDigests(const std::string& folder) {
  const std::string path = DigestsPath(folder);
  std::ifstream file(path);
  const auto bad = [&] { return absl::InvalidArgumentError(absl::StrCat("no run in ", folder)); };
  if (!file) return bad();
  Digests read;
  std::string line;
  const auto number = [&](const char* label, uint64_t* out) {
    return std::getline(file, line) && absl::StartsWith(line, label) &&
           absl::SimpleAtoi(absl::StripPrefix(line, label), out);
  };
  if (!number("records ", &read.records) || !number("every ", &read.every)) return bad();
  while (std::getline(file, line)) read.digests.push_back(line);
  if (read.every == 0 || read.digests.size() != read.records / read.every + 1) return bad();
  return read;
}

// How many checkpoints from the start agree. Rolling digests: once they differ they stay different.
size_t AgreeingCheckpoints(const Digests& a, const Digests& b) {
  size_t low = 0;
  size_t high = std::min(a.digests.size(), b.digests.size()) - 1;  // the last is of the end
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (a.digests[middle] == b.digests[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The number of the record that a line of a trace shows: "  0.020000000 #19 ...".
uint64_t RecordOf(const std::string& line) {
  const size_t hash = line.find('#');
  uint64_t record = 0;
  if (hash == std::string::npos) return 0;
  const size_t end = line.find(' ', hash);
  return absl::SimpleAtoi(line.substr(hash + 1, end - hash - 1), &record) ? record : 0;
}

}  // namespace

absl::StatusOr<RunDifference> CompareRuns(const std::string& first, const std::string& second) {
  const absl::StatusOr<Digests> a = ReadDigests(first);
  if (!a.ok()) return a.status();
  const absl::StatusOr<Digests> b = ReadDigests(second);
  if (!b.ok()) return b.status();
  RunDifference difference;
  if (a->records == b->records && a->digests.back() == b->digests.back()) {
    difference.same = true;
    return difference;
  }
  if (a->every != b->every) return absl::InvalidArgumentError("the runs are of different versions");
  const uint64_t agreed = AgreeingCheckpoints(*a, *b) * a->every;
  std::ifstream trace_a(TracePath(first));
  std::ifstream trace_b(TracePath(second));
  std::string line_a;
  std::string line_b;
  for (;;) {
    difference.before = line_a;
    const bool has_a = static_cast<bool>(std::getline(trace_a, line_a));
    const bool has_b = static_cast<bool>(std::getline(trace_b, line_b));
    if (has_a && has_b && (RecordOf(line_a) <= agreed || line_a == line_b)) continue;
    difference.record = RecordOf(has_a ? line_a : line_b);
    difference.first_line = has_a ? line_a : "";
    difference.second_line = has_b ? line_b : "";
    return difference;
  }
}

}  // namespace sockbed::tools
