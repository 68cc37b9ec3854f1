// In what order, how often and how much OpenSSL draws, and which secrets it tells of: what to look
// at first when two runs have parted. The numbers are those of OpenSSL 3.0.
#include <openssl/ssl.h>

#include <set>

#include "kernel/sim/fault.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

// What one operation drew: how often, and how many words of eight bytes (the last word of a draw
// may not be used up).
struct Drawn {
  uint64_t draws = 0;
  int words = 0;

  friend bool operator==(const Drawn&, const Drawn&) = default;
};

std::ostream& operator<<(std::ostream& out, const Drawn& drawn) {
  return out << drawn.draws << " draws of " << drawn.words << " words";
}

// Measures from its construction on.
class Meter {
 public:
  explicit Meter(const fault::Plan& plan)
      : plan_(plan), before_(HostLocal<SslHost>::Get().draws), visits_(Visits()) {}

  Drawn Read() const {
    Stream now = HostLocal<SslHost>::Get().draws, then = before_;
    const uint64_t next = now.Next64();
    int words = 0;
    constexpr int kWordsMax = 2000;
    while (then.Next64() != next && words < kWordsMax) ++words;
    return {Visits() - visits_, words};
  }

 private:
  uint64_t Visits() const { return plan_.visits(Site::kSslRand, Here().host_id); }

  const fault::Plan& plan_;
  const Stream before_;
  const uint64_t visits_;
};

struct Counting {
  fault::Plan plan{{}};  // no rule: nothing fails, visits are counted
};

class Draws : public Counting, public TlsHosts {
 protected:
  Draws() : TlsHosts({.latency = absl::Milliseconds(1)}, {.seed = 7, .fault_plan = &plan}) {}

  // What a handshake, the `connections`-th with the session of the one before, draws on each side.
  void Play(int connections) {
    ServeEach(connections, [this](int, SSL* ssl) {
      const Meter meter(plan);
      ExpectHandshake(ssl);
      server_drew_ = meter.Read();
      WriteText(ssl, "hi");
      EXPECT_TRUE(Shutdown(ssl).ok());
      data_drew_ = meter.Read();
    });
    client_.Spawn("client", [this, connections] {
      const Context context(Role::kClient, client_options_);
      SSL_SESSION* session = nullptr;
      for (int i = 0; i < connections; ++i) {
        const SslPtr ssl = context.NewSsl(BIO_new_socket(Dial(), BIO_CLOSE), "server");
        SSL_set_session(ssl.get(), session);
        const Meter meter(plan);
        ExpectHandshake(ssl.get());
        client_drew_ = meter.Read();
        EXPECT_EQ(ReadText(ssl.get()), "hi");
        SSL_SESSION_free(std::exchange(session, SSL_get1_session(ssl.get())));
        EXPECT_TRUE(Shutdown(ssl.get()).ok());
      }
      SSL_SESSION_free(session);
    });
    Run();
    EXPECT_EQ(data_drew_, server_drew_) << "records draw nothing";
  }

  Drawn client_drew_, server_drew_, data_drew_;
};

TEST_F(Draws, OfATls13Handshake) {
  Play(1);
  EXPECT_EQ(client_drew_, (Drawn{3, 4 + 4 + 4}));  // random, session id, key share
  // Random, key share, signature; two tickets of 32, 4 and 16 bytes.
  EXPECT_EQ(server_drew_, (Drawn{9, 4 + 4 + 8 + 2 * (4 + 1 + 2)}));
}

TEST_F(Draws, OfATls13Resumption) {
  Play(2);
  EXPECT_EQ(client_drew_, (Drawn{3, 4 + 4 + 4}));
  EXPECT_EQ(server_drew_, (Drawn{5, 4 + 4 + (4 + 1 + 2)}));
}

TEST_F(Draws, OfATls12Handshake) {
  UseVersion(TLS1_2_VERSION);
  Play(1);
  EXPECT_EQ(client_drew_, (Drawn{3, 4 + 4 + 1}));          // random, key, nonce
  EXPECT_EQ(server_drew_, (Drawn{5, 4 + 4 + 8 + 2 + 1}));  // ..., signature, ticket, nonce
}

