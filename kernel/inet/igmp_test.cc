// IGMP version 2, the host's side: RFC 2236 3. The host is 192.168.1.1 on a LAN of the test's own.
#include "kernel/inet/igmp.h"

#include <algorithm>
#include <utility>

#include "kernel/inet/igmp_wire.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

constexpr char kGroup[] = "239.1.2.3";
constexpr char kOther[] = "239.1.2.4";

class IgmpTest : public InetTestNet {
 protected:
  IgmpTest() : host_(AddHostOnLan(&lan_)) {}

  in_multi* JoinGroup(const char* group) {
    HostScope scope(host_);
    return in_addmulti(Addr(group), lan_.ifp);
  }
  void LeaveGroup(in_multi* inm) {
    HostScope scope(host_);
    in_delmulti(inm);
  }
  static std::string Bytes(const IgmpMessage& message) {
    std::string bytes(kIgmpMessage, '\0');
    message.Write(bytes.data(), bytes.size());
    return bytes;
  }
  static Packet From(const char* src, const char* dst, const IgmpMessage& message) {
    return {.src = Addr(src),
            .dst = Addr(dst),
            .payload = Bytes(message),
            .protocol = IPPROTO_IGMP,
            .ttl = 1};
  }
  void Query(const char* to, uint8_t max_response, const char* group = "0.0.0.0") {
    Inject(
        lan_.ifp,
        From("192.168.1.254", to, {IGMP_HOST_MEMBERSHIP_QUERY, max_response, Addr(group)}).Bytes());
  }
  void Report(const char* group, uint8_t type = IGMP_v2_HOST_MEMBERSHIP_REPORT) {
    Inject(lan_.ifp, From("192.168.1.9", group, {type, 0, Addr(group)}).Bytes());
  }
  // What was sent since the last time, as "report 239.1.2.3 to 239.1.2.3".
  std::vector<std::string> Sent() {
    std::vector<std::string> words;
    for (const Packet& packet : std::exchange(lan_.sent, {})) {
      EXPECT_EQ(packet.protocol, IPPROTO_IGMP);
      const IgmpView igmp(packet.payload.data(), packet.payload.size());
      const char* name = igmp.type() == IGMP_v2_HOST_MEMBERSHIP_REPORT   ? "report "
                         : igmp.type() == IGMP_v1_HOST_MEMBERSHIP_REPORT ? "report1 "
                                                                         : "leave ";
      words.push_back(name + Text(igmp.group()) + " to " + Text(packet.dst));
    }
    return words;
  }
  // The first reports of a group, out of the way.
  in_multi* JoinQuietly(const char* group) {
    in_multi* inm = JoinGroup(group);
    Run();
    Sent();
    return inm;
  }

  CaptureInterface lan_;
  HostBase& host_;
};

using Words = std::vector<std::string>;
const char* const kReport = "report 239.1.2.3 to 239.1.2.3";

TEST_F(IgmpTest, GroupIsReportedAtOnceAndOnceMoreWithinTenSeconds) {
  in_multi* inm = JoinGroup(kGroup);
  EXPECT_EQ(Sent(), Words{kReport});
  Run();
  EXPECT_EQ(Sent(), Words{kReport});
  EXPECT_GT(Now(), 0);
  EXPECT_LE(Now(), 10 * kSecond);
  LeaveGroup(inm);
  EXPECT_EQ(igmpstat_get(host_, igps_snd_reports), 2u);
}

TEST_F(IgmpTest, MessageHasTtlOneRouterAlertAndRightChecksums) {
  in_multi* inm = JoinGroup(kGroup);
  ASSERT_EQ(lan_.sent.size(), 1u);
  const Packet& packet = lan_.sent[0];
  EXPECT_EQ(packet.ttl, 1);
  EXPECT_EQ(packet.options, std::string("\x94\x04\0\0", 4));
  EXPECT_NE(packet.id, 0);
  EXPECT_EQ(Text(packet.src), "192.168.1.1");
  EXPECT_EQ(packet.payload, Bytes({IGMP_v2_HOST_MEMBERSHIP_REPORT, 0, Addr(kGroup)}));
  EXPECT_EQ(in_cksum_bytes(packet.payload.data(), packet.payload.size()), 0);
  LeaveGroup(inm);
}

TEST_F(IgmpTest, LastReporterTellsTheRoutersWhenItLeaves) {
  LeaveGroup(JoinQuietly(kGroup));
  EXPECT_EQ(Sent(), Words{"leave 239.1.2.3 to 224.0.0.2"});
  EXPECT_EQ(igmpstat_get(host_, igps_snd_leaves), 1u);
}

TEST_F(IgmpTest, LeavesInSilenceWhenAnotherHasReportedSince) {
  in_multi* inm = JoinQuietly(kGroup);
  Report(kGroup);
  LeaveGroup(inm);
  EXPECT_EQ(Sent(), Words{});
  EXPECT_EQ(igmpstat_get(host_, igps_rcv_ourreports), 1u);
}

TEST_F(IgmpTest, LeavingCancelsTheReportThatIsDue) {
  in_multi* inm = JoinGroup(kGroup);
  LeaveGroup(inm);
  EXPECT_EQ(Sent(), (Words{kReport, "leave 239.1.2.3 to 224.0.0.2"}));
  Run();
  EXPECT_EQ(Sent(), Words{});
  EXPECT_EQ(Now(), 0);
}

