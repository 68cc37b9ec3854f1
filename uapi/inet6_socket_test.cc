// Sockets of AF_INET6 from end to end: datagrams, streams, both families on one socket, options.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

using testing::Eq;

constexpr uint16_t kPort = 4711;

const sockaddr* As(const sockaddr_in6& sin6) { return reinterpret_cast<const sockaddr*>(&sin6); }
sockaddr* As(sockaddr_in6& sin6) { return reinterpret_cast<sockaddr*>(&sin6); }

class Inet6Socket : public TwoHosts {
 protected:
  Inet6Socket()
      : TwoHosts({.seed = 7}, {.latency = absl::Milliseconds(5),
                               .first_address6 = "2001:db8::1/64",
                               .second_address6 = "2001:db8::2/64"}) {}

  static sockaddr_in6 Sin6(const char* text, uint16_t port, uint32_t zone = 0) {
    sockaddr_in6 sin6{};
    sin6.sin6_family = AF_INET6;
    sin6.sin6_port = htons(port);
    sin6.sin6_scope_id = zone;
    EXPECT_EQ(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1) << text;
    return sin6;
  }
  static std::string Text(const sockaddr_in6& sin6) {
    std::array<char, INET6_ADDRSTRLEN> text;
    return inet_ntop(AF_INET6, &sin6.sin6_addr, text.data(), text.size());
  }
  static int Set(int fd, int option, int value) {
    return uapi::setsockopt(fd, IPPROTO_IPV6, option, &value, sizeof value);
  }
  static int Get(int fd, int option) {
    int value = -99;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IPV6, option, &value, &length), Works()) << option;
    return value;
  }
  static int Socket(int type, bool dual = false) {
    const int fd = uapi::socket(AF_INET6, type, 0);
    EXPECT_THAT(fd, Works());
    if (dual) {
      EXPECT_THAT(Set(fd, IPV6_V6ONLY, 0), Works());
    }
    return fd;
  }
  static int Bound(int type, const char* address = "::", bool dual = false) {
    const int fd = Socket(type, dual);
    const sockaddr_in6 sin6 = Sin6(address, kPort);
    EXPECT_THAT(uapi::bind(fd, As(sin6), sizeof sin6), Works()) << address;
    return fd;
  }
  static int Bind(int fd, const char* address, uint16_t port = kPort, uint32_t zone = 0) {
    const sockaddr_in6 sin6 = Sin6(address, port, zone);
    return uapi::bind(fd, As(sin6), sizeof sin6);
  }
  static int Connect(int fd, const char* address, uint16_t port = kPort, uint32_t zone = 0) {
    const sockaddr_in6 sin6 = Sin6(address, port, zone);
    return uapi::connect(fd, As(sin6), sizeof sin6);
  }
};

TEST_F(Inet6Socket, DatagramsGoAndComeBack) {
  server_.Spawn("echod", [] {
    const int fd = Bound(SOCK_DGRAM);
    char data[64];
    sockaddr_in6 from{};
    socklen_t length = sizeof from;
    EXPECT_THAT(uapi::recvfrom(fd, data, sizeof data, 0, As(from), &length), Eq(5));
    EXPECT_EQ(Text(from), "2001:db8::2");
    EXPECT_EQ(length, sizeof from);
    EXPECT_THAT(uapi::sendto(fd, data, 5, 0, As(from), length), Eq(5));
  });
  client_.Spawn("echo", [] {
    uapi::sleep(1);
    const int fd = Socket(SOCK_DGRAM);
    EXPECT_THAT(Connect(fd, "2001:db8::1"), Works());
    EXPECT_THAT(uapi::send(fd, "hello", 5, 0), Eq(5));
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(5));
    sockaddr_in6 own{};
    socklen_t length = sizeof own;
    EXPECT_THAT(uapi::getsockname(fd, As(own), &length), Works());
    EXPECT_EQ(Text(own), "2001:db8::2");
  });
  Run();
}

