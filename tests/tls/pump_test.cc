// TLS through BIO pairs: every size, every transport, and nobody waits for nobody.
#include "ssl/pump.h"

#include <openssl/ssl.h>

#include "bio/bio_ptr.h"
#include "bio/bss_bio.h"
#include "kernel/sim/fault.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

// An SSL on the internal half of a pair, and the half that the network sees.
struct PairEnd {
  PairEnd(const Context& context, size_t bytes, const std::string& name = "") {
    BIO *internal = nullptr, *outer = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&internal, bytes, &outer, bytes), 1);
    network.reset(outer);
    ssl = context.NewSsl(internal, name);
  }
  BioPtr network;
  SslPtr ssl;
};

std::string Story(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

std::string ReadAll(Pump* pump) {
  std::string all, part(5000, '\0');
  for (;;) {
    const Outcome read = pump->Read(part.data(), part.size());
    if (!read.ok()) {
      EXPECT_EQ(read.ssl_error, SSL_ERROR_ZERO_RETURN) << read.ToString();
      return all;
    }
    all.append(part, 0, static_cast<size_t>(read.ret));
  }
}

class PumpConversation : public TlsHosts {
 protected:
  explicit PumpConversation(const Machine::Options& options = {.seed = 7})
      : TlsHosts({.latency = absl::Milliseconds(1)}, options) {}

  // `text` goes to the server and comes back, through pairs of that size.
  void Converse(size_t bytes, const std::string& text);
};

void PumpConversation::Converse(size_t bytes, const std::string& text) {
  server_.Spawn("server", [&, this] {
    const Context context(Role::kServer, server_options_);
    const int fd = AcceptOne();
    PairEnd end(context, bytes);
    FdTransport transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    EXPECT_TRUE(pump.Handshake().ok());
    EXPECT_EQ(ReadAll(&pump), text);
    EXPECT_TRUE(pump.Write(text.data(), text.size()).ok());
    EXPECT_EQ(pump.Shutdown().ret, 1);
    BIO_closesocket(fd);
  });
  client_.Spawn("client", [&, this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Dial();
    PairEnd end(context, bytes, "server");
    FdTransport transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    const Outcome outcome = pump.Handshake();
    EXPECT_TRUE(outcome.ok()) << outcome.ToString();
    EXPECT_TRUE(pump.Write(text.data(), text.size()).ok());
    EXPECT_TRUE(pump.SayGoodbye().ok());
    EXPECT_EQ(ReadAll(&pump), text);
    EXPECT_EQ(pump.Shutdown().ret, 1);
    BIO_closesocket(fd);
  });
  Run();
}

constexpr size_t kSizes[] = {1, 2, 64, 255, 4096, 17408};

// A pair that is smaller than a record slows it down; it must not stop it.
class PumpOverSockets : public PumpConversation, public testing::WithParamInterface<size_t> {};

TEST_P(PumpOverSockets, CarriesAConversation) {
  Converse(GetParam(), Story(GetParam() < 64 ? 300 : 100'000));
}

INSTANTIATE_TEST_SUITE_P(Bytes, PumpOverSockets, testing::ValuesIn(kSizes));

// The same over a transport that moves one byte at a time, or as many as chance will have.
using Parts = std::tuple<size_t, Site>;

struct PlanOfParts {
  explicit PlanOfParts(Site site) : plan({{.site = site}}) {}
  fault::Plan plan;
};

class PumpInParts : public PlanOfParts,
                    public PumpConversation,
                    public testing::WithParamInterface<Parts> {
 protected:
  PumpInParts()
      : PlanOfParts(std::get<Site>(GetParam())),
        PumpConversation({.seed = 7, .fault_plan = &plan}) {}
};

TEST_P(PumpInParts, CarriesAConversation) {
  Converse(std::get<size_t>(GetParam()), Story(2000));
  if (std::get<size_t>(GetParam()) == 1) return;  // in parts of one byte without it
  EXPECT_GT(plan.visits(std::get<Site>(GetParam()), client_.id), 20u);
}

INSTANTIATE_TEST_SUITE_P(Parts, PumpInParts,
                         testing::Combine(testing::ValuesIn(kSizes),
                                          testing::Values(Site::kSyscallByte,
                                                          Site::kSyscallShort)));

// Two SSLs in one process, joined pair to pair: they take turns.
class PumpOverPairs : public TlsHosts, public testing::WithParamInterface<size_t> {
 protected:
  // Runs both handshakes to their end; how many rounds it took, or the budget.
  static int Alternate(Pump* client, Pump* server, bool attend) {
    constexpr int kRoundsMax = 20'000;
    bool client_done = false, server_done = false;
    for (int round = 1; round < kRoundsMax; ++round) {
      if (client_done && attend) {
        (void)client->Attend();  // takes the tickets; there is no data yet
      } else if (!client_done) {
        client_done = Finished(client->Handshake());
      }
      if (!server_done) server_done = Finished(server->Handshake());
      if (client_done && server_done) return round;
    }
    return kRoundsMax;
  }

  static bool Finished(const Outcome& outcome) {
    const bool waits =
        outcome.ssl_error == SSL_ERROR_WANT_READ || outcome.ssl_error == SSL_ERROR_WANT_WRITE;
    EXPECT_TRUE(waits || outcome.ok()) << outcome.ToString();
    return outcome.ok();
  }

  int HandshakeRounds(bool attend) {
    int rounds = 0;
    server_.Spawn("both", [&, this] {
      const Context server_context(Role::kServer, server_options_);
      const Context client_context(Role::kClient, client_options_);
      PairEnd client(client_context, GetParam(), "server"), server(server_context, GetParam());
      PairTransport to_server(server.network.get()), to_client(client.network.get());
      Pump client_pump(client.ssl.get(), client.network.get(), &to_server);
      Pump server_pump(server.ssl.get(), server.network.get(), &to_client);
      rounds = Alternate(&client_pump, &server_pump, attend);
    });
    Run();
    return rounds;
  }
};

// With a pair smaller than a ticket the server is held up until its client, long done, reads on.
TEST_P(PumpOverPairs, ASideThatIsDoneReadsOn) { EXPECT_LT(HandshakeRounds(true), 20'000); }

INSTANTIATE_TEST_SUITE_P(Bytes, PumpOverPairs, testing::ValuesIn(kSizes));

// --- The transports' own promises. ---

class Transports : public TlsHosts {
 protected:
  explicit Transports(const Machine::Options& options = {.seed = 7})
      : TlsHosts({.latency = absl::Milliseconds(20)}, options) {}

  // A server that takes a connection, and after a second does as it likes.
  void ServeLate(std::function<void(int fd)> then) {
    server_.Spawn("server", [this, then] {
      const int fd = AcceptOne();
      uapi::sleep(1);
      then(fd);
      BIO_closesocket(fd);
    });
  }

  // Sends until the transport takes no more; what it says then.
  static int Fill(Transport* transport) {
    BIO *inner = nullptr, *outer = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&inner, 0, &outer, 0), 1);
    const BioPtr in(inner), out(outer);
    const std::string data(1000, 'x');
    int n;
    do {
      BIO_write(in.get(), data.data(), 1000);
      n = transport->Send(out.get());
    } while (n > 0);
    return n;
  }
};

TEST_F(Transports, DoNotSleepThoughTheSocketIsBlocking) {
  ServeLate([](int) {});
  client_.Spawn("client", [this] {
    const int fd = Dial();
    FdTransport transport(fd);
    EXPECT_EQ(Fill(&transport), 0);
    BIO *inner = nullptr, *outer = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&inner, 0, &outer, 0), 1);
    const BioPtr in(inner), out(outer);
    EXPECT_EQ(transport.Receive(out.get(), 100), 0);
    EXPECT_LT(Milliseconds(), 500);
    BIO_closesocket(fd);
  });
  Run();
}

TEST_F(Transports, ADeadPeerIsAnErrorAndNoSignal) {
  ServeLate([](int fd) {
    const linger now{1, 0};
    uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  });
  client_.Spawn("client", [this] {
    const int fd = Dial();
    uapi::sleep(2);
    FdTransport transport(fd);
    EXPECT_EQ(Fill(&transport), -1);
    EXPECT_EQ(errno, EPIPE);
    BIO_closesocket(fd);
  });
  Run();
}

struct PlanOfFaults {
  fault::Plan plan{{}};
};

class TransportsWithoutMemory : public PlanOfFaults, public Transports {
 protected:
  TransportsWithoutMemory() : Transports({.seed = 7, .fault_plan = &plan}) {}
};

TEST_F(TransportsWithoutMemory, SayThatThereIsNone) {
  ServeLate([](int) {});
  client_.Spawn("client", [this] {
    const int fd = Dial();
    FdTransport transport(fd);
    BIO *inner = nullptr, *outer = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&inner, 0, &outer, 0), 1);
    const BioPtr in(inner), out(outer);
    plan = fault::Plan({{.site = Site::kMbufGet, .host = client_.id}});
    EXPECT_EQ(transport.Receive(out.get(), 100), -1);
    EXPECT_EQ(errno, ENOBUFS);
    plan = fault::Plan({});
    ERR_clear_error();
    BIO_closesocket(fd);
  });
  Run();
}

