// sosend: the user's bytes become mbufs and go to the protocol.
//
//   uio:  [ 100000 bytes of the program                                  ]
//          |  wait until so_snd has room (sbwait)
//          v  SendPiece: as much as there is room for, copied once
//   mbufs: [cluster]->[cluster]->[cluster]        a chain per protocol call
//          |
//          v  pru_send takes the chain
//   then again from the start: while it slept, or in the protocol, everything may have changed
//
// A datagram goes in one piece or not at all; `top`, a chain that an in-kernel caller brings,
// likewise.
#include <errno.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/socket_private.h"
#include "kernel/socket/socket_trace.h"

namespace sockbed {
namespace {

// Room that urgent data has beyond the send buffer's limit.
constexpr int64_t kOobRoom = 1024;

// One call of sosend.
struct SendCall {
  socket* so;
  mbuf* addr;       // borrowed
  struct uio* uio;  // borrowed; null when the data is in `top`
  MbufPtr top;
  MbufPtr control;
  int flags;
  bool atomic;     // one piece
  bool dontroute;  // SO_DONTROUTE during each protocol call
  bool connects;   // its first piece has connected the socket, or is about to
  int64_t resid;   // bytes not handed over yet
  int64_t clen;    // bytes of control not handed over yet
};

// The cluster for `left` bytes: the largest that they fill, so that bulk data needs few mbufs; from
// there down, MCLBYTES.
uint32_t ClusterFor(int64_t left) {
  if (left < 8192) return MCLBYTES;
  if (left < 16384) return 8192;
  return left < MAXMCLBYTES ? 16384 : MAXMCLBYTES;
}

// An mbuf for up to `left` bytes: the first of a chain has a packet header, and in an atomic
// message room for the protocols' headers in front. Null: no memory.
[[gnu::always_inline]] inline MbufPtr NewSpace(int64_t left, bool first, bool atomic, int how) {
  MbufPtr m = first ? m_gethdr(how, MT_DATA) : m_get(how, MT_DATA);
  if (m == nullptr) return nullptr;
  if (left >= MINCLSIZE) {
    const uint32_t size = ClusterFor(left);
    const bool large = size > MCLBYTES && m_clget(m.get(), M_DONTWAIT, size);
    if (!large && !m_clget(m.get(), how, MCLBYTES)) return nullptr;
  }
  if (first && atomic) [[unlikely]] {
    if ((m->m_flags & M_EXT) != 0) {
      m->m_data += max_hdr;
    } else if (left < MHLEN) {
      m_align(m.get(), static_cast<int>(left));
    }
  }
  return m;
}

// Fills an mbuf with the first of `left` bytes of the caller, and takes them off. Errors: EFAULT.
[[gnu::always_inline]] inline int Fill(mbuf* m, struct uio* uio, int64_t* left) {
  const int64_t n = std::min<int64_t>(*left, m_areaend(m) - m->m_data);  // it is empty, and ours
  if (const int error = uiomove(m->m_data, static_cast<size_t>(n), uio)) return error;
  m->m_len = static_cast<int32_t>(n);
  *left -= n;
  return 0;
}

// The rest of a packet, behind its first mbuf. Errors: those of TakeBytes.
[[gnu::noinline]] int TakeRest(struct uio* uio, int64_t left, bool atomic, int how, mbuf* last) {
  while (left > 0) {
    MbufPtr m = NewSpace(left, false, atomic, how);
    if (m == nullptr) return ENOBUFS;
    if (const int error = Fill(m.get(), uio, &left)) return error;
    last = last->m_next = m.release();
  }
  return 0;
}

// The next `len` bytes of the caller as a packet; few need more than one mbuf. Errors: EFAULT,
// ENOBUFS (interrupt context).
int TakeBytes(const SendCall& call, int64_t len, MbufPtr* packet) {
  const int how = so_how();
  int64_t left = len;
  MbufPtr m = NewSpace(left, true, call.atomic, how);
  if (m == nullptr) return ENOBUFS;
  if (const int error = Fill(m.get(), call.uio, &left)) return error;
  m->m_pkthdr.len = static_cast<int32_t>(len);
  if (left > 0) {
    if (const int error = TakeRest(call.uio, left, call.atomic, how, m.get())) return error;
  }
  *packet = std::move(m);
  return 0;
}

// Whether a socket that is not connected may send. A name connects it, with the first piece.
int CheckUnconnected(SendCall& call) {
  const socket* so = call.so;
  const mbuf* addr = call.addr;
  if ((so->so_proto->pr_flags & PR_CONNREQUIRED) == 0) return addr == nullptr ? EDESTADDRREQ : 0;
  if ((so->so_state & SS_ISCONNECTING) == 0) {
    call.connects = (so->so_proto->pr_flags & PR_IMPLOPCL) != 0 && addr != nullptr;
  }
  const bool only_control = call.resid == 0 && call.clen > 0;
  const bool may = (so->so_state & SS_ISCONFIRMING) != 0 || only_control || call.connects;
  return may ? 0 : ENOTCONN;
}

// Whether the socket may send at all, in the order in which the reasons not to are reported.
int CheckMaySend(SendCall& call) {
  socket* so = call.so;
  if ((so->so_state & SS_CANTSENDMORE) != 0) return EPIPE;
  if (so->so_error != 0) return so_takeerror(so);
  if ((so->so_state & SS_ISCONNECTED) == 0) [[unlikely]] {
    if (const int error = CheckUnconnected(call)) return error;
  }
  const auto hiwat = static_cast<int64_t>(so->so_snd.sb_hiwat);
  if ((call.atomic && call.resid > hiwat) || call.clen > hiwat) return EMSGSIZE;
  return 0;
}

int64_t SpaceFor(const SendCall& call) {
  return sbspace(&call.so->so_snd) + ((call.flags & MSG_OOB) != 0 ? kOobRoom : 0);
}

bool MustWait(const SendCall& call) {
  const int64_t space = SpaceFor(call);
  const int64_t lowat = std::max<int64_t>(call.so->so_snd.sb_lowat, 1);
  return space < call.resid + call.clen && (call.atomic || space < lowat || space < call.clen);
}

// Waits for room without the lock, and takes it again. [sleeps] On error the lock is not held.
int WaitForRoom(SendCall& call) {
  socket* so = call.so;
  sbunlock(&so->so_snd);
  const int error = sbwait(&so->so_snd);
  so->so_state &= ~SS_ISSENDING;
  if (error != 0) return error;
  if (const int lock_error = sblock(&so->so_snd, true)) return lock_error;
  so->so_state |= SS_ISSENDING;
  return 0;
}

// Hands the next piece to the protocol: what there is room for, or the whole message.
int SendPiece(SendCall& call) {
  socket* so = call.so;
  MbufPtr piece;
  if (call.uio == nullptr) {
    piece = std::move(call.top);
    call.resid = 0;
  } else {
    const int64_t len = call.atomic ? call.resid : std::min(call.resid, SpaceFor(call) - call.clen);
    if (const int error = TakeBytes(call, len, &piece)) return error;
    call.resid -= len;
  }
  if (call.resid == 0) {
    so->so_state &= ~SS_ISSENDING;
    if ((call.flags & MSG_EOR) != 0) {
      mbuf* last = piece.get();
      while (last->m_next != nullptr) last = last->m_next;
      last->m_flags |= M_EOR;
    }
  }
  call.clen = 0;
  if (call.dontroute) so->so_options |= kSoDontRoute;
  const pr_usrreqs* requests = so->so_proto->pr_usrreqs;
  const auto request = (call.flags & MSG_OOB) != 0 ? requests->pru_sendoob : requests->pru_send;
  const int error = so_request(request, so, std::move(piece), call.addr, std::move(call.control));
  if (call.dontroute) so->so_options &= ~kSoDontRoute;
  return error;
}

// All of the call, in rounds. Holds the lock of so_snd but while it waits for room. [sleeps]
int SendAll(SendCall& call) {
  sockbuf* snd = &call.so->so_snd;
  if (const int error = sblock(snd, (call.flags & MSG_DONTWAIT) == 0)) return error;
  call.so->so_state |= SS_ISSENDING;
  int error = 0;
  do {
    error = CheckMaySend(call);
    if (error != 0) break;
    if (!MustWait(call)) {
      error = SendPiece(call);
      if (call.resid == 0) [[likely]]
        break;
    } else if ((call.so->so_state & SS_NBIO) != 0 || (call.flags & MSG_DONTWAIT) != 0) {
      error = EWOULDBLOCK;
    } else if (const int wait_error = WaitForRoom(call)) {
      return wait_error;
    }
  } while (error == 0);
  call.so->so_state &= ~SS_ISSENDING;
  sbunlock(snd);
  return error;
}

}  // namespace

int sosend(socket* so, mbuf* addr, uio* uio, mbuf* top, mbuf* control, int flags) {
  KASSERT((uio == nullptr) != (top == nullptr));
  KASSERT(top == nullptr || (top->m_flags & M_PKTHDR) != 0);
  SendCall call{.so = so,
                .addr = addr,
                .uio = uio,
                .top = MbufPtr(top),
                .control = MbufPtr(control),
                .flags = flags,
                .atomic = top != nullptr || (so->so_proto->pr_flags & PR_ATOMIC) != 0,
                .dontroute = false,
                .connects = false,
                .resid = 0,
                .clen = control != nullptr ? control->m_len : 0};
  if (uio != nullptr && uio->uio_resid > std::numeric_limits<ssize_t>::max()) return EINVAL;
  call.resid = uio != nullptr ? static_cast<int64_t>(uio->uio_resid) : top->m_pkthdr.len;
  if (call.resid < 0) return EINVAL;
  if (so->so_type == SOCK_STREAM && (flags & MSG_EOR) != 0) return EINVAL;
  call.dontroute = (flags & MSG_DONTROUTE) != 0 && (so->so_options & kSoDontRoute) == 0 &&
                   (so->so_proto->pr_flags & PR_ATOMIC) != 0;
  const int64_t asked = call.resid;
  const SplScope spl(IPL_SOFTNET);
  const int error = SendAll(call);
  const int64_t taken = uio != nullptr ? asked - static_cast<int64_t>(uio->uio_resid) : asked;
  EmitSocket(SocketEvent::kSend, so, static_cast<uint64_t>(taken), static_cast<uint64_t>(error),
             so->so_snd.sb_cc);
  return error;
}

}  // namespace sockbed