TEST_F(Inet6Socket, StreamsGoBothWays) {
  server_.Spawn("server", [] {
    const int listener = Bound(SOCK_STREAM);
    EXPECT_THAT(uapi::listen(listener, 5), Works());
    sockaddr_in6 peer{};
    socklen_t length = sizeof peer;
    const int fd = uapi::accept(listener, As(peer), &length);
    EXPECT_EQ(Text(peer), "2001:db8::2");
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(4));
    EXPECT_THAT(uapi::send(fd, "pong!", 5, 0), Eq(5));
  });
  client_.Spawn("client", [] {
    uapi::sleep(1);
    const int fd = Socket(SOCK_STREAM);
    EXPECT_THAT(Connect(fd, "2001:db8::1"), Works());
    EXPECT_THAT(uapi::send(fd, "ping", 4, 0), Eq(4));
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(5));
  });
  Run();
}

// Spec 9.6: an AF_INET6 socket without IPV6_V6ONLY takes peers of IPv4 as ::ffff:a.b.c.d.
TEST_F(Inet6Socket, OneSocketServesBothFamilies) {
  server_.Spawn("server", [] {
    const int listener = Bound(SOCK_STREAM, "::", true);
    EXPECT_THAT(uapi::listen(listener, 5), Works());
    for (const char* expected : {"::ffff:10.0.1.2", "2001:db8::2"}) {
      sockaddr_in6 peer{};
      socklen_t length = sizeof peer;
      EXPECT_THAT(uapi::accept(listener, As(peer), &length), Works());
      EXPECT_EQ(Text(peer), expected);
    }
  });
  client_.Spawn("client", [this] {
    uapi::sleep(1);
    const int v4 = uapi::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in sin = ServerPort(kPort);
    EXPECT_THAT(uapi::connect(v4, AsSockaddr(sin), sizeof sin), Works());
    EXPECT_THAT(Connect(Socket(SOCK_STREAM), "2001:db8::1"), Works());
  });
  Run();
}

TEST_F(Inet6Socket, ConnectsToMappedAddressesByIpv4IfItMay) {
  server_.Spawn("server", [this] {
    const int fd = uapi::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in sin = ServerPort(kPort);
    EXPECT_THAT(uapi::bind(fd, AsSockaddr(sin), sizeof sin), Works());
    char data[64];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    EXPECT_THAT(uapi::recvfrom(fd, data, sizeof data, 0, AsSockaddr(from), &length), Eq(2));
    EXPECT_THAT(uapi::sendto(fd, "yes", 3, 0, AsSockaddr(from), length), Eq(3));
  });
  client_.Spawn("client", [] {
    uapi::sleep(1);
    EXPECT_THAT(Connect(Socket(SOCK_DGRAM), "::ffff:10.0.1.1"), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(Connect(Socket(SOCK_STREAM), "::ffff:10.0.1.1"), FailsWith(EADDRNOTAVAIL));
    const int fd = Socket(SOCK_DGRAM, true);
    EXPECT_THAT(Connect(fd, "::ffff:10.0.1.1"), Works());
    EXPECT_THAT(uapi::send(fd, "ok", 2, 0), Eq(2));
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(3));
    sockaddr_in6 own{};
    socklen_t length = sizeof own;
    EXPECT_THAT(uapi::getsockname(fd, As(own), &length), Works());
    EXPECT_EQ(Text(own), "::ffff:10.0.1.2");
  });
  Run();
}

