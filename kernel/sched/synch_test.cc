// tsleep, wakeup and kin, row by row.
#include "kernel/sched/synch.h"

#include <errno.h>
#include <limits.h>

#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

constexpr int so_timeo = 0;  // an ident with a name

class SynchTest : public OneHost {
 protected:
  // A process that sleeps once on `ident` and notes how that ended.
  void Sleeper(char name, const void* ident, int timo = 0, int flags = 0) {
    Spawn(std::string(1, name), [this, name, ident, timo, flags] {
      const int error = tsleep(ident, PSOCK | flags, "test", timo);
      order_ += name;
      results_.push_back(error);
    });
  }

  int a_ = 0;
  int b_ = 0;
  std::string order_;
  std::vector<int> results_;
};

TEST_F(SynchTest, WakeupEndsTheSleepWithZero) {
  Sleeper('1', &a_);
  Spawn("waker", [&] { wakeup(&a_); });
  Run();
  EXPECT_EQ(results_, std::vector<int>{0});
}

TEST_F(SynchTest, SleeperRemembersItsPriorityWithoutTheFlags) {
  proc* const p = Spawn("p", [&] { (void)tsleep(&a_, PWAIT | PCATCH, "test", 0); });
  Run();
  EXPECT_EQ(p->p_priority, PWAIT);
}

TEST_F(SynchTest, LimitEndsTheSleepOnATickBoundary) {
  Sleeper('1', &a_, 3);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(machine().now(), 3 * kTickNs);
}

TEST_F(SynchTest, FirstTickOfALimitHasPartlyElapsed) {
  Spawn(
      "late", [&] { results_.push_back(tsleep(&a_, PSOCK, "test", 2)); },
      kTickNs + 3 * kMillisecond);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_EQ(machine().now(), 3 * kTickNs);
}

TEST_F(SynchTest, WakeupWakesAllInOrderOfGoingToSleep) {
  for (const char name : {'1', '2', '3'}) Sleeper(name, &a_);
  Spawn("waker", [&] {
    wakeup(&a_);
    order_ += 'w';  // the waker goes on running
  });
  Run();
  EXPECT_EQ(order_, "w123");
}

TEST_F(SynchTest, WakeupOneWakesTheLongestSleeper) {
  for (const char name : {'1', '2', '3'}) Sleeper(name, &a_);
  Spawn("waker", [&] { wakeup_one(&a_); });
  Run();
  EXPECT_EQ(order_, "1");
}

TEST_F(SynchTest, WakeupNWakesTheFirstNAndCountsThem) {
  for (const char name : {'1', '2', '3'}) Sleeper(name, &a_);
  Spawn("waker", [&] {
    wakeup_n(&a_, 0);
    wakeup_n(&a_, 2);
  });
  Run();
  EXPECT_EQ(order_, "12");
  ASSERT_EQ(RecordsOf(SchedEvent::kWake).size(), 1u);
  EXPECT_EQ(RecordsOf(SchedEvent::kWake)[0].args[0], 2u);
}

TEST_F(SynchTest, WakeupLeavesOtherIdentsAsleep) {
  Sleeper('1', &a_);
  Sleeper('2', &b_);
  Spawn("waker", [&] { wakeup(&b_); });
  Run();
  EXPECT_EQ(order_, "2");
}

TEST_F(SynchTest, WakeupWithoutSleepersIsNotRemembered) {
  Spawn("waker", [&] { wakeup(&a_); });
  Sleeper('1', &a_, 1);
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
}

TEST_F(SynchTest, SecondWakeupDoesNotTouchTheWokenAgain) {
  Sleeper('1', &a_);
  Spawn("waker", [&] {
    wakeup(&a_);
    wakeup(&a_);
  });
  Run();
  EXPECT_EQ(order_, "1");
  EXPECT_EQ(RecordsOf(SchedEvent::kWake).size(), 1u);
}

TEST_F(SynchTest, InterruptWorkMayWake) {
  Sleeper('1', &a_);
  timeout to;
  timeout_set(
      &to, [](void* ident) { wakeup(ident); }, &a_);
  {
    const HostScope on_host(host());
    timeout_add(&to, 5);
  }
  Run();
  EXPECT_EQ(results_, std::vector<int>{0});
  EXPECT_EQ(machine().now(), 5 * kTickNs);
}

// Sleep timeout and wakeup in one tick: whichever runs first wins.
TEST_F(SynchTest, WakeupBeforeTheLimitInTheSameTickWins) {
  timeout to;
  timeout_set(
      &to, [](void* ident) { wakeup(ident); }, &a_);
  Spawn("armer", [&] { timeout_add(&to, 4); });
  Sleeper('1', &a_, 4);
  Run();
  EXPECT_EQ(results_, std::vector<int>{0});
}

