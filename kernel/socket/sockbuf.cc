#include "kernel/socket/sockbuf.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_host.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/synch.h"
#include "kernel/socket/socket_host.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {
namespace {

// Percent of the memory limit at which "low memory" begins and ends.
constexpr int kLowMemoryBegins = 80;
constexpr int kLowMemoryEnds = 60;
static_assert(kLowMemoryEnds < kLowMemoryBegins);

// A run of bytes up to this long is copied behind the last mbuf rather than linked.
constexpr int kMergeMax = MCLBYTES / 4;

// Whether the bytes of m stand behind those of n as it is: in one cluster, as do two segments of
// one write.
bool Continues(const mbuf* n, const mbuf* m) {
  return m->m_data == n->m_data + n->m_len && (m->m_flags & n->m_flags & M_EXT) != 0 &&
         m->m_ext.ext_buf == n->m_ext.ext_buf;
}

// Whether the bytes of m may be copied behind those of n. A run that is too long, as most are that
// come from the network, is told first.
bool MayCopy(const mbuf* n, const mbuf* m) {
  return m->m_len <= kMergeMax && m->m_len <= m_trailingspace(n);
}

// Whether the bytes of m can become n's.
[[gnu::always_inline]] inline bool Mergeable(const mbuf* n, const mbuf* m) {
  return n != nullptr && (n->m_flags & M_EOR) == 0 && n->m_type == m->m_type &&
         (Continues(n, m) || MayCopy(n, m));
}

// Whether an empty mbuf says nothing: unless it alone would have to carry the end of the record.
bool Useless(const mbuf* n, const mbuf* m, bool eor) {
  if (m->m_len != 0) [[likely]]
    return false;
  const mbuf* neighbour = m->m_next != nullptr ? m->m_next : n;
  return !eor || (neighbour != nullptr && neighbour->m_type == m->m_type);
}

// Appends the bytes of m behind those of n.
[[gnu::always_inline]] inline void Merge(sockbuf* sb, mbuf* n, const mbuf* m) {
  char* const behind = n->m_data + n->m_len;
  if (m->m_data != behind) std::memcpy(behind, m->m_data, static_cast<size_t>(m->m_len));
  n->m_len += m->m_len;
  sb->sb_cc += static_cast<uint64_t>(m->m_len);
  if (sb_isdata(m)) sb->sb_datacc += static_cast<uint64_t>(m->m_len);
}

// Appends m alone behind `n`, the last mbuf of the last record (null: the buffer is empty).
inline void LinkLast(sockbuf* sb, mbuf* m, mbuf* n) {
  if (n != nullptr) {
    n->m_next = m;
  } else {
    sb->sb_mb = sb->sb_lastrecord = m;
  }
  sb->sb_mbtail = m;
  sballoc(sb, m);
}

// Appends m, without a header, behind *n (LinkLast): its bytes become that one's where they can,
// else *n is m. Returns what follows it in its chain. Takes m.
[[gnu::always_inline]] inline mbuf* AppendFirst(sockbuf* sb, mbuf* m, mbuf** n) {
  if (Mergeable(*n, m)) {
    Merge(sb, *n, m);
    return m_free(m);
  }
  LinkLast(sb, m, *n);
  m->m_flags &= static_cast<uint16_t>(~M_EOR);
  *n = m;
  return std::exchange(m->m_next, nullptr);
}

// Appends chain `m` behind `n` (LinkLast), saving mbufs where that is cheap. M_EOR of any of them
// ends up on the last. Takes m.
void sbcompress(sockbuf* sb, mbuf* m, mbuf* n) {
  KASSERT((n == nullptr) == (sb->sb_mb == nullptr));
  int eor = 0;
  while (m != nullptr) {
    if ((m->m_flags & M_PKTHDR) != 0) [[unlikely]]
      m_removehdr(m);
    eor |= m->m_flags & M_EOR;
    m = Useless(n, m, eor != 0) ? m_free(m) : AppendFirst(sb, m, &n);
  }
  if (eor != 0) [[unlikely]] {
    KASSERT(n != nullptr);
    n->m_flags |= M_EOR;
  }
}

// The first mbuf of a new record stands alone in the buffer; the rest of its chain follows.
void CompressRecord(sockbuf* sb, mbuf* first, MbufPtr rest) {
  if (rest == nullptr) return;
  if ((first->m_flags & M_EOR) != 0) {
    first->m_flags &= static_cast<uint16_t>(~M_EOR);
    rest->m_flags |= M_EOR;
  }
  sbcompress(sb, rest.release(), first);
}

// Charges every mbuf of record `m` and links it behind the others. Takes m.
void LinkRecord(sockbuf* sb, mbuf* m) {
  KASSERT(m->m_nextpkt == nullptr);
  if (sb->sb_lastrecord != nullptr) {
    sb->sb_lastrecord->m_nextpkt = m;
  } else {
    sb->sb_mb = m;
  }
  sb->sb_lastrecord = m;
  for (; m != nullptr; m = m->m_next) {
    sballoc(sb, m);
    sb->sb_mbtail = m;
  }
}

int64_t LengthOf(const MbufPtr& chain) { return chain == nullptr ? 0 : m_length(chain.get()); }

mbuf* LastOf(mbuf* m) {
  while (m->m_next != nullptr) m = m->m_next;
  return m;
}

}  // namespace