TEST_F(Inet6Socket, BindRefusesWhatIsNotItsOwn) {
  server_.Spawn("prog", [] {
    const int fd = Socket(SOCK_STREAM);
    EXPECT_THAT(Bind(fd, "2001:db8::2"), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(Bind(fd, "ff02::1", kPort, 2), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(Bind(fd, "::ffff:10.0.1.1"), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(Bind(fd, "fe80::ff:fe00:101"), FailsWith(EINVAL));            // no zone
    EXPECT_THAT(Bind(fd, "fe80::ff:fe00:101", kPort, 9), FailsWith(EINVAL));  // no such zone
    EXPECT_THAT(Bind(fd, "fe80::ff:fe00:101", kPort, 2), Works());
    sockaddr_in6 own{};
    socklen_t length = sizeof own;
    EXPECT_THAT(uapi::getsockname(fd, As(own), &length), Works());
    EXPECT_EQ(Text(own), "fe80::ff:fe00:101");
    EXPECT_EQ(own.sin6_scope_id, 2u);
    sockaddr_in sin{};
    sin.sin_family = AF_INET;
    const int other = Socket(SOCK_DGRAM);
    EXPECT_THAT(uapi::bind(other, AsSockaddr(sin), sizeof sin), FailsWith(EAFNOSUPPORT));
    sin.sin_family = AF_INET6;
    EXPECT_THAT(uapi::bind(other, AsSockaddr(sin), sizeof sin), FailsWith(EINVAL));
  });
  Run();
}

// Spec 9.4 and 9.6: different families never conflict, a socket of both conflicts with either.
TEST_F(Inet6Socket, FamiliesMeetOnlyWhereASocketIsOfBoth) {
  server_.Spawn("prog", [] {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kPort);
    const auto bind4 = [&any] {
      const int fd = uapi::socket(AF_INET, SOCK_STREAM, 0);
      const int error = uapi::bind(fd, AsSockaddr(any), sizeof any);
      const int kept = errno;
      uapi::close(fd);
      errno = kept;
      return error;
    };
    const int only6 = Bound(SOCK_STREAM);
    EXPECT_THAT(bind4(), Works());
    EXPECT_THAT(Bind(Socket(SOCK_STREAM), "2001:db8::1"), FailsWith(EADDRINUSE));
    uapi::close(only6);
    const int both = Bound(SOCK_STREAM, "::", true);
    EXPECT_THAT(bind4(), FailsWith(EADDRINUSE));
    EXPECT_THAT(Bind(Socket(SOCK_STREAM), "::"), FailsWith(EADDRINUSE));
    EXPECT_THAT(Set(both, IPV6_V6ONLY, 1), FailsWith(EINVAL));  // too late
  });
  Run();
}

TEST_F(Inet6Socket, AClosedPortIsReportedToTheConnected) {
  client_.Spawn("prog", [] {
    const int fd = Socket(SOCK_DGRAM);
    EXPECT_THAT(Connect(fd, "2001:db8::1", 9), Works());
    EXPECT_THAT(uapi::send(fd, "x", 1, 0), Eq(1));
    char data[4];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), FailsWith(ECONNREFUSED));
    EXPECT_THAT(Connect(Socket(SOCK_STREAM), "2001:db8::1", 9), FailsWith(ECONNREFUSED));
    EXPECT_THAT(Connect(Socket(SOCK_DGRAM), "2001:db9::1"), FailsWith(EADDRNOTAVAIL));
    EXPECT_THAT(Connect(Socket(SOCK_DGRAM), "fe80::1"), FailsWith(EHOSTUNREACH));  // no zone
    EXPECT_THAT(Connect(Socket(SOCK_STREAM), "::"), FailsWith(EINVAL));
    EXPECT_THAT(Connect(Socket(SOCK_STREAM), "ff02::1", kPort, 2), FailsWith(EINVAL));
  });
  Run();
}

