#include "ssl/ssl_trace.h"

#include <openssl/err.h>

#include "kernel/sim/machine.h"
#include "ssl/drive.h"

namespace sockbed::ssl {
namespace {

constexpr EventType kTypes[] = {
    {"TLS", "fd {o} handshake done, {0:@version} {1:@cipher}"},
    {"TLS", "fd {o} handshake failed, SSL_get_error {0}, errno {1:e}, reason {2}"},
};

constexpr ValueName kVersions[] = {
    {TLS1_2_VERSION, "TLSv1.2"},
    {TLS1_3_VERSION, "TLSv1.3"},
    {DTLS1_2_VERSION, "DTLSv1.2"},
};
// By the number that IANA gives them.
constexpr ValueName kCiphers[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256"},        {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},  {0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"},
};
constexpr ValueTable kTables[] = {{"version", kVersions}, {"cipher", kCiphers}};

}  // namespace

void ssl_describe(Trace& trace) { trace.Describe(Room::kSsl, {kTypes, kTables}); }

void TraceHandshake(const SSL* ssl, const Outcome& outcome) {
  const auto fd = static_cast<uint64_t>(SSL_get_fd(ssl));
  if (outcome.ok()) {
    Emit(Room::kSsl, static_cast<uint8_t>(SslRecord::kHandshake), fd,
         static_cast<uint64_t>(SSL_version(ssl)),
         SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
    return;
  }
  Emit(Room::kSsl, static_cast<uint8_t>(SslRecord::kHandshakeFailed), fd,
       static_cast<uint64_t>(outcome.ssl_error), static_cast<uint64_t>(outcome.sys_errno),
       static_cast<uint64_t>(ERR_GET_REASON(outcome.first_error)));
}

}  // namespace sockbed::ssl
