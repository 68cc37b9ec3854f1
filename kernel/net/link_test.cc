#include "kernel/net/link.h"

#include <errno.h>

#include "kernel/net/link_test_hosts.h"

namespace sockbed {
namespace {

using LinkTest = LinkTestHosts;

std::vector<SimTime> Times(const std::vector<Arrival>& arrivals) {
  std::vector<SimTime> times;
  for (const Arrival& arrival : arrivals) times.push_back(arrival.time);
  return times;
}

std::string Firsts(const std::vector<Arrival>& arrivals) {
  std::string firsts;
  for (const Arrival& arrival : arrivals) firsts += arrival.bytes[0];
  return firsts;
}

TEST_F(LinkTest, DeliversAfterTheLatencyWhenTheRateIsUnlimited) {
  Join({.latency_ns = 20 * kMillisecond});
  EXPECT_EQ(Send("hello"), 0);
  EXPECT_EQ(Send("back", 1), 0);
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1u);
  EXPECT_EQ(Arrivals(1)[0].time, 20 * kMillisecond);
  EXPECT_EQ(Arrivals(1)[0].bytes, "hello");
  EXPECT_EQ(Arrivals(1)[0].ifidx, link().interface(1)->if_index);
  EXPECT_EQ(Times(Arrivals(0)), std::vector<SimTime>{20 * kMillisecond});
}

TEST_F(LinkTest, SendsOnePacketAfterTheOtherAtItsRate) {
  // 1500 bytes at 10 Mbit/s take 1.2 ms.
  Join({.latency_ns = 20 * kMillisecond, .rate_bps = 10'000'000});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(SendSize(1500), 0);
  Run();
  constexpr SimTime kEach = 1'200'000;
  EXPECT_EQ(Times(Arrivals(1)),
            (std::vector<SimTime>{20 * kMillisecond + kEach, 20 * kMillisecond + 2 * kEach,
                                  20 * kMillisecond + 3 * kEach}));
}

TEST_F(LinkTest, KeepsItsRateThoughANanosecondCannotExpressIt) {
  // 100 bytes at 7 Mbit/s: 114285 and 5/7 ns each.
  Join({.rate_bps = 7'000'000, .queue_len = 2000});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(SendSize(100), 0);
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1000u);
  for (SimTime i = 1; i <= 1000; ++i) {
    ASSERT_EQ(Arrivals(1)[static_cast<size_t>(i - 1)].time, i * 800 * kSecond / 7'000'000) << i;
  }
}

TEST_F(LinkTest, StartsAtOnceAfterAPause) {
  Join({.rate_bps = 7'000'000});
  EXPECT_EQ(SendSize(100), 0);
  Event pause;
  pause.handler = [](Event*) {};
  machine().Schedule(&pause, kMillisecond);
  Run();
  EXPECT_EQ(SendSize(100), 0);
  Run();
  EXPECT_EQ(Arrivals(1)[1].time, kMillisecond + 800 * kSecond / 7'000'000);
}

TEST_F(LinkTest, RefusesWhatItsQueueCannotHold) {
  Join({.rate_bps = 10'000'000, .queue_len = 3});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(SendSize(1500), 0) << i;  // one is being sent, three wait
  EXPECT_EQ(SendSize(1500), ENOBUFS);
  EXPECT_EQ(link().counters(0).dropped_queue, 1u);
  EXPECT_EQ(link().interface(0)->if_counters.ifi_oqdrops, 1u);
  EXPECT_EQ(Drops(NetDrop::kQueue), 1);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 4u);
  EXPECT_EQ(link().counters(0).packets, 5u);
  EXPECT_EQ(link().counters(0).delivered, 4u);
}

