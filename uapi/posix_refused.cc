// The names that nothing simulates: inside a simulated process each fails and is named on the
// console; none reaches the real kernel. Outside they are the C library's own.
//
// They are known to the linker only, under the C library's names: each takes six words, as many as
// the ABI passes in registers, and hands them on as they came. What has fewer parameters does not
// look at the rest; none of them takes a floating number.
#undef _FORTIFY_SOURCE

#include "uapi/posix_refused.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <syslog.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "kernel/host/host.h"
#include "uapi/posix_real.h"

namespace sockbed {
namespace {

using Words = long (*)(long, long, long, long, long, long);

enum RefusedName {
#define SOCKBED_REFUSED_ENUM(name) kRefused_##name,
  SOCKBED_REFUSED_MINUS_ONE(SOCKBED_REFUSED_ENUM) SOCKBED_REFUSED_NULL(SOCKBED_REFUSED_ENUM)
      SOCKBED_REFUSED_ERRNO(SOCKBED_REFUSED_ENUM)
#undef SOCKBED_REFUSED_ENUM
          kRefusedNames
};

// As real_calls (posix_real.h), each found when it is first called.
constinit void* refused_calls[kRefusedNames];

void* FindReal(RefusedName which, const char* name) {
  if (refused_calls[which] == nullptr) refused_calls[which] = dlsym(RTLD_NEXT, name);
  return refused_calls[which];
}

// Tells what was asked for, and by whom.
[[gnu::cold]] long Refuse(const char* name, long answer) {
  CurrentHost().Say(std::string(name) + "() is not simulated");
  errno = ENOSYS;
  return answer;
}

void SyslogOrRefuse(int priority, const char* format, va_list args) {
  if (!InProcess()) return vsyslog(priority, format, args);
  Refuse("syslog", 0);
}

}  // namespace
}  // namespace sockbed

using sockbed::FindReal;
using sockbed::InProcess;
using sockbed::Refuse;
using sockbed::SyslogOrRefuse;
using sockbed::Words;

#define SOCKBED_REFUSED(name, answer)                                                         \
  long sockbed_refused_##name(long a, long b, long c, long d, long e, long f) __asm__(#name); \
  long sockbed_refused_##name(long a, long b, long c, long d, long e, long f) {               \
    if (InProcess()) return Refuse(#name, answer);                                            \
    void* const real = FindReal(sockbed::kRefused_##name, #name);                             \
    return reinterpret_cast<Words>(real)(a, b, c, d, e, f);                                   \
  }
#define SOCKBED_MINUS_ONE(name) SOCKBED_REFUSED(name, -1)
#define SOCKBED_NULL(name) SOCKBED_REFUSED(name, 0)
#define SOCKBED_ERRNO(name) SOCKBED_REFUSED(name, ENOSYS)

#pragma GCC visibility push(default)
extern "C" {

SOCKBED_REFUSED_MINUS_ONE(SOCKBED_MINUS_ONE)
SOCKBED_REFUSED_NULL(SOCKBED_NULL)
SOCKBED_REFUSED_ERRNO(SOCKBED_ERRNO)

// Outside it is a fork: a function between vfork and its caller could not return twice.
pid_t vfork() noexcept { return InProcess() ? static_cast<pid_t>(Refuse("vfork", -1)) : fork(); }

int clone(int (*main)(void*), void* stack, int flags, void* arg, ...) noexcept {
  if (InProcess()) return static_cast<int>(Refuse("clone", -1));
  va_list args;
  va_start(args, arg);
  void* const more[] = {va_arg(args, void*), va_arg(args, void*), va_arg(args, void*)};
  va_end(args);
  const auto real = reinterpret_cast<decltype(&::clone)>(dlsym(RTLD_NEXT, "clone"));
  return real(main, stack, flags, arg, more[0], more[1], more[2]);
}

// As the C library has them: the same names again.
pid_t __vfork() noexcept { return vfork(); }
int __clone(int (*main)(void*), void* stack, int flags, void* arg, void* a, void* b, void* c) {
  return clone(main, stack, flags, arg, a, b, c);
}

// One may look: AddressSanitizer's own code does, wherever an exception passes.
int sigaltstack(const stack_t* stack, stack_t* old) noexcept {
  if (stack != nullptr && InProcess()) return static_cast<int>(Refuse("sigaltstack", -1));
  const auto real = reinterpret_cast<decltype(&::sigaltstack)>(dlsym(RTLD_NEXT, "sigaltstack"));
  return real(stack, old);
}

void syslog(int priority, const char* format, ...) {
  va_list args;
  va_start(args, format);
  SyslogOrRefuse(priority, format, args);
  va_end(args);
}

void __syslog_chk(int priority, int, const char* format, ...) {
  va_list args;
  va_start(args, format);
  SyslogOrRefuse(priority, format, args);
  va_end(args);
}

// The words of execl and its kin as a vector, up to the null that ends them.
#define SOCKBED_EXEC_WORDS(first, words, args)        \
  std::vector<char*> words{const_cast<char*>(first)}; \
  va_list args;                                       \
  va_start(args, first);                              \
  while (words.back() != nullptr) words.push_back(va_arg(args, char*));

int execl(const char* path, const char* first, ...) noexcept {
  if (InProcess()) return static_cast<int>(Refuse("execl", -1));
  SOCKBED_EXEC_WORDS(first, words, args)
  va_end(args);
  return execv(path, words.data());
}
int execlp(const char* path, const char* first, ...) noexcept {
  if (InProcess()) return static_cast<int>(Refuse("execlp", -1));
  SOCKBED_EXEC_WORDS(first, words, args)
  va_end(args);
  return execvp(path, words.data());
}
int execle(const char* path, const char* first, ...) noexcept {
  if (InProcess()) return static_cast<int>(Refuse("execle", -1));
  SOCKBED_EXEC_WORDS(first, words, args)
  char* const* const env = va_arg(args, char* const*);
  va_end(args);
  return execve(path, words.data(), env);
}

}  // extern "C"
#pragma GCC visibility pop
