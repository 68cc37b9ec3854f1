#include "kernel/sched/synch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "kernel/sched/sched_host.h"
#include "kernel/sched/sched_trace.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/thread.h"
#include "kernel/sim/fault.h"

namespace sockbed {
namespace {

constexpr size_t kWmesgMax = 7;

// After this many refused sleeps in a row a process is taken to work below the system calls, where
// nobody calls userret for it ...
constexpr uint16_t kRefusedMany = 16;
// ... and after this many, in tear-down, never to end.
constexpr uint16_t kRefusedMax = 50'000;

// Steps 3 and 6 of tsleep: what a signal makes of the sleep. May stop the process.
[[gnu::noinline]] int LookForSignals(proc* p) {
  if (p->p_exiting) return 0;
  if (fault::Fires(Site::kSleepInterrupt, Here().pid)) return EINTR;
  if (fault::Fires(Site::kSleepKill, Here().pid)) psignal(p, SIGKILL);
  if (fault::Fires(Site::kSleepSignal, Here().pid)) psignal(p, SIGUSR1);
  if (p->p_threxit) return EINTR;
  if (p->p_siglist == 0) return 0;
  const int signo = issignal(p);
  return signo != 0 ? sigerror(p, signo) : 0;
}

inline int SignalError(const Context& here, proc* p) {
  if (p->p_siglist == 0 && here.fault_plan == nullptr) [[likely]] return 0;
  return LookForSignals(p);
}

// The last sleeps were all refused. A call that takes the error for what it is has long returned to
// user mode, and the signal been acted on; a program without system calls gets here, and the same
// is done for it.
[[gnu::noinline]] void InsistsOnSleeping(proc* p) {
  if (p->p_refused >= kRefusedMax) KPANIC("a process goes on sleeping in tear-down");
  userret_slow();
}

// Whether the process may not sleep, nor stand aside, since the host ends.
bool SleepRefused(const SchedHost& sched, proc* p) {
  if (p->p_refused >= kRefusedMany) [[unlikely]] InsistsOnSleeping(p);
  if (!sched.tearing_down) [[likely]] return false;
  ++p->p_refused;
  return true;
}

// Notes why `p` sleeps.
[[gnu::noinline]] void SetWmesg(proc* p, const char* wmesg) {
  const size_t length = strnlen(wmesg, kWmesgMax + 1);
  KASSERT(length <= kWmesgMax);
  p->p_wmesg = wmesg;
  p->p_wmesg_packed = PackText({wmesg, length});
}

// Off its queue already: runnable because of `cause`, unless it is stopped, when SIGCONT will see
// to it.
inline void SetRunnable(Machine& machine, proc* p, TraceId cause) {
  if (p->p_stat == ProcState::kStopped) [[unlikely]] return;
  KASSERT(p->p_stat == ProcState::kSleeping);
  p->p_stat = ProcState::kRunnable;
  machine.MakeReady(&p->p_fiber, cause);
}

// Steps 2 and 5 of tsleep: sets the limit of a sleep; what it makes of the sleep afterwards. Where
// a fault has it come at once, nothing else had the time to happen.
[[gnu::noinline]] void SetLimit(SchedHost& sched, proc* p, int timo) {
  timeout_add(&p->p_sleep_to, timo);
  if (!fault::Fires(Site::kSleepTimeout, Here().pid)) return;
  p->p_timedout = true;
  sched.sleep_queues.Remove(p);
}
[[gnu::noinline]] int LimitError(proc* p) {
  timeout_del(&p->p_sleep_to);
  return std::exchange(p->p_timedout, false) ? EWOULDBLOCK : 0;
}

// Step 7 for a sleep that does not end in a wakeup.
[[gnu::noinline]] int SleepFailed(proc* p, int error, int interrupted) {
  if (interrupted != 0) error = interrupted;
  p->p_refused = interrupted != 0 ? static_cast<uint16_t>(p->p_refused + 1) : uint16_t{0};
  EmitSched(SchedEvent::kResume, Here().pid, static_cast<uint64_t>(error));
  return error;
}

int TicksOf(uint64_t nsecs) {
  if (nsecs == INFSLP) return 0;
  KASSERT(nsecs > 0);
  const uint64_t whole = nsecs / kTickNs;
  return static_cast<int>(std::min<uint64_t>(whole + (nsecs % kTickNs != 0), INT_MAX));
}

// Gives the lock back for the length of a sleep and takes it again.
class MutexPause {
 public:
  MutexPause(mutex* mtx, bool retake) : mtx_(mtx), retake_(retake) { mtx_leave(mtx); }
  ~MutexPause() {
    if (retake_) mtx_enter(mtx_);
  }
  MutexPause(const MutexPause&) = delete;
  MutexPause& operator=(const MutexPause&) = delete;

