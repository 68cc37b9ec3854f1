// A peer that wants to do harm: it plays a program of bytes against one host, in any TCP state.
//
// Lives here:  PlayHostile.
// Called by:   hostile_test (seeded programs), hostile_fuzz (libFuzzer's).
// Invariants:  every sequence of bytes is a program; the same bytes play the same run.
// Source:      judge.h says what is forbidden, and by which RFC.
#ifndef SOCKBED_TESTS_FUZZ_HOSTILE_PEER_H_
#define SOCKBED_TESTS_FUZZ_HOSTILE_PEER_H_

#include <cstdint>
#include <span>
#include <string>

#include "kernel/sim/machine_local.h"

namespace sockbed::fuzz {

// Brings a host into the state that the program names, lets it receive what the program says, and
// ends it. Returns what was wrong: a change of state or of a sequence number that RFC 5961 forbids,
// a byte read that was never sent, something left behind. Empty: nothing. Panics where an
// invariant of the kernel's own breaks. Borrows the store, which keeps the memory of one run for
// the next; null: the run has its own.
std::string PlayHostile(std::span<const uint8_t> program, MachineStore* store);

}  // namespace sockbed::fuzz

#endif  // SOCKBED_TESTS_FUZZ_HOSTILE_PEER_H_
