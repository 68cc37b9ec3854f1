#include "tests/tidy/outline.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace sockbed::tidy {
namespace {

// Drops what stands in parentheses and, with them, default arguments; keeps the parentheses.
std::string WithoutArguments(std::string_view text) {
  std::string flat;
  int depth = 0;
  for (const char c : text) {
    if (c == ')') --depth;
    if (depth == 0) flat += c;
    if (c == '(') ++depth;
  }
  return flat;
}

bool StartsWithWord(std::string_view text, std::string_view word) {
  return text.starts_with(word) && (text.size() == word.size() || !IsWordChar(text[word.size()]));
}

// Drops one leading word, attribute or template<...> that says nothing about what is declared.
bool DropPrefix(std::string_view& text) {
  static constexpr std::array kWords = {"static",    "inline",       "extern",    "const",
                                        "constexpr", "thread_local", "constinit", "typedef"};
  size_t length = 0;
  if (text.starts_with("[[")) {
    length = text.find("]]") == text.npos ? 0 : text.find("]]") + 2;
  } else if (StartsWithWord(text, "template") && text.find('<') != text.npos) {
    int depth = 0;
    for (length = text.find('<'); length < text.size(); ++length) {
      if (text[length] == '<') ++depth;
      if (text[length] == '>' && --depth == 0) break;
    }
    length = std::min(length + 1, text.size());
  } else {
    for (const std::string_view word : kWords) {
      if (StartsWithWord(text, word)) length = word.size();
    }
  }
  text.remove_prefix(length);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return length > 0;
}

std::string_view WithoutPrefixes(std::string_view text) {
  while (DropPrefix(text)) {
  }
  return text;
}

bool IsTypeHead(std::string_view text) {
  return StartsWithWord(text, "class") || StartsWithWord(text, "struct") ||
         StartsWithWord(text, "union") || StartsWithWord(text, "enum");
}

// Whether the last parenthesis is followed by ": a_(1), b_", a member about to be initialised.
bool EndsInMemberInitializer(std::string_view flat) {
  const size_t colon = flat.find(") :");
  const size_t close = colon == flat.npos ? flat.find("):") : colon;
  return close != flat.npos && (IsWordChar(flat.back()) || flat.back() == '>');
}

bool HasWord(std::string_view text, std::string_view word) {
  return FindWord(text, word) != text.npos;
}

// Whether a declaration without its initial value can change: a pointer must itself be const.
bool CanChange(std::string_view declaration) {
  if (HasWord(declaration, "constexpr")) return false;
  const size_t star = declaration.rfind('*');
  const bool pointer = star != declaration.npos && declaration.find('>', star) == declaration.npos;
  return !HasWord(pointer ? declaration.substr(star) : declaration, "const");
}

// Two words at least, a type and a name, and nothing but what those are made of.
bool LooksLikeDeclaration(std::string_view text) {
  int words = 0;
  bool in_word = false;
  for (const char c : text) {
    if (!IsWordChar(c) && std::string_view(" :<>,*&[]{}").find(c) == std::string_view::npos) {
      return false;
    }
    if (IsWordChar(c) && !in_word) ++words;
    in_word = IsWordChar(c) || c == ':';
  }
  return words >= 2;
}

}  // namespace

void Outline::Run() {
  for (size_t i = 0; i < source_->code_.size(); ++i) {
    for (const char c : source_->code_[i]) Take(c, static_cast<int>(i + 1));
    Take(' ', static_cast<int>(i + 1));
  }
}

void Outline::Take(char c, int line) {
  if (c == '{') return Open(line);
  if (c == '}') return Close(line);
  if (scope() == Scope::kValue) return;  // nothing in a value matters here
  if (c == '(') ++paren_depth_;
  if (c == ')') --paren_depth_;
  if (c == ';' && paren_depth_ == 0) return EndStatement();
  if (std::isspace(static_cast<unsigned char>(c))) {
    if (!head_.empty() && head_.back() != ' ') head_ += ' ';
    return;
  }
  if (head_.empty()) head_line_ = line;
  head_ += c;
  // An access label is no part of the declaration that follows it.
  if (head_ == "public:" || head_ == "private:" || head_ == "protected:") head_.clear();
}

Outline::Scope Outline::Classify() const {
  if (InFunction()) return Scope::kBlock;
  if (scope() == Scope::kValue || paren_depth_ > 0) return Scope::kValue;
  const std::string flat = WithoutArguments(head_);
  std::string_view text = WithoutPrefixes(flat);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (StartsWithWord(text, "namespace") || text == "\" \"") return Scope::kNamespace;  // extern "C"
  const bool assigns = text.find('=') != text.npos && text.find("operator") == text.npos;
  const bool has_parens = text.find('(') != text.npos;
  if (IsTypeHead(text) && !assigns && (!has_parens || HasWord(text, "alignas"))) {
    return Scope::kClass;
  }
  if (!has_parens || assigns || EndsInMemberInitializer(text)) return Scope::kValue;
  return Scope::kFunction;
}

void Outline::Open(int line) {
  const Scope opened = Classify();
  if (opened == Scope::kFunction) function_ = {.head = head_, .first = line, .last = line};
  if (InFunction()) ReportIfVariable();
  const bool is_const = HasWord(head_, "const") || HasWord(head_, "constexpr");
  outer_.push_back({opened, paren_depth_, is_const});
  if (opened != Scope::kValue) head_.clear();
  paren_depth_ = 0;
}

void Outline::Close(int line) {
  if (outer_.empty()) return;
  const Outer outer = outer_.back();
  outer_.pop_back();
  paren_depth_ = outer.paren_depth;
  if (outer.scope == Scope::kFunction) {
    function_.last = line;
    source_->functions_.push_back(function_);
  }
  // A value is part of its statement; a class may be followed by the name of a variable.
  if (outer.scope == Scope::kValue) {
    head_ += "{}";
    return;
  }
  head_ = outer.scope == Scope::kClass ? (outer.is_const ? "const {}" : "{}") : "";
  head_line_ = line;
}

void Outline::EndStatement() {
  ReportIfVariable();
  head_.clear();
}

void Outline::ReportIfVariable() {
  const std::string declaration = head_.substr(0, head_.find('='));
  const bool is_static = HasWord(declaration, "static") || HasWord(declaration, "thread_local");
  if (scope() != Scope::kNamespace && !is_static) return;
  if (InFunction()) {
    // Even a const one has a first use, and what it was made from then stays.
    if (!HasWord(declaration, "constexpr")) source_->variables_.push_back({head_, head_line_});
    return;
  }
  static constexpr std::array kNotVariables = {"using",         "friend",  "template", "namespace",
                                               "static_assert", "typedef", "concept",  "enum"};
  std::string_view text = WithoutPrefixes(declaration);
  for (const std::string_view word : kNotVariables) {
    if (StartsWithWord(declaration, word) || StartsWithWord(text, word)) return;
  }
  const bool names_a_type = IsTypeHead(text) && std::count(text.begin(), text.end(), ' ') < 2;
  if (names_a_type || text.find('(') != text.npos || !CanChange(declaration)) return;
  if (text.starts_with("{}") ? text.size() > 2 : LooksLikeDeclaration(text)) {
    source_->variables_.push_back({head_, head_line_});
  }
}

}  // namespace sockbed::tidy
