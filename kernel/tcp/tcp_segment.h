// A segment on its way through tcp_input, and the steps that it goes through.
//
// Lives here:  TcpSegment, Next, the steps in the order of RFC 9293 3.10.7; answers to segments.
// Called by:   tcp_input.cc (the parent); the steps are in tcp_input_*.cc.
// Context:     interrupt context.
// Owns:        a segment its data; it borrows the control block. A step that ends the connection
//              sets tp to null.
// Units:       host byte order.
// Invariants:  1. m holds exactly tlen bytes, until its data is handed over; an urgent byte that
//                 was taken out is missing.
//              2. Steps only cut a segment: sequence range and flags shrink towards the window.
//              3. A step that returns a drop has moved exactly one * counter, or answers.
// Source:      RFC 9293 3.10.7; OpenBSD sys/netinet/tcp_input.c, whose labels the steps name.
#ifndef SOCKBED_KERNEL_TCP_TCP_SEGMENT_H_
#define SOCKBED_KERNEL_TCP_TCP_SEGMENT_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_private.h"
#include "kernel/tcp/tcp_stat.h"
#include "kernel/tcp/tcp_syncache.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

struct TcpSegment {
  // Each field is written once, where it stays: a segment is made for every packet.
  TcpSegment(TcpHost* host_in, MbufPtr m_in, TcpView tcp, std::span<const uint8_t> options,
             const inpaddru& from, const inpaddru& to)
      : host(host_in),
        m(std::move(m_in)),
        th(tcp.Read()),
        opt(tcp_read_options(options, has(TH_SYN))),
        ends{from, to, th.th_sport, th.th_dport} {}

  TcpHost* host;
  MbufPtr m;     // the data, headers cut off
  TcpHeader th;  // as cut so far
  TcpOptions opt;
  TcpEndpoints ends;
  int header_length = 0;             // options included
  uint32_t tlen = 0;                 // bytes of data
  uint32_t tiwin = 0;                // the window, scaled
  uint8_t ttl = 0;                   // or hop limit
  uint8_t ecn = 0;                   // IPTOS_ECN_* of its packet
  uint16_t udp_port = 0;             // the peer's, of the datagram that carried it; 0: none did
  bool loopback = false;             // it came over lo0
  bool prr_pending = false;          // recovery goes on when snd_una has moved
  bool recovered = false;            // it has ended recovery
  uint32_t sacked_before = 0;        // bytes that were reported before it came
  bool stamped = false;              // it has a timestamp, as agreed
  tcpcb* tp = nullptr;               // whom it is for
  std::optional<tcp_seq> reuse_iss;  // the ISS for a connection that replaces one in TIME_WAIT

  bool has(uint8_t flags) const { return (th.th_flags & flags) != 0; }
  // Sequence numbers that it takes up.
  uint32_t length() const { return tlen + (has(TH_SYN) ? 1 : 0) + (has(TH_FIN) ? 1 : 0); }
  // Cuts n bytes of data off its front, or its end.
  void TrimFront(uint32_t n);
  void TrimBack(uint32_t n);
};

// What comes after a step.
enum class Next : uint8_t {
  kGoOn,       // the next step
  kDone,       // the segment is dealt with; send what is due
  kDrop,       // nothing more
  kAck,        // drop it, and answer with an ACK (dropafterack)
  kChallenge,  // the same within the limits on challenge ACKs (dropafterack_ratelim)
  kReset,      // drop it, and answer with a reset (dropwithreset)
  kAgain,      // the connection is gone: look up once more
};

using TcpStep = Next (*)(TcpSegment& seg);

// Counts and traces why a segment is dropped; returns kDrop.
Next tcp_dropped(const TcpSegment& seg, tcpstat_counters why);

// --- tcp_input_listen.cc: LISTEN (3.10.7.2), SYN_SENT (3.10.7.3), and what opens a connection. ---

