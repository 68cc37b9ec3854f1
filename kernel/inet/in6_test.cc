#include "kernel/inet/in6.h"

#include <arpa/inet.h>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

in6_addr A(const char* text) {
  in6_addr address;
  EXPECT_EQ(inet_pton(AF_INET6, text, &address), 1) << text;
  return address;
}
in_addr A4(const char* text) {
  in_addr address;
  EXPECT_EQ(inet_pton(AF_INET, text, &address), 1) << text;
  return address;
}

TEST(In6, TellsClassesApart) {
  EXPECT_TRUE(in6_isany(A("::")));
  EXPECT_FALSE(in6_isany(A("::1")));
  EXPECT_TRUE(in6_isloopback(A("::1")));
  EXPECT_FALSE(in6_isloopback(A("1::1")));
  EXPECT_TRUE(in6_ismulticast(A("ff02::1")));
  EXPECT_TRUE(in6_islinklocal(A("febf::1")));
  EXPECT_FALSE(in6_islinklocal(A("fec0::1")));
  EXPECT_TRUE(in6_ismapped(A("::ffff:10.0.0.1")));
  EXPECT_FALSE(in6_ismapped(A("::10.0.0.1")));
  EXPECT_TRUE(in6_iscompatible(A("::10.0.0.1")));
  EXPECT_FALSE(in6_iscompatible(A("::1")));
  EXPECT_FALSE(in6_iscompatible(A("::")));
}

TEST(In6, KnowsScopes) {
  EXPECT_EQ(in6_addrscope(A("ff05::2")), kScopeSite);
  EXPECT_EQ(in6_addrscope(A("fe80::1")), kScopeLink);
  EXPECT_EQ(in6_addrscope(A("::1")), kScopeLink);
  EXPECT_EQ(in6_addrscope(A("fec0::1")), kScopeSite);
  EXPECT_EQ(in6_addrscope(A("2001:db8::1")), kScopeGlobal);
}

// A zone is written into those addresses only that need one, and only once.
TEST(In6, ZonesStandInTheSecondGroup) {
  EXPECT_EQ(in6_text(in6_setscope(A("fe80::1"), 7)), "fe80::1%7");
  EXPECT_TRUE(in6_equal(in6_setscope(A("fe80::1"), 7), A("fe80:7::1")));
  EXPECT_TRUE(in6_equal(in6_setscope(A("fe80:7::1"), 9), A("fe80:7::1")));
  EXPECT_TRUE(in6_equal(in6_setscope(A("2001:db8::1"), 7), A("2001:db8::1")));
  EXPECT_TRUE(in6_equal(in6_setscope(A("ff05::1"), 7), A("ff05::1")));
  EXPECT_EQ(in6_zone(A("ff02:3::1")), 3u);
  EXPECT_EQ(in6_zone(A("ff0e:3::1")), 0u);
  EXPECT_TRUE(in6_equal(in6_clearscope(A("ff01:3::1")), A("ff01::1")));
}

TEST(In6, TakesAddressesApart) {
  const in6_addr a = A("2001:db8:1:2:ffff:ffff:ffff:ffff");
  EXPECT_EQ(in6_text(in6_prefix(a, 0)), "::");
  EXPECT_EQ(in6_text(in6_prefix(a, 48)), "2001:db8:1::");
  EXPECT_EQ(in6_text(in6_prefix(a, 68)), "2001:db8:1:2:f000::");
  EXPECT_TRUE(in6_equal(in6_prefix(a, 128), a));
  EXPECT_EQ(in6_matchlen(a, a), 128);
  EXPECT_EQ(in6_matchlen(A("2001:db8::"), A("2001:db9::")), 31);
  EXPECT_EQ(in6_matchlen(A("::8000"), A("::")), 112);
  EXPECT_EQ(in6_text(in6_solicited(A("2001:db8::12:3456:789a"), 2)), "ff02::1:ff56:789a%2");
}

TEST(In6, AnAddressOfEitherFamilyIsOneValue) {
  EXPECT_TRUE(inpaddru().is_any());
  EXPECT_TRUE(inpaddru(A4("0.0.0.0")).is_any());
  EXPECT_TRUE(inpaddru(A("::")).is_any());
  EXPECT_FALSE(inpaddru(A("::")).is_v4());
  EXPECT_EQ(inpaddru(A4("10.1.2.3")), inpaddru(A("::ffff:10.1.2.3")));
  EXPECT_TRUE(inpaddru(A4("10.1.2.3")).is_v4());
  EXPECT_EQ(inpaddru(A("::ffff:10.1.2.3")).v4().s_addr, A4("10.1.2.3").s_addr);
  EXPECT_FALSE(inpaddru(A("2001:db8::1")).is_v4());
  EXPECT_TRUE(in6_equal(inpaddru(A("2001:db8::1")).v6(), A("2001:db8::1")));
  EXPECT_EQ(inpaddru(A4("0.0.0.0")).v4().s_addr, 0u);
}

}  // namespace
}  // namespace sockbed
