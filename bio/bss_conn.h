// The connect BIO: a name goes in, a connected stream comes out.
//
// Lives here:  BIO_s_connect, BIO_new_connect.
// Called by:   programs; ssl/ puts an SSL on top, whose SSL_connect then connects TCP first.
// May touch:   uapi, the rest of bio.
// Context:     a simulated process; looking up, connecting, reading and writing sleep in blocking
//              mode.
// Owns:        with the close flag (the default) its socket: shut down and closed when freed.
// Invariants:  1. The state goes BEFORE, GET_ADDR, CREATE_SOCKET, CONNECT, OK; CONNECT may pass
//                 through BLOCKED_CONNECT, and go back to CREATE_SOCKET for the next address.
//              2. A connection that failed stays so until BIO_reset.
// Source:      OpenSSL 3.0 BIO_s_connect(3), crypto/bio/bss_conn.c. Its macros
//              (BIO_set_conn_hostname, BIO_do_connect ...) are the library's: they reach the method
//              through BIO_ctrl. BIO_set_tfo is 3.2's: the connection is made by the first write.
// Differs:     a non-blocking connection under way says "later" each time it is asked, where 3.0
//              spins until it is done; one that failed stays failed, where 3.0 forgets it once
//              SO_ERROR has told; BIO_get_conn_ip_family answers.
#ifndef SOCKBED_BIO_BSS_CONN_H_
#define SOCKBED_BIO_BSS_CONN_H_

#include <openssl/bio.h>

namespace sockbed {

// The method. One per process, never freed.
const BIO_METHOD* BIO_s_connect();

// A BIO for "host:service". Null with an entry if that cannot be read, or out of memory.
BIO* BIO_new_connect(const char* host_and_service);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_CONN_H_
