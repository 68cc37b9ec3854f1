// What a segment acknowledges, and the window it brings (RFC 9293 3.10.7.4, fifth; RFC 5681, 6582).
#include <algorithm>

#include "kernel/inet/nd6.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_rtt.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// A round trip has been measured, if the segment says so: by its timestamp, or by the one segment
// timed.
void MeasureRtt(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.stamped && seg.opt.ts_ecr != 0) {
    const uint32_t age = tcp_ts(tp) - seg.opt.ts_ecr;
    if (age <= kRttSampleMax) [[likely]] {
      tcp_xmit_timer(tp, age);
      return;
    }
  }
  if (tp->t_rtttime != kNotTimed && SEQ_GT(seg.th.th_ack, tp->t_rtseq)) {
    tcp_xmit_timer(tp, (Now() - tp->t_rtttime) / kMillisecond);
  }
}

// Takes what is acknowledged out of the send buffer. Returns whether our FIN is part of it.
bool DropAcked(tcpcb* tp, uint32_t acked) {
  socket* so = tcp_so(tp);
  if ((tp->t_flags & TF_SYNPENDING) != 0) [[unlikely]] {
    tp->t_flags &= ~TF_SYNPENDING;
    --acked;
  }
  const auto queued = static_cast<uint32_t>(so->so_snd.sb_cc);
  const bool fin = acked > queued;
  const uint32_t bytes = std::min(acked, queued);
  if (bytes != 0) [[likely]]
    sbdrop(&so->so_snd, bytes);
  tp->snd_wnd -= std::min(tp->snd_wnd, bytes);
  return fin;
}

}  // namespace

bool tcp_ack_new(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  socket* so = tcp_so(tp);
  TcpStat& stat = seg.host->stat;
  const tcp_seq ack = seg.th.th_ack;
  const auto acked = static_cast<uint32_t>(ack - tp->snd_una);
  KASSERT(acked != 0 && SEQ_LEQ(ack, tp->snd_max));
  ++stat[tcps_rcvackpack];
  stat[tcps_rcvackbyte] += acked;
  if ((tp->t_flags & TF_PREVVALID) != 0) tcp_undo_timeout(seg);
  tcp_del_sackholes(tp, ack);
  const bool recovered = tcp_recovery_ack(seg, acked);
  MeasureRtt(seg);
  tp->t_acktime = Now();
  tp->t_flags |= TF_NEEDOUTPUT;
  tp->snd_last = SEQ_MAX(tp->snd_last, ack);  // drawn along, so that it never seems to lie ahead
  if (ack == tp->snd_max) {
    tcp_timer_disarm(tp, TCPT_REXMT);
  } else if (!tcp_timer_isarmed(tp, TCPT_PERSIST)) {
    tcp_arm_rexmt(tp);
  }
  // Without byte counting the ACK that ends recovery makes the window grow, too, and so does one
  // that echoes a mark (against RFC 3168 6.1.2).
  const bool echoes = seg.has(TH_ECE) && (tp->t_flags & TF_ECN_PERMIT) != 0;
  if (!tcp_recovering(tp) && (!(recovered || echoes) || tunables(tp).rfc3465 == 0)) [[likely]] {
    tp->t_cc->ack_received(tp, acked);
  }
  tcp_update_sndspace(tp);  // by what was queued and outstanding until now
  const bool fin = DropAcked(tp, acked);
  if (so->so_snd.sb_cc == 0 && tcp_timer_isarmed(tp, TCPT_PERSIST)) [[unlikely]] {
    tcp_timer_disarm(tp, TCPT_PERSIST);  // its probe was the last that there was to send
    tp->t_rxtshift = 0;
  }
  tp->snd_una = ack;
  tp->snd_nxt = SEQ_MAX(tp->snd_nxt, ack);
  tp->t_maxacked = std::max(tp->t_maxacked, acked);
  if (SEQ_GT(ack, tp->t_pmtud_seq)) tp->t_flags &= ~TF_PMTUD_PEND;  // that segment got through
  if (!tcp_is4(tcp_inpcb(tp))) [[unlikely]]
    nd6_confirm(tcp_inpcb(tp));  // the way to the peer is sound
  if (seg.prr_pending) [[unlikely]]
    tcp_recovery_send(seg, acked);
  sowwakeup(so);
  return fin;
}

