// Datagrams between two BIOs, and in one: BIO_s_dgram_pair and BIO_s_dgram_mem of OpenSSL 3.2.
//
// Lives here:  BIO_s_dgram_pair, BIO_new_bio_dgram_pair, BIO_s_dgram_mem.
// Called by:   programs that keep a protocol's datagrams in their own hands: DTLS without a socket.
// May touch:   mbuf.
// Context:     a host: mbufs are charged to it. Does not sleep.
// Owns:        a BIO owns the datagrams it has written until they are read.
// Units:       capacity counts, for each datagram, its bytes and kDatagramHeaderBytes.
// Invariants:  1. A write is one datagram and a read takes one, whole or cut.
//              2. used is what the queue's datagrams count, and at most size.
// Source:      OpenSSL 3.2 BIO_s_dgram_pair(3), BIO_s_dgram_mem(3), crypto/bio/bss_dgram_pair.c.
//              The controls are in compat.h.
// Differs:     a write may fail for want of mbufs: -1 with ERR_R_MALLOC_FAILURE and no retry. A
//              memory BIO grows by what is written, not by halves.
#ifndef SOCKBED_BIO_BSS_DGRAM_PAIR_H_
#define SOCKBED_BIO_BSS_DGRAM_PAIR_H_

#include <openssl/bio.h>

#include <cstddef>

#include "bio/compat.h"

namespace sockbed {

// What a datagram counts besides its data: a length and two addresses.
inline constexpr size_t kDatagramHeaderBytes = 232;

// The method of one half, which BIO_make_bio_pair joins to another. One per process, never freed.
//
// Write: -1 with BIO_R_NON_FATAL and a write retry when the datagram does not fit. Read: -1 with a
// read retry when there is none; what exceeds the buffer is lost, unless SET_NO_TRUNC is on: then
// -1 without retry, and the datagram stays. Nothing is ever at its end while it is joined.
const BIO_METHOD* BIO_s_dgram_pair();

// Makes two halves that hold `writebuf1` and `writebuf2` bytes (0: nine datagrams of the default
// MTU, 1472; 1024 at least) and joins them. Returns 1, or 0 with both null and an entry.
int BIO_new_bio_dgram_pair(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2);

// The method of a queue that is read where it was written. It grows until it is given a size.
const BIO_METHOD* BIO_s_dgram_mem();

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_DGRAM_PAIR_H_
