// A link: two interfaces and the wire between them, with its rate, its delay and its faults.
//
// Lives here:  Link, LinkOptions, LinkCounters.
// Called by:   kernel/host and tools (make, change, tap); packets enter through if_output.
// May touch:   the rest of net; mbuf, sched, sim.
// Owns:        packets on their way. The interfaces belong to their hosts. A Link dies before its
//              hosts.
// Units:       ns, bits per second, bytes of network packet (Ethernet: of frame).
// Invariants:  1. Packets of one direction arrive in the order in which they were sent, unless one
//                 was reordered.
//              2. Each packet's fate depends on the run's seed, the link's number, the direction
//                 and the number of the packet, and on nothing else.
//              3. packets + duplicated = delivered + dropped + on the way.
// Cost:        one event per direction that has packets on their way; no allocation.
//
// The life of a packet handed over at t:
//   starts   = max(t, end of the transmission before it)       ENOBUFS if `queue_len` wait already
//   departs  = starts + size / rate
//   arrives  = departs + latency + jitter, not before the one ahead of it
#ifndef SOCKBED_KERNEL_NET_LINK_H_
#define SOCKBED_KERNEL_NET_LINK_H_

#include <array>
#include <cstdint>
#include <vector>

#include "kernel/net/arrival_queue.h"
#include "kernel/net/if.h"
#include "kernel/net/net_trace.h"
#include "kernel/net/tap.h"
#include "kernel/sim/choices.h"

namespace sockbed {

struct LinkOptions {
  SimTime latency_ns = 0;
  uint64_t rate_bps = 0;  // 0: no limit, packets take no time to send
  Chance loss = 0;        // of 2^32: each packet's chance to vanish (site link.drop)
  Chance duplicate = 0;   // ... to arrive twice
  Chance reorder = 0;     // ... to be held back by reorder_delay_ns, and be overtaken
  Chance corrupt = 0;     // ... to have one bit flipped
  SimTime reorder_delay_ns = 5 * kMillisecond;
  SimTime jitter_ns = 0;       // each packet's extra delay, drawn from 0 .. jitter_ns in order
  int queue_len = IFQ_MAXLEN;  // packets that may wait to be sent
  uint32_t mtu = 1500;
  // Frames with addresses, ARP and neighbour discovery, instead of bare packets between two ends.
  // Of both directions, as the link was made.
  bool ethernet = false;
};

// Of one direction. `packets` and `bytes` count what was handed to the link.
struct LinkCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t delivered = 0;
  uint64_t dropped_loss = 0;
  uint64_t dropped_queue = 0;
  uint64_t dropped_memory = 0;  // an ill-fated copy could not be made
  uint64_t dropped_down = 0;    // the receiving interface was down at arrival
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t corrupted = 0;
  uint64_t truncated = 0;  // by the fault point link.truncate
  uint64_t delayed = 0;    // by the fault point link.delay
};

class Link {
 public:
  // Joins two hosts: attaches an interface "link<number>" to each, up. `number` names the link in
  // decisions, records and taps: a counter of the simulation, from 1. `tap` (borrowed; may be null)
  // is there before an interface sends its first frame, which may be as soon as it is up.
  // REQUIRES: inside a MachineScope; the hosts are booted and differ.
  Link(HostBase& a, HostBase& b, uint32_t number, const LinkOptions& options,
       PacketTap* tap = nullptr);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  uint32_t number() const { return number_; }
  // The interface on the first (0) or second (1) host.
  ifnet* interface(int end) const { return directions_[end].from; }
  // Direction 0 goes from the first host to the second.
  const LinkCounters& counters(int direction) const { return directions_[direction].counters; }
  const LinkOptions& options(int direction) const { return directions_[direction].options; }
  // Concerns packets handed over from now on. The MTU is the sending interface's.
  void set_options(int direction, const LinkOptions& options);

  // Plugs the cable in or out: both interfaces gain or lose IFF_RUNNING. What is on its way arrives
  // at an interface that is down, and is dropped.
  void SetConnected(bool connected);

  // Tells `tap` of all packets from now on; borrows it until it is removed or the link dies.
  void AddTap(PacketTap* tap);
  void RemoveTap(PacketTap* tap);

  // Frees all that is on its way.
  void Halt();

 private:
  struct Direction {
    Link* link = nullptr;
    ifnet* from = nullptr;
    ifnet* to = nullptr;
    uint32_t id = 0;  // object of its decisions: 2 * number + direction
    uint8_t index = 0;
    bool faults = false;  // any chance or jitter is set [d]
    LinkOptions options;
    LinkCounters counters;
    uint64_t next_number = 0;
    SimTime busy_until = 0;      // the transmission in progress ends ...
    uint64_t busy_fraction = 0;  // ... plus this many rate_bps-ths of a nanosecond
    SimTime last_arrival = 0;
    ArrivalQueue on_way{&Link::Deliver, this};
    ArrivalQueue held_back{&Link::Deliver, this};  // reordered ones
  };
  struct Fate;

  // What is drawn for one packet under the site link.random.
  // The bit that flips also says where a packet is cut.
  enum class DrawOf : uint8_t { kJitter, kDelay, kBit, kCount };

  static void AttachPointToPoint(ifnet* ifp, uint32_t number, int end);
  static void AttachEthernet(ifnet* ifp, uint32_t number, int end);
  static int Output(ifnet* ifp, MbufPtr m, const sockaddr* dst);
  static int Transmit(ifnet* ifp, MbufPtr m);
  static int Refuse(Direction& d, MbufPtr m, uint64_t number);
  static SimTime Depart(Direction& d, SimTime starts, int bytes);
  static Fate DrawFate(Direction& d, uint64_t number);
  static uint64_t DrawBelow(const Direction& d, uint64_t number, DrawOf what, uint64_t bound);
  static SimTime BehindLast(Direction& d, SimTime arrives);
  static void SendEventfully(Direction& d, MbufPtr m, uint64_t number, SimTime starts,
                             SimTime arrives);
  static void NoteFate(Direction& d, uint64_t number, int bytes, SimTime arrives, const Fate& fate);
  static MbufPtr Corrupt(Direction& d, MbufPtr m, uint64_t number);
  static MbufPtr Truncate(Direction& d, MbufPtr m, uint64_t number);
  static void Send(Direction& d, ArrivalQueue& queue, MbufPtr m, uint64_t number, SimTime arrives);
  static void Drop(Direction& d, NetDrop why, uint64_t* counter, uint64_t number, int bytes);
  static void Deliver(void* direction, MbufPtr m);
  // Whether anybody wants to be told of packets.
  bool watched() const;
  void Tell(const Direction& d, PacketFate fate, uint64_t number, SimTime departs, mbuf* m);

  const uint32_t number_;
  std::array<Direction, 2> directions_;
  std::vector<PacketTap*> taps_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_LINK_H_
