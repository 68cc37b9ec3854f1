// What a segment acknowledges, and the window it brings (RFC 9293 3.10.7.4, fifth; RFC 5681, 6582).
#include <algorithm>

#include "kernel/tcp/tcp_rtt.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

void TraceRecovery(const tcpcb* tp, bool begins) {
  EmitTcp(TcpEvent::kRecover, tp->t_id, begins ? 1 : 0, PackPair(tp->snd_cwnd, tp->snd_ssthresh));
}

// Sends the segment at `seq` alone, whatever the window says, and goes back to where sending stood.
void ResendAt(tcpcb* tp, tcp_seq seq, uint32_t cwnd) {
  const tcp_seq next = tp->snd_nxt;
  tp->snd_nxt = seq;
  tp->snd_cwnd = cwnd;
  (void)tcp_output(tp);  // REXMT watches over it
  tp->snd_nxt = SEQ_MAX(tp->snd_nxt, next);
}

// The third duplicate ACK: a segment is lost, those behind it arrive (RFC 5681 3.2, RFC 6582 3.2).
void EnterRecovery(tcpcb* tp) {
  TcpStat& stat = tp->t_host->stat;
  if (SEQ_LT(tp->snd_una, tp->snd_last)) {
    tp->t_dupacks = 0;  // echoes of an earlier loss: the window was halved for it
    return;
  }
  tp->t_cc->cong_signal(tp, CcSignal::kDupAcks);
  tp->snd_last = tp->snd_max;
  tcp_timer_disarm(tp, TCPT_REXMT);
  tp->t_rtttime = kNotTimed;
  ++stat[tcps_sndrexmitfast];
  TraceRecovery(tp, true);
  if (tcp_sack_output(tp) != nullptr) {
    ++stat[tcps_sack_recovery_episode];
    (void)tcp_output(tp);  // the first hole; REXMT watches over it
  } else {
    ResendAt(tp, tp->snd_una, tp->t_maxseg);
  }
  tp->snd_cwnd = tp->snd_ssthresh + kTcpRexmtThresh * tp->t_maxseg;
}

// An ACK of nothing new. Returns kDone if recovery has dealt with it.
Next OldAck(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.tlen != 0 || seg.has(TH_FIN)) return Next::kGoOn;
  if (SEQ_LT(seg.th.th_ack, tp->snd_una)) {
    tp->t_dupacks = 0;  // reordered: do not count across it
    return Next::kGoOn;
  }
  if (seg.tiwin != tp->snd_wnd) {
    if (seg.tiwin < tp->snd_wnd) tp->t_dupacks = 0;
    return Next::kGoOn;
  }
  ++seg.host->stat[tcps_rcvdupack];
  if (!tcp_timer_isarmed(tp, TCPT_REXMT)) {
    tp->t_dupacks = 0;
    return Next::kGoOn;
  }
  ++tp->t_dupacks;
  if (tp->t_dupacks < kTcpRexmtThresh) return Next::kGoOn;
  if (tp->t_dupacks == kTcpRexmtThresh) {
    EnterRecovery(tp);
  } else {
    // Another segment has left the network.
    tp->snd_cwnd = std::min(tp->snd_cwnd + tp->t_maxseg, uint32_t{TCP_MAXWIN} << tp->snd_scale);
    (void)tcp_output(tp);  // REXMT watches over what it sends
  }
  return Next::kDone;
}

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
  const auto flight = static_cast<uint32_t>(tp->snd_max - seg.th.th_ack);
  tp->snd_cwnd = std::min(tp->snd_ssthresh, flight);
  tp->t_dupacks = 0;
  TraceRecovery(tp, false);
}

