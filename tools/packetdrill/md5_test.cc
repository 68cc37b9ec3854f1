#include "tools/packetdrill/md5.h"

#include <string>

#include "gtest/gtest.h"

namespace sockbed::packetdrill {
namespace {

std::string Digest(const std::string& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : Md5({reinterpret_cast<const uint8_t*>(text.data()), text.size()})) {
    hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return hex;
}

// The test suite of RFC 1321 A.5.
TEST(Md5, DigestsOfTheRfc) {
  EXPECT_EQ(Digest(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Digest("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Digest("1234567890123456789012345678901234567890123456789012345678901234567890"
                   "1234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

}  // namespace
}  // namespace sockbed::packetdrill
