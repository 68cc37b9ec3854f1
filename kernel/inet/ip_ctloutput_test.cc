#include <errno.h>

#include <optional>

#include "kernel/inet/in_options.h"
#include "kernel/inet/pcb_test_net.h"

namespace sockbed {
namespace {

// Spec 12.1, row by row.
class IpOptionTest : public PcbTestNet {
 protected:
  static int Set(socket* so, int optname, const std::string& value) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    value.copy(m->m_data, value.size());
    m->m_len = static_cast<int>(value.size());
    return ip_ctloutput(PRCO_SETOPT, so, IPPROTO_IP, optname, m.get());
  }
  static int Set(socket* so, int optname, int value) {
    return Set(so, optname, std::string(reinterpret_cast<const char*>(&value), sizeof value));
  }
  static int GetBytes(socket* so, int optname, std::string* value) {
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    const int error = ip_ctloutput(PRCO_GETOPT, so, IPPROTO_IP, optname, m.get());
    *value = BytesOf(m.get());
    return error;
  }
  // The value, or minus the error.
  static int Get(socket* so, int optname) {
    std::string bytes;
    if (const int error = GetBytes(so, optname, &bytes)) return -error;
    int value = 0;
    EXPECT_EQ(bytes.size(), sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
};

TEST_F(IpOptionTest, IntegersKeepTheirRanges) {
  struct Row {
    int name, low, high, initial;
  };
  constexpr Row kRows[] = {{IP_TOS, 0, 255, 0},
                           {IP_TTL, 1, 255, 64},
                           {IP_MINTTL, 0, 255, 0},
                           {kIpPortRange, 0, 2, 0},
                           {IP_MTU_DISCOVER, 0, 3, 0}};
  InProcess([&] {
    for (const Row& row : kRows) {
      SCOPED_TRACE(row.name);
      socket* so = Create(SOCK_DGRAM);
      EXPECT_EQ(Get(so, row.name), row.initial);
      for (const int value : {row.low, row.high}) {
        EXPECT_EQ(Set(so, row.name, value), 0);
        EXPECT_EQ(Get(so, row.name), value);
      }
      EXPECT_EQ(Set(so, row.name, -2), EINVAL);
      EXPECT_EQ(Set(so, row.name, row.high + 1), EINVAL);
      EXPECT_EQ(Set(so, row.name, std::string("\1", 1)), EINVAL);
      EXPECT_EQ(Set(so, row.name, std::string()), EINVAL);
      EXPECT_EQ(Get(so, row.name), row.high);
    }
  });
}

TEST_F(IpOptionTest, MinusOneIsTheDefaultTtl) {
  PcbTestNet::Set(a_, "net.inet.ip.ttl", 100);
  InProcess([&] {
    socket* so = Create();
    EXPECT_EQ(Get(so, IP_TTL), 100);
    EXPECT_EQ(Set(so, IP_TTL, 7), 0);
    EXPECT_EQ(Set(so, IP_TTL, -1), 0);
    EXPECT_EQ(Get(so, IP_TTL), 100);
    EXPECT_EQ(Get(so, kIpIpDefTtl), 100);
    EXPECT_EQ(Set(so, kIpIpDefTtl, 5), ENOPROTOOPT);
  });
}

TEST_F(IpOptionTest, MinusOneIsNoTtlForTheOtherSystem) {
  PcbTestNet::Set(a_, "net.inet.ip.profile", 1);
  InProcess([&] {
    socket* so = Create();
    EXPECT_EQ(Set(so, IP_TTL, 7), 0);
    EXPECT_EQ(Set(so, IP_TTL, -1), EINVAL);
    EXPECT_EQ(Get(so, IP_TTL), 7);
  });
}

TEST_F(IpOptionTest, WhatIsToldWithDatagramsIsRefusedByStreams) {
  InProcess([&] {
    socket* datagrams = Create(SOCK_DGRAM);
    socket* stream = Create(SOCK_STREAM);
    for (const int name : {kIpRecvDstAddr, kIpRecvIf, IP_RECVTTL, kIpRecvDstPort, IP_RECVTOS,
                           IP_PKTINFO, kIpDontFrag}) {
      SCOPED_TRACE(name);
      EXPECT_EQ(Get(datagrams, name), 0);
      EXPECT_EQ(Set(datagrams, name, 5), 0);
      EXPECT_EQ(Get(datagrams, name), 1);
      EXPECT_EQ(Set(datagrams, name, 0), 0);
      EXPECT_EQ(Get(datagrams, name), 0);
      EXPECT_EQ(Set(stream, name, 1), ENOPROTOOPT);
      EXPECT_EQ(Get(stream, name), -ENOPROTOOPT);
    }
    EXPECT_EQ(Set(stream, IP_MTU_DISCOVER, 2), ENOPROTOOPT);
  });
}

TEST_F(IpOptionTest, DontFragIsTheProbeMode) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Set(so, kIpDontFrag, 1), 0);
    EXPECT_EQ(Get(so, IP_MTU_DISCOVER), static_cast<int>(MtuDiscover::kProbe));
    EXPECT_EQ(Set(so, IP_MTU_DISCOVER, 2), 0);
    EXPECT_EQ(Get(so, kIpDontFrag), 0);
  });
}

