// What IPv6 sockets may ask for, seen from the other end of an Ethernet: control messages of raw
// sockets, hop limits, path MTU reports, ports of destinations; and addresses that are not for all.
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/route.h"
#include "kernel/net/if.h"
#include "kernel/net/link.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"
#include "uapi/uapi.h"

namespace sockbed {
namespace {

constexpr uint16_t kPort = 7007;
constexpr SimTime kReady = 3 * kSecond;  // addresses are known to be nobody else's

class Inet6Options : public testing::Test {
 protected:
  Inet6Options() {
    link_ = &sim_.Connect(server_, client_,
                          {.latency = absl::Milliseconds(1),
                           .ethernet = true,
                           .first_address6 = "2001:db8::1/64",
                           .second_address6 = "2001:db8::2/64"});
  }
  void Run() {
    const RunResult result = sim_.Run();
    EXPECT_EQ(result.Complaints(), "");
  }
  static sockaddr_in6 Name(const char* address, uint16_t port = kPort) {
    sockaddr_in6 sin6{};
    sin6.sin6_family = AF_INET6;
    sin6.sin6_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET6, address, &sin6.sin6_addr), 1);
    return sin6;
  }
  static const sockaddr* AsName(const sockaddr_in6& sin6) {
    return reinterpret_cast<const sockaddr*>(&sin6);
  }
  static int Socket(int type, int protocol = 0) {
    const int fd = uapi::socket(AF_INET6, type, protocol);
    EXPECT_GE(fd, 0);
    const timeval limit = {.tv_sec = 5, .tv_usec = 0};
    EXPECT_THAT(uapi::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), Works());
    return fd;
  }
  static int Bound(int type, const char* address) {
    const int fd = Socket(type);
    const sockaddr_in6 sin6 = Name(address);
    EXPECT_THAT(uapi::bind(fd, AsName(sin6), sizeof sin6), Works());
    return fd;
  }
  static int Set(int fd, int option, int value) {
    return uapi::setsockopt(fd, IPPROTO_IPV6, option, &value, sizeof value);
  }
  // Sends with one control message of IPv6.
  template <typename T>
  static ssize_t SendWith(int fd, const sockaddr_in6& to, const std::string& bytes, int type,
                          const T& value) {
    iovec iov = {const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof value)] = {};
    msghdr message{};
    message.msg_name = const_cast<sockaddr_in6*>(&to);
    message.msg_namelen = sizeof to;
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof value);
    memcpy(CMSG_DATA(header), &value, sizeof value);
    return uapi::sendmsg(fd, &message, 0);
  }
  // Receives; the first control message's type and value. -1: there is none, or nothing came.
  struct Received {
    ssize_t bytes = -1;
    int type = -1;
    std::string value;
    int Int() const {
      int number = -1;
      if (value.size() == sizeof number) memcpy(&number, value.data(), sizeof number);
      return number;
    }
  };
  static Received ReceiveWith(int fd) {
    char data[2000];
    alignas(cmsghdr) char control[256];
    iovec iov = {data, sizeof data};
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    Received got;
    got.bytes = uapi::recvmsg(fd, &message, 0);
    const cmsghdr* header = got.bytes >= 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr) return got;
    got.type = header->cmsg_type;
    got.value.assign(reinterpret_cast<const char*>(CMSG_DATA(header)),
                     header->cmsg_len - CMSG_LEN(0));
    return got;
  }
  // What a report of IPV6_RECVPATHMTU says, read from the socket: 1500 to 2001:db8::1, port 7007.
  static std::string PathMtu(int fd) {
    const Received got = ReceiveWith(fd);
    ip6_mtuinfo info{};
    if (got.bytes != 0 || got.type != IPV6_PATHMTU || got.value.size() != sizeof info) return "";
    memcpy(&info, got.value.data(), sizeof info);
    return std::to_string(info.ip6m_mtu) + " to " + in6_text(info.ip6m_addr.sin6_addr) + ", port " +
           std::to_string(ntohs(info.ip6m_addr.sin6_port));
  }
  ifnet* interface(int end) { return link_->interface(end); }

  TestSimulation sim_{{.seed = 3}};
  Host& server_ = sim_.AddHost("server");
  Host& client_ = sim_.AddHost("client");
  Link* link_ = nullptr;
};

