// Random sequences of calls over a few descriptors: made from a seed, performed on either arm,
// shrunk, and printed as C.
//
// Lives here:  Step, Sequence, MakeSequence, Perform, AsC.
// Called by:   sequences_test.
// Invariants:  1. No call waits: every descriptor is non-blocking, and what is sent has arrived
//                 before the next call is made.
//              2. A sequence with a step taken out is a sequence: a step on an empty place fails
//                 with EBADF in both arms.
#ifndef SOCKBED_TESTS_TWO_ARMS_SEQUENCE_H_
#define SOCKBED_TESTS_TWO_ARMS_SEQUENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/two_arms/notes.h"

namespace sockbed::two_arms {

enum class Op : uint8_t {
  kSocket,    // a = a socket of kind x
  kPair,      // a, b = a connected pair of kind x
  kBind,      // a: to a name of its own
  kListen,    // a
  kConnect,   // a: to b's name
  kAccept,    // b = accepted from a
  kSend,      // a: x bytes
  kSendTo,    // a: x bytes to b's name
  kRecv,      // a: x bytes
  kPeek,      // a: x bytes
  kShutdown,  // a: SHUT_WR
  kShutRead,  // a: SHUT_RD
  kShutBoth,  // a: SHUT_RDWR
  kClose,     // a, when what waits in it was read
  kDrop,      // a, as it is
  kDup,       // b = a
  kDup2,      // b = a, onto b's number
  kPoll,      // a
  kCount,     // a: FIONREAD
  kError,     // a: SO_ERROR
  kPeer,      // a: whether it has a peer's name
  kPass,      // a, a local socket: x bytes, and b as a right
  kTake,      // a, a local socket: x bytes; b = the right that comes with them
  // From here on: of seeds from kWideSeed on alone.
  kSendMany,    // a: x bytes and half as many, by one sendmmsg
  kRecvMany,    // a: twice x bytes, by one recvmmsg
  kRecvAll,     // a: x bytes with MSG_WAITALL, which a descriptor that never waits cannot wait for
  kRecvCut,     // a: x bytes by recvmsg, and whether there were more
  kUrgent,      // a: x bytes, the last of them urgent
  kTakeUrgent,  // a: the urgent byte
  kMark,        // a: whether it is at the mark
  kReset,       // a: SO_LINGER of no time: closing it resets a TCP connection
  kSelect,      // a, by select
  kEpoll,       // a, by epoll
};
inline constexpr int kOps = 33;
inline constexpr uint64_t kWideSeed = 1'000'000;

struct Step {
  Op op;
  int a = 0;  // a place in the table of descriptors
  int b = 0;
  int x = 0;
};
using Sequence = std::vector<Step>;

Sequence MakeSequence(uint64_t seed);

// Notes the result of each step, as "<prefix><number> <what>". What a step changes nothing by, is
// told by ChangesNothing.
void Perform(const Sequence& sequence, const std::string& prefix, Notes* notes);
bool ChangesNothing(Op op);

// The calls, as a programmer would write them.
std::string AsC(const Sequence& sequence);

}  // namespace sockbed::two_arms

#endif  // SOCKBED_TESTS_TWO_ARMS_SEQUENCE_H_
