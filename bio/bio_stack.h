// Entries that this room leaves on OpenSSL's error stack.
//
// Lives here:  RaiseSystem, RaiseBio.
// Called by:   bio/.
// May touch:   OpenSSL's error stack; errno stays.
#ifndef SOCKBED_BIO_BIO_STACK_H_
#define SOCKBED_BIO_BIO_STACK_H_

#include <errno.h>
#include <openssl/bioerr.h>
#include <openssl/err.h>

namespace sockbed {

// SYS/errno with "calling <call>".
inline void RaiseSystem(const char* call) {
  const int error = errno;
  ERR_raise_data(ERR_LIB_SYS, error, "calling %s", call);
  errno = error;
}

// SYS/errno with "calling <call>(<host>, <service>)".
inline void RaiseSystem(const char* call, const char* host, const char* service) {
  const int error = errno;
  ERR_raise_data(ERR_LIB_SYS, error, "calling %s(%s, %s)", call, host, service);
  errno = error;
}

inline void RaiseBio(int reason) {
  const int error = errno;
  ERR_raise(ERR_LIB_BIO, reason);
  errno = error;
}

}  // namespace sockbed

#endif  // SOCKBED_BIO_BIO_STACK_H_
