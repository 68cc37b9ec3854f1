// An SSL_CTX of one host and role, set up so that its handshakes repeat.
//
// Lives here:  Context, ContextOptions.
// Called by:   programs, before their handshakes.
// May touch:   OpenSSL, the host's SslHost; fault point ssl.verify.
// Context:     on a host that Runtime::AddHost has prepared; does not sleep.
// Owns:        its SSL_CTX; the SSL objects made from it are their makers'.
// Source:      SSL_CTX_new(3), SSL_CTX_set_verify(3), SSL_CTX_set_cookie_generate_cb(3),
//              SSL_CTX_set_keylog_callback(3). What is not asked for in the options is set with
//              the library's own calls on get().
// Differs:     SSL_MODE_ASYNC must not be set: its jobs are per OS thread.
#ifndef SOCKBED_SSL_CONTEXT_H_
#define SOCKBED_SSL_CONTEXT_H_

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "bio/addr.h"
#include "ssl/served_peers.h"
#include "ssl/test_pki.h"

namespace sockbed::ssl {

using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION, SSL_SESSION_free>>;

enum class Role { kClient, kServer };

// What a server wants of its clients' certificates.
enum class ClientCert { kNotAsked, kAsked, kRequired };

struct ContextOptions {
  bool datagram = false;  // DTLS 1.2; the two versions do not count then
  int min_version = TLS1_3_VERSION;
  int max_version = TLS1_3_VERSION;
  bool verify_server = true;  // client: the server's chain must lead to the test CA
  int tickets = 2;            // server: session tickets per full TLS 1.3 handshake
  ClientCert client_cert = ClientCert::kNotAsked;  // server
  bool present_cert = false;           // client: shows its host's certificate when asked
  const Identity* identity = nullptr;  // instead of the host's own; borrowed while making
  X509_CRL* crl = nullptr;             // whom not to believe; borrowed while making
  bool cookies = false;                // DTLS server: asks each client for a cookie first
  uint32_t early_data_bytes = 0;       // server: how much 0-RTT data it takes
};

class Context {
 public:
  // A server gets the current host's certificate, a client the test CA to trust. Not ok(), with
  // entries, when out of memory or of random bytes.
  explicit Context(Role role, const ContextOptions& options = {});
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  bool ok() const { return ctx_ != nullptr; }
  SSL_CTX* get() const { return ctx_.get(); }

  // A connection end over `bio` (taken), with its role set; a client asks for and checks
  // `server_name` unless it is empty. Null when out of memory (bio is freed).
  SslPtr NewSsl(BIO* bio, const std::string& server_name = "") const;

  // `peer` has shown its cookie to the listening socket `fd` and has its association now: that
  // cookie is good no more.
  void SpendCookie(int fd, const AddrStorage& peer) const { served_.Add(fd, peer); }

 private:
  static int MakeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length);
  static int CheckCookie(SSL* ssl, const unsigned char* cookie, unsigned int length);

  bool SetUp(const ContextOptions& options);
  bool SetIdentity(const Identity* identity);
  bool TrustCa(X509_CRL* crl);
  bool SetServer(const ContextOptions& options);

  const Role role_;
  const bool verify_server_;
  SslCtxPtr ctx_;
  std::array<unsigned char, 16> cookie_key_{};
  mutable ServedPeers served_;  // cookies are all that a context's user changes in it
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_SSL_CONTEXT_H_
