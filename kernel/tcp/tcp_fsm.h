// The states of a connection, what each may become, and the flags it sends.
//
// Lives here:  TcpState, its predicates, tcp_outflags, tcp_edges.
// Called by:   all of tcp/; tcp_newstate (tcp_subr.cc) is the only writer of t_state.
// Invariants:  the numbers are ordered so that >= means something:
//              >= SYN_RECEIVED  the peer's SYN is known ("synchronised")
//              >= ESTABLISHED   data may flow
//              >  CLOSE_WAIT    our user has closed
// Source:      OpenBSD sys/netinet/tcp_fsm.h; RFC 9293 3.3.2. Picture: README.md.
#ifndef SOCKBED_KERNEL_TCP_TCP_FSM_H_
#define SOCKBED_KERNEL_TCP_TCP_FSM_H_

#include <netinet/tcp.h>

#include <array>
#include <cstdint>

namespace sockbed {

enum TcpState : uint8_t {
  TCPS_CLOSED,
  TCPS_LISTEN,
  TCPS_SYN_SENT,
  TCPS_SYN_RECEIVED,
  TCPS_ESTABLISHED,
  TCPS_CLOSE_WAIT,  // the peer has closed, we have not
  TCPS_FIN_WAIT_1,  // we have closed; our FIN is not acknowledged
  TCPS_CLOSING,     // both have closed; our FIN is not acknowledged
  TCPS_LAST_ACK,    // the peer closed first, then we; our FIN is not acknowledged
  TCPS_FIN_WAIT_2,  // we have closed, and the peer knows it
  TCPS_TIME_WAIT,   // both have closed and know it; old segments must die out
};
inline constexpr int TCP_NSTATES = TCPS_TIME_WAIT + 1;

constexpr bool TCPS_HAVERCVDSYN(TcpState s) { return s >= TCPS_SYN_RECEIVED; }
constexpr bool TCPS_HAVEESTABLISHED(TcpState s) { return s >= TCPS_ESTABLISHED; }
constexpr bool TCPS_HAVERCVDFIN(TcpState s) {
  return s == TCPS_CLOSE_WAIT || s == TCPS_CLOSING || s == TCPS_LAST_ACK || s >= TCPS_TIME_WAIT;
}

// The flags a segment carries in each state, before tcp_output takes away what does not apply.
inline constexpr std::array<uint8_t, TCP_NSTATES> tcp_outflags = {
    TH_RST | TH_ACK,  // CLOSED: tcp_drop sends its reset from here
    0,                // LISTEN
    TH_SYN,           // SYN_SENT
    TH_SYN | TH_ACK,  // SYN_RECEIVED
    TH_ACK,           // ESTABLISHED
    TH_ACK,           // CLOSE_WAIT
    TH_FIN | TH_ACK,  // FIN_WAIT_1
    TH_FIN | TH_ACK,  // CLOSING
    TH_FIN | TH_ACK,  // LAST_ACK
    TH_ACK,           // FIN_WAIT_2
    TH_ACK,           // TIME_WAIT
};

namespace fsm_internal {
constexpr uint16_t To(std::initializer_list<TcpState> states) {
  uint16_t set = 0;
  for (TcpState s : states) set |= static_cast<uint16_t>(1 << s);
  return set;
}
}  // namespace fsm_internal

// From each state, the set of states that may follow. Every state may be dropped to CLOSED.
inline constexpr std::array<uint16_t, TCP_NSTATES> tcp_edges = {
    // CLOSED: listen, connect, or a handshake that the SYN cache has completed.
    fsm_internal::To({TCPS_LISTEN, TCPS_SYN_SENT, TCPS_SYN_RECEIVED}),
    fsm_internal::To({TCPS_CLOSED}),
    fsm_internal::To({TCPS_CLOSED, TCPS_SYN_RECEIVED, TCPS_ESTABLISHED}),
    fsm_internal::To({TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1}),
    fsm_internal::To({TCPS_CLOSED, TCPS_CLOSE_WAIT, TCPS_FIN_WAIT_1}),
    fsm_internal::To({TCPS_CLOSED, TCPS_LAST_ACK}),
    fsm_internal::To({TCPS_CLOSED, TCPS_FIN_WAIT_2, TCPS_CLOSING}),
    fsm_internal::To({TCPS_CLOSED, TCPS_TIME_WAIT}),
    fsm_internal::To({TCPS_CLOSED}),
    fsm_internal::To({TCPS_CLOSED, TCPS_TIME_WAIT}),
    fsm_internal::To({TCPS_CLOSED}),
};
constexpr bool tcp_may_become(TcpState from, TcpState to) {
  return (tcp_edges[from] >> to & 1) != 0;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_FSM_H_
