// The datagram BIO: one write is one datagram, over a simulated descriptor.
//
// Lives here:  BIO_s_datagram, BIO_new_dgram, BIO_dgram_non_fatal_error; BIO_sendmmsg and
//              BIO_recvmmsg of later releases.
// Called by:   programs; ssl/ puts DTLS on top.
// May touch:   uapi.
// Context:     a simulated process; reads sleep on a blocking socket.
// Owns:        with BIO_CLOSE the BIO owns the descriptor and closes it when freed.
// Units:       MTUs in bytes; timeouts are timevals of virtual time, kept in ticks by the kernel.
// Invariants:  1. Unless told that it is connected, the BIO answers whoever spoke last: each read
//                 replaces the peer, so that a stranger's datagram redirects later writes. That is
//                 the page's hazard, kept.
//              2. Retry flags are set only if errno says "later"; unknown controls answer 0.
// Source:      OpenSSL 3.0 BIO_s_datagram(3), crypto/bio/bss_dgram.c; BIO_sendmmsg(3) of 3.2.
// Differs:     where page and library disagree this follows the page: BIO_dgram_get_peer answers 1,
//              or 0 without a peer; a peer of an unknown family answers 0; SET_DONT_FRAG answers 1
//              or 0; MTU_EXCEEDED tells of an EMSGSIZE. A failed time limit leaves an entry on the
//              error stack, not a line on stderr. Writes never raise SIGPIPE.
#ifndef SOCKBED_BIO_BSS_DGRAM_H_
#define SOCKBED_BIO_BSS_DGRAM_H_

#include <openssl/bio.h>

#include <cstddef>
#include <cstdint>

#include "bio/compat.h"

namespace sockbed {

// The method. One per process, never freed.
const BIO_METHOD* BIO_s_datagram();

// A BIO over `sock`; `close_flag` is BIO_CLOSE or BIO_NOCLOSE. Null when out of memory.
BIO* BIO_new_dgram(int sock, int close_flag);

// Whether an errno means "the same call may succeed later", for datagrams.
int BIO_dgram_non_fatal_error(int error);

// Datagrams of one call, at most.
inline constexpr size_t kMessagesMax = 64;

// Sends up to `count` datagrams, each to its peer (null: the BIO's) and from its local address, if
// it names one. Returns 1 with *processed >= 1 (0 for count 0) and data_len set, or 0 with
// *processed = 0 and an entry: SYS/errno "calling sendmsg()", BIO_R_LOCAL_ADDR_NOT_AVAILABLE (not
// enabled), BIO_R_PORT_MISMATCH (not the socket's port), ERR_R_PASSED_INVALID_ARGUMENT (stride is
// not sizeof(BIO_MSG), flags not 0), BIO_R_UNSUPPORTED_METHOD (another BIO). Retry flags and peer
// stay as they are.
int BIO_sendmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed);

// Receives up to `count` datagrams. Only for the first it may sleep: what has arrived is taken, and
// nobody waits for more. Returns as BIO_sendmmsg, "calling recvmsg()".
int BIO_recvmmsg(BIO* bio, BIO_MSG* msgs, size_t stride, size_t count, uint64_t flags,
                 size_t* processed);

// Whether an entry of the error stack means "later": SYS with such an errno, or BIO_R_NON_FATAL.
int BIO_err_is_non_fatal(unsigned int entry);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_DGRAM_H_
