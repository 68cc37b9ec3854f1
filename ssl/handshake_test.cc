#include <netinet/in.h>
#include <openssl/err.h>

#include <cstring>
#include <string>

#include "bio/addr.h"
#include "bio/bio_sock.h"
#include "bio/bss_sock.h"
#include "gtest/gtest.h"
#include "ssl/context.h"
#include "ssl/drive.h"
#include "ssl/runtime.h"
#include "tests/captures/test_simulation.h"
#include "uapi/uapi.h"

namespace sockbed::ssl {
namespace {

constexpr uint16_t kPort = 4433;
constexpr char kRequest[] = "which way?";
constexpr char kAnswer[] = "down";

struct AddrFree {
  void operator()(BIO_ADDR* addr) const { BIO_ADDR_free(addr); }
};

std::unique_ptr<BIO_ADDR, AddrFree> AddressOf(const sockaddr_in& name) {
  std::unique_ptr<BIO_ADDR, AddrFree> addr(BIO_ADDR_new());
  memcpy(SockaddrOf(addr.get()), &name, sizeof(name));
  return addr;
}

// What both ends saw.
struct Seen {
  Outcome client_handshake, server_handshake;
  std::string request, answer;
  Outcome client_goodbye, server_goodbye;
  Digest digest;
  std::string keys;
};

std::string ReadText(SSL* ssl) {
  char buffer[64];
  const Outcome read = Read(ssl, buffer, sizeof(buffer));
  return read.ok() ? std::string(buffer, static_cast<size_t>(read.ret)) : read.ToString();
}

void Serve(Seen* seen, int mode) {
  const Context context(Role::kServer);
  const int listener = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  ASSERT_EQ(sockbed::BIO_listen(listener, AddressOf(any).get(), BIO_SOCK_REUSEADDR), 1);
  const int fd = sockbed::BIO_accept_ex(listener, nullptr, mode);
  BIO_closesocket(listener);
  const SslPtr ssl = context.NewSsl(BIO_new_socket(fd, BIO_CLOSE));
  seen->server_handshake = Handshake(ssl.get());
  if (!seen->server_handshake.ok()) return;
  seen->request = ReadText(ssl.get());
  EXPECT_TRUE(Write(ssl.get(), kAnswer, strlen(kAnswer)).ok());
  seen->server_goodbye = Shutdown(ssl.get());
}

void Ask(Seen* seen, const sockaddr_in& server, const std::string& name, int mode) {
  const int fd = sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0);
  if (sockbed::BIO_connect(fd, AddressOf(server).get(), mode) != 1) {
    ASSERT_TRUE(BIO_sock_should_retry(-1));
    pollfd entry{fd, POLLOUT, 0};
    ASSERT_EQ(uapi::poll(&entry, 1, -1), 1);
    ASSERT_EQ(BIO_sock_error(fd), 0);
  }
  const Context context(Role::kClient);
  const SslPtr ssl = context.NewSsl(BIO_new_socket(fd, BIO_CLOSE), name);
  seen->client_handshake = Handshake(ssl.get());
  if (!seen->client_handshake.ok()) return;
  EXPECT_TRUE(Write(ssl.get(), kRequest, strlen(kRequest)).ok());
  seen->answer = ReadText(ssl.get());
  seen->client_goodbye = Shutdown(ssl.get());
}

Seen RunOnce(uint64_t seed, double loss, int mode, const std::string& name = "server") {
  Seen seen;
  Runtime tls;
  TestSimulation sim({.seed = seed});
  tls.Attach(sim.machine());
  Host& server = sim.AddHost("server");
  Host& client = sim.AddHost("client");
  tls.AddHost(server);
  tls.AddHost(client);
  sim.Connect(server, client, {.latency = absl::Milliseconds(20), .loss = loss});
  server.Spawn("server", [&] { Serve(&seen, mode); });
  client.Spawn("client", [&] { Ask(&seen, server.address(kPort), name, mode); });
  const RunResult result = sim.Run();
  EXPECT_EQ(result.Complaints(), "");
  seen.digest = result.digest;
  seen.keys = tls.key_log().ToString();
  return seen;
}

class TlsHandshake : public testing::TestWithParam<int> {};

TEST_P(TlsHandshake, CarriesDataBothWaysAndSaysGoodbye) {
  const Seen seen = RunOnce(1, 0, GetParam());
  EXPECT_TRUE(seen.client_handshake.ok()) << seen.client_handshake.ToString();
  EXPECT_TRUE(seen.server_handshake.ok()) << seen.server_handshake.ToString();
  EXPECT_EQ(seen.request, kRequest);
  EXPECT_EQ(seen.answer, kAnswer);
  EXPECT_EQ(seen.client_goodbye.ret, 1);
  EXPECT_EQ(seen.server_goodbye.ret, 1);
}

TEST_P(TlsHandshake, SurvivesLoss) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Seen seen = RunOnce(seed, 0.2, GetParam());
    EXPECT_EQ(seen.answer, kAnswer) << "seed " << seed;
  }
}

TEST_P(TlsHandshake, RepeatsToTheByte) {
  const Seen first = RunOnce(7, 0.1, GetParam());
  const Seen second = RunOnce(7, 0.1, GetParam());
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.keys, second.keys);
  const Seen other = RunOnce(8, 0.1, GetParam());
  EXPECT_NE(first.digest, other.digest);
  EXPECT_NE(first.keys, other.keys);
}

TEST_P(TlsHandshake, RefusesACertificateOfAnotherName) {
  const Seen seen = RunOnce(1, 0, GetParam(), "elsewhere");
  EXPECT_EQ(seen.client_handshake.ssl_error, SSL_ERROR_SSL);
  EXPECT_EQ(ERR_GET_REASON(seen.client_handshake.first_error), SSL_R_CERTIFICATE_VERIFY_FAILED);
  EXPECT_FALSE(seen.server_handshake.ok());
}

INSTANTIATE_TEST_SUITE_P(Modes, TlsHandshake, testing::Values(0, BIO_SOCK_NONBLOCK),
                         [](const auto& info) {
                           return info.param == 0 ? "Blocking" : "NonBlocking";
                         });

}  // namespace
}  // namespace sockbed::ssl