// --- Raw sockets. ---

TEST_F(Inet6Options, ARawPacketHasTheHopLimitAndClassThatAMessageSays) {
  constexpr int kProtocol = 200;
  server_.Spawn("hear", [] {
    const int hops = Socket(SOCK_RAW, kProtocol), classes = Socket(SOCK_RAW, kProtocol);
    EXPECT_THAT(Set(hops, IPV6_RECVHOPLIMIT, 1), Works());
    EXPECT_THAT(Set(classes, IPV6_RECVTCLASS, 1), Works());
    EXPECT_EQ(ReceiveWith(hops).Int(), 7);
    EXPECT_EQ(ReceiveWith(hops).Int(), 64) << "of that packet only";
    for (const int expected : {0, 0, 0x28}) EXPECT_EQ(ReceiveWith(classes).Int(), expected);
  });
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_RAW, kProtocol);
                  const sockaddr_in6 to = Name("2001:db8::1", 0);
                  EXPECT_EQ(SendWith(fd, to, "hops", IPV6_HOPLIMIT, int{7}), 4);
                  EXPECT_EQ(uapi::sendto(fd, "plain", 5, 0, AsName(to), sizeof to), 5);
                  EXPECT_EQ(SendWith(fd, to, "class", IPV6_TCLASS, int{0x28}), 5);
                  EXPECT_THAT(SendWith(fd, to, "x", IPV6_HOPLIMIT, int{256}), FailsWith(EINVAL));
                  EXPECT_THAT(SendWith(fd, to, "x", IPV6_RECVTCLASS, int{1}), FailsWith(EINVAL));
                  EXPECT_THAT(SendWith(fd, to, "x", IPV6_HOPLIMIT, char{1}), FailsWith(EINVAL));
                },
                {.start_at = kReady});
  Run();
}

TEST_F(Inet6Options, ARawPacketComesFromTheAddressThatAMessageSays) {
  constexpr int kProtocol = 200;
  server_.Spawn("hear", [] {
    const int fd = Socket(SOCK_RAW, kProtocol);
    sockaddr_in6 from{};
    socklen_t length = sizeof from;
    char byte;
    EXPECT_EQ(uapi::recvfrom(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length), 1);
    EXPECT_EQ(from.sin6_addr.s6_addr[0], 0xfe) << "its link-local address";
  });
  client_.Spawn(
      "say",
      [this] {
        const int fd = Socket(SOCK_RAW, kProtocol);
        const sockaddr_in6 to = Name("2001:db8::1", 0);
        in6_pktinfo info = {.ipi6_addr = Name("2001:db8::77").sin6_addr, .ipi6_ifindex = 0};
        EXPECT_THAT(SendWith(fd, to, "x", IPV6_PKTINFO, info), FailsWith(EADDRNOTAVAIL));
        info.ipi6_addr = in6_ifalinklocal(interface(1))->ia_addr;
        info.ipi6_addr.s6_addr[2] = info.ipi6_addr.s6_addr[3] = 0;  // programs see no zone there
        info.ipi6_ifindex = interface(1)->if_index;
        EXPECT_EQ(SendWith(fd, to, "x", IPV6_PKTINFO, info), 1);
      },
      {.start_at = kReady});
  Run();
}

// --- IPV6_MINHOPCOUNT. ---

