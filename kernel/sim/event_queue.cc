#include "kernel/sim/event_queue.h"

#include <bit>

#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

Event* FirstOf(const EventLink* ring) { return static_cast<Event*>(ring->next); }

// The lowest bit that is set. REQUIRES: there is one; std::countr_zero would have to ask.
int LowestBit(uint64_t bits) { return __builtin_ctzll(bits); }

bool HoldsOne(const EventLink* ring) { return ring->next == ring->prev; }

SimTime EarliestOf(const EventLink* ring) {
  SimTime earliest = kForever;
  for (const EventLink* link = ring->next; link != ring; link = link->next) {
    const SimTime when = static_cast<const Event*>(link)->when;
    if (when < earliest) earliest = when;
  }
  return earliest;
}

}  // namespace

[[gnu::always_inline]] inline void EventQueue::MarkEmpty(int slot) {
  const int level = slot / kSlots;
  occupied_[level] &= ~(uint64_t{1} << slot % kSlots);
  if (occupied_[level] == 0) levels_ &= ~(1u << level);
}

[[gnu::always_inline]] inline void EventQueue::Unlink(Event* event) {
  EventLink* const next = event->next;
  EventLink* const prev = event->prev;
  next->prev = prev;
  prev->next = next;
  event->next = event->prev = nullptr;
  if (next == prev) {  // Both are the head: the ring is empty now.
    MarkEmpty(event->slot);
  }
}

EventQueue::EventQueue() {
  for (EventLink& ring : rings_) ring.next = ring.prev = &ring;
}

void EventQueue::InsertInPlace(Event* event, uint64_t place) {
  KASSERT(!event->pending());
  KASSERT(event->when >= base_);
  event->place = place;
  Link(event);
  ++size_;
}

void EventQueue::Remove(Event* event) {
  KASSERT(event->pending());
  Unlink(event);
  --size_;
}

Event* EventQueue::TakeFirst(SimTime limit) {
  if (size_ == 0) return nullptr;
  int slot = FirstSlot();
  if (slot >= kSlots && !HoldsOne(&rings_[slot])) [[unlikely]] {
    if (limit != kForever && EarliestOf(&rings_[slot]) > limit) return nullptr;
    Cascade(slot);
    slot = FirstSlot();
  }
  Event* const event = FirstOf(&rings_[slot]);
  if (event->when > limit) return nullptr;
  base_ = event->when;
  Unlink(event);
  --size_;
  return event;
}

SimTime EventQueue::NextTime() const {
  return size_ == 0 ? kForever : EarliestOf(&rings_[FirstSlot()]);
}

int EventQueue::CountAtFirstTime(int most) {
  KASSERT(size_ > 0);
  if (FirstSlot() >= kSlots) Cascade(FirstSlot());
  const EventLink* const ring = &rings_[FirstSlot()];
  int count = 0;
  for (const EventLink* link = ring->next; link != ring && count < most; link = link->next) ++count;
  return count;
}

Event* EventQueue::TakeAtFirstTime(int n) {
  KASSERT(size_ > 0);
  const int slot = FirstSlot();
  KASSERT(slot < kSlots);
  EventLink* link = rings_[slot].next;
  for (; n > 0; --n) link = link->next;
  KASSERT(link != &rings_[slot]);
  Event* const event = static_cast<Event*>(link);
  Unlink(event);
  --size_;
  return event;
}

Event* EventQueue::TakeStrongest(SimTime now, int ipl, const HostBase* host) {
  if (!AnyAt(now)) return nullptr;
  if (FirstSlot() >= kSlots) Cascade(FirstSlot());
  EventLink* const ring = &rings_[FirstSlot()];
  Event* strongest = nullptr;
  for (EventLink* link = ring->next; link != ring; link = link->next) {
    Event* const event = static_cast<Event*>(link);
    if ((host != nullptr && event->host != host) || event->ipl <= ipl) continue;
    strongest = event;
    ipl = event->ipl;
  }
  if (strongest == nullptr) return nullptr;
  base_ = now;
  Unlink(strongest);
  --size_;
  return strongest;
}

int EventQueue::FirstSlot() const {
  const int level = LowestBit(levels_);
  return level * kSlots + LowestBit(occupied_[level]);
}

// The slot's events agree with the earliest of them in all digits from this level up, so each
// moves to a lower level; and what stands in other slots differs from the new base_ where it
// differed from the old.
void EventQueue::Cascade(int slot) {
  EventLink* const ring = &rings_[slot];
  base_ = EarliestOf(ring);
  EventLink* link = ring->next;
  ring->next = ring->prev = ring;
  MarkEmpty(slot);
  while (link != ring) {
    EventLink* const next = link->next;
    Link(static_cast<Event*>(link));
    link = next;
  }
}

void EventQueue::Link(Event* event) {
  const uint64_t differs = static_cast<uint64_t>(event->when ^ base_);
  const auto highest_bit = static_cast<uint32_t>(63 - std::countl_zero(differs | 1));
  const int level = static_cast<int>(highest_bit / kDigitBits);
  const int digit = static_cast<int>(event->when >> (level * kDigitBits)) & (kSlots - 1);
  const int slot = level * kSlots + digit;
  event->slot = static_cast<uint16_t>(slot);
  EventLink* const ring = &rings_[slot];
  EventLink* before = ring->prev;
  if (level == 0) {
    while (before != ring && static_cast<Event*>(before)->place > event->place) {
      before = before->prev;
    }
  }
  event->next = before->next;
  event->prev = before;
  before->next->prev = event;
  before->next = event;
  occupied_[level] |= uint64_t{1} << digit;
  levels_ |= 1u << level;
}

}  // namespace sockbed
