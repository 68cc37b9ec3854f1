// The trace: one stream of typed records that says all that happened, and the digest of it.
//
// Lives here:  Record, EventType tables, Trace. No layer prints: layers emit.
// Called by:   every room (Emit); tools and tests read (TraceSink, digest()).
// May touch:   xxh3.h, context.h.
// Context:     any; never sleeps.
// Invariants:  1. Ids count from 1 without gaps; a record's cause is smaller than its id.
//              2. A record holds no address and nothing that differs between equal runs.
//              3. The digest covers every record in order, whether or not a sink listens: it is a
//                 chain, each link the hash of the one before and of the next batch's hash.
#ifndef SOCKBED_KERNEL_SIM_TRACE_H_
#define SOCKBED_KERNEL_SIM_TRACE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/sim/context.h"
#include "kernel/sim/time.h"
#include "kernel/sim/xxh3.h"

namespace sockbed {

// The rooms, in the order of their layers.
enum class Room : uint8_t {
  kSim, kSched, kMbuf, kSocket, kUnix, kNet, kInet, kUdp, kTcp, kHost, kUapi, kBio, kSsl,
  kProgram, kCount
};

// One thing that happened. 64 bytes, hashed as they stand.
struct Record {
  SimTime time;
  TraceId id;
  TraceId cause;
  uint8_t type;      // index into the room's table
  Room room;
  HostId host;
  uint32_t pid;      // 0 in interrupt context
  uint64_t object;   // the room's own counter: so#, pcb#, link#
  std::array<uint64_t, 3> args;
};
static_assert(sizeof(Record) == 64);

// How a type of record reads. `format` is text with {o}, {0}, {1}, {2} for object and arguments;
// after a colon the way to show it: {0:x} hexadecimal, {0:d} signed, {0:s} up to 8 characters
// (PackText), {0:e} an errno's name, {0:t} nanoseconds as seconds, {0:h} / {0:l} the upper / lower
// 32 bits (shown as what follows says: {0:hx}), {0:a} an IPv4 address and port (PackEndpoint),
// {0:i} an IPv4 address alone, {0:I} an IPv6 address out of this argument and the next,
// {0:@name} and {0:|name} a value or a set of flags of a table. {{ and }} are braces.
struct EventType {
  const char* name;    // kdump-like verb: "CALL", "SLEEP", "OUT"
  const char* format;
};
struct ValueName {
  uint64_t value;
  const char* name;
};
struct ValueTable {
  const char* name;
  std::span<const ValueName> values;
};
struct RoomTypes {
  std::span<const EventType> types;  // indexed by Record::type
  std::span<const ValueTable> tables;
};

// Up to 8 characters of text as one argument.
constexpr uint64_t PackText(std::string_view text) {
  uint64_t packed = 0;
  for (size_t i = 0; i < text.size() && i < 8; ++i) {
    packed |= static_cast<uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  }
  return packed;
}
constexpr uint64_t PackPair(uint32_t high, uint32_t low) {
  return static_cast<uint64_t>(high) << 32 | low;
}
// An IPv4 address and a port, both in host byte order.
constexpr uint64_t PackEndpoint(uint32_t address, uint16_t port) {
  return PackPair(address, port);
}

struct Digest {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
  std::string ToString() const;  // 32 hexadecimal digits
};

// Receives every record, in order of id, in batches. Must not emit.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void Consume(std::span<const Record> records) = 0;
};

class Trace {
 public:
  Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // Tells how `room`'s records read. Called once per room at boot; borrows constant tables.
  void Describe(Room room, const RoomTypes& types);
  // A format that does not parse is our mistake: panics when it meets one, as Format does when it
  // comes to use it. For tests, so that a run need not read what it will not print.
  void CheckFormats() const;
  // What Format calls host `id`; without it "h<id>".
  void NameHost(HostId id, std::string name);

  // Adds a record of what happens `here` and returns its id.
  TraceId Append(const Context& here, Room room, uint8_t type, uint64_t object, uint64_t a0,
                 uint64_t a1, uint64_t a2) {
    const TraceId id = ++last_id_;
    Record* const record = next_++;
    *record = {here.now,     id,       here.cause, type,        room,
               here.host_id, here.pid, object,     {a0, a1, a2}};
    if (next_ == batch_.data() + kBatchRecords) [[unlikely]]
      EndBatch();
    return id;
  }

  // Delivers records to `sink` from now on (null: to nobody). Borrows it.
  void set_sink(TraceSink* sink);
  // Hands what is buffered to the sink.
  void Flush();

  // The digest of everything so far. Rolling: equal at one point means that all before was equal.
  Digest digest() const;
  // Digests after every kCheckpointRecords records: two runs are compared by bisecting these.
  std::span<const Digest> checkpoints() const { return checkpoints_; }
  static constexpr uint64_t kCheckpointRecords = 1024;
  // For measuring what digests cost: without them all digests stay zero. REQUIRES:
  // nothing appended yet.
  void DisableDigest();

  TraceId last_id() const { return last_id_; }

  // The record as one line of text without its newline: time, id, host, process,
  // room, verb, what, cause.
  std::string Format(const Record& record) const;
  // The last few records, in order: for panics.
  std::vector<Record> Recent() const;

 private:
  static constexpr uint64_t kBatchRecords = 64;
  static_assert(kCheckpointRecords % kBatchRecords == 0);
  static constexpr size_t kRooms = static_cast<size_t>(Room::kCount);

  void EndBatch();
  Digest Chain(uint64_t records) const;  // the link after the batch's first so many

  // Records go round in here: record `id` stands at (id - 1) % kBatchRecords. They are hashed and
  // delivered a batch at a time, so that most appends are a few stores.
  alignas(64) std::array<Record, kBatchRecords> batch_;
  Record* next_ = batch_.data();  // where the next one goes
  TraceId last_id_ = 0;
  TraceId delivered_id_ = 0;  // the sink has seen, or missed, all up to here
  TraceSink* sink_ = nullptr;
  bool digest_on_ = true;
  Digest chain_;              // of all batches that are full
  Xxh3 hash_ = FastestXxh3();
  std::vector<Digest> checkpoints_;
  std::array<RoomTypes, kRooms> rooms_{};
  std::vector<std::string> host_names_;
};

// "1.234567890": nanoseconds as seconds.
std::string SecondsText(SimTime ns);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SIM_TRACE_H_
