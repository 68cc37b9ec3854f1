#include "kernel/sched/host_local.h"

namespace sockbed {

HostBase::~HostBase() {
  for (size_t i = slots.size(); i-- > 0;) {
    if (slots[i].object == nullptr) continue;
    slots[i].destroy(slots[i].object);
    slots[i] = {};
  }
}

}  // namespace sockbed
