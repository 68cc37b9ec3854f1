// The BIO pair: two BIOs joined back to back, whose bytes stand in mbufs.
//
// Lives here:  BIO_s_bio, BIO_new_bio_pair, the zero-copy calls; BioPairTake and BioPairPut, which
//              hand whole chains over; BioPairWait.
// Called by:   programs and ssl/, which pumps a pair to a socket (ssl/pump.h).
// May touch:   mbuf, sched (tsleep).
// Context:     a host: mbufs are charged to it. Only BioPairWait sleeps.
// Owns:        a half owns the bytes it has written until they are read.
// Units:       bytes. The capacity of a half counts bytes, never mbufs.
// Invariants:  1. len is the sum of m_len over the chain, and at most size.
//              2. A half has a peer exactly while the peer has it; only then is it initialised.
// Source:      OpenSSL 3.0 BIO_s_bio(3), BIO_new_bio_pair(3), crypto/bio/bss_bio.c.
// Differs:     where the contiguous runs of nread0 and nwrite0 end: at mbufs, not at a ring's end.
//              Buffers are taken as bytes come, so that a write may fail for want of memory: -1
//              with ERR_R_MALLOC_FAILURE and no retry. What BIO_nread returned stays valid until
//              the pair's next call.
#ifndef SOCKBED_BIO_BSS_BIO_H_
#define SOCKBED_BIO_BSS_BIO_H_

#include <openssl/bio.h>

#include <cstddef>

#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// The method of one half, which BIO_make_bio_pair joins to another. One per process, never freed.
const BIO_METHOD* BIO_s_bio();

// What a half can hold unless told otherwise: a TLS record and more.
inline constexpr size_t kPairBytes = 17 * 1024;

// Makes two halves that hold `writebuf1` and `writebuf2` bytes (0: kPairBytes) and joins them.
// Returns 1, or 0 with both null and an entry.
int BIO_new_bio_pair(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2);

// BIO_nread0 and kin, BIO_ctrl_get_write_guarantee and all the controls of the page are the
// library's own functions: they reach the method through BIO_ctrl.

// BIO_read without a copy: takes up to `max` bytes that can be read at `half` and stores them as a
// packet, ready for sosend. Returns their count, or what BIO_read returns with its flags and
// entries, and -1 with ERR_R_MALLOC_FAILURE. REQUIRES: max > 0; a half of this method.
int BioPairTake(BIO* half, int max, MbufPtr* packet);

// BIO_write without a copy: appends as much of *chain as the half has room for and leaves the rest
// there. Returns the count, 0 for an empty chain, or what BIO_write returns.
int BioPairPut(BIO* half, MbufPtr* chain);

// Waits until the other half does something: writes, reads, is shut or freed; `timo` ticks at most
// (0: no limit). [sleeps] "biopair". Errors: EWOULDBLOCK, EINTR, kERESTART. REQUIRES: `half` lives
// that long.
[[nodiscard]] int BioPairWait(BIO* half, int timo);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_BIO_H_
