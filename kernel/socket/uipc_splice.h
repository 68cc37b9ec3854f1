// Splicing: what arrives at one socket leaves through another, and no process touches it.
//
// Lives here:  sosplice, somove, sounsplice; SpliceSockets for callers without descriptors.
// Called by:   this room (SO_SPLICE, sorwakeup, sowwakeup, sofree); consumers inside the kernel.
// Context:     sosplice and SpliceSockets in a process; somove and sounsplice anywhere.
// Units:       ssp_len and ssp_max in bytes.
// Invariants:  1. so->so_splice == drain exactly when drain->so_spliceback == so.
//              2. SB_SPLICE is on no buffers but so_rcv of a source and so_snd of its drain.
//              3. With a maximum, ssp_len < ssp_max as long as the splice lasts.
// Source:      OpenBSD sys/kern/uipc_socket.c; sosplice(9), setsockopt(2).
// Differs:     1. An mbuf larger than the drain's whole send buffer is moved in parts once that
//                 buffer is empty (so do later releases); 4.9 would wait for ever.
//              2. Shutting down the source's receiving side ends the splice.
//              3. ELOOP tells of datagrams that go in circles. A stream keeps no packet headers to
//                 count them in.
#ifndef SOCKBED_KERNEL_SOCKET_UIPC_SPLICE_H_
#define SOCKBED_KERNEL_SOCKET_UIPC_SPLICE_H_

#include <sys/time.h>
#include <sys/types.h>

#include "kernel/socket/socketvar.h"

namespace sockbed {

// Splices `so` to the socket behind descriptor `fd` of the current process: from now on what
// arrives at `so` is sent through it. A negative fd ends the splice instead. `max` > 0 ends it
// after that many bytes (EFBIG); `idle` (may be null, or zero) when nothing moved for that long
// (ETIMEDOUT). However it ends, the error is left in so_error, and `so` becomes readable.
// [sleeps] "netlck". Errors: EPROTONOSUPPORT (the protocol cannot, or the two differ), EOPNOTSUPP
// (either listens), ENOTCONN, EINVAL (max, idle), EBADF, ENOTSOCK, EBUSY (spliced already),
// EWOULDBLOCK (SS_NBIO, and a buffer is in use), EINTR, kERESTART.
[[nodiscard]] int sosplice(socket* so, int fd, off_t max, const timeval* idle);

// The same with the drain itself. REQUIRES: nobody frees either socket meanwhile.
[[nodiscard]] int SpliceSockets(socket* so, socket* drain, off_t max, const timeval* idle);

// Moves what can be moved from so_rcv of `so` to so_snd of its drain. Returns 1 if the splice goes
// on, 0 if it has ended. `wait` is M_WAIT or M_DONTWAIT: how to get an mbuf where one must be
// split. With M_DONTWAIT a splice with a maximum may end short of it.
// REQUIRES: `so` is the source of a splice; splsoftnet.
int somove(socket* so, int wait);

// Ends the splice from `so` to `drain`; wakes the reader of `so` if asked to and there is a reason.
// REQUIRES: splsoftnet.
void sounsplice(socket* so, socket* drain, bool wakeup);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_UIPC_SPLICE_H_
