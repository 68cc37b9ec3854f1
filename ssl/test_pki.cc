#include "ssl/test_pki.h"

#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "kernel/sim/time.h"

namespace sockbed::ssl {
namespace {

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION, X509_EXTENSION_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Freer<ASN1_TIME, ASN1_TIME_free>>;

KeyPtr MakeKey() { return KeyPtr(EVP_EC_gen("P-256")); }

bool AddExtension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(cert, extension.get(), -1) == 1;
}

// Dates are written, not computed from a clock: they depend on nothing.
bool SetDates(X509* cert, const IssueOptions& options) {
  return ASN1_TIME_set(X509_getm_notBefore(cert), kBootEpochSeconds + options.valid_from_s) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(cert), kBootEpochSeconds + options.valid_until_s) !=
             nullptr;
}

// A number that no other certificate of the run has, whoever issues when.
bool SetSerial(X509* cert) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1;
}

// An unsigned certificate for `key` with subject CN=name. A null issuer makes it its own.
CertPtr MakeCertificate(EVP_PKEY* key, const std::string& name, X509* issuer,
                        const IssueOptions& options) {
  CertPtr cert(X509_new());
  if (cert == nullptr) return nullptr;
  X509_NAME* const subject = X509_get_subject_name(cert.get());
  const bool made =
      X509_set_version(cert.get(), X509_VERSION_3) == 1 && SetSerial(cert.get()) &&
      SetDates(cert.get(), options) &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(cert.get(),
                           issuer == nullptr ? subject : X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(cert.get(), key) == 1;
  if (!made) cert.reset();
  return cert;
}

// Has the library work out now what it keeps in a certificate once it has been asked, so that no
// host pays for it which merely looks at another's.
bool CacheExtensions(X509* cert) { return X509_check_purpose(cert, -1, 0) == 1; }

bool AddRevoked(X509_CRL* crl, const X509* cert, const ASN1_TIME* when) {
  X509_REVOKED* const revoked = X509_REVOKED_new();
  if (revoked == nullptr) return false;
  auto* const serial = const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(cert));  // copied
  if (X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
      X509_REVOKED_set_revocationDate(revoked, const_cast<ASN1_TIME*>(when)) == 1 &&
      X509_CRL_add0_revoked(crl, revoked) == 1) {
    return true;  // the list's now
  }
  X509_REVOKED_free(revoked);
  return false;
}

}  // namespace

std::unique_ptr<TestCa> TestCa::Make() {
  std::unique_ptr<TestCa> ca(new TestCa);
  ca->self_.key = MakeKey();
  if (ca->self_.key == nullptr) return nullptr;
  ca->self_.cert = MakeCertificate(ca->self_.key.get(), "sockbed test CA", nullptr, {});
  X509* const cert = ca->self_.cert.get();
  const bool made =
      cert != nullptr && AddExtension(cert, cert, NID_basic_constraints, "critical,CA:TRUE") &&
      AddExtension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      AddExtension(cert, cert, NID_subject_key_identifier, "hash") &&
      X509_sign(cert, ca->self_.key.get(), EVP_sha256()) != 0 && CacheExtensions(cert);
  if (!made) ca.reset();
  return ca;
}

std::unique_ptr<Identity> TestCa::Issue(const std::string& name,
                                        const IssueOptions& options) const {
  auto identity = std::make_unique<Identity>();
  identity->key = MakeKey();
  if (identity->key == nullptr) return nullptr;
  X509* const ca = options.self_signed ? nullptr : self_.cert.get();
  identity->cert = MakeCertificate(identity->key.get(), name, ca, options);
  X509* const cert = identity->cert.get();
  X509* const issuer = ca != nullptr ? ca : cert;
  EVP_PKEY* const signer = ca != nullptr ? self_.key.get() : identity->key.get();
  const bool made = cert != nullptr &&
                    AddExtension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                    AddExtension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
                    AddExtension(cert, issuer, NID_subject_alt_name, "DNS:" + name) &&
                    AddExtension(cert, issuer, NID_authority_key_identifier, "keyid") &&
                    X509_sign(cert, signer, EVP_sha256()) != 0 && CacheExtensions(cert);
  if (!made) identity.reset();
  return identity;
}

CrlPtr TestCa::Revoke(std::span<const X509* const> certs) const {
  constexpr IssueOptions kDates;
  CrlPtr crl(X509_CRL_new());
  const TimePtr from(ASN1_TIME_set(nullptr, kBootEpochSeconds + kDates.valid_from_s));
  const TimePtr until(ASN1_TIME_set(nullptr, kBootEpochSeconds + kDates.valid_until_s));
  const bool made =
      crl != nullptr && from != nullptr && until != nullptr &&
      X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(self_.cert.get())) == 1 &&
      X509_CRL_set1_lastUpdate(crl.get(), from.get()) == 1 &&
      X509_CRL_set1_nextUpdate(crl.get(), until.get()) == 1 &&
      std::ranges::all_of(
          certs, [&](const X509* cert) { return AddRevoked(crl.get(), cert, from.get()); }) &&
      X509_CRL_sign(crl.get(), self_.key.get(), EVP_sha256()) != 0;
  if (!made) crl.reset();
  return crl;
}

}  // namespace sockbed::ssl
