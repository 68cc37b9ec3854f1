// The reference scenarios of spec 20 that need nothing but UDP, and the connected semantics of
// 10.4.
#include "kernel/inet/in_options.h"
#include "kernel/udp/udp_test_net.h"

namespace sockbed {
namespace {

class UdpScenarioTest : public UdpTestNet {
 protected:
  UdpScenarioTest()
      : a_(AddHost("a")), b_(AddHost("b")), link_(Join(a_, b_, {.latency_ns = kLatency})) {}

  static constexpr SimTime kLatency = 10 * kMillisecond;

  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

// 20.1.
TEST_F(UdpScenarioTest, AClosedPortIsReportedOnceToAConnectedSocket) {
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(Connect(so, "10.0.1.2", 7), 0);
    EXPECT_EQ(Send(so, "anybody?"), 0);
    EXPECT_EQ(Receive(so).error, ECONNREFUSED);
    EXPECT_EQ(Now(), 2 * kLatency);
    EXPECT_EQ(so->so_error, 0);
    EXPECT_EQ(Send(so, "still nobody?"), 0);
    Pause(3 * kLatency);
    EXPECT_EQ(Send(so, "not sent"), ECONNREFUSED);
    EXPECT_EQ(udpstat_get(a_, udps_opackets), 2u);
    EXPECT_NE(so->so_state & SS_ISCONNECTED, 0);
    EXPECT_EQ(Send(so, "sent"), 0);
    Pause(3 * kLatency);
  });
  Run();
  ExpectDrops(b_, udps_noport, 3);
}

// 20.2.
TEST_F(UdpScenarioTest, AnUnconnectedSocketNeverHearsOfIt) {
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SendTo(so, "anybody?", "10.0.1.2", 7), 0);
    Pause(3 * kLatency);
    EXPECT_EQ(so->so_error, 0);
    EXPECT_EQ(SendTo(so, "anybody?", "10.0.1.2", 7), 0);
  });
  Run();
}

// 20.3.
TEST_F(UdpScenarioTest, ALargeDatagramTravelsInFragmentsAndDiesWithOneOfThem) {
  Spawn(b_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(Receive(so).data, std::string(4000, 'x'));
    Pause(kSecond);
    EXPECT_EQ(so->so_rcv.sb_cc, 0u);
  });
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SendTo(so, std::string(4000, 'x'), "10.0.1.2", 7), 0);
    EXPECT_EQ(link_.counters(0).packets, 3u);
    Pause(kLatency);
    link_.set_options(0, {.latency_ns = kLatency, .rate_bps = 12'000'000, .queue_len = 1});
    EXPECT_EQ(SendTo(so, std::string(4000, 'y'), "10.0.1.2", 7), ENOBUFS);  // the last one refused
  });
  Run();
  EXPECT_EQ(ipstat_get(b_, ips_fragtimeout), 1u);
  EXPECT_GE(Now(), 30 * kSecond);
}

// 20.4.
TEST_F(UdpScenarioTest, ThePathsMtuIsFoundReportedAndForgotten) {
  HostBase& c = AddHost("c");
  Join(b_, c, {.latency_ns = kLatency, .mtu = 1400});
  Set(b_, "net.inet.ip.forwarding", 1);
  AddRoute(a_, "10.0.2.0", 24, "10.0.1.2");
  AddRoute(c, "10.0.1.0", 24, "10.0.2.1");
  Spawn(c, [&] { EXPECT_EQ(Receive(Bound("0.0.0.0", 7)).data.size(), 1372u); });
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SetOption(so, IP_MTU_DISCOVER, IP_PMTUDISC_DO), 0);
    EXPECT_EQ(Connect(so, "10.0.2.2", 7), 0);
    EXPECT_EQ(GetOption(so, IP_MTU), 1500);
    EXPECT_EQ(Send(so, std::string(1472, 'x')), 0);
    EXPECT_EQ(Receive(so).error, EMSGSIZE);
    EXPECT_EQ(GetOption(so, IP_MTU), 1400);
    EXPECT_EQ(Send(so, std::string(1373, 'x')), EMSGSIZE);
    EXPECT_EQ(Send(so, std::string(1372, 'x')), 0);
    Pause(599 * kSecond);
    EXPECT_EQ(GetOption(so, IP_MTU), 1400);
    Pause(2 * kSecond);
    EXPECT_EQ(GetOption(so, IP_MTU), 1500);
  });
  Run();
}

