// Looking at chains: the walker that tests the invariants, and the picture for panics and lessons.

#include <string>
#include <string_view>

#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_account.h"
#include "kernel/mbuf/mbuf_tags.h"

namespace sockbed {
namespace {

// More mbufs than any packet has: a chain that goes on is a ring.
constexpr int kChainMax = 1 << 20;
// How many mbufs m_show draws.
constexpr int kShowMax = 24;

const char* BrokenRing(const mbuf* m) {
  const mbuf_ext& ext = m->m_ext;
  for (const mbuf* neighbour : {ext.ext_nextref, ext.ext_prevref}) {
    if (neighbour->m_type == kFreed) return "a freed mbuf is still in the ring of sharers";
    if ((neighbour->m_flags & M_EXT) == 0) return "a sharer has lost M_EXT";
    const mbuf_ext& other = neighbour->m_ext;
    if (other.ext_buf != ext.ext_buf || other.ext_size != ext.ext_size ||
        other.ext_free_fn != ext.ext_free_fn) {
      return "sharers disagree on their storage";
    }
  }
  const bool linked =
      ext.ext_nextref->m_ext.ext_prevref == m && ext.ext_prevref->m_ext.ext_nextref == m;
  return linked ? nullptr : "the ring of sharers is broken";
}

const char* BrokenMbuf(const mbuf* m) {
  if (m->m_type == kFreed) return "a freed mbuf is in the chain";
  if (m->m_type < 0 || m->m_type >= MT_NTYPES) return "m_type is none";
  if (m->m_len < 0) return "m_len is negative";
  if (m->m_data < m_area(m)) return "m_data lies before the data area";
  if (m->m_data + m->m_len > m_areaend(m)) return "the data runs over the end of its area";
  if ((m->m_flags & (M_EXT | M_EXTWR)) == M_EXTWR) return "M_EXTWR without M_EXT";
  return (m->m_flags & M_EXT) != 0 ? BrokenRing(m) : nullptr;
}

const char* BrokenTags(const mbuf* m) {
  uint16_t ids = 0;
  for (const m_tag* t = m_tag_first(m); t != nullptr; t = m_tag_next(t)) ids |= t->m_tag_id;
  return ids == m->m_pkthdr.ph_tagsset ? nullptr : "ph_tagsset is not the union of the tags";
}

constexpr const char* kTypeNames[MT_NTYPES] = {"free",   "",       "header",  "soname",
                                               "soopts", "ftable", "control", "oob"};

std::string ShowMbuf(const mbuf* m) {
  std::string s = "[";
  if ((m->m_flags & M_PKTHDR) != 0) s += "pkt " + std::to_string(m->m_pkthdr.len) + ": ";
  s += std::to_string(m->m_len);
  if ((m->m_flags & M_EXT) != 0) {
    s += " of " + std::to_string(m->m_ext.ext_size);
    if (m_isshared(m)) {
      int sharers = 1;
      for (const mbuf* n = m->m_ext.ext_nextref; n != m && sharers < kChainMax; ++sharers) {
        n = n->m_ext.ext_nextref;
      }
      s += " shared by " + std::to_string(sharers);
    } else if (M_READONLY(m)) {
      s += " read-only";
    }
  }
  if (m->m_type == kFreed) return s + " FREED]";
  if (m->m_type > MT_DATA && m->m_type < MT_NTYPES) s += std::string(" ") + kTypeNames[m->m_type];
  if ((m->m_flags & M_EOR) != 0) s += " eor";
  return s + "]";
}

}  // namespace

const char* m_broken(const mbuf* m, bool queued) {
  const mbuf* const first = m;
  int64_t length = 0;
  int mbufs = 0;
  for (; m != nullptr; m = m->m_next) {
    if (++mbufs > kChainMax) return "the chain has no end";
    if (const char* broken = BrokenMbuf(m)) return broken;
    if (m != first && (m->m_flags & M_PKTHDR) != 0) return "M_PKTHDR behind the first mbuf";
    if (m->m_nextpkt != nullptr && (m != first || !queued)) return "m_nextpkt is set";
    length += m->m_len;
  }
  if (first == nullptr || (first->m_flags & M_PKTHDR) == 0) return nullptr;
  if (length != first->m_pkthdr.len) return "m_pkthdr.len is not the sum of m_len";
  return BrokenTags(first);
}

void m_check(const mbuf* m, bool queued) {
  if (const char* broken = m_broken(m, queued)) m_panic(m, broken);
}

std::string m_show(const mbuf* m) {
  if (m == nullptr) return "[]";
  std::string s = ShowMbuf(m);
  int shown = 1;
  for (m = m->m_next; m != nullptr; m = m->m_next) {
    if (++shown > kShowMax) return s + " -> ...";
    s += " -> " + ShowMbuf(m);
    if (m->m_type == kFreed) break;  // its m_next is the free list's
  }
  return s;
}

void m_panic(const mbuf* m, std::string_view what) { KPANIC(std::string(what) + ": " + m_show(m)); }

}  // namespace sockbed
