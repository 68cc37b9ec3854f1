#include "bio/bio_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "bio/addr.h"
#include "bio/bio_stack.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/context.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr int kListenBacklog = SOMAXCONN;
constexpr int kKnownOptions = BIO_SOCK_REUSEADDR | BIO_SOCK_V6_ONLY | BIO_SOCK_KEEPALIVE |
                              BIO_SOCK_NONBLOCK | BIO_SOCK_NODELAY | BIO_SOCK_TFO;

constexpr char kTfoClient[] = "net.inet.tcp.fastopen.client_enable";
constexpr char kTfoServer[] = "net.inet.tcp.fastopen.server_enable";

bool SetFlag(int sock, int level, int option, int value) {
  return uapi::setsockopt(sock, level, option, &value, sizeof(value)) == 0;
}

// An option that must hold before the call goes on: on failure two entries.
bool RequireFlag(int sock, int level, int option, int value, int reason) {
  if (SetFlag(sock, level, option, value)) return true;
  RaiseSystem("setsockopt()");
  RaiseBio(reason);
  return false;
}

bool CheckDescriptor(int sock) {
  if (sock != -1) return true;
  errno = EBADF;
  RaiseBio(BIO_R_INVALID_SOCKET);
  return false;
}

bool CheckOptions(int options) {
  if ((options & ~kKnownOptions) == 0) return true;
  errno = EINVAL;
  RaiseBio(ERR_R_PASSED_INVALID_ARGUMENT);
  return false;
}

// Asks for Fast Open, if the sysctl allows it.
bool PrepareTfo(int sock, const char* sysctl) {
  int64_t enabled = 0;
  if (Here().host->sysctls.Get(sysctl, &enabled) != 0 || enabled == 0) {
    errno = EOPNOTSUPP;
    RaiseBio(BIO_R_TFO_DISABLED);
    return false;
  }
  return RequireFlag(sock, IPPROTO_TCP, TCP_FASTOPEN, 1, BIO_R_UNABLE_TO_TFO);
}

// The part that connect and listen share: mode, SO_KEEPALIVE, TCP_NODELAY.
bool PrepareStream(int sock, int options) {
  if (!BIO_socket_nbio(sock, (options & BIO_SOCK_NONBLOCK) != 0)) return false;
  if ((options & BIO_SOCK_KEEPALIVE) != 0 &&
      !RequireFlag(sock, SOL_SOCKET, SO_KEEPALIVE, 1, BIO_R_UNABLE_TO_KEEPALIVE)) {
    return false;
  }
  return (options & BIO_SOCK_NODELAY) == 0 ||
         RequireFlag(sock, IPPROTO_TCP, TCP_NODELAY, 1, BIO_R_UNABLE_TO_NODELAY);
}

}  // namespace

int BIO_socket(int domain, int socktype, int protocol, int /*options*/) {
  const int sock = uapi::socket(domain, socktype, protocol);
  if (sock >= 0) return sock;
  RaiseSystem("socket()");
  RaiseBio(BIO_R_UNABLE_TO_CREATE_SOCKET);
  return -1;
}

int BIO_bind(int sock, const BIO_ADDR* addr, int options) {
  if (!CheckDescriptor(sock) || !CheckOptions(options)) return 0;
  if ((options & BIO_SOCK_REUSEADDR) != 0 &&
      !RequireFlag(sock, SOL_SOCKET, SO_REUSEADDR, 1, BIO_R_UNABLE_TO_REUSEADDR)) {
    return 0;
  }
  if (uapi::bind(sock, SockaddrOf(addr), SockaddrLength(addr)) == 0) return 1;
  RaiseSystem("bind()");
  RaiseBio(BIO_R_UNABLE_TO_BIND_SOCKET);
  return 0;
}

int BIO_connect(int sock, const BIO_ADDR* addr, int options) {
  if (!CheckDescriptor(sock) || !CheckOptions(options) || !PrepareStream(sock, options)) return 0;
  if ((options & BIO_SOCK_TFO) != 0) return PrepareTfo(sock, kTfoClient);
  if (uapi::connect(sock, SockaddrOf(addr), SockaddrLength(addr)) == 0) return 1;
  if (!BIO_sock_should_retry(-1)) {
    RaiseSystem("connect()");
    RaiseBio(BIO_R_CONNECT_ERROR);
  }
  return 0;
}

