// Is the segment acceptable? (RFC 9293 3.10.7.4, first to fourth; RFC 7323 5; RFC 5961.)
//
// The steps cut the segment down to what lies inside the receive window, and stop what must not
// pass.
#include <algorithm>
#include <cerrno>

#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// Inside the receive window, as RFC 5961 draws it.
bool InWindow(const TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  return SEQ_GEQ(seg.th.th_seq, tp->last_ack_sent) &&
         SEQ_LT(seg.th.th_seq, tp->last_ack_sent + tp->rcv_wnd);
}

// The connection ends because of the segment, without an answer.
Next EndBy(TcpSegment& seg, int error) {
  tcpcb* tp = seg.tp;
  EmitTcp(TcpEvent::kError, tp->t_id, static_cast<uint64_t>(error));
  if (error != 0) tcp_so(tp)->so_error = error;
  ++seg.host->stat[tcps_drops];
  seg.tp = nullptr;
  tcp_close(tp);
  return Next::kDrop;
}

}  // namespace

Next tcp_step_udp_port(TcpSegment& seg) {
  if (seg.udp_port == seg.tp->t_port) return Next::kGoOn;
  (void)tcp_dropped(seg, tcps_tunneled_errs);
  return Next::kReset;
}

// An ACK that acknowledges nothing of ours cannot belong to this handshake.  Label:
// TCPS_SYN_RECEIVED.
Next tcp_step_syn_received(TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  if (tp->t_state == TCPS_SYN_RECEIVED && tunables(tp).synrcvd_old_rst != 0 && !seg.has(TH_RST) &&
      SEQ_LT(seg.th.th_seq, tp->irs)) {
    (void)tcp_dropped(seg, tcps_rcvoutofwin);
    return Next::kReset;
  }
  if (tp->t_state != TCPS_SYN_RECEIVED || !seg.has(TH_ACK) || seg.has(TH_RST)) return Next::kGoOn;
  if (seg.has(TH_SYN) && tunables(tp).synrcvd_synack_rst != 0) {
    (void)tcp_dropped(seg, tcps_badsyn);
    return Next::kReset;
  }
  if (SEQ_LEQ(seg.th.th_ack, tp->snd_una) || SEQ_GT(seg.th.th_ack, tp->snd_max)) {
    (void)tcp_dropped(seg, tcps_rcvacktoomuch);
    return Next::kReset;
  }
  return Next::kGoOn;
}

// --- TIME_WAIT. ---

namespace {

// Whether a SYN is surely younger than all of the old connection (RFC 6191, RFC 9293 3.10.7.4): by
// its number, or if `stamped` by its timestamp.
bool IsNewConnection(const TcpSegment& seg, bool stamped) {
  if (!seg.has(TH_SYN) || seg.has(TH_RST | TH_ACK)) return false;
  const tcpcb* tp = seg.tp;
  return (stamped && TSTMP_LT(tp->ts_recent, seg.opt.ts_val)) ||
         SEQ_GT(seg.th.th_seq, tp->rcv_nxt);
}

// The old connection makes room for a new one, whose numbers must lie beyond its own.
Next Reopen(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (tunables(tp).timewait_random_iss != 0) {
    const uint32_t distance = (seg.host->timewait_iss.Next32() & 0x7fffffff) | 0x8000;
    seg.reuse_iss = tp->snd_nxt + distance;
  }
  seg.tp = nullptr;
  tcp_close(tp);
  return Next::kAgain;
}

// Whether it says nothing that needs an answer: it sits exactly where both sides ended.
bool SaysNothing(const TcpSegment& seg) {
  return seg.length() == 0 && seg.th.th_seq == seg.tp->rcv_nxt && seg.th.th_ack == seg.tp->snd_nxt;
}

Next FinAgain(TcpSegment& seg) {
  if (seg.has(TH_FIN)) tcp_arm_2msl(seg.tp);
  (void)tcp_dropped(seg, tcps_timewaitdrop);
  return SaysNothing(seg) ? Next::kDrop : Next::kAck;
}

// Resets are ignored (RFC 1337); a SYN that is not new, too.
Next TimeWaitFreeBsd(TcpSegment& seg) {
  if (seg.has(TH_RST)) return tcp_dropped(seg, tcps_timewaitdrop);
  const bool syn_only = seg.has(TH_SYN) && !seg.has(TH_ACK);
  if (syn_only && seg.has(TH_FIN) && seg.host->tunables.drop_synfin != 0) {
    return tcp_dropped(seg, tcps_timewaitdrop);
  }
  if (IsNewConnection(seg, seg.stamped)) return Reopen(seg);  // by whichever UDP port
  if (const Next next = tcp_step_udp_port(seg); next != Next::kGoOn) return next;
  if (!seg.has(TH_ACK)) return tcp_dropped(seg, tcps_timewaitdrop);
  return FinAgain(seg);
}

// RFC 9293 with RFC 5961: no SYN opens anything, a SYN or RST is challenged.
Next TimeWaitStandard(TcpSegment& seg) {
  if (const Next next = tcp_step_udp_port(seg); next != Next::kGoOn) return next;
  if (seg.has(TH_RST)) return Next::kGoOn;  // 8.1
  if (seg.has(TH_SYN)) {
    if (seg.has(TH_FIN) && seg.host->tunables.drop_synfin != 0) {
      return tcp_dropped(seg, tcps_timewaitdrop);
    }
    if (seg.host->tunables.insecure_syn != 0 && InWindow(seg)) {
      tcpcb* tp = seg.tp;
      seg.tp = nullptr;
      tcp_drop(tp, ECONNRESET);
      return Next::kDrop;
    }
    (void)tcp_dropped(seg, tcps_badsyn);
    return Next::kChallenge;
  }
  if (!seg.has(TH_ACK)) return tcp_dropped(seg, tcps_timewaitdrop);
  return FinAgain(seg);
}

}  // namespace

