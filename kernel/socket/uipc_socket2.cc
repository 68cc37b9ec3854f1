// The life of a connection, as its socket sees it. Protocols call these functions.
//
//   active side                         passive side
//
//   socreate                            socreate, sobind, solisten      SO_ACCEPTCONN
//      |                                   |
//   soconnect                           (a request arrives)
//      | the protocol: soisconnecting      | the protocol: sonewconn(head, 0)
//      v                                   v
//   ISCONNECTING                        a new socket, SS_NOFDREF, on head's so_q0
//      | the caller sleeps on              |
//      | &so_timeo, "netcon"               |
//      | (the answer arrives)              | (the handshake is complete)
//      | soisconnected                     | soisconnected
//      v                                   v
//   ISCONNECTED                         ISCONNECTED, on head's so_q
//      |                                   | whoever sleeps in accept, on head's so_timeo,
//      |                                   | takes it off the queue; soaccept clears SS_NOFDREF
//      |                                   |
//      +----- data flows: sosend, sbappend, sorwakeup, soreceive, sbdrop, sowwakeup -----+
//      |                                                                                 |
//   soshutdown(SHUT_WR): socantsendmore       (the peer sends no more): socantrcvmore
//      |                                                                                 |
//   soclose: sodisconnect: soisdisconnecting  (both directions closed): soisdisconnected
//      v                                                                                 v
//   ISCONNECTED|ISDISCONNECTING --------------------------------------------> ISDISCONNECTED
//
// At the end sofree: a socket dies when no descriptor refers to it (SS_NOFDREF) and its protocol
// has let go (so_pcb is null), whichever comes last. A failure on the way stores so_error and then
// calls soisdisconnected, which wakes everybody; whoever looks first reports the error.
//
// Both queues belong to the listener: so_q0 holds handshakes in progress, so_q finished connections
// in order of completion. A socket may vanish from so_q0 at any time, from so_q only through accept
// or with the listener.
#include <errno.h>
#include <signal.h>

#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/spl.h"
#include "kernel/sim/fault.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"
#include "kernel/socket/uipc_splice.h"

