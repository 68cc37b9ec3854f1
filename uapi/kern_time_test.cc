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

TEST(KernTime, TheSuperuserSetsTheWallClockOfItsHostAlone) {
  Simulation sim({.seed = 1});
  sim.AddHost("host").Spawn("root", [] {
    const int64_t uptime = MonotonicNs();
    const timespec later{kBootEpochSeconds + 1000, 0}, bad{1, kSecond}, before{-1, 0};
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &later), Works());
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 1000);
    EXPECT_LT(MonotonicNs() - uptime, kMillisecond);
    EXPECT_THAT(uapi::clock_settime(CLOCK_MONOTONIC, &later), FailsWith(EINVAL));
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &bad), FailsWith(EINVAL));
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &before), FailsWith(EINVAL));
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, nullptr), FailsWith(EFAULT));
    const timeval back{kBootEpochSeconds - 1000, 250'000}, wrong{1, 1'000'000};
    EXPECT_THAT(uapi::settimeofday(&back, nullptr), Works());
    EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds - 1000);
    EXPECT_THAT(uapi::settimeofday(&wrong, nullptr), FailsWith(EINVAL));
    EXPECT_THAT(uapi::settimeofday(nullptr, nullptr), FailsWith(EFAULT));
    const struct timezone zone {};
    EXPECT_THAT(uapi::settimeofday(&back, &zone), FailsWith(EINVAL));
  });
  sim.AddHost("other").Spawn(
      "user",
      [] {
        EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 1);
        const timespec later{kBootEpochSeconds + 1000, 0};
        EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &later), FailsWith(EPERM));
        EXPECT_EQ(uapi::time(nullptr), kBootEpochSeconds + 1);
      },
      {.start_at = kSecond, .cred = {.cr_uid = 1000, .cr_ruid = 1000, .cr_svuid = 1000}});
  EXPECT_EQ(sim.Run().Complaints(), "");
}

// A time of the wall clock comes when it shows it; an interval, and a time since boot, as before.
TEST(KernTime, WhoSleepsUntilATimeOfTheWallClockFollowsIt) {
  Simulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  const auto sleeper = [&](const char* name, clockid_t clock, int flags, timespec until,
                           int64_t end_s) {
    host.Spawn(name, [=] {
      EXPECT_EQ(uapi::clock_nanosleep(clock, flags, &until, nullptr), 0);
      EXPECT_EQ(MonotonicNs() / kSecond, end_s) << name;
    });
  };
  sleeper("sooner", CLOCK_REALTIME, TIMER_ABSTIME, {kBootEpochSeconds + 100, 0}, 20);
  sleeper("past", CLOCK_REALTIME, TIMER_ABSTIME, {kBootEpochSeconds + 50, 0}, 10);
  sleeper("later", CLOCK_REALTIME, TIMER_ABSTIME, {kBootEpochSeconds + 105, 0}, 85);
  sleeper("interval", CLOCK_REALTIME, 0, {30, 0}, 30);
  sleeper("uptime", CLOCK_MONOTONIC, TIMER_ABSTIME, {40, 0}, 40);
  host.Spawn("setter", [] {
    EXPECT_EQ(uapi::sleep(10), 0u);
    const timespec ahead{kBootEpochSeconds + 90, 0};
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &ahead), Works());
    EXPECT_EQ(uapi::sleep(11), 0u);
    const timespec back{kBootEpochSeconds + 41, 0};
    EXPECT_THAT(uapi::clock_settime(CLOCK_REALTIME, &back), Works());
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST(KernTime, SignalInterruptsASleepAndTellsTheRest) {
  Simulation sim({.seed = 1});
  Host& host = sim.AddHost("host");
  const pid_t sleeper = host.Spawn("sleeper", [] {
    struct sigaction act {};
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
