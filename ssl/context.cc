#include "ssl/context.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>

#include <cstring>

#include "bio/addr.h"
#include "kernel/sim/fault.h"
#include "ssl/runtime.h"

namespace sockbed::ssl {
namespace {

constexpr unsigned char kSessionContext[] = "sockbed";
constexpr unsigned int kCookieBytes = 32;

void LogKey(const SSL* /*ssl*/, const char* line) {
  HostLocal<SslHost>::Get().runtime->key_log().Add(line);
}

// Checks a peer's chain as the library does. The fault: it cannot be checked, whatever it says.
int VerifyChain(X509_STORE_CTX* store, void* /*unused*/) {
  if (!fault::Fires(Site::kSslVerify)) return X509_verify_cert(store);
  X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
  return 0;
}

const SSL_METHOD* MethodOf(Role role, bool datagram) {
  if (datagram) return role == Role::kServer ? DTLS_server_method() : DTLS_client_method();
  return role == Role::kServer ? TLS_server_method() : TLS_client_method();
}

// The current host's own certificate, made when first asked for. Null with entries.
const Identity* OwnIdentity() {
  SslHost& here = HostLocal<SslHost>::Get();
  if (here.identity != nullptr) return here.identity.get();
  here.counts = false;  // it stays as long as the host
  here.identity = here.runtime->ca().Issue(Here().host->name);
  here.counts = true;
  return here.identity.get();
}

}  // namespace

Context::Context(Role role, const ContextOptions& options)
    : role_(role),
      verify_server_(options.verify_server),
      ctx_(SSL_CTX_new(MethodOf(role, options.datagram))) {
  if (ctx_ != nullptr && !SetUp(options)) ctx_.reset();
}

bool Context::SetUp(const ContextOptions& options) {
  SSL_CTX* const ctx = ctx_.get();
  const bool dtls = options.datagram;
  if (SSL_CTX_set_min_proto_version(ctx, dtls ? DTLS1_2_VERSION : options.min_version) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, dtls ? DTLS1_2_VERSION : options.max_version) != 1) {
    return false;
  }
  if (SSL_CTX_set_app_data(ctx, this) != 1) return false;
  SSL_CTX_set_keylog_callback(ctx, LogKey);
  SSL_CTX_set_cert_verify_callback(ctx, VerifyChain, nullptr);
  if (role_ == Role::kServer) return SetServer(options);
  if (options.present_cert && !SetIdentity(options.identity)) return false;
  if (!options.verify_server) return true;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  return TrustCa(options.crl);
}

bool Context::SetServer(const ContextOptions& options) {
  SSL_CTX* const ctx = ctx_.get();
  if (!SetIdentity(options.identity)) return false;
  if (SSL_CTX_set_num_tickets(ctx, static_cast<size_t>(options.tickets)) != 1 ||
      SSL_CTX_set_max_early_data(ctx, options.early_data_bytes) != 1 ||
      SSL_CTX_set_session_id_context(ctx, kSessionContext, sizeof kSessionContext) != 1) {
    return false;
  }
  if (options.cookies) {
    SSL_CTX_set_options(ctx, SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(ctx, MakeCookie);
    SSL_CTX_set_cookie_verify_cb(ctx, CheckCookie);
    if (RAND_bytes(cookie_key_.data(), cookie_key_.size()) != 1) return false;
  }
  if (options.client_cert == ClientCert::kNotAsked) return true;
  const int must =
      options.client_cert == ClientCert::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | must, nullptr);
  return TrustCa(options.crl);
}

bool Context::SetIdentity(const Identity* identity) {
  if (identity == nullptr) identity = OwnIdentity();
  return identity != nullptr && SSL_CTX_use_certificate(ctx_.get(), identity->cert.get()) == 1 &&
         SSL_CTX_use_PrivateKey(ctx_.get(), identity->key.get()) == 1;
}

bool Context::TrustCa(X509_CRL* crl) {
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx_.get());
  if (X509_STORE_add_cert(store, HostLocal<SslHost>::Get().runtime->ca().cert()) != 1) return false;
  if (crl == nullptr) return true;
  return X509_STORE_add_crl(store, crl) == 1 &&
         X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
}

SslPtr Context::NewSsl(BIO* bio, const std::string& server_name) const {
  SslPtr ssl(SSL_new(ctx_.get()));
  if (ssl == nullptr) {
    BIO_free_all(bio);
    return nullptr;
  }
  SSL_set_bio(ssl.get(), bio, bio);
  if (role_ == Role::kServer) {
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  SSL_set_connect_state(ssl.get());
  if (!server_name.empty()) {
    if (SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) != 1) return nullptr;
    if (verify_server_ && SSL_set1_host(ssl.get(), server_name.c_str()) != 1) return nullptr;
  }
  return ssl;
}

// The address that the datagram came from, authenticated: only who receives there can repeat it.
// Beside it the number of that peer's last association: it is good for the next alone.
int Context::MakeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length) {
  const auto* const self = static_cast<const Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  struct {
    AddrStorage peer;
    uint64_t last;
  } what{};
  (void)BIO_dgram_get_peer(SSL_get_rbio(ssl), what.peer.addr());  // zero: nobody's cookie
  static_assert(sizeof what == sizeof what.peer + sizeof what.last, "all of it is set");
  what.last = self->served_.LastOf(SSL_get_rfd(ssl), what.peer);
  return HMAC(EVP_sha256(), self->cookie_key_.data(), static_cast<int>(self->cookie_key_.size()),
              reinterpret_cast<const unsigned char*>(&what), sizeof what, cookie,
              length) != nullptr;
}

int Context::CheckCookie(SSL* ssl, const unsigned char* cookie, unsigned int length) {
  unsigned char expected[EVP_MAX_MD_SIZE];
  unsigned int expected_length = 0;
  return MakeCookie(ssl, expected, &expected_length) == 1 && expected_length == kCookieBytes &&
         length == expected_length && CRYPTO_memcmp(cookie, expected, length) == 0;
}

}  // namespace sockbed::ssl
