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
#include "kernel/sim/slab.h"

namespace sockbed {

template <typename T>
class TcpPool {
 public:
  // A fresh object, or null: the fault pool.get fires. Last given, first taken.
  T* Take() {
    if (fault::Fires(Site::kPoolGet)) return nullptr;
    ++live_;
    return memory_.Make();
  }

  // Destroys it: what it owns is freed now.
  void Give(T* object) {
    --live_;
    memory_.Free(object);
  }

  const int64_t& live() const { return live_; }

 private:
  Slab<T> memory_;
  int64_t live_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_POOL_H_
