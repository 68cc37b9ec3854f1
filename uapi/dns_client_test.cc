// The resolver asks name servers: over UDP and TCP, again when nobody speaks, along aliases and the
// search list. The servers here say what each test tells them to.
#include <arpa/inet.h>
#include <netdb.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "uapi/dns_message.h"
#include "uapi/resolver.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::Eq;

// What a server makes of a query; nothing: silence.
using Behaviour = std::function<std::optional<DnsMessage>(DnsMessage query, bool tcp)>;

DnsRecord A(const std::string& name, const char* address) {
  DnsRecord record{.name = name, .type = DnsType::kA, .data = std::string(4, '\0')};
  EXPECT_EQ(inet_pton(AF_INET, address, record.data.data()), 1);
  return record;
}
DnsRecord Alias(const std::string& name, const std::string& of) {
  return {.name = name, .type = DnsType::kCname, .data = of};
}
DnsMessage Reply(DnsMessage query, std::vector<DnsRecord> answers,
                 DnsCode code = DnsCode::kNoError) {
  query.response = true;
  query.answers = std::move(answers);
  query.code = code;
  return query;
}

class DnsClient : public TwoHosts {
 protected:
  explicit DnsClient(int family = AF_INET,
                     const LinkSpec& link = {.latency = absl::Milliseconds(5)})
      : TwoHosts({.seed = 7}, link), family_(family) {
    ResolverConf conf;
    conf.nameservers = {NameOfServer(53)};
    conf.timeout_ns = kSecond;
    SetResolver(client_, conf);
  }

  // A name server on a port of the server.
  void Serve(Behaviour behaviour, uint16_t port = 53) {
    server_.Spawn("udp" + std::to_string(port),
                  [behaviour, port, this] { ServeUdp(behaviour, port); }, {.daemon = true});
    server_.Spawn("tcp" + std::to_string(port),
                  [behaviour, port, this] { ServeTcp(behaviour, port); }, {.daemon = true});
  }
  void Ask(std::function<void()> body) {
    client_.Spawn("prog", std::move(body), {.start_at = 10 * kMillisecond});
    Run();
  }

  std::vector<std::string> asked_;  // the questions that came by UDP

 private:
  InetAddress NameOfServer(uint16_t port) const {
    return family_ == AF_INET ? InetAddress::Of(server_.address(), port)
                              : InetAddress::Of(server_.address6(), port);
  }
  int Bound(int type, uint16_t port) {
    const int fd = uapi::socket(family_, type, 0);
    const InetAddress name = NameOfServer(port);
    EXPECT_THAT(uapi::bind(fd, &name.sa, name.length()), Works());
    return fd;
  }
  void ServeUdp(const Behaviour& behaviour, uint16_t port) {
    const int fd = Bound(SOCK_DGRAM, port);
    char buffer[512];
    InetAddress from;
    for (;;) {
      socklen_t len = sizeof from;
      const ssize_t n = uapi::recvfrom(fd, buffer, sizeof buffer, 0, &from.sa, &len);
      DnsMessage query;
      ASSERT_TRUE(DecodeDns({buffer, static_cast<size_t>(n)}, &query));
      asked_.push_back(query.question);
      const auto reply = behaviour(query, false);
      if (!reply) continue;
      const std::string bytes = EncodeDns(*reply, kDnsUdpMax);
      EXPECT_GT(uapi::sendto(fd, bytes.data(), bytes.size(), 0, &from.sa, len), 0);
    }
  }
  void ServeTcp(const Behaviour& behaviour, uint16_t port) {
    const int listener = Bound(SOCK_STREAM, port);
    EXPECT_THAT(uapi::listen(listener, 3), Works());
    for (;;) {
      const int fd = uapi::accept(listener, nullptr, nullptr);
      char buffer[512];
      const ssize_t n = uapi::recv(fd, buffer, sizeof buffer, 0);
      DnsMessage query;
      ASSERT_TRUE(n > 2 && DecodeDns({buffer + 2, static_cast<size_t>(n - 2)}, &query));
      if (const auto reply = behaviour(query, true)) {
        const std::string bytes = EncodeDns(*reply, kDnsTcpMax);
        const char length[2] = {static_cast<char>(bytes.size() >> 8),
                                static_cast<char>(bytes.size())};
        EXPECT_THAT(uapi::send(fd, length, 2, 0), Eq(2));
        EXPECT_GT(uapi::send(fd, bytes.data(), bytes.size(), 0), 0);
      }
      EXPECT_THAT(uapi::close(fd), Works());
    }
  }

