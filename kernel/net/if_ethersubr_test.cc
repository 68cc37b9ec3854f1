// Ethernet: spec inet.md 16.2. What asks neighbours for their addresses is not here: the test's
// family answers at once.
#include <errno.h>

#include "kernel/net/if_ether.h"
#include "kernel/net/link_test_hosts.h"

namespace sockbed {
namespace {

// What is on the wire, as bytes.
class FrameTap : public PacketTap {
 public:
  void OnPacket(const TappedPacket& tapped) override {
    if (tapped.fate == PacketFate::kDelivered) return;
    frames.emplace_back(static_cast<size_t>(tapped.packet->m_pkthdr.len), '\0');
    m_copydata(tapped.packet, 0, tapped.packet->m_pkthdr.len, frames.back().data());
    families.push_back(tapped.family);
  }
  std::vector<std::string> frames;
  std::vector<int> families;
};

class EtherTest : public LinkTestHosts {
 protected:
  EtherTest() { Start({.ethernet = true}); }
  ~EtherTest() override { link().RemoveTap(&tap_); }

  void Start(const LinkOptions& options) {
    Join(options);
    link().AddTap(&tap_);
  }
  ifnet* a() { return link().interface(0); }
  ifnet* b() { return link().interface(1); }
  // A frame from a to that address.
  int SendFrame(const ether_addr& to, uint16_t type, const std::string& bytes) {
    HostScope scope(host(0));
    return ether_send(a(), m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr), to,
                      type);
  }
  // Those bytes arrive at b as a frame.
  void Inject(const std::string& frame) {
    HostScope scope(host(1));
    ether_input(b(), m_devget(frame.data(), static_cast<int>(frame.size()), 0));
  }

  FrameTap tap_;
};

const std::string kData(100, 'x');
constexpr ether_addr kStranger = {{0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee}};
constexpr ether_addr kGroup = {{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};

TEST_F(EtherTest, InterfacesAreBroadcastAndHaveAddresses) {
  EXPECT_EQ(a()->if_flags, IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST);
  EXPECT_EQ(a()->if_capabilities, 0) << "no offload: all checksums are computed";
  EXPECT_EQ(ether_sprintf(a()->if_lladdr), "02:00:00:00:01:01");
  EXPECT_EQ(ether_sprintf(b()->if_lladdr), "02:00:00:00:01:02");
  EXPECT_EQ(a()->if_mtu, 1500u);
}

TEST_F(EtherTest, FrameHasAddressesAndType) {
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeIpv4, kData), 0);
  ASSERT_EQ(tap_.frames.size(), 1u);
  const std::string& frame = tap_.frames[0];
  EXPECT_EQ(frame.size(), 114u);
  EXPECT_EQ(frame.substr(0, 14), std::string("\x02\0\0\0\1\2\x02\0\0\0\1\1\x08\0", 14));
  EXPECT_EQ(tap_.families[0], kFamilyArp) << "not the family of what it carries";
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1u);
  EXPECT_EQ(Arrivals(1)[0].bytes, kData);
  EXPECT_EQ(b()->if_counters.ifi_ibytes, 100u);
  EXPECT_EQ(a()->if_counters.ifi_obytes, 114u);
}

TEST_F(EtherTest, ShortFramesArePaddedWithZeros) {
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeIpv4, "abc"), 0);
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeIpv4, std::string(46, 'y')), 0);
  Run();
  EXPECT_EQ(tap_.frames[0].size(), 60u);
  EXPECT_EQ(tap_.frames[0].substr(14), "abc" + std::string(43, '\0'));
  EXPECT_EQ(tap_.frames[1].size(), 60u);
  EXPECT_EQ(Arrivals(1)[0].bytes.size(), 46u) << "IP trims it by its own length";
}

TEST_F(EtherTest, FramesForOthersAreDroppedUnlessPromiscuous) {
  EXPECT_EQ(SendFrame(kStranger, kEtherTypeIpv4, kData), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 0u);
  EXPECT_EQ(b()->if_counters.ifi_notours, 1u);
  EXPECT_EQ(Drops(NetDrop::kNotForUs), 1);
  b()->if_flags |= IFF_PROMISC;
  EXPECT_EQ(SendFrame(kStranger, kEtherTypeIpv4, kData), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 1u);
}

TEST_F(EtherTest, GroupsAreHeardByThoseWhoListen) {
  EXPECT_EQ(SendFrame(kGroup, kEtherTypeIpv4, kData), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 0u);
  ether_addmulti(b(), kGroup);
  ether_addmulti(b(), kGroup);
  ether_delmulti(b(), kGroup);
  EXPECT_EQ(SendFrame(kGroup, kEtherTypeIpv4, kData), 0);
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1u) << "once more joined than left";
  EXPECT_EQ(Arrivals(1)[0].mbuf_flags & (M_BCAST | M_MCAST), M_MCAST);
  EXPECT_EQ(b()->if_counters.ifi_imcasts, 1u);
  EXPECT_EQ(a()->if_counters.ifi_omcasts, 2u);
  ether_delmulti(b(), kGroup);
  EXPECT_EQ(SendFrame(kGroup, kEtherTypeIpv4, kData), 0);
  Run();
  EXPECT_EQ(Arrivals(1).size(), 1u);
}