// A transport that takes nothing until it has been waited for.
class Reluctant : public FdTransport {
 public:
  using FdTransport::FdTransport;
  int Send(BIO* half) override {
    return std::exchange(willing_, false) ? FdTransport::Send(half) : 0;
  }
  bool Wait(bool in, bool out) override {
    willing_ = out;
    return out || FdTransport::Wait(in, false);
  }

 private:
  bool willing_ = false;
};

// What an operation has written is on its way when the operation is over.
TEST_F(Transports, AnOperationEndsWhenItsLastByteIsTaken) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "hello");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Dial();
    PairEnd end(context, 0, "server");
    Reluctant transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    EXPECT_TRUE(pump.Handshake().ok());
    EXPECT_EQ(BIO_ctrl_pending(end.network.get()), 0u);
    EXPECT_TRUE(pump.Write("", 0).ok());
    EXPECT_TRUE(pump.Write("hello", 5).ok());
    EXPECT_EQ(BIO_ctrl_pending(end.network.get()), 0u);
    EXPECT_TRUE(pump.SayGoodbye().ok());
    EXPECT_EQ(BIO_ctrl_pending(end.network.get()), 0u);
    EXPECT_EQ(pump.Shutdown().ret, 1);
    EXPECT_EQ(SSL_get_shutdown(end.ssl.get()), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    BIO_closesocket(fd);
  });
  Run();
}

