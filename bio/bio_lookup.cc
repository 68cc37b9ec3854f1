#include "bio/bio_lookup.h"

#include <netdb.h>
#include <openssl/crypto.h>
#include <string.h>

#include <string>

#include "bio/addr.h"
#include "bio/bio_stack.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

bool IsKnownFamily(int family) {
  return family == AF_UNSPEC || family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

addrinfo HintsFor(const char* host, int lookup_type, int family, int socktype, int protocol) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = socktype;
  hints.ai_protocol = protocol;
  if (lookup_type == BIO_LOOKUP_SERVER) hints.ai_flags |= AI_PASSIVE;
  if (host != nullptr && family == AF_UNSPEC) hints.ai_flags |= AI_ADDRCONFIG;
  return hints;
}

// What getaddrinfo or getnameinfo has said, as an entry. (They never say EAI_SYSTEM here.)
void RaiseResolver(int error) {
  if (error == EAI_MEMORY) {
    RaiseBio(ERR_R_MALLOC_FAILURE);
  } else {
    ERR_raise_data(ERR_LIB_BIO, ERR_R_SYS_LIB, "%s", gai_strerror(error));
  }
}

// One of the two names of an address.
char* NameOf(const BIO_ADDR* addr, int numeric, bool wants_host) {
  char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
  const int flags = numeric != 0 ? NI_NUMERICHOST | NI_NUMERICSERV : 0;
  const int error = uapi::getnameinfo(SockaddrOf(addr), SockaddrLength(addr), host, sizeof host,
                                      service, sizeof service, flags);
  if (error != 0) {
    RaiseResolver(error);
    return nullptr;
  }
  return OPENSSL_strdup(wants_host ? host : service);
}

}  // namespace

int BIO_lookup_ex(const char* host, const char* service, int lookup_type, int family, int socktype,
                  int protocol, BIO_ADDRINFO** result) {
  if (!IsKnownFamily(family)) {
    RaiseBio(BIO_R_UNSUPPORTED_PROTOCOL_FAMILY);
    return 0;
  }
  // A path needs no resolver.
  if (family == AF_UNIX) {
    return ::BIO_lookup_ex(host, service, lookup_type, family, socktype, protocol, result);
  }
  addrinfo hints = HintsFor(host, lookup_type, family, socktype, protocol);
  auto** const list = reinterpret_cast<addrinfo**>(result);
  const int error = uapi::getaddrinfo(host, service, &hints, list);
  if (error == 0) return 1;
  if ((hints.ai_flags & AI_ADDRCONFIG) != 0 && error != EAI_MEMORY) {
    hints.ai_flags = (hints.ai_flags & ~AI_ADDRCONFIG) | AI_NUMERICHOST;
    if (uapi::getaddrinfo(host, service, &hints, list) == 0) return 1;
  }
  RaiseResolver(error);
  return 0;
}

int BIO_lookup(const char* host, const char* service, enum BIO_lookup_type lookup_type, int family,
               int socktype, BIO_ADDRINFO** result) {
  return sockbed::BIO_lookup_ex(host, service, lookup_type, family, socktype, 0, result);
}

BIO_ADDR* BIO_ADDR_dup(const BIO_ADDR* addr) {
  BIO_ADDR* const copy = addr != nullptr ? BIO_ADDR_new() : nullptr;
  if (copy != nullptr) memcpy(SockaddrOf(copy), SockaddrOf(addr), kBioAddrBytes);
  return copy;
}

char* BIO_ADDR_hostname_string(const BIO_ADDR* addr, int numeric) {
  return NameOf(addr, numeric, /*wants_host=*/true);
}

char* BIO_ADDR_service_string(const BIO_ADDR* addr, int numeric) {
  return NameOf(addr, numeric, /*wants_host=*/false);
}

}  // namespace sockbed
