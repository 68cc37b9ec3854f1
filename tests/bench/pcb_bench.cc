// Finding a segment's connection among many: in_pcblookup alone, against the same among ten.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "kernel/host/simulation.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/sim/kassert.h"
#include "kernel/socket/socketvar.h"
#include "kernel/tcp/tcp.h"
#include "tests/bench/paired.h"

namespace sockbed {
namespace {

constexpr int64_t kFew = 10;
constexpr uint16_t kPort = 80;

// A host whose TCP has that many connected pcbs, made without a segment.
class Connections {
 public:
  explicit Connections(int64_t count)
      : count_(count), sim_({.seed = 1}), host_(sim_.AddHost("host")) {
    InProcess([&] {
      for (int64_t i = 0; i < count; ++i) {
        socket* so = nullptr;
        KASSERT(socreate(AF_INET, &so, SOCK_STREAM, 0) == 0);
        KASSERT(in_pcbset_addr(sotoinpcb(so), Peer(i), PeerPort(i), Local(), htons(kPort)) == 0);
        sockets_.push_back(so);
      }
    });
  }
  ~Connections() {
    InProcess([this] {
      for (socket* so : sockets_) soclose(so);
    });
    KASSERT(sim_.Finish().leaks.empty());
  }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Looks `n` of them up, going round among the last `width`.
  void LookUp(int64_t n, int64_t width) {
    const MachineScope machine(sim_.machine());
    const HostScope scope(host_);
    inpcbtable& table = tcp_table(host_);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t one = count_ - 1 - i % width;
      benchmark::DoNotOptimize(
          in_pcblookup(&table, Peer(one), PeerPort(one), Local(), htons(kPort)));
    }
  }

 private:
  template <typename Body>
  void InProcess(Body body) {
    host_.Spawn("bench", body);
    sim_.RunUntil({});
  }
  static inpaddru Local() { return in_addr{htonl(0x0a000001)}; }
  static inpaddru Peer(int64_t i) {
    return in_addr{htonl(0x0b000000 + static_cast<uint32_t>(i / 50'000))};
  }
  static in_port_t PeerPort(int64_t i) { return htons(static_cast<uint16_t>(1024 + i % 50'000)); }

  const int64_t count_;
  Simulation sim_;
  Host& host_;
  std::vector<socket*> sockets_;
};

// Of many, the same ten: what the table costs.
void PcbLookup(benchmark::State& state) {
  Connections many(state.range(0)), few(kFew);
  RunPaired(
      state, [&](int64_t n) { many.LookUp(n, kFew); }, [&](int64_t n) { few.LookUp(n, kFew); });
}
BENCHMARK(PcbLookup)->Apply(Paired)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// Of many, each in turn: the same with pcbs that the processor has to fetch.
void PcbLookupOfAll(benchmark::State& state) {
  Connections many(state.range(0)), few(kFew);
  RunPaired(
      state, [&](int64_t n) { many.LookUp(n, state.range(0)); },
      [&](int64_t n) { few.LookUp(n, kFew); });
}
BENCHMARK(PcbLookupOfAll)->Apply(Paired)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
