// The trace records of the ssl room.
//
// Lives here:  SslRecord, its table, TraceHandshake.
// Called by:   Runtime::Attach (the table), drive.cc.
#ifndef SOCKBED_SSL_SSL_TRACE_H_
#define SOCKBED_SSL_SSL_TRACE_H_

#include <openssl/ssl.h>

#include "kernel/sim/trace.h"

namespace sockbed::ssl {

struct Outcome;

enum class SslRecord : uint8_t { kHandshake, kHandshakeFailed };

void ssl_describe(Trace& trace);

// Records how a handshake ended.
void TraceHandshake(const SSL* ssl, const Outcome& outcome);

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_SSL_TRACE_H_
