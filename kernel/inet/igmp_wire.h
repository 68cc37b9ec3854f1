// The IGMP message on the wire.
//
// Lives here:  IgmpView, IgmpMessage.
// Called by:   igmp.cc, tests.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Invariants:  a view is made over at least 8 bytes (asserted once); then no accessor can fail.
// Source:      RFC 2236 2; RFC 1112 appendix I (version 1).
#ifndef SOCKBED_KERNEL_INET_IGMP_WIRE_H_
#define SOCKBED_KERNEL_INET_IGMP_WIRE_H_

#include <cstddef>
#include <cstdint>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr int kIgmpMessage = 8;

inline constexpr uint8_t IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
inline constexpr uint8_t IGMP_v1_HOST_MEMBERSHIP_REPORT = 0x12;
inline constexpr uint8_t IGMP_v2_HOST_MEMBERSHIP_REPORT = 0x16;
inline constexpr uint8_t IGMP_HOST_LEAVE_MESSAGE = 0x17;

class IgmpView {
 public:
  IgmpView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kIgmpMessage);
  }
  uint8_t type() const { return p_[0]; }
  uint8_t max_response() const { return p_[1]; }  // tenths of a second; 0: a version 1 query
  uint16_t checksum() const { return LoadBe16(p_ + 2); }
  in_addr group() const { return LoadAddress(p_ + 4); }  // 0: all, in a query

 private:
  const uint8_t* p_;
};

// A message to be written, checksum and all.
struct IgmpMessage {
  uint8_t type;
  uint8_t max_response = 0;
  in_addr group{};

  void Write(void* data, size_t size) const {
    KASSERT(size >= kIgmpMessage);
    uint8_t* p = static_cast<uint8_t*>(data);
    p[0] = type;
    p[1] = max_response;
    StoreBe16(p + 2, 0);
    StoreAddress(p + 4, group);
    StoreBe16(p + 2, in_cksum_bytes(p, kIgmpMessage));
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IGMP_WIRE_H_
