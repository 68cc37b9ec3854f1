// Messages of ICMPv6 that nobody would send on purpose: whatever arrives, nothing breaks and
// nothing leaks.
#include <array>
#include <utility>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

class Nd6FuzzTest : public Inet6TestNet {
 protected:
  Nd6FuzzTest()
      : draws_(2024, Site::kProgram, 1, 0),
        a_(AddHost6("a")),
        link_(Join6(a_, AddHost6("b"), {.ethernet = true})) {
    for (const char* knob : {"net.inet6.ip6.autoconf", "net.inet6.icmp6.rediraccept"}) {
      Set(a_, knob, 1);
    }
  }

  uint64_t Below(uint64_t bound) { return draws_.NextBelow(bound); }
  std::string Noise(uint64_t size) {
    std::string bytes(size, '\0');
    draws_.Fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  in6_addr AnyOf(const std::vector<const char*>& addresses) {
    return Addr6(addresses[Below(addresses.size())]);
  }
  in6_addr Source() {
    return AnyOf({"fe80::9", "fe80::a", "::", "2001:db8:1::2", "2001:db8:1::1", "2001:db8:5::5"});
  }
  in6_addr Destination() {
    return AnyOf({"2001:db8:1::1", "ff02::1", "ff02::1:ff00:1", "fe80::ff:fe00:101", "ff02::9"});
  }
  // Options, most of them as long as they say.
  std::string Options() {
    std::string options;
    for (uint64_t count = Below(4); count > 0; --count) {
      const uint64_t units = 1 + Below(4);
      std::string option = Noise(units * kNdOptionUnit);
      option[0] = static_cast<char>(1 + Below(5));
      option[1] = static_cast<char>(Below(20) == 0 ? Below(6) : units);
      if (option[0] == ND_OPT_PREFIX_INFORMATION && units == 4) option[2] = 64;
      options += option;
    }
    return options;
  }
  // A message that passes the first checks more often than not.
  std::string Plausible() {
    // From an echo (128) to a redirect (137): as long as each type is without options, or nearly.
    constexpr std::array<uint64_t, 10> kLengths = {8, 8, 24, 24, 24, 8, 16, 24, 24, 40};
    const uint64_t type = Below(kLengths.size());
    std::string message = Noise(Below(8) == 0 ? 8 + Below(40) : kLengths[type]);
    message[0] = static_cast<char>(ICMP6_ECHO_REQUEST + type);
    if (Below(10) != 0) message[1] = 0;
    const std::array<in6_addr, 4> targets = {Destination(), Source(), Source(), AnyOf({"ff02::9"})};
    for (const size_t at : {kNdTargetAt, kNdRedirectDestinationAt}) {
      if (message.size() < at + 16) continue;
      StoreAddress6(reinterpret_cast<uint8_t*>(message.data()) + at, targets[Below(4)]);
    }
    return message + Options();
  }
  void Get(std::string message) {
    Packet6 packet = {.src = Source(),
                      .dst = Destination(),
                      .payload = std::move(message),
                      .next = IPPROTO_ICMPV6,
                      .hops = static_cast<uint8_t>(Below(8) == 0 ? 1 : 255)};
    auto* p = reinterpret_cast<uint8_t*>(packet.payload.data());
    p[2] = p[3] = 0;
    const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6,
                                        static_cast<int>(packet.payload.size()));
    StoreBe16(p + 2, in_cksum_finish(in_cksum_add(sum, p, packet.payload.size())));
    Inject6(link_.interface(0), packet.Bytes());
  }

  Stream draws_;
  HostBase& a_;
  Link& link_;
};

TEST_F(Nd6FuzzTest, SurvivesMessagesThatAreAlmostRight) {
  const size_t configured = RecordsOf(InetRecord::kAddress6).size();
  for (int i = 0; i < 60'000; ++i) {
    Get(Plausible());
    if (Below(20) == 0) (void)Output6(a_, {.dst = Source(), .payload = "to somebody"});
    if (Below(50) == 0) Wait(static_cast<SimTime>(Below(4 * kSecond)));
    if (Below(5'000) == 0) {
      link_.SetConnected(false);
      link_.SetConnected(true);
    }
  }
  EXPECT_GT(icmp6stat_get(a_, icp6s_reflected), 100u);
  EXPECT_GT(icmp6stat_get(a_, icp6s_badnd), 1000u);
  EXPECT_GT(icmp6stat_get(a_, icp6s_sent), 1000u);
  EXPECT_GT(RecordsOf(InetRecord::kAddress6).size(), configured) << "routers have been believed";
}

}  // namespace
}  // namespace sockbed
