// Nagle and the first record after a handshake: R = 40 ms, D = 200 ms, the server answers nothing.
// The times are counted from connect() and exact on the virtual clock, but for what system calls
// take.
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

constexpr double kSlackMs = 2;  // system calls

class Nagle : public TlsHosts {
 protected:
  struct Connection {
    bool nodelay = false;
    SSL_SESSION* resume = nullptr;
  };

  // The client's side: connects, shakes hands, writes five bytes at once, and another five after
  // `pause_ms`. When the server has read them, in ms since connect().
  void Play(int connections, std::function<Connection(int)> how) {
    ServeEach(connections, [this](int, SSL* ssl) {
      ExpectHandshake(ssl);
      EXPECT_EQ(ReadText(ssl), "first");
      arrived_ms_ = Milliseconds() - connected_ms_;
      Shutdown(ssl);
    });
    client_.Spawn("client", [this, connections, how = std::move(how)] {
      const Context context(Role::kClient, client_options_);
      for (int i = 0; i < connections; ++i) {
        const Connection connection = how(i);
        connected_ms_ = Milliseconds();
        const int fd = Dial();
        EXPECT_EQ(sockbed::BIO_set_tcp_ndelay(fd, connection.nodelay ? 1 : 0), 1);
        const SslPtr ssl = context.NewSsl(BIO_new_socket(fd, BIO_CLOSE), "server");
        if (session_ != nullptr) SSL_set_session(ssl.get(), session_);
        ExpectHandshake(ssl.get());
        EXPECT_EQ(SSL_session_reused(ssl.get()), session_ != nullptr);
        WriteText(ssl.get(), "first");
        Shutdown(ssl.get());
        SSL_SESSION_free(std::exchange(session_, SSL_get1_session(ssl.get())));
      }
      SSL_SESSION_free(std::exchange(session_, nullptr));
    });
    Run();
  }

  double connected_ms_ = 0, arrived_ms_ = 0;
  SSL_SESSION* session_ = nullptr;
};

TEST_F(Nagle, WithoutItTheFirstRecordFollowsTheHandshake) {
  Play(1, [](int) { return Connection{.nodelay = true}; });
  EXPECT_NEAR(arrived_ms_, 100, kSlackMs);
}

// The server's tickets carry the acknowledgement that the record waits for.
TEST_F(Nagle, TheFirstRecordWaitsForTheTickets) {
  Play(1, [](int) { return Connection{}; });
  EXPECT_NEAR(arrived_ms_, 140, kSlackMs);
}

TEST_F(Nagle, WithoutTicketsItWaitsForADelayedAcknowledgement) {
  server_options_.tickets = 0;
  Play(1, [](int) { return Connection{}; });
  EXPECT_NEAR(arrived_ms_, 340, kSlackMs);
}

// The client speaks last in a resumed TLS 1.2 handshake.
TEST_F(Nagle, AfterAResumedTls12HandshakeLikewise) {
  UseVersion(TLS1_2_VERSION);
  Play(2, [](int) { return Connection{}; });
  EXPECT_NEAR(arrived_ms_, 340, kSlackMs);
}

TEST_F(Nagle, WithoutItNothingWaitsAfterAResumedTls12HandshakeEither) {
  UseVersion(TLS1_2_VERSION);
  Play(2, [](int) { return Connection{.nodelay = true}; });
  EXPECT_NEAR(arrived_ms_, 100, kSlackMs);
}

TEST_F(Nagle, AFullTls12HandshakeEndsWithTheServer) {
  UseVersion(TLS1_2_VERSION);
  Play(1, [](int) { return Connection{}; });
  EXPECT_NEAR(arrived_ms_, 140, kSlackMs);
}

// The server's side of it: when its two tickets arrive.
class NagleOfTheServer : public Nagle {
 protected:
  std::vector<double> TicketsArriveAt(bool nodelay) {
    Serve([nodelay](SSL* ssl) {
      EXPECT_EQ(sockbed::BIO_set_tcp_ndelay(SSL_get_fd(ssl), nodelay ? 1 : 0), 1);
      ExpectHandshake(ssl);
      EXPECT_EQ(ReadText(ssl), "first");
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    std::vector<double> arrived_ms;
    client_.Spawn("client", [&, this] {
      const Context context(Role::kClient, client_options_);
      SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
      SSL_CTX_sess_set_new_cb(context.get(), [](SSL* ssl, SSL_SESSION*) -> int {
        static_cast<std::vector<double>*>(SSL_get_app_data(ssl))->push_back(Milliseconds());
        return 0;
      });
      const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
      SSL_set_app_data(ssl.get(), &arrived_ms);
      ExpectHandshake(ssl.get());
      WriteText(ssl.get(), "first");
      char byte;
      EXPECT_EQ(Read(ssl.get(), &byte, 1).ssl_error, SSL_ERROR_ZERO_RETURN);
      EXPECT_TRUE(Shutdown(ssl.get()).ok());
    });
    Run();
    return arrived_ms;
  }

  static void Expect(const std::vector<double>& arrived_ms, double first, double second) {
    ASSERT_EQ(arrived_ms.size(), 2u);
    EXPECT_NEAR(arrived_ms[0], first, kSlackMs);
    EXPECT_NEAR(arrived_ms[1], second, kSlackMs);
  }
};

// The acknowledgement of the first comes with the client's record.
TEST_F(NagleOfTheServer, TheSecondTicketWaitsForTheFirstToBeAcknowledged) {
  Expect(TicketsArriveAt(/*nodelay=*/false), 120, 160);
}

TEST_F(NagleOfTheServer, WithoutItBothTicketsLeaveAtOnce) {
  Expect(TicketsArriveAt(/*nodelay=*/true), 120, 120);
}

// The page's advice: off for the first record, on again for the rest.
TEST_F(Nagle, TurningItOffSendsWhatIsHeldAndTurningItOnHoldsAgain) {
  server_options_.tickets = 0;
  double first_ms = 0, second_ms = 0, third_ms = 0;
  Serve([&](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "first");
    first_ms = Milliseconds();
    EXPECT_EQ(ReadText(ssl), "second");
    second_ms = Milliseconds();
    EXPECT_EQ(ReadText(ssl), "third");
    third_ms = Milliseconds();
  });
  double written_ms = 0;
  Ask([&](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "first");  // held
    uapi::usleep(10'000);
    written_ms = Milliseconds();
    EXPECT_EQ(sockbed::BIO_set_tcp_ndelay(SSL_get_fd(ssl), 1), 1);  // goes
    EXPECT_EQ(sockbed::BIO_set_tcp_ndelay(SSL_get_fd(ssl), 0), 1);
    uapi::usleep(1'000'000);  // all is acknowledged
    WriteText(ssl, "second");
    WriteText(ssl, "third");  // held until "second" is acknowledged
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).reason(), SSL_R_UNEXPECTED_EOF_WHILE_READING);
  });
  Run();
  EXPECT_NEAR(first_ms, written_ms + 20, kSlackMs);
  EXPECT_NEAR(third_ms - second_ms, 40 + 200, kSlackMs);
}

}  // namespace
}  // namespace sockbed::ssl
