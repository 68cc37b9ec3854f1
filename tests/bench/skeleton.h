// About the least that a simulated TCP segment can cost: its moves without its protocol.
//
// Lives here:  Skeleton.
// Called by:   net_bench, as the reference for bulk transfers over a 1500-byte link.
// What it keeps of a transfer: two fibers that sleep and wake, one copy into pooled 2 KB clusters
// and one out of them, clusters shared by the send buffer and the packet, a 52-byte header written
// and read, one event per packet in the machine's own event queue, a connection looked up in a hash
// table, an ACK for every second segment, and a timer that each ACK moves. What it leaves out: all
// else (sequence space, options, windows, routes, system calls, trace).
#ifndef SOCKBED_TESTS_BENCH_SKELETON_H_
#define SOCKBED_TESTS_BENCH_SKELETON_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kernel/sim/bare_switch.h"
#include "kernel/sim/event_queue.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/stack_pool.h"

namespace sockbed {

class Skeleton {
 public:
  static constexpr size_t kSegmentBytes = 1448;
  static constexpr size_t kWriteBytes = 16 * 1024;

  Skeleton() : packets_(kPackets), clusters_(kPackets), user_(kWriteBytes, 'x') {
    for (Packet& packet : packets_) free_packets_.push_back(&packet);
    for (Cluster& cluster : clusters_) free_clusters_.push_back(&cluster);
    table_[kConnection % table_.size()] = kConnection;
    timer_.handler = [](Event*) {};
    timer_.when = kTimerDelay;
    queue_.Insert(&timer_);
    sender_ = std::make_unique<BareFiber>(stacks_, &SenderMain, this);
    receiver_ = std::make_unique<BareFiber>(stacks_, &ReceiverMain, this);
  }
  ~Skeleton() { queue_.Remove(&timer_); }
  Skeleton(const Skeleton&) = delete;
  Skeleton& operator=(const Skeleton&) = delete;

  // Carries `writes` times kWriteBytes from one fiber to the other.
  void operator()(int64_t writes) {
    to_send_ = writes * static_cast<int64_t>(kWriteBytes);
    to_receive_ = to_send_;
    sender_ready_ = true;
    while (to_receive_ > 0) {
      if (sender_ready_) sender_->Run();
      if (receiver_ready_) receiver_->Run();
      Event* const event = queue_.TakeFirst(kForever);
      KASSERT(event != nullptr);
      now_ = event->when;
      event->handler(event);
    }
    while (unacknowledged_ > 0) {  // the last ACKs
      Event* const event = queue_.TakeFirst(kForever);
      now_ = event->when;
      event->handler(event);
    }
  }

 private:
  static constexpr size_t kPackets = 1024;
  static constexpr size_t kClusterBytes = 2048;
  static constexpr size_t kHeaderBytes = 52;
  static constexpr int64_t kBufferBytes = 256 * 1024;
  static constexpr uint32_t kConnection = 0x1234567;
  static constexpr SimTime kLatency = 10 * kMicrosecond;
  static constexpr SimTime kTimerDelay = kSecond;

  struct Cluster {
    uint32_t references;
    uint32_t length;
    std::array<std::byte, kClusterBytes> bytes;
  };
  struct Packet : Event {
    Skeleton* skeleton;
    Cluster* cluster;  // null: an ACK
    std::array<uint32_t, kHeaderBytes / sizeof(uint32_t)> header;
  };

  static void SenderMain(BareFiber::Context back, void* arg) {
    Skeleton& self = *static_cast<Skeleton*>(arg);
    for (;; self.SleepIn(&back, &self.sender_ready_)) {
      while (self.to_send_ > 0) self.Write(&back);
    }
  }
  static void ReceiverMain(BareFiber::Context back, void* arg) {
    Skeleton& self = *static_cast<Skeleton*>(arg);
    for (;;) {
      if (self.received_.empty()) self.SleepIn(&back, &self.receiver_ready_);
      self.Read();
    }
  }
  static void SleepIn(BareFiber::Context* back, bool* ready) {
    *ready = false;
    BareFiber::Switch(back);
  }

