// Chains: making room, making contiguous, cutting, joining, looking.
//
// Copying stands in chain_copy.cc, m_pulldown in uipc_mbuf2.cc.

#include "kernel/mbuf/chain.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernel/mbuf/mbuf_account.h"
#include "kernel/mbuf/mbuf_trace.h"

namespace sockbed {
namespace {

// A plain mbuf with room for `len` bytes; null: no memory.
MbufPtr RoomFor(int len, int type, int how, MbufSite where) {
  MbufPtr m = m_get(how, type, where);
  if (m && len > MLEN && !m_clget(m.get(), how, static_cast<uint32_t>(len))) m.reset();
  return m;
}

// The mbuf in which a cut at `*off` falls, and the place there: at a boundary the end of the
// earlier mbuf. Null: beyond the chain.
mbuf* FindCut(mbuf* m, int* off) {
  while (m != nullptr && *off > m->m_len) {
    *off -= m->m_len;
    m = m->m_next;
  }
  return m;
}

void Insert(mbuf* m, MbufPtr n) {
  n->m_next = m->m_next;
  m->m_next = n.release();
}

}  // namespace

// --- Looking. ---

mbuf* m_getptr(mbuf* m, int loc, int* off) {
  while (loc >= 0) {
    if (loc < m->m_len) {
      *off = loc;
      return m;
    }
    loc -= m->m_len;
    if (m->m_next == nullptr) {
      if (loc > 0) return nullptr;
      *off = m->m_len;
      return m;
    }
    m = m->m_next;
  }
  return nullptr;
}

int m_length(const mbuf* m) {
  int length = 0;
  for (; m != nullptr; m = m->m_next) length += m->m_len;
  return length;
}

int m_apply(mbuf* m, int off, int len, int (*f)(void* arg, char* data, int n), void* arg) {
  if (off < 0 || len < 0) m_panic(m, "m_apply: negative range");
  mbuf* n = m_getptr(m, off, &off);
  if (n == nullptr) m_panic(m, "m_apply: offset beyond the chain");
  while (len > 0) {
    if (n == nullptr) m_panic(m, "m_apply: range beyond the chain");
    const int count = std::min(n->m_len - off, len);
    if (const int result = f(arg, n->m_data + off, count)) return result;
    len -= count;
    off = 0;
    n = n->m_next;
  }
  return 0;
}

// --- Making room. ---

MbufPtr m_prepend(MbufPtr m, int len, int how, MbufSite where) {
  KASSERT(m);
  if (len < 0 || len > MHLEN) m_panic(m.get(), "m_prepend: does not fit an mbuf");
  if (m_leadingspace(m.get()) >= len) {
    m->m_data -= len;
    m->m_len += len;
  } else {
    MbufPtr first = m_get(how, m->m_type, where);
    if (!first) return nullptr;
    ++CurrentAccount().stat.m_prepend_alloc;
    if ((m->m_flags & M_PKTHDR) != 0) M_MOVE_PKTHDR(first.get(), m.get());
    m_align(first.get(), len);
    first->m_len = len;
    first->m_next = m.release();
    m = std::move(first);
  }
  if ((m->m_flags & M_PKTHDR) != 0) m->m_pkthdr.len += len;
  return m;
}

namespace {

// Moves all that m holds from `skip` on to an mbuf of its own behind it. False: no memory.
bool MoveTailOut(mbuf* m, int skip, MbufSite where) {
  const int rest = m->m_len - skip;
  if (rest > MAXMCLBYTES) return false;
  MbufPtr n = RoomFor(rest, m->m_type, M_DONTWAIT, where);
  if (!n) return false;
  std::memcpy(n->m_data, m->m_data + skip, static_cast<size_t>(rest));
  n->m_len = rest;
  m->m_len = skip;
  Insert(m, std::move(n));
  return true;
}

}  // namespace

mbuf* m_makespace(mbuf* m, int skip, int hlen, int* off) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  KASSERT(skip >= 0 && hlen > 0 && hlen < MHLEN);
  mbuf* n = FindCut(m, &skip);
  if (n == nullptr) return nullptr;
  const int rest = n->m_len - skip;
  if (skip < rest && m_leadingspace(n) >= hlen) {
    std::memmove(n->m_data - hlen, n->m_data, static_cast<size_t>(skip));
    n->m_data -= hlen;
    n->m_len += hlen;
  } else if (m_trailingspace(n) >= hlen) {
    std::memmove(n->m_data + skip + hlen, n->m_data + skip, static_cast<size_t>(rest));
    n->m_len += hlen;
  } else {
    const MbufSite where = MbufSite::Here();
    if (rest > 0 && !MoveTailOut(n, skip, where)) return nullptr;
    if (m_trailingspace(n) >= hlen) {
      n->m_len += hlen;
    } else {
      MbufPtr hole = m_get(M_DONTWAIT, n->m_type, where);
      if (!hole) return nullptr;
      hole->m_len = hlen;
      Insert(n, std::move(hole));
      n = n->m_next;
      skip = 0;
    }
  }
  m->m_pkthdr.len += hlen;
  *off = skip;
  return n;
}

