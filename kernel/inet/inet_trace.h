// The records this room adds to the trace.
//
// Lives here:  InetRecord, and the helpers that drop a packet with one counter and one record.
// Called by:   inet/ emits; tests and tools match on it.
#ifndef SOCKBED_KERNEL_INET_INET_TRACE_H_
#define SOCKBED_KERNEL_INET_INET_TRACE_H_

#include <cstdint>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/ip6_var.h"
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
  // IPv6: an address takes two arguments; records about a packet have its source, and kTo6 follows
  // with its destination.
  kDrop6,         // (source, PackPair(ip6stat_counters, bytes))
  kTo6,           // (destination)
  kIcmp6Drop,     // (source, icmp6stat_counters)
  kIcmp6Send,     // (source, PackPair(type << 8 | code, bytes 4 .. 7 of the message))
  kIcmp6Error,    // (source quoted, PackPair(type << 8 | code, errno)) a transport is told
  kFragment6,     // object: id. (source, PackPair(offset, bytes)) received
  kReassembled6,  // object: id. (source, bytes)
  kCut6,          // object: id. (source, PackPair(bytes, MTU)) to be fragmented
  kAddress6,      // object: ia6_id. (address, PackPair(length, interface)) added
  kUnaddress6,    // object: ia6_id. (address, PackPair(length, interface)) removed
  kRoute6,        // object: rt_id. (prefix, PackPair(length, interface)) added
  kVia6,          // object: rt_id. (gateway) of the route just added
  kUnroute6,      // object: rt_id. (prefix, PackPair(length, 0))
  kRouteMtu6,     // object: rt_id. (prefix, PackPair(length, MTU))
  kNd6,           // object: interface. (address, link address) learned
  kNd6Down,       // object: interface. (address) does not answer
  kDadDone,       // object: ia6_id. (address) is ours alone
  kDadDuplicate,  // object: ia6_id. (address) is another's too
  kJoin6,         // object: interface. (group) it has its first member
  kLeave6,        // object: interface. (group) it had its last one
  // Groups of IPv4.
  kJoin,      // object: interface. (group) it has its first member
  kLeave,     // object: interface. (group) it had its last one
  kIgmpSend,  // object: interface. (type, group)
  kIgmpDrop,  // object: interface. (igmpstat_counters, addresses)
};

// Drops a packet of the current host: moves the counter, leaves a record, frees. Takes.
void ip_drop(ipstat_counters why, MbufPtr m);
// The same for a packet that is gone already, having been `bytes` long.
void ip_note_drop(ipstat_counters why, in_addr src, in_addr dst, int bytes);
void icmp_drop(icmpstat_counters why, MbufPtr m);
void icmp_note_drop(icmpstat_counters why, in_addr src, in_addr dst);

// Leaves a record of IPv6 about a packet from `src` to `dst`; returns its id.
TraceId Emit6(InetRecord type, uint64_t object, const in6_addr& src, const in6_addr& dst,
              uint64_t what);

// As ip_drop and its like, for IPv6.
void ip6_drop(ip6stat_counters why, MbufPtr m);
void ip6_note_drop(ip6stat_counters why, const in6_addr& src, const in6_addr& dst, int bytes);
void icmp6_drop(icmp6stat_counters why, MbufPtr m);
void icmp6_note_drop(icmp6stat_counters why, const in6_addr& src, const in6_addr& dst);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_INET_TRACE_H_
