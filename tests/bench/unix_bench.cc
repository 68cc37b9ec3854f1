// A local stream pair: sosend and soreceive between two blocking processes, next to the host
// kernel's own socketpair in the same run (PERFORMANCE.md, P4 and P13).
//
// For bulk the host's side is one thread that writes and reads by turns, the shape in which a
// kernel is quickest; its buffers, and ours, hold what Linux gives a socket by default. For round
// trips it is two threads that block, on one core.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "kernel/host/simulation.h"
#include "kernel/sim/kassert.h"
#include "tests/bench/paired.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr int64_t kBufferBytes = 212'992;

// The host kernel's pair, both ends in this thread.
class RealPair {
 public:
  RealPair() {
    KASSERT(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) == 0);
    for (const int fd : ends_) KASSERT(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  }
  ~RealPair() {
    for (const int fd : ends_) ::close(fd);
  }

  // What fits is written, and then read, until all has crossed.
  void Carry(const std::string& from, std::string& to) {
    size_t sent = 0, got = 0;
    while (got < from.size()) {
      if (sent < from.size()) {
        const ssize_t n = ::write(ends_[0], from.data() + sent, from.size() - sent);
        if (n > 0) sent += static_cast<size_t>(n);
      }
      const ssize_t n = ::read(ends_[1], to.data(), to.size());
      if (n > 0) got += static_cast<size_t>(n);
    }
  }

 private:
  int ends_[2];
};

// A host whose programs talk over a pair.
class World {
 public:
  World() : sim_({.seed = 1}), host_(sim_.AddHost("host")) {
    host_.SetSysctl("net.unix.stream.sendspace", kBufferBytes);
    host_.SetSysctl("net.unix.stream.recvspace", kBufferBytes);
  }
  ~World() { sim_.Finish(); }

  // Two processes at the ends of a fresh pair, to their end.
  template <typename Near, typename Far>
  void Talk(Near near, Far far) {
    host_.Spawn("near", [near, far] {
      int ends[2];
      KASSERT(uapi::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
      uapi::spawn("far", [ends, far] {
        uapi::close(ends[0]);
        far(ends[1]);
        return 0;
      });
      uapi::close(ends[1]);
      near(ends[0]);
    });
    sim_.RunUntil({});
  }

 private:
  Simulation sim_;
  Host& host_;
};

// n writes of so many bytes, which the other process reads.
void UnixStream(benchmark::State& state) {
  const size_t bytes = static_cast<size_t>(state.range(0));
  World world;
  RealPair real;
  const std::string from(bytes, 'x');
  std::string to(bytes, '\0');
  const auto ours = [&](int64_t n) {
    world.Talk(
        [&, n](int fd) {
          for (int64_t i = 0; i < n; ++i) {
            KASSERT(uapi::write(fd, from.data(), bytes) == static_cast<ssize_t>(bytes));
          }
        },
        [&](int fd) {
          while (uapi::read(fd, to.data(), to.size()) > 0) {
          }
        });
  };
  const auto theirs = [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) real.Carry(from, to);
  };
  const double goal = bytes == 16 << 10 ? 1 / 2.0 : bytes == 1 << 20 ? 1 / 1.2 : 0;
  RunPaired(state, ours, theirs, {.goal = goal, .slice_seconds = 5e-3});
}
BENCHMARK(UnixStream)
    ->Name("P13/unix_stream")
    ->Apply(Paired)
    ->Arg(1)
    ->Arg(1 << 10)
    ->Arg(16 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20);

// The host's round trips: a thread that echoes, on the same core.
class RealEcho {
 public:
  RealEcho() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    KASSERT(sched_getaffinity(0, sizeof before_, &before_) == 0);
    KASSERT(sched_setaffinity(0, sizeof one, &one) == 0);  // inherited by the thread
    KASSERT(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) == 0);
    echo_ = std::thread([fd = ends_[1]] {
      char byte;
      while (::read(fd, &byte, 1) == 1) KASSERT(::write(fd, &byte, 1) == 1);
    });
  }
  ~RealEcho() {
    ::shutdown(ends_[0], SHUT_WR);
    echo_.join();
    for (const int fd : ends_) ::close(fd);
    sched_setaffinity(0, sizeof before_, &before_);
  }

  void PingPong() {
    char byte = 0;
    KASSERT(::write(ends_[0], &byte, 1) == 1 && ::read(ends_[0], &byte, 1) == 1);
  }

 private:
  cpu_set_t before_;
  int ends_[2];
  std::thread echo_;
};

void UnixRoundTrip(benchmark::State& state) {
  World world;
  RealEcho real;
  const auto ours = [&](int64_t n) {
    world.Talk(
        [n](int fd) {
          char byte = 0;
          for (int64_t i = 0; i < n; ++i) {
            KASSERT(uapi::write(fd, &byte, 1) == 1 && uapi::read(fd, &byte, 1) == 1);
          }
        },
        [](int fd) {
          char byte;
          while (uapi::read(fd, &byte, 1) == 1) uapi::write(fd, &byte, 1);
        });
  };
  RunPaired(state, ours,
            [&](int64_t n) {
              for (int64_t i = 0; i < n; ++i) real.PingPong();
            },
            {.goal = 1 / 10.0});
}
BENCHMARK(UnixRoundTrip)->Name("P4/unix_round_trip")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