// 20.7.
// Two hosts on Ethernet: 10.0.2.1 and 10.0.2.2.
class UdpEthernetTest : public UdpScenarioTest {
 protected:
  UdpEthernetTest() : lan_(Join(a_, b_, {.latency_ns = kLatency, .ethernet = true})) {}

  Link& lan_;
};

// 20.5.
TEST_F(UdpEthernetTest, ASilentNeighbourIsAskedFiveTimesThenDownAndAskedAgain) {
  Spawn(a_, [&] {
    socket* so = Create();
    for (int second = 0; second < 5; ++second) {
      EXPECT_EQ(SendTo(so, "anybody?", "10.0.2.9", 7), 0);
      Pause(kSecond);
    }
    EXPECT_EQ(SendTo(so, "anybody?", "10.0.2.9", 7), EHOSTDOWN);
    EXPECT_EQ(lan_.counters(0).packets, 1u + 5) << "its own announcement, and requests";
    Pause(19 * kSecond);
    EXPECT_EQ(SendTo(so, "anybody?", "10.0.2.9", 7), EHOSTDOWN);
    Pause(kSecond);
    EXPECT_EQ(SendTo(so, "anybody?", "10.0.2.9", 7), 0);
  });
  Run();
}

TEST_F(UdpEthernetTest, TheFirstDatagramWaitsForTheNeighboursAddress) {
  Spawn(b_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(Receive(so).data, "hello");
    EXPECT_EQ(Now(), kSecond + 3 * kLatency) << "request, answer, datagram";
  });
  Spawn(a_, [&] {
    Pause(kSecond);
    EXPECT_EQ(SendTo(Create(), "hello", "10.0.2.2", 7), 0);
  });
  Run();
}

// 20.6.
TEST_F(UdpEthernetTest, ABroadcastReachesEveryReceiverHereToo) {
  for (HostBase* host : {&a_, &b_}) {
    Spawn(*host, [&] {
      socket* one = Bound("0.0.0.0", 7, kSoReusePort);
      socket* two = Bound("0.0.0.0", 7, kSoReusePort);
      EXPECT_EQ(Receive(one).data, "all");
      EXPECT_EQ(Receive(two).data, "all");
    });
  }
  Spawn(a_, [&] {
    Pause(kSecond);
    socket* so = Create();
    EXPECT_EQ(SendTo(so, "all", "10.0.2.255", 7), EACCES);
    so->so_options |= kSoBroadcast;
    EXPECT_EQ(SendTo(so, "all", "10.0.2.255", 7), 0);
    Pause(kSecond);
  });
  Run();
}

TEST_F(UdpScenarioTest, OwnAddressesAreReachedOverLo0) {
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(SendTo(so, "self", "10.0.1.1", 7), 0);
    const Datagram got = Receive(so);
    EXPECT_EQ(got.data, "self");
    EXPECT_EQ(got.from, "10.0.1.1:7");
    EXPECT_EQ(Now(), 0);
    EXPECT_EQ(link_.counters(0).packets, 0u);
    EXPECT_EQ(Connect(so, "127.0.0.1", 7), 0);
    EXPECT_EQ(GetOption(so, IP_MTU), 32768);
  });
  Run();
}

// 20.10.
TEST_F(UdpScenarioTest, OneHopIsNotEnoughThroughARouter) {
  HostBase& c = AddHost("c");
  Join(b_, c);
  Set(b_, "net.inet.ip.forwarding", 1);
  AddRoute(a_, "10.0.2.0", 24, "10.0.1.2");
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SetOption(so, IP_TTL, 1), 0);
    EXPECT_EQ(Connect(so, "10.0.2.2", 7), 0);
    EXPECT_EQ(Send(so, "x"), 0);
    Pause(kSecond);
    EXPECT_EQ(so->so_error, 0);
  });
  Run();
  EXPECT_EQ(ipstat_get(b_, ips_ttlexceeded), 1u);
  EXPECT_EQ(icmpstat_get(a_, icps_received), 1u);
}

