// The event queue itself: knotes made, found, activated, scanned and dropped.
#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <memory>

#include "kernel/sched/hash_chains.h"
#include "kernel/sched/kern_event_private.h"
#include "kernel/sched/kqueue.h"
#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"

namespace sockbed {

struct kqueue {
  struct ById {
    static uint64_t Key(const knote* kn) { return kn->kn_id; }
    static knote*& Next(knote* kn) { return kn->kn_hnext; }
  };
  using Chains = HashChains<knote, ById>;

  uint64_t kq_id = 0;                // [I] counts from 1 per host
  SchedHost* kq_sched = nullptr;     // [I]
  const filedesc* kq_fdp = nullptr;  // [I]
  knote* kq_first = nullptr;         // pending, in order of activation
  knote* kq_last = nullptr;
  int kq_count = 0;
  bool kq_sleeping = false;  // somebody sleeps on it
  uint32_t kq_round = 0;     // counts scans
  selinfo kq_sel;
  knote* kq_all = nullptr;                         // newest first
  std::array<std::unique_ptr<Chains>, 3> kq_hash;  // knotes without a file, by filter and id
};

namespace {

struct SystemFilter {
  short filter;
  const filterops* fop;
};
constexpr SystemFilter kSystemFilters[] = {
    {EVFILT_TIMER, &timer_filtops}, {EVFILT_SIGNAL, &sig_filtops}, {EVFILT_USER, &user_filtops}};

// The place of a filter without files in kSystemFilters and kq_hash, or -1.
int SystemIndex(short filter) {
  for (int i = 0; i < 3; ++i) {
    if (kSystemFilters[i].filter == filter) return i;
  }
  return -1;
}

kqueue::Chains& ChainsOf(kqueue* kq, short filter) {
  std::unique_ptr<kqueue::Chains>& chains = kq->kq_hash[static_cast<size_t>(SystemIndex(filter))];
  if (chains == nullptr) chains = std::make_unique<kqueue::Chains>();
  return *chains;
}

void Enqueue(knote* kn) {
  kqueue* const kq = kn->kn_kq;
  KASSERT((kn->kn_status & KN_QUEUED) == 0);
  kn->kn_status |= KN_QUEUED;
  kn->kn_tqprev = kq->kq_last;
  kn->kn_tqnext = nullptr;
  (kq->kq_last != nullptr ? kq->kq_last->kn_tqnext : kq->kq_first) = kn;
  kq->kq_last = kn;
  ++kq->kq_count;
}

void Dequeue(knote* kn) {
  kqueue* const kq = kn->kn_kq;
  KASSERT((kn->kn_status & KN_QUEUED) != 0 && kq->kq_count > 0);
  kn->kn_status &= static_cast<uint8_t>(~KN_QUEUED);
  (kn->kn_tqprev != nullptr ? kn->kn_tqprev->kn_tqnext : kq->kq_first) = kn->kn_tqnext;
  (kn->kn_tqnext != nullptr ? kn->kn_tqnext->kn_tqprev : kq->kq_last) = kn->kn_tqprev;
  --kq->kq_count;
}

// Pending from now on, and whoever waits for the kqueue hears of it.
void EnqueueAndWake(knote* kn) {
  kqueue* const kq = kn->kn_kq;
  Enqueue(kn);
  const bool shown = kn->kn_fp != nullptr || kn->kn_filter == EVFILT_SIGNAL;
  const CauseScope cause(EmitSched(SchedEvent::kKnote, kq->kq_id, shown ? kn->kn_id : UINT64_MAX,
                                   static_cast<uint64_t>(int64_t{kn->kn_filter})));
  if (kq->kq_sleeping) {
    kq->kq_sleeping = false;
    wakeup(kq);
  }
  selwakeup(&kq->kq_sel);
}

// Into the list of its file and of its kqueue.
void Link(knote* kn) {
  kqueue* const kq = kn->kn_kq;
  kn->kn_allnext = kq->kq_all;
  if (kq->kq_all != nullptr) kq->kq_all->kn_allprev = kn;
  kq->kq_all = kn;
  if (kn->kn_fp == nullptr) {
    kqueue::Chains& chains = ChainsOf(kq, kn->kn_filter);
    chains.Insert(chains.Find(kn->kn_id), kn);
    return;
  }
  kn->kn_fnext = kn->kn_fp->f_knotes;
  if (kn->kn_fnext != nullptr) kn->kn_fnext->kn_fprev = kn;
  kn->kn_fp->f_knotes = kn;
}

void Unlink(knote* kn) {
  kqueue* const kq = kn->kn_kq;
  (kn->kn_allprev != nullptr ? kn->kn_allprev->kn_allnext : kq->kq_all) = kn->kn_allnext;
  if (kn->kn_allnext != nullptr) kn->kn_allnext->kn_allprev = kn->kn_allprev;
  if (kn->kn_fp == nullptr) {
    kqueue::Chains& chains = ChainsOf(kq, kn->kn_filter);
    chains.Remove(chains.Find(kn->kn_id));
    return;
  }
  (kn->kn_fprev != nullptr ? kn->kn_fprev->kn_fnext : kn->kn_fp->f_knotes) = kn->kn_fnext;
  if (kn->kn_fnext != nullptr) kn->kn_fnext->kn_fprev = kn->kn_fprev;
}

// A new knote, which watches from here on. Errors: EINVAL, ENOMEM.
int MakeKnote(kqueue* kq, const kevent& kev, file* fp, knote** made) {
  if (fault::Fires(Site::kPoolGet, kq->kq_id)) return ENOMEM;
  auto kn = std::make_unique<knote>();
  kn->kn_id = kev.ident;
  kn->kn_filter = kev.filter;
  kn->kn_flags = kev.flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH);
  kn->kn_sfflags = kev.fflags;
  kn->kn_sdata = kev.data;
  kn->kn_udata = kev.udata;
  kn->kn_kq = kq;
  kn->kn_fp = fp;
  if (fp == nullptr) {
    kn->kn_fop = kSystemFilters[SystemIndex(kev.filter)].fop;
    if (const int error = kn->kn_fop->f_attach(kn.get())) return error;
  } else {
    if (fp->f_ops->fo_kqfilter == nullptr) return EINVAL;
    if (const int error = fp->f_ops->fo_kqfilter(fp, kn.get())) return error;
  }
  KASSERT(kn->kn_fop != nullptr);
  Link(kn.get());
  ++kq->kq_sched->nknotes;
  *made = kn.release(); /*taken*/
  return 0;
}

int Touch(knote* kn, const kevent& kev) {
  if (kn->kn_fop->f_touch != nullptr) {
    if (const int error = kn->kn_fop->f_touch(kn, kev)) return error;
  } else {
    kn->kn_sfflags = kev.fflags;
    kn->kn_sdata = kev.data;
  }
  if ((kev.flags & EV_ADD) != 0) kn->kn_udata = kev.udata;
  return 0;
}

// How many kqueues stand in each other from `kq` down, and from `kq` up.
int Height(const kqueue* kq) {
  int below = 0;
  for (const knote* kn = kq->kq_all; kn != nullptr; kn = kn->kn_allnext) {
    const kqueue* const inner = kn->kn_fp != nullptr ? kqueue_of(kn->kn_fp) : nullptr;
    if (inner != nullptr) below = std::max(below, Height(inner));
  }
  return below + 1;
}
int Depth(const kqueue* kq) {
  int above = 0;
  for (const knote* kn = kq->kq_sel.si_note.kl_first; kn != nullptr; kn = kn->kn_selnext) {
    above = std::max(above, Depth(kn->kn_kq));
  }
  return above + 1;
}
bool StandsIn(const kqueue* inner, const kqueue* outer) {
  if (inner == outer) return true;
  for (const knote* kn = inner->kq_sel.si_note.kl_first; kn != nullptr; kn = kn->kn_selnext) {
    if (StandsIn(kn->kn_kq, outer)) return true;
  }
  return false;
}

bool kqread(knote* kn, long) {
  kn->kn_data = static_cast<const kqueue*>(kn->kn_hook)->kq_count;
  return kn->kn_data > 0;
}
constexpr filterops kKqread = {.f_detach = knote_detach, .f_event = kqread};

kqueue* KqueueOf(file* fp) { return static_cast<kqueue*>(fp->f_data); }

int kqueue_transfer(file*, uio*) { return ENXIO; }

int kqueue_ioctl(file*, unsigned long, void*) { return ENOTTY; }

int kqueue_poll(file* fp, int events, proc* p) {
  const int in = events & (POLLIN | POLLRDNORM);
  if (in == 0 || KqueueOf(fp)->kq_count > 0) return in;
  if (p != nullptr) selrecord(p, &KqueueOf(fp)->kq_sel);
  return 0;
}

int kqueue_stat(file* fp, struct stat* sb) {
  *sb = {};
  sb->st_mode = S_IFIFO;
  sb->st_size = KqueueOf(fp)->kq_count;
  return 0;
}

int kqueue_close(file* fp) {
  kqueue_free(KqueueOf(fp));
  return 0;
}

bool seltrue(knote* kn, long) {
  kn->kn_data = 0;
  return true;
}
constexpr filterops kSeltrue = {.f_detach = knote_detach, .f_event = seltrue};

}  // namespace

