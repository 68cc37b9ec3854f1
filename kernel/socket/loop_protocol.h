// A protocol for this room's tests: sockets of one host connected by events, with a handshake, a
// send buffer that drains into the peer's receive buffer, orderly close, reset and urgent data.
//
// Lives here:  loop_boot, LoopAddress, LoopPcb.
// Called by:   tests of this room.
// Context:     data and handshake arrive in interrupt context, kLoopDelay after they were sent.
// Owns:        a LoopPcb owns its urgent byte; the socket's so_pcb owns the pcb.
// The family is AF_INET's number; an address is a sockaddr_in of which only the port counts.
#ifndef SOCKBED_KERNEL_SOCKET_LOOP_PROTOCOL_H_
#define SOCKBED_KERNEL_SOCKET_LOOP_PROTOCOL_H_

#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "kernel/sim/event_queue.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

inline constexpr SimTime kLoopDelay = 100 * kMillisecond;  // whole ticks
inline constexpr uint64_t kLoopSpace = 8192;               // of each buffer

// Gives `host` the family: SOCK_STREAM (handshake), SOCK_DGRAM (addresses), SOCK_SEQPACKET
// (records).
void loop_boot(HostBase& host);

// An MT_SONAME mbuf with that port.
MbufPtr LoopAddress(uint16_t port);
uint16_t LoopPort(const mbuf* nam);

struct LoopPcb {
  Event event;  // first, so that a handler finds the pcb
  socket* so = nullptr;
  LoopPcb* peer = nullptr;  // stream, seqpacket: mutual; datagram: where sends go
  uint16_t port = 0;
  uint16_t peer_port = 0;
  bool connecting = false;  // the event is the next step of the handshake, else of the data
  bool fin_wanted = false;  // send the end of data when so_snd is empty
  bool fin_sent = false;
  bool fin_received = false;
  char urgent = 0;  // the byte held aside
  bool has_urgent = false;
};

// What the tests look at.
struct LoopHost {
  static constexpr HostSlot kHostSlot = HostSlot::kInet;
  std::vector<LoopPcb*> pcbs;  // in order of attachment
  int attach_error = 0;        // the next attach fails with it
  int disconnect_error = 0;    // the next disconnect of a stream fails with it
  int detach_error = 0;        // the next detach of a stream reports it
  int send_error = 0;          // every send fails with it
  bool stalled = false;        // streams deliver nothing
  bool drops_control = false;  // streams throw control messages away instead of refusing them
  int send_calls = 0;
  int rcvd_calls = 0;             // of streams
  std::vector<int> sent_options;  // so_options seen by each send
  std::vector<int> sent_lengths;
  std::vector<bool> sent_hints;  // SS_ISSENDING seen by each send
  int last_option = 0;           // name of the last option offered to pr_ctloutput
  int option_calls = 0;          // how many were
};

inline LoopPcb* LoopPcbOf(socket* so) { return static_cast<LoopPcb*>(so->so_pcb); }

// Ends the connection as a reset from the network does: so_error at `so` only.
void LoopReset(socket* so, int error);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_LOOP_PROTOCOL_H_
