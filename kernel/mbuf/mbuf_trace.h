// The records this room adds to the trace: what is rare enough to be worth one.
//
// Lives here:  MbufRecord.
// Called by:   mbuf/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_TRACE_H_
#define SOCKBED_KERNEL_MBUF_MBUF_TRACE_H_

#include <cstdint>

namespace sockbed {

// Arguments in order: (pool's name, percent used ...) as the table in mbuf_host.cc shows them.
enum class MbufRecord : uint8_t {
  kLimit,    // a request of a pool was refused: limit or fault
  kWait,     // a process begins to wait for a pool
  kWake,     // memory has returned and is given to the longest waiter
  kDefrag,   // a chain was collapsed
  kSetLimit  // kern.maxclusters was changed
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_TRACE_H_
