// Memory for items of one size.
//
// Lives here:  ItemPool.
// Called by:   mbuf_account.h (one pool for mbufs, one per size of cluster, one for tags).
// Owns:        its chunks, which only grow; whoever took an item gives it back.
// Invariants:  the item given back last is taken first: it is the one still in the cache.
#ifndef SOCKBED_KERNEL_MBUF_ITEM_POOL_H_
#define SOCKBED_KERNEL_MBUF_ITEM_POOL_H_

#include <cstddef>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define SOCKBED_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOCKBED_POISON 1
#endif
#endif
#ifdef SOCKBED_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace sockbed {

class ItemPool {
 public:
  // The first `readable` bytes of a free item may be looked at; under AddressSanitizer no more.
  ItemPool(size_t item_bytes, size_t readable) : item_bytes_(item_bytes), readable_(readable) {}
  ~ItemPool();
  ItemPool(const ItemPool&) = delete;
  ItemPool& operator=(const ItemPool&) = delete;

  // An item with undefined contents.
  void* Take() { return __builtin_expect(has_free(), 1) ? TakeFree() : Make(); }

  // Take, for who has asked has_free(): it calls nothing.
  bool has_free() const { return top_ != bottom_; }
  void* TakeFree() {
    void* const item = *--top_;
    Unpoison(item);
    return item;
  }

  void Give(void* item) {
    *top_++ = item;
    Poison(item);
  }

  // Calls f(item) for every item that was ever taken, whether in use or not.
  template <typename F>
  void ForEachMade(F f) const {
    for (const Chunk& chunk : chunks_) {
      for (size_t i = 0; i < chunk.made; ++i) f(chunk.start + i * item_bytes_);
    }
  }

 private:
  struct Chunk {
    char* start;
    size_t items;
    size_t made;  // items at the start that were taken at least once
  };

  // The next item of the newest chunk, or the first of a new one: no page is touched before its
  // time.
  void* Make();

  void Poison([[maybe_unused]] void* item) {
#ifdef SOCKBED_POISON
    __asan_poison_memory_region(static_cast<char*>(item) + readable_, item_bytes_ - readable_);
#endif
  }
  void Unpoison([[maybe_unused]] void* item) {
#ifdef SOCKBED_POISON
    __asan_unpoison_memory_region(item, item_bytes_);
#endif
  }

  const size_t item_bytes_;
  [[maybe_unused]] const size_t readable_;
  // A stack of its own, with a place for every item: a list through the items would touch clusters
  // whose first line has long left the cache.
  void** bottom_ = nullptr;
  void** top_ = nullptr;  // behind the item to take next
  std::vector<void*> places_;
  std::vector<Chunk> chunks_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_ITEM_POOL_H_
