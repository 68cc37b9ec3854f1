// The simulated process: what sleeps, is signalled, holds descriptors, and exits.
//
// Lives here:  struct proc, struct ucred, process creation, exit and wait; priorities. The threads
//              of one process are in thread.h.
// Called by:   kernel/host (Spawn), uapi (exit, wait, kill), everybody (curproc()).
// May touch:   sim, the rest of sched.
// Context:     process or interrupt; functions marked [sleeps] need a process.
// Owns:        the host's process table owns every proc until it is waited for, or has ended when
//              nobody waits for it, or the host ends.
// Invariants:  1. curproc() is on no queue; a sleeping proc is on exactly one sleep queue.
//              2. p_wchan != null exactly while it is on a sleep queue.
//              3. A child stands in exactly one of its parent's lists: p_children until it has
//                 ended, then p_zombies until it is waited for.
//              4. A thread is a proc. The first one of a process is its main one: it has the
//                 family, and ends last; the others have no parent and are never waited for here.
// Source:      OpenBSD sys/sys/proc.h, sys/kern/kern_{fork,exit}.c.
// Differs:     a killed process unwinds its stack (see proc_unwind); orphans have no parent and are
//              reaped at once (there is no init). What the original keeps in struct process stands
//              in the process's first thread.
#ifndef SOCKBED_KERNEL_SCHED_PROC_H_
#define SOCKBED_KERNEL_SCHED_PROC_H_

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernel/sched/event.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/fiber.h"
#include "kernel/sim/machine.h"

namespace sockbed {

struct filedesc;  // the descriptor table: uapi's
struct rthread;   // what POSIX says of a thread: uapi's

// Credentials. uid 0 is the superuser.
struct ucred {
  uid_t cr_uid = 0;    // effective
  uid_t cr_ruid = 0;   // real
  uid_t cr_svuid = 0;  // saved
  gid_t cr_gid = 0;    // effective
  gid_t cr_rgid = 0;   // real
};
inline bool suser(const ucred& cred) { return cred.cr_uid == 0; }

// What a caught signal runs: a callback on the process's own fiber.
struct sigact {
  enum class Kind : uint8_t { kDefault, kIgnore, kCatch };
  Kind kind = Kind::kDefault;
  bool restart = false;              // SA_RESTART
  bool nodefer = false;              // SA_NODEFER: not blocked while its own handler runs
  bool resethand = false;            // SA_RESETHAND: back to the default once delivered
  bool nocldstop = false;            // SA_NOCLDSTOP: of SIGCHLD, not for children that stop
  bool nocldwait = false;            // SA_NOCLDWAIT: of SIGCHLD, children leave no zombie
  std::function<void(int)> handler;  // kCatch only
  uint64_t mask = 0;                 // blocked while the handler runs
};

inline constexpr int kSignals = 64;  // the host ABI's numbers, 1 .. 63
constexpr uint64_t SigBit(int signo) { return uint64_t{1} << (signo - 1); }
// Of p_siglist, beyond all signals: the thread is to end (p_threxit).
inline constexpr uint64_t kThreadEnds = uint64_t{1} << 63;
static_assert(kSignals <= 64);  // 1 .. 63

// What the signals a process catches do; made when it first catches one.
using sigacts = std::array<sigact, kSignals>;

struct itimer;  // what setitimer(2) armed: itimer.h
struct selrec;  // "this process scanned that file": selinfo.h

enum class ProcState : uint8_t { kRunnable, kRunning, kSleeping, kStopped, kZombie };

struct proc {
  // Sleeping (synch.h): with p_siglist one cache line, all that a sleep without a limit touches.
  ProcState p_stat = ProcState::kRunnable;
  uint8_t p_priority = 0;
  bool p_sintr = false;  // the sleep has PCATCH
  bool p_timedout = false;
  uint16_t p_refused = 0;                  // sleeps refused in a row, for a signal or tear-down
  bool p_exiting = false;                  // set once; signals no longer matter
  bool p_unwound = false;                  // its frames are gone; exit hooks run
  bool p_alone = false;                    // [d] a program's, and the only thread of its process
  bool p_system = false;                   // [I] a kernel thread: no signal reaches it
  uint8_t p_ipl = 0;                       // interrupt level that its code has raised (spl.h)
  uint8_t p_sblocks = 0;                   // sockbuf locks held (sblock)
  bool p_lets_in = false;                  // [I] lowering p_ipl lets events in (spl.h)
  const volatile void* p_wchan = nullptr;  // ident slept on
  const char* p_wmesg = nullptr;           // why: of the sleep it is in, or of the last one
  SimTime p_slptime = 0;                   // when it went to sleep
  proc* p_slpq_next = nullptr;             // sleepers on one ident (sleepq.h)
  proc* p_slpq_prev = nullptr;
  proc* p_slpq_chain = nullptr;

