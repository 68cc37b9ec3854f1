// An intrusive hash table that grows with its content.
//
// Lives here:  HashChains.
// Called by:   sleep queues (by ident), the process table (by pid).
// Owns:        nothing but its array of chain heads.
// Invariants:  there are at least as many chains as elements, so a look-up costs O(1) on average.
// The order of a chain depends on addresses: it is looked up, never walked.
#ifndef SOCKBED_KERNEL_SCHED_HASH_CHAINS_H_
#define SOCKBED_KERNEL_SCHED_HASH_CHAINS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel/sim/kassert.h"

namespace sockbed {

// Traits: static uint64_t Key(const T*), static T*& Next(T*).
template <typename T, typename Traits>
class HashChains {
 public:
  HashChains() : heads_(size_t{1} << kBitsMin) {}
  HashChains(const HashChains&) = delete;
  HashChains& operator=(const HashChains&) = delete;

  // The link that points to the element of that key, or to the null at the end of its chain. Valid
  // until the next Insert.
  T** Find(uint64_t key) {
    T** link = &heads_[ChainOf(key)];
    while (*link != nullptr && Traits::Key(*link) != key) link = &Traits::Next(*link);
    return link;
  }

  // Adds `element` where `link`, a result of Find for its key, stands at the end of a chain.
  void Insert(T** link, T* element) {
    KASSERT(*link == nullptr);
    *link = element;
    Traits::Next(element) = nullptr;
    if (++size_ > heads_.size()) Grow();
  }

  // Takes out what `link`, a result of Find, points to.
  void Remove(T** link) {
    KASSERT(*link != nullptr && size_ > 0);
    *link = Traits::Next(*link);
    --size_;
  }

  // Puts `element` in the place of what `link` points to. REQUIRES: equal keys.
  void Replace(T** link, T* element) {
    Traits::Next(element) = Traits::Next(*link);
    *link = element;
  }

  size_t size() const { return size_; }

 private:
  static constexpr int kBitsMin = 5;

  // Fibonacci hashing: addresses and small integers alike are spread by the high bits of a product.
  size_t ChainOf(uint64_t key) const { return (key * 0x9e3779b97f4a7c15u) >> shift_; }

  void Grow() {
    std::vector<T*> old(heads_.size() * 2);
    old.swap(heads_);
    --shift_;
    for (T* element : old) {
      while (element != nullptr) {
        T* next = Traits::Next(element);
        T*& head = heads_[ChainOf(Traits::Key(element))];
        Traits::Next(element) = head;
        head = element;
        element = next;
      }
    }
  }

  std::vector<T*> heads_;
  size_t size_ = 0;
  int shift_ = 64 - kBitsMin;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_HASH_CHAINS_H_
