#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_options.h"
#include "kernel/sim/fault.h"
#include "kernel/udp/udp_test_net.h"

namespace sockbed {
namespace {

// Spec 10.3 and the sending half of 10.5, row by row.
class UdpOutputTest : public UdpTestNet {
 protected:
  UdpOutputTest() : a_(AddHost("a")), b_(AddHost("b")), link_(Join(a_, b_)) {}

  static MbufPtr Control(int type, const void* data, size_t size, int level = IPPROTO_IP) {
    return sbcreatecontrol(data, size, type, level);
  }
  HostBase& a_;
  HostBase& b_;
  Link& link_;
};

TEST_F(UdpOutputTest, ADatagramCrossesTheLink) {
  Spawn(b_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    const Datagram got = Receive(so);
    EXPECT_EQ(got.data, "hello");
    EXPECT_EQ(SendTo(so, "you said hello", got.from.substr(0, got.from.find(':')).c_str(),
                     static_cast<uint16_t>(std::stoi(got.from.substr(got.from.find(':') + 1)))),
              0);
  });
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SendTo(so, "hello", "10.0.1.2", 7), 0);
    const Datagram got = Receive(so);
    EXPECT_EQ(got.data, "you said hello");
    EXPECT_EQ(got.from, "10.0.1.2:7");
  });
  Run();
  EXPECT_EQ(udpstat_get(a_, udps_opackets), 1u);
  EXPECT_EQ(udpstat_get(a_, udps_ipackets), 1u);
}

TEST_F(UdpOutputTest, ErrorsInOrder) {
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(Send(so, "x"), EDESTADDRREQ);  // sosend, which knows no protocol, looks first
    EXPECT_EQ(SendTo(so, std::string(9217, 'x'), "10.0.1.2", 7), EMSGSIZE);  // so_snd's limit
    EXPECT_EQ(SendTo(so, "x", "10.0.1.2", 0), EADDRNOTAVAIL);
    EXPECT_EQ(SendTo(so, "x", "8.8.8.8", 7), EADDRNOTAVAIL);
    EXPECT_EQ(SendTo(so, "x", "224.0.0.9", 7), EADDRNOTAVAIL);
    MbufPtr nam = Name("10.0.1.2", 7);
    nam->m_data[0] = AF_UNIX;
    EXPECT_EQ(SendTo(so, "x", nam.get()), EAFNOSUPPORT);
    nam = Name("10.0.1.2", 7);
    nam->m_len = 15;
    EXPECT_EQ(SendTo(so, "x", nam.get()), EINVAL);
    EXPECT_EQ(Connect(so, "10.0.1.2", 7), 0);
    EXPECT_EQ(SendTo(so, "x", "10.0.1.2", 7), EISCONN);
    EXPECT_EQ(so->so_error, 0);
  });
  Run();
  EXPECT_EQ(udpstat_get(a_, udps_opackets), 0u);
}

TEST_F(UdpOutputTest, TheLargestDatagramIs65507) {
  Spawn(b_, [&] {
    socket* so = Create();
    EXPECT_EQ(soreserve(so, 100'000, 100'000), 0);
    EXPECT_EQ(Bind(so, "0.0.0.0", 7), 0);
    EXPECT_EQ(Receive(so).data.size(), 65507u);
  });
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(soreserve(so, 100'000, 100'000), 0);
    EXPECT_EQ(SendTo(so, std::string(65508, 'x'), "10.0.1.2", 7), EMSGSIZE);
    EXPECT_EQ(SendTo(so, std::string(65507, 'x'), "10.0.1.2", 7), 0);
  });
  Run();
}

TEST_F(UdpOutputTest, EmptyDatagramsAreLegal) {
  Spawn(b_, [&] {
    const Datagram got = Receive(Bound("0.0.0.0", 7));
    EXPECT_EQ(got.error, 0);
    EXPECT_EQ(got.data, "");
    EXPECT_NE(got.from, "");
  });
  Spawn(a_, [&] { EXPECT_EQ(SendTo(Create(), "", "10.0.1.2", 7), 0); });
  Run();
}