TEST_F(SynchTest, LimitBeforeTheWakeupInTheSameTickWins) {
  timeout to;
  timeout_set(
      &to, [](void* ident) { wakeup(ident); }, &a_);
  Sleeper('1', &a_, 4);
  Spawn("armer", [&] { timeout_add(&to, 4); });
  Run();
  EXPECT_EQ(results_, std::vector<int>{EWOULDBLOCK});
  EXPECT_TRUE(RecordsOf(SchedEvent::kWake).empty());
}

TEST_F(SynchTest, SleepersInTheMiddleAndAtTheEndLeaveTheQueueInOrder) {
  Sleeper('1', &a_);
  Sleeper('2', &a_, 1);
  Sleeper('3', &a_);
  Sleeper('4', &a_, 2);
  Spawn("waker", [&] {
    EXPECT_EQ(tsleep(&nowake, PWAIT, "delay", 3), EWOULDBLOCK);
    Sleeper('5', &a_);
    yield();
    wakeup(&a_);
  });
  Run();
  EXPECT_EQ(order_, "24135");
}

TEST_F(SynchTest, LeaderThatLeavesHandsItsQueueOn) {
  Sleeper('1', &a_, 1);
  Sleeper('2', &a_);
  Sleeper('3', &a_, 1);
  Spawn("waker", [&] {
    EXPECT_EQ(tsleep(&nowake, PWAIT, "delay", 2), EWOULDBLOCK);
    wakeup(&a_);
  });
  Run();
  EXPECT_EQ(order_, "132");
}

TEST_F(SynchTest, ManyIdentsEachFindTheirOwnSleeper) {
  std::vector<int> idents(5000);
  std::vector<int> woken;
  for (size_t i = 0; i < idents.size(); ++i) {
    SpawnWith({.name = "s",
               .main =
                   [&, i] {
                     (void)tsleep(&idents[i], PSOCK, "many", 0);
                     woken.push_back(static_cast<int>(i));
                     return 0;
                   },
               .stack_bytes = 16 * 1024});
  }
  Spawn("waker", [&] {
    for (size_t i = idents.size(); i-- > 0;) wakeup(&idents[i]);
  });
  Run();
  ASSERT_EQ(woken.size(), idents.size());
  EXPECT_EQ(woken.front(), 4999);
  EXPECT_EQ(woken.back(), 0);
}

TEST_F(SynchTest, IdentsToBeFreedCanBeAskedForSleepers) {
  Sleeper('1', &a_, 2);
  Run(kTickNs);
  const HostScope on_host(host());
  EXPECT_TRUE(is_slept_on(&a_));
  EXPECT_FALSE(is_slept_on(&b_));
  Run();
  EXPECT_FALSE(is_slept_on(&a_));
}

TEST_F(SynchTest, YieldLetsTheOthersRunFirst) {
  Spawn("polite", [&] {
    yield();
    order_ += 'p';
  });
  Spawn("other", [&] { order_ += 'o'; });
  Run();
  EXPECT_EQ(order_, "op");
}

TEST_F(SynchTest, NanosecondsAreRoundedUpToTicks) {
  Spawn("sleeper", [&] {
    const auto slept = [&](uint64_t ns) {
      const SimTime from = Now();
      EXPECT_EQ(tsleep_nsec(&a_, PSOCK, "nsec", ns), EWOULDBLOCK);
      return (Now() - from) / kTickNs;
    };
    EXPECT_EQ(slept(1), 1);
    EXPECT_EQ(slept(kTickNs), 1);
    EXPECT_EQ(slept(kTickNs + 1), 2);
  });
  Run();
}

TEST_F(SynchTest, InfiniteNanosecondsAreNoLimit) {
  Spawn("sleeper", [&] { (void)tsleep_nsec(&a_, PSOCK, "nsec", INFSLP); });
  Run();
  EXPECT_EQ(machine().now(), 0);
  EXPECT_EQ(sleepers(host()).size(), 1u);
}

TEST_F(SynchTest, LongestLimitIsIntMaxTicks) {
  Spawn("sleeper", [&] { (void)tsleep_nsec(&a_, PSOCK, "nsec", INFSLP - 1); });
  Run();
  EXPECT_EQ(machine().now(), int64_t{INT_MAX} * kTickNs);
}

