// The system calls: what a simulated program may ask of its kernel.
//
// Lives here:  sockets, data, descriptors, time, processes, signals; and what only a simulation
//              has: Print, spawn. This header brings waiting.h, where several files are waited
//              for, files.h and names.h.
// Called by:   simulated programs; //uapi:posix (the C library's names), bio, ssl.
// May touch:   host, socket, sched, sim. Never a protocol.
// Context:     a simulated process. Elsewhere (interrupt context, outside a run) a call panics.
// Units:       as POSIX has them; every interval is virtual time.
// Invariants:  1. A call returns -1 and sets errno, or sets errno to 0: a BIO takes a result of 0
//                 with a stale errno for "try again".
//              2. ERESTART never leaves.
// Source:      OpenBSD sys/kern/{uipc_syscalls,sys_generic,kern_descrip,kern_time,kern_sig}.c and
//              the manual pages of section 2; getaddrinfo(3).
// Differs:     numbers and layouts are the host ABI's. A call charges its process kern.syscall_ns.
#ifndef SOCKBED_UAPI_UAPI_H_
#define SOCKBED_UAPI_UAPI_H_

#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include <functional>
#include <string>

#include "uapi/files.h"
#include "uapi/names.h"
#include "uapi/waiting.h"

namespace sockbed::uapi {

// --- Sockets. Each may also fail with EBADF, ENOTSOCK, EFAULT (null pointer with a length). ---

// SOCK_NONBLOCK and SOCK_CLOEXEC may be or'ed into `type`.
// Errors: EMFILE, ENFILE, EPROTONOSUPPORT, EPROTOTYPE, EACCES, ENOBUFS.
int socket(int domain, int type, int protocol);
// Errors: as socket, and EOPNOTSUPP (the family has no pairs).
int socketpair(int domain, int type, int protocol, int sv[2]);
// Errors: EINVAL, EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT.
int bind(int fd, const sockaddr* name, socklen_t len);
// Errors: EOPNOTSUPP, EINVAL.
int listen(int fd, int backlog);
// [sleeps] "netacc". `len` may be null only if `name` is. Errors: EINVAL (not listening),
// EWOULDBLOCK, ECONNABORTED, EINTR, EMFILE, ENFILE.
int accept(int fd, sockaddr* name, socklen_t* len);
// The same with flags for the new descriptor: SOCK_NONBLOCK, SOCK_CLOEXEC.
int accept4(int fd, sockaddr* name, socklen_t* len, int flags);
// [sleeps] "netcon". Errors: EINPROGRESS, EALREADY, EISCONN, EINTR, EOPNOTSUPP (listening),
// EADDRNOTAVAIL, EADDRINUSE, EAFNOSUPPORT, EINVAL, EACCES; ECONNREFUSED, ETIMEDOUT, ENETUNREACH,
// EHOSTUNREACH, ECONNRESET.
int connect(int fd, const sockaddr* name, socklen_t len);
// Errors: EINVAL (how).
int shutdown(int fd, int how);
int getsockname(int fd, sockaddr* name, socklen_t* len);
// Errors: ENOTCONN.
int getpeername(int fd, sockaddr* name, socklen_t* len);
// Errors: ENOPROTOOPT, EINVAL, EDOM, ENOBUFS, EPERM, ENOTCONN, EOPNOTSUPP.
int getsockopt(int fd, int level, int name, void* value, socklen_t* len);
int setsockopt(int fd, int level, int name, const void* value, socklen_t len);
// BSD's: the effective ids of whoever is at the other end of a local socket. Errors: ENOTCONN,
// EOPNOTSUPP (not AF_UNIX).
int getpeereid(int fd, uid_t* uid, gid_t* gid);

// --- Data. A call cut short by a signal or a time limit after some bytes returns their count. ---

// [sleep] "netio". Errors: EWOULDBLOCK, EMSGSIZE, ENOTCONN, EDESTADDRREQ, EISCONN, EPIPE (with
// SIGPIPE unless MSG_NOSIGNAL), the socket's pending error, EINVAL, ENOBUFS,
// EINTR, EOPNOTSUPP, EACCES. A destination of family AF_UNSPEC is none.
ssize_t send(int fd, const void* data, size_t len, int flags);
ssize_t sendto(int fd, const void* data, size_t len, int flags, const sockaddr* to,
               socklen_t tolen);
ssize_t sendmsg(int fd, const msghdr* msg, int flags);
// [sleep] "netio". Errors: EWOULDBLOCK, ENOTCONN, the socket's pending error, EINVAL, EOPNOTSUPP,
// EINTR, EMSGSIZE (too many vectors).
ssize_t recv(int fd, void* data, size_t len, int flags);
ssize_t recvfrom(int fd, void* data, size_t len, int flags, sockaddr* from, socklen_t* fromlen);
ssize_t recvmsg(int fd, msghdr* msg, int flags);
// Several messages in one call: how many were moved before one failed, or the error of the first.
// Each one's msg_len becomes its bytes. MSG_WAITFORONE: recvmmsg waits for the first only. It looks
// at `limit`, if set, after each message, as Linux does. Errors: as sendmsg and recvmsg; EINVAL (a
// bad limit).
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags);
int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit);
ssize_t read(int fd, void* data, size_t len);
ssize_t readv(int fd, const iovec* iov, int count);
ssize_t write(int fd, const void* data, size_t len);
ssize_t writev(int fd, const iovec* iov, int count);
// At a position, in a file. Errors: ESPIPE (only files have positions), EINVAL, EBADF.
ssize_t pread(int fd, void* data, size_t len, off_t offset);
ssize_t pwrite(int fd, const void* data, size_t len, off_t offset);
ssize_t preadv(int fd, const iovec* iov, int count, off_t offset);
ssize_t pwritev(int fd, const iovec* iov, int count, off_t offset);
off_t lseek(int fd, off_t offset, int whence);