TEST_F(IgmpTest, GroupOfAllHostsAndGroupsOfLoopbackAreNeverReported) {
  HostScope scope(host_);
  in_multi* inm = in_addmulti(Addr(kGroup), if_loopback(host_));
  Query("224.0.0.1", 100);
  Run();
  EXPECT_EQ(Sent(), Words{}) << "the interface is in 224.0.0.1";
  in_delmulti(inm);
}

TEST_F(IgmpTest, GeneralQueryIsAnsweredForEachGroupWithinItsTime) {
  in_multi* one = JoinQuietly(kGroup);
  in_multi* two = JoinQuietly(kOther);
  const SimTime asked = Now();
  Query("224.0.0.1", 50);
  EXPECT_EQ(Sent(), Words{}) << "after a while of chance";
  Run();
  EXPECT_LE(Now() - asked, 5 * kSecond);
  Words sent = Sent();
  std::sort(sent.begin(), sent.end());
  EXPECT_EQ(sent, (Words{kReport, "report 239.1.2.4 to 239.1.2.4"}));
  LeaveGroup(one);
  LeaveGroup(two);
}

TEST_F(IgmpTest, QueryOfOneGroupIsAnsweredForThatOne) {
  in_multi* one = JoinQuietly(kGroup);
  in_multi* two = JoinQuietly(kOther);
  Query(kGroup, 10, kGroup);
  Run();
  EXPECT_EQ(Sent(), Words{kReport});
  LeaveGroup(one);
  LeaveGroup(two);
}

TEST_F(IgmpTest, ShorterQueryHastensAReportAndALongerOneDoesNotDelayIt) {
  in_multi* inm = JoinQuietly(kGroup);
  const SimTime asked = Now();
  Query("224.0.0.1", 255);
  Query("224.0.0.1", 1);
  Query("224.0.0.1", 255);
  Run();
  EXPECT_LE(Now() - asked, kSecond / 10);
  EXPECT_EQ(Sent(), Words{kReport});
  LeaveGroup(inm);
}

TEST_F(IgmpTest, ReportOfAnotherHostMakesOursNeedless) {
  in_multi* inm = JoinQuietly(kGroup);
  Query("224.0.0.1", 100);
  Report(kGroup);
  Run();
  EXPECT_EQ(Sent(), Words{});
  LeaveGroup(inm);
}

TEST_F(IgmpTest, RouterOfVersionOneIsSpokenToInItsOwnWay) {
  in_multi* inm = JoinQuietly(kGroup);
  const SimTime asked = Now();
  Query("224.0.0.1", 0);
  Run();
  EXPECT_LE(Now() - asked, 10 * kSecond);
  EXPECT_EQ(Sent(), Words{"report1 239.1.2.3 to 239.1.2.3"});
  LeaveGroup(inm);
  EXPECT_EQ(Sent(), Words{}) << "version 1 knows no leaving";
  Wait(400 * kSecond);
  LeaveGroup(JoinGroup(kGroup));
  EXPECT_EQ(Sent(), (Words{kReport, "leave 239.1.2.3 to 224.0.0.2"})) << "and is forgotten";
}

TEST_F(IgmpTest, BadMessagesAreDroppedEachWithItsCounter) {
  in_multi* inm = JoinQuietly(kGroup);
  const Packet good =
      From("192.168.1.254", "224.0.0.1", {IGMP_HOST_MEMBERSHIP_QUERY, 100, Addr("0.0.0.0")});
  const auto inject = [&](igmpstat_counters why, const Packet& packet) {
    Inject(lan_.ifp, packet.Bytes());
    EXPECT_EQ(igmpstat_get(host_, why), 1u) << why;
  };
  Packet bad = good;
  bad.payload.resize(kIgmpMessage - 1);
  inject(igps_rcv_tooshort, bad);
  bad = good;
  bad.payload[1] ^= 1;
  inject(igps_rcv_badsum, bad);
  bad = good;
  bad.dst = Addr("192.168.1.1");
  inject(igps_rcv_badqueries, bad);
  inject(igps_rcv_badreports,
         From("192.168.1.9", kGroup, {IGMP_v2_HOST_MEMBERSHIP_REPORT, 0, Addr(kOther)}));
  inject(igps_unclaimed, From("192.168.1.9", kGroup, {0x13, 0, Addr(kGroup)}));
  EXPECT_EQ(RecordsOf(InetRecord::kIgmpDrop).size(), 5u);
  Run();
  EXPECT_EQ(Sent(), Words{});
  LeaveGroup(inm);
}

TEST_F(IgmpTest, WithoutMemoryAReportIsAsLostAsOnTheWire) {
  fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = 1}});
  Boot({.seed = 1, .fault_plan = &plan});
  CaptureInterface lan;
  HostBase& host = AddHostOnLan(&lan);
  HostScope scope(host);
  in_multi* inm = in_addmulti(Addr(kGroup), lan.ifp);
  EXPECT_EQ(igmpstat_get(host, igps_nobufs), 1u);
  EXPECT_EQ(lan.sent.size(), 0u);
  Run();
  EXPECT_EQ(lan.sent.size(), 1u) << "the second report";
  in_delmulti(inm);
  Boot({.seed = 1});
}

}  // namespace
}  // namespace sockbed
