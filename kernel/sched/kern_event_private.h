// What the two halves of the event queue share.
//
// Lives here:  the filters that watch no file; KN_EXCLUSIVE.
// Called by:   kern_event.cc, kern_event_filters.cc.
#ifndef SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_
#define SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_

#include "kernel/sched/event.h"

namespace sockbed {

inline constexpr uint8_t KN_EXCLUSIVE = 0x8;  // beside event.h's: see knote_exclusive

extern const filterops timer_filtops;
extern const filterops sig_filtops;
extern const filterops user_filtops;

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_KERN_EVENT_PRIVATE_H_
