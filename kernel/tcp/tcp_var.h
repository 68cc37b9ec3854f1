// The TCP control block, and what the files of this room offer each other.
//
// Lives here:  struct tcpcb with BSD's names; its flags; declarations by file.
// Called by:   all of tcp/. Other rooms see tcp.h.
// May touch:   inet, net, socket, mbuf, sched, sim.
// Context:     requests in process context, segments and timers in interrupt context; nothing
//              sleeps.
// Owns:        a tcpcb its reassembly queue, SACK holes and timers; the inpcb points at it
//              (inp_ppcb) and the host's pool holds its memory.
// Units:       host byte order; bytes; SimTime where a point in time is meant, ms where a length
//              is.
// Invariants:  tcp_check (tcp_invariants.cc) tests them after every segment and timer.
// Source:      OpenBSD sys/netinet/tcp_var.h; RFC 9293 3.3.1.
#ifndef SOCKBED_KERNEL_TCP_TCP_VAR_H_
#define SOCKBED_KERNEL_TCP_TCP_VAR_H_

#include <array>
#include <cstdint>

#include "kernel/inet/in_pcb.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/socket/socketvar.h"
#include "kernel/tcp/tcp_cc.h"
#include "kernel/tcp/tcp_fsm.h"
#include "kernel/tcp/tcp_host.h"
#include "kernel/tcp/tcp_sack.h"
#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_timer.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

struct TcpSegment;  // tcp_segment.h

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

// t_oobflags.
inline constexpr uint8_t TCPOOB_HAVEDATA = 0x01;  // t_iobc holds the urgent byte
inline constexpr uint8_t TCPOOB_HADDATA = 0x02;   // it has been read

inline constexpr uint32_t kTcpIpHeaders = kIpv4HeaderMin + kTcpHeaderMin;
inline constexpr SimTime kNotTimed = -1;
inline constexpr int kTcpRexmtThresh = 3;  // duplicate ACKs that mean loss
inline constexpr int kSackBlocksKept = 6;  // blocks remembered for reporting

struct tcpcb {
  // --- Who. ---
  TcpHost* t_host = nullptr;      // [I]
  inpcb* t_inpcb = nullptr;       // [I]
  uint64_t t_id = 0;              // [I] inp_id, for the trace
  const cc_algo* t_cc = nullptr;  // [I]

  // --- State. ---
  TcpState t_state = TCPS_CLOSED;      // written by tcp_newstate only
  TcpState t_laststate = TCPS_CLOSED;  // the one before CLOSED
  bool t_force = false;                // the output in progress is a window probe or urgent
  uint8_t t_rxtshift = 0;              // retransmissions in a row
  uint8_t t_oobflags = 0;
  uint8_t t_iobc = 0;                    // the urgent byte, taken out of the stream
  uint8_t snd_scale = 0, rcv_scale = 0;  // in force
  uint8_t request_r_scale = 0;           // what our SYN asks for
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
  tcp_seq snd_last;         // snd_max when loss was last seen: recovery ends there
  uint32_t snd_wnd = 0;     // the peer's window
  uint32_t max_sndwnd = 0;  // the largest it ever was
  uint32_t snd_cwnd = 0;
  uint32_t snd_ssthresh = 0;

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
  uint32_t t_maxopd = 0;     // with options
  uint32_t t_maxseg = 0;     // payload
  uint32_t t_peermss = 0;    // the peer's MSS option; 0: none
  uint32_t t_maxsent = 0;    // most data and options sent in one segment since the MTU changed
  uint32_t t_maxacked = 0;   // most bytes acknowledged at once since then
  uint32_t t_pmtud_mtu = 0;  // of the ICMP message that waits (TF_PMTUD_PEND)
  tcp_seq t_pmtud_seq;       // what it quoted

  // --- Timing. ---
  TcpTimers t_timers;
  int32_t t_srtt = 0, t_rttvar = 0;  // tcp_rtt.h
  int32_t t_rttmin = 0;              // smallest timeout, ms
  int32_t t_rxtcur = 0;              // current timeout, ms
  SimTime t_rtttime = kNotTimed;     // when the timed segment left
  tcp_seq t_rtseq;                   // its number
  SimTime t_rcvtime = 0;             // last segment received
  SimTime t_starttime = 0;           // [I]

  // --- Timestamps and buffer sizing. ---
  uint32_t ts_recent = 0;     // to be echoed
  uint32_t ts_modulate = 0;   // [I] added to our clock
  SimTime ts_recent_age = 0;  // when ts_recent was set
  uint32_t rfbuf_ts = 0;      // our timestamp when rfbuf_cnt began; 0: not begun
  uint32_t rfbuf_cnt = 0;     // bytes received since

  // --- SACK. ---
  uint8_t rcv_numsacks = 0;
  std::array<SackBlock, kSackBlocksKept> sackblks;  // to report, the latest first
  SackScoreboard snd_sack;

