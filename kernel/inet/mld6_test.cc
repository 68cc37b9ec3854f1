// MLD version 1, the listener's side: RFC 2710 4, 5. Host a listens on a point-to-point link; what
// it says is seen by a tap.
#include "kernel/inet/mld6.h"

#include <algorithm>
#include <utility>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/nd6_wire.h"

namespace sockbed {
namespace {

using Words = std::vector<std::string>;
constexpr char kGroup[] = "ff02::db8:1%2";
constexpr char kOther[] = "ff05::db8:2";

class Mld6Test : public Inet6TestNet {
 protected:
  Mld6Test() : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_)) { link_.AddTap(&tap_); }
  ~Mld6Test() override { link_.RemoveTap(&tap_); }

  struct Tap : PacketTap {
    void OnPacket(const TappedPacket& tapped) override {
      if (tapped.fate == PacketFate::kSent) sent.push_back(Packet6::Of(BytesOf(tapped.packet)));
    }
    std::vector<Packet6> sent;
  };

  ifnet* a() { return link_.interface(0); }
  void JoinGroup(const char* group) {
    HostScope scope(a_);
    (void)in6_addmulti(a(), Addr6(group));
  }
  void LeaveGroup(const char* group) {
    HostScope scope(a_);
    in6_delmulti(a(), Addr6(group));
  }
  void JoinQuietly(const char* group) {
    JoinGroup(group);
    Run();
    Sent();
  }
  // What was sent since the last time, as "report ff02::db8:1 to ff02::db8:1".
  Words Sent() {
    Words words;
    for (const Packet6& packet : std::exchange(tap_.sent, {})) {
      EXPECT_EQ(packet.next, IPPROTO_HOPOPTS);
      EXPECT_EQ(packet.hops, 1);
      EXPECT_EQ(in6_text(packet.src), "fe80::ff:fe00:101");
      EXPECT_EQ(packet.payload.substr(0, 8), std::string("\x3a\0\x05\x02\0\0\x01\0", 8));
      const auto* p = reinterpret_cast<const uint8_t*>(packet.payload.data()) + 8;
      words.push_back((p[0] == MLD_LISTENER_REPORT ? "report " : "done ") +
                      in6_text(LoadAddress6(p + kMldGroupAt)) + " to " + in6_text(packet.dst));
    }
    return words;
  }
  // A message arrives at host a: delay in milliseconds.
  void Hear(uint8_t type, const char* to, const char* group, uint16_t delay, uint8_t hops = 1,
            const char* from = "fe80::9") {
    std::string message(kMldMessage, '\0');
    auto* p = reinterpret_cast<uint8_t*>(message.data());
    p[0] = type;
    StoreBe16(p + kMldDelayAt, delay);
    StoreAddress6(p + kMldGroupAt, in6_clearscope(Addr6(group)));
    Packet6 packet = {.src = Addr6(from),
                      .dst = in6_clearscope(Addr6(to)),
                      .payload = std::move(message),
                      .next = IPPROTO_ICMPV6,
                      .hops = hops};
    const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6, kMldMessage);
    p = reinterpret_cast<uint8_t*>(packet.payload.data());
    StoreBe16(p + 2, in_cksum_finish(in_cksum_add(sum, p, kMldMessage)));
    Inject6(a(), packet.Bytes());
  }
  void Query(uint16_t delay, const char* to = "ff02::1", const char* group = "::") {
    Hear(MLD_LISTENER_QUERY, to, group, delay);
  }

  Tap tap_;
  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

const char* const kReport = "report ff02::db8:1 to ff02::db8:1";

TEST_F(Mld6Test, GroupIsReportedAtOnceAndOnceMoreWithinTenSeconds) {
  JoinGroup(kGroup);
  EXPECT_EQ(Sent(), Words{kReport});
  Run();
  EXPECT_EQ(Sent(), Words{kReport});
  EXPECT_LE(Now(), 10 * kSecond);
  LeaveGroup(kGroup);
  EXPECT_EQ(Sent(), Words{"done ff02::db8:1 to ff02::2"});
}

TEST_F(Mld6Test, GroupsOfTheKernelAndOfInterfaceScopeAreNeverReported) {
  for (const char* group : {"ff02::1%2", "ff02::1:ff00:9%2", "ff01::9%2"}) {
    JoinGroup(group);
    LeaveGroup(group);
  }
  Query(100);
  Run();
  EXPECT_EQ(Sent(), Words{});
}

TEST_F(Mld6Test, QueriesAreAnsweredWithinTheirTime) {
  JoinQuietly(kGroup);
  JoinQuietly(kOther);
  const SimTime asked = Now();
  Query(500);
  EXPECT_EQ(Sent(), Words{});
  Run();
  EXPECT_LE(Now() - asked, 500 * kMillisecond);
  Words sent = Sent();
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(sent, (Words{kReport, "report ff05::db8:2 to ff05::db8:2"}));
  Query(500, kGroup, kGroup);
  Run();
  EXPECT_EQ(Sent(), Words{kReport}) << "a query of one group";
  Query(0);
  EXPECT_EQ(Sent().size(), 2u) << "at once";
  LeaveGroup(kGroup);
  LeaveGroup(kOther);
}

TEST_F(Mld6Test, ReportOfAnotherListenerMakesOursNeedless) {
  JoinQuietly(kGroup);
  Query(500);
  Hear(MLD_LISTENER_REPORT, kGroup, kGroup, 0);
  Run();
  EXPECT_EQ(Sent(), Words{});
  LeaveGroup(kGroup);
  EXPECT_EQ(Sent(), Words{}) << "nor is our end told";
}

TEST_F(Mld6Test, MessagesAgainstTheRulesAreDropped) {
  JoinQuietly(kGroup);
  Hear(MLD_LISTENER_QUERY, "ff02::1", "::", 100, 2);
  Hear(MLD_LISTENER_QUERY, "ff02::1", "::", 100, 1, "2001:db8:1::2");
  Hear(MLD_LISTENER_QUERY, "ff02::1", "2001:db8::1", 100);
  Hear(MLD_LISTENER_REPORT, kGroup, "::", 0);
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badmld), 4u);
  Run();
  EXPECT_EQ(Sent(), Words{});
  LeaveGroup(kGroup);
}

}  // namespace
}  // namespace sockbed
