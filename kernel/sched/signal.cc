#include "kernel/sched/signal.h"

#include <errno.h>

#include <exception>
#include <initializer_list>
#include <utility>

#include "kernel/sched/sched.h"
#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/thread.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

constexpr uint64_t SigBits(std::initializer_list<int> signals) {
  uint64_t bits = 0;
  for (const int signo : signals) bits |= SigBit(signo);
  return bits;
}

constexpr uint64_t kCannotMask = SigBits({SIGKILL, SIGSTOP});
constexpr uint64_t kStops = SigBits({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});
constexpr uint64_t kIgnoredByDefault = SigBits({SIGCHLD, SIGURG, SIGIO, SIGWINCH, SIGCONT});

bool ValidSignal(int signo) { return signo >= 1 && signo < kSignals; }

// What nothing is to be done about: set to be ignored, or by default.
uint64_t Ignored(const proc* p) { return p->p_sigignore | (kIgnoredByDefault & ~p->p_sigcatch); }

// Pending and not blocked.
uint64_t Deliverable(const proc* p) {
  return p->p_siglist & ~kThreadEnds & ~(p->p_sigmask & ~kCannotMask) & ~Ignored(p);
}

bool StopsByDefault(const proc* p, int signo) {
  return (kStops & ~p->p_sigcatch & SigBit(signo)) != 0;
}

// Whoever waits for `p` looks at it again.
void WakeParent(const proc* p) {
  if (p->p_ppid != 0) wakeup(pfind(p->p_ppid));
}

// Takes a signal that stops for done and stops `p`, which is either curproc, and then to suspend
// itself, or asleep, and stays on its queue. Its parent may be told.
void Stop(proc* p, int signo) {
  p->p_siglist &= ~SigBit(signo);
  p->p_stat = ProcState::kStopped;
  p->p_xstop = signo;
  p->p_stop_told = p->p_continued = false;
  const CauseScope cause(EmitSched(SchedEvent::kStop, static_cast<uint64_t>(p->p_pid)));
  if (p->p_ppid == 0) return;
  proc* const parent = pfind(p->p_ppid);
  if (!parent->p_nocldstop) psignal(parent, SIGCHLD);
  wakeup(parent);
}

// Lets a stopped process go on: back to sleep if it still stands on a queue.
void Continue(proc* p) {
  const CauseScope cause(EmitSched(SchedEvent::kContinue, static_cast<uint64_t>(p->p_pid)));
  p->p_continued = true;
  WakeParent(p);
  p->p_stat = ProcState::kSleeping;
  if (p->p_wchan != nullptr) return;
  p->p_stat = ProcState::kRunnable;
  Here().machine->MakeReady(&p->p_fiber);
}

// A signal that must be acted on has come for a process that is stopped.
void PostToStopped(proc* p, int signo) {
  if (signo == SIGKILL) {
    unsleep(p);
    Continue(p);
  } else if (signo == SIGCONT) {
    if ((Deliverable(p) & SigBit(SIGCONT)) != 0) unsleep(p);  // its handler is to run
    Continue(p);
  } else if ((Deliverable(p) & SigBit(signo)) != 0 && !StopsByDefault(p, signo)) {
    unsleep(p);  // once continued it looks at the signal
  }
}

void PostToSleeping(proc* p, int signo) {
  if (!p->p_sintr || (Deliverable(p) & SigBit(signo)) == 0) return;
  if (StopsByDefault(p, signo)) return Stop(p, signo);
  unsleep(p);
}

// Back to the default, which for most of those that are ignored by default is to be ignored.
void ResetAction(proc* p, int signo) {
  p->p_sigcatch &= ~SigBit(signo);
  (*p->p_sigacts)[static_cast<size_t>(signo)] = {};
}

// Which of several threads takes a signal of their process.
proc* TakerOf(proc* main, int signo) {
  proc* taker = nullptr;
  proc_foreach_thread(main, [&](proc* t) {
    if (taker != nullptr || t->p_exiting) return;
    if ((t->p_sigmask & ~kCannotMask & SigBit(signo)) == 0) taker = t;
  });
  return taker != nullptr ? taker : main;
}

void SetAction(proc* p, int signo, const sigact& act) {
  const uint64_t bit = SigBit(signo);
  p->p_sigignore &= ~bit;
  p->p_sigcatch &= ~bit;
  if (act.kind == sigact::Kind::kIgnore) p->p_sigignore |= bit;
  if (act.kind == sigact::Kind::kCatch) p->p_sigcatch |= bit;
  p->p_siglist &= ~Ignored(p);
  if (signo == SIGCHLD) {
    p->p_nocldstop = act.nocldstop;
    p->p_nocldwait = act.nocldwait;
  }
  if (act.kind == sigact::Kind::kCatch || p->p_sigacts != nullptr) {
    if (p->p_sigacts == nullptr) p->p_sigacts = std::make_unique<sigacts>();
    (*p->p_sigacts)[static_cast<size_t>(signo)] = act;
  }
}

