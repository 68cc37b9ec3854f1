// The tap: sees every packet of a link as on the wire, and what became of it.
//
// Lives here:  PacketTap, TappedPacket, PacketFate.
// Called by:   Link tells; tools (pcapng) and tests listen.
// Context:     interrupt or process, on the host that sends (or, for kDelivered, receives); no
//              sleeping, no sending, and nothing that another tap or a program could notice.
// Owns:        nothing: the packet is borrowed for the call.
#ifndef SOCKBED_KERNEL_NET_TAP_H_
#define SOCKBED_KERNEL_NET_TAP_H_

#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sim/time.h"

namespace sockbed {

// What became of a packet. All but the last are told when it is handed to the link.
enum class PacketFate : uint8_t {
  kSent,            // on its way
  kDuplicated,      // on its way, twice
  kCorrupted,       // on its way; one bit will have flipped at arrival
  kTruncated,       // on its way; its end will be missing at arrival
  kReordered,       // on its way, held back
  kDroppedByLoss,   // the link loses it
  kDroppedByQueue,  // refused: the transmit queue is full; it never was on the wire
  kDelivered,       // arrived
};

struct TappedPacket {
  uint32_t link;      // the link's number
  uint8_t direction;  // 0: from the link's first host, 1: from its second
  PacketFate fate;
  uint8_t family;      // AF_INET, AF_INET6; an Ethernet frame: kFamilyArp (if_ether.h)
  uint64_t number;     // of the packet in its direction, from 1; a duplicate shares it
  SimTime time;        // of this call
  SimTime departs;     // when its first bit leaves the queue; its arrival for kDelivered
  const mbuf* packet;  // from the network header (or the frame's) on, all checksums filled in
};

class PacketTap {
 public:
  virtual ~PacketTap() = default;
  virtual void OnPacket(const TappedPacket& tapped) = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_TAP_H_
