// Neighbour discovery: spec inet.md 15.2. Host a is 2001:db8:1::1, host b 2001:db8:1::2, on one
// Ethernet link; duplicate detection is over.
#include "kernel/inet/nd6.h"

#include <errno.h>

#include <utility>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/nd6_wire.h"

namespace sockbed {
namespace {

using State = llinfo_nd6::State;
using Words = std::vector<std::string>;

// The frames of a link as one word each: "ns 2001:db8:1::2" (to its group), "... unicast", "dad",
// "na 2001:db8:1::2 SO" (its flags), "ip".
class Nd6Tap : public PacketTap {
 public:
  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    const std::string bytes = BytesOf(tapped.packet).substr(kEtherHeader);
    if (static_cast<uint8_t>(bytes[0]) >> 4 != 6) return;  // ARP's announcements
    const Packet6 packet =
        Packet6::Of(bytes.substr(0, kIpv6Header + bytes[4] * 256 + static_cast<uint8_t>(bytes[5])));
    const auto* p = reinterpret_cast<const uint8_t*>(packet.payload.data());
    if (packet.next != IPPROTO_ICMPV6 || p[0] < ND_ROUTER_SOLICIT) {
      frames.push_back("ip");
      return;
    }
    EXPECT_EQ(packet.hops, 255);
    source = in6_text(packet.src);
    frames.push_back(p[0] == ND_ROUTER_SOLICIT ? "rs" : Describe(packet, p));
  }
  std::vector<std::string> frames;
  std::string source;  // of the message seen last

 private:
  static std::string Describe(const Packet6& packet, const uint8_t* p) {
    const std::string target = in6_text(LoadAddress6(p + kNdTargetAt));
    if (p[0] == ND_NEIGHBOR_SOLICIT) {
      if (in6_isany(packet.src)) return "dad " + target;
      return "ns " + target + (in6_ismulticast(packet.dst) ? "" : " unicast");
    }
    std::string text = "na " + target + " ";
    const uint32_t flags = LoadBe32(p + 4);
    if ((flags & ND_NA_FLAG_ROUTER) != 0) text += "R";
    if ((flags & ND_NA_FLAG_SOLICITED) != 0) text += "S";
    if ((flags & ND_NA_FLAG_OVERRIDE) != 0) text += "O";
    return text;
  }
};

constexpr ether_addr kStranger = {{0x02, 9, 9, 9, 9, 9}};
constexpr ether_addr kMoved = {{0x02, 8, 8, 8, 8, 8}};

class Nd6Test : public Inet6TestNet {
 protected:
  Nd6Test() : a_(AddHost6("a")), b_(AddHost6("b")), link_(Join6(a_, b_, {.ethernet = true})) {
    Run();
    link_.AddTap(&tap_);
  }
  ~Nd6Test() override { link_.RemoveTap(&tap_); }