mbuf* m_inject(mbuf* m, int at, int siz, int how, MbufSite where) {
  if (at <= 0 || siz < 0 || siz >= MHLEN) return nullptr;
  const int length = m_length(m);
  if (at > length) return nullptr;
  MbufPtr hole = m_get(how, m->m_type, where);
  if (!hole) return nullptr;
  hole->m_len = siz;
  int skip = at;
  mbuf* const n = FindCut(m, &skip);
  if (skip < n->m_len) {
    // A chain without header of one mbuf: splitting it yields its tail.
    MbufPtr rest = m_split(m, at, how, where);
    if (!rest) return nullptr;
    if ((rest->m_flags & M_PKTHDR) != 0) m_removehdr(rest.get());
    hole->m_next = rest.release();
  } else {
    hole->m_next = n->m_next;
  }
  n->m_next = hole.release();
  if ((m->m_flags & M_PKTHDR) != 0) m->m_pkthdr.len = length + siz;
  return n->m_next;
}

// --- Making contiguous. ---

namespace {

// A first mbuf for m, empty, with room for `len` bytes at m_data, which is as odd as m's; it takes
// m's header. Null: no memory, or too long.
MbufPtr FirstMbufFor(mbuf* m, int len, MbufSite where) {
  const int odd = static_cast<int>(reinterpret_cast<uintptr_t>(m->m_data) & 7);
  if (odd + len > MAXMCLBYTES) return nullptr;
  MbufPtr first = m_get(M_DONTWAIT, m->m_type, where);
  if (!first) return nullptr;
  if (odd + len > MHLEN && !m_clget(first.get(), M_DONTWAIT, static_cast<uint32_t>(odd + len))) {
    return nullptr;
  }
  if ((m->m_flags & M_PKTHDR) != 0) M_MOVE_PKTHDR(first.get(), m);
  first->m_data += odd;
  return first;
}

// Whether `len` bytes fit into m's own storage, as odd in memory as its data; moves the data to the
// front of it if they must.
bool MakeFit(mbuf* m, int len) {
  if (M_READONLY(m)) return false;
  const auto address = [](const char* p) { return reinterpret_cast<uintptr_t>(p); };
  const uintptr_t odd = address(m->m_data) & 7;
  const uintptr_t start = ((address(m_area(m)) + 7) & ~uintptr_t{7}) + odd;
  if (start + static_cast<uintptr_t>(len) > address(m_areaend(m))) return false;
  if (m->m_len + m_trailingspace(m) < len) {
    char* const front = m->m_data - (address(m->m_data) - start);
    std::memmove(front, m->m_data, static_cast<size_t>(m->m_len));
    m->m_data = front;
  }
  return true;
}

}  // namespace

MbufPtr m_pullup(MbufPtr m, int len, MbufSite where) {
  KASSERT(m && len >= 0);
  if (len <= m->m_len) return m;
  mbstat& stat = CurrentAccount().stat;
  MbufPtr rest;
  if (MakeFit(m.get(), len)) {
    ++stat.m_pullup_copy;
    rest.reset(std::exchange(m->m_next, nullptr));
  } else {
    MbufPtr first = FirstMbufFor(m.get(), len, where);
    if (!first) return nullptr;
    ++stat.m_pullup_alloc;
    rest = std::exchange(m, std::move(first));
  }
  while (m->m_len < len) {
    if (!rest) return nullptr;
    const int count = std::min(len - m->m_len, rest->m_len);
    std::memcpy(m->m_data + m->m_len, rest->m_data, static_cast<size_t>(count));
    m->m_len += count;
    rest->m_data += count;
    rest->m_len -= count;
    if (rest->m_len == 0) rest.reset(m_free(rest.release()));
  }
  m->m_next = rest.release();
  return m;
}

int m_defrag(mbuf* m, int how) {
  if (m->m_next == nullptr) return 0;
  if ((m->m_flags & M_PKTHDR) == 0) m_panic(m, "m_defrag: no packet header");
  const int len = m->m_pkthdr.len;
  // A second mbuf holds the bytes while the first one's storage goes: even if they fit into the
  // first, they may stand in their own way there.
  MbufPtr bounce = m_get(how, m->m_type);
  if (!bounce) return ENOBUFS;
  if (len > MHLEN && !m_clget(bounce.get(), how, static_cast<uint32_t>(len))) return ENOBUFS;
  m_copydata(m, 0, len, bounce->m_data);
  MbufAccount& account = CurrentAccount();
  ++account.stat.m_defrag_alloc;
  Emit(Room::kMbuf, static_cast<uint8_t>(MbufRecord::kDefrag), m->m_pkthdr.sim_id,
       static_cast<uint64_t>(len));

  m_freem(std::exchange(m->m_next, nullptr));
  if ((m->m_flags & M_EXT) != 0) m_extfree(m);
  if ((bounce->m_flags & M_EXT) != 0) {
    m_extref(bounce.get(), m);
    m->m_data = m->m_ext.ext_buf;
  } else {
    m->m_data = m->m_pktdat();
    std::memcpy(m->m_data, bounce->m_data, static_cast<size_t>(len));
  }
  m->m_len = len;
  return 0;
}

