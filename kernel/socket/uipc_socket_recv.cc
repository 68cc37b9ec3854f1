// soreceive: what a protocol has queued goes to the caller.
//
//   so_rcv:  [name]->[control]->[data]->[data]          a record: all parts but data are optional
//               |         |         |
//               v         v         v  uiomove, or the mbufs themselves into *mp0
//            *paddr   *controlp   the caller
//
// The parent of all steps is Receive. Each step finds the cursor at the front of what is left
// of the record; without MSG_PEEK that is always the front of the buffer, since what was delivered
// is taken out at once. The lock of so_rcv keeps other readers away from the front; the protocol
// may append at any time.
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

constexpr int64_t kEverything = std::numeric_limits<int64_t>::max();

// One call of soreceive.
struct ReceiveCall {
  socket* so;
  mbuf** paddr;     // null: not wanted
  struct uio* uio;  // null only with mp0
  mbuf** mp0;       // null: bytes are copied to uio
  mbuf** control;   // where the next control message goes; null: not wanted
  socklen_t controllen;
  int flags;  // MSG_*, the caller's and then what happened
  bool waitall;
  int64_t asked;
  int64_t resid;   // bytes still wanted
  bool delivered;  // a name or control message belongs to the caller now

  bool peek() const { return (flags & MSG_PEEK) != 0; }
  bool atomic() const { return (so->so_proto->pr_flags & PR_ATOMIC) != 0; }
};

// Where in the first record the call stands.
struct Cursor {
  mbuf* m;             // null: the record is used up
  int64_t off = 0;     // bytes of m already looked at (MSG_PEEK)
  int64_t peeked = 0;  // bytes of data looked at in all (MSG_PEEK)
};

enum class Verdict : uint8_t { kDeliver, kWait, kReturn };

// Moves the cursor behind the mbuf under it, which is about to leave the buffer.
void LeaveFront(const sockbuf* sb, Cursor& at) {
  KASSERT(at.m == sb->sb_mb);
  at.m = at.m->m_next;
  at.off = 0;
}

// Takes the mbuf under the cursor out of the buffer.
MbufPtr TakeFront(sockbuf* sb, Cursor& at) {
  LeaveFront(sb, at);
  return sb_takefirst(sb);
}

// The same, and frees it.
void DropFront(sockbuf* sb, Cursor& at) {
  LeaveFront(sb, at);
  sb_dropfirst(sb);
}

// Tells the protocol that there is room again.
void TellReceived(const ReceiveCall& call) {
  socket* so = call.so;
  if (!call.peek() && (so->so_proto->pr_flags & PR_WANTRCVD) != 0 && so->so_pcb != nullptr) {
    so->so_proto->pr_usrreqs->pru_rcvd(so, call.flags);
  }
}

// --- Is there something to deliver? ---

// Whether the record is there in full, or starts with urgent data.
bool IsComplete(const mbuf* record) {
  for (const mbuf* m = record; m != nullptr; m = m->m_next) {
    if (m->m_type == MT_OOBDATA || (m->m_flags & M_EOR) != 0) return true;
  }
  return false;
}

// Whether what is queued is less than the caller wants to wake up for.
bool WantsMore(const ReceiveCall& call, const mbuf* m) {
  const sockbuf* sb = &call.so->so_rcv;
  const auto cc = static_cast<int64_t>(sb->sb_cc);
  if ((call.flags & MSG_DONTWAIT) != 0 || cc >= call.resid) return false;
  const bool below =
      cc < sb->sb_lowat || (call.waitall && call.resid <= static_cast<int64_t>(sb->sb_hiwat));
  return below && m->m_nextpkt == nullptr && !call.atomic();
}

// Data beats a pending error, which beats the end of file, which beats "not connected".
Verdict AwaitData(const ReceiveCall& call, int* error) {
  socket* so = call.so;
  // What a splice is going to take is not there for readers.
  const mbuf* m = so->so_splice == nullptr ? so->so_rcv.sb_mb : nullptr;
  if (m != nullptr && !WantsMore(call, m)) return Verdict::kDeliver;
  if (so->so_error != 0) [[unlikely]] {
    if (m != nullptr) return Verdict::kDeliver;
    *error = call.peek() ? so->so_error : so_takeerror(so);
    return Verdict::kReturn;
  }
  if ((so->so_state & SS_CANTRCVMORE) != 0) [[unlikely]] {
    if (m != nullptr) return Verdict::kDeliver;
    if (so->so_rcv.sb_cc == 0) return Verdict::kReturn;
  }
  if (IsComplete(m)) return Verdict::kDeliver;
  if ((so->so_state & (SS_ISCONNECTED | SS_ISCONNECTING)) == 0 &&
      (so->so_proto->pr_flags & PR_CONNREQUIRED) != 0) [[unlikely]] {
    *error = ENOTCONN;
    return Verdict::kReturn;
  }
  if (call.resid == 0 && call.control == nullptr) [[unlikely]]
    return Verdict::kReturn;
  if ((call.flags & MSG_DONTWAIT) != 0) {
    *error = EWOULDBLOCK;
    return Verdict::kReturn;
  }
  return Verdict::kWait;
}

