// The round-trip estimator and the retransmission timeout that follows from it.
//
// Lives here:  tcp_rtt_sample, tcp_rtt_base, tcp_backoff: pure arithmetic on integers.
// Called by:   tcp_xmit_timer and the timers (tcp_timer.cc).
// Units:       milliseconds; srtt is kept times 32, rttvar times 16.
// Invariants:  no floating point; right shifts of negative numbers are arithmetic.
// Source:      RFC 6298 2, 5; OpenBSD sys/netinet/tcp_input.c (tcp_xmit_timer), tcp_timer.h.
#ifndef SOCKBED_KERNEL_TCP_TCP_RTT_H_
#define SOCKBED_KERNEL_TCP_TCP_RTT_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

namespace sockbed {

// The two systems round differently: one adds a millisecond to the first sample and floors at an
// eighth of a millisecond, the other takes a millisecond off later ones.
enum class RttRounding : uint8_t { kOpenBsd, kFreeBsd };

inline constexpr int32_t kRttSampleMax = 1 << 18;
inline constexpr int TCP_MAXRXTSHIFT = 12;

// Factors of the timeout by number of retransmissions.
inline constexpr std::array<int32_t, TCP_MAXRXTSHIFT + 1> tcp_backoff_openbsd = {
    1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64, 64};
inline constexpr std::array<int32_t, TCP_MAXRXTSHIFT + 1> tcp_backoff_freebsd = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512, 512};

constexpr const std::array<int32_t, TCP_MAXRXTSHIFT + 1>& tcp_backoff(RttRounding rounding) {
  return rounding == RttRounding::kOpenBsd ? tcp_backoff_openbsd : tcp_backoff_freebsd;
}

// Takes a sample of `r` milliseconds into the estimate. *srtt == 0 means that there is none yet.
constexpr void tcp_rtt_sample(int32_t* srtt, int32_t* rttvar, int64_t r, RttRounding rounding) {
  const bool openbsd = rounding == RttRounding::kOpenBsd;
  const auto sample = static_cast<int32_t>(std::clamp<int64_t>(r, 0, kRttSampleMax));
  const int32_t floor = openbsd ? 4 : 1;
  if (*srtt == 0) [[unlikely]] {
    const int32_t first = openbsd ? sample + 1 : sample;
    *srtt = std::max(first << 5, floor);
    *rttvar = std::max(first << 3, floor);
    return;
  }
  int32_t delta = 4 * (openbsd ? sample : sample - 1) - (*srtt >> 3);
  *srtt = std::max(*srtt + delta, floor);
  delta = (delta < 0 ? -delta : delta) - (*rttvar >> 2);
  *rttvar = std::max(*rttvar + delta, floor);
}

// srtt + 4 rttvar, in milliseconds.
constexpr int32_t tcp_rtt_base(int32_t srtt, int32_t rttvar) { return ((srtt >> 3) + rttvar) >> 2; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_RTT_H_
