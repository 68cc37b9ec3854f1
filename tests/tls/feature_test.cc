// What TLS can do besides encrypting: certificates of clients, ALPN, SNI, key update, goodbyes.
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class TlsFeature : public TlsHosts, public testing::WithParamInterface<int> {
 protected:
  TlsFeature() { UseVersion(GetParam()); }

  static bool IsTls13() { return GetParam() == TLS1_3_VERSION; }
};

TEST_P(TlsFeature, AClientShowsItsCertificate) {
  server_options_.client_cert = ClientCert::kRequired;
  client_options_.present_cert = true;
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    const CertPtr peer(SSL_get1_peer_certificate(ssl));
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(X509_check_host(peer.get(), "client", 0, 0, nullptr), 1);
    WriteText(ssl, "hi");
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "hi");
  });
  Run();
}

// A TLS 1.3 client is done before the server has looked: it hears of it when it reads.
TEST_P(TlsFeature, AClientWithoutACertificateIsRefused) {
  server_options_.client_cert = ClientCert::kRequired;
  Serve([](SSL* ssl) {
    EXPECT_EQ(Handshake(ssl).reason(), SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
  });
  Ask([](SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    char byte;
    const int reason = IsTls13() ? Read(ssl, &byte, 1).reason() : outcome.reason();
    EXPECT_EQ(outcome.ok(), IsTls13());
    EXPECT_EQ(reason, IsTls13() ? SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED
                                : SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
  });
  Run();
}

TEST_P(TlsFeature, AClientThatVouchesForItselfIsRefused) {
  server_options_.client_cert = ClientCert::kRequired;
  Serve([](SSL* ssl) {
    EXPECT_EQ(Handshake(ssl).reason(), SSL_R_CERTIFICATE_VERIFY_FAILED);
    EXPECT_EQ(SSL_get_verify_result(ssl), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  });
  client_.Spawn("client", [this] {
    const std::unique_ptr<Identity> own = tls_.ca().Issue("client", {.self_signed = true});
    client_options_.present_cert = true;
    client_options_.identity = own.get();
    const Context context(Role::kClient, client_options_);
    const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
    const Outcome outcome = Handshake(ssl.get());
    EXPECT_EQ(outcome.ok(), IsTls13()) << outcome.ToString();
    char byte;
    const int reason = IsTls13() ? Read(ssl.get(), &byte, 1).reason() : outcome.reason();
    EXPECT_EQ(reason, SSL_R_TLSV1_ALERT_UNKNOWN_CA);
  });
  Run();
}

class LaterAuth : public TlsFeature {
 protected:
  // A server that asks for a certificate once it has heard what the client wants; what the asking
  // comes to.
  void ServeAsking(std::function<void(SSL* ssl, Outcome asked)> then) {
    set_up_server_ = [this](SSL_CTX* ctx) {
      EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), tls_.ca().cert()), 1);
    };
    ServeEach(1, [then](int, SSL* ssl) {
      ExpectHandshake(ssl);
      EXPECT_EQ(ReadText(ssl), "the secret, please");
      SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      ERR_clear_error();
      then(ssl, TakeOutcome(ssl, SSL_verify_client_post_handshake(ssl)));
      ERR_clear_error();
    });
  }
};

// RFC 8446 4.6.2: in TLS 1.3 alone, and of clients that have offered it.
TEST_P(LaterAuth, ACertificateMayBeAskedForLater) {
  client_options_.present_cert = true;
  ServeAsking([](SSL* ssl, const Outcome& asked) {
    EXPECT_EQ(asked.ret, IsTls13() ? 1 : 0);
    if (!IsTls13()) {
      EXPECT_EQ(asked.reason(), SSL_R_WRONG_SSL_VERSION);
      return WriteText(ssl, "who are you?");
    }
    EXPECT_EQ(SSL_do_handshake(ssl), 1);  // the request leaves
    WriteText(ssl, "who are you?");
    EXPECT_EQ(SSL_get0_peer_certificate(ssl), nullptr);
    EXPECT_EQ(ReadText(ssl), "me");  // and the certificate before it
    ASSERT_NE(SSL_get0_peer_certificate(ssl), nullptr);
    EXPECT_EQ(X509_check_host(SSL_get0_peer_certificate(ssl), "client", 0, 0, nullptr), 1);
  });
  Ask([](SSL* ssl) {
    SSL_set_post_handshake_auth(ssl, 1);
    ExpectHandshake(ssl);
    WriteText(ssl, "the secret, please");
    EXPECT_EQ(ReadText(ssl), "who are you?");
    if (IsTls13()) WriteText(ssl, "me");
  });
  Run();
}

TEST_P(LaterAuth, ButNotOfAClientThatHasNotOfferedIt) {
  ServeAsking([](SSL*, const Outcome& asked) {
    EXPECT_EQ(asked.ret, 0);
    EXPECT_EQ(asked.reason(), IsTls13() ? SSL_R_EXTENSION_NOT_RECEIVED : SSL_R_WRONG_SSL_VERSION);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "the secret, please");
  });
  Run();
}

