// Signals: what ends a sleep, what is delivered when, what stops and continues.
#include "kernel/sched/signal.h"

#include <errno.h>
#include <string.h>

#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

class SignalTest : public OneHost {
 protected:
  // A process that sleeps once on this, then returns to user mode, noting both.
  proc* Sleeper(int flags = PCATCH, int timo = 0) {
    return Spawn("sleeper", [this, flags, timo] {
      results_.push_back(tsleep(this, PSOCK | flags, "test", timo));
      userret();
      order_ += 'u';
    });
  }

  // Notes each delivery of `signo` to `p` as `letter`.
  void Catch(proc* p, int signo, char letter, bool restart = false, uint64_t mask = 0) {
    EXPECT_EQ(sigaction_set(p, signo,
                            {.kind = sigact::Kind::kCatch,
                             .restart = restart,
                             .handler = [this, letter](int) { order_ += letter; },
                             .mask = mask}),
              0);
  }
  void Ignore(proc* p, int signo) {
    EXPECT_EQ(sigaction_set(p, signo, {.kind = sigact::Kind::kIgnore}), 0);
  }

  // A process that posts once all that were there before it have run.
  void Killer(proc* target, int signo) {
    Spawn("killer", [target, signo] { psignal(target, signo); });
  }

  std::string order_;
  std::vector<int> results_;
};

TEST_F(SignalTest, CaughtOneEndsTheSleepWithEintr) {
  proc* p = Sleeper();
  Catch(p, SIGUSR1, 'h');
  Killer(p, SIGUSR1);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
  EXPECT_EQ(order_, "hu");  // the handler runs before the result is handed over
}

TEST_F(SignalTest, HandlerWithRestartEndsTheSleepWithErestart) {
  proc* p = Sleeper();
  Catch(p, SIGUSR1, 'h', /*restart=*/true);
  Killer(p, SIGUSR1);
  Run();
  EXPECT_EQ(results_, std::vector<int>{kERESTART});
}

TEST_F(SignalTest, FatalOneEndsTheSleepWithEintrAndThenTheProcess) {
  proc* p = Sleeper();
  Killer(p, SIGTERM);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
  EXPECT_EQ(order_, "");
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGTERM));
}

TEST_F(SignalTest, WithoutPcatchNoSignalDisturbsTheSleep) {
  proc* p = Sleeper(/*flags=*/0, /*timo=*/5);
  Killer(p, SIGKILL);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(order_, "");  // but it is seen on return to user mode
}

TEST_F(SignalTest, IgnoredOnesDoNotEndTheSleep) {
  proc* p = Sleeper(PCATCH, 5);
  Ignore(p, SIGTERM);
  for (const int signo : {SIGTERM, SIGURG, SIGIO, SIGCHLD, SIGWINCH, SIGCONT}) Killer(p, signo);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(order_, "u");
}

TEST_F(SignalTest, BlockedOneStaysPendingAndTheSleepGoesOn) {
  proc* p = Sleeper(PCATCH, 5);
  p->p_sigmask = SigBit(SIGTERM);
  Killer(p, SIGTERM);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(order_, "u");
}

