// A relay that splices: three hosts, the one in the middle moves bytes without reading them.
//
//   client ----- relay ----- server       the relay accepts, connects on, and sets SO_SPLICE twice

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernel/socket/bsd_socket.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

using testing::Eq;

constexpr uint16_t kPort = 7;
constexpr size_t kTransfer = 300'000;
constexpr size_t kDatagrams = 20;

class RelayTest : public testing::TestWithParam<int> {
 protected:
  RelayTest() : sim_({.seed = static_cast<uint64_t>(GetParam())}) {
    const LinkSpec link = {.latency = absl::Milliseconds(3), .loss = (GetParam() % 4) * 0.01};
    sim_.Connect(client_, relay_, link);
    sim_.Connect(relay_, server_, link);
  }

  static int Connect(int type, const sockaddr_in& to) {
    const int fd = uapi::socket(AF_INET, type, 0);
    EXPECT_THAT(uapi::connect(fd, AsSockaddr(to), sizeof to), Works());
    return fd;
  }
  static int Bound(int type, const sockaddr_in& at) {
    const int fd = uapi::socket(AF_INET, type, 0);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(at), sizeof at), Works());
    if (type == SOCK_STREAM) {
      EXPECT_THAT(uapi::listen(fd, 1), Works());
    }
    return fd;
  }
  sockaddr_in AddressOf(const Host& host, const Host& seen_from) const {
    sockaddr_in sin = host.address(kPort);
    sin.sin_addr = host.AddressFor(seen_from);
    return sin;
  }

  TestSimulation sim_;
  Host& client_ = sim_.AddHost("client");
  Host& relay_ = sim_.AddHost("relay");
  Host& server_ = sim_.AddHost("server");
};

std::string Pattern(size_t size, char first) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(first + i % 61);
  return bytes;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = uapi::write(fd, bytes.data(), bytes.size());
    ASSERT_GT(n, 0);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

std::string ReadToEnd(int fd) {
  std::string bytes, some(10'000, '\0');
  for (;;) {
    const ssize_t n = uapi::read(fd, some.data(), some.size());
    if (n <= 0) return bytes;
    bytes.append(some, 0, static_cast<size_t>(n));
  }
}

off_t Moved(int fd) {
  off_t moved = 0;
  socklen_t len = sizeof moved;
  EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_SPLICE, &moved, &len), Works());
  return moved;
}

// Splices both ways, and passes on the end of each.
void RelayBothWays(int a, int b) {
  EXPECT_THAT(uapi::setsockopt(a, SOL_SOCKET, SO_SPLICE, &b, sizeof b), Works());
  const splice back = {.sp_fd = a, .sp_max = 0, .sp_idle = {.tv_sec = 600, .tv_usec = 0}};
  EXPECT_THAT(uapi::setsockopt(b, SOL_SOCKET, SO_SPLICE, &back, sizeof back), Works());
  pollfd ends[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
  for (int open = 2; open > 0;) {
    ASSERT_THAT(uapi::poll(ends, 2, -1), Works());
    for (int i = 0; i < 2; ++i) {
      if (ends[i].revents == 0) continue;
      char byte;
      EXPECT_THAT(uapi::read(ends[i].fd, &byte, 1), Eq(0)) << "the end, and nothing before it";
      ends[i].fd = -1;
      EXPECT_THAT(uapi::shutdown(i == 0 ? b : a, SHUT_WR), Works());
      --open;
    }
  }
}

TEST_P(RelayTest, StreamsCrossIt) {
  const std::string question = Pattern(kTransfer, 'A'), answer = Pattern(kTransfer, 'B');
  relay_.Spawn("relay", [&] {
    const int listener = Bound(SOCK_STREAM, AddressOf(relay_, client_));
    const int a = uapi::accept(listener, nullptr, nullptr);
    const int b = Connect(SOCK_STREAM, AddressOf(server_, relay_));
    RelayBothWays(a, b);
    EXPECT_EQ(Moved(a), static_cast<off_t>(kTransfer));
    EXPECT_EQ(Moved(b), static_cast<off_t>(kTransfer));
  });
  server_.Spawn("server", [&] {
    const int fd = uapi::accept(Bound(SOCK_STREAM, AddressOf(server_, relay_)), nullptr, nullptr);
    EXPECT_TRUE(ReadToEnd(fd) == question);
    WriteAll(fd, answer);
  });
  client_.Spawn(
      "client",
      [&] {
        const int fd = Connect(SOCK_STREAM, AddressOf(relay_, client_));
        WriteAll(fd, question);
        EXPECT_THAT(uapi::shutdown(fd, SHUT_WR), Works());
        EXPECT_TRUE(ReadToEnd(fd) == answer);
      },
      {.start_at = kSecond});
  EXPECT_EQ(sim_.Run().Complaints(), "");
}

TEST_P(RelayTest, DatagramsCrossItUpToAMaximum) {
  std::vector<std::string> got;
  relay_.Spawn("relay", [&] {
    const int a = Bound(SOCK_DGRAM, AddressOf(relay_, client_));
    const int b = Connect(SOCK_DGRAM, AddressOf(server_, relay_));
    const splice to = {.sp_fd = b, .sp_max = 30, .sp_idle = {.tv_sec = 60, .tv_usec = 0}};
    EXPECT_THAT(uapi::setsockopt(a, SOL_SOCKET, SO_SPLICE, &to, sizeof to), Works());
    pollfd end = {a, POLLIN, 0};
    EXPECT_THAT(uapi::poll(&end, 1, -1), Eq(1));
    int error = 0;
    socklen_t len = sizeof error;
    EXPECT_THAT(uapi::getsockopt(a, SOL_SOCKET, SO_ERROR, &error, &len), Works());
    EXPECT_EQ(error, EFBIG);
    EXPECT_EQ(Moved(a), 30);
  });
  server_.Spawn(
      "server",
      [&] {
        const int fd = Bound(SOCK_DGRAM, AddressOf(server_, relay_));
        for (;;) {
          char data[100];
          const ssize_t n = uapi::recv(fd, data, sizeof data, 0);
          if (n < 0) return;
          got.emplace_back(data, static_cast<size_t>(n));
        }
      },
      {.daemon = true});
  client_.Spawn("client", [&] {
    const int fd = Connect(SOCK_DGRAM, AddressOf(relay_, client_));
    uapi::sleep(1);
    for (size_t i = 0; i < kDatagrams; ++i) EXPECT_THAT(uapi::send(fd, "12345", 5, 0), Eq(5));
  });
  EXPECT_EQ(sim_.Run().Complaints(), "");
  EXPECT_LE(got.size(), 6u) << "a link may lose some";
  for (const std::string& datagram : got) EXPECT_EQ(datagram, "12345");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RelayTest, testing::Range(1, 25));

}  // namespace
}  // namespace sockbed
