// Loss: duplicate ACKs, recovery, and what may be taken back (RFC 5681, 6582, 6675, 6937, 3042).
//
// Four ways lead through recovery. Without SACK the window swells by a segment for each duplicate
// ACK (RFC 6582). With SACK the same, but holes are filled first (openbsd). By RFC 6937 (TF_PRR)
// the window is what is on its way plus what may go now. With RACK the same, and tcp_rack.cc says
// what is lost.
#include <algorithm>

#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

void TraceRecovery(const tcpcb* tp, bool begins) {
  EmitTcp(TcpEvent::kRecover, tp->t_id, begins ? 1 : 0, PackPair(tp->snd_cwnd, tp->snd_ssthresh));
}

// Whether the window was reduced for what is out now.
bool AlreadyReduced(const tcpcb* tp) { return SEQ_LT(tp->snd_una, tp->snd_last); }

// Whether duplicates are no echoes of an earlier loss although AlreadyReduced: it was for a mark,
// and by RFC 6675 reports tell what is missing. The other system takes them for echoes.
bool LostBehindMark(const tcpcb* tp) {
  return (tp->t_flags & TF_MARKED) != 0 && tunables(tp).sack_revised != 0 && tp->snd_sack.active;
}

// Sends the segment at `seq` alone, whatever the window says, and goes back to where sending stood;
// unless nothing could go, and PERSIST was armed for it: then all goes again from there on.
void ResendAt(tcpcb* tp, tcp_seq seq, uint32_t cwnd) {
  const tcp_seq next = tp->snd_nxt;
  tp->snd_nxt = seq;
  tp->snd_cwnd = cwnd;
  (void)tcp_output(tp);  // REXMT watches over it
  if (!tcp_timer_isarmed(tp, TCPT_PERSIST)) tp->snd_nxt = SEQ_MAX(tp->snd_nxt, next);
}

}  // namespace

void tcp_begin_recovery(tcpcb* tp) {
  tp->t_dupacks = kTcpRexmtThresh;
  // Once per window of data, be it for a mark or a loss (RFC 3168 6.1.2).
  if (!AlreadyReduced(tp)) {
    tp->t_cc->cong_signal(tp, CcSignal::kDupAcks);
    tcp_ecn_reduced(tp);
  }
  tp->snd_last = tp->snd_max;
  tp->t_flags &= ~(TF_RESCUED | TF_PREVVALID | TF_MARKED);
  tp->t_rtttime = kNotTimed;
  ++tp->t_host->stat[tcps_sndrexmitfast];
  TraceRecovery(tp, true);
}

// --- Proportional rate reduction. ---

void tcp_begin_prr(tcpcb* tp) {
  tp->t_flags |= TF_PRR;
  tp->t_prr_delivered = tp->t_prr_out = 0;
  tp->t_recover_fs = static_cast<uint32_t>(tp->snd_max - tp->snd_una);
  tcp_arm_rexmt(tp);  // a new start for what goes again
}

// With the slow-start reduction bound.
void tcp_prr_ack(tcpcb* tp, uint32_t delivered, uint32_t least) {
  tp->t_prr_delivered += delivered;
  const uint64_t pipe = tcp_sack_pipe(tp), ssthresh = tp->snd_ssthresh;
  const int64_t out = tp->t_prr_out;
  int64_t more = 0;
  if (pipe > ssthresh) {
    const uint64_t flight = std::max(tp->t_recover_fs, 1u);
    more = static_cast<int64_t>((tp->t_prr_delivered * ssthresh + flight - 1) / flight) - out;
  } else {
    const int64_t limit = std::max<int64_t>(tp->t_prr_delivered - out, delivered) + tp->t_maxseg;
    more = std::min(static_cast<int64_t>(ssthresh - pipe), limit);
  }
  more = std::max<int64_t>(more, least);
  tcp_cc_set(tp, std::max<uint64_t>(pipe + static_cast<uint64_t>(more), tp->t_maxseg));
}

