// OpenSSL's memory: a fault point, and the count of what is not given back.
//
// Lives here:  CheckAllocator, LiveMemory.
// Called by:   Runtime.
// May touch:   OpenSSL's memory functions; fault point ssl.malloc.
// Context:     any. On a host an allocation may be refused; elsewhere it is malloc's.
// Source:      CRYPTO_set_mem_functions(3): only before the library's first allocation, so that it
//              is done before main.
#ifndef SOCKBED_SSL_ALLOCATOR_H_
#define SOCKBED_SSL_ALLOCATOR_H_

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace sockbed::ssl {

// Panics unless the library's memory comes from here.
void CheckAllocator();

// Which host of a machine holds which memory of OpenSSL's. Kept in runs that have a plan of faults:
// those end in the places where something could be left behind.
class LiveMemory {
 public:
  // A host's count, which Add and Remove move.
  void Watch(int64_t* count) { counts_.push_back(count); }

  // `count` is the holder's, and goes up by one; until Remove.
  void Add(const void* memory, int64_t* count) {
    if (abandoned_) return;
    owners_[memory] = count;
    ++*count;
  }
  // Memory that nobody was noted for: nothing.
  void Remove(const void* memory) {
    const auto found = owners_.find(memory);
    if (found == owners_.end()) return;
    --*found->second;
    owners_.erase(found);
  }

  // Counts no more: all is zero from here on. A refused allocation leaves the library's own caches
  // without an entry, which the next who asks makes, to stay: that is nobody's leak.
  void Abandon() {
    abandoned_ = true;
    owners_.clear();
    for (int64_t* count : counts_) *count = 0;
  }

 private:
  bool abandoned_ = false;
  std::vector<int64_t*> counts_;
  std::unordered_map<const void*, int64_t*> owners_;  // for look-up
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_ALLOCATOR_H_
