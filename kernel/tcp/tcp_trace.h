// What TCP writes into the trace.
//
// Lives here:  TcpEvent, EmitTcp, EmitSegment, tcp_timer_name.
// Called by:   this room; tests that read records.
// The object of a record is a pcb, by inp_id; 0 where a segment is nobody's. Sequence numbers are
// relative to the initial ones, as far as those are known.
#ifndef SOCKBED_KERNEL_TCP_TCP_TRACE_H_
#define SOCKBED_KERNEL_TCP_TCP_TRACE_H_

#include <netinet/in.h>

#include <array>
#include <cstdint>

#include "kernel/sim/machine.h"
#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_timer.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

struct TcpEndpoints;
struct syn_cache;

// The order is that of the table in tcp_trace.cc.
enum class TcpEvent : uint8_t {
  kOpen,       // 0: local, 1: foreign endpoint; 2: 1 if opened from here
  kOut,        // a segment is sent. 0: seq, ack; 1: data bytes, window; 2: flags as text
  kIn,         // a segment has arrived. The same
  kReply,      // a segment outside any stream is sent. 0: to; 1: seq, ack; 2: flags as text
  kStray,      // a segment for nobody has arrived. 0: from; 1: seq, ack; 2: flags as text
  kDrop,       // the segment is dropped. 0: the counter that says why
  kState,      // 0: old, 1: new state
  kTimer,      // a timer runs. 0: which; 1: retransmissions so far
  kRexmt,      // data goes again. 0: why (TcpRexmt); 1: seq, bytes; 2: snd_cwnd, snd_ssthresh
  kRecover,    // 0: 1 recovery begins, 0 it ends; 1: snd_cwnd, snd_ssthresh
  kError,      // the connection is dropped. 0: errno
  kSoftError,  // an ICMP error is remembered. 0: errno
  kHandshake,  // in the SYN cache. 0: what (TcpHandshake); 1: the peer; 2: its number there
  kBuffer,     // a buffer is resized. 0: which (0 so_rcv, 1 so_snd); 1: its new sb_hiwat
  kMss,        // 0: t_maxseg; 1: t_maxopd; 2: the peer's offer
  // IPv6: an address takes two arguments.
  kOpen6,       // 0, 1: foreign address; 2: its port, 1 if opened from here
  kLocal6,      // follows kOpen6. 0, 1: local address; 2: its port
  kReply6,      // 0, 1: to; 2: its port, header flags
  kStray6,      // 0, 1: from; 2: its port, header flags
  kNumbers,     // follows either of these. 0: seq, ack
  kHandshake6,  // 0, 1: the peer; 2: its number in the SYN cache, what (TcpHandshake)
};

enum class TcpRexmt : uint8_t { kTimeout, kDupAcks, kSackHole, kRack };

enum class TcpHandshake : uint8_t {
  kAdded,
  kAgain,
  kRetransmitted,
  kCompleted,
  kTimedOut,
  kReset,
  kUnreachable,
  kDiscarded,
  kAborted,
  kForgotten
};

inline TraceId EmitTcp(TcpEvent type, uint64_t pcb, uint64_t a0 = 0, uint64_t a1 = 0,
                       uint64_t a2 = 0) {
  return Emit(Room::kTcp, static_cast<uint8_t>(type), pcb, a0, a1, a2);
}

// "REXMT".
const char* tcp_timer_name(TcpTimer timer);

// The flags of a header as text, "S." or "FP.", packed for a record.
extern const std::array<uint64_t, 256> tcp_flag_text;

// A segment of a connection whose numbers start at `seq_base` and `ack_base`.
inline TraceId EmitSegment(TcpEvent type, uint64_t pcb, const TcpHeader& th, uint32_t len,
                           uint32_t win, tcp_seq seq_base, tcp_seq ack_base) {
  const bool ack = (th.th_flags & TH_ACK) != 0;
  return EmitTcp(type, pcb,
                 PackPair(th.th_seq.value() - seq_base.value(),
                          ack ? th.th_ack.value() - ack_base.value() : 0),
                 PackPair(len, win), tcp_flag_text[th.th_flags]);
}

// kOpen, kHandshake, kReply and kStray, whatever the family. They return the first record's id.
TraceId EmitOpen(uint64_t pcb, const TcpEndpoints& ends, bool active);
TraceId EmitHandshake(const syn_cache* sc, TcpHandshake what);
TraceId EmitLoose(TcpEvent type, uint64_t pcb, const TcpEndpoints& ends, const TcpHeader& th);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_TRACE_H_
