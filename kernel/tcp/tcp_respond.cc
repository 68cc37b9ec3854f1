// Segments outside the stream: resets, keepalive probes, what the SYN cache sends.
#include <algorithm>
#include <cerrno>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_outgoing.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

TcpEndpoints EndsOf(const inpcb* inp) {
  return {inp->inp_faddr, inp->inp_laddr, ntohs(inp->inp_fport), ntohs(inp->inp_lport)};
}

// A reply of a connection, with its TTL and TOS.
TcpReply ReplyOf(const tcpcb* tp) {
  inpcb* inp = tcp_inpcb(tp);
  TcpReply reply;
  reply.ends = EndsOf(inp);
  reply.ack = tp->rcv_nxt;
  reply.ip = tcp_ip_fields(inp, tcp_is4(inp));
  reply.object = tp->t_id;
  return reply;
}

// The fields of a segment that belongs to nobody.
TcpIpFields DefaultFields(const TcpHost& host, bool v4) {
  TcpIpFields fields;
  int64_t hops = 64;
  const char* name = v4 ? "net.inet.ip.ttl" : "net.inet6.ip6.hlim";
  (void)host.host->sysctls.Get(name, &hops);  // its default stands if it is not there
  fields.ttl = static_cast<uint8_t>(hops);
  return fields;
}

}  // namespace

int tcp_sign(const TcpHost& host, const TcpEndpoints& ends, const TcpHeader& th, int header_length,
             int md5_at, uint8_t* tcp, const mbuf* m) {
  const TcpMd5Key* key = host.FindMd5Key(ends.laddr, ends.faddr);
  if (key == nullptr) return ENOENT;
  const int lead = static_cast<int>(reinterpret_cast<char*>(tcp) - m->m_data);
  const Md5Digest digest = tcp_signature(*key, th, header_length, m, lead + header_length);
  std::copy(digest.begin(), digest.end(), tcp + kTcpHeaderMin + md5_at);
  return 0;
}

int tcp_respond(TcpHost& host, const TcpReply& reply, route* ro) {
  const int header_length = kTcpHeaderMin + static_cast<int>(reply.options.size());
  TcpHeader th;
  th.th_sport = reply.ends.lport;
  th.th_dport = reply.ends.fport;
  th.th_seq = reply.seq;
  th.th_flags = reply.flags;
  th.th_win = reply.win;
  if ((reply.flags & TH_ACK) != 0) th.th_ack = reply.ack;
  ++host.stat[tcps_sndtotal];
  ++host.stat[(reply.flags & (TH_SYN | TH_RST)) != 0 ? tcps_sndctrl : tcps_sndacks];
  const TraceId record = EmitLoose(TcpEvent::kReply, reply.object, reply.ends, th);

  if (!tcp_may_leave(reply.ip)) return EHOSTUNREACH;
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_HEADER);
  if (m == nullptr) return ENOBUFS;
  m->m_data += max_linkhdr;
  const bool v4 = reply.ends.faddr.is_v4();
  m->m_len = m->m_pkthdr.len = tcp_lead(v4, reply.ip) + header_length;
  m->m_pkthdr.csum_flags |= tcp_csum_out(reply.ip);
  m->m_pkthdr.ph_cause = record;
  auto* bytes = reinterpret_cast<uint8_t*>(m->m_data);
  bytes += tcp_write_ip(bytes, reply.ends, reply.ip, header_length);
  th.Write({bytes, kTcpHeaderMin}, header_length);
  std::copy(reply.options.begin(), reply.options.end(), bytes + kTcpHeaderMin);
  if (reply.md5_at >= 0) {
    const int error = tcp_sign(host, reply.ends, th, header_length, reply.md5_at, bytes, m.get());
    if (error != 0) return error;
  }
  route local;
  return tcp_to_ip(std::move(m), v4, ro != nullptr ? ro : &local, IP_MTUDISC, nullptr);
}

