#include "tools/program_sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "bio/addr.h"
#include "bio/error_text.h"
#include "uapi/uapi.h"

namespace sockbed::tools {

void Complain(const char* what) { uapi::Print("%s: %s\n", what, TakeErrorText().c_str()); }

BioAddr Resolve(const std::string& host, uint16_t port, int socktype, int family) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = socktype;
  hints.ai_flags = AI_ADDRCONFIG | (host.empty() ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int error =
      uapi::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
  if (error != 0) {
    uapi::Print("cannot resolve %s: %s\n", host.c_str(), gai_strerror(error));
    return nullptr;
  }
  // A server takes the answer that stands for both families, if there is one; a client the first.
  const addrinfo* best = found;
  while (host.empty() && best->ai_next != nullptr && best->ai_family != AF_INET6) {
    best = best->ai_next;
  }
  BioAddr addr(BIO_ADDR_new());
  if (addr != nullptr) memcpy(SockaddrOf(addr.get()), best->ai_addr, best->ai_addrlen);
  uapi::freeaddrinfo(found);
  return addr;
}

Descriptor SocketFor(const BIO_ADDR* addr, int socktype) {
  Descriptor fd(sockbed::BIO_socket(BIO_ADDR_family(addr), socktype, 0, 0));
  const int off = 0;
  if (fd.ok() && BIO_ADDR_family(addr) == AF_INET6) {
    // It has no name yet, so it may still be opened to both.
    (void)uapi::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  return fd;
}

Descriptor Dial(const std::string& host, uint16_t port, int options) {
  const BioAddr addr = Resolve(host, port, SOCK_STREAM);
  if (addr == nullptr) return Descriptor();
  Descriptor fd = SocketFor(addr.get(), SOCK_STREAM);
  if (!fd.ok()) {
    Complain("socket");
    return fd;
  }
  if (sockbed::BIO_connect(fd.get(), addr.get(), options) == 1) return fd;
  if (BIO_sock_should_retry(-1)) {
    // Under way: done when writable; the socket's error says how it went.
    pollfd entry{fd.get(), POLLOUT, 0};
    uapi::poll(&entry, 1, -1);
    errno = BIO_sock_error(fd.get());
    if (errno == 0) return fd;
  }
  Complain("connect");
  return Descriptor();
}

Descriptor Listen(uint16_t port) {
  const BioAddr addr = Resolve("", port, SOCK_STREAM);
  if (addr == nullptr) return Descriptor();
  Descriptor fd = SocketFor(addr.get(), SOCK_STREAM);
  if (fd.ok() && sockbed::BIO_listen(fd.get(), addr.get(), BIO_SOCK_REUSEADDR) == 1) return fd;
  Complain("listen");
  return Descriptor();
}

}  // namespace sockbed::tools
