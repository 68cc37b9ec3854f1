#include "bio/bio_names.h"

#include <openssl/crypto.h>
#include <sys/socket.h>

#include "bio/bio_lookup.h"
#include "bio/bio_stack.h"

namespace sockbed {
namespace {

struct StringFree {
  void operator()(char* text) const { OPENSSL_free(text); }
};
using StringPtr = std::unique_ptr<char, StringFree>;

}  // namespace

int HostService::Parse(const char* text, BIO_hostserv_priorities priority) {
  // What the text does not speak of is left untouched by the library: tell it from null.
  char untouched;
  char *new_host = &untouched, *new_service = &untouched;
  const int ok = BIO_parse_hostserv(text, &new_host, &new_service, priority);
  const auto take = [&](char* value, std::optional<std::string>* out) {
    if (value == &untouched) return;
    const StringPtr owner(value);
    *out = value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
  host.reset();
  take(new_host, &host);
  take(new_service, &service);
  return ok;
}

bool HostService::SetAddress(const BIO_ADDR* addr) {
  const StringPtr host_text(sockbed::BIO_ADDR_hostname_string(addr, 1));
  const StringPtr service_text(sockbed::BIO_ADDR_service_string(addr, 1));
  if (host_text == nullptr || service_text == nullptr) return false;
  host = host_text.get();
  service = service_text.get();
  return true;
}

void HostService::RaiseMissing(int reason, const char* format) const {
  ERR_raise_data(ERR_LIB_BIO, reason, format, host_text(), service_text());
}

bool LookUp(const HostService& names, BIO_lookup_type type, int family, int socktype,
            AddrListPtr* list) {
  int domain = AF_UNSPEC;
  switch (family) {
    case BIO_FAMILY_IPV4: domain = AF_INET; break;
    case BIO_FAMILY_IPV6: domain = AF_INET6; break;
    case BIO_FAMILY_IPANY: break;
    default: RaiseBio(BIO_R_UNSUPPORTED_IP_FAMILY); return false;
  }
  BIO_ADDRINFO* found = nullptr;
  if (sockbed::BIO_lookup(names.host_or_null(), names.service_or_null(), type, domain, socktype,
                          &found) == 0) {
    return false;
  }
  list->reset(found);
  if (found == nullptr) RaiseBio(BIO_R_LOOKUP_RETURNED_NOTHING);
  return found != nullptr;
}

long FamilyNumber(const BIO_ADDRINFO* at, int asked) {
  if (at == nullptr) return asked;
  return BIO_ADDRINFO_family(at) == AF_INET6 ? BIO_FAMILY_IPV6 : BIO_FAMILY_IPV4;
}

}  // namespace sockbed
