// How connections begin: segments for LISTEN and SYN_SENT (RFC 9293 3.10.7.2, 3.10.7.3).
#include <algorithm>
#include <cerrno>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_var.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// Fast Open: what comes with the SYN is data like any other. Its FIN has to come again.
Next FastOpened(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const int64_t space = std::max<int64_t>(sbspace(&tcp_so(tp)->so_rcv), 0);
  tp->rcv_wnd = static_cast<uint32_t>(std::min<int64_t>(space, TCP_MAXWIN));
  seg.th.th_flags &= ~(TH_SYN | TH_FIN);
  seg.th.th_seq += 1;
  if (seg.tlen > tp->rcv_wnd) seg.TrimBack(seg.tlen - tp->rcv_wnd);
  (void)tcp_step_data(seg);
  return Next::kDone;
}

// Whether a connection may have such an end. Our own anycast address is nobody's in particular.
bool IsSingleHost(const inpaddru& a) {
  if (in_isofmany(a)) return false;
  const in6_ifaddr* ia6 = a.is_v4() ? nullptr : in6_ifawithaddr(a.v6());
  return ia6 == nullptr || (ia6->ia6_flags & IN6_IFF_ANYCAST) == 0;
}

// Whether the address of ours is deprecated, and the host wants no new connections to such.
bool IsDeprecated(const inpaddru& laddr) {
  if (laddr.is_v4() || in6_use_deprecated()) return false;
  const in6_ifaddr* ia6 = in6_ifawithaddr(laddr.v6());
  return ia6 != nullptr && (ia6->ia6_flags & IN6_IFF_DEPRECATED) != 0;
}

// A SYN for a listener, and what speaks against answering it.
Next ListenSyn(TcpSegment& seg) {
  const TcpEndpoints& ends = seg.ends;
  const socket* so = tcp_so(seg.tp);
  if (seg.has(TH_FIN) && seg.host->tunables.drop_synfin != 0)
    return tcp_dropped(seg, tcps_listendrop);
  const bool self = ends.faddr == ends.laddr && ends.fport == ends.lport;
  if (self || !IsSingleHost(ends.faddr) || !IsSingleHost(ends.laddr)) {
    return tcp_dropped(seg, tcps_listendrop);
  }
  if (IsDeprecated(ends.laddr)) {
    (void)tcp_dropped(seg, tcps_listendrop);
    return Next::kReset;
  }
  // The peer tries again; until then somebody may accept.
  if (so->so_qlen > so->so_qlimit) return tcp_dropped(seg, tcps_dropsyn);
  if (seg.opt.has_tfo && syn_cache_fastopen(seg) != nullptr) return FastOpened(seg);
  syn_cache_add(seg);
  return Next::kDrop;
}

}  // namespace

// Labels: TCPS_LISTEN, syn_cache_*.
Next tcp_step_listen(TcpSegment& seg) {
  const TcpTunables& set = seg.host->tunables;
  if (seg.has(TH_RST)) {
    syn_cache_reset(seg);
    return Next::kDrop;
  }
  if (seg.has(TH_SYN) && seg.has(TH_ACK)) {
    (void)tcp_dropped(seg, tcps_listendrop);
    return set.listen_rst_synack != 0 ? Next::kReset : Next::kDrop;
  }
  if (seg.has(TH_ACK)) {
    bool reset = false;
    tcpcb* tp = syn_cache_get(seg, &reset);
    if (tp == nullptr) return reset ? Next::kReset : Next::kDrop;
    seg.tp = tp;
    return Next::kGoOn;
  }
  if (!seg.has(TH_SYN)) {
    (void)tcp_dropped(seg, tcps_listendrop);
    return set.listen_rst_bare != 0 ? Next::kReset : Next::kDrop;
  }
  return ListenSyn(seg);
}

void tcp_negotiate(tcpcb* tp, const TcpOptions& opt) {
  if (opt.has_wscale && (tp->t_flags & TF_REQ_SCALE) != 0) {
    tp->t_flags |= TF_RCVD_SCALE;
    tp->snd_scale = opt.wscale;
    tp->rcv_scale = tp->request_r_scale;
  }
  if (opt.has_timestamp && (tp->t_flags & TF_REQ_TSTMP) != 0) {
    tp->t_flags |= TF_RCVD_TSTMP;
    tp->ts_recent = opt.ts_val;
    tp->ts_recent_age = Now();
  }
  if (opt.sack_permitted && (tp->t_flags & TF_REQ_SACK) != 0) tp->t_flags |= TF_SACK_PERMIT;
}

void tcp_established(tcpcb* tp) {
  ++tp->t_host->stat[tcps_connects];
  if (tp->t_state < TCPS_ESTABLISHED) tcp_newstate(tp, TCPS_ESTABLISHED);
  tp->t_rcvtime = Now();
  tcp_timer_disarm(tp, TCPT_KEEP);  // until now it limited the handshake
  tcp_arm_keepalive(tp);
  tcp_mss_update(tp);
  tcp_rack_begin(tp);
  socket* so = tcp_so(tp);
  if ((so->so_state & SS_ISDISCONNECTING) == 0) soisconnected(so);
}

