// Interrupt priority levels: raising, nesting, sleeping with one, returning with one.
#include "kernel/sched/spl.h"

#include <cerrno>
#include <optional>
#include <string>

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
    int (*const in_order[])() = {splsoftclock, splsoftnet, splbio,   splnet, spltty,
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

// --- Deliver at splx. ---

// An interrupt of that level which is due at once and writes its name down.
struct Interrupt : Event {
  Interrupt(int level, std::string* log_in, char name_in) : log(log_in), name(name_in) {
    ipl = static_cast<uint8_t>(level);
    handler = [](Event* self) {
      Interrupt* const interrupt = static_cast<Interrupt*>(self);
      *interrupt->log += interrupt->name;
      EXPECT_EQ(curproc(), nullptr);
      EXPECT_EQ(splget(), IPL_HIGH);
      errno = E2BIG;
    };
    Here().machine->ScheduleAfter(this, 0);
  }
  std::string* const log;
  const char name;
};

class SplDeliverTest : public SplTest {
 protected:
  SplDeliverTest() { Boot({.seed = 7, .deliver_at_splx = true}); }

  std::string log_;  // what came, in order
};

TEST_F(SplDeliverTest, LevelKeepsOutUntilItIsLowered) {
  InProcess([this] {
    const int s = splsoftnet();
    const int t = splnet();
    Interrupt clock(IPL_SOFTCLOCK, &log_, 'c');
    Interrupt packet(IPL_SOFTNET, &log_, 'p');
    Interrupt memory(IPL_BIO, &log_, 'm');
    splx(splhigh());
    EXPECT_EQ(log_, "") << "the level is where it was";
    splx(t);
    EXPECT_EQ(log_, "m");
    splx(s);
    EXPECT_EQ(log_, "mpc");
  });
}

TEST_F(SplDeliverTest, StrongestComesFirstAndEqualOnesInOrder) {
  InProcess([this] {
    splhigh();
    Interrupt a(IPL_SOFTCLOCK, &log_, 'a'), b(IPL_SOFTNET, &log_, 'b');
    Interrupt c(IPL_SOFTNET, &log_, 'c'), d(IPL_VM, &log_, 'd'), none(IPL_NONE, &log_, 'n');
    spl0();
    EXPECT_EQ(log_, "dbca") << "what is no interrupt is left to the loop";
    splhigh();
    Interrupt e(IPL_SOFTCLOCK, &log_, 'e'), f(IPL_SOFTNET, &log_, 'f');
    yield();
    EXPECT_EQ(log_, "dbcafen") << "nor is the level kept over a sleep";
    spl0();
  });
}

TEST_F(SplDeliverTest, InterruptHandsTheProcessorBackAsItWas) {
  proc* const p = Spawn("p", [this] {
    proc* const self = curproc();
    const int s = splsoftnet();
    Interrupt interrupt(IPL_SOFTNET, &log_, 'i');
    const TraceId cause = Here().cause;
    errno = EDOM;
    splx(s);
    EXPECT_EQ(log_, "i");
    EXPECT_EQ(curproc(), self);
    EXPECT_EQ(Here().pid, 1u);
    EXPECT_EQ(Here().cause, cause);
    EXPECT_EQ(machine().running(), &self->p_fiber);
    EXPECT_EQ(errno, EDOM);
    errno = 0;
  });
  EXPECT_EQ(p->p_pid, 1);
  Run();
  EXPECT_EQ(log_, "i");
}

TEST_F(SplDeliverTest, EndOfAScopeAndTheWayToTheProgramLetIn) {
  InProcess([this] {
    std::optional<SplScope> scope(IPL_SOFTNET);
    Interrupt first(IPL_SOFTNET, &log_, 'f');
    scope.reset();
    EXPECT_EQ(log_, "f");
    Interrupt second(IPL_SOFTNET, &log_, 's');
    EXPECT_EQ(log_, "f") << "no level was lowered";
    userret();
    EXPECT_EQ(log_, "fs");
  });
}

TEST_F(SplDeliverTest, InterruptOfAnotherHostStaysInTheQueue) {
  HostBase other(2, "other");
  InProcess([&] {
    const int s = splsoftnet();
    Interrupt theirs(IPL_SOFTNET, &log_, 't');
    theirs.host = &other;
    splx(s);
    EXPECT_EQ(log_, "");
    yield();
    EXPECT_EQ(log_, "t");
  });
}

TEST_F(SplDeliverTest, SleeperLetsInBeforeAnotherProcessRuns) {
  Spawn("sleeper", [&] {
    Interrupt interrupt(IPL_SOFTNET, &log_, 'i');
    EXPECT_EQ(tsleep(this, PSOCK, "test", 0), 0);
  });
  InProcess([&] {
    log_ += 'p';
    wakeup(this);
  });
  EXPECT_EQ(log_, "ip");
}

// While a host ends no event runs: who unwinds lowers its level all the same.
TEST_F(SplDeliverTest, NothingComesWhileTheHostEnds) {
  std::optional<Interrupt> interrupt;
  Spawn("sleeper", [&] {
    const SplScope spl(IPL_SOFTNET);
    EXPECT_EQ(tsleep(this, PSOCK, "test", 0), EINTR);
    interrupt.emplace(IPL_SOFTNET, &log_, 'i');
  });
  Run();
  proc_killall(host());
  EXPECT_EQ(log_, "");
  machine().Cancel(&*interrupt);
}

TEST_F(SplTest, WithoutTheOptionAllWaitsForTheLoop) {
  std::string log;
  Spawn("p", [&] {
    const int s = splsoftnet();
    Interrupt a(IPL_SOFTCLOCK, &log, 'a'), b(IPL_SOFTNET, &log, 'b');
    splx(s);
    userret();
    yield();
    EXPECT_EQ(log, "") << "another process comes first";
    EXPECT_EQ(tsleep_nsec(&nowake, PSOCK, "test", 1), EWOULDBLOCK);
    EXPECT_EQ(log, "ab") << "in order of scheduling";
  });
  InProcess([&] { yield(); });
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
