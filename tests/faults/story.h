// What the programs of one run tell: which calls failed and how, and what data arrived.
//
// Lives here:  Story, Scenario, the list of scenarios, Play.
// Called by:   alloc_test, sleep_test.
// Context:     Story is written by simulated programs, and read when the run has ended.
// Invariants:  a program gives up at its first failure: it returns, which closes what it has open.
#ifndef SOCKBED_TESTS_FAULTS_STORY_H_
#define SOCKBED_TESTS_FAULTS_STORY_H_

#include <errno.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/sim/fault.h"
#include "tests/captures/test_simulation.h"

namespace sockbed::faults {

struct Failure {
  std::string call;  // its name
  int error;
  friend bool operator==(const Failure&, const Failure&) = default;
};

class Story {
 public:
  // A call has returned `result`. Returns whether it worked.
  bool Works(std::string_view call, int64_t result) {
    if (result >= 0) return true;
    failures.push_back({std::string(call), errno});
    return false;
  }

  // The same of a call in the kernel, which returned `error`.
  bool Done(std::string_view call, int error) {
    if (error == 0) return true;
    failures.push_back({std::string(call), error});
    return false;
  }

  // The bytes that stream `salt` carries, from `offset` on.
  static char ByteAt(char salt, size_t offset) {
    return static_cast<char>(offset * 7 + offset / 251 + static_cast<unsigned char>(salt));
  }

  // Bytes [offset, offset + count) of it.
  static std::string Bytes(char salt, size_t offset, size_t count);

  // Sends bytes [0, total) of stream `salt`, `at_once` of them a call, as a promise that they
  // arrive.
  bool SendStream(int fd, char salt, size_t total, size_t at_once);
  // Receives until the end of the stream; what comes is to be a beginning of the stream.
  bool ReceiveStream(int fd, char salt, size_t total, size_t at_once, int flags = 0);
  // Sends and receives one message of stream `salt`.
  bool SendMessage(int fd, char salt, size_t size);
  bool ReceiveMessage(int fd, char salt, size_t size);

  std::vector<Failure> failures;  // in order
  size_t incomplete = 0;          // streams that ended before all of them had come
  size_t corrupt = 0;             // streams and messages that were not what was sent
  bool repeats = false;           // datagrams may come twice: one in another's place
  int signal_flags = -1;          // how programs catch SIGUSR1: sigaction's flags; -1: not at all
};

struct Scenario {
  std::string_view name;
  // Adds hosts and programs. Every program's first act is Begin.
  void (*build)(TestSimulation& sim, Story* story);
  size_t usual_failures = 0;  // calls that fail without any fault
};

std::span<const Scenario> Scenarios();

// What a program does first: catches SIGUSR1 as the story says.
void Begin(const Story* story);

// How one run of a scenario went.
struct Outcome {
  RunResult result;
  Story story;
};

struct PlayOptions {
  uint64_t seed = 1;
  Choices* choices = nullptr;  // null: first come, first served
  bool deliver_at_splx = false;
  bool repeats = false;        // see Story
  void (*extra)(Host& host, uint64_t seed) = nullptr;  // adds to each host of the scenario
};

// Runs `scenario` with these faults to its end; processes that are left stopped are set going.
// `signal_flags`: how programs catch SIGUSR1.
Outcome Play(const Scenario& scenario, fault::Plan* plan, int signal_flags = -1,
             const PlayOptions& options = {});

// Who sleeps for ever and should not, a line each. A process may wait for ever in accept(2) alone:
// nobody owes it a connection. All others wait for a peer, whose end is an event too, or with a
// limit.
std::string BadSleepers(const RunResult& result);

}  // namespace sockbed::faults

#endif  // SOCKBED_TESTS_FAULTS_STORY_H_