  ifnet* a() { return link_.interface(0); }
  ifnet* b() { return link_.interface(1); }
  int SendTo(const char* to, const std::string& payload = "x") {
    return Output6(a_, {.dst = Addr6(to), .payload = payload});
  }
  const llinfo_nd6* Entry(HostBase& host, const char* addr) {
    HostScope scope(host);
    return nd6_table().Find(if_byname(host, "link1"), Addr6(addr));
  }
  State StateOf(const char* addr) {
    const llinfo_nd6* ln = Entry(a_, addr);
    EXPECT_NE(ln, nullptr) << addr;
    return ln != nullptr ? ln->state : State::kIncomplete;
  }
  Words Frames() { return std::exchange(tap_.frames, {}); }
  int64_t Held() { return nd6_of(a_).held_total; }
  Nd6Table& nd6_of(HostBase& host) {
    HostScope scope(host);
    return nd6_table();
  }
  in6_ifaddr* AddressOf(HostBase& host, const char* addr) {
    HostScope scope(host);
    return in6_ifawithaddr(Addr6(addr));
  }
  // A message with its checksum.
  static Packet6 Sealed(const char* src, const char* dst, std::string message, uint8_t hops = 255) {
    Packet6 packet = {.src = Addr6(src),
                      .dst = Addr6(dst),
                      .payload = std::move(message),
                      .next = IPPROTO_ICMPV6,
                      .hops = hops};
    const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6,
                                        static_cast<int>(packet.payload.size()));
    StoreBe16(reinterpret_cast<uint8_t*>(packet.payload.data()) + 2,
              in_cksum_finish(in_cksum_add(sum, packet.payload.data(), packet.payload.size())));
    return packet;
  }
  // It arrives at host a.
  void Inject(const char* src, const char* dst, std::string message, uint8_t hops = 255) {
    Inject6(a(), Sealed(src, dst, std::move(message), hops).Bytes());
  }
  // A fragment of it does: `size` bytes from `offset` on.
  void InjectFragment(Packet6 whole, int offset, size_t size) {
    const size_t end = static_cast<size_t>(offset) + size;
    std::string header(kIp6FragmentHeader, '\0');
    Ip6Fragment{whole.next, offset, end < whole.payload.size(), 7}.Write(header.data(),
                                                                         header.size());
    whole.payload = header + whole.payload.substr(static_cast<size_t>(offset), size);
    whole.next = IPPROTO_FRAGMENT;
    Inject6(a(), whole.Bytes());
  }
  static std::string Message(uint8_t type, uint32_t flags, const char* target) {
    std::string bytes(kNdNeighbour, '\0');
    auto* p = reinterpret_cast<uint8_t*>(bytes.data());
    p[0] = type;
    StoreBe32(p + 4, flags);
    StoreAddress6(p + kNdTargetAt, Addr6(target));
    return bytes;
  }
  static std::string LinkOption(uint8_t type, const ether_addr& link) {
    std::string bytes(kNdLinkOption, '\0');
    NdWriteLinkAddress(reinterpret_cast<uint8_t*>(bytes.data()), type, link);
    return bytes;
  }
  void Advertise(const char* target, uint32_t flags, const ether_addr* link) {
    std::string message = Message(ND_NEIGHBOR_ADVERT, flags, target);
    if (link != nullptr) message += LinkOption(ND_OPT_TARGET_LINKADDR, *link);
    const bool solicited = (flags & ND_NA_FLAG_SOLICITED) != 0;
    Inject("fe80::9", solicited ? "2001:db8:1::1" : "ff02::1", message);
  }
  // Makes b a neighbour known to be reachable.
  void MeetB() {
    EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
    RunFor(kMillisecond);
    EXPECT_EQ(StateOf("2001:db8:1::2"), State::kReachable);
    Frames();
  }
  // The reachable time, 15 to 45 s, is over.
  void Age() {
    Wait(46 * kSecond);
    Frames();
  }

  Nd6Tap tap_;
  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

// --- Asking. ---

TEST_F(Nd6Test, FirstPacketIsHeldUntilItsNeighbourAnswers) {
  EXPECT_EQ(SendTo("2001:db8:1::2", "first"), 0);
  EXPECT_EQ(Held(), 1);
  EXPECT_EQ(Packets6(b_).size(), 0u);
  RunFor(0);
  EXPECT_EQ(Frames(), (Words{"ns 2001:db8:1::2", "na 2001:db8:1::2 SO", "ip"}));
  ASSERT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(Packets6(b_)[0].payload, "first");
  EXPECT_EQ(Held(), 0);
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kReachable);
  EXPECT_EQ(SendTo("2001:db8:1::2", "second"), 0);
  RunFor(0);
  EXPECT_EQ(Frames(), Words{"ip"});
  // Who asked is known to the other, and was sent to without being known to be there: so it is
  // probed, once nothing has shown that it is.
  ASSERT_NE(Entry(b_, "2001:db8:1::1"), nullptr);
  EXPECT_EQ(Entry(b_, "2001:db8:1::1")->state, State::kDelay);
  const SimTime then = Now();
  Run();
  EXPECT_EQ(Frames(), (Words{"ns 2001:db8:1::1 unicast", "na 2001:db8:1::1 SO"}));
  EXPECT_EQ(Now() - then, 5 * kSecond) << "and no other timer is left";
}

