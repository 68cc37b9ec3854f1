// Small messages and short connections through the simulated stack (PERFORMANCE.md: P4, P6), next
// to the host kernel's own.

#include <benchmark/benchmark.h>

#include <string>

#include "tests/bench/host_sockets.h"
#include "tests/bench/paired.h"
#include "tests/bench/two_ends.h"

namespace sockbed {
namespace {

constexpr size_t kDatagramBytes = 1400;
constexpr int64_t kBurst = 16;

// P4. One byte there and back, between two blocking processes; the host's are two threads.
void TcpRoundTrip(benchmark::State& state) {
  World world({});
  world.ServeTcp(EchoBytes);
  RealEcho real;
  const auto ours = [&](int64_t n) {
    world.Ask(SOCK_STREAM, [n](int fd) {
      char byte = 0;
      for (int64_t i = 0; i < n; ++i) {
        KASSERT(uapi::write(fd, &byte, 1) == 1 && uapi::read(fd, &byte, 1) == 1);
      }
    });
  };
  const auto theirs = [&](int64_t n) {
    for (; n > 0; --n) real.RoundTrip();
  };
  RunPaired(state, ours, theirs, {.goal = 1 / 6.0, .slice_seconds = 3e-3});
}
BENCHMARK(TcpRoundTrip)->Name("P4/tcp_round_trip")->Apply(Paired);

// P4. Datagrams one way; the host's side is one thread.
void UdpDatagrams(benchmark::State& state) {
  World world({});
  world.ServeUdp([](int fd) { ReadAll(fd, kDatagramBytes); });
  RealPair real(SOCK_DGRAM);
  const std::string from(kDatagramBytes, 'x');
  std::string to(kDatagramBytes, '\0');
  const auto ours = [&](int64_t n) {
    world.Ask(SOCK_DGRAM, [&, n](int fd) {
      for (int64_t i = 0; i < n; ++i) {
        KASSERT(uapi::write(fd, from.data(), from.size()) > 0);
        if (i % kBurst == kBurst - 1) uapi::usleep(1);  // the receiver's buffer holds two dozen
      }
    });
  };
  const auto theirs = [&](int64_t n) {
    for (; n > 0; --n) real.Carry(from, to);
  };
  RunPaired(state, ours, theirs, {.goal = 1 / 4.0});
}
BENCHMARK(UdpDatagrams)->Name("P4/udp_1400_bytes")->Apply(Paired);

// P6. Connect, accept, close at both ends. Ours includes what comes after (TIME_WAIT).
void ConnectAcceptClose(benchmark::State& state) {
  World world({});
  world.ServeTcp([](int) {});
  RealListener real;
  const auto ours = [&](int64_t n) {
    world.client().Spawn("client", [&world, n] {
      for (int64_t i = 0; i < n; ++i) uapi::close(world.Connected(SOCK_STREAM));
    });
    world.sim().RunUntil({});
  };
  const auto theirs = [&](int64_t n) {
    for (; n > 0; --n) {
      const auto [near, far] = real.Connection();
      ::close(near);
      ::close(far);
    }
  };
  RunPaired(state, ours, theirs, {.goal = 1 / 5.0, .slice_seconds = 10e-3});
}
BENCHMARK(ConnectAcceptClose)->Name("P6/connect_accept_close")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
