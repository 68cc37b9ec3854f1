// Sizes and times of DTLS: what each datagram carries, how large it may be, when it is repeated.
#include <openssl/ssl.h>

#include <string>

#include "kernel/net/link.h"
#include "kernel/net/tap.h"
#include "kernel/sim/fault.h"
#include "tests/tls/dtls_hosts.h"

namespace sockbed::ssl {
namespace {

constexpr int kIpHeaders = 20 + 8, kIp6Headers = 40 + 8;
constexpr int kRecord = 13 + 24;  // what a record of AES-GCM adds

// Sizes of what goes over a link, "c205 s60": 'c' and 's' for the side that sent it, and bytes.
class Datagrams : public PacketTap {
 public:
  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered || tapped.packet->m_pkthdr.len < kIpHeaders) return;
    sizes_.push_back({tapped.direction == 0 ? 's' : 'c', tapped.packet->m_pkthdr.len - kIpHeaders});
  }
  struct Size {
    char side;
    int bytes;
  };
  std::vector<Size> Take() { return std::exchange(sizes_, {}); }

 private:
  std::vector<Size> sizes_;
};

std::string ToString(const std::vector<Datagrams::Size>& sizes) {
  std::string text;
  for (const auto& [side, bytes] : sizes) {
    text.append(text.empty() ? "" : " ").append(1, side).append(std::to_string(bytes));
  }
  return text;
}

class DtlsLimits : public DtlsHosts {
 protected:
  explicit DtlsLimits(const LinkSpec& link = {.latency = absl::Milliseconds(20)},
                      const Machine::Options& options = {.seed = 7})
      : DtlsHosts(link, options) {
    link_.AddTap(&datagrams_);
  }
  ~DtlsLimits() override { link_.RemoveTap(&datagrams_); }

  // A server with `chain` more certificates; `set_up` has each SSL before its handshake.
  void ServeChain(int chain, Body body) {
    server_.Spawn("server", [this, chain, body = std::move(body)] {
      const Context context(Role::kServer, server_options_);
      for (int i = 0; i < chain; ++i) {
        EXPECT_EQ(SSL_CTX_add1_chain_cert(context.get(), tls_.ca().cert()), 1);
      }
      DtlsListener listener(context, kPort);
      const SslPtr ssl = listener.Accept();
      body(ssl.get());
    });
  }

  // That these went over the wire, within what the length of a signature varies.
  static void ExpectSizes(const std::vector<Datagrams::Size>& seen,
                          const std::vector<Datagrams::Size>& expected) {
    ASSERT_EQ(seen.size(), expected.size()) << ToString(seen);
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].side, expected[i].side) << ToString(seen);
      EXPECT_NEAR(seen[i].bytes, expected[i].bytes, 4) << ToString(seen);
    }
  }

  Datagrams datagrams_;
};