  // Where sending goes on in so_snd: the mbuf that holds snd_mbseq as its first byte. A hint: valid
  // while that byte is not acknowledged.
  mbuf* snd_mb = nullptr;
  tcp_seq snd_mbseq;

  syn_cache* t_synq = nullptr;   // LISTEN: handshakes in the cache, newest first
  tcpcb* t_free_next = nullptr;  // the host's free ones

  SimTime t_challenge_start = 0;  // of the time window that t_challenges counts
  int64_t t_challenges = 0;       // challenge ACKs sent in it

  // --- For people. ---
  uint64_t t_sndbytes = 0, t_rcvbytes = 0;  // data sent once, received in order
  uint32_t t_sndsegs = 0, t_rcvsegs = 0;
  uint32_t t_sndrexmitpack = 0, t_rcvoopack = 0, t_sndzerowin = 0;
};

inline tcpcb* intotcpcb(const inpcb* inp) { return static_cast<tcpcb*>(inp->inp_ppcb); }
inline tcpcb* sototcpcb(const socket* so) {
  inpcb* inp = sotoinpcb(so);
  return inp != nullptr ? intotcpcb(inp) : nullptr;
}
inline socket* tcp_so(const tcpcb* tp) { return tp->t_inpcb->inp_socket; }
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
// Milliseconds of our timestamp clock, as this connection shows it.
inline uint32_t tcp_ts(const tcpcb* tp) { return tcp_now(*tp->t_host) + tp->ts_modulate; }

// --- tcp_subr.cc: life, errors, answers. ---

// A control block for `inp`, CLOSED. Null: refused (fault pool.get).
tcpcb* tcp_newtcpcb(inpcb* inp);
// The only writer of t_state. REQUIRES: tcp_may_become.
void tcp_newstate(tcpcb* tp, TcpState state);
// What is to be said about a connection.
TcpSummary tcp_summary(const tcpcb* tp);
// Ends a connection without a word to the peer: frees the tcpcb and its inpcb, soisdisconnected.
void tcp_close(tcpcb* tp);
// Ends it with a reset if the peer knows of it; so_error becomes `error` (or the soft error, if it
// is ETIMEDOUT). Frees the tcpcb.
void tcp_drop(tcpcb* tp, int error);
// The user sends no more: the state that follows. May free the tcpcb; returns whether it lives.
bool tcp_usrclosed(tcpcb* tp);
// Both have closed: TIME_WAIT begins.
void tcp_twstart(tcpcb* tp);
// Starts our numbering at tp->iss.
void tcp_sendseqinit(tcpcb* tp);
// Starts the peer's numbering at tp->irs.
void tcp_rcvseqinit(tcpcb* tp);
// The initial sequence number for a connection, at this time.
tcp_seq tcp_new_iss(TcpHost& host, const TcpEndpoints& ends);
// The smallest window scale that lets the largest receive buffer be advertised.
uint8_t tcp_request_scale(const TcpHost& host);

// --- tcp_mss.cc: segment sizes and buffers that fit them. ---

// What a SYN offers to a peer behind `rt` (may be null).
uint16_t tcp_mss_offer(const TcpHost& host, const rtentry* rt);
// The peer has offered `offer` (0: nothing; negative: no news, the route may have changed): sets
// t_maxopd, t_maxseg and, with an offer, the initial window.
void tcp_mss(tcpcb* tp, int offer);
// The handshake is done: rounds the buffers to segments.
void tcp_mss_update(tcpcb* tp);
void tcp_update_sndspace(tcpcb* tp);
void tcp_update_rcvspace(tcpcb* tp);

// --- tcp_icmp.cc: what routers tell. ---

// An ICMP error about a connection, or a handshake.
void tcp_ctlinput(const IcmpError& error);
// REXMT fires: if a "too big" waited for just that, acts upon it. Returns whether it has sent again.
bool tcp_pmtud_timeout(tcpcb* tp);
// The MTU of the route is not what it was: sends again in segments that fit. Returns whether.
bool tcp_mtudisc(tcpcb* tp);

// --- tcp_output.cc ---

// Sends what may be sent: data, FIN, window update, ACK, reset. Errors: those of ip_output that
// concern the user (spec 12.3).
int tcp_output(tcpcb* tp);

// --- tcp_input.cc ---

void tcp_input(MbufPtr m, int hlen);

// --- tcp_reass.cc: data out of order. ---

// Takes a segment's data, behind which the stream ends if `fin`. Returns TH_FIN if it has ended
// now, else 0.
uint8_t tcp_reass(tcpcb* tp, TcpSegment& seg, bool fin);
// Hands over what has become contiguous. The same result.
uint8_t tcp_reass_deliver(tcpcb* tp);
void tcp_freeq(tcpcb* tp);

// --- tcp_invariants.cc ---

// Asserts what must hold of a connection at rest.
void tcp_check(const tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_VAR_H_
