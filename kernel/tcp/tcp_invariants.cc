// What must hold of a connection whenever it is at rest: after every segment and every timer.
//
// The numbers are those of section 19 of the specification. What costs a walk is checked only with
// the sysctl net.inet.tcp.debug_walks.
#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

// 1. What is sent lies inside what there is to send. As distances from snd_una: what lies behind it
//    is farther than all that there is.
void CheckSending(const tcpcb* tp) {
  const auto next = static_cast<uint32_t>(tp->snd_nxt - tp->snd_una);
  const auto most = static_cast<uint32_t>(tp->snd_max - tp->snd_una);
  const uint32_t syn = (tp->t_flags & TF_SYNPENDING) != 0 ? 1 : 0;
  const uint32_t fin = (tp->t_flags & TF_SENTFIN) != 0 ? 1 : 0;
  KASSERT(next <= most && most <= syn + tcp_so(tp)->so_snd.sb_cc + fin);
}

// 3. Somebody watches over what is not acknowledged or cannot be sent.  4. No state waits for ever.
void CheckTimers(const tcpcb* tp) {
  const bool rexmt = tcp_timer_isarmed(tp, TCPT_REXMT);
  const bool persist = tcp_timer_isarmed(tp, TCPT_PERSIST);
  // No window holds a SYN back.
  KASSERT(!persist || (!rexmt && (tp->t_flags & TF_SYNPENDING) == 0));
  switch (tp->t_state) {
    case TCPS_SYN_SENT:
    case TCPS_SYN_RECEIVED: KASSERT(tcp_timer_isarmed(tp, TCPT_KEEP)); break;
    case TCPS_TIME_WAIT: KASSERT(tcp_timer_isarmed(tp, TCPT_2MSL)); break;
    default: KASSERT(rexmt || tp->snd_una == tp->snd_max || persist);
  }
}

// 5. The reassembly queue is sorted, disjoint, above rcv_nxt (until our SYN is acknowledged what is
//    next waits there, too); the holes are where they may be.
[[gnu::noinline]] void CheckQueues(const tcpcb* tp) {
  tcp_seq edge = tp->rcv_nxt;
  int count = 0;
  for (const tcpqent* entry = tp->t_segq; entry != nullptr; entry = entry->next) {
    KASSERT(SEQ_GT(entry->seq, edge) || (count == 0 && tp->snd_una == tp->iss));
    KASSERT(entry->len != 0 || entry->fin);
    KASSERT(!entry->fin || entry->next == nullptr);
    KASSERT(entry->m == nullptr ? entry->len == 0
                                : static_cast<uint32_t>(m_length(entry->m.get())) == entry->len);
    edge = entry->end();
    ++count;
  }
  KASSERT(count == tp->t_segqlen);

  edge = tp->snd_una;
  count = 0;
  for (const sackhole* hole = tp->snd_sack.holes; hole != nullptr; hole = hole->next) {
    KASSERT(SEQ_GEQ(hole->start, edge) && SEQ_LT(hole->start, hole->end));
    KASSERT(SEQ_LEQ(hole->start, hole->rxmit) && SEQ_LEQ(hole->rxmit, hole->end));
    KASSERT(tp->snd_sack.active && SEQ_LT(hole->end, tp->snd_sack.sack_high));
    edge = hole->end;
    ++count;
  }
  KASSERT(count == tp->snd_sack.count);
  KASSERT(!tp->snd_sack.active || SEQ_LEQ(tp->snd_sack.sack_high, tp->snd_max));
  if (tp->t_rack != nullptr) tcp_rack_check(tp);
  sbcheck(&tcp_so(tp)->so_snd);
  sbcheck(&tcp_so(tp)->so_rcv);
}

}  // namespace

void tcp_check(const tcpcb* tp) {
  if (tp->t_state <= TCPS_LISTEN) return;
  CheckSending(tp);
  // 2. What was promised to the peer stays promised.
  KASSERT(!TCPS_HAVERCVDSYN(tp->t_state) || SEQ_LEQ(tp->rcv_nxt, tp->rcv_adv));
  CheckTimers(tp);
  KASSERT((tp->t_flags & TF_PRR) == 0 || tcp_recovering(tp) || tp->t_rack != nullptr);
  // 6.
  if (TCPS_HAVEESTABLISHED(tp->t_state)) {
    const uint32_t least = tunables(tp).ecn_one_segment != 0 ? 1 : 2;
    KASSERT(tp->snd_cwnd >= tp->t_maxseg && tp->snd_ssthresh >= least * tp->t_maxseg);
  }
  // 7. What is over holds nothing.
  if (tp->t_state == TCPS_TIME_WAIT) [[unlikely]] {
    KASSERT(tcp_so(tp)->so_snd.sb_cc == 0 && tp->t_segq == nullptr);
    KASSERT(!tcp_timer_isarmed(tp, TCPT_REXMT));
  }
  if (tunables(tp).debug_walks != 0) CheckQueues(tp);
}

}  // namespace sockbed