TEST_F(Inet6Options, PacketsFromTooFarAreIgnored) {
  server_.Spawn("hear",
                [] {
                  const int listener = Bound(SOCK_STREAM, "2001:db8::1");
                  EXPECT_THAT(Set(listener, IPV6_MINHOPCOUNT, 100), Works());
                  EXPECT_THAT(uapi::listen(listener, 1), Works());
                  const int fd = Bound(SOCK_DGRAM, "2001:db8::1");
                  EXPECT_THAT(Set(fd, IPV6_MINHOPCOUNT, 100), Works());
                  EXPECT_EQ(ReceiveWith(fd).bytes, 2) << "what came with 99 is not told";
                  EXPECT_THAT(uapi::accept(listener, nullptr, nullptr), Works());
                },
                {.start_at = kReady});
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_DGRAM);
                  const sockaddr_in6 to = Name("2001:db8::1");
                  EXPECT_EQ(SendWith(fd, to, "1", IPV6_HOPLIMIT, int{99}), 1);
                  EXPECT_EQ(SendWith(fd, to, "22", IPV6_HOPLIMIT, int{100}), 2);
                  const int far = Socket(SOCK_STREAM);
                  EXPECT_THAT(Set(far, IPV6_UNICAST_HOPS, 99), Works());
                  const timeval limit = {.tv_sec = 2, .tv_usec = 0};
                  EXPECT_THAT(uapi::setsockopt(far, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
                              Works());
                  const int near = Socket(SOCK_STREAM);
                  EXPECT_THAT(Set(near, IPV6_UNICAST_HOPS, 100), Works());
                  EXPECT_THAT(uapi::fcntl(far, F_SETFL, O_NONBLOCK), Works());
                  EXPECT_THAT(uapi::connect(far, AsName(to), sizeof to), FailsWith(EINPROGRESS));
                  EXPECT_THAT(uapi::connect(near, AsName(to), sizeof to), Works());
                  pollfd waits = {.fd = far, .events = POLLOUT, .revents = 0};
                  EXPECT_EQ(uapi::poll(&waits, 1, 1000), 0) << "its SYN was never answered";
                },
                {.start_at = kReady + kSecond});
  Run();
}

// --- IPV6_RECVDSTPORT, IPV6_RECVPATHMTU. ---

TEST_F(Inet6Options, ADatagramTellsThePortItWasSentTo) {
  server_.Spawn("hear",
                [] {
                  const int fd = Bound(SOCK_DGRAM, "2001:db8::1");
                  EXPECT_THAT(Set(fd, kIpv6RecvDstPort, 1), Works());
                  const Received got = ReceiveWith(fd);
                  in_port_t port = 0;
                  ASSERT_EQ(got.value.size(), sizeof port);
                  memcpy(&port, got.value.data(), sizeof port);
                  EXPECT_EQ(got.type, kIpv6RecvDstPort);
                  EXPECT_EQ(ntohs(port), kPort);
                },
                {.start_at = kReady});
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_DGRAM);
                  const sockaddr_in6 to = Name("2001:db8::1");
                  EXPECT_EQ(uapi::sendto(fd, "x", 1, 0, AsName(to), sizeof to), 1);
                },
                {.start_at = kReady + kSecond});
  Run();
}

TEST_F(Inet6Options, ADatagramTooBigIsReportedWithTheMtu) {
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_DGRAM);
                  const sockaddr_in6 to = Name("2001:db8::1");
                  EXPECT_THAT(Set(fd, IPV6_DONTFRAG, 1), Works());
                  EXPECT_THAT(Set(fd, IPV6_RECVPATHMTU, 1), Works());
                  const std::string big(2000, 'x');
                  EXPECT_THAT(uapi::sendto(fd, big.data(), big.size(), 0, AsName(to), sizeof to),
                              FailsWith(EMSGSIZE));
                  EXPECT_EQ(PathMtu(fd), "1500 to 2001:db8::1, port 7007");
                  EXPECT_THAT(Set(fd, IPV6_RECVPATHMTU, 0), Works());
                  EXPECT_THAT(uapi::sendto(fd, big.data(), big.size(), 0, AsName(to), sizeof to),
                              FailsWith(EMSGSIZE));
                  char byte;
                  EXPECT_THAT(uapi::recv(fd, &byte, 1, MSG_DONTWAIT), FailsWith(EAGAIN))
                      << "nobody asked";
                },
                {.start_at = kReady});
  Run();
}

