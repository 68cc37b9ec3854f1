// What a segment carries: urgent data, data, the end (RFC 9293 3.10.7.4, sixth to eighth).
#include <algorithm>

#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// The segment has to come again, whole.
void RefuseData(TcpSegment& seg) {
  seg.TrimBack(seg.tlen);
  seg.th.th_flags &= ~TH_FIN;
  seg.tp->t_flags |= TF_ACKNOW;
}

// Takes the byte at `off` out of the data: the user reads it with MSG_OOB.  BSD: tcp_pulloutofband.
void PullOutOfBand(TcpSegment& seg, uint32_t off) {
  tcpcb* tp = seg.tp;
  uint8_t urgent;
  m_copydata(seg.m.get(), static_cast<int>(off), 1, &urgent);
  MbufPtr tail = m_split(seg.m.get(), static_cast<int>(off), M_DONTWAIT);
  if (tail == nullptr) return RefuseData(seg);  // no memory; nor may the byte stay in the stream
  tp->t_iobc = urgent;
  tp->t_oobflags |= TCPOOB_HAVEDATA;
  m_adj(tail.get(), 1);
  if ((tail->m_flags & M_PKTHDR) != 0) m_removehdr(tail.get());
  m_cat(seg.m.get(), std::move(tail));
  m_calchdrlen(seg.m.get());
}

}  // namespace

// The pointer names the byte after the urgent one (RFC 9293 3.8.5 notwithstanding).  Label: check
// URG.
Next tcp_step_urgent(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  socket* so = tcp_so(tp);
  if (!seg.has(TH_URG) || seg.th.th_urp == 0 || TCPS_HAVERCVDFIN(tp->t_state)) [[likely]] {
    tp->rcv_up =
        SEQ_MAX(tp->rcv_up, tp->rcv_nxt);  // drawn along, so that it never seems to lie ahead
    return Next::kGoOn;
  }
  const uint32_t urp = seg.th.th_urp;
  const auto sb_max = static_cast<uint64_t>(HostLocal<SocketHost>::Of(*seg.host->host).sb_max);
  if (urp + so->so_rcv.sb_cc > sb_max) return Next::kGoOn;  // it would never fit
  const tcp_seq end = seg.th.th_seq + urp;
  if (SEQ_GT(end, tp->rcv_up)) {
    tp->rcv_up = end;
    so->so_oobmark = so->so_rcv.sb_cc + static_cast<uint32_t>(end - tp->rcv_nxt) - 1;
    if (so->so_oobmark == 0) so->so_state |= SS_RCVATMARK;
    sohasoutofband(so);
    tp->t_oobflags &= static_cast<uint8_t>(~(TCPOOB_HAVEDATA | TCPOOB_HADDATA));
  }
  if (urp <= seg.tlen && (so->so_options & kSoOobInline) == 0) {
    // Data that waits may still be cut; a byte that is missing from it would confuse that.
    if (seg.th.th_seq != tp->rcv_nxt || !tcp_delivers(tp)) {
      RefuseData(seg);
    } else {
      PullOutOfBand(seg, urp - 1);
    }
  }
  return Next::kGoOn;
}

