// Fortified headers would define some of these names as inline functions.
#undef _FORTIFY_SOURCE

#include "uapi/posix.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/single_threaded.h>

#include <array>
#include <exception>
#include <utility>

#include "kernel/sched/thread.h"
#include "kernel/sim/kassert.h"
#include "uapi/posix_real.h"
#include "uapi/uapi.h"

namespace sockbed {

constinit RealCalls real_calls;

[[gnu::cold]] void FindRealCalls() {
  RealCalls found;
#define SOCKBED_FIND(name) \
  found.name = reinterpret_cast<decltype(&::name)>(dlsym(RTLD_NEXT, #name));
  SOCKBED_POSIX_NAMES(SOCKBED_FIND)
  SOCKBED_PTHREAD_NAMES(SOCKBED_FIND)
  SOCKBED_SERVICE_NAMES(SOCKBED_FIND)
  SOCKBED_C11_NAMES(SOCKBED_FIND)
  SOCKBED_FILE_NAMES(SOCKBED_FIND)
  SOCKBED_STDIO_NAMES(SOCKBED_FIND)
  SOCKBED_PROCESS_NAMES(SOCKBED_FIND)
#undef SOCKBED_FIND
  found.standard_in = stdin;
  found.standard_out = stdout;
  found.standard_error = stderr;
  found.found = true;
  real_calls = found;
}

namespace {

std::terminate_handler real_terminate;  // written once, before main

// A simulated program that must not go on ends alone.
void Terminate() {
  if (InProcess() && !curproc()->p_unwound) proc_terminate();
  real_terminate();
}

[[gnu::constructor]] void AtStart() {
  if (!real_calls.found) FindRealCalls();
  // Simulated processes and threads come between each other as threads do: one that meets a static
  // variable which another is making must wait, not take it for its own recursion.
  __libc_single_threaded = 0;
  real_terminate = std::set_terminate(Terminate);
}

// The same for a call that leaves errno as it was, unless it fails.
template <typename Call>
auto KeepingErrno(Call call) noexcept -> decltype(call()) {
  const int before = errno;
  const auto result = WithoutUnwinding(call);
  if (errno == 0) errno = before;
  return result;
}

// The words behind fcntl's and ioctl's fixed arguments: one, of any kind.
struct OptionalWord {
  long number;
  void* pointer() const { return reinterpret_cast<void*>(number); }
};
#define SOCKBED_OPTIONAL_WORD(last, word)      \
  va_list args;                                \
  va_start(args, last);                        \
  const OptionalWord word{va_arg(args, long)}; \
  va_end(args)

// The buffer checks of fortified programs: a process ends alone, as if by the C library's abort.
[[gnu::cold]] void Overflow() {
  constexpr char kWhat[] = "buffer overflow detected: a length exceeds the buffer's size";
  if (!InProcess()) KPANIC(kWhat);
  proc_abort(kWhat);
  proc_terminate();
}
void CheckFits(size_t len, size_t room) {
  if (len > room) Overflow();
}

}  // namespace

std::string_view posix_check() {
#define SOCKBED_CHECK(name) \
  if (dlsym(RTLD_DEFAULT, #name) != reinterpret_cast<void*>(&::name)) return #name;
  SOCKBED_POSIX_NAMES(SOCKBED_CHECK)
  SOCKBED_PTHREAD_NAMES(SOCKBED_CHECK)
  SOCKBED_SERVICE_NAMES(SOCKBED_CHECK)
  SOCKBED_C11_NAMES(SOCKBED_CHECK)
  SOCKBED_FILE_NAMES(SOCKBED_CHECK)
  SOCKBED_STDIO_NAMES(SOCKBED_CHECK)
  SOCKBED_PROCESS_NAMES(SOCKBED_CHECK)
#undef SOCKBED_CHECK
  return {};
}

}  // namespace sockbed

using sockbed::Discarding;
using sockbed::InProcess;
using sockbed::KeepingErrno;
using sockbed::OptionalWord;
using sockbed::Real;
using sockbed::WithoutUnwinding;
namespace uapi = sockbed::uapi;

#pragma GCC visibility push(default)
extern "C" {

// Reading a clock leaves errno alone, as the C library does: libssl looks at its timer between a
// failed read and what it says of errno.
#define SOCKBED_SHIM_CLOCK(result, name, params, args)                                     \
  result name params noexcept {                                                            \
    return InProcess() ? KeepingErrno([&] { return uapi::name args; }) : Real().name args; \
  }

// --- Sockets. ---
SOCKBED_SHIM_NOTHROW(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
SOCKBED_SHIM_NOTHROW(int, socketpair, (int domain, int type, int protocol, int* sv),
                     (domain, type, protocol, sv))
SOCKBED_SHIM_NOTHROW(int, bind, (int fd, const sockaddr* name, socklen_t len), (fd, name, len))
SOCKBED_SHIM_NOTHROW(int, listen, (int fd, int backlog), (fd, backlog))
SOCKBED_SHIM(int, accept, (int fd, sockaddr* name, socklen_t* len), (fd, name, len))
SOCKBED_SHIM(int, accept4, (int fd, sockaddr* name, socklen_t* len, int flags),
             (fd, name, len, flags))
SOCKBED_SHIM(int, connect, (int fd, const sockaddr* name, socklen_t len), (fd, name, len))
SOCKBED_SHIM_NOTHROW(int, shutdown, (int fd, int how), (fd, how))
SOCKBED_SHIM_NOTHROW(int, getsockname, (int fd, sockaddr* name, socklen_t* len), (fd, name, len))
SOCKBED_SHIM_NOTHROW(int, getpeername, (int fd, sockaddr* name, socklen_t* len), (fd, name, len))
SOCKBED_SHIM_NOTHROW(int, getsockopt, (int fd, int level, int name, void* value, socklen_t* len),
                     (fd, level, name, value, len))
SOCKBED_SHIM_NOTHROW(int, setsockopt,
                     (int fd, int level, int name, const void* value, socklen_t len),
                     (fd, level, name, value, len))

// --- Data. ---
SOCKBED_SHIM(ssize_t, send, (int fd, const void* data, size_t len, int flags),
             (fd, data, len, flags))
SOCKBED_SHIM(ssize_t, sendto,
             (int fd, const void* data, size_t len, int flags, const sockaddr* to, socklen_t tolen),
             (fd, data, len, flags, to, tolen))
SOCKBED_SHIM(ssize_t, sendmsg, (int fd, const msghdr* msg, int flags), (fd, msg, flags))
SOCKBED_SHIM(ssize_t, recv, (int fd, void* data, size_t len, int flags), (fd, data, len, flags))
SOCKBED_SHIM(ssize_t, recvfrom,
             (int fd, void* data, size_t len, int flags, sockaddr* from, socklen_t* fromlen),
             (fd, data, len, flags, from, fromlen))
SOCKBED_SHIM(ssize_t, recvmsg, (int fd, msghdr* msg, int flags), (fd, msg, flags))
SOCKBED_SHIM(ssize_t, read, (int fd, void* data, size_t len), (fd, data, len))
SOCKBED_SHIM(ssize_t, readv, (int fd, const iovec* iov, int count), (fd, iov, count))
SOCKBED_SHIM(ssize_t, write, (int fd, const void* data, size_t len), (fd, data, len))
SOCKBED_SHIM(ssize_t, writev, (int fd, const iovec* iov, int count), (fd, iov, count))
SOCKBED_SHIM(ssize_t, pread, (int fd, void* data, size_t len, off_t offset),
             (fd, data, len, offset))
SOCKBED_SHIM(ssize_t, pwrite, (int fd, const void* data, size_t len, off_t offset),
             (fd, data, len, offset))
SOCKBED_SHIM_NOTHROW(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
ssize_t pread64(int fd, void* data, size_t len, off64_t offset) {
  return pread(fd, data, len, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t len, off64_t offset) {
  return pwrite(fd, data, len, offset);
}
SOCKBED_SHIM(ssize_t, preadv, (int fd, const iovec* iov, int count, off_t offset),
             (fd, iov, count, offset))
SOCKBED_SHIM(ssize_t, pwritev, (int fd, const iovec* iov, int count, off_t offset),
             (fd, iov, count, offset))
ssize_t preadv64(int fd, const iovec* iov, int count, off64_t offset) {
  return preadv(fd, iov, count, offset);
}
ssize_t pwritev64(int fd, const iovec* iov, int count, off64_t offset) {
  return pwritev(fd, iov, count, offset);
}
SOCKBED_SHIM(int, sendmmsg, (int fd, mmsghdr* messages, unsigned count, int flags),
             (fd, messages, count, flags))
SOCKBED_SHIM(int, recvmmsg, (int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit),
             (fd, messages, count, flags, limit))
off64_t lseek64(int fd, off64_t offset, int whence) noexcept { return lseek(fd, offset, whence); }

// --- Descriptors. ---
SOCKBED_SHIM(int, close, (int fd), (fd))
SOCKBED_SHIM_NOTHROW(int, dup, (int fd), (fd))
SOCKBED_SHIM_NOTHROW(int, dup2, (int fd, int to), (fd, to))
SOCKBED_SHIM_NOTHROW(int, dup3, (int fd, int to, int flags), (fd, to, flags))
SOCKBED_SHIM_NOTHROW(int, pipe, (int* fds), (fds))
SOCKBED_SHIM_NOTHROW(int, pipe2, (int* fds, int flags), (fds, flags))
// The resource is of an enumeration where the C library's headers are C++.
int getrlimit(__rlimit_resource_t resource, rlimit* limit) noexcept {
  if (!InProcess()) return Real().getrlimit(resource, limit);
  return WithoutUnwinding([&] { return uapi::getrlimit(static_cast<int>(resource), limit); });
}
int setrlimit(__rlimit_resource_t resource, const rlimit* limit) noexcept {
  if (!InProcess()) return Real().setrlimit(resource, limit);
  return WithoutUnwinding([&] { return uapi::setrlimit(static_cast<int>(resource), limit); });
}
static_assert(sizeof(rlimit) == sizeof(rlimit64));
int getrlimit64(__rlimit_resource_t resource, rlimit64* limit) noexcept {
  return getrlimit(resource, reinterpret_cast<rlimit*>(limit));
}
int setrlimit64(__rlimit_resource_t resource, const rlimit64* limit) noexcept {
  return setrlimit(resource, reinterpret_cast<const rlimit*>(limit));
}
SOCKBED_SHIM_NOTHROW(int, fstat, (int fd, struct stat* st), (fd, st))
static_assert(sizeof(struct stat) == sizeof(struct stat64));
int fstat64(int fd, struct stat64* st) noexcept {
  return fstat(fd, reinterpret_cast<struct stat*>(st));
}
int fcntl(int fd, int cmd, ...) {
  SOCKBED_OPTIONAL_WORD(cmd, word);
  if (!InProcess()) return Real().fcntl(fd, cmd, word.number);
  return uapi::fcntl(fd, cmd, static_cast<int>(word.number));  // no command here takes a pointer
}
int fcntl64(int fd, int cmd, ...) {
  SOCKBED_OPTIONAL_WORD(cmd, word);
  return fcntl(fd, cmd, word.number);
}
int ioctl(int fd, unsigned long request, ...) noexcept {
  SOCKBED_OPTIONAL_WORD(request, word);
  if (!InProcess()) return Real().ioctl(fd, request, word.number);
  return WithoutUnwinding([&] { return uapi::ioctl(fd, request, word.pointer()); });
}
int sockatmark(int fd) noexcept {
  if (!InProcess()) return Real().sockatmark(fd);
  int at_mark = 0;
  return ioctl(fd, SIOCATMARK, &at_mark) == 0 ? at_mark : -1;
}

// --- Waiting, time. ---
SOCKBED_SHIM(int, poll, (pollfd * fds, nfds_t count, int limit_ms), (fds, count, limit_ms))
SOCKBED_SHIM(int, ppoll, (pollfd * fds, nfds_t count, const timespec* limit, const sigset_t* mask),
             (fds, count, limit, mask))
SOCKBED_SHIM(int, select, (int count, fd_set* in, fd_set* out, fd_set* except, timeval* limit),
             (count, in, out, except, limit))
SOCKBED_SHIM(int, pselect,
             (int count, fd_set* in, fd_set* out, fd_set* except, const timespec* limit,
              const sigset_t* mask),
             (count, in, out, except, limit, mask))
SOCKBED_SHIM_NOTHROW(int, epoll_create, (int size), (size))
SOCKBED_SHIM_NOTHROW(int, epoll_create1, (int flags), (flags))
SOCKBED_SHIM_NOTHROW(int, epoll_ctl, (int epfd, int op, int fd, epoll_event* event),
                     (epfd, op, fd, event))
SOCKBED_SHIM(int, epoll_wait, (int epfd, epoll_event* events, int max, int limit_ms),
             (epfd, events, max, limit_ms))
SOCKBED_SHIM(int, epoll_pwait,
             (int epfd, epoll_event* events, int max, int limit_ms, const sigset_t* mask),
             (epfd, events, max, limit_ms, mask))
SOCKBED_SHIM(int, epoll_pwait2,
             (int epfd, epoll_event* events, int max, const timespec* limit, const sigset_t* mask),
             (epfd, events, max, limit, mask))
SOCKBED_SHIM_NOTHROW(int, eventfd, (unsigned count, int flags), (count, flags))
// The C library's own would not pass through our read and write.
int eventfd_read(int fd, eventfd_t* value) {
  if (!InProcess()) return Real().eventfd_read(fd, value);
  return uapi::read(fd, value, sizeof *value) == ssize_t{sizeof *value} ? 0 : -1;
}
int eventfd_write(int fd, eventfd_t value) {
  if (!InProcess()) return Real().eventfd_write(fd, value);
  return uapi::write(fd, &value, sizeof value) == ssize_t{sizeof value} ? 0 : -1;
}
SOCKBED_SHIM_NOTHROW(int, timerfd_create, (int clock, int flags), (clock, flags))
SOCKBED_SHIM_NOTHROW(int, timerfd_settime,
                     (int fd, int flags, const itimerspec* value, itimerspec* old),
                     (fd, flags, value, old))
SOCKBED_SHIM_NOTHROW(int, timerfd_gettime, (int fd, itimerspec* value), (fd, value))
SOCKBED_SHIM_NOTHROW(int, signalfd, (int fd, const sigset_t* mask, int flags), (fd, mask, flags))
SOCKBED_SHIM_CLOCK(time_t, time, (time_t * result), (result))
SOCKBED_SHIM_CLOCK(int, gettimeofday, (timeval * tv, void* tz), (tv, tz))
SOCKBED_SHIM_CLOCK(int, clock_gettime, (clockid_t clock, timespec* ts), (clock, ts))
SOCKBED_SHIM_NOTHROW(int, clock_getres, (clockid_t clock, timespec* ts), (clock, ts))
SOCKBED_SHIM_NOTHROW(int, clock_settime, (clockid_t clock, const timespec* ts), (clock, ts))
SOCKBED_SHIM_NOTHROW(int, settimeofday, (const timeval* tv, const struct timezone* tz), (tv, tz))
SOCKBED_SHIM(int, nanosleep, (const timespec* interval, timespec* rest), (interval, rest))
SOCKBED_SHIM(int, clock_nanosleep, (clockid_t clock, int flags, const timespec* t, timespec* rest),
             (clock, flags, t, rest))
SOCKBED_SHIM(unsigned, sleep, (unsigned seconds), (seconds))
SOCKBED_SHIM(int, usleep, (useconds_t usec), (usec))
SOCKBED_SHIM_NOTHROW(unsigned, alarm, (unsigned seconds), (seconds))
SOCKBED_SHIM_NOTHROW(int, getitimer, (int which, itimerval* value), (which, value))
SOCKBED_SHIM_NOTHROW(int, setitimer, (int which, const itimerval* value, itimerval* old),
                     (which, value, old))

// --- Processes and signals. ---
SOCKBED_SHIM_NOTHROW(pid_t, getpid, (), ())
SOCKBED_SHIM_NOTHROW(pid_t, getppid, (), ())
SOCKBED_SHIM_NOTHROW(uid_t, getuid, (), ())
SOCKBED_SHIM_NOTHROW(uid_t, geteuid, (), ())
SOCKBED_SHIM_NOTHROW(gid_t, getgid, (), ())
SOCKBED_SHIM_NOTHROW(gid_t, getegid, (), ())
SOCKBED_SHIM_NOTHROW(int, kill, (pid_t pid, int signo), (pid, signo))
SOCKBED_SHIM_NOTHROW(int, killpg, (pid_t pgid, int signo), (pgid, signo))
SOCKBED_SHIM_NOTHROW(int, raise, (int signo), (signo))
SOCKBED_SHIM_NOTHROW(pid_t, getpgrp, (), ())
SOCKBED_SHIM_NOTHROW(pid_t, getpgid, (pid_t pid), (pid))
SOCKBED_SHIM_NOTHROW(int, setpgid, (pid_t pid, pid_t pgid), (pid, pgid))
SOCKBED_SHIM(pid_t, wait, (int* status), (status))
SOCKBED_SHIM(pid_t, waitpid, (pid_t pid, int* status, int options), (pid, status, options))
SOCKBED_SHIM_NOTHROW(pid_t, wait4, (pid_t pid, int* status, int options, rusage* usage),
                     (pid, status, options, usage))
SOCKBED_SHIM_NOTHROW(int, getrusage, (int who, rusage* usage), (who, usage))
SOCKBED_SHIM_NOTHROW(int, sigaction,
                     (int signo, const struct sigaction* act, struct sigaction* old),
                     (signo, act, old))
SOCKBED_SHIM_NOTHROW(int, sigprocmask, (int how, const sigset_t* set, sigset_t* old),
                     (how, set, old))
SOCKBED_SHIM_NOTHROW(int, sigpending, (sigset_t * set), (set))
SOCKBED_SHIM(int, sigsuspend, (const sigset_t* mask), (mask))
SOCKBED_SHIM(int, pause, (), ())
sighandler_t signal(int signo, sighandler_t handler) noexcept {
  if (!InProcess()) return Real().signal(signo, handler);
  struct sigaction act = {}, old = {};
  act.sa_handler = handler;
  act.sa_flags = SA_RESTART;
  return sigaction(signo, &act, &old) == 0 ? old.sa_handler : SIG_ERR;
}

// --- Names and randomness. ---
SOCKBED_SHIM(int, getaddrinfo,
             (const char* node, const char* service, const addrinfo* hints, addrinfo** result),
             (node, service, hints, result))
// Either side frees what either side has made: resolver.cc allocates as the C library does.
void freeaddrinfo(addrinfo* list) noexcept { uapi::freeaddrinfo(list); }
SOCKBED_SHIM(int, getnameinfo,
             (const sockaddr* sa, socklen_t len, char* host, socklen_t hostlen, char* service,
              socklen_t servicelen, int flags),
             (sa, len, host, hostlen, service, servicelen, flags))
SOCKBED_SHIM_NOTHROW(int, gethostname, (char* name, size_t len), (name, len))
SOCKBED_SHIM(hostent*, gethostbyname, (const char* name), (name))
SOCKBED_SHIM(hostent*, gethostbyname2, (const char* name, int family), (name, family))
SOCKBED_SHIM(hostent*, gethostbyaddr, (const void* address, socklen_t len, int family),
             (address, len, family))
SOCKBED_SHIM(int, gethostbyname_r,
             (const char* name, hostent* host, char* space, size_t size, hostent** result,
              int* error),
             (name, host, space, size, result, error))
SOCKBED_SHIM(int, gethostbyname2_r,
             (const char* name, int family, hostent* host, char* space, size_t size,
              hostent** result, int* error),
             (name, family, host, space, size, result, error))
SOCKBED_SHIM(int, gethostbyaddr_r,
             (const void* address, socklen_t len, int family, hostent* host, char* space,
              size_t size, hostent** result, int* error),
             (address, len, family, host, space, size, result, error))
SOCKBED_SHIM(servent*, getservbyname, (const char* name, const char* protocol), (name, protocol))
SOCKBED_SHIM(servent*, getservbyport, (int port, const char* protocol), (port, protocol))
SOCKBED_SHIM(protoent*, getprotobyname, (const char* name), (name))
SOCKBED_SHIM(protoent*, getprotobynumber, (int number), (number))
SOCKBED_SHIM(int, getservbyname_r,
             (const char* name, const char* protocol, servent* entry, char* space, size_t size,
              servent** result),
             (name, protocol, entry, space, size, result))
SOCKBED_SHIM(int, getservbyport_r,
             (int port, const char* protocol, servent* entry, char* space, size_t size,
              servent** result),
             (port, protocol, entry, space, size, result))
SOCKBED_SHIM(int, getprotobyname_r,
             (const char* name, protoent* entry, char* space, size_t size, protoent** result),
             (name, entry, space, size, result))
SOCKBED_SHIM(int, getprotobynumber_r,
             (int number, protoent* entry, char* space, size_t size, protoent** result),
             (number, entry, space, size, result))
SOCKBED_SHIM_NOTHROW(int, uname, (utsname * name), (name))
SOCKBED_SHIM(ssize_t, getrandom, (void* data, size_t len, unsigned flags), (data, len, flags))
SOCKBED_SHIM(int, getentropy, (void* data, size_t len), (data, len))

// --- What fortified programs call instead. ---
ssize_t __read_chk(int fd, void* data, size_t len, size_t room) {
  sockbed::CheckFits(len, room);
  return read(fd, data, len);
}
ssize_t __pread_chk(int fd, void* data, size_t len, off_t offset, size_t room) {
  sockbed::CheckFits(len, room);
  return pread(fd, data, len, offset);
}
ssize_t __pread64_chk(int fd, void* data, size_t len, off64_t offset, size_t room) {
  sockbed::CheckFits(len, room);
  return pread(fd, data, len, offset);
}
int __gethostname_chk(char* name, size_t len, size_t room) noexcept {
  sockbed::CheckFits(len, room);
  return gethostname(name, len);
}
ssize_t __recv_chk(int fd, void* data, size_t len, size_t room, int flags) {
  sockbed::CheckFits(len, room);
  return recv(fd, data, len, flags);
}
ssize_t __recvfrom_chk(int fd, void* data, size_t len, size_t room, int flags, sockaddr* from,
                       socklen_t* fromlen) {
  sockbed::CheckFits(len, room);
  return recvfrom(fd, data, len, flags, from, fromlen);
}
// The word of an fd_set that has a descriptor's bit.
long __fdelt_chk(long fd) {
  sockbed::CheckFits(static_cast<size_t>(fd), FD_SETSIZE - 1);
  return fd / NFDBITS;
}
int __getgroups_chk(int count, gid_t* groups, size_t room) noexcept {
  sockbed::CheckFits(static_cast<size_t>(count), room / sizeof(gid_t));
  return getgroups(count, groups);
}
int __poll_chk(pollfd* fds, nfds_t count, int limit_ms, size_t room) {
  sockbed::CheckFits(count, room / sizeof(pollfd));
  return poll(fds, count, limit_ms);
}
int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* limit, const sigset_t* mask,
                size_t room) {
  sockbed::CheckFits(count, room / sizeof(pollfd));
  return ppoll(fds, count, limit, mask);
}

}  // extern "C"
#pragma GCC visibility pop
