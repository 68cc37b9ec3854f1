// A client in the kernel that is a thread.
//
// Lives here:  AskForEcho.
// Called by:   kthread_test.
#ifndef SOCKBED_TESTS_KTHREAD_ECHO_CLIENT_H_
#define SOCKBED_TESTS_KTHREAD_ECHO_CLIENT_H_

#include <netinet/in.h>

#include <cstdint>

#include "kernel/mbuf/mbuf.h"

namespace sockbed {

// Sends `question` (a packet, taken) to a port and stores what comes back, as a chain, until the
// other side ends. [sleeps] Returns 0, or what went wrong.
int AskForEcho(in_addr address, uint16_t port, MbufPtr question, MbufPtr* answer);

}  // namespace sockbed

#endif  // SOCKBED_TESTS_KTHREAD_ECHO_CLIENT_H_