 private:
  mutex* const mtx_;
  const bool retake_;
};

class RwlockPause {
 public:
  explicit RwlockPause(rwlock* rwl) : rwl_(rwl), writer_(rwl->rwl_writer) {
    writer_ ? rw_exit_write(rwl) : rw_exit_read(rwl);
  }
  ~RwlockPause() { writer_ ? rw_enter_write(rwl_) : rw_enter_read(rwl_); }
  RwlockPause(const RwlockPause&) = delete;
  RwlockPause& operator=(const RwlockPause&) = delete;

 private:
  rwlock* const rwl_;
  const bool writer_;
};

}  // namespace

const int nowake = 0;

int tsleep(const volatile void* ident, int priority, const char* wmesg, int timo) {
  const Context& here = Here();
  proc* const p = here.process;
  KASSERT(p != nullptr);  // interrupt context may not sleep
  KASSERT(ident != nullptr);
  KASSERT((priority & ~(PRIMASK | PCATCH)) == 0);
  KASSERT(timo >= 0);
  SchedHost& sched = Sched();
  KASSERT(sched.mutexes_held == 0);  // msleep gives away the one; there may be no other
  if (SleepRefused(sched, p)) return EINTR;

  // 1. To the tail of the queue. A process mostly sleeps where it slept last.
  const bool catches = (priority & PCATCH) != 0;
  if (p->p_wmesg != wmesg) [[unlikely]] SetWmesg(p, wmesg);
  p->p_slptime = here.now;
  p->p_priority = static_cast<uint8_t>(priority & PRIMASK);
  p->p_sintr = catches;
  sched.sleep_queues.Append(p, ident);
  EmitSched(here, SchedEvent::kSleep, here.pid, p->p_wmesg_packed, static_cast<uint64_t>(priority),
            static_cast<uint64_t>(timo));

  // 2. The limit.
  if (timo != 0) SetLimit(sched, p, timo);

  // 3. A signal that is there already; while it stopped us, a wakeup may have come.
  int interrupted = catches ? SignalError(here, p) : 0;
  if (interrupted != 0 && p->p_wchan != nullptr) sched.sleep_queues.Remove(p);

  // 4. Switch away.
  if (p->p_wchan != nullptr) [[likely]] {
    p->p_stat = ProcState::kSleeping;
    here.machine->Suspend();
    KASSERT(p->p_wchan == nullptr && p->p_stat == ProcState::kRunnable);
    p->p_stat = ProcState::kRunning;
  }

  // 5. The limit again.
  const int error = timo != 0 ? LimitError(p) : 0;

  // 6. and 7. A signal outranks the limit, and a wakeup that has already happened; so does the end
  //    of the host.
  if (catches && interrupted == 0) interrupted = SignalError(here, p);
  if (sched.tearing_down) interrupted = EINTR;
  if ((error | interrupted) != 0) [[unlikely]] return SleepFailed(p, error, interrupted);
  p->p_refused = 0;
  return 0;
}

int tsleep_nsec(const volatile void* ident, int priority, const char* wmesg, uint64_t nsecs) {
  return tsleep(ident, priority, wmesg, TicksOf(nsecs));
}

int msleep(const volatile void* ident, mutex* mtx, int priority, const char* wmesg, int timo) {
  KASSERT(curproc() != nullptr);
  const MutexPause pause(mtx, (priority & PNORELOCK) == 0);
  return tsleep(ident, priority & ~PNORELOCK, wmesg, timo);
}

int msleep_nsec(const volatile void* ident, mutex* mtx, int priority, const char* wmesg,
                uint64_t nsecs) {
  return msleep(ident, mtx, priority, wmesg, TicksOf(nsecs));
}

int rwsleep(const volatile void* ident, rwlock* rwl, int priority, const char* wmesg, int timo) {
  KASSERT(curproc() != nullptr);
  KASSERT(ident != rwl);
  const RwlockPause pause(rwl);
  return tsleep(ident, priority, wmesg, timo);
}

int rwsleep_nsec(const volatile void* ident, rwlock* rwl, int priority, const char* wmesg,
                 uint64_t nsecs) {
  return rwsleep(ident, rwl, priority, wmesg, TicksOf(nsecs));
}

void yield() {
  proc* const p = curproc();
  KASSERT(p != nullptr);
  if (SleepRefused(Sched(), p)) return;
  p->p_stat = ProcState::kRunnable;
  Here().machine->Yield();
  p->p_stat = ProcState::kRunning;
}

namespace {

[[gnu::noinline]] void WakeSleepers(SleepQueues& queues, SleepQueues::Queue queue, int n) {
  const Context& here = Here();
  int count = queue.CountUpTo(n);
  const TraceId cause =
      EmitSched(here, SchedEvent::kWake, static_cast<uint64_t>(queue.first()->p_pid),
                static_cast<uint64_t>(count));
  do {
    SetRunnable(*here.machine, queues.TakeFirst(queue), cause);
  } while (--count > 0);
}

}  // namespace

// Most wakeups find nobody asleep.
void wakeup_n(const volatile void* ident, int n) {
  KASSERT(ident != nullptr && ident != &nowake);
  SleepQueues& queues = Sched().sleep_queues;
  const SleepQueues::Queue queue = queues.Find(ident);
  if (!queue.empty() && n != 0) WakeSleepers(queues, queue, n);
}

bool is_slept_on(const volatile void* ident) { return !Sched().sleep_queues.Find(ident).empty(); }

void endtsleep(void* arg) {
  proc* const p = static_cast<proc*>(arg);
  if (p->p_wchan == nullptr) return;  // woken in this very tick
  p->p_timedout = true;
  unsleep(p);
}

void unsleep(proc* p) {
  if (p->p_wchan == nullptr) return;
  SchedOf(p).sleep_queues.Remove(p);
  SetRunnable(*Here().machine, p, Here().cause);
}

void proc_thread_relimit(proc* p, uint64_t nsecs) {
  if (p->p_wchan == nullptr) return;
  KASSERT(timeout_pending(&p->p_sleep_to));
  timeout_add(&p->p_sleep_to, TicksOf(nsecs));
}

void mtx_enter(mutex* mtx) {
  KASSERT(!mtx->mtx_held);
  mtx->mtx_held = true;
  mtx->mtx_owner = curproc();
  ++Sched().mutexes_held;
}

void mtx_leave(mutex* mtx) {
  KASSERT(mtx->mtx_held);
  KASSERT(mtx->mtx_owner == curproc());
  --Sched().mutexes_held;
  *mtx = {};
}

void rw_enter_write(rwlock* rwl) {
  KASSERT(!rwl->rwl_writer && rwl->rwl_readers == 0);
  rwl->rwl_writer = true;
  rwl->rwl_owner = curproc();
}

void rw_exit_write(rwlock* rwl) {
  KASSERT(rwl->rwl_writer);
  KASSERT(rwl->rwl_owner == curproc());
  *rwl = {};
}

void rw_enter_read(rwlock* rwl) {
  KASSERT(!rwl->rwl_writer);
  ++rwl->rwl_readers;
}

void rw_exit_read(rwlock* rwl) {
  KASSERT(!rwl->rwl_writer);
  KASSERT(rwl->rwl_readers > 0);
  --rwl->rwl_readers;
}

std::vector<SleeperInfo> sleepers(HostBase& host) {
  const HostScope on_host(host);  // namers look at what their rooms keep there
  std::vector<SleeperInfo> result;
  const std::vector<IdentNamer>& namers = HostLocal<SchedHost>::Of(host).ident_namers;
  proc_foreach(host, [&](proc* p) {
    const bool stopped = p->p_stat == ProcState::kStopped;
    if (p->p_wchan == nullptr && !stopped) return;
    SleeperInfo info{host.id, host.name, p->p_pid, p->p_comm, "", p->p_slptime, "", stopped};
    if (p->p_wchan != nullptr) info.wmesg = p->p_wmesg;
    for (const IdentNamer namer : namers) {
      if (p->p_wchan != nullptr && namer(p->p_wchan, &info.ident)) break;
    }
    result.push_back(std::move(info));
  });
  return result;
}

std::string SleeperText(const SleeperInfo& info) {
  std::string text = info.host_name + ": process " + std::to_string(info.pid) + " \"" + info.comm;
  if (info.stopped) {
    text += "\" stopped";
  } else {
    text += "\" sleeps on \"" + info.wmesg + "\"";
    if (!info.ident.empty()) text += " (" + info.ident + ")";
  }
  return text + " since " + SecondsText(info.since) + " s";
}

void name_idents(HostBase& host, IdentNamer namer) {
  HostLocal<SchedHost>::Of(host).ident_namers.push_back(namer);
}

}  // namespace sockbed
