// The words of a script: its text as a list of tokens, definitions and conditionals resolved.
//
// Lives here:  Token, Definitions, Tokenize.
// Called by:   parser; the round-trip test, which compares token by token.
// Owns:        tokens own their text.
// Invariants:  any bytes give either tokens, the last of them kEnd, or an error with its place.
#ifndef SOCKBED_TOOLS_PACKETDRILL_LEXER_H_
#define SOCKBED_TOOLS_PACKETDRILL_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

struct Token {
  enum class Kind : uint8_t {
    kInteger,
    kHex,
    kFloat,
    kWord,
    kString,   // text: the bytes
    kCommand,  // text: between the backquotes
    kCode,     // text: between the delimiters, blanks stripped
    kOption,   // text: without the dashes
    kEllipsis,
    kIpv4,
    kIpv6,
    kPunctuation,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  Place place;
  std::string text;
  std::string spelling;       // as it stands in the script
  int64_t number = 0;         // kInteger, kHex
  size_t begin = 0, end = 0;  // bytes of the script: what touches what

  bool Is(char c) const { return kind == Kind::kPunctuation && text[0] == c; }
  bool IsWord(const char* word) const { return kind == Kind::kWord && text == word; }
};

// NAME and its value as written behind "=": "text", `text`, a number or a word. A name without a
// value serves #ifdef alone.
using Definitions = std::map<std::string, std::string>;

// `path` is named in errors; --define options add to `definitions`, whose values outrank them.
// Errors: InvalidArgument, "path:line:column: ...".
absl::StatusOr<std::vector<Token>> Tokenize(const std::string& text, const std::string& path,
                                            Definitions definitions);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_LEXER_H_