  const int family_;
};
class DnsClientOverIpv6 : public DnsClient {
 protected:
  DnsClientOverIpv6()
      : DnsClient(AF_INET6, {.latency = absl::Milliseconds(5),
                             .first_address6 = "2001:db8::1/64",
                             .second_address6 = "2001:db8::2/64"}) {}
};

// The addresses of a name, or its error in words.
std::string LookUp(const char* name, int family = AF_INET, int flags = 0) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_family = family;
  hints.ai_flags = flags;
  hints.ai_socktype = SOCK_STREAM;
  if (const int error = uapi::getaddrinfo(name, nullptr, &hints, &list)) return gai_strerror(error);
  std::string text;
  for (const addrinfo* ai = list; ai != nullptr; ai = ai->ai_next) {
    char figures[64];
    EXPECT_EQ(uapi::getnameinfo(ai->ai_addr, ai->ai_addrlen, figures, sizeof figures, nullptr, 0,
                                NI_NUMERICHOST),
              0);
    text += std::string(text.empty() ? "" : " ") + figures;
  }
  if ((flags & AI_CANONNAME) != 0) text += std::string(" ") + list->ai_canonname;
  uapi::freeaddrinfo(list);
  return text;
}
const std::string kNoName = gai_strerror(EAI_NONAME);
const std::string kNoData = gai_strerror(EAI_NODATA);
const std::string kAgain = gai_strerror(EAI_AGAIN);
const std::string kFail = gai_strerror(EAI_FAIL);