TEST_F(Nd6Test, HeldPacketsGoOutInOrderTheOldestDroppedBeyondTen) {
  for (int i = 0; i < 12; ++i) EXPECT_EQ(SendTo("2001:db8:1::2", std::to_string(i)), 0);
  EXPECT_EQ(Held(), 10);
  ExpectDrops6(a_, ip6s_nddropped, 2);
  Run();
  ASSERT_EQ(Packets6(b_).size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Packets6(b_)[i].payload, std::to_string(i + 2));
}

TEST_F(Nd6Test, HeldPacketThatTheInterfaceRefusesCountsThereAlone) {
  link_.set_options(0, {.rate_bps = 8000, .queue_len = 0, .ethernet = true});
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  RunFor(kSecond);
  EXPECT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(a()->if_counters.ifi_oqdrops, 1u);
  ExpectDrops6(a_, ip6s_odropped, 0);
}

TEST_F(Nd6Test, HundredPacketsAreHeldInAll) {
  for (int host = 10; host < 22; ++host) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(SendTo(("2001:db8:1::" + std::to_string(host)).c_str()), 0);
    }
  }
  EXPECT_EQ(Held(), 100);
  ExpectDrops6(a_, ip6s_nddropped, 20);
}

TEST_F(Nd6Test, ThreeUnansweredSolicitationsEndInAnErrorForEachPacket) {
  EXPECT_EQ(SendTo("2001:db8:1::9", "the first one"), 0);
  EXPECT_EQ(SendTo("2001:db8:1::9", "and another"), 0);
  const SimTime asked = Now();
  Run();
  EXPECT_EQ(Now() - asked, 3 * kSecond);
  EXPECT_EQ(Frames(), (Words(3, "ns 2001:db8:1::9")));
  ExpectDrops6(a_, ip6s_nddropped, 2);
  ASSERT_EQ(Errors6(a_).size(), 2u);
  EXPECT_EQ(Errors6(a_)[0].error, EHOSTDOWN);
  EXPECT_EQ(Errors6(a_)[0].code, ICMP6_DST_UNREACH_ADDR);
  EXPECT_EQ(Entry(a_, "2001:db8:1::9"), nullptr);
  EXPECT_EQ(RecordsOf(InetRecord::kNd6Down).size(), 1u);
  EXPECT_EQ(SendTo("2001:db8:1::9"), 0) << "and it is asked again";
  EXPECT_EQ(Frames(), Words{"ns 2001:db8:1::9"});
}

TEST_F(Nd6Test, LinkLocalNeighboursAreFoundLikeOthers) {
  EXPECT_EQ(SendTo("fe80::ff:fe00:102%2"), 0);
  RunFor(0);
  EXPECT_EQ(Frames(), (Words{"ns fe80::ff:fe00:102", "na fe80::ff:fe00:102 SO", "ip"}));
  EXPECT_EQ(Packets6(b_).size(), 1u);
}

TEST_F(Nd6Test, GroupsNeedNoNeighbour) {
  EXPECT_EQ(SendTo("ff02::1%2"), 0);
  Run();
  EXPECT_EQ(Frames(), Words{"ip"});
  EXPECT_EQ(Packets6(b_).size(), 1u);
  EXPECT_EQ(Packets6(a_).size(), 1u) << "this host is one of all nodes";
}

// --- Doubting: 7.3.2. ---

TEST_F(Nd6Test, ReachableNeighbourGrowsStaleAndIsProbedWhenUsed) {
  MeetB();
  Age();
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kDelay);
  EXPECT_EQ(Frames(), Words{"ip"}) << "meanwhile it is believed in";
  Wait(5 * kSecond - kTickNs);
  EXPECT_EQ(Frames(), Words{});
  Wait(kTickNs);
  EXPECT_EQ(Frames(), (Words{"ns 2001:db8:1::2 unicast", "na 2001:db8:1::2 SO"}));
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kReachable);
}

// Packets to him bear a fragment header (a router that translates has told of 1272 bytes); a probe
// with one would be ignored (RFC 6980).
TEST_F(Nd6Test, ProbesBearNoFragmentHeader) {
  MeetB();
  {
    const HostScope scope(a_);
    rtentry* rt = rt_clone(AF_INET6, Addr6("2001:db8:1::2"));
    rt_lower_mtu(rt, 1272);
    rt_expire_after(rt, 600);
  }
  Age();
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  Wait(5 * kSecond);
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kReachable);
  EXPECT_EQ(ip6stat_get(a_, ip6s_ofragments), 1u);
}

