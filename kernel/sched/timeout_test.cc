// timeout(9): when timeouts run and in which order.
#include "kernel/sched/timeout.h"

#include <limits.h>

#include <string>

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

class TimeoutTest : public OneHost {
 protected:
  // A timeout that appends its name to order_ when it runs.
  struct Named : timeout {
    Named(TimeoutTest* test_in, char name_in) : test(test_in), name(name_in) {
      timeout_set(
          this,
          [](void* arg) {
            auto* self = static_cast<Named*>(arg);
            self->test->order_ += self->name;
            self->ran_at = Now();
          },
          this);
    }
    TimeoutTest* test;
    char name;
    SimTime ran_at = -1;
  };

  std::string order_;
};

TEST_F(TimeoutTest, RunsAfterSoManyTicks) {
  Named to(this, 'a');
  const HostScope on_host(host());
  EXPECT_EQ(timeout_add(&to, 3), 1);
  EXPECT_TRUE(timeout_pending(&to));
  Run();
  EXPECT_EQ(to.ran_at, 3 * kTickNs);
  EXPECT_FALSE(timeout_pending(&to));
}

TEST_F(TimeoutTest, ZeroTicksMeansTheNextTick) {
  Named zero(this, '0');
  Named one(this, '1');
  const HostScope on_host(host());
  timeout_add(&zero, 0);
  timeout_add(&one, 1);
  Run();
  EXPECT_EQ(zero.ran_at, kTickNs);
  EXPECT_EQ(one.ran_at, kTickNs);
}

TEST_F(TimeoutTest, EqualDeadlinesRunInOrderOfTheLatestAdd) {
  Named a(this, 'a'), b(this, 'b'), c(this, 'c');
  const HostScope on_host(host());
  for (Named* to : {&a, &b, &c}) timeout_add(to, 2);
  EXPECT_EQ(timeout_add(&a, 2), 0);  // moved: behind the others now
  Run();
  EXPECT_EQ(order_, "bca");
}

TEST_F(TimeoutTest, AddReplacesTheOldTime) {
  Named to(this, 'a');
  const HostScope on_host(host());
  timeout_add(&to, 1);
  timeout_add(&to, 5);
  Run();
  EXPECT_EQ(order_, "a");
  EXPECT_EQ(to.ran_at, 5 * kTickNs);
}

TEST_F(TimeoutTest, DeletedDoesNotRun) {
  Named to(this, 'a');
  const HostScope on_host(host());
  EXPECT_EQ(timeout_del(&to), 0);
  timeout_add(&to, 1);
  EXPECT_EQ(timeout_del(&to), 1);
  EXPECT_EQ(timeout_del(&to), 0);
  Run();
  EXPECT_EQ(order_, "");
}

TEST_F(TimeoutTest, TriggeredFromTheRunToTheNextAddOrDel) {
  Named to(this, 'a');
  const HostScope on_host(host());
  EXPECT_TRUE(timeout_initialized(&to));
  timeout_add(&to, 1);
  EXPECT_FALSE(timeout_triggered(&to));
  Run();
  EXPECT_TRUE(timeout_triggered(&to));
  timeout_del(&to);
  EXPECT_FALSE(timeout_triggered(&to));
}

TEST_F(TimeoutTest, MayArmItselfAgainButNeverForTheSameTick) {
  struct Periodic : timeout {
    std::vector<SimTime> ran_at;
  } to;
  timeout_set(
      &to,
      [](void* arg) {
        auto* self = static_cast<Periodic*>(arg);
        EXPECT_FALSE(timeout_pending(self));
        self->ran_at.push_back(Now());
        if (self->ran_at.size() < 3) timeout_add(self, 0);
      },
      &to);
  const HostScope on_host(host());
  timeout_add(&to, 1);
  Run();
  EXPECT_EQ(to.ran_at, (std::vector<SimTime>{kTickNs, 2 * kTickNs, 3 * kTickNs}));
}

TEST_F(TimeoutTest, RunsWithoutAProcess) {
  timeout to;
  timeout_set(
      &to, [](void*) { EXPECT_EQ(curproc(), nullptr); }, nullptr);
  Spawn("armer", [&] { timeout_add(&to, 1); });
  Run();
  EXPECT_TRUE(timeout_triggered(&to));
}

TEST_F(TimeoutTest, AllOfOneTickRunBeforeAnyProcess) {
  Named first(this, '1'), second(this, '2');
  timeout waker;
  timeout_set(
      &waker, [](void* ident) { wakeup(ident); }, this);
  Spawn("sleeper", [&] {
    EXPECT_EQ(tsleep(this, PWAIT, "test", 0), 0);
    order_ += 'p';
  });
  const HostScope on_host(host());
  timeout_add(&first, 2);
  timeout_add(&waker, 2);
  timeout_add(&second, 2);
  Run();
  EXPECT_EQ(order_, "12p");
}

