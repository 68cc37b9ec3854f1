// About the least that a round trip over one of many simulated connections can cost.
//
// Lives here:  ManySkeleton, ScatteredTurn.
// Called by:   idle_bench, as the reference for growth with the number of connections.
// What it keeps of a round trip of one byte: two fibers that sleep and wake, two packets, each an
// event in the machine's own queue; for each a connection looked up in a hash table, one end of it
// read and written on its way out and the other at its arrival, and a timer of the sender's that is
// moved. An end is half a kilobyte in four parts, of which each is found through the one before, as
// descriptor, socket, control block and buffer are. What it leaves out: all else.
#ifndef SOCKBED_TESTS_BENCH_MANY_SKELETON_H_
#define SOCKBED_TESTS_BENCH_MANY_SKELETON_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/sim/bare_switch.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/stack_pool.h"

namespace sockbed {

// The i-th of n connections to be used: all in turn, no neighbours one after the other.
inline int64_t ScatteredTurn(int64_t i, int64_t n) {
  constexpr int64_t kPrime = 618'033'989;  // divides no n that is measured
  return i % n * kPrime % n;
}

class ManySkeleton {
 public:
  explicit ManySkeleton(int64_t connections)
      : ends_(static_cast<size_t>(2 * connections)),
        table_(std::bit_ceil(static_cast<size_t>(4 * connections))) {
    for (std::vector<Part>& parts : parts_) parts.resize(ends_.size());
    for (size_t i = 0; i < ends_.size(); ++i) {
      for (int part = 0; part < kParts; ++part) {
        parts_[part][i].next = part + 1 < kParts ? &parts_[part + 1][i] : nullptr;
      }
      ends_[i].first = &parts_[0][i];
      ends_[i].timer.handler = [](Event*) {};
      ends_[i].timer.when = kTimerDelay;
      queue_.Insert(&ends_[i].timer);
      size_t at = Hash(i);
      while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = static_cast<uint32_t>(i + 1);
    }
    client_ = std::make_unique<BareFiber>(stacks_, &ClientMain, this);
    server_ = std::make_unique<BareFiber>(stacks_, &ServerMain, this);
  }
  ~ManySkeleton() {
    for (End& end : ends_) queue_.Remove(&end.timer);
  }
  ManySkeleton(const ManySkeleton&) = delete;
  ManySkeleton& operator=(const ManySkeleton&) = delete;

  void operator()(int64_t round_trips) {
    for (; round_trips > 0; --round_trips) {
      client_->Run();  // sends
      Arrive();
      server_->Run();  // echoes
      Arrive();
    }
  }

 private:
  static constexpr SimTime kLatency = 10 * kMicrosecond;
  static constexpr SimTime kTimerDelay = int64_t{1} << 50;
  static constexpr int kParts = 4;

  // Two cache lines.
  struct alignas(64) Part {
    Part* next = nullptr;
    uint64_t first = 0;
    std::array<uint64_t, 6> between{};
    uint64_t second = 0;
    std::array<uint64_t, 7> rest{};
  };
  // Even ones are the client's, odd ones the server's.
  struct End {
    Event timer;
    Part* first = nullptr;
  };

  static void ClientMain(BareFiber::Context back, void* arg) {
    ManySkeleton& self = *static_cast<ManySkeleton*>(arg);
    const auto connections = static_cast<int64_t>(self.ends_.size() / 2);
    for (;;) {
      BareFiber::Switch(&back);
      self.Send(2 * static_cast<size_t>(ScatteredTurn(self.turn_++, connections)));
    }
  }
  static void ServerMain(BareFiber::Context back, void* arg) {
    ManySkeleton& self = *static_cast<ManySkeleton*>(arg);
    for (;;) {
      BareFiber::Switch(&back);
      self.Send(self.arrived_at_);
    }
  }

  size_t Hash(size_t end) const {
    return (end * 0x9e37'79b9'7f4a'7c15 >> 20) & (table_.size() - 1);
  }
  size_t Find(size_t end) const {
    size_t at = Hash(end);
    while (table_[at] != end + 1) at = (at + 1) & (table_.size() - 1);
    return table_[at] - 1;
  }
  static void Touch(End& end) {
    for (Part* part = end.first; part != nullptr; part = part->next) {
      ++part->first;
      ++part->second;
    }
  }

  void Send(size_t from) {
    Touch(ends_[from]);
    Event& timer = ends_[from].timer;
    queue_.Remove(&timer);
    timer.when = now_ + kTimerDelay;
    queue_.Insert(&timer);
    sent_to_ = from ^ 1;
    packet_.handler = [](Event*) {};
    packet_.when = now_ + kLatency;
    queue_.Insert(&packet_);
  }
  void Arrive() {
    Event* const event = queue_.TakeFirst(kForever);
    KASSERT(event == &packet_);
    now_ = event->when;
    arrived_at_ = Find(sent_to_);
    Touch(ends_[arrived_at_]);
  }

  StackPool stacks_;
  std::unique_ptr<BareFiber> client_, server_;
  EventQueue queue_;
  Event packet_;
  SimTime now_ = 0;
  std::vector<End> ends_;
  std::array<std::vector<Part>, kParts> parts_;  // [part][end]
  std::vector<uint32_t> table_;                  // of ends, by number; 0: none
  int64_t turn_ = 0;
  size_t sent_to_ = 0, arrived_at_ = 0;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_MANY_SKELETON_H_
