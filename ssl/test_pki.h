// A small public key infrastructure made from the seed: one authority, one certificate per host.
//
// Lives here:  TestCa, Identity.
// Called by:   Runtime and Context.
// May touch:   OpenSSL's X509 and EVP; draws from the current host's stream.
// Context:     any host context; does not sleep.
// Owns:        keys and certificates.
// Units:       certificates are valid from a day before boot for ten years of virtual time.
// Source:      RFC 5280; X509_sign(3).
#ifndef SOCKBED_SSL_TEST_PKI_H_
#define SOCKBED_SSL_TEST_PKI_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace sockbed::ssl {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;

// A key (ECDSA P-256) and the certificate that binds it to a name.
struct Identity {
  KeyPtr key;
  CertPtr cert;
};

class TestCa {
 public:
  // Makes the authority's key and self-signed certificate with the current host's stream.
  TestCa();

  // Makes a key and a certificate for `name` (DNS), signed by this authority. All chance comes from
  // the current host's stream, so that hosts do not disturb each other.
  std::unique_ptr<Identity> Issue(const std::string& name) const;

  X509* cert() const { return self_.cert.get(); }

 private:
  Identity self_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_TEST_PKI_H_
