// What the scheduler keeps per host.
//
// Lives here:  SchedHost.
// Called by:   this room only.
// Owns:        the processes, the records of select, the list of open files.
// Invariants:  1. Every proc of the host is in by_pid and in the list, or in dead once it has
//                 ended.
//              2. timeouts counts the pending timeouts that were armed on this host.
#ifndef SOCKBED_KERNEL_SCHED_SCHED_HOST_H_
#define SOCKBED_KERNEL_SCHED_SCHED_HOST_H_

#include <cstdint>
#include <vector>

#include "kernel/sched/file.h"
#include "kernel/sched/hash_chains.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/proc.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/sleepq.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/slab.h"

namespace sockbed {

struct SchedHost {
  static constexpr HostSlot kHostSlot = HostSlot::kSched;
  static constexpr int64_t kMaxFiles = 7030;  // OpenBSD's NFILE for the default maxusers

  SchedHost() = default;
  ~SchedHost();
  SchedHost(const SchedHost&) = delete;
  SchedHost& operator=(const SchedHost&) = delete;

  struct ByPid {
    static uint64_t Key(const proc* p) { return static_cast<uint64_t>(p->p_pid); }
    static proc*& Next(proc* p) { return p->p_hash_next; }
  };

  // Sleeping.
  SleepQueues sleep_queues;
  bool tearing_down = false;  // proc_killall: no sleep, no new process
  int mutexes_held = 0;       // by the running code: nobody sleeps with one
  std::vector<IdentNamer> ident_namers;

  // Processes.
  HashChains<proc, ByPid> by_pid;
  proc* procs_first = nullptr;  // in order of pid
  proc* procs_last = nullptr;
  proc* dead = nullptr;  // ended and waited for, by p_list_next; freed once off their stacks
  pid_t last_pid = 0;
  int64_t nprocs = 0;  // live and zombies
  std::vector<ProcExitHook> exit_hooks;
  bool crashed = false;  // host_crash: nobody lives on, kernel threads neither
  std::vector<void (*)(HostBase&)> crash_hooks;

  // Timeouts.
  int64_t timeouts = 0;
  timeout* softclock_due = nullptr;   // for the softclock process, by to_next
  timeout* softclock_runs = nullptr;  // what it is running
  pid_t softclock = 0;                // that process, or 0

  // Files.
  Slab<file> file_memory;
  file* files_first = nullptr;  // in order of creation
  file* files_last = nullptr;
  uint64_t last_file_id = 0;
  int64_t nfiles = 0;
  int64_t maxfiles = kMaxFiles;  // kern.maxfiles

  SelrecPool selrecs;

  // Event queues.
  uint64_t last_kqueue_id = 0;
  int64_t nknotes = 0;
  int64_t ntimers = 0;  // knotes of EVFILT_TIMER
};

// The current host's, and p's host's.
inline SchedHost& Sched() { return HostLocal<SchedHost>::Get(); }
inline SchedHost& SchedOf(const proc* p) { return HostLocal<SchedHost>::Of(*p->p_host); }

// Ends the current thread from wherever it stands: the one place that throws proc_unwind.
[[noreturn]] void proc_unwind_now();

// Settles how p's process ends, unless that is settled already, and sends all threads but `p` away.
void proc_settle_exit(proc* p, int status, int signo);

// What p_sleep_to runs: the limit of a sleep has come.
void endtsleep(void* arg);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SCHED_HOST_H_
