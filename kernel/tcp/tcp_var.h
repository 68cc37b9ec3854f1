// The TCP control block.
//
// Lives here:  struct tcpcb with BSD's names; its flags; what is read off it at once.
// Called by:   all of tcp/. Other rooms see tcp.h.
// May touch:   inet, net, socket, mbuf, sched, sim.
// Context:     requests in process context, segments and timers in interrupt context; nothing
//              sleeps.
// Owns:        a tcpcb its reassembly queue, SACK holes and timers. Socket, inpcb and tcpcb lie one
//              behind the other; inp_ppcb is null when the tcpcb is gone.
// Units:       host byte order; bytes; SimTime where a point in time is meant, ms where a length
//              is.
// Invariants:  tcp_check (tcp_invariants.cc) tests them after every segment and timer.
// Source:      OpenBSD sys/netinet/tcp_var.h; RFC 9293 3.3.1.
#ifndef SOCKBED_KERNEL_TCP_TCP_VAR_H_
#define SOCKBED_KERNEL_TCP_TCP_VAR_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/socket/socketvar.h"
#include "kernel/tcp/tcp_cc.h"
#include "kernel/tcp/tcp_cubic.h"
#include "kernel/tcp/tcp_fastopen.h"
#include "kernel/tcp/tcp_fsm.h"
#include "kernel/tcp/tcp_host.h"
#include "kernel/tcp/tcp_rack.h"
#include "kernel/tcp/tcp_sack.h"
#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_timer.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

// t_flags.
inline constexpr uint32_t TF_ACKNOW = 0x0001;      // acknowledge at once
inline constexpr uint32_t TF_NEEDOUTPUT = 0x0002;  // something may have become sendable
inline constexpr uint32_t TF_NODELAY = 0x0004;     // TCP_NODELAY: no Nagle
inline constexpr uint32_t TF_NOPUSH = 0x0008;      // TCP_NOPUSH: hold partial segments
inline constexpr uint32_t TF_SENTFIN = 0x0010;     // our FIN has been sent at least once
inline constexpr uint32_t TF_SYNPENDING = 0x0020;  // our SYN is not acknowledged yet
inline constexpr uint32_t TF_REQ_SCALE = 0x0040;   // we ask for, they ask for: window scaling
inline constexpr uint32_t TF_RCVD_SCALE = 0x0080;
inline constexpr uint32_t TF_REQ_TSTMP = 0x0100;  // ... timestamps
inline constexpr uint32_t TF_RCVD_TSTMP = 0x0200;
inline constexpr uint32_t TF_REQ_SACK = 0x0400;     // we ask for SACK
inline constexpr uint32_t TF_SACK_PERMIT = 0x0800;  // both do
inline constexpr uint32_t TF_LASTIDLE = 0x1000;     // was idle when sosend began its call
inline constexpr uint32_t TF_RXWIN0SENT = 0x2000;   // the window last advertised was 0
inline constexpr uint32_t TF_PMTUD_PEND = 0x4000;   // an ICMP "too big" waits for a timeout
inline constexpr uint32_t TF_BLACKHOLE = 0x8000;    // no DF: large packets vanish
inline constexpr uint32_t TF_NOOPT = 0x10000;       // TCP_NOOPT: neither sends nor takes options
inline constexpr uint32_t TF_DSACK = 0x20000;       // t_dsack is to be reported
inline constexpr uint32_t TF_SNDFIXED = 0x40000;    // SO_SNDBUF, SO_RCVBUF were set: no growth
inline constexpr uint32_t TF_RCVFIXED = 0x80000;
inline constexpr uint32_t TF_FASTOPEN = 0x10000000;    // TCP_FASTOPEN
inline constexpr uint32_t TF_FASTOPENED = 0x40000000;  // opened by a SYN with a cookie of ours
inline constexpr uint32_t TF_SIGNATURE = 0x20000000;   // TCP_MD5SIG
inline constexpr uint32_t TF_PRR = 0x100000;           // the window counts what is on its way
inline constexpr uint32_t TF_PREVVALID = 0x200000;     // t_prev_* may be gone back to
inline constexpr uint32_t TF_RESCUED = 0x400000;       // this recovery has had its rescue
inline constexpr uint32_t TF_ECN_PERMIT = 0x800000;    // both sides know ECN
inline constexpr uint32_t TF_ECN_SYN = 0x1000000;      // our last SYN asked for it
inline constexpr uint32_t TF_ECN_OFF = 0x2000000;      // we have given it up
inline constexpr uint32_t TF_RCVD_CE = 0x4000000;      // a mark came: ECE until the peer's CWR
inline constexpr uint32_t TF_SEND_CWR = 0x8000000;     // the next new data tells: window reduced
inline constexpr uint32_t TF_MARKED = 0x80000000;      // it was a mark that set snd_last, no loss

// t_oobflags.
inline constexpr uint8_t TCPOOB_HAVEDATA = 0x01;  // t_iobc holds the urgent byte
inline constexpr uint8_t TCPOOB_HADDATA = 0x02;   // it has been read

