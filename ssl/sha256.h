// SHA-256 of what passes by.
//
// Lives here:  Sha256.
// Called by:   programs that compare what arrived with what was sent.
// May touch:   OpenSSL's EVP.
#ifndef SOCKBED_SSL_SHA256_H_
#define SOCKBED_SSL_SHA256_H_

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>

#include "ssl/test_pki.h"

namespace sockbed::ssl {

class Sha256 {
 public:
  Sha256();

  void Update(const void* data, size_t size);
  // 64 hexadecimal digits. Once, at the end.
  std::string Finish();

 private:
  std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX, EVP_MD_CTX_free>> context_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_SHA256_H_
