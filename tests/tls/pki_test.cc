// Certificates that are wrong in some way, and one that becomes so: X.509 sees virtual time.
#include <openssl/x509v3.h>

#include "kernel/sim/fault.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class Pki : public TlsHosts {
 protected:
  explicit Pki(const Machine::Options& options = {.seed = 7})
      : TlsHosts({.latency = absl::Milliseconds(1)}, options) {}

  // A server with a certificate for `name`; the client's verdict on it after each of `pauses_s`.
  std::vector<long> Verdicts(const std::string& name, const IssueOptions& issue,
                             std::vector<unsigned> pauses_s, bool revoke = false) {
    server_.Spawn("server", [=, this, count = pauses_s.size()] {
      identity_ = tls_.ca().Issue(name, issue);
      server_options_.identity = identity_.get();
      const Context context(Role::kServer, server_options_);
      const int listener = Listen();
      for (size_t i = 0; i < count; ++i) {
        const SslPtr ssl = context.NewSsl(BIO_new_socket(AcceptFrom(listener), BIO_CLOSE));
        if (Handshake(ssl.get()).ok()) Shutdown(ssl.get());
      }
      BIO_closesocket(listener);
    });
    std::vector<long> verdicts;
    client_.Spawn("client", [=, this, &verdicts] {
      uapi::usleep(10'000);  // the certificate is there
      const X509* const revoked[] = {identity_->cert.get()};
      const CrlPtr crl = tls_.ca().Revoke({revoked, revoke ? size_t{1} : size_t{0}});
      client_options_.crl = crl.get();
      const Context context(Role::kClient, client_options_);
      for (const unsigned pause_s : pauses_s) {
        uapi::sleep(pause_s);
        const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
        const Outcome outcome = Handshake(ssl.get());
        verdicts.push_back(SSL_get_verify_result(ssl.get()));
        EXPECT_EQ(outcome.ok(), verdicts.back() == X509_V_OK);
        if (outcome.ok()) Shutdown(ssl.get());
      }
    });
    Run();
    return verdicts;
  }

  std::unique_ptr<Identity> identity_;
};

using V = std::vector<long>;

TEST_F(Pki, AGoodCertificateIsGood) { EXPECT_EQ(Verdicts("server", {}, {0}), V{X509_V_OK}); }

TEST_F(Pki, AHostHasOneCertificate) {
  server_.Spawn("server", [this] {
    const Context one(Role::kServer, server_options_), two(Role::kServer, server_options_);
    EXPECT_EQ(SSL_CTX_get0_certificate(one.get()), SSL_CTX_get0_certificate(two.get()));
  });
  Run();
}

TEST_F(Pki, AnotherName) {
  EXPECT_EQ(Verdicts("elsewhere", {}, {0}), V{X509_V_ERR_HOSTNAME_MISMATCH});
}

TEST_F(Pki, Expired) {
  EXPECT_EQ(Verdicts("server", {.valid_from_s = -100, .valid_until_s = -50}, {0}),
            V{X509_V_ERR_CERT_HAS_EXPIRED});
}

TEST_F(Pki, VouchedForByItselfAlone) {
  EXPECT_EQ(Verdicts("server", {.self_signed = true}, {0}),
            V{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT});
}

TEST_F(Pki, NotValidYet) {
  EXPECT_EQ(Verdicts("server", {.valid_from_s = 3600}, {0}), V{X509_V_ERR_CERT_NOT_YET_VALID});
}

TEST_F(Pki, Revoked) {
  EXPECT_EQ(Verdicts("server", {}, {0}, /*revoke=*/true), V{X509_V_ERR_CERT_REVOKED});
}