TEST_F(UdpOutputTest, AnUnconnectedSocketGetsAPortAndKeepsItsAddressOpen) {
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(SendTo(so, "x", "10.0.1.2", 7), 0);
    const inpcb* inp = sotoinpcb(so);
    EXPECT_NE(inp->inp_lport, 0);
    EXPECT_TRUE(inp->inp_laddr.is_any());
    const in_port_t port = inp->inp_lport;
    EXPECT_EQ(SendTo(so, "x", "10.0.1.2", 7), 0);
    EXPECT_EQ(inp->inp_lport, port);
  });
  Run();
}

TEST_F(UdpOutputTest, ChecksumsAreRightOnTheWire) {
  class Tap : public PacketTap {
   public:
    void OnPacket(const TappedPacket& tapped) override {
      std::string bytes(static_cast<size_t>(tapped.packet->m_pkthdr.len), '\0');
      m_copydata(tapped.packet, 0, tapped.packet->m_pkthdr.len, bytes.data());
      sum = static_cast<uint8_t>(bytes[26]) << 8 | static_cast<uint8_t>(bytes[27]);
      MbufPtr copy = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
      verified = in4_cksum(copy.get(), IPPROTO_UDP, 20, static_cast<int>(bytes.size()) - 20);
    }
    int sum = -1;
    int verified = -1;
  } tap;
  link_.AddTap(&tap);
  Spawn(a_, [&] {
    socket* so = Create();
    EXPECT_EQ(Bind(so, "10.0.1.1", 1000), 0);
    EXPECT_EQ(SendTo(so, "odd", "10.0.1.2", 7), 0);
    EXPECT_NE(tap.sum, 0);
    EXPECT_EQ(tap.verified, 0);
    Set(a_, "net.inet.udp.checksum", 0);
    EXPECT_EQ(SendTo(so, "none", "10.0.1.2", 7), 0);
    EXPECT_EQ(tap.sum, 0);
  });
  Run();
}

TEST_F(UdpOutputTest, AChecksumOfZeroIsSentAsAllOnes) {
  class Tap : public PacketTap {
   public:
    void OnPacket(const TappedPacket& tapped) override {
      uint8_t bytes[2];
      m_copydata(tapped.packet, 26, 2, bytes);
      zeros += bytes[0] == 0 && bytes[1] == 0;
      ones += bytes[0] == 0xff && bytes[1] == 0xff;
    }
    int zeros = 0, ones = 0;
  } tap;
  link_.AddTap(&tap);
  Spawn(a_, [&] {
    socket* so = Bound("10.0.1.1", 1000);
    for (int word = 0; word < 65536; ++word) {  // some two bytes complete every sum to zero
      const char data[2] = {static_cast<char>(word >> 8), static_cast<char>(word)};
      ASSERT_EQ(SendTo(so, std::string(data, 2), "10.0.1.2", 7), 0);
    }
  });
  Set(b_, "net.inet.icmp.errppslimit", 0);
  Run();
  EXPECT_EQ(tap.zeros, 0);
  EXPECT_EQ(tap.ones, 2);  // handed over, and delivered
}

