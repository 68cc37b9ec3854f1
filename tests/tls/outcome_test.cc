// How operations end: each return value of SSL_connect(3) and SSL_get_error(3), with a run that
// gives it. TLS 1.2 and 1.3, over a blocking and a non-blocking socket.
#include <openssl/ssl.h>

#include <tuple>

#include "kernel/net/link.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

// Version, BIO_SOCK_* mode, and whether the BIOs are this project's or OpenSSL's own.
using Way = std::tuple<int, int, bool>;

class TlsOutcome : public TlsHosts, public testing::WithParamInterface<Way> {
 protected:
  TlsOutcome() {
    UseVersion(std::get<0>(GetParam()));
    mode_ = std::get<1>(GetParam());
    if (!std::get<2>(GetParam())) UseOpensslsBios();
  }

  static bool IsTls13() { return std::get<0>(GetParam()) == TLS1_3_VERSION; }

  // A peer that is not TLS: takes the connection, reads once, then does as it likes.
  void ServeRaw(std::function<void(int fd)> body) {
    server_.Spawn("server", [this, body = std::move(body)] {
      const int fd = AcceptOne();
      sockbed::BIO_socket_nbio(fd, 0);
      char buffer[2048];
      EXPECT_GT(uapi::recv(fd, buffer, sizeof buffer, 0), 0);
      body(fd);
      BIO_closesocket(fd);
    });
  }

  static void Reset(int fd) {
    const linger now{1, 0};
    EXPECT_EQ(uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  }

  static void Expect(const Outcome& outcome, int ret, int ssl_error, int reason, int sys_errno) {
    EXPECT_EQ(outcome.ret, ret);
    EXPECT_EQ(outcome.ssl_error, ssl_error) << outcome.ToString();
    EXPECT_EQ(outcome.reason(), reason) << outcome.ToString();
    if (sys_errno >= 0) {
      EXPECT_EQ(outcome.sys_errno, sys_errno);
    }
  }
};

TEST_P(TlsOutcome, OneIsDone) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "hello");
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Ask([](SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    EXPECT_EQ(outcome.ret, 1);
    WriteText(ssl, "hello");
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Run();
}

TEST_P(TlsOutcome, TheEndInsteadOfAnAnswerIsToldOnce) {
  ServeRaw([](int) {});
  Ask([](SSL* ssl) {
    Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, 0);
    Expect(Handshake(ssl), -1, SSL_ERROR_SYSCALL, 0, 0);  // a dead SSL
  });
  Run();
}

TEST_P(TlsOutcome, TheEndMayBeTakenForAGoodbye) {
  ServeRaw([](int) {});
  Ask([](SSL* ssl) {
    SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    Expect(Handshake(ssl), -1, SSL_ERROR_ZERO_RETURN, 0, 0);
  });
  Run();
}

TEST_P(TlsOutcome, AResetInsteadOfAnAnswerIsTheSystemsError) {
  ServeRaw(Reset);
  Ask([](SSL* ssl) { Expect(Handshake(ssl), -1, SSL_ERROR_SYSCALL, 0, ECONNRESET); });
  Run();
}

TEST_P(TlsOutcome, AnotherProtocolIsToldByName) {
  ServeRaw([](int fd) { uapi::send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0); });
  Ask([](SSL* ssl) { Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_WRONG_VERSION_NUMBER, -1); });
  Run();
}

TEST_P(TlsOutcome, HttpSentToAServerIsToldByName) {
  Serve([](SSL* ssl) { Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_HTTP_REQUEST, -1); });
  client_.Spawn("client", [this] {
    const int fd = Dial();
    EXPECT_GT(uapi::send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 0);
    sockbed::BIO_socket_nbio(fd, 0);
    char buffer[64];
    (void)uapi::recv(fd, buffer, sizeof buffer, 0);  // an alert, or the end
    BIO_closesocket(fd);
  });
  Run();
}

TEST_P(TlsOutcome, ARefusedVersionIsAnAlert) {
  const int other = std::get<0>(GetParam()) == TLS1_3_VERSION ? TLS1_2_VERSION : TLS1_3_VERSION;
  server_options_.min_version = server_options_.max_version = other;
  Serve(
      [](SSL* ssl) { Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_UNSUPPORTED_PROTOCOL, -1); });
  Ask([](SSL* ssl) {
    Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, -1);
  });
  Run();
}

