// A secret that both sides have beforehand, in place of certificates (RFC 8446 2.2;
// SSL_CTX_set_psk_use_session_callback(3)).
#include <openssl/ssl.h>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

constexpr unsigned char kName[] = {'a', 'n', 'n'};
constexpr unsigned char kCipher[] = {0x13, 0x02};  // TLS_AES_256_GCM_SHA384: the one preferred
constexpr int kSecretBytes = 48;

// The secret as a session: `byte`, again and again.
SSL_SESSION* SessionOf(SSL* ssl, unsigned char byte) {
  unsigned char key[kSecretBytes];
  memset(key, byte, sizeof key);
  SSL_SESSION* const session = SSL_SESSION_new();
  EXPECT_EQ(SSL_SESSION_set1_master_key(session, key, sizeof key), 1);
  EXPECT_EQ(SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, kCipher)), 1);
  EXPECT_EQ(SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION), 1);
  return session;
}

int Offer(SSL* ssl, const EVP_MD* digest, const unsigned char** id, size_t* length,
          SSL_SESSION** session) {
  *session = nullptr;
  if (digest != nullptr && EVP_MD_get_size(digest) != kSecretBytes)
    return 1;  // not with this secret
  *id = kName;
  *length = sizeof kName;
  *session = SessionOf(ssl, *static_cast<const unsigned char*>(SSL_get_app_data(ssl)));
  return 1;
}

int Find(SSL* ssl, const unsigned char* id, size_t length, SSL_SESSION** session) {
  const bool known = length == sizeof kName && memcmp(id, kName, length) == 0;
  *session = known ? SessionOf(ssl, 7) : nullptr;
  return 1;
}

class Psk : public TlsHosts {
 protected:
  // What the client's handshake comes to with this secret; the server's is `server_`.
  Outcome Play(unsigned char secret, bool server_knows) {
    set_up_server_ = [server_knows](SSL_CTX* ctx) {
      if (server_knows) SSL_CTX_set_psk_find_session_callback(ctx, Find);
    };
    ServeEach(1, [this](int, SSL* ssl) {
      seen_ = Handshake(ssl);
      if (seen_.ok()) Shutdown(ssl);
    });
    Outcome outcome;
    Ask([&, secret](SSL* ssl) mutable {
      SSL_set_app_data(ssl, &secret);
      SSL_set_psk_use_session_callback(ssl, Offer);
      outcome = Handshake(ssl);
      by_secret_ = outcome.ok() && SSL_get0_peer_certificate(ssl) == nullptr;
      EXPECT_EQ(SSL_session_reused(ssl), by_secret_);
      if (outcome.ok()) Shutdown(ssl);
    });
    Run();
    return outcome;
  }

  Outcome seen_;  // by the server
  bool by_secret_ = false;
};

TEST_F(Psk, ACommonSecretNeedsNoCertificate) {
  EXPECT_TRUE(Play(7, true).ok());
  EXPECT_TRUE(by_secret_);
}

TEST_F(Psk, AnotherSecretUnderThatNameIsRefused) {
  EXPECT_EQ(Play(8, true).reason(), SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER);
  EXPECT_EQ(seen_.reason(), SSL_R_BINDER_DOES_NOT_VERIFY);
}

TEST_F(Psk, AServerThatKnowsOfNoneShowsItsCertificate) {
  EXPECT_TRUE(Play(7, false).ok());
  EXPECT_FALSE(by_secret_);
}

}  // namespace
}  // namespace sockbed::ssl
