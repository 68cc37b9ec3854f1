// CUBIC's arithmetic: the window as a cubic function of the time since the last congestion.
//
// Lives here:  CubicState, CubicK, CubicWindow: integers only. The algorithm is in tcp_cubic.cc.
// Called by:   tcp_cubic.cc; tcpcb holds the state.
// Units:       bytes, milliseconds.
// Invariants:  no floating point; K and the window agree with the real numbers within a unit.
// Source:      RFC 9438 4.2, 4.3; C = 0.4 segments/s^3, beta = 7/10.
#ifndef SOCKBED_KERNEL_TCP_TCP_CUBIC_H_
#define SOCKBED_KERNEL_TCP_TCP_CUBIC_H_

#include <algorithm>
#include <cstdint>

#include "kernel/sim/time.h"

namespace sockbed {

struct CubicState {
  uint32_t w_max = 0;         // the window at which congestion was last met, or a little less
  uint32_t cwnd_prior = 0;    // the window before the last reduction
  uint64_t w_est = 0;         // what NewReno would have by now
  int64_t k_ms = 0;           // from the epoch's start until w_max is reached again
  SimTime epoch = -1;         // when this stage of congestion avoidance began; -1: not begun
  SimTime unused_since = -1;  // the window is not used: the epoch's clock stands still
  bool congested = false;     // congestion was met before
  bool timed_out = false;     // the last one was a timeout: w_max is where it begins
  // The same before the last timeout, which may turn out to be needless.
  bool was_congested = false;
  bool was_timed_out = false;
  uint32_t was_cwnd_prior = 0;
};

// The largest r with r^3 <= n.
constexpr uint64_t CubeRoot(uint64_t n) {
  uint64_t root = 0;
  for (int bit = 21; bit >= 0; --bit) {
    const uint64_t with = root | uint64_t{1} << bit;
    if (with * with * with <= n && with < 2642246) root = with;
  }
  return root;
}

// How long the window takes from `cwnd` to `w_max`: K^3 = (w_max - cwnd) / (C MSS).
constexpr int64_t CubicK(uint32_t w_max, uint32_t cwnd, uint32_t mss) {
  if (cwnd >= w_max) return 0;
  constexpr uint64_t kPerSegment = 2'500'000'000;  // ms^3: 1 / 0.4, times 1000^3
  return static_cast<int64_t>(CubeRoot(uint64_t{w_max - cwnd} * kPerSegment / mss));
}

// The window `t_ms` after the epoch's start: w_max + C MSS (t - K)^3.
constexpr uint64_t CubicWindow(uint32_t w_max, int64_t k_ms, int64_t t_ms, uint32_t mss) {
  constexpr int64_t kFar = 1'000'000;  // ms; beyond it the window is at its limits anyway
  const __int128 distance = std::clamp<int64_t>(t_ms - k_ms, -kFar, kFar);
  const __int128 change = distance * distance * distance * 2 * mss / 5'000'000'000;
  const __int128 window = w_max + change;
  return window < 0 ? 0 : static_cast<uint64_t>(window);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_CUBIC_H_
