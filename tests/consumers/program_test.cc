// What a program finds, and how it ends.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/determinism/process.h"
#include "uapi/posix.h"
#include "uapi/posix_program.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Program : public TwoHosts {
 protected:
  void SetUp() override { ASSERT_EQ(posix_check(), ""); }

  void Start(Host& host, std::vector<std::string> args, const std::string& name = "behaviour") {
    const std::string file = Runfile("tests/consumers/" + name + ".so");
    ASSERT_EQ(CheckProgram(file), "");
    args.insert(args.begin(), name);
    host.Spawn(name, ProgramMain({.file = file, .args = args, .environment = {"MORE=more"}}),
               {.stack_bytes = kProgramStackBytes});
  }
  // Runs it alone; returns its status as wait(2) has it.
  int StatusOf(std::vector<std::string> args) {
    Start(server_, std::move(args));
    result_ = sim_.Run();
    return result_.processes.front().status;
  }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    for (const ConsoleLine& line : sim_.console()) lines.push_back(line.text);
    return lines;
  }
};

TEST_F(Program, FindsItsWordsAndAWorldOfItsOwn) {
  Start(server_, {"words"});
  Start(client_, {"words"});
  const FILE* const out = stdout;
  char** const env = environ;
  const auto result = sim_.Run();
  for (const ProcessRecord& process : result.processes) EXPECT_EQ(WEXITSTATUS(process.status), 3);
  // What is left of a line shows when the console is closed, whoever wrote it.
  EXPECT_THAT(Lines(),
              ElementsAre("behaviour /cwd more 1804289383", "Mon Jan  1 00:00:00 2024",
                          "42 calls, no newlinedestructor", "behaviour /cwd more 1804289383",
                          "Mon Jan  1 00:00:00 2024", "42 calls, no newlinedestructor"));
  EXPECT_EQ(stdout, out);
  EXPECT_EQ(environ, env);
}

TEST_F(Program, ReadsOptionsAnew) {
  Start(server_, {"options", "-a", "-b", "x", "y"});
  Start(client_, {"options", "-b", "z", "w"});
  Run();
  EXPECT_THAT(Lines(), ElementsAre("option a", "option b x", "then y", "destructor", "option b z",
                                   "then w", "destructor"));
}

TEST_F(Program, RunsWhatWasRegisteredForItsEnd) {
  EXPECT_EQ(WEXITSTATUS(StatusOf({"exit"})), 6);
  EXPECT_THAT(Lines(), ElementsAre("registered last", "registered first", "destructor"));
}

TEST_F(Program, LeavesAtOnce) {
  EXPECT_EQ(WEXITSTATUS(StatusOf({"at once"})), 5);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(Program, LeavesFromAThread) { EXPECT_EQ(WEXITSTATUS(StatusOf({"thread"})), 9); }

TEST_F(Program, LeavesThreadsBehind) {
  EXPECT_EQ(WEXITSTATUS(StatusOf({"threads"})), 0);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(Program, LeavesDetachedThreadsBehind) { EXPECT_EQ(WEXITSTATUS(StatusOf({"detached"})), 0); }

// Values, constructors and destructors; c never uses the object, and has none.
TEST_F(Program, HasThreadLocalVariables) {
  Start(server_, {}, "thread_locals");
  Start(client_, {}, "thread_locals");
  Run();
  const std::string a = "a has counted to 8 in 3 turns", b = "b has counted to 12 in 7 turns",
                    own = "main has counted to 5 in 1 turns";
  EXPECT_THAT(Lines(), UnorderedElementsAre(a, b, own, a, b, own));
}

// No packet leaves the simulation: what is made past the C library comes to the same end.
TEST_F(Program, MakesNoCallPastTheShim) {
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0) != 0) {
    GTEST_SKIP() << "the real kernel does not trap calls";
  }
  Start(server_, {}, "raw_calls");
  Run();
  EXPECT_THAT(Lines(), ElementsAre("system call 41 (socket) is not simulated", "socket: -38",
                                   "gettid: 1", "getrandom: 8", "close: 0", "close: -9",
                                   "system call 42 (connect) is not simulated", "connect: -38"));
  EXPECT_EQ(sim_.console().front().process, "raw_calls");
}

TEST_F(Program, Aborts) { EXPECT_EQ(WTERMSIG(StatusOf({"abort"})), SIGABRT); }

TEST_F(Program, AbortsWhatItAsserted) {
  EXPECT_EQ(WTERMSIG(StatusOf({"assert"})), SIGABRT);
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("Assertion `calls == 0' failed.")));
}

TEST_F(Program, EndsWithAWord) {
  EXPECT_EQ(WEXITSTATUS(StatusOf({"err"})), 4);
  EXPECT_THAT(Lines(), ElementsAre("behaviour: no file: No such file or directory", "destructor"));
}

TEST_F(Program, IsKilled) {
  Start(server_, {"sleep"});
  server_.Spawn("killer", [] { EXPECT_EQ(::kill(1, SIGKILL), 0); }, {.start_at = kSecond});
  const auto result = sim_.Run();
  EXPECT_THAT(result.Complaints(), HasSubstr("was ended by SIGKILL"));
}

TEST_F(Program, IsNoneForAReason) {
  EXPECT_THAT(CheckProgram("/nowhere"), HasSubstr("No such file"));
  EXPECT_THAT(CheckProgram("/bin/sh"), HasSubstr("does not export main"));
  EXPECT_THAT(CheckProgram("/etc/passwd"), HasSubstr("no ELF file"));
  server_.Spawn("none", ProgramMain({.file = "/nowhere", .args = {}, .environment = {}}));
  const auto result = sim_.Run();
  EXPECT_EQ(WEXITSTATUS(result.processes.front().status), 127);
  EXPECT_THAT(Lines(), ElementsAre("cannot run /nowhere: No such file or directory"));
}

}  // namespace
}  // namespace sockbed
