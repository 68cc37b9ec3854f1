// Driving TLS and DTLS operations over blocking and non-blocking sockets alike.
//
// Lives here:  Outcome, TakeOutcome; Handshake, Read, Write, Shutdown.
// Called by:   programs.
// May touch:   OpenSSL, uapi (poll).
// Context:     a simulated process. Each call [sleeps]: a blocking BIO inside the operation, a
//              non-blocking one in poll between tries. DTLS is woken by its retransmission timer.
//              A time limit of the socket ends no call here: use the library's own calls for that.
//              A handshake has its own.
// Source:      SSL_get_error(3), SSL_connect(3), SSL_shutdown(3), DTLSv1_get_timeout(3).
#ifndef SOCKBED_SSL_DRIVE_H_
#define SOCKBED_SSL_DRIVE_H_

#include <openssl/ssl.h>

#include <cstddef>
#include <string>

#include "kernel/sim/time.h"

namespace sockbed::ssl {

// How an operation ended, taken before anything else could touch errno or the error queue.
struct Outcome {
  int ret = 0;                     // the operation's own result
  int ssl_error = SSL_ERROR_NONE;  // SSL_get_error
  int sys_errno = 0;               // errno at that moment
  unsigned long first_error = 0;   // oldest entry of the error queue, 0: none
  unsigned long last_error = 0;    // newest entry

  bool ok() const { return ssl_error == SSL_ERROR_NONE; }
  // The reason of the oldest entry, 0: none.
  int reason() const;
  // One line for people: "SSL_ERROR_SSL: certificate verify failed".
  std::string ToString() const;
};

// The outcome of a call that has just returned `ret`.
Outcome TakeOutcome(SSL* ssl, int ret);

// SSL_do_handshake until it is done or has failed. Traces the result with version and cipher.
// `patience`: for how long nothing may come from the peer before that counts as failure
// (SSL_ERROR_SYSCALL, ETIMEDOUT); with it, the descriptors do not block until the call returns.
// REQUIRES: the role is set (Context::NewSsl does).
Outcome Handshake(SSL* ssl, SimTime patience = kForever);

// SSL_read: ret > 0 bytes; SSL_ERROR_ZERO_RETURN at the peer's close_notify.
Outcome Read(SSL* ssl, void* buffer, size_t size);

// SSL_write of all `size` bytes. Nothing is called for size 0.
Outcome Write(SSL* ssl, const void* data, size_t size);

// Sends close_notify and waits for the peer's. ret 1: both have said goodbye. (Over DTLS it may be
// lost: send it with SSL_shutdown, and do not wait.)
Outcome Shutdown(SSL* ssl);

// Traces a handshake that has ended, and tells the runtime of one that succeeded. For drivers.
void NoteHandshake(SSL* ssl, const Outcome& outcome);

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_DRIVE_H_
