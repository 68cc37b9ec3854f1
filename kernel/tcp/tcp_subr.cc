// The life of a control block: made, moved from state to state, dropped, closed, remembered.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "kernel/sim/fault.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {

tcpcb* tcp_newtcpcb(inpcb* inp) {
  TcpHost& host = HostLocal<TcpHost>::Get();
  if (fault::Fires(Site::kPoolGet, inp->inp_id)) return nullptr;
  tcpcb* tp = new (in_pcbroom(inp)) tcpcb();
  ++host.live_tcpcbs;

  const TcpTunables& set = host.tunables;
  tp->t_host = &host;
  tp->t_id = inp->inp_id;
  tp->t_cc = tcp_cc_algos()[static_cast<size_t>(set.cc_algorithm)];
  tp->t_maxseg = tp->t_maxopd = tcp_mssdflt(set, !in_pcbis6(inp));
  tp->t_rttmin = static_cast<int32_t>(set.rexmit_min);
  tp->t_rttvar = static_cast<int32_t>(set.rexmit_initial * 4);
  tp->t_rxtcur = static_cast<int32_t>(set.rexmit_initial);
  tp->t_starttime = tp->t_rcvtime = Now();
  tp->snd_cwnd = tp->snd_ssthresh = uint32_t{TCP_MAXWIN} << TCP_MAX_WINSHIFT;
  if (set.rfc1323 == 1 || set.rfc1323 == 2) tp->t_flags |= TF_REQ_SCALE;
  if (set.rfc1323 == 1 || set.rfc1323 == 3) tp->t_flags |= TF_REQ_TSTMP;
  if (set.sack != 0) tp->t_flags |= TF_REQ_SACK;
  if (set.ts_offset_per_conn != 0) tp->ts_modulate = host.ts_offsets.Next32();
  tcp_timer_init(tp);
  inp->inp_ppcb = tp;
  return tp;
}

void tcp_newstate(tcpcb* tp, TcpState state) {
  const TcpState old = tp->t_state;
  KASSERT(tcp_may_become(old, state));
  if (state == TCPS_CLOSED) tp->t_laststate = old;
  tp->t_state = state;
  EmitTcp(TcpEvent::kState, tp->t_id, old, state);
}

void tcp_summarize(const tcpcb* tp, TcpSummary* to) {
  const inpcb* inp = tcp_inpcb(tp);
  TcpSummary& sum = *to;
  sum.id = tp->t_id;
  sum.laddr = inp->inp_laddr;
  sum.faddr = inp->inp_faddr;
  sum.lport = ntohs(inp->inp_lport);
  sum.fport = ntohs(inp->inp_fport);
  sum.active = (tcp_so(tp)->so_state & SS_CONNECTOUT) != 0;
  sum.state = tp->t_state == TCPS_CLOSED ? tp->t_laststate : tp->t_state;
  sum.error = tcp_so(tp)->so_error;
  sum.bytes_sent = tp->t_sndbytes;
  sum.bytes_received = tp->t_rcvbytes;
  sum.segments_sent = tp->t_sndsegs;
  sum.segments_received = tp->t_rcvsegs;
  sum.retransmissions = tp->t_sndrexmitpack;
  sum.srtt_us = static_cast<int32_t>(int64_t{tp->t_srtt} * 1000 / 32);
  sum.opened = tp->t_starttime;
  sum.closed = false;
  sum.ended = 0;
}

namespace {

// Keeps what people may want to know of a connection that ends. Listeners and sockets that never
// had a peer are none.
void Remember(const tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  if (tcp_inpcb(tp)->inp_fport == 0 || host.tunables.summaries_max == 0) return;
  TcpSummary& sum = host.summaries.Add(static_cast<size_t>(host.tunables.summaries_max));
  tcp_summarize(tp, &sum);
  sum.closed = true;
  sum.ended = Now();
}

// What this connection has learnt, if it has learnt enough to be worth it.
void StoreMetrics(const tcpcb* tp) {
  constexpr uint32_t kSamplesWorth = 8;
  const TcpTunables& set = tunables(tp);
  if (set.hostcache_enable == 0 || tp->t_rttsamples < kSamplesWorth) return;
  const bool congested = tp->snd_ssthresh < uint32_t{TCP_MAXWIN} << TCP_MAX_WINSHIFT;
  tp->t_host->host_cache.Update(
      tcp_inpcb(tp)->inp_faddr,
      {.srtt = tp->t_srtt, .rttvar = tp->t_rttvar, .ssthresh = congested ? tp->snd_ssthresh : 0},
      set.hostcache_expire * kSecond);
}

}  // namespace

