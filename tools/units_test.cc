#include "tools/units.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sockbed::tools {
namespace {

TEST(ParseDuration, ReadsEveryUnitWithOrWithoutBlank) {
  EXPECT_EQ(*ParseDuration("20 ms"), 20 * kMillisecond);
  EXPECT_EQ(*ParseDuration("20ms"), 20 * kMillisecond);
  EXPECT_EQ(*ParseDuration("7 ns"), 7);
  EXPECT_EQ(*ParseDuration("1.5 s"), 1'500 * kMillisecond);
  EXPECT_EQ(*ParseDuration("2 min"), 120 * kSecond);
  EXPECT_EQ(*ParseDuration("1 h"), 3600 * kSecond);
}

TEST(ParseDuration, SaysWhatIsAllowed) {
  for (const char* bad : {"", "20", "ms", "20 parsecs", "1.2.3 s", "-1 s"}) {
    const auto result = ParseDuration(bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_THAT(std::string(result.status().message()), testing::HasSubstr("ns, us, ms, s")) << bad;
  }
}

TEST(ParseDuration, RefusesWhatDoesNotFit) { EXPECT_FALSE(ParseDuration("9999999999 h").ok()); }

TEST(ParseRate, ReadsBitsPerSecond) {
  EXPECT_EQ(*ParseRate("10 Mbit/s"), 10'000'000);
  EXPECT_EQ(*ParseRate("0.5 Gbit/s"), 500'000'000);
  EXPECT_FALSE(ParseRate("10 MB/s").ok());
}

TEST(ParseChance, IsAFractionOfTwoToThe32) {
  EXPECT_EQ(*ParseChance("100 %"), kAlways);
  EXPECT_EQ(*ParseChance("0 %"), 0u);
  EXPECT_EQ(*ParseChance("50%"), kAlways / 2);
  EXPECT_EQ(*ParseChance("1 %"), 42949672u);
  EXPECT_FALSE(ParseChance("101 %").ok());
  EXPECT_FALSE(ParseChance("0.01").ok());
}

TEST(ParseSize, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(*ParseSize("64 KiB"), 65536);
  EXPECT_EQ(*ParseSize("1 MB"), 1'000'000);
  EXPECT_EQ(*ParseSize("1234"), 1234);
  EXPECT_FALSE(ParseSize("-5").ok());
}

TEST(Format, IsForPeople) {
  EXPECT_EQ(FormatSeconds(1'234'567'890), "1.234567 s");
  EXPECT_EQ(FormatCount(1234567), "1 234 567");
  EXPECT_EQ(FormatCount(12), "12");
}

}  // namespace
}  // namespace sockbed::tools
