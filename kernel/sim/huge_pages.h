// Memory that may become large and is used here and there: on huge pages, where the host has such.
//
// Lives here:  AllocateLarge, HugeAllocator.
// Called by:   Slab; tables that grow with the number of connections.
// Owns:        nothing; std::free gives back what AllocateLarge gave.
// Cost:        of a million connections most of the time goes into finding pages; a huge page is
//              found at once.
#ifndef SOCKBED_KERNEL_SIM_HUGE_PAGES_H_
#define SOCKBED_KERNEL_SIM_HUGE_PAGES_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr size_t kHugePage = size_t{2} << 20;  // bytes

// At least `bytes` bytes, aligned to `align`, of which they are a multiple. From malloc and not
// from the pages of the host: a run is repeated with other fillings of fresh memory, and must not
// notice.
inline void* AllocateLarge(size_t bytes, size_t align) {
  const bool huge = bytes >= kHugePage;
  if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* const start = std::aligned_alloc(huge ? kHugePage : align, bytes);
  if (start == nullptr) KPANIC("the host has no memory left");
  if (huge) (void)madvise(start, bytes, MADV_HUGEPAGE);  // small pages do as well, if slower
  return start;
}

// For std::vector.
template <typename T>
struct HugeAllocator {
  using value_type = T;

  HugeAllocator() = default;
  template <typename U>
  HugeAllocator(const HugeAllocator<U>&) {}  // NOLINT: any of them does

  T* allocate(size_t n) { return static_cast<T*>(AllocateLarge(n * sizeof(T), alignof(T))); }
  void deallocate(T* start, size_t) { std::free(start); }
  bool operator==(const HugeAllocator&) const { return true; }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_HUGE_PAGES_H_
