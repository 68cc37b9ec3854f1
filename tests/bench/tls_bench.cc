// TLS 1.3 over the simulated network, next to the same over OpenSSL's bare BIO pair in memory.
//
// Subject and reference use the same contexts, the same verification and the same seeded
// randomness, so that what is left is the cost of the simulation. Each handshake ends alike: the
// server has sent its tickets, the client leaves without reading them.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "bio/addr.h"
#include "bio/bio_sock.h"
#include "bio/bss_bio.h"
#include "bio/bss_sock.h"
#include "kernel/host/simulation.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/kassert.h"
#include "ssl/context.h"
#include "ssl/drive.h"
#include "ssl/runtime.h"
#include "tests/bench/paired.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 4433;

struct SessionFree {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Session = std::unique_ptr<SSL_SESSION, SessionFree>;

constexpr size_t kRecordBytes = 16 * 1024;

using PairMaker = int (*)(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2);

struct AddrFree {
  void operator()(BIO_ADDR* addr) const { BIO_ADDR_free(addr); }
};
using Addr = std::unique_ptr<BIO_ADDR, AddrFree>;

Addr AddressOf(const sockaddr_in& name) {
  Addr addr(BIO_ADDR_new());
  memcpy(SockaddrOf(addr.get()), &name, sizeof(name));
  return addr;
}

// Two hosts (or one, talking to itself over lo0) with a context each; a server that takes any
// number of connections and leaves after the handshake, as the bare one does, or reads to the end.
class TlsWorld {
 public:
  explicit TlsWorld(bool loopback, uint64_t rate_bps = 0) : sim_({.seed = 1}) {
    tls_.Attach(sim_.machine());
    server_ = &AddHost("server");
    client_ = loopback ? server_ : &AddHost("client");
    if (!loopback) {
      sim_.Connect(*server_, *client_, {.latency = absl::Microseconds(50), .rate_bps = rate_bps});
    }
    MachineScope scope(sim_.machine());
    {
      HostScope on(*server_);
      server_context_ = std::make_unique<ssl::Context>(ssl::Role::kServer);
    }
    HostScope on(*client_);
    client_context_ = std::make_unique<ssl::Context>(ssl::Role::kClient);
    server_->Spawn("server", [this] { Serve(); }, {.daemon = true});
    client_->Spawn("client", [this] { ShakeHands(); }, {.daemon = true});
    sim_.RunUntil({});
  }
  ~TlsWorld() {
    {
      MachineScope scope(sim_.machine());
      HostScope on(*server_);
      bare_bulk_.clear();
    }
    sim_.Finish();
  }

  // n connections one after the other, each a handshake.
  void Handshakes(int64_t n) {
    left_ = n;
    {
      MachineScope scope(sim_.machine());
      HostScope on(*client_);
      wakeup(&left_);
    }
    sim_.RunUntil({});
    KASSERT(left_ == 0);
  }

  // From now on each handshake resumes a session: the simulated ones one, the bare ones another.
  void Resume() {
    reads_ = true;  // a server that left at once would end the session by its end of file
    client_->Spawn("first", [this] {
      const ssl::SslPtr ssl = Connect();
      uapi::usleep(1'000'000);  // the tickets come
      uapi::fcntl(SSL_get_fd(ssl.get()), F_SETFL, O_NONBLOCK);
      session_ = SessionOf(ssl.get());
      CountAsClosed(ssl.get());
    });
    sim_.RunUntil({});
    reads_ = false;
    MachineScope scope(sim_.machine());
    HostScope on(*server_);
    const BarePair pair(*this, nullptr);
    bare_session_ = SessionOf(pair.client.get());
  }

  // n records over one connection, which stays open from call to call.
  void Records(int64_t n) {
    if (!reads_) client_->Spawn("bulk", [this] { SendRecords(); }, {.daemon = true});
    reads_ = true;
    records_left_ = n;
    {
      MachineScope scope(sim_.machine());
      HostScope on(*client_);
      wakeup(&records_left_);
    }
    sim_.RunUntil({});
    KASSERT(records_left_ == 0);
  }

  // The same handshake between two ends joined in memory. On the server's host, for its randomness.
  void BareHandshakes(int64_t n) {
    MachineScope scope(sim_.machine());
    HostScope on(*server_);
    for (int64_t i = 0; i < n; ++i) BarePair pair(*this, bare_session_.get());
  }

  // n records between two ends joined in memory, by OpenSSL's pair or another.
  void BareRecords(int64_t n, PairMaker make_pair = ::BIO_new_bio_pair) {
    MachineScope scope(sim_.machine());
    HostScope on(*server_);
    std::unique_ptr<BarePair>& pair = bare_bulk_[make_pair];
    if (pair == nullptr) pair = std::make_unique<BarePair>(*this, nullptr, make_pair);
    for (int64_t i = 0; i < n; ++i) {
      KASSERT(SSL_write(pair->client.get(), record_.data(), kRecordBytes) == kRecordBytes);
      KASSERT(SSL_read(pair->server.get(), read_.data(), kRecordBytes) == kRecordBytes);
    }
  }

 private:
  struct BarePair {
    BarePair(const TlsWorld& world, SSL_SESSION* session,
             PairMaker make_pair = ::BIO_new_bio_pair) {
      BIO* client_end = nullptr;
      BIO* server_end = nullptr;
      KASSERT(make_pair(&client_end, 0, &server_end, 0) == 1);
      client = world.client_context_->NewSsl(client_end, "server");
      server = world.server_context_->NewSsl(server_end);
      if (session != nullptr) SSL_set_session(client.get(), session);
      int client_done = 0;
      int server_done = 0;
      while (client_done != 1 || server_done != 1) {
        if (client_done != 1) client_done = SSL_do_handshake(client.get());
        if (server_done != 1) server_done = SSL_do_handshake(server.get());
      }
      KASSERT(SSL_session_reused(client.get()) == (session != nullptr));
    }
    ~BarePair() { CountAsClosed(client.get()); }
    ssl::SslPtr client, server;
  };