// --- Limits. ---

namespace {

uint64_t SbMax() { return static_cast<uint64_t>(HostLocal<SocketHost>::Get().sb_max); }

// sbreserve, where the host lets no buffer have more than `sb_max`.
inline int Reserve(sockbuf* sb, uint64_t cc, uint64_t sb_max) {
  if (cc == 0 || cc > sb_max) return 1;
  sb->sb_hiwat = cc;
  sb->sb_mbmax = std::min(2 * cc, sb_max + sb_max / MCLBYTES * MSIZE);
  sb->sb_lowat = std::min(sb->sb_lowat, static_cast<int64_t>(cc));
  return 0;
}

}  // namespace

int sbreserve(sockbuf* sb, uint64_t cc) { return Reserve(sb, cc, SbMax()); }

int soreserve(socket* so, uint64_t sndcc, uint64_t rcvcc) {
  sockbuf* snd = &so->so_snd;
  sockbuf* rcv = &so->so_rcv;
  const uint64_t sb_max = SbMax();
  if (Reserve(snd, sndcc, sb_max) != 0) return ENOBUFS;
  if (Reserve(rcv, rcvcc, sb_max) != 0) {
    sbrelease(snd);
    return ENOBUFS;
  }
  snd->sb_wat = sndcc;
  rcv->sb_wat = rcvcc;
  if (rcv->sb_lowat == 0) rcv->sb_lowat = 1;
  if (snd->sb_lowat == 0) snd->sb_lowat = MCLBYTES;
  snd->sb_lowat = std::min(snd->sb_lowat, static_cast<int64_t>(snd->sb_hiwat));
  KASSERT(rcv->sb_lowat <= static_cast<int64_t>(rcv->sb_hiwat));
  return 0;
}

int sbcheckreserve(uint64_t cnt, uint64_t default_cnt) {
  SocketHost& host = HostLocal<SocketHost>::Get();
  const int used = m_pool_used();
  if (used < kLowMemoryEnds) host.memory_low = false;
  if (used > kLowMemoryBegins) host.memory_low = true;
  return host.memory_low && cnt > default_cnt ? ENOBUFS : 0;
}

// --- Appending. ---

