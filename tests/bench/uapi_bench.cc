// uapi against the host's own system calls: what it costs to enter the simulated kernel and to
// leave it.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
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
  RunPaired(state, caller, NullCallOfTheHost, {.goal = 0.8});
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

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
