// Memory for the objects of one type of which a host may have a million: sockets, control blocks,
// open files.
//
// Lives here:  Slab.
// Called by:   sched, socket, inet, tcp; each host has its own.
// Owns:        its chunks, which only grow. Whoever makes an object frees it; what is left when the
//              slab goes is not destroyed (the host's live counts have told of it).
// Invariants:  1. The object freed last is made first.
//              2. A chunk beyond the smaller first ones is a huge page of the host's memory, where
//                 it has such: with many connections most of the time goes into finding pages.
//              3. What lies behind an object is raw memory, aligned as malloc's; its user's.
#ifndef SOCKBED_KERNEL_SIM_SLAB_H_
#define SOCKBED_KERNEL_SIM_SLAB_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "kernel/sim/huge_pages.h"
#include "kernel/sim/kassert.h"

#if defined(__SANITIZE_ADDRESS__)
#define SOCKBED_SLAB_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOCKBED_SLAB_POISON 1
#endif
#endif
#ifdef SOCKBED_SLAB_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace sockbed {

template <typename T>
class Slab {
  struct FreePlace {
    FreePlace* next;
  };
  static constexpr size_t kAlign = std::max({alignof(T), alignof(FreePlace), size_t{16}});

 public:
  // Bytes from the beginning of an object to what lies behind it.
  static constexpr size_t kBehind =
      (std::max(sizeof(T), sizeof(FreePlace)) + kAlign - 1) / kAlign * kAlign;

  // With `behind` bytes behind each object, for what always goes with it.
  explicit Slab(size_t behind = 0) : stride_(kBehind + (behind + kAlign - 1) / kAlign * kAlign) {}
  ~Slab() {
    for (const Chunk& chunk : chunks_) {
      Unpoison(chunk.start, chunk.objects * stride_);
      std::free(chunk.start);
    }
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // A fresh object.
  template <typename... Args>
  [[nodiscard]] T* Make(Args&&... args) {
    void* const place = free_ != nullptr ? TakeFree() : TakeFresh();
    return new (place) T(std::forward<Args>(args)...);
  }

  // The bytes behind it.
  static void* Behind(T* object) { return reinterpret_cast<char*>(object) + kBehind; }
  // Nobody looks at the first `bytes` of them any more while the object lives.
  static void AbandonBehind(T* object, [[maybe_unused]] size_t bytes) {
    Poison(Behind(object), bytes);
  }

  // Destroys it.
  void Free(T* object) {
    object->~T();
    free_ = new (object) FreePlace{free_};
    Poison(free_ + 1, stride_ - sizeof(FreePlace));  // of a free place only the link is looked at
  }

 private:
  struct Chunk {
    char* start;
    size_t objects;
  };
  static constexpr size_t kFirstObjects = 8;

  void* TakeFree() {
    FreePlace* const place = free_;
    Unpoison(place, stride_);
    free_ = place->next;
    return place;
  }

  // The next place of the newest chunk. No page is touched before its time.
  void* TakeFresh() {
    if (chunks_.empty() || made_ == chunks_.back().objects) AddChunk();
    return chunks_.back().start + made_++ * stride_;
  }

  [[gnu::noinline]] void AddChunk() {
    KASSERT(stride_ * kFirstObjects <= kHugePage);
    const size_t objects = chunks_.empty() ? kFirstObjects : 2 * chunks_.back().objects;
    const size_t bytes = std::min(objects * stride_, kHugePage);
    chunks_.push_back({static_cast<char*>(AllocateLarge(bytes, kAlign)), bytes / stride_});
    made_ = 0;
  }

  static void Poison([[maybe_unused]] void* place, [[maybe_unused]] size_t bytes) {
#ifdef SOCKBED_SLAB_POISON
    __asan_poison_memory_region(place, bytes);
#endif
  }
  static void Unpoison([[maybe_unused]] void* place, [[maybe_unused]] size_t bytes) {
#ifdef SOCKBED_SLAB_POISON
    __asan_unpoison_memory_region(place, bytes);
#endif
  }

  const size_t stride_;
  FreePlace* free_ = nullptr;
  std::vector<Chunk> chunks_;
  size_t made_ = 0;  // places of the newest chunk that were taken at least once
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_SLAB_H_
