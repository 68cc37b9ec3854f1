// Packets on their way to one host, in order of arrival, and the one event that stands for them.
//
// Lives here:  ArrivalQueue.
// Called by:   link.cc (each direction of a link), loop.cc (lo0).
// May touch:   mbuf, sim.
// Owns:        the packets.
// Units:       virtual ns; packets.
// Invariants:  1. While there are packets the event is pending, for the first one, or is being
//                 handled.
//              2. Each packet arrives when, and among all events of its instant where, an event
//                 of its own would have run that was scheduled when the packet was added.
//              3. Packets of one instant arrive in the order in which they were added, also when
//                 the run draws the order of simultaneous events.
// Cost:        however many are on their way, the event queue holds one: it stays in the cache, and
//              packets are touched when they are sent and when they arrive. A burst of one instant
//              does not go through the event queue at all.
#ifndef SOCKBED_KERNEL_NET_ARRIVAL_QUEUE_H_
#define SOCKBED_KERNEL_NET_ARRIVAL_QUEUE_H_

#include <cstdint>

#include "kernel/mbuf/mbuf_list.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/time.h"

namespace sockbed {

class ArrivalQueue : private Event {
 public:
  // Takes a packet that arrives now, in interrupt context on the queue's host. Its ph_cause caused
  // it. `owner` is whom the queue was made for.
  using Receiver = void (*)(void* owner, MbufPtr m);

  ArrivalQueue(Receiver receive, void* owner);
  ~ArrivalQueue();
  ArrivalQueue(const ArrivalQueue&) = delete;
  ArrivalQueue& operator=(const ArrivalQueue&) = delete;

  // The host at which the packets arrive. REQUIRES: empty.
  void set_host(HostBase& to);

  // Lets m arrive at `due`, behind all of that time. Takes. Quick when no packet arrives later,
  // else as slow as there are packets. REQUIRES: due is not in the past.
  [[gnu::always_inline]] void Add(MbufPtr m, SimTime due) {
    Machine& machine = *Here().machine;
    pkthdr& header = m->m_pkthdr;
    header.ph_due = due;
    header.ph_place = machine.TakePlace();
    const mbuf* const last = packets_.ml_tail;
    if (last != nullptr && last->m_pkthdr.ph_due > due) [[unlikely]]
      return AddAmong(std::move(m));
    ml_enqueue(&packets_, std::move(m));
    if (last == nullptr) Await(machine, header);
  }

  // Frees all that is on its way.
  void Clear();

  uint32_t size() const { return ml_len(&packets_); }

 private:
  static void Arrive(Event* event);
  void AddAmong(MbufPtr m);
  // The event is for that packet, the first one, from now on.
  void Await(Machine& machine, const pkthdr& first) {
    cause = first.ph_cause;
    machine.ScheduleInPlace(this, first.ph_due, first.ph_place);
  }
  void AwaitFirst();
  void FetchAhead() const;

  const Receiver receive_;
  void* const owner_;
  mbuf_list packets_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_ARRIVAL_QUEUE_H_