TEST_F(Nd6Test, NeighbourThatAnswersNoProbeIsForgotten) {
  MeetB();
  Age();
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  b()->if_flags &= ~IFF_UP;
  Wait(8 * kSecond - kTickNs);
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kProbe);
  Wait(kTickNs);
  EXPECT_EQ(Entry(a_, "2001:db8:1::2"), nullptr);
  Words asked = {"ip"};
  asked.insert(asked.end(), 3, "ns 2001:db8:1::2 unicast");
  EXPECT_EQ(Frames(), asked);
}

TEST_F(Nd6Test, ReachableTimeIsDrawnBetweenHalfAndThreeHalves) {
  MeetB();
  HostScope scope(a_);
  const SimTime time = nd6_reachable_time(a());
  EXPECT_GE(time, 15 * kSecond);
  EXPECT_LT(time, 45 * kSecond);
  EXPECT_EQ(nd6_reachable_time(a()), time);
  Wait(7200 * kSecond);
  EXPECT_NE(nd6_reachable_time(a()), time) << "drawn anew now and then";
}

TEST_F(Nd6Test, ProgressOfATransportConfirmsTheNeighbour) {
  MeetB();
  Age();
  EXPECT_EQ(SendTo("2001:db8:1::2"), 0);
  {
    HostScope scope(a_);
    nd6_confirm(rt_match(Addr6("2001:db8:1::2")), Addr6("2001:db8:1::2"));
  }
  EXPECT_EQ(StateOf("2001:db8:1::2"), State::kReachable);
  Frames();
  Run();
  EXPECT_EQ(Frames(), Words{}) << "no probe";
}

