#include "kernel/sim/trace.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

static_assert(std::endian::native == std::endian::little, "records are hashed as they stand");
static_assert(std::has_unique_object_representations_v<Record>, "records are hashed as they stand");

constexpr uint64_t kRecentRecords = 16;

void AppendHex(std::string* text, uint64_t word) {
  for (int shift = 60; shift >= 0; shift -= 4) *text += "0123456789abcdef"[word >> shift & 0xf];
}

}  // namespace

std::string Digest::ToString() const {
  std::string text;
  AppendHex(&text, high);
  AppendHex(&text, low);
  return text;
}

void Trace::NameHost(HostId id, std::string name) {
  if (id >= host_names_.size()) host_names_.resize(size_t{id} + 1);
  host_names_[id] = std::move(name);
}

void Trace::set_sink(TraceSink* sink) {
  Flush();
  sink_ = sink;
}

void Trace::Flush() {
  const TraceId seen = std::exchange(delivered_id_, last_id_);
  if (sink_ == nullptr || seen == last_id_) return;
  sink_->Consume({&batch_[seen % kBatchRecords], last_id_ - seen});
  KASSERT(delivered_id_ == last_id_);  // a sink that emits would never come to an end
}

Digest Trace::digest() const {
  const uint64_t records = last_id_ % kBatchRecords;
  return records == 0 || !digest_on_ ? chain_ : Chain(records);
}

void Trace::DisableDigest() {
  KASSERT(last_id_ == 0);
  digest_on_ = false;
}

std::vector<Record> Trace::Recent() const {
  std::vector<Record> records;
  const TraceId count = std::min(last_id_, kRecentRecords);
  for (TraceId id = last_id_ - count + 1; id <= last_id_; ++id) {
    records.push_back(batch_[(id - 1) % kBatchRecords]);
  }
  return records;
}

void Trace::EndBatch() {
  next_ = batch_.data();
  Flush();
  if (!digest_on_) return;
  chain_ = Chain(kBatchRecords);
  if (last_id_ % kCheckpointRecords == 0) checkpoints_.push_back(chain_);
}

Digest Trace::Chain(uint64_t records) const {
  const Hash128 batch = hash_(batch_.data(), records * sizeof(Record));
  const std::array<uint64_t, 4> link = {chain_.high, chain_.low, batch.high, batch.low};
  const Hash128 next = hash_(link.data(), sizeof(link));
  return {next.high, next.low};
}

}  // namespace sockbed
