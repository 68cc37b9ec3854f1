// OpenSSL's memory, with a fault point.
//
// Lives here:  CheckAllocator.
// Called by:   Runtime, once per process.
// May touch:   OpenSSL's memory functions; fault point ssl.malloc.
// Context:     any. On a host an allocation may be refused; elsewhere it is malloc's.
// Source:      CRYPTO_set_mem_functions(3): only before the library's first allocation, so that it
//              is done before main.
#ifndef SOCKBED_SSL_ALLOCATOR_H_
#define SOCKBED_SSL_ALLOCATOR_H_

namespace sockbed::ssl {

// Panics unless the library's memory comes from here.
void CheckAllocator();

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_ALLOCATOR_H_