int BIO_listen(int sock, const BIO_ADDR* addr, int options) {
  if (!CheckDescriptor(sock) || !CheckOptions(options)) return 0;
  int socktype = 0;
  socklen_t length = sizeof(socktype);
  if (uapi::getsockopt(sock, SOL_SOCKET, SO_TYPE, &socktype, &length) != 0) {
    RaiseSystem("getsockopt()");
    RaiseBio(BIO_R_GETTING_SOCKTYPE);
    return 0;
  }
  if (!PrepareStream(sock, options)) return 0;
  // Always set, on or off: the library leaves no system default standing.
  if (SockaddrOf(addr)->sa_family == AF_INET6 &&
      !RequireFlag(sock, IPPROTO_IPV6, IPV6_V6ONLY, (options & BIO_SOCK_V6_ONLY) != 0,
                   BIO_R_LISTEN_V6_ONLY)) {
    return 0;
  }
  if (!sockbed::BIO_bind(sock, addr, options)) return 0;
  if (socktype == SOCK_DGRAM) return 1;
  if (uapi::listen(sock, kListenBacklog) != 0) {
    RaiseSystem("listen()");
    RaiseBio(BIO_R_UNABLE_TO_LISTEN_SOCKET);
    return 0;
  }
  return (options & BIO_SOCK_TFO) == 0 || PrepareTfo(sock, kTfoServer);
}

int BIO_accept_ex(int accept_sock, BIO_ADDR* peer, int options) {
  if (!CheckOptions(options)) return -1;
  socklen_t length = kBioAddrBytes;
  const int sock = uapi::accept(accept_sock, peer != nullptr ? SockaddrOf(peer) : nullptr,
                                peer != nullptr ? &length : nullptr);
  if (sock < 0) {
    if (!BIO_sock_should_retry(-1)) {
      RaiseSystem("accept()");
      RaiseBio(BIO_R_ACCEPT_ERROR);
    }
    return -1;
  }
  if (BIO_socket_nbio(sock, (options & BIO_SOCK_NONBLOCK) != 0)) return sock;
  BIO_closesocket(sock);
  return -1;
}

int BIO_closesocket(int sock) { return sock >= 0 && uapi::close_staying(sock) == 0; }

int BIO_set_tcp_ndelay(int sock, int turn_on) {
  return SetFlag(sock, IPPROTO_TCP, TCP_NODELAY, turn_on);
}

int BIO_socket_nbio(int sock, int mode) {
  int on = mode != 0;
  return sockbed::BIO_socket_ioctl(sock, FIONBIO, &on) == 0;
}

int BIO_socket_ioctl(int sock, long request, void* arg) {
  const int result = uapi::ioctl(sock, static_cast<unsigned long>(request), arg);
  if (result < 0) RaiseSystem("ioctlsocket()");
  return result;
}

int BIO_sock_info(int sock, BIO_sock_info_type type, BIO_sock_info_u* info) {
  if (type != BIO_SOCK_INFO_ADDRESS) {
    RaiseBio(BIO_R_UNKNOWN_INFO_TYPE);
    return 0;
  }
  socklen_t length = kBioAddrBytes;
  if (uapi::getsockname(sock, SockaddrOf(info->addr), &length) == 0) return 1;
  RaiseSystem("getsockname()");
  RaiseBio(BIO_R_GETSOCKNAME_ERROR);
  return 0;
}

int BIO_socket_wait(int sock, int for_read, time_t until) {
  if (sock < 0 || sock >= FD_SETSIZE) return -1;
  if (until == 0) return 1;
  timeval left{until - uapi::time(nullptr), 0};
  if (left.tv_sec < 0) return 0;
  fd_set set;
  FD_ZERO(&set);
  FD_SET(sock, &set);
  return uapi::select(sock + 1, for_read != 0 ? &set : nullptr, for_read != 0 ? nullptr : &set,
                      nullptr, &left);
}

int BIO_sock_error(int sock) {
  int error = 0;
  socklen_t length = sizeof(error);
  return uapi::getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

int BIO_sock_non_fatal_error(int error) {
  switch (error) {
    case EWOULDBLOCK:
    case ENOTCONN:
    case EINTR:
    case EPROTO:
    case EINPROGRESS:
    case EALREADY: return 1;
    default: return 0;
  }
}

int BIO_sock_should_retry(int result) {
  return (result == 0 || result == -1) && BIO_sock_non_fatal_error(errno);
}

}  // namespace sockbed
