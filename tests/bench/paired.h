// How one thing's speed compares with another's, on a machine whose own speed swings by half.
//
// Lives here:  RunPaired, PairedRatio.
// Called by:   every benchmark that has a reference (PERFORMANCE.md: only ratios count).
// Invariants:  subject and reference run in one process, in alternating slices of about a
//              millisecond, the order swapped at each turn; the result is the median of the ratios
//              of neighbours, so what slows both, or hits one slice in ten, does not show.
#ifndef SOCKBED_TESTS_BENCH_PAIRED_H_
#define SOCKBED_TESTS_BENCH_PAIRED_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace sockbed {

struct PairedOptions {
  double goal = 0;  // the ratio to reach, shown beside the one measured; 0: none
  double slice_seconds = 1e-3;
  int pairs = 301;
  double seconds_max = 10;  // fewer pairs when slices are long, but at least kPairsMin
};
inline constexpr int kPairsMin = 11;

struct PairedResult {
  double ratio;            // median of subject / reference, time per operation
  double subject_seconds;  // medians, per operation
  double reference_seconds;
  int pairs;
};

inline double MedianOf(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

inline double MonotonicSeconds() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

// The time of one call of `run` for `operations`.
template <typename Run>
double TimeOf(Run& run, int64_t operations) {
  const double start = MonotonicSeconds();
  run(operations);
  return MonotonicSeconds() - start;
}

// How many operations of `run` fill a slice. Also warms it up. Of three times the shortest counts:
// one that the machine interrupted would make every slice too short.
template <typename Run>
int64_t OperationsPerSlice(Run& run, double slice_seconds) {
  const auto shortest = [&run](int64_t operations) {
    return std::min({TimeOf(run, operations), TimeOf(run, operations), TimeOf(run, operations)});
  };
  int64_t operations = 1;
  double seconds = shortest(operations);
  while (seconds < slice_seconds / 4) {
    operations *= 2;
    seconds = shortest(operations);
  }
  return std::max<int64_t>(1, static_cast<int64_t>(operations * slice_seconds / seconds));
}

// Measures subject(n) against reference(n), each of which performs n operations.
template <typename Subject, typename Reference>
PairedResult PairedRatio(Subject&& subject, Reference&& reference, const PairedOptions& options) {
  const int64_t subject_n = OperationsPerSlice(subject, options.slice_seconds);
  const int64_t reference_n = OperationsPerSlice(reference, options.slice_seconds);
  std::vector<double> ratios, subject_times, reference_times;
  const double end = MonotonicSeconds() + options.seconds_max;
  for (int i = 0; i < options.pairs; ++i) {
    if (i >= kPairsMin && MonotonicSeconds() > end) break;
    double subject_time = 0;
    if (i % 2 == 0) subject_time = TimeOf(subject, subject_n) / subject_n;
    const double reference_time = TimeOf(reference, reference_n) / reference_n;
    if (i % 2 != 0) subject_time = TimeOf(subject, subject_n) / subject_n;
    ratios.push_back(subject_time / reference_time);
    subject_times.push_back(subject_time);
    reference_times.push_back(reference_time);
  }
  return {.ratio = MedianOf(ratios),
          .subject_seconds = MedianOf(subject_times),
          .reference_seconds = MedianOf(reference_times),
          .pairs = static_cast<int>(ratios.size())};
}

// The body of a benchmark that is registered with ->Apply(Paired): reports the subject's time per
// operation as the benchmark's time, and the ratio, its goal and the reference's time as counters.
template <typename Subject, typename Reference>
void RunPaired(benchmark::State& state, Subject&& subject, Reference&& reference,
               const PairedOptions& options = {}) {
  for (auto _ : state) {
    const PairedResult result = PairedRatio(subject, reference, options);
    state.SetIterationTime(result.subject_seconds);
    state.counters["ratio"] = result.ratio;
    if (options.goal != 0) state.counters["goal"] = options.goal;
    state.counters["reference_ns"] = result.reference_seconds * 1e9;
    state.counters["pairs"] = result.pairs;
  }
}

inline void Paired(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseManualTime();
}

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_PAIRED_H_
