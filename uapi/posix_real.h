// What the files of the shim share: the C library's own functions, and the two ways to choose.
//
// Lives here:  RealCalls, Real, InProcess, WithoutUnwinding; SOCKBED_SHIM and SOCKBED_SHIM_NOTHROW.
// Called by:   posix.cc, posix_thread.cc, posix_c11.cc, which undefine _FORTIFY_SOURCE before any
//              header.
#ifndef SOCKBED_UAPI_POSIX_REAL_H_
#define SOCKBED_UAPI_POSIX_REAL_H_

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "kernel/sched/proc.h"
#include "kernel/sim/context.h"
#include "uapi/posix.h"

namespace sockbed {

// The C library's own functions.
struct RealCalls {
#define SOCKBED_REAL(name) decltype(&::name) name = nullptr;
  SOCKBED_POSIX_NAMES(SOCKBED_REAL)
  SOCKBED_PTHREAD_NAMES(SOCKBED_REAL)
  SOCKBED_SERVICE_NAMES(SOCKBED_REAL)
  SOCKBED_C11_NAMES(SOCKBED_REAL)
#undef SOCKBED_REAL
  bool found = false;
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

// A process that is to end cannot unwind through a function that the C library's headers declare
// never to throw. It ends at its next call that may.
template <typename Call>
auto WithoutUnwinding(Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const proc_unwind&) {
    errno = EINTR;
    return static_cast<decltype(call())>(-1);
  }
}

}  // namespace sockbed

// A name that may unwind the process it is called in, and one that may not. Each is uapi's where
// `inside` holds.
#define SOCKBED_SHIM_IF(inside, result, name, params, args) \
  result name params { return (inside) ? uapi::name args : Real().name args; }
#define SOCKBED_SHIM_NOTHROW_IF(inside, result, name, params, args)                              \
  result name params noexcept {                                                                  \
    return (inside) ? WithoutUnwinding([&] { return uapi::name args; }) : Real().name args;       \
  }
#define SOCKBED_SHIM(result, name, params, args) \
  SOCKBED_SHIM_IF(InProcess(), result, name, params, args)
#define SOCKBED_SHIM_NOTHROW(result, name, params, args) \
  SOCKBED_SHIM_NOTHROW_IF(InProcess(), result, name, params, args)

#endif  // SOCKBED_UAPI_POSIX_REAL_H_
