// A segment arrives (RFC 9293 3.10.7).
//
//   tcp_input ── CheckHeaders: checks that need no connection; TakeApart: headers off
//       │
//       ├── FindPcb: whose is it?  Admit: nobody's?              (reset)
//       ├── Arrived: window scaled, options sifted, "still there" noted
//       │
//       ├── Open: LISTEN    tcp_step_listen ──> the connection that it completes: TakeSteps
//       │         SYN_SENT  tcp_step_synsent ─> EstablishedSteps
//       ├── ESTABLISHED, as expected: Predict                             (header prediction)
//       └── all others: TakeSteps, which are AcceptSteps, then EstablishedSteps
//       │
//       └── Answer: what the step that ended it wants sent
#include <netinet/ip.h>

#include <algorithm>
#include <utility>

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

namespace {

void CountDrop(TcpHost& host, const tcpcb* tp, tcpstat_counters why) {
  ++host.stat[why];
  EmitTcp(TcpEvent::kDrop, tp != nullptr ? tp->t_id : 0, why);
}

}  // namespace

Next tcp_dropped(const TcpSegment& seg, tcpstat_counters why) {
  CountDrop(*seg.host, seg.tp, why);
  return Next::kDrop;
}

namespace {

// One step after the other, until one has the last word. Named where they are compiled, so that
// they become one function.
template <TcpStep... kSteps>
inline Next Run(TcpSegment& seg) {
  Next next = Next::kGoOn;
  (void)(((next = kSteps(seg)) == Next::kGoOn) && ...);
  return next;
}

// Whether the segment can be acted upon.  First to fourth: acceptable, not a reset, no SYN; fifth:
// what it acknowledges.
inline Next AcceptSteps(TcpSegment& seg) {
  return Run<tcp_step_syn_received, tcp_step_time_wait, tcp_step_syn_challenge, tcp_step_paws,
             tcp_step_trim_left, tcp_step_after_close, tcp_step_trim_right, tcp_step_timestamp,
             tcp_step_rst, tcp_step_syn, tcp_step_ack>(seg);
}
// What it says.  Sixth to eighth.
[[gnu::noinline]] Next EstablishedSteps(TcpSegment& seg) {
  return Run<tcp_step_window, tcp_step_urgent, tcp_step_data, tcp_step_fin>(seg);
}

bool IsV4(const mbuf* m) { return (mtod<uint8_t>(m)[0] >> 4) == 4; }

// The interface has not looked at the checksum, or found it bad.
[[gnu::noinline]] bool ChecksumIsGoodAllTheSame(const mbuf* m, int hlen, int length) {
  if ((m->m_pkthdr.csum_flags & M_TCP_CSUM_IN_BAD) != 0) return false;
  const uint16_t sum =
      IsV4(m) ? in4_cksum(m, IPPROTO_TCP, hlen, length) : in6_cksum(m, IPPROTO_TCP, hlen, length);
  return sum == 0;
}

bool ChecksumIsGood(const mbuf* m, int hlen, int length) {
  return (m->m_pkthdr.csum_flags & M_TCP_CSUM_IN_OK) != 0 ||
         ChecksumIsGoodAllTheSame(m, hlen, length);
}

// Checks the headers, for which no connection is needed, and gets them into one piece. False:
// counted and dropped. `checked`: the checksum of the UDP around it covers it; TCP's own may be
// left out.
bool CheckHeaders(TcpHost& host, MbufPtr& m, int hlen, bool checked) {
  const auto drop = [&host](tcpstat_counters why) {
    CountDrop(host, nullptr, why);
    return false;
  };
  ++host.stat[tcps_rcvtotal];
  const int length = m->m_pkthdr.len - hlen;
  if (ip_wasbroadcast(m.get())) return drop(tcps_rcvbcast);
  if (length < kTcpHeaderMin) return drop(tcps_rcvshort);
  if (m->m_len < hlen + kTcpHeaderMin) m = m_pullup(std::move(m), hlen + kTcpHeaderMin);
  if (m == nullptr) return drop(tcps_rcvshort);
  const int off = TcpView({mtod<uint8_t>(m.get()) + hlen, kTcpHeaderMin}).header_length();
  if (off < kTcpHeaderMin || off > length) return drop(tcps_rcvbadoff);
  if (!checked && !ChecksumIsGood(m.get(), hlen, length)) [[unlikely]]
    return drop(tcps_rcvbadsum);
  if (m->m_len < hlen + off) m = m_pullup(std::move(m), hlen + off);
  if (m == nullptr) return drop(tcps_rcvshort);
  return true;
}

// What the IP header says of the segment.
struct IpSays {
  inpaddru from, to;
  uint8_t ttl;  // or hop limit
  uint8_t ecn;  // IPTOS_ECN_*
};
inline IpSays ReadIp(const mbuf* m) {
  const size_t size = static_cast<size_t>(m->m_len);
  if (IsV4(m)) [[likely]] {
    const Ipv4View ip(m->m_data, size);
    return {ip.source(), ip.destination(), ip.ttl(),
            static_cast<uint8_t>(ip.tos() & IPTOS_ECN_MASK)};
  }
  const Ipv6View ip(m->m_data, size);
  return {ip6_source(m), ip6_destination(m), ip.hop_limit(),
          static_cast<uint8_t>(ip.traffic_class() & IPTOS_ECN_MASK)};
}

constexpr uint32_t kLoopbackIndex = 1;  // lo0 is every host's first interface

// Reads the headers and takes them off. REQUIRES: CheckHeaders.
inline TcpSegment TakeApart(TcpHost& host, MbufPtr& m, int hlen) {
  const IpSays ip = ReadIp(m.get());
  const uint8_t* tcp = mtod<uint8_t>(m.get()) + hlen;
  const TcpView view({tcp, kTcpHeaderMin});
  const int off = view.header_length();
  m->m_data += hlen + off;  // m_adj, where all stands in the first mbuf
  m->m_len -= hlen + off;
  m->m_pkthdr.len -= hlen + off;
  const auto tlen = static_cast<uint32_t>(m->m_pkthdr.len);
  const bool loopback = m->m_pkthdr.ph_ifidx == kLoopbackIndex;
  TcpSegment seg(&host, std::move(m), view,
                 {tcp + kTcpHeaderMin, static_cast<size_t>(off - kTcpHeaderMin)}, ip.from, ip.to);
  seg.header_length = off;
  seg.tlen = tlen;
  seg.ttl = ip.ttl;
  seg.ecn = ip.ecn;
  seg.loopback = loopback;
  return seg;
}

[[gnu::noinline]] inpcb* FindListener(const TcpSegment& seg) {
  const TcpEndpoints& ends = seg.ends;
  if (ends.lport == 0) return nullptr;
  return in_pcblookup_listen(&seg.host->tcbtable, ends.laddr, htons(ends.lport));
}

// 3.10.7.1: the connection, else the listener, else nobody. Label: findpcb.
[[gnu::always_inline]] inline tcpcb* FindPcb(const TcpSegment& seg) {
  const TcpEndpoints& ends = seg.ends;
  inpcb* inp = in_pcblookup(&seg.host->tcbtable, ends.faddr, htons(ends.fport), ends.laddr,
                            htons(ends.lport));
  if (inp == nullptr) inp = FindListener(seg);
  return inp != nullptr ? intotcpcb(inp) : nullptr;
}
[[gnu::noinline]] tcpcb* FindPcbAgain(const TcpSegment& seg) { return FindPcb(seg); }

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

// It is for nobody: a reset, unless the host is to be silent (3.10.7.1).
[[gnu::noinline]] Next NobodyThere(TcpSegment& seg) {
  (void)tcp_dropped(seg, tcps_noport);
  const int64_t blackhole = seg.host->tunables.blackhole;
  // The host itself is spared, but for the last.
  const bool silent =
      blackhole == 3 || (!seg.loopback && (blackhole == 2 || (blackhole == 1 && seg.has(TH_SYN))));
  return silent ? Next::kDrop : Next::kReset;
}

// Whether its TTL, or hop limit, is below what the socket asks for.
inline bool TravelledTooFar(const TcpSegment& seg) {
  const inpcb* inp = tcp_inpcb(seg.tp);
  if ((inp->inp_ip_minttl | inp->inp_ip6_minhlim) == 0) [[likely]]
    return false;
  return seg.ttl < (seg.ends.faddr.is_v4() ? inp->inp_ip_minttl : inp->inp_ip6_minhlim);
}

// Whether somebody is there who wants to hear it.
inline Next Admit(TcpSegment& seg) {
  const tcpcb* tp = seg.tp;
  if (tp == nullptr) [[unlikely]]
    return NobodyThere(seg);
  if (TravelledTooFar(seg)) [[unlikely]]
    return tcp_dropped(seg, tcps_rcvminttl);
  if ((tp->t_flags & TF_SIGNATURE) != 0 && !SignatureIsGood(seg)) [[unlikely]] {
    return tcp_dropped(seg, tcps_rcvbadsig);
  }
  if (tp->t_state == TCPS_CLOSED) return NobodyThere(seg);
  if (seg.udp_port == tp->t_port) [[likely]]
    return Next::kGoOn;
  // TIME_WAIT judges for itself: a new connection may come another way.
  const bool fixed = tp->t_state > TCPS_LISTEN && tp->t_state != TCPS_TIME_WAIT;
  return fixed ? tcp_step_udp_port(seg) : Next::kGoOn;
}

// What every segment of a connection means: somebody is there.
inline void Arrived(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  ++tp->t_rcvsegs;
  seg.tiwin = seg.has(TH_SYN) ? seg.th.th_win : uint32_t{seg.th.th_win} << tp->snd_scale;
  seg.stamped = seg.opt.has_timestamp && (tp->t_flags & TF_RCVD_TSTMP) != 0;
  if (TCPS_HAVEESTABLISHED(tp->t_state)) [[likely]] {
    tp->t_rcvtime = Now();
    const bool opening = (tp->t_flags & TF_SYNPENDING) != 0;  // KEEP limits the handshake
    if (tcp_wants_keepalive(tp) && !opening) [[unlikely]]
      tcp_arm_keepalive(tp);
  }
  const int64_t promised = tp->rcv_adv - tp->rcv_nxt;  // never less than nothing
  tp->rcv_wnd = static_cast<uint32_t>(std::max(sbspace(&tcp_so(tp)->so_rcv), promised));
}

// Header prediction for an ACK of nothing new that brings another window: it is no duplicate, and
// all that the steps would do with it is to take that.
inline Next PredictWindow(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.tiwin == tp->snd_wnd || tp->t_rack != nullptr) return Next::kGoOn;
  tcp_take_timestamp(seg);
  tp->t_rcvacktime = Now();
  if (seg.tiwin < tp->snd_wnd) tcp_break_duplicates(tp);  // as tcp_ack_old does
  tcp_take_window(seg);
  tp->rcv_up = SEQ_MAX(tp->rcv_up, tp->rcv_nxt);
  return Next::kDone;
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
      seg.opt.sack_count != 0) [[unlikely]] {
    return Next::kGoOn;
  }
  if ((tp->t_flags & TF_RCVD_TSTMP) != 0 &&
      (!seg.stamped || TSTMP_LT(seg.opt.ts_val, tp->ts_recent))) [[unlikely]] {
    return Next::kGoOn;
  }
  const bool acks = th.th_ack != tp->snd_una;
  const bool data = seg.tlen != 0;
  if (!acks && !data) return PredictWindow(seg);
  const bool reports = tp->snd_sack.active || tp->t_rack != nullptr;
  if (acks && (SEQ_LT(th.th_ack, tp->snd_una) || SEQ_GT(th.th_ack, tp->snd_max) ||
               tcp_recovering(tp) || (data && reports))) [[unlikely]] {
    return Next::kGoOn;
  }
  if (data && (seg.tiwin != tp->snd_wnd || seg.tiwin == 0 || tp->t_segq != nullptr ||
               seg.tlen > tp->rcv_wnd)) [[unlikely]] {
    return Next::kGoOn;
  }
  tcp_take_timestamp(seg);
  if (acks) {
    tp->t_rcvacktime = Now();
    (void)tcp_ack_new(seg);  // a FIN is not out yet
  }
  tcp_take_window(seg);
  if (data) {
    tp->rcv_up = SEQ_MAX(tp->rcv_up, tp->rcv_nxt);  // drawn along, as tcp_step_urgent does
    tcp_take_data(seg);
  }
  ++seg.host->stat[data ? tcps_preddat : tcps_predack];
  return Next::kDone;
}