TEST_F(SignalTest, PendingOneEndsTheSleepBeforeItBegins) {
  Spawn("sleeper", [&] {
    psignal(curproc(), SIGTERM);
    results_.push_back(tsleep(this, PSOCK | PCATCH, "test", 5));
  });
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(SignalTest, OutranksAWakeupThatHasAlreadyHappened) {
  proc* p = Sleeper();
  Catch(p, SIGUSR1, 'h');
  Spawn("waker", [&] { wakeup_one(this); });
  Killer(p, SIGUSR1);
  Spawn("other", [&] {
    // The wakeup was consumed: this one sleeps on.
    results_.push_back(tsleep(this, PSOCK, "test", 1));
  });
  Run();
  EXPECT_EQ(results_, (std::vector<int>{EINTR, EWOULDBLOCK}));
}

TEST_F(SignalTest, OutranksTheLimit) {
  proc* p = Sleeper(PCATCH, 5);
  Catch(p, SIGUSR1, 'h');
  timeout to;
  timeout_set(
      &to, [](void* target) { psignal(static_cast<proc*>(target), SIGUSR1); }, p);
  Spawn("armer", [&] { timeout_add(&to, 5); });  // the same tick, after the limit
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
}

TEST_F(SignalTest, AreDeliveredLowestNumberFirst) {
  proc* p = Sleeper();
  Catch(p, SIGUSR1, '1');
  Catch(p, SIGUSR2, '2');
  Catch(p, SIGINT, 'i');
  Spawn("killer", [p] {
    for (const int signo : {SIGUSR2, SIGUSR1, SIGINT, SIGINT}) psignal(p, signo);
  });
  Run();
  EXPECT_EQ(order_, "i12u");
}

TEST_F(SignalTest, HandlerMayMakeCallsThatSleepAndBlocksItsOwnSignal) {
  Spawn("p", [&] {
    ASSERT_EQ(sigaction_set(curproc(), SIGUSR1,
                            {.kind = sigact::Kind::kCatch,
                             .handler =
                                 [&](int signo) {
                                   order_ += '(';
                                   psignal(curproc(), signo);  // pending until this one returns
                                   EXPECT_EQ(tsleep(this, PSOCK | PCATCH, "inner", 1), EWOULDBLOCK);
                                   userret();
                                   order_ += ')';
                                   Ignore(curproc(), SIGUSR1);
                                 }}),
              0);
    psignal(curproc(), SIGUSR1);
    userret();
    EXPECT_EQ(curproc()->p_sigmask, 0u);
  });
  Run();
  EXPECT_EQ(order_, "()");
}

TEST_F(SignalTest, HandlerWithNodeferNests) {
  Spawn("p", [&] {
    EXPECT_EQ(sigaction_set(curproc(), SIGUSR1,
                            {.kind = sigact::Kind::kCatch,
                             .nodefer = true,
                             .handler =
                                 [&](int signo) {
                                   order_ += '(';
                                   if (order_.size() == 1) psignal(curproc(), signo);
                                   userret();
                                   order_ += ')';
                                 }}),
              0);
    psignal(curproc(), SIGUSR1);
    userret();
  });
  Run();
  EXPECT_EQ(order_, "(())");
}

TEST_F(SignalTest, HandlerWithResethandIsCalledOnce) {
  Spawn("p", [&] {
    EXPECT_EQ(sigaction_set(curproc(), SIGUSR1,
                            {.kind = sigact::Kind::kCatch,
                             .resethand = true,
                             .handler = [&](int) { order_ += 'h'; }}),
              0);
    psignal(curproc(), SIGUSR1);
    userret();
    EXPECT_EQ(sigaction_get(curproc(), SIGUSR1).kind, sigact::Kind::kDefault);
    psignal(curproc(), SIGUSR1);
    userret();
    ADD_FAILURE();
  });
  Run();
  EXPECT_EQ(order_, "h");
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGUSR1));
}

TEST_F(SignalTest, MaskOfAHandlerBlocksOthersWhileItRuns) {
  Spawn("p", [&] {
    Catch(curproc(), SIGUSR2, '2');
    ASSERT_EQ(sigaction_set(curproc(), SIGUSR1,
                            {.kind = sigact::Kind::kCatch,
                             .handler =
                                 [&](int) {
                                   psignal(curproc(), SIGUSR2);
                                   userret();
                                   order_ += '1';
                                 },
                             .mask = SigBit(SIGUSR2)}),
              0);
    psignal(curproc(), SIGUSR1);
    userret();
  });
  Run();
  EXPECT_EQ(order_, "12");
}

TEST_F(SignalTest, KillAndStopCannotBeCaughtIgnoredOrBlocked) {
  proc* p = Sleeper();
  for (const int signo : {SIGKILL, SIGSTOP, 0, kSignals}) {
    EXPECT_EQ(sigaction_set(p, signo, {.kind = sigact::Kind::kIgnore}), EINVAL);
  }
  p->p_sigmask = ~uint64_t{0};
  Killer(p, SIGKILL);
  Run();
  EXPECT_EQ(order_, "");
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGKILL));
}

