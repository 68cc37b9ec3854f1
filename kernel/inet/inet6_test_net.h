// A network of hosts with IPv6 and no transport: a protocol of the test's own stands on top.
//
// Lives here:  Inet6TestNet, Test6Inbox, Packet6, Addr6.
// Called by:   *_test.cc here.
// Invariants:  after each test every live count of every host is zero.
#ifndef SOCKBED_KERNEL_INET_INET6_TEST_NET_H_
#define SOCKBED_KERNEL_INET_INET6_TEST_NET_H_

#include <string>
#include <vector>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/inet_test_net.h"
#include "kernel/inet/ip6_var.h"

namespace sockbed {

inline in6_addr Addr6(const std::string& text) {
  const size_t percent = text.find('%');
  in6_addr address;
  EXPECT_EQ(inet_pton(AF_INET6, text.substr(0, percent).c_str(), &address), 1) << text;
  if (percent == text.npos) return address;
  return in6_setscope(address, static_cast<uint32_t>(std::stoul(text.substr(percent + 1))));
}

// A packet as a test writes and reads it.
struct Packet6 {
  in6_addr src{}, dst{};
  std::string payload;  // extension headers included
  uint8_t next = kTestProtocol;
  uint8_t hops = 64;
  uint8_t traffic_class = 0;
  uint32_t flow = 0;
  uint16_t mbuf_flags = 0;
  int header_length = 0;  // received: what stood before the protocol's header
  SimTime time = 0;

  std::string Bytes() const {
    std::string bytes(kIpv6Header, '\0');
    Ipv6Header{.payload_length = static_cast<int>(payload.size()),
               .traffic_class = traffic_class,
               .flow_label = flow,
               .hop_limit = hops,
               .next_header = next,
               .source = src,
               .destination = dst}
        .Write(bytes.data(), bytes.size());
    return bytes + payload;
  }

  static Packet6 Of(const std::string& bytes) {
    const Ipv6View ip(bytes.data(), bytes.size());
    EXPECT_EQ(ip.version(), 6);
    EXPECT_EQ(static_cast<size_t>(ip.payload_length()), bytes.size() - kIpv6Header);
    return {.src = ip.source(),
            .dst = ip.destination(),
            .payload = bytes.substr(kIpv6Header),
            .next = ip.next_header(),
            .hops = ip.hop_limit(),
            .traffic_class = ip.traffic_class(),
            .flow = ip.flow_label(),
            .time = Now()};
  }
};

// What the test's protocol keeps per host.
struct Test6Inbox {
  static constexpr HostSlot kHostSlot = HostSlot::kTcp;
  std::vector<Packet6> packets;
  std::vector<IcmpError> errors;

  static void Input(MbufPtr m, int hlen) {
    Packet6 packet = Packet6::Of(BytesOf(m.get()));
    packet.src = ip6_source(m.get());
    packet.dst = ip6_destination(m.get());
    packet.mbuf_flags = m->m_flags;
    packet.header_length = hlen;
    HostLocal<Test6Inbox>::Get().packets.push_back(packet);
  }
  static void Control(const IcmpError& error) {
    HostLocal<Test6Inbox>::Get().errors.push_back(error);
    if (error.error == EMSGSIZE) icmp6_mtudisc(error);
  }
};
inline constexpr InetProtocol kTest6ProtocolOps = {kTestProtocol, Test6Inbox::Input,
                                                   Test6Inbox::Control};

class Inet6TestNet : public InetTestNet {
 protected:
  HostBase& AddHost6(const std::string& name) {
    HostBase& host = AddHost(name);
    HostLocal<Test6Inbox>::Make(host);
    inet6_register_protocol(host, kTest6ProtocolOps);
    return host;
  }

  // Joins two hosts: the k-th link is 2001:db8:k::/64, ::1 is the first host's, ::2 the second's.
  Link& Join6(HostBase& a, HostBase& b, const LinkOptions& options = {}) {
    Link& link = Join(a, b, options);
    const std::string net = "2001:db8:" + std::to_string(link.number()) + "::";
    AddAddress6(link.interface(0), net + "1", 64);
    AddAddress6(link.interface(1), net + "2", 64);
    return link;
  }
  void AddAddress6(ifnet* ifp, const std::string& address, uint8_t plen) {
    HostScope scope(*ifp->if_host);
    EXPECT_EQ(in6_ifadd(ifp, Addr6(address), plen), 0) << address;
  }
  void AddRoute6(HostBase& host, const char* dest, uint8_t plen, const char* gateway) {
    HostScope scope(host);
    EXPECT_EQ(
        rt_add({.dest = Addr6(dest), .family = AF_INET6, .plen = plen, .gateway = Addr6(gateway)}),
        0)
        << dest;
  }

  int Output6(HostBase& host, const Packet6& packet, const ip6_pktopts* opt = nullptr,
              int flags = 0) {
    HostScope scope(host);
    const std::string bytes = packet.Bytes();
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), max_linkhdr);
    if (m == nullptr) return ENOBUFS;
    return ip6_output(std::move(m), opt, nullptr, flags, nullptr, nullptr);
  }

  // A packet of those bytes arrives on ifp, now.
  void Inject6(ifnet* ifp, const std::string& bytes, uint16_t mbuf_flags = 0) {
    HostScope scope(*ifp->if_host);
    MbufPtr m = m_devget(bytes.data(), static_cast<int>(bytes.size()), 0);
    m->m_pkthdr.ph_family = AF_INET6;
    m->m_flags |= mbuf_flags;
    if_input(ifp, std::move(m));
  }

  std::vector<Packet6>& Packets6(HostBase& host) { return HostLocal<Test6Inbox>::Of(host).packets; }
  std::vector<IcmpError>& Errors6(HostBase& host) { return HostLocal<Test6Inbox>::Of(host).errors; }

  // Asserts that since boot exactly `count` packets were dropped, all as `why`, each with a record.
  void ExpectDrops6(HostBase& host, ip6stat_counters why, uint64_t count) {
    EXPECT_EQ(ip6stat_get(host, why), count);
    uint64_t records = 0;
    for (const Record& record : RecordsOf(InetRecord::kDrop6)) {
      if (record.host == host.id && record.args[2] >> 32 == why) ++records;
    }
    EXPECT_EQ(records, count);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET6_TEST_NET_H_
