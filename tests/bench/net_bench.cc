// Bulk transfers through the simulated stack (PERFORMANCE.md: P1, P2, P11, P14), next to the host
// kernel's own TCP and to a skeleton that makes the same moves without a protocol.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "kernel/net/link.h"
#include "kernel/sim/fault.h"
#include "tests/bench/host_sockets.h"
#include "tests/bench/paired.h"
#include "tests/bench/skeleton.h"
#include "tests/bench/two_ends.h"

namespace sockbed {
namespace {

constexpr size_t kWriteBytes = Skeleton::kWriteBytes;
constexpr size_t kLargeWriteBytes = 1 << 20;
constexpr double kSegmentsPerWrite =
    static_cast<double>(kWriteBytes) / static_cast<double>(Skeleton::kSegmentBytes);

// The reference of P1 and P2.
class RealBulk {
 public:
  explicit RealBulk(size_t bytes) : pair_(SOCK_STREAM), from_(bytes, 'x'), to_(bytes, '\0') {}
  void SetBuffers(int bytes) { pair_.SetBuffers(bytes); }
  void operator()(int64_t writes) {
    for (int64_t i = 0; i < writes; ++i) pair_.Carry(from_, to_);
  }

 private:
  RealPair pair_;
  const std::string from_;
  std::string to_;
};

// P1. Both carry large segments. The host's is quickest with buffers of a quarter of the megabyte.
void BulkLoopback(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  TcpBulk ours({.loopback = true}, bytes);
  RealBulk real(bytes);
  if (bytes == kLargeWriteBytes) real.SetBuffers(256 * 1024);
  const double goal = bytes == kLargeWriteBytes ? 1 / 1.3 : 1 / 2.5;
  RunPaired(state, ours, real, {.goal = goal, .slice_seconds = 10e-3});
}
BENCHMARK(BulkLoopback)
    ->Name("P1/bulk_lo0")
    ->Apply(Paired)
    ->Arg(kWriteBytes)
    ->Arg(kLargeWriteBytes);

WorldOptions NoDigest() { return {.machine = {.seed = 1, .digest = false}}; }

// P2. Next to the moves that any simulator of segments has to make.
void BulkLinkOverSkeleton(benchmark::State& state) {
  TcpBulk ours(NoDigest(), kWriteBytes);
  Skeleton skeleton;
  RunPaired(state, ours, skeleton, {.goal = 2.8, .slice_seconds = 10e-3});
}
BENCHMARK(BulkLinkOverSkeleton)->Name("P2/bulk_link1500_over_skeleton")->Apply(Paired);

// P2. Next to the host's TCP over an interface of 1500 bytes that offloads nothing.
void BulkLinkOverHost(benchmark::State& state) {
  TcpBulk ours(NoDigest(), kWriteBytes);
  const PlainLoopback plain;
  if (!plain.ready()) state.SetLabel("the host's MTU is not 1500: needs CAP_SYS_ADMIN");
  RealBulk real(kWriteBytes);
  RunPaired(state, ours, real, {.goal = 1 / 2.2, .slice_seconds = 10e-3});
}
BENCHMARK(BulkLinkOverHost)->Name("P2/bulk_link1500_over_host")->Apply(Paired);

// P11. What the digest costs.
void Digest(benchmark::State& state) {
  TcpBulk with({.machine = {.seed = 1, .digest = true}}, kWriteBytes);
  TcpBulk without(NoDigest(), kWriteBytes);
  RunPaired(state, with, without, {.goal = 1.12, .slice_seconds = 5e-3});
}
BENCHMARK(Digest)->Name("P11/digest")->Apply(Paired);

// Keeps all records of a slice.
class RecordKeeper : public TraceSink {
 public:
  void Consume(std::span<const Record> records) override {
    records_.insert(records_.end(), records.begin(), records.end());
  }
  void Clear() { records_.clear(); }

 private:
  std::vector<Record> records_;
};

// P11. What it costs to keep all of the trace in memory.
void FullTrace(benchmark::State& state) {
  TcpBulk with({.machine = {.seed = 1, .digest = true}}, kWriteBytes);
  TcpBulk without(NoDigest(), kWriteBytes);
  RecordKeeper keeper;
  with.world().sim().trace().set_sink(&keeper);
  const auto kept = [&](int64_t n) {
    with(n);
    keeper.Clear();
  };
  RunPaired(state, kept, without, {.goal = 1.4, .slice_seconds = 5e-3});
  with.world().sim().trace().set_sink(nullptr);
}
BENCHMARK(FullTrace)->Name("P11/full_trace")->Apply(Paired);

// How many fault points `writes` pass, and how many places that would tell a tap.
double IdlePointsPerWrite(int64_t writes) {
  fault::Plan plan({});
  TcpBulk bulk({.machine = {.seed = 1, .fault_plan = &plan}}, kWriteBytes);
  bulk(writes);
  uint64_t points = 0;
  for (const auto& host : bulk.world().sim().hosts()) {
    for (size_t site = 0; site < static_cast<size_t>(Site::kCount); ++site) {
      points += plan.visits(static_cast<Site>(site), host->id);
    }
  }
  const Link& link = *bulk.world().sim().links().front();
  for (const int direction : {0, 1}) points += 2 * link.counters(direction).packets;
  return static_cast<double>(points) / static_cast<double>(writes);
}

// P11. They cannot be left out for a comparison; their number and the cost of one can be had.
void IdleFaultPoints(benchmark::State& state) {
  TcpBulk bulk(NoDigest(), kWriteBytes);
  const auto asking = [&bulk](int64_t n) {
    const MachineScope scope(bulk.world().sim().machine());
    for (; n > 0; --n) benchmark::DoNotOptimize(fault::Fires(Site::kMbufGet, n));
  };
  const auto idling = [](int64_t n) {
    for (; n > 0; --n) benchmark::DoNotOptimize(n == 0);
  };
  const PairedResult point = PairedRatio(asking, idling, {});
  const double points = IdlePointsPerWrite(1000);
  for (auto _ : state) {
    const double write_seconds = PairedRatio(bulk, idling, {.pairs = 31}).subject_seconds;
    const double cost = points * (point.subject_seconds - point.reference_seconds);
    state.SetIterationTime(cost);
    state.counters["ratio"] = write_seconds / (write_seconds - cost);
    state.counters["goal"] = 1.02;
    state.counters["points_per_segment"] = points / kSegmentsPerWrite;
  }
}
BENCHMARK(IdleFaultPoints)->Name("P11/idle_fault_points_and_taps")->Apply(Paired);

// P14. Three flows share 10 Mb/s over a round trip of 50 ms, with a queue of one such trip.
void WideArea(benchmark::State& state) {
  const LinkSpec link = {
      .latency = absl::Milliseconds(25), .rate_bps = 10'000'000, .queue_len = 42};
  TcpBulk bulk({.link = link}, kWriteBytes);
  std::vector<double> rates;
  for (auto _ : state) {
    for (int run = 0; run < 11; ++run) {
      const double start = MonotonicSeconds();
      const SimTime spent = bulk.Flows(3, 1500);
      rates.push_back(static_cast<double>(spent) / 1e9 / (MonotonicSeconds() - start));
    }
    const double rate = MedianOf(rates);
    state.SetIterationTime(1 / rate);
    state.counters["virtual_s_per_s"] = rate;
    state.counters["ratio"] = 1000 / rate;
    state.counters["goal"] = 1;
  }
}
BENCHMARK(WideArea)->Name("P14/wide_area_wall_s_per_1000_virtual_s")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