TEST_F(Inet6Options, ACapOnTheMtuHoldsWhereverItIsAskedFor) {
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_DGRAM);
                  const sockaddr_in6 to = Name("2001:db8::1");
                  for (const int option : {IPV6_DONTFRAG, IPV6_RECVPATHMTU}) {
                    EXPECT_THAT(Set(fd, option, 1), Works());
                  }
                  EXPECT_THAT(Set(fd, IPV6_MTU, 1400), Works());
                  const std::string data(1353, 'x');  // one byte too many
                  EXPECT_THAT(uapi::sendto(fd, data.data(), data.size(), 0, AsName(to), sizeof to),
                              FailsWith(EMSGSIZE));
                  EXPECT_EQ(PathMtu(fd), "1400 to 2001:db8::1, port 7007");
                  EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), Works());
                  int mtu = 0;
                  socklen_t length = sizeof mtu;
                  EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &length), Works());
                  EXPECT_EQ(mtu, 1400);
                  ip6_mtuinfo info{};
                  length = sizeof info;
                  EXPECT_THAT(uapi::getsockopt(fd, IPPROTO_IPV6, IPV6_PATHMTU, &info, &length),
                              Works());
                  EXPECT_EQ(info.ip6m_mtu, 1400u);
                  EXPECT_EQ(uapi::send(fd, data.data(), data.size() - 1, 0), 1352);
                },
                {.start_at = kReady});
  Run();
}

TEST_F(Inet6Options, WhatIsTooBigForAGroupOrTheLeastMtuIsReportedToo) {
  client_.Spawn("say",
                [this] {
                  const int fd = Socket(SOCK_DGRAM);
                  for (const int option : {IPV6_DONTFRAG, IPV6_RECVPATHMTU}) {
                    EXPECT_THAT(Set(fd, option, 1), Works());
                  }
                  const std::string big(1300, 'x');
                  const auto send = [&](const sockaddr_in6& to) {
                    return uapi::sendto(fd, big.data(), big.size(), 0, AsName(to), sizeof to);
                  };
                  sockaddr_in6 group = Name("ff02::9");
                  group.sin6_scope_id = interface(1)->if_index;
                  EXPECT_THAT(send(group), FailsWith(EMSGSIZE));
                  EXPECT_EQ(PathMtu(fd), "1280 to ff02::9, port 7007");
                  EXPECT_EQ(send(Name("2001:db8::1")), 1300);
                  EXPECT_THAT(Set(fd, kIpv6UseMinMtu, 1), Works());
                  EXPECT_THAT(send(Name("2001:db8::1")), FailsWith(EMSGSIZE));
                  EXPECT_EQ(PathMtu(fd), "1280 to 2001:db8::1, port 7007");
                },
                {.start_at = kReady});
  Run();
}

// As UDP's (spec 11).
TEST_F(Inet6Options, ARawPacketTooBigIsRefusedAndReportedAsDatagramsAre) {
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_RAW, 200);
                  EXPECT_THAT(Set(fd, IPV6_RECVPATHMTU, 1), Works());
                  const sockaddr_in6 to = Name("2001:db8::1", 0);
                  const std::string big(2000, 'x');
                  const auto send = [&] {
                    return uapi::sendto(fd, big.data(), big.size(), 0, AsName(to), sizeof to);
                  };
                  EXPECT_EQ(send(), 2000) << "in fragments";
                  for (const int policy : {IPV6_PMTUDISC_DO, IPV6_PMTUDISC_PROBE}) {
                    EXPECT_THAT(Set(fd, IPV6_MTU_DISCOVER, policy), Works());
                    EXPECT_THAT(send(), FailsWith(EMSGSIZE));
                    EXPECT_EQ(PathMtu(fd), "1500 to 2001:db8::1, port 0");
                  }
                },
                {.start_at = kReady});
  Run();
}

// --- Addresses that are not for all. ---

