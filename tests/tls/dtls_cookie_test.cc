// Cookies: who gets past a DTLS listener, and who does not (RFC 6347 4.2.1; DTLSv1_listen(3)).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include "kernel/sim/fault.h"
#include "tests/tls/dtls_hosts.h"

namespace sockbed::ssl {
namespace {

using Datagram = std::string;

// Where the cookie of a hello stands, after its length: record and message headers, version,
// random, an empty session id.
constexpr size_t kCookieLengthAt = 13 + 12 + 2 + 32 + 1;
constexpr size_t kCookieBytes = 32;

bool IsHelloVerifyRequest(const Datagram& datagram) {
  return datagram.size() > 13 && datagram[0] == 22 && datagram[13] == DTLS1_MT_HELLO_VERIFY_REQUEST;
}

// A client whose datagrams pass through the test's hands.
class HandClient {
 public:
  explicit HandClient(const Context& context) : ssl_(SSL_new(context.get())) {
    SSL_set_bio(ssl_.get(), in_ = BIO_new(BIO_s_mem()), out_ = BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_options(ssl_.get(), SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl_.get(), 1400);
    SSL_set_connect_state(ssl_.get());
  }

  // What it says to `heard`.
  Datagram Say(const Datagram& heard) {
    if (!heard.empty()) BIO_write(in_, heard.data(), static_cast<int>(heard.size()));
    ERR_clear_error();
    EXPECT_EQ(TakeOutcome(ssl_.get(), SSL_do_handshake(ssl_.get())).ssl_error, SSL_ERROR_WANT_READ);
    Datagram said(2000, '\0');
    const int n = BIO_read(out_, said.data(), static_cast<int>(said.size()));
    said.resize(static_cast<size_t>(std::max(n, 0)));
    return said;
  }

 private:
  SslPtr ssl_;
  BIO* in_;
  BIO* out_;
};

class Cookies : public DtlsHosts {
 protected:
  explicit Cookies(const LinkSpec& link = {.latency = absl::Milliseconds(5)},
                   const Machine::Options& options = {.seed = 7})
      : DtlsHosts(link, options) {}

  // A server on each of `ports`, with a context of its own; notes when it has a client, and ends.
  void Listen(std::vector<uint16_t> ports) {
    for (const uint16_t port : ports) {
      server_.Spawn("server", [this, port] {
        const Context context(Role::kServer, server_options_);
        DtlsListener listener(context, port);
        SslPtr ssl = listener.Accept();
        ASSERT_NE(ssl, nullptr);
        accepted_s_.push_back(static_cast<int>(Milliseconds() / 1000));
        const int fd = SSL_get_fd(ssl.get());
        ssl.reset();
        EXPECT_EQ(BIO_closesocket(fd), 0) << "it went with its SSL";
      });
    }
  }

  // A socket connected to a port of the server.
  int Socket(uint16_t port = kPort) {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_connect(fd, AddrOf(server_.address(port)).get(), 0), 1);
    const timeval limit{1, 0};
    EXPECT_EQ(uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
  }

  // The answer to `datagram`; empty: none came.
  static Datagram Exchange(int fd, const Datagram& datagram) {
    EXPECT_EQ(uapi::send(fd, datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
    Datagram answer(2000, '\0');
    const ssize_t n = uapi::recv(fd, answer.data(), answer.size(), 0);
    answer.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
    return answer;
  }

  // Plays a client in whose second hello there is a cookie that was given to `fd`.
  void WithHello(std::function<void(int fd, const Datagram& hello)> then) {
    client_.Spawn("client", [this, then] {
      const Context context(Role::kClient, client_options_);
      HandClient client(context);
      const int fd = Socket();
      const Datagram request = Exchange(fd, client.Say(""));
      EXPECT_TRUE(IsHelloVerifyRequest(request));
      const Datagram hello = client.Say(request);
      EXPECT_EQ(static_cast<size_t>(hello[kCookieLengthAt]), kCookieBytes);
      then(fd, hello);
      BIO_closesocket(fd);
    });
    Run();
  }

  std::vector<int> accepted_s_;
};

TEST_F(Cookies, AListenersSocketGoesWithIt) {
  server_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    int fd;
    {
      const DtlsListener listener(context, kPort);
      fd = listener.fd();
    }
    EXPECT_EQ(BIO_closesocket(fd), 0);
    // The port is somebody's who does not share it: no listener, no descriptor.
    fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kPort);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(any).get(), 0), 1);
    const DtlsListener listener(context, kPort);
    EXPECT_FALSE(listener.ok());
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), BIO_R_UNABLE_TO_BIND_SOCKET);
    ERR_clear_error();
    EXPECT_EQ(BIO_closesocket(fd + 1), 0);
    BIO_closesocket(fd);
  });
  Run();
}