namespace sockbed {
namespace {

// sonewconn refuses when this much of the memory limit is in use, in percent.
constexpr int kNewConnMemoryMax = 95;

// The sets of connection bits that mean something: none, each alone, and a connection that ends.
bool MeansSomething(int state) {
  const int bits =
      state & (SS_ISCONNECTING | SS_ISCONNECTED | SS_ISDISCONNECTING | SS_ISDISCONNECTED);
  return (bits & (bits - 1)) == 0 || bits == (SS_ISCONNECTED | SS_ISDISCONNECTING);
}

// What a socket takes over from the listener it is made for.
void Inherit(socket* so, const socket* head) {
  so->so_options = head->so_options & ~kSoAcceptConn;
  so->so_linger = head->so_linger;
  so->so_state = head->so_state | SS_NOFDREF;
  so->so_pgid = head->so_pgid;
  so->so_siguid = head->so_siguid;
  so->so_sigeuid = head->so_sigeuid;
  so->so_euid = head->so_euid;
  so->so_ruid = head->so_ruid;
  so->so_egid = head->so_egid;
  so->so_rgid = head->so_rgid;
  so->so_cpid = head->so_cpid;
}

// The buffers as the listener's: sizes, low-water marks, time limits. Errors: ENOBUFS.
int InheritBuffers(socket* so, const socket* head) {
  if (const int error = soreserve(so, head->so_snd.sb_hiwat, head->so_rcv.sb_hiwat)) return error;
  so->so_snd.sb_lowat = head->so_snd.sb_lowat;
  so->so_rcv.sb_lowat = head->so_rcv.sb_lowat;
  so->so_snd.sb_timeo = head->so_snd.sb_timeo;
  so->so_rcv.sb_timeo = head->so_rcv.sb_timeo;
  constexpr int kInherited = SB_ASYNC;
  so->so_snd.sb_flags |= head->so_snd.sb_flags & kInherited;
  so->so_rcv.sb_flags |= head->so_rcv.sb_flags & kInherited;
  return 0;
}

int& QueueLength(socket* head, const soqhead* queue) {
  return queue == &head->so_q0 ? head->so_q0len : head->so_qlen;
}

}  // namespace

void so_setstate(socket* so, int clear, int set) {
  const int old = so->so_state;
  const int state = (old & ~clear) | set;
  KASSERT(MeansSomething(state));
  if (state == old) return;
  so->so_state = state;
  EmitSocket(SocketEvent::kState, so, static_cast<uint64_t>(old), static_cast<uint64_t>(state),
             static_cast<uint64_t>(so->so_error));
}

void soisconnecting(socket* so) {
  so_setstate(so, SS_ISCONNECTED | SS_ISDISCONNECTING, SS_ISCONNECTING);
}

void soisconnected(socket* so) {
  socket* head = so->so_head;
  so_setstate(so, SS_ISCONNECTING | SS_ISDISCONNECTING | SS_ISCONFIRMING, SS_ISCONNECTED);
  if (head != nullptr && soqremque(so, 0) != 0) {
    soqinsque(head, so, 1);
    sorwakeup(head);
    wakeup_one(&head->so_timeo);
  } else {
    wakeup(&so->so_timeo);
    sorwakeup(so);
    sowwakeup(so);
  }
}

void soisdisconnecting(socket* so) {
  so_setstate(so, SS_ISCONNECTING, SS_ISDISCONNECTING | SS_CANTRCVMORE | SS_CANTSENDMORE);
  wakeup(&so->so_timeo);
  sowwakeup(so);
  sorwakeup(so);
}

void soisdisconnected(socket* so) {
  so_setstate(so, SS_ISCONNECTING | SS_ISCONNECTED | SS_ISDISCONNECTING,
              SS_CANTRCVMORE | SS_CANTSENDMORE | SS_ISDISCONNECTED);
  wakeup(&so->so_timeo);
  sowwakeup(so);
  sorwakeup(so);
}

void socantsendmore(socket* so) {
  so_setstate(so, 0, SS_CANTSENDMORE);
  sowwakeup(so);
}

void socantrcvmore(socket* so) {
  so_setstate(so, 0, SS_CANTRCVMORE);
  sorwakeup(so);
}

socket* sonewconn(socket* head, int connstatus) {
  splassert(IPL_SOFTNET);
  KASSERT((head->so_options & kSoAcceptConn) != 0);
  KASSERT(connstatus == 0 || connstatus == SS_ISCONNECTED || connstatus == SS_ISCONFIRMING);
  if (m_pool_used() > kNewConnMemoryMax) return nullptr;
  if (head->so_qlen + head->so_q0len > 3 * head->so_qlimit) return nullptr;
  if (fault::Fires(Site::kPoolGet, head->so_id)) return nullptr;
  socket* so = soalloc(head->so_proto, head->so_type);
  Inherit(so, head);
  EmitSocket(SocketEvent::kCreate, so, static_cast<uint64_t>(so->so_proto->pr_domain->dom_family),
             static_cast<uint64_t>(so->so_type), head->so_id);
  if (InheritBuffers(so, head) != 0) {
    sodealloc(so);
    return nullptr;
  }
  const int queue = connstatus == 0 ? 0 : 1;
  soqinsque(head, so, queue);
  if (so->so_proto->pr_usrreqs->pru_attach(so, 0) != 0) {
    (void)soqremque(so, queue);  // it stands there: put there above
    sbrelease(&so->so_snd);
    sbrelease(&so->so_rcv);
    sodealloc(so);
    return nullptr;
  }
  if (connstatus != 0) {
    sorwakeup(head);
    wakeup(&head->so_timeo);
    so_setstate(so, 0, connstatus);
  }
  return so;
}

void soqinsque(socket* head, socket* so, int q) {
  KASSERT(so->so_onq == nullptr);
  soqhead* queue = q == 0 ? &head->so_q0 : &head->so_q;
  so->so_head = head;
  so->so_onq = queue;
  so->so_qe_prev = queue->last;
  so->so_qe_next = nullptr;
  (queue->last != nullptr ? queue->last->so_qe_next : queue->first) = so;
  queue->last = so;
  const int length = ++QueueLength(head, queue);
  EmitSocket(SocketEvent::kQueue, so, head->so_id, static_cast<uint64_t>(q),
             static_cast<uint64_t>(length));
}

int soqremque(socket* so, int q) {
  socket* head = so->so_head;
  if (head == nullptr) return 0;
  soqhead* queue = q == 0 ? &head->so_q0 : &head->so_q;
  if (so->so_onq != queue) return 0;
  (so->so_qe_prev != nullptr ? so->so_qe_prev->so_qe_next : queue->first) = so->so_qe_next;
  (so->so_qe_next != nullptr ? so->so_qe_next->so_qe_prev : queue->last) = so->so_qe_prev;
  so->so_qe_next = so->so_qe_prev = nullptr;
  so->so_onq = nullptr;
  so->so_head = nullptr;
  const int length = --QueueLength(head, queue);
  KASSERT(length >= 0);
  EmitSocket(SocketEvent::kDequeue, so, head->so_id, static_cast<uint64_t>(q),
             static_cast<uint64_t>(length));
  return 1;
}

bool soreadable(const socket* so) {
  if (so->so_splice != nullptr) return false;  // the mover reads
  return static_cast<int64_t>(so->so_rcv.sb_cc) >= so->so_rcv.sb_lowat ||
         (so->so_state & SS_CANTRCVMORE) != 0 || so->so_qlen > 0 || so->so_error != 0;
}

bool sowriteable(const socket* so) {
  const bool peer =
      (so->so_state & SS_ISCONNECTED) != 0 || (so->so_proto->pr_flags & PR_CONNREQUIRED) == 0;
  return (peer && sbspace(&so->so_snd) >= so->so_snd.sb_lowat) ||
         (so->so_state & SS_CANTSENDMORE) != 0 || so->so_error != 0;
}

namespace {

// Tells all who wait for a change of `sb`, one of the two of `so`.
inline void sowakeup(socket* so, sockbuf* sb) {
  EmitSocket(SocketEvent::kBuffer, so, sb == &so->so_rcv ? 0 : 1, sb->sb_cc, sb->sb_mbcnt);
  if ((sb->sb_flags & (SB_SEL | SB_KNOTE)) != 0) {
    sb->sb_flags &= ~SB_SEL;
    selwakeup(&sb->sb_sel);
  }
  if ((sb->sb_flags & SB_WAIT) != 0) {
    sb->sb_flags &= ~SB_WAIT;
    wakeup(&sb->sb_cc);
  }
  if ((so->so_state & SS_ASYNC) != 0) [[unlikely]] {
    csignal(so->so_pgid, SIGIO, so->so_siguid, so->so_sigeuid);
  }
}

}  // namespace

void so_tellreaders(socket* so) {
  if ((so->so_rcv.sb_flags & SB_SPLICE) != 0) (void)somove(so, M_DONTWAIT);
  if (so->so_splice != nullptr) [[unlikely]]
    return;  // nobody hears of what the mover takes away
  if (sb_notify(&so->so_rcv)) sowakeup(so, &so->so_rcv);
  if (so->so_upcall != nullptr) [[unlikely]]
    so->so_upcall(so, so->so_upcallarg, M_DONTWAIT);
}

void so_tellwriters(socket* so) {
  if ((so->so_snd.sb_flags & SB_SPLICE) != 0) (void)somove(so->so_spliceback, M_DONTWAIT);
  if (sb_notify(&so->so_snd)) sowakeup(so, &so->so_snd);
}

}  // namespace sockbed
