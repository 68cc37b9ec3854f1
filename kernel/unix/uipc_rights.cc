// Descriptors in flight: SCM_RIGHTS.
//
//   sender's descriptors      message in a receive buffer        receiver's descriptors
//     3 -> file A                [cmsghdr][A][B]                    7 -> file A
//     5 -> file B                 f_count and f_msgcount            8 -> file B
//        |                        of A and B count it                  ^
//        +-- unp_internalize -------->     ------- unp_externalize ----+
//                                          ------- unp_dispose: nobody wants it, FRELE
//
// A file that only messages refer to, in buffers that only such files could read, can never be
// received: its sockets would hold each other open for ever. unp_gc finds these. It marks every
// file that a descriptor can reach, through buffers of reachable sockets too, and closes what is
// left.
#include <errno.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/fdops.h"
#include "kernel/unix/unix_trace.h"
#include "kernel/unix/unpcb.h"

namespace sockbed {
namespace {

// Marks of the collector in f_flag; none is set outside unp_gc.
constexpr int kMark = 0x10000;   // can be reached
constexpr int kDefer = 0x20000;  // can be reached, and its buffer is still to be looked at

// At most this part of kern.maxfiles may be in flight.
constexpr int64_t kInFlightShare = 10;

constexpr size_t kHeader = CMSG_LEN(0);
constexpr size_t kRightsMax = (MCLBYTES - kHeader) / sizeof(fdpass);
static_assert(kRightsMax == 127);

// The n-th cell of a message, in either form.
template <typename Cell>
Cell GetCell(const mbuf* m, size_t n) {
  Cell cell;
  std::memcpy(&cell, m->m_data + kHeader + n * sizeof(Cell), sizeof(Cell));
  return cell;
}
template <typename Cell>
void PutCell(mbuf* m, size_t n, const Cell& cell) {
  std::memcpy(m->m_data + kHeader + n * sizeof(Cell), &cell, sizeof(Cell));
}

size_t CellBytes(const mbuf* m) { return mtod<cmsghdr>(m)->cmsg_len - kHeader; }
size_t ReferencesIn(const mbuf* m) { return CellBytes(m) / sizeof(fdpass); }

bool IsRights(const mbuf* m) {
  return m->m_type == MT_CONTROL && m->m_len >= static_cast<int32_t>(kHeader) &&
         mtod<cmsghdr>(m)->cmsg_level == SOL_SOCKET && mtod<cmsghdr>(m)->cmsg_type == SCM_RIGHTS;
}

// Calls visit(file*) for each file that the messages of a buffer hold, in order.
template <typename Visit>
void ScanRecords(const mbuf* records, Visit visit) {
  for (; records != nullptr; records = records->m_nextpkt) {
    for (const mbuf* m = records; m != nullptr; m = m->m_next) {
      if (!IsRights(m)) continue;
      for (size_t i = 0; i < ReferencesIn(m); ++i) visit(GetCell<fdpass>(m, i).fp);
    }
  }
}

void CountIn(file* fp) {
  FREF(fp);
  ++fp->f_msgcount;
  ++Unix().unp_rights;
}

void CountOut(file* fp) {
  KASSERT(fp->f_msgcount > 0 && fp->f_msgcount <= fp->f_count);
  --fp->f_msgcount;
  --Unix().unp_rights;
}

// Drops the reference of a message. Closing a socket may drop those of its messages, and so on down
// a chain of any length; the outermost call does them all, one after the other.
void Discard(file* fp) {
  UnixHost& host = Unix();
  CountOut(fp);
  EmitUnix(UnixEvent::kDiscard, nullptr, fp->f_id);
  host.discarded.push_back(fp);
  if (host.discarding) return;
  host.discarding = true;
  for (size_t i = 0; i < host.discarded.size(); ++i) {
    (void)FRELE(host.discarded[i]);  // nobody is left to be told how a close went
  }
  host.discarded.clear();
  host.discarding = false;
}

// --- Sending. ---

// Whether it is one well-formed message of rights, and how many descriptors it has. Errors: EINVAL.
int CheckMessage(const mbuf* control, size_t* count) {
  const auto length = static_cast<size_t>(control->m_len);
  if (length < sizeof(cmsghdr)) return EINVAL;
  const cmsghdr* cmsg = mtod<cmsghdr>(control);
  if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) return EINVAL;
  if (control->m_next != nullptr) return EINVAL;
  if (length != cmsg->cmsg_len && length != CMSG_ALIGN(cmsg->cmsg_len)) return EINVAL;
  if (cmsg->cmsg_len < kHeader) return EINVAL;
  *count = CellBytes(control) / sizeof(int);
  return 0;
}

// The open file of a descriptor that may be sent. Errors: EBADF, EDEADLK, EINVAL.
int Passable(int fd, file** fp) {
  const fdops* ops = HostLocal<SocketHost>::Get().fd_ops;
  *fp = ops != nullptr && curproc() != nullptr ? ops->fd_getfile(curproc(), fd) : nullptr;
  if (*fp == nullptr) return EBADF;
  if ((*fp)->f_count >= std::numeric_limits<int>::max() - 2) return EDEADLK;
  if ((*fp)->f_type == FileType::kKqueue) return EINVAL;
  return 0;
}

// Errors: EMFILE.
int CheckInFlight(size_t more) {
  int64_t maxfiles = 0;
  const int error = Here().host->sysctls.Get("kern.maxfiles", &maxfiles);
  KASSERT(error == 0);
  const int64_t limit = maxfiles / kInFlightShare;
  return Unix().unp_rights + static_cast<int64_t>(more) > limit ? EMFILE : 0;
}

// --- The collector. ---

// Whether the file is a local socket, and which.
socket* LocalSocket(const file* fp) {
  if (fp->f_type != FileType::kSocket || fp->f_data == nullptr) return nullptr;
  auto* so = static_cast<socket*>(fp->f_data);
  return (so->so_proto->pr_flags & PR_RIGHTS) != 0 ? so : nullptr;
}

// A file that a reachable buffer holds can be reached.
void Reach(file* fp, bool* deferred) {
  if ((fp->f_flag & (kMark | kDefer)) != 0) return;
  if (LocalSocket(fp) == nullptr) {
    fp->f_flag |= kMark;
  } else {
    fp->f_flag |= kDefer;
    *deferred = true;
  }
}

// Calls visit(socket*) for all sockets whose buffers a file gives access to: whoever has a listener
// can also accept and read the connections that wait there.
template <typename Visit>
void ForEachBehind(socket* so, Visit visit) {
  visit(so);
  for (const soqhead* queue : {&so->so_q0, &so->so_q}) {
    for (socket* waiting = queue->first; waiting != nullptr; waiting = waiting->so_qe_next) {
      visit(waiting);
    }
  }
}

void ReachThrough(socket* so, bool* deferred) {
  ForEachBehind(so, [deferred](const socket* behind) {
    ScanRecords(behind->so_rcv.sb_mb, [deferred](file* fp) { Reach(fp, deferred); });
  });
}

void MarkReachable() {
  for (file* fp = file_first(); fp != nullptr; fp = fp->f_next) fp->f_flag &= ~(kMark | kDefer);
  bool deferred = false;
  do {
    deferred = false;
    for (file* fp = file_first(); fp != nullptr; fp = fp->f_next) {
      if ((fp->f_flag & kDefer) != 0) {
        fp->f_flag &= ~kDefer;
      } else if (fp->f_count == 0 || (fp->f_flag & kMark) != 0 || fp->f_count == fp->f_msgcount) {
        continue;
      }
      fp->f_flag |= kMark;
      if (socket* so = LocalSocket(fp)) ReachThrough(so, &deferred);
    }
  } while (deferred);
}

// What can not be reached, in order of creation; each with one more reference, so that none is
// closed before all have let go of each other.
std::vector<file*> TakeUnreachable() {
  std::vector<file*> taken;
  for (file* fp = file_first(); fp != nullptr; fp = fp->f_next) {
    const bool reachable = (fp->f_flag & kMark) != 0;
    fp->f_flag &= ~(kMark | kDefer);
    if (reachable || fp->f_msgcount == 0 || fp->f_count != fp->f_msgcount) continue;
    FREF(fp);
    taken.push_back(fp);
  }
  return taken;
}

}  // namespace

