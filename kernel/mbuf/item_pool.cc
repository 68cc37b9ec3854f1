#include "kernel/mbuf/item_pool.h"

#include <algorithm>
#include <cstdlib>

#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

// Chunks double from the first size to the last, so that a small run takes little and a large one
// asks seldom. Items stay on cache lines of their own.
constexpr size_t kChunkBytesMin = size_t{64} << 10;
constexpr size_t kChunkBytesMax = size_t{2} << 20;
constexpr size_t kChunkItemsMin = 4;
constexpr size_t kAlignment = 64;

}  // namespace

ItemPool::~ItemPool() {
  for (const Chunk& chunk : chunks_) {
#ifdef SOCKBED_POISON
    __asan_unpoison_memory_region(chunk.start, chunk.items * item_bytes_);
#endif
    std::free(chunk.start);
  }
}

void* ItemPool::Make() {
  if (chunks_.empty() || chunks_.back().made == chunks_.back().items) {
    KASSERT(item_bytes_ % kAlignment == 0);
    const size_t doublings = std::min<size_t>(chunks_.size(), 5);
    const size_t bytes = std::min(kChunkBytesMin << doublings, kChunkBytesMax);
    const size_t items = std::max(bytes / item_bytes_, kChunkItemsMin);
    // From malloc and not from the pages of the host: a run is repeated with other fillings of
    // fresh memory, and must not notice.
    char* const start = static_cast<char*>(std::aligned_alloc(kAlignment, items * item_bytes_));
    if (start == nullptr) KPANIC("the host has no memory left for mbufs");
    chunks_.push_back({start, items, 0});
    // Every item is in use: the stack is empty.
    places_.resize(places_.size() + items);
    top_ = bottom_ = places_.data();
  }
  Chunk& chunk = chunks_.back();
  return chunk.start + chunk.made++ * item_bytes_;
}

}  // namespace sockbed
