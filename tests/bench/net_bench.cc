// TCP and UDP through the simulated stack, next to the host kernel's own sockets in the same run.
//
// The host's side is one thread that writes and reads its own loopback connection: the shape in
// which a kernel is quickest. Ours is two blocking processes.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "kernel/host/simulation.h"
#include "kernel/sim/kassert.h"
#include "tests/bench/paired.h"
#include "tests/bench/skeleton.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 5001;
constexpr size_t kWriteBytes = 16 * 1024;
constexpr size_t kDatagramBytes = 1400;
constexpr int64_t kBurst = 16;

// A connection of the host kernel to itself, both ends in this thread.
class RealPair {
 public:
  explicit RealPair(int type) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(name);
    auto* address = reinterpret_cast<sockaddr*>(&name);
    const int first = ::socket(AF_INET, type, 0);
    KASSERT(::bind(first, address, length) == 0);
    KASSERT(::getsockname(first, address, &length) == 0);
    near_ = ::socket(AF_INET, type, 0);
    if (type == SOCK_STREAM) KASSERT(::listen(first, 1) == 0);
    KASSERT(::connect(near_, address, length) == 0);
    far_ = type == SOCK_STREAM ? ::accept(first, nullptr, nullptr) : first;
    const int on = 1;
    if (type == SOCK_STREAM) {
      ::close(first);
      for (const int fd : {near_, far_})
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
  }
  ~RealPair() {
    ::close(near_);
    ::close(far_);
  }

  void Carry(size_t bytes) {
    buffer_.resize(bytes);
    KASSERT(::write(near_, buffer_.data(), bytes) == static_cast<ssize_t>(bytes));
    for (size_t got = 0; got < bytes;) {
      const ssize_t n = ::read(far_, buffer_.data(), bytes - got);
      KASSERT(n > 0);
      got += static_cast<size_t>(n);
    }
  }
  void PingPong() {
    char byte = 0;
    KASSERT(::write(near_, &byte, 1) == 1 && ::read(far_, &byte, 1) == 1);
    KASSERT(::write(far_, &byte, 1) == 1 && ::read(near_, &byte, 1) == 1);
  }

 private:
  int near_, far_;
  std::string buffer_;
};

// Two hosts on a fast link, or one that talks to itself; a server process for each kind of traffic.
class World {
 public:
  explicit World(bool loopback) : sim_({.seed = 1}) {
    server_ = &sim_.AddHost("server");
    client_ = loopback ? server_ : &sim_.AddHost("client");
    if (!loopback) sim_.Connect(*server_, *client_, {.latency = absl::Microseconds(10)});
  }
  ~World() { sim_.Finish(); }

  // Starts a server that treats each connection with `serve`.
  template <typename Serve>
  void ServeTcp(Serve serve) {
    server_->Spawn(
        "server",
        [serve] {
          const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
          sockaddr_in any{};
          any.sin_family = AF_INET;
          any.sin_port = htons(kPort);
          KASSERT(uapi::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0);
          KASSERT(uapi::listen(listener, 5) == 0);
          for (int fd; (fd = uapi::accept(listener, nullptr, nullptr)) >= 0; uapi::close(fd))
            serve(fd);
        },
        {.daemon = true});
    sim_.RunUntil({});
  }

  // Runs `talk` on a fresh connection, to quiescence.
  template <typename Talk>
  void Ask(int type, Talk talk) {
    client_->Spawn("client", [this, type, talk] {
      const int fd = uapi::socket(AF_INET, type, 0);
      const sockaddr_in to = server_->address(kPort);
      KASSERT(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
      const int on = 1;
      if (type == SOCK_STREAM) uapi::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      talk(fd);
      uapi::close(fd);
    });
    sim_.RunUntil({});
  }

  Host& server() { return *server_; }
  Simulation& sim() { return sim_; }

 private:
  Simulation sim_;
  Host* server_;
  Host* client_;
};

void Sink(int fd, size_t bytes) {
  std::string buffer(bytes, '\0');
  while (uapi::read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

// Writes of `bytes` from one process to another.
class TcpBulk {
 public:
  TcpBulk(bool loopback, size_t bytes) : world_(loopback), bytes_(bytes) {
    world_.ServeTcp([bytes](int fd) { Sink(fd, bytes); });
  }
  void operator()(int64_t writes) {
    world_.Ask(SOCK_STREAM, [writes, bytes = bytes_](int fd) {
      const std::string buffer(bytes, 'x');
      for (int64_t i = 0; i < writes; ++i) {
        KASSERT(uapi::write(fd, buffer.data(), bytes) == static_cast<ssize_t>(bytes));
      }
    });
  }

 private:
  World world_;
  const size_t bytes_;
};

// Next to the host's own loopback: both carry large segments.
void TcpBulkLoopback(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  TcpBulk ours(/*loopback=*/true, bytes);
  RealPair real(SOCK_STREAM);
  const auto theirs = [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) real.Carry(bytes);
  };
  RunPaired(state, ours, theirs, {.goal = 1 / 2.5, .slice_seconds = 10e-3});
}
BENCHMARK(TcpBulkLoopback)->Apply(Paired)->Arg(kWriteBytes);

// Next to the moves that any simulator of segments has to make.
void TcpBulkLink1500(benchmark::State& state) {
  TcpBulk ours(/*loopback=*/false, kWriteBytes);
  Skeleton skeleton;
  RunPaired(state, ours, skeleton, {.goal = 2.8, .slice_seconds = 10e-3});
}
BENCHMARK(TcpBulkLink1500)->Apply(Paired);

void BM_TcpPingPong(benchmark::State& state) {
  World world(/*loopback=*/false);
  RealPair real(SOCK_STREAM);
  world.ServeTcp([](int fd) {
    char byte = 0;
    while (uapi::read(fd, &byte, 1) == 1) uapi::write(fd, &byte, 1);
  });
  const auto ours = [&](int64_t n) {
    world.Ask(SOCK_STREAM, [n](int fd) {
      char byte = 0;
      for (int64_t i = 0; i < n; ++i) {
        KASSERT(uapi::write(fd, &byte, 1) == 1 && uapi::read(fd, &byte, 1) == 1);
      }
    });
  };
  RunPaired(state, ours, [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) real.PingPong();
  });
}
BENCHMARK(BM_TcpPingPong)->Apply(Paired);

void BM_UdpDatagrams1400(benchmark::State& state) {
  World world(/*loopback=*/false);
  RealPair real(SOCK_DGRAM);
  world.server().Spawn(
      "server",
      [] {
        const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(kPort);
        KASSERT(uapi::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0);
        Sink(fd, kDatagramBytes);
      },
      {.daemon = true});
  world.sim().RunUntil({});
  const auto ours = [&](int64_t n) {
    world.Ask(SOCK_DGRAM, [n](int fd) {
      const std::string datagram(kDatagramBytes, 'x');
      for (int64_t i = 0; i < n; ++i) {
        uapi::write(fd, datagram.data(), datagram.size());
        if (i % kBurst == kBurst - 1) uapi::usleep(1);  // the receiver's buffer holds two dozen
      }
    });
  };
  RunPaired(state, ours,
            [&](int64_t n) {
              for (int64_t i = 0; i < n; ++i) real.Carry(kDatagramBytes);
            },
            {.goal = 1 / 4.0});
}
BENCHMARK(BM_UdpDatagrams1400)->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