  uint64_t p_siglist = 0;       // pending signals
  uint64_t p_wmesg_packed = 0;  // [d] p_wmesg as the trace has it

  // Signals (signal.h).
  uint64_t p_sigmask = 0;    // blocked
  uint64_t p_sigignore = 0;  // set to be ignored
  uint64_t p_sigcatch = 0;   // set to be caught; [d] kCatch in p_sigacts
  bool p_nocldstop = false;  // of its SIGCHLD (sigact)
  bool p_nocldwait = false;
  bool p_stop_told = false;            // its parent has waited for this stop
  bool p_continued = false;            // set going again, and its parent not told yet
  int p_xstop = 0;                     // the signal that stopped it last
  std::unique_ptr<sigacts> p_sigacts;  // null until a signal is caught
  std::unique_ptr<itimer> p_itimer;    // null until setitimer(2)
  klist p_klist;                       // EVFILT_SIGNAL; of the main thread, for all

  // Who it is.
  HostBase* p_host = nullptr;  // [I]
  pid_t p_pid = 0;             // [I] counts from 1 per host
  pid_t p_ppid = 0;            // 0: nobody waits for it
  pid_t p_pgid = 0;
  size_t p_stack_bytes = 0;  // [I]
  ucred p_ucred;
  std::string p_comm;  // [I] the name it was spawned with

  // Threads (4.9: struct process, with its ps_mainproc and ps_threads).
  proc* p_mainproc = nullptr;  // [I] the first thread of its process; itself if it is that one
  proc* p_threads = nullptr;   // of the main one: the others, oldest first
  proc* p_thr_next = nullptr;  // links of that list
  proc* p_thr_prev = nullptr;
  bool p_threxit = false;     // ends alone, not with its process
  bool p_ps_exiting = false;  // of the main one: the process ends; its status is settled

  // What it used: wait4(2), getrusage(2).
  SimTime p_stime = 0;   // virtual time that its system calls took
  SimTime p_cstime = 0;  // the same of the children it has waited for, and theirs

  // Exit status: as wait(2) sees it.
  int p_xexit = 0;                       // value of exit(), if not signalled
  int p_xsig = 0;                        // the signal that ended it, or 0
  std::unique_ptr<std::string> p_xwhat;  // what() of the exception that ended it, or null

  // Family and table.
  proc* p_children = nullptr;  // not ended, newest first
  proc* p_zombies = nullptr;   // ended, in order of ending
  proc* p_zombies_last = nullptr;
  proc* p_sib_next = nullptr;
  proc* p_sib_prev = nullptr;
  proc* p_list_next = nullptr;  // all of the host, in order of pid
  proc* p_list_prev = nullptr;
  proc* p_hash_next = nullptr;  // by pid

