// OpenSSL's random source: the current host's stream.
//
// Lives here:  InstallRandomMethod.
// Called by:   Runtime, once per process, before anything draws.
// May touch:   OpenSSL's global RAND_METHOD; fault point ssl.rand.
// Context:     any; the callback serves whoever draws, on whatever host that is.
// Source:      RAND_set_rand_method(3): it serves every library context and leaves no DRBG to seed.
#ifndef SOCKBED_SSL_RANDOM_METHOD_H_
#define SOCKBED_SSL_RANDOM_METHOD_H_

namespace sockbed::ssl {

void InstallRandomMethod();

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_RANDOM_METHOD_H_
