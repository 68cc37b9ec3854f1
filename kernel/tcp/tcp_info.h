// What getsockopt(TCP_INFO) fills.
//
// Lives here:  TcpInfo, the BSD systems' answer under kTcpInfo. The host's own struct tcp_info,
//              under TCP_INFO, is made from the same control block, with segments for bytes.
// Called by:   tcp_ctloutput.cc; whoever asks with kTcpInfo.
// Units:       times in microseconds, "last" ones as ages (0: never); windows in bytes; sequence
//              numbers relative to the initial ones.
// Source:      OpenBSD and FreeBSD sys/netinet/tcp.h (struct tcp_info).
// Differs:     all fields for everybody, the superuser or not.
#ifndef SOCKBED_KERNEL_TCP_TCP_INFO_H_
#define SOCKBED_KERNEL_TCP_TCP_INFO_H_

#include <netinet/tcp.h>

#include <cstdint>

namespace sockbed {

struct TcpInfo {
  uint8_t tcpi_state = 0;    // TcpState
  uint8_t tcpi_options = 0;  // TCPI_OPT_*: what both sides agreed upon
  uint8_t tcpi_snd_wscale = 0, tcpi_rcv_wscale = 0;
  uint32_t tcpi_rto = 0, tcpi_rtt = 0, tcpi_rttvar = 0;
  uint32_t tcpi_snd_mss = 0, tcpi_rcv_mss = 0;
  uint32_t tcpi_snd_ssthresh = 0, tcpi_snd_cwnd = 0;
  uint32_t tcpi_snd_wnd = 0;    // the peer's window
  uint32_t tcpi_rcv_space = 0;  // ours
  uint32_t tcpi_snd_nxt = 0, tcpi_snd_una = 0, tcpi_snd_max = 0, tcpi_snd_up = 0;
  uint32_t tcpi_snd_wl1 = 0, tcpi_snd_wl2 = 0;
  uint32_t tcpi_rcv_nxt = 0, tcpi_rcv_adv = 0, tcpi_rcv_up = 0;
  uint32_t tcpi_snd_rexmitpack = 0;  // data segments sent again
  uint32_t tcpi_rcv_ooopack = 0;     // segments out of order
  uint32_t tcpi_snd_zerowin = 0;     // windows of 0 advertised
  uint32_t tcpi_last_data_sent = 0, tcpi_last_data_recv = 0;
  uint32_t tcpi_last_ack_sent = 0, tcpi_last_ack_recv = 0;
  uint32_t tcpi_ts_recent = 0, tcpi_ts_recent_age = 0;
  uint32_t tcpi_rfbuf_cnt = 0, tcpi_rfbuf_ts = 0;
  uint32_t tcpi_so_rcv_sb_cc = 0, tcpi_so_rcv_sb_hiwat = 0;
  uint32_t tcpi_so_rcv_sb_lowat = 0, tcpi_so_rcv_sb_wat = 0;
  uint32_t tcpi_so_snd_sb_cc = 0, tcpi_so_snd_sb_hiwat = 0;
  uint32_t tcpi_so_snd_sb_lowat = 0, tcpi_so_snd_sb_wat = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_INFO_H_
