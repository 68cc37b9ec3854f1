// Chance as a pure function: the value drawn depends on its name, never on what was drawn before.
//
// Lives here:  DecisionName, Draw, Stream.
// Called by:   every room that needs a random value. Nothing else in the tree is random.
// May touch:   xxHash, the current Context (for the seed and the host).
// Invariants:  equal (seed, host, site, object, ordinal) give equal values on every machine; a new
//              draw in one place moves nothing in another.
#ifndef SOCKBED_KERNEL_SIM_RANDOM_H_
#define SOCKBED_KERNEL_SIM_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/sim/context.h"
#include "kernel/sim/sites.h"

namespace sockbed {

// The name of one decision in one run.
struct DecisionName {
  Site site;
  HostId host = 0;
  uint64_t object = 0;   // which link, socket, program: a counter, never an address
  uint64_t ordinal = 0;  // the how-manieth of this (site, host, object)

  friend bool operator==(const DecisionName&, const DecisionName&) = default;
};

// 64 uniform bits for `name` under `seed`.
uint64_t Draw(uint64_t seed, const DecisionName& name);

// A value in [0, bound), by multiplication (no rejection: the bias is below 2^-32
// for bounds below 2^32).
inline uint64_t Below(uint64_t bits, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * bound) >> 64);
}

// A sequence of draws with one name: ordinals count from 0. A plain value: keep it
// where the object is.
class Stream {
 public:
  // A stream of the machine's current host. REQUIRES: inside a simulation.
  explicit Stream(Site site, uint64_t object = 0);
  Stream(uint64_t seed, Site site, HostId host, uint64_t object);

  uint64_t Next64();
  uint32_t Next32() { return static_cast<uint32_t>(Next64() >> 32); }
  uint64_t NextBelow(uint64_t bound) { return Below(Next64(), bound); }
  // Fills `out` with whole draws, eight bytes each, little end first; the last
  // one may be cut short.
  void Fill(std::span<std::byte> out);

 private:
  uint64_t seed_;
  DecisionName name_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_RANDOM_H_
