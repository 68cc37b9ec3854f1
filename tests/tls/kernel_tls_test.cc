// TLS inside the kernel: threads with bare sockets, no descriptors, no system calls.
#include <signal.h>

#include "bio/bss_bio.h"
#include "bio/bss_kern.h"
#include "ssl/pump.h"
#include "tests/kthread/calls.h"
#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

class KernelTls : public TlsHosts {
 protected:
  // A kernel thread on `host`.
  void Thread(Host& host, const char* name, std::function<void()> body) {
    const MachineScope machine(sim_.machine());
    const HostScope on_host(host);
    threads_.push_back(std::make_unique<std::function<void()>>(std::move(body)));
    EXPECT_EQ(kthread_create([](void* arg) { (*static_cast<std::function<void()>*>(arg))(); },
                             threads_.back().get(), nullptr, name),
              0);
  }

  socket* Accepted() {
    socket *head = nullptr, *so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &head, SOCK_STREAM, 0), 0);
    const MbufPtr nam = PortName({INADDR_ANY}, kPort);
    EXPECT_EQ(sobind(head, nam.get(), curproc()), 0);
    EXPECT_EQ(solisten(head, 1), 0);
    EXPECT_EQ(AcceptNext(head, &so), 0);
    soclose(head);
    return so;
  }

  socket* Connected() {
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
    const MbufPtr nam = PortName(server_.address(), kPort);
    EXPECT_EQ(ConnectAndWait(so, nam.get(), 0), 0);
    return so;
  }

  std::vector<std::unique_ptr<std::function<void()>>> threads_;
};

TEST_F(KernelTls, ABioOnABareSocketCarriesIt) {
  Thread(server_, "tlsd", [this] {
    const Context context(Role::kServer);
    const SslPtr ssl = context.NewSsl(BIO_new_ksocket(Accepted(), BIO_CLOSE));
    ExpectHandshake(ssl.get());
    EXPECT_EQ(ReadText(ssl.get()), "from the kernel");
    WriteText(ssl.get(), "to the kernel");
    EXPECT_EQ(Shutdown(ssl.get()).ret, 1);
  });
  Thread(client_, "tls", [this] {
    const Context context(Role::kClient);
    const SslPtr ssl = context.NewSsl(BIO_new_ksocket(Connected(), BIO_CLOSE), "server");
    ExpectHandshake(ssl.get());
    WriteText(ssl.get(), "from the kernel");
    EXPECT_EQ(ReadText(ssl.get()), "to the kernel");
    EXPECT_EQ(Shutdown(ssl.get()).ret, 1);
  });
  Run();
}

// Chains go from the SSL's pair to the socket and back, and a program at the other end notices
// nothing.
TEST_F(KernelTls, APairHandsItsChainsToTheSocket) {
  Thread(server_, "tlsd", [this] {
    const Context context(Role::kServer);
    socket* const so = Accepted();
    BIO *internal = nullptr, *network = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&internal, 0, &network, 0), 1);
    const SslPtr ssl = context.NewSsl(internal);
    SocketTransport transport(so);
    Pump pump(ssl.get(), network, &transport);
    const Outcome outcome = pump.Handshake();
    EXPECT_TRUE(outcome.ok()) << outcome.ToString();
    std::string text(200'000, 'k');
    EXPECT_TRUE(pump.Write(text.data(), text.size()).ok());
    EXPECT_EQ(pump.Shutdown().ret, 1);
    BIO_free(network);
    soclose(so);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    size_t got = 0;
    std::string part(50'000, '\0');
    for (;;) {
      const Outcome read = Read(ssl, part.data(), part.size());
      if (!read.ok()) break;
      const std::string_view text(part.data(), static_cast<size_t>(read.ret));
      EXPECT_EQ(text.find_first_not_of('k'), std::string_view::npos);
      got += static_cast<size_t>(read.ret);
    }
    EXPECT_EQ(got, 200'000u);
    EXPECT_EQ(SSL_shutdown(ssl), 1);
  });
  Run();
}

// Its buffer is full when the connection is reset: the socket has no room for what would tell it.
TEST_F(KernelTls, AResetOfAFullSocketIsTold) {
  Thread(client_, "tls", [this] {
    const Context context(Role::kClient);
    socket* const so = Connected();
    BIO *internal = nullptr, *network = nullptr;
    EXPECT_EQ(sockbed::BIO_new_bio_pair(&internal, 0, &network, 0), 1);
    const SslPtr ssl = context.NewSsl(internal, "server");
    SocketTransport transport(so);
    Pump pump(ssl.get(), network, &transport);
    EXPECT_TRUE(pump.Handshake().ok());
    const std::string text(400'000, 'k');
    const Outcome outcome = pump.Write(text.data(), text.size());
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL);
    EXPECT_EQ(outcome.sys_errno, EPIPE);
    BIO_free(network);
    soclose(so);
  });
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    uapi::sleep(2);
    const linger now{1, 0};
    uapi::setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    SSL_set_quiet_shutdown(ssl, 1);
  });
  Run();
}

