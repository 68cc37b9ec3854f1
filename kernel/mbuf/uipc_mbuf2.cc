// What OpenBSD keeps in the file of this name: m_pulldown and packet tags.

#include <cerrno>
#include <cstring>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_account.h"
#include "kernel/mbuf/mbuf_tags.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

// A private mbuf for `len` bytes, of from's type; null: no memory.
MbufPtr PrivateMbuf(const mbuf* from, int len, MbufSite where) {
  MbufPtr p = m_get(M_DONTWAIT, from->m_type, where);
  if (p && len > MLEN && !m_clget(p.get(), M_DONTWAIT, static_cast<uint32_t>(len))) p.reset();
  if (p) p->m_len = len;
  return p;
}

// What n holds from `off` on as an mbuf of its own: shared if it is external, else copied. Null: no
// memory.
MbufPtr TailOf(mbuf* n, int off, MbufSite where) {
  MbufPtr tail = m_get(M_DONTWAIT, n->m_type, where);
  if (!tail) return nullptr;
  tail->m_len = n->m_len - off;
  if ((n->m_flags & M_EXT) != 0) {
    m_extref(n, tail.get());
    tail->m_data = n->m_data + off;
  } else {
    std::memcpy(tail->m_data, n->m_data + off, static_cast<size_t>(tail->m_len));
  }
  return tail;
}

// Replaces [off, off+len) of n, which holds all of it, by a private mbuf behind n. What follows the
// region in n is not copied if it can be shared. Null: no memory, the chain as before.
mbuf* CopyOut(mbuf* n, int off, int len, MbufSite where) {
  MbufPtr p = PrivateMbuf(n, len, where);
  if (!p) return nullptr;
  std::memcpy(p->m_data, n->m_data + off, static_cast<size_t>(len));
  if (n->m_len > off + len) {
    MbufPtr tail = TailOf(n, off + len, where);
    if (!tail) return nullptr;
    tail->m_next = n->m_next;
    n->m_next = tail.release();
  }
  n->m_len = off;
  p->m_next = n->m_next;
  n->m_next = p.release();
  return n->m_next;
}

// Gathers [*off, *off+len), which begins in n and ends behind it, in one mbuf; *off becomes its
// place there, 0 if `at_start`. REQUIRES: the chain is long enough. Null: no memory, the chain as
// before.
mbuf* Gather(mbuf* n, int* off, int len, bool at_start, MbufSite where) {
  mbstat& stat = CurrentAccount().stat;
  mbuf* const next = n->m_next;
  const int head = n->m_len - *off;  // bytes in n
  const int tail = len - head;       // bytes behind it
  if (m_trailingspace(n) >= tail && (*off == 0 || !at_start)) {
    ++stat.m_pulldown_copy;
    m_copydata(next, 0, tail, n->m_data + n->m_len);
    n->m_len += tail;
    m_adj(next, tail);
    return n;
  }
  if (!M_READONLY(n) && next->m_len >= tail && m_leadingspace(next) >= head) {
    ++stat.m_pulldown_copy;
    next->m_data -= head;
    next->m_len += head;
    std::memcpy(next->m_data, n->m_data + *off, static_cast<size_t>(head));
    n->m_len -= head;
    *off = 0;
    return next;
  }
  MbufPtr p = PrivateMbuf(n, len, where);
  if (!p) return nullptr;
  ++stat.m_pulldown_alloc;
  std::memcpy(p->m_data, n->m_data + *off, static_cast<size_t>(head));
  m_copydata(next, 0, tail, p->m_data + head);
  n->m_len -= head;
  m_adj(next, tail);
  p->m_next = next;
  n->m_next = p.release();
  *off = 0;
  return n->m_next;
}

mbuf* FreeAndFail(MbufPtr& m) {
  m.reset();
  return nullptr;
}

}  // namespace

