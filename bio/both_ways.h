// One body of tests, two ways to run it: this project's BIOs, and OpenSSL's own over the shim.
//
// Lives here:  Bios, BothWays; Entry, TakeErrors; AddrOf, Loopback.
// Called by:   *_test.cc of this room: each test of BothWays runs twice.
// Invariants:  1. A test that ran its simulation has nothing to complain of and leaked nothing.
//              2. Where the two may differ, the test asks `bios().ours` and says why.
#ifndef SOCKBED_BIO_BOTH_WAYS_H_
#define SOCKBED_BIO_BOTH_WAYS_H_

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bioerr.h>
#include <openssl/err.h>

#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bio/addr.h"
#include "bio/bio_lookup.h"
#include "bio/bio_ptr.h"
#include "bio/bio_sock.h"
#include "bio/bss_acpt.h"
#include "bio/bss_bio.h"
#include "bio/bss_conn.h"
#include "bio/bss_dgram.h"
#include "bio/bss_sock.h"
#include "uapi/posix.h"
#include "uapi/two_hosts.h"

namespace sockbed {

// The calls that both have, under their names without BIO_.
struct Bios {
  const char* name;
  bool ours;
  int (*socket)(int domain, int socktype, int protocol, int options);
  int (*bind)(int sock, const BIO_ADDR* addr, int options);
  int (*connect)(int sock, const BIO_ADDR* addr, int options);
  int (*listen)(int sock, const BIO_ADDR* addr, int options);
  int (*accept_ex)(int sock, BIO_ADDR* peer, int options);
  int (*closesocket)(int sock);
  int (*set_tcp_ndelay)(int sock, int on);
  int (*socket_nbio)(int sock, int mode);
  int (*sock_error)(int sock);
  int (*sock_should_retry)(int result);
  int (*sock_non_fatal_error)(int error);
  int (*dgram_non_fatal_error)(int error);
  BIO* (*new_socket)(int sock, int close_flag);
  BIO* (*new_dgram)(int sock, int close_flag);
  int (*new_bio_pair)(BIO** bio1, size_t writebuf1, BIO** bio2, size_t writebuf2);
  BIO* (*new_connect)(const char* name);
  BIO* (*new_accept)(const char* name);
  const BIO_METHOD* (*s_socket)();
  const BIO_METHOD* (*s_connect)();
  const BIO_METHOD* (*s_accept)();
  int (*lookup_ex)(const char* host, const char* service, int lookup_type, int family, int socktype,
                   int protocol, BIO_ADDRINFO** result);
  char* (*addr_hostname_string)(const BIO_ADDR* addr, int numeric);
  char* (*addr_service_string)(const BIO_ADDR* addr, int numeric);
  int (*sock_info)(int sock, BIO_sock_info_type type, BIO_sock_info_u* info);
  int (*socket_wait)(int sock, int for_read, time_t until);
  int (*socket_ioctl)(int sock, long request, void* arg);
};

inline constexpr Bios kOurs = {"Ours",
                               true,
                               sockbed::BIO_socket,
                               sockbed::BIO_bind,
                               sockbed::BIO_connect,
                               sockbed::BIO_listen,
                               sockbed::BIO_accept_ex,
                               sockbed::BIO_closesocket,
                               sockbed::BIO_set_tcp_ndelay,
                               sockbed::BIO_socket_nbio,
                               sockbed::BIO_sock_error,
                               sockbed::BIO_sock_should_retry,
                               sockbed::BIO_sock_non_fatal_error,
                               sockbed::BIO_dgram_non_fatal_error,
                               sockbed::BIO_new_socket,
                               sockbed::BIO_new_dgram,
                               sockbed::BIO_new_bio_pair,
                               sockbed::BIO_new_connect,
                               sockbed::BIO_new_accept,
                               sockbed::BIO_s_socket,
                               sockbed::BIO_s_connect,
                               sockbed::BIO_s_accept,
                               sockbed::BIO_lookup_ex,
                               sockbed::BIO_ADDR_hostname_string,
                               sockbed::BIO_ADDR_service_string,
                               sockbed::BIO_sock_info,
                               sockbed::BIO_socket_wait,
                               sockbed::BIO_socket_ioctl};

inline constexpr Bios kOpenssls = {"Openssls",
                                   false,
                                   ::BIO_socket,
                                   ::BIO_bind,
                                   ::BIO_connect,
                                   ::BIO_listen,
                                   ::BIO_accept_ex,
                                   ::BIO_closesocket,
                                   ::BIO_set_tcp_ndelay,
                                   ::BIO_socket_nbio,
                                   ::BIO_sock_error,
                                   ::BIO_sock_should_retry,
                                   ::BIO_sock_non_fatal_error,
                                   ::BIO_dgram_non_fatal_error,
                                   ::BIO_new_socket,
                                   ::BIO_new_dgram,
                                   ::BIO_new_bio_pair,
                                   ::BIO_new_connect,
                                   ::BIO_new_accept,
                                   ::BIO_s_socket,
                                   ::BIO_s_connect,
                                   ::BIO_s_accept,
                                   ::BIO_lookup_ex,
                                   ::BIO_ADDR_hostname_string,
                                   ::BIO_ADDR_service_string,
                                   ::BIO_sock_info,
                                   ::BIO_socket_wait,
                                   ::BIO_socket_ioctl};

class BothWays : public TwoHosts, public testing::WithParamInterface<const Bios*> {
 protected:
  explicit BothWays(const Machine::Options& options = {.seed = 7}) : TwoHosts(options) {
    EXPECT_EQ(posix_check(), "");
  }

  const Bios& bios() const { return *GetParam(); }

  // Runs `body` as the only process, on the client.
  void InProcess(std::function<void()> body) {
    client_.Spawn("test", std::move(body));
    Run();
  }

  int Stream() { return bios().socket(AF_INET, SOCK_STREAM, 0, 0); }
  int Datagram() { return bios().socket(AF_INET, SOCK_DGRAM, 0, 0); }
};

#define SOCKBED_BOTH_WAYS(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Bios, suite, testing::Values(&kOurs, &kOpenssls), \
                           [](const auto& way) { return std::string(way.param->name); })

// An address of IPv4.
inline AddrPtr AddrOf(const sockaddr_in& name) {
  AddrPtr addr(BIO_ADDR_new());
  memcpy(SockaddrOf(addr.get()), &name, sizeof name);
  return addr;
}

inline AddrPtr Loopback(uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return AddrOf(name);
}

// "10.0.1.2:53" of an address of IPv4; "unset" of one that is not set.
inline std::string TextOf(const BIO_ADDR* addr) {
  if (BIO_ADDR_family(addr) != AF_INET) return "unset";
  const auto* const in = reinterpret_cast<const sockaddr_in*>(SockaddrOf(addr));
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(in->sin_port));
}

// One entry of the error stack.
struct Entry {
  int library;
  int reason;
  std::string data;
  friend bool operator==(const Entry&, const Entry&) = default;
};
using Errors = std::vector<Entry>;

inline std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  return out << "{" << entry.library << ", " << entry.reason << ", \"" << entry.data << "\"}";
}

// The whole stack, oldest first; it is empty afterwards.
inline Errors TakeErrors() {
  Errors entries;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    entries.push_back({ERR_GET_LIB(code), ERR_GET_REASON(code), data});
  }
  return entries;
}

// The simulation's clock, in seconds.
inline double Seconds() { return static_cast<double>(Here().machine->now()) / kSecond; }

}  // namespace sockbed

#endif  // SOCKBED_BIO_BOTH_WAYS_H_
