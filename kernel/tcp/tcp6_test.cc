// Streams over IPv6: what differs from IPv4, and that nothing else does.
#include "kernel/inet/icmp6.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/tcp/stream_hosts.h"

namespace sockbed {
namespace {

constexpr LinkOptions kWan = {.latency_ns = 20 * kMillisecond, .rate_bps = 10'000'000};
constexpr Chance Percent(int n) { return kAlways / 100 * static_cast<Chance>(n); }

class Stream6 : public StreamTest {
 protected:
  void ExpectWhole(StreamPlan plan) {
    plan.v6 = true;
    const StreamResult result = Converse(plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, plan.up);
    EXPECT_EQ(result.down, plan.down);
    EXPECT_FALSE(result.wrong_byte);
  }
};

TEST_F(Stream6, CarriesAFileWithoutRetransmissions) {
  Boot(1, kWan);
  ExpectWhole({.up = 1'000'000, .write = 16384});
  EXPECT_EQ(Summary(1).retransmissions, 0u);
  EXPECT_EQ(Summary(1).bytes_sent, 1'000'000u);
  EXPECT_EQ(ipstat_get(host(0), ips_total), 0u);
  EXPECT_GT(ip6stat_get(host(0), ip6s_delivered), 700u);  // of 1428 bytes each
}

TEST_F(Stream6, CarriesBothWaysAtOnce) {
  Boot(1, kWan);
  ExpectWhole({.up = 300'000, .down = 400'000, .write = 1000});
}

TEST_F(Stream6, RecoversFromLossAndReordering) {
  LinkOptions link = kWan;
  link.loss = Percent(3);
  link.reorder = Percent(3);
  link.duplicate = Percent(3);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Boot(seed, link);
    ExpectWhole({.up = 200'000, .down = 50'000});
  }
}

TEST_F(Stream6, BadChecksumsAreDropped) {
  LinkOptions link = kWan;
  link.corrupt = Percent(5);
  Boot(3, link);
  ExpectWhole({.up = 200'000});
  EXPECT_GT(Stat(0, tcps_rcvbadsum) + Stat(1, tcps_rcvbadsum), 0u);
}

TEST_F(Stream6, SpeaksWithItself) {
  Boot(1, kWan);
  ExpectWhole({.up = 100'000, .over_loopback = true});
  EXPECT_EQ(link().counters(0).packets, 0u);
}

TEST_F(Stream6, CookiesServeIt) {
  Boot(1, kWan);
  Sysctl("net.inet.tcp.syncookies", 1);
  Sysctl("net.inet.tcp.syncookies_only", 1);
  ExpectWhole({.up = 100'000});
  EXPECT_EQ(Stat(0, tcps_sc_recvcookie), 1u);
}

TEST_F(Stream6, SegmentsFillTheLinkWithTheLargerHeader) {
  Boot(1, kWan);
  Sysctl("net.inet.tcp.rfc1323", 0);
  ExpectWhole({.up = 1440 * 100, .write = 1440 * 10});
  EXPECT_EQ(Stat(1, tcps_sndpack), 100u);
}

// A router that translates takes 1280 bytes of a packet, a fragment header included.
TEST_F(Stream6, SegmentsLeaveRoomForAFragmentHeader) {
  Boot(1, kWan);
  Sysctl("net.inet.tcp.rfc1323", 0);
  {
    const HostScope scope(host(1));
    rtentry* rt = rt_clone(AF_INET6, in6_make(0xfd00'0000'0000'0000, 1));
    rt_lower_mtu(rt, 1272);
    rt_expire_after(rt, 600);
  }
  ExpectWhole({.up = 1212 * 100, .write = 1212 * 10});
  EXPECT_EQ(Stat(1, tcps_sndpack), 100u);
  EXPECT_EQ(ip6stat_get(host(1), ip6s_ofragments), ip6stat_get(host(0), ip6s_fragments));
  EXPECT_GT(ip6stat_get(host(1), ip6s_ofragments), 100u);
}

}  // namespace
}  // namespace sockbed
