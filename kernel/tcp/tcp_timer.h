// The timers of a connection.
//
// Lives here:  TcpTimer, arming and disarming.
// Called by:   all of tcp/.
// Context:     timers run in interrupt context of their host.
// Owns:        one Event per connection, which stands at or before the earliest deadline.
// Units:       deadlines in virtual ns; intervals in ms.
// Invariants:  1. REXMT and PERSIST are never both armed.
//              2. While any timer is armed the event is pending, not later than the earliest
//              deadline.
//              3. Due together, they run in the order of TcpTimer.
// Cost:        moving a timer to a later time, or disarming it, is one store: the event is left
//              where it is, and when it comes too early it goes back to the queue.
// Source:      OpenBSD sys/netinet/tcp_timer.{c,h}.
// Differs:     one event instead of five timeouts.
#ifndef SOCKBED_KERNEL_TCP_TCP_TIMER_H_
#define SOCKBED_KERNEL_TCP_TCP_TIMER_H_

#include <cstdint>

#include "kernel/sim/event_queue.h"
#include "kernel/sim/time.h"

namespace sockbed {

struct tcpcb;

enum TcpTimer : uint8_t {
  TCPT_REXMT,    // send again what was not acknowledged in time
  TCPT_PERSIST,  // ask whether the window has opened
  TCPT_KEEP,     // a handshake takes too long; is the peer still there?
  TCPT_2MSL,     // TIME_WAIT ends; FIN_WAIT_2 has lasted long enough
  TCPT_DELACK,   // acknowledge now
  TCPT_RACK,     // reordering is no excuse any more; a lost tail is to be probed (RFC 8985)
  TCPT_NTIMERS
};

inline constexpr int32_t TCPTV_REXMTMAX = 64'000;  // longest retransmission timeout
inline constexpr int TCP_LINGERTIME = 120;  // seconds; of an inherited SO_LINGER without time
inline constexpr int32_t TCP_PAWS_IDLE_MS = 24 * 24 * 60 * 60 * 1000;  // life of ts_recent
inline constexpr int64_t TCPTV_FW2_POLL_LIMIT_MS = 600'000;  // idle FIN_WAIT_2 that is polled

// The deadlines of one connection; kForever is "not armed".
struct TcpTimers {
  Event event;
  SimTime deadline[TCPT_NTIMERS] = {kForever, kForever, kForever, kForever, kForever, kForever};
};

// Lets `timer` run after `ms` milliseconds, wherever it stood. REQUIRES: ms >= 0.
void tcp_timer_arm(tcpcb* tp, TcpTimer timer, int64_t ms);
// The same at a point in time, not before now.
void tcp_timer_arm_at(tcpcb* tp, TcpTimer timer, SimTime when);
// tcp_timer_disarm and tcp_timer_isarmed stand in tcp_private.h, where they can be seen through.
// Takes all of them back: the connection ends.
void tcp_canceltimers(tcpcb* tp);
void tcp_timer_init(tcpcb* tp);

// Takes a round trip of `rtt_ms` into account: RTO, shift, soft error.
void tcp_xmit_timer(tcpcb* tp, int64_t rtt_ms);
// The retransmission timeout after `shift` retransmissions.
int64_t tcp_rexmt_interval(const tcpcb* tp, int shift);
// Arms REXMT with the current timeout, or with what TCP_MAXUNACKTIME leaves of it.
void tcp_arm_rexmt(tcpcb* tp);
// Arms PERSIST for the next probe. REQUIRES: REXMT is not armed.
void tcp_setpersist(tcpcb* tp);
// Arms KEEP if anybody wants to know whether the peer is there. Called when something was heard,
// and when the wish arises.
void tcp_arm_keepalive(tcpcb* tp);
// FIN_WAIT_2 without a reader must end some day.
void tcp_arm_finwait2(tcpcb* tp);
// TIME_WAIT lasts twice the life of a segment.
void tcp_arm_2msl(tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_TIMER_H_
