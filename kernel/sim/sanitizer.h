// What AddressSanitizer must be told about stacks; nothing in other builds.
//
// Lives here:  the four calls around a switch of stacks.
// Called by:   fiber.cc, stack_pool.cc.
#ifndef SOCKBED_KERNEL_SIM_SANITIZER_H_
#define SOCKBED_KERNEL_SIM_SANITIZER_H_

#include <cstddef>

#include "kernel/sim/stack_pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define SOCKBED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOCKBED_ASAN 1
#endif
#endif

#ifdef SOCKBED_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace sockbed {

// Before a switch onto `to`. `fake_stack` keeps what belongs to the stack being left; null if
// that is left for good.
inline void BeforeSwitch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const Stack& to) {
#ifdef SOCKBED_ASAN
  __sanitizer_start_switch_fiber(fake_stack, to.low, to.bytes);
#endif
}

// After it, on the new stack: `fake_stack` is what was kept when that was left (null at first
// entry). `from` receives the stack left behind, if not null.
inline void AfterSwitch([[maybe_unused]] void* fake_stack, [[maybe_unused]] Stack* from) {
#ifdef SOCKBED_ASAN
  const void* low = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &low, &bytes);
  if (from != nullptr) *from = {static_cast<std::byte*>(const_cast<void*>(low)), bytes};
#endif
}

inline void UnpoisonForSanitizer([[maybe_unused]] void* low, [[maybe_unused]] size_t bytes) {
#ifdef SOCKBED_ASAN
  __asan_unpoison_memory_region(low, bytes);
#endif
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_SANITIZER_H_
