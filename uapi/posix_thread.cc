// The shim's names of threads: pthread_*, sem_*, the futex behind std::future and static variables.
#undef _FORTIFY_SOURCE

#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include <initializer_list>

#include "kernel/host/host.h"
#include "kernel/sim/kassert.h"
#include "uapi/posix_real.h"
#include "uapi/rthread.h"
#include "uapi/rthread_private.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

// The thread of a program, and not the kernel's code that closes what it has left behind.
bool InProgram() { return InProcess() && (!curproc()->p_unwound || uapi::ThreadCleansUp()); }

// Between processes, in an event, somebody takes a lock that a suspended thread holds: nobody would
// ever give it back, and the real function would sleep for ever.
void MustBeFree(const pthread_mutex_t* mutex) {
  if (InSimulation() && mutex->__data.__lock != 0) {
    KPANIC("a mutex is taken outside any process while a simulated thread holds it");
  }
}

// " (name)" of a system call that somebody is likely to make by number, or nothing.
std::string InBrackets(long number) {
  switch (number) {
#define SOCKBED_IN_BRACKETS(name) \
  case SYS_##name: return " (" #name ")";
    SOCKBED_NUMBERED_NAMES(SOCKBED_IN_BRACKETS)
#undef SOCKBED_IN_BRACKETS
    default: return "";
  }
}

// The simulation's own threads are no processors' business: programs that size themselves by the
// machine would make its number part of the run.
constexpr int kProcessors = 1;

}  // namespace
}  // namespace sockbed

using sockbed::Discarding;
using sockbed::InProgram;
using sockbed::Real;
using sockbed::WithoutUnwinding;
namespace uapi = sockbed::uapi;

#define SOCKBED_THREAD(result, name, params, args) \
  SOCKBED_SHIM_IF(InProgram(), result, name, params, args)
#define SOCKBED_THREAD_NOTHROW(result, name, params, args) \
  SOCKBED_SHIM_NOTHROW_IF(InProgram(), result, name, params, args)
