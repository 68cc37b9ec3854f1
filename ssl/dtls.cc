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

// A datagram socket on `port` of every address, which others may share; -1 with entries.
int Bound(uint16_t port) {
  const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
  if (fd < 0) return -1;
  AddrStorage any{};
  any.in.sin_family = AF_INET;
  any.in.sin_port = htons(port);
  const int on = 1;
  if (uapi::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
      sockbed::BIO_bind(fd, any.addr(), BIO_SOCK_REUSEADDR) == 1) {
    return fd;
  }
  BIO_closesocket(fd);
  return -1;
}

}  // namespace

DtlsListener::DtlsListener(const Context& context, uint16_t port)
    : context_(context), port_(port), fd_(Bound(port)) {}

DtlsListener::~DtlsListener() {
  if (fd_ >= 0) BIO_closesocket(fd_);
}

// A socket of the same address, connected to `peer`; -1 with entries.
int DtlsListener::Connect(const BIO_ADDR* peer) const {
  const int fd = Bound(port_);
  if (fd < 0 || sockbed::BIO_connect(fd, peer, 0) == 1) return fd;
  BIO_closesocket(fd);
  return -1;
}

SslPtr DtlsListener::Accept() {
  BIO* const bio = sockbed::BIO_new_dgram(fd_, BIO_NOCLOSE);
  if (bio == nullptr) return nullptr;
  SslPtr ssl = context_.NewSsl(bio);
  if (ssl == nullptr) return nullptr;
  AddrStorage peer{};
  int ret;
  do {
    ERR_clear_error();  // of datagrams that were no hello: dropped
    ret = DTLSv1_listen(ssl.get(), peer.addr());
  } while (ret == 0);
  if (ret < 0) return nullptr;
  const int fd = Connect(peer.addr());
  if (fd < 0) return nullptr;
  BIO_set_fd(bio, fd, BIO_CLOSE);
  BIO_ctrl_set_connected(bio, peer.addr());
  return ssl;
}

}  // namespace sockbed::ssl
