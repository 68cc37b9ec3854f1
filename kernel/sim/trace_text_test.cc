#include <gtest/gtest.h>

#include <cerrno>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

constexpr ValueName kStates[] = {{0, "CLOSED"}, {4, "ESTABLISHED"}};
constexpr ValueName kFlags[] = {{1, "FIN"}, {2, "SYN"}, {16, "ACK"}};
constexpr ValueTable kTables[] = {{"state", kStates}, {"flags", kFlags}};

// What a record of `format` reads, its line's columns left off.
std::string Text(const char* format, uint64_t a0, uint64_t a1 = 0, uint64_t object = 0) {
  const EventType type = {"VERB", format};
  Trace trace;
  trace.Describe(Room::kTcp, {.types = {&type, 1}, .tables = kTables});
  const Record record = {0, 1, 0, 0, Room::kTcp, 1, 0, object, {a0, a1, 0}};
  const std::string line = trace.Format(record);
  return line.substr(line.find("VERB") + 8);
}

TEST(TraceTextTest, ShowsNumbers) {
  EXPECT_EQ(Text("a {0} b {1} c {2} on {o}", 1, 2, 3), "a 1 b 2 c 0 on 3");
  EXPECT_EQ(Text("{0:x}", 0xbeef), "0xbeef");
  EXPECT_EQ(Text("{0:x}", 0), "0x0");
  EXPECT_EQ(Text("{0:d}", static_cast<uint64_t>(-5)), "-5");
  EXPECT_EQ(Text("{0:h} {0:l} {0:lx}", PackPair(7, 16)), "7 16 0x10");
}

TEST(TraceTextTest, ShowsWhatNumbersMean) {
  EXPECT_EQ(Text("{0:s}", PackText("netcon")), "netcon");
  EXPECT_EQ(Text("{0:s}", PackText("a\nb")), "a.b");
  EXPECT_EQ(Text("{0:e}", EAGAIN), "EAGAIN");
  EXPECT_EQ(Text("{0:e}", 0), "0");
  EXPECT_EQ(Text("{0:e}", static_cast<uint64_t>(-1)), "-1");
  EXPECT_EQ(Text("{0:t}", 1'020'000'003), "1.020000003");
  EXPECT_EQ(Text("{0:t}", static_cast<uint64_t>(-20)), "-0.000000020");
  EXPECT_EQ(Text("{0:a}", PackEndpoint(0x0a000102, 8080)), "10.0.1.2:8080");
}

TEST(TraceTextTest, ShowsIpv6AddressesOutOfTwoArguments) {
  EXPECT_EQ(Text("{0:I}", 0x2001'0db8'0000'0000, 1), "2001:db8::1");
  EXPECT_EQ(Text("{0:I}", 0xfe80'0002'0000'0000, 1), "fe80::1%2");
  EXPECT_EQ(Text("{0:I}", 0xff02'0003'0000'0000, 1), "ff02::1%3");
  EXPECT_EQ(Text("{0:I}", 0xff0e'0003'0000'0000, 1), "ff0e:3::1");
}

TEST(TraceTextTest, ShowsNamesOfTables) {
  EXPECT_EQ(Text("{0:@state} -> {1:@state}", 0, 4), "CLOSED -> ESTABLISHED");
  EXPECT_EQ(Text("{0:@state}", 9), "9");
  EXPECT_EQ(Text("{0:|flags}", 18), "SYN|ACK");
  EXPECT_EQ(Text("{0:|flags}", 0), "0");
  EXPECT_EQ(Text("{0:|flags}", 0x41), "FIN|0x40");
  EXPECT_EQ(Text("{0:h@state} {0:l|flags}", PackPair(4, 16)), "ESTABLISHED ACK");
}

TEST(TraceTextTest, BracesCanBeText) { EXPECT_EQ(Text("{{{0}}}", 5), "{5}"); }

TEST(TraceTextTest, ALineHasTimeIdHostProcessRoomVerbAndCause) {
  const EventType type = {"OUT", "len {0}"};
  Trace trace;
  trace.Describe(Room::kTcp, {.types = {&type, 1}, .tables = {}});
  trace.NameHost(2, "client");
  Record record = {20'123'456, 42, 41, 0, Room::kTcp, 2, 3, 0, {1448, 0, 0}};
  EXPECT_EQ(trace.Format(record),
            "   0.020123456 #42      client.3     tcp     OUT     len 1448  <#41");
  record.host = 1;
  record.pid = 0;
  record.cause = 0;
  EXPECT_EQ(trace.Format(record), "   0.020123456 #42      h1           tcp     OUT     len 1448");
}

TEST(TraceTextDeathTest, RefusesFormatsThatDoNotParse) {
  for (const char* format : {"{", "}", "{}", "{3}", "{0", "{0:}", "{0:q}", "{0x}", "{0:@none}",
                             "{0:|none}", "{0:xx}"}) {
    EXPECT_DEATH(Text(format, 0), "does not parse") << format;
  }
}

}  // namespace
}  // namespace sockbed
