// A segment arrives (RFC 9293 3.10.7).
//
//   tcp_input ── TakeApart: checks that need no connection; headers off
//       │
//       ├── FindPcb: whose is it?  Admit: nobody's?              (reset)
//       ├── Arrived: window scaled, options sifted, "still there" noted
//       │
//       ├── LISTEN    tcp_step_listen ──> the connection that it completes goes on below
//       ├── SYN_SENT  tcp_step_synsent ─> kEstablishedSteps
//       ├── ESTABLISHED, as expected: Predict                             (header prediction)
//       └── all others: kAcceptSteps, then kEstablishedSteps
//       │
//       └── Answer: what the step that ended it wants sent
#include <netinet/ip.h>

#include <algorithm>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {

void TcpSegment::TrimFront(uint32_t n) {
  KASSERT(n <= tlen);
  if (n == 0) return;
  m_adj(m.get(), static_cast<int>(n));
  th.th_seq += n;
  tlen -= n;
  if (th.th_urp > n) {
    th.th_urp = static_cast<uint16_t>(th.th_urp - n);
  } else {
    th.th_flags &= ~TH_URG;
    th.th_urp = 0;
  }
}

void TcpSegment::TrimBack(uint32_t n) {
  KASSERT(n <= tlen);
  if (n != 0) m_adj(m.get(), -static_cast<int>(n));
  tlen -= n;
}

Next tcp_dropped(const TcpSegment& seg, tcpstat_counters why) {
  ++seg.host->stat[why];
  EmitTcp(TcpEvent::kDrop, seg.tp != nullptr ? seg.tp->t_id : 0, why);
  return Next::kDrop;
}