TEST_P(TlsOutcome, AnUntrustedServerIsAnAlertToIt) {
  Serve([](SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    // TLS 1.3 servers are done only with the client's Finished: both versions fail here.
    Expect(outcome, -1, SSL_ERROR_SSL, SSL_R_TLSV1_ALERT_UNKNOWN_CA, -1);
  });
  client_.Spawn("client", [this] {
    client_options_.verify_server = false;
    const Context context(Role::kClient, client_options_);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);  // and trusts nobody
    const SslPtr ssl = context.NewSsl(new_socket_(Dial(), BIO_CLOSE));
    Expect(Handshake(ssl.get()), -1, SSL_ERROR_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED, -1);
    EXPECT_EQ(SSL_get_verify_result(ssl.get()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  });
  Run();
}

TEST_P(TlsOutcome, ACertificateThatVouchesForItselfIsUntrusted) {
  server_.Spawn("server", [this] {
    begin_();
    const std::unique_ptr<Identity> own = tls_.ca().Issue("server", {.self_signed = true});
    server_options_.identity = own.get();
    const Context context(Role::kServer, server_options_);
    const SslPtr ssl = context.NewSsl(new_socket_(AcceptOne(), BIO_CLOSE));
    Expect(Handshake(ssl.get()), -1, SSL_ERROR_SSL, SSL_R_TLSV1_ALERT_UNKNOWN_CA, -1);
  });
  Ask([](SSL* ssl) {
    Expect(Handshake(ssl), -1, SSL_ERROR_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED, -1);
    EXPECT_EQ(SSL_get_verify_result(ssl), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  });
  Run();
}

TEST_P(TlsOutcome, NobodyListeningIsTheSystemsError) {
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    // SSL_connect over a connect BIO connects TCP first.
    BIO* const bio = new_connect_("server:4433");
    const SslPtr ssl = context.NewSsl(bio, "server");
    Expect(Handshake(ssl.get()), -1, SSL_ERROR_SYSCALL, ECONNREFUSED, -1);
  });
  Run();
}

TEST_P(TlsOutcome, WithoutABioThereIsNothingToSay) {
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const SslPtr ssl = context.NewSsl(nullptr);
    ERR_clear_error();
    errno = 0;
    Expect(TakeOutcome(ssl.get(), SSL_connect(ssl.get())), -1, SSL_ERROR_SYSCALL, 0, 0);
    const SslPtr roleless(SSL_new(context.get()));
    ERR_clear_error();
    Expect(TakeOutcome(roleless.get(), SSL_do_handshake(roleless.get())), -1, SSL_ERROR_SSL,
           SSL_R_CONNECTION_TYPE_NOT_SET, -1);
    ERR_clear_error();
  });
  Run();
}

TEST_P(TlsOutcome, ABareEndOfAnEstablishedConnectionIsNoGoodbye) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "x");
    SSL_set_quiet_shutdown(ssl, 1);  // and closes: FIN, no close_notify
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "x");
    char byte;
    Expect(Read(ssl, &byte, 1), 0, SSL_ERROR_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, 0);
    ERR_clear_error();
    Expect(TakeOutcome(ssl, SSL_shutdown(ssl)), -1, SSL_ERROR_SSL, SSL_R_SHUTDOWN_WHILE_IN_INIT,
           -1);
    ERR_clear_error();
  });
  Run();
}

TEST_P(TlsOutcome, AResetOfAnEstablishedConnectionIsTheSystemsError) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "x");
    Reset(SSL_get_fd(ssl));
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "x");
    char byte;
    Expect(Read(ssl, &byte, 1), 0, SSL_ERROR_SYSCALL, 0, ECONNRESET);
    // What is written now finds no connection.
    Expect(Write(ssl, "y", 1), 0, SSL_ERROR_SYSCALL, 0, EPIPE);
  });
  Run();
}

// The link dies in the middle of a handshake: TCP gives up, and says so.
TEST_P(TlsOutcome, SilenceEndsWithTcpsTimeout) {
  Serve([this](SSL* ssl) {
    link_.SetConnected(false);
    const int alive = 1;
    uapi::setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_KEEPALIVE, &alive, sizeof alive);
    const Outcome outcome = Handshake(ssl);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL) << outcome.ToString();
  });
  Ask([](SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL) << outcome.ToString();
    EXPECT_NE(outcome.sys_errno, 0);
  });
  Run();
}

