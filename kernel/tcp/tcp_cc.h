// Congestion control: how the congestion window moves.
//
// Lives here:  cc_algo, the table of what an algorithm must decide; the algorithms.
// Called by:   tcp_input_ack.cc, tcp_output.cc, tcp_timer.cc.
// Units:       bytes.
// Invariants:  snd_cwnd >= 1 segment, snd_ssthresh >= 2 segments after every call.
// Source:      RFC 5681, 6582; FreeBSD mod_cc(9) for the shape.
#ifndef SOCKBED_KERNEL_TCP_TCP_CC_H_
#define SOCKBED_KERNEL_TCP_TCP_CC_H_

#include <cstdint>

namespace sockbed {

struct tcpcb;

enum class CcSignal : uint8_t {
  kDupAcks,  // the third duplicate ACK: recovery begins
  kTimeout,  // REXMT has fired
};

struct cc_algo {
  const char* name;
  // `acked` new bytes were acknowledged outside recovery: grow.
  void (*ack_received)(tcpcb* tp, uint32_t acked);
  // Data was lost: set snd_ssthresh, and for a timeout snd_cwnd. What recovery does to the window
  // in between is its own business.
  void (*cong_signal)(tcpcb* tp, CcSignal signal);
  // Nothing was sent for longer than the retransmission timeout.
  void (*after_idle)(tcpcb* tp);
};

extern const cc_algo newreno_cc_algo;

// The window with which a connection begins (RFC 3390, RFC 6928).
uint32_t tcp_initial_window(const tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_CC_H_
