// What the local sockets write into the trace.
//
// Lives here:  UnixEvent, EmitUnix.
// Called by:   this room (Emit); tests that read records.
// The object of a record is a socket, by so_id. Data leaves no record here: the socket layer has
// one for each send and receive.
#ifndef SOCKBED_KERNEL_UNIX_UNIX_TRACE_H_
#define SOCKBED_KERNEL_UNIX_UNIX_TRACE_H_

#include <cstdint>

#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// The order is that of the table in unix_host.cc.
enum class UnixEvent : uint8_t {
  kBind,         // 0: number of the node; 1, 2: the start of its path
  kConnect,      // 0: the socket it is joined to
  kInternalize,  // object: none; 0: descriptors that become references; 1: in flight with these
  kExternalize,  // object: none; 0: references that become descriptors; 1: in flight without these
  kDiscard,      // object: none; 0: number of a file whose reference a message gave up
  kCollect,      // object: none; 0: files that nobody can receive any more
};

inline TraceId EmitUnix(UnixEvent type, const socket* so, uint64_t a0 = 0, uint64_t a1 = 0,
                        uint64_t a2 = 0) {
  return Emit(Room::kUnix, static_cast<uint8_t>(type), so != nullptr ? so->so_id : 0, a0, a1, a2);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UNIX_UNIX_TRACE_H_
