#include <arpa/inet.h>

#include <string>

#include "kernel/sim/fault.h"
#include "tests/captures/test_simulation.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

class Resolver : public TwoHosts {};

// The answers in words: "stream 10.0.1.1:80 dgram ...".
std::string Answers(const addrinfo* list) {
  std::string text;
  for (const addrinfo* ai = list; ai != nullptr; ai = ai->ai_next) {
    char host[64], port[16];
    EXPECT_EQ(uapi::getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, port, sizeof port,
                                NI_NUMERICHOST | NI_NUMERICSERV),
              0);
    text += ai->ai_socktype == SOCK_STREAM  ? "stream "
            : ai->ai_socktype == SOCK_DGRAM ? "dgram "
                                            : "raw ";
    text += std::string(host) + ":" + port + " ";
  }
  return text;
}

// What a look-up yields: the answers, or the name of the error.
std::string LookUp(const char* node, const char* service, int socktype = 0, int flags = 0,
                   int family = AF_UNSPEC) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = socktype;
  hints.ai_flags = flags;
  hints.ai_family = family;
  const int error = uapi::getaddrinfo(node, service, &hints, &list);
  const std::string text = error == 0 ? Answers(list) : "error " + std::to_string(error);
  uapi::freeaddrinfo(list);
  return text;
}
std::string Error(int code) { return "error " + std::to_string(code); }

TEST_F(Resolver, HostsAreKnownByName) {
  client_.Spawn("prog", [] {
    EXPECT_EQ(LookUp("server", "443", SOCK_STREAM), "stream 10.0.1.1:443 ");
    EXPECT_EQ(LookUp("client", "https", SOCK_STREAM), "stream 10.0.1.2:443 ");
    EXPECT_EQ(LookUp("server", "53"),
              "stream 10.0.1.1:53 dgram 10.0.1.1:53 raw 10.0.1.1:53 ");
    EXPECT_EQ(LookUp("localhost", nullptr, SOCK_DGRAM), "dgram 127.0.0.1:0 ");
    EXPECT_EQ(LookUp("nobody", "80"), Error(EAI_NONAME));
  });
  Run();
}

TEST_F(Resolver, FiguresNeedNoName) {
  client_.Spawn("prog", [] {
    EXPECT_EQ(LookUp("192.0.2.7", "80", SOCK_STREAM), "stream 192.0.2.7:80 ");
    EXPECT_EQ(LookUp("2001:db8::1", "80", SOCK_STREAM), "stream 2001:db8::1:80 ");
    EXPECT_EQ(LookUp("192.0.2.7", "80", 0, 0, AF_INET6), Error(EAI_ADDRFAMILY));
    EXPECT_EQ(LookUp("server", "80", 0, AI_NUMERICHOST), Error(EAI_NONAME));
    EXPECT_EQ(LookUp("server", "http", SOCK_STREAM, AI_NUMERICSERV), Error(EAI_NONAME));
    EXPECT_EQ(LookUp("server", "70000", SOCK_STREAM), Error(EAI_SERVICE));
    EXPECT_EQ(LookUp("server", "nosuch", SOCK_STREAM), Error(EAI_SERVICE));
    EXPECT_EQ(LookUp("server", "80", 77), Error(EAI_SOCKTYPE));
    EXPECT_EQ(LookUp("server", "80", 0, 1 << 20), Error(EAI_BADFLAGS));
    EXPECT_EQ(LookUp("server", "80", 0, 0, AF_UNIX), Error(EAI_FAMILY));
    EXPECT_EQ(LookUp(nullptr, nullptr), Error(EAI_NONAME));
  });
  Run();
}

TEST_F(Resolver, WithoutANodeItIsOneself) {
  client_.Spawn("prog", [] {
    EXPECT_EQ(LookUp(nullptr, "80", SOCK_STREAM, 0, AF_INET), "stream 127.0.0.1:80 ");
    EXPECT_EQ(LookUp(nullptr, "80", SOCK_STREAM, AI_PASSIVE | AI_ADDRCONFIG),
              "stream 0.0.0.0:80 ");
    addrinfo hints{}, *list = nullptr;
    hints.ai_flags = AI_CANONNAME;
    EXPECT_EQ(uapi::getaddrinfo("server", nullptr, &hints, &list), 0);
    EXPECT_STREQ(list->ai_canonname, "server");
    uapi::freeaddrinfo(list);
  });
  Run();
}

