#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

int64_t MonotonicNs() {
  timespec ts;
  EXPECT_THAT(uapi::clock_gettime(CLOCK_MONOTONIC, &ts), Works());
  return ts.tv_sec * kSecond + ts.tv_nsec;
}

TEST(KernTime, WallClockStartsAtTheBootEpochPlusTheHostsOffset) {
  Simulation sim({.seed = 1});
  sim.AddHost("late", {.clock_offset = 90 * kSecond}).Spawn("prog", [] {
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 90);
    timeval tv;
    EXPECT_THAT(uapi::gettimeofday(&tv, nullptr), Works());
    EXPECT_EQ(tv.tv_sec, kBootEpochSeconds + 90);
    EXPECT_LT(MonotonicNs(), kSecond);
    timespec ts;
    EXPECT_THAT(uapi::clock_gettime(CLOCK_TAI, &ts), FailsWith(EINVAL));
    EXPECT_THAT(uapi::clock_gettime(CLOCK_REALTIME, nullptr), FailsWith(EFAULT));
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(KernTime, CpuTimeIsWhatCallsAreCharged) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("prog", [] {
    timespec before, after;
    EXPECT_THAT(uapi::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), Works());
    EXPECT_EQ(uapi::sleep(1), 0u);
    EXPECT_THAT(uapi::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), Works());
    EXPECT_EQ(after.tv_sec, 0);
    EXPECT_EQ(after.tv_nsec - before.tv_nsec, 2 * 200);  // the sleep and the second question
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &after, nullptr), EINVAL);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(KernTime, SleepsAreAtLeastAsLongAsAsked) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("prog", [] {
    for (const int64_t ns : {int64_t{1}, 3 * kMillisecond, 10 * kMillisecond, kSecond}) {
      const int64_t before = MonotonicNs();
      const timespec interval{ns / kSecond, ns % kSecond};
      EXPECT_THAT(uapi::nanosleep(&interval, nullptr), Works());
      EXPECT_GE(MonotonicNs() - before, ns);
      EXPECT_LT(MonotonicNs() - before, ns + 3 * 10 * kMillisecond);
    }
    EXPECT_EQ(uapi::sleep(2), 0u);
    EXPECT_EQ(uapi::usleep(1500), 0);
    const timespec bad{0, kSecond};
    EXPECT_THAT(uapi::nanosleep(&bad, nullptr), FailsWith(EINVAL));
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_MONOTONIC, 77, &bad, nullptr), EINVAL);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(KernTime, AbsoluteSleepEndsAtItsTime) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("prog", [] {
    const timespec until{kBootEpochSeconds + 5, 0};
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr), 0);
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 5);
    EXPECT_EQ(uapi::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr), 0);
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 5);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(KernTime, SignalInterruptsASleepAndTellsTheRest) {
  Simulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  const pid_t sleeper = host.Spawn("sleeper", [] {
    struct sigaction act{};
    act.sa_handler = [](int) {};
    act.sa_flags = SA_RESTART;  // no matter: a sleep is never made again
    EXPECT_THAT(uapi::sigaction(SIGUSR1, &act, nullptr), Works());
    const timespec interval{10, 0};
    timespec rest{};
    EXPECT_THAT(uapi::nanosleep(&interval, &rest), FailsWith(EINTR));
    EXPECT_EQ(rest.tv_sec, 6);
  });
  host.Spawn("killer", [sleeper] {
    uapi::sleep(4);
    EXPECT_THAT(uapi::kill(sleeper, SIGUSR1), Works());
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

// A program that polls the clock in a loop ends: each look costs virtual time.
TEST(KernTime, SpinningOnTheClockMovesIt) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("spinner", [] {
    const int64_t until = MonotonicNs() + kMillisecond;
    int looks = 0;
    while (MonotonicNs() < until) ++looks;
    EXPECT_GT(looks, 1000);
    EXPECT_LT(looks, 10000);
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

}  // namespace
}  // namespace sockbed
