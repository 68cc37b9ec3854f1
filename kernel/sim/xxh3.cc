#include "kernel/sim/xxh3.h"

#define XXH_INLINE_ALL
#define XXH_NO_PREFETCH  // what is hashed has just been written
#include <xxhash.h>

namespace sockbed {

Hash128 Xxh3Baseline(const void* bytes, size_t count) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, count);
  return {hash.high64, hash.low64};
}

Xxh3 FastestXxh3() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) return Xxh3Avx2;
#endif
  return Xxh3Baseline;
}

}  // namespace sockbed