TEST_F(Draws, OfATls12Resumption) {
  UseVersion(TLS1_2_VERSION);
  Play(2);
  EXPECT_EQ(client_drew_, (Drawn{2, 4 + 1}));
  EXPECT_EQ(server_drew_, (Drawn{2, 4 + 1}));
}

TEST_F(Draws, OfAContextAndAKey) {
  client_.Spawn("client", [this] {
    const Meter context_meter(plan);
    const Context context(Role::kClient);
    EXPECT_EQ(context_meter.Read(), (Drawn{4, 2 + 4 + 4 + 4}));
    const Meter key_meter(plan);
    const KeyPtr key(EVP_EC_gen("P-256"));
    EXPECT_EQ(key_meter.Read(), (Drawn{1, 4}));
  });
  Run();
}

// --- The labels of the key log. ---

class Labels : public TlsHosts {
 protected:
  Labels() : TlsHosts({.latency = absl::Milliseconds(1)}) {}

  // The first words of the lines, in order; the lengths of the secrets are checked.
  static std::string LabelsOf(const std::string& log, size_t secret_digits) {
    std::string labels;
    for (size_t at = 0; at < log.size();) {
      const size_t end = log.find('\n', at);
      const std::string line = log.substr(at, end - at);
      const size_t first = line.find(' '), second = line.find(' ', first + 1);
      EXPECT_EQ(second - first - 1, 64u) << line;
      EXPECT_EQ(line.size() - second - 1, secret_digits) << line;
      labels += (labels.empty() ? "" : " ") + line.substr(0, first);
      at = end + 1;
    }
    return labels;
  }

  // The log of a conversation; `then` is what the client does after its handshake.
  std::string LogOf(const Body& then = [](SSL*) {}) {
    Serve([](SSL* ssl) {
      ExpectHandshake(ssl);
      EXPECT_EQ(ReadText(ssl), "x");
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    Ask([then](SSL* ssl) {
      ExpectHandshake(ssl);
      then(ssl);
      WriteText(ssl, "x");
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    Run();
    return tls_.key_log().ToString();
  }
};

constexpr char kTls13Labels[] =
    "SERVER_HANDSHAKE_TRAFFIC_SECRET CLIENT_HANDSHAKE_TRAFFIC_SECRET EXPORTER_SECRET "
    "SERVER_TRAFFIC_SECRET_0 CLIENT_TRAFFIC_SECRET_0";

// Both ends tell of each secret; each stands once, where the server told of it first.
TEST_F(Labels, OfTls13) { EXPECT_EQ(LabelsOf(LogOf(), 96), kTls13Labels); }

TEST_F(Labels, OfTls13WithAShorterHash) {
  const std::string log = [this] {
    set_up_server_ = [](SSL_CTX* ctx) {
      EXPECT_EQ(SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"), 1);
    };
    ServeEach(1, [](int, SSL* ssl) {
      ExpectHandshake(ssl);
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    Ask([](SSL* ssl) {
      ExpectHandshake(ssl);
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    Run();
    return tls_.key_log().ToString();
  }();
  EXPECT_EQ(LabelsOf(log, 64), kTls13Labels);
}

// The library calls each later secret N. (The server, which writes no data, changes none.)
TEST_F(Labels, OfAKeyUpdate) {
  const std::string log =
      LogOf([](SSL* ssl) { EXPECT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1); });
  EXPECT_EQ(LabelsOf(log, 96), std::string(kTls13Labels) + " CLIENT_TRAFFIC_SECRET_N");
}

TEST_F(Labels, OfTls12) {
  UseVersion(TLS1_2_VERSION);
  EXPECT_EQ(LabelsOf(LogOf(), 96), "CLIENT_RANDOM");
}

}  // namespace
}  // namespace sockbed::ssl
