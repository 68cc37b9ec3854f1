#include "ssl/dtls.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>

#include <utility>

#include "bio/addr.h"
#include "bio/bio_sock.h"
#include "bio/bss_dgram.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {
namespace {

// A datagram socket at `any`, which others may share; -1 with entries.
int Bound(const BIO_ADDR* any) {
  const int fd = sockbed::BIO_socket(BIO_ADDR_family(any), SOCK_DGRAM, 0, 0);
  if (fd < 0) return -1;
  const int on = 1;
  if (uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
      sockbed::BIO_bind(fd, any, 0) == 1) {
    return fd;
  }
  BIO_closesocket(fd);
  return -1;
}

}  // namespace

DtlsListener::DtlsListener(const Context& context, uint16_t port, int family) : context_(context) {
  any_.sa.sa_family = static_cast<sa_family_t>(family);
  (family == AF_INET6 ? any_.in6.sin6_port : any_.in.sin_port) = htons(port);
  fd_ = Bound(any_.addr());
}

DtlsListener::~DtlsListener() {
  if (fd_ >= 0) BIO_closesocket(fd_);
}

// A socket of the same address, connected to `peer`; -1 with errno and entries.
int DtlsListener::Connect(const BIO_ADDR* peer) {
  const int fd = Bound(any_.addr());
  if (fd < 0 || sockbed::BIO_connect(fd, peer, 0) == 1) return fd;
  const int error = errno;
  BIO_closesocket(fd);
  errno = error;
  return -1;
}

// Waits for a peer that can repeat its cookie. False: the library failed.
bool DtlsListener::Hear(SSL* ssl, BIO_ADDR* peer) {
  int ret;
  do {
    ERR_clear_error();  // of datagrams that were no hello: dropped
    ret = DTLSv1_listen(ssl, peer);
  } while (ret == 0);
  return ret > 0;
}

SslPtr DtlsListener::Accept() {
  BIO* const bio = sockbed::BIO_new_dgram(fd_, BIO_NOCLOSE);
  if (bio == nullptr) return nullptr;
  SslPtr ssl = context_.NewSsl(bio);
  if (ssl == nullptr) return nullptr;
  AddrStorage peer{};
  int fd;
  do {
    if (!Hear(ssl.get(), peer.addr())) return nullptr;
    fd = Connect(peer.addr());
    // Its peer has a socket already, and calls another of our addresses now.
  } while (fd < 0 && errno == EADDRINUSE);
  if (fd < 0) return nullptr;
  context_.SpendCookie(fd_, peer);
  SSL_clear_options(ssl.get(), SSL_OP_COOKIE_EXCHANGE);
  BIO_set_fd(bio, fd, BIO_CLOSE);
  BIO_ctrl_set_connected(bio, peer.addr());
  return ssl;
}

}  // namespace sockbed::ssl
