// A packet as tests of this room write and read it.
//
// Lives here:  Packet, Text, BytesOf.
// Called by:   inet_test_net.h and *_test.cc here.
#ifndef SOCKBED_KERNEL_INET_TEST_PACKET_H_
#define SOCKBED_KERNEL_INET_TEST_PACKET_H_

#include <arpa/inet.h>

#include <string>

#include "gtest/gtest.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/sim/machine.h"

namespace sockbed {

inline constexpr uint8_t kTestProtocol = 253;  // RFC 3692: for experiments

inline std::string Text(in_addr address) {
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, text, sizeof text);
}
inline std::string BytesOf(const mbuf* m) {
  std::string bytes(static_cast<size_t>(m_length(m)), '\0');
  m_copydata(m, 0, static_cast<int>(bytes.size()), bytes.data());
  return bytes;
}

// A packet as a test writes and reads it.
struct Packet {
  in_addr src{}, dst{};
  std::string payload;
  uint8_t protocol = kTestProtocol;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0;
  int offset = 0;  // of a fragment
  bool more = false;
  bool dont_fragment = false;
  std::string options;
  uint16_t mbuf_flags = 0;
  SimTime time = 0;

  // Its bytes on the wire, header checksum included.
  std::string Bytes() const {
    const int hlen = kIpv4HeaderMin + static_cast<int>(options.size());
    std::string bytes(static_cast<size_t>(hlen), '\0');
    Ipv4Header{.total_length = hlen + static_cast<int>(payload.size()),
               .tos = tos,
               .ttl = ttl,
               .protocol = protocol,
               .source = src,
               .destination = dst}
        .Write(bytes.data(), bytes.size());
    Ipv4Edit ip(bytes.data(), bytes.size());
    ip.set_version_and_length(hlen);
    ip.set_id(id);
    ip.set_fragment(offset, more, dont_fragment);
    options.copy(bytes.data() + kIpv4HeaderMin, options.size());
    ip.set_checksum(in_cksum_bytes(bytes.data(), bytes.size()));
    return bytes + payload;
  }

  static Packet Of(const std::string& bytes) {
    const Ipv4View ip(bytes.data(), bytes.size());
    const size_t hlen = static_cast<size_t>(ip.header_length());
    return {.src = ip.source(),
            .dst = ip.destination(),
            .payload = bytes.substr(hlen),
            .protocol = ip.protocol(),
            .ttl = ip.ttl(),
            .tos = ip.tos(),
            .id = ip.id(),
            .offset = ip.fragment_offset(),
            .more = ip.more_fragments(),
            .dont_fragment = ip.dont_fragment(),
            .options = bytes.substr(kIpv4HeaderMin, hlen - kIpv4HeaderMin),
            .time = Now()};
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_TEST_PACKET_H_
