// Fetching memory ahead of its use: only a simulator knows what comes next.
//
// Lives here:  Prefetch.
// Called by:   whoever has something else to do before it touches what may have left the caches.
#ifndef SOCKBED_KERNEL_SIM_PREFETCH_H_
#define SOCKBED_KERNEL_SIM_PREFETCH_H_

#include <cstddef>

namespace sockbed {

inline constexpr size_t kCacheLine = 64;  // bytes

// Fetches the lines of `bytes` bytes from `start` on, which need not be anybody's memory.
[[gnu::always_inline]] inline void Prefetch(const void* start, size_t bytes = 1) {
  const char* const first = static_cast<const char*>(start);
  // A known number of lines takes one instruction each; left alone, g++ makes it four.
#pragma GCC unroll 16
  for (size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(first + at);
  // To g++ a function that does nothing but this has no effect, and its calls are dropped. Volatile
  // code, even of no instructions, is one.
  asm volatile("");
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_PREFETCH_H_