inline constexpr SimTime kNotTimed = -1;
inline constexpr int kTcpRexmtThresh = 3;  // duplicate ACKs that mean loss
inline constexpr int kSackBlocksKept = 6;  // blocks remembered for reporting

// Fields are in order of use: what every segment touches comes first, so that a connection whose
// turn comes seldom is few cache lines (kPcbHot).
struct tcpcb {
  // --- Who. ---
  TcpHost* t_host = nullptr;      // [I]
  uint64_t t_id = 0;              // [I] inp_id, for the trace
  const cc_algo* t_cc = nullptr;  // [I]
  RackState* t_rack = nullptr;    // owned; in the scoreboard's place, if RFC 8985 is wanted
  uint16_t t_port = 0;            // the peer's port of the UDP that carries it; 0: none does

  // --- State. ---
  TcpState t_state = TCPS_CLOSED;      // written by tcp_newstate only
  TcpState t_laststate = TCPS_CLOSED;  // the one before CLOSED
  bool t_force = false;                // the output in progress is a window probe or urgent
  uint8_t t_rxtshift = 0;              // retransmissions in a row
  uint8_t t_oobflags = 0;
  uint8_t t_iobc = 0;                    // the urgent byte, taken out of the stream
  uint8_t snd_scale = 0, rcv_scale = 0;  // in force
  uint8_t request_r_scale = 0;           // what our SYN asks for
  uint8_t rcv_numsacks = 0;              // of sackblks
  uint32_t t_flags = 0;                  // TF_*
  int t_softerror = 0;  // errno of an ICMP message, told if the connection times out
  int t_dupacks = 0;    // duplicate ACKs in a row

  // --- Sending. iss <= snd_una <= snd_nxt <= snd_max. ---
  tcp_seq snd_una;           // oldest byte not acknowledged
  tcp_seq snd_nxt;           // next to send; behind snd_max while retransmitting
  tcp_seq snd_max;           // highest sent, plus one
  tcp_seq snd_up;            // end of urgent data
  tcp_seq snd_wl1, snd_wl2;  // seq and ack of the segment that told snd_wnd
  tcp_seq iss;
  tcp_seq snd_last;         // snd_max when loss, or a mark, was last seen: recovery ends there
  uint32_t snd_wnd = 0;     // the peer's window
  uint32_t max_sndwnd = 0;  // the largest it ever was
  uint32_t snd_cwnd = 0;
  uint32_t snd_ssthresh = 0;
  uint32_t t_bytes_acked = 0;  // towards the next segment of growth (RFC 3465)
  // Where sending goes on in so_snd: the mbuf that holds snd_mbseq as its first byte. A hint: valid
  // while that byte is not acknowledged.
  tcp_seq snd_mbseq;
  mbuf* snd_mb = nullptr;

  // --- Receiving. rcv_nxt <= rcv_adv. ---
  tcp_seq rcv_nxt;
  tcp_seq rcv_adv;  // highest right edge advertised; never decreases
  tcp_seq last_ack_sent;
  tcp_seq rcv_up;  // end of the peer's urgent data
  tcp_seq irs;
  uint32_t rcv_wnd = 0;       // as of the last segment
  tcpqent* t_segq = nullptr;  // segments out of order, owned, by sequence number
  int t_segqlen = 0;

  // --- Segment sizes. ---
  uint32_t t_maxopd = 0;    // with options
  uint32_t t_maxseg = 0;    // payload
  uint32_t t_maxsent = 0;   // most data and options sent in one segment since the MTU changed
  uint32_t t_maxacked = 0;  // most bytes acknowledged at once since then
  tcp_seq t_pmtud_seq;      // what an ICMP message quoted (TF_PMTUD_PEND)

  // --- Timing. ---
  TcpTimers t_timers;
  int32_t t_srtt = 0, t_rttvar = 0;  // tcp_rtt.h
  int32_t t_rttmin = 0;              // smallest timeout, ms
  int32_t t_rxtcur = 0;              // current timeout, ms
  int32_t t_maxunacktime = 0;        // the longest without an ACK, as the user has set it; 0: any
  SimTime t_rtttime = kNotTimed;     // when the timed segment left
  tcp_seq t_rtseq;                   // its number
  uint32_t t_rttsamples = 0;         // round trips measured
  SimTime t_rcvtime = 0;             // last segment received
  SimTime t_sndtime = 0;             // last data sent
  SimTime t_rcvdatatime = 0;         // last data received in order
  SimTime t_sndacktime = 0;          // last ACK sent, received
  SimTime t_rcvacktime = 0;
  SimTime t_acktime = 0;  // since when something has been outstanding without an ACK

  // --- Timestamps and buffer sizing. ---
  uint32_t ts_recent = 0;     // to be echoed
  uint32_t ts_modulate = 0;   // [I] added to our clock
  SimTime ts_recent_age = 0;  // when ts_recent was set
  uint32_t rfbuf_ts = 0;      // our timestamp when rfbuf_cnt began; 0: not begun
  uint32_t rfbuf_cnt = 0;     // bytes received since