TEST_F(UdpOutputTest, ControlMessagesSetSourceTtlAndTos) {
  Join(a_, b_);  // a is also 10.0.2.1
  Spawn(b_, [&] {
    socket* so = Bound("0.0.0.0", 7);
    EXPECT_EQ(SetOption(so, IP_RECVTTL, 1), 0);
    EXPECT_EQ(SetOption(so, IP_RECVTOS, 1), 0);
    Datagram got = Receive(so);
    EXPECT_EQ(got.from.substr(0, 9), "10.0.2.1:");
    got = Receive(so);
    EXPECT_EQ(got.control->m_data[CMSG_LEN(0)], 9);  // the TTL comes first
    got = Receive(so);
    EXPECT_EQ(got.control->m_data[CMSG_SPACE(4) + CMSG_LEN(0)], 8);
    EXPECT_EQ(Receive(so).from.substr(0, 9), "10.0.2.1:");
  });
  Spawn(a_, [&] {
    socket* so = Create();
    auto send = [&](MbufPtr control) {
      return SendTo(so, "x", Name("10.0.1.2", 7).get(), std::move(control));
    };
    const in_addr source = Addr("10.0.2.1");
    EXPECT_EQ(send(Control(kIpRecvDstAddr, &source, sizeof source)), 0);
    int value = 9;
    EXPECT_EQ(send(Control(IP_TTL, &value, sizeof value)), 0);
    value = 8;
    EXPECT_EQ(send(Control(IP_TOS, &value, sizeof value)), 0);
    const in_pktinfo info = {.ipi_ifindex = 2, .ipi_spec_dst = source, .ipi_addr = {}};
    EXPECT_EQ(send(Control(IP_PKTINFO, &info, sizeof info)), 0);
  });
  Run();
}

TEST_F(UdpOutputTest, MalformedControlIsRefused) {
  Spawn(a_, [&] {
    socket* so = Create();
    auto send = [&](MbufPtr control) {
      return SendTo(so, "x", Name("10.0.1.2", 7).get(), std::move(control));
    };
    int value = 0;
    EXPECT_EQ(send(Control(IP_TTL, &value, sizeof value)), EINVAL);
    value = 256;
    EXPECT_EQ(send(Control(IP_TTL, &value, sizeof value)), EINVAL);
    EXPECT_EQ(send(Control(IP_TOS, &value, sizeof value)), EINVAL);
    EXPECT_EQ(send(Control(IP_TTL, &value, 2)), EINVAL);
    EXPECT_EQ(send(Control(IP_OPTIONS, &value, sizeof value)), EINVAL);
    EXPECT_EQ(send(Control(IP_TTL, &value, sizeof value, IPPROTO_TCP)), EINVAL);
    MbufPtr cut = Control(IP_TTL, &value, sizeof value);
    cut->m_len = CMSG_LEN(0) - 1;
    EXPECT_EQ(send(std::move(cut)), EINVAL);
    const in_addr foreign = Addr("10.0.1.2");
    EXPECT_EQ(send(Control(kIpRecvDstAddr, &foreign, sizeof foreign)), EADDRNOTAVAIL);
    const in_pktinfo elsewhere = {.ipi_ifindex = 1, .ipi_spec_dst = {}, .ipi_addr = {}};
    EXPECT_EQ(send(Control(IP_PKTINFO, &elsewhere, sizeof elsewhere)), EADDRNOTAVAIL);
    so = Bound("127.0.0.1", 1000);
    const in_addr own = Addr("10.0.1.1");
    EXPECT_EQ(send(Control(kIpRecvDstAddr, &own, sizeof own)), EADDRNOTAVAIL);  // bound elsewhere
  });
  Run();
  EXPECT_EQ(udpstat_get(a_, udps_opackets), 0u);
}

TEST_F(UdpOutputTest, WithoutMemoryForTheHeadersNothingIsSent) {
  for (uint64_t n = 1; n <= 6; ++n) {
    fault::Plan plan({{.site = Site::kMbufGet, .host = 1, .only_ordinal = n}});
    Boot({.seed = 1, .fault_plan = &plan});
    HostBase& a = AddHost("a");
    Join(a, AddHost("b"));
    HostScope scope(a);
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
    MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    if (nam != nullptr && m != nullptr) {
      in_sin2nam(Addr("10.0.1.2"), htons(7), nam.get());
      EXPECT_TRUE(m_clget(m.get(), M_DONTWAIT, 2048));
      m->m_len = m->m_pkthdr.len = 2048;
      const int error = udp_usrreqs.pru_send(so, std::move(m), nam.get(), nullptr);
      EXPECT_TRUE(error == 0 || error == ENOBUFS) << error;
    }
    nam.reset();
    m.reset();
    so->so_state |= SS_NOFDREF;
    soabort(so);
    Boot({.seed = 1});
  }
}

}  // namespace
}  // namespace sockbed