// A process may have such a BIO, too: a signal ends its wait, and what was written by then counts.
TEST_F(KernelTls, ASignalEndsACallOfAProcess) {
  Thread(server_, "silent", [this] {
    socket* const so = Accepted();
    (void)tsleep(&nowake, PSOCK, "pause", 500);
    soclose(so);
  });
  client_.Spawn("client", [this] {
    BIO* const bio = BIO_new_ksocket(Connected(), BIO_CLOSE);
    for (const int flags : {0, SA_RESTART}) {
      struct sigaction action {};
      action.sa_handler = [](int) {};
      action.sa_flags = flags;
      EXPECT_EQ(uapi::sigaction(SIGALRM, &action, nullptr), 0);
      uapi::alarm(1);
      char byte;
      EXPECT_EQ(BIO_read(bio, &byte, 1), -1);
      EXPECT_EQ(errno, EINTR);
      EXPECT_TRUE(BIO_should_read(bio));
    }
    uapi::alarm(1);
    const std::string data(1'000'000, 'x');
    const int n = BIO_write(bio, data.data(), 1'000'000);
    EXPECT_GT(n, 0);
    EXPECT_LT(n, 1'000'000);
    BIO_free(bio);
  });
  Run();
}

TEST_F(KernelTls, TheEndAndTheResetAreTold) {
  Thread(server_, "end", [this] {
    socket* const so = Accepted();
    const BIO_METHOD* const method = BIO_s_ksocket();
    EXPECT_EQ(BIO_meth_get_read(method) != nullptr, true);
    BIO* const bio = BIO_new_ksocket(so, BIO_CLOSE);
    char buffer[8];
    (void)tsleep(&nowake, PSOCK, "pause", 10);
    EXPECT_EQ(BIO_pending(bio), 2);
    EXPECT_EQ(BIO_read(bio, buffer, sizeof buffer), 2);
    EXPECT_EQ(BIO_set_nbio(bio, 1), 1);
    EXPECT_EQ(BIO_read(bio, buffer, sizeof buffer), -1);
    EXPECT_TRUE(BIO_should_read(bio));
    EXPECT_EQ(BIO_pending(bio), 0);
    EXPECT_EQ(BIO_set_nbio(bio, 0), 1);
    EXPECT_EQ(BIO_read(bio, buffer, sizeof buffer), 0);
    EXPECT_EQ(BIO_eof(bio), 1);
    EXPECT_EQ(BIO_get_fd(bio, nullptr), -1);
    EXPECT_EQ(BIO_ctrl(bio, 73, 0, nullptr), 0);
    EXPECT_EQ(BIO_puts(bio, "late"), 4);
    BIO_free(bio);
  });
  Thread(client_, "start", [this] {
    BIO* const bio = BIO_new_ksocket(Connected(), BIO_CLOSE);
    EXPECT_EQ(BIO_puts(bio, "hi"), 2);
    (void)tsleep(&nowake, PSOCK, "pause", 20);
    BIO_free(bio);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
