#include "kernel/sched/proc.h"

#include <errno.h>
#include <signal.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include "kernel/sched/itimer.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/thread.h"

namespace sockbed {
namespace {

constexpr int kTearDownRoundsMax = 1'000'000;

// The n-th eight characters of a text, as one argument of a record.
uint64_t PackPart(std::string_view text, size_t n) {
  return PackText(text.substr(std::min(text.size(), 8 * n), 8));
}

// --- The table. ---

void Enlist(SchedHost& sched, proc* p) {
  p->p_list_prev = sched.procs_last;
  (sched.procs_last != nullptr ? sched.procs_last->p_list_next : sched.procs_first) = p;
  sched.procs_last = p;
  sched.by_pid.Insert(sched.by_pid.Find(SchedHost::ByPid::Key(p)), p);
  ++sched.nprocs;
}

// Takes an ended process out of the table; it is freed by Sweep.
void Bury(SchedHost& sched, proc* p) {
  (p->p_list_prev != nullptr ? p->p_list_prev->p_list_next : sched.procs_first) = p->p_list_next;
  (p->p_list_next != nullptr ? p->p_list_next->p_list_prev : sched.procs_last) = p->p_list_prev;
  sched.by_pid.Remove(sched.by_pid.Find(SchedHost::ByPid::Key(p)));
  --sched.nprocs;
  p->p_list_next = sched.dead;
  sched.dead = p;
}

// Frees the dead, but for the one that still runs the last of its own code, and for those whose
// threads are still on their way out (a host that ends does not wait for them).
void Sweep(SchedHost& sched) {
  for (proc** link = &sched.dead; *link != nullptr;) {
    proc* const p = *link;
    if (p->p_fiber.state() == Fiber::State::kEnded && p->p_threads == nullptr) {
      *link = p->p_list_next;
      delete p;
    } else {
      link = &p->p_list_next;
    }
  }
}

// --- The family. ---

void AddChild(proc* parent, proc* child) {
  child->p_sib_next = parent->p_children;
  if (parent->p_children != nullptr) parent->p_children->p_sib_prev = child;
  parent->p_children = child;
}

void RemoveChild(proc* parent, proc* child) {
  (child->p_sib_prev != nullptr ? child->p_sib_prev->p_sib_next : parent->p_children) =
      child->p_sib_next;
  if (child->p_sib_next != nullptr) child->p_sib_next->p_sib_prev = child->p_sib_prev;
  child->p_sib_next = child->p_sib_prev = nullptr;
}

void AddZombie(proc* parent, proc* child) {
  child->p_sib_prev = parent->p_zombies_last;
  (parent->p_zombies_last != nullptr ? parent->p_zombies_last->p_sib_next : parent->p_zombies) =
      child;
  parent->p_zombies_last = child;
}

void RemoveZombie(proc* parent, proc* child) {
  (child->p_sib_prev != nullptr ? child->p_sib_prev->p_sib_next : parent->p_zombies) =
      child->p_sib_next;
  (child->p_sib_next != nullptr ? child->p_sib_next->p_sib_prev : parent->p_zombies_last) =
      child->p_sib_prev;
}

// --- The threads. ---

// Makes `p` a thread of the process of `creator`: what is the process's own is copied, once and for
// all or, for what signals do, each time that it changes.
void JoinProcess(proc* p, const proc* creator) {
  proc* const main = creator->p_mainproc;
  p->p_mainproc = main;
  p->p_comm = main->p_comm;
  p->p_ucred = main->p_ucred;
  p->p_pgid = main->p_pgid;
  p->p_sigmask = creator->p_sigmask;
  p->p_sigignore = main->p_sigignore;
  p->p_sigcatch = main->p_sigcatch;
  if (main->p_sigacts != nullptr) p->p_sigacts = std::make_unique<sigacts>(*main->p_sigacts);
  proc** link = &main->p_threads;
  while (*link != nullptr) {
    p->p_thr_prev = *link;
    link = &p->p_thr_prev->p_thr_next;
  }
  *link = p;
  p->p_alone = main->p_alone = false;
}

void LeaveProcess(proc* p) {
  proc* const main = p->p_mainproc;
  (p->p_thr_prev != nullptr ? p->p_thr_prev->p_thr_next : main->p_threads) = p->p_thr_next;
  if (p->p_thr_next != nullptr) p->p_thr_next->p_thr_prev = p->p_thr_prev;
  if (main->p_threads != nullptr) return;
  main->p_alone = !main->p_unwound;
  wakeup(&main->p_threads);
}

// The process ends when its last thread does: the main one stays until then.
void AwaitThreads(proc* p) {
  while (p->p_threads != nullptr) {
    if (tsleep(&p->p_threads, PWAIT, "thrdead", 0) != 0) break;  // the host ends
  }
  proc_settle_exit(p, 0, 0);  // no thread has
}

// Whether proc_wait(pid) of `parent` is about `child`.
bool Waits(const proc* parent, pid_t pid, const proc* child) {
  if (pid == -1) return true;
  if (pid > 0) return child->p_pid == pid;
  return child->p_pgid == (pid == 0 ? parent->p_pgid : -pid);
}

// The first in a list of siblings that proc_wait(pid) is about, or null.
proc* FirstOf(const proc* parent, pid_t pid, proc* siblings) {
  while (siblings != nullptr && !Waits(parent, pid, siblings)) siblings = siblings->p_sib_next;
  return siblings;
}

// Whether a child that has not ended has stopped or gone on, and its parent asks about that and has
// not been told: stores how wait(2) says it.
bool TellsOfStop(proc* child, int options, int* status) {
  if ((options & WUNTRACED) != 0 && child->p_stat == ProcState::kStopped && !child->p_stop_told) {
    child->p_stop_told = true;
    *status = W_STOPCODE(child->p_xstop);
    return true;
  }
  if ((options & WCONTINUED) != 0 && child->p_continued) {
    child->p_continued = false;
    *status = __W_CONTINUED;
    return true;
  }
  return false;
}

// --- The life of a process. ---

// The program has made a mistake that ends it, or an exception has left it.
void Abort(proc* p, std::string_view what) {
  proc* const main = p->p_mainproc;
  if (main->p_ps_exiting) return;  // it ends already, of something else
  EmitSched(SchedEvent::kThrow, static_cast<uint64_t>(p->p_pid), PackPart(what, 0),
            PackPart(what, 1), PackPart(what, 2));
  main->p_xwhat = std::make_unique<std::string>(what);
  proc_settle_exit(p, 0, SIGABRT);
}

// An exception that a program's own code made of a refusal, on its way out, is none of interest.
void Catch(proc* p, std::string_view what) {
  if (!p->p_exiting) Abort(p, what);
}

// Runs the program to its end, of whichever kind. What its frames own is gone afterwards.
void RunProgram(proc* p) {
  const std::function<int()> main = std::exchange(p->p_main, nullptr);
  try {
    // It may have been killed before it first ran. A kernel thread hears of that when it sleeps:
    // what it was given to hold it has to give back.
    if (!p->p_system) userret();
    const int status = main();
    userret();  // or in its last system call
    if (is_mainproc(p)) proc_settle_exit(p, status, 0);
  } catch (const proc_unwind&) {
    KASSERT(p->p_exiting);
  } catch (const std::exception& error) {
    Catch(p, error.what());
  } catch (...) {
    Catch(p, "not a std::exception");
  }
}

// Leaves the children to nobody.
void Disown(SchedHost& sched, proc* p) {
  for (proc* child = p->p_children; child != nullptr; child = child->p_sib_next) child->p_ppid = 0;
  while (proc* child = p->p_zombies) {
    RemoveZombie(p, child);
    Bury(sched, child);
  }
}

// The process has ended but for the return from its fiber: tells the parent, or is buried at once.
void BecomeZombie(proc* p) {
  SchedHost& sched = SchedOf(p);
  KASSERT(p->p_wchan == nullptr && !timeout_pending(&p->p_sleep_to));
  KASSERT(p->p_klist.empty());  // its kqueues are closed
  selclear(p);
  p->p_siglist = 0;
  p->p_stat = ProcState::kZombie;
  if (!is_mainproc(p)) {
    const CauseScope cause(EmitSched(SchedEvent::kThrExit, static_cast<uint64_t>(p->p_pid)));
    LeaveProcess(p);
    return Bury(sched, p);
  }
  Disown(sched, p);
  const CauseScope cause(EmitSched(SchedEvent::kExit, static_cast<uint64_t>(p->p_pid),
                                   static_cast<uint64_t>(int64_t{p->p_xexit}),
                                   static_cast<uint64_t>(p->p_xsig)));
  if (p->p_ppid == 0) return Bury(sched, p);
  proc* const parent = pfind(p->p_ppid);
  RemoveChild(parent, p);
  if ((parent->p_sigignore & SigBit(SIGCHLD)) != 0 || parent->p_nocldwait) {  // it does not care
    Bury(sched, p);
  } else {
    AddZombie(parent, p);
    psignal(parent, SIGCHLD);
  }
  wakeup(parent);
}

// The program is gone: what remains is the kernel's.
void EndProcess(proc* p) {
  p->p_exiting = true;
  p->p_itimer = nullptr;  // the signal would find nobody
  p->p_unwound = true;
  p->p_alone = false;
  if (is_mainproc(p)) AwaitThreads(p);
  for (const ProcExitHook hook : SchedOf(p).exit_hooks) hook(p);
  BecomeZombie(p);
}

// The first frame of every process.
void ProcessEntry(void* arg) {
  proc* const p = static_cast<proc*>(arg);
  p->p_stat = ProcState::kRunning;
  EmitSched(SchedEvent::kStart, static_cast<uint64_t>(p->p_pid));
  RunProgram(p);
  EndProcess(p);
}

void Start(proc* p) {
  timeout_set(&p->p_sleep_to, endtsleep, p);
  Here().machine->StartFiber(&p->p_fiber, ProcessEntry, p, p->p_stack_bytes);
}

// The event of p_sleep_to, which a process that has not started needs for nothing else: to the
// nanosecond.
void StartByEvent(Event* event) {
  Start(static_cast<proc*>(reinterpret_cast<timeout*>(event)->to_arg));
}

void StartAt(proc* p, SimTime when) {
  if (when <= Now()) return Start(p);
  p->p_sleep_to.to_arg = p;
  p->p_sleep_to.to_event.handler = StartByEvent;
  Here().machine->Schedule(&p->p_sleep_to.to_event, when);
}

void JoinParent(proc* p, pid_t ppid) {
  proc* const parent = pfind(ppid);
  KASSERT(parent != nullptr && parent->p_stat != ProcState::kZombie);
  p->p_ppid = ppid;
  p->p_pgid = parent->p_pgid;
  AddChild(parent, p);
}

// Also makes it the thread that it is to be.
TraceId EmitSpawn(proc* p, const proc* creator) {
  const uint64_t pid = static_cast<uint64_t>(p->p_pid);
  if (creator == nullptr) {
    return EmitSched(SchedEvent::kSpawn, pid, PackPart(p->p_comm, 0), PackPart(p->p_comm, 1),
                     static_cast<uint64_t>(p->p_ppid));
  }
  JoinProcess(p, creator);
  if (p->p_mainproc->p_ps_exiting) proc_thread_kill(p);
  return EmitSched(SchedEvent::kThread, pid, static_cast<uint64_t>(p->p_mainproc->p_pid));
}

// Has the thread end once it looks at its signals.
void AskToEnd(proc* p) {
  p->p_threxit = true;
  p->p_siglist |= kThreadEnds;
}

// Sets a process going that is to end, whatever it waits for.
void Expel(proc* p) {
  if (p->p_stat == ProcState::kZombie) return;
  psignal(p, SIGKILL);
  if (p->p_fiber.state() == Fiber::State::kNew) {
    Here().machine->Cancel(&p->p_sleep_to.to_event);
    Start(p);
  } else if (p->p_wchan != nullptr) {
    unsleep(p);
  } else if (p->p_fiber.state() == Fiber::State::kSuspended) {
    Here().machine->MakeReady(&p->p_fiber);  // it waits for the clock, which has stopped
  }
}

}  // namespace

proc* proc_spawn(SpawnOptions options) {
  SchedHost& sched = Sched();
  KASSERT(!sched.tearing_down);
  KASSERT(options.main != nullptr);
  Sweep(sched);
  HostBase* const host = Here().host;
  proc* const p = new proc;
  p->p_host = host;
  p->p_pid = ++sched.last_pid;
  p->p_pgid = p->p_pid;
  p->p_mainproc = p;
  p->p_alone = true;
  p->p_comm = std::move(options.name);
  p->p_ucred = options.cred;
  p->p_main = std::move(options.main);
  p->p_stack_bytes = options.stack_bytes;
  p->p_system = options.system;
  p->p_lets_in = Here().machine->delivers_at_splx();
  p->p_fiber.host = host;
  p->p_fiber.host_id = host->id;
  p->p_fiber.process = p;
  p->p_fiber.pid = static_cast<uint32_t>(p->p_pid);
  Enlist(sched, p);
  if (options.parent != 0) JoinParent(p, options.parent);
  const CauseScope cause(EmitSpawn(p, options.thread_of));
  StartAt(p, options.start_at);
  return p;
}

void proc_exit(int status) {
  proc* const p = curproc();
  KASSERT(p != nullptr && !p->p_unwound);
  proc_settle_exit(p, status, 0);
  proc_unwind_now();
}

void proc_abort(std::string_view what) {
  proc* const p = curproc();
  KASSERT(p != nullptr && !p->p_unwound);
  Abort(p, what);
  AskToEnd(p);
  if (std::uncaught_exceptions() == 0) proc_unwind_now();
}

void proc_terminate() {
  proc* const p = curproc();
  KASSERT(p != nullptr && !p->p_unwound);
  Abort(p, "std::terminate");
  EndProcess(p);
  Here().machine->EndRunning();
}

void proc_thread_exit() {
  proc* const p = curproc();
  KASSERT(p != nullptr && !p->p_unwound);
  p->p_threxit = true;
  proc_unwind_now();
}

void proc_thread_kill(proc* p) {
  if (p->p_exiting || p->p_threxit) return;
  AskToEnd(p);
  if (p->p_sintr && p->p_wchan != nullptr) unsleep(p);
  if (p->p_stat == ProcState::kStopped) ptsignal(p, SIGCONT);
}

void proc_settle_exit(proc* p, int status, int signo) {
  proc* const main = p->p_mainproc;
  if (main->p_ps_exiting) return;
  main->p_ps_exiting = true;
  main->p_xexit = status;
  main->p_xsig = signo;
  proc_foreach_thread(p, [p](proc* t) {
    if (t != p) proc_thread_kill(t);
  });
}

void proc_unwind_now() {
  KASSERT(std::uncaught_exceptions() == 0);  // a destructor that unwinding runs may not throw
  curproc()->p_exiting = true;
  throw proc_unwind{};
}

int kthread_create(void (*func)(void*), void* arg, proc** newpp, const char* name) {
  const auto main = [func, arg] {
    func(arg);
    return 0;
  };
  proc* const p = proc_spawn({.name = name, .main = main, .system = true});
  if (newpp != nullptr) *newpp = p;
  return 0;
}

void kthread_exit(int ecode) {
  KASSERT(curproc()->p_system);
  proc_exit(ecode);
}

int proc_wait(pid_t pid, int options, pid_t* child, int* status, SimTime* stime) {
  KASSERT(curproc() != nullptr);
  proc* const p = curproc()->p_mainproc;
  for (;;) {
    if (proc* zombie = FirstOf(p, pid, p->p_zombies)) {
      *child = zombie->p_pid;
      *status = proc_status(zombie);
      const SimTime used = zombie->p_stime + zombie->p_cstime;
      p->p_cstime += used;
      if (stime != nullptr) *stime = used;
      EmitSched(SchedEvent::kWait, static_cast<uint64_t>(zombie->p_pid));
      RemoveZombie(p, zombie);
      Bury(SchedOf(p), zombie);
      return 0;
    }
    proc* sibling = FirstOf(p, pid, p->p_children);
    if (sibling == nullptr) return ECHILD;
    for (; sibling != nullptr; sibling = FirstOf(p, pid, sibling->p_sib_next)) {
      if (!TellsOfStop(sibling, options, status)) continue;
      *child = sibling->p_pid;
      if (stime != nullptr) *stime = sibling->p_stime + sibling->p_cstime;
      return 0;
    }
    if ((options & WNOHANG) != 0) {
      *child = 0;
      return 0;
    }
    if (const int error = tsleep(p, PWAIT | PCATCH, "wait", 0)) return error;
  }
}

int proc_status(const proc* p) { return p->p_xsig != 0 ? p->p_xsig : (p->p_xexit & 0xff) << 8; }

proc* pfind(pid_t pid) { return *Sched().by_pid.Find(static_cast<uint64_t>(pid)); }

int proc_setpgid(pid_t pid, pid_t pgid) {
  const proc* const self = curproc()->p_mainproc;
  if (pgid < 0) return EINVAL;
  proc* const p = pfind(pid != 0 ? pid : self->p_pid);
  if (p == nullptr || p->p_stat == ProcState::kZombie) return ESRCH;
  if (p != self && p->p_ppid != self->p_pid) return ESRCH;
  if (pgid == 0) pgid = p->p_pid;
  if (pgid != p->p_pid) {
    bool exists = false;
    proc_foreach(*p->p_host, [&](const proc* other) { exists |= other->p_pgid == pgid; });
    if (!exists) return EPERM;
  }
  proc_foreach_thread(p, [pgid](proc* t) { t->p_pgid = pgid; });
  return 0;
}

void proc_foreach(HostBase& host, const std::function<void(proc*)>& visit) {
  proc* next = HostLocal<SchedHost>::Of(host).procs_first;
  while (proc* p = next) {
    next = p->p_list_next;
    visit(p);
  }
}

void proc_at_exit(HostBase& host, ProcExitHook hook) {
  HostLocal<SchedHost>::Of(host).exit_hooks.push_back(hook);
}

void host_crash(HostBase& host) {
  const HostScope on_host(host);
  SchedHost& sched = Sched();
  if (std::exchange(sched.crashed, true)) return;
  for (const HostCrashHook hook : sched.crash_hooks) hook(host);
  proc_foreach(host, [](proc* p) { psignal(p, SIGKILL); });
}

void host_at_crash(HostBase& host, HostCrashHook hook) {
  HostLocal<SchedHost>::Of(host).crash_hooks.push_back(hook);
}

void proc_killall(HostBase& host) {
  const HostScope scope(host);
  SchedHost& sched = Sched();
  sched.tearing_down = true;
  // More than one round only for processes that use up a quantum on their way out.
  for (int round = 0; sched.nprocs > 0; ++round) {
    if (round > kTearDownRoundsMax) KPANIC("a process that is torn down does not end");
    proc_foreach(host, Expel);
    Here().machine->RunReady();
  }
  Sweep(sched);
}

SchedHost::~SchedHost() {
  KASSERT(nprocs == 0 && timeouts == 0);
  Sweep(*this);
  KASSERT(dead == nullptr);
  while (file* fp = files_first) {  // leaked: "file" in live_counts has told
    files_first = fp->f_next;
    file_memory.Free(fp);
  }
}

namespace {

// The queue that `leader` heads; adds the processes on it to *queued.
const char* BrokenQueue(const proc* leader, size_t* queued) {
  const proc* last = leader;
  for (const proc* q = leader; q != nullptr; last = q, q = q->p_slpq_next) {
    if (q->p_wchan != leader->p_wchan) return "a sleep queue holds two idents";
    ++*queued;
  }
  return leader->p_slpq_prev != last ? "the leader of a sleep queue has lost its tail" : nullptr;
}

}  // namespace

const char* sched_broken(HostBase& host) {
  SchedHost& sched = HostLocal<SchedHost>::Of(host);
  size_t sleeping = 0;  // procs that say so
  size_t queued = 0;    // procs met on the queues
  int64_t count = 0;
  const char* broken = nullptr;
  proc_foreach(host, [&](const proc* p) {
    ++count;
    const bool asleep = p->p_stat == ProcState::kSleeping;
    if (broken != nullptr) return;
    if (p->p_wchan == nullptr) {
      if (asleep) broken = "a process sleeps on nothing";
      return;
    }
    ++sleeping;
    if (!asleep && p->p_stat != ProcState::kStopped) {
      broken = "a process is awake on a sleep queue";
    } else if (p == sched.sleep_queues.Find(p->p_wchan).first()) {
      broken = BrokenQueue(p, &queued);
    }
  });
  if (broken != nullptr) return broken;
  if (queued != sleeping) return "a sleeping process is not on one queue";
  return count != sched.nprocs ? "the process table has lost count" : nullptr;
}

void sched_check(HostBase& host) {
  if (const char* broken = sched_broken(host)) KPANIC(broken);
}

void sched_boot(HostBase& host) {
  SchedHost& sched = HostLocal<SchedHost>::Make(host);
  host.live_counts.push_back({"process", &sched.nprocs});
  host.live_counts.push_back({"file", &sched.nfiles});
  host.live_counts.push_back({"timeout", &sched.timeouts});
  host.live_counts.push_back({"knote", &sched.nknotes});
  const auto read_only = [](int64_t) { return EPERM; };
  host.sysctls.Add("kern.maxfiles", {.value = &sched.maxfiles, .min = 0});
  host.sysctls.Add("kern.nfiles", {.value = &sched.nfiles, .check = read_only});
  host.sysctls.Add("kern.nprocs", {.value = &sched.nprocs, .check = read_only});
}

}  // namespace sockbed
