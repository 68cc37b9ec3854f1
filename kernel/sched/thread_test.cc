// Processes of several threads: how they end, and who gets their signals.
#include "kernel/sched/thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <stdexcept>
#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

class ThreadTest : public OneHost {
 protected:
  // A further thread of the running process.
  proc* Thread(std::function<void()> main) {
    return proc_spawn({.main =
                           [main = std::move(main)] {
                             main();
                             return 0;
                           },
                       .thread_of = curproc()});
  }

  // Sleeps until woken, and acts on what came meanwhile, as a system call does.
  int Sleep() {
    const int error = tsleep(&forever_, PWAIT | PCATCH, "test", 0);
    userret();
    return error;
  }

  // A parent that notes how `main`, its child, ended.
  void RunAsChild(std::function<int()> main) {
    Spawn("parent", [this, main = std::move(main)] {
      proc_spawn({.name = "child", .main = main, .parent = curproc()->p_pid});
      pid_t child;
      wait_error_ = proc_wait(-1, 0, &child, &status_);
    });
    Run();
  }

  struct Note {
    explicit Note(std::string* log, char letter) : log(log), letter(letter) {}
    ~Note() { *log += letter; }
    std::string* log;
    char letter;
  };

  int forever_ = 0;
  std::string log_;
  int status_ = -1;
  int wait_error_ = -1;
};

TEST_F(ThreadTest, HasTheNameGroupAndCredentialsOfItsProcess) {
  SpawnWith({.name = "prog",
             .main =
                 [&] {
                   const proc* const t = Thread([&] { log_ += 't'; });
                   EXPECT_EQ(t->p_comm, "prog");
                   EXPECT_EQ(t->p_ucred.cr_uid, 7u);
                   EXPECT_EQ(t->p_pgid, curproc()->p_pgid);
                   EXPECT_EQ(t->p_mainproc, curproc());
                   return 0;
                 },
             .cred = {.cr_uid = 7}});
  Run();
  EXPECT_EQ(RecordsOf(SchedEvent::kThread).size(), 1u);
  EXPECT_EQ(RecordsOf(SchedEvent::kThrExit).size(), 1u);
}

TEST_F(ThreadTest, ReturnOfMainEndsTheOthersBeforeTheProcess) {
  RunAsChild([&] {
    const Note note(&log_, 'm');
    Thread([&] {
      const Note inner(&log_, 't');
      Sleep();
    });
    yield();
    return 5;
  });
  EXPECT_EQ(log_, "mt");
  EXPECT_EQ(WEXITSTATUS(status_), 5);
}

TEST_F(ThreadTest, ExitInAThreadEndsTheProcessWithItsStatus) {
  RunAsChild([&] {
    const Note note(&log_, 'm');
    Thread([] { proc_exit(6); });
    Sleep();
    ADD_FAILURE() << "main goes on";
    return 0;
  });
  EXPECT_EQ(log_, "m");
  EXPECT_EQ(WEXITSTATUS(status_), 6);
}

TEST_F(ThreadTest, ThreadExitLeavesTheOthers) {
  RunAsChild([&] {
    Thread([&] {
      Thread([&] { log_ += 'b'; });
      log_ += 'a';
      proc_thread_exit();
    });
    while (curproc()->p_threads != nullptr) yield();
    log_ += 'm';
    return 0;
  });
  EXPECT_EQ(log_, "abm");
  EXPECT_EQ(status_, 0);
}

TEST_F(ThreadTest, MainThatExitsAloneEndsLastWithStatusZero) {
  RunAsChild([&]() -> int {
    Thread([&] {
      (void)tsleep(&log_, PWAIT, "later", 5);
      log_ += 't';
    });
    proc_thread_exit();
  });
  EXPECT_EQ(log_, "t");
  EXPECT_EQ(status_, 0);
  EXPECT_EQ(machine().now(), 5 * kTickNs);
}

TEST_F(ThreadTest, ExceptionThatLeavesAThreadEndsTheProcess) {
  RunAsChild([&] {
    Thread([] { throw std::runtime_error("bad"); });
    Sleep();
    return 0;
  });
  EXPECT_EQ(WTERMSIG(status_), SIGABRT);
}

