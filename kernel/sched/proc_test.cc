// The life of processes: creation, exit, wait, orphans, unwinding, tear-down.
#include "kernel/sched/proc.h"

#include <errno.h>
#include <sys/wait.h>

#include <stdexcept>
#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

// What exit hooks, which are plain functions, note: state of the host, as a room has it.
struct Notes {
  static constexpr HostSlot kHostSlot = HostSlot::kProgram;
  std::string order;
};

std::string& Noted() { return HostLocal<Notes>::Get().order; }

class ProcTest : public OneHost {
 protected:
  // Appends its letter when it goes out of scope.
  struct Guard {
    ~Guard() { *order += letter; }
    std::string* order;
    char letter;
  };

  // Like Noted, from outside the host.
  std::string& MakeNotes() { return HostLocal<Notes>::Make(host()).order; }

  proc* Child(proc* parent, std::function<int()> main) {
    return SpawnWith({.name = "child", .main = std::move(main), .parent = parent->p_pid});
  }

  std::string order_;
};

TEST_F(ProcTest, PidsCountFromOneInOrderOfCreation) {
  EXPECT_EQ(Spawn("a", [] {})->p_pid, 1);
  EXPECT_EQ(Spawn("b", [] {})->p_pid, 2);
  Run();
  EXPECT_EQ(Spawn("c", [] {})->p_pid, 3);
}

TEST_F(ProcTest, RunsWithItsOwnContext) {
  proc* p = Spawn("a", [&] {
    EXPECT_EQ(curproc()->p_comm, "a");
    EXPECT_EQ(Here().pid, 1u);
    EXPECT_EQ(Here().host, &host());
    EXPECT_EQ(curproc()->p_stat, ProcState::kRunning);
    order_ += 'a';
  });
  EXPECT_EQ(p->p_stat, ProcState::kRunnable);
  EXPECT_EQ(order_, "");
  Run();
  EXPECT_EQ(order_, "a");
}

TEST_F(ProcTest, StartsAtItsTimeToTheNanosecond) {
  SimTime started = -1;
  Spawn(
      "later", [&] { started = Now(); }, 1'234'567);
  Run();
  EXPECT_EQ(started, 1'234'567);
}

TEST_F(ProcTest, ProcessThatNobodyWaitsForIsGoneAtOnce) {
  Spawn("a", [] {});
  Run();
  const HostScope on_host(host());
  EXPECT_EQ(pfind(1), nullptr);
}