void sbappend(sockbuf* sb, MbufPtr m) {
  if (m == nullptr) return;
  // The original walks the record in search of M_EOR; by invariant 9 it can only be on the last
  // mbuf.
  if (sb->sb_mbtail != nullptr && (sb->sb_mbtail->m_flags & M_EOR) != 0) {
    sbappendrecord(sb, std::move(m));
    return;
  }
  KASSERT(m->m_nextpkt == nullptr);
  sbcompress(sb, m.release(), sb->sb_mbtail);
}

namespace {

// Appends a chain to a stream. Most are one mbuf. Takes m.
[[gnu::noinline]] void AppendRun(sockbuf* sb, mbuf* m) {
  mbuf* tail = sb->sb_mbtail;
  if (m->m_next != nullptr || m->m_len == 0 || (m->m_flags & M_EOR) != 0) {
    return sbcompress(sb, m, tail);
  }
  if ((m->m_flags & M_PKTHDR) != 0) m_removehdr(m);
  (void)AppendFirst(sb, m, &tail);
}

}  // namespace

// What a link has carried begins with an mbuf that held the headers, and is empty now.
void sb_appendstream(sockbuf* sb, mbuf* m) {
  KASSERT(m->m_nextpkt == nullptr);
  KASSERT(sb->sb_mb == sb->sb_lastrecord);
  if (m->m_len == 0 && m->m_next != nullptr && (m->m_flags & M_EOR) == 0) {
    if ((m->m_flags & M_PKTHDR) != 0) m_removehdr(m);
    m = m_free(m);
  }
  AppendRun(sb, m);
}

void sbappendrecord(sockbuf* sb, MbufPtr m) {
  if (m == nullptr) return;
  mbuf* first = m.get();
  MbufPtr rest(std::exchange(first->m_next, nullptr));
  LinkRecord(sb, m.release());
  CompressRecord(sb, first, std::move(rest));
}

void sbinsertoob(sockbuf* sb, MbufPtr m) {
  if (m == nullptr) return;
  KASSERT(m->m_nextpkt == nullptr);
  mbuf** place = &sb->sb_mb;
  while (*place != nullptr) {
    const mbuf* k = *place;
    while (k != nullptr && k->m_type == MT_CONTROL) k = k->m_next;
    if (k == nullptr || k->m_type != MT_OOBDATA) break;
    place = &(*place)->m_nextpkt;
  }
  mbuf* first = m.release();
  MbufPtr rest(std::exchange(first->m_next, nullptr));
  first->m_nextpkt = *place;
  *place = first;
  sballoc(sb, first);
  if (first->m_nextpkt == nullptr) {
    sb->sb_lastrecord = sb->sb_mbtail = first;
    CompressRecord(sb, first, std::move(rest));
  } else {
    mbuf* tail = sb->sb_mbtail;  // of a record behind this one
    CompressRecord(sb, first, std::move(rest));
    sb->sb_mbtail = tail;
  }
}

int sbappendaddr(sockbuf* sb, const sockaddr* sa, socklen_t salen, MbufPtr& m, MbufPtr& control) {
  KASSERT(m == nullptr || (m->m_flags & M_PKTHDR) != 0);
  const int64_t data = m == nullptr ? 0 : m->m_pkthdr.len;
  if (static_cast<int64_t>(salen) + data + LengthOf(control) > sbspace(sb)) return 0;
  if (salen > MLEN) return 0;
  MbufPtr name = m_get(M_DONTWAIT, MT_SONAME);
  if (name == nullptr) return 0;
  std::memcpy(mtod<char>(name.get()), sa, salen);
  name->m_len = static_cast<int32_t>(salen);
  mbuf* last = name.get();
  if (control != nullptr) {
    last->m_next = control.release();
    last = LastOf(last);
  }
  last->m_next = m.release();
  LinkRecord(sb, name.release());
  return 1;
}

int sbappendcontrol(sockbuf* sb, MbufPtr& m, MbufPtr& control) {
  KASSERT(control != nullptr);
  if (LengthOf(control) + LengthOf(m) > sbspace(sb)) return 0;
  LastOf(control.get())->m_next = m.release();
  LinkRecord(sb, control.release());
  return 1;
}

