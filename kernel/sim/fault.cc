#include "kernel/sim/fault.h"

#include "kernel/sim/sim_trace.h"

namespace sockbed::fault {

bool Plan::Visit(Site site, HostId host, uint64_t object, Choices& choices) {
  const uint64_t ordinal = ++CountersOf(host)[static_cast<size_t>(site)];
  const DecisionName name = {.site = site, .host = host, .object = object, .ordinal = ordinal};
  for (const Rule& rule : rules_) {
    if (rule.site != site || (rule.host != 0 && rule.host != host)) continue;
    const bool fires = rule.only_ordinal != 0 ? rule.only_ordinal == ordinal
                                              : choices.Happens(name, rule.chance);
    if (fires) {
      Emit(Room::kSim, kSimFault, object, static_cast<uint64_t>(site), ordinal);
      return true;
    }
  }
  return false;
}

uint64_t Plan::visits(Site site, HostId host) const {
  return host < visits_.size() ? visits_[host][static_cast<size_t>(site)] : 0;
}

Plan::Counters& Plan::CountersOf(HostId host) {
  if (host >= visits_.size()) visits_.resize(size_t{host} + 1);
  return visits_[host];
}

}  // namespace sockbed::fault