TEST_F(EtherTest, GroupsHaveLinkAddressesOfTheirOwn) {
  EXPECT_EQ(ether_sprintf(ether_multicast4(0xe0810203)), "01:00:5e:01:02:03");
  const uint8_t all_nodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(ether_sprintf(ether_multicast6(all_nodes)), "33:33:00:00:00:01");
}

TEST_F(EtherTest, OwnFramesAndRuntsAreDropped) {
  std::string own(60, '\0');
  EtherHeader{kEtherBroadcast, b()->if_lladdr, kEtherTypeIpv4}.Write(own.data(), own.size());
  Inject(own);
  EXPECT_EQ(Drops(NetDrop::kOwnFrame), 1);
  Inject(std::string(13, 'x'));
  EXPECT_EQ(Drops(NetDrop::kRunt), 1);
  EXPECT_EQ(b()->if_counters.ifi_ierrors, 1u);
  EXPECT_EQ(Arrivals(1).size(), 0u);
}

TEST_F(EtherTest, UnknownTypeHasNoProtocol) {
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeVlan, kData), 0);
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeIpv6, kData), 0);  // nobody registered it here
  Run();
  EXPECT_EQ(b()->if_counters.ifi_noproto, 2u);
  EXPECT_EQ(Drops(NetDrop::kNoFamily), 2);
}

TEST_F(EtherTest, OutputAsksTheFamilyForTheAddress) {
  inbox(0).neighbour = b()->if_lladdr;
  EXPECT_EQ(Send("to a neighbour"), 0);
  inbox(0).resolved = EAGAIN;
  EXPECT_EQ(Send("held"), 0) << "the family has it";
  inbox(0).resolved = EHOSTDOWN;
  EXPECT_EQ(Send("lost"), EHOSTDOWN);
  Run();
  ASSERT_EQ(Arrivals(1).size(), 1u);
  EXPECT_EQ(Arrivals(1)[0].bytes.substr(0, 14), "to a neighbour");
}

TEST_F(EtherTest, BroadcastComesBackToItsSender) {
  {
    HostScope scope(host(0));
    MbufPtr m = m_devget("all", 3, max_linkhdr);
    m->m_flags |= M_BCAST;
    const sockaddr dst = {.sa_family = AF_INET, .sa_data = {}};
    EXPECT_EQ(if_output(a(), std::move(m), &dst), 0);
  }
  Run();
  ASSERT_EQ(Arrivals(0).size(), 1u);
  EXPECT_EQ(Arrivals(0)[0].bytes, "all");
  EXPECT_EQ(Arrivals(0)[0].ifidx, a()->if_index) << "as if it had come from the wire";
  EXPECT_EQ(Arrivals(0)[0].mbuf_flags & M_BCAST, M_BCAST);
  ASSERT_EQ(Arrivals(1).size(), 1u);
  EXPECT_EQ(Arrivals(1)[0].mbuf_flags & M_BCAST, M_BCAST);
}

TEST_F(EtherTest, ChecksumsLeftToTheInterfaceAreComputedBeforeTheFrameIsMade) {
  inbox(0).neighbour = b()->if_lladdr;
  EXPECT_EQ(Send("pending", 0, M_IPV4_CSUM_OUT | M_UDP_CSUM_OUT), 0);
  EXPECT_EQ(inbox(0).finished, 1);
  Run();
  EXPECT_EQ(Arrivals(1)[0].csum_flags & (M_IPV4_CSUM_IN_OK | M_UDP_CSUM_IN_OK), 0)
      << "nobody vouches for them: the receiver verifies";
}

TEST_F(EtherTest, FrameThatFindsNoMemoryIsCounted) {
  fault::Plan plan({{.site = Site::kMbufGet, .only_ordinal = 2},
                    {.site = Site::kMbufGet, .only_ordinal = 4}});
  Boot({.seed = 1, .fault_plan = &plan});
  Start({.ethernet = true});
  HostScope scope(host(0));
  for (const bool has_room : {false, true}) {
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    if (has_room) m->m_data += max_linkhdr;  // then it is the zeros behind it that find none
    m->m_len = m->m_pkthdr.len = 5;
    EXPECT_EQ(ether_send(a(), std::move(m), b()->if_lladdr, kEtherTypeIpv4), ENOBUFS);
  }
  EXPECT_EQ(a()->if_counters.ifi_oerrors, 2u);
  EXPECT_EQ(Drops(NetDrop::kMemory), 2);
}

TEST_F(EtherTest, DownInterfaceSendsNothing) {
  link().SetConnected(false);
  EXPECT_EQ(SendFrame(b()->if_lladdr, kEtherTypeIpv4, kData), ENETDOWN);
  EXPECT_EQ(Drops(NetDrop::kDown), 1);
}

}  // namespace
}  // namespace sockbed
