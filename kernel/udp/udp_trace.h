// The records this room adds to the trace.
//
// Lives here:  UdpRecord.
// Called by:   udp/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_UDP_UDP_TRACE_H_
#define SOCKBED_KERNEL_UDP_UDP_TRACE_H_

#include <cstdint>

namespace sockbed {

// The object is the pcb's number, 0 when there is none.
enum class UdpRecord : uint8_t {
  kOut,   // (local endpoint, remote endpoint, bytes of data) handed to IPv4
  kIn,    // (local endpoint, remote endpoint, bytes of data) put into a socket's buffer
  kDrop,  // (local endpoint, remote endpoint, udpstat_counters)
  kError  // (errno) a pending error was set
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UDP_UDP_TRACE_H_
