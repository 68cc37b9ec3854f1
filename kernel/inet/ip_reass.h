// Reassembly of IPv4 fragments.
//
// Lives here:  ReassemblyTable and its queues.
// Called by:   ip_input; inet_halt.
// May touch:   mbuf, sched (timeouts), inet's counters.
// Context:     interrupt context of the host.
// Owns:        the fragments it holds.
// Units:       offsets and lengths in bytes of payload.
// Invariants:  1. The pieces of a queue are sorted by offset and do not overlap.
//              2. fragments_held() is the sum over all queues; each has a running timer.
// Source:      RFC 791 3.2, RFC 3168 5.3; OpenBSD sys/netinet/ip_input.c (ip_reass).
#ifndef SOCKBED_KERNEL_INET_IP_REASS_H_
#define SOCKBED_KERNEL_INET_IP_REASS_H_

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct InetHost;

inline constexpr int kFragmentTtlSeconds = 30;  // from the first fragment to arrive

class ReassemblyTable {
 public:
  explicit ReassemblyTable(InetHost& inet) : inet_(inet) {}
  ~ReassemblyTable();

  // Takes a fragment, whose first mbuf holds its header of `hlen` bytes. Returns the whole packet
  // if it was the last one missing (its header updated, no transport checksum vouched for), else
  // null: held, or dropped and counted.
  MbufPtr Add(MbufPtr m, int hlen);

  // Drops all that is held, uncounted: the host halts.
  void Purge();

 private:
  struct Piece {
    MbufPtr m;
    int header;  // bytes of header still in front: of the piece at offset 0
    int offset;
    int length;
    bool more;  // not the last of its packet
    uint8_t ecn;
  };
  // The fragments of one packet.
  struct Queue {
    ReassemblyTable* table;
    in_addr src, dst;
    uint16_t id;
    uint8_t protocol;
    std::vector<Piece> pieces;
    timeout timer;
  };

  Queue* Find(const mbuf* m);
  Queue* Make(const mbuf* m);
  bool MakeRoom();
  static void Expire(void* arg);
  bool Insert(Queue* queue, Piece piece);
  bool IsComplete(const Queue& queue) const;
  MbufPtr Join(Queue* queue);
  void TrimFront(Piece& piece, int bytes);
  // Frees a queue and what it holds; Drop also counts each fragment as dropped.
  void Free(Queue* queue);
  void Drop(Queue* queue);

  InetHost& inet_;
  std::vector<std::unique_ptr<Queue>> queues_;  // oldest first
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_REASS_H_
