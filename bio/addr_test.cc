#include "bio/addr.h"

#include <arpa/inet.h>

#include <cstring>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

// The cast must see what the library's own accessors see: the layout is not promised, only
// observed.
TEST(BioAddr, IsTheSockaddrThatTheLibraryReads) {
  BIO_ADDR* addr = BIO_ADDR_new();
  in_addr address{htonl(0x0A000102)};
  ASSERT_EQ(BIO_ADDR_rawmake(addr, AF_INET, &address, sizeof(address), htons(4433)), 1);
  const auto* in = reinterpret_cast<const sockaddr_in*>(SockaddrOf(addr));
  EXPECT_EQ(in->sin_family, AF_INET);
  EXPECT_EQ(in->sin_addr.s_addr, address.s_addr);
  EXPECT_EQ(in->sin_port, htons(4433));
  EXPECT_EQ(SockaddrLength(addr), sizeof(sockaddr_in));

  sockaddr_in6 wanted{};
  wanted.sin6_family = AF_INET6;
  wanted.sin6_port = htons(80);
  wanted.sin6_addr = in6addr_loopback;
  wanted.sin6_scope_id = 3;
  memcpy(SockaddrOf(addr), &wanted, sizeof(wanted));
  EXPECT_EQ(BIO_ADDR_rawport(addr), htons(80));
  in6_addr read{};
  size_t length = 0;
  ASSERT_EQ(BIO_ADDR_rawaddress(addr, &read, &length), 1);
  EXPECT_EQ(length, sizeof(read));
  EXPECT_EQ(memcmp(&read, &in6addr_loopback, sizeof(read)), 0);
  EXPECT_EQ(SockaddrLength(addr), sizeof(sockaddr_in6));
  BIO_ADDR_free(addr);
}

TEST(BioAddr, AnAddressThatIsNotSetIsPassedWhole) {
  BIO_ADDR* addr = BIO_ADDR_new();
  EXPECT_EQ(SockaddrLength(addr), 112u);
  BIO_ADDR_free(addr);
}

}  // namespace
}  // namespace sockbed