// A round trip has been measured, if the segment says so: by its timestamp, or by the one segment
// timed.
void MeasureRtt(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.stamped && seg.opt.ts_ecr != 0) {
    const uint32_t age = tcp_ts(tp) - seg.opt.ts_ecr;
    if (age <= kRttSampleMax) {
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
  if ((tp->t_flags & TF_SYNPENDING) != 0) {
    tp->t_flags &= ~TF_SYNPENDING;
    --acked;
  }
  const auto queued = static_cast<uint32_t>(so->so_snd.sb_cc);
  const bool fin = acked > queued;
  const uint32_t bytes = std::min(acked, queued);
  if (bytes != 0) sbdrop(&so->so_snd, bytes);
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
  tcp_del_sackholes(tp, ack);

  if (!tcp_recovering(tp)) {
    tp->t_dupacks = 0;
  } else if (SEQ_LT(ack, tp->snd_last)) {
    PartialAck(seg, acked);
  } else {
    EndRecovery(seg);
  }
  MeasureRtt(seg);
  tp->t_acktime = Now();
  if (ack == tp->snd_max) {
    tcp_timer_disarm(tp, TCPT_REXMT);
    tp->t_flags |= TF_NEEDOUTPUT;
  } else if (!tcp_timer_isarmed(tp, TCPT_PERSIST)) {
    tcp_arm_rexmt(tp);
  }
  if (!tcp_recovering(tp)) tp->t_cc->ack_received(tp, acked);
  tcp_update_sndspace(tp);  // by what was queued and outstanding until now
  const bool fin = DropAcked(tp, acked);
  tp->snd_una = ack;
  tp->snd_nxt = SEQ_MAX(tp->snd_nxt, ack);
  tp->t_maxacked = std::max(tp->t_maxacked, acked);
  if (SEQ_GT(ack, tp->t_pmtud_seq)) tp->t_flags &= ~TF_PMTUD_PEND;  // that segment got through
  if (sb_notify(&so->so_snd)) sowwakeup(so);
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
    case TCPS_CLOSING:
      tcp_twstart(tp);
      return Next::kGoOn;
    case TCPS_LAST_ACK:
      seg.tp = nullptr;
      tcp_close(tp);
      return Next::kDrop;
    default:
      KPANIC("a FIN is acknowledged that was not sent");
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

}  // namespace

// Label: ack processing.
Next tcp_step_ack(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (!seg.has(TH_ACK)) {
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
  if (tp->t_state == TCPS_SYN_RECEIVED) {
    tcp_established(tp);
    tp->snd_wl1 = seg.th.th_seq - 1;                      // its window counts
    if (tp->t_segq != nullptr) tp->t_flags |= TF_ACKNOW;  // data that came with the SYN
    seg.th.th_flags |= tcp_reass_deliver(tp);
  }
  tp->t_rcvacktime = Now();
  tcp_sack_option(tp, seg.th.th_ack, seg.opt);
  if (SEQ_LEQ(seg.th.th_ack, tp->snd_una)) return OldAck(seg);
  return tcp_ack_new(seg) ? FinAcked(seg) : Next::kGoOn;
}

// Label: step6.
Next tcp_step_window(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (!seg.has(TH_ACK)) return Next::kGoOn;
  const bool newer =
      SEQ_LT(tp->snd_wl1, seg.th.th_seq) ||
      (tp->snd_wl1 == seg.th.th_seq && (SEQ_LT(tp->snd_wl2, seg.th.th_ack) ||
                                        (tp->snd_wl2 == seg.th.th_ack && seg.tiwin > tp->snd_wnd)));
  if (!newer) return Next::kGoOn;
  if (seg.tiwin > tp->snd_wnd && seg.tlen == 0 && tp->snd_wl2 == seg.th.th_ack) {
    ++seg.host->stat[tcps_rcvwinupd];
  }
  if (seg.tiwin != tp->snd_wnd) tp->t_flags |= TF_NEEDOUTPUT;  // opened, or shut
  tp->snd_wnd = seg.tiwin;
  tp->snd_wl1 = seg.th.th_seq;
  tp->snd_wl2 = seg.th.th_ack;
  tp->max_sndwnd = std::max(tp->max_sndwnd, tp->snd_wnd);
  return Next::kGoOn;
}

}  // namespace sockbed
