#include "kernel/sim/fiber.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cfenv>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

struct Program {
  Program(Machine& machine, std::function<void()> main_in) : main(std::move(main_in)) {
    machine.StartFiber(&fiber, [](void* arg) { static_cast<Program*>(arg)->main(); }, this);
  }
  std::function<void()> main;
  Fiber fiber;
};

TEST(FiberTest, GoesThroughItsStates) {
  Machine machine({});
  Fiber* self = nullptr;
  Fiber::State inside = Fiber::State::kNew;
  Program program(machine, [&] {
    inside = self->state();
    machine.Suspend();
  });
  self = &program.fiber;
  EXPECT_EQ(self->state(), Fiber::State::kReady);
  machine.Run();
  EXPECT_EQ(inside, Fiber::State::kRunning);
  EXPECT_EQ(self->state(), Fiber::State::kSuspended);
  machine.MakeReady(self);
  machine.Run();
  EXPECT_EQ(self->state(), Fiber::State::kEnded);
}

TEST(FiberTest, KeepsItsOwnErrno) {
  Machine machine({});
  std::vector<int> seen;
  const auto main = [&] {
    EXPECT_EQ(errno, 0);
    errno = 100 + static_cast<int>(seen.size());
    const int mine = errno;
    seen.push_back(mine);
    for (int i = 0; i < 3; ++i) {
      machine.Yield();
      EXPECT_EQ(errno, mine);
    }
  };
  Program one(machine, main), two(machine, main), three(machine, main);
  errno = 42;
  machine.Run();
  EXPECT_EQ(errno, 42);
  EXPECT_EQ(seen, (std::vector<int>{100, 101, 102}));
}

// Flags that differ would make each switch between the two slow.
TEST(FiberTest, BeginsWithTheFloatingPointFlagsOfAllOthers) {
  std::feclearexcept(FE_ALL_EXCEPT);
  Machine machine({});
  std::vector<int> flags;
  const auto main = [&] {
    flags.push_back(std::fetestexcept(FE_ALL_EXCEPT));
    machine.Suspend();
  };
  Program one(machine, main);
  machine.Run();
  std::feclearexcept(FE_ALL_EXCEPT);
  Program two(machine, main);
  machine.Run();
  flags.push_back(std::fetestexcept(FE_ALL_EXCEPT));
  EXPECT_EQ(flags, (std::vector<int>(3, FE_INEXACT)));
  for (Program* program : {&one, &two}) machine.MakeReady(&program->fiber);
  machine.Run();
}

// Asking who is next happens on nobody's behalf; the one who goes on is himself again.
TEST(FiberTest, MayBeChosenRightAfterItHasYielded) {
  class FirstThenLast final : public SeededFaults {
   public:
    FirstThenLast() : SeededFaults(1) {}
    uint32_t Pick(const DecisionName&, uint32_t n) override { return asked_++ == 0 ? 0 : n - 1; }
    bool picks() const override { return true; }

   private:
    int asked_ = 0;
  } choices;
  Machine machine({.choices = &choices});
  bool other_ran = false;
  uint32_t pid = 0;
  Program yielder(machine, [&] {
    machine.Yield();
    EXPECT_FALSE(other_ran);
    pid = Here().pid;
  });
  Program other(machine, [&] { other_ran = true; });
  yielder.fiber.pid = 7;
  machine.Run();
  EXPECT_EQ(pid, 7u);
}

TEST(FiberTest, ThrowsAndCatchesByItself) {
  Machine machine({});
  std::string caught;
  const auto main = [&] {
    try {
      machine.Yield();
      throw std::runtime_error("x");
    } catch (const std::exception& e) {
      caught += e.what();
    }
  };
  Program one(machine, main), two(machine, main);
  machine.Run();
  EXPECT_EQ(caught, "xx");
}

// Two fibers sleep inside a catch block and wake in the order that would mix up the runtime's stack
// of caught exceptions, if they shared it.
TEST(FiberTest, MaySleepInACatchBlock) {
  Machine machine({});
  std::string rethrown;
  const auto main = [&](const char* what, int yields) {
    try {
      try {
        throw std::runtime_error(what);
      } catch (...) {
        for (int i = 0; i < yields; ++i) machine.Yield();
        EXPECT_NE(std::current_exception(), nullptr);
        throw;
      }
    } catch (const std::exception& e) {
      rethrown += e.what();
    }
  };
  Program one(machine, [&] { main("1", 3); });
  Program two(machine, [&] { main("2", 1); });
  Program three(machine, [&] {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(std::current_exception(), nullptr);
      machine.Yield();
    }
  });
  machine.Run();
  EXPECT_EQ(rethrown, "21");
  EXPECT_EQ(std::current_exception(), nullptr);
}

