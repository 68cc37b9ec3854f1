// The records this room adds to the trace.
//
// Lives here:  UdpRecord, udp_note.
// Called by:   udp/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_UDP_UDP_TRACE_H_
#define SOCKBED_KERNEL_UDP_UDP_TRACE_H_

#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// The object is the pcb's number, 0 when there is none.
enum class UdpRecord : uint8_t {
  kOut,    // (local endpoint, remote endpoint, bytes of data) handed to IPv4
  kIn,     // (local endpoint, remote endpoint, bytes of data) put into a socket's buffer
  kDrop,   // (local endpoint, remote endpoint, udpstat_counters)
  kError,  // (errno) a pending error was set
  // IPv6: the remote address takes two arguments; the local one is the pcb's.
  kOut6,   // (remote address, PackPair(remote port, bytes of data)) handed to IPv6
  kIn6,    // (remote address, PackPair(remote port, bytes of data))
  kDrop6,  // (remote address, PackPair(remote port, udpstat_counters))
};

// What udp_note does for a peer that is not one of IPv4.
TraceId udp_note6(UdpRecord type, uint64_t pcb, const InetName& remote, uint64_t what);

// Leaves a record of a datagram between `local` and `remote`: kOut, kIn or kDrop, or their like of
// IPv6. `what`: its third argument. Returns its id.
inline TraceId udp_note(UdpRecord type, uint64_t pcb, const InetName& local, const InetName& remote,
                        uint64_t what) {
  const bool v4 = remote.addr.is_v4() || (remote.addr.is_any() && local.addr.is_v4());
  if (!v4) return udp_note6(type, pcb, remote, what);
  const auto endpoint = [](const InetName& name) {
    return PackEndpoint(ntohl(name.addr.v4().s_addr), ntohs(name.port));
  };
  return Emit(Room::kUdp, static_cast<uint8_t>(type), pcb, endpoint(local), endpoint(remote), what);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UDP_UDP_TRACE_H_
