// Between what tcp_output decides and the segment that carries it.
//
// Lives here:  Outgoing, TcpNews; tcp_send_segment, and its quick forms for plain segments.
// Called by:   tcp_output.cc, tcp_respond.cc.
// Owns:        nothing.
// Units:       bytes; offsets in so_snd.
// Source:      section 12 of the specification.
#ifndef SOCKBED_KERNEL_TCP_TCP_OUTGOING_H_
#define SOCKBED_KERNEL_TCP_TCP_OUTGOING_H_

#include <algorithm>
#include <cstdint>

#include "kernel/tcp/tcp_private.h"

namespace sockbed {

// The segment being decided upon.
struct Outgoing {
  uint32_t off = 0;          // of its data in so_snd
  uint32_t len = 0;          // of its data
  uint16_t mss = 0;          // the interface cuts it into segments of so much data; 0: it is one
  uint32_t segments = 1;     // that it is on the wire
  uint8_t flags = 0;         // TH_*
  sackhole* hole = nullptr;  // it fills this hole of the peer's
  bool more = false;         // others can follow at once
  uint32_t space = 0;        // room in so_rcv
};

// Room in so_rcv that a segment can tell of.
inline uint32_t tcp_space_to_offer(const socket* so) {
  return static_cast<uint32_t>(std::max<int64_t>(sbspace(&so->so_rcv), 0));
}

// What a segment tells the peer once.
struct TcpNews {
  explicit TcpNews(const tcpcb* tp) : rcv_adv(tp->rcv_adv), flags(tp->t_flags & kOnce) {}
  // It was not told.
  void PutBack(tcpcb* tp) const {
    tp->rcv_adv = rcv_adv;
    tp->t_flags = (tp->t_flags & ~kOnce) | flags;
  }

 private:
  static constexpr uint32_t kOnce = TF_DSACK | TF_SEND_CWR | TF_RXWIN0SENT;
  tcp_seq rcv_adv;
  uint32_t flags;
};

// Whether a segment has other options than a timestamp.
inline bool tcp_has_rare_options(const tcpcb* tp) {
  return (tp->t_flags & (TF_SIGNATURE | TF_DSACK)) != 0 || tp->rcv_numsacks > 0;
}
// Whether IP options go between the headers.
inline bool tcp_has_ip_options(const tcpcb* tp) { return tcp_inpcb(tp)->inp_options != nullptr; }

// Nearly all segments are plain: an ACK, or data that goes for the first time, of a connection that
// marks nothing and has no other options than timestamps, of IP none. Whether what is next is.
inline bool tcp_is_plain(const tcpcb* tp) {
  constexpr uint32_t kMore = TF_SYNPENDING | TF_PRR | TF_ECN_PERMIT;
  return tp->snd_nxt == tp->snd_max && (tp->t_flags & kMore) == 0 && !tcp_has_rare_options(tp) &&
         !tcp_has_ip_options(tp) && !tp->t_force && SEQ_LEQ(tp->snd_up, tp->snd_una);
}
inline bool tcp_is_plain_data(const tcpcb* tp, const Outgoing& out) {
  return out.len > 0 && out.flags == TH_ACK && out.hole == nullptr && tp->t_rack == nullptr &&
         tcp_is_plain(tp);
}

// Sends a segment of any kind; may shorten it. Errors: ip_output's that concern the user (12.3).
int tcp_send_segment(tcpcb* tp, const socket* so, Outgoing* out);
// The same for new data. REQUIRES: tcp_is_plain_data.
int tcp_send_data(tcpcb* tp, const socket* so, const Outgoing& out);
// The same for an ACK and nothing else; `space`: room in so_rcv. REQUIRES: tcp_is_plain; nothing
// waits to be sent, and REXMT watches over what is out.
int tcp_send_ack(tcpcb* tp, const socket* so, uint32_t space);

// The window field of a bare ACK that is about to go; moves rcv_adv.
uint16_t tcp_take_offer(tcpcb* tp);
// A segment has left, which says all that we have to say of the peer's data.
void tcp_acknowledged(tcpcb* tp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_OUTGOING_H_