TEST_F(SignalTest, LatestActionIsTheOneThatIsTaken) {
  Spawn("p", [&] {
    proc* const p = curproc();
    Ignore(p, SIGUSR1);
    Catch(p, SIGUSR1, 'c');
    psignal(p, SIGUSR1);
    userret();
    EXPECT_EQ(order_, "c");
    psignal(p, SIGUSR1);
    Ignore(p, SIGUSR1);
    Catch(p, SIGUSR1, 'x');
    userret();
    EXPECT_EQ(order_, "c") << "what was pending when it was ignored is gone";
    ASSERT_EQ(sigaction_set(p, SIGUSR1, {}), 0);
    psignal(p, SIGUSR1);
    userret();
    ADD_FAILURE();
  });
  Run();
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGUSR1));
}

TEST_F(SignalTest, OtherActionsLeaveTheFlagsOfSigchldAlone) {
  Spawn("p", [&] {
    ASSERT_EQ(sigaction_set(curproc(), SIGCHLD, {.nocldstop = true, .nocldwait = true}), 0);
    Ignore(curproc(), SIGUSR1);
    const sigact act = sigaction_get(curproc(), SIGCHLD);
    EXPECT_TRUE(act.nocldstop && act.nocldwait);
    EXPECT_FALSE(sigaction_get(curproc(), SIGUSR1).nocldstop);
  });
  Run();
}

TEST_F(SignalTest, SettingToIgnoreDropsWhatIsPending) {
  Spawn("p", [&] {
    psignal(curproc(), SIGTERM);
    Ignore(curproc(), SIGTERM);
    EXPECT_EQ(sigaction_get(curproc(), SIGTERM).kind, sigact::Kind::kIgnore);
    EXPECT_EQ(sigaction_get(curproc(), SIGINT).kind, sigact::Kind::kDefault);
    userret();
    order_ += 'u';
  });
  Run();
  EXPECT_EQ(order_, "u");
}

TEST_F(SignalTest, StoppedSleeperIsWokenButRunsOnlyWhenContinued) {
  proc* p = Sleeper();
  Spawn("shell", [&, p] {
    psignal(p, SIGSTOP);
    wakeup(this);
    (void)tsleep(&nowake, PWAIT, "delay", 3);
    EXPECT_EQ(order_, "");
    EXPECT_EQ(p->p_stat, ProcState::kStopped);
    psignal(p, SIGCONT);
  });
  Run();
  EXPECT_EQ(results_, std::vector<int>{0});
  EXPECT_EQ(order_, "u");
  EXPECT_EQ(machine().now(), 3 * kTickNs);
}

TEST_F(SignalTest, ContinuedSleeperThatWasNotWokenSleepsOn) {
  proc* p = Sleeper(PCATCH, 5);
  Killer(p, SIGTSTP);
  Killer(p, SIGCONT);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(machine().now(), 5 * kTickNs);
}

TEST_F(SignalTest, StoppedSleeperIsNotWokenByWhatItNeedNotActOn) {
  proc* p = Sleeper(PCATCH, 5);
  p->p_sigmask = SigBit(SIGUSR1);
  for (const int signo : {SIGSTOP, SIGUSR1, SIGURG, SIGTSTP, SIGCONT}) Killer(p, signo);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(machine().now(), 5 * kTickNs);
}

TEST_F(SignalTest, StopPendingBeforeTheSleepStopsFirst) {
  proc* p = Spawn("p", [&] {
    psignal(curproc(), SIGSTOP);
    results_.push_back(tsleep(this, PSOCK | PCATCH, "test", 9));
  });
  Spawn("shell", [&, p] {
    EXPECT_EQ(p->p_stat, ProcState::kStopped);
    wakeup(this);  // while stopped: it will not sleep at all
    psignal(p, SIGCONT);
  });
  Run();
  EXPECT_EQ(results_, std::vector<int>{0});
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(SignalTest, StopsOnReturnToUserMode) {
  proc* p = Spawn("p", [&] {
    psignal(curproc(), SIGTSTP);
    userret();
    order_ += 'u';
  });
  Run();
  EXPECT_EQ(order_, "");
  ASSERT_EQ(sleepers(host()).size(), 1u);
  EXPECT_EQ(SleeperText(sleepers(host())[0]), "host: process 1 \"p\" stopped since 0.000000000 s");
  Killer(p, SIGCONT);
  Run();
  EXPECT_EQ(order_, "u");
}

TEST_F(SignalTest, KillEndsAStoppedProcess) {
  proc* p = Sleeper();
  Killer(p, SIGSTOP);
  Killer(p, SIGTERM);  // waits until it is continued
  Killer(p, SIGKILL);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).back().args[1], static_cast<uint64_t>(SIGKILL));
}