void knote_tell(klist* list, long hint) {
  for (knote* kn = list->kl_first; kn != nullptr; kn = kn->kn_selnext) {
    if (!kn->kn_fop->f_event(kn, hint)) continue;
    const bool exclusive = knote_is_exclusive(kn) && is_slept_on(kn->kn_kq);
    knote_activate(kn);
    if (exclusive && !is_slept_on(kn->kn_kq)) return;  // it has ended a sleep: the rest is spared
  }
}

void knote_exclusive(knote* kn) {
  KASSERT(kn->kn_list != nullptr && !knote_is_exclusive(kn));
  kn->kn_status |= KN_EXCLUSIVE;
  klist* const list = kn->kn_list;
  klist_remove(kn);
  kn->kn_list = list;
  knote* last = list->kl_first;
  while (last != nullptr && last->kn_selnext != nullptr) last = last->kn_selnext;
  kn->kn_selprev = last;
  kn->kn_selnext = nullptr;
  (last != nullptr ? last->kn_selnext : list->kl_first) = kn;
}

bool knote_polls(const knote* kn) { return kn->kn_kq->kq_fdp == nullptr; }

bool knote_is_exclusive(const knote* kn) { return (kn->kn_status & KN_EXCLUSIVE) != 0; }

void klist_insert(klist* list, knote* kn) {
  KASSERT(kn->kn_list == nullptr);
  kn->kn_list = list;
  kn->kn_selprev = nullptr;
  kn->kn_selnext = list->kl_first;
  if (list->kl_first != nullptr) list->kl_first->kn_selprev = kn;
  list->kl_first = kn;
}

