#include <algorithm>
#include <bit>
#include <set>

#include "kernel/net/link_test_hosts.h"

namespace sockbed {
namespace {

using LinkFaultsTest = LinkTestHosts;

// Sends `count` packets, numbered in their bytes, and returns the numbers that arrived, in order.
class NumberedTest : public LinkTestHosts {
 protected:
  std::vector<int> Transfer(int count, SimTime gap = kMicrosecond) {
    const SimTime start = Now();
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(Send(std::to_string(i)), 0);
      Run(start + (i + 1) * gap);
    }
    Run();
    std::vector<int> arrived;
    for (const Arrival& arrival : Arrivals(1)) arrived.push_back(std::stoi(arrival.bytes));
    return arrived;
  }

  std::vector<int> TransferWith(uint64_t seed, const LinkOptions& options, int count) {
    Boot({.seed = seed});
    Join(options);
    return Transfer(count);
  }
};

constexpr Chance Percent(int n) { return kAlways / 100 * static_cast<Chance>(n); }

TEST_F(NumberedTest, LosesTheSamePacketsForTheSameSeed) {
  const LinkOptions lossy = {.latency_ns = kMillisecond, .loss = Percent(20)};
  const std::vector<int> once = TransferWith(1, lossy, 500);
  EXPECT_EQ(link().counters(0).dropped_loss, 500 - once.size());
  EXPECT_EQ(Drops(NetDrop::kLoss), static_cast<int>(500 - once.size()));
  EXPECT_EQ(TransferWith(1, lossy, 500), once);
  EXPECT_NE(TransferWith(2, lossy, 500), once);
  EXPECT_NEAR(static_cast<double>(once.size()), 400, 40);
}

TEST_F(NumberedTest, MoreLossLosesMoreAndMovesNothingElse) {
  const std::vector<int> some = TransferWith(1, {.loss = Percent(5)}, 300);
  const std::vector<int> fewer = TransferWith(1, {.loss = Percent(30)}, 300);
  EXPECT_TRUE(std::includes(some.begin(), some.end(), fewer.begin(), fewer.end()));
  EXPECT_LT(fewer.size(), some.size());
}

TEST_F(NumberedTest, TheTwoDirectionsHaveFatesOfTheirOwn) {
  Join({.loss = Percent(50)});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Send(std::to_string(i), 0), 0);
    EXPECT_EQ(Send(std::to_string(i), 1), 0);
  }
  Run();
  std::set<std::string> there, back;
  for (const Arrival& arrival : Arrivals(1)) there.insert(arrival.bytes);
  for (const Arrival& arrival : Arrivals(0)) back.insert(arrival.bytes);
  EXPECT_NE(there, back);
}

