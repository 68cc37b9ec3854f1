// tsleep and wakeup against the least that sleeping and waking can cost.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel/sched/proc.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/bare_switch.h"
#include "kernel/sim/machine.h"
#include "tests/bench/paired.h"

namespace sockbed {
namespace {

// --- The subject: two processes that wake each other and sleep, everything on. ---

class TsleepPingPong {
 public:
  TsleepPingPong() {
    const MachineScope scope(machine_);
    sched_boot(host_);
    const HostScope on_host(host_);
    for (int me = 0; me < 2; ++me) {
      proc_spawn({.name = "player", .main = [this, me] { return Play(me); }});
    }
  }
  ~TsleepPingPong() {
    const MachineScope scope(machine_);
    done_ = true;
    proc_killall(host_);
  }

  // A round trip: two sleeps and two wakeups.
  void operator()(int64_t round_trips) {
    const MachineScope scope(machine_);
    const HostScope on_host(host_);
    left_ = 2 * round_trips;
    wakeup(&idents_[turn_]);
    machine_.Run();
  }

 private:
  int Play(int me) {
    while (!done_) {
      (void)tsleep(&idents_[me], PSOCK, "player", 0);
      turn_ = 1 - me;
      if (--left_ == 0) {
        machine_.Stop();
      } else {
        wakeup(&idents_[1 - me]);
      }
    }
    return 0;
  }

  Machine machine_{{}};
  HostBase host_{1, "host"};
  int idents_[2] = {};
  int turn_ = 0;
  int64_t left_ = 0;
  bool done_ = false;
};

// --- The references. ---

// The same turns with bare stacks, hashed channels, a run queue, and nothing else. What a sleeper
// does before it sleeps is done for it, once it has switched back.
class BarePingPong {
 public:
  void operator()(int64_t round_trips) {
    Wakeup(&idents_[turn_]);
    for (int64_t left = 2 * round_trips; ready_first_ != nullptr; --left) {
      Sleeper* const self = ready_first_;
      ready_first_ = self->next;
      self->fiber.Run();
      turn_ = self == &sleepers_[0] ? 1 : 0;
      if (left > 1) Wakeup(&idents_[turn_]);
      Sleep(self, &idents_[1 - turn_]);
    }
  }

  BarePingPong() {
    Sleep(&sleepers_[0], &idents_[0]);
    Sleep(&sleepers_[1], &idents_[1]);
  }

 private:
  struct Sleeper {
    explicit Sleeper(StackPool& pool)
        : fiber(pool, [](BareFiber::Context back, void*) {
            for (;;) BareFiber::Switch(&back);
          }) {}
    BareFiber fiber;
    const void* ident = nullptr;
    Sleeper* next = nullptr;
  };
  struct Channel {
    Sleeper* first = nullptr;
    Sleeper* last = nullptr;
  };

  Channel& ChannelOf(const void* ident) {
    return channels_[reinterpret_cast<uintptr_t>(ident) >> 3 & 127];
  }

  void Sleep(Sleeper* self, const void* ident) {
    Channel& channel = ChannelOf(ident);
    self->ident = ident;
    self->next = nullptr;
    (channel.first != nullptr ? channel.last->next : channel.first) = self;
    channel.last = self;
  }

  void Wakeup(const void* ident) {
    Channel& channel = ChannelOf(ident);
    for (Sleeper** link = &channel.first; *link != nullptr;) {
      Sleeper* const sleeper = *link;
      if (sleeper->ident != ident) {
        link = &sleeper->next;
        continue;
      }
      *link = sleeper->next;
      sleeper->next = nullptr;
      (ready_first_ != nullptr ? ready_last_->next : ready_first_) = sleeper;
      ready_last_ = sleeper;
    }
  }

  StackPool pool_;
  std::array<Sleeper, 2> sleepers_ = {Sleeper(pool_), Sleeper(pool_)};
  std::array<Channel, 128> channels_;
  int64_t idents_[2] = {};
  int turn_ = 0;
  Sleeper* ready_first_ = nullptr;
  Sleeper* ready_last_ = nullptr;
};

// The same turns between two threads of the host on one processor.
class ThreadPingPong {
 public:
  ThreadPingPong() : other_([this] { Answer(); }) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    pthread_setaffinity_np(other_.native_handle(), sizeof(one), &one);
  }
  ~ThreadPingPong() {
    Pass(kEnd);
    other_.join();
  }

