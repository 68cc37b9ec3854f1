// What routers tell of our segments: errors, and the path's MTU (RFC 5927, RFC 1191).
#include <algorithm>
#include <cerrno>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_var.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

constexpr int kSoftShift = 3;  // retransmissions of a SYN before a router is believed

// The path is smaller than the segments. icmp_mtudisc notes it, then they are sent again. Returns
// whether they were.
bool ActOnMtu(tcpcb* tp, const IcmpError& error) {
  tp->t_flags &= ~TF_PMTUD_PEND;
  if (error.family == AF_INET6) {
    icmp6_mtudisc(error);
  } else {
    icmp_mtudisc(error);
  }
  return tcp_mtudisc(tp);
}

// RFC 5927 7.2: whoever can guess a sequence number could slow us down. So a message that
// contradicts what has got through waits until the segment it quotes has timed out.
void TooBig(tcpcb* tp, const IcmpError& error, tcp_seq seq) {
  const uint32_t headers = tcp_headers(tp);
  if (error.mtu >= tp->t_maxsent + headers) return;  // nothing sent was larger
  if (tunables(tp).pmtud_at_once != 0 || error.mtu >= tp->t_maxacked + headers) {
    (void)ActOnMtu(tp, error);  // else they fit already
    return;
  }
  const bool pending = (tp->t_flags & TF_PMTUD_PEND) != 0;
  if (pending && SEQ_LT(tp->t_pmtud_seq, seq)) return;  // the older segment will time out first
  tp->t_flags |= TF_PMTUD_PEND;
  tp->t_pmtud_seq = seq;
  tp->t_pmtud_mtu = error.mtu;
}

// What the message means for TCP. The systems differ about routers that forbid, and about loops.
int ErrnoOf(const TcpHost& host, const IcmpError& error) {
  // ICMPv6 has given them the system's errno already.
  if (host.tunables.icmp_errno == 0 || error.family == AF_INET6) return error.error;
  const bool prohibited = error.type == ICMP_UNREACH && (error.code == ICMP_UNREACH_NET_PROHIB ||
                                                         error.code == ICMP_UNREACH_HOST_PROHIB ||
                                                         error.code == ICMP_UNREACH_FILTER_PROHIB);
  if (prohibited) return ECONNREFUSED;
  const bool loop = error.type == ICMP_TIMXCEED && error.code == ICMP_TIMXCEED_INTRANS;
  return loop ? EHOSTUNREACH : error.error;
}

bool IsUnreachable(int error) {
  return error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN;
}

// Whether a packet's TTL, or hop limit, was used up on the way.
bool InTransit(const IcmpError& error) {
  const uint8_t timxceed = error.family == AF_INET6 ? ICMP6_TIME_EXCEEDED : ICMP_TIMXCEED;
  return error.type == timxceed && error.code == ICMP_TIMXCEED_INTRANS;  // 0 in both
}

// Whether the message ends a handshake by itself: it says "refused", not "not now".
bool Refuses(const tcpcb* tp, const IcmpError& error) {
  if (tp->t_state != TCPS_SYN_SENT || tunables(tp).icmp_may_rst == 0) return false;
  const uint8_t timxceed = error.family == AF_INET6 ? ICMP6_TIME_EXCEEDED : ICMP_TIMXCEED;
  return error.error == ECONNREFUSED || (error.type == timxceed && error.error != 0);
}

// RFC 1122 4.2.3.9: most errors pass; they are remembered, in case the connection times out.
void Notify(tcpcb* tp, const IcmpError& error) {
  TcpStat& stat = tp->t_host->stat;
  const bool established = TCPS_HAVEESTABLISHED(tp->t_state);
  const bool tried = !established && tp->t_rxtshift > kSoftShift && tp->t_softerror != 0;
  if (Refuses(tp, error) || tried) {
    ++stat[tcps_hardnotify];
    tcp_drop(tp, error.error);
    return;
  }
  if (established && IsUnreachable(error.error) && tunables(tp).icmp_soft_unreach == 0) {
    rtfree(&tcp_inpcb(tp)->inp_route);  // perhaps there is another way by now
    return;
  }
  if (established && InTransit(error)) return;  // a loop while routes change
  ++stat[tcps_softnotify];
  EmitTcp(TcpEvent::kSoftError, tp->t_id, static_cast<uint64_t>(error.error));
  tp->t_softerror = error.error;
  socket* so = tcp_so(tp);
  wakeup(&so->so_timeo);
  sorwakeup(so);
  sowwakeup(so);
}

}  // namespace

