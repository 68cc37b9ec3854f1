#include "kernel/sim/event_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "kernel/sim/random.h"

namespace sockbed {
namespace {

// An event that knows its place in the order of scheduling.
struct Numbered : Event {
  uint64_t number = 0;
};

Numbered* Take(EventQueue& queue, SimTime limit = kForever) {
  return static_cast<Numbered*>(queue.TakeFirst(limit));
}

TEST(EventQueueTest, IsEmptyAtFirst) {
  EventQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.TakeFirst(kForever), nullptr);
  EXPECT_EQ(queue.NextTime(), kForever);
}

TEST(EventQueueTest, TakesInOrderOfTime) {
  EventQueue queue;
  std::vector<SimTime> times = {0, 1, 63, 64, 65, 4095, 4096, kSecond, 1 << 30, kForever - 1};
  std::vector<Numbered> events(times.size());
  for (size_t i = 0; i < times.size(); ++i) {
    const size_t at = i * 7 % times.size();
    events[at].when = times[at];
    queue.Insert(&events[at]);
  }
  for (const SimTime when : times) {
    EXPECT_EQ(queue.NextTime(), when);
    Event* event = queue.TakeFirst(kForever);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->when, when);
    EXPECT_FALSE(event->pending());
  }
  EXPECT_TRUE(queue.empty());
}

// Events of one time may reach their common slot directly or from above.
TEST(EventQueueTest, KeepsOrderOfSchedulingAcrossLevels) {
  EventQueue queue;
  Numbered far[3], step;
  far[0].when = far[1].when = far[2].when = 1'000'000;
  step.when = 999'999;
  queue.Insert(&far[0]);
  queue.Insert(&step);
  queue.Insert(&far[1]);
  EXPECT_EQ(Take(queue), &step);
  queue.Insert(&far[2]);
  EXPECT_EQ(Take(queue), &far[0]);
  EXPECT_EQ(Take(queue), &far[1]);
  EXPECT_EQ(Take(queue), &far[2]);
}

TEST(EventQueueTest, AnEventComesWhereItsPlaceIsHoweverLateItIsInserted) {
  for (const SimTime when : {10, 1'000'000}) {  // straight to the common slot, and from above
    EventQueue queue;
    Numbered early, kept, late, step;
    early.when = kept.when = late.when = when;
    queue.Insert(&early);
    const uint64_t place = queue.TakePlace();
    queue.Insert(&late);
    queue.Insert(&step);  // at 0
    EXPECT_EQ(Take(queue), &step);
    EXPECT_EQ(Take(queue), &early);
    queue.InsertInPlace(&kept, place);
    EXPECT_EQ(Take(queue), &kept);
    EXPECT_EQ(Take(queue), &late);
  }
}

TEST(EventQueueTest, KnowsWhetherAnyOfAnInstantComesBeforeAPlace) {
  EventQueue queue;
  Numbered events[3];
  const uint64_t early = queue.TakePlace();
  for (Numbered& event : events) {
    event.when = &event == &events[2] ? 71 : 70;
    queue.Insert(&event);
  }
  const uint64_t late = queue.TakePlace();
  EXPECT_EQ(Take(queue), &events[0]);
  EXPECT_FALSE(queue.AnyMoreBefore(70, early));
  EXPECT_TRUE(queue.AnyMoreBefore(70, late));
  EXPECT_EQ(Take(queue), &events[1]);
  EXPECT_FALSE(queue.AnyMoreBefore(70, late)) << "the last one is later";
}

TEST(EventQueueTest, TakesTheStrongestOfAnInstantAndOfEqualOnesTheFirst) {
  EventQueue queue;
  const uint8_t levels[] = {1, 2, 2, 0, 6};
  Numbered events[std::size(levels)];
  for (size_t i = 0; i < std::size(levels); ++i) {
    events[i].when = 70;  // not on the lowest level of the queue yet
    events[i].ipl = levels[i];
    queue.Insert(&events[i]);
  }
  EXPECT_FALSE(queue.AnyAt(69));
  EXPECT_EQ(queue.TakeStrongest(69, -1, nullptr), nullptr);
  EXPECT_TRUE(queue.AnyAt(70));
  EXPECT_EQ(queue.TakeStrongest(70, 1, nullptr), &events[4]);
  EXPECT_EQ(queue.TakeStrongest(70, 1, nullptr), &events[1]);
  EXPECT_EQ(queue.TakeStrongest(70, 1, nullptr), &events[2]);
  EXPECT_EQ(queue.TakeStrongest(70, 1, nullptr), nullptr) << "none is above that level";
  EXPECT_EQ(queue.TakeStrongest(70, -1, nullptr), &events[0]);
  EXPECT_EQ(queue.size(), 1);
  EXPECT_EQ(Take(queue), &events[3]);
}