void klist_remove(knote* kn) {
  KASSERT(kn->kn_list != nullptr);
  (kn->kn_selprev != nullptr ? kn->kn_selprev->kn_selnext : kn->kn_list->kl_first) = kn->kn_selnext;
  if (kn->kn_selnext != nullptr) kn->kn_selnext->kn_selprev = kn->kn_selprev;
  kn->kn_list = nullptr;
}

void knote_attach(knote* kn, const filterops* fop, selinfo* sip, void* hook) {
  kn->kn_fop = fop;
  kn->kn_hook = hook;
  klist_insert(&sip->si_note, kn);
}

void knote_detach(knote* kn) {
  if (kn->kn_list != nullptr) klist_remove(kn);
}

int seltrue_kqfilter(file*, knote* kn) {
  if (kn->kn_filter != EVFILT_READ && kn->kn_filter != EVFILT_WRITE) return EINVAL;
  kn->kn_fop = &kSeltrue;
  return 0;
}

void knote_activate(knote* kn) {
  kn->kn_status |= KN_ACTIVE;
  if ((kn->kn_status & (KN_QUEUED | KN_DISABLED)) == 0) EnqueueAndWake(kn);
}

void knote_deactivate(knote* kn) {
  if ((kn->kn_status & KN_QUEUED) != 0) Dequeue(kn);
  kn->kn_status &= static_cast<uint8_t>(~KN_ACTIVE);
}

