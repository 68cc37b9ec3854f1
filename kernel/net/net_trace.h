// The records this room adds to the trace.
//
// Lives here:  NetRecord, NetDrop.
// Called by:   net/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_NET_NET_TRACE_H_
#define SOCKBED_KERNEL_NET_NET_TRACE_H_

#include <cstdint>

namespace sockbed {

// Objects: of a link its direction (2 * number + direction), else the interface's index.
// "packet" is PackPair(number in its direction, bytes).
enum class NetRecord : uint8_t {
  kOut,       // (packet, arrival) handed to a link; the cause of its arrival
  kLinkDrop,  // (packet, NetDrop)
  kFault,     // (packet, Site, arrival) something befell the packet, but it arrives
  kLoop,      // (bytes) sent on lo0; the cause of its arrival
  kIfDrop,    // (bytes, NetDrop)
  kState,     // (name, flags) the interface went up or down
  kBytes,     // (packet, XXH3 of its bytes) in checking runs: what is about to be handed to a link
};

enum class NetDrop : uint8_t {
  kLoss,       // the link lost it
  kQueue,      // the transmit queue was full
  kMemory,     // no memory for a frame, or for a corrupted or second copy
  kDown,       // the interface is down
  kLoopQueue,  // lo0's queue was full
  kLoops,      // went round inside this host too often
  kNoFamily,   // no such address family here
  kRunt,       // no whole Ethernet header
  kNotForUs,   // a frame for another address or group
  kOwnFrame,   // a frame of this interface's own address
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_NET_TRACE_H_
