#include "ssl/context.h"

#include <openssl/x509_vfy.h>

#include "kernel/sim/kassert.h"
#include "ssl/runtime.h"

namespace sockbed::ssl {
namespace {

void LogKey(const SSL* /*ssl*/, const char* line) {
  HostLocal<SslHost>::Get().runtime->key_log().Add(line);
}

const Identity& IdentityOfHost(SslHost& here) {
  if (here.identity == nullptr) here.identity = here.runtime->ca().Issue(Here().host->name);
  return *here.identity;
}

}  // namespace

Context::Context(Role role, const ContextOptions& options)
    : role_(role),
      verify_server_(options.verify_server),
      ctx_(SSL_CTX_new(role == Role::kServer ? TLS_server_method() : TLS_client_method())) {
  KASSERT(ctx_ != nullptr);
  SslHost& here = HostLocal<SslHost>::Get();
  SSL_CTX* ctx = ctx_.get();
  KASSERT(SSL_CTX_set_min_proto_version(ctx, options.min_version) == 1);
  KASSERT(SSL_CTX_set_max_proto_version(ctx, options.max_version) == 1);
  SSL_CTX_set_keylog_callback(ctx, LogKey);
  if (role == Role::kServer) {
    const Identity& identity = IdentityOfHost(here);
    KASSERT(SSL_CTX_use_certificate(ctx, identity.cert.get()) == 1);
    KASSERT(SSL_CTX_use_PrivateKey(ctx, identity.key.get()) == 1);
    KASSERT(SSL_CTX_set_num_tickets(ctx, static_cast<size_t>(options.tickets)) == 1);
  } else if (options.verify_server) {
    KASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), here.runtime->ca().cert()) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  }
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
    KASSERT(SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) == 1);
    if (verify_server_) KASSERT(SSL_set1_host(ssl.get(), server_name.c_str()) == 1);
  }
  return ssl;
}

}  // namespace sockbed::ssl