  void operator()(int64_t round_trips) {
    for (int64_t i = 0; i < round_trips; ++i) {
      Pass(kOther);
      Await(kMain);
    }
  }

 private:
  enum Turn { kMain, kOther, kEnd };

  void Answer() {
    while (Await(kOther)) Pass(kMain);
  }
  void Pass(Turn turn) {
    const std::lock_guard lock(mutex_);
    turn_ = turn;
    changed_.notify_one();
  }
  bool Await(Turn turn) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == turn || turn_ == kEnd; });
    return turn_ == turn;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Turn turn_ = kMain;
  std::thread other_;
};

void SleepWakeup(benchmark::State& state) {
  TsleepPingPong subject;
  BarePingPong bare;
  RunPaired(state, subject, bare, {.goal = 2.5});
}
BENCHMARK(SleepWakeup)->Name("P5/sleep_wakeup")->Apply(Paired);

void SleepWakeupOverThreads(benchmark::State& state) {
  TsleepPingPong subject;
  ThreadPingPong threads;
  RunPaired(state, subject, threads, {.goal = 1.0 / 75});
}
BENCHMARK(SleepWakeupOverThreads)->Name("P5/sleep_wakeup_threads")->Apply(Paired);

// --- Many sleepers, each on an ident of its own. ---

// Wakes them one after another.
class ManySleepers {
 public:
  explicit ManySleepers(int count) : idents_(static_cast<size_t>(count)) {
    const MachineScope scope(machine_);
    sched_boot(host_);
    const HostScope on_host(host_);
    for (int& ident : idents_) {
      proc_spawn({.name = "sleeper",
                  .main =
                      [&ident] {
                        while (tsleep(&ident, PSOCK, "many", 0) == 0) continue;
                        return 0;
                      },
                  .stack_bytes = 8 * 1024});
    }
    machine_.Run();
  }
  ~ManySleepers() {
    const MachineScope scope(machine_);
    proc_killall(host_);
  }

  void operator()(int64_t wakeups) {
    const MachineScope scope(machine_);
    const HostScope on_host(host_);
    for (int64_t i = 0; i < wakeups; ++i) {
      wakeup(&idents_[next_]);
      machine_.RunReady();
      next_ = (next_ + kStride) % idents_.size();
    }
  }

 private:
  static constexpr size_t kStride = 7919;  // a prime: far from the last one

  Machine machine_{{}};
  HostBase host_{1, "host"};
  std::vector<int> idents_;
  size_t next_ = 0;
};

void SleepWakeupAmong(benchmark::State& state) {
  ManySleepers many(static_cast<int>(state.range(0)));
  ManySleepers one(1);
  RunPaired(state, many, one);
}
BENCHMARK(SleepWakeupAmong)->Apply(Paired)->Arg(1000)->Arg(10'000)->Arg(30'000);

// What a sleeping process costs in memory, its stack included (a tsleep's frames deep).
void SleepingProcessMemory(benchmark::State& state) {
  const auto resident_bytes = [] {
    int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * sysconf(_SC_PAGESIZE);
  };
  constexpr int kProcesses = 20'000;
  for (auto _ : state) {
    const int64_t before = resident_bytes();
    const ManySleepers many(kProcesses);
    state.counters["bytes_each"] = static_cast<double>(resident_bytes() - before) / kProcesses;
  }
}
BENCHMARK(SleepingProcessMemory)->Iterations(1);

// --- Timeouts and processes. ---

// Moving a pending timeout, as each segment moves a timer.
void MoveTimeout(benchmark::State& state) {
  Machine machine({});
  const MachineScope scope(machine);
  HostBase host(1, "host");
  sched_boot(host);
  const HostScope on_host(host);
  timeout to;
  timeout_set(
      &to, [](void*) {}, nullptr);
  int ticks = 0;
  for (auto _ : state) timeout_add(&to, 1 + (++ticks & 255));
  timeout_del(&to);
}
BENCHMARK(MoveTimeout);

// Making a process, running it to its end, and dropping it.
void ProcessLife(benchmark::State& state) {
  Machine machine({});
  const MachineScope scope(machine);
  HostBase host(1, "host");
  sched_boot(host);
  const HostScope on_host(host);
  for (auto _ : state) {
    proc_spawn({.name = "short", .main = [] { return 0; }});
    machine.RunReady();
  }
  proc_killall(host);
}
BENCHMARK(ProcessLife);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
