// The simulated process: what sleeps, is signalled, holds descriptors, and exits.
//
// Lives here:  struct proc, struct ucred, process creation, exit and wait; priorities.
// Called by:   kernel/host (Spawn), uapi (exit, wait, kill), everybody (curproc()).
// May touch:   sim, the rest of sched.
// Owns:        the host's process table owns every proc until it is waited for or the host ends.
// Invariants:  1. curproc() is on no queue; a sleeping proc is on exactly one sleep queue.
//              2. p_wchan != null exactly while it is on a sleep queue.
// Source:      OpenBSD sys/sys/proc.h, sys/kern/kern_{fork,exit}.c.
// Differs:     one thread per process; a killed process unwinds its stack (see proc_unwind).
#ifndef SOCKBED_KERNEL_SCHED_PROC_H_
#define SOCKBED_KERNEL_SCHED_PROC_H_

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "kernel/sched/host_local.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/fiber.h"
#include "kernel/sim/machine.h"

namespace sockbed {

struct filedesc;  // the descriptor table: uapi's

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
  bool restart = false;                    // SA_RESTART
  std::function<void(int)> handler;        // kCatch only
  uint64_t mask = 0;                       // blocked while the handler runs
};

inline constexpr int kSignals = 64;        // the host ABI's numbers, 1 .. 63
constexpr uint64_t SigBit(int signo) { return uint64_t{1} << (signo - 1); }

enum class ProcState : uint8_t { kRunnable, kRunning, kSleeping, kStopped, kZombie };

struct proc {
  HostBase* p_host = nullptr;              // [I]
  pid_t p_pid = 0;                         // [I] counts from 1 per host
  pid_t p_ppid = 0;                        // 0: nobody waits for it
  pid_t p_pgid = 0;
  std::string p_comm;                      // [I] the name it was spawned with
  ucred p_ucred;
  ProcState p_stat = ProcState::kRunnable;
  bool p_exiting = false;                  // set once; signals no longer matter

  // Sleeping (synch.h).
  const volatile void* p_wchan = nullptr;  // ident slept on
  const char* p_wmesg = nullptr;           // why; at most 7 characters are shown
  SimTime p_slptime = 0;                   // when it went to sleep
  uint8_t p_priority = 0;
  bool p_sintr = false;                    // the sleep has PCATCH
  bool p_timedout = false;
  timeout p_sleep_to;
  proc* p_slpq_next = nullptr;
  proc* p_slpq_prev = nullptr;

  // Signals (signal.h).
  uint64_t p_siglist = 0;                  // pending
  uint64_t p_sigmask = 0;                  // blocked
  std::array<sigact, kSignals> p_sigacts;

  // Exit status: as wait(2) sees it.
  int p_xexit = 0;                         // value of exit(), if not signalled
  int p_xsig = 0;                          // the signal that ended it, or 0

  filedesc* p_fd = nullptr;                // uapi's; freed by its exit hook
  std::function<int()> p_main;
  Fiber p_fiber;
};

// The running process, or null in interrupt context.
inline proc* curproc() { return Here().process; }

// Thrown to unwind a process that exits or is killed inside a call, so that what its frames own is
// freed. Caught in the process's first frame only; a program's own catch (...) must rethrow.
struct proc_unwind {};

// What other rooms do when a process ends, in its own context, in order of registration: uapi
// closes descriptors. May sleep.
using ProcExitHook = void (*)(proc* p);

struct SpawnOptions {
  std::string name;
  std::function<int()> main;               // its result is the exit status
  ucred cred;
  SimTime start_at = 0;                    // virtual time; the past means now
  pid_t parent = 0;
  size_t stack_bytes = kFiberStackBytes;
};

// Makes a process on the current host; it first runs from the machine's loop. Returns
// it (the table owns).
proc* proc_spawn(SpawnOptions options);

// Ends the current process with `status`. Does not return: unwinds.
[[noreturn]] void proc_exit(int status);

// Waits for a child (pid > 0) or any child (-1) of the current process; stores the status
// as wait(2) encodes it. [sleeps] "wait". Errors: ECHILD, EINTR; with `nohang`, *child =
// 0 if none has ended.
[[nodiscard]] int proc_wait(pid_t pid, bool nohang, pid_t* child, int* status);

// The process of that number on the current host, or null.
proc* pfind(pid_t pid);

// All processes of a host in order of pid: for tables, sleeper reports and tear-down.
void proc_foreach(HostBase& host, const std::function<void(proc*)>& visit);

// Registers `hook` for all processes of `host`.
void proc_at_exit(HostBase& host, ProcExitHook hook);

// Kills and unwinds every process of `host`, however it sleeps, running the machine's ready fibers
// until they are gone; virtual time does not move. For tear-down. REQUIRES: outside Machine::Run.
void proc_killall(HostBase& host);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_PROC_H_