void knote_disable(knote* kn) {
  knote_deactivate(kn);
  kn->kn_status |= KN_DISABLED;
}

void knote_drop(knote* kn) {
  kn->kn_fop->f_detach(kn);
  if ((kn->kn_status & KN_QUEUED) != 0) Dequeue(kn);
  Unlink(kn);
  --kn->kn_kq->kq_sched->nknotes;
  delete kn;
}

void knote_fdclose(file* fp, int fd, const filedesc* fdp) {
  knote* next;
  for (knote* kn = fp->f_knotes; kn != nullptr; kn = next) {
    next = kn->kn_fnext;
    if (kn->kn_id == static_cast<uintptr_t>(fd) && kn->kn_kq->kq_fdp == fdp) knote_drop(kn);
  }
}

void knote_fileclose(file* fp) {
  while (fp->f_knotes != nullptr) knote_drop(fp->f_knotes);
}

kqueue* kqueue_make(const filedesc* fdp) {
  auto* const kq = new kqueue;
  kq->kq_sched = &Sched();
  kq->kq_id = ++kq->kq_sched->last_kqueue_id;
  kq->kq_fdp = fdp;
  return kq;
}

void kqueue_free(kqueue* kq) {
  KASSERT(!is_slept_on(kq));
  while (kq->kq_all != nullptr) knote_drop(kq->kq_all);
  KASSERT(kq->kq_count == 0);
  delete kq;
}

const fileops kqueueops = {
    .fo_read = kqueue_transfer,
    .fo_write = kqueue_transfer,
    .fo_ioctl = kqueue_ioctl,
    .fo_poll = kqueue_poll,
    .fo_kqfilter = kqueue_kqfilter,
    .fo_stat = kqueue_stat,
    .fo_close = kqueue_close,
};

kqueue* kqueue_of(const file* fp) {
  const bool is_one = fp->f_type == FileType::kKqueue || fp->f_type == FileType::kEpoll;
  return is_one ? static_cast<kqueue*>(fp->f_data) : nullptr;
}

int kqueue_kqfilter(file* fp, knote* kn) {
  kqueue* const inner = KqueueOf(fp);
  if (kn->kn_filter != EVFILT_READ) return EINVAL;
  // Were `inner` above the kqueue that is to watch it, activating one would never end.
  if (StandsIn(kn->kn_kq, inner)) return ELOOP;
  if (Height(inner) + Depth(kn->kn_kq) > kKqueueNestMax) return ELOOP;
  knote_attach(kn, &kKqread, &inner->kq_sel, inner);
  return 0;
}

selinfo* kqueue_selinfo(kqueue* kq) { return &kq->kq_sel; }
uint32_t kqueue_round(const kqueue* kq) { return kq->kq_round; }
int kqueue_pending(const kqueue* kq) { return kq->kq_count; }
knote* kqueue_first(const kqueue* kq) { return kq->kq_first; }

bool filter_isfd(short filter) {
  return filter == EVFILT_READ || filter == EVFILT_WRITE || filter == EVFILT_EXCEPT;
}

knote* kqueue_find(kqueue* kq, short filter, file* fp, uintptr_t fd) {
  for (knote* kn = fp->f_knotes; kn != nullptr; kn = kn->kn_fnext) {
    if (kn->kn_kq == kq && kn->kn_filter == filter && kn->kn_id == fd) return kn;
  }
  return nullptr;
}

