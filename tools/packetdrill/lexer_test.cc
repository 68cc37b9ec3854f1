#include "tools/packetdrill/lexer.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sockbed::packetdrill {
namespace {

// The tokens as "kind:text", a blank between; or the error.
std::string Tokens(const std::string& text, const Definitions& definitions = {}) {
  static constexpr const char* kKinds[] = {"int", "hex", "float", "word", "str", "cmd", "code",
                                           "opt", "...", "ip4",   "ip6",  "",    "end"};
  const auto tokens = Tokenize(text, "t.pkt", definitions);
  if (!tokens.ok()) return std::string(tokens.status().message());
  std::string all;
  for (const Token& token : *tokens) {
    const std::string kind = kKinds[static_cast<int>(token.kind)];
    if (kind == "end") break;
    absl::StrAppend(&all, all.empty() ? "" : " ", kind, kind.empty() || kind == "..." ? "" : ":",
                    kind == "..." ? "" : token.text);
  }
  return all;
}

TEST(Lexer, TellsNumbersFromWords) {
  EXPECT_EQ(Tokens("12 -3 0x1F 1.5 .5 12ab 3_ 0xg"),
            "int:12 int:-3 hex:0x1F float:1.5 float:.5 word:12ab word:3_ word:0xg");
}

TEST(Lexer, LeavesEllipsesBetweenTimesAlone) {
  EXPECT_EQ(Tokens("0...0.2 1.00...6.00"), "int:0 ... float:0.2 float:1.00 ... float:6.00");
}

TEST(Lexer, SequenceNumbersAreNoAddresses) {
  EXPECT_EQ(Tokens("1:1001(1000)"), "int:1 : int:1001 ( int:1000 )");
  EXPECT_EQ(Tokens("192.0.2.1 > fd3d:1::2: ."), "ip4:192.0.2.1 > ip6:fd3d:1::2 : .");
}

TEST(Lexer, DotBeforeDigitIsFloat) {
  EXPECT_EQ(Tokens("S.7 P. 1"), "word:S float:.7 word:P . int:1");
}

TEST(Lexer, SkipsComments) { EXPECT_EQ(Tokens("1 // 2\n/* 3\n */ 4"), "int:1 int:4"); }

TEST(Lexer, StringsCommandsAndCode) {
  EXPECT_EQ(Tokens("\"a\\\"\\x41\" `x\\`y` %{  z\t}%"), "str:a\"A cmd:x`y code:z");
}

TEST(Lexer, IfdefKeepsWhatIsDefined) {
  const std::string text = "1\n#ifdef FreeBSD\n2\n#endif\n#ifdef STANDARD\n3\n#endif\n4";
  EXPECT_EQ(Tokens(text, {{"FreeBSD", ""}}), "int:1 int:2 int:4");
  EXPECT_EQ(Tokens(text, {{"STANDARD", ""}}), "int:1 int:3 int:4");
}

TEST(Lexer, DefinitionsTakeThePlaceOfWords) {
  EXPECT_EQ(Tokens("A B", {{"A", "7"}, {"B", "\"x\""}}), "int:7 str:x");
  EXPECT_EQ(Tokens("--define=A=0x5 A"), "opt:define = word:A = hex:0x5 hex:0x5");
}

TEST(Lexer, TheScriptsDefinitionsYieldToThoseGiven) {
  EXPECT_EQ(Tokens("--define=A=0x5 A", {{"A", "7"}}), "opt:define = word:A = hex:0x5 int:7");
  EXPECT_EQ(Tokens("--define=A=5 A", {{"A", ""}}), "opt:define = word:A = int:5 int:5");
  EXPECT_EQ(Tokens("--define=A=5 --define=A=6 A"),
            "opt:define = word:A = int:5 opt:define = word:A = int:6 int:6");
}

TEST(Lexer, ErrorsNameTheirPlace) {
  EXPECT_EQ(Tokens("1\n \"x"), "t.pkt:2:2: parse error: a string without its end");
  EXPECT_EQ(Tokens("/* x"), "t.pkt:1:1: parse error: a comment without its end");
  EXPECT_EQ(Tokens("#ifdef NO\n"), "t.pkt:1:1: parse error: #ifdef without #endif");
  EXPECT_EQ(Tokens("#ifdef YES\n1", {{"YES", ""}}),
            "t.pkt:2:2: parse error: #ifdef without #endif");
  EXPECT_NE(Tokens("%{ x"), "");
  EXPECT_NE(Tokens("1 ?"), "");
}

}  // namespace
}  // namespace sockbed::packetdrill