TEST_F(Nd6Test, UnusedNeighbourIsForgottenAfterADay) {
  MeetB();
  Wait(86'410 * kSecond);  // its own probe of us comes after 5 s, and is answered
  EXPECT_EQ(SendTo("2001:db8:1::9"), 0);
  EXPECT_EQ(Entry(a_, "2001:db8:1::2"), nullptr);
}

TEST_F(Nd6Test, TableMakesRoomByForgettingTheLongestUnused) {
  Set(a_, "net.inet6.ip6.neighborgcthresh", 3);
  MeetB();
  Wait(kSecond);
  for (const char* other : {"2001:db8:1::11", "2001:db8:1::12", "2001:db8:1::13"}) {
    EXPECT_EQ(SendTo(other), 0);
  }
  EXPECT_EQ(Entry(a_, "2001:db8:1::2"), nullptr);
  EXPECT_NE(Entry(a_, "2001:db8:1::13"), nullptr);
}

TEST_F(Nd6Test, InterfaceThatGoesDownForgetsItsNeighbours) {
  MeetB();
  EXPECT_EQ(SendTo("2001:db8:1::9"), 0);
  link_.SetConnected(false);
  EXPECT_EQ(Entry(a_, "2001:db8:1::2"), nullptr);
  EXPECT_EQ(Held(), 0);
  ExpectDrops6(a_, ip6s_nddropped, 1);
}

// --- Advertisements: 7.2.5, every combination that matters. ---

TEST_F(Nd6Test, AdvertisementNobodyAskedForMakesNoEntry) {
  Advertise("2001:db8:1::9", ND_NA_FLAG_SOLICITED, &kStranger);
  EXPECT_EQ(Entry(a_, "2001:db8:1::9"), nullptr);
}

TEST_F(Nd6Test, AdvertisementFollowsItsFlags) {
  struct Row {
    const char* name;
    uint32_t flags;
    const ether_addr* link;
    State state;
    bool moved;
  };
  constexpr uint32_t kS = ND_NA_FLAG_SOLICITED, kO = ND_NA_FLAG_OVERRIDE;
  const Row rows[] = {
      {"other link, no override", 0, &kMoved, State::kStale, false},
      {"other link, solicited, no override", kS, &kMoved, State::kStale, false},
      {"other link, override", kO, &kMoved, State::kStale, true},
      {"other link, override, solicited", kO | kS, &kMoved, State::kReachable, true},
      {"same link", 0, &kStranger, State::kReachable, false},
      {"same link, override", kO, &kStranger, State::kReachable, false},
      {"no link", 0, nullptr, State::kReachable, false},
      {"no link, solicited", kS, nullptr, State::kReachable, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    nd6_of(a_).Flush(nullptr);
    EXPECT_EQ(SendTo("2001:db8:1::9"), 0);
    Advertise("2001:db8:1::9", kS, &kStranger);
    EXPECT_EQ(StateOf("2001:db8:1::9"), State::kReachable);
    Advertise("2001:db8:1::9", row.flags, row.link);
    EXPECT_EQ(StateOf("2001:db8:1::9"), row.state);
    EXPECT_EQ(Entry(a_, "2001:db8:1::9")->link, row.moved ? kMoved : kStranger);
  }
}

TEST_F(Nd6Test, UnsolicitedAnswerToAQuestionIsBelievedButStale) {
  EXPECT_EQ(SendTo("2001:db8:1::9"), 0);
  Advertise("2001:db8:1::9", ND_NA_FLAG_OVERRIDE, nullptr);
  EXPECT_EQ(StateOf("2001:db8:1::9"), State::kIncomplete) << "it says nothing";
  Advertise("2001:db8:1::9", ND_NA_FLAG_OVERRIDE, &kStranger);
  EXPECT_EQ(StateOf("2001:db8:1::9"), State::kStale);
  EXPECT_EQ(Held(), 0);
}

TEST_F(Nd6Test, PermanentEntryIsNeverOverwritten) {
  {
    HostScope scope(a_);
    nd6_table().Set(a(), Addr6("2001:db8:1::9"), kStranger);
  }
  Advertise("2001:db8:1::9", ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE, &kMoved);
  EXPECT_EQ(Entry(a_, "2001:db8:1::9")->link, kStranger);
  HostScope scope(a_);
  EXPECT_EQ(nd6_table().Delete(a(), Addr6("2001:db8:1::9")), 0);
  EXPECT_EQ(nd6_table().Delete(a(), Addr6("2001:db8:1::9")), ESRCH);
}

// --- Answering, and what is malformed: 7.1. ---

TEST_F(Nd6Test, SolicitationOfAnotherLinkAddressMakesTheNeighbourStale) {
  EXPECT_EQ(SendTo("2001:db8:1::9"), 0);
  Advertise("2001:db8:1::9", ND_NA_FLAG_SOLICITED, &kStranger);
  Inject("2001:db8:1::9", "2001:db8:1::1",
         Message(ND_NEIGHBOR_SOLICIT, 0, "2001:db8:1::1") +
             LinkOption(ND_OPT_SOURCE_LINKADDR, kMoved));
  EXPECT_EQ(StateOf("2001:db8:1::9"), State::kDelay) << "STALE, and answered";
  EXPECT_EQ(Entry(a_, "2001:db8:1::9")->link, kMoved);
  Frames();
}

TEST_F(Nd6Test, RouterSaysSoInItsAnswers) {
  Set(a_, "net.inet6.ip6.forwarding", 1);
  Inject("2001:db8:1::9", "ff02::1:ff00:1",
         Message(ND_NEIGHBOR_SOLICIT, 0, "2001:db8:1::1") +
             LinkOption(ND_OPT_SOURCE_LINKADDR, kStranger));
  EXPECT_EQ(Frames(), Words{"na 2001:db8:1::1 RSO"});
}

TEST_F(Nd6Test, MessagesAgainstTheRulesAreDropped) {
  const std::string ns = Message(ND_NEIGHBOR_SOLICIT, 0, "2001:db8:1::1");
  const std::string link = LinkOption(ND_OPT_SOURCE_LINKADDR, kStranger);
  Inject("2001:db8:1::9", "2001:db8:1::1", ns + link, 254);  // it has come over a router
  std::string bad = ns;
  bad[1] = 1;  // code
  Inject("2001:db8:1::9", "2001:db8:1::1", bad);
  Inject("2001:db8:1::9", "2001:db8:1::1", ns.substr(0, 20));
  Inject("2001:db8:1::9", "2001:db8:1::1", Message(ND_NEIGHBOR_SOLICIT, 0, "ff02::1"));
  Inject("2001:db8:1::9", "2001:db8:1::1", ns + std::string(8, '\0'));  // an option of no length
  Inject("2001:db8:1::9", "2001:db8:1::1", ns + link.substr(0, 4));
  Inject("::", "ff02::1:ff00:1", ns + link);  // from nowhere, with a link address
  Inject("::", "2001:db8:1::1", ns);          // from nowhere, to somebody
  Inject("2001:db8:1::9", "ff02::1",
         Message(ND_NEIGHBOR_ADVERT, ND_NA_FLAG_SOLICITED, "2001:db8:1::9"));
  EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), 9u);
  EXPECT_EQ(Frames(), Words{});
  EXPECT_EQ(Entry(a_, "2001:db8:1::9"), nullptr);
}