int unp_internalize(mbuf* control) {
  size_t count = 0;
  if (const int error = CheckMessage(control, &count)) return error;
  if (const int error = CheckInFlight(count)) return error;
  if (count > kRightsMax) return E2BIG;
  std::vector<fdpass> cells(count);
  // From the last to the first: of several bad ones the last decides.
  for (size_t i = count; i-- > 0;) {
    cells[i].flags = 0;
    if (const int error = Passable(GetCell<int>(control, i), &cells[i].fp)) return error;
  }
  const size_t bytes = CMSG_SPACE(count * sizeof(fdpass));
  if (bytes > static_cast<size_t>(control->m_len + m_trailingspace(control))) {
    const cmsghdr header = *mtod<cmsghdr>(control);
    if (!m_clget(control, M_DONTWAIT, MCLBYTES)) return ENOBUFS;
    *mtod<cmsghdr>(control) = header;
  }
  mtod<cmsghdr>(control)->cmsg_len = CMSG_LEN(count * sizeof(fdpass));
  control->m_len = static_cast<int32_t>(bytes);
  for (size_t i = 0; i < count; ++i) {
    CountIn(cells[i].fp);
    PutCell(control, i, cells[i]);
  }
  EmitUnix(UnixEvent::kInternalize, nullptr, count, static_cast<uint64_t>(Unix().unp_rights));
  return 0;
}