time_t Elapsed() {
  timespec now;
  uapi::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

TEST_F(DnsClient, NamesOfTheZoneAreFoundOthersAreNot) {
  int asked6 = 0;
  Serve([&](const DnsMessage& query, bool) {
    asked6 += query.type == static_cast<uint16_t>(DnsType::kAaaa);
    if (query.question != "www.example.org") return Reply(query, {}, DnsCode::kNxDomain);
    if (query.type != 1) return Reply(query, {});
    return Reply(query, {A(query.question, "192.0.2.1"), A(query.question, "192.0.2.2")});
  });
  Ask([&] {
    EXPECT_EQ(LookUp("www.example.org"), "192.0.2.1 192.0.2.2");
    EXPECT_EQ(LookUp("www.example.org."), "192.0.2.1 192.0.2.2") << "as it stands";
    EXPECT_EQ(LookUp("nobody.example.org"), kNoName);
    EXPECT_EQ(LookUp("www.example.org", AF_INET6), kNoData);
    EXPECT_EQ(LookUp("www.example.org", AF_INET6, AI_V4MAPPED),
              "::ffff:192.0.2.1 ::ffff:192.0.2.2");
    EXPECT_EQ(LookUp("www.example.org", AF_UNSPEC), "192.0.2.1 192.0.2.2");
    EXPECT_EQ(asked6, 3);
    EXPECT_EQ(LookUp("www.example.org", AF_UNSPEC, AI_ADDRCONFIG), "192.0.2.1 192.0.2.2");
    EXPECT_EQ(asked6, 3) << "IPv6 leads nowhere from here";
    EXPECT_EQ(LookUp("a..b"), kNoName);
    EXPECT_EQ(LookUp("server"), "10.0.1.1") << "a host of the simulation: nobody is asked";
  });
  EXPECT_EQ(asked_.front(), "www.example.org");
}

TEST_F(DnsClient, SilentServersAreAskedAgainAndThenGivenUp) {
  int queries = 0;
  Serve([&](const DnsMessage& query, bool) -> std::optional<DnsMessage> {
    if (query.question == "late.org" && ++queries == 2) {
      return Reply(query, {A(query.question, "192.0.2.1")});
    }
    return std::nullopt;
  });
  Ask([] {
    EXPECT_EQ(LookUp("late.org"), "192.0.2.1");
    EXPECT_THAT(Elapsed(), Eq(1)) << "one second for the first round";
    EXPECT_EQ(LookUp("never.org"), kAgain);
    EXPECT_THAT(Elapsed(), Eq(4)) << "one and two more";
  });
}

TEST_F(DnsClient, ADeadOrUnwillingServerIsPassedOver) {
  ResolverConf conf;
  conf.nameservers = {InetAddress::Of(server_.address(), 9), InetAddress::Of(server_.address(), 54),
                      InetAddress::Of(server_.address(), 53)};
  SetResolver(client_, conf);
  Serve([](const DnsMessage& query, bool) { return Reply(query, {}, DnsCode::kServFail); }, 54);
  Serve([](const DnsMessage& query, bool) {
    if (query.question == "bad.org") return Reply(query, {}, DnsCode::kRefused);
    return Reply(query, {A(query.question, "192.0.2.1")});
  });
  Ask([] {
    EXPECT_EQ(LookUp("www.org"), "192.0.2.1");
    EXPECT_THAT(Elapsed(), Eq(0)) << "nobody listens on port 9: ICMP says so";
    EXPECT_EQ(LookUp("bad.org"), kFail);
  });
}

TEST_F(DnsClient, TruncatedAnswersAreFetchedByTcp) {
  Serve([](const DnsMessage& query, bool tcp) {
    std::vector<DnsRecord> many;
    for (int i = 0; i < (tcp ? 60 : 0); ++i) many.push_back(A(query.question, "192.0.2.1"));
    DnsMessage reply = Reply(query, many);
    reply.truncated = !tcp;
    return reply;
  });
  Ask([] { EXPECT_EQ(LookUp("big.org").size(), 60 * std::string("192.0.2.1 ").size() - 1); });
}

TEST_F(DnsClient, AnswersToOtherQuestionsAreNotBelieved) {
  Serve([](const DnsMessage& query, bool) {
    DnsMessage reply = Reply(query, {A(query.question, "192.0.2.66")});
    if (query.question == "id.org") reply.id ^= 1;
    if (query.question == "name.org") reply.question = "other.org";
    if (query.question == "query.org") reply.response = false;
    return reply;
  });
  Ask([] {
    EXPECT_EQ(LookUp("id.org"), kAgain);
    EXPECT_EQ(LookUp("name.org"), kAgain);
    EXPECT_EQ(LookUp("query.org"), kAgain);
  });
}

TEST_F(DnsClient, AliasesAreFollowed) {
  Serve([](const DnsMessage& query, bool) {
    if (query.question == "a.org") {
      return Reply(query,
                   {Alias("a.org", "b.org"), Alias("b.org", "c.org"), A("c.org", "192.0.2.3")});
    }
    if (query.question == "open.org") return Reply(query, {Alias("open.org", "far.net")});
    if (query.question == "far.net") return Reply(query, {A("far.net", "192.0.2.4")});
    return Reply(query, {Alias(query.question, "x" + query.question)});  // no end
  });
  Ask([] {
    EXPECT_EQ(LookUp("a.org", AF_INET, AI_CANONNAME), "192.0.2.3 c.org");
    EXPECT_EQ(LookUp("open.org", AF_INET, AI_CANONNAME), "192.0.2.4 far.net");
    EXPECT_EQ(LookUp("loop.org"), kFail);
  });
}

TEST_F(DnsClient, TheSearchListCompletesNames) {
  ResolverConf conf;
  conf.nameservers = {InetAddress::Of(server_.address(), 53)};
  conf.search = {"one.org", "two.org"};
  SetResolver(client_, conf);
  Serve([](const DnsMessage& query, bool) {
    if (query.question == "www.two.org") return Reply(query, {A(query.question, "192.0.2.2")});
    return Reply(query, {}, DnsCode::kNxDomain);
  });
  Ask([] {
    EXPECT_EQ(LookUp("www", AF_INET, AI_CANONNAME), "192.0.2.2 www.two.org");
    EXPECT_EQ(LookUp("www.two"), kNoName);
    EXPECT_EQ(LookUp("www."), kNoName);
  });
  EXPECT_EQ(asked_, (std::vector<std::string>{"www.one.org", "www.two.org", "www.two",
                                              "www.two.one.org", "www.two.two.org", "www"}));
}

TEST_F(DnsClient, AddressesHaveNamesToo) {
  ResolverConf conf;
  conf.nameservers = {InetAddress::Of(server_.address(), 53)};
  conf.search = {"example.org"};
  conf.hosts = {{InetAddress::Of(in_addr{htonl(0xc0000207)}), {"seven.lan", "seven"}}};
  SetResolver(client_, conf);
  Serve([](const DnsMessage& query, bool) {
    if (query.question != "1.2.0.192.in-addr.arpa") return Reply(query, {}, DnsCode::kNxDomain);
    return Reply(query,
                 {{.name = query.question, .type = DnsType::kPtr, .data = "www.example.org"}});
  });
  Ask([] {
    const auto name_of = [](const char* figures, int flags) -> std::string {
      sockaddr_in sin{};
      sin.sin_family = AF_INET;
      inet_pton(AF_INET, figures, &sin.sin_addr);
      char host[64];
      const int error =
          uapi::getnameinfo(AsSockaddr(sin), sizeof sin, host, sizeof host, nullptr, 0, flags);
      return error == 0 ? host : gai_strerror(error);
    };
    EXPECT_EQ(name_of("192.0.2.1", 0), "www.example.org");
    EXPECT_EQ(name_of("192.0.2.1", NI_NOFQDN), "www");
    EXPECT_EQ(name_of("192.0.2.9", 0), "192.0.2.9");
    EXPECT_EQ(name_of("192.0.2.9", NI_NAMEREQD), kNoName);
    EXPECT_EQ(name_of("192.0.2.7", 0), "seven.lan");
    EXPECT_EQ(name_of("192.0.2.7", 1 << 20), gai_strerror(EAI_BADFLAGS));
    EXPECT_EQ(LookUp("seven", AF_INET, AI_CANONNAME), "192.0.2.7 seven.lan");
  });
}

TEST_F(DnsClient, TheOldNamesGiveTheSame) {
  Serve([](const DnsMessage& query, bool) {
    if (query.question != "www.org") return Reply(query, {}, DnsCode::kNxDomain);
    return Reply(query, {Alias("www.org", "host.org"), A("host.org", "192.0.2.1")});
  });
  Ask([] {
    const hostent* host = uapi::gethostbyname("www.org");
    ASSERT_NE(host, nullptr);
    EXPECT_STREQ(host->h_name, "host.org");
    EXPECT_EQ(host->h_addrtype, AF_INET);
    EXPECT_EQ(host->h_length, 4);
    EXPECT_EQ(std::string(host->h_addr_list[0], 4), std::string("\xc0\x00\x02\x01", 4));
    EXPECT_EQ(host->h_addr_list[1], nullptr);
    EXPECT_EQ(uapi::gethostbyname("nobody.org"), nullptr);
    EXPECT_EQ(h_errno, HOST_NOT_FOUND);
    EXPECT_EQ(uapi::gethostbyname2("server", AF_INET6), nullptr);
    EXPECT_EQ(h_errno, NO_DATA);
    const in_addr loopback{htonl(INADDR_LOOPBACK)};
    host = uapi::gethostbyaddr(&loopback, sizeof loopback, AF_INET);
    ASSERT_NE(host, nullptr);
    EXPECT_STREQ(host->h_name, "localhost");
    EXPECT_EQ(uapi::gethostbyaddr(&loopback, 3, AF_INET), nullptr);
    EXPECT_EQ(h_errno, NO_RECOVERY);
    hostent space, *result = nullptr;
    char small[8], large[256];
    int error = 0;
    EXPECT_EQ(uapi::gethostbyname_r("server", &space, small, 8, &result, &error), ERANGE);
    EXPECT_EQ(error, NETDB_INTERNAL);
    EXPECT_EQ(uapi::gethostbyname_r("server", &space, large, sizeof large, &result, &error), 0);
    EXPECT_EQ(result, &space);
    EXPECT_STREQ(result->h_name, "server");
  });
}

TEST_F(DnsClientOverIpv6, AsksOverUdp) {
  Serve([](DnsMessage query, bool) { return Reply(query, {A(query.question, "192.0.2.1")}); });
  Ask([] { EXPECT_EQ(LookUp("www.example.com"), "192.0.2.1"); });
  EXPECT_THAT(asked_, testing::ElementsAre("www.example.com"));
}

TEST_F(DnsClientOverIpv6, AsksOverTcpWhatWasCut) {
  Serve([](DnsMessage query, bool tcp) {
    DnsMessage reply = Reply(query, {A(query.question, "192.0.2.1")});
    reply.truncated = !tcp;
    return reply;
  });
  Ask([] { EXPECT_EQ(LookUp("www.example.com"), "192.0.2.1"); });
}

}  // namespace
}  // namespace sockbed