// Acts on one deliverable signal that does not stop.
void postsig(proc* p, int signo) {
  const uint64_t bit = SigBit(signo);
  p->p_siglist &= ~bit;
  const bool caught = (p->p_sigcatch & bit) != 0;
  EmitSched(SchedEvent::kDeliver, static_cast<uint64_t>(p->p_pid), static_cast<uint64_t>(signo),
            static_cast<uint64_t>(caught ? SignalDeed::kHandler : SignalDeed::kTerminate));
  if (!caught) {
    proc_settle_exit(p, 0, signo);
    proc_unwind_now();
  }
  const sigact act = (*p->p_sigacts)[static_cast<size_t>(signo)];  // the handler may set another
  if (act.resethand) ResetAction(p, signo);
  const uint64_t saved_mask = p->p_sigmask;
  p->p_sigmask |= act.mask | (act.nodefer ? 0 : bit);
  act.handler(signo);
  p->p_sigmask = saved_mask;
}

// Its process's knotes hear of it, ignored or not.
void TellKnotes(const proc* p, int signo) {
  if (p->p_exiting || p->p_stat == ProcState::kZombie) return;
  KNOTE(&p->p_mainproc->p_klist, signo);
}

void Post(proc* p, int signo) {
  if (p->p_exiting || p->p_stat == ProcState::kZombie) return;
  if (p->p_system && !SchedOf(p).tearing_down && !SchedOf(p).crashed) return;
  const uint64_t bit = SigBit(signo);
  if ((bit & kStops) != 0) p->p_siglist &= ~SigBit(SIGCONT);
  if (signo == SIGCONT) p->p_siglist &= ~kStops;
  const bool continues = signo == SIGCONT && p->p_stat == ProcState::kStopped;
  if ((bit & Ignored(p)) != 0 && !continues) return;
  const CauseScope cause(
      EmitSched(SchedEvent::kPost, static_cast<uint64_t>(p->p_pid), static_cast<uint64_t>(signo)));
  if ((bit & Ignored(p)) == 0) p->p_siglist |= bit;
  if (p->p_stat == ProcState::kStopped) {
    PostToStopped(p, signo);
  } else if (p->p_stat == ProcState::kSleeping) {
    PostToSleeping(p, signo);
  }
}

}  // namespace

void psignal(proc* p, int signo) {
  KASSERT(ValidSignal(signo));
  if (p->p_threads == nullptr) return ptsignal(p, signo);
  if ((SigBit(signo) & (kStops | SigBit(SIGCONT))) == 0) return ptsignal(TakerOf(p, signo), signo);
  TellKnotes(p, signo);  // once, however many threads it stops
  proc_foreach_thread(p, [signo](proc* t) { Post(t, signo); });
}

void ptsignal(proc* p, int signo) {
  TellKnotes(p, signo);
  Post(p, signo);
}

void csignal(pid_t pgid, int signo, uid_t uid, uid_t euid) {
  const auto post = [&](proc* p) {
    const ucred& to = p->p_ucred;
    const auto is_targets = [&to](uid_t id) {
      return id == to.cr_ruid || id == to.cr_svuid || id == to.cr_uid;
    };
    if (euid == 0 || is_targets(uid) || is_targets(euid)) psignal(p, signo);
  };
  if (pgid > 0) {
    if (proc* p = pfind(pgid)) post(p);
  } else if (pgid < 0) {
    proc_foreach(*Here().host, [&](proc* p) {
      if (p->p_pgid == -pgid && is_mainproc(p)) post(p);
    });
  }
}

int CURSIG(const proc* p) {
  const uint64_t bits = Deliverable(p);
  return bits == 0 ? 0 : __builtin_ctzll(bits) + 1;
}

int issignal(proc* p) {
  while (const int signo = CURSIG(p)) {
    if (!StopsByDefault(p, signo)) return signo;
    Stop(p, signo);
    Here().machine->Suspend();
    KASSERT(p->p_stat == ProcState::kRunnable);
    p->p_stat = ProcState::kRunning;
  }
  return 0;
}

int sigerror(const proc* p, int signo) {
  const uint64_t bit = SigBit(signo);
  const bool restart =
      (p->p_sigcatch & bit) != 0 && (*p->p_sigacts)[static_cast<size_t>(signo)].restart;
  return restart ? kERESTART : EINTR;
}

void userret_slow() {
  proc* const p = curproc();
  // A destructor that runs while an exception unwinds may not throw: what is pending waits for its
  // end.
  if (std::uncaught_exceptions() > 0) return;
  if (p->p_exiting) {
    if (!p->p_unwound) proc_unwind_now();  // the program caught the last one and went on
    return;
  }
  if (p->p_threxit) proc_unwind_now();
  if (fault::Fires(Site::kProcKill, Here().pid)) psignal(p, SIGKILL);
  if (fault::Fires(Site::kHostCrash, Here().pid)) host_crash(*p->p_host);
  while (const int signo = issignal(p)) postsig(p, signo);
}

int sigaction_set(proc* p, int signo, const sigact& act) {
  if (!ValidSignal(signo) || (SigBit(signo) & kCannotMask) != 0) return EINVAL;
  proc_foreach_thread(p, [&](proc* t) { SetAction(t, signo, act); });
  return 0;
}

sigact sigaction_get(const proc* p, int signo) {
  KASSERT(ValidSignal(signo));
  if ((p->p_sigcatch & SigBit(signo)) != 0) return (*p->p_sigacts)[static_cast<size_t>(signo)];
  sigact act;
  if ((p->p_sigignore & SigBit(signo)) != 0) act.kind = sigact::Kind::kIgnore;
  if (signo == SIGCHLD) {
    act.nocldstop = p->p_nocldstop;
    act.nocldwait = p->p_nocldwait;
  }
  return act;
}

}  // namespace sockbed
