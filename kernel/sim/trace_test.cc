#include "kernel/sim/trace.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

class TraceTest : public testing::Test {
 protected:
  TraceTest() : scope_(machine_) {}

  Trace& trace() { return machine_.trace(); }
  void EmitMany(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) Emit(Room::kTcp, 0, i);
  }

  Machine machine_{{.seed = 1}};
  MachineScope scope_;
};

struct Collector : TraceSink {
  void Consume(std::span<const Record> batch) override {
    records.insert(records.end(), batch.begin(), batch.end());
  }
  std::vector<Record> records;
};

TEST_F(TraceTest, RecordsWhatTheContextShows) {
  Collector sink;
  trace().set_sink(&sink);
  Here().now = 123;
  Here().host_id = 4;
  Here().pid = 5;
  const CauseScope cause(1);
  const TraceId id = Emit(Room::kNet, 6, 7, 8, 9, 10);
  trace().Flush();
  ASSERT_EQ(sink.records.size(), 1u);
  const Record expected = {123, id, 1, 6, Room::kNet, 4, 5, 7, {8, 9, 10}};
  EXPECT_EQ(std::memcmp(&sink.records[0], &expected, sizeof(Record)), 0);
}

TEST_F(TraceTest, DeliversEveryRecordOnceAndInOrder) {
  Collector sink;
  EmitMany(10);
  const TraceId before = trace().last_id();
  trace().set_sink(&sink);
  for (int i = 0; i < 50; ++i) {
    EmitMany(static_cast<uint64_t>(i));
    if (i % 7 == 0) trace().Flush();
  }
  trace().set_sink(nullptr);
  EmitMany(500);
  ASSERT_EQ(sink.records.size(), 50u * 49 / 2);
  for (size_t i = 0; i < sink.records.size(); ++i) EXPECT_EQ(sink.records[i].id, before + 1 + i);
}

TEST(TraceDigestTest, DoesNotDependOnWhenItIsAskedOrHeard) {
  const auto digest = [](TraceSink* sink, uint64_t asked_every) {
    Machine machine({.seed = 1});
    MachineScope scope(machine);
    machine.trace().set_sink(sink);
    for (uint64_t i = 1; i <= 3000; ++i) {
      Emit(Room::kTcp, 0, i);
      if (i % asked_every == 0) (void)machine.trace().digest();
    }
    return machine.trace().digest();
  };
  Collector sink;
  EXPECT_EQ(digest(nullptr, 3000), digest(&sink, 11));
}

// Pinned: another machine, compiler or width of registers must find the same.
TEST(TraceDigestTest, IsFixedForever) {
  Machine machine({.seed = 1});
  MachineScope scope(machine);
  for (uint64_t i = 0; i < 99; ++i) Emit(Room::kTcp, 1, i, 2, 3, 4);
  EXPECT_EQ(machine.trace().digest().ToString(), "9c29507b7e5321da9603ecefe7557f67");
}

// One bit in one record, or two records exchanged, must show.
TEST(TraceDigestTest, SeesEveryFieldAndTheOrder) {
  const auto digest = [](uint64_t first, uint64_t second, SimTime now) {
    Machine machine({.seed = 1});
    MachineScope scope(machine);
    Here().now = now;
    Emit(Room::kTcp, 0, first);
    Emit(Room::kTcp, 0, second);
    return machine.trace().digest();
  };
  const Digest base = digest(1, 2, 0);
  EXPECT_EQ(digest(1, 2, 0), base);
  EXPECT_NE(digest(2, 1, 0), base);
  EXPECT_NE(digest(1, 3, 0), base);
  EXPECT_NE(digest(1, 2, 1), base);
}

TEST_F(TraceTest, KeepsACheckpointEvery1024Records) {
  EmitMany(1023);  // and the record of the boot
  ASSERT_EQ(trace().checkpoints().size(), 1u);
  EXPECT_EQ(trace().checkpoints()[0], trace().digest());
  EmitMany(1023);
  EXPECT_EQ(trace().checkpoints().size(), 1u);
  EmitMany(1);
  EXPECT_EQ(trace().checkpoints().size(), 2u);
}

TEST_F(TraceTest, RemembersTheLastFewRecords) {
  for (uint64_t count : {3ul, 100ul, 64ul, 1ul}) {
    EmitMany(count);
    const std::vector<Record> recent = trace().Recent();
    ASSERT_EQ(recent.size(), std::min<uint64_t>(trace().last_id(), 16));
    for (size_t i = 0; i < recent.size(); ++i) {
      EXPECT_EQ(recent[i].id, trace().last_id() - recent.size() + 1 + i);
    }
  }
}

TEST_F(TraceTest, DigestIs32HexadecimalDigits) {
  EXPECT_EQ((Digest{0x0123456789abcdef, 0xf}).ToString(), "0123456789abcdef000000000000000f");
}

TEST_F(TraceTest, WithoutDigestsRecordsStillFlow) {
  Machine machine({.digest = false});
  EXPECT_EQ(machine.trace().digest(), Digest{});
  EXPECT_EQ(machine.trace().last_id(), 1u);
}

}  // namespace
}  // namespace sockbed