mbuf* m_pulldown(MbufPtr& m, int off, int len, int* offp, MbufSite where) {
  KASSERT(m && off >= 0 && len >= 0);
  int at = 0;
  mbuf* n = m_getptr(m.get(), off, &at);
  if (n == nullptr || len > MAXMCLBYTES || m_length(n) - at < len) return FreeAndFail(m);
  const bool at_start = offp == nullptr;
  if (len > n->m_len - at) {
    n = Gather(n, &at, len, at_start, where);
  } else if ((M_READONLY(n) && len > 0) || (at_start && at > 0)) {
    ++CurrentAccount().stat.m_pulldown_alloc;
    n = CopyOut(n, at, len, where);
    at = 0;
  }
  if (n == nullptr) return FreeAndFail(m);
  if (offp != nullptr) *offp = at;
  return n;
}

// --- Packet tags. ---

m_tag* m_tag_get(int id, int len, int how) {
  if (len < 0) return nullptr;
  KASSERT(len <= PACKET_TAG_MAXSIZE);
  if (how == M_WAIT) {
    KASSERT(curproc() != nullptr);
  } else if (fault::Fires(Site::kPoolGet)) {
    return nullptr;
  }
  MbufAccount& account = CurrentAccount();
  m_tag* const t = static_cast<m_tag*>(account.memory->tags.Take());
  ++account.live_tags;
  t->m_tag_link = nullptr;
  t->m_tag_id = static_cast<uint16_t>(id);
  t->m_tag_len = static_cast<uint16_t>(len);
  t->m_tag_account = &account;
  return t;
}

void m_tag_free(m_tag* t) {
  MbufAccount& account = *t->m_tag_account;
  account.memory->tags.Give(t);
  account.ReleaseTag();
}

void m_tag_prepend(mbuf* m, m_tag* t) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  t->m_tag_link = m->m_pkthdr.ph_tags;
  m->m_pkthdr.ph_tags = t;
  m->m_pkthdr.ph_tagsset |= t->m_tag_id;
}

void m_tag_delete(mbuf* m, m_tag* t) {
  m_tag** link = &m->m_pkthdr.ph_tags;
  uint16_t left = 0;
  bool found = false;
  while (*link != nullptr) {
    if (*link == t) {
      *link = t->m_tag_link;
      found = true;
    } else {
      left |= (*link)->m_tag_id;
      link = &(*link)->m_tag_link;
    }
  }
  KASSERT(found);
  m->m_pkthdr.ph_tagsset = left;
  m_tag_free(t);
}

void m_tag_delete_chain(mbuf* m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  while (m->m_pkthdr.ph_tags != nullptr) {
    m_tag* const t = m->m_pkthdr.ph_tags;
    m->m_pkthdr.ph_tags = t->m_tag_link;
    m_tag_free(t);
  }
  m->m_pkthdr.ph_tagsset = 0;
}

m_tag* m_tag_find(const mbuf* m, int id, m_tag* after) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  if ((m->m_pkthdr.ph_tagsset & id) == 0) return nullptr;
  m_tag* t = after == nullptr ? m->m_pkthdr.ph_tags : after->m_tag_link;
  while (t != nullptr && t->m_tag_id != id) t = t->m_tag_link;
  return t;
}

m_tag* m_tag_copy(const m_tag* t, int how) {
  m_tag* const copy = m_tag_get(t->m_tag_id, t->m_tag_len, how);
  if (copy != nullptr) std::memcpy(copy->m_tag_data, t->m_tag_data, t->m_tag_len);
  return copy;
}

int m_tag_copy_chain(mbuf* to, const mbuf* from, int how) {
  m_tag_delete_chain(to);
  m_tag** link = &to->m_pkthdr.ph_tags;
  for (const m_tag* t = from->m_pkthdr.ph_tags; t != nullptr; t = t->m_tag_link) {
    m_tag* const copy = m_tag_copy(t, how);
    if (copy == nullptr) {
      m_tag_delete_chain(to);
      return ENOBUFS;
    }
    *link = copy;
    link = &copy->m_tag_link;
    to->m_pkthdr.ph_tagsset |= copy->m_tag_id;
  }
  return 0;
}

void m_tag_transfer(mbuf* m) {
  MbufAccount& account = CurrentAccount();
  for (m_tag* t = m->m_pkthdr.ph_tags; t != nullptr; t = t->m_tag_link) {
    MbufAccount& payer = *t->m_tag_account;
    if (&payer == &account) continue;
    ++account.live_tags;
    t->m_tag_account = &account;
    payer.ReleaseTag();
  }
}

}  // namespace sockbed
