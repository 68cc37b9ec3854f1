// Congestion control: how the congestion window moves.
//
// Lives here:  cc_algo, what an algorithm must decide; the algorithms; what they share.
// Called by:   tcp_input_ack.cc, tcp_recovery.cc, tcp_ecn.cc, tcp_output.cc, tcp_timer.cc.
// Units:       bytes.
// Invariants:  snd_cwnd >= 1 segment, snd_ssthresh >= 2 segments after every call; but 1 segment
//              after the openbsd answer to ECN.
// Source:      RFC 5681, 6582, 3465, 9438; FreeBSD mod_cc(9) for the shape.
#ifndef SOCKBED_KERNEL_TCP_TCP_CC_H_
#define SOCKBED_KERNEL_TCP_TCP_CC_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace sockbed {

struct tcpcb;

enum class CcSignal : uint8_t {
  kDupAcks,  // a segment is lost: recovery begins
  kTimeout,  // REXMT has fired
  kEcn,      // a router was near to dropping (RFC 3168)
};

struct cc_algo {
  const char* name;
  // `acked` new bytes were acknowledged outside recovery: grow. snd_una has not moved yet.
  void (*ack_received)(tcpcb* tp, uint32_t acked);
  // Nothing was sent for longer than the retransmission timeout, and may be now.
  void (*after_idle)(tcpcb* tp);
  // Congestion: set snd_ssthresh and, for a timeout or ECN, snd_cwnd. What recovery does to the
  // window in between is its own business.
  void (*cong_signal)(tcpcb* tp, CcSignal signal);
  // The last timeout was needless: forget that it was a signal. The caller has put snd_cwnd and
  // snd_ssthresh back.
  void (*undo_timeout)(tcpcb* tp);
  // Recovery has ended with `flight` bytes outstanding: set snd_cwnd, without a burst.
  void (*post_recovery)(tcpcb* tp, uint32_t flight);
};

extern const cc_algo newreno_cc_algo;
extern const cc_algo cubic_cc_algo;

// All of them; their place is the value of the sysctl net.inet.tcp.cc.algorithm.
std::span<const cc_algo* const> tcp_cc_algos();
// The one of that name (TCP_CONGESTION), or null.
const cc_algo* tcp_cc_find(std::string_view name);

// --- What the algorithms share. ---

// The window with which a connection begins (RFC 3390, RFC 6928).
uint32_t tcp_initial_window(const tcpcb* tp);
// What after_idle does to the window (RFC 5681 4.1).
void tcp_cc_after_idle(tcpcb* tp);
// Whether what is outstanding needs the congestion window: one that is not used is not tested, and
// does not grow (RFC 9438 5.8, RFC 7661).
bool tcp_cc_limited(const tcpcb* tp);
// Slow start with byte counting: by what was acknowledged, within limits (RFC 3465 2.2). Without
// rfc3465 a segment for each ACK.
void tcp_cc_slow_start(tcpcb* tp, uint32_t acked);
// Sets snd_cwnd, no larger than a window can be.
void tcp_cc_set(tcpcb* tp, uint64_t cwnd);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_CC_H_