// All the checks, then all that it says.
[[gnu::noinline]] Next TakeSteps(TcpSegment& seg) {
  const Next next = AcceptSteps(seg);
  return next != Next::kGoOn ? next : EstablishedSteps(seg);
}

// It is for a listener, or for whoever waits for the answer to a SYN.
[[gnu::noinline]] Next Open(TcpSegment& seg) {
  if (seg.tp->t_state == TCPS_SYN_SENT) {
    const Next next = tcp_step_synsent(seg);
    return next != Next::kGoOn ? next : EstablishedSteps(seg);
  }
  const Next next = tcp_step_listen(seg);
  if (next != Next::kGoOn) return next;
  Arrived(seg);  // now for the connection that it has completed
  return TakeSteps(seg);
}

inline Next Process(TcpSegment& seg) {
  if (const Next next = Admit(seg); next != Next::kGoOn) return next;
  if ((seg.tp->t_flags & TF_NOOPT) != 0) [[unlikely]]
    seg.opt = TcpOptions{};
  Arrived(seg);
  if (const Next next = Predict(seg); next != Next::kGoOn) return next;
  const TcpState state = seg.tp->t_state;
  const bool opens = state == TCPS_LISTEN || state == TCPS_SYN_SENT;
  return opens ? Open(seg) : TakeSteps(seg);
}

