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

BioAddr Resolve(const std::string& host, uint16_t port, int socktype) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = socktype;
  hints.ai_flags = host.empty() ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int error =
      uapi::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
  if (error != 0) {
    uapi::Print("cannot resolve %s: %s\n", host.c_str(), gai_strerror(error));
    return nullptr;
  }
  BioAddr addr(BIO_ADDR_new());
  if (addr != nullptr) memcpy(SockaddrOf(addr.get()), found->ai_addr, found->ai_addrlen);
  uapi::freeaddrinfo(found);
  return addr;
}

Descriptor Dial(const std::string& host, uint16_t port, int options) {
  const BioAddr addr = Resolve(host, port, SOCK_STREAM);
  if (addr == nullptr) return Descriptor();
  Descriptor fd(sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0));
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
  Descriptor fd(sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0));
  if (fd.ok() && sockbed::BIO_listen(fd.get(), addr.get(), BIO_SOCK_REUSEADDR) == 1) return fd;
  Complain("listen");
  return Descriptor();
}

}  // namespace sockbed::tools
