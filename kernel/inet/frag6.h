// Putting fragmented IPv6 packets together again.
//
// Lives here:  Frag6Table.
// Called by:   ip6_input.cc.
// Owns:        the fragments it holds, until their packet is whole, dropped, or timed out.
// Units:       offsets and lengths in bytes of the fragmentable part.
// Invariants:  1. The pieces of a queue are in order of offset and do not overlap.
//              2. Every queue has a running timer; fragments held = the sum over queues.
// Cost:        a look-up walks the queues, of which there are at most ip6.maxfragpackets.
// Source:      RFC 8200 4.5, RFC 5722, RFC 6946; OpenBSD sys/netinet6/frag6.c.
#ifndef SOCKBED_KERNEL_INET_FRAG6_H_
#define SOCKBED_KERNEL_INET_FRAG6_H_

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/inet/ip6_var.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

inline constexpr int kFragment6TtlSeconds = 60;  // from the first fragment to arrive

class Frag6Table {
 public:
  Frag6Table() = default;
  ~Frag6Table();
  Frag6Table(const Frag6Table&) = delete;
  Frag6Table& operator=(const Frag6Table&) = delete;

  // Takes a packet with a fragment header at `off`; the number of that header stands at `next_at`.
  // Returns the whole packet without fragment header, when it was the last fragment missing or the
  // only one; else null: held, or dropped and counted.
  MbufPtr Add(MbufPtr m, int off, int next_at);

  // Drops all that is held, uncounted: the host halts.
  void Purge();

  int64_t held = 0;  // fragments: live count "IPv6 fragment"

 private:
  struct Piece {
    MbufPtr m;
    int header;  // bytes of headers still in front: of the piece at offset 0
    int offset;
    int length;
    bool more;  // not the last of its packet
    uint8_t ecn;
  };
  // The fragments of one packet.
  struct Queue {
    Frag6Table* table;
    in6_addr src, dst;
    uint32_t id;
    int next_at = 0;  // where the piece at offset 0 has the number of its fragment header
    std::vector<Piece> pieces;
    timeout timer;
  };

  Queue* Find(const in6_addr& src, const in6_addr& dst, uint32_t id);
  Queue* Make(const in6_addr& src, const in6_addr& dst, uint32_t id);
  static void Expire(void* arg);
  bool Insert(Queue* queue, Piece piece);
  bool IsComplete(const Queue& queue) const;
  MbufPtr Join(Queue* queue);
  // Frees a queue and what it holds; Drop also counts each fragment as dropped.
  void Free(Queue* queue);
  void Drop(Queue* queue, ip6stat_counters why);

  std::vector<std::unique_ptr<Queue>> queues_;  // oldest first
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_FRAG6_H_
