// The walker of processes and sleep queues must find every kind of damage: each test does one kind
// and undoes it.
#include <string>
#include <utility>

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

// Three processes asleep on one ident, and one on another.
class SchedCheckTest : public OneHost {
 protected:
  SchedCheckTest() {
    for (proc*& p : three_) p = Sleeper(&ident_);
    alone_ = Sleeper(&other_);
    Run();
  }

  proc* Sleeper(const int* ident) {
    return Spawn("sleeper", [ident] { (void)tsleep(ident, PSOCK, "test", 0); });
  }

  // What the walker says while `field` has another value.
  template <typename Field, typename Value>
  std::string Broken(Field& field, Value other) {
    const Field good = std::exchange(field, other);
    const char* const broken = sched_broken(host());
    field = good;
    EXPECT_EQ(sched_broken(host()), nullptr);
    return broken != nullptr ? broken : "";
  }

  const int ident_ = 0, other_ = 0;
  proc* three_[3] = {};
  proc* alone_ = nullptr;
};

TEST_F(SchedCheckTest, ProcessThatSleepsOnNothing) {
  EXPECT_EQ(Broken(alone_->p_wchan, nullptr), "a process sleeps on nothing");
}

TEST_F(SchedCheckTest, ProcessThatIsAwakeOnASleepQueue) {
  for (const ProcState state : {ProcState::kRunning, ProcState::kRunnable, ProcState::kZombie}) {
    EXPECT_EQ(Broken(three_[1]->p_stat, state), "a process is awake on a sleep queue");
  }
  EXPECT_EQ(Broken(three_[1]->p_stat, ProcState::kStopped), "");  // it may be
}

TEST_F(SchedCheckTest, QueueOfTwoIdents) {
  EXPECT_EQ(Broken(three_[2]->p_wchan, &other_), "a sleep queue holds two idents");
}

TEST_F(SchedCheckTest, LeaderWithoutItsTail) {
  EXPECT_EQ(Broken(three_[0]->p_slpq_prev, three_[1]),
            "the leader of a sleep queue has lost its tail");
  EXPECT_EQ(Broken(three_[1]->p_slpq_next, nullptr),
            "the leader of a sleep queue has lost its tail");
}

TEST_F(SchedCheckTest, SleeperOnNoQueue) {
  const int nobodys = 0;
  EXPECT_EQ(Broken(alone_->p_wchan, &nobodys), "a sleeping process is not on one queue");
}

TEST_F(SchedCheckTest, ProcessMissingFromTheTable) {
  const HostScope on_host(host());
  wakeup(&other_);  // one that does not sleep
  EXPECT_EQ(Broken(three_[2]->p_list_next, nullptr), "the process table has lost count");
}

TEST_F(SchedCheckTest, CheckStopsTheRun) {
  EXPECT_DEATH(
      {
        alone_->p_stat = ProcState::kRunning;
        sched_check(host());
      },
      "a process is awake on a sleep queue");
}

}  // namespace
}  // namespace sockbed
