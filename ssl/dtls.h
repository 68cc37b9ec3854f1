// The server's side of a DTLS association: from a stranger's first datagram to an SSL of its own.
//
// Lives here:  DtlsListener.
// Called by:   programs.
// May touch:   OpenSSL, bio, uapi.
// Context:     a simulated process; Accept sleeps.
// Invariants:  a cookie is good for one association: a hello that comes twice makes no second one,
//              however late its copy is (until ServedPeers has forgotten its peer). The copy is
//              answered by another cookie, as a first hello is. A peer that comes again from the
//              same port is let in at once.
// Owns:        the listening socket. Each accepted association has a socket of its own, bound to
//              the same address and connected to its peer, which is why both share the port.
// Source:      DTLSv1_listen(3); RFC 6347 4.2.1.
// Differs:     datagrams that the peer sent before its socket was connected stay at the listener;
//              its retransmission repairs that.
#ifndef SOCKBED_SSL_DTLS_H_
#define SOCKBED_SSL_DTLS_H_

#include <sys/socket.h>

#include <cstdint>

#include "bio/addr.h"
#include "ssl/context.h"

namespace sockbed::ssl {

class DtlsListener {
 public:
  // Binds to `port` on every address of `family`, AF_INET or AF_INET6. Not ok(), with entries, on
  // failure. Borrows the context, whose options have datagram and cookies.
  DtlsListener(const Context& context, uint16_t port, int family = AF_INET);
  ~DtlsListener();
  DtlsListener(const DtlsListener&) = delete;
  DtlsListener& operator=(const DtlsListener&) = delete;

  bool ok() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // Waits for a peer that can repeat its cookie and has no socket here yet, and returns an SSL over
  // one connected to it, ready for Handshake, which asks for no cookie again. Null with entries: a
  // socket could not be had, or the library failed. [sleeps]
  SslPtr Accept();

 private:
  int Connect(const BIO_ADDR* peer);
  static bool Hear(SSL* ssl, BIO_ADDR* peer);

  const Context& context_;
  AddrStorage any_{};  // the port, of every address
  int fd_ = -1;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_DTLS_H_
