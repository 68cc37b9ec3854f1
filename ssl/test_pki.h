// A small public key infrastructure made from the seed: one authority, one certificate per host.
//
// Lives here:  TestCa, Identity, IssueOptions.
// Called by:   Runtime and Context; tests that want certificates that are wrong in some way.
// May touch:   OpenSSL's X509 and EVP; draws from the current host's stream.
// Context:     any host context; does not sleep.
// Owns:        keys and certificates.
// Units:       seconds of wall clock time since boot; certificates are valid from a day before boot
//              for ten years, unless asked for otherwise.
// Source:      RFC 5280; X509_sign(3), X509_CRL_sign(3).
#ifndef SOCKBED_SSL_TEST_PKI_H_
#define SOCKBED_SSL_TEST_PKI_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace sockbed::ssl {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, Freer<X509_CRL, X509_CRL_free>>;

// A key (ECDSA P-256) and the certificate that binds it to a name.
struct Identity {
  KeyPtr key;
  CertPtr cert;
};

struct IssueOptions {
  static constexpr int64_t kDay = 24 * 60 * 60;

  int64_t valid_from_s = -kDay;
  int64_t valid_until_s = 3650 * kDay;  // the past: it has expired; soon: it will, during the run
  bool self_signed = false;             // by its own key: no authority vouches for it
};

class TestCa {
 public:
  // Makes the authority's key and self-signed certificate with the current host's stream; null when
  // out of memory or of random bytes (ssl.malloc, ssl.rand), with entries.
  static std::unique_ptr<TestCa> Make();

  // Makes a key and a certificate for `name` (DNS), signed by this authority unless asked for
  // otherwise. All chance comes from the current host's stream, so that hosts do not disturb each
  // other. Null as above.
  std::unique_ptr<Identity> Issue(const std::string& name, const IssueOptions& options = {}) const;

  // The list of these certificates as revoked, signed by this authority. Null as above.
  CrlPtr Revoke(std::span<const X509* const> certs) const;

  X509* cert() const { return self_.cert.get(); }

 private:
  TestCa() = default;

  Identity self_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_TEST_PKI_H_
