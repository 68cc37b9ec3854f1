// kernel/sim against the least that each of its jobs can cost.
#include <benchmark/benchmark.h>

#include <array>
#include <map>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "kernel/sim/bare_switch.h"
#include "kernel/sim/machine.h"
#include "tests/bench/paired.h"

namespace sockbed {
namespace {

// --- Fibers. ---

// A bare stack switch and nothing else: out and back are two.
class BareSwitch {
 public:
  void operator()(int64_t switches) {
    for (int64_t i = 0; i < switches; i += 2) fiber_.Run();
  }

 private:
  StackPool pool_;
  BareFiber fiber_{pool_, [](BareFiber::Context back, void*) {
                     for (;;) BareFiber::Switch(&back);
                   }};
};

// Fibers that pass the turn on, for as many switches as asked.
class Ring {
 public:
  explicit Ring(int fibers) : fibers_(static_cast<size_t>(fibers)) {
    for (Fiber& fiber : fibers_) {
      machine_.StartFiber(
          &fiber, [](void* self) { static_cast<Ring*>(self)->PassOn(); }, this);
    }
  }
  ~Ring() {
    done_ = true;
    machine_.RunReady();
  }

  void operator()(int64_t switches) {
    left_ = switches;
    machine_.Run();
  }

 private:
  void PassOn() {
    while (!done_) {
      if (--left_ == 0) machine_.Stop();
      machine_.Yield();
    }
  }

  Machine machine_{{}};
  std::vector<Fiber> fibers_;
  int64_t left_ = 0;
  bool done_ = false;
};

void FiberSwitch(benchmark::State& state) {
  Ring ring(static_cast<int>(state.range(0)));
  BareSwitch bare;
  RunPaired(state, ring, bare);
}
BENCHMARK(FiberSwitch)->Apply(Paired)->Arg(2)->Arg(1000)->Arg(10'000);

// Two fibers that wake each other and sleep: the least of tsleep and wakeup.
class PingPong {
 public:
  PingPong() {
    const auto start = [this](int i) {
      sides_[i].game = this;
      sides_[i].other = &sides_[1 - i].fiber;
      machine_.StartFiber(
          &sides_[i].fiber, [](void* arg) { static_cast<Side*>(arg)->Play(); }, &sides_[i]);
    };
    start(0);
    start(1);
  }
  ~PingPong() {
    done_ = true;
    machine_.RunReady();
  }

  void operator()(int64_t turns) {
    left_ = turns;
    machine_.Run();
  }

 private:
  struct Side {
    void Play() {
      while (!game->done_) {
        if (--game->left_ == 0) game->machine_.Stop();
        Wake();
        game->machine_.Suspend();
      }
      Wake();
    }
    void Wake() {
      if (other->state() == Fiber::State::kSuspended) game->machine_.MakeReady(other);
    }

    PingPong* game;
    Fiber* other;
    Fiber fiber;
  };

  Machine machine_{{}};
  std::array<Side, 2> sides_;
  int64_t left_ = 0;
  bool done_ = false;
};

void WakeAndSleep(benchmark::State& state) {
  PingPong game;
  BareSwitch bare;
  RunPaired(state, game, bare);
}
BENCHMARK(WakeAndSleep)->Apply(Paired);

// Making, running and dropping a fiber, next to a bare switch there and back.
void FiberLife(benchmark::State& state) {
  Machine machine({});
  BareSwitch bare;
  const auto live = [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      Fiber fiber;
      machine.StartFiber(&fiber, [](void*) {}, nullptr);
      machine.RunReady();
    }
  };
  RunPaired(state, live, [&](int64_t n) { bare(2 * n); });
}
BENCHMARK(FiberLife)->Apply(Paired);

// --- The event queue, holding a number of events all the time. ---

// Cheap numbers, the same for both sides.
class Delays {
 public:
  explicit Delays(int64_t pending) : span_(static_cast<uint64_t>(pending) * 1000) {}
  SimTime Next() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<SimTime>(Below(state_, span_)) + 1;
  }

 private:
  const uint64_t span_;
  uint64_t state_ = 1;
};

class Wheel {
 public:
  explicit Wheel(int64_t pending) : delays_(pending), events_(static_cast<size_t>(pending)) {
    for (Event& event : events_) Schedule(&event);
  }
  void ScheduleAndTake(int64_t n) {
    for (; n > 0; --n) {
      Event* const event = queue_.TakeFirst(kForever);
      now_ = event->when;
      Schedule(event);
    }
  }
  void Move(int64_t n) {
    for (; n > 0; --n) {
      Event* const event = &events_[static_cast<size_t>(delays_.Next()) % events_.size()];
      queue_.Remove(event);
      Schedule(event);
    }
  }

 private:
  void Schedule(Event* event) {
    event->when = now_ + delays_.Next();
    queue_.Insert(event);
  }

