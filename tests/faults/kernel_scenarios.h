// The scenarios without system calls: kernel threads and upcalls on sockets.
//
// Lives here:  KernelPair, KernelUpcall, KernelServer.
// Called by:   the list in scenarios.cc.
#ifndef SOCKBED_TESTS_FAULTS_KERNEL_SCENARIOS_H_
#define SOCKBED_TESTS_FAULTS_KERNEL_SCENARIOS_H_

#include <cstddef>
#include <cstdint>

#include "tests/faults/story.h"

namespace sockbed::faults {

// Two threads on the ends of a pair: packets go there and come back, mbuf by mbuf.
void KernelPair(TestSimulation& sim, Story* story);
// One thread, and an end that answers in its upcall.
void KernelUpcall(TestSimulation& sim, Story* story);
// A thread on `host` that accepts one TCP connection and sends back what it hears.
void KernelServer(Host& host, Story* story, uint16_t port);

}  // namespace sockbed::faults

#endif  // SOCKBED_TESTS_FAULTS_KERNEL_SCENARIOS_H_