TEST_F(ThreadTest, AbortTellsWhy) {
  RunAsChild([&] {
    proc_abort("a mistake");
    return 0;
  });
  EXPECT_EQ(WTERMSIG(status_), SIGABRT);
  ASSERT_EQ(RecordsOf(SchedEvent::kThrow).size(), 1u);
}

TEST_F(ThreadTest, FatalSignalEndsAllThreads) {
  RunAsChild([&] {
    Thread([&] {
      const Note note(&log_, 't');
      Sleep();
    });
    yield();
    psignal(curproc(), SIGTERM);
    userret();
    return 0;
  });
  EXPECT_EQ(log_, "t");
  EXPECT_EQ(WTERMSIG(status_), SIGTERM);
}

TEST_F(ThreadTest, KilledThreadEndsAlone) {
  RunAsChild([&] {
    proc* const t = Thread([&] {
      const Note note(&log_, 't');
      EXPECT_EQ(tsleep(&forever_, PWAIT | PCATCH, "test", 0), EINTR);
      userret();
      ADD_FAILURE() << "it goes on";
    });
    yield();
    proc_thread_kill(t);
    yield();
    log_ += 'm';
    return 0;
  });
  EXPECT_EQ(log_, "tm");
  EXPECT_EQ(status_, 0);
}

TEST_F(ThreadTest, SignalOfTheProcessGoesToAThreadThatDoesNotBlockIt) {
  RunAsChild([&] {
    sigact act{.kind = sigact::Kind::kCatch};
    act.handler = [&](int) { log_ += is_mainproc(curproc()) ? 'm' : 't'; };
    EXPECT_EQ(sigaction_set(curproc(), SIGUSR1, act), 0);
    Thread([&] { EXPECT_EQ(Sleep(), EINTR); });
    yield();
    psignal(curproc(), SIGUSR1);
    userret();
    curproc()->p_sigmask = SigBit(SIGUSR1);
    psignal(curproc(), SIGUSR1);
    yield();
    return 0;
  });
  EXPECT_EQ(log_, "mt");
}

TEST_F(ThreadTest, ActionSetInOneThreadHoldsForAll) {
  RunAsChild([&] {
    proc* const t = Thread([&] { Sleep(); });
    sigact act{.kind = sigact::Kind::kIgnore};
    EXPECT_EQ(sigaction_set(curproc(), SIGUSR1, act), 0);
    yield();
    ptsignal(t, SIGUSR1);
    wakeup(&forever_);
    return 0;
  });
  EXPECT_EQ(status_, 0);
}

TEST_F(ThreadTest, StopAndContinueReachEveryThread) {
  proc* main = nullptr;
  Spawn("prog", [&] {
    main = curproc();
    Thread([&] { Sleep(); });
    Sleep();
  });
  Run();
  {
    const HostScope scope(host());
    psignal(main, SIGSTOP);
    EXPECT_EQ(main->p_stat, ProcState::kStopped);
    EXPECT_EQ(main->p_threads->p_stat, ProcState::kStopped);
    psignal(main, SIGCONT);
    EXPECT_EQ(main->p_threads->p_stat, ProcState::kSleeping);
    wakeup(&forever_);
  }
  Run();
}

TEST_F(ThreadTest, ThreadWaitsForTheChildrenOfItsProcess) {
  Spawn("prog", [&] {
    proc_spawn({.name = "child", .main = [] { return 3; }, .parent = curproc()->p_pid});
    Thread([&] {
      pid_t child;
      wait_error_ = proc_wait(-1, 0, &child, &status_);
    });
    while (curproc()->p_threads != nullptr) yield();
  });
  Run();
  EXPECT_EQ(wait_error_, 0);
  EXPECT_EQ(WEXITSTATUS(status_), 3);
}

// A host that ends does not wait for anybody; the test is that nothing is left or used after.
TEST_F(ThreadTest, TearDownEndsMainAndThreadsInAnyOrder) {
  Spawn("prog", [&] {
    const Note note(&log_, 'm');
    for (int i = 0; i < 3; ++i) {
      Thread([&] {
        const Note inner(&log_, 't');
        Sleep();
      });
    }
    Sleep();
  });
  Run();
  proc_killall(host());
  EXPECT_EQ(log_.size(), 4u);
}

}  // namespace
}  // namespace sockbed