void AwaitArrival(const socket* so) {
  const auto await = so->so_proto->pr_usrreqs->pru_await;
  if (await != nullptr) await(so);
}

// --- The name. ---

int TakeName(ReceiveCall& call, Cursor& at) {
  if ((call.so->so_proto->pr_flags & PR_ADDR) == 0) [[likely]]
    return 0;
  KASSERT(at.m->m_type == MT_SONAME);
  call.delivered = true;
  if (call.paddr == nullptr && call.peek()) {
    at.m = at.m->m_next;
  } else if (call.paddr == nullptr) {
    DropFront(&call.so->so_rcv, at);
  } else if (call.peek()) {
    *call.paddr = m_copym(at.m, 0, at.m->m_len, so_how()).release();
    at.m = at.m->m_next;
    if (*call.paddr == nullptr) return ENOBUFS;
  } else {
    *call.paddr = TakeFront(&call.so->so_rcv, at).release();
  }
  return 0;
}

// --- Control messages. ---

bool IsRights(const mbuf* m) {
  const cmsghdr* cmsg = mtod<cmsghdr>(m);
  return m->m_len >= static_cast<int32_t>(sizeof(cmsghdr)) && cmsg->cmsg_level == SOL_SOCKET &&
         cmsg->cmsg_type == SCM_RIGHTS;
}

void LinkControl(ReceiveCall& call, MbufPtr m) {
  *call.control = m.release();
  call.control = &(*call.control)->m_next;
  call.delivered = true;
}

// Hands one message over; open files in it become the caller's descriptors, or are closed if it
// does not want them. Errors: those of dom_externalize; the files are closed then.
int DeliverControl(ReceiveCall& call, MbufPtr m) {
  const domain* dom = call.so->so_proto->pr_domain;
  const bool rights = IsRights(m.get());
  if (call.control == nullptr) {
    if (rights && dom->dom_dispose != nullptr) dom->dom_dispose(m.get());
    return 0;
  }
  call.delivered = true;
  if (rights && dom->dom_externalize != nullptr) {
    if (const int error = dom->dom_externalize(m.get(), call.controllen, call.flags)) return error;
  }
  LinkControl(call, std::move(m));
  return 0;
}

// A look at one message. Open files cannot be looked at: they are references of the kernel's.
int PeekControl(ReceiveCall& call, mbuf* m) {
  if (call.control == nullptr || IsRights(m)) return 0;
  MbufPtr copy = m_copym(m, 0, m->m_len, so_how());
  if (copy == nullptr) return ENOBUFS;
  LinkControl(call, std::move(copy));
  return 0;
}

int TakeControl(ReceiveCall& call, Cursor& at) {
  while (at.m != nullptr && at.m->m_type == MT_CONTROL) {
    int error = 0;
    if (call.peek()) {
      error = PeekControl(call, at.m);
      at.m = at.m->m_next;
    } else {
      error = DeliverControl(call, TakeFront(&call.so->so_rcv, at));
    }
    if (error != 0) return error;
  }
  return 0;
}

// --- Data. ---

// Copies to the caller. After a fault the rest of the request is consumed, not copied.
void CopyOut(ReceiveCall& call, const char* from, int64_t n, int* copy_error) {
  if (*copy_error == 0) [[likely]] {
    *copy_error = uiomove(const_cast<char*>(from), static_cast<size_t>(n), call.uio);
  }
  if (*copy_error != 0) [[unlikely]]
    call.uio->uio_resid = static_cast<size_t>(call.resid - n);
}

// Hands over mbufs instead of bytes. A null m: there was no memory for a copy.
int LinkData(ReceiveCall& call, MbufPtr m) {
  if (m == nullptr) return ENOBUFS;
  *call.mp0 = m.release();
  call.mp0 = &(*call.mp0)->m_next;
  return 0;
}