// RFC 6980 5.
TEST_F(Nd6Test, MessagesInFragmentsAreIgnored) {
  for (uint8_t type = ND_ROUTER_SOLICIT; type <= ND_REDIRECT; ++type) {
    const Packet6 whole =
        Sealed("2001:db8:1::9", "2001:db8:1::1",
               Message(type, 0, "2001:db8:1::1") + LinkOption(ND_OPT_SOURCE_LINKADDR, kStranger));
    const uint64_t dropped = icmp6stat_get(a_, icp6s_badnd);
    InjectFragment(whole, 0, 32);  // all of it
    EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), dropped + 1) << int{type};
    InjectFragment(whole, 0, 24);
    InjectFragment(whole, 24, 8);
    EXPECT_EQ(icmp6stat_get(a_, icp6s_badnd), dropped + 2) << int{type};
  }
  EXPECT_EQ(icmp6stat_get(a_, icp6s_received), 0u);
  EXPECT_EQ(Frames(), Words{});
  EXPECT_EQ(Entry(a_, "2001:db8:1::9"), nullptr);
}

TEST_F(Nd6Test, AnycastAddressIsAnsweredForByAnyThatMaySpeak) {
  constexpr char kLinkLocal[] = "fe80::ff:fe00:101%2";
  const auto ask = [this] {
    Inject("2001:db8:1::9", "ff02::1:ff00:aa",
           Message(ND_NEIGHBOR_SOLICIT, 0, "2001:db8:1::aa") +
               LinkOption(ND_OPT_SOURCE_LINKADDR, kStranger));
  };
  HostScope scope(a_);
  EXPECT_EQ(in6_ifadd(a(), Addr6("2001:db8:1::aa"), 64, IN6_IFF_ANYCAST), 0);
  in6_ifawithaddr(Addr6(kLinkLocal))->ia6_flags |= IN6_IFF_DUPLICATED;
  ask();
  EXPECT_EQ(Frames(), Words{"na 2001:db8:1::aa S"});
  EXPECT_EQ(tap_.source, "2001:db8:1::1");
  EXPECT_EQ(in6_ifdel(a(), Addr6(kLinkLocal)), 0);
  ask();
  EXPECT_EQ(Frames(), Words{"na 2001:db8:1::aa S"});
  EXPECT_EQ(tap_.source, "2001:db8:1::1");
  EXPECT_EQ(in6_ifdel(a(), Addr6("2001:db8:1::1")), 0);
  ask();
  EXPECT_EQ(Frames(), Words{});
  ExpectDrops6(a_, ip6s_sources_none, 1);
}

TEST_F(Nd6Test, SolicitationForOthersIsNotAnswered) {
  Inject("2001:db8:1::9", "ff02::1:ff00:1", Message(ND_NEIGHBOR_SOLICIT, 0, "2001:db8:9::1"));
  EXPECT_EQ(Frames(), Words{});
  EXPECT_EQ(icmp6stat_get(a_, icp6s_ignored), 1u);
}

// --- Duplicate detection: RFC 4862 5.4. ---

TEST_F(Nd6Test, NewAddressIsTentativeForASecond) {
  AddAddress6(a(), "2001:db8:1::77", 64);
  EXPECT_EQ(Frames(), Words{"dad 2001:db8:1::77"});
  const in6_ifaddr* ia6 = AddressOf(a_, "2001:db8:1::77");
  EXPECT_NE(ia6->ia6_flags & IN6_IFF_TENTATIVE, 0);
  Wait(kSecond - 1);
  EXPECT_NE(ia6->ia6_flags & IN6_IFF_TENTATIVE, 0);
  Wait(1);
  EXPECT_EQ(ia6->ia6_flags & IN6_IFF_NOTREADY, 0);
  EXPECT_EQ(Frames(), Words{});
}

