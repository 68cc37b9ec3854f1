// How a program ends, and what it asks of its machine.
#undef _FORTIFY_SOURCE

#include "uapi/posix_process.h"

#include <stdarg.h>
#include <string.h>

#include <memory>
#include <string>
#include <utility>

#include "kernel/host/host.h"
#include "uapi/filedesc.h"
#include "uapi/posix_real.h"
#include "uapi/rthread.h"
#include "uapi/rthread_private.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr long kMemoryPages = 1L << 18;  // 1 GiB of 4 KiB pages, whatever the machine has

std::string Formatted(const char* format, va_list args) {
  if (format == nullptr) return "";
  char* text = nullptr;
  const int len = vasprintf(&text, format, args);
  const std::unique_ptr<char, void (*)(void*)> owned(text, free);
  return len >= 0 ? std::string(text, static_cast<size_t>(len)) : "";
}

void Complain(const std::string& text) { (void)uapi::write(2, text.data(), text.size()); }

// err(3) and its kin. `error` below 0: nothing is said of it.
[[noreturn]] void EndWithWords(int status, int error, const char* format, va_list args) {
  {
    std::string text = std::string(program_invocation_short_name) + ": " + Formatted(format, args);
    if (error >= 0) text += (format != nullptr ? ": " : "") + std::string(strerror(error));
    Complain(text + "\n");
  }
  EndProcess(status, false);  // by a jump: what stood here would not be freed
}

// By SIGABRT, which nobody has a say in.
[[noreturn]] void AbortProcess() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  uapi::sigaction(SIGABRT, &usual, nullptr);
  sigset_t abort_only;
  sigemptyset(&abort_only);
  sigaddset(&abort_only, SIGABRT);
  uapi::sigprocmask(SIG_UNBLOCK, &abort_only, nullptr);
  uapi::raise(SIGABRT);
  uapi::exit(1);  // the signal has ended the process
}

// The program that the current process runs, if an object of it is at `dso`.
program* ProgramWith(const void* dso) {
  if (!InProcess()) return nullptr;
  const posix_process* const self = FindPosixProcess();
  program* const running = self != nullptr ? self->running.get() : nullptr;
  return running != nullptr && running->image.Holds(dso) ? running : nullptr;
}

}  // namespace

posix_process* FindPosixProcess() {
  const filedesc* const table = curproc()->p_fd;
  return table != nullptr ? static_cast<posix_process*>(table->fd_posix.get()) : nullptr;
}

posix_process& CurrentPosixProcess() {
  proc* const p = curproc();
  uapi::fdinit(p);
  if (p->p_fd->fd_posix == nullptr) p->p_fd->fd_posix = std::make_shared<posix_process>();
  return *FindPosixProcess();
}

void FinishProgram(program& ending) {
  if (curproc()->p_rthread != nullptr) uapi::DestroyLocals(curproc()->p_rthread);
  while (!ending.at_exit.empty()) {
    const program::AtExit last = ending.at_exit.back();
    ending.at_exit.pop_back();
    last.call(last.arg);
  }
  FlushStreams();
  // The destructors of the image and its libraries are the program's last code. If other threads go
  // on in it they must be gone first, and what is left to do then is to unload it (~program).
  if (curproc() != ending.main_thread || curproc()->p_threads != nullptr) return;
  ending.image.Close();
  FlushStreams();
}

void EndProcess(int status, bool at_once) {
  posix_process* const self = FindPosixProcess();
  program* const running = self != nullptr ? self->running.get() : nullptr;
  if (running == nullptr) {
    if (!at_once) FlushStreams();
    uapi::exit(status);
  }
  if (running->main_thread == curproc()) {
    running->status = status;
    running->at_once = at_once;
    _longjmp(running->start, 1);
  }
  if (!at_once) FinishProgram(*running);
  uapi::exit(status);
}

}  // namespace sockbed

using sockbed::InProcess;
using sockbed::Real;
using sockbed::WithoutUnwinding;
namespace uapi = sockbed::uapi;

// Names that headers declare never to throw, and that must: the process unwinds from there. Known
// to the linker only; a C frame lets the unwinding through.
#define SOCKBED_ENDS(function, name)        \
  [[noreturn]] void function __asm__(name); \
  [[noreturn]] void function