  selrec* p_selrecs = nullptr;   // files recorded by the current scan (selinfo.h)
  bool p_selwoken = false;       // one of them became ready before the sleep
  filedesc* p_fd = nullptr;      // uapi's; freed by its exit hook
  rthread* p_rthread = nullptr;  // uapi's, likewise; null until it uses threads
  std::function<int()> p_main;   // until it is started; then on its own stack
  timeout p_sleep_to;            // limits the sleep; before that, starts the process
  Fiber p_fiber;
};

// Two sleeping processes and their touched stack pages are to fit 12 KiB (PERFORMANCE.md P7).
static_assert(sizeof(proc) <= 768);

// The running process, or null in interrupt context.
inline proc* curproc() { return Here().process; }

// Thrown to unwind a process that exits or is killed inside a call, so that what its frames own is
// freed. Caught in the process's first frame only; a program's own catch (...) must rethrow. Thrown
// by proc_exit and on return to user mode (userret), never while another exception is in flight; so
// what a destructor calls on its normal way out should not return through userret.
struct proc_unwind {};

// What other rooms do when a process ends, in its own context, in order of registration: uapi
// closes descriptors. May sleep.
using ProcExitHook = void (*)(proc* p);

struct SpawnOptions {
  std::string name;
  std::function<int()> main;  // its result is the exit status
  ucred cred;
  SimTime start_at = 0;  // virtual time; the past means now
  pid_t parent = 0;      // who waits for it, gives it its group, and gets SIGCHLD
  size_t stack_bytes = kFiberStackBytes;
  bool system = false;        // a kernel thread: signals do not reach it
  proc* thread_of = nullptr;  // a further thread of that one's process: name, credentials, group
                              // and what signals do are those of the process; `main`'s result is
                              // nobody's
};

// Makes a process on the current host; it first runs from the machine's loop. Returns it (the table
// owns). An exception that leaves `main` ends the process as SIGABRT would. REQUIRES: a parent, if
// given, lives.
proc* proc_spawn(SpawnOptions options);

// Ends the current process, all its threads, with `status`. Does not return: unwinds.
[[noreturn]] void proc_exit(int status);

// Whether `p` stands for its process: the only one that has no other threads, or the first.
inline bool is_mainproc(const proc* p) { return p->p_mainproc == p; }

// kthread_create(9): a kernel thread that runs func(arg); stores it if `newpp` is given. `name` is
// copied. Returns 0. kthread_exit ends it, as its return does.
int kthread_create(void (*func)(void*), void* arg, proc** newpp, const char* name);
[[noreturn]] void kthread_exit(int ecode);

// Waits for a child (pid > 0), any (-1), one of the own group (0) or of group -pid (< -1) of the
// current process to end; stores its number and its status as wait(2) encodes it. [sleeps] "wait".
// `options`: WNOHANG (*child = 0 if there is nothing to tell), WUNTRACED (also one that a signal
// has stopped, once for each stop), WCONTINUED (also one that goes on since). Errors: ECHILD (no
// such child), EINTR and kERESTART (signal).
// `stime` is what the child and its own had used of system time.
[[nodiscard]] int proc_wait(pid_t pid, int options, pid_t* child, int* status,
                            SimTime* stime = nullptr);

// How `p` ended, as wait(2) encodes it: the exit value in the second byte, or the signal in the
// first. For exit hooks, and for who keeps a record of exits.
int proc_status(const proc* p);

// The process of that number on the current host, or null.
proc* pfind(pid_t pid);

// All processes of a host in order of pid: for tables, sleeper reports and tear-down.
void proc_foreach(HostBase& host, const std::function<void(proc*)>& visit);

// setpgid(2) for the current process: moves `pid` (0: itself), which is itself or its child, into
// group `pgid` (0: one of its own). Errors: EINVAL (negative group), ESRCH (no such process, or
// neither itself nor its child), EPERM (no such group).
[[nodiscard]] int proc_setpgid(pid_t pid, pid_t pgid);

// Registers `hook` for all processes of `host`.
void proc_at_exit(HostBase& host, ProcExitHook hook);

// Kills and unwinds every process of `host`, however it sleeps, running the machine's ready fibers
// until they are gone; virtual time does not move. From here on every sleep on `host` is refused
// with EINTR, and no process can be made. For tear-down. REQUIRES: inside a MachineScope, outside
// Machine::Run.
void proc_killall(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_PROC_H_
