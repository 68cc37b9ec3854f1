#include "tools/packetdrill/parser.h"

#include "gtest/gtest.h"

namespace sockbed::packetdrill {
namespace {

Script Good(const std::string& text) {
  const auto script = ParseScript(text, "t.pkt", {});
  EXPECT_TRUE(script.ok()) << script.status().message();
  return script.ok() ? *script : Script();
}

std::string Error(const std::string& text) {
  const auto script = ParseScript(text, "t.pkt", {});
  return script.ok() ? "" : std::string(script.status().message());
}

const TcpPart& Tcp(const Script& script, size_t i = 0) {
  return std::get<TcpPart>(std::get<Packet>(script.events.at(i).action).body);
}

TEST(Parser, ReadsOptionsInitAndCleanup) {
  const Script script = Good("--ip_version=ipv4\n--define=A=7\n`init`\n0 `x`\n`done`");
  ASSERT_EQ(script.options.size(), 2u);
  EXPECT_EQ(script.options[1].value, "A=7");
  EXPECT_EQ(script.init->text, "init");
  EXPECT_EQ(script.cleanup->text, "done");
}

TEST(Parser, TimesAreCutToMicroseconds) {
  const Script script = Good(
      "0 > . 1:1(0)\n+.25 > . 1:1(0)\n1.0000019 > . 1:1(0)\n* > . 1:1(0)\n"
      "+0.3~+0.4 > . 1:1(0)\n2~3 > . 1:1(0)");
  EXPECT_EQ(script.events[1].time.us, 250000);
  EXPECT_EQ(script.events[2].time.us, 1000001);
  EXPECT_EQ(script.events[3].time.kind, Time::Kind::kAny);
  EXPECT_TRUE(script.events[4].time.window);
  EXPECT_EQ(script.events[5].time.end_us, 3000000);
}

TEST(Parser, SegmentsWithEveryField) {
  const Script script = Good(
      "0 > (ttl 4, ect0) SFP.E 7:9(2)! ack 5 win 6 urg 1 <nop,eol,sackOK>"
      "/udp(9 > 10)");
  const TcpPart& tcp = Tcp(script);
  EXPECT_EQ(tcp.flags, kSyn | kFin | kPsh | kAck | kEce);
  EXPECT_EQ(tcp.sequence.kind, Sequence::Kind::kLiteral);
  EXPECT_EQ(tcp.sequence.length.value, 2);
  EXPECT_EQ(tcp.urgent->value, 1);
  EXPECT_EQ(tcp.options->size(), 3u);
  EXPECT_EQ(tcp.in_udp->destination.value, 10);
}

TEST(Parser, AceCountsAreThreeFlags) {
  const Script script = Good("0 > S.5 0:0(0) ack 1");
  const TcpPart& tcp = Tcp(script);
  EXPECT_TRUE(tcp.ace);
  EXPECT_EQ(tcp.flags, kSyn | kAck | kEce | kAe);
}

TEST(Parser, CookiesKeepTheirZeros) {
  const Script script = Good("0 < S 0:0(0) win 1 <FO 01020304050607ce,eol,eol>");
  EXPECT_EQ(Tcp(script).options->at(0).hex, "01020304050607ce");
}

TEST(Parser, CallsThatSleep) {
  const Script script = Good("0 x() = 0\n+1...1.5 accept(3, ..., ...) = -1 EINTR (bad luck)");
  const Call& call = std::get<Call>(script.events[1].action);
  EXPECT_EQ(call.returns_us, 1500000);
  EXPECT_EQ(call.errno_name, "EINTR");
  EXPECT_EQ(call.note, "bad luck");
}

TEST(Parser, StructuresNameTheirFields) {
  const Script script = Good("0 f({a(2)=..., b=X | 0x10, {1, \"s\"...}, c=htons(80)}, [1, 2]) = 0");
  const Call& call = std::get<Call>(script.events[0].action);
  const Expr& first = call.arguments.at(0);
  ASSERT_EQ(first.parts.size(), 4u);
  EXPECT_EQ(first.parts[0].field, "a");
  EXPECT_EQ(first.parts[1].parts[1].number, 16);
  EXPECT_TRUE(first.parts[2].parts[1].open);
  EXPECT_EQ(first.parts[3].kind, Expr::Kind::kFunction);
}

TEST(Parser, IcmpWithQuotation) {
  const Script script = Good("0 <icmp unreachable frag_needed mtu 1200 [0:100(100)]");
  const auto& icmp = std::get<IcmpPart>(std::get<Packet>(script.events[0].action).body);
  EXPECT_EQ(icmp.code, "frag_needed");
  EXPECT_EQ(icmp.quotation->sequence.length.value, 100);
}

TEST(Parser, TunnelsStandInTheirOrder) {
  const Script script = Good(
      "0 < ipv6 (hlim 5) 2::2222 > 1::1111 : gre flags 0xb000, off 1023, key 7: mpls (label 5, tc "
      "1, [S], ttl 9): . 1:1(0) ack 1 win 1");
  const auto& encaps = std::get<Packet>(script.events[0].action).encapsulations;
  ASSERT_EQ(encaps.size(), 3u);
  EXPECT_EQ(encaps[0].source, "2::2222");
  const GreHeader& gre = encaps[1].gre;
  EXPECT_TRUE(gre.has_checksum);
  EXPECT_FALSE(gre.checksum.has_value());
  EXPECT_EQ(gre.offset, 1023);
  EXPECT_EQ(gre.key, 7u);
  EXPECT_EQ(gre.sequence, 0u);
  EXPECT_TRUE(encaps[2].labels[0].bottom);
}

TEST(Parser, TunnelsThatCannotBe) {
  const std::string ip = "0 < ipv4 1.1.1.1 > 2.2.2.2: ";
  const std::string rest = ": . 1:1(0) ack 1 win 1";
  EXPECT_NE(Error("0 < gre" + rest).find("GRE travels in ipv4 or ipv6"), std::string::npos);
  EXPECT_NE(Error("0 < mpls (label 1, tc 1, ttl 1)" + rest).find("MPLS travels in"),
            std::string::npos);
  EXPECT_EQ(Error(ip + "gre flags 0x4000" + rest),
            "t.pkt:1:39: semantic error: GRE has 0x8000 (checksum), 0x2000 (key) and 0x1000 "
            "(sequence)");
  EXPECT_EQ(Error(ip + "gre flags [key present], seq 1" + rest),
            "t.pkt:1:29: semantic error: a GRE field is given whose flag is not set");
  for (const char* gre :
       {"gre key 1, key 2", "gre flags [routing present]", "gre flags [key]", "gre colour 7",
        "gre: gre", "gre sum 65536", "mpls", "ipv6 1.1.1.1 > 1::1",
        "mpls (label 1048576, tc 1, ttl 1)", "mpls (label 1, tc 8, ttl 1)"}) {
    EXPECT_NE(Error(ip + gre + rest), "") << gre;
  }
}

TEST(Parser, ErrorsNameTokenAndPlace) {
  EXPECT_EQ(Error("0 x() = 0 (note)\n s//\n"),
            "t.pkt:2:2: parse error at 's': expected a time, in seconds");
  EXPECT_EQ(Error("0 x() = 0\n`a` `b`"),
            "t.pkt:2:5: parse error at '`b`': nothing may follow the cleanup command");
  EXPECT_EQ(Error("0 > . 1:5(3)"), "t.pkt:1:7: semantic error: 1 plus 3 is not 5");
  EXPECT_EQ(Error("0 > . 1:1(0) <nop>"),
            "t.pkt:1:14: semantic error: options of 1 bytes: a multiple of 4 up to 40 is needed");
  EXPECT_EQ(Error("1~0 > . 1:1(0)"),
            "t.pkt:1:1: semantic error: the range of time ends before it begins");
  EXPECT_EQ(Error("* x() = 0"),
            "t.pkt:1:1: semantic error: only an outbound packet may come in a range of time");
}

// "ttl" and "hlim" are one field, "tos" is "dscp" and "ecn" together.
TEST(Parser, AFieldOfTheIpHeaderIsGivenOnce) {
  for (const char* items :
       {"ttl 64, hlim 63", "ect0, ect1", "noecn, ce", "ecn ect0, ce", "tos 0x10, dscp ef",
        "dscp ef, tos 0x10", "ttl 5, hlim 6", "tos 0x10, class 0x20", "class 0x20, ect0"}) {
    EXPECT_NE(Error("0 > (" + std::string(items) + ") . 1:1(0)"), "") << items;
  }
  EXPECT_EQ(Error("0 > (ttl 5, dscp ef, ect0, flowlabel 0x5) . 1:1(0)"), "");
}

TEST(Parser, AnAceCountStandsWithoutTheLettersOfItsFlags) {
  for (const char* flags : {"P.2E", "P.0E", "P.0W", "P.0A", "E.2", "E.0"}) {
    EXPECT_NE(Error("0 > " + std::string(flags) + " 1:1(0)"), "") << flags;
  }
  EXPECT_EQ(Error("0 > P.0U 1:1(0)"), "");
}

TEST(Parser, RawOptionsStandAlone) {
  EXPECT_NE(Error("0 > . 1:1(0) <nop,nop,0101>"), "");
  EXPECT_NE(Error("0 > . 1:1(0) <nop,nop,abcd>"), "");
  EXPECT_EQ(Error("0 > . 1:1(0) <01010101>"), "");
}

TEST(Parser, OnlyAResetGivesItsReason) {
  EXPECT_NE(Error("0 < . 1:9(8) ack 1 win 5 [code 1, pen 2]"), "");
  EXPECT_EQ(Error("0 < R. 1:9(8) ack 1 win 5 [code 1, pen 2]"), "");
}

TEST(Parser, GreFieldsWithoutTheirFlagAreZero) {
  const std::string gre = "0 < ipv4 1.1.1.1 > 2.2.2.2 : gre flags ";
  const std::string rest = ": . 1:1(0) ack 1 win 1";
  const Script script = Good(
      gre + "[checksum present, key present], sum 0x0, off 0x0, key 0x1, seq 0" + rest);
  const GreHeader& header = std::get<Packet>(script.events[0].action).encapsulations[1].gre;
  EXPECT_TRUE(header.has_checksum);
  EXPECT_EQ(header.key, 1u);
  EXPECT_FALSE(header.sequence.has_value());
  EXPECT_EQ(Error(gre + "[none], sum 0x0" + rest), "");
  for (const char* fields : {"[none], sum 0x1", "[none], seq 1", "0, key 1", "0x2000, off 7"}) {
    EXPECT_NE(Error(gre + fields + rest), "") << fields;
  }
}

TEST(Parser, RefusesWhatTheLanguageHasNot) {
  EXPECT_NE(Error(""), "");
  EXPECT_NE(Error("0 < . 1:1(0) ack 1"), "");      // no window
  EXPECT_NE(Error("0 > P.1:1(0)"), "");            // ".1" is a number
  EXPECT_NE(Error("0 x() = 0\n--mtu=5"), "");      // option behind an event
  EXPECT_NE(Error("1 x() = 0\n0.5 x() = 0"), "");  // backwards
  EXPECT_EQ(Error("0 < sctp: INIT[]"),
            "t.pkt:1:5: parse error at 'sctp': SCTP is not part of this runner");
  EXPECT_EQ(Error("0 < encap psp spi 1 . 1:1(0) ack 1 win 1"),
            "t.pkt:1:5: parse error at 'encap': PSP is not part of this runner");
  EXPECT_NE(Error("0 > . 1:1(0) ack 4294967296"), "");
  EXPECT_NE(Error("0 f(" + std::string(100000, '[')), "");
}

}  // namespace
}  // namespace sockbed::packetdrill
