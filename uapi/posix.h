// The POSIX shim: the C library's names, which lead to uapi inside a simulated process and to the C
// library everywhere else.
//
// Lives here:  the list of names; posix_check.
// Called by:   whoever links //uapi:posix calls it without knowing: programs, libcrypto, libssl.
// May touch:   uapi; the dynamic linker.
// Context:     any. A simulated process is: Here() has one. Interrupt context and set-up are
//              outside.
// Owns:        the addresses of the C library's functions, found once and constant from then on.
// Invariants:  1. Inside a simulated process a descriptor number means the simulated table, always.
//              2. No name leads from a simulated process to the real kernel: what is not simulated
//                 is refused (posix_refused.h; libc_names_test walks the C library's names).
// Differs:     from the C library's, inside a process: exit of a program that came from a file ends
//              it (posix_program.h); that of a function of this executable unwinds it, and a C++
//              frame that has something to destroy makes that SIGABRT. Of the names declared never
//              to throw none else ends the process it is called in: the next call that may does. A
//              thread_local variable of this executable or of a library of its own is the OS
//              thread's, and so shared by all simulated ones; those of a program that came from a
//              file, and keys that it makes (pthread_key_create), are each thread's.
#ifndef SOCKBED_UAPI_POSIX_H_
#define SOCKBED_UAPI_POSIX_H_

#include <string_view>

namespace sockbed {

// All names that the shim defines and the C library also has, as X(name). Those of files, sockets,
// time and processes: posix.cc.
#define SOCKBED_POSIX_NAMES(X)                                                                   \
  X(accept) X(accept4) X(alarm) X(bind) X(clock_getres) X(clock_gettime) X(clock_nanosleep)      \
  X(clock_settime) X(close) X(connect) X(dup) X(dup2) X(dup3) X(epoll_create) X(epoll_create1)   \
  X(epoll_ctl) X(epoll_pwait) X(epoll_pwait2) X(epoll_wait) X(eventfd) X(eventfd_read)           \
  X(eventfd_write) X(fcntl) X(fcntl64) X(freeaddrinfo) X(fstat) X(fstat64) X(getaddrinfo)        \
  X(getegid) X(getentropy) X(geteuid) X(getgid) X(gethostbyaddr) X(gethostbyaddr_r)              \
  X(gethostbyname) X(gethostbyname2) X(gethostbyname2_r) X(gethostbyname_r) X(gethostname)       \
  X(getitimer) X(getnameinfo) X(getpeername) X(getpgid) X(getpgrp) X(getpid) X(getppid)          \
  X(getrandom) X(getrlimit) X(getrlimit64) X(getrusage) X(getsockname) X(getsockopt)             \
  X(gettimeofday) X(getuid) X(ioctl) X(kill) X(killpg) X(listen) X(lseek) X(lseek64)             \
  X(nanosleep) X(pause) X(pipe) X(pipe2) X(poll) X(ppoll) X(pread) X(pread64) X(preadv)          \
  X(preadv64) X(pselect) X(pwrite) X(pwrite64) X(pwritev) X(pwritev64) X(raise) X(read) X(readv) \
  X(recv) X(recvfrom) X(recvmmsg) X(recvmsg) X(select) X(send) X(sendmmsg) X(sendmsg) X(sendto)  \
  X(setitimer) X(setpgid) X(setrlimit) X(setrlimit64) X(setsockopt) X(settimeofday) X(shutdown)  \
  X(sigaction) X(signal) X(signalfd) X(sigpending) X(sigprocmask) X(sigsuspend) X(sleep)         \
  X(sockatmark) X(socket) X(socketpair) X(time) X(timerfd_create) X(timerfd_gettime)             \
  X(timerfd_settime) X(uname) X(usleep) X(wait) X(wait4) X(waitpid) X(write) X(writev)

// Those of threads: posix_thread.cc.
#define SOCKBED_PTHREAD_NAMES(X)                                                                 \
  X(_Unwind_RaiseException) X(__pthread_register_cancel) X(__pthread_register_cancel_defer)      \
  X(__pthread_unregister_cancel) X(__pthread_unregister_cancel_restore) X(__pthread_unwind_next) \
  X(get_nprocs) X(get_nprocs_conf) X(pthread_barrier_destroy) X(pthread_barrier_init)            \
  X(pthread_barrier_wait) X(pthread_cancel) X(pthread_clockjoin_np) X(pthread_cond_broadcast)    \
  X(pthread_cond_clockwait) X(pthread_cond_destroy) X(pthread_cond_signal)                       \
  X(pthread_cond_timedwait) X(pthread_cond_wait) X(pthread_create) X(pthread_detach)             \
  X(pthread_exit) X(pthread_getname_np) X(pthread_getspecific) X(pthread_join)                   \
  X(pthread_key_create) X(pthread_key_delete) X(pthread_kill) X(pthread_mutex_clocklock)         \
  X(pthread_mutex_consistent) X(pthread_mutex_destroy) X(pthread_mutex_lock)                     \
  X(pthread_mutex_timedlock) X(pthread_mutex_trylock) X(pthread_mutex_unlock) X(pthread_once)    \
  X(pthread_rwlock_clockrdlock) X(pthread_rwlock_clockwrlock) X(pthread_rwlock_rdlock)           \
  X(pthread_rwlock_timedrdlock) X(pthread_rwlock_timedwrlock) X(pthread_rwlock_tryrdlock)        \
  X(pthread_rwlock_trywrlock) X(pthread_rwlock_unlock) X(pthread_rwlock_wrlock) X(pthread_self)  \
  X(pthread_setcancelstate) X(pthread_setcanceltype) X(pthread_setname_np)                       \
  X(pthread_setspecific) X(pthread_sigmask) X(pthread_spin_lock) X(pthread_spin_trylock)         \
  X(pthread_spin_unlock) X(pthread_testcancel) X(pthread_timedjoin_np) X(pthread_tryjoin_np)     \
  X(sched_yield) X(sem_clockwait) X(sem_close) X(sem_open) X(sem_post) X(sem_timedwait)          \
  X(sem_trywait) X(sem_unlink) X(sem_wait) X(syscall)

// Those of services and protocols: posix.cc.
#define SOCKBED_SERVICE_NAMES(X)                                                             \
  X(getprotobyname) X(getprotobyname_r) X(getprotobynumber) X(getprotobynumber_r)            \
  X(getservbyname) X(getservbyname_r) X(getservbyport) X(getservbyport_r)

// C11's threads: posix_c11.cc.
#define SOCKBED_C11_NAMES(X)                                                                      \
  X(call_once) X(cnd_broadcast) X(cnd_destroy) X(cnd_signal) X(cnd_timedwait) X(cnd_wait)         \
  X(mtx_destroy) X(mtx_lock) X(mtx_timedlock) X(mtx_trylock) X(mtx_unlock)            \
  X(thrd_create) X(thrd_current) X(thrd_detach) X(thrd_exit) X(thrd_join) X(thrd_sleep)           \
  X(thrd_yield) X(tss_create) X(tss_delete) X(tss_get) X(tss_set)

// A name of the lists that shared libraries would not find here but in the C library; empty when
// all is well. Programs that depend on the shim ask once, at their start: a shim that the linker
// dropped fails silently otherwise.
std::string_view posix_check();

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_H_
