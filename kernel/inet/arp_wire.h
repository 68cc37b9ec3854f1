// An ARP packet of Ethernet and IPv4 on the wire.
//
// Lives here:  ArpView, ArpPacket.
// Called by:   if_arp.cc, tests.
// Owns:        nothing: a view borrows bytes that must outlive it.
// Invariants:  a view is made over at least 28 bytes (asserted once); then no accessor can fail.
// Source:      RFC 826.
#ifndef SOCKBED_KERNEL_INET_ARP_WIRE_H_
#define SOCKBED_KERNEL_INET_ARP_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel/inet/ip_wire.h"
#include "kernel/net/if_ether.h"
#include "kernel/sim/kassert.h"

namespace sockbed {

inline constexpr int kArpPacket = 28;
inline constexpr uint16_t kArpHardwareEthernet = 1;
inline constexpr uint16_t kArpRequest = 1;
inline constexpr uint16_t kArpReply = 2;

inline ether_addr LoadEther(const uint8_t* p) {
  ether_addr a;
  std::memcpy(a.octets.data(), p, a.octets.size());
  return a;
}

class ArpView {
 public:
  ArpView(const void* data, size_t size) : p_(static_cast<const uint8_t*>(data)) {
    KASSERT(size >= kArpPacket);
  }
  // Whether it is of Ethernet addresses of 6 bytes and IPv4 addresses of 4.
  bool well_formed() const {
    return LoadBe16(p_) == kArpHardwareEthernet && LoadBe16(p_ + 2) == kEtherTypeIpv4 &&
           p_[4] == 6 && p_[5] == 4;
  }
  uint16_t operation() const { return LoadBe16(p_ + 6); }
  ether_addr sender_link() const { return LoadEther(p_ + 8); }
  in_addr sender() const { return LoadAddress(p_ + 14); }
  ether_addr target_link() const { return LoadEther(p_ + 18); }
  in_addr target() const { return LoadAddress(p_ + 24); }

 private:
  const uint8_t* p_;
};

// A packet to be written.
struct ArpPacket {
  uint16_t operation;
  ether_addr sender_link;
  in_addr sender;
  ether_addr target_link;
  in_addr target;

  void Write(void* data, size_t size) const {
    KASSERT(size >= kArpPacket);
    uint8_t* p = static_cast<uint8_t*>(data);
    StoreBe16(p, kArpHardwareEthernet);
    StoreBe16(p + 2, kEtherTypeIpv4);
    p[4] = 6;
    p[5] = 4;
    StoreBe16(p + 6, operation);
    std::memcpy(p + 8, sender_link.octets.data(), 6);
    StoreAddress(p + 14, sender);
    std::memcpy(p + 18, target_link.octets.data(), 6);
    StoreAddress(p + 24, target);
  }
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ARP_WIRE_H_
