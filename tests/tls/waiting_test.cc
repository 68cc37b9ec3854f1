// A non-blocking SSL and three ways to wait for what it wants: poll, select, kqueue.
#include <openssl/ssl.h>

#include "tests/tls/tls_hosts.h"
#include "uapi/waiting.h"

namespace sockbed::ssl {
namespace {

void WaitInPoll(int fd, bool reading) {
  pollfd entry{fd, static_cast<short>(reading ? POLLIN : POLLOUT), 0};
  EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
}

void WaitInSelect(int fd, bool reading) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  EXPECT_EQ(
      uapi::select(fd + 1, reading ? &set : nullptr, reading ? nullptr : &set, nullptr, nullptr),
      1);
}

void WaitInKqueue(int fd, bool reading) {
  const int kq = uapi::kqueue();
  struct kevent change {};
  change.ident = static_cast<uintptr_t>(fd);
  change.filter = reading ? EVFILT_READ : EVFILT_WRITE;
  change.flags = EV_ADD | EV_ONESHOT;
  struct kevent event {};
  EXPECT_EQ(uapi::kevent(kq, &change, 1, &event, 1, nullptr), 1);
  EXPECT_EQ(event.ident, change.ident);
  EXPECT_EQ(uapi::close(kq), 0);
}

struct Waiter {
  const char* name;
  void (*wait)(int fd, bool reading);
};
constexpr Waiter kWaiters[] = {
    {"Poll", WaitInPoll}, {"Select", WaitInSelect}, {"Kqueue", WaitInKqueue}};

class Waiting : public TlsHosts, public testing::WithParamInterface<Waiter> {
 protected:
  Waiting() { mode_ = BIO_SOCK_NONBLOCK; }

  // Repeats `operation` as SSL_get_error(3) says; how often it had to wait.
  template <typename Operation>
  static int Until(SSL* ssl, Operation operation) {
    for (int waits = 0;; ++waits) {
      ERR_clear_error();
      const Outcome outcome = TakeOutcome(ssl, operation());
      if (outcome.ok()) return waits;
      const bool reading = outcome.ssl_error == SSL_ERROR_WANT_READ;
      EXPECT_TRUE(reading || outcome.ssl_error == SSL_ERROR_WANT_WRITE) << outcome.ToString();
      if (!reading && outcome.ssl_error != SSL_ERROR_WANT_WRITE) return -1;
      GetParam().wait(SSL_get_fd(ssl), reading);
    }
  }
};

TEST_P(Waiting, AnswersWhatTheSslWants) {
  constexpr int kBytes = 400'000;  // more than the buffers hold: writing has to wait as well
  Serve([](SSL* ssl) {
    EXPECT_GT(Until(ssl, [ssl] { return SSL_accept(ssl); }), 0);
    uapi::sleep(1);
    std::string part(16'384, '\0');
    for (int got = 0; got < kBytes;) {
      Until(ssl, [&] {
        const int n = SSL_read(ssl, part.data(), static_cast<int>(part.size()));
        if (n > 0) got += n;
        return n;
      });
    }
  });
  Ask([](SSL* ssl) {
    EXPECT_GT(Until(ssl, [ssl] { return SSL_connect(ssl); }), 0);
    const std::string data(kBytes, 'x');
    EXPECT_GT(Until(ssl, [&] { return SSL_write(ssl, data.data(), kBytes); }), 0);
  });
  Run();
}

INSTANTIATE_TEST_SUITE_P(Ways, Waiting, testing::ValuesIn(kWaiters),
                         [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace sockbed::ssl