void tcp_resend_outside(tcpcb* tp, tcp_seq seq, uint32_t length) {
  const uint32_t cwnd = tp->snd_cwnd;
  const uint32_t prr = tp->t_flags & TF_PRR;
  tp->t_flags &= ~TF_PRR;  // for these bytes the window is their own
  ResendAt(tp, seq, static_cast<uint32_t>(seq - tp->snd_una) + length);
  tp->t_flags |= prr;
  tp->snd_cwnd = cwnd;
}

namespace {

// Nothing is reported lost and there is nothing new to send, yet the window has room: the last
// segment may be what is missing, and no report would ever tell (RFC 6675 4, NextSeg rule 4).
void Rescue(tcpcb* tp) {
  const SackScoreboard& board = tp->snd_sack;
  const tcp_seq high = board.active ? board.sack_high : tp->snd_una;
  if ((tp->t_flags & TF_RESCUED) != 0 || SEQ_GEQ(high, tp->snd_last) ||
      tp->snd_nxt != tp->snd_max || tcp_sack_output(tp) != nullptr) {
    return;
  }
  const uint32_t pipe = tcp_sack_pipe(tp);
  if (tp->snd_cwnd < pipe + tp->t_maxseg) return;
  tp->t_flags |= TF_RESCUED;
  tcp_resend_outside(tp, SEQ_MAX(tp->snd_last - tp->t_maxseg, high), tp->t_maxseg);
}

// --- Recovery begins and ends. ---

void EnterPrr(tcpcb* tp, uint32_t delivered) {
  tcp_begin_prr(tp);
  tcp_prr_ack(tp, delivered, tp->t_maxseg);
  if (tcp_sack_output(tp) != nullptr) {
    (void)tcp_output(tp);  // REXMT watches over it
  } else {
    // By the count of ACKs alone (RFC 6675 5, step 4.3).
    tcp_resend_outside(tp, tp->snd_una, tp->t_maxseg);
  }
}

// A segment is lost, those behind it arrive (RFC 5681 3.2, RFC 6582 3.2, RFC 6675 5).
void EnterRecovery(tcpcb* tp, uint32_t delivered) {
  TcpStat& stat = tp->t_host->stat;
  if (AlreadyReduced(tp) && !LostBehindMark(tp)) {
    tp->t_dupacks = 0;  // echoes of an earlier loss: the window was halved for it
    return;
  }
  tcp_begin_recovery(tp);
  if (tunables(tp).do_prr != 0 && tp->snd_sack.active) {
    ++stat[tcps_sack_recovery_episode];
    EnterPrr(tp, delivered);
    return;
  }
  tcp_timer_disarm(tp, TCPT_REXMT);
  if (tcp_sack_output(tp) != nullptr) {
    ++stat[tcps_sack_recovery_episode];
    (void)tcp_output(tp);  // the first hole; REXMT watches over it
  } else {
    ResendAt(tp, tp->snd_una, tp->t_maxseg);
  }
  tp->snd_cwnd = tp->snd_ssthresh + kTcpRexmtThresh * tp->t_maxseg;
}

// RFC 3042: the first duplicates say that segments leave the network; each lets one new one in,
// beyond the congestion window, which stays as it is.
void LimitedTransmit(tcpcb* tp) {
  if (tp->t_dupacks == 1) tp->t_limited = 0;
  const uint32_t cwnd = tp->snd_cwnd;
  const tcp_seq before = tp->snd_max;
  const auto more = static_cast<uint32_t>(tp->t_dupacks - tp->t_limited);
  if (tp->snd_nxt != before || more == 0) return;
  tp->snd_cwnd = static_cast<uint32_t>(tp->snd_nxt - tp->snd_una) + more * tp->t_maxseg;
  (void)tcp_output(tp);  // REXMT watches over it
  const auto sent = static_cast<uint32_t>(tp->snd_max - before);
  const uint32_t segments = (sent + tp->t_maxseg - 1) / tp->t_maxseg;
  tp->t_limited = static_cast<uint8_t>(tp->t_limited + segments);
  tp->t_host->stat[tcps_limited_xmit] += segments;
  tp->snd_cwnd = cwnd;
}

// One duplicate more. Returns whether it has been acted upon.
bool CountDuplicate(tcpcb* tp, uint32_t delivered) {
  ++tp->t_dupacks;
  if ((tp->t_flags & TF_PRR) != 0) {
    tcp_sack_find_lost_rexmits(tp);
    tcp_prr_ack(tp, delivered, 0);
    (void)tcp_output(tp);  // REXMT watches over it
    return true;
  }
  const bool early =
      tunables(tp).sack_revised != 0 && tp->t_dupacks < kTcpRexmtThresh && tcp_sack_first_lost(tp);
  if (tp->t_dupacks == kTcpRexmtThresh || early) {
    EnterRecovery(tp, delivered);
    return true;
  }
  if (tp->t_dupacks < kTcpRexmtThresh) {
    if (tunables(tp).rfc3042 != 0) LimitedTransmit(tp);
    return false;
  }
  // Another segment has left the network.
  tcp_cc_set(tp, uint64_t{tp->snd_cwnd} + tp->t_maxseg);
  (void)tcp_output(tp);  // REXMT watches over what it sends
  return true;
}

// Whether an ACK of nothing new is a duplicate, which tells of a loss (RFC 5681 2).
bool IsDuplicate(TcpSegment& seg, bool news) {
  tcpcb* tp = seg.tp;
  if (seg.th.th_ack != tp->snd_una) {
    tcp_break_duplicates(tp);  // reordered: do not count across it
    return false;
  }
  if (news) return true;  // whatever else it carries
  if (seg.tlen != 0 || seg.has(TH_FIN)) return false;
  if (seg.tiwin != tp->snd_wnd) {
    if (seg.tiwin < tp->snd_wnd) tcp_break_duplicates(tp);
    return false;
  }
  return true;
}

}  // namespace

