// An SSL_CTX of one host and role, set up so that its handshakes repeat.
//
// Lives here:  Context, ContextOptions, NewSsl.
// Called by:   programs, before their handshakes.
// May touch:   OpenSSL, the host's SslHost.
// Context:     on a host that Runtime::AddHost has prepared; does not sleep.
// Owns:        its SSL_CTX; the SSL objects made from it are their makers'.
// Source:      SSL_CTX_new(3), SSL_CTX_set_keylog_callback(3).
#ifndef SOCKBED_SSL_CONTEXT_H_
#define SOCKBED_SSL_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "ssl/test_pki.h"

namespace sockbed::ssl {

using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;

enum class Role { kClient, kServer };

struct ContextOptions {
  int min_version = TLS1_3_VERSION;
  int max_version = TLS1_3_VERSION;
  bool verify_server = true;  // client: the server's chain must lead to the test CA
  int tickets = 2;            // server: session tickets per full handshake
};

class Context {
 public:
  // A server gets the current host's certificate, a client the test CA to trust.
  explicit Context(Role role, const ContextOptions& options = {});

  SSL_CTX* get() const { return ctx_.get(); }

  // A connection end over `bio` (taken), with its role set; a client asks for and checks
  // `server_name` unless it is empty. Null when out of memory (bio is freed).
  SslPtr NewSsl(BIO* bio, const std::string& server_name = "") const;

 private:
  const Role role_;
  const bool verify_server_;
  SslCtxPtr ctx_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_CONTEXT_H_
