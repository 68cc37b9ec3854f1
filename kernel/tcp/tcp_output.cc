// Sending: what may go now (RFC 9293 3.8).
//
// tcp_output first asks whether all is said (AllSaid): then an ACK goes, or nothing. Otherwise
// Decide (12.1 of the specification) fills an Outgoing, again and again, and tcp_output_segment.cc
// makes the segment of it.
#include <netinet/ip.h>

#include <algorithm>

#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_outgoing.h"

namespace sockbed {
namespace {

bool SynPending(const tcpcb* tp) { return (tp->t_flags & TF_SYNPENDING) != 0; }

// Whether nothing is outstanding, as Nagle and slow start see it. A call of sosend that comes in
// several pieces is idle throughout if it was at its beginning.
bool TakeIdle(tcpcb* tp, const socket* so) {
  // With Fast Open the first answer goes out beside the SYN-ACK (RFC 7413 4.2).
  const tcp_seq first = (tp->t_flags & TF_FASTOPENED) != 0 ? tcp_snd_first(tp) : tp->snd_una;
  bool idle = (tp->t_flags & TF_LASTIDLE) != 0 || SEQ_LEQ(tp->snd_max, first);
  if (idle && Now() - tp->t_rcvtime >= tp->t_rxtcur * kMillisecond) tp->t_cc->after_idle(tp);
  tp->t_flags &= ~TF_LASTIDLE;
  if (idle && (so->so_state & SS_ISSENDING) != 0) [[unlikely]] {
    tp->t_flags |= TF_LASTIDLE;
    idle = false;
  }
  return idle;
}

// The flags that the state asks for. A SYN that is not acknowledged comes before all else and
// alone.
uint8_t StateFlags(const tcpcb* tp) {
  uint8_t flags = tcp_outflags[tp->t_state];
  if (!SynPending(tp)) [[likely]]
    return flags;
  if (tp->snd_nxt == tp->iss) {
    flags = (flags | TH_SYN) & ~TH_FIN;
  } else {
    flags &= ~TH_SYN;
  }
  return flags;
}

// Whether data that is out is to go again, and the window has no room for it. Differs: as FreeBSD
// has it. OpenBSD lets REXMT run out without sending anything.
bool ShutBehindUs(const tcpcb* tp) {
  return tp->snd_wnd == 0 && !tp->t_force && tp->snd_nxt == tp->snd_una &&
         tp->snd_una != tp->snd_max && !tcp_timer_isarmed(tp, TCPT_PERSIST);
}

// The peer's window is shut and what was beyond its edge is not sent: from now on it is probed.
void WindowShut(tcpcb* tp) {
  tcp_timer_disarm(tp, TCPT_REXMT);
  tp->t_rxtshift = 0;
  tp->t_rtttime = kNotTimed;  // Karn: it goes again
  tp->snd_nxt = tp->snd_una;
  if (!tcp_timer_isarmed(tp, TCPT_PERSIST)) tcp_setpersist(tp);
}

// What TF_PRR allows now: the window beyond what is on its way, if it holds a segment.
uint32_t PrrBudget(const tcpcb* tp) {
  const uint32_t pipe = tcp_sack_pipe(tp);
  return tp->snd_cwnd >= pipe + tp->t_maxseg ? tp->snd_cwnd - pipe : 0;
}

// Whether what goes next is plain enough for an interface to cut. A record of RackState is one
// segment.
bool MayBeCut(const tcpcb* tp) {
  const inpcb* inp = tcp_inpcb(tp);
  if (tunables(tp).tso == 0 || tp->t_force || SEQ_GT(tp->snd_up, tp->snd_una)) return false;
  if (inp->inp_options != nullptr || inp->inp_outputopts6 != nullptr) return false;
  if ((tp->t_flags & (TF_SIGNATURE | TF_DSACK)) != 0 || tp->rcv_numsacks > 0) return false;
  return tp->t_port == 0 && tp->t_rack == nullptr && tp->snd_nxt == tp->snd_max;
}

// The interface of the connection, if it cuts what TCP hands over in one piece into segments that
// it will send.
ifnet* CuttingInterface(const tcpcb* tp) {
  const rtentry* rt = in_pcbrtentry(tcp_inpcb(tp));
  if (rt == nullptr || !if_is_up(rt->rt_ifp)) return nullptr;
  if (tcp_headers(tp) + tp->t_maxopd > rt_path_mtu(rt)) return nullptr;
  const int capability = tcp_is4(tcp_inpcb(tp)) ? IFCAP_TSOv4 : IFCAP_TSOv6;
  return (rt->rt_ifp->if_capabilities & capability) != 0 ? rt->rt_ifp : nullptr;
}

// More data than a segment holds may go: one segment's, or several in one piece (12.1, 4). A piece
// is no larger than the interface's queue: what that refuses, it refuses segment by segment.
void TakeSegments(tcpcb* tp, uint32_t len, Outgoing* out) {
  const uint32_t mss = tp->t_maxseg;
  out->len = mss;
  ifnet* ifp = len >= 2 * mss && MayBeCut(tp) ? CuttingInterface(tp) : nullptr;
  if (ifp != nullptr) {
    const uint32_t headers = tcp_headers(tp) + tp->t_maxopd - mss;
    const auto room = static_cast<uint32_t>(std::max(ifp->if_snd.ifq_room(Now()), 0));
    const uint32_t segments = std::min(std::min(len, kIpv4PacketMax - headers) / mss, room);
    if (segments > 1) {
      out->len = segments * mss;
      out->mss = static_cast<uint16_t>(mss);
      out->segments = (ifp->if_capabilities & IFCAP_LRO) != 0 ? 1 : segments;  // lo0's stay whole
    }
  }
  out->more = out->len < len;
}

// How much data the windows allow, from snd_nxt on (12.1, 1 to 4).
void DecideData(tcpcb* tp, const socket* so, Outgoing* out) {
  const auto available = static_cast<uint32_t>(so->so_snd.sb_cc);
  uint32_t win = std::min(tp->snd_wnd, tp->snd_cwnd);
  if ((out->flags & TH_SYN) != 0) {
    out->more = tp->t_state > TCPS_ESTABLISHED;  // a FIN follows; data waits for the answer
    out->len = tcp_fastopen_room(tp, available);
    return;
  }
  out->off = static_cast<uint32_t>(tp->snd_nxt - tcp_snd_first(tp));
  // Behind a window that was shut it all begins anew: what was out counts for nothing.
  if ((tp->t_flags & TF_PRR) != 0 && !tcp_timer_isarmed(tp, TCPT_PERSIST)) {
    win = std::min(tp->snd_wnd, out->off + PrrBudget(tp));
  }
  if (tp->t_force) {
    if (win == 0) {
      win = 1;
      if (out->off < available) out->flags &= ~TH_FIN;
    } else {
      tcp_timer_disarm(tp, TCPT_PERSIST);
      tp->t_rxtshift = 0;
    }
  }
  int64_t len = int64_t{std::min(available, win)} - out->off;
  if (len < 0 || ShutBehindUs(tp)) [[unlikely]] {
    // Either our FIN is out, which takes up a number but no room, or the peer took back window.
    len = 0;
    // Differs: a SYN or a FIN needs no window, as FreeBSD has it. OpenBSD answers every ACK that
    // finds only its FIN out, behind a shut window, by sending the FIN again.
    if (win == 0 && available != 0 && !SynPending(tp)) WindowShut(tp);
    out->off = static_cast<uint32_t>(tp->snd_nxt - tcp_snd_first(tp));
  }
  out->len = static_cast<uint32_t>(len);
  if (len > tp->t_maxseg) TakeSegments(tp, out->len, out);
  if (out->off + out->len < available) out->flags &= ~TH_FIN;
}

// In recovery the holes that the peer reports come first. The window was inflated for the segment
// that has left the network; what fills a hole takes its place.
bool DecideHole(tcpcb* tp, const socket* so, Outgoing* out) {
  if ((tp->t_flags & TF_SACK_PERMIT) == 0 || !tcp_recovering(tp)) [[likely]]
    return false;
  sackhole* hole = tcp_sack_output(tp);
  if (hole == nullptr) return false;
  const bool prr = (tp->t_flags & TF_PRR) != 0;
  if (prr && PrrBudget(tp) == 0) return false;
  out->hole = hole;
  out->off = static_cast<uint32_t>(hole->rxmit - tcp_snd_first(tp));
  out->len = std::min(tp->t_maxseg, static_cast<uint32_t>(hole->end - hole->rxmit));
  // Something above the hole has arrived, so it lies below our FIN.
  KASSERT(out->off + out->len <= so->so_snd.sb_cc);
  out->flags &= ~TH_FIN;
  out->more = prr;  // until the budget is spent
  if (!prr) tp->snd_cwnd = std::max(tp->snd_cwnd, 2 * tp->t_maxseg) - tp->t_maxseg;
  return true;
}

// Whether the data is worth a segment: the sender's side of silly window avoidance, and Nagle
// (RFC 9293 3.8.6.2.1; 12.1, 5).
bool DataPays(const tcpcb* tp, const socket* so, const Outgoing& out, bool idle) {
  if (out.len == 0) return false;
  uint64_t enough = tp->t_maxseg;
  // One system makes do with half of what the buffer holds.
  if (tunables(tp).nagle_whole == 0) enough = std::min(enough, so->so_snd.sb_hiwat / 2);
  if (out.len >= enough) return true;
  const bool all = out.off + out.len >= so->so_snd.sb_cc;
  const bool held = (so->so_state & SS_ISSENDING) != 0 || (tp->t_flags & TF_NOPUSH) != 0;
  if (all && !held && (idle || (tp->t_flags & TF_NODELAY) != 0)) return true;
  if (tp->t_force || out.hole != nullptr) [[unlikely]]
    return true;
  if (tp->max_sndwnd > 0 && out.len >= tp->max_sndwnd / 2) return true;
  return SEQ_LT(tp->snd_nxt, tp->snd_max);
}

// Whether a window that has opened by `adv` is worth telling.
[[gnu::noinline]] bool OpeningPays(const tcpcb* tp, const socket* so, uint32_t space, int64_t adv) {
  const int64_t open = tp->rcv_adv - tp->rcv_nxt;
  const int64_t largest = int64_t{TCP_MAXWIN} << tp->rcv_scale;
  const auto hiwat = static_cast<int64_t>(so->so_rcv.sb_hiwat);
  const int64_t mss = tp->t_maxseg;
  if (tunables(tp).winupdate_freebsd == 0) [[likely]]
    return adv >= 2 * mss || 2 * adv >= hiwat;
  // A delayed ACK holds nothing back: there, TF_DELACK stands only until the segment is done with
  // and the timer has been armed.
  if (TCPS_HAVERCVDFIN(tp->t_state)) return false;
  if ((open + adv) >> tp->rcv_scale <= open >> tp->rcv_scale) return false;  // the field stays
  return (adv >= 2 * mss &&
          (adv >= hiwat / 4 || space <= hiwat / 8 || hiwat <= 8 * mss || adv >= largest)) ||
         2 * adv >= hiwat;
}

// Whether the peer should hear that our window has opened (12.1, 6).
inline bool WindowUpdatePays(const tcpcb* tp, const socket* so, uint32_t space) {
  const int64_t largest = int64_t{TCP_MAXWIN} << tp->rcv_scale;
  const int64_t open = tp->rcv_adv - tp->rcv_nxt;  // as the peer knows it
  const int64_t adv = std::min<int64_t>(space, largest) - open;
  if (adv <= 0 || space == 0 || !TCPS_HAVERCVDSYN(tp->t_state)) return false;
  return OpeningPays(tp, so, space, adv);
}

// Whether flags alone are reason enough (12.1, 7).
bool ControlPays(const tcpcb* tp, const Outgoing& out) {
  if ((tp->t_flags & TF_ACKNOW) != 0) return true;
  if ((out.flags & (TH_SYN | TH_RST)) != 0) return true;
  if (SEQ_GT(tp->snd_up, tp->snd_una)) return true;
  return (out.flags & TH_FIN) != 0 &&
         ((tp->t_flags & TF_SENTFIN) == 0 || tp->snd_nxt == tcp_snd_first(tp));
}

// Whether a segment goes now, and which.
bool Decide(tcpcb* tp, const socket* so, bool idle, bool first, Outgoing* out) {
  out->flags = StateFlags(tp);
  // Without a budget, a loop that goes on with new data does not turn to holes in between.
  const bool holes = first || (tp->t_flags & TF_PRR) != 0;
  if (!holes || !DecideHole(tp, so, out)) {
    out->hole = nullptr;
    DecideData(tp, so, out);
  }
  out->space = tcp_space_to_offer(so);
  if (DataPays(tp, so, *out, idle)) return true;
  return ControlPays(tp, *out) || WindowUpdatePays(tp, so, out->space);
}

// Nothing goes although there is something: the window is too small for it, or somebody holds it
// back. Persist watches over it (12.1, 8).
void MaybePersist(tcpcb* tp, const socket* so) {
  if (so->so_snd.sb_cc == 0 || SynPending(tp) || tcp_timer_isarmed(tp, TCPT_REXMT) ||
      tcp_timer_isarmed(tp, TCPT_PERSIST)) [[likely]] {
    return;
  }
  tp->t_rxtshift = 0;
  tcp_setpersist(tp);
}

// Whether all is said but, perhaps, an ACK: what was written is out, the state asks for no SYN and
// no FIN that is not acknowledged, and Decide would find nothing but that an ACK is owed or the
// window has opened.
bool AllSaid(const tcpcb* tp, const socket* so) {
  const auto queued = static_cast<int64_t>(so->so_snd.sb_cc);
  if (tp->snd_nxt - tp->snd_una != queued) return false;
  constexpr uint32_t kBusy = TF_LASTIDLE | TF_SYNPENDING;
  if (tcp_outflags[tp->t_state] != TH_ACK || (tp->t_flags & kBusy) != 0 || tp->t_force) [[unlikely]]
    return false;
  if ((so->so_state & SS_ISSENDING) != 0) [[unlikely]]
    return false;
  if (tp->snd_nxt != tp->snd_max || SEQ_GT(tp->snd_up, tp->snd_una)) return false;
  if (queued == 0) return Now() - tp->t_rcvtime < tp->t_rxtcur * kMillisecond;
  return tp->snd_wnd != 0 && tcp_timer_isarmed(tp, TCPT_REXMT) && !tcp_recovering(tp);
}

// Sends segment after segment until no more may go.
[[gnu::noinline]] int SendSegments(tcpcb* tp, const socket* so) {
  const bool idle = TakeIdle(tp, so);
  if (tp->t_state == TCPS_SYN_RECEIVED && (tp->t_flags & TF_ACKNOW) != 0) {
    tp->snd_nxt = tp->snd_una;  // the peer asks again: it may lack our SYN
  }
  for (bool first = true;; first = false) {
    Outgoing out;
    if (!Decide(tp, so, idle, first, &out)) {
      MaybePersist(tp, so);
      return 0;
    }
    const int error =
        tcp_is_plain_data(tp, out) ? tcp_send_data(tp, so, out) : tcp_send_segment(tp, so, &out);
    KASSERT(SEQ_LEQ(tp->snd_una, tp->snd_nxt) && SEQ_LEQ(tp->snd_nxt, tp->snd_max));
    if (error != 0) return error;
    if (!out.more) {
      MaybePersist(tp, so);  // it may have been a mere ACK, before a shut window
      return 0;
    }
  }
}

// Sends the ACK that is owed, or tells that the window has opened. REQUIRES: AllSaid.
[[gnu::noinline]] int AckIfDue(tcpcb* tp, const socket* so) {
  const uint32_t space = tcp_space_to_offer(so);
  if ((tp->t_flags & TF_ACKNOW) == 0 && !WindowUpdatePays(tp, so, space)) return 0;
  return tcp_is_plain(tp) ? tcp_send_ack(tp, so, space) : SendSegments(tp, so);
}

}  // namespace

int tcp_output(tcpcb* tp) {
  KASSERT(tp->t_state > TCPS_LISTEN);
  const socket* so = tcp_so(tp);
  tp->t_flags &= ~TF_NEEDOUTPUT;
  return AllSaid(tp, so) ? AckIfDue(tp, so) : SendSegments(tp, so);
}

}  // namespace sockbed
