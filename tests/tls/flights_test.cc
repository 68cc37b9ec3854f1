// What goes over the wire, write by write: sizes and order of the flights of every handshake, with
// a hello that names the server and offers one version.
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

// One write to the transport: 'c' or 's', and its bytes.
struct Flight {
  char side;
  int bytes;
};
using Flights = std::vector<Flight>;

std::string ToString(const Flights& flights) {
  std::string text;
  for (const Flight& flight : flights) {
    text += flight.side + std::to_string(flight.bytes) + " ";
  }
  return text;
}

class FlightsTest : public testing::Test {
 protected:
  struct Options {
    int version = TLS1_3_VERSION;
    int tickets = 2;
    bool resume = false;       // what a second connection writes, with the session of the first
    bool retry_hello = false;  // the client guesses a group that the server does not take
    int chain = 0;             // certificates that the server shows besides its own
    uint64_t seed = 7;
  };

  // What both sides write from the first hello to the client's first read.
  static Flights Play(const Options& options);
  // That it is this, whatever the seed.
  static void ExpectOfSeeds(Options options, const Flights& expected);
};

class Conversation : public TlsHosts {
 public:
  explicit Conversation(uint64_t seed)
      : TlsHosts({.latency = absl::Milliseconds(20)}, {.seed = seed}) {}
  void TestBody() override {}

  // From now on the writes of this SSL are noted.
  void Watch(SSL* ssl, char side) {
    notes_[side == 's'] = {this, side};
    BIO* const bio = SSL_get_wbio(ssl);
    BIO_set_callback_arg(bio, reinterpret_cast<char*>(&notes_[side == 's']));
    BIO_set_callback_ex(
        bio,
        [](BIO* b, int operation, const char*, size_t size, int, long, int ret, size_t*) -> long {
          if (operation == BIO_CB_WRITE) {
            const auto* note = reinterpret_cast<const Note*>(BIO_get_callback_arg(b));
            note->to->flights_.push_back({note->side, static_cast<int>(size)});
          }
          return ret;
        });
  }

  using TlsHosts::client_, TlsHosts::ServeEach, TlsHosts::Dial, TlsHosts::Run, TlsHosts::ReadText;
  using TlsHosts::client_options_, TlsHosts::server_options_, TlsHosts::UseVersion;
  using TlsHosts::WriteText, TlsHosts::ExpectHandshake, TlsHosts::set_up_server_, TlsHosts::tls_;
  Flights flights_;

 private:
  struct Note {
    Conversation* to = nullptr;
    char side = 0;
  };
  Note notes_[2];
};

// One connection of the client; notes its writes, and those of the server, until the greeting.
void ConnectOnce(Conversation* talk, const Context& context, bool retry, SSL_SESSION** session) {
  const SslPtr ssl = context.NewSsl(sockbed::BIO_new_socket(talk->Dial(), BIO_CLOSE), "server");
  if (retry) {
    EXPECT_EQ(SSL_set1_groups_list(ssl.get(), "X25519:P-256"), 1);
  }
  EXPECT_EQ(SSL_set_session(ssl.get(), *session), 1);  // null: none
  talk->flights_.clear();
  talk->Watch(ssl.get(), 'c');
  Conversation::ExpectHandshake(ssl.get());
  EXPECT_EQ(Conversation::ReadText(ssl.get()), "hi");
  SSL_SESSION_free(std::exchange(*session, SSL_get1_session(ssl.get())));
  BIO_set_callback_ex(SSL_get_wbio(ssl.get()), nullptr);
  EXPECT_TRUE(Shutdown(ssl.get()).ok());
}

