// Packets as bytes: what the far end of the script's interface sends and sees.
//
// Lives here:  Address, WireIp, WireEncap, WirePacket, EncodePacket, DecodePacket.
// Called by:   translate (script to wire and back), check, peer.
// May touch:   inet's checksum; nothing else of the kernel: this side of the wire judges it.
// Units:       host byte order; bytes.
// Invariants:  1. Encoding fills in every length and checksum.
//              2. Decoding takes nothing for granted: lengths, versions and checksums that do not
//                 fit are errors in words.
// Source:      RFC 791, 8200, 9293, 768, 3828, 792, 4443; of tunnels RFC 2003, 2473, 2784, 4023.
#ifndef SOCKBED_TOOLS_PACKETDRILL_WIRE_H_
#define SOCKBED_TOOLS_PACKETDRILL_WIRE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/packetdrill/script.h"

namespace sockbed::packetdrill {

inline constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kFragment = 44, kIcmp6 = 58,
                         kUdpLite = 136;

struct Address {
  uint8_t length = 4;  // 4 or 16
  std::array<uint8_t, 16> bytes{};
  bool v6() const { return length == 16; }
  friend bool operator==(const Address&, const Address&) = default;
};
// Errors: InvalidArgument.
absl::StatusOr<Address> ParseAddressText(const std::string& text);
std::string AddressText(const Address& address);

struct WireTcp {
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t flags = 0;    // script.h's kFin ... kAe
  uint8_t reserved = 0;  // the three bits above them
  uint16_t window = 0;
  uint16_t urgent = 0;
  std::vector<uint8_t> options;  // a multiple of 4 bytes
};

// An IP header, but for what its payload decides.
struct WireIp {
  Address source, destination;
  uint8_t tos = 0;
  uint8_t ttl = 255;
  uint32_t flow_label = 0;

  bool v6() const { return source.v6(); }
};

// A header that a tunnel puts in front. A stack of MPLS labels is as on the wire: 20 bits of label,
// 3 of class, the bottom's mark, 8 of TTL.
using MplsStack = std::vector<uint32_t>;
inline constexpr uint32_t kMplsBottom = 0x100;
using WireEncap = std::variant<WireIp, GreHeader, MplsStack>;

struct WirePacket : WireIp {
  std::vector<WireEncap> encaps;  // in front of this IP header, outermost first
  uint8_t protocol = kTcp;
  // TCP inside UDP: the outer ports.
  std::optional<std::array<uint16_t, 2>> in_udp;
  uint16_t source_port = 0, destination_port = 0;  // TCP, UDP
  WireTcp tcp;
  std::optional<uint16_t> coverage;  // UDP-Lite
  uint8_t icmp_type = 0, icmp_code = 0;
  uint32_t icmp_rest = 0;        // bytes 4 to 7
  std::vector<uint8_t> payload;  // of the transport; of ICMP: the quotation
};

// An MD5 signature is computed over the packet (RFC 2385) and put into its option.
struct Md5Key {
  std::string secret;
};

// The whole IP packet. With `key`, the first option of kind 19 and length 18 is filled in.
std::vector<uint8_t> EncodePacket(const WirePacket& packet, const Md5Key* key = nullptr);

// Reads a packet, and those around it. `tcp_in_udp`: UDP datagrams carry TCP. Errors:
// InvalidArgument, in words.
absl::StatusOr<WirePacket> DecodePacket(std::span<const uint8_t> bytes, bool tcp_in_udp);

// The digest that the packet's option of kind 19 should hold.
std::array<uint8_t, 16> Md5Signature(const WirePacket& packet, const Md5Key& key);

// Where each option begins in `options`: lists its kinds in order, including every EOL and NOP. A
// length that does not fit ends the list with the rest as one entry.
struct WireOption {
  uint8_t kind;
  std::vector<uint8_t> data;  // behind kind and length
};
std::vector<WireOption> SplitOptions(std::span<const uint8_t> options);

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_WIRE_H_
