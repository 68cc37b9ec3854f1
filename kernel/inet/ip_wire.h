// The IPv4 header on the wire: a view that reads it, an editor that changes it, a builder that
// makes one.
//
// Lives here:  Ipv4View, Ipv4Edit, Ipv4Header; byte order helpers for all wire headers of this
//              room.
// Called by:   inet, tcp, udp, tests and tools. Nobody else knows an offset of the IPv4 header.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Units:       lengths and offsets in bytes (the wire counts headers in 4, fragments in 8); numbers
//              are in host order, addresses (in_addr) in network order as everywhere in BSD.
// Invariants:  a view is made over at least 20 bytes (asserted once); then no accessor can fail.
// Source:      RFC 791 3.1.
#ifndef SOCKBED_KERNEL_INET_IP_WIRE_H_
#define SOCKBED_KERNEL_INET_IP_WIRE_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel/sim/kassert.h"

namespace sockbed {

// As whole words: from single bytes a header would be pieced together in registers.
inline uint16_t LoadBe16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return ntohs(value);
}
inline uint32_t LoadBe32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return ntohl(value);
}
inline void StoreBe16(uint8_t* p, uint16_t value) {
  value = htons(value);
  std::memcpy(p, &value, sizeof value);
}
inline void StoreBe32(uint8_t* p, uint32_t value) {
  value = htonl(value);
  std::memcpy(p, &value, sizeof value);
}
inline in_addr LoadAddress(const uint8_t* p) {
  in_addr address;
  std::memcpy(&address, p, sizeof address);
  return address;
}
inline void StoreAddress(uint8_t* p, in_addr address) { std::memcpy(p, &address, sizeof address); }

inline constexpr int kIpv4HeaderMin = 20;
inline constexpr int kIpv4HeaderMax = 60;
inline constexpr int kIpv4PacketMax = 65535;
inline constexpr int kIpv4TtlMax = 255;

class Ipv4View {
 public:
  // REQUIRES: size >= 20. What the header says of itself (version, lengths) is not checked.
  Ipv4View(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kIpv4HeaderMin);
  }

  int version() const { return p_[0] >> 4; }
  bool is_version4_without_options() const { return p_[0] == 0x45; }
  int header_length() const { return (p_[0] & 0x0f) * 4; }
  uint8_t tos() const { return p_[1]; }
  uint16_t total_length() const { return LoadBe16(p_ + 2); }
  uint16_t id() const { return LoadBe16(p_ + 4); }
  bool dont_fragment() const { return (p_[6] & 0x40) != 0; }
  bool more_fragments() const { return (p_[6] & 0x20) != 0; }
  int fragment_offset() const { return (LoadBe16(p_ + 6) & 0x1fff) * 8; }
  bool is_fragment() const { return (LoadBe16(p_ + 6) & 0x3fff) != 0; }
  uint8_t ttl() const { return p_[8]; }
  uint8_t protocol() const { return p_[9]; }
  uint16_t checksum() const { return LoadBe16(p_ + 10); }
  in_addr source() const { return LoadAddress(p_ + 12); }
  in_addr destination() const { return LoadAddress(p_ + 16); }
  // Source and destination as they stand there: to be compared with those of another packet.
  uint64_t addresses() const {
    uint64_t both;
    std::memcpy(&both, p_ + 12, sizeof both);
    return both;
  }

 protected:
  const uint8_t* p_;
};

// A view that also writes. REQUIRES: the bytes are the caller's alone (not M_READONLY).
class Ipv4Edit : public Ipv4View {
 public:
  Ipv4Edit(void* data, size_t size) : Ipv4View(data, size), w_(static_cast<uint8_t*>(data)) {}

  void set_version_and_length(int header_length) {
    w_[0] = static_cast<uint8_t>(0x40 | header_length / 4);
  }
  void set_tos(uint8_t tos) { w_[1] = tos; }
  void set_total_length(int length) { StoreBe16(w_ + 2, static_cast<uint16_t>(length)); }
  void set_id(uint16_t id) { StoreBe16(w_ + 4, id); }
  void set_dont_fragment() { w_[6] |= 0x40; }
  // REQUIRES: offset is a multiple of 8. Clears the reserved bit.
  void set_fragment(int offset, bool more_fragments, bool dont_fragment) {
    StoreBe16(w_ + 6, static_cast<uint16_t>(offset / 8 | (more_fragments ? 0x2000 : 0) |
                                            (dont_fragment ? 0x4000 : 0)));
  }
  void set_ttl(uint8_t ttl) { w_[8] = ttl; }
  void set_protocol(uint8_t protocol) { w_[9] = protocol; }
  void set_checksum(uint16_t sum) { StoreBe16(w_ + 10, sum); }
  void set_source(in_addr address) { StoreAddress(w_ + 12, address); }
  void set_destination(in_addr address) { StoreAddress(w_ + 16, address); }

 private:
  uint8_t* w_;
};

// What a transport says of a packet that it hands to ip_output; the rest is ip_output's.
struct Ipv4Header {
  int total_length;  // header and payload
  uint8_t tos = 0;
  uint8_t ttl = 64;
  uint8_t protocol;
  bool dont_fragment = false;
  in_addr source{};  // 0.0.0.0: ip_output chooses
  in_addr destination{};

  // Writes a header without options to `data`. REQUIRES: size >= 20.
  [[gnu::always_inline]] void Write(void* data, size_t size) const {
    Ipv4Edit ip(data, size);
    ip.set_version_and_length(kIpv4HeaderMin);
    ip.set_tos(tos);
    ip.set_total_length(total_length);
    ip.set_id(0);
    ip.set_fragment(0, false, dont_fragment);
    ip.set_ttl(ttl);
    ip.set_protocol(protocol);
    ip.set_checksum(0);
    ip.set_source(source);
    ip.set_destination(destination);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_WIRE_H_
