#include "bio/bio_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/bioerr.h>
#include <openssl/err.h>

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "bio/addr.h"
#include "bio/bss_sock.h"
#include "gtest/gtest.h"
#include "kernel/host/simulation.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

struct AddrFree {
  void operator()(BIO_ADDR* addr) const { BIO_ADDR_free(addr); }
};
using Addr = std::unique_ptr<BIO_ADDR, AddrFree>;

Addr AddressOf(const sockaddr_in& name) {
  Addr addr(BIO_ADDR_new());
  memcpy(SockaddrOf(addr.get()), &name, sizeof(name));
  return addr;
}

Addr Loopback(uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return AddressOf(name);
}

int Stream() { return sockbed::BIO_socket(AF_INET, SOCK_STREAM, 0, 0); }

// One entry of the error stack.
struct Entry {
  int library;
  int reason;
  std::string data;
  friend bool operator==(const Entry&, const Entry&) = default;
};

std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  return out << "{" << entry.library << ", " << entry.reason << ", \"" << entry.data << "\"}";
}

std::vector<Entry> TakeErrors() {
  std::vector<Entry> entries;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    entries.push_back({ERR_GET_LIB(code), ERR_GET_REASON(code), data});
  }
  return entries;
}

// Runs `body` as the only process of the only host.
void InProcess(std::function<void()> body) {
  Simulation sim(Machine::Options{});
  sim.AddHost("host").Spawn("test", std::move(body));
  EXPECT_EQ(sim.Run().Complaints(), "");
}

using Errors = std::vector<Entry>;

TEST(BioSock, ARefusedConnectionLeavesErrnoAndTwoEntries) {
  InProcess([] {
    const int fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_connect(fd, Loopback(81).get(), 0), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, ECONNREFUSED, "calling connect()"},
                                    {ERR_LIB_BIO, BIO_R_CONNECT_ERROR, ""}}));
    EXPECT_EQ(BIO_closesocket(fd), 1);
  });
}

TEST(BioSock, ANonBlockingConnectionIsUnderWayWithoutAnEntry) {
  InProcess([] {
    const int listener = Stream();
    EXPECT_EQ(sockbed::BIO_listen(listener, Loopback(80).get(), BIO_SOCK_REUSEADDR), 1);
    const int fd = Stream();
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_connect(fd, Loopback(80).get(),
                                   BIO_SOCK_NONBLOCK | BIO_SOCK_NODELAY | BIO_SOCK_KEEPALIVE),
              0);
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(BIO_sock_should_retry(-1), 1);
    EXPECT_EQ(TakeErrors(), Errors{});
    pollfd entry{fd, POLLOUT, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_sock_error(fd), 0);
    BIO_closesocket(fd);
    BIO_closesocket(listener);
  });
}

TEST(BioSock, MinusOneIsAnInvalidSocketAndErrnoStays) {
  InProcess([] {
    for (int call = 0; call < 3; ++call) {
      ERR_clear_error();
      errno = EDOM;
      const Addr addr = Loopback(1);
      EXPECT_EQ(call == 0   ? sockbed::BIO_bind(-1, addr.get(), 0)
                : call == 1 ? sockbed::BIO_connect(-1, addr.get(), 0)
                            : sockbed::BIO_listen(-1, addr.get(), 0),
                0);
      EXPECT_EQ(errno, EDOM);
      EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_BIO, BIO_R_INVALID_SOCKET, ""}}));
    }
  });
}

TEST(BioSock, ABadDescriptorFailsAtTheFirstCallOfEachRoutine) {
  InProcess([] {
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_connect(99, Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling ioctlsocket()"}}));
    EXPECT_EQ(sockbed::BIO_listen(99, Loopback(1).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling getsockopt()"},
                                    {ERR_LIB_BIO, BIO_R_GETTING_SOCKTYPE, ""}}));
    EXPECT_EQ(sockbed::BIO_accept_ex(99, nullptr, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EBADF, "calling accept()"},
                                    {ERR_LIB_BIO, BIO_R_ACCEPT_ERROR, ""}}));
    EXPECT_EQ(BIO_closesocket(99), 0);
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

TEST(BioSock, AnUnknownFamilyMakesNoSocket) {
  InProcess([] {
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_socket(AF_APPLETALK, SOCK_STREAM, 0, 0), -1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, errno, "calling socket()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_CREATE_SOCKET, ""}}));
  });
}

TEST(BioSock, ASecondListenerOnAPortIsRefusedAtBind) {
  InProcess([] {
    const int one = Stream();
    const int two = Stream();
    EXPECT_EQ(sockbed::BIO_listen(one, Loopback(80).get(), 0), 1);
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_listen(two, Loopback(80).get(), 0), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EADDRINUSE, "calling bind()"},
                                    {ERR_LIB_BIO, BIO_R_UNABLE_TO_BIND_SOCKET, ""}}));
    BIO_closesocket(one);
    BIO_closesocket(two);
  });
}

