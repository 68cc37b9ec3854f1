// What TCP_INFO tells of a connection.
#include "kernel/tcp/tcp_info.h"

#include <algorithm>
#include <cstring>

#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

constexpr int64_t kMicrosecond = kSecond / 1'000'000;

uint32_t Micros(SimTime ns) { return static_cast<uint32_t>(ns / kMicrosecond); }
// How long ago; 0: never.
uint32_t Since(SimTime when) { return when == 0 ? 0 : Micros(Now() - when); }
uint32_t Rto(const tcpcb* tp) { return static_cast<uint32_t>(tp->t_rxtcur) * 1000; }
uint32_t Srtt(const tcpcb* tp) { return static_cast<uint32_t>(int64_t{tp->t_srtt} * 1000 / 32); }
uint32_t RttVar(const tcpcb* tp) {
  return static_cast<uint32_t>(int64_t{tp->t_rttvar} * 1000 / 16);
}

uint8_t Options(const tcpcb* tp) {
  const uint32_t stamps = TF_REQ_TSTMP | TF_RCVD_TSTMP;
  const uint32_t scale = TF_REQ_SCALE | TF_RCVD_SCALE;
  uint8_t options = 0;
  if ((tp->t_flags & stamps) == stamps) options |= TCPI_OPT_TIMESTAMPS;
  if ((tp->t_flags & TF_SACK_PERMIT) != 0) options |= TCPI_OPT_SACK;
  if ((tp->t_flags & scale) == scale) options |= TCPI_OPT_WSCALE;
  if ((tp->t_flags & TF_ECN_PERMIT) != 0) options |= TCPI_OPT_ECN;
  return options;
}

// The numbers of the host's <netinet/tcp.h>.
constexpr std::array<uint8_t, TCP_NSTATES> kHostStates = {
    TCP_CLOSE,     TCP_LISTEN,  TCP_SYN_SENT, TCP_SYN_RECV,  TCP_ESTABLISHED, TCP_CLOSE_WAIT,
    TCP_FIN_WAIT1, TCP_CLOSING, TCP_LAST_ACK, TCP_FIN_WAIT2, TCP_TIME_WAIT,
};

void FillBuffers(const socket* so, TcpInfo* info) {
  info->tcpi_so_rcv_sb_cc = static_cast<uint32_t>(so->so_rcv.sb_cc);
  info->tcpi_so_rcv_sb_hiwat = static_cast<uint32_t>(so->so_rcv.sb_hiwat);
  info->tcpi_so_rcv_sb_lowat = static_cast<uint32_t>(so->so_rcv.sb_lowat);
  info->tcpi_so_rcv_sb_wat = static_cast<uint32_t>(so->so_rcv.sb_wat);
  info->tcpi_so_snd_sb_cc = static_cast<uint32_t>(so->so_snd.sb_cc);
  info->tcpi_so_snd_sb_hiwat = static_cast<uint32_t>(so->so_snd.sb_hiwat);
  info->tcpi_so_snd_sb_lowat = static_cast<uint32_t>(so->so_snd.sb_lowat);
  info->tcpi_so_snd_sb_wat = static_cast<uint32_t>(so->so_snd.sb_wat);
}

// Sequence numbers as a reader of a capture counts them.
void FillNumbers(const tcpcb* tp, TcpInfo* info) {
  const auto ours = [tp](tcp_seq seq) { return static_cast<uint32_t>(seq - tp->iss); };
  const auto theirs = [tp](tcp_seq seq) { return static_cast<uint32_t>(seq - tp->irs); };
  if (tp->t_state >= TCPS_SYN_SENT) {
    info->tcpi_snd_una = ours(tp->snd_una);
    info->tcpi_snd_nxt = ours(tp->snd_nxt);
    info->tcpi_snd_max = ours(tp->snd_max);
    info->tcpi_snd_up = ours(tp->snd_up);
    info->tcpi_snd_wl2 = ours(tp->snd_wl2);
  }
  if (TCPS_HAVERCVDSYN(tp->t_state)) {
    info->tcpi_rcv_nxt = theirs(tp->rcv_nxt);
    info->tcpi_rcv_adv = theirs(tp->rcv_adv);
    info->tcpi_rcv_up = theirs(tp->rcv_up);
    info->tcpi_snd_wl1 = theirs(tp->snd_wl1);
  }
}

}  // namespace

