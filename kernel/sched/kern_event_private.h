// What the two halves of the event queue share.
//
// Lives here:  the filters that watch no file.
// Called by:   kern_event.cc, kern_event_filters.cc.
#ifndef SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_
#define SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_

#include "kernel/sched/event.h"

namespace sockbed {

extern const filterops timer_filtops;
extern const filterops sig_filtops;
extern const filterops user_filtops;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_