TEST_F(LinkTest, HasRoomAgainWhenATransmissionBegins) {
  Join({.rate_bps = 8'000'000, .queue_len = 1});  // 1000 bytes: 1 ms
  EXPECT_EQ(SendSize(1000), 0);
  EXPECT_EQ(SendSize(1000), 0);
  EXPECT_EQ(SendSize(1000), ENOBUFS);
  Run(kMillisecond - 1);
  EXPECT_EQ(SendSize(1000), ENOBUFS);
  Run(kMillisecond);
  EXPECT_EQ(SendSize(1000), 0);
  Run();
  EXPECT_EQ(Times(Arrivals(1)),
            (std::vector<SimTime>{kMillisecond, 2 * kMillisecond, 3 * kMillisecond}));
}

TEST_F(LinkTest, JitterKeepsTheOrder) {
  Join({.latency_ns = kMillisecond, .jitter_ns = kMillisecond});
  std::string sent;
  for (char c = 'a'; c <= 'z'; ++c) {
    EXPECT_EQ(Send(std::string(1, c)), 0);
    sent += c;
  }
  Run();
  EXPECT_EQ(Firsts(Arrivals(1)), sent);
  const std::vector<SimTime> times = Times(Arrivals(1));
  EXPECT_GE(times.front(), kMillisecond);
  EXPECT_LE(times.back(), 2 * kMillisecond);
  EXPECT_NE(times.front(), times.back());
}

TEST_F(LinkTest, KeepsTheOrderOfPacketsThatArriveAtOneInstant) {
  SeededOrder order(3);
  Boot({.seed = 3, .choices = &order});
  Join({.latency_ns = kMillisecond});
  std::string sent;
  for (char c = 'a'; c <= 'z'; ++c) {
    EXPECT_EQ(Send(std::string(1, c)), 0);
    sent += c;
  }
  Run();
  EXPECT_EQ(Firsts(Arrivals(1)), sent);
  EXPECT_EQ(Arrivals(1).back().time, kMillisecond);
}

TEST_F(LinkTest, RefusesToSendWhileDownAndDropsWhatArrivesThen) {
  Join({.latency_ns = kMillisecond});
  EXPECT_EQ(Send("on the way"), 0);
  link().SetConnected(false);
  EXPECT_EQ(Send("too late"), ENETDOWN);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 0u);
  EXPECT_EQ(link().counters(0).dropped_down, 1u);
  EXPECT_EQ(link().interface(0)->if_counters.ifi_oerrors, 1u);
  EXPECT_EQ(Drops(NetDrop::kDown), 2);
  const int changes = inbox(0).link_changes;
  link().SetConnected(true);
  EXPECT_EQ(inbox(0).link_changes, changes + 1);
  EXPECT_EQ(Send("again"), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 1u);
}

TEST_F(LinkTest, FreesWhatIsOnItsWayWhenHalted) {
  Join({.latency_ns = kSecond, .reorder = kAlways / 2});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(SendSize(3000), 0);
  Run(kMillisecond);
  link().Halt();
  EXPECT_EQ(Run(), Machine::End::kQuiescent);
  EXPECT_EQ(Arrivals(1).size(), 0u);
}

TEST_F(LinkTest, ChargesAPacketToTheHostThatHasIt) {
  Join({.latency_ns = kMillisecond});
  EXPECT_EQ(Send("x"), 0);
  EXPECT_NE(mbuf_leaks(host(0)), "");
  EXPECT_EQ(mbuf_leaks(host(1)), "");
  Run();
  EXPECT_EQ(mbuf_leaks(host(0)), "");
}

TEST_F(LinkTest, PendingChecksumsArriveAsVerifiedAndUncomputed) {
  Join({.latency_ns = kMillisecond});
  EXPECT_EQ(Send("lazy", 0, M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT), 0);
  EXPECT_EQ(Send("plain", 0), 0);
  Run();
  EXPECT_EQ(inbox(0).finished, 0);
  EXPECT_EQ(Arrivals(1)[0].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK),
            M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK);
  EXPECT_EQ(Arrivals(1)[1].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK), 0);
}

}  // namespace
}  // namespace sockbed
