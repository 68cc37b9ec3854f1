// The socket BIO: a byte stream over a simulated descriptor.
//
// Lives here:  BIO_s_socket, BIO_new_socket of this project.
// Called by:   programs; ssl/ puts an SSL on top.
// May touch:   uapi.
// Context:     a simulated process; reads and writes sleep on a blocking socket.
// Owns:        with BIO_CLOSE the BIO owns the descriptor and closes it when freed.
// Invariants:  1. Retry flags are cleared before each call and set only if errno says "later".
//              2. After the peer's end, BIO_eof answers 1 (so that libssl reports an unexpected
//                 end).
//              3. Unknown controls answer 0 (answering more would switch kernel TLS on in libssl).
// Source:      OpenSSL 3.0 BIO_s_socket(3), crypto/bio/bss_sock.c.
// Differs:     writes pass MSG_NOSIGNAL on sockets: a dead peer is EPIPE, not SIGPIPE.
#ifndef SOCKBED_BIO_BSS_SOCK_H_
#define SOCKBED_BIO_BSS_SOCK_H_

#include <openssl/bio.h>

namespace sockbed {

// The method. One per process, never freed.
const BIO_METHOD* BIO_s_socket();

// A BIO over `sock`; `close_flag` is BIO_CLOSE or BIO_NOCLOSE. Null when out of memory.
BIO* BIO_new_socket(int sock, int close_flag);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_SOCK_H_
