// A bulk transfer in ns-3.
//
// Lives here:  Ns3Bulk.
// Called by:   ns3_bench, as the reference for segments at 10 Gb/s.
// Owns:        the one simulation that ns-3 can have in a process.
// Differs:     ns-3's headers are of C++17: none of them stands here.
#ifndef SOCKBED_TESTS_BENCH_NS3_BULK_H_
#define SOCKBED_TESTS_BENCH_NS3_BULK_H_

#include <cstdint>
#include <memory>

namespace sockbed {

struct Ns3BulkOptions {
  uint32_t write_bytes;
  uint32_t segment_bytes;  // of data, the largest
  uint32_t buffer_bytes;   // of each end's socket
  int64_t latency_ms;
  uint64_t rate_bps;
  uint32_t queue_packets;  // that may wait for the link
};

// One connection between two nodes, which never ends.
class Ns3Bulk {
 public:
  explicit Ns3Bulk(const Ns3BulkOptions& options);
  ~Ns3Bulk();
  Ns3Bulk(const Ns3Bulk&) = delete;
  Ns3Bulk& operator=(const Ns3Bulk&) = delete;

  // Runs until so many more segments with data have been sent.
  void operator()(int64_t segments);

  int64_t bytes_sent() const;  // of data, since the start
  int64_t now_ns() const;      // of virtual time

 private:
  class Network;
  const std::unique_ptr<Network> network_;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_NS3_BULK_H_