// Label: the TCPS_TIME_WAIT case before trimming; FreeBSD: tcp_twcheck.
Next tcp_step_time_wait(TcpSegment& seg) {
  if (seg.tp->t_state != TCPS_TIME_WAIT) return Next::kGoOn;
  switch (tunables(seg.tp).timewait_policy) {
    case 1: return TimeWaitFreeBsd(seg);
    case 2: return TimeWaitStandard(seg);
    default:
      // A timestamp counts even if the old connection had none: its last one reads as 0. All else
      // takes the way of any segment, and is answered if it lies outside the window.
      return IsNewConnection(seg, seg.opt.has_timestamp) ? Reopen(seg) : tcp_step_udp_port(seg);
  }
}

// RFC 5961 4.2: a SYN inside a connection is answered wherever it lies, before anything of it is
// looked at.
Next tcp_step_syn_challenge(TcpSegment& seg) {
  if (tunables(seg.tp).syn_challenge == 0 || !seg.has(TH_SYN) || seg.has(TH_RST) ||
      seg.tp->t_state <= TCPS_SYN_RECEIVED) {
    return Next::kGoOn;
  }
  return tcp_step_syn(seg);
}

// RFC 7323 5.3, R1: older than what was seen before, so it is a duplicate of long ago.
Next tcp_step_paws(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.has(TH_RST) || (tp->t_flags & TF_RCVD_TSTMP) == 0) return Next::kGoOn;
  if (!seg.stamped) {
    if (seg.has(TH_SYN) || tunables(tp).tolerate_missing_ts != 0) return Next::kGoOn;
    return tcp_dropped(seg, tcps_missingts);
  }
  if (!TSTMP_LT(seg.opt.ts_val, tp->ts_recent)) return Next::kGoOn;
  if (tcp_ts_recent_expired(tp)) {
    tp->ts_recent = 0;  // the clock may have wrapped meanwhile: it proves nothing
    return Next::kGoOn;
  }
  (void)tcp_dropped(seg, tcps_pawsdrop);
  return seg.tlen > 0 ? Next::kAck : Next::kDrop;
}

// What was received before is cut off.  Label: trimthenstep6.
Next tcp_step_trim_left(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  TcpStat& stat = seg.host->stat;
  int32_t old = tp->rcv_nxt - seg.th.th_seq;
  // Differs: a reset is not cut. It is judged by its own number (RFC 5961 3.2), or data in front of
  // that would let any reset from the left of the window pass for an exact one.
  if (old <= 0 || seg.has(TH_RST)) return Next::kGoOn;
  if (seg.has(TH_SYN)) {
    seg.th.th_flags &= ~TH_SYN;
    seg.th.th_seq += 1;
    if (seg.th.th_urp > 1) {
      --seg.th.th_urp;
    } else {
      seg.th.th_flags &= ~TH_URG;
    }
    --old;
  }
  auto duplicate = static_cast<uint32_t>(old);
  if (duplicate > seg.tlen || (duplicate == seg.tlen && !seg.has(TH_FIN))) {
    // All of it. A FIN of such a segment lies left of the window, too. The peer may lack our ACK.
    seg.th.th_flags &= ~TH_FIN;
    tp->t_flags |= TF_ACKNOW;
    duplicate = seg.tlen;
    ++stat[tcps_rcvduppack];
    stat[tcps_rcvdupbyte] += duplicate;
  } else {
    ++stat[tcps_rcvpartduppack];
    stat[tcps_rcvpartdupbyte] += duplicate;
  }
  tcp_report_dsack(tp, seg.th.th_seq, seg.th.th_seq + duplicate);
  seg.TrimFront(duplicate);
  return Next::kGoOn;
}

