// Explicit congestion notification: routers mark packets instead of dropping them (RFC 3168).
//
//   sender                   router             receiver
//   data, ECT(0) ----------- full -> CE ------> TF_RCVD_CE
//   window reduced <--------------------------- every ACK: ECE
//   new data, CWR ----------------------------> no ECE any more
#include <netinet/ip.h>

#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {

uint8_t tcp_ecn_syn_flags(tcpcb* tp, bool answer) {
  const TcpTunables& set = tunables(tp);
  if (answer) return (tp->t_flags & TF_ECN_PERMIT) != 0 ? TH_ECE : 0;
  const bool ask =
      set.ecn == 1 && (tp->t_flags & TF_ECN_OFF) == 0 && tp->t_rxtshift <= set.ecn_maxretries;
  tp->t_flags = ask ? tp->t_flags | TF_ECN_SYN : tp->t_flags & ~TF_ECN_SYN;
  return ask ? TH_ECE | TH_CWR : 0;
}

uint8_t tcp_ecn_flags(tcpcb* tp, bool new_data) {
  if ((tp->t_flags & TF_ECN_PERMIT) == 0) return 0;
  uint8_t flags = 0;
  if ((tp->t_flags & TF_RCVD_CE) != 0) {
    flags |= TH_ECE;
    ++tp->t_host->stat[tcps_ecn_sndece];
  }
  if (new_data && (tp->t_flags & TF_SEND_CWR) != 0) {
    flags |= TH_CWR;
    tp->t_flags &= ~TF_SEND_CWR;
  }
  return flags;
}

void tcp_ecn_negotiate(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const uint8_t offer = seg.th.th_flags & (TH_ECE | TH_CWR);
  // RFC 3168 6.1.1: an answer has ECE alone; some that just repeat what they get have both. A SYN
  // that crosses ours asks by itself.
  // An earlier SYN than the last may be what it answers.
  const int64_t ecn = tunables(tp).ecn;
  const bool agreed = seg.has(TH_ACK)
                          ? offer == TH_ECE && ecn == 1 && (tp->t_flags & TF_ECN_OFF) == 0
                          : offer == (TH_ECE | TH_CWR) && ecn != 0;
  if (!agreed) return;
  tp->t_flags |= TF_ECN_PERMIT;
  ++seg.host->stat[tcps_ecn_accepts];
}

void tcp_ecn_input(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  TcpStat& stat = seg.host->stat;
  if (seg.has(TH_CWR)) {
    ++stat[tcps_ecn_rcvcwr];
    tp->t_flags &= ~TF_RCVD_CE;
  }
  if (seg.ecn == IPTOS_ECN_CE && seg.tlen != 0) {
    ++stat[tcps_ecn_rcvce];
    tp->t_flags |= TF_RCVD_CE;
  }
  if (!seg.has(TH_ECE)) return;
  ++stat[tcps_ecn_rcvece];
  // Once per window of data: the echoes of a round trip all tell of the same mark.
  if (SEQ_LT(tp->snd_una, tp->snd_last) || tcp_recovering(tp) || tp->snd_una == tp->snd_max) return;
  tp->t_cc->cong_signal(tp, CcSignal::kEcn);
  tp->snd_last = tp->snd_max;
  tp->t_flags |= TF_MARKED;
  tcp_ecn_reduced(tp);
  ++stat[tcps_cwr_ecn];
  EmitTcp(TcpEvent::kRecover, tp->t_id, 2, PackPair(tp->snd_cwnd, tp->snd_ssthresh));
}

}  // namespace sockbed