// Taking what has come takes no data.
TEST_F(Transports, AttendingLeavesTheDataToBeRead) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "hello");
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Dial();
    PairEnd end(context, 0, "server");
    FdTransport transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    EXPECT_TRUE(pump.Handshake().ok());
    EXPECT_TRUE(pump.Attend().ok());
    EXPECT_EQ(ReadAll(&pump), "hello");
    EXPECT_TRUE(pump.Shutdown().ok());
    BIO_closesocket(fd);
  });
  Run();
}

class PumpEnds : public TlsHosts {};

TEST_F(PumpEnds, TheEndOfAnotherPairIsToldToo) {
  client_.Spawn("both", [this] {
    const Context context(Role::kClient, client_options_);
    PairEnd client(context, 0, "server");
    BIO *other_inner = nullptr, *other = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&other_inner, 0, &other, 0), 1);
    const BioPtr inner(other_inner), network(other);
    PairTransport transport(network.get());
    Pump pump(client.ssl.get(), client.network.get(), &transport);
    EXPECT_EQ(pump.Handshake().ssl_error, SSL_ERROR_WANT_READ) << "nobody answers yet";
    BIO_shutdown_wr(inner.get());
    EXPECT_EQ(pump.Handshake().reason(), SSL_R_UNEXPECTED_EOF_WHILE_READING);
  });
  Run();
}

TEST_F(PumpEnds, TheTransportsEndIsToldToTheSsl) {
  server_.Spawn("server", [this] {
    const int fd = AcceptOne();
    char buffer[2048];
    EXPECT_GT(uapi::recv(fd, buffer, sizeof buffer, 0), 0);
    BIO_closesocket(fd);
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Dial();
    PairEnd end(context, 0, "server");
    FdTransport transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    EXPECT_EQ(pump.Handshake().reason(), SSL_R_UNEXPECTED_EOF_WHILE_READING);
    BIO_closesocket(fd);
  });
  Run();
}

TEST_F(PumpEnds, AResetIsTheSystemsError) {
  server_.Spawn("server", [this] {
    const int fd = AcceptOne();
    const linger now{1, 0};
    uapi::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    BIO_closesocket(fd);
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Dial();
    PairEnd end(context, 0, "server");
    FdTransport transport(fd);
    Pump pump(end.ssl.get(), end.network.get(), &transport);
    const Outcome outcome = pump.Handshake();
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL);
    EXPECT_EQ(outcome.sys_errno, ECONNRESET);
    BIO_closesocket(fd);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