  // One write by the user: copied into clusters, each sent as it fills.
  void Write(BareFiber::Context* back) {
    for (size_t done = 0; done < kWriteBytes;) {
      while (unacknowledged_ >= kBufferBytes) SleepIn(back, &sender_ready_);
      const size_t length = std::min(kSegmentBytes, kWriteBytes - done);
      Cluster* const cluster = free_clusters_.back();
      free_clusters_.pop_back();
      memcpy(cluster->bytes.data(), user_.data() + done, length);
      cluster->length = static_cast<uint32_t>(length);
      cluster->references = 2;  // the send buffer's and the packet's
      sent_.push_back(cluster);
      unacknowledged_ += static_cast<int64_t>(length);
      to_send_ -= static_cast<int64_t>(length);
      done += length;
      Send(cluster);
    }
  }

  void Send(Cluster* cluster) {
    Packet* const packet = free_packets_.back();
    free_packets_.pop_back();
    packet->skeleton = this;
    packet->cluster = cluster;
    for (uint32_t& word : packet->header) word = ++words_written_;
    packet->header[0] = kConnection;
    packet->handler = &Arrive;
    packet->when = now_ + kLatency;
    queue_.Insert(packet);
  }

  static void Arrive(Event* event) {
    Packet* const packet = static_cast<Packet*>(event);
    Skeleton& self = *packet->skeleton;
    uint32_t sum = 0;
    for (const uint32_t word : packet->header) sum += word;
    self.words_read_ += sum;
    KASSERT(self.table_[packet->header[0] % self.table_.size()] == kConnection);
    self.free_packets_.push_back(packet);
    packet->cluster != nullptr ? self.Segment(packet->cluster) : self.Acknowledgement();
  }

  void Segment(Cluster* cluster) {
    received_.push_back(cluster);
    receiver_ready_ = true;
    if (++segments_ % 2 == 0) Send(nullptr);
  }

  // Covers two segments. A write is an even number of them.
  void Acknowledgement() {
    for (int i = 0; i < 2; ++i) {
      Cluster* const cluster = sent_.front();
      sent_.pop_front();
      unacknowledged_ -= cluster->length;
      Drop(cluster);
    }
    queue_.Remove(&timer_);
    timer_.when = now_ + kTimerDelay;
    queue_.Insert(&timer_);
    if (to_send_ > 0) sender_ready_ = true;
  }

  // One read by the user, of what there is.
  void Read() {
    size_t done = 0;
    while (!received_.empty() && done + kSegmentBytes <= kWriteBytes) {
      Cluster* const cluster = received_.front();
      received_.pop_front();
      memcpy(user_.data() + done, cluster->bytes.data(), cluster->length);
      done += cluster->length;
      to_receive_ -= cluster->length;
      Drop(cluster);
    }
  }

  void Drop(Cluster* cluster) {
    if (--cluster->references == 0) free_clusters_.push_back(cluster);
  }

  // First in, first out, in a ring.
  class Fifo {
   public:
    bool empty() const { return head_ == tail_; }
    size_t size() const { return tail_ - head_; }
    Cluster* front() const { return ring_[head_ % kPackets]; }
    void pop_front() { ++head_; }
    void push_back(Cluster* cluster) { ring_[tail_++ % kPackets] = cluster; }

   private:
    std::array<Cluster*, kPackets> ring_;
    size_t head_ = 0, tail_ = 0;
  };

  StackPool stacks_;
  std::unique_ptr<BareFiber> sender_, receiver_;
  EventQueue queue_;
  Event timer_;
  SimTime now_ = 0;
  std::vector<Packet> packets_;
  std::vector<Cluster> clusters_;
  std::vector<Packet*> free_packets_;    // the last one freed is taken first
  std::vector<Cluster*> free_clusters_;
  std::array<uint32_t, 512> table_{};
  Fifo sent_, received_;
  std::vector<char> user_;
  int64_t to_send_ = 0, to_receive_ = 0, unacknowledged_ = 0;
  uint64_t segments_ = 0, words_read_ = 0;
  uint32_t words_written_ = 0;
  bool sender_ready_ = false, receiver_ready_ = false;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_BENCH_SKELETON_H_
