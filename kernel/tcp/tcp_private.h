// What the files of this room offer each other, by file.
//
// Lives here:  declarations. The control block they work on is in tcp_var.h; what concerns a
//              segment on its way in is in tcp_segment.h.
// Called by:   all of tcp/. Other rooms see tcp.h.
// Context:     requests in process context, segments and timers in interrupt context; nothing
//              sleeps.
// Source:      OpenBSD sys/netinet/tcp_var.h.
#ifndef SOCKBED_KERNEL_TCP_TCP_PRIVATE_H_
#define SOCKBED_KERNEL_TCP_TCP_PRIVATE_H_

#include "kernel/inet/ip_var.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_info.h"
#include "kernel/tcp/tcp_var.h"

namespace sockbed {

struct TcpSegment;  // tcp_segment.h

// --- tcp_timer.h, continued. ---

inline void tcp_timer_disarm(tcpcb* tp, TcpTimer timer) { tp->t_timers.deadline[timer] = kForever; }
inline bool tcp_timer_isarmed(const tcpcb* tp, TcpTimer timer) {
  return tp->t_timers.deadline[timer] != kForever;
}

// Whether anybody wants to know that the peer is still there.
inline bool tcp_wants_keepalive(const tcpcb* tp) {
  const bool asked =
      tunables(tp).always_keepalive != 0 || (tcp_so(tp)->so_options & kSoKeepAlive) != 0;
  return asked && tp->t_state <= TCPS_CLOSING;
}

// --- tcp_subr.cc: life, errors, answers. ---

// A control block for `inp`, CLOSED. Null: refused (fault pool.get).
tcpcb* tcp_newtcpcb(inpcb* inp);
// The only writer of t_state. REQUIRES: tcp_may_become.
void tcp_newstate(tcpcb* tp, TcpState state);
// What is to be said about a connection that has not closed; writes every field of *to.
void tcp_summarize(const tcpcb* tp, TcpSummary* to);
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

// What a SYN offers to a peer of that family behind `rt` (may be null); `in_udp`: segments travel
// in datagrams.
uint16_t tcp_mss_offer(const TcpHost& host, const rtentry* rt, bool v4, bool in_udp);
// The segment that fits the route, its options included.
uint32_t tcp_route_mss(const tcpcb* tp);
// The peer has offered `offer` (0: nothing; negative: no news, the route may have changed): sets
// t_maxopd, t_maxseg and, with an offer, the initial window.
void tcp_mss(tcpcb* tp, int offer);
// What is left for data of a segment of `maxopd` bytes, options included.
uint32_t tcp_payload(const tcpcb* tp, uint32_t maxopd);
// Segments of that size from now on.
void tcp_set_maxopd(tcpcb* tp, uint32_t maxopd);
// The handshake is done: rounds the buffers to segments.
void tcp_mss_update(tcpcb* tp);
void tcp_update_sndspace(tcpcb* tp);
void tcp_update_rcvspace(tcpcb* tp);

// --- tcp_icmp.cc: what routers tell. ---

// An ICMP error about a connection, or a handshake.
void tcp_ctlinput(const IcmpError& error);
// The same about a segment in UDP to this port of the peer's; error.transport is TCP's header.
void tcp_ctlinput_from(const IcmpError& error, uint16_t udp_port);
// What was told of the MTU towards `peer` is too old: segments grow back.
void tcp_mtuinc(const inpaddru& peer);
// REXMT fires: if a "too big" waited for just that, acts upon it. Returns whether it has sent
// again.
bool tcp_pmtud_timeout(tcpcb* tp);
// The MTU of the route is not what it was: sends again in segments that fit. Returns whether.
bool tcp_mtudisc(tcpcb* tp);

// --- tcp_output.cc ---

// Sends what may be sent: data, FIN, window update, ACK, reset. Errors: those of ip_output that
// concern the user (spec 12.3).
int tcp_output(tcpcb* tp);

// --- tcp_ecn.cc ---

// TH_ECE and TH_CWR for a SYN, or with `answer` a SYN-ACK.
uint8_t tcp_ecn_syn_flags(tcpcb* tp, bool answer);
// The same for another segment; `new_data`: it carries data for the first time. Takes what is due.
uint8_t tcp_ecn_flags(tcpcb* tp, bool new_data);

// --- tcp_input.cc ---

void tcp_input(MbufPtr m, int hlen);
// The same for a segment in UDP that has come from this port of the peer's: `hlen` bytes of IP and
// UDP stand in front of it, and UDP's checksum was good. 0: it is in no UDP.
void tcp_input_from(MbufPtr m, int hlen, uint16_t udp_port);

// --- tcp_reass.cc: data out of order. ---

// Takes a segment's data, behind which the stream ends if `fin`. Returns TH_FIN if it has ended
// now, else 0.
uint8_t tcp_reass(tcpcb* tp, TcpSegment& seg, bool fin);
// Hands over what has become contiguous. The same result.
uint8_t tcp_reass_deliver(tcpcb* tp);
void tcp_freeq(tcpcb* tp);

// --- tcp_info.cc ---

// What there is to know of the connection, in BSD's form and in the host's.
TcpInfo tcp_fill_info(const tcpcb* tp);
tcp_info tcp_host_info(const tcpcb* tp);

// --- tcp_respond.cc ---

// Signs the segment whose TCP header stands at `tcp` and whose data is what lies behind it in m.
// Errors: ENOENT (there is no key for the pair).
int tcp_sign(const TcpHost& host, const TcpEndpoints& ends, const TcpHeader& th, int header_length,
             int md5_at, uint8_t* tcp, const mbuf* m);

// --- tcp_tunnel.cc: TCP in UDP. ---

// Takes segments at that UDP port from now on, and at no other; 0: at none. Errors: ENOPROTOOPT
// (not of this host's profile), those of socreate and sobind: then there is none.
int tcp_tunnel_open(TcpHost& host, int64_t port);
void tcp_tunnel_close(TcpHost& host);

// --- tcp_invariants.cc ---

// Asserts what must hold of a connection at rest.
void tcp_check(const tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_PRIVATE_H_
