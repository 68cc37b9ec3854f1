// Bulk transfers through the simulated stack next to ns-3's (PERFORMANCE.md: P3): the same transfer
// in the same process, by turns. README.md says how to build and run it.
//
// Both carry writes of 16 KB over a link of 10 Gb/s and 1 ms by a TCP connection with buffers of
// 4 MB. It never ends, and is measured once it fills the link: from then on 4 MB are on their way
// or wait for the wire. What is compared is the time for a segment with data.
//
// Debian's build of ns-3 is not an optimized one. The two were measured side by side on one quiet
// machine, in this very shape (PERFORMANCE.md section 2), and the ratio is to the quicker.

#include <benchmark/benchmark.h>

#include <string>

#include "kernel/sim/kassert.h"
#include "tests/bench/ns3_bulk.h"
#include "tests/bench/paired.h"
#include "tests/bench/two_ends.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr double kOptimizedOverDebian = 19.7e3 / 14.3e3;

constexpr Ns3BulkOptions kShape = {.write_bytes = 16 * 1024,
                                   .segment_bytes = 1448,
                                   .buffer_bytes = 4 << 20,
                                   .latency_ms = 1,
                                   .rate_bps = 10'000'000'000,
                                   .queue_packets = 4096};
constexpr double kSegmentsPerWrite = static_cast<double>(kShape.write_bytes) / kShape.segment_bytes;

// The subject. What Ns3Bulk is in ns-3, but an operation is a write.
class EndlessBulk {
 public:
  EndlessBulk()
      : world_({.link = {.latency = absl::Milliseconds(kShape.latency_ms),
                         .rate_bps = kShape.rate_bps,
                         .queue_len = kShape.queue_packets},
                .buffer_bytes = kShape.buffer_bytes}),
        data_(kShape.write_bytes, 'x') {
    world_.ServeTcp([](int fd) {
      SetBuffer(fd, SO_RCVBUF);
      ReadAll(fd, kShape.write_bytes);
    });
    world_.Start(SOCK_STREAM, [this](int fd) {
      SetBuffer(fd, SO_SNDBUF);
      for (;;) Write(fd);
    });
  }

  void operator()(int64_t writes) {
    left_ = writes;
    world_.sim().RunUntil({});
  }

  int64_t bytes_sent() const { return bytes_sent_; }
  int64_t now_ns() { return world_.sim().machine().now(); }

 private:
  static void SetBuffer(int fd, int which) {
    const int bytes = kShape.buffer_bytes;
    KASSERT(uapi::setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof bytes) == 0);
  }
  void Write(int fd) {
    KASSERT(uapi::write(fd, data_.data(), data_.size()) == static_cast<ssize_t>(data_.size()));
    bytes_sent_ += kShape.write_bytes;
    if (--left_ == 0) world_.sim().machine().Stop();
  }

  World world_;
  const std::string data_;
  int64_t left_ = 0, bytes_sent_ = 0;
};

// Goes through the start of the connection, and looks whether data then take all of the link that
// headers leave.
template <typename Bulk>
bool FillsTheLink(Bulk& bulk, int64_t operations) {
  constexpr int64_t kStartNs = 250'000'000;
  constexpr double kOfData = 0.95;
  while (bulk.now_ns() < kStartNs) bulk(operations / 10);
  const int64_t began = bulk.now_ns(), before = bulk.bytes_sent();
  bulk(operations);
  const auto seconds = static_cast<double>(bulk.now_ns() - began) / 1e9;
  const auto bits = static_cast<double>(bulk.bytes_sent() - before) * 8;
  return bits / seconds >= kOfData * static_cast<double>(kShape.rate_bps);
}

void BulkTenGigabit(benchmark::State& state) {
  EndlessBulk ours;
  Ns3Bulk ns3(kShape);
  if (!FillsTheLink(ours, 2000) || !FillsTheLink(ns3, 20'000)) {
    return state.SkipWithError("the link is not full");
  }
  for (auto _ : state) {
    const PairedResult result = PairedRatio(ours, ns3, {.slice_seconds = 50e-3, .pairs = 101});
    const double our_seconds = result.subject_seconds / kSegmentsPerWrite;
    state.SetIterationTime(our_seconds);
    state.counters["ratio"] = result.ratio / kSegmentsPerWrite * kOptimizedOverDebian;
    state.counters["goal"] = 1 / 80.0;
    state.counters["segments_per_s"] = 1 / our_seconds;
    state.counters["ns3_segments_per_s"] = 1 / result.reference_seconds;
    state.counters["pairs"] = result.pairs;
  }
}
BENCHMARK(BulkTenGigabit)->Name("P3/segment_at_10_gigabit_over_ns3")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
