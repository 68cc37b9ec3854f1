// The list of differences between the two kernels: differences.md, which people read and this does.
//
// Lives here:  Difference, ReadDifferences, Matches.
// Called by:   two_arms_test.
// Invariants:  every row stands under a heading, which is its reason.
#ifndef SOCKBED_TESTS_TWO_ARMS_DIFFERENCES_H_
#define SOCKBED_TESTS_TWO_ARMS_DIFFERENCES_H_

#include <string>
#include <vector>

namespace sockbed::two_arms {

// One row: where, what the simulated kernel gives there, and what Linux does.
struct Difference {
  std::string where;  // a pattern of fnmatch(3) over "Suite.Case/Kind: label"
  std::string here;
  std::string there;
  std::string reason;
  int line = 0;
};

// The rows of the tables in `path`; a table's columns are where, here, Linux.
std::vector<Difference> ReadDifferences(const std::string& path);

bool Matches(const Difference& difference, const std::string& where, const std::string& here,
             const std::string& there);

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_DIFFERENCES_H_