// --- Removing. ---

void sb_empty_fixup(sockbuf* sb) {
  if (sb->sb_mb == nullptr) {
    sb->sb_mbtail = sb->sb_lastrecord = nullptr;
  } else if (sb->sb_mb->m_nextpkt == nullptr) {
    sb->sb_lastrecord = sb->sb_mb;
  }
}

namespace {

// sb_takefirst, with the owner yet to be made.
mbuf* TakeFirst(sockbuf* sb) {
  mbuf* const m = sb->sb_mb;
  KASSERT(m != nullptr);
  sbfree(sb, m);
  mbuf* next_record = std::exchange(m->m_nextpkt, nullptr);
  mbuf* rest = std::exchange(m->m_next, nullptr);
  if (rest != nullptr) [[likely]] {
    rest->m_nextpkt = next_record;
    sb->sb_mb = rest;
  } else {
    sb->sb_mb = next_record;
  }
  sb_empty_fixup(sb);
  return m;
}

}  // namespace

MbufPtr sb_takefirst(sockbuf* sb) { return MbufPtr(TakeFirst(sb)); }

void sb_dropfirst(sockbuf* sb) { (void)m_free(TakeFirst(sb)); }  // it was taken out alone

void sbdrop(sockbuf* sb, int64_t len) {
  KASSERT(len >= 0 && static_cast<uint64_t>(len) <= sb->sb_cc);
  while (len > 0) {
    mbuf* m = sb->sb_mb;
    KASSERT(m != nullptr);
    if (m->m_len > len) {
      m->m_data += len;
      m->m_len -= static_cast<int32_t>(len);
      sb->sb_cc -= static_cast<uint64_t>(len);
      if (sb_isdata(m)) sb->sb_datacc -= static_cast<uint64_t>(len);
      return;
    }
    len -= m->m_len;
    // Leave no empty mbufs at the front of what remains of the record that the last byte came from.
    const bool more = m->m_next != nullptr;
    sb_dropfirst(sb);
    if (len == 0 && !more) return;
  }
  while (sb->sb_mb != nullptr && sb->sb_mb->m_len == 0) {
    const bool more = sb->sb_mb->m_next != nullptr;
    sb_dropfirst(sb);
    if (!more) return;
  }
}

void sbdroprecord(sockbuf* sb) {
  mbuf* m = sb->sb_mb;
  if (m == nullptr) return;
  sb->sb_mb = std::exchange(m->m_nextpkt, nullptr);
  for (; m != nullptr; m = m_free(m)) sbfree(sb, m);
  sb_empty_fixup(sb);
}

void sbflush(sockbuf* sb) {
  KASSERT((sb->sb_flags & SB_LOCK) == 0);
  while (sb->sb_mb != nullptr) sbdroprecord(sb);
  KASSERT(sb->sb_cc == 0 && sb->sb_datacc == 0 && sb->sb_mbcnt == 0);
  KASSERT(sb->sb_mbtail == nullptr && sb->sb_lastrecord == nullptr);
}

void sbrelease(sockbuf* sb) {
  sbflush(sb);
  sb->sb_hiwat = sb->sb_mbmax = 0;
  sb->sb_lowat = 0;
}

// --- Locking and waiting. ---

int sb_awaitlock(sockbuf* sb, bool wait) {
  do {
    if (!wait) return EWOULDBLOCK;
    sb->sb_flags |= SB_WANT;
    const int priority = (sb->sb_flags & SB_NOINTR) != 0 ? PSOCK : PSOCK | PCATCH;
    if (const int error = tsleep(&sb->sb_flags, priority, "netlck", 0)) return error;
  } while ((sb->sb_flags & SB_LOCK) != 0);
  return 0;
}

void sb_offerlock(sockbuf* sb) {
  sb->sb_flags &= ~SB_WANT;
  wakeup(&sb->sb_flags);
}

