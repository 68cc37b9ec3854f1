// Datagrams to groups: spec inet.md 10.2 rule 4, 10.5 and 13, between two hosts.
#include "kernel/inet/in_mcast.h"
#include "kernel/udp/udp_test_net.h"

namespace sockbed {
namespace {

constexpr char kGroup[] = "239.1.2.3";

class UdpMulticastTest : public UdpTestNet {
 protected:
  UdpMulticastTest() : a_(AddHost("a")), b_(AddHost("b")) {
    Join(a_, b_, {.ethernet = true});
    Join(a_, b_, {.ethernet = true});
  }

  template <typename T>
  static int SetValue(socket* so, int optname, const T& value) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return sosetopt(so, IPPROTO_IP, optname, m.release() /*taken*/);
  }
  static int Enter(socket* so, const char* interface, const char* group = kGroup) {
    return SetValue(so, IP_ADD_MEMBERSHIP, ip_mreq{Addr(group), Addr(interface)});
  }
  // A socket of host b on port 7 that has joined the group, unless `interface` is null.
  socket* Member(const char* interface, const char* bound = "0.0.0.0") {
    socket* so = Bound(bound, 7, kSoReusePort | kSoReuseAddr);
    if (interface == nullptr) return so;
    EXPECT_EQ(Enter(so, interface), 0);
    return so;
  }
  // Host a sends to the group by its interface of that address, once all have bound.
  void SendFrom(const char* interface, const std::string& data = "all") {
    Spawn(
        a_,
        [=, this] {
          socket* so = Create();
          EXPECT_EQ(SetValue(so, IP_MULTICAST_IF, Addr(interface)), 0);
          EXPECT_EQ(SendTo(so, data, kGroup, 7), 0);
        },
        kSecond);
  }
  static std::string LocalName(const socket* so) {
    const inpcb* inp = sotoinpcb(so);
    sockaddr_in sin{};
    sin.sin_addr = inp->inp_laddr.v4();
    sin.sin_port = inp->inp_lport;
    return Endpoint(sin);
  }
  // What has come within two seconds.
  std::string Heard(socket* so) {
    Pause(2 * kSecond);
    const Datagram got = Receive(so, MSG_DONTWAIT);
    return got.error == EWOULDBLOCK ? "nothing" : got.data;
  }
  static MbufPtr PacketInfo(int ifindex) {
    in_pktinfo info{};
    info.ipi_ifindex = ifindex;
    return sbcreatecontrol(&info, sizeof info, IP_PKTINFO, IPPROTO_IP);
  }

