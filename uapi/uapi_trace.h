// The records this room adds to the trace: each system call as it begins and as it ends.
//
// Lives here:  the table of system calls, UapiRecord, uapi_describe.
// Called by:   this room emits; tests and tools match on it.
// Invariants:  a call leaves one CALL record and, if it returns, one RET record after it.
// Source:      ktrace(1), kdump(1).
#ifndef SOCKBED_UAPI_UAPI_TRACE_H_
#define SOCKBED_UAPI_UAPI_TRACE_H_

#include <cstdint>

#include "kernel/sim/trace.h"

namespace sockbed::uapi {

// X(constant, name, arguments as the trace shows them). {o} is the descriptor, where there is one.
#define SOCKBED_SYSCALLS(X)                                                        \
  X(kSocket, "socket", "{0:@domain}, {1:@type}, {2:d}")                            \
  X(kSocketpair, "socketpair", "{0:@domain}, {1:@type}, {2:d}")                    \
  X(kBind, "bind", "{o:d}, {0:a}")                                                 \
  X(kListen, "listen", "{o:d}, {0:d}")                                             \
  X(kAccept, "accept", "{o:d}")                                                    \
  X(kAccept4, "accept4", "{o:d}, {0:|sockflags}")                                  \
  X(kConnect, "connect", "{o:d}, {0:a}")                                           \
  X(kShutdown, "shutdown", "{o:d}, {0:@how}")                                      \
  X(kGetsockname, "getsockname", "{o:d}")                                          \
  X(kGetpeername, "getpeername", "{o:d}")                                          \
  X(kGetsockopt, "getsockopt", "{o:d}, {0:@option}")                               \
  X(kSetsockopt, "setsockopt", "{o:d}, {0:@option}, {1:d}, {2:d} bytes")           \
  X(kSend, "send", "{o:d}, {0} bytes, {1:|msg}")                                   \
  X(kSendto, "sendto", "{o:d}, {0} bytes, {1:|msg}, {2:a}")                        \
  X(kSendmsg, "sendmsg", "{o:d}, {0} vectors, {1:|msg}")                           \
  X(kRecv, "recv", "{o:d}, {0} bytes, {1:|msg}")                                   \
  X(kRecvfrom, "recvfrom", "{o:d}, {0} bytes, {1:|msg}")                           \
  X(kRecvmsg, "recvmsg", "{o:d}, {0} vectors, {1:|msg}")                           \
  X(kSendmmsg, "sendmmsg", "{o:d}, {0:d} messages, {1:|msg}")                      \
  X(kRecvmmsg, "recvmmsg", "{o:d}, {0:d} messages, {1:|msg}, {2:t} s")             \
  X(kRead, "read", "{o:d}, {0} bytes")                                             \
  X(kReadv, "readv", "{o:d}, {0:d} vectors")                                       \
  X(kWrite, "write", "{o:d}, {0} bytes")                                           \
  X(kWritev, "writev", "{o:d}, {0:d} vectors")                                     \
  X(kPread, "pread", "{o:d}, {0} bytes at {1:d}")                                  \
  X(kPwrite, "pwrite", "{o:d}, {0} bytes at {1:d}")                                \
  X(kLseek, "lseek", "{o:d}, {0:d}")                                               \
  X(kClose, "close", "{o:d}")                                                      \
  X(kDup, "dup", "{o:d}")                                                          \
  X(kDup2, "dup2", "{o:d}, {0:d}")                                                 \
  X(kDup3, "dup3", "{o:d}, {0:d}, {1:x}")                                          \
  X(kFcntl, "fcntl", "{o:d}, {0:@fcntl}, {1:x}")                                   \
  X(kIoctl, "ioctl", "{o:d}, {0:@ioctl}, {1:d}")                                   \
  X(kFstat, "fstat", "{o:d}")                                                      \
  X(kPoll, "poll", "{0} descriptors, {1:d} ms")                                    \
  X(kPpoll, "ppoll", "{0} descriptors, {1:t} s")                                   \
  X(kSelect, "select", "{0:d} descriptors, {1:t} s")                               \
  X(kPselect, "pselect", "{0:d} descriptors, {1:t} s")                             \
  X(kKqueue, "kqueue", "{0:x}")                                                    \
  X(kKevent, "kevent", "{o:d}, {0:d} changes, {1:d} events, {2:t} s")              \
  X(kEpollCreate, "epoll_create", "{0:x}")                                         \
  X(kEpollCtl, "epoll_ctl", "{o:d}, {0:@epollop}, {1:d}, {2:x}")                   \
  X(kEpollWait, "epoll_wait", "{o:d}, {0:d} events, {1:t} s")                      \
  X(kEventfd, "eventfd", "{0:d}, {1:x}")                                           \
  X(kTimerfdCreate, "timerfd_create", "{0:@clock}, {1:x}")                         \
  X(kTimerfdSettime, "timerfd_settime", "{o:d}, {0:x}, {1:t} s, every {2:t} s")    \
  X(kTimerfdGettime, "timerfd_gettime", "{o:d}")                                   \
  X(kSignalfd, "signalfd", "{o:d}, {0:x}, {1:x}")                                  \
  X(kPipe, "pipe", "{0:x}")                                                        \
  X(kTime, "time", "")                                                             \
  X(kGettimeofday, "gettimeofday", "")                                             \
  X(kClockGettime, "clock_gettime", "{0:@clock}")                                  \
  X(kClockGetres, "clock_getres", "{0:@clock}")                                    \
  X(kClockSettime, "clock_settime", "{0:@clock}, {1:t} s")                         \
  X(kSettimeofday, "settimeofday", "{0:t} s")                                      \
  X(kNanosleep, "nanosleep", "{0:t} s")                                            \
  X(kClockNanosleep, "clock_nanosleep", "{0:@clock}, {1:t} s")                     \
  X(kGetitimer, "getitimer", "{0:@itimer}")                                        \
  X(kSetitimer, "setitimer", "{0:@itimer}, {1:t} s, every {2:t} s")                \
  X(kGetpid, "getpid", "")                                                         \
  X(kGetppid, "getppid", "")                                                       \
  X(kGetuid, "getuid", "")                                                         \
  X(kGeteuid, "geteuid", "")                                                       \
  X(kGetgid, "getgid", "")                                                         \
  X(kGetegid, "getegid", "")                                                       \
  X(kExit, "exit", "{0:d}")                                                        \
  X(kKill, "kill", "{0:d}, {1:@signal}")                                           \
  X(kWait4, "wait4", "{0:d}, {1:|waitopt}")                                        \
  X(kGetrusage, "getrusage", "{0:d}")                                              \
  X(kGetrlimit, "getrlimit", "{0:d}")                                              \
  X(kSetrlimit, "setrlimit", "{0:d}, {1:d}, {2:d}")                                \
  X(kUname, "uname", "")                                                           \
  X(kGetpgrp, "getpgrp", "")                                                       \
  X(kGetpgid, "getpgid", "{0:d}")                                                  \
  X(kSetpgid, "setpgid", "{0:d}, {1:d}")                                           \
  X(kSigaction, "sigaction", "{0:@signal}")                                        \
  X(kSigprocmask, "sigprocmask", "{0:@sighow}, {1:x}")                             \
  X(kSigpending, "sigpending", "")                                                 \
  X(kSigsuspend, "sigsuspend", "{0:x}")                                            \
  X(kSpawn, "spawn", "\"{0:s}{1:s}\"")                                             \
  X(kGetaddrinfo, "getaddrinfo", "\"{0:s}{1:s}\", \"{2:s}\"")                      \
  X(kGetnameinfo, "getnameinfo", "{0:a}")                                          \
  X(kGethostbyname, "gethostbyname", "\"{0:s}{1:s}\"")                             \
  X(kGethostbyaddr, "gethostbyaddr", "{0:@domain}")                                \
  X(kGethostname, "gethostname", "")                                               \
  X(kGetrandom, "getrandom", "{0} bytes")                                          \
  X(kOpen, "open", "\"{0:s}{1:s}\", {2:x}")                                        \
  X(kStat, "stat", "\"{0:s}{1:s}\"")                                               \
  X(kAccess, "access", "\"{0:s}{1:s}\", {2:x}")                                    \
  X(kReadlink, "readlink", "\"{0:s}{1:s}\"")                                       \
  X(kMkdir, "mkdir", "\"{0:s}{1:s}\", {2:x}")                                      \
  X(kRmdir, "rmdir", "\"{0:s}{1:s}\"")                                             \
  X(kUnlink, "unlink", "\"{0:s}{1:s}\"")                                           \
  X(kRename, "rename", "\"{0:s}{1:s}\", \"{2:s}\"")                                \
  X(kTruncate, "truncate", "\"{0:s}{1:s}\", {2:d}")                                \
  X(kFtruncate, "ftruncate", "{o:d}, {0:d}")                                       \
  X(kFsync, "fsync", "{o:d}")                                                      \
  X(kChdir, "chdir", "\"{0:s}{1:s}\"")                                             \
  X(kFchdir, "fchdir", "{o:d}")                                                    \
  X(kGetcwd, "getcwd", "")                                                         \
  X(kUmask, "umask", "{0:x}")                                                      \
  X(kMmap, "mmap", "{o:d}, {0} bytes at {1:d}")                                    \
  X(kSendfile, "sendfile", "{o:d}, {0:d}, {1} bytes")                              \
  X(kGetdents, "getdents", "{o:d}")

enum class Sys : uint8_t {
#define SOCKBED_SYSCALL_ENUM(constant, name, arguments) constant,
  SOCKBED_SYSCALLS(SOCKBED_SYSCALL_ENUM)
#undef SOCKBED_SYSCALL_ENUM
      kCount
};

// Types of record: a CALL's is the number of its system call; then these. Object: that number.
enum class UapiRecord : uint8_t {
  kReturn = static_cast<uint8_t>(Sys::kCount),  // 0: the result
  kError,                                       // 0: the errno
};

// Tells `trace` how these records read. Once per machine.
void uapi_describe(Trace& trace);

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_UAPI_TRACE_H_
