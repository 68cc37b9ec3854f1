// Making, sharing and freeing mbufs.
//
// Lives here:  m_get and kin, clusters, external storage, m_free and kin, packet header care.
// Called by:   everything that carries packets or fills socket buffers.
// Context:     any with M_DONTWAIT; M_WAIT needs a process, whether or not it comes to a sleep.
// Owns:        see each function. Memory belongs to the machine's pool; the current host pays.
// Source:      OpenBSD sys/kern/uipc_mbuf.c; mbuf(9), pool(9).
// Differs:     a failed allocation is a null MbufPtr; `where` names the caller for the leak
//              report.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_ALLOC_H_
#define SOCKBED_KERNEL_MBUF_MBUF_ALLOC_H_

#include <cstddef>
#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_tags.h"

namespace sockbed {

// --- Making. `how` is M_WAIT (never null; [sleeps] on the pool, wmesg: the pool's name) or
// M_DONTWAIT (null when the host's limit is reached, or the fault site mbuf.get or mbuf.cluster
// fires).
// REQUIRES: M_WAIT only in a process; 0 <= type < MT_NTYPES. ---

// A plain mbuf: m_data at the start of its MLEN bytes, m_len 0, contents undefined.
MbufPtr m_get(int how, int type, MbufSite where = MbufSite::Here());

// A packet's first mbuf: a fresh header, m_data at the start of its MHLEN bytes, m_len 0.
MbufPtr m_gethdr(int how, int type, MbufSite where = MbufSite::Here());

// m_get with its MLEN bytes zeroed; m_len is 0.
MbufPtr m_getclr(int how, int type, MbufSite where = MbufSite::Here());

// Attaches a cluster of the first pool whose size is at least `len` to `m`, in place of its
// internal data: m_data at the cluster's start, m_len unchanged. False: no memory, m as before.
// Borrows m.
// REQUIRES: len <= MAXMCLBYTES; m has no external storage.
[[nodiscard]] bool m_clget(mbuf* m, int how, uint32_t len);

// The same with a new packet header mbuf of type MT_DATA: m_clget(nullptr, how, len).
MbufPtr m_clget(std::nullptr_t, int how, uint32_t len, MbufSite where = MbufSite::Here());

// The macros of the manual page. MCLGET attaches MCLBYTES; the caller tests M_EXT.
inline void MGET(MbufPtr& m, int how, int type, MbufSite where = MbufSite::Here()) {
  m = m_get(how, type, where);
}
inline void MGETHDR(MbufPtr& m, int how, int type, MbufSite where = MbufSite::Here()) {
  m = m_gethdr(how, type, where);
}
inline void MCLGET(mbuf* m, int how) {
  (void)m_clget(m, how, MCLBYTES);  // M_EXT is the answer
}
[[nodiscard]] inline bool MCLGETL(mbuf* m, int how, uint32_t len) { return m_clget(m, how, len); }

// A whole packet of `len` bytes from linear memory, `off` bytes left free in front of the first
// mbuf's data; clusters where they pay. Null: no memory (never waits).
MbufPtr m_devget(const char* buf, int len, int off, MbufSite where = MbufSite::Here());

// --- External storage. ---

// What is called, once, when the last reference to external storage goes.
using MextFree = void (*)(char* buf, uint32_t size, void* arg);

// Gives `fn` a number for MEXTADD; a function already registered keeps its number. The table is
// the machine's, since mbufs travel between its hosts; it holds 4, clusters' own included.
// REQUIRES: room.
uint32_t mextfree_register(MextFree fn);

// Makes `buf` the storage of m: m_data at its start. Writable while unshared if `flags` has
// M_EXTWR. Borrows m; buf stays valid until the release function is called. REQUIRES: m has no
// external storage.
void MEXTADD(mbuf* m, char* buf, uint32_t size, uint16_t flags, uint32_t free_fn, void* arg);

// Makes n another reference to o's storage; m_data is the caller's to set. Both become read-only.
// REQUIRES: o has M_EXT, n has not.
void m_extref(mbuf* o, mbuf* n);

// --- Freeing. A null pointer is no mbuf: nothing happens. ---

// Frees one mbuf and returns m_next. Takes. Drops its tags and its reference to external storage.
// With M_ZEROIZE wipes the data and hands the flag on to m_next.
mbuf* m_free(mbuf* m);

// Stores null in *mp, then m_freem: for a chain that others can still reach through mp.
mbuf* m_freemp(mbuf** mp);

// Frees a queue: this packet and all behind it on m_nextpkt. Takes.
void m_purge(mbuf* m);

// Wipes the whole data area. If it is shared, marks the neighbours M_ZEROIZE instead, so that the
// last reference wipes.
void m_zero(mbuf* m);

// Does nothing: no protocol keeps memory that it could give back.
inline void m_reclaim() {}

// --- The packet header. All borrow. ---

// Makes `m` what m_gethdr gives, except m_type; what it held is forgotten, not freed. Returns m.
mbuf* m_inithdr(mbuf* m);

// Strips what a received packet gathered, before it is turned round: tags, all header fields but
// len and ph_loopcnt, all flags but those of storage, M_PKTHDR, M_EOR, M_ZEROIZE. REQUIRES:
// M_PKTHDR.
void m_resethdr(mbuf* m);

// Deletes tags and header: the mbuf may now follow another. REQUIRES: M_PKTHDR.
inline void m_removehdr(mbuf* m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  if (m->m_pkthdr.ph_tags != nullptr) [[unlikely]]
    m_tag_delete_chain(m);
  m->m_flags &= static_cast<uint16_t>(~M_PKTHDR);
}

// Sets m_pkthdr.len to the sum of m_len. REQUIRES: M_PKTHDR.
void m_calchdrlen(mbuf* m);

// Moves header, tags and M_COPYFLAGS; `from` is left without a header, its data in place. `to`
// keeps its external storage, or else gets m_data at the start of its MHLEN bytes. REQUIRES: from
// has M_PKTHDR.
void M_MOVE_PKTHDR(mbuf* to, mbuf* from);

// The same as a copy; tags are duplicated, the new packet gets a number of its own. Errors:
// ENOBUFS (`to` has no tags, all else is filled in; the caller frees it). REQUIRES: from has
// M_PKTHDR.
[[nodiscard]] int m_dup_pkthdr(mbuf* to, const mbuf* from, int how);

// Changes m_type and the counts by type.
void MCHTYPE(mbuf* m, int type);

// --- Travelling. ---

// Charges all mbufs of the chain to the current host: called when a packet arrives. Their clusters
// stay charged to the host that took them until the last reference goes.
void m_transfer(mbuf* m);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_ALLOC_H_