TEST_F(Cookies, TheRightOneIsLetIn) {
  Listen({kPort});
  WithHello([](int fd, const Datagram& hello) { EXPECT_EQ(Exchange(fd, hello), ""); });
  EXPECT_EQ(accepted_s_, std::vector{0});
}

// Whatever bit of it is wrong, the answer is a new request, and nobody is let in.
TEST_F(Cookies, AWrongOneIsAnsweredByAnother) {
  Listen({kPort});
  WithHello([](int fd, const Datagram& hello) {
    for (const size_t byte : {size_t{1}, kCookieBytes / 2, kCookieBytes}) {
      Datagram wrong = hello;
      wrong[kCookieLengthAt + byte] ^= 1;
      EXPECT_TRUE(IsHelloVerifyRequest(Exchange(fd, wrong))) << byte;
    }
    uapi::sleep(5);
    EXPECT_EQ(Exchange(fd, hello), "");
  });
  EXPECT_EQ(accepted_s_, std::vector{5});
}

// One byte shorter, with all lengths put right: the start of a right cookie is none.
TEST_F(Cookies, APartOfTheRightOneIsNotEnough) {
  Listen({kPort});
  WithHello([](int fd, const Datagram& hello) {
    Datagram cut = hello;
    cut.erase(kCookieLengthAt + kCookieBytes, 1);
    for (const size_t length_at : {kCookieLengthAt, size_t{12}, size_t{13 + 3}, size_t{13 + 11}}) {
      --cut[length_at];  // of the cookie, the record, the message, the fragment
    }
    EXPECT_TRUE(IsHelloVerifyRequest(Exchange(fd, cut)));
    uapi::sleep(5);
    EXPECT_EQ(Exchange(fd, hello), "");
  });
  EXPECT_EQ(accepted_s_, std::vector{5});
}

// A cookie is its address's: another port of the same host cannot use it.
TEST_F(Cookies, AnothersIsAWrongOne) {
  Listen({kPort});
  WithHello([this](int fd, const Datagram& hello) {
    const int stranger = Socket();
    EXPECT_TRUE(IsHelloVerifyRequest(Exchange(stranger, hello)));
    BIO_closesocket(stranger);
    uapi::sleep(5);
    EXPECT_EQ(Exchange(fd, hello), "");
  });
  EXPECT_EQ(accepted_s_, std::vector{5});
}

// The same address, another server: each has a secret of its own.
TEST_F(Cookies, AnotherServersIsAWrongOne) {
  Listen({kPort, 5000});
  WithHello([this](int fd, const Datagram& hello) {
    sockaddr_in own{};
    socklen_t length = sizeof own;
    EXPECT_EQ(uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length), 0);
    EXPECT_EQ(Exchange(fd, hello), "");  // which takes a second
    const sockaddr_in other = server_.address(5000);
    EXPECT_EQ(uapi::connect(fd, reinterpret_cast<const sockaddr*>(&other), sizeof other), 0);
    EXPECT_TRUE(IsHelloVerifyRequest(Exchange(fd, hello)));
    // Which holds a cookie that is right there.
    const Context context(Role::kClient, client_options_);
    HandClient client(context);
    uapi::sleep(5);
    EXPECT_EQ(Exchange(fd, client.Say(Exchange(fd, client.Say("")))), "");
  });
  EXPECT_EQ(accepted_s_, (std::vector{0, 6}));
}

// Without a listener the handshake itself asks for a cookie, and remembers the hello.
TEST_F(Cookies, AreAskedForWithoutAListenerToo) {
  server_.Spawn("server", [this] {
    const Context context(Role::kServer, server_options_);
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(server_.address(kPort)).get(), 0), 1);
    const SslPtr ssl = context.NewSsl(sockbed::BIO_new_dgram(fd, BIO_CLOSE));
    SetPatience(ssl.get(), 2);
    EXPECT_EQ(TakeOutcome(ssl.get(), SSL_accept(ssl.get())).ssl_error, SSL_ERROR_WANT_READ);
  });
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    HandClient client(context);
    const int fd = Socket();
    const Datagram request = Exchange(fd, client.Say(""));
    EXPECT_TRUE(IsHelloVerifyRequest(request));
    EXPECT_FALSE(IsHelloVerifyRequest(Exchange(fd, client.Say(request)))) << "its flight";
    BIO_closesocket(fd);
  });
  Run();
}