// The user has gone, and with him the wish for data: the peer shall know. A reset's data is none.
Next tcp_step_after_close(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.tlen == 0 || seg.has(TH_RST) || tp->t_state <= TCPS_CLOSE_WAIT ||
      (tcp_so(tp)->so_state & SS_NOFDREF) == 0) {
    return Next::kGoOn;
  }
  (void)tcp_dropped(seg, tcps_rcvafterclose);
  seg.tp = nullptr;
  tcp_close(tp);
  return Next::kReset;
}

// What lies beyond the window is cut off.
Next tcp_step_trim_right(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  TcpStat& stat = seg.host->stat;
  const int64_t end = int64_t{seg.th.th_seq - tp->rcv_nxt} + seg.tlen;
  const int64_t beyond = end - tp->rcv_wnd;
  if (beyond <= 0) return Next::kGoOn;
  if (beyond >= seg.tlen) {
    if (tp->rcv_wnd != 0 || seg.th.th_seq != tp->rcv_nxt) {
      (void)tcp_dropped(seg, tcps_rcvoutofwin);
      return Next::kAck;
    }
    // A probe: the peer asks whether the window is still shut. Its ACK counts.
    if (!seg.has(TH_RST)) tp->t_flags |= TF_ACKNOW;
    ++stat[tcps_rcvwinprobe];
  } else {
    ++stat[tcps_rcvpackafterwin];
    stat[tcps_rcvbyteafterwin] += static_cast<uint64_t>(beyond);
  }
  seg.TrimBack(static_cast<uint32_t>(std::min<int64_t>(beyond, seg.tlen)));
  seg.th.th_flags &= ~(TH_PUSH | TH_FIN);
  return Next::kGoOn;
}

Next tcp_step_timestamp(TcpSegment& seg) {
  tcp_take_timestamp(seg);
  return Next::kGoOn;
}

// RFC 9293 3.10.7.4, second; RFC 5961 3.2.
Next tcp_step_rst(TcpSegment& seg) {
  if (!seg.has(TH_RST)) return Next::kGoOn;
  const tcpcb* tp = seg.tp;
  const TcpTunables& set = tunables(tp);
  const tcp_seq seq = seg.th.th_seq;
  const bool exact = seq == tp->last_ack_sent || seq == tp->rcv_nxt ||
                     (set.rst_past_next != 0 && seq == tp->rcv_nxt + 1);
  const bool inside = InWindow(seg);
  if (!exact && !(inside && set.insecure_rst != 0)) {
    (void)tcp_dropped(seg, tcps_rcvbadrst);
    return inside && set.rst_challenge != 0 ? Next::kChallenge : Next::kDrop;
  }
  ++seg.host->stat[tcps_rcvrst];
  switch (tp->t_state) {
    case TCPS_SYN_RECEIVED:
      if ((tp->t_flags & TF_ECN_SYN) != 0 && set.ecn_rst_retry != 0) {
        seg.tp->t_flags = (tp->t_flags & ~(TF_ECN_SYN | TF_ECN_PERMIT)) | TF_ECN_OFF;
        return Next::kDrop;
      }
      return EndBy(seg, ECONNREFUSED);
    case TCPS_CLOSING:
    case TCPS_LAST_ACK: return EndBy(seg, set.rst_closing_error != 0 ? ECONNRESET : 0);
    case TCPS_TIME_WAIT: return EndBy(seg, 0);
    default: return EndBy(seg, ECONNRESET);
  }
}

// RFC 9293 3.10.7.4, fourth; RFC 5961 4.2.
Next tcp_step_syn(TcpSegment& seg) {
  if (!seg.has(TH_SYN)) return Next::kGoOn;
  if (tunables(seg.tp).insecure_syn != 0 && InWindow(seg)) {
    tcpcb* tp = seg.tp;
    seg.tp = nullptr;
    tcp_drop(tp, ECONNRESET);
    return Next::kDrop;
  }
  (void)tcp_dropped(seg, tcps_badsyn);
  return Next::kChallenge;
}

}  // namespace sockbed
