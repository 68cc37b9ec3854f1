#include "kernel/sched/periodic.h"

#include <algorithm>

#include "kernel/sim/kassert.h"

namespace sockbed {
namespace {

// For the first tick that is not before the deadline.
void Arm(periodic* pt) {
  const int64_t due = pt->pt_deadline / kTickNs + (pt->pt_deadline % kTickNs != 0);
  timeout_add(&pt->pt_to, static_cast<int>(std::clamp<int64_t>(due - ticks(), 0, INT32_MAX)));
}

void Expire(void* arg) {
  periodic* const pt = static_cast<periodic*>(arg);
  KASSERT(pt->pt_deadline != 0);
  if (Now() < pt->pt_deadline) return Arm(pt);  // it lies beyond what a timeout can count
  int64_t times = 1;
  if (pt->pt_interval == 0) {
    pt->pt_deadline = 0;
  } else {
    times += (Now() - pt->pt_deadline) / pt->pt_interval;
    pt->pt_deadline += times * pt->pt_interval;
    Arm(pt);
  }
  pt->pt_fire(pt, times);
}

}  // namespace

periodic::~periodic() { periodic_stop(this); }

void periodic_start(periodic* pt, SimTime deadline, SimTime interval) {
  KASSERT(pt->pt_fire != nullptr);
  KASSERT(deadline > 0 && interval >= 0);
  if (!timeout_initialized(&pt->pt_to)) timeout_set(&pt->pt_to, Expire, pt);
  pt->pt_deadline = deadline;
  pt->pt_interval = interval;
  Arm(pt);
}

void periodic_stop(periodic* pt) {
  if (timeout_initialized(&pt->pt_to)) timeout_del(&pt->pt_to);
  pt->pt_deadline = pt->pt_interval = 0;
}

SimTime periodic_left(const periodic* pt) {
  return pt->pt_deadline != 0 ? std::max<SimTime>(pt->pt_deadline - Now(), 0) : 0;
}

}  // namespace sockbed
