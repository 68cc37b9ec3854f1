// KASSERT: an assertion that is always on and says where in the simulation it failed.
//
// Lives here:  KASSERT, KPANIC.
// Called by:   every room, for what only our own mistake can cause. Bad input is an error instead.
// Context:     any. Prints expression, host, process, virtual time, seed and the last trace lines
//              on stderr, then aborts.
#ifndef SOCKBED_KERNEL_SIM_KASSERT_H_
#define SOCKBED_KERNEL_SIM_KASSERT_H_

#include <string_view>

namespace sockbed {

// Reports and aborts. `what` is the failed expression or a sentence.
[[noreturn, gnu::cold]] void Panic(const char* file, int line, std::string_view what);

}  // namespace sockbed

#define KASSERT(expr)                                              \
  (__builtin_expect(static_cast<bool>(expr), 1)                    \
       ? static_cast<void>(0)                                      \
       : ::sockbed::Panic(__FILE__, __LINE__, "KASSERT(" #expr ")"))

// Stops the run with a sentence (a std::string_view): what BSD calls panic(9).
#define KPANIC(what) ::sockbed::Panic(__FILE__, __LINE__, what)

#endif  // SOCKBED_KERNEL_SIM_KASSERT_H_
