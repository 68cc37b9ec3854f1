#include <sys/wait.h>

#include "kernel/sim/fault.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;
using testing::HasSubstr;

class KernProc : public testing::Test {
 protected:
  KernProc() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {}

  Simulation sim_;
  Host& host_;
};

TEST_F(KernProc, IdentityIsTheProcesss) {
  host_.Spawn("first", [] {
    EXPECT_EQ(uapi::getpid(), 1);
    EXPECT_EQ(uapi::getppid(), 0);
    EXPECT_EQ(uapi::getuid(), 0u);
  });
  host_.Spawn("second",
              [] {
                EXPECT_EQ(uapi::getpid(), 2);
                EXPECT_EQ(uapi::geteuid(), 1000u);
                EXPECT_EQ(uapi::getgid(), 100u);
              },
              {.cred = {.cr_uid = 1000, .cr_ruid = 1000, .cr_gid = 100, .cr_rgid = 100}});
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

TEST_F(KernProc, ParentLearnsHowItsChildEnded) {
  host_.Spawn("parent", [] {
    const pid_t exits = uapi::spawn("exits", [] { return 3; });
    int status = 0;
    EXPECT_THAT(uapi::waitpid(exits, &status, WNOHANG), Eq(0));
    EXPECT_THAT(uapi::waitpid(exits, &status, 0), Eq(exits));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    const pid_t dies = uapi::spawn("dies", []() -> int { uapi::exit(uapi::sleep(100) != 0); });
    uapi::sleep(1);
    EXPECT_THAT(uapi::kill(dies, SIGTERM), Works());
    EXPECT_THAT(uapi::waitpid(-1, &status, 0), Eq(dies));
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    EXPECT_THAT(uapi::waitpid(-1, &status, 0), FailsWith(ECHILD));
    EXPECT_THAT(uapi::waitpid(-1, &status, WEXITED), FailsWith(EINVAL));
  });
  const RunResult result = sim_.Run();
  ASSERT_EQ(result.processes.size(), 3u);
  EXPECT_EQ(result.leaks, "");
}

TEST_F(KernProc, WaitTellsOfStopsAndOfWhatWasUsed) {
  host_.Spawn("parent", [] {
    const pid_t child = uapi::spawn("child", [] { return static_cast<int>(uapi::sleep(60)); });
    uapi::sleep(1);
    int status = 0;
    EXPECT_THAT(uapi::kill(child, SIGSTOP), Works());
    EXPECT_THAT(uapi::waitpid(child, &status, WUNTRACED), Eq(child));
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    EXPECT_THAT(uapi::kill(child, SIGCONT), Works());
    EXPECT_THAT(uapi::waitpid(child, &status, WCONTINUED), Eq(child));
    EXPECT_TRUE(WIFCONTINUED(status));
    EXPECT_THAT(uapi::kill(child, SIGKILL), Works());
    rusage used{}, mine{}, children{};
    EXPECT_THAT(uapi::wait4(0, &status, 0, &used), Eq(child));
    EXPECT_EQ(used.ru_stime.tv_usec, 0);  // one call of 200 ns
    for (int i = 0; i < 10; ++i) uapi::getpid();
    EXPECT_THAT(uapi::getrusage(RUSAGE_SELF, &mine), Works());
    EXPECT_EQ(mine.ru_stime.tv_usec, 3);  // 19 calls of 200 ns
    EXPECT_THAT(uapi::getrusage(RUSAGE_CHILDREN, &children), Works());
    EXPECT_THAT(uapi::getrusage(7, &mine), FailsWith(EINVAL));
    EXPECT_THAT(uapi::wait(nullptr), FailsWith(ECHILD));
  });
  sim_.Run();
}

TEST_F(KernProc, GroupsAreMadeJoinedAndAsked) {
  host_.Spawn("parent", [] {
    const pid_t child = uapi::spawn("child", [] { return static_cast<int>(uapi::sleep(1)); });
    EXPECT_THAT(uapi::getpgid(child), Eq(uapi::getpgrp()));
    EXPECT_THAT(uapi::setpgid(child, 0), Works());
    EXPECT_THAT(uapi::getpgid(child), Eq(child));
    EXPECT_THAT(uapi::setpgid(0, child), Works());
    EXPECT_EQ(uapi::getpgrp(), child);
    EXPECT_THAT(uapi::setpgid(0, -2), FailsWith(EINVAL));
    EXPECT_THAT(uapi::setpgid(0, 99), FailsWith(EPERM));
    EXPECT_THAT(uapi::setpgid(99, 0), FailsWith(ESRCH));
    EXPECT_THAT(uapi::getpgid(99), FailsWith(ESRCH));
    EXPECT_THAT(uapi::waitpid(-child, nullptr, 0), Eq(child));
    EXPECT_THAT(uapi::getpgid(child), FailsWith(ESRCH));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

TEST_F(KernProc, ExitUnwindsWhatTheProgramHolds) {
  bool destroyed = false;
  struct Guard {
    bool* flag;
    ~Guard() { *flag = true; }
  };
  host_.Spawn("prog", [&destroyed] {
    const Guard guard{&destroyed};
    uapi::exit(4);
  });
  const RunResult result = sim_.Run();
  EXPECT_TRUE(destroyed);
  EXPECT_THAT(result.Complaints(), HasSubstr("process 1 \"prog\" exited with status 4"));
}

TEST_F(KernProc, SystemCallOutsideAProcessIsRefused) {
  EXPECT_DEATH(uapi::getpid(), "a system call outside a simulated process");
}

TEST(KernProcFault, ProcessesCanBeKilledAtASystemCall) {
  fault::Plan plan({{.site = Site::kProcKill, .only_ordinal = 3}});
  Simulation sim({.fault_plan = &plan});
  sim.AddHost("host").Spawn("prog", [] {
    for (;;) uapi::Print("alive\n");
  });
  EXPECT_THAT(sim.Run().Complaints(), HasSubstr("was ended by SIGKILL"));
}

TEST(KernProcRandom, BytesAreTheHostsStream) {
  std::array<char, 8> first, second, again;
  for (auto* out : {&first, &again}) {
    Simulation sim({.seed = 5});
    sim.AddHost("host").Spawn("prog", [&, out] {
      EXPECT_THAT(uapi::getrandom(out->data(), out->size(), 0), Eq(8));
      EXPECT_THAT(uapi::getentropy(second.data(), second.size()), Eq(0));
      EXPECT_THAT(uapi::getentropy(second.data(), 257), FailsWith(EIO));
      EXPECT_THAT(uapi::getrandom(second.data(), 1, 0x80), FailsWith(EINVAL));
    });
    EXPECT_EQ(sim.Run().Complaints(), "");
  }
  EXPECT_EQ(first, again);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace sockbed