TEST_P(TlsFeature, AskedForOnlyACertificateMayBeMissing) {
  server_options_.client_cert = ClientCert::kAsked;
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(SSL_get0_peer_certificate(ssl), nullptr);
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Run();
}

int PickH2(SSL* /*ssl*/, const unsigned char** out, unsigned char* length, const unsigned char* in,
           unsigned int in_length, void* must) {
  static constexpr unsigned char kOurs[] = "\x02h2";
  const int found =
      SSL_select_next_proto(const_cast<unsigned char**>(out), length, kOurs, 3, in, in_length);
  if (found == OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_OK;
  return must != nullptr ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

class TlsAlpn : public TlsFeature {
 protected:
  // What the client has selected; its failure's reason if there was one.
  std::string Negotiate(std::string_view offer, bool must) {
    std::string selected;
    server_.Spawn("server", [this, must] {
      const Context context(Role::kServer, server_options_);
      int marker = 0;
      SSL_CTX_set_alpn_select_cb(context.get(), PickH2, must ? &marker : nullptr);
      const SslPtr ssl = context.NewSsl(BIO_new_socket(AcceptOne(), BIO_CLOSE));
      if (Handshake(ssl.get()).ok()) Shutdown(ssl.get());
    });
    Ask([&](SSL* ssl) {
      EXPECT_EQ(SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(offer.data()),
                                    static_cast<unsigned>(offer.size())),
                0);
      const Outcome outcome = Handshake(ssl);
      const unsigned char* name = nullptr;
      unsigned int length = 0;
      SSL_get0_alpn_selected(ssl, &name, &length);
      selected = outcome.ok() ? std::string(reinterpret_cast<const char*>(name), length)
                              : std::to_string(outcome.reason());
      if (outcome.ok()) Shutdown(ssl);
    });
    Run();
    return selected;
  }
};

TEST_P(TlsAlpn, TheServersChoiceIsTold) { EXPECT_EQ(Negotiate("\x08http/1.1\x02h2", true), "h2"); }
TEST_P(TlsAlpn, WithoutACommonOneItGoesOnWithout) {
  EXPECT_EQ(Negotiate("\x03"
                      "foo",
                      false),
            "");
}
TEST_P(TlsAlpn, OrIsRefusedByAnAlert) {
  EXPECT_EQ(Negotiate("\x03"
                      "foo",
                      true),
            std::to_string(SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL));
}

// Answers as "other" to whoever asks for that name.
int SwitchContext(SSL* ssl, int* /*alert*/, void* other) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name != nullptr && std::string_view(name) == "other") {
    SSL_set_SSL_CTX(ssl, static_cast<const Context*>(other)->get());
  }
  return SSL_TLSEXT_ERR_OK;
}

TEST_P(TlsFeature, TheNameAskedForChoosesTheCertificate) {
  server_.Spawn("server", [this] {
    const std::unique_ptr<Identity> identity = tls_.ca().Issue("other");
    ContextOptions options = server_options_;
    options.identity = identity.get();
    Context other(Role::kServer, options);
    const Context context(Role::kServer, server_options_);
    SSL_CTX_set_tlsext_servername_callback(context.get(), SwitchContext);
    SSL_CTX_set_tlsext_servername_arg(context.get(), &other);
    const int listener = Listen();
    for (int i = 0; i < 2; ++i) {
      const SslPtr ssl = context.NewSsl(BIO_new_socket(AcceptFrom(listener), BIO_CLOSE));
      ExpectHandshake(ssl.get());
      EXPECT_TRUE(Shutdown(ssl.get()).ok());
    }
    BIO_closesocket(listener);
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    for (const char* const name : {"other", "server"}) {
      const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), name);
      ExpectHandshake(ssl.get());  // which checks that name
      EXPECT_TRUE(Shutdown(ssl.get()).ok());
    }
  });
  Run();
}

TEST_P(TlsFeature, KeysAreUpdatedInTls13Only) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "one");
    EXPECT_EQ(ReadText(ssl), "two");
    WriteText(ssl, "three");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "one");
    EXPECT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), IsTls13() ? 1 : 0);
    ERR_clear_error();
    WriteText(ssl, "two");
    EXPECT_EQ(ReadText(ssl), "three");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Run();
}

// --- Goodbyes: the table of SSL_shutdown(3). ---

TEST_P(TlsFeature, AQuietGoodbyeIsNotSent) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).reason(), SSL_R_UNEXPECTED_EOF_WHILE_READING);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    const uint64_t before = BIO_number_written(SSL_get_wbio(ssl));
    SSL_set_quiet_shutdown(ssl, 1);
    EXPECT_EQ(SSL_shutdown(ssl), 1);
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    EXPECT_EQ(BIO_number_written(SSL_get_wbio(ssl)), before);
  });
  Run();
}

