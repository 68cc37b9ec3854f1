#include "ssl/test_pki.h"

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "kernel/sim/kassert.h"
#include "kernel/sim/time.h"

namespace sockbed::ssl {
namespace {

constexpr int64_t kDay = 24 * 60 * 60;
constexpr int64_t kLifetime = 3650 * kDay;

KeyPtr MakeKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  KASSERT(key != nullptr);
  return key;
}

void AddExtension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  KASSERT(extension != nullptr);
  KASSERT(X509_add_ext(cert, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// An unsigned certificate for `key` with subject CN=name. A null issuer makes it its own.
CertPtr MakeCertificate(EVP_PKEY* key, const std::string& name, X509* issuer, long serial) {
  CertPtr cert(X509_new());
  KASSERT(cert != nullptr);
  X509_set_version(cert.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), serial);
  // Dates are written, not computed from a clock: they depend on nothing.
  ASN1_TIME_set(X509_getm_notBefore(cert.get()), kBootEpochSeconds - kDay);
  ASN1_TIME_set(X509_getm_notAfter(cert.get()), kBootEpochSeconds + kLifetime);
  X509_NAME* subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
  X509_set_issuer_name(cert.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer));
  X509_set_pubkey(cert.get(), key);
  return cert;
}

}  // namespace

TestCa::TestCa() {
  self_.key = MakeKey();
  self_.cert = MakeCertificate(self_.key.get(), "sockbed test CA", nullptr, 1);
  X509* cert = self_.cert.get();
  AddExtension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(cert, cert, NID_subject_key_identifier, "hash");
  KASSERT(X509_sign(cert, self_.key.get(), EVP_sha256()) != 0);
}

std::unique_ptr<Identity> TestCa::Issue(const std::string& name) const {
  auto identity = std::make_unique<Identity>();
  identity->key = MakeKey();
  identity->cert = MakeCertificate(identity->key.get(), name, self_.cert.get(), 2);
  X509* cert = identity->cert.get();
  AddExtension(cert, self_.cert.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(cert, self_.cert.get(), NID_key_usage, "critical,digitalSignature");
  AddExtension(cert, self_.cert.get(), NID_subject_alt_name, "DNS:" + name);
  AddExtension(cert, self_.cert.get(), NID_authority_key_identifier, "keyid");
  KASSERT(X509_sign(cert, self_.key.get(), EVP_sha256()) != 0);
  return identity;
}

}  // namespace sockbed::ssl
