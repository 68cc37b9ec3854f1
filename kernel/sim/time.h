// Virtual time: a count of nanoseconds since the simulation booted.
//
// Lives here:  SimTime and its named intervals.
// Called by:   every room.
// Units:       nanoseconds; an int64_t holds 292 years.
#ifndef SOCKBED_KERNEL_SIM_TIME_H_
#define SOCKBED_KERNEL_SIM_TIME_H_

#include <cstdint>

namespace sockbed {

using SimTime = int64_t;

inline constexpr SimTime kMicrosecond = 1'000;
inline constexpr SimTime kMillisecond = 1'000'000;
inline constexpr SimTime kSecond = 1'000'000'000;
inline constexpr SimTime kForever = INT64_MAX;

// The wall clock of every host at boot: 2024-01-01 00:00:00 UTC, in seconds since the epoch.
// Not zero: gettimeofday() = (0, 0) means "no timer" to DTLS, and certificates need a real year.
inline constexpr int64_t kBootEpochSeconds = 1'704'067'200;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_TIME_H_
