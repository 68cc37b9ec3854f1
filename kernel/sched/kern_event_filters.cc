// The filters that watch no file: timers, signals, and what programs tell themselves.
#include <errno.h>

#include <algorithm>
#include <memory>

#include "kernel/sched/kern_event_private.h"
#include "kernel/sched/kqueue.h"
#include "kernel/sched/periodic.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/sched_host.h"

namespace sockbed {
namespace {

// --- EVFILT_TIMER: data is a period or a time, and then how often it has come. ---

constexpr int64_t kTimersMax = 4096;  // of a host, as OpenBSD's kq_timeoutmax

struct KnoteTimer : periodic {
  knote* owner = nullptr;
  SchedHost* sched = nullptr;
};
KnoteTimer* TimerOf(const knote* kn) { return static_cast<KnoteTimer*>(kn->kn_hook); }

// A period, or a time. One that is past has come.
void StartTimer(knote* kn, SimTime ns) {
  kn->kn_data = 0;
  if ((kn->kn_sfflags & NOTE_ABSTIME) == 0) {
    kn->kn_flags |= EV_CLEAR;
    ns = std::max<SimTime>(ns, 1);
    periodic_start(TimerOf(kn), Now() + ns, (kn->kn_flags & EV_ONESHOT) != 0 ? 0 : ns);
  } else if (ns > Now()) {
    periodic_start(TimerOf(kn), ns, 0);
  } else {
    periodic_stop(TimerOf(kn));
    kn->kn_data = 1;
  }
}

int filt_timerattach(knote* kn) {
  SimTime ns;
  if (const int error = timer_ns(kn->kn_sfflags, kn->kn_sdata, &ns)) return error;
  SchedHost& sched = Sched();
  if (sched.ntimers >= kTimersMax) return ENOMEM;
  ++sched.ntimers;
  auto* const timer = new KnoteTimer;
  timer->owner = kn;
  timer->sched = &sched;
  timer->pt_fire = [](periodic* pt, int64_t times) {
    knote* const owner = static_cast<KnoteTimer*>(pt)->owner;
    owner->kn_data += times;
    knote_activate(owner);
  };
  kn->kn_hook = timer;
  StartTimer(kn, ns);
  return 0;
}

void filt_timerdetach(knote* kn) {
  --TimerOf(kn)->sched->ntimers;
  delete TimerOf(kn);
}

bool filt_timer(knote* kn, long) { return kn->kn_data != 0; }

// Starts over.
int filt_timertouch(knote* kn, const kevent& kev) {
  SimTime ns;
  if (const int error = timer_ns(kev.fflags, kev.data, &ns)) return error;
  kn->kn_sfflags = kev.fflags;
  kn->kn_sdata = kev.data;
  knote_deactivate(kn);
  StartTimer(kn, ns);
  return 0;
}

// --- EVFILT_SIGNAL: data counts how often the signal was posted, ignored or not. ---

int filt_sigattach(knote* kn) {
  if (kn->kn_id < 1 || kn->kn_id >= static_cast<uintptr_t>(kSignals)) return EINVAL;
  KASSERT(curproc() != nullptr);
  proc* const main = curproc()->p_mainproc;  // lasts as long as the process's descriptors
  kn->kn_flags |= EV_CLEAR;
  kn->kn_hook = main;
  klist_insert(&main->p_klist, kn);
  return 0;
}

bool filt_signal(knote* kn, long hint) {
  if (hint != 0 && static_cast<uintptr_t>(hint) == kn->kn_id) ++kn->kn_data;
  return kn->kn_data != 0;
}

// --- EVFILT_USER: fires from a NOTE_TRIGGER on; the bit stands in kn_fflags. ---

bool filt_user(knote* kn, long) {
  const bool triggered = (kn->kn_fflags & NOTE_TRIGGER) != 0;
  kn->kn_data = kn->kn_sdata;
  kn->kn_fflags = (kn->kn_sfflags & NOTE_FFLAGSMASK) | (triggered ? NOTE_TRIGGER : 0);
  return triggered;
}

int filt_userattach(knote* kn) {
  kn->kn_fflags = kn->kn_sfflags & NOTE_TRIGGER;
  kn->kn_sfflags &= NOTE_FFLAGSMASK;
  return 0;
}

void filt_userdetach(knote*) {}

int filt_usertouch(knote* kn, const kevent& kev) {
  const unsigned flags = kev.fflags & NOTE_FFLAGSMASK;
  switch (kev.fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND: kn->kn_sfflags &= flags; break;
    case NOTE_FFOR: kn->kn_sfflags |= flags; break;
    case NOTE_FFCOPY: kn->kn_sfflags = flags; break;
    default: break;  // NOTE_FFNOP
  }
  if ((kev.flags & EV_ADD) != 0 || (kev.fflags & NOTE_TRIGGER) != 0) kn->kn_sdata = kev.data;
  kn->kn_fflags |= kev.fflags & NOTE_TRIGGER;
  return 0;
}

}  // namespace

int timer_ns(unsigned fflags, int64_t data, SimTime* ns) {
  SimTime unit;
  switch (fflags & ~NOTE_ABSTIME) {
    case NOTE_MSECONDS: unit = kMillisecond; break;
    case NOTE_SECONDS: unit = kSecond; break;
    case NOTE_USECONDS: unit = kMicrosecond; break;
    case NOTE_NSECONDS: unit = 1; break;
    default: return EINVAL;
  }
  if (data < 0) return EINVAL;
  constexpr SimTime kTimerMax = kForever / 4;
  *ns = std::min(data, kTimerMax / unit) * unit;
  return 0;
}

const filterops timer_filtops = {.f_attach = filt_timerattach,
                                 .f_detach = filt_timerdetach,
                                 .f_event = filt_timer,
                                 .f_touch = filt_timertouch};
const filterops sig_filtops = {
    .f_attach = filt_sigattach, .f_detach = klist_remove, .f_event = filt_signal};
const filterops user_filtops = {.f_attach = filt_userattach,
                                .f_detach = filt_userdetach,
                                .f_event = filt_user,
                                .f_touch = filt_usertouch};

}  // namespace sockbed