TEST_F(ProcTest, ParentCollectsTheExitStatus) {
  Spawn("parent", [&] {
    Child(curproc(), [] { return 42; });
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, 0, &pid, &status), 0);
    EXPECT_EQ(pid, 2);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
    EXPECT_EQ(proc_wait(-1, 0, &pid, &status), ECHILD);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(ProcTest, ParentLearnsTheSignalThatEndedAChild) {
  Spawn("parent", [&] {
    proc* child = Child(curproc(), [this] {
      (void)tsleep(this, PWAIT | PCATCH, "test", 0);
      userret();
      return 0;
    });
    yield();
    psignal(child, SIGTERM);
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(child->p_pid, 0, &pid, &status), 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(ProcTest, NohangReturnsZeroWhileChildrenRun) {
  Spawn("parent", [&] {
    Child(curproc(), [] { return 0; });
    pid_t pid = -1;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 0);
    yield();
    EXPECT_EQ(proc_wait(-1, WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 2);
  });
  Run();
}

TEST_F(ProcTest, WaitChoosesByPidAndByGroup) {
  Spawn("parent", [&] {
    proc* first = Child(curproc(), [] { return 1; });
    proc* second = Child(curproc(), [] { return 2; });
    second->p_pgid = 77;
    yield();
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(99, 0, &pid, &status), ECHILD);
    EXPECT_EQ(proc_wait(-77, 0, &pid, &status), 0);
    EXPECT_EQ(pid, 3);
    EXPECT_EQ(proc_wait(0, 0, &pid, &status), 0);
    EXPECT_EQ(pid, 2);
    (void)first;
  });
  Run();
}

TEST_F(ProcTest, ZombiesAreCollectedInOrderOfEnding) {
  std::vector<pid_t> collected;
  Spawn("parent", [&] {
    for (const int delay : {3, 1, 2}) {
      Child(curproc(), [delay] { return tsleep(&nowake, PWAIT, "delay", delay); });
    }
    (void)tsleep(&nowake, PWAIT, "delay", 5);
    pid_t pid = 0;
    int status = 0;
    while (proc_wait(-1, 0, &pid, &status) == 0) collected.push_back(pid);
  });
  Run();
  EXPECT_EQ(collected, (std::vector<pid_t>{3, 4, 2}));
}

TEST_F(ProcTest, StopsAndContinuesAreToldOnceToWhoAsks) {
  Spawn("parent", [&] {
    proc* child = Child(curproc(), [this] { return tsleep(this, PWAIT | PCATCH, "test", 0); });
    yield();
    pid_t pid = 0;
    int status = 0;
    psignal(child, SIGTSTP);
    EXPECT_EQ(proc_wait(-1, WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 0);  // not asked about
    EXPECT_EQ(proc_wait(-1, WUNTRACED, &pid, &status), 0);
    EXPECT_EQ(pid, child->p_pid);
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    EXPECT_EQ(proc_wait(-1, WUNTRACED | WCONTINUED | WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 0);  // told already
    psignal(child, SIGCONT);
    EXPECT_EQ(proc_wait(-1, WUNTRACED | WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 0);  // this was not asked about either
    EXPECT_EQ(proc_wait(-1, WUNTRACED | WCONTINUED, &pid, &status), 0);
    EXPECT_TRUE(WIFCONTINUED(status));
    EXPECT_EQ(proc_wait(-1, WCONTINUED | WNOHANG, &pid, &status), 0);
    EXPECT_EQ(pid, 0);
    wakeup(this);
    EXPECT_EQ(proc_wait(-1, WUNTRACED | WCONTINUED, &pid, &status), 0);
    EXPECT_TRUE(WIFEXITED(status));
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(ProcTest, ParentThatWaitsIsWokenByAStopAndByAContinue) {
  Spawn("parent", [&] {
    proc* child = Child(curproc(), [this] { return tsleep(this, PWAIT | PCATCH, "test", 9); });
    Spawn("shell", [child] {
      (void)tsleep(&nowake, PWAIT, "delay", 1);
      psignal(child, SIGSTOP);
      (void)tsleep(&nowake, PWAIT, "delay", 1);
      psignal(child, SIGCONT);
    });
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, WUNTRACED, &pid, &status), 0);
    EXPECT_EQ(Now(), 1 * kTickNs);
    EXPECT_EQ(proc_wait(-1, WCONTINUED, &pid, &status), 0);
    EXPECT_EQ(Now(), 2 * kTickNs);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(ProcTest, StopSignalsTheParentUnlessItDoesNotWantThat) {
  for (const bool unwanted : {false, true}) {
    order_.clear();
    Spawn("parent", [&] {
      EXPECT_EQ(sigaction_set(curproc(), SIGCHLD,
                              {.kind = sigact::Kind::kCatch,
                               .nocldstop = unwanted,
                               .handler = [&](int) { order_ += 'c'; }}),
                0);
      EXPECT_EQ(sigaction_get(curproc(), SIGCHLD).nocldstop, unwanted);
      proc* child = Child(curproc(), [this] { return tsleep(this, PWAIT | PCATCH, "test", 0); });
      yield();
      psignal(child, SIGSTOP);
      userret();
      order_ += '.';
      psignal(child, SIGKILL);
      (void)tsleep(&nowake, PWAIT | PCATCH, "delay", 5);
      userret();
    });
    Run();
    EXPECT_EQ(order_, unwanted ? ".c" : "c.c");
  }
}

TEST_F(ProcTest, ParentWithNocldwaitHasNoZombies) {
  Spawn("parent", [&] {
    EXPECT_EQ(sigaction_set(curproc(), SIGCHLD, {.nocldwait = true}), 0);
    Child(curproc(), [] { return 0; });
    yield();
    EXPECT_EQ(pfind(2), nullptr);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
}

TEST_F(ProcTest, SystemTimeOfTheWaitedForIsAddedUp) {
  Spawn("parent", [&] {
    Child(curproc(), [&] {
      curproc()->p_stime = 5;
      Child(curproc(), [] { return static_cast<int>(curproc()->p_stime = 7); });
      pid_t pid = 0;
      int status = 0;
      return proc_wait(-1, 0, &pid, &status);
    });
    pid_t pid = 0;
    int status = 0;
    SimTime used = 0;
    EXPECT_EQ(proc_wait(-1, 0, &pid, &status, &used), 0);
    EXPECT_EQ(used, 12);
    EXPECT_EQ(curproc()->p_cstime, 12);
  });
  Run();
}

TEST_F(ProcTest, GroupsAreMadeAndJoined) {
  Spawn("stranger", [this] { (void)tsleep(this, PWAIT, "test", 5); });
  Spawn("parent", [&] {
    const proc* first = Child(curproc(), [] { return tsleep(&nowake, PWAIT, "delay", 1); });
    const proc* second = Child(curproc(), [] { return tsleep(&nowake, PWAIT, "delay", 1); });
    EXPECT_EQ(first->p_pgid, curproc()->p_pgid);
    EXPECT_EQ(proc_setpgid(first->p_pid, 0), 0);
    EXPECT_EQ(first->p_pgid, first->p_pid);
    EXPECT_EQ(proc_setpgid(second->p_pid, first->p_pid), 0);
    EXPECT_EQ(second->p_pgid, first->p_pid);
    EXPECT_EQ(proc_setpgid(0, first->p_pid), 0);
    EXPECT_EQ(proc_setpgid(0, 0), 0);
    EXPECT_EQ(curproc()->p_pgid, curproc()->p_pid);
    EXPECT_EQ(proc_setpgid(0, -1), EINVAL);
    EXPECT_EQ(proc_setpgid(1, 0), ESRCH);  // no child of ours
    EXPECT_EQ(proc_setpgid(99, 0), ESRCH);
    EXPECT_EQ(proc_setpgid(0, 99), EPERM);
  });
  Run();
}

TEST_F(ProcTest, KernelThreadsRunUntilTheyReturnOrExit) {
  const HostScope on_host(host());
  proc* thread = nullptr;
  EXPECT_EQ(kthread_create([](void* order) { *static_cast<std::string*>(order) += 'k'; }, &order_,
                           &thread, "nfsio"),
            0);
  EXPECT_EQ(thread->p_comm, "nfsio");
  psignal(thread, SIGKILL);
  EXPECT_EQ(kthread_create([](void*) { kthread_exit(3); }, nullptr, nullptr, "crypto"), 0);
  Run();
  EXPECT_EQ(order_, "k");  // no signal reaches it
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).at(1).args[0], 3u);
  kthread_create([](void* ident) { (void)tsleep(ident, PWAIT, "idle", 0); }, this, nullptr, "idle");
  Run();
  EXPECT_EQ(sleepers(host()).size(), 1u);  // tear-down ends it
}

TEST_F(ProcTest, ExitSignalsTheParent) {
  Spawn("parent", [&] {
    EXPECT_EQ(sigaction_set(curproc(), SIGCHLD,
                            {.kind = sigact::Kind::kCatch,
                             .restart = true,
                             .handler = [&](int) { order_ += 'c'; }}),
              0);
    Child(curproc(), [] { return 0; });
    EXPECT_EQ(tsleep(this, PWAIT | PCATCH, "test", 0), kERESTART);
    userret();
  });
  Run();
  EXPECT_EQ(order_, "c");
}

TEST_F(ProcTest, ParentThatIgnoresSigchldWaitsForNothing) {
  Spawn("parent", [&] {
    EXPECT_EQ(sigaction_set(curproc(), SIGCHLD, {.kind = sigact::Kind::kIgnore}), 0);
    Child(curproc(), [] { return 0; });
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, 0, &pid, &status), ECHILD);  // after it has ended
    EXPECT_EQ(pfind(2), nullptr);
  });
  Run();
}

TEST_F(ProcTest, ChildrenOfTheDeadAreReapedWithoutParent) {
  Spawn("parent", [&] {
    Child(curproc(), [] { return 0; });                                   // a zombie by then
    Child(curproc(), [] { return tsleep(&nowake, PWAIT, "delay", 9); });  // still alive
    (void)tsleep(&nowake, PWAIT, "delay", 3);
  });
  Run();
  const HostScope on_host(host());
  for (const pid_t pid : {1, 2, 3}) EXPECT_EQ(pfind(pid), nullptr);
}

TEST_F(ProcTest, ExitUnwindsTheFramesAndThenRunsTheHooks) {
  std::string& order = MakeNotes();
  proc_at_exit(host(), [](proc* p) {
    EXPECT_EQ(p, curproc());
    EXPECT_EQ(tsleep(&nowake, PWAIT, "delay", 1), EWOULDBLOCK);  // may sleep
    Noted() += '1';
  });
  proc_at_exit(host(), [](proc*) { Noted() += '2'; });
  Spawn("a", [&] {
    const Guard outer{&order, 'o'};
    [&] {
      const Guard inner{&order, 'i'};
      proc_exit(3);
    }();
  });
  Run();
  EXPECT_EQ(order, "io12");
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).at(0).args[0], 3u);
}

TEST_F(ProcTest, DestructorsMaySleepWhileAnExceptionOfAnotherProcessFlies) {
  struct SleepsOnTheWayOut {
    ~SleepsOnTheWayOut() { EXPECT_EQ(tsleep(&nowake, PWAIT, "delay", 2), EWOULDBLOCK); }
  };
  for (const char letter : {'a', 'b'}) {
    Spawn("thrower", [&, letter] {
      try {
        const SleepsOnTheWayOut sleeps;
        throw std::runtime_error(std::string(1, letter));
      } catch (const std::exception& error) {
        EXPECT_EQ(tsleep(&nowake, PWAIT, "delay", 1), EWOULDBLOCK);
        order_ += error.what();
      }
    });
  }
  Run();
  EXPECT_EQ(order_, "ab");
}

TEST_F(ProcTest, UncaughtExceptionEndsOnlyItsProcess) {
  Spawn("parent", [&] {
    Child(curproc(), []() -> int { throw std::runtime_error("out of cheese, redo from start"); });
    pid_t pid = 0;
    int status = 0;
    EXPECT_EQ(proc_wait(-1, 0, &pid, &status), 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGABRT);
    order_ += 'p';
  });
  Run();
  EXPECT_EQ(order_, "p");
  const std::string line = machine().trace().Format(RecordsOf(SchedEvent::kThrow).at(0));
  EXPECT_NE(line.find("\"out of cheese, redo from"), std::string::npos) << line;
}

TEST_F(ProcTest, ExitHooksSeeWhatAnExceptionSaid) {
  const std::string& what = MakeNotes();
  proc_at_exit(host(), [](proc* p) { Noted() = *p->p_xwhat; });
  Spawn("a", [] { throw 1; });
  Run();
  EXPECT_EQ(what, "not a std::exception");
}

TEST_F(ProcTest, UnwindingThatAProgramSwallowsGoesOnAtTheNextCall) {
  Spawn("swallows", [&] {
    for (;;) {
      try {
        psignal(curproc(), SIGTERM);
        userret();
        order_ += '.';
      } catch (const std::exception&) {
        ADD_FAILURE();
      } catch (...) {
        order_ += 'x';
        if (order_.size() > 2) throw;
      }
    }
  });
  Run();
  EXPECT_EQ(order_, "xxx");
}

TEST_F(ProcTest, KilledBeforeItsFirstInstructionNeverRuns) {
  proc* p = Spawn("a", [&] { order_ += 'a'; });
  psignal(p, SIGKILL);
  Run();
  EXPECT_EQ(order_, "");
}

TEST_F(ProcTest, SignalsDoNotCutShortTheExitHooks) {
  proc_at_exit(host(), [](proc* p) {
    psignal(p, SIGTERM);
    userret();
    EXPECT_EQ(tsleep(&nowake, PWAIT | PCATCH, "linger", 4), EWOULDBLOCK);
  });
  proc* p = Spawn("a", [] {
    (void)tsleep(&nowake, PWAIT | PCATCH, "test", 0);
    userret();
  });
  Spawn("killer", [p] { psignal(p, SIGINT); });
  Run();
  EXPECT_EQ(machine().now(), 4 * kTickNs);
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGINT));
}

// --- Tear-down. ---

TEST_F(ProcTest, TearDownUnwindsEveryProcessHoweverItSleeps) {
  std::string& order = MakeNotes();
  proc_at_exit(host(), [](proc*) {
    EXPECT_EQ(tsleep(&nowake, PWAIT, "linger", 100), EINTR);  // refused: no time passes
    Noted() += 'h';
  });
  const auto sleeper = [&](char letter, std::function<void()> body) {
    Spawn("s", [&order, letter, body] {
      const Guard guard{&order, letter};
      body();
    });
  };
  sleeper('1', [&] { (void)tsleep(&order, PWAIT | PCATCH, "catch", 0); });
  sleeper('2', [&] { (void)tsleep(&order, PWAIT, "nocatch", 0); });
  sleeper('3', [&] {
    for (;;) (void)tsleep(&order, PWAIT, "insists", 50);
  });
  sleeper('4', [&] {
    psignal(curproc(), SIGSTOP);
    userret();
  });
  sleeper('5', [&] {
    for (;;) machine().Charge(kSecond), userret();
  });
  sleeper('6', [&] {
    for ((void)tsleep(&order, PWAIT, "yields", 0);;) yield();
  });
  Spawn(
      "future", [] { ADD_FAILURE() << "ran"; }, 3600 * kSecond);
  EXPECT_EQ(Run(0), Machine::End::kDeadline);
  proc_killall(host());
  EXPECT_EQ(order, "1h2h3h4h5h6hh");
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(ProcTest, TearDownCutsShortALingeringExit) {
  proc_at_exit(host(), [](proc*) { (void)tsleep(&nowake, PWAIT | PCATCH, "linger", 1000); });
  Spawn("a", [] {});
  Run(kSecond);
  proc_killall(host());
  EXPECT_EQ(machine().now(), kSecond);
}

TEST_F(ProcTest, TearDownWaitsForProcessesThatUseUpTheirQuantumOnTheWayOut) {
  proc_at_exit(host(), [](proc*) {
    for (int i = 0; i < 5; ++i) Here().machine->Charge(kSecond);
  });
  Spawn("a", [&] { (void)tsleep(&order_, PWAIT, "test", 0); });
  Run();
  proc_killall(host());
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(ProcTest, ProcessTableIsListedInOrderOfPid) {
  for (int i = 0; i < 100; ++i) Spawn("s", [&] { (void)tsleep(&order_, PWAIT, "test", 0); });
  Run();
  pid_t expected = 0;
  proc_foreach(host(), [&](proc* p) {
    EXPECT_EQ(p->p_pid, ++expected);
    const HostScope on_host(host());
    EXPECT_EQ(pfind(p->p_pid), p);
  });
  EXPECT_EQ(expected, 100);
}

TEST_F(ProcTest, SameSeedGivesTheSameDigest) {
  const auto run = [&](uint64_t seed) {
    SeededOrder order(seed);
    Boot({.seed = seed, .choices = &order});
    for (int i = 0; i < 8; ++i) {
      Spawn("s", [this, i] {
        for (int n = 0; n < 5; ++n) {
          (void)tsleep(&order_, PWAIT, "test", 1 + i % 3);
          wakeup_one(&order_);
        }
      });
    }
    Run();
    const Digest digest = machine().trace().digest();
    Boot({});
    return digest;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace sockbed
