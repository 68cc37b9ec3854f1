// Every set of options a host may want against every other's: whatever two hosts agree upon, a
// stream crosses a lossy link whole, both ways, and the connection ends.
#include <string>

#include "kernel/tcp/stream_hosts.h"

namespace sockbed {
namespace {

// What a host wants. In order of the bits of a set's number.
struct OptionSet {
  int64_t rfc1323;  // 0 nothing, 1 window scale and timestamps, 2, 3 one of them
  int64_t sack;
  int64_t ecn;
  int64_t fast_open;
  int64_t profile;
};
constexpr int kSets = 64;

constexpr OptionSet SetOf(int number) {
  return {.rfc1323 = number % 4,
          .sack = number / 4 % 2,
          .ecn = number / 8 % 2,
          .fast_open = number / 16 % 2,
          .profile = number / 32};
}

std::string NameOf(int number) {
  const OptionSet set = SetOf(number);
  return "rfc1323 " + std::to_string(set.rfc1323) + (set.sack != 0 ? " sack" : "") +
         (set.ecn != 0 ? " ecn" : "") + (set.fast_open != 0 ? " fastopen" : "") +
         (set.profile != 0 ? " freebsd" : " openbsd");
}

// The first argument is the server's set; each test runs it against all of the clients'.
class Interop : public StreamTest, public testing::WithParamInterface<int> {
 protected:
  void Configure(int i, int number) {
    const OptionSet set = SetOf(number);
    Sysctl(i, "net.inet.tcp.profile", set.profile);
    Sysctl(i, "net.inet.tcp.debug_walks", 1);
    Sysctl(i, "net.inet.tcp.always_keepalive", 0);
    Sysctl(i, "net.inet.tcp.rfc1323", set.rfc1323);
    Sysctl(i, "net.inet.tcp.sack", set.sack);
    Sysctl(i, "net.inet.tcp.ecn", set.ecn);
    Sysctl(i, "net.inet.tcp.fastopen.client_enable", set.fast_open);
    Sysctl(i, "net.inet.tcp.fastopen.server_enable", set.fast_open);
    // What is the host's own business goes round: every set meets each of it.
    Sysctl(i, "net.inet.tcp.cc.algorithm", (number + i) % 2);
    Sysctl(i, "net.inet.tcp.knob.rack_tlp", (number / 3 + i) % 3);
  }
  void Talk(bool fast_open) {
    Talk({.up = 9000, .down = 7000, .write = 1500, .fast_open = fast_open});
  }
  void Talk(const StreamPlan& plan) {
    const StreamResult result = Converse(plan);
    EXPECT_EQ(result.error, 0);
    EXPECT_EQ(result.up, plan.up);
    EXPECT_EQ(result.down, plan.down);
    EXPECT_FALSE(result.wrong_byte);
  }
};

constexpr LinkOptions LossyLink(uint32_t mtu) {
  return {.latency_ns = 5 * kMillisecond,
          .rate_bps = 20'000'000,
          .loss = kAlways / 100 * 3,
          .mtu = mtu};
}

TEST_P(Interop, StreamsCrossWhole) {
  constexpr uint32_t kMtus[] = {1500, 576, 9000};
  for (int client = 0; client < kSets; ++client) {
    SCOPED_TRACE("server " + NameOf(GetParam()) + ", client " + NameOf(client));
    const auto seed = static_cast<uint64_t>(GetParam() * kSets + client + 1);
    Boot(seed, LossyLink(kMtus[seed % 3]));
    Configure(0, GetParam());
    Configure(1, client);
    // TCP_FASTOPEN is an option of one system alone. The first connection fetches the cookie.
    const bool fast_open =
        SetOf(client).profile != 0 && SetOf(GetParam()).profile != 0 && client % 3 != 0;
    Talk(fast_open);
    if (fast_open) Talk(true);
    if (HasFailure()) return;
  }
}

// Signed (RFC 2385), which takes 20 bytes of every segment's options from the others, over both
// families; against a host of the same set, of the opposite one, and of the other system.
TEST_P(Interop, SignedStreamsCrossWhole) {
  for (const int client : {GetParam(), kSets - 1 - GetParam(), GetParam() ^ 32}) {
    for (const bool v6 : {false, true}) {
      SCOPED_TRACE("server " + NameOf(GetParam()) + ", client " + NameOf(client));
      Boot(static_cast<uint64_t>(GetParam() * kSets + client + 1), LossyLink(1500));
      Configure(0, GetParam());
      Configure(1, client);
      Talk({.up = 9000, .down = 7000, .write = 1500, .v6 = v6, .md5 = {true, true}});
      EXPECT_EQ(Stat(0, tcps_rcvbadsig) + Stat(1, tcps_rcvbadsig), 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, Interop, testing::Range(0, kSets));

// What both want is in force, what one does not want is not.
TEST_F(StreamTest, AgreesOnWhatBothWant) {
  for (int pair = 0; pair < 4; ++pair) {
    Boot(1, {.latency_ns = kMillisecond});
    const int64_t ecn[2] = {pair % 2, pair / 2};
    for (int i = 0; i < 2; ++i) Sysctl(i, "net.inet.tcp.ecn", ecn[i]);
    EXPECT_EQ(Converse({.up = 1000}).error, 0);
    EXPECT_EQ(Stat(0, tcps_ecn_accepts), ecn[0] * ecn[1] != 0 ? 1u : 0u) << pair;
  }
}

}  // namespace
}  // namespace sockbed
