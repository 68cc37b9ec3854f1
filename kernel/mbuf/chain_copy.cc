// Chains: copying, by reference and byte by byte.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernel/mbuf/chain.h"

namespace sockbed {
namespace {

enum class Sharing : bool { kNever, kClusters };

// Fills n, fresh from m_get, with [off, off+count) of m, at the same place of its area if it is
// internal. False: no memory.
bool CopyMbuf(mbuf* m, int off, int count, Sharing sharing, int how, mbuf* n) {
  if ((m->m_flags & M_EXT) == 0) {
    n->m_data += m->m_data - m_area(m) + off;
  } else if (sharing == Sharing::kClusters) {
    m_extref(m, n);
    n->m_data = m->m_data + off;
    n->m_len = count;
    return true;
  } else if (count > m_trailingspace(n) && !m_clget(n, how, static_cast<uint32_t>(count))) {
    return false;
  }
  std::memcpy(n->m_data, m->m_data + off, static_cast<size_t>(count));
  n->m_len = count;
  return true;
}

MbufPtr CopyChain(mbuf* first, int off, int len, Sharing sharing, int how, MbufSite where) {
  if (off < 0 || len < 0) m_panic(first, "m_copym: negative range");
  const bool header = off == 0 && (first->m_flags & M_PKTHDR) != 0;
  // The header goes with the mbuf it was in, even if that is empty: the next may hold more than
  // fits beside a header.
  mbuf* m = header ? first : m_getptr(first, off, &off);
  if (m == nullptr) m_panic(first, "m_copym: offset beyond the chain");
  if (len == 0) return nullptr;
  const bool to_end = len == M_COPYALL;
  MbufPtr copy = m_get(how, m->m_type, where);
  if (!copy) return nullptr;
  if (header) {
    if (m_dup_pkthdr(copy.get(), first, how) != 0) return nullptr;
    if (!to_end) copy->m_pkthdr.len = len;
  }
  for (mbuf* n = copy.get();;) {
    const int count = std::min(len, m->m_len - off);
    if (!CopyMbuf(m, off, count, sharing, how, n)) return nullptr;
    m = m->m_next;
    if (!to_end) len -= count;
    if (to_end ? m == nullptr : len == 0) return copy;
    if (m == nullptr) m_panic(first, "m_copym: range beyond the chain");
    off = 0;
    n = n->m_next = m_get(how, m->m_type, where).release();
    if (n == nullptr) return nullptr;
  }
}

}  // namespace

MbufPtr m_copym(mbuf* m, int off, int len, int how, MbufSite where) {
  return CopyChain(m, off, len, Sharing::kClusters, how, where);
}

MbufPtr m_copym2(const mbuf* m, int off, int len, int how, MbufSite where) {
  // Only sharing would touch m.
  return CopyChain(const_cast<mbuf*>(m), off, len, Sharing::kNever, how, where);
}

MbufPtr m_dup_pkt(const mbuf* m, int adj, int how, MbufSite where) {
  KASSERT((m->m_flags & M_PKTHDR) != 0 && adj >= 0);
  const int len = m->m_pkthdr.len;
  if (adj > MAXMCLBYTES - len) return nullptr;
  MbufPtr copy = m_get(how, m->m_type, where);
  if (!copy || m_dup_pkthdr(copy.get(), m, how) != 0) return nullptr;
  if (adj + len > MHLEN && !m_clget(copy.get(), how, static_cast<uint32_t>(adj + len))) {
    return nullptr;
  }
  copy->m_data += adj;
  copy->m_len = len;
  m_copydata(m, 0, len, copy->m_data);
  return copy;
}

void m_copydata(const mbuf* m, int off, int len, void* buf) {
  if (off < 0 || len < 0) m_panic(m, "m_copydata: negative range");
  char* to = static_cast<char*>(buf);
  const mbuf* n = m_getptr(const_cast<mbuf*>(m), off, &off);
  if (n == nullptr) m_panic(m, "m_copydata: offset beyond the chain");
  while (len > 0) {
    if (n == nullptr) m_panic(m, "m_copydata: range beyond the chain");
    const int count = std::min(n->m_len - off, len);
    std::memcpy(to, n->m_data + off, static_cast<size_t>(count));
    to += count;
    len -= count;
    off = 0;
    n = n->m_next;
  }
}

namespace {

// Appends mbufs of `bytes` bytes behind `last`, of which the first `zeros` are zeroed. False: no
// memory; what there was is appended.
bool Extend(mbuf* last, int bytes, int zeros, int how) {
  while (bytes > 0) {
    MbufPtr n = m_get(how, last->m_type);
    if (!n) return false;
    const int piece = std::min(bytes, MAXMCLBYTES);
    if (piece > MLEN && !m_clget(n.get(), how, static_cast<uint32_t>(piece))) return false;
    n->m_len = piece;
    std::memset(n->m_data, 0, static_cast<size_t>(std::clamp(zeros, 0, piece)));
    bytes -= piece;
    zeros -= piece;
    last = last->m_next = n.release();
  }
  return true;
}

}  // namespace

int m_copyback(mbuf* m, int off, int len, const void* buf, int how) {
  if (m == nullptr) return 0;
  if (off < 0 || len < 0) m_panic(m, "m_copyback: negative range");
  mbuf* last = m;
  int length = m->m_len;
  for (; last->m_next != nullptr; length += last->m_len) last = last->m_next;

  const int gap = std::max(off - length, 0);
  int missing = off + len - length;
  if (missing > 0 && gap == 0) {
    const int fits = std::min(missing, m_trailingspace(last));
    last->m_len += fits;
    missing -= fits;
  }
  const bool grown = Extend(last, missing, gap, how);
  if (!grown) len = std::max(std::min(len, m_length(m) - off), 0);

  // A gap without data behind it has no first byte to copy to.
  const char* from = static_cast<const char*>(buf);
  mbuf* n = len > 0 ? m_getptr(m, off, &off) : nullptr;
  while (len > 0) {
    const int count = std::min(n->m_len - off, len);
    std::memcpy(n->m_data + off, from, static_cast<size_t>(count));
    from += count;
    len -= count;
    off = 0;
    n = n->m_next;
  }
  if ((m->m_flags & M_PKTHDR) != 0) m->m_pkthdr.len = std::max(m->m_pkthdr.len, m_length(m));
  return grown ? 0 : ENOBUFS;
}

MbufPtr m_devget(const char* buf, int len, int off, MbufSite where) {
  if (off < 0 || off > MHLEN || len < 0) return nullptr;
  MbufPtr packet = m_gethdr(M_DONTWAIT, MT_DATA, where);
  if (!packet) return nullptr;
  packet->m_pkthdr.len = len;
  mbuf* m = packet.get();
  for (;;) {
    if (len + off >= MINCLSIZE) {
      MCLGET(m, M_DONTWAIT);  // without one the mbufs' own space has to do
    } else if (m == packet.get() && len + off + max_linkhdr <= MHLEN) {
      m->m_data += max_linkhdr;
    }
    m->m_data += std::exchange(off, 0);
    m->m_len = std::min(len, m_trailingspace(m));
    std::memcpy(m->m_data, buf, static_cast<size_t>(m->m_len));
    buf += m->m_len;
    len -= m->m_len;
    if (len == 0) return packet;
    MbufPtr next = m_get(M_DONTWAIT, MT_DATA, where);
    if (!next) {
      packet->m_flags |= M_ZEROIZE;  // a half-made packet may hold secrets
      return nullptr;
    }
    m = m->m_next = next.release();
  }
}

}  // namespace sockbed
