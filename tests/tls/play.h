// One TLS or DTLS conversation under faults, and what each side has to say about it.
//
// Lives here:  Kind, Tale, PlayOptions, Play.
// Called by:   break_test, seeds_test.
// Context:     Play runs a whole simulation.
// Invariants:  nobody waits for ever: streams have keepalives and time limits, datagrams have time
//              limits. A side tells how it ended, unless it was killed.
#ifndef SOCKBED_TESTS_TLS_PLAY_H_
#define SOCKBED_TESTS_TLS_PLAY_H_

#include <optional>
#include <string>

#include "kernel/host/simulation.h"
#include "kernel/sim/fault.h"
#include "ssl/drive.h"

namespace sockbed::ssl {

enum class Kind { kTls12, kTls13, kDtls };

// How one side ended.
struct Side {
  bool begun = false;   // its first statement was reached
  bool set_up = false;  // it had a context, a socket and an SSL
  std::optional<Outcome> handshake;
  bool conversed = false;          // it has sent and received all that it was to
  int operations = 0;              // reads and writes of its BIO
  std::optional<Outcome> failure;  // of what came after the handshake
};

struct Tale {
  Side client, server;
  RunResult result;

  // Everything that should not have happened, in lines; empty when there is nothing. An error must
  // be one that the pages name; a conversation that ended well on one side had both greetings.
  std::string Wrong() const;
  // How both sides ended, for people.
  std::string ToString() const;
};

struct PlayOptions {
  uint64_t seed = 1;
  LinkSpec link = {.latency = absl::Milliseconds(10)};
  fault::Plan* plan = nullptr;
  bool nonblocking = false;
  // Streams: before its k-th read or write a side resets the connection; 0: never.
  int reset_client_at = 0, reset_server_at = 0;
};

Tale Play(Kind kind, const PlayOptions& options);

}  // namespace sockbed::ssl

#endif  // SOCKBED_TESTS_TLS_PLAY_H_
