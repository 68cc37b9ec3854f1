// Two connections with a splice between them, for the tests of splicing.
//
//   client ====== source -> drain ====== peer        -> is the splice, == a connection
//
// Lives here:  Relay and the few calls that every such test makes.
// Called by:   uipc_splice*_test.cc.
#ifndef SOCKBED_KERNEL_SOCKET_SPLICE_TEST_RELAY_H_
#define SOCKBED_KERNEL_SOCKET_SPLICE_TEST_RELAY_H_

#include <sys/time.h>

#include <string>

#include "kernel/sched/spl.h"
#include "kernel/socket/loop_test_host.h"
#include "kernel/socket/uipc_splice.h"

namespace sockbed {

struct Relay {
  socket* client;
  socket* source;
  socket* drain;
  socket* peer;
};

inline Relay Connected(int type = SOCK_STREAM) {
  const auto [client, source] = CreatePair(type);
  const auto [drain, peer] = CreatePair(type);
  return {client, source, drain, peer};
}

inline void Close(const Relay& relay) {
  for (socket* so : {relay.client, relay.source, relay.drain, relay.peer}) soclose(so);
}

inline int Splice(const Relay& relay, off_t max = 0, int64_t idle_ms = 0) {
  const timeval idle = {.tv_sec = idle_ms / 1000, .tv_usec = idle_ms % 1000 * 1000};
  return SpliceSockets(relay.source, relay.drain, max, &idle);
}

inline bool IsSpliced(const Relay& relay) { return relay.source->so_splice == relay.drain; }

// What a protocol does when it has put something into so_rcv.
inline void Hear(socket* so) {
  const SplScope spl(IPL_SOFTNET);
  sorwakeup(so);
}

// Reads exactly that many bytes.
inline std::string ReadAll(socket* so, size_t size) { return Receive(so, size, MSG_WAITALL).data; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SPLICE_TEST_RELAY_H_
