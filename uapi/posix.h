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
//              2. stdio does not pass through these names: printf and fopen stay the real host's.
// Differs:     from the C library's, inside a process: open finds no file, for there is no file
//              system; exit panics, since it cannot unwind; of the names declared never to throw
//              none ends the process it is called in: the next call that may does.
#ifndef SOCKBED_UAPI_POSIX_H_
#define SOCKBED_UAPI_POSIX_H_

#include <string_view>

namespace sockbed {

// All names that the shim defines and the C library also has, as X(name).
#define SOCKBED_POSIX_NAMES(X)                                                                   \
  X(accept) X(accept4) X(alarm) X(bind) X(clock_getres) X(clock_gettime) X(clock_nanosleep)      \
  X(close) X(connect) X(dup) X(dup2) X(dup3) X(epoll_create) X(epoll_create1) X(epoll_ctl)       \
  X(epoll_pwait) X(epoll_pwait2) X(epoll_wait) X(eventfd) X(eventfd_read) X(eventfd_write)       \
  X(exit) X(fcntl) X(fcntl64) X(freeaddrinfo) X(fstat) X(fstat64) X(getaddrinfo) X(getegid)      \
  X(getentropy) X(geteuid) X(getgid) X(gethostbyaddr) X(gethostbyaddr_r) X(gethostbyname)        \
  X(gethostbyname2) X(gethostbyname2_r) X(gethostbyname_r) X(gethostname) X(getitimer)           \
  X(getnameinfo) X(getpeername) X(getpgid) X(getpgrp) X(getpid) X(getppid) X(getrandom)          \
  X(getrlimit) X(getrlimit64) X(getrusage) X(getsockname) X(getsockopt) X(gettimeofday)          \
  X(getuid) X(ioctl) X(kill) X(killpg) X(listen) X(lseek) X(lseek64) X(nanosleep) X(open)        \
  X(open64) X(pause) X(pipe) X(pipe2) X(poll) X(ppoll) X(pread) X(pread64) X(preadv)             \
  X(preadv64) X(pselect) X(pwrite) X(pwrite64) X(pwritev) X(pwritev64) X(raise) X(read)          \
  X(readv) X(recv) X(recvfrom) X(recvmmsg) X(recvmsg) X(select) X(send) X(sendmmsg) X(sendmsg)   \
  X(sendto) X(setitimer) X(setpgid) X(setrlimit) X(setrlimit64) X(setsockopt) X(shutdown)        \
  X(sigaction) X(signal) X(sigpending) X(sigprocmask) X(sigsuspend) X(sleep) X(socket)           \
  X(socketpair) X(time) X(timerfd_create) X(timerfd_gettime) X(timerfd_settime) X(uname)         \
  X(usleep) X(wait) X(wait4) X(waitpid) X(write) X(writev)

// A name of the list that shared libraries would not find here but in the C library; empty when all
// is well. Programs that depend on the shim ask once, at their start: a shim that the linker
// dropped fails silently otherwise.
std::string_view posix_check();

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_H_