TEST_F(Pki, AnothersRevocationIsNotItsOwn) {
  server_.Spawn("server", [this] {
    identity_ = tls_.ca().Issue("server");
    server_options_.identity = identity_.get();
    const Context context(Role::kServer, server_options_);
    const SslPtr ssl = context.NewSsl(BIO_new_socket(AcceptOne(), BIO_CLOSE));
    ExpectHandshake(ssl.get());
    Shutdown(ssl.get());
  });
  client_.Spawn("client", [this] {
    const std::unique_ptr<Identity> another = tls_.ca().Issue("another");
    const X509* const revoked[] = {another->cert.get()};
    const CrlPtr crl = tls_.ca().Revoke(revoked);
    client_options_.crl = crl.get();
    const Context context(Role::kClient, client_options_);
    const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
    ExpectHandshake(ssl.get());
    Shutdown(ssl.get());
  });
  Run();
}

TEST_F(Pki, ExpiresDuringTheRun) {
  EXPECT_EQ(Verdicts("server", {.valid_until_s = 600}, {0, 590, 20}),
            (V{X509_V_OK, X509_V_OK, X509_V_ERR_CERT_HAS_EXPIRED}));
}

// The client's clock is set: what is good for a year has expired to it, and is good again.
TEST_F(Pki, ExpiresByAStepOfTheClock) {
  client_.Spawn("setter", [] {
    for (const int64_t day : {400, 0}) {
      uapi::sleep(10);
      const timespec to{kBootEpochSeconds + day * IssueOptions::kDay, 0};
      EXPECT_EQ(uapi::clock_settime(CLOCK_REALTIME, &to), 0);
    }
  });
  EXPECT_EQ(Verdicts("server", {.valid_until_s = 365 * IssueOptions::kDay}, {1, 12, 10}),
            (V{X509_V_OK, X509_V_ERR_CERT_HAS_EXPIRED, X509_V_OK}));
}

// The fault point ssl.verify, in a client and in a server.
struct PlanOfFaults {
  fault::Plan plan{{}};
};

class VerifyFault : public PlanOfFaults, public Pki {
 protected:
  VerifyFault() : Pki({.seed = 7, .fault_plan = &plan}) {}

  void FailOn(HostId host) { plan = fault::Plan({{.site = Site::kSslVerify, .host = host}}); }
};

TEST_F(VerifyFault, AServerThatCannotBeCheckedIsRefused) {
  FailOn(client_.id);
  Serve([](SSL* ssl) { EXPECT_EQ(Handshake(ssl).reason(), SSL_R_TLSV1_ALERT_INTERNAL_ERROR); });
  Ask([](SSL* ssl) {
    EXPECT_EQ(Handshake(ssl).reason(), SSL_R_CERTIFICATE_VERIFY_FAILED);
    EXPECT_EQ(SSL_get_verify_result(ssl), X509_V_ERR_UNSPECIFIED);
  });
  Run();
  EXPECT_EQ(plan.visits(Site::kSslVerify, client_.id), 1u);
  EXPECT_EQ(plan.visits(Site::kSslVerify, server_.id), 0u) << "it asked for no certificate";
}

TEST_F(VerifyFault, SoIsAClient) {
  FailOn(server_.id);
  server_options_.client_cert = ClientCert::kRequired;
  client_options_.present_cert = true;
  Serve([](SSL* ssl) { EXPECT_EQ(Handshake(ssl).reason(), SSL_R_CERTIFICATE_VERIFY_FAILED); });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);  // it is done before the server has looked
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).reason(), SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
  });
  Run();
}

// What is to be asked is not the clock's to say if the program has another time in mind.
TEST_F(Pki, AProgramMaySayWhatTimeItIs) {
  server_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    const SslPtr ssl = context.NewSsl(BIO_new_socket(AcceptOne(), BIO_CLOSE));
    EXPECT_FALSE(Handshake(ssl.get()).ok());
  });
  Ask([](SSL* ssl) {
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl),
                               kBootEpochSeconds + 20 * 365 * IssueOptions::kDay);
    EXPECT_FALSE(Handshake(ssl).ok());
    EXPECT_EQ(SSL_get_verify_result(ssl), X509_V_ERR_CERT_HAS_EXPIRED);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
