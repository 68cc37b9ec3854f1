// ARP: spec inet.md 15.1, rule by rule. Host a is 10.0.1.1, host b 10.0.1.2, on one Ethernet link.
#include "kernel/inet/if_arp.h"

#include <errno.h>

#include "kernel/inet/arp_wire.h"
#include "kernel/inet/inet_test_net.h"

namespace sockbed {
namespace {

// The frames of a link as one word each: "who 10.0.1.2?" (broadcast), "who 10.0.1.2? unicast",
// "10.0.1.2 is", "ip".
class FrameTap : public PacketTap {
 public:
  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    uint8_t bytes[kEtherHeader + kArpPacket];
    m_copydata(tapped.packet, 0, sizeof bytes, bytes);
    const EtherView frame(bytes, sizeof bytes);
    if (frame.type() != kEtherTypeArp) {
      frames.push_back("ip");
      return;
    }
    const ArpView arp(bytes + kEtherHeader, kArpPacket);
    std::string text = arp.operation() == kArpRequest ? "who " + Text(arp.target()) + "?"
                                                      : Text(arp.sender()) + " is";
    const bool all = frame.destination() == kEtherBroadcast;
    if (all != (arp.operation() == kArpRequest)) text += all ? " all" : " unicast";
    frames.push_back(text);
  }
  std::vector<std::string> frames;
};

using Words = std::vector<std::string>;

class ArpTest : public InetTestNet {
 protected:
  ArpTest()
      : a_(AddHost("a")), b_(AddHost("b")), link_(Join(a_, b_, {.ethernet = true})) {
    Run();  // announcements
    link_.AddTap(&tap_);
  }
  ~ArpTest() override { link_.RemoveTap(&tap_); }

  ifnet* a() { return link_.interface(0); }
  ifnet* b() { return link_.interface(1); }
  int SendTo(const char* to, const std::string& payload = "x") {
    return Output(a_, {.dst = Addr(to), .payload = payload});
  }
  const llinfo_arp* Entry(HostBase& host, const char* addr) {
    HostScope scope(host);
    return arp_table().Find(if_byname(host, "link1"), Addr(addr));
  }
  Words Frames() { return std::exchange(tap_.frames, {}); }
  int64_t Queued() {
    int64_t value = -1;
    EXPECT_EQ(a_.sysctls.Get("net.inet.ip.arpqueued", &value), 0);
    return value;
  }
  // An ARP packet from a stranger arrives at b.
  void Inject(const ArpPacket& packet, int length = kArpPacket) {
    HostScope scope(b_);
    char bytes[kArpPacket];
    packet.Write(bytes, sizeof bytes);
    MbufPtr m = m_devget(bytes, length, 0);
    m->m_pkthdr.ph_family = kFamilyArp;
    if_input(b(), std::move(m));
  }

  FrameTap tap_;
  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

constexpr ether_addr kStranger = {{0x02, 9, 9, 9, 9, 9}};

// --- Rules 1 to 3: asking. ---

TEST_F(ArpTest, FirstPacketIsHeldUntilItsNeighbourAnswers) {
  EXPECT_EQ(SendTo("10.0.1.2", "first"), 0);
  EXPECT_EQ(Queued(), 1);
  EXPECT_EQ(Packets(b_).size(), 0u);
  Run();
  EXPECT_EQ(Frames(), (Words{"who 10.0.1.2?", "10.0.1.2 is", "ip"}));
  ASSERT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Packets(b_)[0].payload, "first");
  EXPECT_EQ(Queued(), 0);
  EXPECT_EQ(Now(), 0) << "and no timer is left";
  EXPECT_EQ(SendTo("10.0.1.2", "second"), 0);
  Run();
  EXPECT_EQ(Frames(), Words{"ip"});
  EXPECT_EQ(RecordsOf(InetRecord::kArp).size(), 2u);
}

TEST_F(ArpTest, HeldPacketsGoOutInOrderTheOldestDroppedBeyondTen) {
  for (int i = 0; i < 12; ++i) EXPECT_EQ(SendTo("10.0.1.2", std::to_string(i)), 0);
  EXPECT_EQ(Queued(), 10);
  ExpectDrops(a_, ips_arpdropped, 2);
  Run();
  ASSERT_EQ(Packets(b_).size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Packets(b_)[i].payload, std::to_string(i + 2));
}

TEST_F(ArpTest, HundredPacketsAreHeldInAll) {
  for (int host = 10; host < 22; ++host) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(SendTo(("10.0.1." + std::to_string(host)).c_str()), 0);
    }
  }
  EXPECT_EQ(Queued(), 100);
  ExpectDrops(a_, ips_arpdropped, 20);
}

TEST_F(ArpTest, HeldPacketThatTheInterfaceRefusesCountsThereAlone) {
  link_.set_options(0, {.rate_bps = 8000, .queue_len = 0, .ethernet = true});
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  Run();
  EXPECT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(a()->if_counters.ifi_oqdrops, 1u);
  ExpectDrops(a_, ips_odropped, 0);
}