// --- Descriptors. 0, 1 and 2 are the host's console. ---

// The descriptor is gone whatever the result. [sleeps] "netcls" with SO_LINGER.
// Errors: EBADF, EWOULDBLOCK (linger expired), EINTR, the protocol's.
int close(int fd);
// The same, and shutdown, for destructors: they never end the process that calls them, as other
// calls do when a fatal signal is pending. It is acted on in the next call.
int close_staying(int fd) noexcept;
int shutdown_staying(int fd, int how) noexcept;
int dup(int fd);                  // Errors: EBADF, EMFILE.
int dup2(int fd, int to);         // Errors: EBADF.
// O_CLOEXEC. Errors: EBADF, EINVAL (flags; the same number twice).
int dup3(int fd, int to, int flags);
// Two descriptors: what is written to fds[1] is read from fds[0]. pipe2 takes O_NONBLOCK and
// O_CLOEXEC. Writing sleeps on "pipewr" while 64 KiB wait, reading on "piperd" while none do; up to
// PIPE_BUF bytes go as a whole. Writing without a reader: EPIPE and SIGPIPE.
// Errors: EMFILE, ENFILE, EINVAL (flags), EFAULT.
int pipe(int fds[2]);
int pipe2(int fds[2], int flags);
// F_GETFL, F_SETFL (O_NONBLOCK, O_ASYNC), F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC, F_GETOWN,
// F_SETOWN. Errors: EBADF, EMFILE, EINVAL (another command, a bad argument).
int fcntl(int fd, int cmd, long arg = 0);
// FIONBIO, FIOASYNC, FIONREAD, SIOCATMARK, SIOCSPGRP, SIOCGPGRP, FIOSETOWN, FIOGETOWN, FIOCLEX,
// FIONCLEX. Errors: EBADF, ENOTTY, EOPNOTSUPP.
int ioctl(int fd, unsigned long request, void* arg);
int fstat(int fd, struct stat* st);
// RLIMIT_NOFILE bounds descriptors, below kern.maxfilesperproc; others are infinite and stay so.
// Errors: EINVAL (resource; above the maximum; a limit that nobody would keep to), EPERM (raising
// the maximum, unless superuser).
int getrlimit(int resource, rlimit* limit);
int setrlimit(int resource, const rlimit* limit);

// --- Time. The wall clock is the boot epoch, plus virtual time, plus the host's offset. ---