TEST_P(TlsOutcome, NothingYetIsForLater) {
  Serve([](SSL* ssl) { EXPECT_FALSE(Handshake(ssl).ok()); });
  Ask([](SSL* ssl) {
    EXPECT_EQ(sockbed::BIO_socket_nbio(SSL_get_fd(ssl), 1), 1);
    ERR_clear_error();
    Expect(TakeOutcome(ssl, SSL_connect(ssl)), -1, SSL_ERROR_WANT_READ, 0, EAGAIN);
    SSL_set_quiet_shutdown(ssl, 1);
  });
  Run();
}

// A BIO that does not tell of its end leaves nothing to say but that there is nothing.
TEST_P(TlsOutcome, WithoutBioEofTheEndIsAnErrorOfTheSystemWithoutOne) {
  ServeRaw([](int) {});
  Ask([](SSL* ssl) {
    BIO_set_callback_ex(
        SSL_get_rbio(ssl),
        [](BIO*, int operation, const char*, size_t, int command, long, int ret, size_t*) -> long {
          return operation == BIO_CB_CTRL && command == BIO_CTRL_EOF ? 0 : ret;
        });
    Expect(Handshake(ssl), -1, SSL_ERROR_SYSCALL, 0, 0);
  });
  Run();
}

TEST_P(TlsOutcome, ABareEndMayBeTakenForAGoodbyeLaterToo) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "x");
    SSL_set_quiet_shutdown(ssl, 1);
  });
  Ask([](SSL* ssl) {
    SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    ExpectHandshake(ssl);
    WriteText(ssl, "x");
    char byte;
    Expect(Read(ssl, &byte, 1), 0, SSL_ERROR_ZERO_RETURN, 0, 0);
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_RECEIVED_SHUTDOWN);
  });
  Run();
}

// Who forges a record is told by an alert, and the forgery is told by name.
TEST_P(TlsOutcome, AForgedRecordIsToldByNameAndAnsweredByAnAlert) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    char byte;
    // TLS 1.2: the provider's own entry comes before libssl's.
    constexpr int kCipherOperationFailed = 102;
    const int first =
        IsTls13() ? SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC : kCipherOperationFailed;
    const Outcome outcome = Read(ssl, &byte, 1);
    Expect(outcome, 0, SSL_ERROR_SSL, first, -1);
    EXPECT_EQ(ERR_GET_REASON(outcome.last_error), SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    std::string forged("\x17\x03\x03\x00\x20", 5);
    forged.append(32, 'x');
    EXPECT_EQ(uapi::send(SSL_get_fd(ssl), forged.data(), forged.size(), 0), 37);
    char byte;
    Expect(Read(ssl, &byte, 1), 0, SSL_ERROR_SSL, SSL_R_SSLV3_ALERT_BAD_RECORD_MAC, -1);
  });
  Run();
}

// The client is gone when a TLS 1.3 server writes its tickets: the handshake has succeeded all the
// same. A TLS 1.2 server writes its ticket before it is done.
TEST_P(TlsOutcome, TicketsThatFindNobodyAreNoFailure) {
  Serve([](SSL* ssl) {
    BIO_set_callback_ex(
        SSL_get_wbio(ssl),
        [](BIO* bio, int operation, const char*, size_t, int, long, int ret, size_t*) -> long {
          char* const writes = BIO_get_callback_arg(bio);
          if (operation == BIO_CB_WRITE && writes != nullptr && ++*writes == 2) {
            uapi::shutdown(static_cast<int>(BIO_get_fd(bio, nullptr)), SHUT_WR);
          }
          return ret;
        });
    char writes = 0;
    BIO_set_callback_arg(SSL_get_wbio(ssl), &writes);
    const Outcome outcome = Handshake(ssl);
    if (IsTls13()) {
      EXPECT_EQ(outcome.ret, 1) << outcome.ToString();
    } else {
      Expect(outcome, -1, SSL_ERROR_SYSCALL, 0, EPIPE);
    }
    BIO_set_callback_arg(SSL_get_wbio(ssl), nullptr);
  });
  Ask([](SSL* ssl) { EXPECT_EQ(Handshake(ssl).ok(), IsTls13()); });
  Run();
}

std::string NameOf(const testing::TestParamInfo<Way>& way) {
  const auto& [version, mode, ours] = way.param;
  return std::string(version == TLS1_3_VERSION ? "Tls13" : "Tls12") +
         (mode == 0 ? "Blocking" : "NonBlocking") + (ours ? "Ours" : "Openssls");
}

INSTANTIATE_TEST_SUITE_P(Ways, TlsOutcome,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                          testing::Values(0, BIO_SOCK_NONBLOCK), testing::Bool()),
                         NameOf);

}  // namespace
}  // namespace sockbed::ssl
