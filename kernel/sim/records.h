// A sink for tests that look at a trace afterwards.
//
// Lives here:  Records.
// Called by:   the worlds that unit tests share.
// Invariants:  it outlives the machine whose trace it is the sink of, or is taken off before.
#ifndef SOCKBED_KERNEL_SIM_RECORDS_H_
#define SOCKBED_KERNEL_SIM_RECORDS_H_

#include <span>
#include <vector>

#include "kernel/sim/trace.h"

namespace sockbed {

// Every record of a run.
struct Records : TraceSink {
  void Consume(std::span<const Record> records) override {
    all.insert(all.end(), records.begin(), records.end());
  }
  std::vector<Record> all;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_RECORDS_H_