namespace {

// Whether the segment can be acted upon.  First to fourth: acceptable, not a reset, no SYN.
constexpr TcpStep kAcceptSteps[] = {
    tcp_step_syn_received, tcp_step_time_wait,   tcp_step_syn_challenge, tcp_step_paws,
    tcp_step_trim_left,    tcp_step_after_close, tcp_step_trim_right,    tcp_step_timestamp,
    tcp_step_rst,          tcp_step_syn,         tcp_step_ack,
};
// What it says.  Sixth to eighth.
constexpr TcpStep kEstablishedSteps[] = {
    tcp_step_window,
    tcp_step_urgent,
    tcp_step_data,
    tcp_step_fin,
};

template <size_t n>
Next Run(const TcpStep (&steps)[n], TcpSegment& seg) {
  for (TcpStep step : steps) {
    const Next next = step(seg);
    if (next != Next::kGoOn) return next;
  }
  return Next::kGoOn;
}

bool IsV4(const mbuf* m) {
  return Ipv4View(m->m_data, static_cast<size_t>(m->m_len)).version() == 4;
}

bool ChecksumIsGood(const mbuf* m, int hlen, int length) {
  const uint16_t flags = m->m_pkthdr.csum_flags;
  if ((flags & M_TCP_CSUM_IN_OK) != 0) return true;
  if ((flags & M_TCP_CSUM_IN_BAD) != 0) return false;
  const bool v4 = IsV4(m);
  return (v4 ? in4_cksum(m, IPPROTO_TCP, hlen, length) : in6_cksum(m, IPPROTO_TCP, hlen, length)) ==
         0;
}

// What the IP header says of the segment.
void ReadIp(const mbuf* m, TcpSegment* seg) {
  const size_t size = static_cast<size_t>(m->m_len);
  if (IsV4(m)) {
    const Ipv4View ip(m->m_data, size);
    seg->ends.faddr = ip.source();
    seg->ends.laddr = ip.destination();
    seg->ttl = ip.ttl();
    seg->ecn = ip.tos() & IPTOS_ECN_MASK;
  } else {
    const Ipv6View ip(m->m_data, size);
    seg->ends.faddr = ip6_source(m);
    seg->ends.laddr = ip6_destination(m);
    seg->ttl = ip.hop_limit();
    seg->ecn = ip.traffic_class() & IPTOS_ECN_MASK;
  }
}

constexpr uint32_t kLoopbackIndex = 1;  // lo0 is every host's first interface

// Checks the headers and takes them off. False: counted and dropped.
bool TakeApart(MbufPtr m, int hlen, TcpSegment* seg) {
  ++seg->host->stat[tcps_rcvtotal];
  const int length = m->m_pkthdr.len - hlen;
  if (ip_wasbroadcast(m.get())) return (void)tcp_dropped(*seg, tcps_rcvbcast), false;
  if (length < kTcpHeaderMin) return (void)tcp_dropped(*seg, tcps_rcvshort), false;
  if (m->m_len < hlen + kTcpHeaderMin) m = m_pullup(std::move(m), hlen + kTcpHeaderMin);
  if (m == nullptr) return (void)tcp_dropped(*seg, tcps_rcvshort), false;
  int off = TcpView({mtod<uint8_t>(m.get()) + hlen, kTcpHeaderMin}).header_length();
  if (off < kTcpHeaderMin || off > length) return (void)tcp_dropped(*seg, tcps_rcvbadoff), false;
  const bool checked = seg->udp_port != 0;  // UDP's checksum covers it; TCP's own may be left out
  if (!checked && !ChecksumIsGood(m.get(), hlen, length)) {
    return (void)tcp_dropped(*seg, tcps_rcvbadsum), false;
  }
  if (m->m_len < hlen + off) m = m_pullup(std::move(m), hlen + off);
  if (m == nullptr) return (void)tcp_dropped(*seg, tcps_rcvshort), false;

  const auto* bytes = mtod<uint8_t>(m.get());
  ReadIp(m.get(), seg);
  const auto* tcp = bytes + hlen;
  seg->th = TcpView({tcp, kTcpHeaderMin}).Read();
  const std::span<const uint8_t> options(tcp + kTcpHeaderMin,
                                         static_cast<size_t>(off - kTcpHeaderMin));
  if (!tcp_parse_padded_timestamp(options, &seg->opt)) {
    seg->opt = tcp_parse_options(options, seg->has(TH_SYN));
  }
  seg->ends.fport = seg->th.th_sport;
  seg->ends.lport = seg->th.th_dport;
  seg->tlen = static_cast<uint32_t>(length - off);
  seg->header_length = off;
  if (seg->ends.faddr.is_any()) return (void)tcp_dropped(*seg, tcps_rcvbcast), false;
  seg->loopback = m->m_pkthdr.ph_ifidx == kLoopbackIndex;
  m->m_data += hlen + off;  // m_adj, where all stands in the first mbuf
  m->m_len -= hlen + off;
  m->m_pkthdr.len -= hlen + off;
  seg->m = std::move(m);
  return true;
}

// 3.10.7.1: the connection, else the listener, else nobody. Label: findpcb.
tcpcb* FindPcb(const TcpSegment& seg) {
  inpcbtable* table = &seg.host->tcbtable;
  const TcpEndpoints& ends = seg.ends;
  const inpcb* in_cache = table->last_found();
  inpcb* inp = in_pcblookup(table, ends.faddr, htons(ends.fport), ends.laddr, htons(ends.lport));
  if (inp == nullptr && ends.lport != 0) {
    inp = in_pcblookup_listen(table, ends.laddr, htons(ends.lport));
  }
  if (inp == nullptr) return nullptr;
  if (inp != in_cache) tcp_prefetch(inp);
  return intotcpcb(inp);
}

TraceId TraceArrival(const TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  if (tp == nullptr || tp->t_state <= TCPS_LISTEN) {
    return EmitLoose(TcpEvent::kStray, tp != nullptr ? tp->t_id : 0, seg.ends, seg.th);
  }
  const tcp_seq irs = TCPS_HAVERCVDSYN(tp->t_state) ? tp->irs : seg.th.th_seq;
  const int scale = seg.has(TH_SYN) ? 0 : tp->snd_scale;
  return EmitSegment(TcpEvent::kIn, tp->t_id, seg.th, seg.tlen, uint32_t{seg.th.th_win} << scale,
                     irs, tp->iss);
}

// RFC 2385 2.0: whoever signs takes nothing unsigned.
bool SignatureIsGood(const TcpSegment& seg) {
  const TcpMd5Key* key = seg.host->FindMd5Key(seg.ends.faddr, seg.ends.laddr);
  return key != nullptr && seg.opt.has_md5 &&
         tcp_signature(*key, seg.th, seg.header_length, seg.m.get(), 0) == seg.opt.md5;
}

// Nobody is there, or nobody who wants to hear (3.10.7.1).
Next Admit(TcpSegment& seg) {
  if (seg.tp != nullptr) {
    const inpcb* inp = seg.tp->t_inpcb;
    const uint8_t least = seg.ends.faddr.is_v4() ? inp->inp_ip_minttl : inp->inp_ip6_minhlim;
    if (seg.ttl < least) return tcp_dropped(seg, tcps_rcvminttl);
  }
  if (seg.tp != nullptr && (seg.tp->t_flags & TF_SIGNATURE) != 0 && !SignatureIsGood(seg)) {
    return tcp_dropped(seg, tcps_rcvbadsig);
  }
  if (seg.tp != nullptr && seg.tp->t_state != TCPS_CLOSED) {
    // TIME_WAIT judges for itself: a new connection may come another way.
    const bool fixed = seg.tp->t_state > TCPS_LISTEN && seg.tp->t_state != TCPS_TIME_WAIT;
    return fixed && seg.udp_port != seg.tp->t_port ? tcp_step_udp_port(seg) : Next::kGoOn;
  }
  (void)tcp_dropped(seg, tcps_noport);
  const int64_t blackhole = seg.host->tunables.blackhole;
  // The host itself is spared, but for the last.
  const bool silent =
      blackhole == 3 || (!seg.loopback && (blackhole == 2 || (blackhole == 1 && seg.has(TH_SYN))));
  return silent ? Next::kDrop : Next::kReset;
}

// What every segment of a connection means: somebody is there.
void Arrived(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  ++tp->t_rcvsegs;
  seg.tiwin = seg.has(TH_SYN) ? seg.th.th_win : uint32_t{seg.th.th_win} << tp->snd_scale;
  seg.stamped = seg.opt.has_timestamp && (tp->t_flags & TF_RCVD_TSTMP) != 0;
  if (TCPS_HAVEESTABLISHED(tp->t_state)) {
    tp->t_rcvtime = Now();
    tcp_arm_keepalive(tp);
  }
  const int64_t space = std::max<int64_t>(sbspace(&tcp_so(tp)->so_rcv), 0);
  tp->rcv_wnd = static_cast<uint32_t>(std::max<int64_t>(space, tp->rcv_adv - tp->rcv_nxt));
}

// Header prediction: the next segment of a transfer needs few of the checks, be it data, an ACK of
// something new, or (without SACK information) both. Does what the steps would do, by the same
// leaves. Returns kGoOn if it is not such a segment.
// Differs: a bare ACK may bring another window. Where a simulated receiver reads in one go what has
// arrived in one go, most do.
Next Predict(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const TcpHeader& th = seg.th;
  if (tp->t_state != TCPS_ESTABLISHED || th.th_seq != tp->rcv_nxt ||
      (th.th_flags & ~TH_PUSH) != TH_ACK || seg.ecn == IPTOS_ECN_CE || tp->snd_nxt != tp->snd_max ||
      seg.opt.sack_count != 0) {
    return Next::kGoOn;
  }
  if ((tp->t_flags & TF_RCVD_TSTMP) != 0 &&
      (!seg.stamped || TSTMP_LT(seg.opt.ts_val, tp->ts_recent))) {
    return Next::kGoOn;
  }
  const bool acks = th.th_ack != tp->snd_una;
  const bool data = seg.tlen != 0;
  if (!acks && !data) return Next::kGoOn;
  const bool reports = tp->snd_sack.active || tp->t_rack != nullptr;
  if (acks && (SEQ_LT(th.th_ack, tp->snd_una) || SEQ_GT(th.th_ack, tp->snd_max) ||
               tcp_recovering(tp) || (data && reports))) {
    return Next::kGoOn;
  }
  if (data && (seg.tiwin != tp->snd_wnd || seg.tiwin == 0 || tp->t_segq != nullptr ||
               seg.tlen > tp->rcv_wnd)) {
    return Next::kGoOn;
  }
  (void)tcp_step_timestamp(seg);
  if (acks) {
    tp->t_rcvacktime = Now();
    (void)tcp_ack_new(seg);  // a FIN is not out yet
  }
  (void)tcp_step_window(seg);
  if (data) {
    tp->rcv_up = SEQ_MAX(tp->rcv_up, tp->rcv_nxt);  // drawn along, as tcp_step_urgent does
    tcp_take_data(seg);
  }
  ++seg.host->stat[data ? tcps_preddat : tcps_predack];
  return Next::kDone;
}

Next Process(TcpSegment& seg) {
  if (const Next next = Admit(seg); next != Next::kGoOn) return next;
  if ((seg.tp->t_flags & TF_NOOPT) != 0) seg.opt = TcpOptions{};
  Arrived(seg);
  if (seg.tp->t_state == TCPS_LISTEN) {
    const Next next = tcp_step_listen(seg);
    if (next != Next::kGoOn) return next;
    Arrived(seg);  // now for the connection that it has completed
  } else if (seg.tp->t_state == TCPS_SYN_SENT) {
    const Next next = tcp_step_synsent(seg);
    return next != Next::kGoOn ? next : Run(kEstablishedSteps, seg);
  }
  Next next = Predict(seg);
  if (next == Next::kGoOn) next = Run(kAcceptSteps, seg);
  if (next == Next::kGoOn) next = Run(kEstablishedSteps, seg);
  return next;
}

// Labels: dropafterack, dropafterack_ratelim, dropwithreset, drop.
void Answer(TcpSegment& seg, Next next) {
  tcpcb* tp = seg.tp;
  switch (next) {
    case Next::kGoOn:
    case Next::kDone: break;
    case Next::kAck:
      if (seg.has(TH_RST)) return;
      tp->t_flags |= TF_ACKNOW;
      break;
    case Next::kChallenge: tcp_challenge_ack(tp); return;
    case Next::kReset: tcp_respond_reset(seg); return;
    case Next::kDrop:
    case Next::kAgain: return;
  }
  if (tp == nullptr) return;
  if ((tp->t_flags & (TF_ACKNOW | TF_NEEDOUTPUT)) != 0) {
    (void)tcp_output(tp);  // nobody waits for its error: the peer's next segment tries again
  }
}

}  // namespace

void tcp_input(MbufPtr m, int hlen) { tcp_input_from(std::move(m), hlen, 0); }

void tcp_input_from(MbufPtr m, int hlen, uint16_t udp_port) {
  TcpSegment seg;
  seg.host = &HostLocal<TcpHost>::Get();
  seg.udp_port = udp_port;
  if (!TakeApart(std::move(m), hlen, &seg)) return;
  seg.tp = FindPcb(seg);
  const CauseScope cause(TraceArrival(seg));
  Next next = Process(seg);
  while (next == Next::kAgain) {
    seg.tp = FindPcb(seg);
    next = Process(seg);
  }
  Answer(seg, next);
  if (seg.tp != nullptr) tcp_check(seg.tp);
}

}  // namespace sockbed
