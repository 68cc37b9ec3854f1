// Plants what tidy is there to find, and next to each what it must let pass.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tidy/rules.h"
#include "tests/tidy/source.h"
#include "tests/tidy/tree.h"

namespace sockbed::tidy {
namespace {

// "line:rule" of each finding, separated by spaces.
std::string Found(const std::string& path, std::string_view text, std::string_view partner = {}) {
  std::string found;
  for (const Finding& finding : CheckFile(path, text, partner)) {
    found += (found.empty() ? "" : " ") + std::to_string(finding.line) + ":" + finding.rule;
  }
  return found;
}

std::string Lines(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += "  x = 1;\n";
  return text;
}

TEST(Source, BlanksCommentsLiteralsAndDirectives) {
  const Source source("a.cc",
                      "int a = 1'000;  // b\n"
                      "f(\"c\\\"d\", 'e'); /* f\n"
                      "g */ h(R\"x(i\")\" j)x\");\n"
                      "#define K { \\\n"
                      "  l\n"
                      "#if M\n"
                      "n {\n"
                      "#else\n"
                      "o {\n"
                      "#endif\n"
                      "}\n");
  std::string code;
  for (const std::string& line : source.code()) code += line;
  std::erase(code, ' ');
  EXPECT_EQ(code, "inta=1'000;f(\"\",'');h(R\"\");n{}");
}

TEST(Source, FindsFunctionsWithTheirBraces) {
  const Source source("a.cc",
                      "namespace n {\n"
                      "struct S {\n"
                      "  S() : a_{1},\n"
                      "        b_(2) {\n"
                      "  }\n"
                      "  int a_ = 0;\n"
                      "};\n"
                      "static const int kTable[] = {1, 2};\n"
                      "template <typename T = int>\n"
                      "T* Get(T x = {}) const noexcept\n"
                      "{\n"
                      "  auto f = [](int y) { return y; };\n"
                      "}\n"
                      "bool operator==(S a, S b) { return true; }\n"
                      "}\n");
  std::string found;
  for (const Function& f : source.functions()) {
    found += std::to_string(f.first) + "-" + std::to_string(f.last) + " ";
  }
  EXPECT_EQ(found, "4-5 11-13 14-14 ");
  EXPECT_EQ(source.FunctionAt(12)->first, 11);
  EXPECT_EQ(source.FunctionAt(8), nullptr);
}

TEST(Sizes, AreLimitedForFilesFunctionsTestsAndLines) {
  EXPECT_EQ(Found("kernel/a.cc", Lines(800)), "");
  EXPECT_EQ(Found("kernel/a.cc", Lines(801)), "801:lines");
  EXPECT_EQ(Found("kernel/a.cc", "void f() {\n" + Lines(68) + "}\n"), "");
  EXPECT_EQ(Found("kernel/a.cc", "void f() {\n" + Lines(69) + "}\n"), "1:function");
  EXPECT_EQ(Found("kernel/a_test.cc", "TEST(A, B) {\n" + Lines(40) + "}\n"), "");
  EXPECT_EQ(Found("kernel/a_test.cc", "TEST(A, B) {\n" + Lines(41) + "}\n"), "1:test");
  EXPECT_EQ(Found("kernel/BUILD", std::string(100, 'x')), "");
  EXPECT_EQ(Found("kernel/BUILD", std::string(101, 'x')), "1:columns");
  EXPECT_EQ(Found("kernel/BUILD", std::string(98, 'x') + "\u2192\u2192"), "");
}

TEST(Words, AreFoundInCodeOnly) {
  EXPECT_EQ(Found("kernel/a.cc", "x = rand();\n"), "1:word");
  EXPECT_EQ(Found("kernel/a.cc", "return std::rand();\n"), "1:word");
  EXPECT_EQ(Found("kernel/a.cc", "return ::random();\n"), "1:word");
  EXPECT_EQ(Found("kernel/a.cc", "// rand()\nf(\"rand()\");\n"), "");
  EXPECT_EQ(Found("kernel/a.cc", "here.rand(); it->rand(); ours::rand(); int rand();\n"), "");
  EXPECT_EQ(Found("kernel/a.cc", "x = time(nullptr);\n"), "1:word");
  EXPECT_EQ(Found("kernel/a.cc", "SimTime time() const; x = time();\n"), "");
  EXPECT_EQ(Found("kernel/a.cc", "f(std::uniform_int_distribution<int>());\n"), "1:word");
  EXPECT_EQ(Found("kernel/a.cc", "assert(x);\nstatic_assert(x);\n"), "1:word");
}

TEST(Words, AreBannedRoomByRoom) {
  EXPECT_EQ(Found("kernel/a.cc", "printf(\"\");\n"), "1:word");
  EXPECT_EQ(Found("tools/a.cc", "printf(\"\");\n"), "");
  EXPECT_EQ(Found("kernel/a.cc", "snprintf(buf, 3, \"\");\n"), "");
  EXPECT_EQ(Found("ssl/a.cc", "std::chrono::steady_clock::now();\n"), "1:word");
  EXPECT_EQ(Found("tests/a.cc", "std::chrono::steady_clock::now();\n"), "");
  const std::string all = "f(time(nullptr)); printf(\"\"); g(rand());\n";
  EXPECT_EQ(Found("ssl/a.cc", all), "1:word 1:word 1:word");
  EXPECT_EQ(Found("ssl/a.cc", all, "#include \"gtest/gtest.h\"\n"), "1:word");
  EXPECT_EQ(Found("kernel/tcp/a.cc", "#include <openssl/ssl.h>\n"), "1:include");
  EXPECT_EQ(Found("ssl/a.cc", "#include <openssl/ssl.h>\n"), "");
}

TEST(Statics, AreFoundWhereverTheyHide) {
  EXPECT_EQ(Found("kernel/a.cc", "int count;\n"), "1:static");
  EXPECT_EQ(Found("kernel/a.cc", "namespace {\nstd::vector<int> all = {1};\n}\n"), "2:static");
  EXPECT_EQ(Found("kernel/a.cc", "const char* name = \"x\";\n"), "1:static");
  EXPECT_EQ(Found("kernel/a.cc", "struct {\n  int a;\n} pair;\n"), "3:static");
  EXPECT_EQ(Found("kernel/a.cc", "class A {\n  static inline int x = 0;\n};\n"), "2:static");
  EXPECT_EQ(Found("kernel/a.cc", "int f() {\n  static int x = 0;\n}\n"), "2:static");
  EXPECT_EQ(Found("kernel/a.cc", "int f() {\n  static const A a(1);\n}\n"), "2:static");
  EXPECT_EQ(Found("kernel/a.cc", "thread_local A* here = nullptr;\n"), "1:static");
}

TEST(Statics, DoNotIncludeConstantsTypesOrFunctions) {
  EXPECT_EQ(Found("kernel/a.cc",
                  "constexpr int kA = 1;\n"
                  "const Table kB[] = {{1}, {2}};\n"
                  "static const char* const kC = \"\";\n"
                  "const struct {\n  int a;\n} kG[] = {{1}};\n"
                  "int f();\n"
                  "struct proc;\n"
                  "enum class E : uint8_t { kA, kB };\n"
                  "using T = int;\n"
                  "static_assert(kA == 1);\n"
                  "extern template class V<int>;\n"
                  "class A {\n"
                  " public:\n"
                  "  static int f(int x = 0);\n"
                  "  static constexpr int kD = 2;\n"
                  "  int member_ = 0;\n"
                  "};\n"
                  "int g() {\n"
                  "  static constexpr int kE[] = {1};\n"
                  "}\n"
                  "BENCHMARK(BM_Switch)->Arg(1);\n"
                  "template <typename T>\n"
                  "inline constexpr bool kF = true;\n"),
            "");
}

TEST(Ownership, StatesAndReleasesHaveTheirPlaces) {
  const std::string set = "void f() {\n  tp->t_state = TCPS_CLOSED;\n}\n";
  EXPECT_EQ(Found("kernel/tcp/a.cc", set), "2:t_state");
  const std::string setter = "void tcp_newstate(tcpcb* tp, int s) {\n  t_state = s;\n}\n";
  EXPECT_EQ(Found("kernel/tcp/a.cc", setter), "");
  EXPECT_EQ(Found("kernel/tcp/a.cc", "bool f() {\n  return tp->t_state == 1;\n}\n"), "");
  EXPECT_EQ(Found("kernel/udp/a.cc", "f(m.release());\n"), "1:release");
  EXPECT_EQ(Found("kernel/udp/a.cc", "f(m.release() /*taken*/);\n"), "");
  EXPECT_EQ(Found("kernel/mbuf/a.cc", "f(m.release());\n"), "");
}

TEST(Unordered, ContainersAreForLookUp) {
  const std::string member = "absl::flat_hash_map<Key, std::vector<int>> by_port_;\n";
  EXPECT_EQ(Found("tools/a.cc", "for (auto& [k, v] : by_port_) {\n", member), "1:unordered");
  EXPECT_EQ(Found("tools/a.cc", "x = table->by_port_.begin();\n", member), "1:unordered");
  EXPECT_EQ(Found("tools/a.cc", "for (int x : by_port_[3]) {\n", member), "");
  EXPECT_EQ(Found("tools/a.cc", "if (by_port_.contains(k)) {\n", member), "");
  const std::string ordered = "std::map<K, V> by_port_;\n";
  EXPECT_EQ(Found("tools/a.cc", "for (auto& [k, v] : by_port_) {\n", ordered), "");
}

TEST(Headers, SayWhatTheyAreAndWhoCalls) {
  const std::string guard =
      "#ifndef SOCKBED_KERNEL_SIM_A_H_\n#define SOCKBED_KERNEL_SIM_A_H_\n"
      "#endif  // SOCKBED_KERNEL_SIM_A_H_\n";
  EXPECT_EQ(Found("kernel/sim/a.h", "// A.\n//\n// Called by:   b.\n" + guard), "");
  EXPECT_EQ(Found("kernel/sim/a.h", "// A.\n" + guard), "1:header");
  EXPECT_EQ(Found("kernel/sim/a.h", guard), "1:header");
  EXPECT_EQ(Found("kernel/net/a.h", "// A.\n// Called by: b.\n" + guard), "3:header");
}

TEST(Prose, HoldsNoNotesToSelfAndNoPlaceOfOneMachine) {
  EXPECT_EQ(Found("README.md",
                  "To be done: TO"
                  "DO\n"),
            "1:note");
  EXPECT_EQ(Found("README.md",
                  "mktemp a.XX"
                  "XXXX, to do\n"),
            "");
  EXPECT_EQ(Found("tools/run",
                  "cd /ho"
                  "me/me\n"),
            "1:path");
  EXPECT_EQ(Found("tools/run",
                  "cd net/wo"
                  "rk/x\n"),
            "");
}

TEST(Places, AreARoomWithAPageAndARuleForEveryFile) {
  const Files files = {
      {"BUILD", "exports_files([\"a.yaml\"])"},
      {"a.yaml", ""},
      {"kernel/sim/BUILD", "glob([\"*.cc\", \"data/**\"])\nnames = [\"a_test\"]  # \"c.h\"\n"},
      {"kernel/sim/a_test.sh", ""},
      {"kernel/sim/b.cc", ""},
      {"kernel/sim/c.h.in", ""},
      {"kernel/sim/data/x/d.pkt", ""},
      {"kernel/sim/run", ""},
      {"tools/net_util.md", ""},
      {"tools/bazel/rules/WORKSPACE", ""},
      {"tools/bazel/rules/BUILD", ""},
      {"WORKSPACE", ""},
  };
  std::string found;
  for (const Finding& f : CheckTree(files)) found += f.path + ":" + f.rule + " ";
  EXPECT_EQ(found,
            "kernel/sim/BUILD:room kernel/sim/BUILD:arrow kernel/sim/c.h.in:build "
            "tools/net_util.md:name ");
}

TEST(Places, AnIncludeIsADependency) {
  const std::string include = "#include \"kernel/sim/a.h\"\n#include <stdio.h>\n";
  Files files = {
      {"kernel/sim/BUILD", "hdrs = [\"a.h\"]"},
      {"kernel/sim/README.md", ""},
      {"kernel/sim/a.h",
       "// A.\n// Called by: b.\n#ifndef SOCKBED_KERNEL_SIM_A_H_\n"
       "#define SOCKBED_KERNEL_SIM_A_H_\n#endif  // SOCKBED_KERNEL_SIM_A_H_\n"},
      {"kernel/net/BUILD", "srcs = [\"b.cc\"], deps = [\"//kernel/simulator\"]"},
      {"kernel/net/README.md", ""},
      {"kernel/net/b.cc", include},
      {"tests/deps/BUILD", "{\"kernel/sim\": [], \"kernel/net\": []}"},
      {"tests/deps/README.md", ""},
  };
  ASSERT_EQ(CheckTree(files).size(), 1u);
  EXPECT_EQ(CheckTree(files)[0].path, "kernel/net/b.cc");
  EXPECT_EQ(CheckTree(files)[0].rule, "include");
  files["kernel/net/BUILD"] = "srcs = [\"b.cc\"], deps = [\"//kernel/sim:trace\"]";
  EXPECT_EQ(CheckTree(files).size(), 0u);
}

TEST(Exceptions, MayOnlyShrink) {
  const std::vector<Finding> findings = {{"a.cc", 3, "word", ""}, {"a.cc", 9, "word", ""}};
  const auto left = [&findings](int size) {
    const Exception exceptions[] = {{"a.cc", "word", size, "why"}};
    return Excuse(findings, exceptions);
  };
  EXPECT_EQ(left(1).size(), 2u);
  EXPECT_EQ(left(2).size(), 0u);
  ASSERT_EQ(left(3).size(), 1u);
  EXPECT_NE(left(3)[0].what.find("lower its exception to 2"), std::string::npos);
}

}  // namespace
}  // namespace sockbed::tidy
