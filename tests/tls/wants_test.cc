// What an operation may want instead of an answer: each code of SSL_get_error(3) that says "call
// again", with a run that gives it, and the call again.
#include <openssl/ssl.h>

#include "bio/bss_acpt.h"
#include "bio/bss_bio.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

// Whether the BIOs are this project's or OpenSSL's own.
class Wants : public TlsHosts, public testing::WithParamInterface<bool> {
 protected:
  Wants() {
    if (GetParam()) return;
    UseOpensslsBios();
    new_pair_ = ::BIO_new_bio_pair;
    new_accept_ = ::BIO_new_accept;
  }

  template <typename Operation>
  static Outcome Try(SSL* ssl, Operation operation) {
    ERR_clear_error();
    return TakeOutcome(ssl, operation(ssl));
  }

  static void Converse(SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_TRUE(Shutdown(ssl).ok());
  }

  int (*new_pair_)(BIO** a, size_t a_bytes, BIO** b, size_t b_bytes) = sockbed::BIO_new_bio_pair;
  BIO* (*new_accept_)(const char* name) = sockbed::BIO_new_accept;
};

// What a callback is to say: "later" as often as this.
struct Patience {
  int later;
  const Identity* identity = nullptr;

  bool IsLater() { return later-- > 0; }
};

Patience* PatienceOf(SSL* ssl) { return static_cast<Patience*>(SSL_get_app_data(ssl)); }

TEST_P(Wants, ToWriteWhileThePairIsFull) {
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    BIO *internal = nullptr, *network = nullptr;
    ASSERT_EQ(new_pair_(&internal, 100, &network, 100), 1);
    const SslPtr ssl = context.NewSsl(internal, "server");
    char part[200];
    int written = 0;
    // The hello is longer than the pair: each time it takes what has become free.
    for (Outcome outcome = Try(ssl.get(), SSL_connect); outcome.ssl_error == SSL_ERROR_WANT_WRITE;
         outcome = Try(ssl.get(), SSL_connect)) {
      EXPECT_EQ(outcome.ret, -1);
      EXPECT_EQ(outcome.first_error, 0u);
      EXPECT_EQ(SSL_want(ssl.get()), SSL_WRITING);
      EXPECT_EQ(Try(ssl.get(), SSL_connect).ssl_error, SSL_ERROR_WANT_WRITE) << "nothing is free";
      const int n = BIO_read(network, part, sizeof part);
      EXPECT_EQ(n, 100);
      written += n;
    }
    EXPECT_GE(written, 200);
    EXPECT_EQ(Try(ssl.get(), SSL_connect).ssl_error, SSL_ERROR_WANT_READ);
    BIO_free(network);
  });
  Run();
}

TEST_P(Wants, AClientCertificateThatIsBeingLookedFor) {
  server_options_.client_cert = ClientCert::kRequired;
  Serve(Converse);
  client_.Spawn("client", [this] {
    const std::unique_ptr<Identity> identity = tls_.ca().Issue("client");
    Patience patience{2, identity.get()};
    const Context context(Role::kClient, client_options_);
    SSL_CTX_set_client_cert_cb(context.get(), [](SSL* ssl, X509** cert, EVP_PKEY** key) -> int {
      Patience* const self = PatienceOf(ssl);
      if (self->IsLater()) return -1;
      X509_up_ref(*cert = self->identity->cert.get());
      EVP_PKEY_up_ref(*key = self->identity->key.get());
      return 1;
    });
    const SslPtr ssl = context.NewSsl(new_socket_(Dial(), BIO_CLOSE), "server");
    SSL_set_app_data(ssl.get(), &patience);
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_X509_LOOKUP);
    EXPECT_EQ(SSL_want(ssl.get()), SSL_X509_LOOKUP);
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_X509_LOOKUP);
    Converse(ssl.get());
  });
  Run();
}

TEST_P(Wants, AConnectionThatIsUnderWay) {
  Serve(Converse);
  client_.Spawn("client", [this] {
    begin_();
    const Context context(Role::kClient, client_options_);
    BIO* const bio = new_connect_("server:4433");
    EXPECT_EQ(BIO_set_nbio(bio, 1), 1);
    const SslPtr ssl = context.NewSsl(bio, "server");
    const Outcome outcome = Try(ssl.get(), SSL_connect);
    EXPECT_EQ(outcome.ret, -1);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_WANT_CONNECT);
    EXPECT_EQ(outcome.first_error, 0u);
    EXPECT_LT(Milliseconds(), 20) << "it did not wait";
    Converse(ssl.get());
  });
  Run();
}

TEST_P(Wants, AConnectionThatNobodyHasMadeYet) {
  server_.Spawn("server", [this] {
    begin_();
    const Context context(Role::kServer, server_options_);
    BIO* const bio = new_accept_("4433");
    EXPECT_EQ(BIO_set_nbio_accept(bio, 1), 1);
    EXPECT_EQ(BIO_do_accept(bio), 1);  // listens
    const SslPtr ssl = context.NewSsl(bio);
    EXPECT_EQ(Try(ssl.get(), SSL_accept).ssl_error, SSL_ERROR_WANT_ACCEPT);
    EXPECT_EQ(BIO_get_retry_reason(bio), BIO_RR_ACCEPT);
    Converse(ssl.get());  // waits for it
  });
  client_.Spawn("client", [this] {
    uapi::usleep(100'000);
    const Context context(Role::kClient, client_options_);
    Converse(context.NewSsl(new_socket_(Dial(), BIO_CLOSE), "server").get());
  });
  Run();
}

TEST_P(Wants, TheServersOwnThoughtAboutAHello) {
  server_.Spawn("server", [this] {
    begin_();
    Patience patience{1};
    const Context context(Role::kServer, server_options_);
    SSL_CTX_set_client_hello_cb(
        context.get(),
        [](SSL* ssl, int* /*alert*/, void* /*unused*/) -> int {
          return PatienceOf(ssl)->IsLater() ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
        },
        nullptr);
    const SslPtr ssl = context.NewSsl(new_socket_(AcceptOne(), BIO_CLOSE));
    SSL_set_app_data(ssl.get(), &patience);
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_CLIENT_HELLO_CB);
    EXPECT_EQ(SSL_want(ssl.get()), SSL_CLIENT_HELLO_CB);
    Converse(ssl.get());
  });
  Ask(Converse);
  Run();
}

TEST_P(Wants, AVerdictThatIsNotThereYet) {
  Serve(Converse);
  client_.Spawn("client", [this] {
    begin_();
    Patience patience{2};
    const Context context(Role::kClient, client_options_);
    SSL_CTX_set_cert_verify_callback(
        context.get(),
        [](X509_STORE_CTX* store, void* /*unused*/) -> int {
          auto* const ssl = static_cast<SSL*>(
              X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
          return PatienceOf(ssl)->IsLater() ? SSL_set_retry_verify(ssl) : X509_verify_cert(store);
        },
        nullptr);
    const SslPtr ssl = context.NewSsl(new_socket_(Dial(), BIO_CLOSE), "server");
    SSL_set_app_data(ssl.get(), &patience);
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_RETRY_VERIFY);
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_RETRY_VERIFY);
    Converse(ssl.get());
  });
  Run();
}

INSTANTIATE_TEST_SUITE_P(Bios, Wants, testing::Bool(),
                         [](const auto& ours) { return ours.param ? "Ours" : "Openssls"; });

}  // namespace
}  // namespace sockbed::ssl
