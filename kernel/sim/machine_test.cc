#include "kernel/sim/machine.h"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sockbed {
namespace {

// A fiber that runs a function.
struct Program {
  Program(Machine& machine, std::function<void()> main_in) : main(std::move(main_in)) {
    fiber.pid = 1;
    machine.StartFiber(&fiber, [](void* arg) { static_cast<Program*>(arg)->main(); }, this);
  }
  std::function<void()> main;
  Fiber fiber;
};

// An event that runs a function.
struct Action : Event {
  explicit Action(std::function<void()> run_in) : run(std::move(run_in)) {
    handler = [](Event* self) { static_cast<Action*>(self)->run(); };
  }
  std::function<void()> run;
};

TEST(MachineTest, RunsNothingToQuiescence) {
  Machine machine({.seed = 3});
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(machine.now(), 0);
}

TEST(MachineTest, RunsEventsInOrderAndMovesTheClock) {
  Machine machine({});
  std::string order;
  Action a([&] { order += "a" + std::to_string(Now()); });
  Action b([&] { order += "b" + std::to_string(Now()); });
  machine.Schedule(&b, 20);
  machine.Schedule(&a, 10);
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(order, "a10b20");
  EXPECT_EQ(machine.now(), 20);
  EXPECT_EQ(machine.events_run(), 2u);
}

TEST(MachineTest, IdleEventsKeepNoRunGoing) {
  Machine machine({});
  std::string order;
  Action ticks([&] { order += "t"; });
  Action packet([&] { order += "p"; });
  machine.Schedule(&ticks, 20);
  machine.CountIdle(1);
  machine.Schedule(&packet, 10);
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(order, "p");
  EXPECT_EQ(machine.now(), 10);
  machine.Schedule(&packet, 30);
  machine.CountIdle(-1);
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(order, "ptp");
}

TEST(MachineTest, StopsAtTheDeadlineWithTheClockThere) {
  Machine machine({});
  bool ran = false;
  Action late([&] { ran = true; });
  machine.Schedule(&late, 100);
  EXPECT_EQ(machine.Run(60), Machine::End::kDeadline);
  EXPECT_EQ(machine.now(), 60);
  EXPECT_FALSE(ran);
  EXPECT_EQ(machine.Run(100), Machine::End::kQuiescent);
  EXPECT_TRUE(ran);
}

TEST(MachineTest, RunsAllReadyFibersBeforeTheNextEvent) {
  Machine machine({});
  std::string order;
  Action event([&] { order += "e"; });
  machine.Schedule(&event, 0);
  Program one(machine, [&] { order += "1"; machine.Yield(); order += "3"; });
  Program two(machine, [&] { order += "2"; machine.Yield(); order += "4"; });
  machine.Run();
  EXPECT_EQ(order, "1234e");
}

TEST(MachineTest, RunsAllEventsOfAnInstantBeforeTheFibersTheyMakeReady) {
  for (const bool picks : {false, true}) {
    SeededOrder order_of_all(1);
    Machine machine({.choices = picks ? &order_of_all : nullptr});
    std::string order;
    Program program(machine, [&] {
      machine.Suspend();
      order += "f";
    });
    Action first([&] { machine.MakeReady(&program.fiber); });
    Action second([&] { order += "e"; });
    Action next([&] { order += "n"; });
    machine.Schedule(&first, 4096);
    machine.Schedule(&second, 4096);
    machine.Schedule(&next, 4097);
    machine.Run();
    EXPECT_EQ(order, "efn");
  }
}

TEST(MachineTest, ShowsEventsInInterruptContextOfTheirHost) {
  Machine machine({});
  HostId host = 0;
  proc* process = nullptr;
  Action event([&] {
    host = Here().host_id;
    process = Here().process;
    EXPECT_EQ(machine.running(), nullptr);
  });
  machine.context().host_id = 7;
  machine.Schedule(&event, 5);
  machine.context().host_id = 0;
  machine.Run();
  EXPECT_EQ(host, 7);
  EXPECT_EQ(process, nullptr);
}

TEST(MachineTest, CarriesTheCauseOverEventsAndWakeups) {
  Machine machine({});
  TraceId slept = 0, scheduled = 0, in_event = 0, woken = 0;
  std::unique_ptr<Program> program;
  Action wake([&] {
    in_event = Here().cause;
    CauseScope scope(Emit(Room::kSim, 0));
    scheduled = Here().cause;
    machine.MakeReady(&program->fiber);
  });
  program = std::make_unique<Program>(machine, [&] {
    slept = Emit(Room::kSim, 0);
    CauseScope scope(slept);
    machine.ScheduleAfter(&wake, 10);
    machine.Suspend();
    woken = Here().cause;
  });
  machine.Run();
  EXPECT_EQ(in_event, slept);
  EXPECT_EQ(woken, scheduled);
}

TEST(MachineTest, CancelledEventsDoNotRun) {
  Machine machine({});
  Action never([] { FAIL(); });
  machine.Schedule(&never, 5);
  machine.Cancel(&never);
  machine.Cancel(&never);
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
}

// A program that polls the clock in a loop must see it move.
TEST(MachineTest, ChargedTimePassesOnceAQuantumHasGathered) {
  Machine machine({.quantum_ns = 1000});
  std::vector<SimTime> seen;
  Program spinner(machine, [&] {
    for (int i = 0; i < 5; ++i) {
      machine.Charge(400);
      seen.push_back(Now());
    }
  });
  machine.Run();
  EXPECT_EQ(seen, (std::vector<SimTime>{0, 0, 1200, 1200, 1200}));
}

TEST(MachineTest, AChargedFiberMayBeWokenEarly) {
  Machine machine({.quantum_ns = 1000});
  Program spinner(machine, [&] { machine.Charge(5000); });
  Action early([&] { machine.MakeReady(&spinner.fiber); });
  machine.Schedule(&early, 2000);
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(machine.now(), 2000);  // the charge's own event is gone
}

TEST(MachineTest, StopEndsTheRunBetweenFibers) {
  Machine machine({});
  std::string order;
  Program one(machine, [&] { order += "1"; machine.Stop(); machine.Yield(); order += "3"; });
  Program two(machine, [&] { order += "2"; });
  EXPECT_EQ(machine.Run(), Machine::End::kStopped);
  EXPECT_EQ(order, "1");
  EXPECT_EQ(machine.Run(), Machine::End::kQuiescent);
  EXPECT_EQ(order, "123");
}

// Ctrl-C: the handler finds the machine as everybody does.
TEST(MachineTest, StopMayComeFromASignalHandler) {
  Machine machine({});
  const auto previous = std::signal(SIGUSR1, [](int) { Here().machine->Stop(); });
  Action tick([&] {
    if (machine.events_run() == 10) std::raise(SIGUSR1);
    machine.ScheduleAfter(&tick, kMicrosecond);
  });
  machine.Schedule(&tick, 0);
  EXPECT_EQ(machine.Run(), Machine::End::kStopped);
  EXPECT_EQ(machine.events_run(), 10u);
  machine.Cancel(&tick);
  std::signal(SIGUSR1, previous);
}

TEST(MachineTest, ReportsProgressAndMayBeStoppedFromThere) {
  Machine machine({});
  Action tick([&] { machine.ScheduleAfter(&tick, kMicrosecond); });
  machine.Schedule(&tick, 0);
  int calls = 0;
  const auto progress = [&] {
    if (++calls == 2) machine.Stop();
  };
  EXPECT_EQ(machine.Run(kForever, progress), Machine::End::kStopped);
  EXPECT_EQ(machine.events_run(), 2 * 4096u);
  machine.Cancel(&tick);
}

TEST(MachineTest, RunReadyLeavesTheClockAndIgnoresStop) {
  Machine machine({});
  bool done = false;
  Action event([] { FAIL(); });
  machine.Schedule(&event, 0);
  Program program(machine, [&] { machine.Yield(); done = true; });
  machine.Stop();
  machine.RunReady();
  EXPECT_TRUE(done);
  EXPECT_EQ(machine.Run(), Machine::End::kStopped);
  machine.Cancel(&event);
}

std::string OrderUnder(Choices* choices) {
  Machine machine({.choices = choices});
  std::string order;
  std::vector<std::unique_ptr<Program>> programs;
  std::vector<std::unique_ptr<Action>> events;
  for (char c = 'a'; c < 'f'; ++c) {
    programs.push_back(std::make_unique<Program>(machine, [&order, c] { order += c; }));
    events.push_back(std::make_unique<Action>([&order, c] { order += static_cast<char>(c - 32); }));
    machine.Schedule(events.back().get(), 1000);
  }
  machine.Run();
  return order;
}

TEST(MachineTest, IsFirstComeFirstServedByDefault) {
  SeededFaults fifo(5);
  EXPECT_EQ(OrderUnder(&fifo), "abcdeABCDE");
}

TEST(MachineTest, DrawsTheOrderFromTheSeedWhenAsked) {
  SeededOrder five(5), again(5), six(6);
  const std::string order = OrderUnder(&five);
  EXPECT_NE(order, "abcdeABCDE");
  EXPECT_EQ(OrderUnder(&again), order);
  EXPECT_NE(OrderUnder(&six), order);
}

// Always takes the last alternative: exercises the tails of both lists.
class LastChoice final : public SeededFaults {
 public:
  using SeededFaults::SeededFaults;
  uint32_t Pick(const DecisionName&, uint32_t n) override { return n - 1; }
  bool picks() const override { return true; }
};

TEST(MachineTest, AnyAlternativeMayBePicked) {
  LastChoice last(1);
  EXPECT_EQ(OrderUnder(&last), "edcbaEDCBA");
}

TEST(MachineTest, PutsWhatWasPickedIntoTheTrace) {
  LastChoice last(1);
  Machine machine({.choices = &last});
  Program one(machine, [] {}), two(machine, [] {});
  machine.Run();
  const std::string line = machine.trace().Format(machine.trace().Recent().back());
  EXPECT_NE(line.find("PICK    sched.next 1 of 2"), std::string::npos) << line;
}

TEST(MachineTest, AStoreCarriesStacksToTheNextMachine) {
  MachineStore store;
  const auto stack_of_a_fiber = [&] {
    Machine machine({.store = &store});
    uintptr_t frame = 0;
    Program program(machine, [&] {
      char here = 0;
      frame = reinterpret_cast<uintptr_t>(&here);
    });
    machine.Run();
    return frame;
  };
  EXPECT_EQ(stack_of_a_fiber(), stack_of_a_fiber());
}

TEST(MachineTest, TheSameProgramLeavesTheSameDigest) {
  const auto digest = [](uint64_t seed) {
    Machine machine({.seed = seed});
    Program program(machine, [&] {
      for (int i = 0; i < 100; ++i) {
        machine.Charge(3 * kMicrosecond);
        Emit(Room::kProgram, 0, 1, Now());
      }
    });
    machine.Run();
    return machine.trace().digest();
  };
  EXPECT_EQ(digest(1), digest(1));
  EXPECT_NE(digest(1), digest(2));
}

TEST(MachineDeathTest, RefusesEventsInThePast) {
  Machine machine({});
  Action event([] {});
  machine.Schedule(&event, 10);
  machine.Run();
  EXPECT_DEATH(machine.Schedule(&event, 9), "when >= context_.now");
}

}  // namespace
}  // namespace sockbed