// Closing a descriptor while a killed process unwinds may sleep.
TEST(FiberTest, MaySleepInADestructorDuringUnwinding) {
  struct Sleeper {
    Machine& machine;
    ~Sleeper() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      machine.Yield();
      machine.Yield();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  Machine machine({});
  int unwound = 0;
  const auto main = [&] {
    try {
      Sleeper sleeper{machine};
      throw 1;
    } catch (int) {
      ++unwound;
    }
  };
  Program one(machine, main), two(machine, main);
  Program watcher(machine, [&] {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    machine.Yield();
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
  machine.Run();
  EXPECT_EQ(unwound, 2);
}

// Records what a hook is told; plays OpenSSL's error queue with one int per fiber.
struct RecordingHook : SwitchHook {
  RecordingHook() {
    switched = [](SwitchHook* self, Fiber* from, Fiber* to) {
      auto* hook = static_cast<RecordingHook*>(self);
      if (from != nullptr) {
        from->hook_state[hook->slot] = reinterpret_cast<void*>(hook->thread_state);
      }
      hook->thread_state =
          to != nullptr ? reinterpret_cast<intptr_t>(to->hook_state[hook->slot]) : 0;
      ++hook->switches;
      errno = EDOM;
    };
    ended = [](SwitchHook* self, Fiber* fiber) {
      auto* hook = static_cast<RecordingHook*>(self);
      hook->last_states.push_back(hook->thread_state);
      hook->thread_state = 0;
    };
  }
  intptr_t thread_state = 0;
  int switches = 0;
  std::vector<intptr_t> last_states;
};

TEST(FiberTest, HooksMoveStateBetweenFibers) {
  Machine machine({});
  RecordingHook unused, hook;
  machine.AddSwitchHook(&unused);
  machine.AddSwitchHook(&hook);
  EXPECT_EQ(hook.slot, 1);
  const auto main = [&](intptr_t mine) {
    EXPECT_EQ(hook.thread_state, 0);
    hook.thread_state = mine;
    errno = ERANGE;
    machine.Yield();
    EXPECT_EQ(hook.thread_state, mine);
    EXPECT_EQ(errno, ERANGE);
  };
  Program one(machine, [&] { main(11); });
  Program two(machine, [&] { main(22); });
  machine.Run();
  EXPECT_EQ(hook.last_states, (std::vector<intptr_t>{11, 22}));
  EXPECT_EQ(hook.switches, 5);  // in, 1 to 2, 2 to 1, 1 ends into 2, 2 ends into the loop
}

TEST(FiberTest, ManyFibersComeAndGo) {
  Machine machine({});
  int64_t sum = 0;
  std::vector<std::unique_ptr<Program>> programs;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i) {
      programs.push_back(std::make_unique<Program>(machine, [&machine, &sum, i] {
        volatile char frame[4096];
        frame[0] = static_cast<char>(i);
        machine.Yield();
        sum += frame[0];
      }));
    }
    machine.Run();
    programs.clear();
  }
  EXPECT_EQ(sum, 20 * 99 * 50);
}

TEST(FiberTest, MayBeStartedAgainAfterItEnded) {
  Machine machine({});
  int runs = 0;
  Fiber fiber;
  for (int i = 0; i < 3; ++i) {
    machine.StartFiber(&fiber, [](void* arg) { ++*static_cast<int*>(arg); }, &runs);
    machine.Run();
  }
  EXPECT_EQ(runs, 3);
}

TEST(FiberDeathTest, MustHaveEndedBeforeItIsDestroyed) {
  EXPECT_DEATH(
      {
        Machine machine({});
        Program program(machine, [&] { machine.Suspend(); });
        machine.Run();
      },
      "State::kEnded");
}

TEST(FiberDeathTest, OnlySuspendedFibersAreMadeReady) {
  Machine machine({});
  Fiber fiber;
  EXPECT_DEATH(machine.MakeReady(&fiber), "kSuspended");
  EXPECT_DEATH(machine.Suspend(), "running_ != nullptr");
}

}  // namespace
}  // namespace sockbed