void tcp_respond_reset(TcpSegment& seg) {
  TcpHost& host = *seg.host;
  if (seg.has(TH_RST)) return;
  if (!ppsratecheck(&host.rst_rate, host.tunables.rstppslimit)) {
    ++host.stat[tcps_rstlimited];
    return;
  }
  TcpReply reply;
  reply.ends = seg.ends;
  const bool v4 = seg.ends.faddr.is_v4();
  reply.ip = seg.tp != nullptr ? tcp_ip_fields(tcp_inpcb(seg.tp), v4) : DefaultFields(host, v4);
  tcp_set_udp(host, seg.udp_port, &reply.ip);  // back the way it came
  reply.object = seg.tp != nullptr ? seg.tp->t_id : 0;
  TcpOptionWriter options;
  if (seg.tp != nullptr && (seg.tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
  reply.options = options.bytes();
  reply.md5_at = options.md5_at();
  if (seg.has(TH_ACK)) {
    reply.flags = TH_RST;
    reply.seq = seg.th.th_ack;
  } else {
    reply.flags = TH_RST | TH_ACK;
    reply.ack = seg.th.th_seq + seg.tlen + (seg.has(TH_SYN) ? 1 : 0);
    if (seg.has(TH_FIN) && host.tunables.rst_counts_fin != 0) reply.ack += 1;
  }
  (void)tcp_respond(host, reply, nullptr);  // lost like any segment
}

void tcp_respond_abort(tcpcb* tp) {
  TcpReply reply = ReplyOf(tp);
  reply.flags = TH_RST | TH_ACK;
  reply.seq = tp->snd_nxt;
  TcpOptionWriter options;
  if ((tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
  reply.options = options.bytes();
  reply.md5_at = options.md5_at();
  ++tp->t_sndsegs;
  (void)tcp_respond(*tp->t_host, reply, &tcp_inpcb(tp)->inp_route);  // the peer may not hear of it
}

namespace {

// An ACK of all that was received, numbered `seq`, which says what any segment says.
void BareAck(tcpcb* tp, tcp_seq seq) {
  TcpReply reply = ReplyOf(tp);
  reply.flags = TH_ACK | tcp_ecn_flags(tp, false);
  reply.seq = seq;
  const TcpNews news(tp);
  reply.win = tcp_take_offer(tp);
  TcpOptionWriter options;
  const uint32_t both = TF_REQ_TSTMP | TF_RCVD_TSTMP;
  if ((tp->t_flags & both) == both) {
    options.Nop();
    options.Nop();
    options.Timestamp(tcp_ts(tp), tp->ts_recent);
  }
  if ((tp->t_flags & TF_SIGNATURE) != 0) options.Signature();
  reply.options = options.bytes();
  reply.md5_at = options.md5_at();
  ++tp->t_sndsegs;
  if (tcp_respond(*tp->t_host, reply, &tcp_inpcb(tp)->inp_route) == 0) {
    tcp_acknowledged(tp);
  } else {
    news.PutBack(tp);
  }
}

}  // namespace

void tcp_keep_probe(tcpcb* tp) { BareAck(tp, tp->snd_una - 1); }

void tcp_challenge_ack(tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  const TcpTunables& set = host.tunables;
  bool allowed = ppsratecheck(&host.ack_rate, set.ackppslimit);
  if (allowed && set.ack_war_cnt != 0 && set.ack_war_timewindow != 0) {
    const SimTime window = set.ack_war_timewindow * kMillisecond;
    if (tp->t_challenges == 0 || Now() - tp->t_challenge_start >= window) {
      tp->t_challenge_start = Now();
      tp->t_challenges = 0;
    }
    allowed = tp->t_challenges < set.ack_war_cnt;
    if (allowed) ++tp->t_challenges;
  }
  if (!allowed) {
    ++host.stat[tcps_challenge_dropped];
    EmitTcp(TcpEvent::kDrop, tp->t_id, tcps_challenge_dropped);
    return;
  }
  ++host.stat[tcps_challenge];
  BareAck(tp, tp->snd_nxt);
}

}  // namespace sockbed
