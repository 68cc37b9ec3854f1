// Compiled with -mavx2. Nothing but xxHash may be included here: a function of another header,
// inlined or not, would be compiled for AVX2 too, and could end up being the program's only copy.
#include "kernel/sim/xxh3.h"

#ifdef __AVX2__

#define XXH_INLINE_ALL
#define XXH_NO_PREFETCH  // what is hashed has just been written
#include <xxhash.h>

namespace sockbed {

Hash128 Xxh3Avx2(const void* bytes, size_t count) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, count);
  return {hash.high64, hash.low64};
}

}  // namespace sockbed

#endif