void tcp_ctlinput(const IcmpError& told) { tcp_ctlinput_from(told, 0); }

void tcp_ctlinput_from(const IcmpError& told, uint16_t udp_port) {
  TcpHost& host = HostLocal<TcpHost>::Get();
  IcmpError error = told;
  error.error = ErrnoOf(host, told);
  if (error.error == 0 || error.transport_len < 8) return;
  // The quoted header is of a segment that we have sent.
  const TcpEndpoints ends{error.dst, error.src, LoadBe16(error.transport + 2),
                          LoadBe16(error.transport)};
  const tcp_seq seq(LoadBe32(error.transport + 4));
  inpcb* inp =
      in_pcblookup(&host.tcbtable, ends.faddr, htons(ends.fport), ends.laddr, htons(ends.lport));
  if (inp == nullptr) {
    if (error.error != EMSGSIZE) syn_cache_unreach(host, ends, seq, udp_port);
    return;
  }
  tcpcb* tp = intotcpcb(inp);
  if (tp->t_port != udp_port) return;                                 // not about a packet of ours
  if (SEQ_LT(seq, tp->snd_una) || SEQ_GEQ(seq, tp->snd_max)) return;  // a guess, or long delivered
  if (error.error == EMSGSIZE) {
    TooBig(tp, error, seq);
  } else {
    Notify(tp, error);
  }
}

namespace {

void GrowBack(inpcb* inp, int) {
  tcpcb* tp = intotcpcb(inp);
  // Segments may be small for another reason: TCP_MAXSEG, a small send buffer, a black hole.
  if (tp->t_maxseg == tcp_payload(tp, tp->t_maxopd) && tp->t_blackhole == 0) tcp_mss(tp, -1);
}

}  // namespace

void tcp_mtuinc(const inpaddru& peer) {
  in_pcbnotifyall(&HostLocal<TcpHost>::Get().tcbtable, peer, 0, GrowBack);
}

bool tcp_pmtud_timeout(tcpcb* tp) {
  if ((tp->t_flags & TF_PMTUD_PEND) == 0) return false;
  const tcp_seq seq = tp->t_pmtud_seq;
  if (SEQ_LT(seq, tp->snd_una) || SEQ_GEQ(seq, tp->snd_una + tp->t_maxseg)) return false;
  const bool v4 = tcp_is4(tcp_inpcb(tp));
  return ActOnMtu(tp, {.family = static_cast<sa_family_t>(v4 ? AF_INET : AF_INET6),
                       .error = EMSGSIZE,
                       .type = v4 ? ICMP_UNREACH : ICMP6_PACKET_TOO_BIG,
                       .code = v4 ? ICMP_UNREACH_NEEDFRAG : uint8_t{0},
                       .src = tcp_inpcb(tp)->inp_laddr,
                       .dst = tcp_inpcb(tp)->inp_faddr,
                       .mtu = tp->t_pmtud_mtu,
                       .transport = nullptr,
                       .transport_len = 0});
}

bool tcp_mtudisc(tcpcb* tp) {
  const uint32_t before = tp->t_maxseg;
  tcp_mss(tp, -1);
  tp->t_maxsent = tp->t_maxacked = 0;
  if (!TCPS_HAVEESTABLISHED(tp->t_state) || tp->t_maxseg >= before) return false;
  ++tp->t_host->stat[tcps_pmtud];
  if ((tp->t_flags & TF_PRR) != 0 && tp->t_rack == nullptr) {
    // All goes again: recovery has nothing left to watch over. Its reduction stays.
    tcp_give_up_recovery(tp);
    tp->snd_last = tp->snd_max;
    tp->snd_cwnd = std::max(std::min(tp->snd_cwnd, tp->snd_ssthresh), tp->t_maxseg);
  }
  tcp_clear_sackholes(tp);
  tp->snd_nxt = tp->snd_una;
  tp->t_rtttime = kNotTimed;
  (void)tcp_output(tp);  // REXMT watches over it
  return true;
}

}  // namespace sockbed