TEST_F(SynchTest, MsleepGivesTheMutexAwayWhileAsleep) {
  mutex mtx;
  Spawn("sleeper", [&] {
    mtx_enter(&mtx);
    EXPECT_EQ(msleep(&a_, &mtx, PSOCK, "msleep", 0), 0);
    EXPECT_EQ(mtx.mtx_owner, curproc());
    EXPECT_EQ(msleep_nsec(&a_, &mtx, PSOCK | PNORELOCK, "msleep", 1), EWOULDBLOCK);
    EXPECT_FALSE(mtx.mtx_held);
  });
  Spawn("waker", [&] {
    mtx_enter(&mtx);
    wakeup(&a_);
    mtx_leave(&mtx);
  });
  Run();
  EXPECT_TRUE(sleepers(host()).empty());
}

TEST_F(SynchTest, RwsleepTakesTheLockAgainInTheModeItWasHeld) {
  rwlock rwl;
  Spawn("sleeper", [&] {
    rw_enter_write(&rwl);
    EXPECT_EQ(rwsleep(&a_, &rwl, PSOCK, "rwsleep", 1), EWOULDBLOCK);
    EXPECT_EQ(rwl.rwl_owner, curproc());
    rw_exit_write(&rwl);
    rw_enter_read(&rwl);
    EXPECT_EQ(rwsleep_nsec(&a_, &rwl, PSOCK, "rwsleep", 1), EWOULDBLOCK);
    EXPECT_FALSE(rwl.rwl_writer);
    EXPECT_EQ(rwl.rwl_readers, 1);
    rw_exit_read(&rwl);
  });
  Run();
  EXPECT_EQ(machine().now(), 2 * kTickNs);
}

TEST_F(SynchTest, FaultInterruptsASleepThatCatchesSignals) {
  fault::Plan plan({{.site = Site::kSleepInterrupt, .only_ordinal = 1}});
  Boot({.fault_plan = &plan});
  Sleeper('1', &a_, 1);  // without PCATCH: not a place that can fail
  Sleeper('2', &a_, 1, PCATCH);
  Sleeper('3', &a_, 1, PCATCH);
  Run();
  EXPECT_EQ(order_, "213");
  EXPECT_EQ(results_, (std::vector<int>{EINTR, EWOULDBLOCK, EWOULDBLOCK}));
}

TEST_F(SynchTest, FaultAfterTheWakeupConsumesIt) {
  fault::Plan plan({{.site = Site::kSleepInterrupt, .only_ordinal = 2}});
  Boot({.fault_plan = &plan});
  Sleeper('1', &a_, 0, PCATCH);
  Spawn("waker", [&] { wakeup_one(&a_); });
  Run();
  EXPECT_EQ(results_, std::vector<int>{EINTR});
}

TEST_F(SynchTest, FaultMakesTheLimitComeAtOnce) {
  fault::Plan plan({{.site = Site::kSleepTimeout, .only_ordinal = 1}});
  Boot({.fault_plan = &plan});
  Sleeper('1', &a_);  // without a limit: not a place that can fail
  Sleeper('2', &a_, 7);
  Sleeper('3', &a_, 7);
  Spawn("waker", [&] { wakeup(&a_); });
  Run();
  EXPECT_EQ(order_, "213");
  EXPECT_EQ(results_, (std::vector<int>{EWOULDBLOCK, 0, 0}));
}

TEST_F(SynchTest, FaultsSignalAtTheBeginAndAtTheEndOfASleep) {
  for (const Site site : {Site::kSleepKill, Site::kSleepSignal}) {
    for (const uint64_t ordinal : {1, 2}) {
      fault::Plan plan({{.site = site, .only_ordinal = ordinal}});
      Boot({.fault_plan = &plan});
      results_.clear();
      Sleeper('1', &a_, 0, PCATCH);
      Spawn("waker", [&] { wakeup(&a_); });
      Run();
      EXPECT_EQ(results_, std::vector<int>{EINTR});
      const int signo = site == Site::kSleepKill ? SIGKILL : SIGUSR1;
      const Record exit =
          ordinal == 1 ? RecordsOf(SchedEvent::kExit).front() : RecordsOf(SchedEvent::kExit).back();
      EXPECT_EQ(exit.args[1], static_cast<uint64_t>(signo));
      Boot({});
    }
  }
}

TEST_F(SynchTest, SleepIsTracedWithNameAndPriorityButNoAddress) {
  Sleeper('1', &a_, 7, PCATCH);
  Run();
  const Record sleep = RecordsOf(SchedEvent::kSleep).at(0);
  EXPECT_EQ(sleep.args[0], PackText("test"));
  EXPECT_EQ(sleep.args[1], static_cast<uint64_t>(PSOCK | PCATCH));
  EXPECT_EQ(sleep.args[2], 7u);
  const std::string line = machine().trace().Format(sleep);
  EXPECT_NE(line.find("on \"test\" PSOCK|PCATCH timo 7"), std::string::npos) << line;
}