// Connects to an address of the server's that has that flag. Returns the errno, EINPROGRESS if
// nobody answered.
class NotForAll : public Inet6Options {
 protected:
  int ConnectTo(const char* address, int flag) {
    int error = 0;
    server_.Spawn("listen", [&] {
      EXPECT_EQ(in6_ifadd(interface(0), Name(address).sin6_addr, 64, flag & IN6_IFF_ANYCAST), 0);
      in6_ifawithaddr(Name(address).sin6_addr)->ia6_flags |= flag;
      const int fd = Bound(SOCK_STREAM, "::");
      EXPECT_THAT(uapi::listen(fd, 1), Works());
      const timespec pause = {.tv_sec = 30, .tv_nsec = 0};
      EXPECT_THAT(uapi::nanosleep(&pause, nullptr), Works());
    });
    client_.Spawn("connect",
                  [&] {
                    const int fd = Socket(SOCK_STREAM);
                    EXPECT_THAT(uapi::fcntl(fd, F_SETFL, O_NONBLOCK), Works());
                    const sockaddr_in6 to = Name(address);
                    EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), FailsWith(EINPROGRESS));
                    pollfd waits = {.fd = fd, .events = POLLOUT, .revents = 0};
                    error = EINPROGRESS;
                    if (uapi::poll(&waits, 1, 3000) == 0) return;
                    socklen_t length = sizeof error;
                    EXPECT_THAT(uapi::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length),
                                Works());
                  },
                  {.start_at = kReady});
    Run();
    return error;
  }
};

TEST_F(NotForAll, APlainAddressIsAnswered) { EXPECT_EQ(ConnectTo("2001:db8::9", 0), 0); }

TEST_F(NotForAll, NobodyConnectsToAnAnycastAddress) {
  EXPECT_EQ(ConnectTo("2001:db8::9", IN6_IFF_ANYCAST), EINPROGRESS);
}

TEST_F(NotForAll, ADeprecatedAddressIsAnsweredUnlessTheHostMinds) {
  EXPECT_EQ(ConnectTo("2001:db8::9", IN6_IFF_DEPRECATED), 0);
}

TEST_F(NotForAll, AHostThatMindsRefusesADeprecatedAddress) {
  server_.SetSysctl("net.inet6.ip6.use_deprecated", 0);
  EXPECT_EQ(ConnectTo("2001:db8::9", IN6_IFF_DEPRECATED), ECONNREFUSED);
}

// --- To nobody in particular. ---

TEST_F(Inet6Options, AnyIsThisHostOnlyForTheOtherSystem) {
  server_.SetSysctl("net.inet.tcp.profile", 1);
  const auto connect_to_any = [](int expected) {
    const int listener = Bound(SOCK_STREAM, "::");
    EXPECT_THAT(uapi::listen(listener, 1), Works());
    const int fd = Socket(SOCK_STREAM);
    const sockaddr_in6 to = Name("::");
    const int result = uapi::connect(fd, AsName(to), sizeof to);
    EXPECT_EQ(result == 0 ? 0 : errno, expected);
    sockaddr_in6 peer{};
    socklen_t length = sizeof peer;
    if (result != 0) return;
    EXPECT_THAT(uapi::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length), Works());
    EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr));
  };
  server_.Spawn("freebsd", [=] { connect_to_any(0); });
  client_.Spawn("openbsd", [=] { connect_to_any(EINVAL); });
  Run();
}

// --- IPV6_PKTINFO of datagrams. ---

TEST_F(Inet6Options, AnAddressOfIpv6IsNoSourceForAPeerOfIpv4) {
  client_.Spawn("say",
                [] {
                  const int fd = Socket(SOCK_DGRAM);
                  EXPECT_THAT(Set(fd, IPV6_V6ONLY, 0), Works());
                  const sockaddr_in6 to = Name("::ffff:127.0.0.1");
                  const in6_pktinfo info = {.ipi6_addr = Name("2001:db8::2").sin6_addr,
                                            .ipi6_ifindex = 0};
                  EXPECT_THAT(SendWith(fd, to, "x", IPV6_PKTINFO, info), FailsWith(EADDRNOTAVAIL));
                  EXPECT_EQ(uapi::sendto(fd, "x", 1, 0, AsName(to), sizeof to), 1);
                  EXPECT_THAT(
                      uapi::setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info),
                      Works());
                  EXPECT_THAT(uapi::sendto(fd, "x", 1, 0, AsName(to), sizeof to),
                              FailsWith(EADDRNOTAVAIL));
                },
                {.start_at = kReady});
  Run();
}

