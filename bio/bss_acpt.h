// The accept BIO: a listener, and under it the connection that was accepted last.
//
// Lives here:  BIO_s_accept, BIO_new_accept.
// Called by:   programs.
// May touch:   uapi, the rest of bio.
// Context:     a simulated process; accepting, reading and writing sleep in blocking mode.
// Owns:        with the close flag (the default) the listening socket: shut down and closed when
//              freed. Accepted connections are BIOs of their own, pushed under this one; BIO_pop
//              takes them out.
// Invariants:  the first BIO_do_accept listens and accepts nothing; each further one accepts.
// Source:      OpenSSL 3.0 BIO_s_accept(3), crypto/bio/bss_acpt.c.
#ifndef SOCKBED_BIO_BSS_ACPT_H_
#define SOCKBED_BIO_BSS_ACPT_H_

#include <openssl/bio.h>

namespace sockbed {

// The method. One per process, never freed.
const BIO_METHOD* BIO_s_accept();

// A BIO for "host:service", "*:service" or "service". Null with an entry if that cannot be read, or
// out of memory.
BIO* BIO_new_accept(const char* host_and_service);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BSS_ACPT_H_
