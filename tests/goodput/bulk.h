// A bulk transfer over one link, and how fast it is once it has settled.
//
// Lives here:  BulkCase, BulkResult, Transfer; the grid of cases.
// Called by:   goodput_test.
// Units:       milliseconds, bytes, lost packets in a million.
// Invariants:  the same case gives the same result, to the byte.
#ifndef SOCKBED_TESTS_GOODPUT_BULK_H_
#define SOCKBED_TESTS_GOODPUT_BULK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/goodput/theory.h"

namespace sockbed::goodput {

struct BulkCase {
  bool freebsd = false;
  Algorithm algorithm = Algorithm::kNewReno;
  int64_t round_trip_ms = 0;
  int64_t loss_ppm = 0;  // of data; ACKs are not lost
  int64_t buffer = 0;    // SO_SNDBUF and SO_RCVBUF
  // Far above what any case needs, but segments arrive one after the other, and their reader runs
  // in between. 0: no limit, a whole window arrives in one instant.
  uint64_t rate_bps = 10'000'000'000;

  // "freebsd cubic 50 1000 65536"
  std::string Name() const;
};

struct BulkResult {
  int64_t bytes_per_s = 0;  // that the reader read
  int64_t rexmits = 0;      // segments sent again
  int64_t timeouts = 0;
  double loss = 0;  // of the packets that the link was given
};

// The profile's segment size over a link of MTU 1500, with timestamps.
inline constexpr int64_t kSegment = 1448;

// Runs the transfer: first unobserved, until the window has found its size, then for as long as
// some hundred losses take.
BulkResult Transfer(const BulkCase& bulk);

// Every combination, in the order of the table.
std::vector<BulkCase> Grid();

}  // namespace sockbed::goodput

#endif  // SOCKBED_TESTS_GOODPUT_BULK_H_
