// Interrupt priority levels: raising, nesting, sleeping with one, returning with one.
#include "kernel/sched/spl.h"

#include "kernel/sched/one_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

class SplTest : public OneHost {
 protected:
  void InProcess(std::function<void()> body) {
    Spawn("p", std::move(body));
    Run();
  }
};

TEST_F(SplTest, LevelsAreOrderedFromWeakToStrong) {
  const auto raised = [](int (*raise)()) {
    const int was = raise();
    EXPECT_EQ(was, IPL_NONE);
    const int now = splget();
    splx(was);
    return now;
  };
  InProcess([&] {
    int (*const in_order[])() = {splsoftclock, splsoftnet, splbio,  splnet,  spltty,
                                 splvm,        splclock,   splsched, splhigh};
    int last = IPL_NONE;
    for (auto* raise : in_order) {
      const int level = raised(raise);
      EXPECT_GT(level, last);
      last = level;
    }
    EXPECT_EQ(raised(splstatclock), raised(splclock));
  });
}

TEST_F(SplTest, RaisesNestAndNeverLower) {
  InProcess([] {
    const int outer = splnet();
    const int inner = splsoftnet();  // weaker: nothing changes
    EXPECT_EQ(inner, IPL_NET);
    EXPECT_EQ(splget(), IPL_NET);
    splx(inner);
    EXPECT_EQ(splget(), IPL_NET);
    splx(outer);
    EXPECT_EQ(splget(), IPL_NONE);
    splhigh();
    EXPECT_EQ(spl0(), IPL_HIGH);
    EXPECT_EQ(splget(), IPL_NONE);
  });
}

TEST_F(SplTest, ProcessKeepsItsLevelOverASleepAndOthersRunAtTheirs) {
  Spawn("sleeper", [this] {
    const int s = splsoftnet();
    EXPECT_EQ(tsleep(this, PSOCK, "test", 0), 0);
    EXPECT_EQ(splget(), IPL_SOFTNET);
    splx(s);
  });
  InProcess([this] {
    EXPECT_EQ(splget(), IPL_NONE);
    wakeup(this);
  });
}

TEST_F(SplTest, InterruptContextIsAboveAllAndStaysThere) {
  const HostScope on_host(host());
  EXPECT_EQ(splget(), IPL_HIGH);
  const int s = splsoftnet();
  splassert(IPL_HIGH);
  splx(s);
  EXPECT_EQ(splget(), IPL_HIGH);
}

TEST_F(SplTest, ScopeLowersWhenTheProcessIsUnwound) {
  int level_outside = -1;
  struct Guard {
    ~Guard() { *level = splget(); }
    int* level;
  };
  InProcess([&] {
    const Guard guard{&level_outside};
    const SplScope spl(IPL_SOFTNET);
    proc_exit(0);
  });
  EXPECT_EQ(level_outside, IPL_NONE);
}

using SplDeathTest = SplTest;

TEST_F(SplDeathTest, RelyingOnALevelThatIsNotTherePanics) {
  EXPECT_DEATH(InProcess([] {
                 splsoftclock();
                 splassert(IPL_SOFTNET);
               }),
               "splget.. >= level");
}

TEST_F(SplDeathTest, LevelHeldOnReturnToUserModePanics) {
  EXPECT_DEATH(InProcess([] {
                 splsoftnet();
                 userret();
               }),
               "p_ipl == 0");
}

TEST_F(SplDeathTest, LoweringToAHigherLevelPanics) {
  EXPECT_DEATH(InProcess([] { splx(IPL_NET); }), "s <= splget");
}

}  // namespace
}  // namespace sockbed
