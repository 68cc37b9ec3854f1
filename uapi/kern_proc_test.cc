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
    EXPECT_THAT(uapi::waitpid(-1, &status, WUNTRACED), FailsWith(EINVAL));
  });
  const RunResult result = sim_.Run();
  ASSERT_EQ(result.processes.size(), 3u);
  EXPECT_EQ(result.leaks, "");
}

TEST_F(KernProc, KillAsksForPermission) {
  const ucred other{.cr_uid = 5, .cr_ruid = 5, .cr_svuid = 5};
  const pid_t target = host_.Spawn("target", [] { uapi::sleep(2); });
  host_.Spawn("other",
              [target] {
                EXPECT_THAT(uapi::kill(target, SIGTERM), FailsWith(EPERM));
                EXPECT_THAT(uapi::kill(target, 0), FailsWith(EPERM));
                EXPECT_THAT(uapi::kill(99, 0), FailsWith(ESRCH));
                EXPECT_THAT(uapi::kill(target, 64), FailsWith(EINVAL));
                EXPECT_THAT(uapi::kill(uapi::getpid(), 0), Works());
              },
              {.cred = other});
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

TEST_F(KernProc, HandlersRunBeforeTheCallReturnsUnlessBlocked) {
  host_.Spawn("prog", [] {
    static constexpr auto kSay = [](int signo) { uapi::Print("signal %d\n", signo); };
    struct sigaction act{}, old{};
    act.sa_handler = kSay;
    EXPECT_THAT(uapi::sigaction(SIGUSR1, &act, nullptr), Works());
    EXPECT_THAT(uapi::sigaction(SIGUSR1, nullptr, &old), Works());
    EXPECT_EQ(old.sa_handler, act.sa_handler);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    EXPECT_THAT(uapi::sigprocmask(SIG_BLOCK, &set, &before), Works());
    EXPECT_EQ(sigismember(&before, SIGUSR1), 0);
    uapi::kill(uapi::getpid(), SIGUSR1);
    uapi::Print("still blocked\n");
    EXPECT_THAT(uapi::sigprocmask(SIG_SETMASK, &before, nullptr), Works());
    uapi::Print("done\n");
    EXPECT_THAT(uapi::sigaction(SIGKILL, &act, nullptr), FailsWith(EINVAL));
    act.sa_flags = SA_ONSTACK;
    EXPECT_THAT(uapi::sigaction(SIGUSR1, &act, nullptr), FailsWith(EINVAL));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  ASSERT_EQ(sim_.console().size(), 3u);
  EXPECT_EQ(sim_.console()[0].text, "still blocked");
  EXPECT_EQ(sim_.console()[1].text, "signal " + std::to_string(SIGUSR1));
  EXPECT_EQ(sim_.console()[2].text, "done");
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
