// The seam through which everything that could go either way is asked.
//
// Lives here:  Choices and its ready-made answers.
// Called by:   Machine (which process, which event), fault::Fires, links.
// Invariants:  1. An answer may depend on the name and on the answerer's own
//                 state, on nothing else.
//              2. 0 and false are the defaults: FIFO, and "nothing goes wrong".
// Recorded and exhaustive exploration, sweeping and minimising are further answers to
// these two questions.
#ifndef SOCKBED_KERNEL_SIM_CHOICES_H_
#define SOCKBED_KERNEL_SIM_CHOICES_H_

#include <cstdint>

#include "kernel/sim/random.h"

namespace sockbed {

// A probability as a fraction of 2^32; kAlways is certainty. Integers, so that no rounding decides.
using Chance = uint64_t;
inline constexpr Chance kAlways = uint64_t{1} << 32;

class Choices {
 public:
  virtual ~Choices() = default;

  // Which of `n` legal alternatives happens: 0 .. n-1. REQUIRES: n >= 2.
  virtual uint32_t Pick(const DecisionName& name, uint32_t n) = 0;

  // Whether something of probability `chance` happens. REQUIRES: 0 < chance.
  virtual bool Happens(const DecisionName& name, Chance chance) = 0;

  // False lets the loop skip Pick altogether: always first come, first served. Asked once a run.
  virtual bool picks() const = 0;
};

// First come, first served; faults and losses follow their probability, drawn from the seed.
class SeededFaults : public Choices {
 public:
  explicit SeededFaults(uint64_t seed) : seed_(seed) {}
  uint32_t Pick(const DecisionName&, uint32_t) override { return 0; }
  bool Happens(const DecisionName& name, Chance chance) override;
  bool picks() const override { return false; }

 protected:
  const uint64_t seed_;
};

// Also draws the order of runnable processes and of simultaneous events from the seed.
class SeededOrder final : public SeededFaults {
 public:
  using SeededFaults::SeededFaults;
  uint32_t Pick(const DecisionName& name, uint32_t n) override;
  bool picks() const override { return true; }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_CHOICES_H_
