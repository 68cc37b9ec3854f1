// The interval timers: when their signals come, how often, and until when.
#include "kernel/sched/itimer.h"

#include <errno.h>

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

constexpr itimerval Every(time_t sec, suseconds_t usec, time_t isec = 0, suseconds_t iusec = 0) {
  return {.it_interval = {isec, iusec}, .it_value = {sec, usec}};
}

itimerval Left(int which) {
  itimerval left;
  EXPECT_EQ(itimer_get(curproc(), which, &left), 0);
  return left;
}

class ItimerTest : public OneHost {
 protected:
  // A process that arms its timer and notes in ticks when each SIGALRM comes.
  void Alarmed(const itimerval& value, int times, SimTime start_at = 0) {
    Spawn(
        "p",
        [this, value, times] {
          EXPECT_EQ(sigaction_set(curproc(), SIGALRM,
                                  {.kind = sigact::Kind::kCatch,
                                   .handler = [this](int) { at_.push_back(Now()); }}),
                    0);
          EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, value), 0);
          for (int i = 0; i < times; ++i) {
            EXPECT_EQ(tsleep(&nowake, PWAIT | PCATCH, "test", 0), EINTR);
            userret();
          }
        },
        start_at);
    Run(3600 * kSecond);
  }

  std::vector<SimTime> at_;
};

TEST_F(ItimerTest, OneShotComesOnceOnATick) {
  Alarmed(Every(0, 25'000), 1);
  EXPECT_EQ(at_, std::vector<SimTime>{3 * kTickNs});
}

TEST_F(ItimerTest, CountsFromWhereItWasSet) {
  Alarmed(Every(0, 10'000), 1, /*start_at=*/5 * kMillisecond);
  EXPECT_EQ(at_, std::vector<SimTime>{2 * kTickNs});
}

TEST_F(ItimerTest, IntervalsDoNotDrift) {
  Alarmed(Every(0, 15'000, 0, 15'000), 4);
  // Due at 15, 30, 45 and 60 ms.
  EXPECT_EQ(at_, (std::vector<SimTime>{2 * kTickNs, 3 * kTickNs, 5 * kTickNs, 6 * kTickNs}));
}

TEST_F(ItimerTest, ShorterThanATickIsATick) {
  Alarmed(Every(0, 1, 0, 1), 3);
  EXPECT_EQ(at_, (std::vector<SimTime>{kTickNs, 2 * kTickNs, 3 * kTickNs}));
}

TEST_F(ItimerTest, UncaughtAlarmEndsTheProcess) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(1, 0)), 0);
    (void)tsleep(&nowake, PWAIT | PCATCH, "test", 0);
    userret();
    ADD_FAILURE();
  });
  Run();
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).at(0).args[1], static_cast<uint64_t>(SIGALRM));
}

TEST_F(ItimerTest, TellsWhatIsLeft) {
  Spawn("p", [] {
    EXPECT_EQ(Left(ITIMER_REAL).it_value.tv_sec, 0);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(2, 0, 7, 5)), 0);
    (void)tsleep(&nowake, PWAIT, "test", 50);
    const itimerval left = Left(ITIMER_REAL);
    EXPECT_EQ(left.it_value.tv_sec, 1);
    EXPECT_EQ(left.it_value.tv_usec, 500'000);
    EXPECT_EQ(left.it_interval.tv_sec, 7);
    EXPECT_EQ(left.it_interval.tv_usec, 5);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, {}), 0);
    EXPECT_EQ(Left(ITIMER_REAL).it_value.tv_sec, 0);
  });
  Run();
  EXPECT_EQ(machine().now(), 50 * kTickNs);  // nothing is pending any more
}

TEST_F(ItimerTest, BadIntervalsAreRefusedAndChangeNothing) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(5, 0)), 0);
    for (const itimerval& bad : {Every(-1, 0), Every(0, -1), Every(0, 1'000'000),
                                 Every(100'000'001, 0), Every(1, 0, -1, 0)}) {
      EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, bad), EINVAL);
    }
    EXPECT_EQ(itimer_set(curproc(), 3, Every(1, 0)), EINVAL);
    itimerval left;
    EXPECT_EQ(itimer_get(curproc(), -1, &left), EINVAL);
    EXPECT_EQ(Left(ITIMER_REAL).it_value.tv_sec, 5);
  });
  Run();
}