Next tcp_ack_old(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (tp->t_rack != nullptr) {
    if (seg.tlen == 0 && seg.th.th_ack == tp->snd_una) ++seg.host->stat[tcps_rcvdupack];
    tcp_rack_ack(seg, 0);
    return Next::kGoOn;
  }
  const bool bare = seg.tlen == 0 && !seg.has(TH_FIN);
  const uint32_t sacked = tcp_sacked_bytes(tp);
  const uint32_t delivered = sacked > seg.sacked_before ? sacked - seg.sacked_before : 0;
  const bool revised = tunables(tp).sack_revised != 0;
  const bool news = delivered != 0 && revised;
  // RFC 6675 2: reports that say nothing new are no duplicate; the network has made it two.
  const bool reports = seg.opt.sack_count != 0 && (tp->t_flags & TF_SACK_PERMIT) != 0;
  if (!news && (!bare || (reports && revised))) return Next::kGoOn;
  if (!IsDuplicate(seg, news)) return Next::kGoOn;
  ++seg.host->stat[tcps_rcvdupack];
  if (!tcp_timer_isarmed(tp, TCPT_REXMT)) {
    tcp_give_up_recovery(tp);  // the window is shut: what was out counts for nothing
    return Next::kGoOn;
  }
  const bool done = CountDuplicate(tp, delivered);
  // What the segment carries besides is still to be dealt with.
  return done && bare && seg.tiwin == tp->snd_wnd ? Next::kDone : Next::kGoOn;
}