// Delivers n bytes of the mbuf under the cursor and moves on.
int TakeBytes(ReceiveCall& call, Cursor& at, int64_t n, int* copy_error) {
  sockbuf* sb = &call.so->so_rcv;
  mbuf* m = at.m;
  const bool whole = n == m->m_len - at.off;
  int error = 0;
  if (call.mp0 == nullptr) [[likely]] {
    CopyOut(call, m->m_data + at.off, n, copy_error);
  } else if (n > 0 && (call.peek() || !whole)) {
    error = LinkData(call, m_copym(m, static_cast<int>(at.off), static_cast<int>(n), so_how()));
    if (error != 0) return error;
  }
  call.resid -= n;
  if (whole && (m->m_flags & M_EOR) != 0) [[unlikely]]
    call.flags |= MSG_EOR;
  if (call.peek()) [[unlikely]] {
    at.peeked += n;
    at.off = whole ? 0 : at.off + n;
    if (whole) at.m = m->m_next;
  } else if (whole && call.mp0 != nullptr) {
    error = LinkData(call, TakeFront(sb, at));
  } else if (whole) {
    DropFront(sb, at);
  } else {
    m->m_data += n;
    m->m_len -= static_cast<int32_t>(n);
    sb->sb_cc -= static_cast<uint64_t>(n);
    sb->sb_datacc -= static_cast<uint64_t>(n);
  }
  return error;
}

// Counts n bytes towards the urgent mark. True: it is reached, and a read stops there.
bool ReachesMark(ReceiveCall& call, const Cursor& at, int64_t n) {
  socket* so = call.so;
  if (so->so_oobmark == 0) [[likely]]
    return false;
  if (call.peek()) return static_cast<uint64_t>(at.peeked) == so->so_oobmark;
  so->so_oobmark -= static_cast<uint64_t>(n);
  if (so->so_oobmark != 0) return false;
  so->so_state |= SS_RCVATMARK;
  return true;
}

// MSG_WAITALL, when the buffer ran empty before the request was filled: waits for more, keeping the
// lock, unless the call may not wait. [sleeps] Leaves the cursor at null when no more will come.
void AwaitRest(const ReceiveCall& call, Cursor& at) {
  socket* so = call.so;
  sockbuf* sb = &so->so_rcv;
  if (!call.waitall || call.peek() || call.atomic() || call.resid == 0) [[likely]]
    return;
  if ((call.flags & MSG_DONTWAIT) != 0) return;
  while (at.m == nullptr && sb->sb_mb == nullptr) {
    if (so->so_error != 0 || (so->so_state & SS_CANTRCVMORE) != 0) return;
    TellReceived(call);  // or a sender that waits for room would wait as long as we do
    if (sb->sb_mb == nullptr && sbwait(sb) != 0) return;
    at.m = sb->sb_mb;
  }
}

// Tells what kind of data begins with `m`, if it is not of the usual one.
void NoteKind(ReceiveCall& call, const mbuf* m) {
  if (m->m_type == MT_OOBDATA) call.flags |= MSG_OOB;
  if ((m->m_flags & M_BCAST) != 0) call.flags |= MSG_BCAST;
  if ((m->m_flags & M_MCAST) != 0) call.flags |= MSG_MCAST;
}

// Whether m holds more data of the same kind.
bool GoesOn(const mbuf* m, bool urgent) {
  return (m->m_type == MT_OOBDATA) == urgent && m->m_type != MT_CONTROL;
}

// Delivers data of the first record until the request is filled, the record ends, or something else
// stops it. Errors: EFAULT, ENOBUFS.
int TakeData(ReceiveCall& call, Cursor& at) {
  socket* so = call.so;
  if (at.m == nullptr) return 0;
  const bool urgent = at.m->m_type == MT_OOBDATA;
  if (urgent || (at.m->m_flags & (M_BCAST | M_MCAST)) != 0) [[unlikely]]
    NoteKind(call, at.m);
  int copy_error = 0;
  while (call.resid > 0) {
    if (!call.peek()) so->so_state &= ~SS_RCVATMARK;
    int64_t n = std::min<int64_t>(call.resid, at.m->m_len - at.off);
    if (so->so_oobmark != 0) [[unlikely]] {
      n = std::min(n, static_cast<int64_t>(so->so_oobmark) - at.peeked);
    }
    if (const int error = TakeBytes(call, at, n, &copy_error)) return error;
    if (ReachesMark(call, at, n)) break;
    if ((call.flags & MSG_EOR) != 0) break;
    if (at.m == nullptr) AwaitRest(call, at);
    if (at.m == nullptr || !GoesOn(at.m, urgent)) break;
  }
  return copy_error;
}

// --- The whole. ---

// Whether the record held nothing that the caller could see, so that it goes on waiting.
bool SawNothing(const ReceiveCall& call) {
  return call.resid == call.asked && call.asked > 0 && !call.delivered && !call.peek() &&
         (call.flags & MSG_EOR) == 0 && (call.so->so_state & SS_CANTRCVMORE) == 0;
}

