// The names that the C library exports twice, the second time with two underlines in front: __read,
// __pthread_mutex_lock. No header declares them, but some libraries call them.
//
// As with the refused names, each takes six words, as many as the ABI passes in registers, and
// hands them on as they came.
#undef _FORTIFY_SOURCE

#include "uapi/posix_names.h"
#include "uapi/posix_real.h"

using Words = long (*)(long, long, long, long, long, long);

#define SOCKBED_ALIAS(alias, name)                                                      \
  long sockbed_##alias(long a, long b, long c, long d, long e, long f) __asm__(#alias); \
  long sockbed_##alias(long a, long b, long c, long d, long e, long f) {                \
    return reinterpret_cast<Words>(reinterpret_cast<void*>(&::name))(a, b, c, d, e, f); \
  }
#define SOCKBED_ALIAS_OF(name) SOCKBED_ALIAS(__##name, name)

#pragma GCC visibility push(default)
extern "C" {

SOCKBED_ALIASED_NAMES(SOCKBED_ALIAS_OF)
SOCKBED_ALIAS(__bsd_getpgrp, getpgid)
SOCKBED_ALIAS(pthread_mutex_consistent_np, pthread_mutex_consistent)
SOCKBED_ALIAS(pthread_yield, sched_yield)

}  // extern "C"
#pragma GCC visibility pop