#pragma GCC visibility push(default)
extern "C" {

SOCKBED_ENDS(sockbed_exit(int status), "exit") {
  if (InProcess()) sockbed::EndProcess(status, false);
  Real().exit(status);
  __builtin_unreachable();
}
void _exit(int status) {
  if (InProcess()) sockbed::EndProcess(status, true);
  Real()._exit(status);
  __builtin_unreachable();
}
SOCKBED_ENDS(sockbed_Exit(int status), "_Exit") { _exit(status); }
SOCKBED_ENDS(sockbed_quick_exit(int status), "quick_exit") {
  if (InProcess()) sockbed::EndProcess(status, true);
  Real().quick_exit(status);
  __builtin_unreachable();
}
SOCKBED_ENDS(sockbed_abort(), "abort") {
  if (InProcess()) sockbed::AbortProcess();
  Real().abort();
  __builtin_unreachable();
}
SOCKBED_ENDS(sockbed_assert_fail(const char* what, const char* file, unsigned line,
                                 const char* function),
             "__assert_fail") {
  if (!InProcess()) Real().__assert_fail(what, file, line, function);
  sockbed::Complain(std::string(file) + ":" + std::to_string(line) + ": " + function +
                    ": Assertion `" + what + "' failed.\n");
  sockbed::AbortProcess();
}

void verr(int status, const char* format, va_list args) {
  if (InProcess()) sockbed::EndWithWords(status, errno, format, args);
  Real().verr(status, format, args);
  __builtin_unreachable();
}
void verrx(int status, const char* format, va_list args) {
  if (InProcess()) sockbed::EndWithWords(status, -1, format, args);
  Real().verrx(status, format, args);
  __builtin_unreachable();
}
void err(int status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  verr(status, format, args);
}
void errx(int status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  verrx(status, format, args);
}

// error(3): it ends the process only with a status other than 0.
void error(int status, int number, const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = std::string(program_invocation_name) + ": " + sockbed::Formatted(format, args);
  va_end(args);
  if (number != 0) text += ": " + std::string(strerror(number));
  if (InProcess()) {
    sockbed::FlushStreams();
    sockbed::Complain(text + "\n");
    if (status != 0) sockbed::EndProcess(status, false);
  } else {
    Real().error(status, 0, "%s", text.c_str() + strlen(program_invocation_name) + 2);
  }
}

// What atexit(3) and static objects with destructors register, and thread_local ones.
int __cxa_atexit(void (*call)(void*), void* arg, void* dso) noexcept {
  sockbed::program* const running = sockbed::ProgramWith(dso);
  if (running == nullptr) return Real().__cxa_atexit(call, arg, dso);
  running->at_exit.push_back({call, arg});
  return 0;
}
int __cxa_thread_atexit_impl(void (*call)(void*), void* arg, void* dso) noexcept {
  if (sockbed::ProgramWith(dso) == nullptr) return Real().__cxa_thread_atexit_impl(call, arg, dso);
  uapi::SelfThread()->at_exit.push_back({call, arg});
  return 0;
}

// --- The machine, which is the same everywhere. ---
long sysconf(int name) noexcept {
  if (!InProcess()) return Real().sysconf(name);
  // The processor's caches are no part of the run.
  if (name >= _SC_LEVEL1_ICACHE_SIZE && name <= _SC_LEVEL4_CACHE_LINESIZE) return 0;
  switch (name) {
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN: return 1;
    case _SC_PHYS_PAGES:
    case _SC_AVPHYS_PAGES: return sockbed::kMemoryPages;
    case _SC_OPEN_MAX: return getdtablesize();
    default: return Real().sysconf(name);
  }
}
long get_phys_pages() noexcept {
  return InProcess() ? sockbed::kMemoryPages : Real().get_phys_pages();
}
long get_avphys_pages() noexcept {
  return InProcess() ? sockbed::kMemoryPages : Real().get_avphys_pages();
}
int getdtablesize() noexcept {
  if (!InProcess()) return Real().getdtablesize();
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int>(limit.rlim_cur) : -1;
}
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t* set) noexcept {
  if (!InProcess()) return Real().sched_getaffinity(pid, size, set);
  CPU_ZERO_S(size, set);
  CPU_SET_S(0, size, set);
  return 0;
}
int sched_getcpu() noexcept { return InProcess() ? 0 : Real().sched_getcpu(); }
unsigned if_nametoindex(const char* name) noexcept {
  if (!InProcess()) return Real().if_nametoindex(name);
  const unsigned index = sockbed::CurrentHost().InterfaceIndex(name);
  if (index == 0) errno = ENODEV;
  return index;
}
char* if_indextoname(unsigned index, char* name) noexcept {
  if (!InProcess()) return Real().if_indextoname(index, name);
  const std::string found = sockbed::CurrentHost().InterfaceName(index);
  if (found.empty() || found.size() >= IF_NAMESIZE) {
    errno = ENXIO;
    return nullptr;
  }
  name[found.copy(name, IF_NAMESIZE - 1)] = '\0';
  return name;
}

// --- Time that was used; chance. ---
clock_t clock() noexcept {
  if (!InProcess()) return Real().clock();
  timespec used;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) return -1;
  return used.tv_sec * CLOCKS_PER_SEC + used.tv_nsec / (1'000'000'000 / CLOCKS_PER_SEC);
}
// What was used is system time; the result counts from boot.
clock_t times(tms* used) noexcept {
  if (!InProcess()) return Real().times(used);
  constexpr clock_t kTicks = 100;  // a second: sysconf(_SC_CLK_TCK)
  if (used != nullptr) *used = {.tms_stime = clock() / (CLOCKS_PER_SEC / kTicks)};
  timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return -1;
  return now.tv_sec * kTicks + now.tv_nsec / (1'000'000'000 / kTicks);
}
int timespec_get(timespec* now, int base) noexcept {
  if (!InProcess()) return Real().timespec_get(now, base);
  return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}
void arc4random_buf(void* data, size_t len) noexcept {
  if (!InProcess()) return Real().arc4random_buf(data, len);
  WithoutUnwinding([&] { return uapi::getrandom(data, len, 0); });
}
uint32_t arc4random() noexcept {
  uint32_t drawn = 0;
  arc4random_buf(&drawn, sizeof drawn);
  return drawn;
}
// As arc4random_uniform(3): draws until the rest of the range leaves nobody out.
uint32_t arc4random_uniform(uint32_t bound) noexcept {
  if (bound < 2) return 0;
  uint32_t drawn;
  do {
    drawn = arc4random();
  } while (drawn < -bound % bound);
  return drawn % bound;
}

// --- Who one is. ---
pid_t gettid() noexcept {
  return InProcess() ? static_cast<pid_t>(uapi::pthread_self()) : Real().gettid();
}
int getgroups(int size, gid_t* groups) noexcept {
  return InProcess() ? 0 : Real().getgroups(size, groups);  // none beside its own
}

}  // extern "C"
#pragma GCC visibility pop
