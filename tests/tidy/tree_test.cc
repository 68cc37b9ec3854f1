// Runs tidy over the tree this test was built from.
#include "tests/tidy/tree.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sockbed::tidy {
namespace {

// May only shrink; a new one needs a commit of its own, with the reason.
constexpr Exception kExceptions[] = {
    {"bio/methods.cc", "static", 1, "a BIO_METHOD is one per OS process, never changed"},
    {"kernel/sched/proc.cc", "word", 4, "a process that ends unwinds: thrown and caught here"},
    {"kernel/sim/context.cc", "static", 1, "the current context: the one global of the tree"},
    {"kernel/sim/context.h", "static", 1, "its declaration"},
    {"ssl/runtime.cc", "static", 1, "libssl is prepared once per OS process"},
    {"tests/consumers/thread_locals.cc", "static", 3, "a program with thread_local variables"},
    {"tests/consumers/web_client.cc", "static", 1, "a program with a static object"},
    {"tests/deps/planted.cc", "word", 2, "planted for imports_test to find"},
    {"tests/determinism/leaky_main.cc", "unordered", 1, "planted for leaks_test to find"},
    {"uapi/posix.cc", "static", 2, "the C library's functions belong to the OS process"},
    {"uapi/posix_image.cc", "static", 1, "the dynamic linker belongs to the OS process"},
    {"uapi/posix_program.cc", "static", 1, "the C library's variables belong to the OS process"},
    {"uapi/posix_real.h", "static", 1, "their declaration"},
    {"uapi/posix_real.h", "word", 2, "no unwinding through a noexcept name"},
    {"uapi/posix_refused.cc", "static", 1, "the C library's functions belong to the OS process"},
    {"uapi/posix_trap.cc", "static", 1, "the real kernel reads it at each call"},
    {"uapi/rthread.cc", "static", 1, "keys belong to the OS process"},
    {"uapi/rthread.cc", "word", 2, "pthread_once passes on what its function throws"},
    {"uapi/rthread_test.cc", "static", 5, "static variables and handlers are tested"},
};

// WORKSPACE is a link into the tree: no list of files is kept, so a new one is seen at once.
std::filesystem::path Root() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  return std::filesystem::canonical(std::string(runfiles) + "/sockbed/WORKSPACE").parent_path();
}

TEST(Tidy, TheTreeIsTidy) {
  const Files files = ReadTree(Root());
  ASSERT_GT(files.size(), 50u) << "the tree was not found at " << Root();
  ASSERT_TRUE(files.contains("tests/tidy/tree_test.cc")) << Root();
  std::string report;
  for (const Finding& finding : Excuse(CheckTree(files), kExceptions)) {
    report += finding.path + ":" + std::to_string(finding.line) + ": [" + finding.rule + "] " +
              finding.what + "\n";
  }
  if (!report.empty()) FAIL() << "\n" << report;
}

}  // namespace
}  // namespace sockbed::tidy
