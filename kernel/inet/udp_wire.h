// The UDP header on the wire.
//
// Lives here:  UdpView, UdpHeader.
// Called by:   udp; tcp, whose segments may travel in datagrams; tests.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Invariants:  a view is made over at least 8 bytes (asserted once); then no accessor can fail.
// Source:      RFC 768.
#ifndef SOCKBED_KERNEL_INET_UDP_WIRE_H_
#define SOCKBED_KERNEL_INET_UDP_WIRE_H_

#include <cstddef>
#include <cstdint>

#include "kernel/inet/ip_wire.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr int kUdpHeader = 8;

class UdpView {
 public:
  UdpView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kUdpHeader);
  }
  uint16_t source_port() const { return LoadBe16(p_); }
  uint16_t destination_port() const { return LoadBe16(p_ + 2); }
  uint16_t length() const { return LoadBe16(p_ + 4); }    // header and data
  uint16_t checksum() const { return LoadBe16(p_ + 6); }  // 0: none

 private:
  const uint8_t* p_;
};

// A header to be written; the checksum is left to whoever sends it (M_UDP_CSUM_OUT).
struct UdpHeader {
  uint16_t source_port;
  uint16_t destination_port;
  int length;

  void Write(void* data, size_t size) const {
    KASSERT(size >= kUdpHeader && length >= kUdpHeader && length <= 65535);
    uint8_t* p = static_cast<uint8_t*>(data);
    StoreBe16(p, source_port);
    StoreBe16(p + 2, destination_port);
    StoreBe16(p + 4, static_cast<uint16_t>(length));
    StoreBe16(p + 6, 0);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_UDP_WIRE_H_