// Records share a datagram while they fit.
TEST_F(DtlsLimits, AFlightIsOneDatagramIfItFits) {
  ServeDtls(EchoUntilGoodbye);
  AskDtls([this](SSL* ssl) {
    ExpectHandshake(ssl);
    ExpectSizes(datagrams_.Take(), {{'c', 220},    // a hello
                                    {'s', 60},     // a cookie
                                    {'c', 252},    // a hello with it
                                    {'s', 654},    // hello, certificate, key, done
                                    {'c', 133},    // key, CCS, Finished
                                    {'s', 282}});  // ticket, CCS, Finished
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

// And a message is cut to fill one to its last byte.
TEST_F(DtlsLimits, ALongerFlightFillsItsDatagrams) {
  ServeChain(4, EchoUntilGoodbye);
  AskDtls([this](SSL* ssl) {
    ExpectHandshake(ssl);
    const std::vector<Datagrams::Size> sizes = datagrams_.Take();
    ExpectSizes(
        sizes,
        {{'c', 220}, {'s', 60}, {'c', 252}, {'s', 1472}, {'s', 691}, {'c', 133}, {'s', 282}});
    EXPECT_EQ(sizes[3].bytes, 1500 - kIpHeaders);
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

// --- Time. ---

// The program's own timer: what it returns for 0 is the first wait, for others the next.
TEST_F(DtlsLimits, AProgramMaySayHowLongToWait) {
  std::vector<int> asked_ms;
  server_.Spawn("silent", [&, this] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(server_.address(kPort)).get(), 0), 1);
    char buffer[2000];
    while (asked_ms.size() < 5 && uapi::recv(fd, buffer, sizeof buffer, 0) > 0) {
      asked_ms.push_back(static_cast<int>(Milliseconds() + 0.5) - 20);
    }
    BIO_closesocket(fd);
  });
  AskDtls([](SSL* ssl) {
    DTLS_set_timer_cb(ssl, [](SSL*, unsigned int us) { return us == 0 ? 50'000 : us * 3; });
    EXPECT_EQ(Handshake(ssl).sys_errno, ECONNREFUSED);  // the sixth finds the server gone
    EXPECT_NEAR(Milliseconds(), 6050 + 40, 30);
  });
  Run();
  const std::vector<int> expected = {0, 50, 200, 650, 2000};
  ASSERT_EQ(asked_ms.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(asked_ms[i], expected[i], 16 * (i + 1));
}

struct PlanOfFaults {
  fault::Plan plan{{}};
};

// RFC 6347 4.2.4: the server is done with its last flight and has no timer for it. It repeats it to
// the client's repetition, which it must read for that.
class LastFlight : public PlanOfFaults, public DtlsLimits {
 protected:
  LastFlight() : DtlsLimits({.latency = absl::Milliseconds(20)}, {.seed = 7, .fault_plan = &plan}) {
    constexpr HostId kServer = 1;
    constexpr uint64_t kThird = 3;  // after the cookie and its first flight
    plan = fault::Plan({{.site = Site::kLinkDrop, .host = kServer, .only_ordinal = kThird}});
  }
};

TEST_F(LastFlight, IsRepeatedByAServerThatReads) {
  ServeDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_LT(Milliseconds(), 200);
    timeval left{};
    EXPECT_EQ(DTLSv1_get_timeout(ssl, &left), 0);
    EXPECT_EQ(DTLSv1_handle_timeout(ssl), 0);
    uapi::sleep(10);
    EXPECT_EQ(ReadText(ssl), "x");
  });
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_NEAR(Milliseconds(), 10'000, 500);
    WriteText(ssl, "x");
  });
  Run();
}

// --- MTU. ---

TEST_F(DtlsLimits, TheSmallestMtusAreThoseOfThePage) {
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const SslPtr ssl = context.NewSsl(DialDtls());
    EXPECT_EQ(SSL_set_mtu(ssl.get(), 207), 0);
    EXPECT_EQ(SSL_set_mtu(ssl.get(), 208), 208);
    EXPECT_EQ(DTLS_set_link_mtu(ssl.get(), 255), 0);
    EXPECT_EQ(DTLS_set_link_mtu(ssl.get(), 256), 1);
    EXPECT_EQ(DTLS_get_link_min_mtu(ssl.get()), 256);
  });
  Run();
}

TEST_F(DtlsLimits, OfALinksMtuTheHeadersAreTaken) {
  ServeDtls(EchoUntilGoodbye);
  AskDtls([](SSL* ssl) {
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    EXPECT_EQ(DTLS_set_link_mtu(ssl, 1000), 1);
    ExpectHandshake(ssl);
    EXPECT_EQ(DTLS_get_data_mtu(ssl), size_t{1000 - kIpHeaders - kRecord});
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

TEST_F(DtlsLimits, WithoutAnMtuNothingCanBeWritten) {
  AskDtls([](SSL* ssl) {
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    ERR_clear_error();
    errno = 0;
    const Outcome outcome = TakeOutcome(ssl, SSL_connect(ssl));
    EXPECT_EQ(outcome.ret, -1);
    EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL);
    EXPECT_EQ(outcome.sys_errno, 0);
    EXPECT_EQ(outcome.first_error, 0u);
  });
  Run();
  EXPECT_TRUE(datagrams_.Take().empty());
}

// An old MTU is not believed of a new connection, unless the program has said it.
TEST_F(DtlsLimits, ClearingForgetsWhatWasAsked) {
  ServeDtls(EchoUntilGoodbye);
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_GT(DTLS_get_data_mtu(ssl), 0u);
    EXPECT_EQ(SSL_shutdown(ssl), 0);
    EXPECT_EQ(BIO_ctrl(SSL_get_wbio(ssl), BIO_CTRL_DGRAM_GET_MTU, 0, nullptr), 1472);
    EXPECT_EQ(SSL_clear(ssl), 1);
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    EXPECT_EQ(TakeOutcome(ssl, SSL_connect(ssl)).ssl_error, SSL_ERROR_SYSCALL);
    ERR_clear_error();
  });
  Run();
}

// Data is never cut: a write is a datagram, larger than the path's MTU if need be (which IP cuts).
TEST_F(DtlsLimits, AWriteIsADatagramHoweverLarge) {
  ServeDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    std::string text(3000, '\0');
    EXPECT_EQ(SSL_read(ssl, text.data(), 3000), 2000);
    EXPECT_EQ(ReadText(ssl), "small");
  });
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    const uint64_t before = BIO_number_written(SSL_get_wbio(ssl));
    const std::string text(16'385, 'x');
    EXPECT_EQ(SSL_write(ssl, text.data(), 2000), 2000);
    EXPECT_EQ(BIO_number_written(SSL_get_wbio(ssl)) - before, uint64_t{2000 + kRecord});
    ERR_clear_error();
    EXPECT_EQ(TakeOutcome(ssl, SSL_write(ssl, text.data(), 16'385)).reason(),
              SSL_R_DTLS_MESSAGE_TOO_BIG);
    ERR_clear_error();
    WriteText(ssl, "small");
  });
  Run();
}

