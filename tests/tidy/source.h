// A C++ file as tidy sees it: its lines, its code without comments and literals, its functions.
//
// Lives here:  Source, Function, Variable.
// Called by:   rules.
// Units:       lines count from 1.
// Differs:     from a compiler: it expands no macro and follows no include; where a construct is
//              doubtful it sees nothing rather than something wrong.
#ifndef SOCKBED_TESTS_TIDY_SOURCE_H_
#define SOCKBED_TESTS_TIDY_SOURCE_H_

#include <string>
#include <string_view>
#include <vector>

namespace sockbed::tidy {

// A function with a body. Lambdas and local classes are part of the function around them.
struct Function {
  std::string head;  // what stands before the body: return type, name, parameters
  int first = 0;     // the line of the opening brace
  int last = 0;      // the line of the closing brace
};

// Something with static storage that may change: at file scope, in a class, or in a function.
struct Variable {
  std::string text;
  int line = 0;
};

class Source {
 public:
  Source(std::string path, std::string_view text);

  const std::string& path() const { return path_; }
  bool is_header() const { return path_.ends_with(".h"); }

  // The lines as written.
  const std::vector<std::string>& lines() const { return lines_; }
  // The same lines with comments, the insides of literals, preprocessor directives and #else
  // branches blanked out; columns stay where they are.
  const std::vector<std::string>& code() const { return code_; }
  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<Variable>& variables() const { return variables_; }

  // The function whose body covers `line`, or null.
  const Function* FunctionAt(int line) const;

 private:
  friend class Outline;

  std::string path_;
  std::vector<std::string> lines_;
  std::vector<std::string> code_;
  std::vector<Function> functions_;
  std::vector<Variable> variables_;
};

// Splits at newlines; a last line without one counts too.
std::vector<std::string> SplitLines(std::string_view text);

// Whether c may stand in an identifier.
bool IsWordChar(char c);

// Where `word` stands in `line` as a whole word at or after `from`, or npos.
size_t FindWord(std::string_view line, std::string_view word, size_t from = 0);

}  // namespace sockbed::tidy

#endif  // SOCKBED_TESTS_TIDY_SOURCE_H_
