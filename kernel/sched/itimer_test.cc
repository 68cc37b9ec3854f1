// The interval timer: when SIGALRM comes, how often, and until when.
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
          EXPECT_EQ(itimer_set(curproc(), value), 0);
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
    EXPECT_EQ(itimer_set(curproc(), Every(1, 0)), 0);
    (void)tsleep(&nowake, PWAIT | PCATCH, "test", 0);
    userret();
    ADD_FAILURE();
  });
  Run();
  EXPECT_EQ(RecordsOf(SchedEvent::kExit).at(0).args[1], static_cast<uint64_t>(SIGALRM));
}

TEST_F(ItimerTest, TellsWhatIsLeft) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_get(curproc()).it_value.tv_sec, 0);
    EXPECT_EQ(itimer_set(curproc(), Every(2, 0, 7, 5)), 0);
    (void)tsleep(&nowake, PWAIT, "test", 50);
    const itimerval left = itimer_get(curproc());
    EXPECT_EQ(left.it_value.tv_sec, 1);
    EXPECT_EQ(left.it_value.tv_usec, 500'000);
    EXPECT_EQ(left.it_interval.tv_sec, 7);
    EXPECT_EQ(left.it_interval.tv_usec, 5);
    EXPECT_EQ(itimer_set(curproc(), {}), 0);
    EXPECT_EQ(itimer_get(curproc()).it_value.tv_sec, 0);
  });
  Run();
  EXPECT_EQ(machine().now(), 50 * kTickNs);  // nothing is pending any more
}

TEST_F(ItimerTest, BadIntervalsAreRefusedAndChangeNothing) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), Every(5, 0)), 0);
    for (const itimerval& bad : {Every(-1, 0), Every(0, -1), Every(0, 1'000'000),
                                 Every(100'000'001, 0), Every(1, 0, -1, 0)}) {
      EXPECT_EQ(itimer_set(curproc(), bad), EINVAL);
    }
    EXPECT_EQ(itimer_get(curproc()).it_value.tv_sec, 5);
  });
  Run();
}

TEST_F(ItimerTest, EndsWithItsProcess) {
  Spawn("p", [] { EXPECT_EQ(itimer_set(curproc(), Every(5, 0, 5, 0)), 0); });
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  EXPECT_EQ(machine().now(), 0);
}

TEST_F(ItimerTest, ReachesBeyondTheLongestTimeout) {
  Spawn("p", [] {
    EXPECT_EQ(itimer_set(curproc(), Every(100'000'000, 0)), 0);
    (void)tsleep(&nowake, PWAIT | PCATCH, "test", 0);
    EXPECT_EQ(Now(), 100'000'000 * kSecond);
  });
  Run();
}

}  // namespace
}  // namespace sockbed
