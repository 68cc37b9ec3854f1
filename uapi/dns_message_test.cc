#include "uapi/dns_message.h"

#include <string>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

DnsMessage Sample(size_t answers) {
  DnsMessage message{.id = 0x1234,
                     .response = true,
                     .recursion_desired = true,
                     .question = "www.example.org",
                     .type = static_cast<uint16_t>(DnsType::kA)};
  message.answers.push_back(
      {.name = "www.example.org", .type = DnsType::kCname, .ttl = 7, .data = "host.example.org"});
  for (size_t i = 0; i < answers; ++i) {
    message.answers.push_back({.name = "host.example.org",
                               .type = DnsType::kA,
                               .ttl = 3600,
                               .data = std::string("\xc0\x00\x02", 3) + static_cast<char>(i)});
  }
  return message;
}

TEST(DnsMessage, WhatIsWrittenIsRead) {
  const std::string bytes = EncodeDns(Sample(2), kDnsUdpMax);
  DnsMessage read;
  ASSERT_TRUE(DecodeDns(bytes, &read));
  EXPECT_EQ(read.id, 0x1234);
  EXPECT_TRUE(read.response && read.recursion_desired);
  EXPECT_FALSE(read.truncated || read.authoritative);
  EXPECT_EQ(read.question, "www.example.org");
  ASSERT_EQ(read.answers.size(), 3u);
  EXPECT_EQ(read.answers[0].data, "host.example.org");
  EXPECT_EQ(read.answers[0].ttl, 7u);
  EXPECT_EQ(read.answers[2].data, std::string("\xc0\x00\x02\x01", 4));
}

// RFC 1035 4.1.4: a name that was written already is two bytes.
TEST(DnsMessage, NamesAreCompressed) {
  const size_t one = EncodeDns(Sample(1), kDnsUdpMax).size();
  EXPECT_EQ(EncodeDns(Sample(2), kDnsUdpMax).size() - one, 2u + 10 + 4);
}

TEST(DnsMessage, WhatDoesNotFitIsLeftOutAndTheMessageSaysSo) {
  const std::string bytes = EncodeDns(Sample(100), kDnsUdpMax);
  EXPECT_LE(bytes.size(), kDnsUdpMax);
  DnsMessage read;
  ASSERT_TRUE(DecodeDns(bytes, &read));
  EXPECT_TRUE(read.truncated);
  EXPECT_GT(read.answers.size(), 20u);
  EXPECT_LT(read.answers.size(), 40u);
}

TEST(DnsMessage, ANameThatIsNoneIsRefused) {
  DnsMessage message;
  message.question = std::string(64, 'x') + ".org";
  EXPECT_EQ(EncodeDns(message, kDnsUdpMax), "");
  message.question = "a..b";
  EXPECT_EQ(EncodeDns(message, kDnsUdpMax), "");
}

// Whatever comes from the wire is read without harm, or refused.
TEST(DnsMessage, CutAndBrokenMessagesDoNoHarm) {
  const std::string bytes = EncodeDns(Sample(3), kDnsUdpMax);
  DnsMessage read;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeDns({bytes.data(), size}, &read)) << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char c : {'\xff', '\xc0', '\0'}) {
      std::string broken = bytes;
      broken[i] = c;
      (void)DecodeDns(broken, &read);  // to be seen by the sanitizers
    }
  }
}

TEST(DnsMessage, ReverseNames) {
  const uint8_t v4[] = {192, 0, 2, 1};
  EXPECT_EQ(ReverseDnsName(v4), "1.2.0.192.in-addr.arpa");
  uint8_t v6[16] = {0x20, 0x01};
  v6[15] = 0xab;
  EXPECT_EQ(ReverseDnsName(v6),
            "b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace sockbed
