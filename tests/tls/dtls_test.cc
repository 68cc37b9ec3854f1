// DTLS 1.2: datagrams, retransmission in virtual time, cookies, path MTU.
#include <openssl/ssl.h>

#include "kernel/net/link.h"
#include "tests/tls/dtls_hosts.h"

namespace sockbed::ssl {
namespace {

// BIO_SOCK_* mode of the client's socket; whether its BIO is this project's (the server's is).
using Way = std::tuple<int, bool>;

class Dtls : public DtlsHosts, public testing::WithParamInterface<Way> {
 protected:
  Dtls() {
    mode_ = std::get<0>(GetParam());
    if (!std::get<1>(GetParam())) UseOpensslsBios();
  }
};

TEST_P(Dtls, CarriesDatagramsAndAGoodbye) {
  ServeDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_STREQ(SSL_get_version(ssl), "DTLSv1.2");
    EXPECT_EQ(ReadText(ssl), "one");
    EXPECT_EQ(ReadText(ssl), "two");
    WriteText(ssl, "three");
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).ssl_error, SSL_ERROR_ZERO_RETURN);
  });
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "one");
    WriteText(ssl, "two");
    EXPECT_EQ(ReadText(ssl), "three");
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

// RFC 6347 4.2.4.1: one second, doubled to a minute at most; after twelve repetitions no more.
TEST_P(Dtls, ASilentServerIsAskedThirteenTimes) {
  std::vector<int> asked_s;
  server_.Spawn("silent", [&, this] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(server_.address(kPort)).get(), 0), 1);
    const timeval limit{200, 0};
    uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char buffer[2000];
    while (uapi::recv(fd, buffer, sizeof buffer, 0) > 0) {
      asked_s.push_back(static_cast<int>(Milliseconds() / 1000 + 0.5));
    }
    BIO_closesocket(fd);
  });
  double gave_up_s = 0;
  AskDtls([&](SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SSL);
    EXPECT_EQ(outcome.reason(), SSL_R_READ_TIMEOUT_EXPIRED);
    gave_up_s = Milliseconds() / 1000;
  });
  Run();
  EXPECT_EQ(asked_s, (std::vector{0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423}));
  EXPECT_NEAR(gave_up_s, 483, 1);
}

TEST_P(Dtls, TwoClientsAreToldApartByTheirCookies) {
  ServeEachInAProcess(2);
  for (const char* const name : {"first", "second"}) {
    AskDtls(
        [name](SSL* ssl) {
          ExpectHandshake(ssl);
          for (int i = 0; i < 10; ++i) {
            EXPECT_TRUE(Echo(ssl, name + std::to_string(i)));
            uapi::usleep(3000);
          }
          EXPECT_EQ(SSL_shutdown(ssl), 0);
        },
        name);
  }
  Run();
}

TEST_P(Dtls, NoiseAtTheListenerIsDropped) {
  ServeDtls(EchoUntilGoodbye);
  client_.Spawn("noise", [this] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    const AddrPtr server = AddrOf(server_.address(kPort));
    EXPECT_EQ(sockbed::BIO_connect(fd, server.get(), 0), 1);
    for (const int size : {1, 13, 200, 1400}) {
      const std::string noise(static_cast<size_t>(size), '\x16');
      EXPECT_EQ(uapi::send(fd, noise.data(), noise.size(), 0), size);
      uapi::usleep(10'000);
    }
    BIO_closesocket(fd);
  });
  AskDtls([](SSL* ssl) {
    uapi::usleep(100'000);
    ExpectHandshake(ssl);
    EXPECT_TRUE(Echo(ssl, "still there"));
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

TEST_P(Dtls, AUsersTimeLimitEndsACallAndNotTheHandshake) {
  if (mode_ != 0) GTEST_SKIP() << "a non-blocking socket has no time limit";
  server_.Spawn("silent", [this] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(server_.address(kPort)).get(), 0), 1);
    uapi::sleep(5);
    BIO_closesocket(fd);
  });
  AskDtls([](SSL* ssl) {
    timeval limit{0, 400'000};
    BIO* const bio = SSL_get_rbio(ssl);
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit), 1);
    for (const double until_ms : {400, 800}) {
      ERR_clear_error();
      EXPECT_EQ(TakeOutcome(ssl, SSL_connect(ssl)).ssl_error, SSL_ERROR_WANT_READ);
      EXPECT_EQ(BIO_dgram_recv_timedout(bio), 1);
      EXPECT_NEAR(Milliseconds(), until_ms, 21);
    }
  });
  Run();
}

std::string NameOf(const testing::TestParamInfo<Way>& way) {
  return std::string(std::get<0>(way.param) == 0 ? "Blocking" : "NonBlocking") +
         (std::get<1>(way.param) ? "Ours" : "Openssls");
}

