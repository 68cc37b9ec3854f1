// A second handshake on a connection that has had its first: TLS 1.2 alone, and at the server's
// pleasure (RFC 5746; SSL_renegotiate(3)).
#include <openssl/ssl.h>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class Renegotiation : public TlsHosts {
 protected:
  Renegotiation() { UseVersion(TLS1_2_VERSION); }

  // Reads until the handshake that came in between is over: no data is taken.
  static void TakeHandshake(SSL* ssl) {
    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    char byte;
    do {
      ERR_clear_error();
      EXPECT_EQ(TakeOutcome(ssl, SSL_read(ssl, &byte, 1)).ssl_error, SSL_ERROR_WANT_READ);
    } while (SSL_in_init(ssl) != 0);
  }

  static Outcome Ask2(SSL* ssl) {
    ERR_clear_error();
    EXPECT_EQ(SSL_renegotiate(ssl), 1);
    EXPECT_EQ(SSL_renegotiate_pending(ssl), 1);
    return TakeOutcome(ssl, SSL_do_handshake(ssl));
  }

  // A server that reads one line, whatever else comes.
  void ServeALine(uint64_t options) {
    set_up_server_ = [options](SSL_CTX* ctx) { SSL_CTX_set_options(ctx, options); };
    ServeEach(1, [this](int, SSL* ssl) {
      ExpectHandshake(ssl);
      heard_ = ReadText(ssl);
    });
  }

  std::string heard_;
};

TEST_F(Renegotiation, IsTheServersToStart) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(Ask2(ssl).ret, 1);  // the request is sent; what follows comes with the next read
    TakeHandshake(ssl);
    EXPECT_EQ(SSL_total_renegotiations(ssl), 1);
    WriteText(ssl, "hi");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "hi");  // shakes hands on the way
    EXPECT_EQ(SSL_total_renegotiations(ssl), 1);
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Run();
}

TEST_F(Renegotiation, IsRefusedToAClient) {
  ServeALine(0);
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    const Outcome outcome = Ask2(ssl);
    EXPECT_EQ(outcome.ret, -1);
    EXPECT_EQ(outcome.reason(), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
  });
  Run();
}

TEST_F(Renegotiation, UnlessTheServerAllowsIt) {
  ServeALine(SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    const Outcome outcome = Ask2(ssl);
    EXPECT_EQ(outcome.ret, 1) << outcome.ToString();
    EXPECT_EQ(SSL_total_renegotiations(ssl), 1);
    WriteText(ssl, "again");
  });
  Run();
  EXPECT_EQ(heard_, "again");
}

TEST_F(Renegotiation, IsNoMoreInTls13) {
  UseVersion(TLS1_3_VERSION);
  const Body tries = [](SSL* ssl) {
    ExpectHandshake(ssl);
    ERR_clear_error();
    EXPECT_EQ(SSL_renegotiate(ssl), 0);
    EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), SSL_R_WRONG_SSL_VERSION);
    EXPECT_TRUE(Shutdown(ssl).ok());
  };
  Serve(tries);
  Ask(tries);
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
