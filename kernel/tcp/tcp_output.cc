// Sending: what may go now, and the segment that carries it (RFC 9293 3.8).
//
// tcp_output first asks whether all is said (AllSaid): then an ACK goes (SendAck), or nothing.
// Otherwise it loops over two halves: Decide (12.1 of the specification) fills an Outgoing,
// SendSegment builds it, counts it and hands it to IP (12.2, 12.3).
#include <netinet/ip.h>

#include <algorithm>
#include <cerrno>

#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// The segment being decided upon.
struct Outgoing {
  uint32_t off = 0;          // of its data in so_snd
  uint32_t len = 0;          // of its data
  uint16_t mss = 0;          // the interface cuts it into segments of so much data; 0: it is one
  uint32_t segments = 1;     // that it is on the wire
  uint8_t flags = 0;         // TH_*
  sackhole* hole = nullptr;  // it fills this hole of the peer's
  bool more = false;         // others can follow at once
  uint32_t space = 0;        // room in so_rcv
};

bool SynPending(const tcpcb* tp) { return (tp->t_flags & TF_SYNPENDING) != 0; }

// Whether nothing is outstanding, as Nagle and slow start see it. A call of sosend that comes in
// several pieces is idle throughout if it was at its beginning.
bool TakeIdle(tcpcb* tp, const socket* so) {
  // With Fast Open the first answer goes out beside the SYN-ACK (RFC 7413 4.2).
  const tcp_seq first = (tp->t_flags & TF_FASTOPENED) != 0 ? tcp_snd_first(tp) : tp->snd_una;
  bool idle = (tp->t_flags & TF_LASTIDLE) != 0 || SEQ_LEQ(tp->snd_max, first);
  if (idle && Now() - tp->t_rcvtime >= tp->t_rxtcur * kMillisecond) tcp_cc_after_idle(tp);
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

// The peer's window is shut and what was beyond its edge is not sent: from now on it is probed.
void WindowShut(tcpcb* tp) {
  tcp_timer_disarm(tp, TCPT_REXMT);
  tp->t_rxtshift = 0;
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
  const inpcb* inp = tp->t_inpcb;
  if (tunables(tp).tso == 0 || tp->t_force || SEQ_GT(tp->snd_up, tp->snd_una)) return false;
  if (inp->inp_options != nullptr || inp->inp_outputopts6 != nullptr) return false;
  if ((tp->t_flags & (TF_SIGNATURE | TF_DSACK)) != 0 || tp->rcv_numsacks > 0) return false;
  return tp->t_port == 0 && tp->t_rack == nullptr && tp->snd_nxt == tp->snd_max;
}

// The interface of the connection, if it cuts what TCP hands over in one piece into segments that
// it will send.
ifnet* CuttingInterface(const tcpcb* tp) {
  const rtentry* rt = in_pcbrtentry(tp->t_inpcb);
  if (rt == nullptr || !if_is_up(rt->rt_ifp)) return nullptr;
  if (tcp_headers(tp) + tp->t_maxopd > rt_path_mtu(rt)) return nullptr;
  const int capability = tcp_is4(tp->t_inpcb) ? IFCAP_TSOv4 : IFCAP_TSOv6;
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
  if ((tp->t_flags & TF_PRR) != 0) win = std::min(tp->snd_wnd, out->off + PrrBudget(tp));
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
  if (len < 0) [[unlikely]] {
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
  const uint64_t half_buffer = so->so_snd.sb_hiwat / 2;
  if (out.len >= std::min<uint64_t>(tp->t_maxseg, half_buffer)) return true;
  const bool all = out.off + out.len >= so->so_snd.sb_cc;
  const bool held = (so->so_state & SS_ISSENDING) != 0 || (tp->t_flags & TF_NOPUSH) != 0;
  if (all && !held && (idle || (tp->t_flags & TF_NODELAY) != 0)) return true;
  if (tp->t_force || out.hole != nullptr) [[unlikely]]
    return true;
  if (tp->max_sndwnd > 0 && out.len >= tp->max_sndwnd / 2) return true;
  return SEQ_LT(tp->snd_nxt, tp->snd_max);
}

uint32_t SpaceToOffer(const socket* so) {
  return static_cast<uint32_t>(std::max<int64_t>(sbspace(&so->so_rcv), 0));
}

// Whether the peer should hear that our window has opened (12.1, 6).
bool WindowUpdatePays(const tcpcb* tp, const socket* so, uint32_t space) {
  if (space == 0 || !TCPS_HAVERCVDSYN(tp->t_state)) return false;
  const int64_t largest = int64_t{TCP_MAXWIN} << tp->rcv_scale;
  const int64_t open = tp->rcv_adv - tp->rcv_nxt;  // as the peer knows it
  const int64_t adv = std::min<int64_t>(space, largest) - open;
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
  out->space = SpaceToOffer(so);
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

// --- Building. ---

void WriteSynOptions(const tcpcb* tp, uint8_t flags, TcpOptionWriter& options) {
  if ((tp->t_flags & TF_NOOPT) != 0) {
    if ((tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
    return;
  }
  const bool answer = (flags & TH_ACK) != 0;  // offers only what the peer has offered
  const TcpTunables& set = tunables(tp);
  TcpSynOffer offer;
  inpcb* inp = tp->t_inpcb;
  offer.mss = tcp_mss_offer(*tp->t_host, in_pcbrtentry(inp), tcp_is4(inp), tp->t_port != 0);
  const bool plain = set.rexmit_drop_options != 0 && tp->t_rxtshift >= 3;
  offer.signature = (tp->t_flags & TF_SIGNATURE) != 0;
  if (!plain) {
    const uint32_t sack = answer ? TF_SACK_PERMIT : TF_REQ_SACK;
    offer.sack = (tp->t_flags & sack) != 0;
    const uint32_t scale = TF_REQ_SCALE | (answer ? TF_RCVD_SCALE : 0);
    offer.wscale = (tp->t_flags & scale) == scale;
    const uint32_t stamp = TF_REQ_TSTMP | (answer ? TF_RCVD_TSTMP : 0);
    offer.timestamp = (tp->t_flags & stamp) == stamp;
    offer.shift = tp->request_r_scale;
    offer.ts_val = tcp_ts(tp);
    offer.ts_ecr = answer ? tp->ts_recent : 0;
    offer.fastopen = !answer && tp->t_tfo_state != TfoState::kNone;
    offer.cookie = tp->t_tfo_cookie.span();
  }
  tcp_write_syn_options(options, offer, static_cast<SynLayout>(set.syn_layout));
}

// What few segments have: a signature, a report of what has arrived beyond a gap or twice. Returns
// whether it has reported.
[[gnu::noinline]] bool WriteRareOptions(tcpcb* tp, TcpOptionWriter& options) {
  if ((tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
  const bool report = tp->rcv_numsacks > 0 || (tp->t_flags & TF_DSACK) != 0;
  const int fit = (options.room() - 4) / 8;  // beside timestamps a signature leaves no room at all
  if ((tp->t_flags & TF_SACK_PERMIT) == 0 || !report || fit <= 0 ||
      !TCPS_HAVEESTABLISHED(tp->t_state)) {
    return false;
  }
  std::array<SackBlock, kTcpSackBlocksMax> blocks;
  const int count = tcp_take_sackreport(tp, blocks.data(),
                                        std::min(fit, static_cast<int>(tunables(tp).sack_blocks)));
  options.Nop();
  options.Nop();
  options.Sack({blocks.data(), static_cast<size_t>(count)});
  ++tp->t_host->stat[tcps_sack_snd_opts];
  return true;
}

// The options of a segment that is no SYN. Returns whether they hold a report: it may cost the
// segment the end of its data.
inline bool WriteOptions(tcpcb* tp, TcpOptionWriter& options) {
  const uint32_t both = TF_REQ_TSTMP | TF_RCVD_TSTMP;
  if ((tp->t_flags & both) == both) [[likely]] {
    const uint32_t now = tcp_ts(tp);
    options.PaddedTimestamp(now, tp->ts_recent);
    // The echo of this one will end a round trip of the receive buffer's measurement.
    if (tp->rfbuf_ts == 0) [[unlikely]]
      tp->rfbuf_ts = std::max(now, 1u);
  }
  const bool rare = (tp->t_flags & (TF_SIGNATURE | TF_DSACK)) != 0 || tp->rcv_numsacks > 0;
  return rare && WriteRareOptions(tp, options);
}

// The same of any segment; what they cost it is cut off.
void WriteAllOptions(tcpcb* tp, Outgoing* out, TcpOptionWriter& options) {
  if ((out->flags & TH_SYN) != 0) {
    WriteSynOptions(tp, out->flags, options);
    return;
  }
  if (!WriteOptions(tp, options)) return;
  const uint32_t room = tp->t_maxopd - static_cast<uint32_t>(options.size());
  if (out->len <= room) return;
  out->len = room;
  out->flags &= ~TH_FIN;
  out->more = true;
}

// The window to advertise; remembers how far it reaches (RFC 9293 3.8.6.2.2).
inline uint16_t TakeWindow(tcpcb* tp, const socket* so, const Outgoing& out) {
  uint64_t win = out.space;
  if (win < so->so_rcv.sb_hiwat / 4 && win < tp->t_maxseg) [[unlikely]]
    win = 0;
  const bool syn = (out.flags & TH_SYN) != 0;
  const int scale = syn ? 0 : tp->rcv_scale;
  win = std::min(win, uint64_t{TCP_MAXWIN} << scale);
  // What was promised stays promised.
  if (TCPS_HAVERCVDSYN(tp->t_state)) {
    win = std::max(win, static_cast<uint64_t>(tp->rcv_adv - tp->rcv_nxt));
  }
  uint64_t shown = win >> scale;
  if (tunables(tp).window_round_up != 0) shown = (win + (uint64_t{1} << scale) - 1) >> scale;
  shown = std::min<uint64_t>(shown, TCP_MAXWIN);
  tp->rcv_adv = SEQ_MAX(tp->rcv_adv, tp->rcv_nxt + static_cast<uint32_t>(win));
  if (shown == 0) [[unlikely]] {
    tp->t_flags |= TF_RXWIN0SENT;
    tp->t_sndzerowin += out.segments;
  } else {
    tp->t_flags &= ~TF_RXWIN0SENT;
  }
  return static_cast<uint16_t>(shown);
}

// The mbuf of so_snd that holds byte `off`, and where in it. Sending goes forward, so the search
// starts where the last one ended, if that is still in the buffer.
mbuf* FindInSendBuffer(tcpcb* tp, const socket* so, uint32_t off, int* off_in_mbuf) {
  const tcp_seq first = tcp_snd_first(tp);
  const tcp_seq wanted = first + off;
  mbuf* m = so->so_snd.sb_mb;
  tcp_seq at = first;
  if (tp->snd_mb != nullptr && SEQ_GEQ(tp->snd_mbseq, first) && SEQ_LEQ(tp->snd_mbseq, wanted)) {
    m = tp->snd_mb;
    at = tp->snd_mbseq;
  }
  while (wanted - at >= m->m_len) {
    at += static_cast<uint32_t>(m->m_len);
    m = m->m_next;
  }
  tp->snd_mb = m;
  tp->snd_mbseq = at;
  *off_in_mbuf = wanted - at;
  return m;
}

// Makes room for so many bytes of headers in a packet that is empty yet.
inline void ReserveHeaders(mbuf* m, int header_length) {
  m->m_data += max_linkhdr;
  m->m_len = m->m_pkthdr.len = header_length;
}

// A packet with room for all headers in front and the data behind. Null: no memory.
MbufPtr MakePacket(tcpcb* tp, const socket* so, const Outgoing& out, int header_length) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return nullptr;
  ReserveHeaders(m.get(), header_length);
  if (out.len == 0) [[unlikely]]
    return m;
  m->m_pkthdr.len += static_cast<int32_t>(out.len);
  int off = 0;
  mbuf* from = FindInSendBuffer(tp, so, out.off, &off);
  const int len = static_cast<int>(out.len);
  if (len <= m_trailingspace(m.get())) {
    m_copydata(from, off, len, m->m_data + header_length);
    m->m_len += len;
    return m;
  }
  MbufPtr data = m_copym(from, off, len, M_DONTWAIT);
  if (data == nullptr) return nullptr;
  m_cat(m.get(), std::move(data));
  return m;
}

// Whether the segment carries data that was not sent before: only that is marked (RFC 3168 6.1.5).
bool CarriesNewData(const tcpcb* tp, const Outgoing& out) {
  return out.len > 0 && out.hole == nullptr && tp->snd_nxt == tp->snd_max && !tp->t_force;
}

// `marked`: its packet says ECT.
uint8_t EcnFlags(tcpcb* tp, uint8_t flags, bool marked) {
  if ((flags & TH_RST) != 0) [[unlikely]]
    return 0;
  if ((flags & TH_SYN) != 0) [[unlikely]]
    return tcp_ecn_syn_flags(tp, (flags & TH_ACK) != 0);
  return tcp_ecn_flags(tp, marked);
}

TcpHeader MakeHeader(tcpcb* tp, const socket* so, const Outgoing& out, bool marked) {
  TcpHeader th;
  th.th_sport = ntohs(tp->t_inpcb->inp_lport);
  th.th_dport = ntohs(tp->t_inpcb->inp_fport);
  th.th_flags = out.flags | EcnFlags(tp, out.flags, marked);
  // A bare ACK carries the highest number, so that it is not taken for old.
  const bool takes_room = out.len > 0 || (out.flags & (TH_SYN | TH_FIN)) != 0;
  th.th_seq = takes_room || tcp_timer_isarmed(tp, TCPT_PERSIST) ? tp->snd_nxt : tp->snd_max;
  if (out.hole != nullptr) [[unlikely]]
    th.th_seq = out.hole->rxmit;
  if ((out.flags & TH_ACK) != 0) th.th_ack = tp->rcv_nxt;
  const bool syn = (out.flags & TH_SYN) != 0;
  if (out.len > 0 && !syn && out.off + out.len == so->so_snd.sb_cc) th.th_flags |= TH_PUSH;
  th.th_win = TakeWindow(tp, so, out);
  if (SEQ_GT(tp->snd_up, th.th_seq)) [[unlikely]] {
    th.th_urp = static_cast<uint16_t>(std::min(tp->snd_up - th.th_seq, TCP_MAXWIN));
    th.th_flags |= TH_URG;
  } else if (SEQ_LEQ(tp->snd_up, tp->snd_una)) {
    tp->snd_up = tp->snd_una;  // drawn along, so that it never seems to lie ahead
  }
  return th;
}

// --- Counting. ---

// Data goes again: counts it and says why.
void CountRexmt(tcpcb* tp, const Outgoing& out, const TcpHeader& th) {
  TcpStat& stat = tp->t_host->stat;
  ++stat[tcps_sndrexmitpack];
  stat[tcps_sndrexmitbyte] += out.len;
  ++tp->t_sndrexmitpack;
  TcpRexmt why = tcp_recovering(tp) ? TcpRexmt::kDupAcks : TcpRexmt::kTimeout;
  if (out.hole != nullptr) {
    why = TcpRexmt::kSackHole;
    ++stat[tcps_sack_rexmits];
    stat[tcps_sack_rexmit_bytes] += out.len;
  } else if (tp->t_rack != nullptr) {
    why = TcpRexmt::kRack;
  }
  EmitTcp(TcpEvent::kRexmt, tp->t_id, static_cast<uint64_t>(why),
          PackPair(static_cast<uint32_t>(th.th_seq - tp->iss), out.len),
          PackPair(tp->snd_cwnd, tp->snd_ssthresh));
}

void CountSegment(tcpcb* tp, const Outgoing& out, const TcpHeader& th) {
  TcpStat& stat = tp->t_host->stat;
  if (out.mss != 0) ++stat[tcps_outhwtso];
  stat[tcps_sndtotal] += out.segments;
  tp->t_sndsegs += out.segments;
  if (out.len > 0) {
    if (tp->t_force && out.len == 1) [[unlikely]] {
      ++stat[tcps_sndprobe];
    } else if (SEQ_LT(th.th_seq, tp->snd_max)) {
      CountRexmt(tp, out, th);
    } else {
      stat[tcps_sndpack] += out.segments;
      stat[tcps_sndbyte] += out.len;
    }
  } else if ((th.th_flags & (TH_SYN | TH_FIN | TH_RST)) != 0) {
    ++stat[tcps_sndctrl];
  } else if ((th.th_flags & TH_URG) != 0) {
    ++stat[tcps_sndurg];
  } else if ((tp->t_flags & TF_ACKNOW) != 0) {
    ++stat[tcps_sndacks];
  } else {
    ++stat[tcps_sndwinup];
  }
}

// A record of a segment with `len` bytes of data.
inline TraceId EmitOut(const tcpcb* tp, const TcpHeader& th, uint32_t len) {
  const int scale = (th.th_flags & TH_SYN) != 0 ? 0 : tp->rcv_scale;
  return EmitSegment(TcpEvent::kOut, tp->t_id, th, len, uint32_t{th.th_win} << scale, tp->iss,
                     tp->irs);
}

// One for each segment that the interface will make of it. Returns the first one's id.
TraceId EmitPieces(const tcpcb* tp, const Outgoing& out, TcpHeader th) {
  const uint32_t len = out.len / out.segments;  // they are whole
  const uint8_t last = th.th_flags;
  th.th_flags &= static_cast<uint8_t>(~(TH_PUSH | TH_FIN));
  const TraceId first = EmitOut(tp, th, len);
  th.th_flags &= static_cast<uint8_t>(~TH_CWR);
  for (uint32_t left = out.segments - 1; left != 0; --left) {
    th.th_seq += len;
    if (left == 1) th.th_flags = last & static_cast<uint8_t>(~TH_CWR);
    EmitOut(tp, th, len);
  }
  return first;
}

// Something is on the wire: REXMT watches over it. A probe of a shut window, which snd_nxt does not
// count, is PERSIST's; an ACK that goes out meanwhile leaves it so.
void WatchOver(tcpcb* tp) {
  if (tcp_timer_isarmed(tp, TCPT_REXMT) || tp->snd_nxt == tp->snd_una) return;
  if (tcp_timer_isarmed(tp, TCPT_PERSIST)) [[unlikely]] {
    tcp_timer_disarm(tp, TCPT_PERSIST);
    tp->t_rxtshift = 0;
  }
  tp->t_acktime = Now();
  tcp_arm_rexmt(tp);
}

// Moves the send sequence past the segment. Returns by how much snd_nxt has moved.
uint32_t Advance(tcpcb* tp, const Outgoing& out) {
  if (tp->t_force && tcp_timer_isarmed(tp, TCPT_PERSIST)) [[unlikely]] {
    // A probe does not count as sent: the byte goes again with the next one.
    const tcp_seq end = tp->snd_nxt + out.len;
    if (SEQ_GT(end, tp->snd_max)) {
      tp->t_sndbytes += static_cast<uint32_t>(end - tp->snd_max);
      tp->snd_max = end;
    }
    return 0;
  }
  if (out.hole != nullptr) [[unlikely]] {
    out.hole->rxmit += out.len;
    out.hole->rxmit_high = tp->snd_max;
    KASSERT(SEQ_LEQ(out.hole->rxmit, out.hole->end));
    WatchOver(tp);
    return 0;
  }
  const tcp_seq start = tp->snd_nxt;
  tp->snd_nxt += out.len;
  if ((out.flags & TH_SYN) != 0) [[unlikely]]
    tp->snd_nxt += 1;
  if ((out.flags & TH_FIN) != 0) [[unlikely]] {
    tp->snd_nxt += 1;
    tp->t_flags |= TF_SENTFIN;
  }
  if (SEQ_GT(tp->snd_nxt, tp->snd_max)) {
    if (out.len > 0) {
      const tcp_seq end = start + out.len;
      tp->t_sndbytes += static_cast<uint32_t>(std::max(end - SEQ_MAX(start, tp->snd_max), 0));
    }
    if (tp->t_rtttime == kNotTimed && SEQ_GEQ(start, tp->snd_max)) {
      // Times one segment of a flight, never one that was sent before (Karn).
      tp->t_rtttime = Now();
      tp->t_rtseq = start;
      ++tp->t_host->stat[tcps_segstimed];
    }
    tp->snd_max = tp->snd_nxt;
  }
  WatchOver(tp);
  return static_cast<uint32_t>(tp->snd_nxt - start);
}

// --- Handing over. ---

// What IP's refusal means (12.3).
int OutputError(tcpcb* tp, int error, uint32_t advanced) {
  switch (error) {
    case ENOBUFS:
      // As good as lost, and a sign of congestion.
      tp->snd_cwnd = tp->t_maxseg;
      return 0;
    case EMSGSIZE:
      (void)tcp_mtudisc(tp);  // if nothing shrinks, REXMT tries again
      return 0;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      if (TCPS_HAVERCVDSYN(tp->t_state)) {
        tp->t_softerror = error;
        return 0;
      }
      return error;
    default: tp->snd_nxt = tp->snd_nxt - advanced; return error;
  }
}

// Signs a segment whose header is written (RFC 2385).
[[gnu::noinline]] int Sign(const tcpcb* tp, const TcpOptionWriter& options, uint8_t* tcp,
                           const mbuf* m) {
  const inpcb* inp = tp->t_inpcb;
  const TcpHeader th = TcpView({tcp, kTcpHeaderMin}).Read();
  const TcpEndpoints ends{inp->inp_faddr, inp->inp_laddr, th.th_dport, th.th_sport};
  return tcp_sign(*tp->t_host, ends, th, kTcpHeaderMin + options.size(), options.md5_at(), tcp, m);
}

// What WriteIp does over IPv6, or where the segment travels in UDP.
[[gnu::noinline]] uint8_t* WriteIp6OrUdp(const tcpcb* tp, mbuf* m, bool v4, uint8_t ecn) {
  const inpcb* inp = tp->t_inpcb;
  TcpIpFields fields = tcp_ip_fields(inp, v4);
  fields.tos = static_cast<uint8_t>((fields.tos & ~IPTOS_ECN_MASK) | ecn);
  if (!tcp_may_leave(fields)) return nullptr;
  m->m_pkthdr.csum_flags |= tcp_csum_out(fields);
  const TcpEndpoints ends{inp->inp_faddr, inp->inp_laddr, 0, 0};
  auto* bytes = mtod<uint8_t>(m);
  return bytes + tcp_write_ip(bytes, ends, fields, m->m_pkthdr.len - tcp_lead(v4, fields));
}

// Writes what stands in front of the TCP header. Returns where that goes. Null: there is no port to
// send from.
[[gnu::flatten]] inline uint8_t* WriteIp(const tcpcb* tp, mbuf* m, bool v4, uint8_t ecn) {
  if (!v4 || tp->t_port != 0) [[unlikely]]
    return WriteIp6OrUdp(tp, m, v4, ecn);
  const inpcb* inp = tp->t_inpcb;
  m->m_pkthdr.csum_flags |= M_TCP_CSUM_OUT;
  auto* bytes = mtod<uint8_t>(m);
  Ipv4Header{.total_length = m->m_pkthdr.len,
             .tos = static_cast<uint8_t>((inp->inp_ip.ip_tos & ~IPTOS_ECN_MASK) | ecn),
             .ttl = inp->inp_ip.ip_ttl,
             .protocol = IPPROTO_TCP,
             .source = inp->inp_laddr.v4(),
             .destination = inp->inp_faddr.v4()}
      .Write(bytes, kIpv4HeaderMin);
  return bytes + kIpv4HeaderMin;
}

// Expanded in both callers, so that the header need not be put together in memory first.
[[gnu::always_inline]] inline int SendToIp(tcpcb* tp, const socket* so, MbufPtr m,
                                           const TcpHeader& th, uint8_t ecn,
                                           const TcpOptionWriter& options) {
  inpcb* inp = tp->t_inpcb;
  const bool v4 = in_pcbpeer4(inp);
  uint8_t* tcp = WriteIp(tp, m.get(), v4, ecn);
  if (tcp == nullptr) return EHOSTUNREACH;
  th.Write({tcp, kTcpHeaderMin}, kTcpHeaderMin + options.size());
  options.CopyTo(tcp + kTcpHeaderMin);
  if (options.md5_at() >= 0) {
    if (int error = Sign(tp, options, tcp, m.get())) return error;
  }
  int flags = (tp->t_flags & TF_BLACKHOLE) != 0 ? 0 : IP_MTUDISC;
  if ((so->so_options & kSoDontRoute) != 0) flags |= IP_ROUTETOIF;
  return tcp_to_ip(std::move(m), v4, &inp->inp_route, flags, inp);
}

// A segment has left, which says all that we have to say of the peer's data.
inline void Acknowledged(tcpcb* tp) {
  tp->last_ack_sent = tp->rcv_nxt;
  tp->t_sndacktime = Now();
  tp->t_flags &= ~TF_ACKNOW;
  tcp_timer_disarm(tp, TCPT_DELACK);
}

int SendSegment(tcpcb* tp, const socket* so, Outgoing* out) {
  if ((out->flags & TH_FIN) != 0 && (tp->t_flags & TF_SENTFIN) != 0 && tp->snd_nxt == tp->snd_max)
      [[unlikely]] {
    tp->snd_nxt = tp->snd_nxt - 1;  // it is out already and keeps its number
  }
  TcpOptionWriter options;
  WriteAllOptions(tp, out, options);
  const int header_length = static_cast<int>(tcp_headers(tp)) + options.size();
  const bool ect = (tp->t_flags & TF_ECN_PERMIT) != 0 && CarriesNewData(tp, *out);
  const TcpHeader th = MakeHeader(tp, so, *out, ect);
  if (ect) [[unlikely]]
    tp->t_host->stat[tcps_ecn_sndect] += out->segments;
  if ((tp->t_flags & TF_PRR) != 0) [[unlikely]]
    tp->t_prr_out += out->len;
  MbufPtr m = MakePacket(tp, so, *out, header_length);
  CountSegment(tp, *out, th);
  const TraceId record = out->segments == 1 ? EmitOut(tp, th, out->len) : EmitPieces(tp, *out, th);
  const uint32_t largest = out->mss != 0 ? out->mss : out->len;
  tp->t_maxsent = std::max(tp->t_maxsent, largest + static_cast<uint32_t>(options.size()));
  const uint32_t advanced = Advance(tp, *out);
  if (tp->t_rack != nullptr) [[unlikely]] {
    const uint32_t fin = (th.th_flags & TH_FIN) != 0 ? 1 : 0;
    tcp_rack_sent(tp, th.th_seq, th.th_seq + out->len + fin);
  }
  int error = ENOBUFS;
  if (m != nullptr) {
    m->m_pkthdr.ph_cause = record;
    m->m_pkthdr.ph_mss = out->mss;
    if (out->mss != 0) m->m_pkthdr.csum_flags |= M_TCP_TSO;
    const uint8_t ecn = ect ? IPTOS_ECN_ECT0 : IPTOS_ECN_NOT_ECT;
    error = SendToIp(tp, so, std::move(m), th, ecn, options);
  }
  if (error != 0) [[unlikely]]
    return OutputError(tp, error, advanced);
  Acknowledged(tp);
  if (out->len > 0) tp->t_sndtime = Now();
  return 0;
}

// Whether all is said but, perhaps, an ACK: what was written is out, the state asks for no SYN and
// no FIN that is not acknowledged, and Decide would find nothing but that an ACK is owed or the
// window has opened.
bool AllSaid(const tcpcb* tp, const socket* so) {
  constexpr uint32_t kBusy = TF_LASTIDLE | TF_SYNPENDING;
  if (tcp_outflags[tp->t_state] != TH_ACK || (tp->t_flags & kBusy) != 0 || tp->t_force) [[unlikely]]
    return false;
  if ((so->so_state & SS_ISSENDING) != 0) [[unlikely]]
    return false;
  if (tp->snd_nxt != tp->snd_max || SEQ_GT(tp->snd_up, tp->snd_una)) return false;
  const auto queued = static_cast<int64_t>(so->so_snd.sb_cc);
  if (queued == 0) return Now() - tp->t_rcvtime < tp->t_rxtcur * kMillisecond;
  return tp->snd_nxt - tp->snd_una == queued && tp->snd_wnd != 0 &&
         tcp_timer_isarmed(tp, TCPT_REXMT) && !tcp_recovering(tp);
}

// An ACK and nothing else: most segments of whoever receives. What SendSegment does for data, flags
// and what is sent again falls away. REQUIRES: AllSaid.
[[gnu::noinline]] int SendAck(tcpcb* tp, const socket* so) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  TcpOptionWriter options;
  (void)WriteOptions(tp, options);
  const Outgoing out{.flags = TH_ACK, .space = SpaceToOffer(so)};
  const TcpHeader th = {.th_sport = ntohs(tp->t_inpcb->inp_lport),
                        .th_dport = ntohs(tp->t_inpcb->inp_fport),
                        .th_seq = tp->snd_max,
                        .th_ack = tp->rcv_nxt,
                        .th_flags = static_cast<uint8_t>(TH_ACK | tcp_ecn_flags(tp, false)),
                        .th_win = TakeWindow(tp, so, out)};
  tp->snd_up = tp->snd_una;  // drawn along, as MakeHeader does
  TcpStat& stat = tp->t_host->stat;
  ++stat[tcps_sndtotal];
  ++stat[(tp->t_flags & TF_ACKNOW) != 0 ? tcps_sndacks : tcps_sndwinup];
  ++tp->t_sndsegs;
  const TraceId record = EmitOut(tp, th, 0);
  tp->t_maxsent = std::max(tp->t_maxsent, static_cast<uint32_t>(options.size()));
  if (m == nullptr) return OutputError(tp, ENOBUFS, 0);
  ReserveHeaders(m.get(), static_cast<int>(tcp_headers(tp)) + options.size());
  m->m_pkthdr.ph_cause = record;
  const int error = SendToIp(tp, so, std::move(m), th, IPTOS_ECN_NOT_ECT, options);
  if (error != 0) return OutputError(tp, error, 0);
  Acknowledged(tp);
  return 0;
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
    const int error = SendSegment(tp, so, &out);
    KASSERT(SEQ_LEQ(tp->snd_una, tp->snd_nxt) && SEQ_LEQ(tp->snd_nxt, tp->snd_max));
    if (error != 0) return error;
    if (!out.more) {
      MaybePersist(tp, so);  // it may have been a mere ACK, before a shut window
      return 0;
    }
  }
}

}  // namespace

int tcp_output(tcpcb* tp) {
  KASSERT(tp->t_state > TCPS_LISTEN);
  const socket* so = tcp_so(tp);
  tp->t_flags &= ~TF_NEEDOUTPUT;
  if (!AllSaid(tp, so)) return SendSegments(tp, so);
  const bool due = (tp->t_flags & TF_ACKNOW) != 0 || WindowUpdatePays(tp, so, SpaceToOffer(so));
  return due ? SendAck(tp, so) : 0;
}

}  // namespace sockbed
