// Packet tags: notes of up to 80 bytes that travel with a packet header.
//
// Lives here:  struct m_tag and its functions.
// Called by:   inet (next protocol, source route), net and tools (causes); m_dup_pkthdr and m_free.
// Context:     any with M_DONTWAIT; M_WAIT needs a process.
// Owns:        a packet owns its list; a tag not yet prepended belongs to whoever made it.
// Invariants:  ph_tagsset is the union of the ids on the list.
// Source:      OpenBSD sys/kern/uipc_mbuf2.c; mbuf_tags(9).
#ifndef SOCKBED_KERNEL_MBUF_MBUF_TAGS_H_
#define SOCKBED_KERNEL_MBUF_MBUF_TAGS_H_

#include <cstdint>

#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// Ids are single bits.
inline constexpr uint16_t PACKET_TAG_IP_OFFNXT =
    0x0010;  // offset and next protocol, between layers
inline constexpr uint16_t PACKET_TAG_IP6_OFFNXT = 0x0020;
inline constexpr uint16_t PACKET_TAG_SIM_TRACE = 0x0100;  // the TraceId that caused the packet
inline constexpr uint16_t PACKET_TAG_SRCROUTE = 0x1000;   // a received source route

struct m_tag {
  m_tag* m_tag_link;
  uint16_t m_tag_id;
  uint16_t m_tag_len;          // bytes of data
  MbufAccount* m_tag_account;  // who pays
  alignas(8) unsigned char m_tag_data[PACKET_TAG_MAXSIZE];
};

// A new tag with `len` undefined bytes; the caller owns it. Null: no memory (M_DONTWAIT), or len <
// 0.
// REQUIRES: len <= PACKET_TAG_MAXSIZE; M_WAIT only in a process.
[[nodiscard]] m_tag* m_tag_get(int id, int len, int how);

// Frees a tag that is on no list. Takes.
void m_tag_free(m_tag* t);

// Puts t at the head of m's list. Takes t. REQUIRES: M_PKTHDR.
void m_tag_prepend(mbuf* m, m_tag* t);

// Takes t off m's list and frees it. REQUIRES: t is on it.
void m_tag_delete(mbuf* m, m_tag* t);

// Frees all tags of m. REQUIRES: M_PKTHDR.
void m_tag_delete_chain(mbuf* m);

// The first tag of that id behind `after` (null: from the head), or null.
m_tag* m_tag_find(const mbuf* m, int id, m_tag* after);

// A duplicate, owned by the caller; null: no memory.
[[nodiscard]] m_tag* m_tag_copy(const m_tag* t, int how);

// Replaces to's tags by copies of from's, in their order. Errors: ENOBUFS (`to` has none).
[[nodiscard]] int m_tag_copy_chain(mbuf* to, const mbuf* from, int how);

inline m_tag* m_tag_first(const mbuf* m) { return m->m_pkthdr.ph_tags; }
inline m_tag* m_tag_next(const m_tag* t) { return t->m_tag_link; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_TAGS_H_
