// Signals: posting, deciding, delivering.
//
// Lives here:  psignal, CURSIG, postsig and kin.
// Called by:   synch.h (PCATCH), socket (SIGIO, SIGURG, SIGPIPE through uapi), uapi (kill, return
//              to user).
// Context:     posting anywhere; delivery in the process itself, on return to user mode.
// Invariants:  SIGKILL and SIGSTOP are never caught, blocked or ignored.
// Source:      OpenBSD sys/kern/kern_sig.c; sigaction(2).
// Differs:     a handler is a callback on the process's fiber, run before the system call's result
//              is handed over; it may itself make system calls. There are no terminals: SIGTSTP and
//              kin come from kill(2) only, and stop in any group.
#ifndef SOCKBED_KERNEL_SCHED_SIGNAL_H_
#define SOCKBED_KERNEL_SCHED_SIGNAL_H_

#include "kernel/sched/proc.h"
#include "kernel/sim/kassert.h"
#include "kernel/sim/machine.h"

namespace sockbed {

// What acting on a signal does to the process, besides stopping it. Shown in the trace.
enum class SignalDeed : uint8_t { kTerminate, kHandler };

// Posts `signo`: remembered until `p` acts on it, unless ignored. A process in a PCATCH sleep is
// made runnable, or stopped, at once if the signal is not blocked; SIGCONT and SIGKILL set a
// stopped one going. The parent of one that stops gets SIGCHLD, unless it set SA_NOCLDSTOP. A
// kernel thread gets nothing. Of a process with several threads one takes it: the main one unless
// that blocks it or has ended, else the oldest that does not; all of them stop and continue.
void psignal(proc* p, int signo);

// The same for one thread, whatever the others do.
void ptsignal(proc* p, int signo);

// Posts to a process (pgid > 0) or a process group (pgid < 0) of the current host if the ids allow
// it: the sender's euid is 0, or its uid or euid equals the target's real, saved or effective uid.
// Others are skipped silently.
void csignal(pid_t pgid, int signo, uid_t uid, uid_t euid);

// The lowest-numbered signal that `p` must act on now, or 0.
int CURSIG(const proc* p);

// The same for curproc, which is stopped here if that is what the signal does. [sleeps] while
// stopped.
int issignal(proc* p);

// What a PCATCH sleep that was ended by `signo` returns: EINTR or kERESTART.
int sigerror(const proc* p, int signo);

// Acts on all pending signals of curproc: runs handlers, stops it, or unwinds it if one is fatal.
// Called on return to user mode. [sleeps] May not return (proc_unwind). While an exception unwinds
// the process nothing is delivered.
void userret_slow();
inline void userret(proc* p) {  // curproc
  KASSERT(p->p_wchan == nullptr);
  KASSERT(p->p_ipl == 0 && p->p_sblocks == 0);  // nothing is held on the way to the program
  p->p_refused = 0;
  if (p->p_lets_in) [[unlikely]] Here().machine->LetIn(0);
  if (p->p_siglist != 0 || p->p_exiting || Here().fault_plan != nullptr) [[unlikely]]
    userret_slow();
}
inline void userret() {
  KASSERT(curproc() != nullptr);
  userret(curproc());
}

// Sets what `signo` does to p's process. Errors: EINVAL (bad number; SIGKILL, SIGSTOP).
[[nodiscard]] int sigaction_set(proc* p, int signo, const sigact& act);
// What it does now. REQUIRES: a good number.
sigact sigaction_get(const proc* p, int signo);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SIGNAL_H_
