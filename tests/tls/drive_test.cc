// The driver of ssl/drive.h itself: what it waits on, when it does not wait, and what it tells.
#include "ssl/drive.h"

#include <openssl/ssl.h>
#include <signal.h>

#include "gmock/gmock.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/trace.h"
#include "tests/tls/dtls_hosts.h"

namespace sockbed::ssl {
namespace {

class Drive : public TlsHosts {
 protected:
  Drive() { mode_ = BIO_SOCK_NONBLOCK; }

  // An SSL that reads from one socket and writes to another.
  SslPtr Over(const Context& context, int in, int out, const std::string& name = "") {
    SslPtr ssl = context.NewSsl(new_socket_(in, BIO_CLOSE), name);
    SSL_set0_wbio(ssl.get(), new_socket_(out, BIO_CLOSE));
    return ssl;
  }
};

// To write it waits until the socket that it writes to has room, and not a moment longer.
TEST_F(Drive, WaitsOnTheDescriptorOfEachDirection) {
  constexpr int kBytes = 400'000;
  server_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    const int listener = Listen();
    const int out = AcceptFrom(listener), in = AcceptFrom(listener);
    BIO_closesocket(listener);
    const SslPtr ssl = Over(context, in, out);
    ExpectHandshake(ssl.get());
    uapi::sleep(1);
    std::string part(16'384, '\0');
    for (int got = 0; got < kBytes;) {
      const Outcome read = Read(ssl.get(), part.data(), part.size());
      ASSERT_TRUE(read.ok()) << read.ToString();
      got += read.ret;
    }
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int in = Dial(), out = Dial();
    const SslPtr ssl = Over(context, in, out, "server");
    ExpectHandshake(ssl.get());
    int writes = 0;
    BIO_set_callback_arg(SSL_get_wbio(ssl.get()), reinterpret_cast<char*>(&writes));
    BIO_set_callback_ex(
        SSL_get_wbio(ssl.get()),
        [](BIO* bio, int operation, const char*, size_t, int, long, int ret, size_t*) -> long {
          const bool write = operation == BIO_CB_WRITE;
          *reinterpret_cast<int*>(BIO_get_callback_arg(bio)) += write ? 1 : 0;
          return ret;
        });
    WriteText(ssl.get(), std::string(kBytes, 'x'));
    EXPECT_GT(Milliseconds(), 1000);
    EXPECT_LT(writes, 500) << "it asked without waiting";
    BIO_set_callback_ex(SSL_get_wbio(ssl.get()), nullptr);
  });
  Run();
}

TEST_F(Drive, WithoutADescriptorItDoesNotWait) {
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    BIO* const in = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    const SslPtr ssl = context.NewSsl(in, "server");
    SSL_set0_wbio(ssl.get(), BIO_new(BIO_s_mem()));
    EXPECT_EQ(Handshake(ssl.get()).ssl_error, SSL_ERROR_WANT_READ);
    EXPECT_LT(Milliseconds(), 1);
  });
  Run();
}

// A signal ends the wait: what the operation lacked, and EINTR.
TEST_F(Drive, ASignalEndsItsWait) {
  Serve([](SSL* ssl) {
    uapi::sleep(5);
    EXPECT_FALSE(Handshake(ssl).ok());
  });
  Ask([](SSL* ssl) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    EXPECT_EQ(uapi::sigaction(SIGALRM, &action, nullptr), 0);
    uapi::alarm(1);
    const Outcome outcome = Handshake(ssl);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_WANT_READ);
    EXPECT_EQ(outcome.sys_errno, EINTR);
    EXPECT_NEAR(Milliseconds(), 1040, 50);
  });
  Run();
}

TEST_F(Drive, WritingNothingIsNothing) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    const uint64_t before = BIO_number_written(SSL_get_wbio(ssl));
    EXPECT_TRUE(Write(ssl, "", 0).ok());
    EXPECT_EQ(BIO_number_written(SSL_get_wbio(ssl)), before);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Run();
}

