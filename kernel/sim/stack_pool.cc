#include "kernel/sim/stack_pool.h"

#include <sys/mman.h>
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>

#include <string>

#include "kernel/sim/kassert.h"
#include "kernel/sim/sanitizer.h"

namespace sockbed {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kLine = 64;
constexpr size_t kColours = 32;

// Makes a page untouchable without splitting the mapping, of which a process may have only 65530
// pieces (vm.max_map_count). Linux 6.13 and later; others answer EINVAL.
constexpr int kMadvGuardInstall = 102;

void Guard(std::byte* page) {
  if (madvise(page, kPage, kMadvGuardInstall) == 0) return;
  if (mprotect(page, kPage, PROT_NONE) == 0) return;
  KPANIC("no guard page for a stack: more stacks than vm.max_map_count / 2");
}

}  // namespace

StackPool::~StackPool() {
  KASSERT(taken_ == 0);
  for (const Mapping& mapping : mappings_) {
    VALGRIND_STACK_DEREGISTER(mapping.valgrind_id);
    munmap(mapping.start, mapping.bytes);
  }
}

Stack StackPool::Take(size_t bytes) {
  KASSERT(bytes > 0);
  ++taken_;
  SizeClass& size_class = ClassOf(bytes);
  if (size_class.free.empty()) size_class.free.push_back(Map(size_class.bytes));
  const Stack stack = size_class.free.back();
  size_class.free.pop_back();
  // Neither a new mapping's zeros nor an earlier fiber's values are anything to read.
  VALGRIND_MAKE_MEM_UNDEFINED(stack.low, stack.bytes);
  return stack;
}

void StackPool::Give(const Stack& stack) {
  KASSERT(taken_ > 0);
  --taken_;
  // Frames that were left for good never cleared their red zones.
  UnpoisonForSanitizer(stack.low, stack.bytes);
  // Beyond its class a stack has a page, less its colour.
  ClassOf(stack.bytes - kPage).free.push_back(stack);
}

size_t StackPool::Colour(uint64_t n) { return n % kColours * kLine; }

StackPool::SizeClass& StackPool::ClassOf(size_t bytes) {
  const size_t whole = (bytes + kPage - 1) / kPage * kPage;
  for (SizeClass& size_class : classes_) {
    if (size_class.bytes == whole) return size_class;
  }
  return classes_.emplace_back(SizeClass{.bytes = whole, .free = {}});
}

// From low to high: the guard page, `bytes`, and a page for the colour.
Stack StackPool::Map(size_t bytes) {
  const size_t total = kPage + bytes + kPage;
  void* const mapped = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) KPANIC("no memory for a fiber's stack");
  std::byte* const start = static_cast<std::byte*>(mapped);
  Guard(start);
  const size_t colour = Colour(mappings_.size());
  const Stack stack = {.low = start + kPage, .bytes = bytes + kPage - colour};
  const unsigned id = VALGRIND_STACK_REGISTER(stack.low, stack.top());
  mappings_.push_back({start, total, id});
  return stack;
}

}  // namespace sockbed