TEST(BioSock, ADatagramSocketIsBoundAndNotMadeToListen) {
  InProcess([] {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    EXPECT_EQ(sockbed::BIO_listen(fd, Loopback(53).get(), 0), 1);
    sockaddr_in name{};
    socklen_t length = sizeof(name);
    EXPECT_EQ(uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length), 0);
    EXPECT_EQ(ntohs(name.sin_port), 53);
    BIO_closesocket(fd);
  });
}

TEST(BioSock, AcceptWithNothingPendingIsForLater) {
  InProcess([] {
    const int listener = Stream();
    EXPECT_EQ(sockbed::BIO_listen(listener, Loopback(80).get(), BIO_SOCK_NONBLOCK), 1);
    ERR_clear_error();
    EXPECT_EQ(sockbed::BIO_accept_ex(listener, nullptr, 0), -1);
    EXPECT_EQ(errno, EWOULDBLOCK);
    EXPECT_EQ(TakeErrors(), Errors{});
    BIO_closesocket(listener);
  });
}

// A connected pair over loopback, as BIOs; `accepted` is blocking.
struct Pair {
  Pair() {
    const int listener = Stream();
    EXPECT_EQ(sockbed::BIO_listen(listener, Loopback(80).get(), 0), 1);
    const int fd = Stream();
    EXPECT_EQ(sockbed::BIO_connect(fd, Loopback(80).get(), 0), 1);
    Addr peer(BIO_ADDR_new());
    const int accepted_fd = sockbed::BIO_accept_ex(listener, peer.get(), 0);
    EXPECT_EQ(BIO_ADDR_family(peer.get()), AF_INET);
    BIO_closesocket(listener);
    connected = sockbed::BIO_new_socket(fd, BIO_CLOSE);
    accepted = sockbed::BIO_new_socket(accepted_fd, BIO_CLOSE);
  }
  ~Pair() {
    BIO_free(connected);
    BIO_free(accepted);
  }
  BIO* connected;
  BIO* accepted;
};

TEST(BssSock, CarriesBytesAndTellsTheEnd) {
  InProcess([] {
    Pair pair;
    EXPECT_EQ(BIO_puts(pair.connected, "hello"), 5);
    char buffer[16];
    EXPECT_EQ(BIO_read(pair.accepted, buffer, sizeof(buffer)), 5);
    EXPECT_EQ(memcmp(buffer, "hello", 5), 0);
    EXPECT_EQ(BIO_eof(pair.accepted), 0);
    uapi::shutdown(static_cast<int>(BIO_get_fd(pair.connected, nullptr)), SHUT_WR);
    EXPECT_EQ(BIO_read(pair.accepted, buffer, sizeof(buffer)), 0);
    EXPECT_FALSE(BIO_should_retry(pair.accepted));
    EXPECT_EQ(BIO_eof(pair.accepted), 1);
  });
}

TEST(BssSock, WithoutDataANonBlockingReadIsForLater) {
  InProcess([] {
    Pair pair;
    BIO_socket_nbio(static_cast<int>(BIO_get_fd(pair.accepted, nullptr)), 1);
    char byte = 0;
    EXPECT_EQ(BIO_read(pair.accepted, &byte, 1), -1);
    EXPECT_TRUE(BIO_should_retry(pair.accepted));
    EXPECT_TRUE(BIO_should_read(pair.accepted));
    EXPECT_EQ(BIO_puts(pair.connected, "x"), 1);
    pollfd entry{static_cast<int>(BIO_get_fd(pair.accepted, nullptr)), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, -1), 1);
    EXPECT_EQ(BIO_read(pair.accepted, &byte, 1), 1);
    EXPECT_FALSE(BIO_should_retry(pair.accepted));
  });
}

TEST(BssSock, AWriteToADeadPeerIsAnErrorAndNoSignal) {
  InProcess([] {
    Pair pair;
    uapi::shutdown(static_cast<int>(BIO_get_fd(pair.connected, nullptr)), SHUT_WR);
    EXPECT_EQ(BIO_write(pair.connected, "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_FALSE(BIO_should_retry(pair.connected));
  });
}

TEST(BssSock, UnknownControlsAnswerZero) {
  InProcess([] {
    Pair pair;
    for (const int command : {72, 73, 76, BIO_CTRL_PENDING, BIO_CTRL_RESET, 102, 9999}) {
      EXPECT_EQ(BIO_ctrl(pair.connected, command, 0, nullptr), 0) << command;
    }
    EXPECT_EQ(BIO_flush(pair.connected), 1);
    EXPECT_EQ(BIO_get_close(pair.connected), BIO_CLOSE);
    char line[8];
    EXPECT_EQ(BIO_gets(pair.connected, line, sizeof(line)), -2);
  });
}

TEST(BssSock, GivesTheDescriptorUpUnlessItOwnsIt) {
  InProcess([] {
    const int fd = Stream();
    BIO* bio = sockbed::BIO_new_socket(fd, BIO_NOCLOSE);
    BIO_free(bio);
    EXPECT_EQ(BIO_closesocket(fd), 1);
    const int owned = Stream();
    bio = sockbed::BIO_new_socket(owned, BIO_CLOSE);
    BIO_free(bio);
    EXPECT_EQ(BIO_closesocket(owned), 0);
  });
}

}  // namespace
}  // namespace sockbed
