// The subject of the network benchmarks: two simulated hosts, or one that talks to itself.
//
// Lives here:  World, and the programs that most of them run.
// Called by:   net_bench, round_trip_bench.
// Owns:        its simulation.
#ifndef SOCKBED_TESTS_BENCH_TWO_ENDS_H_
#define SOCKBED_TESTS_BENCH_TWO_ENDS_H_

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstdint>
#include <string>
#include <utility>

#include "kernel/host/simulation.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/kassert.h"
#include "uapi/uapi.h"

namespace sockbed {

inline constexpr uint16_t kBenchPort = 5001;

struct WorldOptions {
  bool loopback = false;  // one host; else two and `link`
  LinkSpec link = {.latency = absl::Microseconds(10)};
  int64_t buffer_bytes = 0;  // kern.sbmax, to which TCP makes buffers grow; 0: the default
  Machine::Options machine = {.seed = 1};
};

class World {
 public:
  explicit World(const WorldOptions& options) : sim_(options.machine) {
    server_ = &sim_.AddHost("server");
    client_ = options.loopback ? server_ : &sim_.AddHost("client");
    if (!options.loopback) sim_.Connect(*server_, *client_, options.link);
    for (Host* host : {server_, client_}) {
      if (options.buffer_bytes != 0) host->SetSysctl("kern.sbmax", options.buffer_bytes);
    }
  }
  ~World() { sim_.Finish(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Starts a server that treats each connection with `serve(fd)`, one after the other.
  template <typename Serve>
  void ServeTcp(Serve serve) {
    server_->Spawn("server",
                   [serve] {
                     const int listener = Bound(SOCK_STREAM);
                     KASSERT(uapi::listen(listener, 128) == 0);
                     for (int fd; (fd = uapi::accept(listener, nullptr, nullptr)) >= 0;
                          uapi::close(fd)) {
                       serve(fd);
                     }
                   },
                   {.daemon = true});
    sim_.RunUntil({});
  }

  // The same for a UDP socket.
  template <typename Serve>
  void ServeUdp(Serve serve) {
    server_->Spawn("server", [serve] { serve(Bound(SOCK_DGRAM)); }, {.daemon = true});
    sim_.RunUntil({});
  }

  // Starts a program that runs talk(fd) on a fresh connection.
  template <typename Talk>
  void Start(int type, Talk talk) {
    client_->Spawn("client", [this, type, talk] {
      const int fd = Connected(type);
      talk(fd);
      uapi::close(fd);
    });
  }

  // The same, to quiescence.
  template <typename Talk>
  void Ask(int type, Talk talk) {
    Start(type, talk);
    sim_.RunUntil({});
  }

  // From a client's process: a socket that is connected to the server.
  int Connected(int type) {
    const int fd = uapi::socket(AF_INET, type, 0);
    const sockaddr_in to = server_->address(kBenchPort);
    KASSERT(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    const int on = 1;
    if (type == SOCK_STREAM) {
      KASSERT(uapi::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    }
    return fd;
  }

  Host& server() { return *server_; }
  Host& client() { return *client_; }
  Simulation& sim() { return sim_; }

 private:
  static int Bound(int type) {
    const int fd = uapi::socket(AF_INET, type, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kBenchPort);
    KASSERT(uapi::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    return fd;
  }

  Simulation sim_;
  Host* server_;
  Host* client_;
};

inline void ReadAll(int fd, size_t bytes) {
  std::string buffer(bytes, '\0');
  while (uapi::read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

inline void EchoBytes(int fd) {
  char byte = 0;
  while (uapi::read(fd, &byte, 1) == 1) KASSERT(uapi::write(fd, &byte, 1) == 1);
}

// Writes of `bytes` from one process to another.
class TcpBulk {
 public:
  TcpBulk(const WorldOptions& options, size_t bytes) : world_(options), data_(bytes, 'x') {
    world_.ServeTcp([bytes](int fd) { ReadAll(fd, bytes); });
  }

  // So many, on a connection that stays open from call to call, as the host's does beside us.
  void operator()(int64_t writes) {
    if (!std::exchange(dialled_, true)) {
      world_.client().Spawn("client", [this] { WriteWhenAsked(world_.Connected(SOCK_STREAM)); },
                            {.daemon = true});
    }
    left_ = writes;
    {
      const MachineScope scope(world_.sim().machine());
      const HostScope on(world_.client());
      wakeup(&left_);
    }
    world_.sim().RunUntil({});
    KASSERT(left_ == 0);
  }

  // The same with several connections at once, of which each writes so often. Returns the virtual
  // time until the last has written: what follows (TIME_WAIT) is no work.
  SimTime Flows(int flows, int64_t writes) {
    const SimTime began = world_.sim().machine().now();
    SimTime ended = began;
    for (int i = 0; i < flows; ++i) {
      world_.Start(SOCK_STREAM, [&, writes](int fd) {
        Write(fd, writes);
        ended = Now();
      });
    }
    world_.sim().RunUntil({});
    return ended - began;
  }

  World& world() { return world_; }

 private:
  void Write(int fd, int64_t writes) {
    const auto bytes = static_cast<ssize_t>(data_.size());
    for (int64_t i = 0; i < writes; ++i) {
      KASSERT(uapi::write(fd, data_.data(), data_.size()) == bytes);
    }
  }

  void WriteWhenAsked(int fd) {
    do {
      Write(fd, std::exchange(left_, 0));
    } while (tsleep(&left_, PWAIT | PCATCH, "writes", 0) == 0);
  }

  World world_;
  const std::string data_;
  bool dialled_ = false;
  int64_t left_ = 0;  // writes that are asked for
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_TWO_ENDS_H_
