#include "tools/packetdrill/snippet.h"

#include "gtest/gtest.h"

namespace sockbed::packetdrill {
namespace {

// "" or the error, with a few names defined.
std::string Outcome(const std::string& text, std::string* printed = nullptr) {
  Scope scope = {{"four", 4}, {"cwnd", 10}};
  std::string ignored;
  return std::string(RunSnippet(text, &scope, printed != nullptr ? printed : &ignored).message());
}

TEST(Snippet, AssertionsThatHold) {
  EXPECT_EQ(Outcome("assert four == 4"), "");
  EXPECT_EQ(Outcome("assert four == (1 |\n  4 | 5) - 1; assert 0x10 == 16"), "");
  EXPECT_EQ(Outcome("assert 3 < four <= 4 and not cwnd != 10 # so it is"), "");
  EXPECT_EQ(Outcome("x = cwnd * 2\nx += 1\nassert x % 4 == 1 \\\n or False, 'no'"), "");
}

TEST(Snippet, WhatDecidesNothingIsNotEvaluated) {
  for (const char* text :
       {"assert 1 or 1 / 0", "assert not (0 and 1 / 0)", "assert 1 or nobody", "assert 1, 1 / 0",
        "assert not 2 < 1 < 1 / 0", "assert 1 or (0 and 1) % 0"}) {
    EXPECT_EQ(Outcome(text), "") << text;
  }
  EXPECT_NE(Outcome("assert 0 or 1 / 0"), "");
  EXPECT_NE(Outcome("assert 1 or ("), "");
}

TEST(Snippet, DivisionRoundsDown) {
  EXPECT_EQ(Outcome("assert -7 // 2 == -4 and -7 % 3 == 2 and 7 % -3 == -2 and 7 // -2 == -4"), "");
  EXPECT_EQ(Outcome("assert 6 // -2 == -3 and -6 % 3 == 0 and 7 // 2 == 3 and -7 // -1 == 7"), "");
}

TEST(Snippet, AFailedAssertionShowsItsNames) {
  EXPECT_EQ(Outcome("assert four == cwnd, 'sorry'"),
            "assertion failed: four == cwnd (cwnd = 10, four = 4): sorry");
  EXPECT_NE(Outcome("assert 1 < four < 3"), "");
}

TEST(Snippet, PrintsValues) {
  std::string printed;
  EXPECT_EQ(Outcome("print(four)\nprint('cwnd', cwnd)", &printed), "");
  EXPECT_EQ(printed, "4\ncwnd 10\n");
}

TEST(Snippet, RefusesWhatItCannotRead) {
  EXPECT_EQ(Outcome("assert nobody == 1"), "unknown name at 'nobody == 1'");
  EXPECT_NE(Outcome("import os"), "");
  EXPECT_NE(Outcome("assert 1 / 0"), "");
  EXPECT_NE(Outcome("assert (1"), "");
  EXPECT_NE(Outcome("assert " + std::string(1000, '(')), "");
  EXPECT_NE(Outcome("x = 'text'"), "");
}

}  // namespace
}  // namespace sockbed::packetdrill