// --- Forged sources. ---

// A packet of UDP from an address that is not the sender's. Without a checksum.
Datagram Forge(const sockaddr_in& from, const sockaddr_in& to, const Datagram& payload) {
  const auto put16 = [](Datagram* out, size_t value) {
    out->push_back(static_cast<char>(value >> 8));
    out->push_back(static_cast<char>(value));
  };
  Datagram packet("\x45\0", 2);
  put16(&packet, 20 + 8 + payload.size());
  packet.append("\0\0\0\0\x40\x11\0\0", 8);  // the kernel fills in what is zero
  packet.append(reinterpret_cast<const char*>(&from.sin_addr), 4);
  packet.append(reinterpret_cast<const char*>(&to.sin_addr), 4);
  packet.append(reinterpret_cast<const char*>(&from.sin_port), 2);
  packet.append(reinterpret_cast<const char*>(&to.sin_port), 2);
  put16(&packet, 8 + payload.size());
  put16(&packet, 0);
  return packet + payload;
}

class ForgedSource : public Cookies {
 protected:
  ForgedSource()
      : victim_(sim_.AddHost("victim")), wire_(sim_.Connect(server_, victim_, LinkSpec{})) {}

  Host& victim_;
  Link& wire_;
};

// The victim gets less than the forger spent, and the server remembers nothing: another client is
// let in meanwhile.
TEST_F(ForgedSource, GetsTheVictimASmallRequestAndTheForgerNothing) {
  server_.SetSysctl("net.inet.ip.forwarding", 1);
  constexpr int kForged = 20;
  size_t spent = 0, received = 0;
  Listen({kPort});
  victim_.Spawn("victim", [&, this] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(victim_.address(99)).get(), 0), 1);
    char buffer[2000];
    for (int i = 0; i < kForged; ++i) {
      const ssize_t n = uapi::recv(fd, buffer, sizeof buffer, 0);
      EXPECT_TRUE(IsHelloVerifyRequest(Datagram(buffer, static_cast<size_t>(n))));
      received += static_cast<size_t>(n);
    }
    BIO_closesocket(fd);
  });
  WithHello([&, this](int fd, const Datagram& hello) {
    const int raw = uapi::socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    const int on = 1;
    EXPECT_EQ(uapi::setsockopt(raw, IPPROTO_IP, IP_HDRINCL, &on, sizeof on), 0);
    const sockaddr_in to = server_.address(kPort);
    const Datagram packet = Forge(victim_.address(99), to, hello);
    for (int i = 0; i < kForged; ++i) {
      EXPECT_EQ(uapi::sendto(raw, packet.data(), packet.size(), 0,
                             reinterpret_cast<const sockaddr*>(&to), sizeof to),
                static_cast<ssize_t>(packet.size()));
      spent += hello.size();
    }
    uapi::close(raw);
    uapi::sleep(5);
    EXPECT_EQ(Exchange(fd, hello), "");
  });
  EXPECT_EQ(accepted_s_, std::vector{5});
  EXPECT_LT(received * 2, spent);
}

// --- What comes twice. ---

// The second hello of the first client is doubled on its way: when the association has a socket,
// the copy lies at the listener.
struct DoubledHello {
  fault::Plan plan{{{.site = Site::kLinkDuplicate, .host = 2, .only_ordinal = 2}}};
};

class RepeatedHello : private DoubledHello, public Cookies {
 protected:
  RepeatedHello() : Cookies({.latency = absl::Milliseconds(5)}, {.seed = 7, .fault_plan = &plan}) {}

  // A client that begins at `start_s` and stays for `stay_s`.
  void AskFor(unsigned start_s, unsigned stay_s) {
    AskDtls([start_s, stay_s](SSL* ssl) {
      uapi::sleep(start_s);
      ExpectHandshake(ssl);
      EXPECT_TRUE(Echo(ssl, "hi"));
      uapi::sleep(stay_s);
      EXPECT_TRUE(Echo(ssl, "still there"));
      EXPECT_EQ(SSL_shutdown(ssl), 0);
    });
  }
};