TEST_F(UdpScenarioTest, AConnectedSocketHearsOnlyItsPeer) {
  Spawn(b_, [&] {
    Pause(kMillisecond);
    EXPECT_EQ(SendTo(Bound("0.0.0.0", 1000), "stranger", "10.0.1.1", 7), 0);
    EXPECT_EQ(SendTo(Bound("0.0.0.0", 2000), "peer", "10.0.1.1", 7), 0);
  });
  Spawn(a_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(Connect(so, "10.0.1.2", 2000), 0);
    EXPECT_EQ(Receive(so).data, "peer");
    EXPECT_EQ(so->so_rcv.sb_cc, 0u);
  });
  Run();
}

TEST_F(UdpScenarioTest, ConnectingAgainChangesThePeerAndKeepsThePort) {
  Spawn(a_, [&] {
    socket* so = Bound("10.0.1.1", 7);
    EXPECT_EQ(Connect(so, "10.0.1.2", 1000), 0);
    EXPECT_EQ(Connect(so, "10.0.1.2", 2000), 0);
    const inpcb* inp = sotoinpcb(so);
    EXPECT_EQ(ntohs(inp->inp_fport), 2000);
    EXPECT_EQ(ntohs(inp->inp_lport), 7);
    EXPECT_EQ(sodisconnect(so), 0);
    EXPECT_EQ(ntohs(inp->inp_lport), 7);
    EXPECT_TRUE(inp->inp_laddr.is_any());  // even the address that bind gave
    EXPECT_EQ(sodisconnect(so), ENOTCONN);
    EXPECT_EQ(SendTo(so, "free again", "10.0.1.2", 9), 0);
  });
  Run();
}

TEST_F(UdpScenarioTest, AShutDownSocketDoesNotSend) {
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(Connect(so, "10.0.1.2", 7), 0);
    EXPECT_EQ(soshutdown(so, SHUT_WR), 0);
    EXPECT_EQ(Send(so, "x"), EPIPE);
  });
  Run();
}

TEST_F(UdpScenarioTest, ConnectingToNowhere) {
  Spawn(a_, [&] {
    EXPECT_EQ(Connect(Create(), "0.0.0.0", 7), EADDRNOTAVAIL);  // no default route
    AddRoute(a_, "0.0.0.0", 0, "10.0.1.2");
    socket* so = Create();
    EXPECT_EQ(Connect(so, "0.0.0.0", 7), 0);
    EXPECT_EQ(Send(so, "x"), ENETUNREACH);
    EXPECT_EQ(Connect(Create(), "10.0.1.2", 0), EADDRNOTAVAIL);
  });
  Run();
}

TEST_F(UdpScenarioTest, EachReceiveIsCausedByItsSend) {
  Spawn(b_, [&] { EXPECT_EQ(Receive(Bound("0.0.0.0", 7)).data, "x"); });
  Spawn(a_, [&] { EXPECT_EQ(SendTo(Create(), "x", "10.0.1.2", 7), 0); });
  Run();
  TraceId sought = 0;
  std::vector<Room> rooms;  // from the receive back to the send
  const std::vector<Record> all = records();
  for (auto r = all.rbegin(); r != all.rend() && rooms.size() < 3; ++r) {
    const bool receive = r->room == Room::kUdp && r->type == static_cast<uint8_t>(UdpRecord::kIn);
    if (rooms.empty() ? !receive : r->id != sought) continue;
    rooms.push_back(r->room);
    sought = r->cause;
  }
  EXPECT_EQ(rooms, (std::vector<Room>{Room::kUdp, Room::kNet, Room::kUdp}));
}

}  // namespace
}  // namespace sockbed
