// SipHash-2-4 against the vectors of its paper's appendix.
#include "kernel/tcp/tcp_siphash.h"

#include <array>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

TEST(SipHash, AgreesWithThePublishedVectors) {
  constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<uint8_t, 15> message{};
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(SipHash24(kKey, message), 0xa129ca6149be45e5u);
  EXPECT_EQ(SipHash24(kKey, {}), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(SipHash24(kKey, std::span(message).first(8)), 0x93f5f5799a932462u);
}

}  // namespace
}  // namespace sockbed
