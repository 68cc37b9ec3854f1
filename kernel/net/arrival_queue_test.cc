#include "kernel/net/arrival_queue.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/net/net_test_machine.h"
#include "kernel/sim/choices.h"

namespace sockbed {
namespace {

// Something that happens between packets.
struct Mark : Event {
  std::string* log;
};

// Packets are named by a letter; the log holds them, and marks, as they come.
class ArrivalQueueTest : public NetTestMachine {
 protected:
  void SetUp() override { Boot({.seed = 1}); }
  void TearDown() override {
    queue_.reset();
    EndMachine([](HostBase&) {});
  }
  void Boot(const Machine::Options& options) {
    StartMachine(options);
    queue_ = std::make_unique<ArrivalQueue>(&ArrivalQueueTest::Arrive, this);
    queue_->set_host(AddBareHost("to"));
    AddBareHost("from");
  }
  // From the other host.
  void Add(char name, SimTime due) {
    HostScope scope(*hosts()[1]);
    MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
    m->m_pkthdr.ph_cause = static_cast<TraceId>(name);
    queue_->Add(std::move(m), due);
  }
  void ScheduleMark(Mark& mark, SimTime when) {
    HostScope scope(*hosts()[0]);
    mark.log = &log_;
    mark.handler = [](Event* event) { *static_cast<Mark*>(event)->log += '|'; };
    machine().Schedule(&mark, when);
  }
  static void Arrive(void* owner, MbufPtr m) {
    auto* const test = static_cast<ArrivalQueueTest*>(owner);
    EXPECT_EQ(Here().host, test->hosts()[0].get());
    EXPECT_EQ(Here().process, nullptr);
    EXPECT_EQ(Here().cause, m->m_pkthdr.ph_cause);
    m_transfer(m.get());
    const char name = static_cast<char>(m->m_pkthdr.ph_cause);
    test->log_ += name;
    if (name == test->stops_at_) test->machine().Stop();
    if (test->answer_ != 0) test->Add(std::exchange(test->answer_, 0), Now());
  }
  std::string RunUntil(SimTime deadline) {
    machine().Run(deadline);
    return std::exchange(log_, "");
  }

  std::unique_ptr<ArrivalQueue> queue_;
  std::string log_;
  char answer_ = 0;    // added when the next packet arrives, for the same instant
  char stops_at_ = 0;  // this one's arrival stops the run
};

TEST_F(ArrivalQueueTest, PacketsArriveInTheirTime) {
  Add('a', 100);
  Add('b', 200);
  Add('c', 200);
  EXPECT_EQ(queue_->size(), 3u);
  EXPECT_EQ(RunUntil(99), "");
  EXPECT_EQ(RunUntil(100), "a");
  EXPECT_EQ(RunUntil(1000), "bc");
  EXPECT_EQ(queue_->size(), 0u);
}

TEST_F(ArrivalQueueTest, StandAmongEventsOfTheirInstantWhereTheyWereAdded) {
  for (const SimTime when : {10, 100'000}) {
    Mark first, second, third;
    ScheduleMark(first, when);
    Add('a', when);
    Add('b', when);
    ScheduleMark(second, when);
    Add('c', when);
    ScheduleMark(third, when);
    EXPECT_EQ(RunUntil(when), "|ab|c|");
  }
}

TEST_F(ArrivalQueueTest, OneAddedAtAnArrivalComesBehindAllOfThatInstant) {
  Mark mark;
  Add('a', 10);
  Add('b', 10);
  ScheduleMark(mark, 10);
  answer_ = 'c';
  EXPECT_EQ(RunUntil(10), "ab|c");
}

TEST_F(ArrivalQueueTest, WhoIsDueEarlierOvertakes) {
  Add('d', 400);
  Add('b', 200);
  Add('c', 300);
  Add('e', 400);
  Add('a', 100);
  EXPECT_EQ(RunUntil(150), "a");
  EXPECT_EQ(RunUntil(1000), "bcde");
}

TEST_F(ArrivalQueueTest, KeepsItsOrderWhenSimultaneousEventsAreShuffled) {
  queue_.reset();
  EndMachine([](HostBase&) {});
  SeededOrder order(11);
  Boot({.seed = 11, .choices = &order});
  std::vector<Mark> marks(20);
  for (char name = 'a'; name < 'u'; ++name) {
    Add(name, 10);
    ScheduleMark(marks[static_cast<size_t>(name - 'a')], 10);
  }
  std::string log = RunUntil(10);
  EXPECT_NE(log.substr(0, 4), "a|b|") << "nothing was shuffled";
  std::erase(log, '|');
  EXPECT_EQ(log, "abcdefghijklmnopqrst");
}

TEST_F(ArrivalQueueTest, MoreThanTheCacheHoldsArriveAllTheSame) {
  std::string sent;
  for (int i = 0; i < 3000; ++i) {
    sent += static_cast<char>('a' + i % 26);
    Add(sent.back(), i);
  }
  EXPECT_EQ(RunUntil(5000), sent);
}

TEST_F(ArrivalQueueTest, ABurstCanBeStoppedInItsMidst) {
  for (const char name : {'a', 'b', 'c'}) Add(name, 10);
  stops_at_ = 'b';
  EXPECT_EQ(RunUntil(100), "ab");
  EXPECT_EQ(machine().now(), 10);
  EXPECT_EQ(RunUntil(100), "c");
}

TEST_F(ArrivalQueueTest, EachPacketOfABurstIsAnEventOfTheRun) {
  constexpr int kPackets = 10'000;
  for (int i = 0; i < kPackets; ++i) Add('a', 10);
  const uint64_t before = machine().events_run();
  int reports = 0;
  machine().Run(100, [&] { ++reports; });
  EXPECT_EQ(machine().events_run() - before, kPackets);
  EXPECT_EQ(reports, kPackets / 4096);
}

TEST_F(ArrivalQueueTest, ClearFreesWhatIsOnItsWay) {
  Add('a', 100);
  Add('b', 200);
  queue_->Clear();
  EXPECT_EQ(queue_->size(), 0u);
  EXPECT_EQ(machine().Run(), Machine::End::kQuiescent);
  EXPECT_EQ(log_, "");
}

}  // namespace
}  // namespace sockbed
