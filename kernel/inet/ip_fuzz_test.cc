// Packets that nobody would send on purpose: whatever arrives, nothing breaks and nothing leaks,
// and every packet is accounted for.
#include <algorithm>

#include "kernel/inet/inet_test_net.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

class IpFuzzTest : public InetTestNet {
 protected:
  IpFuzzTest()
      : draws_(2024, Site::kProgram, 1, 0),
        a_(AddHost("a")),
        in_(Join(a_, AddHost("b")).interface(0)) {}

  int Below(int bound) { return static_cast<int>(draws_.NextBelow(static_cast<uint64_t>(bound))); }
  std::string Noise(int size) {
    std::string bytes(static_cast<size_t>(size), '\0');
    draws_.Fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // A packet that passes the first checks more often than not.
  std::string Plausible() {
    Packet packet = {.src = Addr("10.0.1.2"),
                     .dst = Addr("10.0.1.1"),
                     .payload = Noise(Below(200)),
                     .protocol = Below(3) == 0 ? uint8_t{IPPROTO_ICMP} : kTestProtocol,
                     .ttl = static_cast<uint8_t>(Below(4)),
                     .id = static_cast<uint16_t>(Below(3)),
                     .offset = 8 * Below(40),
                     .more = Below(2) == 0,
                     .options = Noise(4 * Below(11))};
    if (Below(3) == 0) packet.options.clear();
    if (Below(2) == 0) packet.offset = 0;
    if (packet.protocol == IPPROTO_ICMP && packet.payload.size() >= 36) {
      packet.payload[0] = static_cast<char>("\0\3\4\5\10\13\14\15\16\21"[Below(10)]);
      if (Below(2) == 0) packet.payload.replace(8, 20, packet.Bytes().substr(0, 20));
      packet.payload[2] = packet.payload[3] = 0;
      StoreBe16(reinterpret_cast<uint8_t*>(packet.payload.data()) + 2,
                in_cksum_bytes(packet.payload.data(), packet.payload.size()));
    }
    return packet.Bytes();
  }

  // Delivers it in mbufs cut at random, some of them shared with a copy.
  void Get(const std::string& bytes) {
    HostScope scope(a_);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    for (int cuts = Below(3); cuts > 0 && m->m_pkthdr.len > 1; --cuts) {
      MbufPtr tail = m_split(m.get(), 1 + Below(m->m_pkthdr.len - 1), M_DONTWAIT);
      m_catpkt(m.get(), std::move(tail));
    }
    m->m_pkthdr.ph_family = AF_INET;
    if (Below(4) == 0) m->m_flags |= M_BCAST;
    MbufPtr copy;
    if (Below(4) == 0) copy = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
    if_input(in_, std::move(m));
    if (copy != nullptr) {
      EXPECT_EQ(BytesOf(copy.get()).size(), bytes.size());
    }
  }

  Stream draws_;
  HostBase& a_;
  ifnet* in_;
};

TEST_F(IpFuzzTest, SurvivesNoise) {
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = Noise(1 + Below(120));
    if (Below(2) == 0) bytes[0] = static_cast<char>(0x45 + Below(11));
    Get(bytes);
  }
  Run();
}

TEST_F(IpFuzzTest, SurvivesPacketsThatAreAlmostRight) {
  Set(a_, "net.inet.ip.sourceroute", 1);
  Set(a_, "net.inet.icmp.rediraccept", 1);
  Set(a_, "net.inet.icmp.maskrepl", 1);
  Set(a_, "net.inet.ip.reass_icmp", 1);
  for (int i = 0; i < 60000; ++i) {
    std::string bytes = Plausible();
    for (int flips = Below(3); flips > 0; --flips) {
      bytes[static_cast<size_t>(Below(static_cast<int>(bytes.size())))] ^=
          static_cast<char>(1 << Below(8));
    }
    if (Below(4) != 0) {  // make the header's checksum right again
      const size_t hlen = std::min<size_t>(static_cast<size_t>(bytes[0] & 15) * 4, bytes.size());
      if (hlen >= 20) {
        bytes[10] = bytes[11] = 0;
        StoreBe16(reinterpret_cast<uint8_t*>(bytes.data()) + 10,
                  in_cksum_bytes(bytes.data(), hlen));
      }
    }
    Get(bytes);
    if (Below(100) == 0) RunFor(kSecond);
  }
  Run();
  EXPECT_GT(ipstat_get(a_, ips_delivered), 1000u);
  EXPECT_GT(ipstat_get(a_, ips_reassembled), 10u);
}

TEST_F(IpFuzzTest, EveryPacketIsDeliveredForwardedHeldOrDropped) {
  Set(a_, "net.inet.ip.forwarding", 1);
  uint64_t sent = 0;
  for (int i = 0; i < 5000; ++i, ++sent) {
    Packet packet = Packet::Of(Packet{.src = Addr("10.0.1.2"), .dst = Addr("10.0.1.1")}.Bytes());
    packet.payload = Noise(Below(60));
    packet.protocol = Below(8) == 0 ? 200 : kTestProtocol;
    packet.ttl = static_cast<uint8_t>(Below(3));
    if (Below(4) == 0) packet.dst = Addr("10.0.1.2");
    if (Below(4) == 0) packet.dst = Addr("10.0.9.9");
    std::string bytes = packet.Bytes();
    if (Below(8) == 0) bytes[static_cast<size_t>(Below(20))] ^= 4;
    if (Below(8) == 0) bytes.resize(static_cast<size_t>(1 + Below(static_cast<int>(bytes.size()))));
    Get(bytes);
  }
  uint64_t accounted = ipstat_get(a_, ips_delivered) + ipstat_get(a_, ips_forwarded);
  accounted += static_cast<uint64_t>(Live(a_, "IPv4 fragment"));
  for (const Record& record : RecordsOf(InetRecord::kDrop))
    accounted += record.host == a_.id ? 1 : 0;
  EXPECT_EQ(accounted, sent);
}

}  // namespace
}  // namespace sockbed
