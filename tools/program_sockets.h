// What the built-in programs share: opening a socket to a named host, listening on a port.
//
// Lives here:  Descriptor, Resolve, SocketFor, Dial, Listen.
// Called by:   the programs of tools/.
// May touch:   uapi, bio.
// Context:     simulated processes.
#ifndef SOCKBED_TOOLS_PROGRAM_SOCKETS_H_
#define SOCKBED_TOOLS_PROGRAM_SOCKETS_H_

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "bio/bio_sock.h"

namespace sockbed::tools {

// Owns a descriptor of a simulated process; closes it.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) BIO_closesocket(fd_);
  }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct BioAddrFree {
  void operator()(BIO_ADDR* addr) const { BIO_ADDR_free(addr); }
};
using BioAddr = std::unique_ptr<BIO_ADDR, BioAddrFree>;

// The address of `host` (a name or a number; empty: any of this host's families) with `port`, of
// `family` if one is named. Null, having said why, if there is none.
BioAddr Resolve(const std::string& host, uint16_t port, int socktype, int family = AF_UNSPEC);

// A socket of the address's family; of IPv6 one that is open to both. Not ok on failure.
Descriptor SocketFor(const BIO_ADDR* addr, int socktype);

// A stream connected to host:port. Not ok, having said why, on failure. [sleeps]
// `options` are BIO_SOCK_* bits; with BIO_SOCK_NONBLOCK it waits in poll.
Descriptor Dial(const std::string& host, uint16_t port, int options);

// A stream that listens on every address of this host. Not ok, having said why, on failure.
Descriptor Listen(uint16_t port);

// Prints what failed with its reason from OpenSSL's error stack, or errno; clears the stack.
void Complain(const char* what);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_PROGRAM_SOCKETS_H_