// Sends what is due.
inline void Finish(tcpcb* tp) {
  if ((tp->t_flags & (TF_ACKNOW | TF_NEEDOUTPUT)) != 0) {
    (void)tcp_output(tp);  // nobody waits for its error: the peer's next segment tries again
  }
}

// Labels: dropafterack, dropafterack_ratelim, dropwithreset, drop.
[[gnu::noinline]] void Answer(TcpSegment& seg, Next next) {
  switch (next) {
    case Next::kAck:
      if (seg.has(TH_RST)) return;
      seg.tp->t_flags |= TF_ACKNOW;
      return Finish(seg.tp);
    case Next::kChallenge: return tcp_challenge_ack(seg.tp);
    case Next::kReset: return tcp_respond_reset(seg);
    default: return;
  }
}

void Input(MbufPtr& m, int hlen, uint16_t udp_port) {
  TcpHost& host = HostLocal<TcpHost>::Get();
  if (!CheckHeaders(host, m, hlen, udp_port != 0)) return;
  TcpSegment seg = TakeApart(host, m, hlen);
  seg.udp_port = udp_port;
  if (seg.ends.faddr.is_any()) return CountDrop(host, nullptr, tcps_rcvbcast);
  seg.tp = FindPcb(seg);
  const CauseScope cause(TraceArrival(seg));
  Next next;
  while ((next = Process(seg)) == Next::kAgain) [[unlikely]] seg.tp = FindPcbAgain(seg);
  if (next == Next::kGoOn || next == Next::kDone) {
    if (seg.tp != nullptr) Finish(seg.tp);
  } else {
    Answer(seg, next);
  }
  if (seg.tp != nullptr) [[likely]]
    tcp_check(seg.tp);
}

}  // namespace

void tcp_input(MbufPtr m, int hlen) { Input(m, hlen, 0); }

void tcp_input_from(MbufPtr m, int hlen, uint16_t udp_port) { Input(m, hlen, udp_port); }

}  // namespace sockbed
