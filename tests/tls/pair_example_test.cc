// The example of BIO_new_bio_pair(3), as a program: an application that talks to an SSL, and moves
// the SSL's bytes to and from a socket itself. It may be read as the page is; no other helper of
// this tree is in its way.
//
//   application  |   TLS-engine
//       |        |
//       +----------> SSL_operations()
//                |     /\    ||
//                |     ||    \/
//                |   BIO-pair (internal)
//       +----------< BIO-pair (network)
//       |        |
//     socket     |
#include <openssl/ssl.h>

#include <algorithm>

#include "bio/bss_bio.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class Application {
 public:
  Application(const Context& context, int fd, const std::string& server_name) : fd_(fd) {
    BIO* internal = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&internal, 0, &network_, 0), 1);
    ssl_ = context.NewSsl(internal, server_name);
  }
  ~Application() {
    BIO_free(network_);
    BIO_closesocket(fd_);
  }

  SSL* ssl() { return ssl_.get(); }

  // Repeats `operation` until it is done; true if it was done well.
  template <typename Operation>
  bool Do(Operation operation) {
    for (;;) {
      ERR_clear_error();
      const int ret = operation();
      const int error = SSL_get_error(ssl_.get(), ret);
      // Whatever it said, there may be output: "it is not sufficient to call SSL_operations when
      // WANT_WRITE is returned".
      if (!SendPending()) return false;
      if (ret > 0) return true;
      if (error == SSL_ERROR_WANT_READ) {
        if (!ReceiveSome()) BIO_shutdown_wr(network_);
      } else if (error != SSL_ERROR_WANT_WRITE) {
        return false;
      }
    }
  }

 private:
  // Writes all that the engine has produced to the socket.
  bool SendPending() {
    while (BIO_ctrl_pending(network_) > 0) {
      char* data = nullptr;
      const int n = BIO_nread0(network_, &data);
      const ssize_t sent = uapi::send(fd_, data, static_cast<size_t>(n), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      BIO_nread(network_, &data, static_cast<int>(sent));
    }
    return true;
  }

  // Waits for the socket, and takes no more than the pair has room for. False: its end.
  bool ReceiveSome() {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd_, &readable);
    EXPECT_EQ(uapi::select(fd_ + 1, &readable, nullptr, nullptr, nullptr), 1);
    const size_t wanted = std::max<size_t>(1, BIO_ctrl_get_read_request(network_));
    char* room = nullptr;
    const int most = BIO_nwrite0(network_, &room);
    const size_t size =
        std::min({static_cast<size_t>(most), BIO_ctrl_get_write_guarantee(network_), wanted + 100});
    const ssize_t n = uapi::recv(fd_, room, size, 0);
    if (n <= 0) return false;
    EXPECT_EQ(BIO_nwrite(network_, &room, static_cast<int>(n)), n);
    return true;
  }

  const int fd_;
  BIO* network_ = nullptr;
  SslPtr ssl_;
};

class PairExample : public TlsHosts {};

TEST_F(PairExample, RunsAsThePageSays) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "a question");
    WriteText(ssl, "an answer");
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  client_.Spawn("application", [this] {
    const Context context(Role::kClient);
    Application application(context, Dial(), "server");
    SSL* const ssl = application.ssl();
    EXPECT_TRUE(application.Do([ssl] { return SSL_connect(ssl); }));
    EXPECT_TRUE(application.Do([ssl] { return SSL_write(ssl, "a question", 10); }));
    char answer[32];
    int n = 0;
    EXPECT_TRUE(application.Do([&] { return n = SSL_read(ssl, answer, sizeof answer); }));
    EXPECT_EQ(std::string(answer, static_cast<size_t>(n)), "an answer");
    EXPECT_FALSE(application.Do([&] { return SSL_read(ssl, answer, 1); }));  // the goodbye
    EXPECT_TRUE(application.Do([ssl] { return SSL_shutdown(ssl); }));
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