int sbwait(sockbuf* sb) {
  KASSERT(curproc() != nullptr);
  sb->sb_flags |= SB_WAIT;
  const int priority = (sb->sb_flags & SB_NOINTR) != 0 ? PSOCK : PSOCK | PCATCH;
  return tsleep(&sb->sb_cc, priority, "netio", sb->sb_timeo);
}

// --- Control messages. ---

MbufPtr sbcreatecontrol(const void* data, size_t size, int type, int level) {
  if (CMSG_SPACE(size) > MCLBYTES) return nullptr;
  MbufPtr m = m_get(M_DONTWAIT, MT_CONTROL);
  if (m == nullptr) return nullptr;
  if (CMSG_SPACE(size) > MLEN && !m_clget(m.get(), M_DONTWAIT, MCLBYTES)) return nullptr;
  m->m_len = static_cast<int32_t>(CMSG_SPACE(size));
  std::memset(m->m_data, 0, CMSG_SPACE(size));
  cmsghdr* cmsg = mtod<cmsghdr>(m.get());
  cmsg->cmsg_len = CMSG_LEN(size);
  cmsg->cmsg_level = level;
  cmsg->cmsg_type = type;
  if (size > 0) std::memcpy(CMSG_DATA(cmsg), data, size);
  return m;
}

// --- The walker. ---

namespace {

// What the mbufs of a buffer add up to.
struct Sums {
  uint64_t cc = 0, datacc = 0, mbcnt = 0;
};

const char* BrokenRecord(const sockbuf* sb, const mbuf* record, Sums* sums) {
  const mbuf* last = record;
  for (const mbuf* m = record; m != nullptr; last = m, m = m->m_next) {
    if (m->m_len < 0) return "m_len is negative";
    if (m != record && m->m_nextpkt != nullptr) return "m_nextpkt is set inside a record";
    if ((m->m_flags & M_EOR) != 0 && m->m_next != nullptr) return "M_EOR is not on the last mbuf";
    sums->cc += static_cast<uint64_t>(m->m_len);
    if (sb_isdata(m)) sums->datacc += static_cast<uint64_t>(m->m_len);
    sums->mbcnt += sb_storage(m);
  }
  if (record->m_nextpkt != nullptr) return nullptr;
  if (sb->sb_lastrecord != record) return "sb_lastrecord is not the last record";
  return sb->sb_mbtail != last ? "sb_mbtail is not the last mbuf" : nullptr;
}

}  // namespace

const char* sb_broken(const sockbuf* sb) {
  const bool empty = sb->sb_mb == nullptr;
  if (empty != (sb->sb_mbtail == nullptr)) return "sb_mb and sb_mbtail disagree on being empty";
  if (empty != (sb->sb_lastrecord == nullptr)) {
    return "sb_mb and sb_lastrecord disagree on being empty";
  }
  Sums sums;
  for (const mbuf* record = sb->sb_mb; record != nullptr; record = record->m_nextpkt) {
    if (const char* broken = BrokenRecord(sb, record, &sums)) return broken;
  }
  if (sb->sb_cc != sums.cc) return "sb_cc is not the sum of m_len";
  if (sb->sb_datacc != sums.datacc) return "sb_datacc is not the sum of the data";
  if (sb->sb_mbcnt != sums.mbcnt) return "sb_mbcnt is not the sum of the storage";
  if (sb->sb_lowat > static_cast<int64_t>(sb->sb_hiwat)) return "sb_lowat is above sb_hiwat";
  const bool reserved = sb->sb_wat != 0 && sb->sb_hiwat != 0;
  return reserved && sb->sb_lowat < 1 ? "sb_lowat of a reserved buffer is below 1" : nullptr;
}

void sbcheck(const sockbuf* sb) {
  if (const char* broken = sb_broken(sb)) m_panic(sb->sb_mb, broken);
}

}  // namespace sockbed
