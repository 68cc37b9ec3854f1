#include "kernel/sim/fault.h"

#include "kernel/sim/sim_trace.h"

namespace sockbed::fault {
namespace {

// Counts one more visit on `host`.
uint64_t NextOf(std::vector<uint64_t>& visits, HostId host) {
  if (host >= visits.size()) visits.resize(size_t{host} + 1);
  return ++visits[host];
}

}  // namespace

Plan::Plan(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) rules_.push_back({.rule = rule, .visits = {}});
}

bool Plan::Visit(Site site, HostId host, uint64_t object, Choices& choices) {
  const uint64_t ordinal = ++CountersOf(host)[static_cast<size_t>(site)];
  const DecisionName name = {.site = site, .host = host, .object = object, .ordinal = ordinal};
  bool fires = false;  // the first rule that says so decides, but each one counts its object
  for (auto& [rule, visits] : rules_) {
    if (rule.site != site || (rule.host != 0 && rule.host != host)) continue;
    if (rule.only_object.value_or(object) != object) continue;
    const uint64_t nth = rule.only_object ? NextOf(visits, host) : ordinal;
    if (fires) continue;
    fires = rule.only_ordinal != 0 ? rule.only_ordinal == nth : choices.Happens(name, rule.chance);
  }
  if (fires) Emit(Room::kSim, kSimFault, object, static_cast<uint64_t>(site), ordinal);
  return fires;
}

uint64_t Plan::visits(Site site, HostId host) const {
  return host < visits_.size() ? visits_[host][static_cast<size_t>(site)] : 0;
}

Plan::Counters& Plan::CountersOf(HostId host) {
  if (host >= visits_.size()) visits_.resize(size_t{host} + 1);
  return visits_[host];
}

}  // namespace sockbed::fault