TEST_F(ArpTest, FiveUnansweredRequestsASecondApartMakeANeighbourDown) {
  const Words asked = {"who 10.0.1.9?"};
  for (int second = 0; second < 5; ++second) {
    EXPECT_EQ(SendTo("10.0.1.9"), 0);
    EXPECT_EQ(Frames(), asked) << second;
    Wait(kSecond - 1);
    EXPECT_EQ(SendTo("10.0.1.9"), 0);
    EXPECT_EQ(Frames(), Words{}) << "at most one a second";
    Wait(1);
  }
  EXPECT_EQ(SendTo("10.0.1.9"), EHOSTDOWN);
  EXPECT_EQ(Queued(), 0);
  ExpectDrops(a_, ips_arpdropped, 11);
  EXPECT_EQ(RecordsOf(InetRecord::kArpDown).size(), 1u);
  Wait(20 * kSecond - 1);
  EXPECT_EQ(SendTo("10.0.1.9"), EHOSTDOWN);
  EXPECT_EQ(Frames(), Words{});
  Wait(1);
  EXPECT_EQ(SendTo("10.0.1.9"), 0) << "and it is asked again";
  EXPECT_EQ(Frames(), asked);
}

TEST_F(ArpTest, SilentGatewayMakesItsHostsUnreachable) {
  AddRoute(a_, "10.9.0.0", 16, "10.0.1.9");
  for (int second = 0; second < 5; ++second) {
    EXPECT_EQ(SendTo("10.9.9.9"), 0);
    Wait(kSecond);
  }
  EXPECT_EQ(SendTo("10.9.9.9"), EHOSTUNREACH);
  EXPECT_EQ(SendTo("10.0.1.9"), EHOSTDOWN) << "the gateway itself";
}

TEST_F(ArpTest, NeighbourThatComesBackIsHeardWhileItIsHeldDown) {
  Set(a_, "net.inet.ip.arpdown", 1000);
  for (int second = 0; second < 6; ++second) {
    (void)SendTo("10.0.1.9");
    Wait(kSecond);
  }
  AddAddress(b(), "10.0.1.9", 24);  // announces itself
  Run();
  EXPECT_EQ(SendTo("10.0.1.9"), 0);
  Run();
  EXPECT_EQ(Packets(b_).size(), 1u);
}

TEST_F(ArpTest, WhatNobodyAsksForAnyMoreIsFreedAfterAWhile) {
  EXPECT_EQ(SendTo("10.0.1.9"), 0);
  Run();
  EXPECT_EQ(Now(), 300 * kSecond);
  EXPECT_EQ(Queued(), 0);
  ExpectDrops(a_, ips_arpdropped, 1);
  EXPECT_EQ(Entry(a_, "10.0.1.9"), nullptr);
}

// --- Rule 4: answering. ---

TEST_F(ArpTest, RequestForUsTeachesWhoAsks) {
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  Run();
  ASSERT_NE(Entry(b_, "10.0.1.1"), nullptr);
  EXPECT_EQ(Entry(b_, "10.0.1.1")->link, a()->if_lladdr);
}

TEST_F(ArpTest, RequestForOthersIsNeitherAnsweredNorRemembered) {
  Inject({kArpRequest, kStranger, Addr("10.0.1.7"), {}, Addr("10.0.1.1")});
  EXPECT_EQ(Frames(), Words{});
  EXPECT_EQ(Entry(b_, "10.0.1.7"), nullptr);
}

TEST_F(ArpTest, RequestForOthersUpdatesWhatIsKnown) {
  Inject({kArpRequest, kStranger, Addr("10.0.1.7"), {}, Addr("10.0.1.2")});
  ASSERT_NE(Entry(b_, "10.0.1.7"), nullptr);
  constexpr ether_addr kMoved = {{0x02, 8, 8, 8, 8, 8}};
  Inject({kArpReply, kMoved, Addr("10.0.1.7"), kStranger, Addr("10.0.1.99")});
  EXPECT_EQ(Entry(b_, "10.0.1.7")->link, kMoved);
}

TEST_F(ArpTest, ProbeWithoutAnAddressIsAnsweredAndNotRemembered) {
  Inject({kArpRequest, kStranger, {}, {}, Addr("10.0.1.2")});
  EXPECT_EQ(Frames(), Words{"10.0.1.2 is"});
  EXPECT_EQ(Entry(b_, "0.0.0.0"), nullptr);
}

TEST_F(ArpTest, MalformedPacketsAreDropped) {
  const ArpPacket good = {kArpRequest, kStranger, Addr("10.0.1.7"), {}, Addr("10.0.1.2")};
  Inject(good, kArpPacket - 1);
  ArpPacket bad = good;
  bad.operation = 3;
  Inject(bad);
  bad = good;
  bad.sender_link = kEtherBroadcast;
  Inject(bad);
  bad = good;
  bad.sender = Addr("10.0.1.255");
  Inject(bad);
  ExpectDrops(b_, ips_badarp, 4);
  EXPECT_EQ(Frames(), Words{});
}

