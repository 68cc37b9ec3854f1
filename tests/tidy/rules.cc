#include "tests/tidy/rules.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <set>
#include <string_view>
#include <utility>

#include "tests/tidy/source.h"
#include "tests/tidy/words.h"

namespace sockbed::tidy {
namespace {

// Whether `path` is under one of the space-separated folders; an empty list means everywhere.
bool IsIn(std::string_view path, std::string_view rooms) {
  if (rooms.empty()) return true;
  while (!rooms.empty()) {
    const size_t end = std::min(rooms.find(' '), rooms.size());
    if (path.starts_with(rooms.substr(0, end))) return true;
    rooms.remove_prefix(std::min(end + 1, rooms.size()));
  }
  return false;
}

// Tests and their fixtures may print, read the host's clock and so on.
bool IsTest(std::string_view path, std::string_view text, std::string_view partner) {
  return path.starts_with("tests/") || path.ends_with("_test.cc") ||
         text.find("gtest/gtest.h") != text.npos || partner.find("gtest/gtest.h") != partner.npos;
}

std::string Number(size_t n) { return std::to_string(n); }

// UTF-8: every byte but the continuations is a column.
int Columns(std::string_view line) {
  return static_cast<int>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

char CharAfter(std::string_view line, size_t at) {
  while (at < line.size() && line[at] == ' ') ++at;
  return at < line.size() ? line[at] : '\0';
}

std::string_view Before(std::string_view line, size_t at) {
  line = line.substr(0, at);
  while (line.ends_with(' ')) line.remove_suffix(1);
  return line;
}

// Whether the word at [at, end) is called, and as the free function of the C library: neither a
// member nor of a namespace other than std, and not being declared ("int rand(").
bool IsFreeCall(std::string_view line, size_t at, size_t end) {
  if (CharAfter(line, end) != '(') return false;
  std::string_view before = Before(line, at);
  if (before.ends_with("::")) {
    before.remove_suffix(2);
    if (before.ends_with("std")) return true;
    return before.empty() || !IsWordChar(before.back());
  }
  if (before.ends_with('.') || before.ends_with("->")) return false;
  if (before.empty() || !IsWordChar(before.back())) return true;
  return before.ends_with("return") || before.ends_with("else");
}

// The rules for C++ files, one function each; `Report` gathers.
class Checker {
 public:
  Checker(const Source& source, std::string_view partner, bool is_test)
      : source_(source), partner_(partner), is_test_(is_test) {}

  std::vector<Finding> Run() {
    Sizes();
    Words();
    Includes();
    for (const Variable& v : source_.variables()) {
      Report(v.line, "static",
             "\"" + v.text.substr(0, 60) + "\" outlives its host: keep it in " +
                 "HostLocal<T> or in the Machine; constants are constexpr");
    }
    if (IsIn(source_.path(), "kernel/tcp/")) States();
    if (!IsIn(source_.path(), "kernel/mbuf/ kernel/socket/")) Releases();
    UnorderedLoops();
    if (source_.is_header()) Header();
    return std::move(findings_);
  }

 private:
  void Report(int line, std::string rule, std::string what, int size = 1) {
    findings_.push_back({source_.path(), line, std::move(rule), std::move(what), size});
  }

  void Sizes() {
    const int lines = static_cast<int>(source_.lines().size());
    const int lines_max = source_.is_header() ? kHeaderLinesMax : kSourceLinesMax;
    if (lines > lines_max) {
      Report(lines, "lines",
             Number(lines) + " lines, " + Number(lines_max) + " may be: split by concern", lines);
    }
    for (const Function& function : source_.functions()) {
      const bool test =
          function.head.starts_with("TEST") || function.head.starts_with("TYPED_TEST");
      const int length = function.last - function.first + (test ? -1 : 1);
      const int length_max = test ? kTestLinesMax : kFunctionLinesMax;
      if (length > length_max) {
        Report(function.first, test ? "test" : "function",
               Number(length) + " lines, " + Number(length_max) +
                   " may be: keep the control flow here and move the parts to functions with names",
               length);
      }
    }
  }

  void Words() {
    for (size_t i = 0; i < source_.code().size(); ++i) {
      const std::string_view line = source_.code()[i];
      for (const Word& word : kWords) {
        if (line.find(word.word) == line.npos) continue;
        if (!word.rooms.empty() && (is_test_ || !IsIn(source_.path(), word.rooms))) continue;
        if (Uses(line, word)) {
          Report(static_cast<int>(i + 1), "word",
                 std::string(word.word) + ": use " + std::string(word.instead));
        }
      }
      if (!is_test_ && IsIn(source_.path(), kMachineRooms) && AsksTheTime(line)) {
        Report(static_cast<int>(i + 1), "word", "time: use " + std::string(kUseClock));
      }
    }
  }

  static bool Uses(std::string_view line, const Word& word) {
    for (size_t at = line.find(word.word); at != line.npos; at = line.find(word.word, at + 1)) {
      const size_t end = at + word.word.size();
      const bool ends = end == line.size() || !IsWordChar(line[end]);
      const bool starts = at == 0 || !IsWordChar(line[at - 1]);
      if (!ends || (!starts && word.kind != Word::Kind::kSuffix)) continue;
      if (word.kind != Word::Kind::kCall || IsFreeCall(line, at, end)) return true;
    }
    return false;
  }

  // time(2) takes an argument; an accessor called time() is no clock.
  static bool AsksTheTime(std::string_view line) {
    for (size_t at = FindWord(line, "time"); at != line.npos; at = FindWord(line, "time", at + 1)) {
      if (!IsFreeCall(line, at, at + 4)) continue;
      if (CharAfter(line, line.find('(', at) + 1) != ')') return true;
    }
    return false;
  }

  void Includes() {
    for (size_t i = 0; i < source_.lines().size(); ++i) {
      const std::string_view line = source_.lines()[i];
      if (!line.starts_with("#include <") && !line.starts_with("#include \"")) continue;
      for (const Library& library : kLibraries) {
        if (line.substr(10).starts_with(library.include) && !IsIn(source_.path(), library.rooms)) {
          Report(static_cast<int>(i + 1), "include",
                 std::string(library.include) + " is known only to " + std::string(library.rooms));
        }
      }
    }
  }

  void States() {
    for (size_t i = 0; i < source_.code().size(); ++i) {
      const std::string_view line = source_.code()[i];
      const size_t at = FindWord(line, "t_state");
      if (at == line.npos) continue;
      const size_t assign = line.find_first_not_of(' ', at + 7);
      if (assign == line.npos || line[assign] != '=') continue;
      if (CharAfter(line, assign + 1) == '=') continue;
      const Function* function = source_.FunctionAt(static_cast<int>(i + 1));
      if (function == nullptr || function->head.find("tcp_newstate") != std::string::npos) continue;
      Report(static_cast<int>(i + 1), "t_state",
             "the state changes in tcp_newstate only, which checks the edge and traces it");
    }
  }

  void Releases() {
    for (size_t i = 0; i < source_.code().size(); ++i) {
      const std::string_view line = source_.code()[i];
      if (line.find(".release()") == line.npos && line.find("->release()") == line.npos) continue;
      if (source_.lines()[i].find("/*taken*/") != std::string::npos) continue;
      Report(static_cast<int>(i + 1), "release",
             "pass the owner itself; to a raw BSD signature that takes, write release() /*taken*/");
    }
  }

  // The names in `text` declared as containers whose order is that of their hashes.
  static void AddUnordered(std::string_view text, std::set<std::string, std::less<>>* names) {
    for (const std::string_view type : {"unordered_map<", "unordered_set<", "unordered_multimap<",
                                        "flat_hash_map<", "flat_hash_set<", "node_hash_map<"}) {
      for (size_t at = text.find(type); at != text.npos; at = text.find(type, at + 1)) {
        int depth = 1;
        size_t end = at + type.size();
        for (; end < text.size() && depth > 0; ++end) {
          if (text[end] == '<') ++depth;
          if (text[end] == '>') --depth;
        }
        while (end < text.size() && !IsWordChar(text[end]) && text[end] != ';') ++end;
        size_t stop = end;
        while (stop < text.size() && IsWordChar(text[stop])) ++stop;
        if (stop > end) names->emplace(text.substr(end, stop - end));
      }
    }
  }

  void UnorderedLoops() {
    std::set<std::string, std::less<>> names;
    for (const std::string& line : source_.code()) AddUnordered(line, &names);
    const Source header("", partner_);
    for (const std::string& line : header.code()) AddUnordered(line, &names);
    if (names.empty()) return;
    for (size_t i = 0; i < source_.code().size(); ++i) {
      for (const std::string& name : names) {
        if (!Walks(source_.code()[i], name)) continue;
        Report(static_cast<int>(i + 1), "unordered",
               name +
                   " is walked in the order of its hashes: walk a list or a sorted copy, keep "
                   "the map for look-up");
      }
    }
  }

  static bool Walks(std::string_view line, std::string_view name) {
    for (size_t at = FindWord(line, name); at != line.npos; at = FindWord(line, name, at + 1)) {
      const std::string_view rest = line.substr(at + name.size());
      if (rest.starts_with(".begin(") || rest.starts_with("->begin(")) return true;
      const size_t colon = line.rfind(" : ", at);
      if (FindWord(line, "for") == line.npos || colon == line.npos) continue;
      if (rest.starts_with(")")) return true;
    }
    return false;
  }

  void Header() {
    const std::vector<std::string>& lines = source_.lines();
    size_t end = 0;
    bool called_by = false;
    while (end < lines.size() && lines[end].starts_with("//")) {
      called_by = called_by || lines[end].starts_with("// Called by:");
      ++end;
    }
    if (end == 0) {
      Report(1, "header", "begin with a sentence that says what this header is, as the others do");
    } else if (!called_by) {
      Report(1, "header", "say who uses this header in a line \"// Called by:\"");
    }
    std::string guard = "SOCKBED_" + source_.path() + "_";
    for (char& c : guard) {
      c = IsWordChar(c) ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
    }
    const auto has = [&lines](const std::string& wanted) {
      return std::find(lines.begin(), lines.end(), wanted) != lines.end();
    };
    if (!has("#ifndef " + guard) || !has("#define " + guard) || !has("#endif  // " + guard)) {
      Report(static_cast<int>(end + 1), "header", "the guard is " + guard + ", at #endif too");
    }
  }

  const Source& source_;
  std::string_view partner_;
  bool is_test_;
  std::vector<Finding> findings_;
};

// What holds for every file of text, prose included.
void CheckText(const std::string& path, const std::vector<std::string>& lines,
               std::vector<Finding>* findings) {
  // In halves, so that these lines may stand here.
  static constexpr std::string_view kNotes[] = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X"};
  static constexpr std::string_view kMachines[] = {
      "/wo"
      "rk/",
      "/ho"
      "me/",
      "/ro"
      "ot/"};
  for (size_t i = 0; i < lines.size(); ++i) {
    const int line = static_cast<int>(i + 1);
    const int columns = Columns(lines[i]);
    for (const std::string_view note : kNotes) {
      if (FindWord(lines[i], note) == std::string::npos) continue;
      findings->push_back({path, line, "note", std::string(note) + ": do it, or open an issue"});
    }
    for (const std::string_view machine : kMachines) {
      const size_t at = lines[i].find(machine);
      if (at == std::string::npos) continue;
      if (at > 0 && (IsWordChar(lines[i][at - 1]) || lines[i][at - 1] == '.')) continue;
      findings->push_back({path, line, "path", std::string(machine) + " is of one machine only"});
    }
    const bool prose = path.ends_with(".md") || lines[i].find("https://") != std::string::npos;
    if (columns > kLineColumnsMax && !prose) {
      findings->push_back(
          {path, line, "columns", "break the line: " + Number(columns) + " columns"});
    }
  }
}

}  // namespace

std::vector<Finding> CheckFile(const std::string& path, std::string_view text,
                               std::string_view partner) {
  std::vector<Finding> findings;
  if (path.ends_with(".cc") || path.ends_with(".h")) {
    const Source source(path, text);
    findings = Checker(source, partner, IsTest(path, text, partner)).Run();
  }
  CheckText(path, SplitLines(text), &findings);
  return findings;
}

}  // namespace sockbed::tidy