TEST(EventQueueTest, LeavesWhatIsLaterThanTheLimit) {
  EventQueue queue;
  Numbered early, late, later;
  late.when = 5000;
  later.when = 5001;
  queue.Insert(&late);
  queue.Insert(&later);
  EXPECT_EQ(queue.TakeFirst(4999), nullptr);
  early.when = 100;  // still allowed: nothing was taken
  queue.Insert(&early);
  EXPECT_EQ(Take(queue, 4999), &early);
  EXPECT_EQ(queue.TakeFirst(4999), nullptr);
  EXPECT_EQ(Take(queue, 5000), &late);
  EXPECT_EQ(queue.size(), 1);
}

TEST(EventQueueTest, OffersTheEventsOfOneInstant) {
  EventQueue queue;
  std::vector<Numbered> events(5);
  for (Numbered& event : events) {
    event.when = 70'000;
    queue.Insert(&event);
  }
  events[4].when = 70'001;  // moved below
  queue.Remove(&events[4]);
  queue.Insert(&events[4]);
  EXPECT_EQ(queue.CountAtFirstTime(100), 4);
  EXPECT_EQ(queue.CountAtFirstTime(3), 3);
  EXPECT_EQ(queue.TakeAtFirstTime(2), &events[2]);
  EXPECT_EQ(queue.TakeAtFirstTime(2), &events[3]);
  EXPECT_EQ(queue.CountAtFirstTime(100), 2);
  EXPECT_EQ(Take(queue), &events[0]);
  EXPECT_EQ(Take(queue), &events[1]);
  EXPECT_EQ(Take(queue), &events[4]);
}

TEST(EventQueueDeathTest, RefusesThePastAndScheduledEvents) {
  EventQueue queue;
  Numbered event, past;
  event.when = 10;
  queue.Insert(&event);
  EXPECT_DEATH(queue.Insert(&event), "!event->pending");
  Take(queue);
  past.when = 9;
  EXPECT_DEATH(queue.Insert(&past), "event->when >= base_");
  EXPECT_DEATH(queue.Remove(&past), "event->pending");
}

// The wheel against a sorted list that is too simple to be wrong.
class EventQueueModelTest : public testing::TestWithParam<int> {
 protected:
  // Half of them at the end, half in a place that was taken some time ago.
  void Schedule(Numbered* event, SimTime when) {
    event->when = when;
    event->number = queue_.TakePlace();
    if (random_.NextBelow(2) == 0) std::swap(event->number, kept_place_);
    if (Key(*event) < last_) std::swap(event->number, kept_place_);
    queue_.InsertInPlace(event, event->number);
    model_.emplace(Key(*event), event);
  }
  void Cancel(Numbered* event) {
    queue_.Remove(event);
    model_.erase(Key(*event));
  }
  // Delays of all magnitudes; few distinct ones, so that times coincide.
  SimTime RandomTime() {
    const int shift = static_cast<int>(random_.NextBelow(10) * 6);
    const SimTime when = now_ + static_cast<SimTime>(random_.NextBelow(4) << shift);
    return random_.NextBelow(2) == 0 ? when : when & -(SimTime{1} << shift) & kForever;
  }
  void TakeAndCompare() {
    Numbered* event = Take(queue_);
    ASSERT_EQ(event, model_.begin()->second) << "seed " << GetParam();
    now_ = event->when;
    last_ = Key(*event);
    model_.erase(model_.begin());
  }

  static std::pair<SimTime, uint64_t> Key(const Numbered& event) {
    return {event.when, event.number};
  }

  EventQueue queue_;
  std::map<std::pair<SimTime, uint64_t>, Numbered*> model_;
  Stream random_{static_cast<uint64_t>(GetParam()), Site::kProgram, 0, 0};
  SimTime now_ = 0;
  std::pair<SimTime, uint64_t> last_;  // of the last one taken
  uint64_t kept_place_ = queue_.TakePlace();
};

TEST_P(EventQueueModelTest, TakesWhatAnOrderedMapWould) {
  std::vector<Numbered> events(300);
  for (int step = 0; step < 20'000; ++step) {
    Numbered* event = &events[random_.NextBelow(events.size())];
    const SimTime when = std::max(now_, RandomTime());
    switch (random_.NextBelow(5)) {
      case 0:
      case 1:
        if (!event->pending() && when >= now_) Schedule(event, when);
        break;
      case 2:
        if (event->pending()) {  // a timer that moves
          Cancel(event);
          Schedule(event, when);
        }
        break;
      case 3:
        if (event->pending()) Cancel(event);
        break;
      default:
        if (!model_.empty()) TakeAndCompare();
    }
    ASSERT_EQ(queue_.size(), static_cast<int64_t>(model_.size()));
    ASSERT_EQ(queue_.NextTime(), model_.empty() ? kForever : model_.begin()->first.first);
    if (HasFatalFailure()) return;
  }
  while (!model_.empty() && !HasFatalFailure()) TakeAndCompare();
}

INSTANTIATE_TEST_SUITE_P(Seeds, EventQueueModelTest, testing::Range(1, 21));

}  // namespace
}  // namespace sockbed