namespace {

// RFC 9293 3.8.6.3: every second segment at least, and not later than delacktime.  BSD:
// TCP_SETUP_ACK.
void SetUpAck(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const TcpTunables& set = tunables(tp);
  bool at_once = set.delayed_ack == 0 || tcp_timer_isarmed(tp, TCPT_DELACK) ||
                 (set.ackonpush != 0 && seg.has(TH_PUSH));
  if (set.delack_no_wait != 0) [[unlikely]] {
    at_once = at_once || (tp->t_flags & TF_RXWIN0SENT) != 0 || seg.tlen > tp->t_maxseg;
  } else {
    at_once = at_once || seg.loopback;
  }
  if (at_once) {
    tp->t_flags |= TF_ACKNOW;
  } else {
    tcp_timer_arm(tp, TCPT_DELACK, set.delacktime);
  }
}

// Measures how much a round trip brings, by our own timestamps coming back (RFC 7323 as a
// stopwatch).
inline void MeasureRcvSpace(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (!seg.stamped || seg.opt.ts_ecr == 0) return;
  if (tp->rfbuf_ts != 0 && TSTMP_LT(tp->rfbuf_ts, seg.opt.ts_ecr)) {
    tcp_update_rcvspace(tp);
    tp->rfbuf_cnt = 0;
    tp->rfbuf_ts = 0;
  } else {
    tp->rfbuf_cnt += seg.tlen;
  }
}

// What arrives out of order, or where the quick way does not apply: through the queue, and
// acknowledged at once, so that the peer learns what is missing. It counts for the buffer's growth
// too: a half-closed end reads whole streams in FIN_WAIT_2.
void Queue(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const bool fin = seg.has(TH_FIN);
  seg.th.th_flags &= ~TH_FIN;
  if (seg.tlen != 0) {
    MeasureRcvSpace(seg);
    tcp_dsack_overlap(tp, seg.th.th_seq, seg.th.th_seq + seg.tlen);
  }
  seg.th.th_flags |= tcp_reass(tp, seg, fin);
  tp->t_flags |= TF_ACKNOW;
}

}  // namespace

void tcp_take_data(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  socket* so = tcp_so(tp);
  TcpStat& stat = seg.host->stat;
  KASSERT(seg.th.th_seq == tp->rcv_nxt && tp->t_segq == nullptr);
  ++stat[tcps_rcvpack];
  stat[tcps_rcvbyte] += seg.tlen;
  tp->t_rcvbytes += seg.tlen;
  tp->t_rcvdatatime = Now();
  tcp_advance_rcv(tp, seg.tlen);
  MeasureRcvSpace(seg);
  SetUpAck(seg);
  if ((so->so_state & SS_CANTRCVMORE) != 0) [[unlikely]] {
    seg.m.reset();
    return;
  }
  sbappendstream(&so->so_rcv, std::move(seg.m));
  sorwakeup(so);
}

// Label: dodata.
Next tcp_step_data(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (TCPS_HAVERCVDFIN(tp->t_state)) {
    seg.th.th_flags &= ~TH_FIN;  // the stream has ended: what comes behind it is void
    return Next::kGoOn;
  }
  if (seg.tlen == 0 && !seg.has(TH_FIN)) return Next::kGoOn;
  // One system delays its ACKs after its own FIN, too.
  const bool delays = tp->t_state == TCPS_ESTABLISHED ||
                      (tunables(tp).delack_no_wait != 0 && TCPS_HAVEESTABLISHED(tp->t_state));
  const bool straight = seg.th.th_seq == tp->rcv_nxt && tp->t_segq == nullptr && delays;
  if (!straight) {
    Queue(seg);
  } else if (seg.tlen != 0) {
    tcp_take_data(seg);
  }
  return Next::kGoOn;
}

// All data before it is there, so the FIN counts.
Next tcp_step_fin(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (!seg.has(TH_FIN)) return Next::kGoOn;
  KASSERT(!TCPS_HAVERCVDFIN(tp->t_state) && tp->t_segq == nullptr);
  socantrcvmore(tcp_so(tp));
  tcp_advance_rcv(tp, 1);
  tp->t_flags |= TF_ACKNOW;
  switch (tp->t_state) {
    case TCPS_ESTABLISHED: tcp_newstate(tp, TCPS_CLOSE_WAIT); break;
    case TCPS_FIN_WAIT_1:
      tcp_newstate(tp,
                   TCPS_CLOSING);  // had our FIN been acknowledged, we were in FIN_WAIT_2 by now
      break;
    case TCPS_FIN_WAIT_2: tcp_twstart(tp); break;
    default: KPANIC("a FIN counts in a state that cannot receive");
  }
  return Next::kGoOn;
}

}  // namespace sockbed
