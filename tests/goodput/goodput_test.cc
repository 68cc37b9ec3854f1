// Bulk transfers over a grid of losses, delays and buffers: as fast as they were, and as fast as
// theory has it where it speaks.
//
//   goodput_test --regenerate > tests/goodput/golden.txt
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tests/goodput/bulk.h"

namespace sockbed::goodput {
namespace {

constexpr double kTolerance = 0.10;

// What a case carries in the table.
std::string Line(const BulkCase& bulk, const BulkResult& result) {
  std::ostringstream line;
  line << bulk.Name() << " = " << result.bytes_per_s << " " << result.rexmits << " "
       << result.timeouts;
  return line.str();
}

std::string GoldenLine(const BulkCase& bulk) {
  std::ifstream table("tests/goodput/golden.txt");
  const std::string begin = bulk.Name() + " =";
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with(begin)) return line;
  }
  return "";
}

// The window that theory gives, in segments, for the losses that there were; 0: it does not speak.
// It knows of one limit only, the buffer or the losses, and of no timeouts, which small windows
// have.
double TheoryWindow(const BulkCase& bulk, double loss) {
  constexpr double kTimeoutsBelow = 20;
  const auto limit = static_cast<double>(bulk.buffer / kSegment);
  if (bulk.loss_ppm == 0) return limit;
  const ModelCase model = {.algorithm = bulk.algorithm,
                           .p = loss,
                           .round_trip = static_cast<double>(bulk.round_trip_ms) / 1000,
                           .limit = limit,
                           .per_ack = !bulk.freebsd};
  const double window = ModelWindow(model);
  return window >= kTimeoutsBelow && window <= limit / 3 ? window : 0;
}

class Bulk : public testing::TestWithParam<BulkCase> {};

TEST_P(Bulk, IsAsFastAsItWasAndAsTheoryHasIt) {
  const BulkCase& bulk = GetParam();
  const BulkResult result = Transfer(bulk);
  EXPECT_EQ(Line(bulk, result), GoldenLine(bulk));
  const double window = TheoryWindow(bulk, result.loss);
  if (window == 0) return;
  const double expected = window * kSegment * 1000 / static_cast<double>(bulk.round_trip_ms);
  EXPECT_NEAR(static_cast<double>(result.bytes_per_s) / expected, 1, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Cases, Bulk, testing::ValuesIn(Grid()), [](const auto& param) {
  std::string name = param.param.Name();
  for (char& c : name) {
    if (c == ' ') c = '_';
  }
  return name;
});

// Without a rate a window arrives before its reader can run. freebsd hosts tell of what is read in
// quarters of the buffer, so that an eighth of it may lie idle.
TEST(Rateless, LinksCarryAWindowEachRoundTrip) {
  for (const bool freebsd : {false, true}) {
    for (const int64_t buffer : {16384, 65536, 1 << 20}) {
      const BulkCase bulk = {
          .freebsd = freebsd, .round_trip_ms = 10, .buffer = buffer, .rate_bps = 0};
      const auto expected = static_cast<double>(buffer * 1000 / bulk.round_trip_ms);
      const double reached = static_cast<double>(Transfer(bulk).bytes_per_s) / expected;
      EXPECT_GE(reached, freebsd ? 0.875 : 0.975) << bulk.Name();
      EXPECT_LE(reached, 1.1) << bulk.Name() << ": the buffer is rounded to segments";
    }
  }
}

// The model of this test against what is in print.
TEST(Model, AgreesWithMathis) {
  for (const double p : {1e-2, 1e-3}) {
    for (const bool random : {false, true}) {
      for (const bool per_ack : {false, true}) {
        const double window = ModelWindow(
            {.p = p, .round_trip = 0.1, .limit = 1e9, .random = random, .per_ack = per_ack});
        EXPECT_NEAR(window / MathisWindow(p, random, per_ack), 1, 0.02) << p << random << per_ack;
      }
    }
  }
}

// RFC 9438 5.1 has losses that are evenly spaced, and the window itself in place of what is aimed
// at; table 1's region, where CUBIC is its own.
TEST(Model, AgreesWithRfc9438) {
  struct Point {
    double p, round_trip;
  };
  for (const Point at : {Point{1e-3, 0.5}, Point{1e-4, 0.1}, Point{1e-4, 0.5}}) {
    const double window = ModelWindow({.algorithm = Algorithm::kCubic,
                                       .p = at.p,
                                       .round_trip = at.round_trip,
                                       .limit = 1e9,
                                       .random = false});
    EXPECT_NEAR(window / CubicWindow(at.p, at.round_trip), 1, 0.05) << at.p << at.round_trip;
  }
}

int Regenerate() {
  std::cout << "# profile algorithm round-trip-ms loss-ppm buffer = bytes/s rexmits timeouts\n";
  for (const BulkCase& bulk : Grid()) std::cout << Line(bulk, Transfer(bulk)) << std::endl;
  return 0;
}

}  // namespace
}  // namespace sockbed::goodput

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--regenerate") {
    return sockbed::goodput::Regenerate();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
