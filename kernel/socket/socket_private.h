// What the files of this room share with each other and with nobody else.
//
// Lives here:  making and state of sockets, calling a protocol.
// Called by:   this room only.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKET_PRIVATE_H_
#define SOCKBED_KERNEL_SOCKET_SOCKET_PRIVATE_H_

#include <errno.h>

#include <utility>

#include "kernel/socket/socketvar.h"

namespace sockbed {

// --- socket_host.cc ---

// A fresh socket of the current host, on its list, with the ids of curproc if there is one.
socket* soalloc(const protosw* proto, int type);
// Takes it off the list and gives its memory back. REQUIRES: buffers empty, no pcb, on no queue.
void sodealloc(socket* so);

// --- uipc_socket2.cc ---

// The one place where so_state's bits change in passing from one state to another: clears, then
// sets. Asserts that the connection bits make sense, and traces.
void so_setstate(socket* so, int clear, int set);

// Calls an entry of the protocol's table. Errors: EOPNOTSUPP if there is none; of a socket that its
// protocol has let go, EINVAL, or of a stream the error that ended it.
template <typename Request, typename... Args>
[[nodiscard]] int so_request(Request* request, socket* so, Args&&... args) {
  if (so->so_pcb == nullptr) {
    return so->so_error != 0 && so->so_type == SOCK_STREAM ? so->so_error : EINVAL;
  }
  return request == nullptr ? EOPNOTSUPP : request(so, std::forward<Args>(args)...);
}

// How a chain may be had here: interrupt context must not wait.
inline int so_how() { return curproc() != nullptr ? M_WAIT : M_DONTWAIT; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKET_PRIVATE_H_
