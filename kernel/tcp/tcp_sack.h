// Selective acknowledgement: what the peer lacks of ours, and what we report of its.
//
// Lives here:  sackhole, SackScoreboard; their functions.
// Called by:   tcp_input_ack.cc, tcp_reass.cc, tcp_output.cc, tcp_timer.cc.
// Owns:        a connection owns its holes; their memory is the host's pool's.
// Invariants:  1. Holes are disjoint, not empty, in order, inside [snd_una, sack_high).
//              2. start <= rxmit <= end: what lies below rxmit has been sent again.
//              3. Blocks to report are disjoint, not empty, above rcv_nxt.
// Source:      RFC 2018; OpenBSD sys/netinet/tcp_input.c (tcp_sack_option ...).
// Differs:     a hole counts the ACKs, not the blocks, that reported something above it.
#ifndef SOCKBED_KERNEL_TCP_TCP_SACK_H_
#define SOCKBED_KERNEL_TCP_TCP_SACK_H_

#include <cstdint>

#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

struct tcpcb;

// A run of bytes that the peer lacks while it holds something above: [start, end).
struct sackhole {
  tcp_seq start;
  tcp_seq end;
  tcp_seq rxmit;       // next byte to send again
  int dups = 0;        // ACKs that reported something above
  tcp_seq rxmit_high;  // snd_max when a part of it was sent again last
  sackhole* next = nullptr;
};

// The sender's view of the receiver's queue. Everything in [snd_una, sack_high) outside the holes
// has been reported as received.
struct SackScoreboard {
  sackhole* holes = nullptr;
  int count = 0;
  tcp_seq sack_high;    // end of the highest block reported; meaningless while !active
  bool active = false;  // something above snd_una has been reported
};

// --- The sender's side. ---

// Takes in the blocks that came with an acknowledgement of `ack`.
void tcp_sack_option(tcpcb* tp, tcp_seq ack, const TcpOptions& options);
// Everything below `ack` has arrived.
void tcp_del_sackholes(tcpcb* tp, tcp_seq ack);
// Forgets all: the receiver may have thrown its queue away (RFC 2018 8).
void tcp_clear_sackholes(tcpcb* tp);
// The first hole that counts as lost and is not sent again yet, or null.
sackhole* tcp_sack_output(tcpcb* tp);
// Whether the oldest byte outstanding counts as lost.
bool tcp_sack_first_lost(const tcpcb* tp);
// Bytes above snd_una that were reported.
uint32_t tcp_sacked_bytes(const tcpcb* tp);
// Bytes that are on their way, as far as the reports tell (RFC 6675 4, SetPipe).
uint32_t tcp_sack_pipe(const tcpcb* tp);
// Retransmissions that must be lost, since what was sent after them has arrived, are due again.
void tcp_sack_find_lost_rexmits(tcpcb* tp);

// --- The receiver's side. ---

// [start, end) has arrived out of order: it, with all that touches it, becomes the first block.
void tcp_update_sack_list(tcpcb* tp, tcp_seq start, tcp_seq end);
// Drops the blocks that rcv_nxt has passed.
void tcp_clean_sackreport(tcpcb* tp);
// [start, end) has arrived before: the next ACK, due at once, tells the peer (RFC 2883). Does
// nothing if that is not wanted, or nothing is left of it.
void tcp_report_dsack(tcpcb* tp, tcp_seq start, tcp_seq end);
// The same for what [start, end), about to be queued, shares with the lowest block that waits
// already. What lies below rcv_nxt counts more: a report that is due stands.
void tcp_dsack_overlap(tcpcb* tp, tcp_seq start, tcp_seq end);
// What the next ACK reports, the latest first: a duplicate, then the blocks. Fills at most `max`
// into `blocks`; returns how many. The duplicate is reported once.
int tcp_take_sackreport(tcpcb* tp, SackBlock* blocks, int max);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SACK_H_
