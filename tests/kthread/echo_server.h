// A server in the kernel that is a thread: it sleeps in soaccept's and soreceive's place.
//
// Lives here:  ServeEchoes.
// Called by:   kthread_test.
#ifndef SOCKBED_TESTS_KTHREAD_ECHO_SERVER_H_
#define SOCKBED_TESTS_KTHREAD_ECHO_SERVER_H_

#include <cstdint>

namespace sockbed {

// Listens on `port`, takes `count` connections one after the other, and sends back what each says
// until it has said all. [sleeps] Returns 0, or why it gave up.
int ServeEchoes(uint16_t port, int count);

}  // namespace sockbed

#endif  // SOCKBED_TESTS_KTHREAD_ECHO_SERVER_H_