// --- Cutting and joining. ---

namespace {

void TrimHead(mbuf* first, int64_t n) {
  int64_t left = n;
  for (mbuf* m = first; m != nullptr && left > 0; m = m->m_next) {
    const int cut = static_cast<int>(std::min<int64_t>(left, m->m_len));
    if (cut < m->m_len) m->m_data += cut;
    m->m_len -= cut;
    left -= cut;
  }
  if ((first->m_flags & M_PKTHDR) != 0) first->m_pkthdr.len -= static_cast<int>(n - left);
}

void TrimTail(mbuf* first, int64_t n) {
  int64_t length = 0;
  mbuf* last = first;
  for (mbuf* m = first; m != nullptr; m = m->m_next) {
    length += m->m_len;
    last = m;
  }
  const bool header = (first->m_flags & M_PKTHDR) != 0;
  if (n <= last->m_len) {
    last->m_len -= static_cast<int>(n);
    if (header) first->m_pkthdr.len -= static_cast<int>(n);
    return;
  }
  // The true length is at hand, so the header gets that, whatever it said before.
  int left = static_cast<int>(std::max<int64_t>(length - n, 0));
  if (header) first->m_pkthdr.len = left;
  for (mbuf* m = first; m != nullptr; m = m->m_next) {
    m->m_len = std::min(m->m_len, left);
    left -= m->m_len;
  }
}

}  // namespace

void m_adj(mbuf* m, int n) {
  if (m == nullptr) return;
  if (n >= 0) {
    TrimHead(m, n);
  } else {
    TrimTail(m, -static_cast<int64_t>(n));
  }
}

namespace {

// Gives n the bytes of m from `len` on: shares external storage, copies else (to the end of n's
// area, so that headers fit in front). m keeps the first len. REQUIRES: they fit.
void MoveTail(mbuf* m, int len, mbuf* n) {
  const int rest = m->m_len - len;
  if ((m->m_flags & M_EXT) != 0) {
    m_extref(m, n);
    n->m_data = m->m_data + len;
  } else {
    m_align(n, rest);
    std::memcpy(n->m_data, m->m_data + len, static_cast<size_t>(rest));
  }
  n->m_len = rest;
  m->m_len = len;
}

// The rest of m from `len` on as a plain mbuf; null: no memory.
MbufPtr SplitMbuf(mbuf* m, int len, int how, MbufSite where) {
  MbufPtr n = m_get(how, m->m_type, where);
  if (n) MoveTail(m, len, n.get());
  return n;
}

}  // namespace

MbufPtr m_split(mbuf* m, int len0, int how, MbufSite where) {
  KASSERT(len0 >= 0);
  int len = len0;
  mbuf* const cut = FindCut(m, &len);
  if (cut == nullptr) return nullptr;
  const int rest = cut->m_len - len;
  MbufPtr tail;
  if ((m->m_flags & M_PKTHDR) != 0) {
    tail = m_gethdr(how, m->m_type, where);
    if (!tail || m_dup_pkthdr(tail.get(), m, how) != 0) return nullptr;
    if (rest > 0 && ((cut->m_flags & M_EXT) != 0 || rest <= MHLEN)) {
      MoveTail(cut, len, tail.get());
    } else if (rest > 0) {
      // Too much for an mbuf with a header: it stays empty, in front.
      MbufPtr plain = SplitMbuf(cut, len, how, where);
      if (!plain) return nullptr;
      tail->m_next = plain.release();
    }
    tail->m_pkthdr.len = m->m_pkthdr.len - len0;
    m->m_pkthdr.len = len0;
  } else if (rest > 0) {
    tail = SplitMbuf(cut, len, how, where);
    if (!tail) return nullptr;
  }
  mbuf* const behind = std::exchange(cut->m_next, nullptr);
  if (!tail) return MbufPtr(behind);
  (tail->m_next != nullptr ? tail->m_next->m_next : tail->m_next) = behind;
  return tail;
}

void m_cat(mbuf* m, MbufPtr n) {
  KASSERT(m != nullptr);
  while (m->m_next != nullptr) m = m->m_next;
  while (n && n->m_len <= m_trailingspace(m)) {
    std::memcpy(m->m_data + m->m_len, n->m_data, static_cast<size_t>(n->m_len));
    m->m_len += n->m_len;
    n.reset(m_free(n.release()));
  }
  m->m_next = n.release();
}

void m_catpkt(mbuf* m, MbufPtr n) {
  KASSERT((m->m_flags & n->m_flags & M_PKTHDR) != 0);
  m->m_pkthdr.len += n->m_pkthdr.len;
  m_removehdr(n.get());
  m_cat(m, std::move(n));
}

}  // namespace sockbed