// --- Which address of ours: RFC 6724 5, reduced to what spec 7.2 has. ---

class SourceRules : public Inet6Options {
 protected:
  // A further address of the client's.
  void Add(const char* address, int flags = 0) {
    EXPECT_EQ(in6_ifadd(interface(1), Name(address).sin6_addr, 64), 0) << address;
    in6_ifaddr* ia6 = in6_ifawithaddr(Name(address).sin6_addr);
    ia6->ia6_flags = flags;  // ready
  }
  static void AddDefaultRoute() {
    EXPECT_EQ(rt_add({.dest = in6_addr{},
                      .family = AF_INET6,
                      .plen = 0,
                      .gateway = Name("2001:db8::1").sin6_addr}),
              0);
  }
  // The address that a socket speaks from to that one.
  static std::string SourceFor(const char* address) {
    const int fd = Socket(SOCK_DGRAM);
    const sockaddr_in6 to = Name(address);
    EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), Works()) << address;
    sockaddr_in6 source{};
    socklen_t length = sizeof source;
    EXPECT_THAT(uapi::getsockname(fd, reinterpret_cast<sockaddr*>(&source), &length), Works());
    uapi::close(fd);
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(AF_INET6, &source.sin6_addr, text, sizeof text);
  }
  void InClient(std::function<void()> body) {
    client_.Spawn("choose", std::move(body), {.start_at = kReady});
    Run();
  }
};

TEST_F(SourceRules, TheSameAddressComesFirst) {
  InClient([this] {
    Add("2001:db8::5");
    EXPECT_EQ(SourceFor("2001:db8::5"), "2001:db8::5");
    EXPECT_EQ(SourceFor("2001:db8::2"), "2001:db8::2");
  });
}

TEST_F(SourceRules, ThenTheSmallestScopeThatReaches) {
  InClient([] { EXPECT_EQ(SourceFor("2001:db8::1"), "2001:db8::2") << "not the link-local one"; });
}

TEST_F(SourceRules, ThenTheLongestMatchUpToItsPrefixThenTheOldest) {
  InClient([this] {
    Add("2001:db8:0:2::1");
    Add("2001:db8:0:2::5");
    AddDefaultRoute();
    EXPECT_EQ(SourceFor("2001:db8:0:3::5"), "2001:db8:0:2::1") << "63 bits of 64";
    EXPECT_EQ(SourceFor("2001:db8:0:1::5"), "2001:db8::2");
    EXPECT_EQ(SourceFor("2001:db8:0:4::5"), "2001:db8::2") << "all match alike";
  });
}

TEST_F(SourceRules, DeprecatedOnesAreAvoidedBeforeThat) {
  InClient([this] {
    Add("2001:db8:0:2::1", IN6_IFF_DEPRECATED);
    AddDefaultRoute();
    EXPECT_EQ(SourceFor("2001:db8:0:3::5"), "2001:db8::2");
    in6_ifawithaddr(Name("2001:db8::2").sin6_addr)->ia6_flags |= IN6_IFF_DEPRECATED;
    EXPECT_EQ(SourceFor("2001:db8:0:3::5"), "2001:db8:0:2::1") << "if there is no other";
  });
}

