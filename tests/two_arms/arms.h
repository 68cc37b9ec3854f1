// The two kernels that a body of calls is run on.
//
// Lives here:  OnSimulatedKernel, OnRealKernel, WhyNoRealArm.
// Called by:   two_arms_test, sequences_test.
// May touch:   kernel/host; fork(2).
// Context:     outside any simulation; the OS process has one thread.
// Invariants:  both arms begin alike: descriptors 0, 1 and 2 are open and no other, 1024 are
//              allowed, an empty directory is the current one, every signal has its default action,
//              the user is the same.
#ifndef SOCKBED_TESTS_TWO_ARMS_ARMS_H_
#define SOCKBED_TESTS_TWO_ARMS_ARMS_H_

#include <functional>
#include <string>
#include <vector>

#include "tests/two_arms/notes.h"

namespace sockbed::two_arms {

struct Seen {
  std::vector<Note> notes;
  std::string trouble;  // how the arm ended, if not well
};

// In a process of a simulated host, with its lo0.
Seen OnSimulatedKernel(const std::function<void(Notes&)>& body);

// In a child of this process, on the host's own kernel: outside a simulated process the C library's
// names are the C library's own, shim or no shim. `settle_us` as Notes has it.
Seen OnRealKernel(const std::function<void(Notes&)>& body, int settle_us);

// What the host lacks for its arm, as some containers do; empty if nothing.
std::string WhyNoRealArm();

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_ARMS_H_
