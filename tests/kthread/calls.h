// What accept(2) and connect(2) do around the so*() calls, and a user of them must do by hand.
//
// Lives here:  PortName, ConnectAndWait, AcceptNext, AsPacket.
// Called by:   the examples of this folder.
// Context:     ConnectAndWait and AcceptNext in a process: they sleep.
// Source:      socreate(9).
#ifndef SOCKBED_TESTS_KTHREAD_CALLS_H_
#define SOCKBED_TESTS_KTHREAD_CALLS_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

// An internet address as sobind and soconnect want it: a sockaddr in an MT_SONAME mbuf.
MbufPtr PortName(in_addr address, uint16_t port);

// Connects and waits for the handshake, `timo` ticks at most (0: for as long as it takes).
// Errors: the protocol's, EWOULDBLOCK (time is up), EINTR, kERESTART.
int ConnectAndWait(socket* so, mbuf* nam, int timo);

// The next finished connection of a listener; the caller closes it. [sleeps] "netacc".
// Errors: ECONNABORTED, EINTR, kERESTART.
int AcceptNext(socket* head, socket** conn);

// The bytes of `chain` as a packet, which is what sosend takes: a header goes in front, and nothing
// is copied.
MbufPtr AsPacket(MbufPtr chain);

}  // namespace sockbed

#endif  // SOCKBED_TESTS_KTHREAD_CALLS_H_