namespace {

// The state that follows when our FIN is acknowledged.
Next FinAcked(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  switch (tp->t_state) {
    case TCPS_FIN_WAIT_1:
      tcp_newstate(tp, TCPS_FIN_WAIT_2);
      if ((tcp_so(tp)->so_state & SS_CANTRCVMORE) != 0) {
        // Nobody will read what the peer still sends: it may not take for ever to close.
        soisdisconnected(tcp_so(tp));
        tcp_arm_finwait2(tp);
      }
      return Next::kGoOn;
    case TCPS_CLOSING: tcp_twstart(tp); return Next::kGoOn;
    case TCPS_LAST_ACK:
      seg.tp = nullptr;
      tcp_close(tp);
      return Next::kDrop;
    default: KPANIC("a FIN is acknowledged that was not sent");
  }
}

// RFC 5961 5.2: so old that it cannot be an honest duplicate.
bool TooOld(const TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  if (tunables(tp).insecure_ack != 0) return false;
  if (!SEQ_LT(seg.th.th_ack, tp->snd_una - tp->max_sndwnd)) return false;
  if (tunables(tp).old_ack_challenge != 0) return true;
  return seg.tlen != 0 && seg.th.th_seq != tp->rcv_nxt;
}

// Our SYN is acknowledged: what waited for that is delivered, and what this segment brings of it
// once more is old.
void DeliverWhatWaited(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const uint8_t end = tcp_reass_deliver(tp);
  if (SEQ_GT(tp->rcv_nxt, seg.th.th_seq)) {
    const auto old = static_cast<uint32_t>(tp->rcv_nxt - seg.th.th_seq);
    if (old > seg.tlen) seg.th.th_flags &= ~TH_FIN;
    seg.TrimFront(std::min(old, seg.tlen));
  }
  if (end == 0) return;
  // Nothing can follow the end, which counts now, wherever the segment lies.
  seg.TrimBack(seg.tlen);
  seg.th.th_seq = tp->rcv_nxt;
  seg.th.th_flags |= end;
}

}  // namespace

// Label: ack processing.
Next tcp_step_ack(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (!seg.has(TH_ACK)) {
    // Its data can wait with what else has come before the handshake's end. Differs: by Fast Open
    // nothing waits, and an end without an ACK is none.
    const bool waits = tp->t_state == TCPS_SYN_RECEIVED && !tcp_delivers(tp);
    if (waits && tunables(tp).synrcvd_no_ack != 0) return Next::kGoOn;
    (void)tcp_dropped(seg, tcps_noack);
    return (tp->t_flags & TF_ACKNOW) != 0 ? Next::kAck : Next::kDrop;
  }
  if (SEQ_GT(seg.th.th_ack, tp->snd_max)) {
    (void)tcp_dropped(seg, tcps_rcvacktoomuch);
    return Next::kChallenge;
  }
  if (TooOld(seg)) {
    (void)tcp_dropped(seg, tcps_rcvacktooold);
    return tunables(tp).old_ack_challenge != 0 ? Next::kChallenge : Next::kDrop;
  }
  const bool opening = tp->t_state == TCPS_SYN_RECEIVED;
  // The user has shut down before the handshake's end.
  const bool shut =
      !opening && (tp->t_flags & TF_SYNPENDING) != 0 && SEQ_GT(seg.th.th_ack, tp->iss);
  if (opening || shut) [[unlikely]] {
    tcp_established(tp);
    tp->snd_wl1 = seg.th.th_seq - 1;  // its window counts
    // Data that came with the SYN is acknowledged as any is: late, or with something else.
    if (tp->t_segq != nullptr && opening) tcp_timer_arm(tp, TCPT_DELACK, tunables(tp).delacktime);
    DeliverWhatWaited(seg);
  }
  tp->t_rcvacktime = Now();
  if ((tp->t_flags & TF_ECN_PERMIT) != 0) tcp_ecn_input(seg);
  seg.sacked_before = tcp_sacked_bytes(tp);
  tcp_sack_option(tp, seg.th.th_ack, seg.opt);
  if (SEQ_LEQ(seg.th.th_ack, tp->snd_una)) return tcp_ack_old(seg);
  return tcp_ack_new(seg) ? FinAcked(seg) : Next::kGoOn;
}

// Label: step6.
Next tcp_step_window(TcpSegment& seg) {
  if (seg.has(TH_ACK)) tcp_take_window(seg);
  return Next::kGoOn;
}

}  // namespace sockbed
