// A BIO over a bare socket, without a descriptor: for consumers inside the kernel.
//
// Lives here:  BIO_s_ksocket, BIO_new_ksocket.
// Called by:   kernel threads; ssl/ puts an SSL on top.
// May touch:   socket (sosend, soreceive), sched.
// Context:     a process or kernel thread; reads and writes sleep [netio] unless the socket has
//              SS_NBIO.
// Owns:        with BIO_CLOSE the BIO owns the socket and closes it when freed.
// Invariants:  those of the socket BIO (bss_sock.h): retry flags only for "later", the end told by
//              BIO_eof, 0 for unknown controls.
// Source:      socreate(9), soreceive(9), sosend(9); OpenSSL 3.0 BIO_s_socket(3).
// Differs:     from the socket BIO: BIO_set_nbio works, BIO_get_fd answers -1, BIO_pending tells
//              what a read would find.
#ifndef SOCKBED_BIO_BSS_KERN_H_
#define SOCKBED_BIO_BSS_KERN_H_

#include <openssl/bio.h>

#include "kernel/socket/socketvar.h"

namespace sockbed {

// The method. One per process, never freed.
const BIO_METHOD* BIO_s_ksocket();

// A BIO over `so`, a connected stream; `close_flag` is BIO_CLOSE or BIO_NOCLOSE. Null when out of
// memory; `so` is then still the caller's.
BIO* BIO_new_ksocket(socket* so, int close_flag);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_KERN_H_
