#include "tools/units.h"

#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sockbed::tools {
namespace {

struct Unit {
  absl::string_view name;
  int64_t factor;  // of the smallest unit
};

constexpr Unit kDurations[] = {{"ns", 1},      {"us", kMicrosecond},  {"ms", kMillisecond},
                               {"s", kSecond}, {"min", 60 * kSecond}, {"h", 3600 * kSecond}};
constexpr Unit kRates[] = {
    {"bit/s", 1}, {"kbit/s", 1'000}, {"Mbit/s", 1'000'000}, {"Gbit/s", 1'000'000'000}};
constexpr Unit kSizes[] = {
    {"B", 1},         {"kB", 1'000},    {"MB", 1'000'000}, {"GB", 1'000'000'000},
    {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

std::string Names(std::span<const Unit> units) {
  return absl::StrJoin(units, ", ",
                       [](std::string* out, const Unit& u) { absl::StrAppend(out, u.name); });
}

// A decimal number split into its digits as one integer and the power of ten they are divided by.
struct Decimal {
  int64_t digits = 0;
  int64_t divisor = 1;
};

bool ParseDecimal(absl::string_view text, Decimal* out) {
  if (text.empty()) return false;
  bool point = false;
  bool any = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
    if (out->digits > (INT64_MAX - 9) / 10 || (point && out->divisor > INT64_MAX / 10))
      return false;
    out->digits = out->digits * 10 + (c - '0');
    if (point) out->divisor *= 10;
    any = true;
  }
  return any;
}

absl::Status NotA(absl::string_view what, absl::string_view text, std::span<const Unit> units) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no ", what, ": a number and one of ", Names(units)));
}

absl::StatusOr<int64_t> Parse(absl::string_view text, absl::string_view what,
                              std::span<const Unit> units) {
  const size_t end = text.find_first_not_of("0123456789.");
  Decimal number;
  if (end == absl::string_view::npos || !ParseDecimal(text.substr(0, end), &number)) {
    return NotA(what, text, units);
  }
  const absl::string_view name = absl::StripAsciiWhitespace(text.substr(end));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    const __int128 value = static_cast<__int128>(number.digits) * unit.factor / number.divisor;
    if (value > INT64_MAX) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is too large"));
    }
    return static_cast<int64_t>(value);
  }
  return NotA(what, text, units);
}

}  // namespace

absl::StatusOr<SimTime> ParseDuration(absl::string_view text) {
  return Parse(text, "duration", kDurations);
}

absl::StatusOr<int64_t> ParseRate(absl::string_view text) { return Parse(text, "rate", kRates); }

absl::StatusOr<Chance> ParseChance(absl::string_view text) {
  const auto error = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no chance: a percentage from \"0 %\" to \"100 %\""));
  };
  if (text.empty() || text.back() != '%') return error();
  const absl::string_view number = absl::StripAsciiWhitespace(text.substr(0, text.size() - 1));
  Decimal percent;
  if (!ParseDecimal(number, &percent)) return error();
  const auto whole = static_cast<unsigned __int128>(percent.digits) * kAlways;
  const auto chance = whole / (static_cast<unsigned __int128>(percent.divisor) * 100);
  if (chance > kAlways) return error();
  return static_cast<Chance>(chance);
}

absl::StatusOr<int64_t> ParseSize(absl::string_view text) {
  if (const absl::StatusOr<int64_t> plain = ParseInteger(text); plain.ok() && *plain >= 0) {
    return plain;
  }
  return Parse(text, "size", kSizes);
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  int64_t value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no whole number"));
}

std::string FormatSeconds(SimTime ns) {
  return absl::StrFormat("%d.%06d s", ns / kSecond, ns % kSecond / kMicrosecond);
}

std::string FormatCount(uint64_t n) {
  const std::string digits = absl::StrCat(n);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(' ');
    text.push_back(digits[i]);
  }
  return text;
}

}  // namespace sockbed::tools