Flights FlightsTest::Play(const Options& options) {
  Conversation talk(options.seed);
  talk.UseVersion(options.version);
  talk.server_options_.tickets = options.tickets;
  talk.set_up_server_ = [&](SSL_CTX* ctx) {
    if (options.retry_hello) {
      EXPECT_EQ(SSL_CTX_set1_groups_list(ctx, "P-256"), 1);
    }
    for (int i = 0; i < options.chain; ++i) {
      EXPECT_EQ(SSL_CTX_add1_chain_cert(ctx, talk.tls_.ca().cert()), 1);
    }
  };
  const int connections = options.resume ? 2 : 1;
  talk.ServeEach(connections, [&talk](int, SSL* ssl) {
    talk.Watch(ssl, 's');
    Conversation::ExpectHandshake(ssl);
    BIO_set_callback_ex(SSL_get_wbio(ssl), nullptr);
    Conversation::WriteText(ssl, "hi");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Flights flights;
  talk.client_.Spawn("client", [&] {
    const Context context(Role::kClient, talk.client_options_);
    SSL_SESSION* session = nullptr;
    for (int i = 0; i < connections; ++i) {
      ConnectOnce(&talk, context, options.retry_hello, &session);
    }
    SSL_SESSION_free(session);
    flights = talk.flights_;
  });
  talk.Run();
  return flights;
}

// The sizes move with the seed: an ECDSA signature is DER, of variable length.
constexpr int kSlack = 4;

void ExpectFlights(const Flights& seen, const Flights& expected) {
  ASSERT_EQ(seen.size(), expected.size()) << ToString(seen);
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].side, expected[i].side) << ToString(seen);
    EXPECT_NEAR(seen[i].bytes, expected[i].bytes, kSlack) << ToString(seen);
  }
}

void FlightsTest::ExpectOfSeeds(Options options, const Flights& expected) {
  for (options.seed = 1; options.seed <= 5; ++options.seed) {
    SCOPED_TRACE("seed " + std::to_string(options.seed));
    ExpectFlights(Play(options), expected);
  }
}

TEST_F(FlightsTest, OfAFullHandshakeAndItsTwoTickets) {
  ExpectOfSeeds({}, {{'c', 240}, {'s', 746}, {'c', 80}, {'s', 255}, {'s', 255}});
}

TEST_F(FlightsTest, WithoutTicketsTheClientSpeaksLast) {
  ExpectOfSeeds({.tickets = 0}, {{'c', 240}, {'s', 746}, {'c', 80}});
}

TEST_F(FlightsTest, OfAResumptionWithoutCertificateAndWithOneTicket) {
  ExpectOfSeeds({.resume = true}, {{'c', 511}, {'s', 241}, {'c', 80}, {'s', 255}});
}

TEST_F(FlightsTest, OfAServerThatAsksForAnotherHello) {
  ExpectOfSeeds({.retry_hello = true},
                {{'c', 224}, {'s', 99}, {'c', 263}, {'s', 773}, {'c', 74}, {'s', 255}, {'s', 255}});
}

TEST_F(FlightsTest, OfTls12WhereTheServerSpeaksLast) {
  ExpectOfSeeds({.version = TLS1_2_VERSION}, {{'c', 203}, {'s', 591}, {'c', 93}, {'s', 242}});
}

TEST_F(FlightsTest, OfTls12ResumedWhereTheClientDoes) {
  ExpectOfSeeds({.version = TLS1_2_VERSION, .resume = true}, {{'c', 411}, {'s', 141}, {'c', 51}});
}

// A flight stands in a buffer of 4096 bytes until it is whole, or the buffer full.
TEST_F(FlightsTest, OfMoreThanTheBufferAreCut) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Flights flights = Play({.version = version, .chain = 11});
    ASSERT_GE(flights.size(), 4u) << ToString(flights);
    EXPECT_EQ(flights[1].side, 's');
    EXPECT_EQ(flights[1].bytes, 4096);
    EXPECT_EQ(flights[2].side, 's') << ToString(flights);
    EXPECT_EQ(flights[3].side, 'c') << ToString(flights);
  }
}

TEST_F(FlightsTest, SameSeedSameSizes) {
  for (const uint64_t seed : {1, 2, 3}) {
    EXPECT_EQ(ToString(Play({.seed = seed})), ToString(Play({.seed = seed})));
  }
}

}  // namespace
}  // namespace sockbed::ssl