TcpInfo tcp_fill_info(const tcpcb* tp) {
  TcpInfo info;
  info.tcpi_state = tp->t_state;
  info.tcpi_options = Options(tp);
  info.tcpi_snd_wscale = tp->snd_scale;
  info.tcpi_rcv_wscale = tp->rcv_scale;
  info.tcpi_rto = Rto(tp);
  info.tcpi_rtt = Srtt(tp);
  info.tcpi_rttvar = RttVar(tp);
  info.tcpi_snd_mss = info.tcpi_rcv_mss = tp->t_maxseg;
  info.tcpi_snd_ssthresh = tp->snd_ssthresh;
  info.tcpi_snd_cwnd = tp->snd_cwnd;
  info.tcpi_snd_wnd = tp->snd_wnd;
  info.tcpi_rcv_space = tp->rcv_wnd;
  info.tcpi_snd_rexmitpack = tp->t_sndrexmitpack;
  info.tcpi_rcv_ooopack = tp->t_rcvoopack;
  info.tcpi_snd_zerowin = tp->t_sndzerowin;
  info.tcpi_last_data_sent = Since(tp->t_sndtime);
  info.tcpi_last_data_recv = Since(tp->t_rcvdatatime);
  info.tcpi_last_ack_sent = Since(tp->t_sndacktime);
  info.tcpi_last_ack_recv = Since(tp->t_rcvacktime);
  info.tcpi_ts_recent = tp->ts_recent;
  info.tcpi_ts_recent_age = Since(tp->ts_recent_age);
  info.tcpi_rfbuf_cnt = tp->rfbuf_cnt;
  info.tcpi_rfbuf_ts = tp->rfbuf_ts;
  FillNumbers(tp, &info);
  FillBuffers(tcp_so(tp), &info);
  return info;
}

tcp_info tcp_host_info(const tcpcb* tp) {
  tcp_info info;
  std::memset(&info, 0, sizeof info);
  info.tcpi_state = kHostStates[tp->t_state];
  info.tcpi_ca_state = tcp_recovering(tp)   ? TCP_CA_Recovery
                       : tp->t_rxtshift > 0 ? TCP_CA_Loss
                       : tp->t_dupacks > 0  ? TCP_CA_Disorder
                                            : TCP_CA_Open;
  const bool probing = tcp_timer_isarmed(tp, TCPT_PERSIST);
  (probing ? info.tcpi_probes : info.tcpi_retransmits) = tp->t_rxtshift;
  info.tcpi_backoff = tp->t_rxtshift;
  info.tcpi_options = Options(tp);
  info.tcpi_snd_wscale = tp->snd_scale & 15;
  info.tcpi_rcv_wscale = tp->rcv_scale & 15;
  info.tcpi_rto = Rto(tp);
  info.tcpi_ato = static_cast<uint32_t>(tunables(tp).delacktime) * 1000;
  info.tcpi_snd_mss = info.tcpi_rcv_mss = info.tcpi_advmss = tp->t_maxseg;
  const auto flight = static_cast<uint32_t>(tp->snd_max - tp->snd_una);
  info.tcpi_unacked = (flight + tp->t_maxseg - 1) / tp->t_maxseg;
  info.tcpi_last_data_sent = Since(tp->t_sndtime) / 1000;
  info.tcpi_last_data_recv = Since(tp->t_rcvdatatime) / 1000;
  info.tcpi_last_ack_recv = Since(tp->t_rcvacktime) / 1000;
  info.tcpi_pmtu = tp->t_maxopd + tcp_headers(tp);
  info.tcpi_rcv_ssthresh = info.tcpi_rcv_space = tp->rcv_wnd;
  info.tcpi_rtt = Srtt(tp);
  info.tcpi_rttvar = RttVar(tp);
  info.tcpi_snd_ssthresh = std::max(tp->snd_ssthresh / tp->t_maxseg, 1u);
  info.tcpi_snd_cwnd = std::max(tp->snd_cwnd / tp->t_maxseg, 1u);
  info.tcpi_reordering = kTcpRexmtThresh;
  info.tcpi_total_retrans = tp->t_sndrexmitpack;
  return info;
}

}  // namespace sockbed
