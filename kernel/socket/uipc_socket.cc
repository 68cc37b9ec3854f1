// Making, naming, connecting and closing sockets: socreate(9) without the transfer of data, which
// is in uipc_socket_send.cc and uipc_socket_recv.cc.
//
// Whoever comes from above raises the level to splsoftnet for the length of the call; what only
// protocols and this room call asserts that it is so.
#include <errno.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/spl.h"
#include "kernel/sched/timeout.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"
#include "kernel/socket/uipc_splice.h"

namespace sockbed {
namespace {

// Empties the buffer and forgets all its settings; only its pollers and knotes stay. Returns the
// records.
mbuf* TakeAll(sockbuf* sb) {
  sb->sb_cc = sb->sb_datacc = sb->sb_mbcnt = 0;
  sb->sb_hiwat = sb->sb_wat = sb->sb_mbmax = 0;
  sb->sb_lowat = 0;
  sb->sb_timeo = 0;
  sb->sb_flags &= SB_KNOTE | SB_SEL;
  sb->sb_mbtail = sb->sb_lastrecord = nullptr;
  return std::exchange(sb->sb_mb, nullptr);
}

// Throws away what so_rcv holds. The buffer is emptied before any file in it is closed, since
// closing may come back to this socket.
void DiscardReceived(socket* so) {
  KASSERT((so->so_rcv.sb_flags & SB_LOCK) == 0);
  EmitSocket(SocketEvent::kFlush, so, so->so_rcv.sb_cc);
  mbuf* records = TakeAll(&so->so_rcv);
  const protosw* pr = so->so_proto;
  if (records != nullptr && (pr->pr_flags & PR_RIGHTS) != 0 &&
      pr->pr_domain->dom_dispose != nullptr) {
    pr->pr_domain->dom_dispose(records);
  }
  m_purge(records);
}

void AbortQueue(soqhead* queue, int q) {
  while (socket* so = queue->first) {
    const int was_on = soqremque(so, q);
    KASSERT(was_on == 1);
    soabort(so);
  }
}

// The wait of a lingering close. [sleeps] Errors: EWOULDBLOCK (the time is over), EINTR, kERESTART.
int Linger(socket* so) {
  if ((so->so_state & SS_ISDISCONNECTING) != 0 && (so->so_state & SS_NBIO) != 0) return 0;
  while ((so->so_state & SS_ISCONNECTED) != 0) {
    if (const int error = tsleep(&so->so_timeo, PSOCK | PCATCH, "netcls", so->so_linger * hz)) {
      return error;
    }
  }
  return 0;
}

// REQUIRES: connected, and not on the way out of it. Errors: the protocol's.
int Disconnect(socket* so) { return so_request(so->so_proto->pr_usrreqs->pru_disconnect, so); }

// Ends the connection of a socket that is being closed, waiting as SO_LINGER wants. [sleeps]
int Hangup(socket* so) {
  if ((so->so_state & SS_ISCONNECTED) == 0) return 0;
  if ((so->so_state & SS_ISDISCONNECTING) == 0) {
    if (const int error = Disconnect(so)) return error;
  }
  return (so->so_options & kSoLinger) != 0 ? Linger(so) : 0;
}

}  // namespace

void so_seterror(socket* so, int error) {
  if (error == so->so_error) return;
  EmitSocket(SocketEvent::kError, so, static_cast<uint64_t>(so->so_error),
             static_cast<uint64_t>(error));
  so->so_error = error;
}

int so_takeerror(socket* so) {
  const int error = so->so_error;
  so_seterror(so, 0);
  return error;
}

int sosleep_nsec(socket*, const volatile void* ident, int priority, const char* wmesg,
                 uint64_t nsecs) {
  splassert(IPL_SOFTNET);
  return tsleep_nsec(ident, priority, wmesg, nsecs);
}

int socreate(int dom, socket** aso, int type, int proto) {
  const SplScope spl(IPL_SOFTNET);
  const protosw* pr = proto != 0 ? pffindproto(dom, proto, type) : pffindtype(dom, type);
  if (pr == nullptr || pr->pr_usrreqs == nullptr) return EPROTONOSUPPORT;
  if (pr->pr_type != type) return EPROTOTYPE;
  socket* so = soalloc(pr, type);
  EmitSocket(SocketEvent::kCreate, so, static_cast<uint64_t>(dom), static_cast<uint64_t>(type));
  if (const int error = pr->pr_usrreqs->pru_attach(so, proto)) {
    so->so_state |= SS_NOFDREF;
    sofree(so);
    return error;
  }
  *aso = so;
  return 0;
}

int sobind(socket* so, mbuf* nam, proc* p) {
  const SplScope spl(IPL_SOFTNET);
  return so_request(so->so_proto->pr_usrreqs->pru_bind, so, nam, p);
}

int solisten(socket* so, int backlog) {
  const SplScope spl(IPL_SOFTNET);
  if (so->so_splice != nullptr || so->so_spliceback != nullptr) return EOPNOTSUPP;
  constexpr int kConnection = SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING;
  if ((so->so_state & kConnection) != 0) return EINVAL;
  if (const int error = so_request(so->so_proto->pr_usrreqs->pru_listen, so)) return error;
  if (so->so_q.first == nullptr) so->so_options |= kSoAcceptConn;
  const SocketHost& host = HostLocal<SocketHost>::Get();
  int64_t limit = backlog;
  if (limit < 0 || limit > host.somaxconn) limit = host.somaxconn;
  limit = std::max(limit, host.sominconn);
  so->so_qlimit = static_cast<int>(limit);
  EmitSocket(SocketEvent::kListen, so, static_cast<uint64_t>(limit));
  return 0;
}

int soconnect(socket* so, mbuf* nam) {
  const SplScope spl(IPL_SOFTNET);
  if ((so->so_options & kSoAcceptConn) != 0) return EOPNOTSUPP;
  if ((so->so_state & (SS_ISCONNECTED | SS_ISCONNECTING)) != 0) {
    // Who needs a connection connects once; a datagram socket is pointed at another peer.
    if ((so->so_proto->pr_flags & PR_CONNREQUIRED) != 0) return EISCONN;
    if (sodisconnect(so) != 0) return EISCONN;
  }
  return so_request(so->so_proto->pr_usrreqs->pru_connect, so, nam);
}

int soconnect2(socket* so1, socket* so2) {
  const SplScope spl(IPL_SOFTNET);
  return so_request(so1->so_proto->pr_usrreqs->pru_connect2, so1, so2);
}

int soaccept(socket* so, mbuf* nam) {
  const SplScope spl(IPL_SOFTNET);
  KASSERT((so->so_state & SS_NOFDREF) != 0);
  KASSERT(so->so_head == nullptr);
  so->so_state &= ~SS_NOFDREF;
  if ((so->so_state & SS_ISDISCONNECTED) != 0 && (so->so_proto->pr_flags & PR_ABRTACPTDIS) != 0) {
    return ECONNABORTED;
  }
  return so_request(so->so_proto->pr_usrreqs->pru_accept, so, nam);
}

int sodisconnect(socket* so) {
  const SplScope spl(IPL_SOFTNET);
  if ((so->so_state & SS_ISCONNECTED) == 0) return ENOTCONN;
  if ((so->so_state & SS_ISDISCONNECTING) != 0) return EALREADY;
  return Disconnect(so);
}

int soshutdown(socket* so, int how) {
  const SplScope spl(IPL_SOFTNET);
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return EINVAL;
  if (how != SHUT_WR) sorflush(so);
  if (how == SHUT_RD) return 0;
  return so_request(so->so_proto->pr_usrreqs->pru_shutdown, so);
}

void sorflush(socket* so) {
  const SplScope spl(IPL_SOFTNET);
  sockbuf* sb = &so->so_rcv;
  sb->sb_flags |= SB_NOINTR;
  // The lock is refused only when its holder is being torn down with the host; then the buffer goes
  // with the socket.
  const int error = sblock(sb, true);
  socantrcvmore(so);
  if (so->so_splice != nullptr) sounsplice(so, so->so_splice, true);
  if (error != 0) return;
  sbunlock(sb);
  DiscardReceived(so);
}

void soclose(socket* so) { (void)soclose_error(so); }  // who cares for the errno asks soclose_error

int soclose_error(socket* so) {
  const SplScope spl(IPL_SOFTNET);
  KASSERT((so->so_state & SS_NOFDREF) == 0);  // closed twice
  if ((so->so_options & kSoAcceptConn) != 0) {
    AbortQueue(&so->so_q0, 0);
    AbortQueue(&so->so_q, 1);
  }
  int error = 0;
  if (so->so_pcb != nullptr) error = Hangup(so);
  if (so->so_pcb != nullptr) {
    const int detach_error = so_request(so->so_proto->pr_usrreqs->pru_detach, so);
    if (error == 0) error = detach_error;
  }
  so->so_state |= SS_NOFDREF;
  sofree(so);
  return error;
}

void soabort(socket* so) {
  splassert(IPL_SOFTNET);
  KASSERT((so->so_state & SS_NOFDREF) != 0);
  if (so->so_pcb == nullptr) {
    sofree(so);  // its protocol let go while it waited for accept
  } else {
    so->so_proto->pr_usrreqs->pru_abort(so);
  }
}

void sofree(socket* so) {
  splassert(IPL_SOFTNET);
  if (so->so_pcb != nullptr || (so->so_state & SS_NOFDREF) == 0) return;
  // A socket on so_q stays: a poller has been told that accept will find it.
  if (so->so_head != nullptr && soqremque(so, 0) == 0) return;
  if (socket* source = so->so_spliceback) sounsplice(source, so, source != so);
  if (so->so_splice != nullptr) sounsplice(so, so->so_splice, false);
  sbrelease(&so->so_snd);
  so->so_state |= SS_CANTRCVMORE;
  DiscardReceived(so);
  sodealloc(so);
}

void sohasoutofband(socket* so) {
  EmitSocket(SocketEvent::kUrgent, so, so->so_oobmark);
  csignal(so->so_pgid, SIGURG, so->so_siguid, so->so_sigeuid);
  selwakeup(&so->so_rcv.sb_sel);
}

}  // namespace sockbed
