// BIO_ADDR seen as the sockaddr that it is.
//
// Lives here:  the one cast between BIO_ADDR and sockaddr, both ways, and the sizes that go with
//              it; AddrStorage; AddrPtr.
// Called by:   bio/ and whoever hands a BIO_ADDR to uapi.
// Owns:        nothing.
// Source:      OpenSSL 3.0 BIO_ADDR(3); the library keeps the union opaque and exports no accessor
//              that keeps sin6_scope_id and sin6_flowinfo. addr_test.cc holds the cast against
//              rawaddress/rawport.
#ifndef SOCKBED_BIO_ADDR_H_
#define SOCKBED_BIO_ADDR_H_

#include <netinet/in.h>
#include <openssl/bio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <memory>

namespace sockbed {

// The room that the library reserves in a BIO_ADDR: what accept and recvfrom may fill.
inline constexpr socklen_t kBioAddrBytes = 112;
static_assert(sizeof(sockaddr_un) <= kBioAddrBytes && sizeof(sockaddr_in6) <= kBioAddrBytes);

inline sockaddr* SockaddrOf(BIO_ADDR* addr) { return reinterpret_cast<sockaddr*>(addr); }
inline const sockaddr* SockaddrOf(const BIO_ADDR* addr) {
  return reinterpret_cast<const sockaddr*>(addr);
}

// The length that goes with the address's family; all of it for a family that is not set.
inline socklen_t SockaddrLength(const BIO_ADDR* addr) {
  switch (SockaddrOf(addr)->sa_family) {
    case AF_INET: return sizeof(sockaddr_in);
    case AF_INET6: return sizeof(sockaddr_in6);
    case AF_UNIX: return sizeof(sockaddr_un);
    default: return kBioAddrBytes;
  }
}

// Room for a BIO_ADDR inside another object. All zero: not set.
union AddrStorage {
  sockaddr sa;
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_un un;
  unsigned char bytes[kBioAddrBytes];

  BIO_ADDR* addr() { return reinterpret_cast<BIO_ADDR*>(this); }
  bool is_set() const { return sa.sa_family != AF_UNSPEC; }
};
static_assert(sizeof(AddrStorage) == kBioAddrBytes);

struct AddrFree {
  void operator()(BIO_ADDR* addr) const { BIO_ADDR_free(addr); }
};
using AddrPtr = std::unique_ptr<BIO_ADDR, AddrFree>;

}  // namespace sockbed

#endif  // SOCKBED_BIO_ADDR_H_
