#include "ssl/runtime.h"

#include <openssl/ssl.h>

#include "bio/bss_sock.h"
#include "kernel/sim/kassert.h"
#include "ssl/allocator.h"
#include "ssl/context.h"
#include "ssl/random_method.h"
#include "ssl/ssl_trace.h"

namespace sockbed::ssl {
namespace {

// Moves what each end has written to the other until both handshakes are done.
void HandshakeInMemory(SSL* client, SSL* server) {
  for (int round = 0; round < 10; ++round) {
    const int client_done = SSL_do_handshake(client);
    const int server_done = SSL_do_handshake(server);
    if (client_done == 1 && server_done == 1) return;
  }
  KPANIC("the warm-up handshake does not end");
}

// One connection through a pair, with `session` if there is one; the session that it leaves.
SessionPtr ConnectInMemory(SSL_CTX* client_ctx, SSL_CTX* server_ctx, SSL_SESSION* session) {
  const SslPtr server(SSL_new(server_ctx)), client(SSL_new(client_ctx));
  BIO* client_end = nullptr;
  BIO* server_end = nullptr;
  KASSERT(BIO_new_bio_pair(&client_end, 0, &server_end, 0) == 1);
  SSL_set_bio(client.get(), client_end, client_end);
  SSL_set_bio(server.get(), server_end, server_end);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  KASSERT(SSL_set_session(client.get(), session) == 1);
  HandshakeInMemory(client.get(), server.get());
  KASSERT(SSL_session_reused(client.get()) == (session != nullptr));
  char byte;
  (void)SSL_peek(client.get(), &byte, 1);  // takes the tickets; there is no data
  // As after goodbyes, without which the session would be distrusted.
  SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_set_shutdown(server.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  return SessionPtr(SSL_get1_session(client.get()));
}

// Throw-away handshakes on a machine of their own, a full and a resumed one: they fetch every
// algorithm that a connection uses.
void WarmUp(int version) {
  Machine machine(Machine::Options{});
  MachineScope scope(machine);
  HostBase host(1, "warmup");
  HostLocal<SslHost>::Make(host, nullptr, machine.seed(), HostId{1});
  HostScope on_host(host);
  const std::unique_ptr<TestCa> ca = TestCa::Make();
  KASSERT(ca != nullptr);
  const std::unique_ptr<Identity> identity = ca->Issue("warmup");
  KASSERT(identity != nullptr);
  SslCtxPtr server_ctx(SSL_CTX_new(TLS_server_method()));
  SslCtxPtr client_ctx(SSL_CTX_new(TLS_client_method()));
  KASSERT(SSL_CTX_use_certificate(server_ctx.get(), identity->cert.get()) == 1);
  KASSERT(SSL_CTX_use_PrivateKey(server_ctx.get(), identity->key.get()) == 1);
  KASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx.get()), ca->cert()) == 1);
  KASSERT(SSL_CTX_set_max_proto_version(client_ctx.get(), version) == 1);
  const SessionPtr session = ConnectInMemory(client_ctx.get(), server_ctx.get(), nullptr);
  (void)ConnectInMemory(client_ctx.get(), server_ctx.get(), session.get());
  ERR_clear_error();
}

bool PrepareLibrary() {
  CheckAllocator();
  KASSERT(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr) == 1);
  InstallRandomMethod();
  (void)sockbed::BIO_s_socket();  // all methods are made when the first is asked for
  WarmUp(TLS1_3_VERSION);
  WarmUp(TLS1_2_VERSION);
  return true;
}

}  // namespace

SslHost::SslHost(Runtime* runtime_in, uint64_t seed, HostId host)
    : runtime(runtime_in), draws(seed, Site::kOpenssl, host, 0) {}

Runtime::Runtime() {
  static const bool prepared = PrepareLibrary();
  KASSERT(prepared);
}

Runtime::~Runtime() = default;

void Runtime::Attach(Machine& machine) {
  machine.AddSwitchHook(&err_swap_);
  ssl_describe(machine.trace());
  seed_ = machine.seed();
  ca_host_ = std::make_unique<HostBase>(HostId{0}, "ca");
  AddHost(*ca_host_);
  // Made here, where nothing can be out of memory: the faults of a run strike its hosts.
  MachineScope scope(machine);
  HostScope on_host(*ca_host_);
  ca_ = TestCa::Make();
  KASSERT(ca_ != nullptr);
}

void Runtime::AddHost(HostBase& host) {
  SslHost& here = HostLocal<SslHost>::Make(host, this, seed_, host.id);
  memory_.Watch(&here.live);
  host.live_counts.push_back({"allocation of OpenSSL", &here.live});
}

const TestCa& Runtime::ca() {
  KASSERT(ca_ != nullptr);
  return *ca_;
}

}  // namespace sockbed::ssl