// --- Rule 5: whose address it is. ---

TEST_F(ArpTest, NewAddressIsAnnounced) {
  AddAddress(a(), "10.0.1.50", 24);
  EXPECT_EQ(Frames(), Words{"who 10.0.1.50?"});
}

TEST_F(ArpTest, OwnerAnswersWhenItsAddressIsClaimed) {
  Inject({kArpRequest, kStranger, Addr("10.0.1.2"), {}, Addr("10.0.1.2")});
  EXPECT_EQ(Frames(), Words{"10.0.1.2 is all"});
  EXPECT_EQ(RecordsOf(InetRecord::kArpConflict).size(), 1u);
  Inject({kArpReply, kStranger, Addr("10.0.1.2"), kStranger, Addr("10.0.1.1")});
  EXPECT_EQ(Frames(), Words{}) << "an answer is not answered: two owners would never end";
  EXPECT_EQ(ipstat_get(b_, ips_arpconflict), 2u);
}

TEST_F(ArpTest, TwoOwnersOfOneAddressNoticeAndComeToRest) {
  AddAddress(a(), "10.0.1.77", 24);
  Run();
  AddAddress(b(), "10.0.1.77", 24);
  Run();
  EXPECT_EQ(ipstat_get(a_, ips_arpconflict), 1u);
  EXPECT_EQ(ipstat_get(b_, ips_arpconflict), 1u);
}

TEST_F(ArpTest, PermanentEntryIsNeverOverwritten) {
  {
    HostScope scope(b_);
    arp_table().Set(b(), Addr("10.0.1.7"), kStranger);
  }
  constexpr ether_addr kLiar = {{0x02, 6, 6, 6, 6, 6}};
  Inject({kArpRequest, kLiar, Addr("10.0.1.7"), {}, Addr("10.0.1.2")});
  EXPECT_EQ(Entry(b_, "10.0.1.7")->link, kStranger);
  Wait(5000 * kSecond);
  HostScope scope(b_);
  EXPECT_NE(Entry(b_, "10.0.1.7"), nullptr) << "nor does it age";
  EXPECT_EQ(arp_table().Delete(b(), Addr("10.0.1.7")), 0);
  EXPECT_EQ(arp_table().Delete(b(), Addr("10.0.1.7")), ESRCH);
}

// --- Age. ---

TEST_F(ArpTest, UsedEntryIsRefreshedByUnicastInTheLastEighthOfItsLife) {
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  Run();
  Frames();
  Wait(1049 * kSecond);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(Frames(), Words{"ip"});
  Wait(2 * kSecond);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(Frames(), (Words{"who 10.0.1.2? unicast", "ip", "ip"})) << "once in 30 seconds";
  Run();
  Frames();
  Wait(500 * kSecond);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(Frames(), Words{"ip"}) << "the answer has renewed it";
}

TEST_F(ArpTest, UnusedEntryEndsWithItsLife) {
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  Run();
  Frames();
  Wait(1200 * kSecond);
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(Frames(), Words{"who 10.0.1.2?"});
  Run();
  EXPECT_EQ(Packets(b_).size(), 2u);
}

// --- Rule 6: who needs none. ---

TEST_F(ArpTest, BroadcastsAndLoopbackAskNobody) {
  EXPECT_EQ(Output(a_, {.dst = Addr("10.0.1.255"), .payload = "all"}, IP_ALLOWBROADCAST), 0);
  EXPECT_EQ(SendTo("127.0.0.1"), 0);
  EXPECT_EQ(SendTo("10.0.1.1"), 0);
  Run();
  EXPECT_EQ(Frames(), Words{"ip"});
  EXPECT_EQ(Packets(b_).size(), 1u);
  EXPECT_EQ(Packets(a_).size(), 3u) << "its own broadcast, and what it sent to itself";
}

TEST_F(ArpTest, InterfaceWithoutArpReachesPermanentNeighboursOnly) {
  a()->if_flags |= IFF_NOARP;
  EXPECT_EQ(SendTo("10.0.1.2"), EINVAL);
  EXPECT_EQ(Frames(), Words{});
  {
    HostScope scope(a_);
    arp_table().Set(a(), Addr("10.0.1.2"), b()->if_lladdr);
  }
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  EXPECT_EQ(Frames(), Words{"ip"});
}

TEST_F(ArpTest, InterfaceThatGoesDownForgetsItsNeighbours) {
  EXPECT_EQ(SendTo("10.0.1.2"), 0);
  Run();
  EXPECT_EQ(SendTo("10.0.1.9"), 0);
  link_.SetConnected(false);
  EXPECT_EQ(Entry(a_, "10.0.1.2"), nullptr);
  EXPECT_EQ(Queued(), 0);
  ExpectDrops(a_, ips_arpdropped, 1);
}

TEST_F(ArpTest, QueueLengthIsToBeReadOnly) {
  EXPECT_EQ(a_.sysctls.Set("net.inet.ip.arpqueued", 3), EPERM);
}

}  // namespace
}  // namespace sockbed
