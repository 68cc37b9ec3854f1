#include "tools/dns_zone.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sockbed::tools {
namespace {

constexpr char kZone[] = R"($ORIGIN example.org.
$TTL 60
www     A 192.0.2.1   ; a comment
        IN A 192.0.2.2
        AAAA 2001:db8::1
web 5 IN CNAME www
away    CNAME www.example.net.
@       A 192.0.2.9
1.2.0.192.in-addr.arpa. PTR www
)";

DnsZone Zone() {
  const auto zone = ParseDnsZone("z", kZone);
  EXPECT_TRUE(zone.ok()) << zone.status();
  return *zone;
}

// The answer in words: "code: name/ttl ..." with the number of bytes of each record's data.
std::string Answer(const std::string& question, unsigned type) {
  DnsMessage query{.question = question, .type = static_cast<uint16_t>(type)};
  const DnsMessage answer = Zone().Answer(query);
  std::string text = std::to_string(static_cast<int>(answer.code)) + ":";
  for (const DnsRecord& record : answer.answers) {
    text += " " + record.name + "/" + std::to_string(record.ttl);
    const bool is_name = record.type == DnsType::kCname || record.type == DnsType::kPtr;
    text += "=" + (is_name ? record.data : std::to_string(record.data.size()));
  }
  return text;
}

TEST(DnsZone, AnswersWhatItHas) {
  EXPECT_EQ(Answer("www.example.org", 1), "0: www.example.org/60=4 www.example.org/60=4");
  EXPECT_EQ(Answer("WWW.Example.ORG", 28), "0: www.example.org/60=16");
  EXPECT_EQ(Answer("example.org", 1), "0: example.org/60=4");
  EXPECT_EQ(Answer("1.2.0.192.in-addr.arpa", 12), "0: 1.2.0.192.in-addr.arpa/60=www.example.org");
}

TEST(DnsZone, FollowsAliasesAsFarAsItKnowsThem) {
  EXPECT_EQ(Answer("web.example.org", 28),
            "0: web.example.org/5=www.example.org www.example.org/60=16");
  EXPECT_EQ(Answer("web.example.org", 5), "0: web.example.org/5=www.example.org");
  EXPECT_EQ(Answer("away.example.org", 1), "0: away.example.org/60=www.example.net");
}

TEST(DnsZone, SaysWhatItLacks) {
  EXPECT_EQ(Answer("nobody.example.org", 1), "3:");
  EXPECT_EQ(Answer("example.org", 28), "0:");
  EXPECT_EQ(Answer("www.example.org", 15), "4:");
}

TEST(DnsZone, AliasesInACircleEnd) {
  const auto zone = ParseDnsZone("z", "a. CNAME b.\nb. CNAME a.\n");
  ASSERT_TRUE(zone.ok());
  EXPECT_EQ(zone->Answer({.question = "a", .type = 1}).answers.size(), 8u);
}

TEST(DnsZone, ErrorsHaveTheirPlace) {
  const auto error = [](const std::string& text) {
    return std::string(ParseDnsZone("z", text).status().message());
  };
  EXPECT_EQ(error("a A 1.2.3\n"), "z:1:5: no IPv4 address");
  EXPECT_EQ(error("\na AAAA 1.2.3.4\n"), "z:2:8: no IPv6 address");
  EXPECT_EQ(error("a MX mail\n"), "z:1:3: unknown type; there are A, AAAA, CNAME and PTR");
  EXPECT_EQ(error("a A\n"), "z:1:3: a record is: name [ttl] [IN] type value");
  EXPECT_EQ(error("  A 1.2.3.4\n"), "z:1:1: a record needs a name before it");
  EXPECT_EQ(error("$INCLUDE x\n"), "z:1:1: unknown directive; there are $ORIGIN and $TTL");
  EXPECT_EQ(error("$TTL soon\n"), "z:1:6: a TTL is a number of seconds");
}

}  // namespace
}  // namespace sockbed::tools
