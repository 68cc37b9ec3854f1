// Every sleep is disturbed once: the process is killed there, interrupted, signalled with and
// without SA_RESTART, or its time limit comes; at every return to user mode the process is killed,
// or the whole host crashes; and seeded mixtures of all of it.
#include <signal.h>
#include <string.h>

#include <array>
#include <string>

#include "gtest/gtest.h"
#include "kernel/sim/choices.h"
#include "tests/faults/story.h"
#include "uapi/uapi.h"

namespace sockbed::faults {
namespace {

constexpr HostId kHostsMax = 2;
constexpr int kUncaught = -1;

// One way to disturb, and how the programs catch SIGUSR1 meanwhile.
struct Disturbance {
  const char* name;
  Site site;
  int signal_flags;
};
constexpr Disturbance kDisturbances[] = {
    {"interrupted", Site::kSleepInterrupt, kUncaught},
    {"killed asleep", Site::kSleepKill, kUncaught},
    {"killed on return", Site::kProcKill, kUncaught},
    {"ended by a signal", Site::kSleepSignal, kUncaught},
    {"signalled", Site::kSleepSignal, 0},
    {"signalled, restarted", Site::kSleepSignal, SA_RESTART},
    {"timed out", Site::kSleepTimeout, kUncaught},
    {"ended with its host", Site::kHostCrash, kUncaught},
};

class EverySleep : public testing::TestWithParam<Scenario> {
 protected:
  // The rules that hold whatever happens.
  static void Check(const Outcome& outcome) {
    EXPECT_EQ(outcome.result.end, Machine::End::kQuiescent);
    EXPECT_EQ(outcome.result.leaks, "");
    EXPECT_EQ(BadSleepers(outcome.result), "");
    EXPECT_EQ(outcome.story.corrupt, 0u);
  }

  // A handler with SA_RESTART makes a disturbance invisible to the calls that may be made again.
  static void CheckRestarted(const Outcome& outcome) {
    for (const Failure& failure : outcome.story.failures) {
      EXPECT_TRUE(failure.error != EINTR || failure.call == "connect" || failure.call == "poll" ||
                failure.call == "kevent" || failure.call == "epoll_wait" ||
                  failure.call == "close")
          << failure.call;
    }
  }
};

TEST_P(EverySleep, IsDisturbedOnceAndNobodyHangs) {
  for (const Disturbance& d : kDisturbances) {
    fault::Plan none({});
    Check(Play(GetParam(), &none, d.signal_flags));
    uint64_t disturbed = 0;
    for (HostId host = 1; host <= kHostsMax; ++host) {
      const uint64_t visits = none.visits(d.site, host);
      disturbed += visits;
      for (uint64_t k = 1; k <= visits; ++k) {
        SCOPED_TRACE(std::string(d.name) + " on host " + std::to_string(host) + ", visit " +
                     std::to_string(k));
        fault::Plan plan({{.site = d.site, .host = host, .only_ordinal = k}});
        const Outcome outcome = Play(GetParam(), &plan, d.signal_flags);
        ASSERT_GE(plan.visits(d.site, host), k);
        Check(outcome);
        if (d.signal_flags == SA_RESTART) CheckRestarted(outcome);
        ASSERT_FALSE(HasFailure());
      }
    }
    // Every scenario calls the kernel; only some sleep with a limit. Kernel threads return nowhere.
    if (d.site == Site::kProcKill) {
      EXPECT_GT(disturbed, 2u);
    }
  }
}

// Signals other processes at random times, for a while.
void AddGremlin(Host& host, uint64_t seed) {
  host.Spawn("gremlin", [seed, host_id = host.id] {
    Stream draws(seed, Site::kProgram, host_id, 0);
    constexpr int kSignals[] = {SIGUSR1, SIGUSR1, SIGKILL, SIGSTOP, SIGCONT, SIGALRM};
    for (int i = 0; i < 30; ++i) {
      uapi::usleep(static_cast<useconds_t>(draws.NextBelow(40'000)));
      const pid_t target = 1 + static_cast<pid_t>(draws.NextBelow(6));
      const int signo = kSignals[draws.NextBelow(std::size(kSignals))];
      if (target != uapi::getpid()) uapi::kill(target, signo);
    }
  });
}

TEST_P(EverySleep, SurvivesMixturesOfFaults) {
  constexpr Chance kRare = kAlways / 64;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    fault::Plan plan({{.site = Site::kMbufGet, .chance = kRare},
                      {.site = Site::kMbufCluster, .chance = kRare},
                      {.site = Site::kPoolGet, .chance = kRare},
                      {.site = Site::kFdLimit, .chance = kRare},
                      {.site = Site::kFileLimit, .chance = kRare},
                      {.site = Site::kSleepInterrupt, .chance = kRare},
                      {.site = Site::kSleepKill, .chance = kRare / 4},
                      {.site = Site::kSleepSignal, .chance = kRare},
                      {.site = Site::kSleepTimeout, .chance = kRare},
                      {.site = Site::kSyscallShort, .chance = kRare},
                      {.site = Site::kSyscallByte, .chance = kRare},
                      {.site = Site::kLinkDrop, .chance = kRare},
                      {.site = Site::kLinkDuplicate, .chance = kRare},
                      {.site = Site::kLinkTruncate, .chance = kRare},
                      {.site = Site::kProcKill, .chance = kRare / 16},
                      {.site = Site::kHostCrash, .chance = kRare / 256}});
    SeededOrder order(seed);
    const int flags = seed % 3 == 0 ? kUncaught : seed % 3 == 1 ? 0 : SA_RESTART;
    const Outcome outcome = Play(GetParam(), &plan, flags,
                                 {.seed = seed,
                                  .choices = &order,
                                  .deliver_at_splx = seed % 2 == 0,
                                  .repeats = true,
                                  .extra = AddGremlin});
    Check(outcome);
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(All, EverySleep,
                         testing::ValuesIn(Scenarios().begin(), Scenarios().end()),
                         [](const testing::TestParamInfo<Scenario>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace sockbed::faults