TEST_F(SignalTest, CaughtContinueRunsItsHandler) {
  proc* p = Sleeper();
  Catch(p, SIGCONT, 'c');
  Killer(p, SIGSTOP);
  Killer(p, SIGCONT);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
  EXPECT_EQ(order_, "cu");
}

TEST_F(SignalTest, GroupSignalReachesItsMembersWhoseIdsAllow) {
  const auto member = [&](uid_t uid, pid_t parent) {
    return SpawnWith({.name = "member",
                      .main =
                          [this] {
                            results_.push_back(tsleep(this, PSOCK | PCATCH, "test", 0));
                            return 0;
                          },
                      .cred = {.cr_uid = uid, .cr_ruid = uid, .cr_svuid = uid},
                      .parent = parent});
  };
  member(100, 0);  // of a group of its own
  const pid_t group = member(100, 0)->p_pid;
  member(100, group);
  member(200, group);  // another user's: skipped silently
  Spawn("killer", [group] { csignal(-group, SIGINT, 100, 100); });
  Run();
  EXPECT_EQ(results_, (std::vector<int>{EINTR, EINTR}));
  EXPECT_EQ(sleepers(host()).size(), 2u);
  Spawn("root", [group] {
    csignal(-group, SIGINT, 5, 0);
    csignal(12345, SIGINT, 0, 0);  // nobody
    csignal(0, SIGINT, 0, 0);
  });
  Run();
  EXPECT_EQ(results_.size(), 3u);
}

TEST_F(SignalTest, FaultKillsOnReturnToUserMode) {
  fault::Plan plan({{.site = Site::kProcKill, .only_ordinal = 3}});
  Boot({.fault_plan = &plan});
  Spawn("p", [&] {
    for (int call = 0; call < 9; ++call) {
      userret();
      order_ += 'u';
    }
  });
  Run();
  EXPECT_EQ(order_, "u");  // one visit before its first instruction
}

TEST_F(SignalTest, DefaultActionsAreThoseOfTheTable) {
  enum class Deed { kTerminates, kStops, kNothing };
  struct Row {
    int signo;
    Deed deed;
  };
  constexpr Row kTable[] = {
      {SIGINT, Deed::kTerminates},  {SIGKILL, Deed::kTerminates},   {SIGPIPE, Deed::kTerminates},
      {SIGALRM, Deed::kTerminates}, {SIGUSR1, Deed::kTerminates},   {SIGUSR2, Deed::kTerminates},
      {SIGPROF, Deed::kTerminates}, {SIGVTALRM, Deed::kTerminates}, {SIGURG, Deed::kNothing},
      {SIGIO, Deed::kNothing},      {SIGCHLD, Deed::kNothing},      {SIGCONT, Deed::kNothing},
      {SIGSTOP, Deed::kStops},      {SIGTSTP, Deed::kStops}};
  for (const Row& row : kTable) {
    SCOPED_TRACE(sigabbrev_np(row.signo));
    Boot({.seed = 1});
    const proc* p = Sleeper();
    Killer(Sleeper(), row.signo);  // the second of two
    Run();
    EXPECT_EQ(p->p_stat, ProcState::kSleeping);
    const std::vector<Record> exits = RecordsOf(SchedEvent::kExit);
    const size_t ended = 1 + (row.deed == Deed::kTerminates ? 1 : 0);  // the killer is one
    ASSERT_EQ(exits.size(), ended);
    if (row.deed == Deed::kTerminates) {
      EXPECT_EQ(exits.back().args[1], static_cast<uint64_t>(row.signo));
    }
    EXPECT_EQ(RecordsOf(SchedEvent::kStop).size(), row.deed == Deed::kStops ? 1u : 0u);
  }
}