// Delivers from the first record. REQUIRES: the lock; a record.
int Deliver(ReceiveCall& call) {
  sockbuf* sb = &call.so->so_rcv;
  Cursor at{.m = sb->sb_mb};
  int error = TakeName(call, at);
  if (error == 0) error = TakeControl(call, at);
  if (error == 0) error = TakeData(call, at);
  if (at.m != nullptr && call.atomic()) {
    call.flags |= MSG_TRUNC;
    if (!call.peek()) sbdroprecord(sb);
  }
  TellReceived(call);
  return error;
}

// Delivers what is there, with the lock: the call may sleep on the way.
int DeliverLocked(ReceiveCall& call) {
  sockbuf* sb = &call.so->so_rcv;
  sb_takelock(sb);
  const int error = Deliver(call);
  sbunlock(sb);
  return error;
}

// Waits for something to deliver and delivers it. [sleeps] To look what is there takes no lock, but
// nobody else may hold it.
int Receive(ReceiveCall& call) {
  sockbuf* sb = &call.so->so_rcv;
  for (;;) {
    if (const int error = sb_awaitfree(sb, (call.flags & MSG_DONTWAIT) == 0)) return error;
    int error = 0;
    switch (AwaitData(call, &error)) {
      case Verdict::kWait:
        AwaitArrival(call.so);
        if (const int wait_error = sbwait(sb)) return wait_error;
        break;
      case Verdict::kDeliver:
        error = DeliverLocked(call);
        if (error != 0 || !SawNothing(call)) return error;
        break;
      case Verdict::kReturn: return error;
    }
  }
}

// MSG_OOB: the urgent byte, which the protocol holds aside.
int ReceiveUrgent(ReceiveCall& call) {
  MbufPtr m = m_get(so_how(), MT_DATA);
  if (m == nullptr) return ENOBUFS;
  const pr_usrreqs* requests = call.so->so_proto->pr_usrreqs;
  int error = so_request(requests->pru_rcvoob, call.so, m.get(), call.flags & MSG_PEEK);
  if (error != 0) return error;
  const int64_t n = std::min<int64_t>(call.resid, m->m_len);
  call.resid -= n;
  if (call.mp0 != nullptr) return LinkData(call, std::move(m));
  return uiomove(m->m_data, static_cast<size_t>(n), call.uio);
}

}  // namespace

int soreceive(socket* so, mbuf** paddr, uio* uio, mbuf** mp0, mbuf** controlp, int* flagsp) {
  constexpr socklen_t kNoLimit = std::numeric_limits<socklen_t>::max();
  return soreceive_limit(so, paddr, uio, mp0, controlp, flagsp, kNoLimit);
}

int soreceive_limit(socket* so, mbuf** paddr, uio* uio, mbuf** mp0, mbuf** controlp, int* flagsp,
                    socklen_t controllen) {
  KASSERT(uio != nullptr || mp0 != nullptr);
  const SplScope spl(IPL_SOFTNET);
  if (paddr != nullptr) *paddr = nullptr;
  if (mp0 != nullptr) *mp0 = nullptr;
  if (controlp != nullptr) *controlp = nullptr;
  int flags = flagsp != nullptr ? *flagsp & ~MSG_EOR : 0;
  if ((so->so_state & SS_NBIO) != 0) flags |= MSG_DONTWAIT;
  const int64_t asked = uio != nullptr ? static_cast<int64_t>(uio->uio_resid) : kEverything;
  ReceiveCall call{.so = so,
                   .paddr = paddr,
                   .uio = uio,
                   .mp0 = mp0,
                   .control = controlp,
                   .controllen = controllen,
                   .flags = flags,
                   .waitall = (flags & MSG_WAITALL) != 0 && mp0 == nullptr,
                   .asked = asked,
                   .resid = asked,
                   .delivered = false};
  if ((so->so_state & SS_ISCONFIRMING) != 0 && asked > 0 && (flags & MSG_OOB) == 0) [[unlikely]] {
    so->so_proto->pr_usrreqs->pru_rcvd(so, 0);
  }
  const int error = (flags & MSG_OOB) != 0 ? ReceiveUrgent(call) : Receive(call);
  if (uio != nullptr && mp0 != nullptr) uio->uio_resid = static_cast<size_t>(call.resid);
  if (error == 0 && flagsp != nullptr) *flagsp |= call.flags;
  EmitSocket(SocketEvent::kReceive, so, static_cast<uint64_t>(asked - call.resid),
             static_cast<uint64_t>(error), so->so_rcv.sb_cc);
  return error;
}

}  // namespace sockbed
