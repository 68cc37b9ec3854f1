// A DTLS server and its clients: TlsHosts for datagrams.
//
// Lives here:  DtlsHosts.
// Called by:   dtls_test.cc and the sweeps.
// Context:     as TlsHosts.
#ifndef SOCKBED_TESTS_TLS_DTLS_HOSTS_H_
#define SOCKBED_TESTS_TLS_DTLS_HOSTS_H_

#include <functional>
#include <string>

#include "bio/bss_dgram.h"
#include "ssl/dtls.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {

class DtlsHosts : public TlsHosts {
 protected:
  explicit DtlsHosts(const LinkSpec& link = {.latency = absl::Milliseconds(20)},
                     const Machine::Options& options = {.seed = 7})
      : TlsHosts(link, options) {
    server_options_.datagram = client_options_.datagram = true;
    server_options_.cookies = true;
  }

  // A server process that takes `count` associations, one after the other.
  void ServeDtls(Body body, int count = 1) {
    server_.Spawn("server", [this, body = std::move(body), count] {
      const Context context(Role::kServer, server_options_);
      ASSERT_TRUE(context.ok());
      DtlsListener listener(context, kPort);
      ASSERT_TRUE(listener.ok());
      for (int i = 0; i < count; ++i) {
        const SslPtr ssl = listener.Accept();
        ASSERT_NE(ssl, nullptr);
        EXPECT_EQ(ERR_peek_error(), 0u) << "whatever was dropped before";
        body(ssl.get());
      }
    });
  }

  // A server process that takes `count` associations, each for a process of its own, as inetd would
  // do it; they echo.
  void ServeEachInAProcess(int count) {
    server_.Spawn("server", [this, count] {
      const Context context(Role::kServer, server_options_);
      DtlsListener listener(context, kPort);
      for (int i = 0; i < count; ++i) {
        auto ssl = std::make_shared<SslPtr>(listener.Accept());
        ASSERT_NE(*ssl, nullptr);
        uapi::spawn("association", [ssl] {
          EchoUntilGoodbye(ssl->get());
          ssl->reset();
          return 0;
        });
        uapi::close_staying(SSL_get_fd(ssl->get()));  // the child's
      }
      int status;
      while (uapi::wait(&status) > 0) continue;
    });
  }

  // A client process over a connected socket; `body` has its SSL.
  void AskDtls(Body body, const std::string& process = "client") {
    client_.Spawn(process, [this, body = std::move(body)] {
      const Context context(Role::kClient, client_options_);
      ASSERT_TRUE(context.ok());
      body(context.NewSsl(DialDtls(), "server").get());
    });
  }

  BIO* DialDtls() {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    const AddrPtr server = AddrOf(server_.address(kPort));
    EXPECT_EQ(sockbed::BIO_connect(fd, server.get(), mode_), 1);
    BIO* const bio = new_dgram_(fd, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_set_connected(bio, server.get()), 1);
    return bio;
  }

  // Answers each datagram until the goodbye. Gives up when nothing has come for a minute: over
  // datagrams nobody is told of a peer's end.
  static void EchoUntilGoodbye(SSL* ssl) {
    SetPatience(ssl, 60);
    if (!Handshake(ssl).ok()) return;
    char text[2000];
    for (;;) {
      const int n = SSL_read(ssl, text, sizeof text);
      if (n <= 0) break;
      if (SSL_write(ssl, text, n) != n) break;
    }
    ERR_clear_error();
  }

  static void SetPatience(SSL* ssl, int seconds) {
    timeval limit{seconds, 0};
    EXPECT_EQ(BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit), 1);
  }

  // Sends `text` until it comes back, once a second.
  static bool Echo(SSL* ssl, const std::string& text, int tries = 20) {
    SetPatience(ssl, 1);
    std::string answer(text.size() + 1, '\0');
    for (int i = 0; i < tries; ++i) {
      ERR_clear_error();
      if (SSL_write(ssl, text.data(), static_cast<int>(text.size())) <= 0) return false;
      int n = SSL_read(ssl, answer.data(), static_cast<int>(answer.size()));
      pollfd entry{SSL_get_fd(ssl), POLLIN, 0};
      if (n < 0 && uapi::poll(&entry, 1, 1000) == 1) {  // a non-blocking socket
        n = SSL_read(ssl, answer.data(), static_cast<int>(answer.size()));
      }
      if (n > 0 && answer.compare(0, static_cast<size_t>(n), text) == 0) return true;
    }
    return false;
  }
};

}  // namespace sockbed::ssl

#endif  // SOCKBED_TESTS_TLS_DTLS_HOSTS_H_