// The same, with the short way for a process of one thread before it. The long way is a function of
// its own, so that the short one needs no frame.
#define SOCKBED_THREAD_SHORT(short_way, name, params, args)                                    \
  [[gnu::noinline]] static int name##_long params noexcept {                                   \
    return InProgram() ? WithoutUnwinding([&] { return uapi::name args; }) : Real().name args; \
  }                                                                                            \
  int name params noexcept { return uapi::short_way args ? 0 : name##_long args; }

#pragma GCC visibility push(default)
extern "C" {

// --- Life. ---
SOCKBED_THREAD_NOTHROW(int, pthread_create,
                       (pthread_t * thread, const pthread_attr_t* attr, void* (*start)(void*),
                        void* arg),
                       (thread, attr, start, arg))
void pthread_exit(void* result) {
  if (InProgram()) uapi::pthread_exit(result);
  Real().pthread_exit(result);
  __builtin_unreachable();
}
SOCKBED_THREAD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
SOCKBED_THREAD_NOTHROW(int, pthread_tryjoin_np, (pthread_t thread, void** result), (thread, result))
SOCKBED_THREAD(int, pthread_timedjoin_np,
               (pthread_t thread, void** result, const timespec* abstime),
               (thread, result, abstime))
SOCKBED_THREAD(int, pthread_clockjoin_np,
               (pthread_t thread, void** result, clockid_t clock, const timespec* abstime),
               (thread, result, clock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_setname_np, (pthread_t thread, const char* name),
                       (thread, name))
SOCKBED_THREAD_NOTHROW(int, pthread_getname_np, (pthread_t thread, char* name, size_t size),
                       (thread, name, size))
SOCKBED_THREAD_NOTHROW(int, pthread_detach, (pthread_t thread), (thread))
SOCKBED_THREAD_NOTHROW(pthread_t, pthread_self, (), ())
SOCKBED_THREAD(int, pthread_cancel, (pthread_t thread), (thread))
SOCKBED_THREAD(int, pthread_setcancelstate, (int state, int* old), (state, old))
SOCKBED_THREAD(int, pthread_setcanceltype, (int type, int* old), (type, old))
SOCKBED_THREAD(void, pthread_testcancel, (), ())
SOCKBED_THREAD_NOTHROW(int, pthread_kill, (pthread_t thread, int signo), (thread, signo))
SOCKBED_THREAD_NOTHROW(int, pthread_sigmask, (int how, const sigset_t* set, sigset_t* old),
                       (how, set, old))
SOCKBED_THREAD_NOTHROW(int, sched_yield, (), ())

// --- C's cleanup handlers. ---
void __pthread_register_cancel(__pthread_unwind_buf_t* handler) {
  if (!InProgram()) return Real().__pthread_register_cancel(handler);
  uapi::CleanupPush(handler, __builtin_dwarf_cfa());  // the stack pointer of who calls
}
void __pthread_unregister_cancel(__pthread_unwind_buf_t* handler) {
  InProgram() ? uapi::CleanupPop(handler) : Real().__pthread_unregister_cancel(handler);
}
// Cancelling is never asynchronous: there is no type to be kept.
void __pthread_register_cancel_defer(__pthread_unwind_buf_t* handler) {
  if (!InProgram()) return Real().__pthread_register_cancel_defer(handler);
  uapi::CleanupPush(handler, __builtin_dwarf_cfa());
}
void __pthread_unregister_cancel_restore(__pthread_unwind_buf_t* handler) {
  InProgram() ? uapi::CleanupPop(handler) : Real().__pthread_unregister_cancel_restore(handler);
}
void __pthread_unwind_next(__pthread_unwind_buf_t* handler) {
  if (InProgram()) uapi::CleanupNext();
  Real().__pthread_unwind_next(handler);
  __builtin_unreachable();
}
// Every exception begins here. One that ends a thread with handlers goes to these.
_Unwind_Reason_Code _Unwind_RaiseException(_Unwind_Exception* exception) {
  const bool stops = InProgram() && uapi::StopsAtHandlers();
  return stops ? uapi::UnwindToHandler(exception) : Real()._Unwind_RaiseException(exception);
}

// --- The machine's processors. ---
int get_nprocs() noexcept { return InProgram() ? sockbed::kProcessors : Real().get_nprocs(); }
int get_nprocs_conf() noexcept {
  return InProgram() ? sockbed::kProcessors : Real().get_nprocs_conf();
}

// --- Mutexes and condition variables. ---
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (InProgram()) return WithoutUnwinding([mutex] { return uapi::pthread_mutex_lock(mutex); });
  if (Discarding()) return 0;
  sockbed::MustBeFree(mutex);
  return Real().pthread_mutex_lock(mutex);
}
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_timedlock,
                       (pthread_mutex_t * mutex, const timespec* abstime), (mutex, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_clocklock,
                       (pthread_mutex_t * mutex, clockid_t clock, const timespec* abstime),
                       (mutex, clock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_destroy, (pthread_mutex_t * mutex), (mutex))
SOCKBED_THREAD_NOTHROW(int, pthread_mutex_consistent, (pthread_mutex_t * mutex), (mutex))
SOCKBED_THREAD(int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t* mutex),
               (cond, mutex))
SOCKBED_THREAD(int, pthread_cond_timedwait,
               (pthread_cond_t * cond, pthread_mutex_t* mutex, const timespec* abstime),
               (cond, mutex, abstime))
SOCKBED_THREAD(int, pthread_cond_clockwait,
               (pthread_cond_t * cond, pthread_mutex_t* mutex, clockid_t clock,
                const timespec* abstime),
               (cond, mutex, clock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_cond_signal, (pthread_cond_t * cond), (cond))
SOCKBED_THREAD_NOTHROW(int, pthread_cond_broadcast, (pthread_cond_t * cond), (cond))
SOCKBED_THREAD_NOTHROW(int, pthread_cond_destroy, (pthread_cond_t * cond), (cond))

// --- Other locks. ---
SOCKBED_THREAD_SHORT(LockForReadingAlone, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
SOCKBED_THREAD_SHORT(LockForWritingAlone, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_timedrdlock,
                       (pthread_rwlock_t * lock, const timespec* abstime), (lock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_timedwrlock,
                       (pthread_rwlock_t * lock, const timespec* abstime), (lock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_clockrdlock,
                       (pthread_rwlock_t * lock, clockid_t clock, const timespec* abstime),
                       (lock, clock, abstime))
SOCKBED_THREAD_NOTHROW(int, pthread_rwlock_clockwrlock,
                       (pthread_rwlock_t * lock, clockid_t clock, const timespec* abstime),
                       (lock, clock, abstime))
SOCKBED_THREAD_SHORT(UnlockAlone, pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_barrier_init,
                       (pthread_barrier_t * barrier, const pthread_barrierattr_t* attr,
                        unsigned count),
                       (barrier, attr, count))
SOCKBED_THREAD_NOTHROW(int, pthread_barrier_wait, (pthread_barrier_t * barrier), (barrier))
SOCKBED_THREAD_NOTHROW(int, pthread_barrier_destroy, (pthread_barrier_t * barrier), (barrier))
SOCKBED_THREAD_NOTHROW(int, pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_spin_trylock, (pthread_spinlock_t * lock), (lock))
SOCKBED_THREAD_NOTHROW(int, pthread_spin_unlock, (pthread_spinlock_t * lock), (lock))
SOCKBED_THREAD(int, sem_wait, (sem_t * sem), (sem))
SOCKBED_THREAD_NOTHROW(int, sem_trywait, (sem_t * sem), (sem))
SOCKBED_THREAD(int, sem_timedwait, (sem_t * sem, const timespec* abstime), (sem, abstime))
SOCKBED_THREAD(int, sem_clockwait, (sem_t * sem, clockid_t clock, const timespec* abstime),
               (sem, clock, abstime))
SOCKBED_THREAD_NOTHROW(int, sem_post, (sem_t * sem), (sem))
sem_t* sem_open(const char* name, int flags, ...) noexcept {
  va_list args;
  va_start(args, flags);
  const bool makes = (flags & O_CREAT) != 0;
  const mode_t mode = makes ? va_arg(args, mode_t) : 0;
  const unsigned value = makes ? va_arg(args, unsigned) : 0;
  va_end(args);
  return InProgram() ? uapi::sem_open(name, flags, mode, value)
                     : Real().sem_open(name, flags, mode, value);
}
SOCKBED_THREAD_NOTHROW(int, sem_close, (sem_t * sem), (sem))
SOCKBED_THREAD_NOTHROW(int, sem_unlink, (const char* name), (name))

// --- Once and keys. ---
[[gnu::noinline]] static int pthread_once_long(pthread_once_t* once, void (*init)()) {
  return InProgram() ? uapi::pthread_once(once, init) : Real().pthread_once(once, init);
}
int pthread_once(pthread_once_t* once, void (*init)()) {
  return uapi::IsDoneAlone(once) ? 0 : pthread_once_long(once, init);
}
int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
  const int error = Real().pthread_key_create(key, destructor);
  if (error == 0 && InProgram()) uapi::NoteKey(*key, destructor);
  return error;
}
int pthread_key_delete(pthread_key_t key) noexcept {
  if (uapi::IsOwnKey(key)) uapi::ForgetKey(key);
  return Real().pthread_key_delete(key);
}
// A key made outside belongs to the OS thread wherever it is used: a library's own bookkeeping.
// That is asked first: AddressSanitizer looks at its key to find the variables that say where we
// are.
void* pthread_getspecific(pthread_key_t key) noexcept {
  return uapi::IsOwnKey(key) && InProgram() ? uapi::pthread_getspecific(key)
                                            : Real().pthread_getspecific(key);
}
int pthread_setspecific(pthread_key_t key, const void* value) noexcept {
  return uapi::IsOwnKey(key) && InProgram() ? uapi::pthread_setspecific(key, value)
                                            : Real().pthread_setspecific(key, value);
}

// --- The system calls that libraries make by number. ---

// std::future, and static variables whose making another thread waits for, are built on futexes.
long syscall(long number, ...) noexcept {
  va_list args;
  va_start(args, number);
  long a[6];
  for (long& arg : a) arg = va_arg(args, long);
  va_end(args);
  if (!InProgram() && !Discarding()) {
    return Real().syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  if (number == SYS_close) {  // libuv's way past cancellation
    return WithoutUnwinding([&a] { return uapi::close(static_cast<int>(a[0])); });
  }
  if (Discarding()) return 0;
  if (number == SYS_futex) {
    return WithoutUnwinding([&a] {
      return uapi::futex(reinterpret_cast<uint32_t*>(a[0]), static_cast<int>(a[1]),
                         static_cast<uint32_t>(a[2]), reinterpret_cast<const timespec*>(a[3]),
                         static_cast<uint32_t>(a[5]));
    });
  }
  if (number == SYS_gettid) return static_cast<long>(uapi::pthread_self());
  if (number == SYS_getrandom) {
    return uapi::getrandom(reinterpret_cast<void*>(a[0]), static_cast<size_t>(a[1]),
                           static_cast<unsigned>(a[2]));
  }
  sockbed::CurrentHost().Say("system call " + std::to_string(number) + sockbed::InBrackets(number) +
                             " is not simulated");
  errno = ENOSYS;
  return -1;
}

}  // extern "C"
#pragma GCC visibility pop
