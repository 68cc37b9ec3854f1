// The life of a socket as a program sees it: made, named, connected, accepted, asked, shut down.
// Moving data is in uipc_syscalls_io.cc.
#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "kernel/host/host.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/socketvar.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr int kSockFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;

int FileFlags(int sock_flags) {
  return FREAD | FWRITE | ((sock_flags & SOCK_NONBLOCK) != 0 ? FNONBLOCK : 0);
}

// The file's and the socket's idea of "non-blocking" are written together.
void SetNonblocking(struct socket* so, bool on) {
  so->so_state = on ? so->so_state | SS_NBIO : so->so_state & ~SS_NBIO;
}

// Makes a descriptor of `so`, which the descriptor owns from then on. Errors: EMFILE, ENFILE (`so`
// is still the caller's).
int NewDescriptor(proc* p, struct socket* so, int sock_flags, int* fd) {
  file* fp;
  if (const int error = sofile(so, FileFlags(sock_flags), &fp)) return error;
  SetNonblocking(so, (sock_flags & SOCK_NONBLOCK) != 0);
  const int error = fdalloc(p, 0, fp, (sock_flags & SOCK_CLOEXEC) != 0, fd);
  if (error != 0) {
    fp->f_ops = nullptr;  // a file of nothing: closing it leaves `so` alone
    FRELE(fp);
  }
  return error;
}

int sys_socket(proc* p, int domain, int type, int protocol, int* fd) {
  struct socket* so;
  if (const int error = socreate(domain, &so, type & ~kSockFlags, protocol)) return error;
  const int error = NewDescriptor(p, so, type & kSockFlags, fd);
  if (error != 0) soclose(so);
  return error;
}

int sys_socketpair(proc* p, int domain, int type, int protocol, int sv[2]) {
  if (sv == nullptr) return EFAULT;
  int fds[2];
  if (const int error = sys_socket(p, domain, type, protocol, &fds[0])) return error;
  int error = sys_socket(p, domain, type, protocol, &fds[1]);
  if (error == 0) {
    file* fp;
    struct socket* so[2];
    for (int i = 0; i < 2; ++i) {
      error = getsock(p, fds[i], &fp, &so[i]);
      KASSERT(error == 0);
    }
    error = soconnect2(so[0], so[1]);
    // Datagram sockets are joined each way; streams are one connection.
    if (error == 0 && so[0]->so_type == SOCK_DGRAM) error = soconnect2(so[1], so[0]);
    if (error == 0) {
      std::copy_n(fds, 2, sv);
      return 0;
    }
    (void)fdrelease(p, fds[1]);  // the pair's own error is what is told
  }
  (void)fdrelease(p, fds[0]);
  return error;
}

// Steps 3 to 5: waits for a connection on `head`. [sleeps] "netacc".
int AwaitConnection(struct socket* head) {
  KASSERT((head->so_options & kSoAcceptConn) != 0);
  if ((head->so_state & SS_NBIO) != 0 && head->so_qlen == 0 && head->so_error == 0) {
    return (head->so_state & SS_CANTRCVMORE) != 0 ? ECONNABORTED : EWOULDBLOCK;
  }
  while (head->so_qlen == 0 && head->so_error == 0) {
    if ((head->so_state & SS_CANTRCVMORE) != 0) {
      so_seterror(head, ECONNABORTED);
      break;
    }
    if (const int error = tsleep(&head->so_timeo, PSOCK | PCATCH, "netacc", 0)) {
      // A signal outranks a wakeup that has happened, which in BSD is then lost to the others.
      if (CurrentHost().kern.accept_repost != 0 && head->so_qlen > 0) wakeup_one(&head->so_timeo);
      return error;
    }
  }
  return so_takeerror(head);
}

// `inherit`: accept(2), where the listener's file decides about O_NONBLOCK; else `flags` do.
int sys_accept(proc* p, int fd, sockaddr* name, socklen_t* len, int flags, bool inherit,
               int* newfd) {
  const SplScope spl(IPL_SOFTNET);  // from the look at so_q to the end of soaccept
  if (name != nullptr && len == nullptr) return EFAULT;
  if ((flags & ~kSockFlags) != 0) return EINVAL;
  file* fp;
  struct socket* head;
  if (const int error = getsock(p, fd, &fp, &head)) return error;
  if ((head->so_options & kSoAcceptConn) == 0) return EINVAL;
  if (const int error = AwaitConnection(head)) return error;
  if (inherit && (fp->f_flag & FNONBLOCK) != 0) flags |= SOCK_NONBLOCK;

  // Off the queue before a descriptor is sought: if there is none, it goes back behind the others.
  struct socket* const so = head->so_q.first;
  if (soqremque(so, 1) == 0) KPANIC("accept: a socket at the head of so_q was not on it");
  if (const int error = NewDescriptor(p, so, flags, newfd)) {
    soqinsque(head, so, 1);
    wakeup_one(&head->so_timeo);
    return error;
  }
  const MbufPtr nam = NameMbuf();
  int error = soaccept(so, nam.get());
  if (error == 0) error = CopyOutName(nam.get(), name, len);
  if (error != 0) (void)fdrelease(p, *newfd);  // why the connection failed is what is told
  return error;
}