TEST_F(NumberedTest, DuplicatesArriveRightBehind) {
  Join({.duplicate = kAlways});
  EXPECT_EQ(Transfer(3), (std::vector<int>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(link().counters(0).duplicated, 3u);
  EXPECT_EQ(link().counters(0).packets + link().counters(0).duplicated,
            link().counters(0).delivered);
}

TEST_F(NumberedTest, APacketHeldBackIsOvertaken) {
  fault::Plan plan({{.site = Site::kLinkReorder, .only_ordinal = 2}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({.latency_ns = kMillisecond, .reorder_delay_ns = 2500});
  EXPECT_EQ(Transfer(6), (std::vector<int>{0, 2, 3, 1, 4, 5}));
  EXPECT_EQ(link().counters(0).reordered, 1u);
  EXPECT_EQ(Arrivals(1)[3].time, kMicrosecond + kMillisecond + 2500);
}

TEST_F(NumberedTest, SeveralPacketsHeldBackComeInTheOrderOfTheirTimes) {
  const std::vector<int> arrived =
      TransferWith(5, {.reorder = Percent(40), .reorder_delay_ns = 10 * kMicrosecond}, 200);
  std::vector<int> sorted = arrived;
  std::sort(sorted.begin(), sorted.end());
  ASSERT_EQ(sorted.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
  EXPECT_NE(arrived, sorted);
}

TEST_F(NumberedTest, AFaultPlanDropsExactlyTheOneNamed) {
  fault::Plan plan({{.site = Site::kLinkDrop, .host = 1, .only_ordinal = 3}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({});
  EXPECT_EQ(Transfer(5), (std::vector<int>{0, 1, 3, 4}));
}

TEST_F(NumberedTest, ADelayedPacketDelaysThoseBehindIt) {
  fault::Plan plan({{.site = Site::kLinkDelay, .only_ordinal = 1}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({});
  EXPECT_EQ(Transfer(3), (std::vector<int>{0, 1, 2}));
  EXPECT_GT(Arrivals(1)[0].time, 3 * kMicrosecond);
  EXPECT_EQ(Arrivals(1)[0].time, Arrivals(1)[2].time);
  EXPECT_EQ(link().counters(0).delayed, 1u);
}

TEST_F(LinkFaultsTest, ACorruptedPacketHasOneBitFlippedAndNobodyVouchesForIt) {
  Join({.corrupt = kAlways});
  const std::string sent(1000, 'x');
  EXPECT_EQ(Send(sent, 0, M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT), 0);
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1u);
  int flipped = 0;
  for (size_t i = 0; i < sent.size(); ++i) {
    flipped += std::popcount(static_cast<uint8_t>(Arrivals(1)[0].bytes[i] ^ sent[i]));
  }
  EXPECT_EQ(flipped, 1);
  EXPECT_EQ(inbox(0).finished, 1);
  EXPECT_EQ(Arrivals(1)[0].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK), 0);
}

TEST_F(LinkFaultsTest, WithoutMemoryForTheCopyThePacketIsDroppedAndCounted) {
  fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = 2}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({.corrupt = kAlways});
  EXPECT_EQ(Send("x"), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 0u);
  EXPECT_EQ(link().counters(0).dropped_memory, 1u);
  EXPECT_EQ(Drops(NetDrop::kMemory), 1);
}

// What a tap was told, in letters.
class NotingTap : public PacketTap {
 public:
  void OnPacket(const TappedPacket& tapped) override {
    constexpr char kLetters[] = {'s', '2', 'c', 't', 'r', 'l', 'q', 'D'};
    fates += kLetters[static_cast<int>(tapped.fate)];
    numbers.push_back(tapped.number);
    times.push_back(tapped.time);
    last_departs = tapped.departs;
    pending |= tapped.packet->m_pkthdr.csum_flags & (M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT);
  }
  std::string fates;
  std::vector<uint64_t> numbers;
  std::vector<SimTime> times;
  SimTime last_departs = 0;
  int pending = 0;
};

TEST_F(LinkFaultsTest, ATapHearsOfEveryPacketAndItsFate) {
  fault::Plan plan({{.site = Site::kLinkDrop, .only_ordinal = 2},
                    {.site = Site::kLinkDuplicate, .only_ordinal = 2},
                    {.site = Site::kLinkCorrupt, .only_ordinal = 3}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({.latency_ns = kSecond, .rate_bps = 8'000, .queue_len = 3});
  NotingTap tap;
  link().AddTap(&tap);
  for (int i = 0; i < 5; ++i) (void)SendSize(1);  // the last one finds the queue full
  EXPECT_EQ(tap.fates, "sl2cq");
  EXPECT_EQ(tap.numbers, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  Run();
  EXPECT_EQ(tap.fates, "sl2cqDDDD");
  EXPECT_EQ(std::vector<uint64_t>(tap.numbers.begin() + 5, tap.numbers.end()),
            (std::vector<uint64_t>{1, 3, 3, 4}));
  EXPECT_EQ(tap.times.back(), kSecond + 4 * kMillisecond);
}

TEST_F(LinkFaultsTest, ATruncatedPacketIsABeginningOfItself) {
  fault::Plan plan({{.site = Site::kLinkTruncate}});
  Boot({.seed = 1, .fault_plan = &plan});
  Join({});
  NotingTap tap;
  link().AddTap(&tap);
  std::string sent(1000, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i % 251);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Send(sent, 0, M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT), 0);
  }
  EXPECT_EQ(Send("x"), 0);  // of one byte none can be missed
  Run();
  EXPECT_EQ(tap.fates.substr(0, 20), std::string(20, 't'));
  ASSERT_EQ(Arrivals(1).size(), 21u);
  std::set<size_t> lengths;
  for (size_t i = 0; i < 20; ++i) {
    const std::string& bytes = Arrivals(1)[i].bytes;
    EXPECT_GE(bytes.size(), 1u);
    EXPECT_LT(bytes.size(), sent.size());
    EXPECT_EQ(bytes, sent.substr(0, bytes.size()));
    EXPECT_EQ(Arrivals(1)[i].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK), 0);
    lengths.insert(bytes.size());
  }
  EXPECT_GT(lengths.size(), 10u) << "each is cut in a place of its own";
  EXPECT_EQ(Arrivals(1)[20].bytes, "x");
}

TEST_F(LinkFaultsTest, ATapSeesChecksumsAndTheReceiverStillNeedNotVerify) {
  Join({});
  NotingTap tap;
  link().AddTap(&tap);
  EXPECT_EQ(Send("x", 0, M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT), 0);
  Run();
  EXPECT_EQ(tap.pending, 0);
  EXPECT_EQ(inbox(0).finished, 1);
  EXPECT_EQ(Arrivals(1)[0].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK),
            M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK);
  link().RemoveTap(&tap);
  EXPECT_EQ(Send("y"), 0);
  Run();
  EXPECT_EQ(tap.fates, "sD");
}

}  // namespace
}  // namespace sockbed
