// Fault points: the places that may fail in life, and the plan that says which do in this run.
//
// Lives here:  fault::Fires, fault::Rule, fault::Plan.
// Called by:   any room, at the place that may fail; tools/ and tests load plans.
// Invariants:  without a plan Fires costs one predictable branch and consumes nothing.
#ifndef SOCKBED_KERNEL_SIM_FAULT_H_
#define SOCKBED_KERNEL_SIM_FAULT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/sim/choices.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/sites.h"

namespace sockbed::fault {

// One line of a plan: `site` fails on `host` (0: every host) with probability `chance`, or exactly
// at the `only_ordinal`-th time it is reached there (counted from 1; 0: at any time). With an
// object (which pool, which direction of a link: what Fires is told) it fails for that one alone,
// and only its visits are counted.
struct Rule {
  Site site;
  HostId host = 0;
  Chance chance = kAlways;
  uint64_t only_ordinal = 0;
  std::optional<uint64_t> only_object = std::nullopt;
};

// A loaded plan counts how often each site was reached, per host.
class Plan {
 public:
  explicit Plan(const std::vector<Rule>& rules);

  // Counts one visit of `site` on `host` and says whether it fails; traces it when it does.
  bool Visit(Site site, HostId host, uint64_t object, Choices& choices);

  // How often `site` was reached on `host`: the k of "every allocation fails once".
  uint64_t visits(Site site, HostId host) const;

 private:
  using Counters = std::array<uint64_t, static_cast<size_t>(Site::kCount)>;
  struct Loaded {
    Rule rule;
    std::vector<uint64_t> visits;  // of its object, by host
  };
  Counters& CountersOf(HostId host);

  std::vector<Loaded> rules_;
  std::vector<Counters> visits_;  // by host
};

// Whether the thing that may fail here fails now. `object` names which (a
// counter, never an address).
inline bool Fires(Site site, uint64_t object = 0) {
  const Context& here = Here();
  return __builtin_expect(here.fault_plan != nullptr, 0) &&
         here.fault_plan->Visit(site, here.host_id, object, here.machine->choices());
}

}  // namespace sockbed::fault

#endif  // SOCKBED_KERNEL_SIM_FAULT_H_
