// The event queue of a kqueue(2) or an epoll(7): registering, scanning, sleeping.
//
// Lives here:  the kqueue_* functions; a kqueue as an open file.
// Called by:   uapi (kevent, epoll).
// Context:     a process.
// Owns:        a kqueue owns its knotes; its open file owns the kqueue.
// Invariants:  the knotes from first to last are pending, in order of activation; kqueue_pending
//              counts them.
// Source:      OpenBSD sys/kern/kern_event.c; kqueue(2).
// Differs:     kqueues stand in each other no deeper than kKqueueNestMax, and in no circle.
#ifndef SOCKBED_KERNEL_SCHED_KQUEUE_H_
#define SOCKBED_KERNEL_SCHED_KQUEUE_H_

#include "kernel/sched/event.h"
#include "kernel/sched/file.h"

namespace sockbed {

inline constexpr int kKqueueNestMax = 5;

// A new kqueue of the current host, for the descriptors of `fdp`; null: an epoll, whose knotes
// stay as long as their files.
kqueue* kqueue_make(const filedesc* fdp);
void kqueue_free(kqueue* kq);  // and its knotes
// Its wait for poll(2) and for other kqueues.
selinfo* kqueue_selinfo(kqueue* kq);
// The kqueue of an open file, or null.
kqueue* kqueue_of(const file* fp);

// What an open file that is a kqueue does: it has no data, but it is readable while something is
// pending. fo_kqfilter alone serves epolls as well. f_data is the kqueue, which goes with the file.
extern const fileops kqueueops;
int kqueue_kqfilter(file* fp, knote* kn);

// Applies one change. `fp` is the file that ident means, for filters of files. Errors: EBADF (no
// file), EINVAL (filter or parameters), ELOOP (nested too deep), ENOENT (no such knote), ENOMEM.
[[nodiscard]] int kqueue_register(kqueue* kq, const kevent& kev, file* fp);
// EVFILT_TIMER: data is a time, which comes once, instead of a period. A program means one of the
// wall clock, and what it shows as the timer is set counts; kqueue_register, the time since boot.
inline constexpr unsigned NOTE_ABSTIME = 0x10;
// What an EVFILT_TIMER's data comes to in nanoseconds (but for NOTE_ABSTIME, whichever clock it
// is of). Errors: EINVAL (negative, an unknown unit).
[[nodiscard]] int timer_ns(unsigned fflags, int64_t data, SimTime* ns);
// Whether ident is a descriptor.
bool filter_isfd(short filter);
// The knote of `kq` that watches `fp` as `fd`, or null.
knote* kqueue_find(kqueue* kq, short filter, file* fp, uintptr_t fd);

// Whether its queue is an epoll, whose events are those of poll(2).
bool knote_polls(const knote* kn);

// From now on `kn` hears only of what no other such knote of the same object has woken somebody
// for: they stand behind all others, first come first, and are asked until one of them ends a sleep
// of its kqueue. EPOLLEXCLUSIVE. REQUIRES: it watches a file.
void knote_exclusive(knote* kn);
bool knote_is_exclusive(const knote* kn);

// What is made of a knote that fires.
enum class KnoteVerdict : uint8_t {
  kTold,     // counts as one event
  kRepeat,   // told with another one already
  kNothing,  // there is nothing to tell after all
};
using KnoteReporter = KnoteVerdict (*)(knote* kn, void* arg);
// Goes through what is pending, in order of activation, each at most once, until `max` events are
// told; returns how many were. One that fires no longer leaves the queue; one that is neither
// EV_ONESHOT, EV_CLEAR nor EV_DISPATCH goes to its end. Never sleeps.
int kqueue_scan(kqueue* kq, int max, KnoteReporter report, void* arg);
// The number of the current scan, or of the last one.
uint32_t kqueue_round(const kqueue* kq);
int kqueue_pending(const kqueue* kq);
// The knotes that are pending, first to last through kn_tqnext: for a look at an epoll.
knote* kqueue_first(const kqueue* kq);
// Sleeps until something is pending. [sleeps] `wmesg` is "kqread" or "epoll". As tsleep.
[[nodiscard]] int kqueue_sleep(kqueue* kq, const char* wmesg, int timo);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_KQUEUE_H_
