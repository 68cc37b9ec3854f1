// Loss by time: RACK, and probes for lost tails: TLP (RFC 8985).
//
// Lives here:  RackSegment, RackState; their functions.
// Called by:   tcp_output.cc (what is sent), tcp_recovery.cc (what is acknowledged), tcp_timer.cc.
// Owns:        a connection owns its RackState and its records; their memory is the host's pools'.
// Units:       virtual ns; bytes.
// Invariants:  1. Records are in order, touch each other and cover [snd_una, snd_max).
//              2. pipe, lost and sacked are the bytes of the records in each state.
//              3. The list by time holds those on their way, the longest on it first.
// Cost:        a step per record that an ACK or a report concerns; an ACK with reports walks the
//              records once.
// Source:      RFC 8985, whose names the fields bear; RFC 6937 for the window meanwhile.
// Differs:     neither system has it by default: net.inet.tcp.knob.rack_tlp. It takes the place of
//              the scoreboard of holes (tcp_sack.h) and of duplicate ACKs. Whatever has been
//              reported leaves the pipe at once, so limited transmit has no limit of two segments.
#ifndef SOCKBED_KERNEL_TCP_TCP_RACK_H_
#define SOCKBED_KERNEL_TCP_TCP_RACK_H_

#include <cstdint>

#include "kernel/sim/time.h"
#include "kernel/tcp/tcp_seq.h"

namespace sockbed {

struct tcpcb;
struct TcpSegment;

// What was sent as one: [start, end), FIN counted.
struct RackSegment {
  enum State : uint8_t { kOnItsWay, kLost, kSacked };

  tcp_seq start, end;
  SimTime xmit_ts = 0;         // when it was sent last
  bool retransmitted = false;  // more than once
  State state = kOnItsWay;
  RackSegment *next = nullptr, *prev = nullptr;      // by sequence number
  RackSegment *later = nullptr, *earlier = nullptr;  // by xmit_ts, while on its way

  uint32_t length() const { return static_cast<uint32_t>(end - start); }
};

struct RackState {
  RackSegment *first = nullptr, *last = nullptr;     // by sequence number
  RackSegment *oldest = nullptr, *newest = nullptr;  // on their way, by time
  uint32_t pipe = 0, lost = 0, sacked = 0;           // bytes by state
  int segs_sacked = 0;                               // records in that state

  // Of the record sent last among those that have arrived.
  SimTime xmit_ts = 0;
  tcp_seq end_seq;
  SimTime rtt = 0;

  tcp_seq fack;              // end of the highest that has arrived
  SimTime min_rtt = 0;       // 0: no sample
  SimTime min_rtt_time = 0;  // when it was measured
  bool reordering_seen = false;
  bool in_dsack_round = false;  // one DSACK counts per round trip
  tcp_seq dsack_round;          // ends the round
  uint8_t reo_wnd_mult = 1;     // quarters of min_rtt that reordering may take
  uint8_t reo_wnd_persist = 0;  // recoveries until that is 1 again
  bool timed_out = false;       // recovery after REXMT, until snd_una reaches snd_last

  // TLP.
  bool probe_pending = false;  // TCPT_RACK is for a probe
  bool probing = false;        // a probe is out, and its fate open
  bool probe_is_rexmt = false;
  tcp_seq probe_end;  // snd_max when it was sent
};

// The connection stands: keeps records from now on, if the host wants it and the peer reports.
void tcp_rack_begin(tcpcb* tp);
// Forgets all. The connection goes on without.
void tcp_rack_end(tcpcb* tp);
// [start, end) has left. Ends it if there is no memory (fault pool.get). REQUIRES: tp->t_rack.
void tcp_rack_sent(tcpcb* tp, tcp_seq start, tcp_seq end);
// A segment has acknowledged `acked` more (snd_una has moved), or reported something, or neither:
// finds what is lost, sends it again, arms timers. REQUIRES: tp->t_rack.
void tcp_rack_ack(TcpSegment& seg, uint32_t acked);
// REXMT has fired, the window is reduced: what must be lost goes again. REQUIRES: tp->t_rack.
void tcp_rack_timeout(tcpcb* tp);
// That was needless: nothing is lost.
void tcp_rack_undo(tcpcb* tp);
// TCPT_RACK has fired.
void tcp_rack_timer(tcpcb* tp);
// REXMT is due at the very moment of a probe: the probe goes first (RFC 8985 7.2). Returns whether
// it has.
bool tcp_rack_probe_instead(tcpcb* tp);
// Asserts the invariants.
void tcp_rack_check(const tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_RACK_H_
