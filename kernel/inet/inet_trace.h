// The records this room adds to the trace.
//
// Lives here:  InetRecord, and the helpers that drop a packet with one counter and one record.
// Called by:   inet/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_INET_INET_TRACE_H_
#define SOCKBED_KERNEL_INET_INET_TRACE_H_

#include <cstdint>

#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_var.h"

namespace sockbed {

// Arguments in order; "addresses" is PackPair(source, destination), "prefix" PackPair(address,
// length).
enum class InetRecord : uint8_t {
  kDrop,         // (PackPair(ipstat_counters, bytes), addresses)
  kIcmpDrop,     // (icmpstat_counters, addresses)
  kIcmpSend,     // (PackPair(type, code), addresses, bytes 4 .. 7 of the message)
  kIcmpError,    // (PackPair(type, code), addresses quoted, errno) a transport is told
  kFragment,     // (PackPair(id, offset), addresses, bytes) received
  kReassembled,  // (PackPair(id, bytes), addresses)
  kCut,          // (PackPair(bytes, MTU), addresses) to be fragmented
  kAddress,      // (prefix, interface) added
  kUnaddress,    // (prefix, interface) removed
  kRoute,        // object: rt_id. (prefix, gateway, interface) added
  kUnroute,      // object: rt_id. (prefix)
  kRouteMtu,     // object: rt_id. (prefix, MTU, RTV_* locks)
  kArp,          // object: interface. (address, link address) learned
  kArpDown,      // object: interface. (address) does not answer
  kArpConflict,  // object: interface. (our address, the link address that claims it)
};

// Drops a packet of the current host: moves the counter, leaves a record, frees. Takes.
void ip_drop(ipstat_counters why, MbufPtr m);
// The same for a packet that is gone already, having been `bytes` long.
void ip_note_drop(ipstat_counters why, in_addr src, in_addr dst, int bytes);
void icmp_drop(icmpstat_counters why, MbufPtr m);
void icmp_note_drop(icmpstat_counters why, in_addr src, in_addr dst);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET_TRACE_H_
