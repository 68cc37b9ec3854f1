#include "tools/packetdrill/snippet.h"

#include <cctype>
#include <charconv>
#include <cstring>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sockbed::packetdrill {
namespace {

constexpr int kDepthMax = 64;

// A number or, in messages, a text.
struct Value {
  int64_t number = 0;
  std::string text;
  bool is_text = false;

  std::string Shown() const { return is_text ? text : absl::StrCat(number); }
  bool truth() const { return is_text ? !text.empty() : number != 0; }
};

class Evaluator {
 public:
  Evaluator(const std::string& text, Scope* scope, std::string* printed)
      : text_(text), scope_(*scope), printed_(printed) {}

  absl::Status Run() {
    for (;;) {
      while (Accept(";") || AcceptNewline()) {
      }
      Skip();
      if (at_ >= text_.size() || !status_.ok()) return status_;
      Statement();
      Skip();
      const bool ended = at_ >= text_.size() || text_[at_] == ';' || text_[at_] == '\n';
      if (status_.ok() && !ended) Fail("cannot read this statement");
    }
  }

 private:
  // --- Characters. ---

  void Skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
        at_ += 2;
      } else if (c == ' ' || c == '\t' || c == '\r' || (c == '\n' && inside_ > 0)) {
        ++at_;
      } else {
        return;
      }
    }
  }
  bool AcceptNewline() {
    Skip();
    if (at_ >= text_.size() || text_[at_] != '\n') return false;
    ++at_;
    return true;
  }
  bool Accept(const char* sign) {
    Skip();
    if (text_.compare(at_, strlen(sign), sign) != 0) return false;
    at_ += strlen(sign);
    return true;
  }
  std::string PeekWord() {
    Skip();
    size_t n = 0;
    const auto part = [&](size_t i) {
      return i < text_.size() && (isalnum(static_cast<unsigned char>(text_[i])) || text_[i] == '_');
    };
    while (part(at_ + n)) ++n;
    return text_.substr(at_, n);
  }
  bool AcceptWord(const char* word) {
    if (PeekWord() != word) return false;
    at_ += strlen(word);
    return true;
  }
  void Fail(const std::string& what) {
    if (!status_.ok()) return;
    const std::string rest = text_.substr(std::min(at_, text_.size()));
    status_ = absl::InvalidArgumentError(
        absl::StrCat(what, " at '", rest.substr(0, rest.find('\n')), "'"));
  }

  // --- Statements. ---

  void Statement() {
    if (AcceptWord("assert")) return Assert();
    if (AcceptWord("print")) return Print();
    const std::string name = PeekWord();
    at_ += name.size();
    const bool adds = Accept("+=");
    if (name.empty() || isdigit(static_cast<unsigned char>(name[0])) || (!adds && !Accept("="))) {
      return Fail("cannot read this statement");
    }
    const Value value = Expression();
    if (value.is_text) return Fail("only numbers have names");
    scope_[name] = value.number + (adds ? scope_[name] : 0);
  }

  void Assert() {
    Skip();
    const size_t begin = at_;
    used_.clear();
    const Value value = Expression();
    const std::string shown = text_.substr(begin, at_ - begin);
    std::string because;
    if (Accept(",")) {
      skipping_ += value.truth();
      because = absl::StrCat(": ", Expression().Shown());
      skipping_ -= value.truth();
    }
    if (!status_.ok() || value.truth()) return;
    std::string values;
    for (const std::string& name : used_) {
      absl::StrAppend(&values, values.empty() ? " (" : ", ", name, " = ", scope_[name]);
    }
    status_ = absl::FailedPreconditionError(
        absl::StrCat("assertion failed: ", shown, values, values.empty() ? "" : ")", because));
  }

  void Print() {
    const Value value = Expression();
    if (status_.ok()) absl::StrAppend(printed_, value.Shown(), "\n");
  }

  // --- Expressions. ---

  Value Expression() {
    if (++depth_ > kDepthMax) Fail("nested too deeply");
    Value value;
    if (status_.ok()) value = Or();
    --depth_;
    return value;
  }

  Value Or() {
    Value value = And();
    while (status_.ok() && AcceptWord("or")) {
      const bool decided = value.truth();
      skipping_ += decided;
      const Value right = And();
      skipping_ -= decided;
      if (!decided) value = right;
    }
    return value;
  }
  Value And() {
    Value value = Not();
    while (status_.ok() && AcceptWord("and")) {
      const bool decided = !value.truth();
      skipping_ += decided;
      const Value right = Not();
      skipping_ -= decided;
      if (!decided) value = right;
    }
    return value;
  }
  Value Not() {
    if (!AcceptWord("not")) return Comparison();
    return {.number = Not().truth() ? 0 : 1};
  }

  static bool Holds(const std::string& sign, const Value& a, const Value& b) {
    const int order = a.is_text || b.is_text ? a.Shown().compare(b.Shown())
                                             : (a.number > b.number) - (a.number < b.number);
    if (sign == "==") return order == 0;
    if (sign == "!=") return order != 0;
    if (sign == "<=") return order <= 0;
    if (sign == ">=") return order >= 0;
    return sign == "<" ? order < 0 : order > 0;
  }

  Value Comparison() {
    Value left = Sum(0);
    bool compared = false;
    bool holds = true;
    for (bool more = true; more && status_.ok();) {
      more = false;
      for (const char* sign : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (!Accept(sign)) continue;
        const bool decided = !holds;
        skipping_ += decided;
        const Value right = Sum(0);
        skipping_ -= decided;
        holds = holds && Holds(sign, left, right);
        left = right;
        compared = more = true;
        break;
      }
    }
    return compared ? Value{.number = holds} : left;
  }

  // The binary operators of integers, loosest first.
  Value Sum(int level) {
    static constexpr const char* kSigns[] = {"|", "&", "+-", "*/%"};
    if (level == 4) return Unary();
    Value left = Sum(level + 1);
    while (status_.ok()) {
      Skip();
      const char sign = at_ < text_.size() ? text_[at_] : '\0';
      const bool assigns = at_ + 1 < text_.size() && text_[at_ + 1] == '=';
      if (sign == '\0' || assigns || strchr(kSigns[level], sign) == nullptr) break;
      ++at_;
      if (sign == '/' && Accept("/")) {
      }
      left = {.number = Apply(sign, left.number, Sum(level + 1).number)};
    }
    return left;
  }
  int64_t Apply(char sign, int64_t a, int64_t b) {
    const auto wrap = [](uint64_t value) { return static_cast<int64_t>(value); };
    const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
    if ((sign == '/' || sign == '%') && (b == 0 || b == -1)) {
      if (b == 0 && skipping_ == 0) Fail("division by zero");
      return b == 0 || sign == '%' ? 0 : wrap(0 - ua);
    }
    // Rounded down, and the rest has the sign of what divides.
    const bool down = (sign == '/' || sign == '%') && a % b != 0 && (a < 0) != (b < 0);
    switch (sign) {
      case '|': return a | b;
      case '&': return a & b;
      case '+': return wrap(ua + ub);
      case '-': return wrap(ua - ub);
      case '*': return wrap(ua * ub);
      case '/': return a / b - down;
      default: return a % b + (down ? b : 0);
    }
  }

  Value Unary() {
    if (Accept("-"))
      return {.number = static_cast<int64_t>(0 - static_cast<uint64_t>(Primary().number))};
    return Primary();
  }

  Value Primary() {
    if (Accept("(")) return Parenthesis();
    Skip();
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    if (c == '"' || c == '\'') return String(c);
    const std::string word = PeekWord();
    if (word.empty()) {
      Fail("expected a value");
      return {};
    }
    at_ += word.size();
    if (isdigit(static_cast<unsigned char>(word[0]))) return Integer(word);
    if (word == "True" || word == "False") return {.number = word == "True"};
    const auto found = scope_.find(word);
    if (found == scope_.end() && skipping_ > 0) return {};
    if (found == scope_.end()) {
      at_ -= word.size();
      Fail("unknown name");
      return {};
    }
    used_.insert(word);
    return {.number = found->second};
  }

  // A value, or several that are to be shown: a tuple.
  Value Parenthesis() {
    ++inside_;
    Value value;
    if (!Accept(")")) {
      value = Expression();
      while (status_.ok() && Accept(",")) {
        const std::string left = value.Shown();
        value = {.text = absl::StrCat(left, " ", Expression().Shown()), .is_text = true};
      }
      if (status_.ok() && !Accept(")")) Fail("expected ')'");
    }
    --inside_;
    return value;
  }

  Value String(char quote) {
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) {
      Fail("a string without its end");
      return {};
    }
    Value value{.text = text_.substr(at_ + 1, end - at_ - 1), .is_text = true};
    at_ = end + 1;
    return value;
  }

  Value Integer(const std::string& word) {
    const bool hex = word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
    int64_t number = 0;
    const char* const end = word.data() + word.size();
    const auto read = std::from_chars(word.data() + (hex ? 2 : 0), end, number, hex ? 16 : 10);
    if (read.ec != std::errc() || read.ptr != end) Fail("no integer");
    return {.number = number};
  }

  const std::string& text_;
  Scope& scope_;
  std::string* const printed_;
  size_t at_ = 0;
  int inside_ = 0;  // parentheses: newlines are blanks there
  int depth_ = 0;
  int skipping_ = 0;  // above 0: read, but not evaluated
  std::set<std::string> used_;
  absl::Status status_;
};

}  // namespace

absl::Status RunSnippet(const std::string& text, Scope* scope, std::string* printed) {
  return Evaluator(text, scope, printed).Run();
}

}  // namespace sockbed::packetdrill
