// The bodies, by what they are about.
//
// Lives here:  the lists of cases; each is a file of its own, <name>_cases.cc.
// Called by:   two_arms_test.
#ifndef SOCKBED_TESTS_TWO_ARMS_CASES_H_
#define SOCKBED_TESTS_TWO_ARMS_CASES_H_

#include <vector>

#include "tests/two_arms/notes.h"

namespace sockbed::two_arms {

void AddSocketCases(std::vector<Case>* cases);      // socket, bind, listen, connect, accept, names
void AddDataCases(std::vector<Case>* cases);        // send, recv and kin
void AddShutdownCases(std::vector<Case>* cases);    // shutdown, close, linger, readiness
void AddOptionCases(std::vector<Case>* cases);      // getsockopt, setsockopt
void AddAncillaryCases(std::vector<Case>* cases);   // control messages, passed descriptors
void AddDescriptorCases(std::vector<Case>* cases);  // dup, fcntl, ioctl, fstat; pipes, counters
void AddWaitingCases(std::vector<Case>* cases);     // poll, select, epoll; calls that wait
void AddNameCases(std::vector<Case>* cases);        // getaddrinfo and kin

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_CASES_H_