Next tcp_step_listen(TcpSegment& seg);
Next tcp_step_synsent(TcpSegment& seg);
// The handshake is complete: ESTABLISHED, or FIN_WAIT_1 if the user has closed meanwhile.
void tcp_established(tcpcb* tp);
// Takes over from the peer's SYN what both sides want.
void tcp_negotiate(tcpcb* tp, const TcpOptions& opt);

// --- tcp_input_check.cc: is it acceptable (3.10.7.4, first to fourth)? ---

// It came the way that the connection takes: in UDP from the same port, or in none.
Next tcp_step_udp_port(TcpSegment& seg);
Next tcp_step_syn_received(TcpSegment& seg);
Next tcp_step_time_wait(TcpSegment& seg);
Next tcp_step_syn_challenge(TcpSegment& seg);
Next tcp_step_paws(TcpSegment& seg);
Next tcp_step_trim_left(TcpSegment& seg);
Next tcp_step_after_close(TcpSegment& seg);
Next tcp_step_trim_right(TcpSegment& seg);
Next tcp_step_timestamp(TcpSegment& seg);
Next tcp_step_rst(TcpSegment& seg);
Next tcp_step_syn(TcpSegment& seg);

// --- tcp_input_ack.cc: what it acknowledges (fifth). ---

Next tcp_step_ack(TcpSegment& seg);
Next tcp_step_window(TcpSegment& seg);
// It acknowledges what was not acknowledged before. Returns whether that includes our FIN.
bool tcp_ack_new(TcpSegment& seg);

// --- tcp_recovery.cc: what it tells of losses. ---

// It acknowledges nothing new. Returns kDone if that was all there is to it.
Next tcp_ack_old(TcpSegment& seg);
// It acknowledges `acked` bytes more, the scoreboard knows, snd_una has not moved. Returns whether
// recovery was under way.
bool tcp_recovery_ack(TcpSegment& seg, uint32_t acked);
// The rest of it, when snd_una has moved.
void tcp_recovery_send(TcpSegment& seg, uint32_t acked);
// Recovery begins: the window is reduced, what is out now is what it is about.
void tcp_begin_recovery(tcpcb* tp);
// It goes by RFC 6937 from now on.
void tcp_begin_prr(tcpcb* tp);
// `delivered` bytes have left the network: sets snd_cwnd to what may be on its way (RFC 6937 3.1),
// `least` bytes more than there is.
void tcp_prr_ack(tcpcb* tp, uint32_t delivered, uint32_t least);
// Recovery is over without having reached its end: the count begins anew.
inline void tcp_give_up_recovery(tcpcb* tp) {
  tp->t_flags &= ~TF_PRR;
  tp->t_dupacks = 0;
}
// An ACK that is no duplicate ends the row of them. By RFC 6937 recovery does not hang on the row:
// it lasts until what was out when it began has arrived.
inline void tcp_break_duplicates(tcpcb* tp) {
  if ((tp->t_flags & TF_PRR) == 0) tp->t_dupacks = 0;
}
// Sends `length` bytes from `seq` on, sent before, whatever the windows of congestion say.
void tcp_resend_outside(tcpcb* tp, tcp_seq seq, uint32_t length);
// REXMT is about to reduce the window: remembers it, if this can be taken back.
void tcp_save_before_timeout(tcpcb* tp);
// The first ACK after that: takes it back, if nothing was lost.
void tcp_undo_timeout(TcpSegment& seg);

// --- tcp_ecn.cc: marks (RFC 3168). ---

// Its marks, its echo of ours. REQUIRES: TF_ECN_PERMIT; its ACK is acceptable.
void tcp_ecn_input(TcpSegment& seg);
// The window was reduced, for whatever reason: the next new data tells (6.1.2).
inline void tcp_ecn_reduced(tcpcb* tp) {
  if ((tp->t_flags & TF_ECN_PERMIT) != 0) tp->t_flags |= TF_SEND_CWR;
}
// The answer to our SYN: whether both know ECN.
void tcp_ecn_negotiate(TcpSegment& seg);