// Waits until the handshake has ended one way or the other. [sleeps] "netcon".
int AwaitHandshake(struct socket* so, bool later) {
  int error = 0;
  while ((so->so_state & SS_ISCONNECTING) != 0 && so->so_error == 0 && error == 0) {
    error = tsleep(&so->so_timeo, PSOCK | PCATCH, "netcon", 0);
  }
  const bool interrupted = error != 0;
  if (!interrupted) error = so_takeerror(so);
  // Somebody else may have ended the wait without a result.
  const bool connected = (so->so_state & SS_ISCONNECTED) != 0;
  if (error == 0 && !connected && CurrentHost().kern.connect_strict != 0) error = ECONNABORTED;
  // 4.9 forgets an interrupted attempt, although the protocol goes on with it.
  if (!(interrupted && later)) so->so_state &= ~SS_ISCONNECTING;
  return NoRestart(error);
}

int sys_connect(proc* p, int fd, const sockaddr* name, socklen_t len) {
  const SplScope spl(IPL_SOFTNET);  // the wait for the handshake included
  file* fp;
  struct socket* so;
  if (const int error = getsock(p, fd, &fp, &so)) return error;
  const bool later = CurrentHost().kern.connect_mode != 0;
  const bool connecting = (so->so_state & SS_ISCONNECTING) != 0;
  if (!later && connecting && (so->so_state & SS_NBIO) != 0) return EALREADY;
  MbufPtr nam;
  if (const int error = sockargs(&nam, name, len, kSockAddrMax, MT_SONAME)) return error;
  if (later && connecting) return EALREADY;
  if (const int error = soconnect(so, nam.get())) {
    so->so_state &= ~SS_ISCONNECTING;
    return error;
  }
  const bool nonblocking =
      later ? (fp->f_flag & FNONBLOCK) != 0 : (so->so_state & SS_NBIO) != 0;
  if (nonblocking && (so->so_state & SS_ISCONNECTING) != 0) return EINPROGRESS;
  return AwaitHandshake(so, later);
}

// getsockname and getpeername, but for which end they ask about.
int AskName(struct socket* so, int (*ask)(struct socket*, mbuf*), sockaddr* name, socklen_t* len) {
  if (len == nullptr || (name == nullptr && *len > 0)) return EFAULT;
  if (ask == nullptr) return EOPNOTSUPP;
  const MbufPtr nam = NameMbuf();
  if (const int error = ask(so, nam.get())) return error;
  return CopyOutName(nam.get(), name, len);
}

int sys_setsockopt(struct socket* so, int level, int name, const void* value, socklen_t len) {
  MbufPtr m;
  if (value != nullptr) {
    if (const int error = sockargs(&m, value, len, kOptionMax, MT_SOOPTS)) return error;
  } else if (len > kOptionMax) {
    return EINVAL;
  }
  return sosetopt(so, level, name, m.release() /*taken*/);
}

int sys_getsockopt(struct socket* so, int level, int name, void* value, socklen_t* len) {
  if (value != nullptr && len == nullptr) return EFAULT;
  mbuf* raw = nullptr;
  if (const int error = sogetopt(so, level, name, &raw)) return error;
  const MbufPtr m(raw);
  if (value == nullptr) return 0;
  const socklen_t actual = m != nullptr ? static_cast<socklen_t>(m->m_len) : 0;
  *len = std::min(*len, actual);
  if (*len > 0) std::memcpy(value, mtod<char>(m.get()), *len);
  return 0;
}

// A call on a socket descriptor that yields nothing but success.
template <typename Body>
int OnSocket(Sys sys, const CallArgs& args, Body&& body) {
  return static_cast<int>(SystemCall(sys, args, [&](proc* p, int64_t*) {
    file* fp;
    struct socket* so;
    if (const int error = getsock(p, args.fd, &fp, &so)) return error;
    return body(p, so);
  }));
}

}  // namespace

int socket(int domain, int type, int protocol) {
  const CallArgs args{.a0 = Shown(domain), .a1 = Shown(type), .a2 = Shown(protocol)};
  return static_cast<int>(SystemCall(Sys::kSocket, args, [&](proc* p, int64_t* value) {
    int fd = -1;
    const int error = sys_socket(p, domain, type, protocol, &fd);
    *value = fd;
    return error;
  }));
}