time_t time(time_t* result);
int gettimeofday(timeval* tv, void* tz);
// CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME and their _COARSE and _RAW forms;
// CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID: what calls were charged. Errors: EINVAL.
int clock_gettime(clockid_t clock, timespec* ts);
int clock_getres(clockid_t clock, timespec* ts);
// Steps the host's wall clock, and nothing else: uptime goes on, sleeps of an interval last as long
// as they were asked. Who waits for a time of the wall clock in clock_nanosleep, at a timerfd, a
// lock or a condition waits for that time anew; kevent's NOTE_ABSTIME is what it was as it was set.
// Errors: EPERM (not superuser), EINVAL (another clock; a bad time, or one before 1970; a time
// zone), EFAULT.
int clock_settime(clockid_t clock, const timespec* ts);
int settimeofday(const timeval* tv, const struct timezone* tz);
// [sleep] "nanslp": at least the interval, on tick boundaries. Errors: EINTR (see `rest`), EINVAL.
int nanosleep(const timespec* interval, timespec* rest);
// The same until a time of a clock, with TIMER_ABSTIME. Returns the errno itself.
int clock_nanosleep(clockid_t clock, int flags, const timespec* t, timespec* rest);
unsigned sleep(unsigned seconds);  // returns the seconds left
int usleep(useconds_t usec);
// ITIMER_REAL: SIGALRM on the first tick at or after the time, then every interval (a tick at
// least). ITIMER_VIRTUAL: SIGVTALRM, ITIMER_PROF: SIGPROF, once the calls of the process have been
// charged so much (kern.syscall_ns each); computing takes no virtual time. Errors: EINVAL (a bad
// interval or timer).
int getitimer(int which, itimerval* value);
int setitimer(int which, const itimerval* value, itimerval* old);
unsigned alarm(unsigned seconds);  // returns the seconds that were left

// --- Processes and signals. ---

pid_t getpid();
pid_t getppid();
uid_t getuid();
uid_t geteuid();
gid_t getgid();
gid_t getegid();
[[noreturn]] void exit(int status);
[[noreturn]] void _exit(int status);
pid_t getpgrp();
pid_t getpgid(pid_t pid);  // Errors: ESRCH.
// Of the caller or a child of it. Errors: EINVAL, EPERM (no such group), ESRCH.
int setpgid(pid_t pid, pid_t pgid);
// [sleeps] "wait". WNOHANG, WUNTRACED, WCONTINUED. Errors: ECHILD, EINTR, EINVAL. Of what the child
// used, ru_stime alone is known: the virtual time that its system calls took.
pid_t wait4(pid_t pid, int* status, int options, rusage* usage);
pid_t waitpid(pid_t pid, int* status, int options);
pid_t wait(int* status);
int getrusage(int who, rusage* usage);  // Errors: EINVAL.
int uname(utsname* name);  // "OpenBSD", the host's name, "4.9"

// Errors: ESRCH, EPERM, EINVAL. pid 0 is the caller's process group, -pgid another, -1 everybody
// but the caller.
int kill(pid_t pid, int signo);
int killpg(pid_t pgid, int signo);
int raise(int signo);
// SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_NOCLDSTOP, SA_NOCLDWAIT are obeyed, SA_SIGINFO gets a
// siginfo_t with the number only; other flags: EINVAL.
int sigaction(int signo, const struct sigaction* act, struct sigaction* old);
int sigprocmask(int how, const sigset_t* set, sigset_t* old);
int sigpending(sigset_t* set);
// [sleeps] "pause". They fail with EINTR once a signal has been acted on.
int sigsuspend(const sigset_t* mask);
int pause();

// A child of the calling process, which runs `main` with a copy of its descriptors: a fork(2).
pid_t spawn(const char* name, std::function<int()> main);

// --- Randomness. ---

// The host's "getrandom" stream. Errors: EINVAL (flags), EIO (getentropy beyond 256 bytes).
ssize_t getrandom(void* data, size_t len, unsigned flags);
int getentropy(void* data, size_t len);

// --- The console. ---

// Formats and writes to descriptor 1, charging one system call.
[[gnu::format(printf, 1, 2)]] void Print(const char* format, ...);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_UAPI_H_
