// Operations on chains of mbufs.
//
// Lives here:  m_copym, m_pullup, m_split, m_adj, m_cat ...: whatever sees more than one mbuf.
// Called by:   socket and all protocols.
// Context:     any with M_DONTWAIT; M_WAIT needs a process.
// Owns:        MbufPtr by value: takes, on every path. Raw mbuf*: borrows.
// Units:       bytes; offsets count from the first byte of the chain.
// Invariants:  every function keeps those of mbuf.h if it found them.
// Source:      OpenBSD sys/kern/uipc_mbuf.c, uipc_mbuf2.c; mbuf(9). Spec 5 and its figures.
#ifndef SOCKBED_KERNEL_MBUF_CHAIN_H_
#define SOCKBED_KERNEL_MBUF_CHAIN_H_

#include <string>
#include <string_view>
#include <utility>

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

// --- Copying. ---

// A new chain for [off, off+len), or to the end with M_COPYALL. External storage is shared, not
// copied: both chains are then read-only there; m itself changes only in who shares with it. The
// header comes along if off == 0, with len (or the whole) as its length. Null: no memory, or len
// == 0.
// REQUIRES: 0 <= off, 0 <= len; the range lies inside the chain.
MbufPtr m_copym(mbuf* m, int off, int len, int how, MbufSite where = MbufSite::Here());

// m_copym that copies external storage too: nothing is shared.
MbufPtr m_copym2(const mbuf* m, int off, int len, int how, MbufSite where = MbufSite::Here());

// m_copym that does not wait.
inline MbufPtr m_copy(mbuf* m, int off, int len, MbufSite where = MbufSite::Here()) {
  return m_copym(m, off, len, M_DONTWAIT, where);
}

// The packet as one mbuf of its own, `adj` bytes left free in front. Null: no memory, or adj +
// length beyond MAXMCLBYTES. REQUIRES: M_PKTHDR.
MbufPtr m_dup_pkt(const mbuf* m, int adj, int how, MbufSite where = MbufSite::Here());

// Copies [off, off+len) to `buf`. REQUIRES: the range lies inside the chain.
void m_copydata(const mbuf* m, int off, int len, void* buf);

// Overwrites [off, off+len) from `buf`, extending the chain as needed (a gap reads as zeros);
// m_pkthdr.len grows if the chain did. A null m: 0. Errors: ENOBUFS (the chain may have grown).
// REQUIRES: the storage written to is not shared.
[[nodiscard]] int m_copyback(mbuf* m, int off, int len, const void* buf, int how);

// --- Making room. ---

// Puts `len` uninitialised contiguous bytes in front. Null: no memory. REQUIRES: len <= MHLEN.
MbufPtr m_prepend(MbufPtr m, int len, int how, MbufSite where = MbufSite::Here());
inline void M_PREPEND(MbufPtr& m, int len, int how, MbufSite where = MbufSite::Here()) {
  m = m_prepend(std::move(m), len, how, where);
}

// Opens `hlen` bytes at offset `skip` and returns the mbuf that holds them, at *off; m stays the
// first. Null: no memory; the chain may have been cut up, its bytes are intact. REQUIRES:
// M_PKTHDR; 0 < hlen < MHLEN; skip inside the chain.
mbuf* m_makespace(mbuf* m, int skip, int hlen, int* off);

// Inserts `siz` bytes in an mbuf of their own at offset `at` and returns that mbuf; m stays the
// first. Null: no memory, or at not inside the chain; the chain is as before. REQUIRES: 0 < at,
// siz < MHLEN.
mbuf* m_inject(mbuf* m, int at, int siz, int how, MbufSite where = MbufSite::Here());

// --- Making contiguous. ---

// The first `len` bytes contiguous in the first mbuf. Does not make them writable. Null, the chain
// freed: it is shorter, there is no memory, or len is too long.
MbufPtr m_pullup(MbufPtr m, int len, MbufSite where = MbufSite::Here());

// Makes [off, off+len) contiguous and private, and returns the mbuf that holds it, at *offp (at
// its start if offp is null). `m` stays the first mbuf and keeps the chain; the bytes before off
// are not touched. Null, the chain freed and `m` reset: it is shorter, there is no memory, or len
// > MAXMCLBYTES.
mbuf* m_pulldown(MbufPtr& m, int off, int len, int* offp, MbufSite where = MbufSite::Here());

// Collapses the chain into its first mbuf, which keeps its address. Errors: ENOBUFS (unchanged).
// REQUIRES: M_PKTHDR unless it is one mbuf already; at most MAXMCLBYTES.
[[nodiscard]] int m_defrag(mbuf* m, int how);

// --- Cutting and joining. ---

// Trims n bytes from the head, or -n from the tail. Frees no mbuf: leaves empty ones. A null m:
// nothing.
void m_adj(mbuf* m, int n);

// m keeps the first len0 bytes; the rest is returned, with a header if m has one. Storage is
// shared at the cut. Null: no memory or a shorter chain, m as before; or, without header, nothing
// was left behind.
MbufPtr m_split(mbuf* m, int len0, int how, MbufSite where = MbufSite::Here());

// Appends n to m, copying small mbufs into m's trailing space. Neither header is touched:
// m_pkthdr.len is the caller's to correct, and n's header to remove. Takes n.
void m_cat(mbuf* m, MbufPtr n);

// m_cat for two packets: adds n's length to m's and removes n's header. REQUIRES: both have
// M_PKTHDR.
void m_catpkt(mbuf* m, MbufPtr n);

// --- Looking. ---

// The mbuf that holds byte `loc`, at *off. At a boundary the following mbuf; at the very end the
// last one, *off its m_len. Null beyond that, or for loc < 0.
mbuf* m_getptr(mbuf* m, int loc, int* off);

// Bytes of the chain, header or not.
int m_length(const mbuf* m);

// Calls f(arg, data, n) on each piece of [off, off+len) in order; stops at the first that is not 0
// and returns it. REQUIRES: the range lies inside the chain.
int m_apply(mbuf* m, int off, int len, int (*f)(void* arg, char* data, int n), void* arg);

// What is wrong with the packet, of the invariants of mbuf.h, as a sentence; null when it is sound.
// `queued`: m_nextpkt may be set.
const char* m_broken(const mbuf* m, bool queued = false);

// Stops the run, showing the chain, if m_broken has something to say.
void m_check(const mbuf* m, bool queued = false);

// Stops the run with a sentence, and the chain behind it.
[[noreturn, gnu::cold]] void m_panic(const mbuf* m, std::string_view what);

// The chain in one line: "[pkt 1554: 54] -> [1448 of 2048 shared by 2] -> [52]". For panics and
// lessons.
std::string m_show(const mbuf* m);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_CHAIN_H_