  Host& AddHost(const char* name) {
    Host& host = sim_.AddHost(name);
    tls_.AddHost(host);
    return host;
  }

  void Serve() {
    const int listener = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kPort);
    KASSERT(sockbed::BIO_listen(listener, AddressOf(any).get(), BIO_SOCK_REUSEADDR) == 1);
    std::string buffer(kRecordBytes, '\0');
    for (;;) {
      const int fd = sockbed::BIO_accept_ex(listener, nullptr, 0);
      if (fd < 0) return;
      const ssl::SslPtr ssl = server_context_->NewSsl(BIO_new_socket(fd, BIO_CLOSE));
      if (!ssl::Handshake(ssl.get()).ok()) continue;
      while (reads_ && SSL_read(ssl.get(), buffer.data(), kRecordBytes) > 0) {
      }
      ERR_clear_error();
    }
  }

  // The client: as many handshakes as there are left, then waits for more.
  void ShakeHands() {
    for (;;) {
      while (left_ == 0) {
        if (tsleep(&left_, PWAIT | PCATCH, "hands", 0) != 0) return;
      }
      const ssl::SslPtr ssl = Connect(session_.get());
      KASSERT(SSL_session_reused(ssl.get()) == (session_ != nullptr));
      CountAsClosed(ssl.get());
      --left_;
    }
  }

  // The client of bulk: as many records as there are left, then waits for more.
  void SendRecords() {
    const ssl::SslPtr ssl = Connect();
    for (;;) {
      for (; records_left_ > 0; --records_left_) {
        KASSERT(ssl::Write(ssl.get(), record_.data(), record_.size()).ok());
      }
      if (tsleep(&records_left_, PWAIT | PCATCH, "records", 0) != 0) return;
    }
  }

  // As if goodbyes had been said: a session whose connection just breaks off is not resumed again.
  static void CountAsClosed(SSL* ssl) {
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  // What a client can resume, once it has read the tickets that wait for it.
  static Session SessionOf(SSL* ssl) {
    char byte = 0;
    KASSERT(SSL_peek(ssl, &byte, 1) <= 0);
    ERR_clear_error();
    return Session(SSL_get1_session(ssl));
  }

  ssl::SslPtr Connect(SSL_SESSION* session = nullptr) {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    KASSERT(sockbed::BIO_connect(fd, AddressOf(server_->address(kPort)).get(), BIO_SOCK_NODELAY) ==
            1);
    ssl::SslPtr ssl = client_context_->NewSsl(BIO_new_socket(fd, BIO_CLOSE), "server");
    if (session != nullptr) SSL_set_session(ssl.get(), session);
    KASSERT(ssl::Handshake(ssl.get()).ok());
    return ssl;
  }

  ssl::Runtime tls_;
  Simulation sim_;
  Host* server_;
  Host* client_;
  std::unique_ptr<ssl::Context> server_context_, client_context_;
  Session session_, bare_session_;
  int64_t left_ = 0;
  bool reads_ = false;  // what the client sends; else the server leaves after the handshake
  int64_t records_left_ = 0;
  const std::string record_ = std::string(kRecordBytes, 'x');
  std::string read_ = std::string(kRecordBytes, '\0');
  std::map<PairMaker, std::unique_ptr<BarePair>> bare_bulk_;
};

void TlsHandshake(benchmark::State& state) {
  TlsWorld world(/*loopback=*/false);
  RunPaired(
      state, [&](int64_t n) { world.Handshakes(n); }, [&](int64_t n) { world.BareHandshakes(n); },
      {.goal = 1.03});
}
BENCHMARK(TlsHandshake)->Name("P9/tls_handshake")->Apply(Paired);

void TlsResumed(benchmark::State& state) {
  TlsWorld world(/*loopback=*/false);
  world.Resume();
  RunPaired(
      state, [&](int64_t n) { world.Handshakes(n); }, [&](int64_t n) { world.BareHandshakes(n); },
      {.goal = 1.05});
}
BENCHMARK(TlsResumed)->Name("P9/tls_resumed")->Apply(Paired);

void TlsBulkLoopback(benchmark::State& state) {
  TlsWorld world(/*loopback=*/true);
  RunPaired(
      state, [&](int64_t n) { world.Records(n); }, [&](int64_t n) { world.BareRecords(n); },
      {.goal = 1 / 0.9, .slice_seconds = 20e-3});
}
BENCHMARK(TlsBulkLoopback)->Name("P9/tls_bulk_loopback")->Apply(Paired);

void TlsBulkLink1500(benchmark::State& state) {
  TlsWorld world(/*loopback=*/false);
  RunPaired(
      state, [&](int64_t n) { world.Records(n); }, [&](int64_t n) { world.BareRecords(n); },
      {.goal = 1 / 0.65, .slice_seconds = 20e-3});
}
BENCHMARK(TlsBulkLink1500)->Name("P9/tls_bulk_link1500")->Apply(Paired);

void TlsBulkMbufPair(benchmark::State& state) {
  TlsWorld world(/*loopback=*/true);
  RunPaired(
      state, [&](int64_t n) { world.BareRecords(n, sockbed::BIO_new_bio_pair); },
      [&](int64_t n) { world.BareRecords(n); }, {.goal = 1.0, .slice_seconds = 20e-3});
}
BENCHMARK(TlsBulkMbufPair)->Name("P9/tls_bulk_mbuf_pair")->Apply(Paired);

}  // namespace
}  // namespace sockbed

BENCHMARK_MAIN();
