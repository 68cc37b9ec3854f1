// The scenarios of programs that wait for several things at once, or for a name.
//
// Lives here:  KqueueServer, EpollServer, NameLookup.
// Called by:   the list in scenarios.cc.
#ifndef SOCKBED_TESTS_FAULTS_WAITING_SCENARIOS_H_
#define SOCKBED_TESTS_FAULTS_WAITING_SCENARIOS_H_

#include "tests/faults/story.h"

namespace sockbed::faults {

// A kqueue over local streams, a timer, a signal and one of the program's own.
void KqueueServer(TestSimulation& sim, Story* story);
// An epoll over pipes, an eventfd and a timerfd.
void EpollServer(TestSimulation& sim, Story* story);
// A program that looks a name up at a name server on another host.
void NameLookup(TestSimulation& sim, Story* story);

}  // namespace sockbed::faults

#endif  // SOCKBED_TESTS_FAULTS_WAITING_SCENARIOS_H_
