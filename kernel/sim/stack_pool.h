// Stacks for fibers: guarded, kept for reuse, coloured.
//
// Lives here:  Stack, StackPool.
// Called by:   Machine, by way of its MachineStore, which keeps the pool from one run to the next.
// Owns:        every mapping it made; all stacks must be given back before the pool ends.
// Invariants:  1. Below a stack's lowest byte stands a page that cannot be touched.
//              2. The stack given back last is taken first: its top is still in the cache.
#ifndef SOCKBED_KERNEL_SIM_STACK_POOL_H_
#define SOCKBED_KERNEL_SIM_STACK_POOL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel/sim/machine_local.h"

namespace sockbed {

// Usable memory from `low` up to the top, which lies `bytes` above it and is 64-byte aligned.
struct Stack {
  std::byte* low = nullptr;
  size_t bytes = 0;

  std::byte* top() const { return low + bytes; }
};

class StackPool {
 public:
  static constexpr MachineSlot kMachineSlot = MachineSlot::kStacks;

  StackPool() = default;
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  // A stack of at least `bytes` usable bytes. Panics when the operating system refuses one.
  Stack Take(size_t bytes);
  void Give(const Stack& stack);

  // How far the n-th stack's top is moved down, so that the tops of many stacks, all at one place
  // of their pages, do not compete for the same few sets of the cache. Less than a page.
  static size_t Colour(uint64_t n);

 private:
  struct Mapping {
    std::byte* start;
    size_t bytes;
    unsigned valgrind_id;
  };
  struct SizeClass {
    size_t bytes;             // a whole number of pages
    std::vector<Stack> free;  // the last one was given back last
  };
  SizeClass& ClassOf(size_t bytes);
  Stack Map(size_t bytes);

  std::vector<Mapping> mappings_;
  std::vector<SizeClass> classes_;  // a run uses one or two sizes
  size_t taken_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_STACK_POOL_H_
