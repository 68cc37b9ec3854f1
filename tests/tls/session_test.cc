// Sessions: tickets, session ids, resumption and its end, early data.
#include <openssl/ssl.h>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class TlsSession : public TlsHosts {
 protected:
  TlsSession() : TlsHosts({.latency = absl::Milliseconds(1)}) {}
  ~TlsSession() override { SSL_SESSION_free(session_); }

  // A server of `count` connections: says "hi" and then goodbye.
  void ServeMany(int count) {
    ServeEach(count, [this](int i, SSL* ssl) {
      if (new_keys_at_ == i) {
        unsigned char keys[80] = {1};
        SSL_CTX* const ctx = SSL_get_SSL_CTX(ssl);
        EXPECT_EQ(SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof keys), 1);
      }
      ExpectHandshake(ssl);
      WriteText(ssl, "hi");
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
  }

  // One connection, with the session of the one before. Whether it was resumed.
  bool Connect(const Context& context) {
    const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
    EXPECT_EQ(SSL_set_session(ssl.get(), session_), 1);  // null: none
    ExpectHandshake(ssl.get());
    EXPECT_EQ(ReadText(ssl.get()), "hi");  // tickets come before it
    SSL_SESSION_free(std::exchange(session_, SSL_get1_session(ssl.get())));
    EXPECT_TRUE(Shutdown(ssl.get()).ok());
    return SSL_session_reused(ssl.get()) == 1;
  }

  // Two connections with `pause_s` between them: whether the second was resumed.
  bool ConnectTwice(int version, unsigned pause_s = 0) {
    UseVersion(version);
    ServeMany(2);
    bool resumed = false;
    client_.Spawn("client", [&] {
      const Context context(Role::kClient, client_options_);
      EXPECT_FALSE(Connect(context));
      uapi::sleep(pause_s);
      resumed = Connect(context);
    });
    Run();
    return resumed;
  }

  SSL_SESSION* session_ = nullptr;
  int new_keys_at_ = -1;
};

TEST_F(TlsSession, ATls13TicketResumes) { EXPECT_TRUE(ConnectTwice(TLS1_3_VERSION)); }
TEST_F(TlsSession, ATls12TicketResumes) { EXPECT_TRUE(ConnectTwice(TLS1_2_VERSION)); }

TEST_F(TlsSession, ATls12SessionIdResumes) {
  set_up_server_ = [](SSL_CTX* ctx) { SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); };
  EXPECT_TRUE(ConnectTwice(TLS1_2_VERSION));
}

TEST_F(TlsSession, AStatefulTls13TicketResumes) {
  set_up_server_ = [](SSL_CTX* ctx) { SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); };
  EXPECT_TRUE(ConnectTwice(TLS1_3_VERSION));
}

TEST_F(TlsSession, JustBeforeItsEndATicketIsGood) {
  EXPECT_TRUE(ConnectTwice(TLS1_2_VERSION, 7199));
}
TEST_F(TlsSession, AfterTwoHoursItIsNot) { EXPECT_FALSE(ConnectTwice(TLS1_2_VERSION, 7202)); }
TEST_F(TlsSession, NorInTls13) { EXPECT_FALSE(ConnectTwice(TLS1_3_VERSION, 7202)); }

TEST_F(TlsSession, AServerMaySetAnEarlierEnd) {
  set_up_server_ = [](SSL_CTX* ctx) { EXPECT_EQ(SSL_CTX_set_timeout(ctx, 60), 7200); };
  EXPECT_FALSE(ConnectTwice(TLS1_2_VERSION, 62));
}

// A connection that was cut is not to be trusted: its session goes with it.
TEST_F(TlsSession, WithoutAGoodbyeItIsNotResumed) {
  ServeEach(2, [](int i, SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "hi");
    char byte;
    const Outcome end = Read(ssl, &byte, 1);
    EXPECT_EQ(end.ssl_error, i == 0 ? SSL_ERROR_SSL : SSL_ERROR_ZERO_RETURN);
    SSL_shutdown(ssl);
    ERR_clear_error();
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    SslPtr cut = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
    ExpectHandshake(cut.get());
    EXPECT_EQ(ReadText(cut.get()), "hi");
    session_ = SSL_get1_session(cut.get());
    EXPECT_EQ(SSL_SESSION_is_resumable(session_), 1);
    cut.reset();
    EXPECT_EQ(SSL_SESSION_is_resumable(session_), 0);
    EXPECT_FALSE(Connect(context));
  });
  Run();
}

TEST_F(TlsSession, ATicketUnderAnotherKeyFallsBackToAFullHandshake) {
  new_keys_at_ = 1;
  EXPECT_FALSE(ConnectTwice(TLS1_3_VERSION));
}

TEST_F(TlsSession, WithoutTicketsThereIsNothingToResume) {
  server_options_.tickets = 0;
  EXPECT_FALSE(ConnectTwice(TLS1_3_VERSION));
}

// --- Early data. ---

