// What tidy asks of a single file: sizes, words, ownership marks, headers.
//
// Lives here:  Finding, CheckFile and the limits.
// Called by:   tree.
// Differs:     a rule is about text; what it cannot see for certain, it lets pass.
#ifndef SOCKBED_TESTS_TIDY_RULES_H_
#define SOCKBED_TESTS_TIDY_RULES_H_

#include <string>
#include <string_view>
#include <vector>

namespace sockbed::tidy {

struct Finding {
  std::string path;
  int line = 0;
  std::string rule;  // the name an exception uses
  std::string what;  // what was found, and what to write instead
  int size = 1;      // of what is too large, or 1; exceptions state the sum per file and rule
};

inline constexpr int kSourceLinesMax = 800;
inline constexpr int kHeaderLinesMax = 250;
inline constexpr int kLineColumnsMax = 100;
inline constexpr int kFunctionLinesMax = 70;  // brace to brace
inline constexpr int kTestLinesMax = 40;      // between the braces

// Checks one file on its own. `path` is relative to the root of the tree and decides which rules
// apply; `partner` is the text of a source file's own header, empty if it has none.
std::vector<Finding> CheckFile(const std::string& path, std::string_view text,
                               std::string_view partner = {});

}  // namespace sockbed::tidy

#endif  // SOCKBED_TESTS_TIDY_RULES_H_
