#include "kernel/tcp/tcp_seq.h"

#include "gtest/gtest.h"

namespace sockbed {
namespace {

// The circle's order, at the places where unsigned comparison would go wrong.
TEST(TcpSeq, OrdersAcrossTheWrap) {
  struct Row {
    uint32_t a, b;
    bool less;
  };
  constexpr Row kGolden[] = {
      {0, 1, true},
      {1, 0, false},
      {0xffffffff, 0, true},
      {0, 0xffffffff, false},
      {0xfffffff0, 0x10, true},
      {0x7fffffff, 0x80000000, true},
      {0x80000000, 0x7fffffff, false},
      {0, 0x7fffffff, true},
      {0, 0x80000001, false},
      {5, 5, false},
  };
  for (const Row& row : kGolden) {
    const tcp_seq a(row.a), b(row.b);
    EXPECT_EQ(SEQ_LT(a, b), row.less) << row.a << " " << row.b;
    EXPECT_EQ(SEQ_GEQ(a, b), !row.less) << row.a << " " << row.b;
    EXPECT_EQ(SEQ_LEQ(a, b), row.less || a == b) << row.a << " " << row.b;
    EXPECT_EQ(SEQ_GT(b, a), row.less) << row.a << " " << row.b;
  }
}

TEST(TcpSeq, AddsAndSubtractsAcrossTheWrap) {
  const tcp_seq near_end(0xffffffff);
  EXPECT_EQ(near_end + 1, tcp_seq(0));
  EXPECT_EQ(tcp_seq(2) - 3, near_end);
  EXPECT_EQ(tcp_seq(4) - near_end, 5);
  EXPECT_EQ(near_end - tcp_seq(4), -5);
}

TEST(TcpSeq, PicksTheLaterAndTheEarlier) {
  const tcp_seq before(0xfffffffe), after(3);
  EXPECT_EQ(SEQ_MAX(before, after), after);
  EXPECT_EQ(SEQ_MIN(before, after), before);
}

TEST(Timestamps, WrapLikeSequenceNumbers) {
  EXPECT_TRUE(TSTMP_LT(0xfffffff0, 5));
  EXPECT_TRUE(TSTMP_GEQ(5, 0xfffffff0));
  EXPECT_TRUE(TSTMP_GEQ(7, 7));
}

}  // namespace
}  // namespace sockbed
