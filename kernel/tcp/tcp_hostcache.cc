#include "kernel/tcp/tcp_hostcache.h"

#include <algorithm>

#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

// Half of the old, half of the new; what is not known does not count.
template <typename T>
T Blend(T old, T now) {
  if (old == 0 || now == 0) return old + now;
  return static_cast<T>(old / 2 + now / 2);
}

}  // namespace

const HostMetrics* HostCache::Find(const inpaddru& peer, SimTime expire) {
  const auto it = entries_.find(KeyOf(peer));
  if (it == entries_.end()) return nullptr;
  if (Now() - it->second.updated < expire) return &it->second.metrics;
  entries_.erase(it);
  return nullptr;
}

void HostCache::Update(const inpaddru& peer, const HostMetrics& metrics, SimTime expire) {
  const HostMetrics* known = Find(peer, expire);
  const HostMetrics old = known != nullptr ? *known : HostMetrics{};
  if (known == nullptr && entries_.size() >= kLimit) {
    const auto oldest = std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.updated < b.second.updated; });
    entries_.erase(oldest);
  }
  Entry& entry = entries_[KeyOf(peer)];
  entry.metrics = {.srtt = Blend(old.srtt, metrics.srtt),
                   .rttvar = Blend(old.rttvar, metrics.rttvar),
                   .ssthresh = Blend(old.ssthresh, metrics.ssthresh)};
  entry.updated = Now();
}

}  // namespace sockbed