TEST_F(Inet6Socket, OptionsHaveTheirRanges) {
  server_.Spawn("prog", [] {
    const int fd = Socket(SOCK_DGRAM);
    const struct {
      int option, initial, good, bad;
    } kRows[] = {
        {IPV6_UNICAST_HOPS, 64, 12, 256},
        {IPV6_TCLASS, 0, 255, 256},
        {IPV6_MINHOPCOUNT, 0, 200, -1},
        {IPV6_MTU_DISCOVER, 0, 3, 4},
        {0x1007, -1, 1, 2},
        {0x1004, 0, 2, 3},
    };
    for (const auto& row : kRows) {
      EXPECT_EQ(Get(fd, row.option), row.initial) << row.option;
      EXPECT_THAT(Set(fd, row.option, row.bad), FailsWith(EINVAL)) << row.option;
      EXPECT_THAT(Set(fd, row.option, row.good), Works()) << row.option;
      EXPECT_EQ(Get(fd, row.option), row.good) << row.option;
    }
    for (const int flag : {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPATHMTU,
                           IPV6_DONTFRAG, 0x1005}) {
      EXPECT_EQ(Get(fd, flag), 0) << flag;
      EXPECT_THAT(Set(fd, flag, 1), Works()) << flag;
      EXPECT_EQ(Get(fd, flag), 1) << flag;
    }
    EXPECT_EQ(Get(fd, 70), 1);  // IPV6_AUTOFLOWLABEL
    EXPECT_EQ(Get(fd, IPV6_V6ONLY), 1);
    EXPECT_THAT(Set(fd, 4242, 1), FailsWith(ENOPROTOOPT));
    EXPECT_THAT(Set(fd, IPV6_HOPOPTS, 1), FailsWith(ENOPROTOOPT));
    EXPECT_THAT(Set(uapi::socket(AF_INET, SOCK_DGRAM, 0), IPV6_TCLASS, 1), FailsWith(ENOPROTOOPT));
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &value, &length), FailsWith(ENOTCONN));
    EXPECT_THAT(Connect(fd, "2001:db8::2"), Works());
    EXPECT_EQ(Get(fd, IPV6_MTU), 1500);
    EXPECT_THAT(Set(fd, IPV6_MTU, 1279), FailsWith(EINVAL));
    EXPECT_THAT(Set(fd, IPV6_MTU, 1400), Works());
    EXPECT_EQ(Get(fd, IPV6_MTU), 1400);
  });
  Run();
}

// Spec 10.5: what is told with each datagram, in the order of the table.
TEST_F(Inet6Socket, TellsWhatIsAskedForWithEachDatagram) {
  server_.Spawn("server", [] {
    const int fd = Bound(SOCK_DGRAM);
    for (const int flag : {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS}) {
      EXPECT_THAT(Set(fd, flag, 1), Works());
    }
    char data[8];
    iovec iov = {data, sizeof data};
    alignas(cmsghdr) char control[256];
    msghdr msg{};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof control;
    EXPECT_THAT(uapi::recvmsg(fd, &msg, 0), Eq(1));
    std::vector<int> types;
    in6_pktinfo info{};
    int hops = 0, traffic_class = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
      EXPECT_EQ(c->cmsg_level, IPPROTO_IPV6);
      types.push_back(c->cmsg_type);
      if (c->cmsg_type == IPV6_PKTINFO) memcpy(&info, CMSG_DATA(c), sizeof info);
      if (c->cmsg_type == IPV6_HOPLIMIT) memcpy(&hops, CMSG_DATA(c), sizeof hops);
      if (c->cmsg_type == IPV6_TCLASS) memcpy(&traffic_class, CMSG_DATA(c), sizeof traffic_class);
    }
    EXPECT_EQ(types, (std::vector{IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS}));
    EXPECT_EQ(info.ipi6_ifindex, 2u);
    EXPECT_EQ(info.ipi6_addr.s6_addr[15], 1);
    EXPECT_EQ(hops, 33);
    EXPECT_EQ(traffic_class, 0xb8);
  });
  client_.Spawn("client", [] {
    uapi::sleep(1);
    const int fd = Socket(SOCK_DGRAM);
    EXPECT_THAT(Set(fd, IPV6_UNICAST_HOPS, 33), Works());
    EXPECT_THAT(Set(fd, IPV6_TCLASS, 0xb8), Works());
    const sockaddr_in6 to = Sin6("2001:db8::1", kPort);
    EXPECT_THAT(uapi::sendto(fd, "x", 1, 0, As(to), sizeof to), Eq(1));
  });
  Run();
}

