// What the files of the shim share: the C library's own functions, and the two ways to choose.
//
// Lives here:  RealCalls, Real, InProcess, WithoutUnwinding; SOCKBED_SHIM and SOCKBED_SHIM_NOTHROW.
// Called by:   posix.cc, posix_thread.cc, posix_c11.cc, which undefine _FORTIFY_SOURCE before any
//              header.
#ifndef SOCKBED_UAPI_POSIX_REAL_H_
#define SOCKBED_UAPI_POSIX_REAL_H_

#include <cxxabi.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <type_traits>

#include "kernel/sched/proc.h"
#include "kernel/sim/context.h"
#include "uapi/posix.h"
#include "uapi/posix_names.h"

// What compilers call without any header, assert(3) under another's NDEBUG, and what C's
// pthread_cleanup_push is made of.
extern "C" void __assert_fail(const char* what, const char* file, unsigned line,
                              const char* function) noexcept __attribute__((noreturn));
extern "C" int __cxa_atexit(void (*call)(void*), void* arg, void* dso) noexcept;
extern "C" int __cxa_thread_atexit_impl(void (*call)(void*), void* arg, void* dso) noexcept;
extern "C" void __pthread_register_cancel(__pthread_unwind_buf_t* handler);
extern "C" void __pthread_unregister_cancel(__pthread_unwind_buf_t* handler);
extern "C" void __pthread_register_cancel_defer(__pthread_unwind_buf_t* handler);
extern "C" void __pthread_unregister_cancel_restore(__pthread_unwind_buf_t* handler);
extern "C" void __pthread_unwind_next(__pthread_unwind_buf_t* handler) __attribute__((noreturn));

namespace sockbed {

// The C library's own functions, and the streams that the OS process began with.
struct RealCalls {
#define SOCKBED_REAL(name) decltype(&::name) name = nullptr;
  SOCKBED_POSIX_NAMES(SOCKBED_REAL)
  SOCKBED_PTHREAD_NAMES(SOCKBED_REAL)
  SOCKBED_SERVICE_NAMES(SOCKBED_REAL)
  SOCKBED_C11_NAMES(SOCKBED_REAL)
  SOCKBED_FILE_NAMES(SOCKBED_REAL)
  SOCKBED_STDIO_NAMES(SOCKBED_REAL)
  SOCKBED_PROCESS_NAMES(SOCKBED_REAL)
#undef SOCKBED_REAL
  FILE* standard_in = nullptr;
  FILE* standard_out = nullptr;
  FILE* standard_error = nullptr;
  bool found = false;
  bool discarding = false;  // see Discarding
};

// The only such object in the tree: it belongs to the OS process, as the C library does. Written
// once, before main; a library that calls a name from its own constructor brings that moment
// forward.
extern constinit RealCalls real_calls;
void FindRealCalls();

inline const RealCalls& Real() {
  if (__builtin_expect(!real_calls.found, 0)) FindRealCalls();
  return real_calls;
}

inline bool InProcess() { return InSimulation() && curproc() != nullptr; }

// A killed program's image is unloaded. Its destructors, which would not run in life, wait for
// threads that are gone: what they call does nothing.
inline bool Discarding() { return real_calls.discarding; }

// What a call gives that was to unwind its thread and may not: -1 or null, and EINTR.
template <typename Result>
Result Interrupted() {
  errno = EINTR;
  if constexpr (std::is_pointer_v<Result>) {
    return nullptr;
  } else {
    return static_cast<Result>(-1);
  }
}

// A thread that is to end cannot unwind through a function that the C library's headers declare
// never to throw. It ends at its next call that may. (On its way to a handler of C it is forced.)
template <typename Call>
auto WithoutUnwinding(Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const proc_unwind&) {
    return Interrupted<decltype(call())>();
  } catch (const abi::__forced_unwind&) {
    return Interrupted<decltype(call())>();
  }
}

}  // namespace sockbed

// A name that may unwind the process it is called in, and one that may not. Each is uapi's where
// `inside` holds.
#define SOCKBED_SHIM_IF(inside, result, name, params, args)  \
  result name params {                                       \
    if (inside) return uapi::name args;                      \
    if (Discarding()) return std::type_identity_t<result>(); \
    return Real().name args;                                 \
  }
#define SOCKBED_SHIM_NOTHROW_IF(inside, result, name, params, args)       \
  result name params noexcept {                                           \
    if (inside) return WithoutUnwinding([&] { return uapi::name args; }); \
    if (Discarding()) return std::type_identity_t<result>();              \
    return Real().name args;                                              \
  }
#define SOCKBED_SHIM(result, name, params, args) \
  SOCKBED_SHIM_IF(InProcess(), result, name, params, args)
#define SOCKBED_SHIM_NOTHROW(result, name, params, args) \
  SOCKBED_SHIM_NOTHROW_IF(InProcess(), result, name, params, args)

#endif  // SOCKBED_UAPI_POSIX_REAL_H_