TEST_F(TimeoutTest, OtherUnitsAreRoundedDownButToNoLessThanATick) {
  Named to(this, 'a');
  const HostScope on_host(host());
  const auto ticks_of = [&](auto add, auto value) {
    add(&to, value);
    return to.to_event.when / kTickNs;
  };
  EXPECT_EQ(ticks_of(timeout_add_sec, 2), 200);
  EXPECT_EQ(ticks_of(timeout_add_msec, 29), 2);
  EXPECT_EQ(ticks_of(timeout_add_msec, 1), 1);
  EXPECT_EQ(ticks_of(timeout_add_usec, 20'001), 2);
  EXPECT_EQ(ticks_of(timeout_add_nsec, int64_t{1}), 1);
  EXPECT_EQ(ticks_of(timeout_add_nsec, int64_t{INT64_MAX}), INT_MAX);
  const timeval tv = {.tv_sec = 1, .tv_usec = 19'999};
  EXPECT_EQ(ticks_of(timeout_add_tv, &tv), 101);
  const timespec ts = {.tv_sec = 1, .tv_nsec = 19'999'999};
  EXPECT_EQ(ticks_of(timeout_add_ts, &ts), 101);
  const bintime half = {.sec = 2, .frac = uint64_t{1} << 63}, least = {.sec = 0, .frac = 1};
  EXPECT_EQ(ticks_of(timeout_add_bt, &half), 250);
  EXPECT_EQ(ticks_of(timeout_add_bt, &least), 1);
  EXPECT_EQ(ticks_of(timeout_add_sec, INT_MAX), INT_MAX);
  timeout_del(&to);
}

TEST_F(TimeoutTest, TicksToCoverAnIntervalAreRoundedUpPlusOne) {
  const auto of = [](time_t sec, suseconds_t usec) {
    const timeval tv = {.tv_sec = sec, .tv_usec = usec};
    return tvtohz(&tv);
  };
  EXPECT_EQ(of(0, 0), 1);
  EXPECT_EQ(of(0, 1), 2);
  EXPECT_EQ(of(0, 10'000), 2);
  EXPECT_EQ(of(0, 10'001), 3);
  EXPECT_EQ(of(1, 0), 101);
  EXPECT_EQ(of(INT64_MAX, 0), INT_MAX);
  EXPECT_EQ(nstohz(0), 1);
  EXPECT_EQ(nstohz(1), 2);
  EXPECT_EQ(nstohz(UINT64_MAX), INT_MAX);
}

TEST_F(TimeoutTest, PendingOnesAreCountedForTheirHost) {
  Named to(this, 'a');
  const HostScope on_host(host());
  const auto pending = [&] {
    for (const LiveCount& live : host().live_counts) {
      if (std::string(live.what) == "timeout") return *live.count;
    }
    return int64_t{-1};
  };
  EXPECT_EQ(pending(), 0);
  timeout_add(&to, 1);
  timeout_add(&to, 2);
  EXPECT_EQ(pending(), 1);
  Run();
  EXPECT_EQ(pending(), 0);
}

TEST_F(TimeoutTest, IsCausedByWhatArmedIt) {
  Named to(this, 'a');
  Spawn("armer", [&] { timeout_add(&to, 1); });
  Run();
  const Record spawn = RecordsOf(SchedEvent::kSpawn).at(0);
  const Record add = RecordsOf(SchedEvent::kTimeoutAdd).at(0);
  EXPECT_EQ(add.cause, spawn.id);
  EXPECT_EQ(RecordsOf(SchedEvent::kTimeout).at(0).cause, add.id);
}

// --- Timeouts that may sleep. ---

// Runs in a process: sleeps `ticks` ticks, then notes its name.
struct Sleepy : timeout {
  Sleepy(std::string* order_in, char name_in, int ticks_in)
      : order(order_in), name(name_in), ticks(ticks_in) {
    timeout_set_proc(
        this,
        [](void* arg) {
          auto* self = static_cast<Sleepy*>(arg);
          EXPECT_EQ(curproc()->p_comm, "softclock");
          (void)tsleep(&nowake, PWAIT, "delay", self->ticks);
          *self->order += self->name;
        },
        this);
  }
  std::string* order;
  char name;
  int ticks;
};

TEST_F(TimeoutTest, ThoseOfTheSoftclockProcessRunOneAfterTheOther) {
  Sleepy a(&order_, 'a', 5), b(&order_, 'b', 1);
  const HostScope on_host(host());
  timeout_add(&b, 2);
  timeout_add(&a, 1);
  Run();
  EXPECT_EQ(order_, "ab");
  EXPECT_EQ(machine().now(), 7 * kTickNs);
  EXPECT_TRUE(sleepers(host()).empty());  // the process goes when it has nothing to do
  timeout_add(&a, 1);
  Run();
  EXPECT_EQ(order_, "aba");
}

TEST_F(TimeoutTest, OneThatWaitsForTheSoftclockProcessIsPending) {
  Sleepy first(&order_, 'a', 5), second(&order_, 'b', 1), third(&order_, 'c', 1);
  Spawn("p", [&] {
    for (Sleepy* to : {&first, &second, &third}) timeout_add(to, 1);
    (void)tsleep(&nowake, PWAIT, "delay", 2);
    EXPECT_FALSE(timeout_pending(&first));
    EXPECT_TRUE(timeout_triggered(&first));
    EXPECT_TRUE(timeout_pending(&second));
    EXPECT_EQ(timeout_del(&second), 1);
    EXPECT_EQ(timeout_add(&third, 1), 0);
  });
  Run();
  EXPECT_EQ(order_, "ac");
}

TEST_F(TimeoutTest, BarrierWaitsForTheFunctionToReturn) {
  Sleepy to(&order_, 'a', 5);
  Spawn("p", [&] {
    timeout_add(&to, 1);
    timeout_barrier(&to);  // it does not run yet
    order_ += '1';
    (void)tsleep(&nowake, PWAIT, "delay", 2);
    EXPECT_EQ(timeout_del_barrier(&to), 0);
    order_ += '2';
  });
  Run();
  EXPECT_EQ(order_, "1a2");
}

TEST_F(TimeoutTest, SignalsDoNotReachTheSoftclockProcess) {
  Sleepy to(&order_, 'a', 5);
  Spawn("p", [&] {
    timeout_add(&to, 1);
    (void)tsleep(&nowake, PWAIT, "delay", 2);
    proc_foreach(host(), [](proc* p) {
      if (p->p_comm == "softclock") psignal(p, SIGKILL);
    });
  });
  Run();
  EXPECT_EQ(order_, "a");
}

using TimeoutDeathTest = TimeoutTest;

TEST_F(TimeoutDeathTest, NegativeTicksPanic) {
  Named to(this, 'a');
  const HostScope on_host(host());
  EXPECT_DEATH(timeout_add(&to, -1), "to_ticks >= 0");
}

TEST_F(TimeoutDeathTest, SettingAPendingOnePanics) {
  Named to(this, 'a');
  const HostScope on_host(host());
  timeout_add(&to, 1);
  EXPECT_DEATH(timeout_set(
                   &to, [](void*) {}, nullptr),
               "timeout_pending");
  timeout_del(&to);
}

// --- The trace. ---

TEST_F(TimeoutTest, EachAddAndDelIsRecordedAndAFiringNamesItsAdd) {
  Named to(this, 'a'), other(this, 'b');
  const HostScope on_host(host());
  timeout_add(&to, 5);
  timeout_add(&to, 3);  // moved
  timeout_add(&other, 4);
  EXPECT_EQ(timeout_del(&other), 1);
  EXPECT_EQ(timeout_del(&other), 0);  // not pending: nothing to tell
  Run();
  const std::vector<Record> adds = RecordsOf(SchedEvent::kTimeoutAdd);
  ASSERT_EQ(adds.size(), 3u);
  const uint64_t expected[3][2] = {{5, 0}, {3, 1}, {4, 0}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(adds[i].args[0], expected[i][0]);
    EXPECT_EQ(adds[i].args[1], expected[i][1]);
  }
  const std::vector<Record> dels = RecordsOf(SchedEvent::kTimeoutDel);
  ASSERT_EQ(dels.size(), 1u);
  EXPECT_EQ(dels[0].object, adds[2].id);
  const std::vector<Record> fires = RecordsOf(SchedEvent::kTimeout);
  ASSERT_EQ(fires.size(), 1u);
  EXPECT_EQ(fires[0].cause, adds[1].id);
}

TEST_F(TimeoutTest, HasNotStartedSinceItsLatestAdd) {
  Named to(this, 'a');
  const HostScope on_host(host());
  timeout_add(&to, 1);
  Run();
  EXPECT_TRUE(timeout_triggered(&to));
  timeout_add_nsec(&to, 1);
  EXPECT_FALSE(timeout_triggered(&to));
  EXPECT_EQ(RecordsOf(SchedEvent::kTimeoutAdd).back().args[0], 1u) << "a tick at least";
  Run();
}

TEST_F(TimeoutTest, FiringInAProcessNamesItsAddToo) {
  timeout to;
  timeout_set_proc(
      &to, [](void*) {}, nullptr);
  const HostScope on_host(host());
  timeout_add(&to, 1);
  Run();
  ASSERT_EQ(RecordsOf(SchedEvent::kTimeoutAdd).size(), 1u);
  ASSERT_EQ(RecordsOf(SchedEvent::kTimeout).size(), 1u);
  EXPECT_EQ(RecordsOf(SchedEvent::kTimeout)[0].cause, RecordsOf(SchedEvent::kTimeoutAdd)[0].id);
}

}  // namespace
}  // namespace sockbed
