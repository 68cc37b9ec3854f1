// A pool: objects of one type, kept for reuse when they are given back.
//
// Lives here:  TcpPool.
// Called by:   tcp/ for control blocks, handshakes, segments out of order, SACK holes.
// Owns:        the free ones; those in use belong to whoever took them.
// Invariants:  live() counts those in use; it must be 0 when the pool dies.
// Source:      the idea of pool(9).
#ifndef SOCKBED_KERNEL_TCP_TCP_POOL_H_
#define SOCKBED_KERNEL_TCP_TCP_POOL_H_

#include <cstdint>

#include "kernel/sim/fault.h"

namespace sockbed {

// `kNext` links the free ones: a field that is otherwise unused while an object is free.
template <typename T, T* T::*kNext>
class TcpPool {
 public:
  TcpPool() = default;
  ~TcpPool() {
    while (free_ != nullptr) {
      T* object = free_;
      free_ = object->*kNext;
      delete object;
    }
  }
  TcpPool(const TcpPool&) = delete;
  TcpPool& operator=(const TcpPool&) = delete;

  // A fresh object, or null: the fault pool.get fires. Last given, first taken.
  T* Take() {
    if (fault::Fires(Site::kPoolGet)) return nullptr;
    ++live_;
    if (free_ == nullptr) return new T();
    T* object = free_;
    free_ = object->*kNext;
    object->*kNext = nullptr;
    return object;
  }

  // Resets it: what it owns is freed now.
  void Give(T* object) {
    --live_;
    *object = T{};
    object->*kNext = free_;
    free_ = object;
  }

  const int64_t& live() const { return live_; }

 private:
  T* free_ = nullptr;
  int64_t live_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_POOL_H_
