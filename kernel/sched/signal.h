// Signals: posting, deciding, delivering.
//
// Lives here:  psignal, CURSIG, postsig and kin.
// Called by:   synch.h (PCATCH), socket (SIGIO, SIGURG, SIGPIPE through uapi), uapi
//              (kill, return to user).
// Context:     posting anywhere; delivery in the process itself, on return to user mode.
// Invariants:  SIGKILL and SIGSTOP are never caught, blocked or ignored.
// Source:      OpenBSD sys/kern/kern_sig.c; sigaction(2).
// Differs:     a handler is a callback on the process's fiber, run before the system call's result
//              is handed over; it may itself make system calls.
#ifndef SOCKBED_KERNEL_SCHED_SIGNAL_H_
#define SOCKBED_KERNEL_SCHED_SIGNAL_H_

#include "kernel/sched/proc.h"

namespace sockbed {

// Posts `signo`. A process in a PCATCH sleep is made runnable unless the signal
// is blocked or ignored.
void psignal(proc* p, int signo);

// Posts to a process (pgid > 0) or a process group (pgid < 0) if the ids allow it: the sender's uid
// or euid is 0 or equals the target's real, saved or effective uid. Others are skipped silently.
void csignal(pid_t pgid, int signo, uid_t uid, uid_t euid);

// The lowest-numbered signal that `p` must act on now, or 0.
int CURSIG(const proc* p);

// What a PCATCH sleep that was ended by `signo` returns: EINTR or kERESTART.
int sigerror(const proc* p, int signo);

// Acts on all pending signals of curproc: runs handlers, or unwinds the process if one is fatal.
// Called on return to user mode. May not return (proc_unwind).
void userret();

// Sets what `signo` does. Errors: EINVAL (bad number; SIGKILL, SIGSTOP).
[[nodiscard]] int sigaction_set(proc* p, int signo, sigact act);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SIGNAL_H_