  // --- For people. ---
  uint64_t t_sndbytes = 0, t_rcvbytes = 0;  // data sent once, received in order
  uint32_t t_sndsegs = 0, t_rcvsegs = 0;
  uint32_t t_sndrexmitpack = 0, t_rcvoopack = 0, t_sndzerowin = 0;

  // --- Recovery. From here on little is touched while nothing is lost. ---
  SackScoreboard snd_sack;
  CubicState t_cubic;
  uint32_t t_prr_delivered = 0, t_prr_out = 0;    // bytes, since recovery began (RFC 6937)
  uint32_t t_recover_fs = 0;                      // outstanding when it began
  uint8_t t_limited = 0;                          // segments that limited transmit has sent
  uint32_t t_prev_cwnd = 0, t_prev_ssthresh = 0;  // before the timeout that may have been needless
  tcp_seq t_prev_last;
  SimTime t_rexmt_time = 0;  // when that timeout sent again

  // --- SACK. ---
  std::array<SackBlock, kSackBlocksKept> sackblks;  // to report, the latest first
  SackBlock t_dsack;  // what the last segment brought again (RFC 2883), while TF_DSACK

  // --- Path MTU. ---
  uint32_t t_peermss = 0;    // the peer's MSS option; 0: none
  uint32_t t_pmtud_mtu = 0;  // of the ICMP message that waits (TF_PMTUD_PEND)
  uint32_t t_blackhole = 0;  // t_maxopd as it was before smaller segments were tried; 0: not tried

  // --- Fast Open. ---
  TfoState t_tfo_state = TfoState::kNone;
  uint16_t t_tfo_mss = 0;  // of the server, as the cache has it and the path allows; 0: unknown
  TfoCookie t_tfo_cookie;

  // --- What the user has set; 0: as the host has it. ms, but for t_keepcnt. ---
  int32_t t_keepinit = 0, t_keepidle = 0, t_keepintvl = 0, t_keepcnt = 0;

  SimTime t_starttime = 0;        // [I]
  syn_cache* t_synq = nullptr;    // LISTEN: handshakes in the cache, newest first
  SimTime t_challenge_start = 0;  // of the time window that t_challenges counts
  int64_t t_challenges = 0;       // challenge ACKs sent in it
};

static_assert(kInpcbRoom + offsetof(tcpcb, snd_sack) <= kPcbHot);

inline inpcb* tcp_inpcb(const tcpcb* tp) { return in_pcbofroom(tp); }
inline socket* tcp_so(const tcpcb* tp) { return so_ofpcbroom(tcp_inpcb(tp)); }
inline tcpcb* intotcpcb(const inpcb* inp) { return static_cast<tcpcb*>(inp->inp_ppcb); }
inline tcpcb* sototcpcb(const socket* so) {
  inpcb* inp = sotoinpcb(so);
  return inp != nullptr ? intotcpcb(inp) : nullptr;
}
inline const TcpTunables& tunables(const tcpcb* tp) { return tp->t_host->tunables; }

// Whether recovery from loss is under way.
inline bool tcp_recovering(const tcpcb* tp) { return tp->t_dupacks >= kTcpRexmtThresh; }
// The sequence number of the first byte of so_snd.
inline tcp_seq tcp_snd_first(const tcpcb* tp) {
  return tp->snd_una + ((tp->t_flags & TF_SYNPENDING) != 0 ? 1 : 0);
}
// `n` more numbers of the peer's have been received. What was taken was as good as promised:
// rcv_adv follows.
inline void tcp_advance_rcv(tcpcb* tp, uint32_t n) {
  tp->rcv_nxt += n;
  tp->rcv_adv = SEQ_MAX(tp->rcv_adv, tp->rcv_nxt);
}
// The keepalive settings in force: the socket's, else the host's. Milliseconds, and a count.
inline int64_t tcp_keepinit(const tcpcb* tp) {
  return tp->t_keepinit != 0 ? tp->t_keepinit : tunables(tp).keepinit_ms();
}
inline int64_t tcp_keepidle(const tcpcb* tp) {
  return tp->t_keepidle != 0 ? tp->t_keepidle : tunables(tp).keepidle_ms();
}
inline int64_t tcp_keepintvl(const tcpcb* tp) {
  return tp->t_keepintvl != 0 ? tp->t_keepintvl : tunables(tp).keepintvl_ms();
}
inline int64_t tcp_keepcnt(const tcpcb* tp) {
  return tp->t_keepcnt != 0 ? tp->t_keepcnt : tunables(tp).keepcnt;
}
// Whether data goes to the user: with Fast Open already before the handshake is done.
inline bool tcp_delivers(const tcpcb* tp) {
  return TCPS_HAVEESTABLISHED(tp->t_state) || (tp->t_flags & TF_FASTOPENED) != 0;
}
// Milliseconds of our timestamp clock, as this connection shows it.
inline uint32_t tcp_ts(const tcpcb* tp) { return tcp_now(*tp->t_host) + tp->ts_modulate; }

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_VAR_H_
