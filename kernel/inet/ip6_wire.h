// The IPv6 header and its extension headers on the wire: views that read, an editor, builders.
//
// Lives here:  Ipv6View, Ipv6Edit, Ipv6Header; the fragment header; numbers of extension headers.
// Called by:   inet, tcp, udp, tests and tools. Nobody else knows an offset of the IPv6 header.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Units:       lengths and offsets in bytes (the wire counts extension headers and fragments in 8);
//              numbers are in host order, addresses (in6_addr) in network order.
// Invariants:  a view is made over at least 40 bytes (asserted once); then no accessor can fail.
// Source:      RFC 8200 3, 4; RFC 6564.
#ifndef SOCKBED_KERNEL_INET_IP6_WIRE_H_
#define SOCKBED_KERNEL_INET_IP6_WIRE_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr int kIpv6Header = 40;
inline constexpr int kIpv6PayloadMax = 65535;
inline constexpr uint32_t kIpv6MtuLeast = 1280;  // every link carries that much (RFC 8200 5)
inline constexpr int kIpv6HopsMax = 255;
inline constexpr int kIp6FragmentHeader = 8;

// Where what stands in the header.
inline constexpr int kIpv6PayloadLengthAt = 4;
inline constexpr int kIpv6NextHeaderAt = 6;

inline in6_addr LoadAddress6(const uint8_t* p) {
  in6_addr address;
  std::memcpy(&address, p, sizeof address);
  return address;
}
inline void StoreAddress6(uint8_t* p, const in6_addr& address) {
  std::memcpy(p, &address, sizeof address);
}

class Ipv6View {
 public:
  // REQUIRES: size >= 40. What the header says of itself (version, length) is not checked.
  Ipv6View(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kIpv6Header);
  }

  int version() const { return p_[0] >> 4; }
  uint8_t traffic_class() const { return static_cast<uint8_t>(LoadBe16(p_) >> 4); }
  uint32_t flow_label() const { return LoadBe32(p_) & 0xf'ffff; }
  int payload_length() const { return LoadBe16(p_ + kIpv6PayloadLengthAt); }
  uint8_t next_header() const { return p_[kIpv6NextHeaderAt]; }
  uint8_t hop_limit() const { return p_[7]; }
  in6_addr source() const { return LoadAddress6(p_ + 8); }
  in6_addr destination() const { return LoadAddress6(p_ + 24); }

 protected:
  const uint8_t* p_;
};

// A view that also writes. REQUIRES: the bytes are the caller's alone (not M_READONLY).
class Ipv6Edit : public Ipv6View {
 public:
  Ipv6Edit(void* data, size_t size) : Ipv6View(data, size), w_(static_cast<uint8_t*>(data)) {}

  void set_first_word(uint8_t traffic_class, uint32_t flow_label) {
    StoreBe32(w_, uint32_t{6} << 28 | uint32_t{traffic_class} << 20 | (flow_label & 0xf'ffff));
  }
  void set_traffic_class(uint8_t traffic_class) { set_first_word(traffic_class, flow_label()); }
  void set_payload_length(int length) {
    StoreBe16(w_ + kIpv6PayloadLengthAt, static_cast<uint16_t>(length));
  }
  void set_next_header(uint8_t next) { w_[kIpv6NextHeaderAt] = next; }
  void set_hop_limit(uint8_t hops) { w_[7] = hops; }
  void set_source(const in6_addr& address) { StoreAddress6(w_ + 8, address); }
  void set_destination(const in6_addr& address) { StoreAddress6(w_ + 24, address); }

 private:
  uint8_t* w_;
};

// What a transport says of a packet that it hands to ip6_output.
struct Ipv6Header {
  int payload_length;  // of everything behind this header
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;
  uint8_t hop_limit = 64;
  uint8_t next_header;
  in6_addr source{};  // ::: ip6_output chooses
  in6_addr destination{};

  // Writes the header to `data`. REQUIRES: size >= 40.
  void Write(void* data, size_t size) const {
    KASSERT(size >= kIpv6Header);
    Ipv6Edit ip(data, size);
    ip.set_first_word(traffic_class, flow_label);
    ip.set_payload_length(payload_length);
    ip.set_next_header(next_header);
    ip.set_hop_limit(hop_limit);
    ip.set_source(source);
    ip.set_destination(destination);
  }
};

// --- Extension headers. All but the fragment header begin with the next header's number and their
// own length in units of 8 bytes, the first not counted. ---

inline constexpr int kIp6ExtensionLeast = 8;

inline int Ip6ExtensionLength(const uint8_t* header) { return (header[1] + 1) * 8; }
// Whether `next` is one of the headers that come before the upper layer and have that form.
inline bool Ip6IsOptionsHeader(uint8_t next) {
  return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING;
}

// The fragment header, read. REQUIRES: at least 8 bytes.
class Ip6FragmentView {
 public:
  Ip6FragmentView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kIp6FragmentHeader);
  }
  uint8_t next_header() const { return p_[0]; }
  int offset() const { return LoadBe16(p_ + 2) & 0xfff8; }
  bool more() const { return (p_[3] & 1) != 0; }
  uint32_t id() const { return LoadBe32(p_ + 4); }

 private:
  const uint8_t* p_;
};

// The fragment header, to be written. REQUIRES: the offset is a multiple of 8.
struct Ip6Fragment {
  uint8_t next_header;
  int offset;
  bool more;
  uint32_t id;

  void Write(void* data, size_t size) const {
    KASSERT(size >= kIp6FragmentHeader && offset % 8 == 0);
    uint8_t* p = static_cast<uint8_t*>(data);
    p[0] = next_header;
    p[1] = 0;
    StoreBe16(p + 2, static_cast<uint16_t>(offset | (more ? 1 : 0)));
    StoreBe32(p + 4, id);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP6_WIRE_H_
