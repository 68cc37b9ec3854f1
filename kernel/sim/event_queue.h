// The event queue: what happens next, in exact order of (time, place in the order of scheduling).
//
// Lives here:  Event, EventQueue.
// Called by:   Machine (the loop); timers and packets schedule through Machine::Schedule.
// May touch:   nothing but kassert.h and time.h.
// Owns:        nothing. An Event is a field of the thing that waits (a timeout, a queue of
//              packets); whoever owns that thing cancels the event before it dies.
// Units:       virtual nanoseconds.
// Invariants:  1. No pending event is earlier than base_, the time of the last one taken.
//              2. A pending event stands on the level of the highest digit in which its time
//                 differs from base_, in the slot of that digit. Hence all events of one level-0
//                 slot have one time, events of one time stand in one slot, and a level-0 list is
//                 in order of places.
//              3. occupied_[level] has bit s set exactly when list s of that level is not empty,
//                 and levels_ has bit l set exactly when occupied_[l] is not 0.
// Cost:        schedule and cancel O(1); taking O(1) amortised (an event moves down at most once
//              per level). Measured in tests/bench at 1 k, 100 k and 1 M pending.
#ifndef SOCKBED_KERNEL_SIM_EVENT_QUEUE_H_
#define SOCKBED_KERNEL_SIM_EVENT_QUEUE_H_

#include <array>
#include <cstdint>

#include "kernel/sim/context.h"
#include "kernel/sim/time.h"

namespace sockbed {

// A place in a slot's ring: an event's, or the head that closes the ring.
struct EventLink {
  EventLink* next = nullptr;  // null when not pending
  EventLink* prev = nullptr;
};

// Something that will happen. Intrusive: embed it, set `handler`, and schedule it.
struct Event : EventLink {
  // Runs in interrupt context on the event's host; the event is no longer pending, so the handler
  // may schedule it again or free what holds it.
  using Handler = void (*)(Event* self);

  Handler handler = nullptr;
  HostBase* host = nullptr;  // entered before the handler runs; set by Machine::Schedule
  SimTime when = 0;
  TraceId cause = 0;   // the record that scheduled it; set by Machine::Schedule
  uint64_t place = 0;  // among the events of its instant; set when it is inserted
  uint16_t slot = 0;   // level * kSlots + digit; [d]
  HostId host_id = 0;
  uint8_t ipl = 0;  // its level as an interrupt (sched/spl.h); 0: it is none

  bool pending() const { return next != nullptr; }
};

class EventQueue {
 public:
  EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Inserts `event` at `event->when`, behind all of its instant. Borrows it until it is taken or
  // removed. REQUIRES: not pending; event->when is not before the last event taken.
  void Insert(Event* event) { InsertInPlace(event, TakePlace()); }

  // Takes a place in the order of insertion, for an event that is inserted later: it comes as if
  // it had been inserted now. REQUIRES of that: each event of its instant with a later place is
  // still pending or not yet inserted.
  uint64_t TakePlace() { return ++places_; }
  void InsertInPlace(Event* event, uint64_t place);

  // Takes a pending event out. REQUIRES: pending.
  void Remove(Event* event);

  // Removes and returns the first event, or null when there is none or it is later than `limit`.
  Event* TakeFirst(SimTime limit);

  // The time of the first event, or kForever. Looks through one slot when its
  // events differ in time.
  SimTime NextTime() const;

  // Whether an event is pending at `now`. REQUIRES: the last event taken was at `now`.
  bool AnyMoreAt(SimTime now) const { return (occupied_[0] >> (now % kSlots) & 1) != 0; }
  // The same of events that come before that place.
  bool AnyMoreBefore(SimTime now, uint64_t place) const {
    return AnyMoreAt(now) && static_cast<const Event*>(rings_[now % kSlots].next)->place < place;
  }

  // How many pending events share the time of the first one, counting no further than `most`, and
  // the n-th of them in order of scheduling: for choosing among events of one instant. Counting
  // moves base_ to that time: nothing may be inserted before it afterwards.
  // REQUIRES: not empty; n < CountAtFirstTime().
  int CountAtFirstTime(int most);
  Event* TakeAtFirstTime(int n);

  // Whether an event is pending at `now`. REQUIRES: none is pending before.
  bool AnyAt(SimTime now) const { return base_ == now ? AnyMoreAt(now) : NextTime() == now; }
  // Removes and returns, of the events at `now`, the strongest of those above `ipl` on `host` (on
  // any, if null), of equal ones the first; or null. REQUIRES: none is pending before `now`.
  Event* TakeStrongest(SimTime now, int ipl, const HostBase* host);

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  static constexpr int kDigitBits = 6;
  static constexpr int kSlots = 1 << kDigitBits;
  static constexpr int kLevels = (63 + kDigitBits - 1) / kDigitBits;

  // The index of the occupied slot whose events come before all others. REQUIRES: not empty.
  int FirstSlot() const;
  // Makes base_ the time of the earliest event of `slot`, the first one, and moves the slot's
  // events down to where they belong then: the earliest ones to level 0.
  void Cascade(int slot);
  void Link(Event* event);
  void Unlink(Event* event);
  void MarkEmpty(int slot);

  SimTime base_ = 0;
  int64_t size_ = 0;
  uint64_t places_ = 0;  // how many were taken
  uint32_t levels_ = 0;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<EventLink, kLevels * kSlots> rings_;  // heads
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_EVENT_QUEUE_H_