namespace {

// Recovery goes on: the ACK reaches the next hole. The window loses what has left the network and
// gains the segment that fills it (RFC 6582 3.2, step 3).
void PartialAck(TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  tcp_timer_disarm(tp, TCPT_REXMT);
  tp->t_rtttime = kNotTimed;
  const uint32_t deflated = tp->snd_cwnd > acked ? tp->snd_cwnd - acked : 0;
  if (tp->snd_sack.active) {
    tp->snd_cwnd = deflated + 2 * tp->t_maxseg;  // filling the hole takes one of the two away again
    tp->t_flags |= TF_NEEDOUTPUT;
    return;
  }
  ResendAt(tp, seg.th.th_ack, tp->t_maxseg + acked);
  tp->snd_cwnd = deflated + tp->t_maxseg;
}

// All that was out when the loss was seen has arrived. What is out now may be little: no burst.
void EndRecovery(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  tp->t_flags &= ~TF_PRR;
  tp->t_cc->post_recovery(tp, static_cast<uint32_t>(tp->snd_max - seg.th.th_ack));
  tp->t_dupacks = 0;
  TraceRecovery(tp, false);
}

// Whether the ACK is of the segment as it was sent before the timeout: that one was only late.
bool TimeoutWasNeedless(const TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  if (seg.stamped && seg.opt.ts_ecr != 0) {
    const auto since = static_cast<uint32_t>((Now() - tp->t_rexmt_time) / kMillisecond);
    return TSTMP_LT(seg.opt.ts_ecr, tcp_ts(tp) - since);
  }
  return Now() - tp->t_rexmt_time < int64_t{tp->t_srtt} * kMillisecond / 64;
}

}  // namespace

void tcp_save_before_timeout(tcpcb* tp) {
  if (tunables(tp).rto_undo == 0 || tp->t_rxtshift != 1) {
    tp->t_flags &= ~TF_PREVVALID;
    return;
  }
  tp->t_prev_cwnd = tp->snd_cwnd;
  tp->t_prev_ssthresh = tp->snd_ssthresh;
  tp->t_prev_last = tp->snd_last;
  tp->t_rexmt_time = Now();
  tp->t_flags |= TF_PREVVALID;
}

void tcp_undo_timeout(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  tp->t_flags &= ~TF_PREVVALID;
  if (tp->t_rxtshift != 1 || !TimeoutWasNeedless(seg)) return;
  ++seg.host->stat[tcps_sndrexmitbad];
  tp->snd_cwnd = tp->t_prev_cwnd;
  tp->snd_ssthresh = tp->t_prev_ssthresh;
  tp->snd_last = tp->t_prev_last;
  tp->snd_nxt = tp->snd_max;
  tp->t_cc->undo_timeout(tp);
  if (tp->t_rack != nullptr) tcp_rack_undo(tp);
}

bool tcp_recovery_ack(TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  tp->t_limited = 0;
  seg.prr_pending = tp->t_rack != nullptr;
  if (!tcp_recovering(tp)) [[likely]] {
    tp->t_dupacks = 0;
    return false;
  }
  if (SEQ_GEQ(seg.th.th_ack, tp->snd_last)) {
    EndRecovery(seg);
    seg.recovered = true;
    return true;
  }
  if ((tp->t_flags & TF_PRR) == 0) {
    PartialAck(seg, acked);
    return true;
  }
  tp->t_rtttime = kNotTimed;
  seg.prr_pending = true;  // when snd_una has moved
  return true;
}

void tcp_recovery_send(TcpSegment& seg, uint32_t acked) {
  tcpcb* tp = seg.tp;
  tcp_take_window(seg);  // or what the ACK has used up would seem shut
  if (tp->t_rack != nullptr) {
    tcp_rack_ack(seg, acked);
    return;
  }
  const int64_t delivered = int64_t{acked} + tcp_sacked_bytes(tp) - seg.sacked_before;
  tcp_sack_find_lost_rexmits(tp);
  tcp_prr_ack(tp, static_cast<uint32_t>(std::max<int64_t>(delivered, 0)), 0);
  (void)tcp_output(tp);  // REXMT watches over it
  Rescue(tp);
}

}  // namespace sockbed
