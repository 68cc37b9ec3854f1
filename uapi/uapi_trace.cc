#include "uapi/uapi_trace.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <iterator>

#include "kernel/socket/bsd_socket.h"

namespace sockbed::uapi {
namespace {

constexpr EventType kTypes[] = {
#define SOCKBED_SYSCALL_TYPE(constant, name, arguments) {"CALL", name "(" arguments ")"},
    SOCKBED_SYSCALLS(SOCKBED_SYSCALL_TYPE)
#undef SOCKBED_SYSCALL_TYPE
    {"RET", "{o:@call} {0:d}"},
    {"RET", "{o:@call} -1 {0:e}"},
};

constexpr ValueName kCalls[] = {
#define SOCKBED_SYSCALL_VALUE(constant, name, arguments) \
  {static_cast<uint64_t>(Sys::constant), name},
    SOCKBED_SYSCALLS(SOCKBED_SYSCALL_VALUE)
#undef SOCKBED_SYSCALL_VALUE
};

constexpr ValueName kDomains[] = {
    {AF_UNSPEC, "AF_UNSPEC"}, {AF_UNIX, "AF_UNIX"}, {AF_INET, "AF_INET"}, {AF_INET6, "AF_INET6"}};

#define SOCKBED_TYPE_NAMES(type)                                 \
  {type, #type}, {type | SOCK_NONBLOCK, #type "|SOCK_NONBLOCK"}, \
      {type | SOCK_CLOEXEC, #type "|SOCK_CLOEXEC"},              \
      {type | SOCK_NONBLOCK | SOCK_CLOEXEC, #type "|SOCK_NONBLOCK|SOCK_CLOEXEC"}
constexpr ValueName kTypeNames[] = {SOCKBED_TYPE_NAMES(SOCK_STREAM), SOCKBED_TYPE_NAMES(SOCK_DGRAM),
                                    SOCKBED_TYPE_NAMES(SOCK_SEQPACKET),
                                    SOCKBED_TYPE_NAMES(SOCK_RAW)};
#undef SOCKBED_TYPE_NAMES

#define SOCKBED_NAMED(value) {static_cast<uint64_t>(value), #value}
constexpr ValueName kSockFlags[] = {SOCKBED_NAMED(SOCK_NONBLOCK), SOCKBED_NAMED(SOCK_CLOEXEC)};
constexpr ValueName kHow[] = {SOCKBED_NAMED(SHUT_RD), SOCKBED_NAMED(SHUT_WR),
                              SOCKBED_NAMED(SHUT_RDWR)};
constexpr ValueName kMsg[] = {
    SOCKBED_NAMED(MSG_OOB),      SOCKBED_NAMED(MSG_PEEK),         SOCKBED_NAMED(MSG_DONTROUTE),
    SOCKBED_NAMED(MSG_CTRUNC),   SOCKBED_NAMED(MSG_TRUNC),        SOCKBED_NAMED(MSG_DONTWAIT),
    SOCKBED_NAMED(MSG_EOR),      SOCKBED_NAMED(MSG_WAITALL),      SOCKBED_NAMED(MSG_NOSIGNAL),
    SOCKBED_NAMED(MSG_MORE),     SOCKBED_NAMED(MSG_CMSG_CLOEXEC),
};
constexpr ValueName kFcntl[] = {
    SOCKBED_NAMED(F_DUPFD),  SOCKBED_NAMED(F_GETFD),  SOCKBED_NAMED(F_SETFD),
    SOCKBED_NAMED(F_GETFL),  SOCKBED_NAMED(F_SETFL),  SOCKBED_NAMED(F_GETOWN),
    SOCKBED_NAMED(F_SETOWN), SOCKBED_NAMED(F_DUPFD_CLOEXEC)};
constexpr ValueName kIoctl[] = {
    SOCKBED_NAMED(FIONBIO),    SOCKBED_NAMED(FIOASYNC),  SOCKBED_NAMED(FIONREAD),
    SOCKBED_NAMED(SIOCATMARK), SOCKBED_NAMED(SIOCSPGRP), SOCKBED_NAMED(SIOCGPGRP),
    SOCKBED_NAMED(FIOSETOWN),  SOCKBED_NAMED(FIOGETOWN), SOCKBED_NAMED(FIOCLEX),
    SOCKBED_NAMED(FIONCLEX)};
constexpr ValueName kClocks[] = {
    SOCKBED_NAMED(CLOCK_REALTIME), SOCKBED_NAMED(CLOCK_MONOTONIC), SOCKBED_NAMED(CLOCK_BOOTTIME),
    SOCKBED_NAMED(CLOCK_MONOTONIC_RAW), SOCKBED_NAMED(CLOCK_REALTIME_COARSE),
    SOCKBED_NAMED(CLOCK_MONOTONIC_COARSE), SOCKBED_NAMED(CLOCK_PROCESS_CPUTIME_ID),
    SOCKBED_NAMED(CLOCK_THREAD_CPUTIME_ID)};
constexpr ValueName kSignals[] = {
    SOCKBED_NAMED(SIGHUP),  SOCKBED_NAMED(SIGINT),  SOCKBED_NAMED(SIGQUIT), SOCKBED_NAMED(SIGABRT),
    SOCKBED_NAMED(SIGKILL), SOCKBED_NAMED(SIGUSR1), SOCKBED_NAMED(SIGUSR2), SOCKBED_NAMED(SIGPIPE),
    SOCKBED_NAMED(SIGALRM), SOCKBED_NAMED(SIGTERM), SOCKBED_NAMED(SIGCHLD), SOCKBED_NAMED(SIGCONT),
    SOCKBED_NAMED(SIGSTOP), SOCKBED_NAMED(SIGTSTP), SOCKBED_NAMED(SIGURG),  SOCKBED_NAMED(SIGIO)};
constexpr ValueName kSighow[] = {SOCKBED_NAMED(SIG_BLOCK), SOCKBED_NAMED(SIG_UNBLOCK),
                                 SOCKBED_NAMED(SIG_SETMASK)};
constexpr ValueName kWaitOptions[] = {SOCKBED_NAMED(WNOHANG), SOCKBED_NAMED(WUNTRACED),
                                      SOCKBED_NAMED(WCONTINUED)};
constexpr ValueName kItimers[] = {SOCKBED_NAMED(ITIMER_REAL), SOCKBED_NAMED(ITIMER_VIRTUAL),
                                  SOCKBED_NAMED(ITIMER_PROF)};
constexpr ValueName kEpollOps[] = {SOCKBED_NAMED(EPOLL_CTL_ADD), SOCKBED_NAMED(EPOLL_CTL_MOD),
                                   SOCKBED_NAMED(EPOLL_CTL_DEL)};
#undef SOCKBED_NAMED

// An option is known by its level and its name together.
#define SOCKBED_OPTION(level, name) {PackPair(level, name), #level ", " #name}
constexpr ValueName kOptions[] = {
    SOCKBED_OPTION(SOL_SOCKET, SO_DEBUG),     SOCKBED_OPTION(SOL_SOCKET, SO_ACCEPTCONN),
    SOCKBED_OPTION(SOL_SOCKET, SO_REUSEADDR), SOCKBED_OPTION(SOL_SOCKET, SO_REUSEPORT),
    SOCKBED_OPTION(SOL_SOCKET, SO_KEEPALIVE), SOCKBED_OPTION(SOL_SOCKET, SO_DONTROUTE),
    SOCKBED_OPTION(SOL_SOCKET, SO_BROADCAST), SOCKBED_OPTION(SOL_SOCKET, SO_LINGER),
    SOCKBED_OPTION(SOL_SOCKET, SO_OOBINLINE), SOCKBED_OPTION(SOL_SOCKET, SO_TIMESTAMP),
    SOCKBED_OPTION(SOL_SOCKET, SO_SNDBUF),    SOCKBED_OPTION(SOL_SOCKET, SO_RCVBUF),
    SOCKBED_OPTION(SOL_SOCKET, SO_SNDLOWAT),  SOCKBED_OPTION(SOL_SOCKET, SO_RCVLOWAT),
    SOCKBED_OPTION(SOL_SOCKET, SO_SNDTIMEO),  SOCKBED_OPTION(SOL_SOCKET, SO_RCVTIMEO),
    SOCKBED_OPTION(SOL_SOCKET, SO_ERROR),     SOCKBED_OPTION(SOL_SOCKET, SO_TYPE),
    SOCKBED_OPTION(SOL_SOCKET, SO_DOMAIN),    SOCKBED_OPTION(SOL_SOCKET, SO_PROTOCOL),
    SOCKBED_OPTION(SOL_SOCKET, SO_PEERCRED),  SOCKBED_OPTION(SOL_SOCKET, SO_SPLICE),
    SOCKBED_OPTION(SOL_SOCKET, SO_BINDANY),   SOCKBED_OPTION(SOL_SOCKET, SO_RTABLE),
    SOCKBED_OPTION(SOL_SOCKET, SO_JUMBO),     SOCKBED_OPTION(SOL_SOCKET, SO_USELOOPBACK),
    SOCKBED_OPTION(IPPROTO_IP, IP_TTL),
    SOCKBED_OPTION(IPPROTO_IP, IP_TOS),       SOCKBED_OPTION(IPPROTO_IP, IP_OPTIONS),
    SOCKBED_OPTION(IPPROTO_IP, IP_MTU),       SOCKBED_OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
    SOCKBED_OPTION(IPPROTO_TCP, TCP_NODELAY), SOCKBED_OPTION(IPPROTO_TCP, TCP_MAXSEG),
    SOCKBED_OPTION(IPPROTO_TCP, TCP_INFO),    SOCKBED_OPTION(IPPROTO_TCP, TCP_CONGESTION),
    SOCKBED_OPTION(IPPROTO_TCP, TCP_MD5SIG),  SOCKBED_OPTION(IPPROTO_TCP, TCP_FASTOPEN),
};
#undef SOCKBED_OPTION

constexpr ValueTable kTables[] = {
    {"call", kCalls},       {"domain", kDomains}, {"type", kTypeNames}, {"sockflags", kSockFlags},
    {"how", kHow},          {"option", kOptions}, {"msg", kMsg},        {"fcntl", kFcntl},
    {"ioctl", kIoctl},      {"clock", kClocks},   {"signal", kSignals}, {"sighow", kSighow},
    {"waitopt", kWaitOptions}, {"itimer", kItimers}, {"epollop", kEpollOps},
};

static_assert(std::size(kTypes) == static_cast<size_t>(UapiRecord::kError) + 1);

}  // namespace

void uapi_describe(Trace& trace) { trace.Describe(Room::kUapi, {kTypes, kTables}); }

}  // namespace sockbed::uapi
