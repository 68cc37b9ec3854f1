// A server and a client with TLS between them: what each test of this folder sets up.
//
// Lives here:  TlsHosts, Connected, Listening.
// Called by:   *_test.cc here.
// Context:     Serve and Ask spawn simulated processes; their bodies run in them.
// Invariants:  1. A test that ran its simulation has nothing to complain of and leaked nothing.
//              2. The server listens before the client connects.
#ifndef SOCKBED_TESTS_TLS_TLS_HOSTS_H_
#define SOCKBED_TESTS_TLS_TLS_HOSTS_H_

#include <openssl/err.h>

#include <functional>
#include <string>
#include <string_view>

#include "bio/addr.h"
#include "bio/bio_sock.h"
#include "bio/bss_conn.h"
#include "bio/bss_dgram.h"
#include "bio/bss_sock.h"
#include "gtest/gtest.h"
#include "ssl/context.h"
#include "ssl/drive.h"
#include "ssl/runtime.h"
#include "tests/captures/test_simulation.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {

inline constexpr uint16_t kPort = 4433;

inline AddrPtr AddrOf(const sockaddr_in& name) {
  AddrPtr addr(BIO_ADDR_new());
  memcpy(SockaddrOf(addr.get()), &name, sizeof name);
  return addr;
}

// The simulation's clock in milliseconds.
inline double Milliseconds() { return static_cast<double>(Here().machine->now()) / kMillisecond; }

class TlsHosts : public testing::Test {
 protected:
  explicit TlsHosts(const LinkSpec& link = {.latency = absl::Milliseconds(20)},
                    const Machine::Options& options = {.seed = 7})
      : sim_(options),
        server_(sim_.AddHost("server")),
        client_(sim_.AddHost("client")),
        link_(sim_.Connect(server_, client_, link)) {
    tls_.Attach(sim_.machine());
    tls_.AddHost(server_);
    tls_.AddHost(client_);
  }

  // What a body gets: the end of a connection whose handshake is still to come.
  using Body = std::function<void(SSL* ssl)>;

  // A server process: takes one connection; `body` has its SSL.
  void Serve(Body body) {
    server_.Spawn("server", [this, body = std::move(body)] {
      begin_();
      const Context context(Role::kServer, server_options_);
      ASSERT_TRUE(context.ok());
      body(context.NewSsl(new_socket_(AcceptOne(), BIO_CLOSE)).get());
    });
  }

  // A server process that takes `count` connections, one after the other.
  void ServeEach(int count, std::function<void(int i, SSL* ssl)> body) {
    server_.Spawn("server", [this, count, body = std::move(body)] {
      const Context context(Role::kServer, server_options_);
      ASSERT_TRUE(context.ok());
      if (set_up_server_) set_up_server_(context.get());
      const int listener = Listen();
      for (int i = 0; i < count; ++i) {
        body(i, context.NewSsl(new_socket_(AcceptFrom(listener), BIO_CLOSE)).get());
      }
      BIO_closesocket(listener);
    });
  }

  // A client process: connects; `body` has its SSL.
  void Ask(Body body, const std::string& name = "server") {
    client_.Spawn("client", [this, body = std::move(body), name] {
      begin_();
      const Context context(Role::kClient, client_options_);
      ASSERT_TRUE(context.ok());
      body(context.NewSsl(new_socket_(Dial(), BIO_CLOSE), name).get());
    });
  }

  // A connection from the listening port, which is closed at once.
  int AcceptOne() {
    const int listener = Listen();
    const int fd = AcceptFrom(listener);
    BIO_closesocket(listener);
    return fd;
  }
  int AcceptFrom(int listener) { return sockbed::BIO_accept_ex(listener, nullptr, mode_); }
  int Listen() {
    const int listener = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kPort);
    EXPECT_EQ(sockbed::BIO_listen(listener, AddrOf(any).get(), BIO_SOCK_REUSEADDR), 1);
    return listener;
  }
  int Dial() {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    if (sockbed::BIO_connect(fd, AddrOf(server_.address(kPort)).get(), mode_) == 1) return fd;
    EXPECT_TRUE(BIO_sock_should_retry(-1));
    pollfd entry{fd, POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_sock_error(fd), 0);
    return fd;
  }

  // From now on the BIOs are OpenSSL's own, over the shim. They write with write(2): a program that
  // would live must ignore SIGPIPE.
  void UseOpensslsBios() {
    new_socket_ = ::BIO_new_socket;
    new_dgram_ = ::BIO_new_dgram;
    new_connect_ = ::BIO_new_connect;
    begin_ = [] {
      struct sigaction ignore {};
      ignore.sa_handler = SIG_IGN;
      EXPECT_EQ(uapi::sigaction(SIGPIPE, &ignore, nullptr), 0);
    };
  }

  // Runs to the end, which is to be a good one.
  void Run() {
    result_ = sim_.Run();
    EXPECT_EQ(result_.Complaints(), "");
  }

  static std::string ReadText(SSL* ssl) {
    char text[64];
    const Outcome read = Read(ssl, text, sizeof text);
    return read.ok() ? std::string(text, static_cast<size_t>(read.ret)) : read.ToString();
  }
  static void WriteText(SSL* ssl, std::string_view text) {
    const Outcome written = Write(ssl, text.data(), text.size());
    EXPECT_TRUE(written.ok()) << written.ToString();
  }
  static void ExpectHandshake(SSL* ssl) {
    const Outcome outcome = Handshake(ssl);
    EXPECT_TRUE(outcome.ok()) << outcome.ToString();
  }

  // One version of TLS for both sides.
  void UseVersion(int version) {
    server_options_.min_version = server_options_.max_version = version;
    client_options_.min_version = client_options_.max_version = version;
  }

  Runtime tls_;  // outlives the machine
  TestSimulation sim_;
  Host& server_;
  Host& client_;
  Link& link_;
  ContextOptions server_options_, client_options_;
  int mode_ = 0;  // BIO_SOCK_* of both sockets
  // The BIOs under test, and what each process does first.
  BIO* (*new_socket_)(int sock, int close_flag) = sockbed::BIO_new_socket;
  BIO* (*new_dgram_)(int sock, int close_flag) = sockbed::BIO_new_dgram;
  BIO* (*new_connect_)(const char* name) = sockbed::BIO_new_connect;
  void (*begin_)() = [] {};
  std::function<void(SSL_CTX*)> set_up_server_;  // what ServeEach's context gets besides
  RunResult result_;
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_TESTS_TLS_TLS_HOSTS_H_
