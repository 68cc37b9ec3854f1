#include "kernel/tcp/tcp_wire.h"

#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sockbed {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Written(const TcpSynOffer& offer, SynLayout layout) {
  TcpOptionWriter out;
  tcp_write_syn_options(out, offer, layout);
  return {out.bytes().begin(), out.bytes().end()};
}

constexpr TcpSynOffer kFullOffer = {.mss = 1460,
                                    .sack = true,
                                    .wscale = true,
                                    .timestamp = true,
                                    .shift = 6,
                                    .ts_val = 0x01020304,
                                    .ts_ecr = 0x05060708};

// The two layouts of section 11.1, byte by byte.
TEST(TcpWire, LaysOutASynAsOpenBsd) {
  EXPECT_EQ(Written(kFullOffer, SynLayout::kOpenBsd),
            (Bytes{2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 6, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(TcpWire, LaysOutASynAsFreeBsd) {
  EXPECT_EQ(Written(kFullOffer, SynLayout::kFreeBsd),
            (Bytes{2, 4, 5, 180, 1, 3, 3, 6, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(Written({.mss = 1460, .sack = true}, SynLayout::kFreeBsd),
            (Bytes{2, 4, 5, 180, 4, 2, 0, 0}));
}

TEST(TcpWire, ReadsWhatItWrites) {
  for (const SynLayout layout : {SynLayout::kOpenBsd, SynLayout::kFreeBsd}) {
    const TcpOptions options = tcp_parse_options(Written(kFullOffer, layout), true);
    EXPECT_TRUE(options.has_mss && options.has_wscale && options.has_timestamp);
    EXPECT_TRUE(options.sack_permitted);
    EXPECT_EQ(options.mss, 1460);
    EXPECT_EQ(options.wscale, 6);
    EXPECT_EQ(options.ts_val, 0x01020304u);
    EXPECT_EQ(options.ts_ecr, 0x05060708u);
  }
}

// The quick way reads what the thorough one does, and only what it knows.
TEST(TcpWire, ReadsAPaddedTimestampAndNothingElseTheQuickWay) {
  TcpOptionWriter out;
  out.PaddedTimestamp(0x01020304, 0x05060708);
  EXPECT_EQ(Bytes(out.bytes().begin(), out.bytes().end()),
            (Bytes{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}));
  TcpOptions quick;
  ASSERT_TRUE(tcp_parse_padded_timestamp(out.bytes(), &quick));
  const TcpOptions thorough = tcp_parse_options(out.bytes(), false);
  EXPECT_TRUE(quick.has_timestamp && thorough.has_timestamp);
  EXPECT_EQ(quick.ts_val, thorough.ts_val);
  EXPECT_EQ(quick.ts_ecr, thorough.ts_ecr);
  EXPECT_EQ(quick.ts_ecr, 0x05060708u);

  TcpOptions untouched;
  for (const Bytes& other : {Bytes{}, Bytes{8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1},
                             Bytes{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 1}}) {
    EXPECT_FALSE(tcp_parse_padded_timestamp(other, &untouched));
  }
  EXPECT_FALSE(untouched.has_timestamp);
}

TEST(TcpWire, ReadsSackBlocks) {
  TcpOptionWriter out;
  const std::vector<SackBlock> blocks = {{tcp_seq(0xfffffff0), tcp_seq(16)},
                                         {tcp_seq(100), tcp_seq(200)}};
  out.Nop();
  out.Nop();
  out.Sack(blocks);
  out.Finish();
  const TcpOptions options = tcp_parse_options(out.bytes(), false);
  ASSERT_EQ(options.sack_count, 2);
  EXPECT_EQ(options.sack[0], blocks[0]);
  EXPECT_EQ(options.sack[1], blocks[1]);
  EXPECT_EQ(tcp_parse_options(out.bytes(), true).sack_count, 0) << "a SYN reports nothing";
}

TEST(TcpWire, ClampsTheWindowScale) {
  EXPECT_EQ(tcp_parse_options(Bytes{3, 3, 15}, true).wscale, 14);
  EXPECT_FALSE(tcp_parse_options(Bytes{3, 3, 15}, false).has_wscale);
}

TEST(TcpWire, SkipsWhatItDoesNotKnow) {
  const TcpOptions options = tcp_parse_options(Bytes{99, 5, 0, 0, 0, 2, 4, 1, 0}, true);
  EXPECT_TRUE(options.has_mss);
  EXPECT_EQ(options.mss, 256);
}

// Lengths that lie end the parsing; the sanitizer run sees that no byte beyond is read.
TEST(TcpWire, StopsAtLengthsThatLie) {
  const std::vector<Bytes> kLies = {
      {2},                          // no length
      {2, 0, 1, 0},                 // below 2
      {2, 1, 1, 0},                 //
      {2, 4, 5},                    // beyond the end
      {8, 10, 1, 2, 3},             //
      {5, 255, 0, 0, 0, 0},         //
      {0, 2, 4, 5, 180},            // after the end of the list
      {5, 9, 0, 0, 0, 0, 0, 0, 0},  // no whole block
  };
  for (const Bytes& bytes : kLies) {
    for (const bool syn : {false, true}) {
      const TcpOptions options = tcp_parse_options(bytes, syn);
      EXPECT_FALSE(options.has_mss || options.has_timestamp || options.sack_count != 0);
    }
  }
}

TEST(TcpWire, IgnoresKnownKindsOfAWrongLength) {
  const TcpOptions options = tcp_parse_options(Bytes{2, 3, 9, 4, 3, 0, 8, 3, 0, 3, 3, 5}, true);
  EXPECT_FALSE(options.has_mss || options.has_timestamp || options.sack_permitted);
  EXPECT_EQ(options.wscale, 5) << "the next one counts";
}

TEST(TcpWire, WritesAndReadsTheHeader) {
  const TcpHeader th = {.th_sport = 80,
                        .th_dport = 40000,
                        .th_seq = tcp_seq(0xdeadbeef),
                        .th_ack = tcp_seq(0x01020304),
                        .th_flags = TH_ACK | TH_PUSH,
                        .th_win = 4321,
                        .th_urp = 7};
  Bytes bytes(20, 0xff);
  th.Write(bytes, 32);
  const TcpView view(bytes);
  EXPECT_EQ(view.header_length(), 32);
  const TcpHeader read = view.Read();
  EXPECT_EQ(read.th_sport, th.th_sport);
  EXPECT_EQ(read.th_dport, th.th_dport);
  EXPECT_EQ(read.th_seq, th.th_seq);
  EXPECT_EQ(read.th_ack, th.th_ack);
  EXPECT_EQ(read.th_flags, th.th_flags);
  EXPECT_EQ(read.th_win, th.th_win);
  EXPECT_EQ(read.th_urp, th.th_urp);
  EXPECT_EQ(LoadBe16(bytes.data() + kTcpChecksumOffset), 0);
}

}  // namespace
}  // namespace sockbed
