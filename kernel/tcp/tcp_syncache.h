// The SYN cache: handshakes that listeners have answered and that are not yet connections.
//
// Lives here:  struct syn_cache, SynCache; syn_cache_*.
// Called by:   tcp_input_listen.cc, tcp_subr.cc (a listener goes; ICMP), tcp_host.cc (halt).
// Context:     interrupt context.
// Owns:        SynCache owns its entries. An entry borrows its listener, which forgets it when it
//              goes.
// Units:       ports in host order.
// Invariants:  1. A 4-tuple is in the cache at most once, and never while a pcb has it.
//              2. Every entry has its timer pending.
//              3. A bucket's entries, and the list of all, are in order of age.
// Source:      OpenBSD sys/netinet/tcp_input.c (syn_cache_*), tcp_var.h.
#ifndef SOCKBED_KERNEL_TCP_TCP_SYNCACHE_H_
#define SOCKBED_KERNEL_TCP_TCP_SYNCACHE_H_

#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "kernel/inet/in6.h"
#include "kernel/inet/route.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/random.h"
#include "kernel/tcp/tcp_pool.h"
#include "kernel/tcp/tcp_seq.h"
#include "kernel/tcp/tcp_syncookie.h"

namespace sockbed {

struct TcpHost;
struct TcpSegment;
struct tcpcb;
struct IcmpError;

// What TCP decides of the headers in front of its own.
struct TcpIpFields {
  uint8_t tos = 0;    // or traffic class
  uint8_t ttl = 0;    // or hop limit
  uint32_t flow = 0;  // IPv6
  uint16_t udp_sport = 0,
           udp_dport = 0;  // of the UDP header in between; udp_dport 0: there is none
};

// The peer and us, as a segment that arrives names them.
struct TcpEndpoints {
  inpaddru faddr, laddr;
  uint16_t fport = 0, lport = 0;
  friend bool operator==(const TcpEndpoints&, const TcpEndpoints&) = default;
};

struct syn_cache {
  struct : Event {
    syn_cache* sc = nullptr;
  } sc_timer;
  TcpEndpoints sc_ends;
  uint32_t sc_hash = 0;
  tcp_seq sc_irs, sc_iss;
  tcpcb* sc_tp = nullptr;      // the listener
  route sc_route;              // to the peer
  uint64_t sc_id = 0;          // counts from 1 per host, for the trace
  uint32_t sc_win = 0;         // the window our SYN-ACK advertises
  uint32_t sc_timestamp = 0;   // the peer's, to be echoed
  uint32_t sc_modulate = 0;    // our timestamp offset
  uint16_t sc_peermaxseg = 0;  // the peer's MSS option; 0: none
  uint8_t sc_scale = 0;        // ours, to be requested
  uint8_t sc_peerscale = 0;    // the peer's
  bool sc_has_wscale = false;  // both sides want it
  bool sc_has_timestamp = false;
  bool sc_has_sack = false;
  bool sc_has_ecn = false;
  bool sc_wants_cookie = false;  // of Fast Open
  bool sc_unreach = false;       // an ICMP error was received
  bool sc_again = false;         // a repeated SYN has begun it anew
  uint8_t sc_rxtshift = 0;       // SYN-ACKs sent again since
  SimTime sc_sent = -1;          // when the only SYN-ACK left; -1: nobody knows which, or when
  TcpIpFields sc_ip;             // of our SYN-ACKs

  syn_cache* sc_bucket_next = nullptr;  // same bucket, older first
  syn_cache* sc_bucket_prev = nullptr;
  syn_cache* sc_age_next = nullptr;  // the whole cache, older first
  syn_cache* sc_age_prev = nullptr;
  syn_cache* sc_tp_next = nullptr;  // same listener, newest first
  syn_cache* sc_tp_prev = nullptr;
};

class SynCache {
 public:
  explicit SynCache(TcpHost& host);

  syn_cache* Find(const TcpEndpoints& ends);
  // Makes an entry, discarding the oldest of a full bucket or cache. Null: refused (fault
  // pool.get).
  syn_cache* Add(const TcpEndpoints& ends, tcpcb* listener);
  void Remove(syn_cache* sc);
  // These ends have become a connection otherwise.
  void Forget(const TcpEndpoints& ends);
  syn_cache* oldest() const { return age_first_; }
  const int64_t& live() const { return pool_.live(); }
  // Whether an entry for these would push another one out.
  bool IsFull(const TcpEndpoints& ends);

  SynCookies cookies;
  SimTime last_cookie = -1;  // when one was sent for want of room; -1: never

 private:
  struct Bucket {
    syn_cache* first = nullptr;
    syn_cache* last = nullptr;
    int64_t length = 0;
  };
  uint32_t Hash(const TcpEndpoints& ends) const;
  void Reseed();
  void Discard(syn_cache* sc);
  void Link(syn_cache* sc);
  void Unlink(syn_cache* sc);

  TcpHost& host_;
  TcpPool<syn_cache> pool_;
  std::vector<Bucket> buckets_;
  syn_cache* age_first_ = nullptr;
  syn_cache* age_last_ = nullptr;
  Stream secrets_;
  uint64_t secret_ = 0;
  int64_t uses_ = 0;  // of this secret
  uint64_t next_id_ = 0;
};

// A SYN for a listener: answers it, from a new entry or the one that is there. Borrows seg.
void syn_cache_add(TcpSegment& seg);
// The same by Fast Open: a SYN with a good cookie is a connection at once. Returns it,
// SYN_RECEIVED, with seg.tp set to it; or null: the SYN goes by the cache.
tcpcb* syn_cache_fastopen(TcpSegment& seg);
// An ACK for a listener: returns the connection it completes, ESTABLISHED, with seg.tp set to it;
// or null when there is no handshake, or it could not be completed: then *reset says whether to
// send a reset.
tcpcb* syn_cache_get(TcpSegment& seg, bool* reset);
// A RST for a listener.
void syn_cache_reset(TcpSegment& seg);
// An ICMP error about a SYN-ACK that carried `seq`, in UDP to that port (0: in none).
void syn_cache_unreach(TcpHost& host, const TcpEndpoints& ends, tcp_seq seq, uint16_t udp_port);
// The listener goes: its handshakes are forgotten.
void syn_cache_cleanup(tcpcb* listener);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_SYNCACHE_H_
