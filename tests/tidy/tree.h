// The whole tree: reading it, the rules that look at more than one file, and the named exceptions.
//
// Lives here:  Files, ReadTree, CheckTree, Exception, Excuse.
// Called by:   tree_test.
#ifndef SOCKBED_TESTS_TIDY_TREE_H_
#define SOCKBED_TESTS_TIDY_TREE_H_

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tidy/rules.h"

namespace sockbed::tidy {

// Every file of the tree by its path from the root, with its text (empty if it is no text).
using Files = std::map<std::string, std::string>;

// Reads all but what .gitignore names: Bazel's output, runs, one person's settings.
Files ReadTree(const std::filesystem::path& root);

// The findings of CheckFile for every file, and of the rules that need more than one: a package
// has a README.md, a room its arrows in tests/deps; a file is mentioned in its BUILD, an include is
// a dependency there; a file is named for what it holds.
std::vector<Finding> CheckTree(const Files& files);

// A place that may stay as it is. The list may only shrink: `size` is the exact sum of the sizes of
// the findings of `rule` in `path`.
struct Exception {
  std::string_view path;
  std::string_view rule;
  int size;
  std::string_view why;
};

// Drops the findings that an exception covers; one that covers more than there is is a finding.
std::vector<Finding> Excuse(std::vector<Finding> findings, std::span<const Exception> exceptions);

}  // namespace sockbed::tidy

#endif  // SOCKBED_TESTS_TIDY_TREE_H_