TEST_F(SynchTest, SleepThatItsLimitEndsIsRecordedWithItsError) {
  Sleeper('1', &a_, 7);
  Sleeper('2', &b_);
  Spawn("waker", [&] { wakeup(&b_); });
  Run();
  const std::vector<Record> resumes = RecordsOf(SchedEvent::kResume);
  ASSERT_EQ(resumes.size(), 1u) << "none for a sleep that was woken: its wakeup says it";
  EXPECT_EQ(resumes[0].object, 1u);
  EXPECT_EQ(resumes[0].args[0], static_cast<uint64_t>(EWOULDBLOCK));
}

TEST(SynchConstantsTest, PrioritiesHaveTheNumbersOfTheTable) {
  const std::pair<int, int> numbers[] = {
      {PSWP, 0},   {PVM, 4},      {PINOD, 8},      {PRIBIO, 16},    {PVFS, 20},
      {PZERO, 22}, {PSOCK, 24},   {PWAIT, 32},     {PLOCK, 36},     {PPAUSE, 40},
      {PUSER, 50}, {MAXPRI, 127}, {PRIMASK, 0xff}, {PCATCH, 0x100}, {PNORELOCK, 0x200}};
  for (const auto& [ours, table] : numbers) EXPECT_EQ(ours, table);
  EXPECT_EQ(kERESTART, -1);
}

TEST_F(SynchTest, RoomsNameTheirIdentsInTheReport) {
  name_idents(host(), [](const volatile void* ident, std::string* name) {
    if (ident == &so_timeo) *name = "so#3.timeo";
    return ident == &so_timeo;
  });
  Spawn("client", [&] {
    (void)tsleep(&nowake, PWAIT, "delay", 1);
    (void)tsleep(&so_timeo, PSOCK | PCATCH, "netcon", 0);
  });
  Run();
  ASSERT_EQ(sleepers(host()).size(), 1u);
  EXPECT_EQ(SleeperText(sleepers(host())[0]),
            "host: process 1 \"client\" sleeps on \"netcon\" (so#3.timeo) since 0.010000000 s");
}

using SynchDeathTest = SynchTest;

TEST_F(SynchDeathTest, SleepingWithAMutexPanics) {
  mutex first, second;
  const auto in_process = [&](std::function<void()> body) {
    Spawn("bad", std::move(body));
    Run();
  };
  EXPECT_DEATH(in_process([&] {
                 mtx_enter(&first);
                 (void)tsleep(&a_, PSOCK, "test", 0);
               }),
               "mutexes_held");
  EXPECT_DEATH(in_process([&] {
                 mtx_enter(&first);
                 mtx_enter(&second);
                 (void)msleep(&a_, &first, PSOCK, "test", 0);
               }),
               "mutexes_held");
  EXPECT_DEATH(in_process([&] {
                 mtx_enter(&first);
                 mtx_enter(&first);
               }),
               "mtx_held");
}

TEST_F(SynchDeathTest, SleepingInInterruptContextPanics) {
  const HostScope on_host(host());
  EXPECT_DEATH((void)tsleep(&a_, PSOCK, "test", 0), "p != nullptr");
}

TEST_F(SynchDeathTest, BadArgumentsPanic) {
  const auto in_process = [&](std::function<void()> body) {
    Spawn("bad", std::move(body));
    Run();
  };
  EXPECT_DEATH(in_process([] { (void)tsleep(nullptr, PSOCK, "test", 0); }), "ident != nullptr");
  EXPECT_DEATH(in_process([&] { (void)tsleep(&a_, 0x400, "test", 0); }), "PRIMASK");
  EXPECT_DEATH(in_process([&] { (void)tsleep(&a_, PSOCK, "test", -1); }), "timo >= 0");
  EXPECT_DEATH(in_process([&] { (void)tsleep(&a_, PSOCK, "toolong8", 0); }), "kWmesgMax");
  EXPECT_DEATH(in_process([&] { (void)tsleep_nsec(&a_, PSOCK, "test", 0); }), "nsecs > 0");
  EXPECT_DEATH(in_process([&] { wakeup(&nowake); }), "nowake");
  EXPECT_DEATH(in_process([] {
                 rwlock rwl = {};
                 rw_enter_write(&rwl);
                 (void)rwsleep(&rwl, &rwl, PSOCK, "test", 0);
               }),
               "ident != rwl");
}

}  // namespace
}  // namespace sockbed