TEST_F(SignalTest, PostingDeliveryAndTheSleepThatTheyEndAreRecorded) {
  proc* p = Sleeper(PCATCH, 9);
  Catch(p, SIGUSR1, 'h');
  Killer(p, SIGUSR1);
  Killer(p, SIGURG);  // ignored: nothing is posted
  Killer(Sleeper(), SIGTERM);
  Run();
  const std::vector<Record> posts = RecordsOf(SchedEvent::kPost);
  const std::vector<Record> deeds = RecordsOf(SchedEvent::kDeliver);
  const std::vector<Record> resumes = RecordsOf(SchedEvent::kResume);
  ASSERT_EQ(posts.size(), 2u);
  ASSERT_EQ(deeds.size(), 2u);
  ASSERT_EQ(resumes.size(), 2u);
  const SignalDeed expected[] = {SignalDeed::kHandler, SignalDeed::kTerminate};
  for (size_t i = 0; i < 2; ++i) {
    const auto signo = static_cast<uint64_t>(i == 0 ? SIGUSR1 : SIGTERM);
    EXPECT_EQ(posts[i].args[0], signo);
    EXPECT_EQ(deeds[i].args[0], signo);
    EXPECT_EQ(deeds[i].args[1], static_cast<uint64_t>(expected[i]));
    EXPECT_EQ(resumes[i].args[0], static_cast<uint64_t>(EINTR));
    EXPECT_EQ(deeds[i].object, posts[i].object);
    EXPECT_EQ(resumes[i].object, posts[i].object);
  }
}

// A program that works below the system calls has nobody who calls userret for it.
TEST_F(SignalTest, KernelProgramThatIgnoresTheErrorIsUnwoundInTheEnd) {
  struct Guard {
    ~Guard() { *gone = true; }
    bool* gone;
  };
  bool gone = false;
  proc* p = Spawn("stubborn", [&] {
    const Guard guard{&gone};
    for (;;) (void)tsleep(this, PSOCK | PCATCH, "test", 0);
  });
  Killer(p, SIGTERM);
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  EXPECT_TRUE(gone);
  EXPECT_EQ(machine().now(), 0);
}

// A signal with the ids of whoever wants to send it, to a process with others; whether it came.
class CsignalTest : public SignalTest {
 protected:
  bool Comes(const ucred& to, uid_t uid, uid_t euid) {
    results_.clear();
    proc* const p = SpawnWith({.name = "target",
                               .main =
                                   [this] {
                                     results_.push_back(tsleep(this, PSOCK | PCATCH, "test", 0));
                                     return 0;
                                   },
                               .cred = to});
    Spawn("sender", [pid = p->p_pid, uid, euid] { csignal(pid, SIGINT, uid, euid); });
    Run();
    const bool came = !results_.empty();
    Spawn("root", [pid = p->p_pid] { csignal(pid, SIGKILL, 0, 0); });
    Run();
    return came;
  }
};

TEST_F(CsignalTest, EitherIdOfTheSenderMayBeAnyOfTheTargets) {
  const ucred target = {.cr_uid = 1, .cr_ruid = 2, .cr_svuid = 3};
  for (const uid_t id : {1u, 2u, 3u}) {
    EXPECT_TRUE(Comes(target, id, 9)) << id;
    EXPECT_TRUE(Comes(target, 9, id)) << id;
  }
  EXPECT_FALSE(Comes(target, 9, 9));
  EXPECT_FALSE(Comes(target, 0, 9)) << "the real id alone makes no superuser";
  EXPECT_TRUE(Comes(target, 9, 0));
}

TEST_F(SignalTest, ContinueDropsPendingStopsAndAStopDropsAPendingContinue) {
  proc* p = Sleeper(/*flags=*/0);  // which looks at neither before it is woken
  p->p_sigmask = SigBit(SIGTSTP) | SigBit(SIGCONT);
  Catch(p, SIGCONT, 'c');
  Spawn("sender", [p] {
    psignal(p, SIGTSTP);
    EXPECT_NE(p->p_siglist & SigBit(SIGTSTP), 0u);
    psignal(p, SIGCONT);
    EXPECT_EQ(p->p_siglist & (SigBit(SIGTSTP) | SigBit(SIGCONT)), SigBit(SIGCONT));
    psignal(p, SIGUSR1);
    EXPECT_NE(p->p_siglist & SigBit(SIGCONT), 0u) << "others drop neither";
    psignal(p, SIGTSTP);
    psignal(p, SIGUSR2);
    EXPECT_EQ(p->p_siglist & (SigBit(SIGTSTP) | SigBit(SIGCONT)), SigBit(SIGTSTP));
    psignal(p, SIGKILL);
  });
  Run();
  Spawn("waker", [this] { wakeup(this); });
  Run();
}

}  // namespace
}  // namespace sockbed
