// Packets that nobody would send on purpose: whatever arrives, nothing breaks and nothing leaks,
// and every packet is accounted for.
#include <algorithm>

#include "kernel/inet/inet6_test_net.h"
#include "kernel/sim/random.h"

namespace sockbed {
namespace {

class Ip6FuzzTest : public Inet6TestNet {
 protected:
  Ip6FuzzTest()
      : draws_(2025, Site::kProgram, 1, 0),
        a_(AddHost6("a")),
        b_(AddHost6("b")),
        in_(Join6(a_, b_).interface(0)) {}

  int Below(int bound) { return static_cast<int>(draws_.NextBelow(static_cast<uint64_t>(bound))); }
  std::string Noise(int size) {
    std::string bytes(static_cast<size_t>(size), '\0');
    draws_.Fill(std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // One extension header in front of `rest`, which `next` names.
  std::string Extend(uint8_t kind, uint8_t next, const std::string& rest) {
    if (kind == IPPROTO_FRAGMENT) {
      std::string header(kIp6FragmentHeader, '\0');
      Ip6Fragment{next, Below(3) == 0 ? 0 : 8 * Below(40), Below(2) == 0,
                  static_cast<uint32_t>(1 + Below(3))}
          .Write(header.data(), header.size());
      return header + rest;
    }
    std::string header = Noise(8 * (1 + Below(2)));
    header[0] = static_cast<char>(next);
    header[1] = static_cast<char>(header.size() / 8 - 1);
    if (Below(2) == 0) std::fill(header.begin() + 2, header.end(), '\0');
    return header + rest;
  }

  // A packet that passes the first checks more often than not.
  std::string Plausible() {
    constexpr uint8_t kKinds[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING,
                                  IPPROTO_FRAGMENT};
    Packet6 packet = {.src = Addr6("2001:db8:1::2"),
                      .dst = Addr6(Below(4) == 0 ? "ff02::1" : "2001:db8:1::1"),
                      .payload = Noise(8 * Below(30)),
                      .next = Below(3) == 0 ? uint8_t{IPPROTO_ICMPV6} : kTestProtocol,
                      .hops = static_cast<uint8_t>(Below(4))};
    if (packet.next == IPPROTO_ICMPV6 && packet.payload.size() >= 48) {
      packet.payload[0] = static_cast<char>("\1\2\3\4\200\201\202\206\207\211"[Below(10)]);
      packet.payload[1] = static_cast<char>(Below(5));
      if (Below(2) == 0) packet.payload.replace(8, 40, packet.Bytes().substr(0, 40));
      packet.payload[2] = packet.payload[3] = 0;
      const uint64_t sum = in6_pseudo_sum(packet.src, packet.dst, IPPROTO_ICMPV6,
                                          static_cast<int>(packet.payload.size()));
      StoreBe16(reinterpret_cast<uint8_t*>(packet.payload.data()) + 2,
                in_cksum_finish(in_cksum_add(sum, packet.payload.data(), packet.payload.size())));
    }
    for (int headers = Below(4); headers > 0; --headers) {
      const uint8_t kind = kKinds[Below(4)];
      packet.payload = Extend(kind, packet.next, packet.payload);
      packet.next = kind;
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
    m->m_pkthdr.ph_family = AF_INET6;
    MbufPtr copy;
    if (Below(4) == 0) copy = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
    if_input(in_, std::move(m));
    if (copy != nullptr) {
      EXPECT_EQ(BytesOf(copy.get()), bytes);
    }
  }

  Stream draws_;
  HostBase& a_;
  HostBase& b_;
  ifnet* in_;
};

TEST_F(Ip6FuzzTest, SurvivesNoise) {
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = Noise(1 + Below(160));
    if (Below(2) == 0) bytes[0] = 0x60;
    Get(bytes);
  }
  Run();
}

TEST_F(Ip6FuzzTest, SurvivesPacketsThatAreAlmostRight) {
  Set(a_, "net.inet6.ip6.forwarding", 1);
  for (int i = 0; i < 60000; ++i) {
    std::string bytes = Plausible();
    for (int flips = Below(3); flips > 0; --flips) {
      bytes[static_cast<size_t>(Below(static_cast<int>(bytes.size())))] ^=
          static_cast<char>(1 << Below(8));
    }
    Get(bytes);
    if (Below(100) == 0) RunFor(kSecond);
  }
  Run();
  EXPECT_GT(ip6stat_get(a_, ip6s_delivered), 1000u);
  EXPECT_GT(ip6stat_get(a_, ip6s_reassembled), 10u);
}

TEST_F(Ip6FuzzTest, EveryPacketIsDeliveredForwardedHeldOrDropped) {
  Set(a_, "net.inet6.ip6.forwarding", 1);
  uint64_t sent = 0;
  for (int i = 0; i < 5000; ++i, ++sent) {
    Packet6 packet = {.src = Addr6("2001:db8:1::2"), .dst = Addr6("2001:db8:1::1")};
    packet.payload = Noise(Below(60));
    packet.next = Below(8) == 0 ? 200 : kTestProtocol;
    packet.hops = static_cast<uint8_t>(Below(3));
    if (Below(4) == 0) packet.dst = Addr6("2001:db8:1::2");
    if (Below(4) == 0) packet.dst = Addr6("2001:db8:9::9");
    std::string bytes = packet.Bytes();
    if (Below(8) == 0) bytes[static_cast<size_t>(Below(8))] ^= 4;
    if (Below(8) == 0) bytes.resize(static_cast<size_t>(1 + Below(static_cast<int>(bytes.size()))));
    Get(bytes);
  }
  uint64_t accounted = ip6stat_get(a_, ip6s_delivered) + ip6stat_get(a_, ip6s_forward);
  accounted += static_cast<uint64_t>(Live(a_, "IPv6 fragment"));
  for (const Record& record : RecordsOf(InetRecord::kDrop6)) {
    accounted += record.host == a_.id ? 1 : 0;
  }
  EXPECT_EQ(accounted, sent);
}

}  // namespace
}  // namespace sockbed