// What others have left on the error stack, or in errno, is not the operation's.
TEST_F(Drive, BeginsWithACleanSlate) {
  Serve([](SSL* ssl) {
    ERR_raise(ERR_LIB_USER, 1);
    ExpectHandshake(ssl);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    const Context context(Role::kClient);
    const SslPtr bare = context.NewSsl(nullptr);
    errno = EBADMSG;
    EXPECT_EQ(Handshake(bare.get()).sys_errno, 0) << "nothing was called";
    ERR_raise(ERR_LIB_USER, 1);
    errno = EBADMSG;
    char byte;
    const Outcome read = Read(ssl, &byte, 1);
    EXPECT_EQ(read.ssl_error, SSL_ERROR_ZERO_RETURN) << read.ToString();
    EXPECT_EQ(read.sys_errno, 0);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Run();
}

TEST_F(Drive, AShutdownWaitsForTheOthers) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    uapi::sleep(3);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(Shutdown(ssl).ret, 1);
    EXPECT_GT(Milliseconds(), 3000);
    EXPECT_EQ(SSL_get_shutdown(ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  });
  Run();
}

// The room's records of a run, as the trace tells them.
struct TlsRecords : TraceSink {
  explicit TlsRecords(const Trace& from) : trace(from) {}
  void Consume(std::span<const Record> records) override {
    for (const Record& record : records) {
      if (record.room == Room::kSsl) text += trace.Format(record) + "\n";
    }
  }
  const Trace& trace;
  std::string text;
};

TEST_F(Drive, HandshakesAreTraced) {
  TlsRecords records(sim_.trace());
  sim_.trace().set_sink(&records);
  ServeEach(2, [](int i, SSL* ssl) { EXPECT_EQ(Handshake(ssl).ok(), i == 0); });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    for (const char* const name : {"server", "elsewhere"}) {
      const SslPtr ssl = context.NewSsl(new_socket_(Dial(), BIO_CLOSE), name);
      Handshake(ssl.get());
    }
  });
  Run();
  using testing::HasSubstr;
  constexpr char kDone[] = "handshake done, TLSv1.3 TLS_AES_256_GCM_SHA384";
  EXPECT_THAT(records.text, HasSubstr(kDone));
  const std::string later = records.text.substr(records.text.rfind(kDone));
  EXPECT_THAT(later, HasSubstr("handshake failed, SSL_get_error 1, errno 0, reason 134"));
  EXPECT_THAT(later, HasSubstr("reason " + std::to_string(SSL_R_SSLV3_ALERT_BAD_CERTIFICATE)));
}

TEST_F(Drive, HandshakesAreNotedWithTheirEnds) {
  Serve([](SSL* ssl) { ExpectHandshake(ssl); });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    char byte;
    EXPECT_FALSE(Read(ssl, &byte, 1).ok());
  });
  Run();
  ASSERT_EQ(tls_.handshakes().size(), 2u);
  const HandshakeRecord &client = tls_.handshakes()[0], &server = tls_.handshakes()[1];
  EXPECT_EQ(client.host, client_.id);
  EXPECT_EQ(server.host, server_.id);
  EXPECT_STREQ(client.version, "TLSv1.3");
  EXPECT_STREQ(server.cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(client.peer.sin_port, htons(kPort));
  EXPECT_EQ(client.peer.sin_addr.s_addr, server.local.sin_addr.s_addr);
  EXPECT_EQ(server.peer.sin_addr.s_addr, client.local.sin_addr.s_addr);
  EXPECT_EQ(server.peer.sin_port, client.local.sin_port);
}

TEST_F(Drive, AFailedHandshakeIsNotNoted) {
  Serve([](SSL* ssl) { EXPECT_FALSE(Handshake(ssl).ok()); });
  Ask([](SSL* ssl) { EXPECT_FALSE(Handshake(ssl).ok()); }, "elsewhere");
  Run();
  EXPECT_TRUE(tls_.handshakes().empty());
}

// A context that could not be made gives no SSL, and takes the BIO all the same.
TEST_F(Drive, WithoutAContextTheBioIsFreed) {
  client_.Spawn("client", [this] {
    client_options_.min_version = 1;  // which there is none of
    const Context context(Role::kClient, client_options_);
    EXPECT_FALSE(context.ok());
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
    EXPECT_EQ(context.NewSsl(new_socket_(fd, BIO_CLOSE), "server"), nullptr);
    EXPECT_NE(ERR_peek_error(), 0u);
    EXPECT_EQ(BIO_closesocket(fd), 0);
    ERR_clear_error();
  });
  Run();
}

struct PlanOfFaults {
  fault::Plan plan{{}};  // none: allocations are counted
};

class Counted : public PlanOfFaults, public TlsHosts {
 protected:
  Counted() : TlsHosts({.latency = absl::Milliseconds(1)}, {.seed = 7, .fault_plan = &plan}) {}
};

