// The ICMP header on the wire.
//
// Lives here:  IcmpView, IcmpHeader.
// Called by:   ip_icmp.cc, tests.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Invariants:  a view is made over at least 8 bytes (asserted once); then no accessor can fail.
// Source:      RFC 792; RFC 1191 4 (next-hop MTU).
#ifndef SOCKBED_KERNEL_INET_ICMP_WIRE_H_
#define SOCKBED_KERNEL_INET_ICMP_WIRE_H_

#include <cstddef>
#include <cstdint>

#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr int kIcmpHeader = 8;

class IcmpView {
 public:
  IcmpView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kIcmpHeader);
  }
  uint8_t type() const { return p_[0]; }
  uint8_t code() const { return p_[1]; }
  uint16_t checksum() const { return LoadBe16(p_ + 2); }
  uint16_t id() const { return LoadBe16(p_ + 4); }  // queries
  uint16_t sequence() const { return LoadBe16(p_ + 6); }
  uint8_t pointer() const { return p_[4]; }                // parameter problem
  uint16_t next_mtu() const { return LoadBe16(p_ + 6); }   // needfrag
  in_addr gateway() const { return LoadAddress(p_ + 4); }  // redirect

 private:
  const uint8_t* p_;
};

// A header to be written; the checksum is left to whoever sends it (M_ICMP_CSUM_OUT).
struct IcmpHeader {
  uint8_t type;
  uint8_t code;
  uint32_t rest = 0;  // bytes 4 .. 7, as a number in host order

  void Write(void* data, size_t size) const {
    KASSERT(size >= kIcmpHeader);
    uint8_t* p = static_cast<uint8_t*>(data);
    p[0] = type;
    p[1] = code;
    StoreBe16(p + 2, 0);
    StoreBe32(p + 4, rest);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ICMP_WIRE_H_
