// The timer that comes again and again: on which ticks, how often, and that it ends.
#include "kernel/sched/periodic.h"

#include <vector>

#include "kernel/sched/one_host.h"

namespace sockbed {
namespace {

struct Counted : periodic {
  Counted() {
    pt_fire = [](periodic* pt, int64_t times) {
      auto* const self = static_cast<Counted*>(pt);
      self->at.push_back(Now() / kMillisecond);
      self->total += times;
      if (self->at.size() == self->stop_after) periodic_stop(pt);
    };
  }
  std::vector<SimTime> at;
  int64_t total = 0;
  size_t stop_after = 4;
};

class PeriodicTest : public OneHost {
 protected:
  void Start(SimTime deadline, SimTime interval) {
    const HostScope on_host(host());
    periodic_start(&timer_, deadline, interval);
  }

  Counted timer_;
};

TEST_F(PeriodicTest, ComesOnTheFirstTickAtOrAfterEachTime) {
  Start(25 * kMillisecond, 15 * kMillisecond);
  Run();
  EXPECT_EQ(timer_.at, (std::vector<SimTime>{30, 40, 60, 70}));  // due at 25, 40, 55, 70
  EXPECT_EQ(timer_.total, 4);
  EXPECT_EQ(periodic_left(&timer_), 0);
}

TEST_F(PeriodicTest, CountsTimesThatFallTogether) {
  Start(1 * kMillisecond, 4 * kMillisecond);
  Run();
  EXPECT_EQ(timer_.at, (std::vector<SimTime>{10, 20, 30, 40}));
  EXPECT_EQ(timer_.total, 10);  // due at 1, 5, 9 | 13, 17 | 21, 25, 29 | 33, 37
}

TEST_F(PeriodicTest, OnceIsOnce) {
  Start(5 * kSecond, 0);
  Run(kSecond);
  EXPECT_EQ(periodic_left(&timer_), 4 * kSecond);
  Run();
  EXPECT_EQ(timer_.at, std::vector<SimTime>{5000});
}

TEST_F(PeriodicTest, StartedAgainItForgetsWhatWasDue) {
  Start(kSecond, 0);
  Start(2 * kSecond, 0);
  Run();
  EXPECT_EQ(timer_.at, std::vector<SimTime>{2000});
}

TEST_F(PeriodicTest, BeyondWhatATimeoutCountsItStillComes) {
  const SimTime far = (SimTime{INT32_MAX} + 5) * kTickNs;
  Start(far, 0);
  Run();
  EXPECT_EQ(timer_.at, std::vector<SimTime>{far / kMillisecond});
}

}  // namespace
}  // namespace sockbed
