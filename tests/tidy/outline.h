// Finds the functions and the changeable static variables of a file by following its braces.
//
// Lives here:  Outline.
// Called by:   Source, once per file.
// Invariants:  every brace of the code opens or closes exactly one Scope.
#ifndef SOCKBED_TESTS_TIDY_OUTLINE_H_
#define SOCKBED_TESTS_TIDY_OUTLINE_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/tidy/source.h"

namespace sockbed::tidy {

class Outline {
 public:
  explicit Outline(Source* source) : source_(source) {}

  // Fills source->functions_ and source->variables_.
  void Run();

 private:
  // What a pair of braces encloses.
  enum class Scope { kNamespace, kClass, kFunction, kBlock, kValue };

  void Take(char c, int line);
  void Open(int line);
  void Close(int line);
  void EndStatement();
  Scope Classify() const;
  Scope scope() const { return outer_.empty() ? Scope::kNamespace : outer_.back().scope; }
  bool InFunction() const { return scope() == Scope::kFunction || scope() == Scope::kBlock; }
  void ReportIfVariable();

  Source* source_;
  // What an open brace interrupted.
  struct Outer {
    Scope scope;      // inside the brace
    int paren_depth;  // outside it
    bool is_const;    // of "const struct {": the variable that may follow
  };

  std::vector<Outer> outer_;
  int paren_depth_ = 0;
  std::string head_;   // the statement so far: the text since the last ; { or }
  int head_line_ = 0;  // where it began
  Function function_;  // the one being read
};

}  // namespace sockbed::tidy

#endif  // SOCKBED_TESTS_TIDY_OUTLINE_H_