TEST_F(Counted, WhatAHostDoesNotGiveBackIsALeak) {
  void* kept = nullptr;
  client_.Spawn("client", [&] { kept = OPENSSL_malloc(10); });
  EXPECT_EQ(sim_.Run().leaks, "client: leaked 1 x allocation of OpenSSL\n");
  OPENSSL_free(kept);
}

TEST(Outcome, IsToldInWords) {
  const auto text = [](int ssl_error, int sys_errno, unsigned long first_error) {
    return Outcome{-1, ssl_error, sys_errno, first_error}.ToString();
  };
  EXPECT_EQ(text(SSL_ERROR_NONE, 0, 0), "SSL_ERROR_NONE");
  EXPECT_EQ(text(SSL_ERROR_WANT_READ, EAGAIN, 0), "SSL_ERROR_WANT_READ");
  EXPECT_EQ(text(SSL_ERROR_SYSCALL, ECONNRESET, 0), "SSL_ERROR_SYSCALL: Connection reset by peer");
  EXPECT_EQ(text(SSL_ERROR_SYSCALL, 0, 0), "SSL_ERROR_SYSCALL: the transport ended");
  EXPECT_EQ(text(SSL_ERROR_SYSCALL, 0, ERR_SYSTEM_FLAG | ECONNREFUSED),
            "SSL_ERROR_SYSCALL: Connection refused");
  EXPECT_EQ(text(SSL_ERROR_SSL, 0, ERR_PACK(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH)),
            "SSL_ERROR_SSL: bad length");
  EXPECT_EQ(text(SSL_ERROR_WANT_X509_LOOKUP, 0, 0), "SSL_ERROR_WANT_X509_LOOKUP");
  EXPECT_EQ(text(SSL_ERROR_WANT_CLIENT_HELLO_CB, 0, 0), "SSL_ERROR_WANT_CLIENT_HELLO_CB");
  EXPECT_EQ(text(SSL_ERROR_WANT_RETRY_VERIFY, 0, 0), "SSL_ERROR_WANT_RETRY_VERIFY");
}

// --- How long a handshake waits. ---

class Patience : public DtlsHosts {
 protected:
  explicit Patience(const LinkSpec& link = {.latency = absl::Milliseconds(20)}) : DtlsHosts(link) {}

  // Shakes hands with a peer that falls silent.
  static void ExpectGivenUp(SSL* ssl, SimTime patience) {
    const double began = Milliseconds();
    const Outcome outcome = Handshake(ssl, patience);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL);
    EXPECT_EQ(outcome.sys_errno, ETIMEDOUT);
    EXPECT_NEAR(Milliseconds() - began, static_cast<double>(patience / kMillisecond), 60);
    EXPECT_EQ(uapi::fcntl(SSL_get_fd(ssl), F_GETFL) & O_NONBLOCK, 0) << "it blocks again";
  }
};

// The flight goes again after 1, 2 and 4 seconds meanwhile: that is nothing heard.
TEST_F(Patience, EndsWhenADtlsClientHasVanished) {
  ServeDtls([](SSL* ssl) { ExpectGivenUp(ssl, 5 * kSecond); });
  AskDtls([](SSL* ssl) {
    uapi::fcntl(SSL_get_fd(ssl), F_SETFL, O_NONBLOCK);
    for (int hello : {1, 2}) {
      EXPECT_EQ(TakeOutcome(ssl, SSL_do_handshake(ssl)).ssl_error, SSL_ERROR_WANT_READ);
      pollfd entry{SSL_get_fd(ssl), POLLIN, 0};
      EXPECT_EQ(uapi::poll(&entry, 1, -1), 1) << hello;
    }
    uapi::sleep(60);
  });
  Run();
}

TEST_F(Patience, EndsWhenATlsServerSaysNothing) {
  client_options_.datagram = server_options_.datagram = server_options_.cookies = false;
  Serve([](SSL*) { uapi::sleep(10); });
  Ask([](SSL* ssl) { ExpectGivenUp(ssl, 2 * kSecond); });
  Run();
}

class SlowLink : public Patience {
 protected:
  SlowLink() : Patience({.latency = absl::Seconds(2)}) {}
};

// The whole takes longer than any wait may.
TEST_F(SlowLink, EveryDatagramIsWaitedForAnew) {
  const auto shake_hands = [](SSL* ssl) {
    const Outcome outcome = Handshake(ssl, 5 * kSecond);
    EXPECT_TRUE(outcome.ok()) << outcome.ToString();
  };
  ServeDtls(shake_hands);
  AskDtls([shake_hands](SSL* ssl) {
    shake_hands(ssl);
    EXPECT_GT(Milliseconds(), 10'000);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
