#include "ssl/sha256.h"

#include "kernel/sim/kassert.h"

namespace sockbed::ssl {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  KASSERT(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::Update(const void* data, size_t size) {
  KASSERT(EVP_DigestUpdate(context_.get(), data, size) == 1);
}

std::string Sha256::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  KASSERT(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text.push_back("0123456789abcdef"[digest[i] >> 4]);
    text.push_back("0123456789abcdef"[digest[i] & 15]);
  }
  return text;
}

}  // namespace sockbed::ssl
