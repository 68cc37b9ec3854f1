// XXH3, 128 bits, by the widest registers that pay.
//
// Lives here:  Xxh3, FastestXxh3.
// Called by:   Trace, for the digest. Draw hashes short keys inline by itself.
// May touch:   xxHash.
// Invariants:  every Xxh3 gives the same value for the same bytes, on every machine.
// AVX-512 is left out: its wide multiplications slow the processor's clock down for all the rest,
// which costs more than they save (measured: 8.9 ns a record with it, 5.4 with AVX2).
#ifndef SOCKBED_KERNEL_SIM_XXH3_H_
#define SOCKBED_KERNEL_SIM_XXH3_H_

#include <cstddef>
#include <cstdint>

namespace sockbed {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
};

using Xxh3 = Hash128 (*)(const void* bytes, size_t count);

// The fastest one that this processor can run.
Xxh3 FastestXxh3();

// Each of them. REQUIRES: the processor has what the name says.
Hash128 Xxh3Baseline(const void* bytes, size_t count);
#ifdef __x86_64__
Hash128 Xxh3Avx2(const void* bytes, size_t count);
#endif

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_XXH3_H_