void tcp_close(tcpcb* tp) {
  TcpHost& host = *tp->t_host;
  inpcb* inp = tcp_inpcb(tp);
  socket* so = tcp_so(tp);
  if (tp->t_state != TCPS_CLOSED) tcp_newstate(tp, TCPS_CLOSED);
  tcp_canceltimers(tp);
  tcp_freeq(tp);
  tcp_clear_sackholes(tp);
  tcp_rack_end(tp);
  syn_cache_cleanup(tp);
  Remember(tp);
  StoreMetrics(tp);
  ++host.stat[tcps_closed];

  inp->inp_ppcb = nullptr;
  tp->~tcpcb();
  --host.live_tcpcbs;
  soisdisconnected(so);
  in_pcbdetach(inp);  // frees the socket too, if nobody refers to it
}

void tcp_drop(tcpcb* tp, int error) {
  TcpStat& stat = tp->t_host->stat;
  if (TCPS_HAVERCVDSYN(tp->t_state)) {
    tcp_newstate(tp, TCPS_CLOSED);
    tcp_respond_abort(tp);
    ++stat[tcps_drops];
  } else {
    ++stat[tcps_conndrops];
  }
  // What an ICMP message said is nearer to the cause than that nobody answered.
  if (error == ETIMEDOUT && tp->t_softerror != 0) error = tp->t_softerror;
  EmitTcp(TcpEvent::kError, tp->t_id, static_cast<uint64_t>(error));
  tcp_so(tp)->so_error = error;
  tcp_close(tp);
}

bool tcp_usrclosed(tcpcb* tp) {
  switch (tp->t_state) {
    case TCPS_CLOSED:
    case TCPS_LISTEN:
    case TCPS_SYN_SENT: tcp_close(tp); return false;
    case TCPS_SYN_RECEIVED:
    case TCPS_ESTABLISHED: tcp_newstate(tp, TCPS_FIN_WAIT_1); break;
    case TCPS_CLOSE_WAIT: tcp_newstate(tp, TCPS_LAST_ACK); break;
    default: break;  // closed before
  }
  socket* so = tcp_so(tp);
  if (tp->t_state >= TCPS_FIN_WAIT_2 && (so->so_state & SS_CANTRCVMORE) != 0) {
    soisdisconnected(so);
    if (tp->t_state == TCPS_FIN_WAIT_2) tcp_arm_finwait2(tp);
  }
  return true;
}

void tcp_twstart(tcpcb* tp) {
  tcp_newstate(tp, TCPS_TIME_WAIT);
  tcp_canceltimers(tp);
  tcp_freeq(tp);
  tcp_arm_2msl(tp);
  soisdisconnected(tcp_so(tp));
}

void tcp_sendseqinit(tcpcb* tp) {
  tp->snd_una = tp->snd_nxt = tp->snd_max = tp->snd_up = tp->snd_last = tp->iss;
  tp->t_flags |= TF_SYNPENDING;
}

void tcp_rcvseqinit(tcpcb* tp) {
  tp->rcv_nxt = tp->rcv_adv = tp->rcv_up = tp->last_ack_sent = tp->irs + 1;
}

tcp_seq tcp_new_iss(TcpHost& host, const TcpEndpoints& ends) {
  if (host.tunables.iss >= 0) return tcp_seq(static_cast<uint32_t>(host.tunables.iss));
  // RFC 6528: a keyed hash of the connection, plus a clock of 1 MiB/s that ticks twice a second,
  // plus 4096 for every number given out.
  const TcpName name(ends);
  const auto hash = static_cast<uint32_t>(SipHash24(host.iss_key, name.bytes()));
  const auto clock = static_cast<uint32_t>(Now() / (kSecond / 2)) << 19;
  return tcp_seq(hash) + clock + static_cast<uint32_t>(++host.iss_count * 4096);
}

uint8_t tcp_request_scale(const TcpHost& host) {
  // The smallest that lets the window cover sb_max.
  const auto sb_max = static_cast<uint64_t>(HostLocal<SocketHost>::Of(*host.host).sb_max);
  return static_cast<uint8_t>(
      std::min<int>(std::bit_width((sb_max - 1) / TCP_MAXWIN), TCP_MAX_WINSHIFT));
}

}  // namespace sockbed