int kqueue_register(kqueue* kq, const kevent& kev, file* fp) {
  constexpr unsigned short kKnown = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_ONESHOT |
                                    EV_CLEAR | EV_RECEIPT | EV_DISPATCH;
  const bool isfd = filter_isfd(kev.filter);
  if (!isfd && SystemIndex(kev.filter) < 0) return EINVAL;
  if ((kev.flags & ~kKnown) != 0) return EINVAL;
  if (isfd && fp == nullptr) return EBADF;
  knote* kn =
      isfd ? kqueue_find(kq, kev.filter, fp, kev.ident) : *ChainsOf(kq, kev.filter).Find(kev.ident);
  if (kn == nullptr && (kev.flags & EV_ADD) == 0) return ENOENT;
  if (kn == nullptr) {
    if (const int error = MakeKnote(kq, kev, isfd ? fp : nullptr, &kn)) return error;
  } else if ((kev.flags & EV_ADD) == 0 && (kev.flags & EV_DELETE) != 0) {
    knote_drop(kn);
    return 0;
  } else if ((kev.flags & EV_ADD) != 0 || kev.filter == EVFILT_USER) {
    if (const int error = Touch(kn, kev)) return error;
  }
  if ((kev.flags & EV_DISABLE) != 0) {
    if ((kn->kn_status & KN_QUEUED) != 0) Dequeue(kn);
    kn->kn_status |= KN_DISABLED;
  }
  if ((kev.flags & EV_ENABLE) != 0) kn->kn_status &= static_cast<uint8_t>(~KN_DISABLED);
  if ((kn->kn_status & KN_ACTIVE) != 0 || kn->kn_fop->f_event(kn, 0)) knote_activate(kn);
  return 0;
}

int kqueue_scan(kqueue* kq, int max, KnoteReporter report, void* arg) {
  ++kq->kq_round;
  int told = 0;
  for (int left = kq->kq_count; left > 0 && told < max; --left) {
    knote* const kn = kq->kq_first;
    if (kn == nullptr) break;  // telling of one has taken others out
    Dequeue(kn);
    KASSERT((kn->kn_status & (KN_ACTIVE | KN_DISABLED)) == KN_ACTIVE);
    if ((kn->kn_flags & EV_ONESHOT) == 0 && !kn->kn_fop->f_event(kn, 0)) {
      knote_deactivate(kn);
      continue;
    }
    const KnoteVerdict verdict = report(kn, arg);
    if (verdict == KnoteVerdict::kTold) ++told;
    if (verdict == KnoteVerdict::kNothing) {
      knote_deactivate(kn);
    } else if ((kn->kn_flags & EV_ONESHOT) != 0) {
      knote_drop(kn);
    } else if ((kn->kn_flags & (EV_CLEAR | EV_DISPATCH)) != 0) {
      if ((kn->kn_flags & EV_CLEAR) != 0) kn->kn_data = kn->kn_fflags = 0;
      (kn->kn_flags & EV_DISPATCH) != 0 ? knote_disable(kn) : knote_deactivate(kn);
    } else if ((kn->kn_status & KN_DISABLED) == 0) {
      Enqueue(kn);
    }
  }
  return told;
}

int kqueue_sleep(kqueue* kq, const char* wmesg, int timo) {
  if (kq->kq_count > 0) return 0;
  kq->kq_sleeping = true;
  return tsleep(kq, PSOCK | PCATCH, wmesg, timo);
}

kevent knote_kevent(const knote* kn) {
  // The trigger of EVFILT_USER is not told.
  return {kn->kn_id,   kn->kn_filter, kn->kn_flags, kn->kn_fflags & ~NOTE_TRIGGER,
          kn->kn_data, kn->kn_udata};
}

}  // namespace sockbed
