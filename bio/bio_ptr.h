// A BIO that somebody owns.
//
// Lives here:  BioPtr.
// Called by:   bio/, and tests.
// Owns:        one reference.
#ifndef SOCKBED_BIO_BIO_PTR_H_
#define SOCKBED_BIO_BIO_PTR_H_

#include <openssl/bio.h>

#include <memory>

namespace sockbed {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

}  // namespace sockbed

#endif  // SOCKBED_BIO_BIO_PTR_H_
