#include "tools/packetdrill/lexer.h"

#include <arpa/inet.h>

#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sockbed::packetdrill {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsWordChar(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr char kPunctuation[] = "+*~<>=()[]{},.:|!/-";

class Lexer {
 public:
  Lexer(const std::string& text, const std::string& path, Definitions definitions)
      : text_(text), path_(path), given_(definitions), definitions_(std::move(definitions)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (SkipBlanks() && at_ < text_.size()) {
      if (!Next()) break;
      NoteDefinition();
    }
    if (status_.ok() && inside_ifdef_) (void)Fail("#ifdef without #endif");
    if (!status_.ok()) return status_;
    Token end;
    end.place = place_;
    end.begin = end.end = at_;
    end.spelling = "the end of the script";
    tokens_.push_back(std::move(end));
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  char At(size_t offset = 0) const {
    return at_ + offset < text_.size() ? text_[at_ + offset] : '\0';
  }
  bool Starts(const char* what) const { return text_.compare(at_, strlen(what), what) == 0; }

  bool Fail(const std::string& what) { return FailAt(place_, what); }
  bool FailAt(Place place, const std::string& what) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(path_, ":", place.line, ":", place.column, ": parse error: ", what));
    return false;
  }

  void Advance(size_t n) {
    for (; n > 0 && at_ < text_.size(); --n, ++at_) {
      if (text_[at_] == '\n') {
        ++place_.line;
        place_.column = 1;
      } else {
        ++place_.column;
      }
    }
  }

  // To the next token: over blanks, comments, and what #ifdef leaves out.
  bool SkipBlanks() {
    for (;;) {
      if (at_ < text_.size() && IsBlank(text_[at_])) {
        Advance(1);
      } else if (Starts("//")) {
        Advance(text_.find('\n', at_) - at_);
      } else if (Starts("/*")) {
        const size_t end = text_.find("*/", at_ + 2);
        if (end == std::string::npos) return Fail("a comment without its end");
        Advance(end + 2 - at_);
      } else if (At() == '#') {
        if (!Conditional()) return false;
      } else {
        return true;
      }
    }
  }

  bool Conditional() {
    if (Starts("#endif")) {
      if (!inside_ifdef_) return Fail("#endif without #ifdef");
      inside_ifdef_ = false;
      Advance(6);
      return true;
    }
    if (!Starts("#ifdef") || !IsBlank(At(6))) return Fail("'#' begins #ifdef or #endif only");
    if (inside_ifdef_) return Fail("#ifdef inside #ifdef");
    const Place place = place_;
    Advance(7);
    while (At() == ' ' || At() == '\t') Advance(1);
    size_t n = 0;
    while (IsWordChar(At(n))) ++n;
    if (n < 2 || !isalpha(static_cast<unsigned char>(At()))) return Fail("#ifdef needs a name");
    const std::string name = text_.substr(at_, n);
    Advance(n);
    inside_ifdef_ = definitions_.count(name) != 0;
    if (inside_ifdef_) return true;
    const size_t end = text_.find("#endif", at_);
    if (end == std::string::npos) return FailAt(place, "#ifdef without #endif");
    Advance(end + 6 - at_);
    return true;
  }

  void Add(Kind kind, size_t length, std::string text, int64_t number = 0) {
    Token token;
    token.kind = kind;
    token.place = place_;
    token.text = std::move(text);
    token.spelling = text_.substr(at_, length);
    token.number = number;
    token.begin = at_;
    token.end = at_ + length;
    tokens_.push_back(std::move(token));
    Advance(length);
  }

  bool Next() {
    const char c = At();
    if (c == '"') return String();
    if (c == '`') return Backquoted();
    if (Starts("%{")) return Snippet();
    if (Starts("--") && IsWordChar(At(2))) return OptionName();
    if (Starts("...")) {
      Add(Kind::kEllipsis, 3, "...");
      return true;
    }
    if (Address()) return true;
    if (IsWordChar(c) || ((c == '-' || c == '.') && StartsNumber())) return WordOrNumber();
    if (c != '\0' && strchr(kPunctuation, c) != nullptr) {
      Add(Kind::kPunctuation, 1, std::string(1, c));
      return true;
    }
    return Fail(absl::StrCat("a character that means nothing here (code ",
                             static_cast<int>(static_cast<unsigned char>(c)), ")"));
  }

  bool OptionName() {
    size_t n = 2;
    while (IsWordChar(At(n))) ++n;
    Add(Kind::kOption, n, text_.substr(at_ + 2, n - 2));
    return true;
  }

  // "-1", "-.5", ".5": a sign must be followed by digits alone, since "exp-00AC" is no number.
  bool StartsNumber() const {
    size_t n = At() == '-' ? 1 : 0;
    if (At(n) == '.') return IsDigit(At(n + 1));
    if (!IsDigit(At(n))) return false;
    while (IsDigit(At(n))) ++n;
    return !IsWordChar(At(n));
  }

  bool WordOrNumber() {
    size_t n = At() == '-' ? 1 : 0;
    const size_t first = n;
    while (IsDigit(At(n))) ++n;
    if (At(n) == '.' && IsDigit(At(n + 1))) {
      ++n;
      while (IsDigit(At(n))) ++n;
      Add(Kind::kFloat, n, text_.substr(at_, n));
      return true;
    }
    if (n > first && !IsWordChar(At(n))) return Integer(n, 10, 0);
    if (At() == '0' && At(1) == 'x' && IsHexDigit(At(2))) {
      n = 2;
      while (IsHexDigit(At(n))) ++n;
      if (!IsWordChar(At(n))) return Integer(n, 16, 2);
    }
    n = 0;
    while (IsWordChar(At(n))) ++n;
    if (At(n) == '#' && text_.compare(at_, n, "sequence") == 0) ++n;  // of GRE
    Word(n);
    return true;
  }

  bool Integer(size_t length, int base, size_t skip) {
    const std::string spelling = text_.substr(at_, length);
    int64_t value = 0;
    const char* const end = spelling.data() + spelling.size();
    // Hexadecimal digits of a cookie exceed 64 bits: then the text is all that matters.
    const auto read = std::from_chars(spelling.data() + skip, end, value, base);
    if (read.ec != std::errc()) value = INT64_MAX;
    Add(base == 16 ? Kind::kHex : Kind::kInteger, length, spelling, value);
    return true;
  }

  // A word, or what it is defined as.
  void Word(size_t length) {
    const std::string word = text_.substr(at_, length);
    const auto defined = definitions_.find(word);
    const bool names_it = AfterDefine();  // the NAME of a --define stays a word
    if (defined == definitions_.end() || defined->second.empty() || names_it) {
      Add(Kind::kWord, length, word);
      return;
    }
    const std::string& value = defined->second;
    Lexer inner(value, path_, {});
    absl::StatusOr<std::vector<Token>> tokens = inner.Run();
    if (!tokens.ok() || tokens->size() != 2) {
      Add(Kind::kWord, length, value);
      tokens_.back().spelling = value;
      return;
    }
    Token token = (*tokens)[0];
    token.place = place_;
    token.begin = at_;
    token.end = at_ + length;
    tokens_.push_back(std::move(token));
    Advance(length);
  }

  bool AfterDefine() const {
    const size_t n = tokens_.size();
    return n >= 2 && tokens_[n - 1].Is('=') && tokens_[n - 2].kind == Kind::kOption &&
           tokens_[n - 2].text == "define";
  }

  // --define=NAME=VALUE has been read to its end: it holds from here on, unless a value was given
  // from outside.
  void NoteDefinition() {
    const size_t n = tokens_.size();
    if (n < 5 || tokens_[n - 5].kind != Kind::kOption || tokens_[n - 5].text != "define") return;
    if (!tokens_[n - 4].Is('=') || tokens_[n - 3].kind != Kind::kWord) return;
    const std::string& name = tokens_[n - 3].text;
    const auto given = given_.find(name);
    if (!tokens_[n - 2].Is('=') || (given != given_.end() && !given->second.empty())) return;
    definitions_[name] = tokens_[n - 1].spelling;
  }

  bool Address() {
    size_t n = 0;
    while (IsHexDigit(At(n)) || At(n) == ':' || At(n) == '.') ++n;
    if (n < 2 || IsWordChar(At(n))) return false;
    // A colon behind an address belongs to what follows it.
    if (IsAddress(text_.substr(at_, n))) return AddAddress(n);
    return At(n - 1) == ':' && IsAddress(text_.substr(at_, n - 1)) && AddAddress(n - 1);
  }

  static bool IsAddress(const std::string& text) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
           inet_pton(AF_INET6, text.c_str(), bytes) == 1;
  }
  bool AddAddress(size_t length) {
    const std::string text = text_.substr(at_, length);
    Add(text.find(':') == std::string::npos ? Kind::kIpv4 : Kind::kIpv6, length, text);
    return true;
  }

  bool String() {
    std::string value;
    size_t n = 1;
    for (;; ++n) {
      if (at_ + n >= text_.size()) return Fail("a string without its end");
      const char c = At(n);
      if (c == '"') break;
      if (c != '\\') {
        value += c;
        continue;
      }
      const std::optional<char> escaped = Escape(&n);
      if (!escaped) return Fail("an unknown escape in a string");
      value += *escaped;
    }
    Add(Kind::kString, n + 1, std::move(value));
    return true;
  }

  // At a backslash, *n bytes from here; leaves *n at the last byte of the escape.
  std::optional<char> Escape(size_t* n) {
    const char c = At(++*n);
    static constexpr char kNames[] = "\\\"fnrtv";
    static constexpr char kValues[] = "\\\"\f\n\r\t\v";
    if (c == 'x' && IsHexDigit(At(*n + 1)) && IsHexDigit(At(*n + 2))) {
      int value = 0;
      std::from_chars(&text_[at_ + *n + 1], &text_[at_ + *n + 3], value, 16);
      *n += 2;
      return static_cast<char>(value);
    }
    const char* const found = c == '\0' ? nullptr : strchr(kNames, c);
    if (found == nullptr) return std::nullopt;
    return kValues[found - kNames];
  }

  bool Backquoted() {
    std::string value;
    size_t n = 1;
    for (; At(n) != '`'; ++n) {
      if (at_ + n >= text_.size()) return Fail("a command without its end");
      if (At(n) == '\\' && At(n + 1) == '`') ++n;
      value += At(n);
    }
    Add(Kind::kCommand, n + 1, std::move(value));
    return true;
  }

  bool Snippet() {
    const size_t close = text_.find("}%", at_ + 2);
    if (close == std::string::npos) return Fail("code without its end");
    size_t begin = at_ + 2;
    size_t end = close;
    const auto blank = [&](size_t i) { return text_[i] == ' ' || text_[i] == '\t'; };
    while (begin < end && blank(begin)) ++begin;
    while (end > begin && blank(end - 1)) --end;
    Add(Kind::kCode, close + 2 - at_, text_.substr(begin, end - begin));
    return true;
  }

  const std::string& text_;
  const std::string& path_;
  const Definitions given_;
  Definitions definitions_;
  size_t at_ = 0;
  Place place_;
  bool inside_ifdef_ = false;
  absl::Status status_;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(const std::string& text, const std::string& path,
                                            Definitions definitions) {
  return Lexer(text, path, std::move(definitions)).Run();
}

}  // namespace sockbed::packetdrill
