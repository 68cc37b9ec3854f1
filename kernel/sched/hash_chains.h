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
#include <memory>
#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {

// Traits: static uint64_t Key(const T*), static T*& Next(T*).
template <typename T, typename Traits>
class HashChains {
 public:
  HashChains() : heads_(std::make_unique<T*[]>(count_)) {}
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
    if (++size_ > count_) [[unlikely]]
      Grow();
  }

  // Takes out what `link`, a result of Find, points to.
  void Remove(T** link) {
    KASSERT(*link != nullptr);
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

  [[gnu::noinline]] void Grow() {
    const std::unique_ptr<T*[]> old = std::move(heads_);
    const size_t old_count = std::exchange(count_, count_ * 2);
    heads_ = std::make_unique<T*[]>(count_);
    --shift_;
    for (size_t i = 0; i < old_count; ++i) {
      T* element = old[i];
      while (element != nullptr) {
        T* next = Traits::Next(element);
        T*& head = heads_[ChainOf(Traits::Key(element))];
        Traits::Next(element) = head;
        head = element;
        element = next;
      }
    }
  }

  int shift_ = 64 - kBitsMin;
  size_t count_ = size_t{1} << kBitsMin;
  size_t size_ = 0;
  std::unique_ptr<T*[]> heads_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_HASH_CHAINS_H_
