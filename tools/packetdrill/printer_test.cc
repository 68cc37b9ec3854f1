#include "tools/packetdrill/printer.h"

#include "gtest/gtest.h"
#include "kernel/sim/random.h"
#include "tools/packetdrill/parser.h"

namespace sockbed::packetdrill {
namespace {

// One of each form of the language, as the printer lays it out.
constexpr char kEverything[] =
    R"(--ip_version="ipv4-mapped-ipv6"
--define=A=7
--tolerance_percent=12.5
--remote_ip=192.0.2.1/24
--verbose
`init`
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0.00 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0x02 (flags O_RDWR)
+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 6,sackOK,TS val ... ecr 7!>
* > . 1:1(0) ack 1 <nop,nop,sack 1:2 3:4>
0.5~1.5 > . 1:1(0) <...>
+0.5~+1.5 > R. ...(0) ack 1
+0 < [ect0, flowlabel 0x5] SEW 0:0(0) win 1 <FO 0102,exp-FO 01,eol,nop,nop>
+0 < - 1:1(0)! ack 2 win 3 urg 4 <md5 valid,nop,nop>
+0 < 1 > 2 S.7 0:0(0) ack 1 win 5 <exp-00AC 01,gen-5 0102,nop,nop,nop>
+0 < R 1:9(8) ack 1 win 5 [code 1, pen 2]
+0 < . 1:1(0) ack 1 win 5 <AccECN1 ee1b 1 eceb 2 ee0b 3,nop> /udp(9 > 10)
+0 < . 1:1(0) ack 1 win 5 <exp-AccECN0 ee0b 1,exp-tarr 3>
+0 < . 1:1(0) ack 1 win 5 <01010101>
+0 < ipv4 (tos 0x28) 1.2.3.4 > 5.6.7.8: ipv6 1::1 > 2::2: udp 5 > 6 (100)
+0 < ipv4 1.2.3.4 > 5.6.7.8: gre flags [checksum present, key present], sum 0x0: udplite (9, 8)
+0 > ipv6 1::1 > 2::2: GREv0, Flags [none]: ipv4 1.2.3.4 > 5.6.7.8: gre key 7 seq 1: . 1:1(0)
+0 < ipv6 1::1 > 2::2: mpls (label 3, tc 0, ttl 5) (label 4, tc 7, [S], ttl 5): udp (1)
+0 < icmp echo_request code_0 id 7
+0 < icmp unreachable frag_needed mtu 1200 [1:101(100) /udp(1 > 2)]
+0 < icmp type_3 code_3 [udp (100)]
+0...0.5 sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 10}]}, 0) = -1 EPIPE (Broken)
+0 f("a" "b"..., [], inet_addr("1.2.3.4"), x = 3, NULL) = 0
+0 %{ assert tcpi_state == 4 }%
+0 `sysctl -w a=1`
`done`
)";

TEST(Printer, EveryFormPrintsAsItWasRead) {
  const auto script = ParseScript(kEverything, "all", {});
  ASSERT_TRUE(script.ok()) << script.status().message();
  EXPECT_EQ(PrintScript(*script), kEverything);
}

TEST(Printer, FlagsKeepTheirOrder) {
  EXPECT_EQ(FlagText(kAck | kSyn | kUrg | kFin | kPsh | kRst | kEce | kCwr | kAe, false),
            "FSRP.UEWA");
  EXPECT_EQ(FlagText(0, false), "-");
  EXPECT_EQ(FlagText(kSyn | kAck | kEce, true), "S.1");
}

// The parser survives any bytes, and what it takes prints and parses to the same text again.
TEST(Printer, MutatedScriptsParseOrFailCleanly) {
  constexpr uint64_t kSeed = 7;
  const std::string original = kEverything;
  int taken = 0;
  for (int round = 0; round < 500; ++round) {
    std::string text = original;
    const uint64_t drawn = Draw(kSeed, {Site::kProgram, 0, 0, static_cast<uint64_t>(round)});
    const size_t at = (drawn >> 16) % text.size();
    if (round % 2 == 0) {
      text[at] = static_cast<char>(drawn);
    } else {
      text.erase(at, drawn % 20);
    }
    const auto script = ParseScript(text, "mutated", {});
    if (!script.ok()) continue;
    ++taken;
    const std::string printed = PrintScript(*script);
    const auto again = ParseScript(printed, "printed", {});
    ASSERT_TRUE(again.ok()) << "seed " << kSeed << ", round " << round << ": "
                            << again.status().message() << "\n"
                            << printed;
    ASSERT_EQ(PrintScript(*again), printed) << "seed " << kSeed << ", round " << round;
  }
  EXPECT_GT(taken, 20);
}

}  // namespace
}  // namespace sockbed::packetdrill