TEST_F(ItimerTest, EndsWithItsProcess) {
  Spawn("p", [] { EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(5, 0, 5, 0)), 0); });
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(ItimerTest, ReachesBeyondTheLongestTimeout) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(100'000'000, 0)), 0);
    (void)tsleep(&nowake, PWAIT | PCATCH, "test", 0);
    EXPECT_EQ(Now(), 100'000'000 * kSecond);
  });
  Run();
}

// --- What the process is charged for: ITIMER_VIRTUAL, ITIMER_PROF. ---

class UsedTimeTest : public OneHost {
 protected:
  // Catches `signo`; how often it has come is in came_.
  void Catch(int signo) {
    EXPECT_EQ(sigaction_set(curproc(), signo,
                            {.kind = sigact::Kind::kCatch, .handler = [this](int) { ++came_; }}),
              0);
  }
  // As a system call that takes so long.
  static void Use(SimTime ns) {
    proc_charge(curproc(), ns);
    userret();
  }
  int came_ = 0;
};

TEST_F(UsedTimeTest, SignalComesWithTheCallThatUsesTheTimeUp) {
  Spawn("p", [this] {
    for (const int which : {ITIMER_VIRTUAL, ITIMER_PROF}) {
      Catch(which == ITIMER_PROF ? SIGPROF : SIGVTALRM);
      came_ = 0;
      EXPECT_EQ(itimer_set(curproc(), which, Every(0, 30'000)), 0);
      Use(29 * kMillisecond);
      (void)tsleep(&nowake, PWAIT, "test", 100);  // a second asleep is no time used
      EXPECT_EQ(Left(which).it_value.tv_usec, 1000);
      EXPECT_EQ(came_, 0);
      Use(kMillisecond);
      EXPECT_EQ(came_, 1);
      EXPECT_EQ(Left(which).it_value.tv_usec, 0);
      Use(kSecond);
      EXPECT_EQ(came_, 1) << "it was for once";
    }
  });
  Run();
}

TEST_F(UsedTimeTest, IntervalsDoNotDriftAndSeveralAtOnceAreOneSignal) {
  Spawn("p", [this] {
    Catch(SIGPROF);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_PROF, Every(0, 20'000, 0, 20'000)), 0);
    Use(25 * kMillisecond);
    EXPECT_EQ(came_, 1);
    EXPECT_EQ(Left(ITIMER_PROF).it_value.tv_usec, 15'000);
    Use(55 * kMillisecond);  // to the end of the fourth interval
    EXPECT_EQ(came_, 2);
    EXPECT_EQ(Left(ITIMER_PROF).it_value.tv_usec, 20'000);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_PROF, {}), 0);
    Use(kSecond);
    EXPECT_EQ(came_, 2) << "it was disarmed";
  });
  Run();
}

TEST_F(UsedTimeTest, TimersAreThreeAndKnowNothingOfEachOther) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, Every(1, 0)), 0);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_VIRTUAL, Every(2, 0)), 0);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_PROF, Every(3, 0)), 0);
    EXPECT_EQ(itimer_set(curproc(), ITIMER_REAL, {}), 0);
    Use(kSecond);
    EXPECT_EQ(Left(ITIMER_REAL).it_value.tv_sec, 0);
    EXPECT_EQ(Left(ITIMER_VIRTUAL).it_value.tv_sec, 1);
    EXPECT_EQ(Left(ITIMER_PROF).it_value.tv_sec, 2);
  });
  Run();
}

TEST_F(UsedTimeTest, UncaughtItEndsTheProcess) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), ITIMER_VIRTUAL, Every(1, 0)), 0);
    Use(kSecond);
    ADD_FAILURE();
  });
  Run();
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).at(0).args[1], static_cast<uint64_t>(SIGVTALRM));
}

}  // namespace
}  // namespace sockbed