TEST_F(Resolver, AddressesHaveNames) {
  client_.Spawn("prog", [this] {
    const sockaddr_in sin = ServerPort(80);
    char host[64], port[16];
    const auto ask = [&](int flags) {
      return uapi::getnameinfo(AsSockaddr(sin), sizeof sin, host, sizeof host, port, sizeof port,
                               flags);
    };
    EXPECT_EQ(ask(0), 0);
    EXPECT_STREQ(host, "server");
    EXPECT_STREQ(port, "http");
    EXPECT_EQ(ask(NI_NUMERICHOST | NI_NUMERICSERV), 0);
    EXPECT_STREQ(host, "10.0.1.1");
    EXPECT_STREQ(port, "80");
    EXPECT_EQ(uapi::getnameinfo(AsSockaddr(sin), sizeof sin, host, 3, nullptr, 0, 0),
              EAI_OVERFLOW);
    EXPECT_EQ(uapi::getnameinfo(AsSockaddr(sin), 3, host, 64, nullptr, 0, 0), EAI_FAMILY);
    EXPECT_THAT(uapi::gethostname(host, sizeof host), Works());
    EXPECT_STREQ(host, "client");
  });
  Run();
}

TEST(ResolverFault, LookUpsCanFail) {
  fault::Plan plan({{.site = Site::kResolvFail}});
  TestSimulation sim({.fault_plan = &plan});
  sim.AddHost("host").Spawn("prog", [] {
    EXPECT_EQ(LookUp("host", "80"), Error(EAI_AGAIN));
    EXPECT_EQ(LookUp("127.0.0.1", "80", SOCK_STREAM), "stream 127.0.0.1:80 ");
  });
  EXPECT_EQ(sim.Run().Complaints(), "");
}

// A name leads to the address that the asker shares a link with.
TEST(ResolverStar, EachNeighbourFindsItsOwnAddressOfTheHub) {
  TestSimulation sim({.seed = 1});
  Host& hub = sim.AddHost("hub");
  Host& left = sim.AddHost("left");
  Host& right = sim.AddHost("right");
  sim.Connect(hub, left, {});
  sim.Connect(hub, right, {});
  const auto expect = [](std::string answers) {
    return [answers] { EXPECT_EQ(LookUp("hub", "1", SOCK_DGRAM), answers); };
  };
  left.Spawn("prog", expect("dgram 10.0.1.1:1 dgram 10.0.2.1:1 "));
  right.Spawn("prog", expect("dgram 10.0.2.1:1 dgram 10.0.1.1:1 "));
  EXPECT_EQ(sim.Run().Complaints(), "");
}

TEST_F(Resolver, ServicesAndProtocolsHaveNames) {
  server_.Spawn("prog", [] {
    const servent* const http = uapi::getservbyname("http", nullptr);
    ASSERT_NE(http, nullptr);
    EXPECT_EQ(http->s_port, htons(80));
    EXPECT_STREQ(http->s_proto, "tcp");
    EXPECT_EQ(http->s_aliases[0], nullptr);
    const protoent* const udp = uapi::getprotobynumber(IPPROTO_UDP);
    ASSERT_NE(udp, nullptr);
    EXPECT_STREQ(udp->p_name, "udp");
    EXPECT_STREQ(udp->p_aliases[0], "UDP");
    EXPECT_STREQ(http->s_name, "http") << "a protocol overwrites no service";
    EXPECT_STREQ(uapi::getservbyport(htons(53), "udp")->s_name, "domain");
    EXPECT_EQ(uapi::getprotobyname("TCP")->p_proto, IPPROTO_TCP);
    EXPECT_EQ(uapi::getservbyname("no-such-service", nullptr), nullptr);
    EXPECT_EQ(uapi::getservbyname("http", "sctp"), nullptr);
    EXPECT_EQ(uapi::getservbyport(80, nullptr), nullptr) << "that is port 20480";
    EXPECT_EQ(uapi::getprotobyname("no-such-protocol"), nullptr);
    EXPECT_EQ(uapi::getprotobynumber(200), nullptr);
    char space[128];
    servent entry;
    servent* result;
    EXPECT_EQ(uapi::getservbyname_r("ntp", "udp", &entry, space, sizeof space, &result), 0);
    EXPECT_EQ(result, &entry);
    EXPECT_EQ(entry.s_port, htons(123));
    EXPECT_EQ(uapi::getservbyname_r("ntp", "udp", &entry, space, 20, &result), ERANGE);
    EXPECT_EQ(result, nullptr);
  });
  Run();
}

}  // namespace
}  // namespace sockbed