// The BIO refuses a flight that is larger than the path: the SSL tries the same datagram for ever,
// until the limit is raised.
TEST_F(DtlsLimits, ATooLargeFlightStaysInItsBuffer) {
  ServeChain(4, [](SSL* ssl) {
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    EXPECT_GT(SSL_set_mtu(ssl, 2500), 0);
    BIO* const bio = SSL_get_wbio(ssl);
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_DONT_FRAG, 1, nullptr), 1);
    for (const long mtu : {2500, 1000}) {
      EXPECT_EQ(SSL_set_mtu(ssl, mtu), mtu);
      ERR_clear_error();
      errno = 0;
      const Outcome outcome = TakeOutcome(ssl, SSL_accept(ssl));
      EXPECT_EQ(outcome.ret, -1);
      EXPECT_EQ(outcome.ssl_error, SSL_ERROR_SYSCALL);
      EXPECT_EQ(outcome.sys_errno, EMSGSIZE);
      EXPECT_EQ(outcome.first_error, 0u);
      EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_MTU_EXCEEDED, 0, nullptr), 1);
    }
    EXPECT_EQ(BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_DONT_FRAG, 0, nullptr), 1);
    EchoUntilGoodbye(ssl);
  });
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_TRUE(Echo(ssl, "hi"));
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

// --- IPv6. ---

class DtlsIp6 : public DtlsLimits {
 protected:
  DtlsIp6()
      : DtlsLimits({.latency = absl::Milliseconds(20),
                    .first_address6 = "2001:db8::1/64",
                    .second_address6 = "2001:db8::2/64"}) {}
};

TEST_F(DtlsIp6, HasLargerHeadersAndCookiesOfItsOwn) {
  server_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    DtlsListener listener(context, kPort, AF_INET6);
    ASSERT_TRUE(listener.ok());
    EchoUntilGoodbye(listener.Accept().get());
  });
  client_.Spawn("client", [this] {
    uapi::sleep(2);  // the addresses are no longer tentative
    const Context context(Role::kClient, client_options_);
    const int fd = sockbed::BIO_socket(AF_INET6, SOCK_DGRAM, 0, 0);
    AddrStorage server{.in6 = server_.address6(kPort)};
    EXPECT_EQ(sockbed::BIO_connect(fd, server.addr(), 0), 1);
    BIO* const bio = sockbed::BIO_new_dgram(fd, BIO_CLOSE);
    EXPECT_EQ(BIO_ctrl_set_connected(bio, server.addr()), 1);
    const SslPtr ssl = context.NewSsl(bio, "server");
    ExpectHandshake(ssl.get());
    EXPECT_EQ(DTLS_get_data_mtu(ssl.get()), size_t{1500 - kIp6Headers - kRecord});
    EXPECT_TRUE(Echo(ssl.get(), "over six"));
    EXPECT_EQ(SSL_shutdown(ssl.get()), 0);
  });
  Run();
}

// --- Records that are not this connection's to hear. ---

// The last datagram that a BIO wrote.
class LastWrite {
 public:
  explicit LastWrite(BIO* bio) : bio_(bio) {
    BIO_set_callback_arg(bio, reinterpret_cast<char*>(this));
    BIO_set_callback_ex(bio, Note);
  }
  ~LastWrite() { BIO_set_callback_ex(bio_, nullptr); }
  LastWrite(const LastWrite&) = delete;
  LastWrite& operator=(const LastWrite&) = delete;

  const std::string& text() const { return text_; }

 private:
  static long Note(BIO* bio, int operation, const char* data, size_t size, int /*argi*/,
                   long /*argl*/, int ret, size_t* /*processed*/) {
    auto* const self = reinterpret_cast<LastWrite*>(BIO_get_callback_arg(bio));
    if (operation == BIO_CB_WRITE) self->text_.assign(data, size);
    return ret;
  }

  BIO* const bio_;
  std::string text_;
};

// Replayed, forged and of an epoch to come: dropped without a word, and the connection goes on.
TEST_F(DtlsLimits, StrangeRecordsAreDropped) {
  ServeDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "one");
    EXPECT_EQ(ReadText(ssl), "two");
    WriteText(ssl, "heard");
  });
  AskDtls([](SSL* ssl) {
    ExpectHandshake(ssl);
    const LastWrite last(SSL_get_wbio(ssl));
    WriteText(ssl, "one");
    const std::string record = last.text();
    std::string forged = record, later = record;
    forged[10] = 9;  // another sequence number: the tag is wrong
    forged.back() ^= 1;
    later[4] = 2;  // the next epoch, which never comes
    later[10] = 9;
    for (const std::string& strange : {record, forged, later, record}) {
      EXPECT_EQ(uapi::send(SSL_get_fd(ssl), strange.data(), strange.size(), 0),
                static_cast<ssize_t>(strange.size()));
    }
    WriteText(ssl, "two");
    EXPECT_EQ(ReadText(ssl), "heard");
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