TEST_F(Nd6Test, OwnerAnswersAndTheSecondOneMayNotHaveIt) {
  AddAddress6(b(), "2001:db8:1::1", 64);
  Run();
  EXPECT_EQ(Frames(), (Words{"dad 2001:db8:1::1", "na 2001:db8:1::1 O"}));
  const in6_ifaddr* ia6 = AddressOf(b_, "2001:db8:1::1");
  EXPECT_EQ(ia6->ia6_flags & IN6_IFF_NOTREADY, IN6_IFF_DUPLICATED);
  EXPECT_EQ(AddressOf(a_, "2001:db8:1::1")->ia6_flags & IN6_IFF_NOTREADY, 0);
  EXPECT_EQ(RecordsOf(InetRecord::kDadDuplicate).size(), 1u);
  EXPECT_EQ(SendTo("2001:db8:1::2", "x"), 0);
  Run();
  EXPECT_EQ(Packets6(b_).size(), 1u) << "the first owner is not disturbed";
  EXPECT_EQ(Output6(b_, {.dst = Addr6("2001:db8:1::1"), .payload = "to the owner"}), 0);
  Run();
  EXPECT_EQ(Packets6(a_).size(), 1u);
}

TEST_F(Nd6Test, TwoThatBeginAtOnceBothGiveWay) {
  AddAddress6(a(), "2001:db8:1::77", 64);
  AddAddress6(b(), "2001:db8:1::77", 64);
  Run();
  for (HostBase* host : {&a_, &b_}) {
    EXPECT_EQ(AddressOf(*host, "2001:db8:1::77")->ia6_flags & IN6_IFF_NOTREADY, IN6_IFF_DUPLICATED);
  }
}

TEST_F(Nd6Test, NumberOfProbesIsATunableAndNoneEndsAtOnce) {
  Set(a_, "net.inet6.ip6.dad_count", 3);
  AddAddress6(a(), "2001:db8:1::77", 64);
  const SimTime begun = Now();
  Run();
  EXPECT_EQ(Frames(), Words(3, "dad 2001:db8:1::77"));
  EXPECT_EQ(Now() - begun, 3 * kSecond);
  Set(a_, "net.inet6.ip6.dad_count", 0);
  AddAddress6(a(), "2001:db8:1::78", 64);
  EXPECT_EQ(AddressOf(a_, "2001:db8:1::78")->ia6_flags & IN6_IFF_NOTREADY, 0);
}

TEST_F(Nd6Test, AddressThatGoesEndsItsDetection) {
  AddAddress6(a(), "2001:db8:1::77", 64);
  const SimTime begun = Now();
  HostScope scope(a_);
  EXPECT_EQ(in6_ifdel(a(), Addr6("2001:db8:1::77")), 0);
  Run();
  EXPECT_EQ(Now(), begun);
}

TEST_F(Nd6Test, LinkThatComesBackIsCheckedAnew) {
  link_.SetConnected(false);
  link_.SetConnected(true);
  EXPECT_EQ(Frames().size(), 4u) << "two addresses at each end";
  EXPECT_NE(AddressOf(a_, "2001:db8:1::1")->ia6_flags & IN6_IFF_TENTATIVE, 0);
  Run();
  EXPECT_EQ(AddressOf(a_, "2001:db8:1::1")->ia6_flags & IN6_IFF_NOTREADY, 0);
}

TEST_F(Nd6Test, ClaimOfAnAddressInUseChangesNothing) {
  Advertise("2001:db8:1::1", ND_NA_FLAG_OVERRIDE, &kStranger);
  EXPECT_EQ(icmp6stat_get(a_, icp6s_conflict), 1u);
  EXPECT_EQ(AddressOf(a_, "2001:db8:1::1")->ia6_flags & IN6_IFF_NOTREADY, 0);
}

}  // namespace
}  // namespace sockbed
