// uapi against the host's own system calls: what it costs to enter the simulated kernel and to
// leave it.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "kernel/host/simulation.h"
#include "kernel/sched/synch.h"
#include "tests/bench/paired.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

// One simulated process that makes a call as often as asked, with trace and digest as always.
template <typename Call>
class Caller {
 public:
  explicit Caller(Call call) : call_(std::move(call)) {
    sim_.AddHost("host").Spawn("caller", [this] { Serve(); });
  }
  ~Caller() {
    done_ = true;
    sim_.Run();
  }

  void operator()(int64_t calls) {
    left_ = calls;
    sim_.RunUntil({});
  }

  Simulation& simulation() { return sim_; }

 private:
  void Serve() {
    while (!done_) {
      while (left_-- > 0) call_();
      sim_.machine().Stop();
      yield();
    }
  }

  Simulation sim_{{.seed = 1}};
  Call call_;
  int64_t left_ = 0;
  bool done_ = false;
};

void NullCallOfTheHost(int64_t calls) {
  while (calls-- > 0) benchmark::DoNotOptimize(::syscall(SYS_getpid));
}

void NullSystemCall(benchmark::State& state) {
  Caller caller([] { benchmark::DoNotOptimize(uapi::getpid()); });
  RunPaired(state, caller, NullCallOfTheHost, {.goal = 0.5});
}
BENCHMARK(NullSystemCall)->Apply(Paired);

// A call that looks at one descriptor and finds it not ready.
void PollOfOne(benchmark::State& state) {
  int fd = -1;
  Caller caller([&fd] {
    if (fd < 0) fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    benchmark::DoNotOptimize(uapi::poll(&entry, 1, 0));
  });
  const int host_fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  RunPaired(state, caller, [host_fd](int64_t calls) {
    while (calls-- > 0) {
      pollfd entry{.fd = host_fd, .events = POLLIN, .revents = 0};
      benchmark::DoNotOptimize(::poll(&entry, 1, 0));
    }
  });
  ::close(host_fd);
}
BENCHMARK(PollOfOne)->Apply(Paired);

constexpr int kReady = 10;

// A process that watches many sockets, of which kReady are ready all the time, and asks which.
template <typename Watch, typename Ask>
class Watcher {
 public:
  Watcher(int watched, Watch watch, Ask ask)
      : caller_([this, watched, watch, ask] {
          if (queue_ < 0) queue_ = WatchAll(watched, watch);
          benchmark::DoNotOptimize(ask(queue_));
        }) {
    Host& host = *caller_.simulation().FindHost("host");
    host.SetSysctl("kern.maxfilesperproc", watched + 100);
    host.SetSysctl("kern.maxfiles", watched + 100);
    caller_(1);  // begins to watch: no part of what is measured
  }

  void operator()(int64_t calls) { caller_(calls); }

 private:
  static int WatchAll(int watched, const Watch& watch) {
    const int queue = watch(-1, -1, false);
    for (int i = 0; i < watched; ++i) {
      // A datagram socket can always be written, and here never read.
      watch(queue, uapi::socket(AF_UNIX, SOCK_DGRAM, 0), i < kReady);
    }
    return queue;
  }

  int queue_ = -1;
  Caller<std::function<void()>> caller_;
};

// Opens a queue (fd -1), or watches `fd` for reading, and for writing if it is to be ready.
int WatchByKqueue(int queue, int fd, bool ready) {
  if (fd < 0) return uapi::kqueue();
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(fd), ready ? EVFILT_WRITE : EVFILT_READ, EV_ADD, 0, 0,
         nullptr);
  return uapi::kevent(queue, &change, 1, nullptr, 0, nullptr);
}
int AskKqueue(int queue) {
  struct kevent events[2 * kReady];
  const timespec none{};
  return uapi::kevent(queue, nullptr, 0, events, 2 * kReady, &none);
}
int WatchByEpoll(int queue, int fd, bool ready) {
  if (fd < 0) return uapi::epoll_create1(0);
  epoll_event event{};
  event.events = ready ? EPOLLOUT : EPOLLIN;
  return uapi::epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
}
int AskEpoll(int queue) {
  epoll_event events[2 * kReady];
  return uapi::epoll_wait(queue, events, 2 * kReady, 0);
}

// Ten ready ones among 10,000, against ten alone: what is watched costs nothing.
void TenReadyOfMany(benchmark::State& state) {
  const auto compare = [&](auto watch, auto ask) {
    Watcher many(static_cast<int>(state.range(1)), watch, ask);
    Watcher few(kReady, watch, ask);
    RunPaired(state, many, few, {.goal = 1.5});
  };
  state.range(0) == 0 ? compare(WatchByKqueue, AskKqueue) : compare(WatchByEpoll, AskEpoll);
  state.SetLabel(state.range(0) == 0 ? "kqueue" : "epoll");
}
BENCHMARK(TenReadyOfMany)->Apply(Paired)->Args({0, 10'000})->Args({1, 10'000});

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