// --- tcp_input_data.cc: what it carries (sixth to eighth). ---

Next tcp_step_urgent(TcpSegment& seg);
Next tcp_step_data(TcpSegment& seg);
Next tcp_step_fin(TcpSegment& seg);
// Hands over data that arrives in order while nothing waits.
void tcp_take_data(TcpSegment& seg);

// --- tcp_respond.cc: segments outside the stream. ---

struct TcpReply {
  TcpEndpoints ends;  // whom it is for, from where: as the other's segment named them
  tcp_seq seq, ack;
  uint8_t flags = 0;
  uint16_t win = 0;
  TcpIpFields ip;
  std::span<const uint8_t> options;
  int md5_at = -1;      // where in them a signature's digest goes; -1: none
  uint64_t object = 0;  // pcb or handshake, for the trace
};
// Sends it. `ro` (may be null) caches the route. Errors: ip_output's.
int tcp_respond(TcpHost& host, const TcpReply& reply, route* ro);

// Answers `seg` with a reset, if the rules allow one (RFC 9293 3.10.7.1).
void tcp_respond_reset(TcpSegment& seg);
// Tells the peer that the connection is aborted.
void tcp_respond_abort(tcpcb* tp);
// Answers with an ACK of the connection, within the limits on challenge ACKs.
void tcp_challenge_ack(tcpcb* tp);
// A keepalive probe: a byte that the peer has, so that it must answer.
void tcp_keep_probe(tcpcb* tp);

// --- What header prediction shares with the steps. ---

// Whether ts_recent is so old that the peer's clock may have wrapped since (RFC 7323 5.5).
inline bool tcp_ts_recent_expired(const tcpcb* tp) {
  return Now() - tp->ts_recent_age > SimTime{TCP_PAWS_IDLE_MS} * kMillisecond;
}

// RFC 7323 4.3: the timestamp to echo is that of the segment that the last ACK asked for.
inline void tcp_take_timestamp(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  if (seg.stamped &&
      (TSTMP_GEQ(seg.opt.ts_val, tp->ts_recent) || tcp_ts_recent_expired(tp)) &&
      SEQ_LEQ(seg.th.th_seq, tp->last_ack_sent) &&
      (tunables(tp).ts_recent_strict == 0 ||
       SEQ_LEQ(tp->last_ack_sent, seg.th.th_seq + seg.length()))) [[likely]] {
    tp->ts_recent = seg.opt.ts_val;
    tp->ts_recent_age = Now();
  }
}

// The window that it brings, unless a later segment has told (RFC 9293 3.10.7.4, fifth). REQUIRES:
// it has an ACK.
inline void tcp_take_window(TcpSegment& seg) {
  tcpcb* tp = seg.tp;
  const bool newer =
      SEQ_LT(tp->snd_wl1, seg.th.th_seq) ||
      (tp->snd_wl1 == seg.th.th_seq && (SEQ_LT(tp->snd_wl2, seg.th.th_ack) ||
                                        (tp->snd_wl2 == seg.th.th_ack && seg.tiwin > tp->snd_wnd)));
  if (!newer) return;
  if (seg.tiwin != tp->snd_wnd) {
    const bool opened = seg.tiwin > tp->snd_wnd;
    if (opened && seg.tlen == 0 && tp->snd_wl2 == seg.th.th_ack) ++seg.host->stat[tcps_rcvwinupd];
    tp->t_flags |= TF_NEEDOUTPUT;
    tp->snd_wnd = seg.tiwin;
    tp->max_sndwnd = std::max(tp->max_sndwnd, tp->snd_wnd);
  }
  tp->snd_wl1 = seg.th.th_seq;
  tp->snd_wl2 = seg.th.th_ack;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SEGMENT_H_