class EarlyData : public TlsSession {
 protected:
  EarlyData() { server_options_.early_data_bytes = 1000; }

  // What a server makes of early data: its text, and what SSL_get_early_data_status says.
  struct Early {
    std::string text;
    int status = -1;
  };

  static Early AcceptEarly(SSL* ssl) {
    Early early;
    char buffer[64];
    for (;;) {
      size_t got = 0;
      const int state = SSL_read_early_data(ssl, buffer, sizeof buffer, &got);
      if (state == SSL_READ_EARLY_DATA_ERROR) break;
      early.text.append(buffer, got);
      if (state == SSL_READ_EARLY_DATA_FINISH) break;
    }
    early.status = SSL_get_early_data_status(ssl);
    ExpectHandshake(ssl);
    WriteText(ssl, "hi");
    EXPECT_TRUE(Shutdown(ssl).ok());
    return early;
  }

  // A connection that says "early" with its first flight.
  int ConnectEarly(const Context& context, SSL_SESSION* session) {
    const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
    EXPECT_EQ(SSL_set_session(ssl.get(), session), 1);
    size_t written = 0;
    EXPECT_EQ(SSL_write_early_data(ssl.get(), "early", 5, &written), 1);
    ExpectHandshake(ssl.get());
    EXPECT_EQ(ReadText(ssl.get()), "hi");
    const int status = SSL_get_early_data_status(ssl.get());
    EXPECT_TRUE(Shutdown(ssl.get()).ok());
    return status;
  }

  // A first connection, then one for each of `pauses_us` with the session of the first.
  void Play(std::vector<unsigned> pauses_us) {
    ServeEach(static_cast<int>(pauses_us.size()) + 1,
              [this](int, SSL* ssl) { seen_.push_back(AcceptEarly(ssl)); });
    client_.Spawn("client", [this, pauses_us] {
      const Context context(Role::kClient, client_options_);
      EXPECT_FALSE(Connect(context));
      for (const unsigned pause_us : pauses_us) {
        uapi::usleep(pause_us);
        statuses_.push_back(ConnectEarly(context, session_));
      }
    });
    Run();
  }

  std::vector<Early> seen_;    // by the server
  std::vector<int> statuses_;  // of the client
};

TEST_F(EarlyData, TravelsWithTheFirstFlight) {
  Play({100'000});
  EXPECT_EQ(seen_[0].text, "");
  EXPECT_EQ(seen_[1].text, "early");
  EXPECT_EQ(seen_[1].status, SSL_EARLY_DATA_ACCEPTED);
  EXPECT_EQ(statuses_[0], SSL_EARLY_DATA_ACCEPTED);
}

TEST_F(EarlyData, IsTakenOnceFromOneTicket) {
  Play({100'000, 100'000});
  EXPECT_EQ(seen_[2].text, "");
  EXPECT_EQ(seen_[2].status, SSL_EARLY_DATA_REJECTED);
  EXPECT_EQ(statuses_[1], SSL_EARLY_DATA_REJECTED);
}

TEST_F(EarlyData, IsNotTakenWithoutLeave) {
  server_options_.early_data_bytes = 0;
  ServeMany(1);
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    EXPECT_FALSE(Connect(context));
    EXPECT_EQ(SSL_SESSION_get_max_early_data(session_), 0u);
  });
  Run();
}

// What a clock that was set between two connections does to early data: the age of the ticket that
// the client states differs from the one that the server counts (RFC 8446 8.3).
class SteppedClock : public EarlyData, public testing::WithParamInterface<std::pair<int, bool>> {};

TEST_P(SteppedClock, EarlyDataIsTakenWhileTheAgesAgree) {
  const auto [step_s, accepted] = GetParam();
  ServeEach(2, [this](int, SSL* ssl) { seen_.push_back(AcceptEarly(ssl)); });
  client_.Spawn("client", [this, step_s = step_s] {
    const Context context(Role::kClient, client_options_);
    EXPECT_FALSE(Connect(context));
    uapi::sleep(60);
    const timespec stepped{uapi::time(nullptr) + step_s, 0};
    EXPECT_EQ(uapi::clock_settime(CLOCK_REALTIME, &stepped), 0);
    statuses_.push_back(ConnectEarly(context, session_));
  });
  Run();
  EXPECT_EQ(seen_[1].text, accepted ? "early" : "");
  EXPECT_EQ(statuses_[0], accepted ? SSL_EARLY_DATA_ACCEPTED : SSL_EARLY_DATA_REJECTED);
}

INSTANTIATE_TEST_SUITE_P(Steps, SteppedClock,
                         testing::Values(std::pair(0, true), std::pair(11, false),
                                         std::pair(-5, true), std::pair(-11, false)),
                         [](const auto& step) {
                           const int seconds = step.param.first;
                           return std::string(seconds < 0 ? "Back" : "Ahead") +
                                  std::to_string(seconds < 0 ? -seconds : seconds);
                         });

}  // namespace
}  // namespace sockbed::ssl
