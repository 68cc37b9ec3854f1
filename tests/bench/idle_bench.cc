// Many connections in one process (PERFORMANCE.md: P7, P8): what each holds of memory, both ends
// and their descriptors included, and what a round trip costs that goes over all of them in turn.

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include "kernel/sched/synch.h"
#include "tests/bench/host_sockets.h"
#include "tests/bench/many_skeleton.h"
#include "tests/bench/paired.h"
#include "tests/bench/two_ends.h"

namespace sockbed {
namespace {

constexpr int64_t kPortsPerAddress = 60'000;
constexpr uint16_t kFirstPort = 2000;
constexpr double kLinuxBytes = 6.8 * 1024;  // PERFORMANCE.md, section 2

int64_t ResidentBytes() {
  long pages = 0, resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  KASSERT(file != nullptr && std::fscanf(file, "%ld %ld", &pages, &resident) == 2);
  std::fclose(file);
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Two hosts with as many links as it takes for each connection to have a name of its own. A round
// trip takes nearly no virtual time, so that no timer runs out before a connection's next turn:
// what grows is the cost of the same work.
class ManyConnections {
 public:
  explicit ManyConnections(int64_t connections, bool with_processes = false)
      : connections_(connections), before_(ResidentBytes()), sim_({.seed = 1}) {
    server_ = &sim_.AddHost("server");
    client_ = &sim_.AddHost("client");
    for (int64_t done = 0; done < connections; done += kPortsPerAddress) {
      sim_.Connect(*server_, *client_, {.latency = absl::Nanoseconds(10)});
    }
    for (Host* host : {server_, client_}) {
      host->SetSysctl("kern.syscall_ns", 1);
      host->SetSysctl("kern.maxfilesperproc", 1 << 20);
      host->SetSysctl("kern.maxfiles", 4 * connections + 100);
    }
    server_->Spawn("server", [=, this] { Serve(with_processes); }, {.daemon = true});
    client_->Spawn("client", [=, this] { with_processes ? StartClients() : Talk(); });
    sim_.RunUntil({});
  }
  ~ManyConnections() {
    done_ = true;
    sim_.Finish();
  }
  ManyConnections(const ManyConnections&) = delete;
  ManyConnections& operator=(const ManyConnections&) = delete;

  double bytes_per_connection() const {
    return static_cast<double>(ResidentBytes() - before_) / static_cast<double>(connections_);
  }

  // Round trips of a byte, each over the next connection.
  void operator()(int64_t round_trips) {
    left_ = round_trips;
    sim_.RunUntil({});
  }

 private:
  // Accepts all; then echoes a byte on each in turn, or has a process on each do so.
  void Serve(bool with_processes) {
    const int listener = uapi::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kBenchPort);
    KASSERT(uapi::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    KASSERT(uapi::listen(listener, 128) == 0);
    for (int64_t i = 0; i < connections_; ++i) {
      const int fd = uapi::accept(listener, nullptr, nullptr);
      KASSERT(fd >= 0);
      if (with_processes) {
        uapi::spawn("echo", [fd] { return EchoBytes(fd), 0; });
        uapi::close(fd);
      } else {
        KASSERT(fd == Descriptor(i) + 1);  // the listener is the first
      }
    }
    for (int64_t turn = 0; !with_processes; ++turn) {
      const int fd = Descriptor(ScatteredTurn(turn, connections_)) + 1;
      char byte = 0;
      if (uapi::read(fd, &byte, 1) != 1 || uapi::write(fd, &byte, 1) != 1) return;
    }
  }

  // Connects all; then sends a byte over each in turn, as often as asked.
  void Talk() {
    for (int64_t i = 0; i < connections_; ++i) KASSERT(Connect(i) == Descriptor(i));
    for (int64_t turn = 0; !done_; yield()) {
      while (left_-- > 0) {
        const int fd = Descriptor(ScatteredTurn(turn++, connections_));
        char byte = 0;
        KASSERT(uapi::write(fd, &byte, 1) == 1 && uapi::read(fd, &byte, 1) == 1);
      }
      sim_.machine().Stop();
    }
  }

  // A process for each connection, which waits for a byte that never comes.
  void StartClients() {
    for (int64_t i = 0; i < connections_; ++i) {
      const int fd = Connect(i);
      uapi::spawn("idle", [fd] { return EchoBytes(fd), 0; });
      uapi::close(fd);
    }
    sim_.machine().Stop();
    yield();
  }

  // Of a process that opens nothing else. Known, lest a list of them be what is measured.
  static int Descriptor(int64_t i) { return 3 + static_cast<int>(i); }

  int Connect(int64_t i) const {
    const auto link = static_cast<size_t>(i / kPortsPerAddress);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr = client_->addresses()[link].address;
    name.sin_port = htons(static_cast<uint16_t>(kFirstPort + i % kPortsPerAddress));
    const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
    KASSERT(uapi::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    name.sin_addr = server_->addresses()[link].address;
    name.sin_port = htons(kBenchPort);
    KASSERT(uapi::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    return fd;
  }

  const int64_t connections_;
  const int64_t before_;
  Simulation sim_;
  Host* server_;
  Host* client_;
  int64_t left_ = 0;
  bool done_ = false;
};

// Whether the machine has room for what is to be measured; says so if not.
bool HasMemory(benchmark::State& state, double bytes) {
  struct sysinfo info;
  KASSERT(::sysinfo(&info) == 0);
  const double free = static_cast<double>(info.freeram + info.bufferram) * info.mem_unit;
  if (free > bytes) return true;
  for (auto _ : state) state.SetIterationTime(1e-9);
  state.SetLabel("not measured: too little memory is free");
  return false;
}

void ReportMemory(benchmark::State& state, bool with_processes, double goal_bytes) {
  const int64_t connections = state.range(0);
  if (!HasMemory(state, static_cast<double>(connections) * 2 * goal_bytes)) return;
  for (auto _ : state) {
    const double start = MonotonicSeconds();
    const ManyConnections many(connections, with_processes);
    state.SetIterationTime((MonotonicSeconds() - start) / static_cast<double>(connections));
    state.counters["bytes_each"] = many.bytes_per_connection();
    state.counters["ratio"] = many.bytes_per_connection() / kLinuxBytes;
    state.counters["goal"] = goal_bytes / kLinuxBytes;
  }
}

// P7. The time is that of making one.
void IdleConnections(benchmark::State& state) { ReportMemory(state, false, 3 * 1024); }
BENCHMARK(IdleConnections)
    ->Name("P7/idle_connection_memory_over_linux")
    ->Apply(Paired)
    ->RangeMultiplier(10)
    ->Range(1000, 1'000'000);

// P7. With a process asleep on each end: as many as the host lets a process map stacks.
void IdleConnectionsWithProcesses(benchmark::State& state) { ReportMemory(state, true, 12 * 1024); }
BENCHMARK(IdleConnectionsWithProcesses)
    ->Name("P7/idle_connection_with_processes_memory_over_linux")
    ->Apply(Paired)
    ->Arg(1000)
    ->Arg(10'000);

// P8. What a round trip costs more over so many connections than over a thousand, next to what it
// costs the skeleton more.
void Growth(benchmark::State& state) {
  const int64_t connections = state.range(0);
  if (!HasMemory(state, static_cast<double>(connections) * 7 * 1024)) return;
  PairedResult skeleton, ours;
  // Long enough for the thousand to come back into the caches after the many.
  const PairedOptions options = {.slice_seconds = 30e-3, .pairs = 31};
  {
    ManySkeleton many(connections), few(1000);
    many(connections);
    skeleton = PairedRatio(many, few, options);
  }
  ManyConnections many(connections), few(1000);
  many(connections);  // once round
  for (auto _ : state) {
    ours = PairedRatio(many, few, options);
    const double added = ours.subject_seconds - ours.reference_seconds;
    const double least = skeleton.subject_seconds - skeleton.reference_seconds;
    state.SetIterationTime(ours.subject_seconds);
    state.counters["added_ns"] = added * 1e9;
    state.counters["skeleton_added_ns"] = least * 1e9;
    state.counters["skeleton_ns"] = skeleton.subject_seconds * 1e9;
    state.counters["ratio"] = added / least;
    state.counters["goal"] = 1.5;
  }
}
BENCHMARK(Growth)
    ->Name("P8/round_trip_growth_over_skeleton")
    ->Apply(Paired)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Arg(1'000'000);

// As many connections of the host kernel, worked by one thread.
class RealMany {
 public:
  explicit RealMany(int64_t connections) {
    for (int64_t i = 0; i < connections; ++i) pairs_.push_back(listener_.Connection());
  }
  ~RealMany() {
    for (const auto& [near, far] : pairs_) {
      ::close(near);
      ::close(far);
    }
  }
  RealMany(const RealMany&) = delete;
  RealMany& operator=(const RealMany&) = delete;

  void operator()(int64_t round_trips) {
    const auto connections = static_cast<int64_t>(pairs_.size());
    for (; round_trips > 0; --round_trips) {
      const auto [near, far] = pairs_[static_cast<size_t>(ScatteredTurn(turn_++, connections))];
      char byte = 0;
      KASSERT(::write(near, &byte, 1) == 1 && ::read(far, &byte, 1) == 1);
      KASSERT(::write(far, &byte, 1) == 1 && ::read(near, &byte, 1) == 1);
    }
  }

 private:
  RealListener listener_;
  std::vector<std::pair<int, int>> pairs_;
  int64_t turn_ = 0;
};

// P8. Next to the host kernel, over as many connections as it lets one process have.
void RoundTripOverMany(benchmark::State& state) {
  rlimit limit;
  KASSERT(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  KASSERT(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  const auto connections =
      std::min<int64_t>(10'000, (static_cast<int64_t>(limit.rlim_cur) - 100) / 2);
  ManyConnections ours(connections);
  RealMany real(connections);
  RunPaired(state, ours, real, {.goal = 1 / 3.0, .slice_seconds = 3e-3});
  state.counters["connections"] = static_cast<double>(connections);
}
BENCHMARK(RoundTripOverMany)->Name("P8/round_trip_over_10k_over_host")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
