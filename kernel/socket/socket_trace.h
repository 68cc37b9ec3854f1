// What the socket layer writes into the trace.
//
// Lives here:  SocketEvent, EmitSocket.
// Called by:   this room (Emit); tests that read records.
// The object of a record is a socket, by so_id. A call of sosend or soreceive makes one record,
// when it ends; a change of a buffer makes one only if somebody waits for it.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKET_TRACE_H_
#define SOCKBED_KERNEL_SOCKET_SOCKET_TRACE_H_

#include <cstdint>

#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// The order is that of the table in socket_trace.cc.
enum class SocketEvent : uint8_t {
  kCreate,    // 0: family; 1: type; 2: the listener it was made for, or 0
  kFree,      //
  kState,     // 0: old so_state; 1: new; 2: so_error
  kError,     // 0: old so_error; 1: new, 0 when it was reported to a caller
  kListen,    // 0: so_qlimit
  kQueue,     // 0: the listener; 1: the queue (0 so_q0, 1 so_q); 2: its length with this one
  kDequeue,   // 0: the listener; 1: the queue; 2: its length without this one
  kSend,      // 0: bytes; 1: errno; 2: so_snd.sb_cc afterwards
  kReceive,   // 0: bytes; 1: errno; 2: so_rcv.sb_cc afterwards
  kBuffer,    // 0: which (0 so_rcv, 1 so_snd); 1: its sb_cc; 2: sb_mbcnt; those who wait are woken
  kFlush,     // 0: bytes thrown away from so_rcv
  kOption,    // 0: level; 1: name (the host's numbers); 2: errno
  kUrgent,    // 0: so_oobmark
  kSplice,    // the source. 0: the drain; 1: ssp_max
  kMove,      // the source. 0: the drain; 1: bytes about to move; 2: ssp_len before them
  kUnsplice,  // the source. 0: the drain; 1: ssp_len; 2: so_error
};

// A record about `so`, from wherever the code stands.
inline TraceId EmitSocket(SocketEvent type, const socket* so, uint64_t a0 = 0, uint64_t a1 = 0,
                          uint64_t a2 = 0) {
  return Emit(Room::kSocket, static_cast<uint8_t>(type), so->so_id, a0, a1, a2);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKET_TRACE_H_
