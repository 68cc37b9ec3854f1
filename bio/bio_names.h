// Host and service as a connect or accept BIO was told them, and their addresses.
//
// Lives here:  HostService, LookUp, AddrListPtr, FamilyNumber.
// Called by:   bss_conn.cc, bss_acpt.cc.
#ifndef SOCKBED_BIO_BIO_NAMES_H_
#define SOCKBED_BIO_BIO_NAMES_H_

#include <openssl/bio.h>

#include <memory>
#include <optional>
#include <string>

namespace sockbed {

struct AddrListFree {
  void operator()(BIO_ADDRINFO* list) const { BIO_ADDRINFO_free(list); }
};
using AddrListPtr = std::unique_ptr<BIO_ADDRINFO, AddrListFree>;

struct HostService {
  std::optional<std::string> host;
  std::optional<std::string> service;

  bool any() const { return host.has_value() || service.has_value(); }
  const char* host_or_null() const { return host ? host->c_str() : nullptr; }
  const char* service_or_null() const { return service ? service->c_str() : nullptr; }
  // For messages.
  const char* host_text() const { return host ? host->c_str() : "<NULL>"; }
  const char* service_text() const { return service ? service->c_str() : "<NULL>"; }

  // Reads "host:service"; what `text` leaves out stays, or goes if it says so ("host:*"). 1, or 0
  // with an entry.
  int Parse(const char* text, BIO_hostserv_priorities priority);
  // Takes both from an address, in figures. False with an entry.
  bool SetAddress(const BIO_ADDR* addr);
  // Leaves the entry "neither is given".
  void RaiseMissing(int reason, const char* format) const;
};

// Looks both up; `family` is BIO_FAMILY_*. False with an entry.
bool LookUp(const HostService& names, BIO_lookup_type type, int family, int socktype,
            AddrListPtr* list);

// 4 or 6: the family of the address in use; `asked` when there is none.
long FamilyNumber(const BIO_ADDRINFO* at, int asked);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BIO_NAMES_H_