INSTANTIATE_TEST_SUITE_P(Ways, Dtls,
                         testing::Combine(testing::Values(0, BIO_SOCK_NONBLOCK), testing::Bool()),
                         NameOf);

// --- Path MTU: client -- 1500 -- server (a router) -- 1400, later less -- far. ---

class DtlsMtu : public DtlsHosts {
 protected:
  DtlsMtu() : far_(sim_.AddHost("far")), narrow_(sim_.Connect(server_, far_, {.mtu = 1400})) {
    tls_.AddHost(far_);
    server_.SetSysctl("net.inet.ip.forwarding", 1);
    AddRoute(client_, "10.0.2.0/24", "10.0.1.1");
    AddRoute(far_, "10.0.1.0/24", "10.0.2.1");
  }

  static void AddRoute(Host& host, const char* net, const char* gateway) {
    EXPECT_EQ(host.AddRoute(*ParseRoute(net, gateway)), 0);
  }

  void SetMtu(uint32_t mtu) {
    for (int direction : {0, 1}) {
      LinkOptions options = narrow_.options(direction);
      options.mtu = mtu;
      narrow_.set_options(direction, options);
    }
  }

  Host& far_;
  Link& narrow_;
};

// Sends as much as fits; when the path shrinks the BIO says so, and the SSL is told the new size.
TEST_F(DtlsMtu, FollowsAPathThatShrinksInMidConnection) {
  far_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    DtlsListener listener(context, kPort);
    EchoUntilGoodbye(listener.Accept().get());
  });
  std::vector<size_t> sizes;
  client_.Spawn("client", [&, this] {
    const Context context(Role::kClient, client_options_);
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    const AddrPtr far = AddrOf(far_.address(kPort));
    EXPECT_EQ(sockbed::BIO_connect(fd, far.get(), 0), 1);
    BIO* const bio = sockbed::BIO_new_dgram(fd, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_set_connected(bio, far.get()), 1);
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_MTU_DISCOVER, 0, nullptr), 0);
    const SslPtr ssl = context.NewSsl(bio, "far");
    ExpectHandshake(ssl.get());
    for (const uint32_t mtu : {1400, 1000, 600}) {
      SetMtu(mtu);
      for (int tries = 0; tries < 4; ++tries) {
        sizes.push_back(DTLS_get_data_mtu(ssl.get()));
        if (Echo(ssl.get(), std::string(sizes.back(), 'x'), 1)) break;
        const long path = BIO_ctrl(bio, BIO_CTRL_DGRAM_QUERY_MTU, 0, nullptr);
        EXPECT_GT(SSL_set_mtu(ssl.get(), path), 0);
      }
      EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_QUERY_MTU, 0, nullptr), mtu - 28L);
    }
    EXPECT_EQ(SSL_shutdown(ssl.get()), 0);
  });
  Run();
  // Each time the first try is too big, and the second is what the path carries: 28 for the
  // headers, 13 for the record's and 24 for the cipher's.
  EXPECT_EQ(sizes, (std::vector<size_t>{1435, 1335, 1335, 935, 935, 535}));
}

// A router that loses what is too big and says nothing: the server's flight never arrives until it
// is cut to the size that every path carries, after the third silence (RFC 6347 4.1.1.1).
TEST_F(DtlsMtu, GetsThroughABlackHole) {
  SetMtu(600);
  server_.SetSysctl("net.inet.icmp.errppslimit", 0);  // the router
  client_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    // Its chain makes one message that is longer than any datagram.
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(SSL_CTX_add1_chain_cert(context.get(), tls_.ca().cert()), 1);
    }
    DtlsListener listener(context, kPort);
    const SslPtr ssl = listener.Accept();
    EXPECT_EQ(BIO_ctrl(SSL_get_rbio(ssl.get()), BIO_CTRL_DGRAM_MTU_DISCOVER, 0, nullptr), 0);
    EchoUntilGoodbye(ssl.get());
  });
  far_.Spawn("client", [this] {
    uapi::usleep(1000);
    const Context context(Role::kClient, client_options_);
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    const AddrPtr server = AddrOf(client_.address(kPort));
    EXPECT_EQ(sockbed::BIO_connect(fd, server.get(), 0), 1);
    BIO* const bio = sockbed::BIO_new_dgram(fd, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_set_connected(bio, server.get()), 1);
    const SslPtr ssl = context.NewSsl(bio, "client");
    const double start_ms = Milliseconds();
    ExpectHandshake(ssl.get());
    EXPECT_NEAR(Milliseconds() - start_ms, 7000, 500) << "1 + 2 + 4 seconds";
    EXPECT_TRUE(Echo(ssl.get(), "through"));
    EXPECT_EQ(SSL_shutdown(ssl.get()), 0);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
