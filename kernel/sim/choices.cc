#include "kernel/sim/choices.h"

#include "kernel/sim/kassert.h"

namespace sockbed {

bool SeededFaults::Happens(const DecisionName& name, Chance chance) {
  KASSERT(chance > 0);
  return Draw(seed_, name) >> 32 < chance;
}

uint32_t SeededOrder::Pick(const DecisionName& name, uint32_t n) {
  KASSERT(n >= 2);
  return static_cast<uint32_t>(Below(Draw(seed_, name), n));
}

}  // namespace sockbed