int socketpair(int domain, int type, int protocol, int sv[2]) {
  const CallArgs args{.a0 = Shown(domain), .a1 = Shown(type), .a2 = Shown(protocol)};
  return static_cast<int>(SystemCall(Sys::kSocketpair, args, [&](proc* p, int64_t*) {
    return sys_socketpair(p, domain, type, protocol, sv);
  }));
}

int bind(int fd, const sockaddr* name, socklen_t len) {
  return OnSocket(Sys::kBind, {.fd = fd, .a0 = Shown(name, len)},
                  [&](proc* p, struct socket* so) {
                    MbufPtr nam;
                    const int error = sockargs(&nam, name, len, kSockAddrMax, MT_SONAME);
                    return error != 0 ? error : sobind(so, nam.get(), p);
                  });
}

int listen(int fd, int backlog) {
  return OnSocket(Sys::kListen, {.fd = fd, .a0 = Shown(backlog)},
                  [&](proc*, struct socket* so) { return solisten(so, backlog); });
}

int accept(int fd, sockaddr* name, socklen_t* len) {
  return static_cast<int>(SystemCall(Sys::kAccept, {.fd = fd}, [&](proc* p, int64_t* value) {
    int newfd = -1;
    const int error = sys_accept(p, fd, name, len, 0, /*inherit=*/true, &newfd);
    *value = newfd;
    return error;
  }));
}

int accept4(int fd, sockaddr* name, socklen_t* len, int flags) {
  const CallArgs args{.fd = fd, .a0 = Shown(flags)};
  return static_cast<int>(SystemCall(Sys::kAccept4, args, [&](proc* p, int64_t* value) {
    int newfd = -1;
    const int error = sys_accept(p, fd, name, len, flags, /*inherit=*/false, &newfd);
    *value = newfd;
    return error;
  }));
}

int connect(int fd, const sockaddr* name, socklen_t len) {
  const CallArgs args{.fd = fd, .a0 = Shown(name, len)};
  return static_cast<int>(SystemCall(
      Sys::kConnect, args, [&](proc* p, int64_t*) { return sys_connect(p, fd, name, len); }));
}

int shutdown(int fd, int how) {
  return OnSocket(Sys::kShutdown, {.fd = fd, .a0 = Shown(how)},
                  [&](proc*, struct socket* so) { return soshutdown(so, how); });
}

int shutdown_staying(int fd, int how) noexcept {
  return static_cast<int>(
      SystemCallStaying(Sys::kShutdown, {.fd = fd, .a0 = Shown(how)}, [&](proc* p) {
        file* fp;
        struct socket* so;
        const int error = getsock(p, fd, &fp, &so);
        return error != 0 ? error : soshutdown(so, how);
      }));
}

int getsockname(int fd, sockaddr* name, socklen_t* len) {
  return OnSocket(Sys::kGetsockname, {.fd = fd}, [&](proc*, struct socket* so) {
    return AskName(so, so->so_proto->pr_usrreqs->pru_sockaddr, name, len);
  });
}

int getpeername(int fd, sockaddr* name, socklen_t* len) {
  return OnSocket(Sys::kGetpeername, {.fd = fd}, [&](proc*, struct socket* so) {
    if ((so->so_state & (SS_ISCONNECTED | SS_ISCONFIRMING)) == 0) return ENOTCONN;
    return AskName(so, so->so_proto->pr_usrreqs->pru_peeraddr, name, len);
  });
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* len) {
  const uint64_t option = PackPair(static_cast<uint32_t>(level), static_cast<uint32_t>(name));
  return OnSocket(Sys::kGetsockopt, {.fd = fd, .a0 = option}, [&](proc*, struct socket* so) {
    return sys_getsockopt(so, level, name, value, len);
  });
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t len) {
  const uint64_t option = PackPair(static_cast<uint32_t>(level), static_cast<uint32_t>(name));
  int first = 0;
  if (value != nullptr && len >= sizeof first) std::memcpy(&first, value, sizeof first);
  const CallArgs args{.fd = fd, .a0 = option, .a1 = Shown(first), .a2 = len};
  return OnSocket(Sys::kSetsockopt, args, [&](proc*, struct socket* so) {
    return sys_setsockopt(so, level, name, value, len);
  });
}

// No call of its own: SO_PEERCRED says it.
int getpeereid(int fd, uid_t* uid, gid_t* gid) {
  ::ucred id;
  socklen_t length = sizeof id;
  if (uapi::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &id, &length) != 0) return -1;
  *uid = id.uid;
  *gid = id.gid;
  return 0;
}

}  // namespace sockbed::uapi
