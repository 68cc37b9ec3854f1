// The threads of one process: how each of them, and all of them, end.
//
// Lives here:  proc_abort, proc_terminate, proc_thread_exit, proc_thread_kill, proc_thread_relimit,
//              proc_foreach_thread.
// Called by:   signal.cc, proc.cc; uapi, which gives threads POSIX's names.
// Context:     a process, but for proc_thread_kill, proc_thread_relimit and proc_foreach_thread.
// Invariants:  those of proc.h; a further thread is made by proc_spawn with thread_of.
// Source:      OpenBSD 4.9 sys/kern/kern_exit.c (exit1 with EXIT_THREAD), __threxit(2).
#ifndef SOCKBED_KERNEL_SCHED_THREAD_H_
#define SOCKBED_KERNEL_SCHED_THREAD_H_

#include <cstdint>
#include <string_view>

#include "kernel/sched/proc.h"

namespace sockbed {

// proc_exit for a program's grave mistake: by SIGABRT, with `what` saying why. Returns only while
// an exception unwinds the thread, which then ends at its next return to user mode.
void proc_abort(std::string_view what);

// What std::terminate does to a simulated program: ends the current process as proc_abort does,
// unless it ends already, and this thread on the spot: what its frames own is lost, as when a
// program aborts. (A std::thread that is destroyed before it was joined gets here; so does one that
// a killed process unwinds.)
[[noreturn]] void proc_terminate();

// Ends the current thread alone, as __threxit(2) does. Does not return: unwinds. The process ends
// with its last thread; status 0 if nothing else has settled it.
[[noreturn]] void proc_thread_exit();

// Makes a thread end alone, at its next return to user mode; a PCATCH sleep returns EINTR for it.
void proc_thread_kill(proc* p);

// Ends a thread's sleep that has a limit `nsecs` from now, instead of when it was to end. No-op if
// it is awake.
void proc_thread_relimit(proc* p, uint64_t nsecs);

// Visits all threads of p's process, the main one first.
template <typename Visit>
void proc_foreach_thread(proc* p, Visit visit) {
  proc* const main = p->p_mainproc;
  visit(main);
  for (proc *t = main->p_threads, *next; t != nullptr; t = next) {
    next = t->p_thr_next;
    visit(t);
  }
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_THREAD_H_