  Delays delays_;
  EventQueue queue_;
  std::vector<Event> events_;
  SimTime now_ = 0;
};

// What a simulator without a wheel does: a heap of (time, sequence number).
class Heap {
 public:
  explicit Heap(int64_t pending) : delays_(pending), events_(static_cast<size_t>(pending)) {
    for (Event& event : events_) Schedule(&event);
  }
  void ScheduleAndTake(int64_t n) {
    for (; n > 0; --n) {
      Event* const event = queue_.top().event;
      queue_.pop();
      now_ = event->when;
      Schedule(event);
    }
  }

 private:
  struct Entry {
    SimTime when;
    uint64_t sequence;
    Event* event;
    bool operator<(const Entry& other) const {
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };
  void Schedule(Event* event) {
    event->when = now_ + delays_.Next();
    queue_.push({event->when, ++sequence_, event});
  }

  Delays delays_;
  std::priority_queue<Entry> queue_;
  std::vector<Event> events_;
  uint64_t sequence_ = 0;
  SimTime now_ = 0;
};

// And what it does when timers move: a tree of them.
class Tree {
 public:
  explicit Tree(int64_t pending) : delays_(pending), keys_(static_cast<size_t>(pending)) {
    for (size_t i = 0; i < keys_.size(); ++i) Schedule(i);
  }
  void Move(int64_t n) {
    for (; n > 0; --n) {
      const size_t i = static_cast<size_t>(delays_.Next()) % keys_.size();
      tree_.erase(keys_[i]);
      Schedule(i);
    }
  }

 private:
  using Key = std::pair<SimTime, uint64_t>;
  void Schedule(size_t i) {
    keys_[i] = {delays_.Next(), ++sequence_};
    tree_.emplace(keys_[i], i);
  }

  Delays delays_;
  std::map<Key, size_t> tree_;
  std::vector<Key> keys_;
  uint64_t sequence_ = 0;
};

void ScheduleAndTake(benchmark::State& state) {
  Wheel wheel(state.range(0));
  Heap heap(state.range(0));
  RunPaired(
      state, [&](int64_t n) { wheel.ScheduleAndTake(n); },
      [&](int64_t n) { heap.ScheduleAndTake(n); },
      {.goal = state.range(0) == 1'000'000 ? 0.35 : 0});
}
BENCHMARK(ScheduleAndTake)->Apply(Paired)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void MoveTimer(benchmark::State& state) {
  Wheel wheel(state.range(0));
  Tree tree(state.range(0));
  RunPaired(
      state, [&](int64_t n) { wheel.Move(n); }, [&](int64_t n) { tree.Move(n); }, {.goal = 0.15});
}
BENCHMARK(MoveTimer)->Apply(Paired)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// The machine's loop around the queue: events that schedule themselves again, next to the same
// without a machine.
class Loop {
 public:
  explicit Loop(int64_t pending) : delays_(pending), ticks_(static_cast<size_t>(pending)) {
    for (Tick& tick : ticks_) {
      tick.loop = this;
      tick.handler = [](Event* self) { static_cast<Tick*>(self)->loop->Again(self); };
      machine_.ScheduleAfter(&tick, delays_.Next());
    }
  }
  void operator()(int64_t events) {
    left_ = events;
    machine_.Run();
  }

 private:
  struct Tick : Event {
    Loop* loop;
  };
  void Again(Event* event) {
    if (--left_ == 0) machine_.Stop();
    machine_.ScheduleAfter(event, delays_.Next());
  }

  Machine machine_{{}};
  Delays delays_;
  std::vector<Tick> ticks_;
  int64_t left_ = 0;
};

void RunEvents(benchmark::State& state) {
  Loop loop(state.range(0));
  Wheel wheel(state.range(0));
  RunPaired(state, loop, [&](int64_t n) { wheel.ScheduleAndTake(n); });
}
BENCHMARK(RunEvents)->Apply(Paired)->Arg(1000)->Arg(1'000'000);

// --- Draws and the trace. ---

void DrawNamed(benchmark::State& state) {
  DecisionName name = {.site = Site::kLinkDrop, .host = 1, .object = 2, .ordinal = 0};
  for (auto _ : state) {
    benchmark::DoNotOptimize(Draw(7, name));
    ++name.ordinal;
  }
}
BENCHMARK(DrawNamed);

struct NullSink : TraceSink {
  void Consume(std::span<const Record> records) override {
    benchmark::DoNotOptimize(records.data());
  }
};

class Emitter {
 public:
  Emitter(bool digest, TraceSink* sink) : machine_({.digest = digest}) {
    machine_.trace().set_sink(sink);
  }
  ~Emitter() { machine_.trace().set_sink(nullptr); }
  void operator()(int64_t n) {
    MachineScope scope(machine_);
    for (; n > 0; --n) Emit(Room::kTcp, 1, 2, static_cast<uint64_t>(n), 4, 5);
  }

 private:
  Machine machine_;
};

// A record with its share of the digest, next to the record alone.
void AppendRecord(benchmark::State& state) {
  NullSink sink;
  Emitter subject(true, state.range(0) != 0 ? &sink : nullptr), reference(false, nullptr);
  RunPaired(state, subject, reference);
}
BENCHMARK(AppendRecord)->Apply(Paired)->ArgName("sink")->Arg(0)->Arg(1);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