namespace {

// Our SYN is acknowledged, the peer's is here: the connection stands.
void SynAcked(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  // Fast Open: data may have gone along. What was not taken goes again at once, and is not lost.
  const auto data = static_cast<uint32_t>(seg.th.th_ack - tp->iss) - 1;
  tcp_fastopen_answer(seg, data);
  if (data != 0) sbdrop(&tcp_so(tp)->so_snd, data);
  tp->snd_una = seg.th.th_ack;
  tp->snd_nxt = tp->snd_una;
  tp->snd_up = SEQ_MAX(tp->snd_up, tp->snd_una);
  tp->t_flags &= ~TF_SYNPENDING;
  tcp_timer_disarm(tp, TCPT_REXMT);
  // A lost SYN calls for caution (RFC 6298 5.7, RFC 5681 3.1); an ACK of the first one may open
  // the window.
  if (tp->t_rxtshift > 0) {
    tp->snd_cwnd = tp->t_maxseg;
  } else if (tunables(tp).synack_grows != 0) {
    tp->snd_cwnd += tp->t_maxseg;
  }
  if (tp->t_rtttime != kNotTimed) tcp_xmit_timer(tp, (Now() - tp->t_rtttime) / kMillisecond);
  tp->t_rxtshift = 0;
  // Data that came along is acknowledged as any is, where the system has it so.
  const TcpTunables& set = tunables(tp);
  const bool late = set.delack_no_wait != 0 && set.delayed_ack != 0 && seg.tlen != 0 &&
                    seg.tlen <= tp->t_maxseg && !seg.has(TH_FIN);
  if (!late) tp->t_flags |= TF_ACKNOW;
}

// Both have sent a SYN, neither has seen the other's before: ours goes again, with an ACK.
void SimultaneousOpen(tcpcb* tp) {
  tcp_newstate(tp, TCPS_SYN_RECEIVED);
  tp->snd_nxt = tp->snd_una;
  tp->t_rtttime = kNotTimed;
  if (tp->t_rxtshift > 0) tp->snd_cwnd = tp->t_maxseg;  // as in SynAcked
  tp->t_flags |= TF_ACKNOW;
}

// The SYN is dealt with; what follows it must fit the window.
void TrimToWindow(TcpSegment& seg) {
  seg.th.th_flags &= ~TH_SYN;
  seg.th.th_seq += 1;
  if (seg.tlen > seg.tp->rcv_wnd) {
    seg.TrimBack(seg.tlen - seg.tp->rcv_wnd);
    seg.th.th_flags &= ~TH_FIN;
  }
}

}  // namespace

// Label: TCPS_SYN_SENT.
Next tcp_step_synsent(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const bool ack = seg.has(TH_ACK);
  if (ack && (SEQ_LEQ(seg.th.th_ack, tp->iss) || SEQ_GT(seg.th.th_ack, tp->snd_max))) {
    (void)tcp_dropped(seg, tcps_synsentdrop);
    return Next::kReset;
  }
  if (seg.has(TH_RST)) {
    if (!ack) return tcp_dropped(seg, tcps_rcvbadrst);
    ++seg.host->stat[tcps_rcvrst];
    if ((tp->t_flags & TF_ECN_SYN) != 0 && tunables(tp).ecn_rst_retry != 0) {
      // Some filters refuse whoever asks for ECN: the next SYN does without (RFC 3168 6.1.1.1).
      tp->t_flags = (tp->t_flags & ~TF_ECN_SYN) | TF_ECN_OFF;
      return Next::kDrop;
    }
    seg.tp = nullptr;
    tcp_drop(tp, ECONNREFUSED);
    return Next::kDrop;
  }
  if (!seg.has(TH_SYN)) return tcp_dropped(seg, tcps_synsentdrop);
  if (seg.has(TH_FIN) && tunables(tp).drop_synfin != 0) return tcp_dropped(seg, tcps_synsentdrop);

  tp->irs = seg.th.th_seq;
  tcp_rcvseqinit(tp);
  tp->rcv_adv += std::min<uint32_t>(tp->rcv_wnd, TCP_MAXWIN);  // what our SYN has advertised
  tcp_negotiate(tp, seg.opt);
  tcp_ecn_negotiate(seg);
  tcp_mss(tp, seg.opt.has_mss ? seg.opt.mss : 0);
  if (tunables(tp).round_maxopd != 0) tcp_mss_update(tp);  // the other system: when it stands
  TrimToWindow(seg);
  tp->snd_wl1 = tp->irs;  // older than the segment: its window counts
  if (ack) {
    SynAcked(seg);
    tcp_established(tp);
  } else {
    SimultaneousOpen(tp);
    // One system keeps data that came with the SYN, but lets the peer send its FIN again.
    if (tunables(tp).synsent_drop_fin != 0) seg.th.th_flags &= ~TH_FIN;
  }
  return Next::kGoOn;
}

}  // namespace sockbed
