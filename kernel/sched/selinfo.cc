#include "kernel/sched/selinfo.h"

#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/synch.h"

namespace sockbed {
namespace {

// The ident of all select and poll sleeps, as in the original; for its address only.
const int selwait_ident = 0;

// Takes a record out of both its lists and gives it back.
void Drop(selrec* record) {
  proc* const p = record->sr_proc;
  selinfo* const sip = record->sr_info;
  (record->sr_prev != nullptr ? record->sr_prev->sr_next : sip->si_first) = record->sr_next;
  (record->sr_next != nullptr ? record->sr_next->sr_prev : sip->si_last) = record->sr_prev;
  selrec* const next = record->sr_proc_next;
  selrec* const prev = record->sr_proc_prev;
  (prev != nullptr ? prev->sr_proc_next : p->p_selrecs) = next;
  if (next != nullptr) next->sr_proc_prev = prev;
  SchedOf(p).selrecs.Put(record);
}

bool SleepsInSelect(const proc* p) { return p->p_wchan == &selwait_ident; }

}  // namespace

selinfo::~selinfo() {
  KASSERT(si_note.empty());
  if (!empty()) selwakeup(this);
}

SelrecPool::~SelrecPool() {
  while (free_ != nullptr) {
    selrec* const record = free_;
    free_ = record->sr_proc_next;
    delete record;
  }
}

selrec* SelrecPool::Get() {
  if (free_ == nullptr) return new selrec;
  selrec* const record = free_;
  free_ = record->sr_proc_next;
  *record = {};
  return record;
}

void SelrecPool::Put(selrec* record) {
  record->sr_proc_next = free_;
  free_ = record;
}

void selrecord(proc* p, selinfo* sip) {
  // Nobody else registers during p's scan, so an earlier record of it on this file is the last one.
  if (sip->si_last != nullptr && sip->si_last->sr_proc == p) return;
  selrec* const record = SchedOf(p).selrecs.Get();
  record->sr_proc = p;
  record->sr_info = sip;
  record->sr_prev = sip->si_last;
  (sip->si_last != nullptr ? sip->si_last->sr_next : sip->si_first) = record;
  sip->si_last = record;
  record->sr_proc_next = p->p_selrecs;
  if (p->p_selrecs != nullptr) p->p_selrecs->sr_proc_prev = record;
  p->p_selrecs = record;
}

namespace {

// Wakes and forgets those recorded. REQUIRES: there are some.
[[gnu::noinline]] void WakeRecorded(selinfo* sip) {
  uint64_t sleeping = 0;
  const proc* first = nullptr;
  for (const selrec* record = sip->si_first; record != nullptr; record = record->sr_next) {
    if (!SleepsInSelect(record->sr_proc)) continue;
    if (first == nullptr) first = record->sr_proc;
    ++sleeping;
  }
  const CauseScope cause(
      first == nullptr
          ? Here().cause
          : EmitSched(SchedEvent::kWake, static_cast<uint64_t>(first->p_pid), sleeping));
  while (sip->si_first != nullptr) {
    proc* const p = sip->si_first->sr_proc;
    Drop(sip->si_first);
    if (SleepsInSelect(p)) {
      unsleep(p);
    } else {
      p->p_selwoken = true;
    }
  }
}

}  // namespace

void selwakeup(selinfo* sip) {
  KNOTE(&sip->si_note, 0);
  if (!sip->empty()) WakeRecorded(sip);
}

int selwait(proc* p, const char* wmesg, int timo) {
  KASSERT(p != nullptr && p == curproc());
  const int error = p->p_selwoken ? 0 : tsleep(&selwait_ident, PSOCK | PCATCH, wmesg, timo);
  selclear(p);
  return error;
}

void selclear(proc* p) {
  while (p->p_selrecs != nullptr) Drop(p->p_selrecs);
  p->p_selwoken = false;
}

}  // namespace sockbed
