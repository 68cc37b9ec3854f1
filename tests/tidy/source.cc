#include "tests/tidy/source.h"

#include <cctype>
#include <utility>

#include "tests/tidy/outline.h"

namespace sockbed::tidy {
namespace {

// Blanks comments and the insides of literals, character by character; newlines stay.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : in_(text), out_(text) {}

  std::string Run() {
    while (at_ < in_.size()) {
      if (Sees("//")) {
        BlankTo(in_.find('\n', at_));
      } else if (Sees("/*")) {
        BlankPast("*/", at_ + 2);
      } else if (Sees("R\"") && (at_ == 0 || !IsWordChar(in_[at_ - 1]))) {
        RawString();
      } else if (in_[at_] == '"' || (in_[at_] == '\'' && !InNumber())) {
        Quoted(in_[at_]);
      } else {
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  bool Sees(std::string_view what) const { return in_.substr(at_, what.size()) == what; }

  // Whether the quote here separates digits, as in 1'000.
  bool InNumber() const {
    size_t start = at_;
    while (start > 0 && (IsWordChar(in_[start - 1]) || in_[start - 1] == '\'')) --start;
    return start < at_ && std::isdigit(static_cast<unsigned char>(in_[start]));
  }

  void BlankTo(size_t end) {
    end = std::min(end, in_.size());
    for (; at_ < end; ++at_) {
      if (in_[at_] != '\n') out_[at_] = ' ';
    }
  }

  void BlankPast(std::string_view close, size_t from) {
    const size_t found = in_.find(close, from);
    BlankTo(found == in_.npos ? found : found + close.size());
  }

  // The quotes stay, so that "" can still be told from nothing.
  void RawString() {
    const size_t open = in_.find('(', at_);
    if (open == in_.npos) return BlankTo(open);
    const std::string close = ")" + std::string(in_.substr(at_ + 2, open - at_ - 2)) + "\"";
    const size_t end = in_.find(close, open);
    at_ += 2;
    if (end == in_.npos) return BlankTo(end);
    BlankTo(end + close.size() - 1);
    ++at_;
  }

  void Quoted(char quote) {
    size_t end = ++at_;
    while (end < in_.size() && in_[end] != quote && in_[end] != '\n') {
      end += in_[end] == '\\' ? 2 : 1;
    }
    BlankTo(end);
    ++at_;
  }

  std::string_view in_;
  std::string out_;
  size_t at_ = 0;
};

// Blanks directives and what stands between #else (or #elif) and #endif, so that braces balance.
void BlankDirectives(std::vector<std::string>& code) {
  std::vector<bool> skipping;
  bool continued = false;
  for (std::string& line : code) {
    const size_t start = line.find_first_not_of(" \t");
    const bool directive = !continued && start != line.npos && line[start] == '#';
    if (directive) {
      const size_t word = line.find_first_not_of(" \t", start + 1);
      const std::string_view name = std::string_view(line).substr(std::min(word, line.size()));
      if (name.starts_with("if")) skipping.push_back(false);
      if (name.starts_with("el") && !skipping.empty()) skipping.back() = true;
      if (name.starts_with("endif") && !skipping.empty()) skipping.pop_back();
    }
    bool skip = directive || continued;
    for (const bool s : skipping) skip = skip || s;
    continued = (directive || continued) && line.ends_with('\\');
    if (skip) line.assign(line.size(), ' ');
  }
}

}  // namespace

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

size_t FindWord(std::string_view line, std::string_view word, size_t from) {
  for (size_t at = line.find(word, from); at != line.npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !IsWordChar(line[at - 1])) && (end == line.size() || !IsWordChar(line[end]))) {
      return at;
    }
  }
  return line.npos;
}

Source::Source(std::string path, std::string_view text)
    : path_(std::move(path)), lines_(SplitLines(text)), code_(SplitLines(Blanker(text).Run())) {
  BlankDirectives(code_);
  Outline(this).Run();
}

const Function* Source::FunctionAt(int line) const {
  for (const Function& function : functions_) {
    if (function.first <= line && line <= function.last) return &function;
  }
  return nullptr;
}

}  // namespace sockbed::tidy