int unp_externalize(mbuf* rights, socklen_t controllen, int flags) {
  const size_t count = ReferencesIn(rights);
  std::vector<file*> files(count);
  std::vector<int> fds(count);
  for (size_t i = 0; i < count; ++i) files[i] = GetCell<fdpass>(rights, i).fp;
  const fdops* ops = HostLocal<SocketHost>::Get().fd_ops;
  const size_t room = controllen > kHeader ? (controllen - kHeader) / sizeof(int) : 0;
  const bool fits = count <= room && ops != nullptr && curproc() != nullptr;
  const bool close_on_exec = (flags & MSG_CMSG_CLOEXEC) != 0;
  if (!fits || ops->fd_install(curproc(), files, close_on_exec, fds.data()) != 0) {
    for (file* fp : files) Discard(fp);
    return EMSGSIZE;
  }
  for (size_t i = 0; i < count; ++i) {
    CountOut(files[i]);
    (void)FRELE(files[i]);  // the descriptor holds it now: closes nothing
    PutCell(rights, i, fds[i]);
  }
  mtod<cmsghdr>(rights)->cmsg_len = CMSG_LEN(count * sizeof(int));
  rights->m_len = static_cast<int32_t>(CMSG_LEN(count * sizeof(int)));
  EmitUnix(UnixEvent::kExternalize, nullptr, count, static_cast<uint64_t>(Unix().unp_rights));
  return 0;
}

void unp_dispose(mbuf* m) {
  std::vector<file*> files;
  ScanRecords(m, [&files](file* fp) { files.push_back(fp); });
  for (file* fp : files) Discard(fp);
}

void unp_gc() {
  UnixHost& host = Unix();
  if (host.unp_gcing) return;
  host.unp_gcing = true;
  MarkReachable();
  const std::vector<file*> unreachable = TakeUnreachable();
  if (!unreachable.empty()) EmitUnix(UnixEvent::kCollect, nullptr, unreachable.size());
  for (file* fp : unreachable) {
    if (socket* so = LocalSocket(fp)) ForEachBehind(so, sorflush);
  }
  for (file* fp : unreachable) (void)FRELE(fp);  // nobody is left to be told
  host.unp_gcing = false;
}

}  // namespace sockbed