TEST_F(Inet6Socket, TooBigWithoutFragmentsIsAnError) {
  client_.Spawn("prog", [] {
    const int fd = Socket(SOCK_DGRAM);
    EXPECT_THAT(Connect(fd, "2001:db8::1"), Works());
    std::vector<char> big(1453);  // and 48 of headers
    EXPECT_THAT(uapi::send(fd, big.data(), big.size(), 0), Eq(1453));
    EXPECT_THAT(Set(fd, IPV6_DONTFRAG, 1), Works());
    EXPECT_THAT(uapi::send(fd, big.data(), big.size(), 0), FailsWith(EMSGSIZE));
    EXPECT_THAT(uapi::send(fd, big.data(), 1452, 0), Eq(1452));
  });
  Run();
}

TEST_F(Inet6Socket, NamesHaveAddressesOfBothFamilies) {
  client_.Spawn("prog", [] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    ASSERT_EQ(uapi::getaddrinfo("server", "80", &hints, &found), 0);
    ASSERT_NE(found->ai_next, nullptr);
    EXPECT_EQ(found->ai_family, AF_INET);
    EXPECT_EQ(found->ai_next->ai_family, AF_INET6);
    const auto& sin6 = *reinterpret_cast<sockaddr_in6*>(found->ai_next->ai_addr);
    EXPECT_EQ(Text(sin6), "2001:db8::1");
    char host[64], service[16];
    EXPECT_EQ(uapi::getnameinfo(found->ai_next->ai_addr, sizeof sin6, host, sizeof host, service,
                                sizeof service, NI_NUMERICSERV),
              0);
    EXPECT_STREQ(host, "server");
    uapi::freeaddrinfo(found);
    hints.ai_family = AF_INET6;
    ASSERT_EQ(uapi::getaddrinfo("fe80::1%link1", nullptr, &hints, &found), 0);
    EXPECT_EQ(reinterpret_cast<sockaddr_in6*>(found->ai_addr)->sin6_scope_id, 2u);
    EXPECT_EQ(uapi::getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, nullptr, 0,
                                NI_NUMERICHOST),
              0);
    EXPECT_STREQ(host, "fe80::1%link1");
    uapi::freeaddrinfo(found);
  });
  Run();
}

// Spec 11: raw sockets see what stands behind the IPv6 header; the kernel makes the checksum.
TEST_F(Inet6Socket, RawSocketsSendAndFilterIcmp) {
  server_.Spawn("server", [] {
    const int fd = uapi::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    EXPECT_THAT(fd, Works());
    std::array<uint32_t, 8> blocked;
    blocked.fill(~uint32_t{0});
    blocked[200 / 32] &= ~(uint32_t{1} << 200 % 32);
    EXPECT_THAT(uapi::setsockopt(fd, IPPROTO_ICMPV6, 1, blocked.data(), sizeof blocked), Works());
    EXPECT_THAT(Set(fd, IPV6_CHECKSUM, 2), FailsWith(EINVAL));
    char data[64];
    EXPECT_THAT(uapi::recv(fd, data, sizeof data, 0), Eq(9));
    EXPECT_EQ(static_cast<uint8_t>(data[0]), 200);
    EXPECT_EQ(data[8], 'x');
  });
  client_.Spawn("client", [] {
    uapi::sleep(1);
    const int fd = uapi::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    const sockaddr_in6 to = Sin6("2001:db8::1", 0);
    for (const uint8_t type : {201, 200}) {
      const char message[] = {static_cast<char>(type), 0, 0, 0, 0, 0, 0, 0, 'x'};
      EXPECT_THAT(uapi::sendto(fd, message, sizeof message, 0, As(to), sizeof to), Eq(9));
    }
    EXPECT_THAT(Set(uapi::socket(AF_INET6, SOCK_RAW, 200), IPV6_CHECKSUM, 3), FailsWith(EINVAL));
  });
  client_.Spawn(
      "user",
      [] { EXPECT_THAT(uapi::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), FailsWith(EACCES)); },
      {.cred = {.cr_uid = 100}});
  Run();
}

}  // namespace
}  // namespace sockbed