TEST_F(RepeatedHello, IsNoSecondClient) {
  ServeEachInAProcess(2);
  AskFor(0, 10);
  AskFor(5, 10);
  Run();
}

// A server that serves one after the other finds the copy when its client has gone.
TEST_F(RepeatedHello, IsNoClientThatHasGone) {
  ServeDtls(EchoUntilGoodbye, 2);
  AskFor(0, 1);
  AskFor(5, 1);
  Run();
}

// However late a copy comes, the answer is a new request.
TEST_F(Cookies, AreGoodForOneAssociation) {
  ServeDtls(
      [this](SSL* ssl) {
        accepted_s_.push_back(static_cast<int>(Milliseconds() / 1000));
        SetPatience(ssl, 1);
        EXPECT_FALSE(TakeOutcome(ssl, SSL_accept(ssl)).ok());
      },
      2);
  WithHello([this](int fd, const Datagram& hello) {
    EXPECT_FALSE(IsHelloVerifyRequest(Exchange(fd, hello))) << "its flight";
    uapi::sleep(5);
    char rest[2000];
    while (uapi::recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0) continue;
    EXPECT_TRUE(IsHelloVerifyRequest(Exchange(fd, hello)));
    // The same port again, with a hello of its own.
    const Context context(Role::kClient, client_options_);
    HandClient client(context);
    EXPECT_FALSE(IsHelloVerifyRequest(Exchange(fd, client.Say(Exchange(fd, client.Say(""))))));
  });
  EXPECT_EQ(accepted_s_.size(), 2u);
}

// Who has a socket here and calls another address of ours cannot have a second one, whose address
// would be the first one's: the listener goes on to wait for others.
TEST_F(ForgedSource, APeerHasOneSocketWhateverAddressItCalls) {
  server_.SetSysctl("net.inet.ip.forwarding", 1);  // else an address is its own link's alone
  const std::string gateway = inet_ntoa(server_.address());
  EXPECT_EQ(client_.AddRoute(*ParseRoute("default", gateway)), 0);
  ServeEachInAProcess(2);
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    sockaddr_in to = server_.address(kPort);
    for (const in_addr address : {server_.address(), server_.AddressFor(victim_)}) {
      to.sin_addr = address;
      const auto say = [&](const Datagram& what) {
        EXPECT_EQ(uapi::sendto(fd, what.data(), what.size(), 0,
                               reinterpret_cast<const sockaddr*>(&to), sizeof to),
                  static_cast<ssize_t>(what.size()));
      };
      HandClient client(context);
      say(client.Say(""));
      Datagram request;
      do {
        request.resize(2000);
        request.resize(static_cast<size_t>(uapi::recv(fd, request.data(), request.size(), 0)));
      } while (!IsHelloVerifyRequest(request));
      say(client.Say(request));
      uapi::sleep(1);
    }
    BIO_closesocket(fd);
  });
  AskDtls([](SSL* ssl) {
    uapi::sleep(5);
    ExpectHandshake(ssl);
    EXPECT_TRUE(Echo(ssl, "hi"));
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  Run();
}

// Whoever calls again from the same port is let in again, at once.
TEST_F(Cookies, DoNotKeepAPeerFromComingAgain) {
  ServeDtls(EchoUntilGoodbye, 3);
  client_.Spawn("client", [this] {
    const Context context(Role::kClient, client_options_);
    const int fd = Socket();
    for (int i = 0; i < 3; ++i) {
      const double start_ms = Milliseconds();
      BIO* const bio = sockbed::BIO_new_dgram(fd, BIO_NOCLOSE);
      BIO_ctrl_set_connected(bio, AddrOf(server_.address(kPort)).get());
      const SslPtr ssl = context.NewSsl(bio, "server");
      ExpectHandshake(ssl.get());
      EXPECT_LT(Milliseconds() - start_ms, 31) << "three round trips";
      EXPECT_TRUE(Echo(ssl.get(), "hi"));
      EXPECT_EQ(SSL_shutdown(ssl.get()), 0);
      uapi::sleep(1);
    }
    BIO_closesocket(fd);
  });
  Run();
}

}  // namespace
}  // namespace sockbed::ssl