TEST_F(IpOptionTest, ThePathsMtuIsKnownOnlyToTheConnected) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    EXPECT_EQ(Get(so, IP_MTU), -ENOTCONN);
    EXPECT_EQ(Connect(so, "10.0.1.2", 80), 0);
    EXPECT_EQ(Get(so, IP_MTU), 1500);
    icmp_mtudisc({.error = EMSGSIZE, .dst = Addr("10.0.1.2"), .mtu = 1400});
    EXPECT_EQ(Get(so, IP_MTU), 1400);
    EXPECT_EQ(Set(so, IP_MTU, 1300), ENOPROTOOPT);
  });
}

TEST_F(IpOptionTest, HeaderOptionsAreKeptAndRemoved) {
  InProcess([&] {
    socket* so = Create();
    std::string value;
    EXPECT_EQ(GetBytes(so, IP_OPTIONS, &value), 0);
    EXPECT_EQ(value, "");
    const std::string nops("\1\1\1\1", 4);
    EXPECT_EQ(Set(so, IP_OPTIONS, nops), 0);
    EXPECT_EQ(GetBytes(so, IP_OPTIONS, &value), 0);
    EXPECT_EQ(value, nops);
    EXPECT_EQ(Set(so, IP_OPTIONS, std::string("\1\1\1", 3)), EINVAL);
    EXPECT_EQ(Set(so, IP_OPTIONS, std::string(44, '\1')), EINVAL);
    EXPECT_EQ(GetBytes(so, IP_OPTIONS, &value), 0);
    EXPECT_EQ(value, nops);
    EXPECT_EQ(Set(so, IP_OPTIONS, std::string()), 0);
    EXPECT_EQ(GetBytes(so, IP_OPTIONS, &value), 0);
    EXPECT_EQ(value, "");
    EXPECT_EQ(Set(so, IP_OPTIONS, nops), 0);  // freed with the socket
  });
}

TEST_F(IpOptionTest, WhatIsNotThereIsRefused) {
  InProcess([&] {
    socket* so = Create(SOCK_DGRAM);
    for (const int name : {IP_ADD_SOURCE_MEMBERSHIP, IP_MULTICAST_ALL, IP_HDRINCL, 0x7777}) {
      EXPECT_EQ(Set(so, name, 1), ENOPROTOOPT) << name;
      EXPECT_EQ(Set(so, name, std::string(8, '\0')), ENOPROTOOPT) << name;
      EXPECT_EQ(Get(so, name), -ENOPROTOOPT) << name;
    }
    MbufPtr m = m_get(M_DONTWAIT, MT_SOOPTS);
    EXPECT_EQ(ip_ctloutput(PRCO_GETOPT, so, IPPROTO_TCP, IP_TTL, m.get()), ENOPROTOOPT);
  });
}

}  // namespace
}  // namespace sockbed
