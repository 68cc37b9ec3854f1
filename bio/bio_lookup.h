// Names and addresses for BIOs: BIO_lookup_ex and BIO_ADDR_hostname_string over the simulated
// resolver.
//
// Lives here:  BIO_lookup, BIO_lookup_ex, BIO_ADDR_dup, BIO_ADDR_hostname_string,
//              BIO_ADDR_service_string.
// Called by:   connect and accept BIOs; programs.
// May touch:   uapi (getaddrinfo, getnameinfo).
// Context:     a simulated process.
// Owns:        nothing. A list is its caller's, who frees it with the library's BIO_ADDRINFO_free;
//              strings with OPENSSL_free.
// Source:      OpenSSL 3.0 BIO_ADDR(3), BIO_ADDRINFO(3), crypto/bio/bio_addr.c. Whatever asks no
//              resolver (BIO_ADDR_new, BIO_ADDRINFO_next, BIO_parse_hostserv ...) is the library's.
#ifndef SOCKBED_BIO_BIO_LOOKUP_H_
#define SOCKBED_BIO_BIO_LOOKUP_H_

#include <openssl/bio.h>

namespace sockbed {

// Stores the addresses of host and service (either may be null) at *result. A numeric host that the
// flags would hide is tried once more as such. AF_UNIX: `host` is the path. Returns 1, or 0 with
// BIO/ERR_R_SYS_LIB and gai_strerror's text, BIO_R_UNSUPPORTED_PROTOCOL_FAMILY, or
// ERR_R_MALLOC_FAILURE.
int BIO_lookup_ex(const char* host, const char* service, int lookup_type, int family, int socktype,
                  int protocol, BIO_ADDRINFO** result);
int BIO_lookup(const char* host, const char* service, enum BIO_lookup_type lookup_type, int family,
               int socktype, BIO_ADDRINFO** result);

// A copy of an address, or null: of null, or out of memory. As OpenSSL 3.2 has it.
BIO_ADDR* BIO_ADDR_dup(const BIO_ADDR* addr);

// A new string, in figures or as a name; null with an entry.
char* BIO_ADDR_hostname_string(const BIO_ADDR* addr, int numeric);
char* BIO_ADDR_service_string(const BIO_ADDR* addr, int numeric);

}  // namespace sockbed

#endif  // SOCKBED_BIO_BIO_LOOKUP_H_