TEST_P(TlsFeature, AfterTheFirstGoodbyeTheOtherSideMayStillWrite) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).ssl_error, SSL_ERROR_ZERO_RETURN);
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_RECEIVED_SHUTDOWN);
    WriteText(ssl, "late");
    EXPECT_EQ(SSL_shutdown(ssl), 1);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(SSL_shutdown(ssl), 0);  // ours is sent: no error
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_SENT_SHUTDOWN);
    ERR_clear_error();
    EXPECT_EQ(TakeOutcome(ssl, SSL_write(ssl, "x", 1)).reason(), SSL_R_PROTOCOL_IS_SHUTDOWN);
    EXPECT_EQ(ReadText(ssl), "late");
    EXPECT_EQ(SSL_shutdown(ssl), 1);
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  });
  Run();
}

TEST_P(TlsFeature, DataThatIsNotReadFirstSpoilsTheSecondGoodbye) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "late");
    char byte;
    (void)Read(ssl, &byte, 1);  // the goodbye
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(SSL_shutdown(ssl), 0);
    ERR_clear_error();
    EXPECT_EQ(TakeOutcome(ssl, SSL_shutdown(ssl)).reason(),
              SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
    ERR_clear_error();
  });
  Run();
}

TEST_P(TlsFeature, BothMaySayGoodbyeAtOnce) {
  const Body both = [](SSL* ssl) {
    ExpectHandshake(ssl);
    uapi::usleep(500'000);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  };
  Serve(both);
  Ask(both);
  Run();
}

TEST_P(TlsFeature, AGoodbyeDuringTheHandshakeIsRefused) {
  Serve([](SSL* ssl) { EXPECT_FALSE(Handshake(ssl).ok()); });
  Ask([](SSL* ssl) {
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_socket_nbio(SSL_get_fd(ssl), 1), 1);
    EXPECT_EQ(TakeOutcome(ssl, SSL_connect(ssl)).ssl_error, SSL_ERROR_WANT_READ);
    EXPECT_EQ(TakeOutcome(ssl, SSL_shutdown(ssl)).reason(), SSL_R_SHUTDOWN_WHILE_IN_INIT);
  });
  Run();
}

// A non-blocking client writes until no more is taken; `then` has the record that is half written.
class HalfWritten : public TlsFeature {
 protected:
  void Play(std::function<void(SSL* ssl, const std::string& record)> then) {
    mode_ = BIO_SOCK_NONBLOCK;
    Serve([](SSL* ssl) {
      ExpectHandshake(ssl);
      uapi::sleep(2);
      std::string part(16'000, '\0');
      while (Read(ssl, part.data(), part.size()).ok()) continue;
    });
    Ask([then](SSL* ssl) {
      ExpectHandshake(ssl);
      const std::string record(16'000, 'x');
      int ret;
      do {
        ERR_clear_error();
        ret = SSL_write(ssl, record.data(), 16'000);
      } while (ret > 0);
      EXPECT_EQ(SSL_get_error(ssl, ret), SSL_ERROR_WANT_WRITE);
      then(ssl, record);
      SSL_shutdown(ssl);
      ERR_clear_error();
    });
    Run();
  }
};

TEST_P(HalfWritten, MustBeWrittenOnFromTheSameBuffer) {
  Play([](SSL* ssl, const std::string& record) {
    const std::string copy = record;
    EXPECT_EQ(TakeOutcome(ssl, SSL_write(ssl, copy.data(), 16'000)).reason(),
              SSL_R_BAD_WRITE_RETRY);
    // The library takes it for a fatal mistake: the connection is dead.
    EXPECT_FALSE(Write(ssl, record.data(), 16'000).ok());
  });
}

TEST_P(HalfWritten, UnlessTheBufferIsDeclaredToMove) {
  Play([](SSL* ssl, const std::string& record) {
    const std::string copy = record;
    SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    EXPECT_TRUE(Write(ssl, copy.data(), 16'000).ok());
  });
}

TEST_P(HalfWritten, MustBeWrittenOnInItsLength) {
  Play([](SSL* ssl, const std::string& record) {
    EXPECT_EQ(TakeOutcome(ssl, SSL_write(ssl, record.data(), 100)).reason(), SSL_R_BAD_LENGTH);
  });
}

#define SOCKBED_VERSIONS(suite)                                         \
  INSTANTIATE_TEST_SUITE_P(                                             \
      Versions, suite, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), \
      [](const auto& version) { return version.param == TLS1_3_VERSION ? "Tls13" : "Tls12"; })
SOCKBED_VERSIONS(TlsFeature);
SOCKBED_VERSIONS(TlsAlpn);
SOCKBED_VERSIONS(HalfWritten);
SOCKBED_VERSIONS(LaterAuth);

}  // namespace
}  // namespace sockbed::ssl
