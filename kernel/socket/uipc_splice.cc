// The mover: from the source's receive buffer to the drain's send buffer.
//
//   source                                             drain
//   so_rcv  [mbuf]->[mbuf]->[mbuf]    somove    so_snd [mbuf]->[mbuf]
//             ^                      =======>             |
//             | sbappend, sorwakeup   the mbufs           v pru_send
//         the network                 themselves      the network
//
// Two things start it, both in the context of whoever caused them, an interrupt as a rule: data at
// the source (sorwakeup of the source, which then wakes nobody) and room at the drain (sowwakeup of
// the drain). Nothing is copied: an mbuf changes its buffer, and where the maximum cuts one in two
// the halves share their storage.
#include "kernel/socket/uipc_splice.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/fdops.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"

namespace sockbed {
namespace {

// Room that urgent data has beyond the send buffer's limit.
constexpr int64_t kOobRoom = 1024;

// --- Moving. ---

// One call of somove.
struct Move {
  socket* so;     // the source
  socket* drain;  // its so_splice
  int wait;
  int64_t len = 0;         // bytes of this round
  bool completes = false;  // they fill the maximum
  bool another = false;    // a further record waits behind this one
};

// Whether bytes may go through at all.
int CheckMayMove(const Move& move) {
  if (move.so->so_error != 0) return move.so->so_error;
  if ((move.drain->so_state & SS_CANTSENDMORE) != 0) return EPIPE;
  // These three say how an earlier splice ended whose source was our drain: no harm to sending.
  const int error = move.drain->so_error;
  return error == ETIMEDOUT || error == EFBIG || error == ELOOP ? 0 : error;
}

// How many bytes this round may move: what is queued, up to the maximum and the drain's room.
// False: none now.
bool Measure(Move& move) {
  const socket* so = move.so;
  const sockbuf* snd = &move.drain->so_snd;
  move.len = static_cast<int64_t>(so->so_rcv.sb_datacc);
  move.completes = false;
  if (so->so_sp->ssp_max != 0) {
    const int64_t left = so->so_sp->ssp_max - so->so_sp->ssp_len;
    KASSERT(left > 0);
    move.completes = left <= move.len;
    move.len = std::min(left, move.len);
  }
  int64_t space = sbspace(snd);
  const auto mark = static_cast<int64_t>(so->so_oobmark);
  if (mark != 0 && mark < move.len && mark < space + kOobRoom) space += kOobRoom;
  if (space < move.len) {
    move.completes = false;
    if (space < std::max<int64_t>(snd->sb_lowat, 1)) return false;
    move.len = space;
  }
  return space > 0 && so->so_rcv.sb_mb != nullptr;
}

// The first mbuf of data in the first record, or null if it has none.
mbuf* FirstData(const socket* so) {
  mbuf* m = so->so_rcv.sb_mb;
  if ((so->so_proto->pr_flags & PR_ADDR) != 0) {
    KASSERT(m->m_type == MT_SONAME);
    m = m->m_next;
  }
  while (m != nullptr && m->m_type == MT_CONTROL) m = m->m_next;
  return m;
}

// A record goes whole or not at all: sets len to its length. `*fits` is false if it must wait.
// Errors: EMSGSIZE (it never fits).
int MeasureRecord(Move& move, const mbuf* data, bool* fits) {
  KASSERT((data->m_flags & M_PKTHDR) != 0);
  const int64_t need = data->m_pkthdr.len;
  if (static_cast<int64_t>(move.drain->so_snd.sb_hiwat) < need) return EMSGSIZE;
  *fits = need <= move.len;
  if (!*fits) return 0;
  if (need < move.len) move.completes = false;
  move.len = need;
  return 0;
}

// Counts the loops of a packet. Errors: ELOOP. `*pass` is false for a broadcast of our own, which
// must not go out once more.
int CheckLoop(mbuf* data, bool* pass) {
  *pass = true;
  if ((data->m_flags & M_PKTHDR) == 0) return 0;
  if (data->m_pkthdr.ph_loopcnt >= M_MAXLOOP) return ELOOP;
  ++data->m_pkthdr.ph_loopcnt;
  *pass = (data->m_flags & M_LOOP) == 0 || (data->m_flags & (M_BCAST | M_MCAST)) == 0;
  return 0;
}

// The next mbuf of at most `left` bytes of the first record. Null: none may be moved.
MbufPtr TakeMbuf(Move& move, int64_t left) {
  sockbuf* rcv = &move.so->so_rcv;
  mbuf* m = rcv->sb_mb;
  KASSERT(m->m_type == MT_DATA || m->m_type == MT_HEADER);
  if (m->m_len <= left) return sb_takefirst(rcv);
  // Part of an mbuf goes only to complete the maximum, or if the whole will never fit.
  if (left == 0 || (!move.completes && move.drain->so_snd.sb_cc != 0)) return nullptr;
  MbufPtr part = m_copym(m, 0, static_cast<int>(left), move.wait);
  if (part != nullptr) sbdrop(rcv, left);
  return part;
}

// Takes up to len bytes of data out of the first record, and sets len to what it got.
MbufPtr TakeBytes(Move& move) {
  int64_t left = move.len;
  MbufPtr chain;
  mbuf* last = nullptr;
  bool more = true;
  while (more) {
    more = move.so->so_rcv.sb_mb->m_next != nullptr;
    MbufPtr m = TakeMbuf(move, left);
    if (m == nullptr) break;
    left -= m->m_len;
    KASSERT(left >= 0);
    mbuf* added = m.get();
    if (last == nullptr) {
      chain = std::move(m);
    } else {
      last->m_next = m.release();
    }
    last = added;
  }
  move.len -= left;
  if (chain != nullptr && (chain->m_flags & M_PKTHDR) != 0) {
    m_resethdr(chain.get());
    chain->m_pkthdr.len = static_cast<int32_t>(move.len);
  }
  return chain;
}

// Tells the source's protocol that there is room again.
void TellReceived(socket* so) {
  if ((so->so_proto->pr_flags & PR_WANTRCVD) != 0 && so->so_pcb != nullptr) {
    so->so_proto->pr_usrreqs->pru_rcvd(so, 0);
  }
}

using SendRequest = int(socket* so, MbufPtr m, mbuf* nam, MbufPtr control);

// Hands `len` bytes to the drain's protocol, and counts them.
int Send(Move& move, SendRequest* request, MbufPtr m, int64_t len) {
  const int error = so_request(request, move.drain, std::move(m), nullptr, nullptr);
  if (error != 0) return (move.drain->so_state & SS_CANTSENDMORE) != 0 ? EPIPE : error;
  move.len -= len;
  move.so->so_sp->ssp_len += len;
  return 0;
}

// Sends the first byte of `m` as urgent. Without memory it stays an ordinary byte: the stream
// matters more than the mark.
int SendUrgentByte(Move& move, mbuf* m) {
  MbufPtr byte = m_get(move.wait, MT_DATA);
  if (byte == nullptr) return 0;
  m_copydata(m, 0, 1, byte->m_data);
  byte->m_len = 1;
  m_adj(m, 1);
  return Send(move, move.drain->so_proto->pr_usrreqs->pru_sendoob, std::move(byte), 1);
}

// Sends what is urgent in `m` as such, and what stands before it. `at_mark`: its first byte is
// urgent; `mark` > 0: the byte at that offset is. Leaves the rest in `m`.
int SendUrgent(Move& move, MbufPtr& m, bool at_mark, int64_t mark) {
  if (at_mark) {
    const int64_t before = move.len;
    if (const int error = SendUrgentByte(move, m.get())) return error;
    if (mark == 0) return 0;
    mark -= before - move.len;
  }
  if (mark > 0) {
    MbufPtr rest = m_split(m.get(), static_cast<int>(mark), move.wait);
    if (rest == nullptr) return 0;
    const auto send = move.drain->so_proto->pr_usrreqs->pru_send;
    if (const int error = Send(move, send, std::exchange(m, std::move(rest)), mark)) return error;
  }
  return SendUrgentByte(move, m.get());
}

// The bytes of the round have left so_rcv: moves the source's urgent mark, and hands them to the
// drain.
int SendBytes(Move& move, MbufPtr m) {
  socket* so = move.so;
  const bool at_mark = (so->so_state & SS_RCVATMARK) != 0;
  const auto mark = static_cast<int64_t>(so->so_oobmark);
  so->so_state &= ~SS_RCVATMARK;
  if (mark != 0 && mark == move.len) so->so_state |= SS_RCVATMARK;
  so->so_oobmark = static_cast<uint64_t>(std::max<int64_t>(mark - move.len, 0));
  const int64_t inside = mark < move.len ? mark : 0;
  if ((so->so_options & kSoOobInline) != 0 && (at_mark || inside != 0)) {
    if (const int error = SendUrgent(move, m, at_mark, inside)) return error;
  }
  if (so->so_rcv.sb_cc == 0 || move.completes) move.drain->so_state &= ~SS_ISSENDING;
  return Send(move, move.drain->so_proto->pr_usrreqs->pru_send, std::move(m), move.len);
}

// Takes names and control messages away, which do not travel.
void DropHead(socket* so, const mbuf* data) {
  while (so->so_rcv.sb_mb != data) {
    MbufPtr head = sb_takefirst(&so->so_rcv);
    KASSERT(head->m_type == MT_SONAME || head->m_type == MT_CONTROL);
  }
}

// Moves from the first record what can be moved. Sets `another` if it is worth going on.
int MoveRecord(Move& move) {
  socket* so = move.so;
  move.another = false;
  if (const int error = CheckMayMove(move)) return error;
  if ((move.drain->so_state & SS_ISCONNECTED) == 0 || !Measure(move)) return 0;
  move.drain->so_state |= SS_ISSENDING;
  const bool more_records = so->so_rcv.sb_mb->m_nextpkt != nullptr;
  mbuf* data = FirstData(so);
  if (data == nullptr) {
    sbdroprecord(&so->so_rcv);
    TellReceived(so);
    move.completes = false;
    move.another = more_records;
    return 0;
  }
  bool pass = true;
  if (const int error = CheckLoop(data, &pass)) return error;
  if (pass && (so->so_proto->pr_flags & PR_ATOMIC) != 0) {
    if (const int error = MeasureRecord(move, data, &pass)) return error;
  }
  if (!pass) return 0;
  DropHead(so, data);
  MbufPtr m = TakeBytes(move);
  if (m == nullptr) return 0;
  EmitSocket(SocketEvent::kMove, so, move.drain->so_id, static_cast<uint64_t>(move.len),
             static_cast<uint64_t>(so->so_sp->ssp_len));
  TellReceived(so);
  const int error = SendBytes(move, std::move(m));
  move.another = !move.completes && more_records;
  return error;
}

// The timeout of an idle splice.
void soidle(void* arg) {
  auto* so = static_cast<socket*>(arg);
  KASSERT(so->so_splice != nullptr);
  so_seterror(so, ETIMEDOUT);
  sounsplice(so, so->so_splice, true);
}

// --- Starting and ending. ---

// What must hold of a socket at either end.
int CheckEnd(const socket* so) {
  if ((so->so_options & kSoAcceptConn) != 0) return EOPNOTSUPP;
  return (so->so_state & (SS_ISCONNECTED | SS_ISCONNECTING)) == 0 ? ENOTCONN : 0;
}

// What must hold of a source. One without connections, as UDP, may take datagrams from anybody.
int CheckSource(const socket* so) {
  if ((so->so_proto->pr_flags & PR_SPLICE) == 0) return EPROTONOSUPPORT;
  const int error = CheckEnd(so);
  return error == ENOTCONN && (so->so_proto->pr_flags & PR_CONNREQUIRED) == 0 ? 0 : error;
}

int CheckLimits(off_t max, const timeval* idle) {
  if (max < 0) return EINVAL;
  const bool valid =
      idle == nullptr || (idle->tv_sec >= 0 && idle->tv_usec >= 0 && idle->tv_usec < 1'000'000);
  return valid ? 0 : EINVAL;
}

int CheckPair(const socket* so, const socket* drain) {
  if (so->so_splice != nullptr || drain->so_spliceback != nullptr) return EBUSY;
  if (so->so_proto->pr_usrreqs != drain->so_proto->pr_usrreqs) return EPROTONOSUPPORT;
  return CheckEnd(drain);
}

// REQUIRES: the locks of so_rcv and of the drain's so_snd.
void Link(socket* so, socket* drain, off_t max, const timeval* idle) {
  so->so_splice = drain;
  drain->so_spliceback = so;
  if (so->so_sp == nullptr) so->so_sp = new struct sosplice;
  struct sosplice* sp = so->so_sp;
  sp->ssp_len = 0;
  sp->ssp_max = max;
  sp->ssp_idletv = idle != nullptr ? *idle : timeval{};
  timeout_set(&sp->ssp_idleto, soidle, so);
  EmitSocket(SocketEvent::kSplice, so, drain->so_id, static_cast<uint64_t>(max));
  // The mover may sleep here for an mbuf, so interrupts do not start it yet; what they brought
  // meanwhile is moved afterwards.
  if (somove(so, so_how()) == 0) return;
  so->so_rcv.sb_flags |= SB_SPLICE;
  drain->so_snd.sb_flags |= SB_SPLICE;
  (void)somove(so, M_DONTWAIT);  // it may end here, too
}

int Unsplice(socket* so, bool wait) {
  if (const int error = sblock(&so->so_rcv, wait)) return error;
  if (so->so_splice != nullptr) sounsplice(so, so->so_splice, true);
  sbunlock(&so->so_rcv);
  return 0;
}

bool MayWait(const socket* so) { return (so->so_state & SS_NBIO) == 0 && curproc() != nullptr; }

}  // namespace

int sosplice(socket* so, int fd, off_t max, const timeval* idle) {
  const SplScope spl(IPL_SOFTNET);
  if (const int error = CheckSource(so)) return error;
  if (fd < 0) return Unsplice(so, MayWait(so));
  if (const int error = CheckLimits(max, idle)) return error;
  const fdops* ops = HostLocal<SocketHost>::Get().fd_ops;
  file* fp = ops != nullptr && curproc() != nullptr ? ops->fd_getfile(curproc(), fd) : nullptr;
  if (fp == nullptr) return EBADF;
  if (fp->f_type != FileType::kSocket) return ENOTSOCK;
  FREF(fp);  // another process may close it while this one waits for the locks
  const int error = SpliceSockets(so, static_cast<socket*>(fp->f_data), max, idle);
  (void)FRELE(fp);  // whether closing failed is nothing to who splices
  return error;
}

int SpliceSockets(socket* so, socket* drain, off_t max, const timeval* idle) {
  const SplScope spl(IPL_SOFTNET);
  if (const int error = CheckSource(so)) return error;
  if (const int error = CheckLimits(max, idle)) return error;
  if (const int error = sblock(&so->so_rcv, MayWait(so))) return error;
  int error = sblock(&drain->so_snd, MayWait(so));
  if (error == 0) {
    error = CheckPair(so, drain);
    if (error == 0) Link(so, drain, max, idle);
    sbunlock(&drain->so_snd);
  }
  sbunlock(&so->so_rcv);
  return error;
}

int somove(socket* so, int wait) {
  splassert(IPL_SOFTNET);
  KASSERT(so->so_splice != nullptr && so->so_splice->so_spliceback == so);
  Move move{.so = so, .drain = so->so_splice, .wait = wait};
  int error = 0;
  do {
    error = MoveRecord(move);
  } while (error == 0 && move.another);
  move.drain->so_state &= ~SS_ISSENDING;
  if (error == 0 && move.completes && so->so_sp->ssp_len == so->so_sp->ssp_max) error = EFBIG;
  if (error != 0) so_seterror(so, error);
  const bool at_end = (so->so_state & SS_CANTRCVMORE) != 0 && so->so_rcv.sb_cc == 0;
  const bool shut = (move.drain->so_state & SS_CANTSENDMORE) != 0;
  if (error != 0 || at_end || shut || move.completes) {
    sounsplice(so, move.drain, true);
    return 0;
  }
  struct sosplice* sp = so->so_sp;
  if (timerisset(&sp->ssp_idletv)) timeout_add_tv(&sp->ssp_idleto, &sp->ssp_idletv);
  return 1;
}

void sounsplice(socket* so, socket* drain, bool wakeup) {
  splassert(IPL_SOFTNET);
  KASSERT(so->so_splice == drain && drain->so_spliceback == so);
  timeout_del(&so->so_sp->ssp_idleto);
  drain->so_snd.sb_flags &= ~SB_SPLICE;
  so->so_rcv.sb_flags &= ~SB_SPLICE;
  so->so_splice = nullptr;
  drain->so_spliceback = nullptr;
  EmitSocket(SocketEvent::kUnsplice, so, drain->so_id, static_cast<uint64_t>(so->so_sp->ssp_len),
             static_cast<uint64_t>(so->so_error));
  if (wakeup && soreadable(so)) sorwakeup(so);
}

}  // namespace sockbed
