// Quantities as people write them: "20 ms", "10 Mbit/s", "1 %", "64 KiB".
//
// Lives here:  ParseDuration, ParseRate, ParseChance, ParseSize, and the printing of the same.
// Called by:   the scenario loader and the report.
// Units:       results in nanoseconds, bits per second, fractions of 2^32 (Chance), bytes.
// Invariants:  decimal digits are read as integers, never through floating point.
#ifndef SOCKBED_TOOLS_UNITS_H_
#define SOCKBED_TOOLS_UNITS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernel/sim/choices.h"
#include "kernel/sim/time.h"

namespace sockbed::tools {

// A number and one of ns, us, ms, s, min, h. Errors: InvalidArgument, which says what is allowed.
absl::StatusOr<SimTime> ParseDuration(absl::string_view text);

// A number and one of bit/s, kbit/s, Mbit/s, Gbit/s.
absl::StatusOr<int64_t> ParseRate(absl::string_view text);

// A percentage from "0 %" to "100 %".
absl::StatusOr<Chance> ParseChance(absl::string_view text);

// A number and one of B, kB, MB, GB, KiB, MiB, GiB; or a bare number of bytes.
absl::StatusOr<int64_t> ParseSize(absl::string_view text);

// A bare whole number.
absl::StatusOr<int64_t> ParseInteger(absl::string_view text);

// "1.234567 s", for people: six decimals.
std::string FormatSeconds(SimTime ns);

// "1 234 567".
std::string FormatCount(uint64_t n);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_UNITS_H_