  HostBase& a_;
  HostBase& b_;
};

TEST_F(UdpMulticastTest, EveryMemberWithThePortGetsACopy) {
  Spawn(b_, [&] {
    socket* const members[] = {Member("10.0.1.2"), Member("10.0.1.2")};
    for (socket* so : members) {
      const Datagram got = Receive(so);
      EXPECT_EQ(got.data, "all");
      EXPECT_NE(got.flags & MSG_MCAST, 0);
    }
  });
  SendFrom("10.0.1.1");
  Run();
  EXPECT_EQ(udpstat_get(a_, udps_opackets), 1u);
}

TEST_F(UdpMulticastTest, GroupBelongsToTheInterfaceItWasJoinedOn) {
  Spawn(b_, [&] { EXPECT_EQ(Heard(Member("10.0.2.2")), "nothing"); });
  SendFrom("10.0.1.1");
  Run();
}

TEST_F(UdpMulticastTest, SocketThatIsNoMemberHearsWhatOthersJoinedUnlessTheKnobForbids) {
  for (const int members_only : {0, 1}) {
    Set(b_, "net.inet.ip.mcast_members_only", members_only);
    Spawn(b_, [&] {
      socket* member = Member("10.0.1.2");
      socket* other = Member(nullptr);
      EXPECT_EQ(Heard(other), members_only != 0 ? "nothing" : "all");
      EXPECT_EQ(Heard(member), "all");
    });
    SendFrom("10.0.1.1");
    Run();
  }
}

TEST_F(UdpMulticastTest, SocketBoundToTheGroupHearsNothingElse) {
  Spawn(b_, [&] {
    socket* group = Member("10.0.1.2", kGroup);
    socket* other = Bound("10.0.1.2", 7, kSoReusePort | kSoReuseAddr);
    EXPECT_EQ(Heard(group), "all");
    EXPECT_EQ(Heard(other), "nothing");
  });
  SendFrom("10.0.1.1");
  Run();
}

TEST_F(UdpMulticastTest, SocketBoundToTheGroupStaysThereWhenItIsConnected) {
  Spawn(b_, [&] {
    socket* so = Member("10.0.1.2", kGroup);
    EXPECT_EQ(Connect(so, "10.0.1.1", 9), 0);
    EXPECT_EQ(LocalName(so), "239.1.2.3:7");
    EXPECT_EQ(Receive(so).data, "of its peer");
    EXPECT_EQ(Send(so, "thanks"), 0);
    EXPECT_EQ(SendTo(so, "again", nullptr, PacketInfo(2)), 0);
    EXPECT_EQ(LocalName(so), "239.1.2.3:7");
    EXPECT_EQ(sodisconnect(so), 0);
    EXPECT_EQ(Connect(so, "10.0.1.1", 9), 0);
    EXPECT_EQ(LocalName(so), "10.0.1.2:7") << "the group went with the peer";
  });
  Spawn(
      a_,
      [&] {
        for (const auto& [port, data] : {std::pair(8, "of another"), std::pair(9, "of its peer")}) {
          socket* so = Bound("10.0.1.1", static_cast<uint16_t>(port));
          EXPECT_EQ(SendTo(so, data, Name(kGroup, 7).get(), PacketInfo(2)), 0);
          if (port == 8) continue;
          for (const char* expected : {"thanks", "again"}) {
            const Datagram got = Receive(so);
            EXPECT_EQ(got.data, expected);
            EXPECT_EQ(got.from, "10.0.1.2:7");
          }
        }
      },
      kSecond);
  Run();
}

TEST_F(UdpMulticastTest, SocketBoundToABroadcastAddressStaysThereWhenItIsConnected) {
  Spawn(b_, [&] {
    socket* so = Bound("10.0.1.255", 7);
    EXPECT_EQ(Connect(so, "10.0.1.1", 9), 0);
    EXPECT_EQ(LocalName(so), "10.0.1.255:7");
    EXPECT_EQ(Receive(so).data, "to all");
    EXPECT_EQ(Send(so, "thanks"), 0);
  });
  Spawn(
      a_,
      [&] {
        socket* so = Bound("10.0.1.1", 9, kSoBroadcast);
        EXPECT_EQ(SendTo(so, "to all", "10.0.1.255", 7), 0);
        EXPECT_EQ(Receive(so).from, "10.0.1.2:7");
      },
      kSecond);
  Run();
}

TEST_F(UdpMulticastTest, SocketBoundToTheGroupSpeaksToItFromAnAddressOfTheHost) {
  Spawn(b_, [&] { EXPECT_EQ(Receive(Member("10.0.1.2")).from, "10.0.1.1:7"); });
  Spawn(
      a_,
      [&] {
        socket* so = Bound(kGroup, 7);
        EXPECT_EQ(SendTo(so, "x", Name(kGroup, 7).get(), PacketInfo(2)), 0);
      },
      kSecond);
  Run();
}

TEST_F(UdpMulticastTest, GroupThatNobodyHasThePortOfCausesNoError) {
  Spawn(b_, [&] {
    socket* so = Bound("0.0.0.0", 8);
    EXPECT_EQ(Enter(so, "10.0.1.2"), 0);
    Pause(2 * kSecond);
  });
  SendFrom("10.0.1.1");
  Run();
  ExpectDrops(b_, udps_noportbcast, 1);
  EXPECT_EQ(icmpstat_get(b_, icps_sent), 0u);
}

TEST_F(UdpMulticastTest, SenderHearsItselfIfItIsAMember) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(Enter(so, "10.0.1.1"), 0);
    EXPECT_EQ(SetValue(so, IP_MULTICAST_IF, Addr("10.0.1.1")), 0);
    EXPECT_EQ(SendTo(so, "mine", kGroup, 7), 0);
    const Datagram got = Receive(so);
    EXPECT_EQ(got.data, "mine");
    EXPECT_EQ(got.from, "10.0.1.1:7");
    EXPECT_EQ(SetValue(so, IP_MULTICAST_LOOP, 0), 0);
    EXPECT_EQ(SendTo(so, "silent", kGroup, 7), 0);
    EXPECT_EQ(Heard(so), "nothing");
  });
  Run();
}

TEST_F(UdpMulticastTest, ControlMessageChoosesTheInterfaceAndTtlOfOneDatagram) {
  Spawn(b_, [&] {
    socket* so = Member("10.0.2.2");
    EXPECT_EQ(SetOption(so, IP_RECVTTL, 1), 0);
    const Datagram got = Receive(so);
    EXPECT_EQ(got.data, "once");
    EXPECT_EQ(got.from.substr(0, 9), "10.0.2.1:");
    ASSERT_NE(got.control, nullptr);
    int ttl;
    std::memcpy(&ttl, got.control->m_data + CMSG_LEN(0), sizeof ttl);
    EXPECT_EQ(ttl, 9);
  });
  Spawn(
      a_,
      [&] {
        socket* so = Create();
        EXPECT_EQ(SendTo(so, "x", kGroup, 7), EADDRNOTAVAIL) << "no interface, no route";
        EXPECT_EQ(SendTo(so, "x", Name(kGroup, 7).get(), PacketInfo(99)), EADDRNOTAVAIL);
        const int ttl = 9;
        MbufPtr control = PacketInfo(3);
        m_cat(control.get(), sbcreatecontrol(&ttl, sizeof ttl, IP_TTL, IPPROTO_IP));
        const int whole = m_length(control.get());
        control = m_pullup(std::move(control), whole);
        EXPECT_EQ(SendTo(so, "once", Name(kGroup, 7).get(), std::move(control)), 0);
      },
      kSecond);
  Run();
}

}  // namespace
}  // namespace sockbed