TEST_F(SourceRules, ConnectTakesTheAddressThatTheSocketHasAskedFor) {
  server_.Spawn("hear", [] {
    const int fd = Bound(SOCK_DGRAM, "::");
    sockaddr_in6 from{};
    socklen_t length = sizeof from;
    char byte;
    EXPECT_EQ(uapi::recvfrom(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length), 1);
    EXPECT_EQ(in6_text(from.sin6_addr), "2001:db8::5");
  });
  InClient([this] {
    Add("2001:db8::5");
    EXPECT_EQ(SourceFor("2001:db8::1"), "2001:db8::2");
    const int fd = Socket(SOCK_DGRAM);
    const in6_pktinfo info = {.ipi6_addr = Name("2001:db8::5").sin6_addr, .ipi6_ifindex = 0};
    EXPECT_THAT(uapi::setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info), Works());
    const sockaddr_in6 to = Name("2001:db8::1");
    EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), Works());
    EXPECT_EQ(uapi::send(fd, "x", 1, 0), 1);
    EXPECT_EQ(in6_ifdel(interface(1), info.ipi6_addr), 0);
    const int late = Socket(SOCK_DGRAM);
    EXPECT_THAT(uapi::setsockopt(late, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info),
                FailsWith(EADDRNOTAVAIL));
  });
}

TEST_F(SourceRules, ConnectFindsANeighbourByTheInterfaceThatTheSocketHasAskedFor) {
  InClient([this] {
    const int fd = Socket(SOCK_DGRAM);
    const sockaddr_in6 to = Name("fe80::1");
    EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), FailsWith(EHOSTUNREACH));
    const in6_pktinfo info = {.ipi6_addr = {}, .ipi6_ifindex = interface(1)->if_index};
    EXPECT_THAT(uapi::setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info), Works());
    EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), Works());
    EXPECT_EQ(uapi::send(fd, "x", 1, 0), 1);
    sockaddr_in6 peer{};
    socklen_t length = sizeof peer;
    EXPECT_THAT(uapi::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length), Works());
    EXPECT_EQ(peer.sin6_scope_id, interface(1)->if_index);
  });
}

TEST_F(SourceRules, ThoseThatNobodyMaySpeakFromAreRefusedHoweverAskedFor) {
  InClient([this] {
    Add("2001:db8::5");
    const sockaddr_in6 to = Name("2001:db8::1"), from = Name("2001:db8::5");
    const in6_pktinfo info = {.ipi6_addr = from.sin6_addr, .ipi6_ifindex = 0};
    int& flags = in6_ifawithaddr(from.sin6_addr)->ia6_flags;
    for (const int flag :
         {IN6_IFF_TENTATIVE, IN6_IFF_DUPLICATED, IN6_IFF_ANYCAST, IN6_IFF_DETACHED}) {
      flags = 0;
      const int fd = Socket(SOCK_DGRAM), late = Socket(SOCK_DGRAM);
      const auto ask = [&](int by) {
        return uapi::setsockopt(by, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
      };
      EXPECT_THAT(ask(fd), Works());
      flags = flag;
      const auto refused = FailsWith(EADDRNOTAVAIL);
      EXPECT_THAT(uapi::sendto(fd, "x", 1, 0, AsName(to), sizeof to), refused) << flag;
      EXPECT_THAT(uapi::connect(fd, AsName(to), sizeof to), refused) << flag;
      EXPECT_THAT(ask(late), refused) << flag;
      EXPECT_THAT(SendWith(late, to, "x", IPV6_PKTINFO, info), refused) << flag;
      EXPECT_THAT(uapi::bind(late, AsName(from), sizeof from), refused) << flag;
    }
  });
}

TEST_F(SourceRules, ThoseThatAreNotReadyAreNobodys) {
  InClient([this] {
    Add("2001:db8:0:2::1", IN6_IFF_TENTATIVE);
    AddDefaultRoute();
    EXPECT_EQ(SourceFor("2001:db8:0:3::5"), "2001:db8::2");
    in6_ifawithaddr(Name("2001:db8:0:2::1").sin6_addr)->ia6_flags = IN6_IFF_DUPLICATED;
    EXPECT_EQ(SourceFor("2001:db8:0:3::5"), "2001:db8::2");
  });
}

}  // namespace
}  // namespace sockbed
