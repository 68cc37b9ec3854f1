#include "tools/tls_steps.h"

#include "uapi/uapi.h"

namespace sockbed::tools {

bool Succeeded(const char* step, const ssl::Outcome& outcome) {
  if (outcome.ok()) return true;
  uapi::Print("%s failed: %s\n", step, outcome.ToString().c_str());
  return false;
}

bool ShakeHands(SSL* ssl, SimTime patience) {
  if (!Succeeded("handshake", ssl::Handshake(ssl, patience))) return false;
  uapi::Print("handshake done: %s, %s%s\n", SSL_get_version(ssl), SSL_get_cipher_name(ssl),
              SSL_session_reused(ssl) == 1 ? ", resumed" : "");
  return true;
}

}  // namespace sockbed::tools
