// Sending: the segment that tcp_output has decided upon. It is built, counted and handed to IP
// (12.2, 12.3 of the specification).
#include <netinet/ip.h>

#include <algorithm>
#include <cerrno>

#include "kernel/inet/in_options.h"
#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_outgoing.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

// --- Building. ---

void WriteSynOptions(const tcpcb* tp, uint8_t flags, TcpOptionWriter& options) {
  if ((tp->t_flags & TF_NOOPT) != 0) {
    if ((tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
    return;
  }
  const bool answer = (flags & TH_ACK) != 0;  // offers only what the peer has offered
  const TcpTunables& set = tunables(tp);
  TcpSynOffer offer;
  inpcb* inp = tcp_inpcb(tp);
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

// Whether segments bear timestamps.
bool Stamps(const tcpcb* tp) {
  constexpr uint32_t kBoth = TF_REQ_TSTMP | TF_RCVD_TSTMP;
  return (tp->t_flags & kBoth) == kBoth;
}

// A segment with a timestamp is about to go: its echo will end a round trip of the receive buffer's
// measurement.
inline void MeasureFromHere(tcpcb* tp) {
  if (tp->rfbuf_ts == 0) [[unlikely]]
    tp->rfbuf_ts = std::max(tcp_ts(tp), 1u);
}

// The options of a segment that is no SYN. Returns whether they hold a report: it may cost the
// segment the end of its data.
bool WriteOptions(tcpcb* tp, TcpOptionWriter& options) {
  if (Stamps(tp)) {
    MeasureFromHere(tp);
    options.PaddedTimestamp(tcp_ts(tp), tp->ts_recent);
  }
  return tcp_has_rare_options(tp) && WriteRareOptions(tp, options);
}

// Bytes of IP options in front of the segment.
uint32_t IpOptionBytes(const tcpcb* tp) {
  if (!tcp_has_ip_options(tp)) [[likely]]
    return 0;
  const inpcb* inp = tcp_inpcb(tp);
  return in_pcbpeer4(inp) ? in_pcboptlen(inp) : 0;
}

// The same of any segment; what they cost it, and what IP's do (RFC 1122 4.2.2.6), is cut off.
void WriteAllOptions(tcpcb* tp, Outgoing* out, TcpOptionWriter& options) {
  if ((out->flags & TH_SYN) != 0) {
    WriteSynOptions(tp, out->flags, options);
    return;
  }
  const bool report = WriteOptions(tp, options);
  const uint32_t ip = IpOptionBytes(tp);
  if (!report && ip == 0) [[likely]]
    return;
  const uint32_t taken = static_cast<uint32_t>(options.size()) + ip;
  const uint32_t room = tp->t_maxopd > taken ? tp->t_maxopd - taken : 1;
  if (out->len <= room) return;
  out->len = room;
  out->flags &= ~TH_FIN;
  out->more = true;
}

// The window to advertise, of so much room, in that many segments; remembers how far it reaches
// (RFC 9293 3.8.6.2.2). The window of a SYN is not scaled.
inline uint16_t TakeWindow(tcpcb* tp, const socket* so, uint32_t space, uint32_t segments,
                           bool syn) {
  uint64_t win = space;
  if (win < so->so_rcv.sb_hiwat / 4 && win < tp->t_maxseg) [[unlikely]]
    win = 0;
  const int scale = syn ? 0 : tp->rcv_scale;
  win = std::min(win, uint64_t{TCP_MAXWIN} << scale);
  // What was promised stays promised.
  if (TCPS_HAVERCVDSYN(tp->t_state)) [[likely]] {
    win = std::max(win, static_cast<uint64_t>(tp->rcv_adv - tp->rcv_nxt));
  }
  if (tunables(tp).window_round_up != 0) {
    const uint64_t up = (win + (uint64_t{1} << scale) - 1) >> scale;
    win = std::min<uint64_t>(up, TCP_MAXWIN) << scale;
  }
  const uint64_t shown = std::min<uint64_t>(win >> scale, TCP_MAXWIN);
  tp->rcv_adv = SEQ_MAX(tp->rcv_adv, tp->rcv_nxt + static_cast<uint32_t>(win));
  if (shown == 0) [[unlikely]] {
    tp->t_flags |= TF_RXWIN0SENT;
    tp->t_sndzerowin += segments;
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
  th.th_sport = ntohs(tcp_inpcb(tp)->inp_lport);
  th.th_dport = ntohs(tcp_inpcb(tp)->inp_fport);
  th.th_flags = out.flags | EcnFlags(tp, out.flags, marked);
  // A bare ACK carries the highest number, so that it is not taken for old.
  const bool takes_room = out.len > 0 || (out.flags & (TH_SYN | TH_FIN)) != 0;
  th.th_seq = takes_room || tcp_timer_isarmed(tp, TCPT_PERSIST) ? tp->snd_nxt : tp->snd_max;
  if (out.hole != nullptr) [[unlikely]]
    th.th_seq = out.hole->rxmit;
  if ((out.flags & TH_ACK) != 0) th.th_ack = tp->rcv_nxt;
  const bool syn = (out.flags & TH_SYN) != 0;
  if (out.len > 0 && !syn && out.off + out.len == so->so_snd.sb_cc) th.th_flags |= TH_PUSH;
  th.th_win = TakeWindow(tp, so, out.space, out.segments, syn);
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
[[gnu::noinline]] TraceId EmitPieces(const tcpcb* tp, const Outgoing& out, TcpHeader th) {
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

// A record of the segment, or of each that it is on the wire. Returns the first one's id.
inline TraceId EmitSent(const tcpcb* tp, const Outgoing& out, const TcpHeader& th) {
  return out.segments == 1 ? EmitOut(tp, th, out.len) : EmitPieces(tp, out, th);
}

// Remembers how large segments have been.
inline void NoteLargest(tcpcb* tp, const Outgoing& out, int option_bytes) {
  const uint32_t largest = out.mss != 0 ? out.mss : out.len;
  tp->t_maxsent = std::max(tp->t_maxsent, largest + static_cast<uint32_t>(option_bytes));
}

// What the layers below have to know of the packet.
inline void Describe(mbuf* m, TraceId record, const Outgoing& out) {
  m->m_pkthdr.ph_cause = record;
  m->m_pkthdr.ph_mss = out.mss;
  if (out.mss != 0) m->m_pkthdr.csum_flags |= M_TCP_TSO;
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

// Times one segment of a flight, never one that was sent before (Karn).
inline void TimeSegment(tcpcb* tp, tcp_seq start) {
  if (tp->t_rtttime != kNotTimed) return;
  tp->t_rtttime = Now();
  tp->t_rtseq = start;
  ++tp->t_host->stat[tcps_segstimed];
}

// Moves the send sequence past the segment. Returns by how much snd_nxt has moved.
uint32_t Advance(tcpcb* tp, const Outgoing& out) {
  if (tp->t_force && tcp_timer_isarmed(tp, TCPT_PERSIST)) [[unlikely]] {
    // A probe does not count as sent: the byte goes again with the next one.
    const tcp_seq end = tp->snd_nxt + out.len;
    if (SEQ_GT(end, tp->snd_max)) {
      if (tp->snd_max == tp->snd_una) tp->t_acktime = Now();
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
    if (SEQ_GEQ(start, tp->snd_max)) TimeSegment(tp, start);
    tp->snd_max = tp->snd_nxt;
  }
  WatchOver(tp);
  return static_cast<uint32_t>(tp->snd_nxt - start);
}

// --- Handing over. ---

// What IP's refusal means (12.3).
int OutputError(tcpcb* tp, int error, uint32_t advanced, const TcpNews& news) {
  news.PutBack(tp);
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
  const inpcb* inp = tcp_inpcb(tp);
  const TcpHeader th = TcpView({tcp, kTcpHeaderMin}).Read();
  const TcpEndpoints ends{inp->inp_faddr, inp->inp_laddr, th.th_dport, th.th_sport};
  return tcp_sign(*tp->t_host, ends, th, kTcpHeaderMin + options.size(), options.md5_at(), tcp, m);
}

// What WriteIp does over IPv6, or where the segment travels in UDP.
[[gnu::noinline]] uint8_t* WriteIp6OrUdp(const tcpcb* tp, mbuf* m, bool v4, uint8_t ecn) {
  inpcb* inp = tcp_inpcb(tp);
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
[[gnu::always_inline]] inline uint8_t* WriteIp(const tcpcb* tp, mbuf* m, bool v4, uint8_t ecn) {
  if (!v4 || tp->t_port != 0) [[unlikely]]
    return WriteIp6OrUdp(tp, m, v4, ecn);
  const inpcb* inp = tcp_inpcb(tp);
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

// Hands a segment to IP whose headers are written.
[[gnu::always_inline]] inline int SendToIp(tcpcb* tp, const socket* so, MbufPtr m, bool v4) {
  inpcb* inp = tcp_inpcb(tp);
  int flags = (tp->t_flags & TF_BLACKHOLE) != 0 ? 0 : IP_MTUDISC;
  if ((so->so_options & kSoDontRoute) != 0) flags |= IP_ROUTETOIF;
  return tcp_to_ip(std::move(m), v4, &inp->inp_route, flags, inp);
}

inline void Acknowledged(tcpcb* tp) {
  tp->last_ack_sent = tp->rcv_nxt;
  tp->t_sndacktime = Now();
  tp->t_flags &= ~TF_ACKNOW;
  tcp_timer_disarm(tp, TCPT_DELACK);
}

// Writes the headers of a segment and hands it to IP.
int HandOver(tcpcb* tp, const socket* so, MbufPtr m, const TcpHeader& th, uint8_t ecn,
             const TcpOptionWriter& options) {
  const bool v4 = in_pcbpeer4(tcp_inpcb(tp));
  uint8_t* tcp = WriteIp(tp, m.get(), v4, ecn);
  if (tcp == nullptr) return EHOSTUNREACH;
  th.Write({tcp, kTcpHeaderMin}, kTcpHeaderMin + options.size());
  options.CopyTo(tcp + kTcpHeaderMin);
  if (options.md5_at() >= 0) {
    if (int error = Sign(tp, options, tcp, m.get())) return error;
  }
  return SendToIp(tp, so, std::move(m), v4);
}

}  // namespace

[[gnu::noinline]] int tcp_send_segment(tcpcb* tp, const socket* so, Outgoing* out) {
  if ((out->flags & TH_FIN) != 0 && (tp->t_flags & TF_SENTFIN) != 0 && tp->snd_nxt == tp->snd_max)
      [[unlikely]] {
    tp->snd_nxt = tp->snd_nxt - 1;  // it is out already and keeps its number
  }
  const TcpNews news(tp);
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
  const TraceId record = EmitSent(tp, *out, th);
  NoteLargest(tp, *out, options.size() + static_cast<int>(IpOptionBytes(tp)));
  const uint32_t advanced = Advance(tp, *out);
  if (tp->t_rack != nullptr) [[unlikely]] {
    const uint32_t fin = (th.th_flags & TH_FIN) != 0 ? 1 : 0;
    tcp_rack_sent(tp, th.th_seq, th.th_seq + out->len + fin);
  }
  int error = ENOBUFS;
  if (m != nullptr) {
    Describe(m.get(), record, *out);
    const uint8_t ecn = ect ? IPTOS_ECN_ECT0 : IPTOS_ECN_NOT_ECT;
    error = HandOver(tp, so, std::move(m), th, ecn, options);
  }
  if (error != 0) [[unlikely]]
    return OutputError(tp, error, advanced, news);
  Acknowledged(tp);
  if (out->len > 0) tp->t_sndtime = Now();
  return 0;
}

namespace {

// --- Plain segments. What tcp_send_segment asks besides has one answer. ---

int OptionBytes(bool stamped) { return stamped ? TCPOLEN_TSTAMP_APPA : 0; }
// Bytes of all headers.
inline int PlainHeaders(const tcpcb* tp, bool stamped) {
  return static_cast<int>(tcp_headers(tp)) + OptionBytes(stamped);
}

// These two are expanded in both callers, so that the header is not put together in memory.
[[gnu::always_inline]] inline TcpHeader PlainHeader(tcpcb* tp, const socket* so, uint8_t flags,
                                                    uint32_t space, uint32_t segments,
                                                    bool stamped) {
  const inpcb* inp = tcp_inpcb(tp);
  if (stamped) MeasureFromHere(tp);
  tp->snd_up = tp->snd_una;  // drawn along, as MakeHeader does
  return {.th_sport = ntohs(inp->inp_lport),
          .th_dport = ntohs(inp->inp_fport),
          .th_seq = tp->snd_max,
          .th_ack = tp->rcv_nxt,
          .th_flags = flags,
          .th_win = TakeWindow(tp, so, space, segments, false)};
}

[[gnu::always_inline]] inline int SendPlain(tcpcb* tp, const socket* so, MbufPtr m,
                                            const TcpHeader& th, bool stamped) {
  const bool v4 = in_pcbpeer4(tcp_inpcb(tp));
  uint8_t* tcp = WriteIp(tp, m.get(), v4, IPTOS_ECN_NOT_ECT);
  if (tcp == nullptr) [[unlikely]]
    return EHOSTUNREACH;
  th.Write({tcp, kTcpHeaderMin}, kTcpHeaderMin + OptionBytes(stamped));
  if (stamped) tcp_write_timestamp(tcp + kTcpHeaderMin, tcp_ts(tp), tp->ts_recent);
  return SendToIp(tp, so, std::move(m), v4);
}

}  // namespace

[[gnu::noinline]] int tcp_send_ack(tcpcb* tp, const socket* so, uint32_t space) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  const bool stamped = Stamps(tp);
  const TcpNews news(tp);
  TcpStat& stat = tp->t_host->stat;
  ++stat[tcps_sndtotal];
  ++stat[(tp->t_flags & TF_ACKNOW) != 0 ? tcps_sndacks : tcps_sndwinup];
  ++tp->t_sndsegs;
  const TcpHeader th = PlainHeader(tp, so, TH_ACK, space, 1, stamped);
  const TraceId record = EmitOut(tp, th, 0);
  tp->t_maxsent = std::max(tp->t_maxsent, static_cast<uint32_t>(OptionBytes(stamped)));
  if (m == nullptr) [[unlikely]]
    return OutputError(tp, ENOBUFS, 0, news);
  ReserveHeaders(m.get(), PlainHeaders(tp, stamped));
  m->m_pkthdr.ph_cause = record;
  const int error = SendPlain(tp, so, std::move(m), th, stamped);
  if (error != 0) [[unlikely]]
    return OutputError(tp, error, 0, news);
  Acknowledged(tp);
  return 0;
}

[[gnu::noinline]] int tcp_send_data(tcpcb* tp, const socket* so, const Outgoing& out) {
  const bool stamped = Stamps(tp);
  const TcpNews news(tp);
  MbufPtr m = MakePacket(tp, so, out, PlainHeaders(tp, stamped));
  TcpStat& stat = tp->t_host->stat;
  if (out.mss != 0) ++stat[tcps_outhwtso];
  stat[tcps_sndtotal] += out.segments;
  stat[tcps_sndpack] += out.segments;
  stat[tcps_sndbyte] += out.len;
  tp->t_sndsegs += out.segments;
  const bool last = out.off + out.len == so->so_snd.sb_cc;
  const TcpHeader th =
      PlainHeader(tp, so, last ? TH_ACK | TH_PUSH : TH_ACK, out.space, out.segments, stamped);
  const TraceId record = EmitSent(tp, out, th);
  NoteLargest(tp, out, OptionBytes(stamped));
  TimeSegment(tp, tp->snd_max);
  tp->t_sndbytes += out.len;
  tp->snd_max += out.len;
  tp->snd_nxt = tp->snd_max;
  WatchOver(tp);
  if (m == nullptr) [[unlikely]]
    return OutputError(tp, ENOBUFS, out.len, news);
  Describe(m.get(), record, out);
  const int error = SendPlain(tp, so, std::move(m), th, stamped);
  if (error != 0) [[unlikely]]
    return OutputError(tp, error, out.len, news);
  Acknowledged(tp);
  tp->t_sndtime = Now();
  return 0;
}

uint16_t tcp_take_offer(tcpcb* tp) {
  const socket* so = tcp_so(tp);
  return TakeWindow(tp, so, tcp_space_to_offer(so), 1, false);
}

void tcp_acknowledged(tcpcb* tp) { Acknowledged(tp); }

}  // namespace sockbed
