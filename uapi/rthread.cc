// Threads: how they begin and end, what each has of its own. Locks are in rthread_sync.cc.
#include "uapi/rthread.h"

#include <errno.h>
#include <limits.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/host/host.h"
#include "kernel/sched/itimer.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/thread.h"
#include "kernel/sim/fault.h"
#include "uapi/rthread_private.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr SimTime kThreadCallNs = 20;       // of a try that has failed
constexpr size_t kThreadNameRoom = 16;      // of a name, with the zero behind it
constexpr SimTime kYieldNs = kMicrosecond;  // of a thread that says it has nothing to do

// The keys that were made inside simulated processes. They belong to the OS process, as do the
// static variables of programs and libraries that hold them: one made by one simulated process is
// met again in the next. What a thread has under a key is in its rthread.
struct Key {
  void (*destructor)(void*) = nullptr;
  uint32_t generation = 0;  // odd: in use
};
constinit std::array<Key, PTHREAD_KEYS_MAX> own_keys;

rthread* NewThread(rprocess* process, proc* p) {
  auto made = std::make_unique<rthread>();
  rthread* const thread = made.get();
  thread->id = static_cast<pthread_t>(p->p_pid);
  thread->process = process;
  thread->thr_proc = p;
  p->p_rthread = thread;
  process->threads[thread->id] = std::move(made);
  ++process->procs;
  return thread;
}

rthread* FindThread(pthread_t id) {
  rprocess* const process = SelfThread()->process;
  const auto found = process->threads.find(id);
  return found != process->threads.end() ? found->second.get() : nullptr;
}

void Forget(rthread* thread) { thread->process->threads.erase(thread->id); }

// Hands what the keys hold to their destructors, which may set values anew: some rounds of it. Of
// the last thread of a process, too: a real one's memory goes with it, a simulated one's must be
// given back.
void DestroySpecific(rthread* self) {
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round) {
    bool any = false;
    for (size_t i = 0; i < self->specific.size(); ++i) {
      const Key& key = own_keys[i];
      const rthread::Specific held = std::exchange(self->specific[i], {});
      if (held.value == nullptr || held.generation != key.generation) continue;
      if (key.destructor == nullptr || key.generation % 2 == 0) continue;
      key.destructor(held.value);
      any = true;
    }
    if (!any) return;
  }
}

// Whether the thread ends with its process: by a signal, exit() or its last thread.
bool ProcessEnds(const proc* p) { return p->p_mainproc->p_ps_exiting; }

// What remains to be done when a thread ends alone.
void EndAlone(rthread* self) {
  GiveUpRobust(self);
  if (self->held == 0) return;
  Host& host = CurrentHost();
  host.Say("thread " + std::to_string(self->id) + " has ended with " + std::to_string(self->held) +
           " mutex(es) locked");
  attach_host(host).mutexes_left += self->held;
}

// The thread unwinds: by pthread_exit, cancelled, or with its process, which asks for nothing more.
class UnwindGuard {
 public:
  explicit UnwindGuard(rthread* self) : self_(self) {}
  ~UnwindGuard() {
    const proc* const p = self_->thr_proc;
    if (std::uncaught_exceptions() == 0 || ProcessEnds(p)) return;
    if (!p->p_exiting) return;  // an exception of the program, which ends the process
    if (self_->cancelled) self_->result = PTHREAD_CANCELED;
    EndAlone(self_);
  }
  UnwindGuard(const UnwindGuard&) = delete;
  UnwindGuard& operator=(const UnwindGuard&) = delete;

 private:
  rthread* const self_;
};

int ThreadMain(const std::function<void*()>& main) {
  rthread* const self = SelfThread();
  {
    const UnwindGuard guard(self);
    self->result = main();
  }
  EndAlone(self);
  return 0;
}

size_t StackOf(const proc* p, const pthread_attr_t* attr) {
  size_t wanted = 0, usual = 0;
  pthread_attr_t defaults;
  if (attr == nullptr || pthread_attr_getstacksize(attr, &wanted) != 0) return p->p_stack_bytes;
  if (pthread_attr_init(&defaults) == 0) {
    (void)pthread_attr_getstacksize(&defaults, &usual);  // it was just made: nothing is wrong
    (void)pthread_attr_destroy(&defaults);
  }
  return wanted == usual ? p->p_stack_bytes : std::max(wanted, p->p_stack_bytes);
}

// Waits for a thread's end. [sleeps] "join".
int Join(pthread_t id, void** result, const Deadline& end) {
  BeginThreadCall();
  rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  if (thread == SelfThread()) return EDEADLK;
  if (thread->detached || thread->joining) return EINVAL;
  if (thread->thr_proc != nullptr && !end.waits()) return EBUSY;
  while (thread->thr_proc != nullptr) {
    thread->joining = true;
    const int error = SleepToDeadline(thread, "join", end);
    thread->joining = false;
    userret();
    const bool late = error == EWOULDBLOCK && Now() >= end.until();
    if (late && thread->thr_proc != nullptr) return ETIMEDOUT;
  }
  if (result != nullptr) *result = thread->result;
  Forget(thread);
  return 0;
}

}  // namespace

rthread* SelfThread() {
  proc* const p = curproc();
  if (p->p_rthread != nullptr) return p->p_rthread;
  KASSERT(is_mainproc(p));  // the others get theirs as they are made
  attach_host(CurrentHost());
  return NewThread(new rprocess, p);
}

proc* BeginThreadCall() {
  proc* const p = curproc();
  KASSERT(p != nullptr);
  if (p->p_mainproc->p_threads == nullptr) return p;
  if (fault::Fires(Site::kThreadPreempt, Here().pid)) yield();
  return p;
}

void ChargeThreadCall(proc* p) { proc_charge(p, kThreadCallNs); }

SimTime Deadline::until() const { return wall ? Now() + (at - CurrentHost().wall_clock_ns()) : at; }

int ThreadDeadline(clockid_t clock, const timespec* abstime, Deadline* end) {
  if (abstime == nullptr || abstime->tv_nsec < 0 || abstime->tv_nsec >= kSecond) return EINVAL;
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) return EINVAL;
  const int64_t seconds = std::clamp<int64_t>(abstime->tv_sec, 0, kForever / kSecond / 2);
  *end = {.at = seconds * kSecond + abstime->tv_nsec, .wall = clock == CLOCK_REALTIME};
  return 0;
}

namespace {

// Moves the end of the current thread's sleep when the wall clock is set. It hears of that as long
// as it lives, which is no longer than the sleep: no code of the program runs meanwhile.
class SleepWatch : private WallWatch {
 public:
  explicit SleepWatch(const Deadline& end) : end_(end) {
    clock_set = [](WallWatch* watch, SimTime) {
      const SleepWatch& self = *static_cast<SleepWatch*>(watch);
      const SimTime left = std::max<SimTime>(self.end_.until() - Now(), 1);
      proc_thread_relimit(self.sleeper_, static_cast<uint64_t>(left));
    };
    if (end.wall) Watches().Begin(this);
  }
  ~SleepWatch() { Watches().End(this); }
  SleepWatch(const SleepWatch&) = delete;
  SleepWatch& operator=(const SleepWatch&) = delete;

 private:
  static WallWatches& Watches() { return HostLocal<UapiHost>::Get().wall_watches; }

  const Deadline end_;
  proc* const sleeper_ = curproc();
};

}  // namespace

int SleepToDeadline(const volatile void* ident, const char* wmesg, const Deadline& end) {
  if (end.at == kForever) return tsleep(ident, PUSER | PCATCH, wmesg, 0);
  const SimTime left = end.until() - Now();
  if (left <= 0) return EWOULDBLOCK;
  const SleepWatch watch(end);
  return tsleep_nsec(ident, PUSER | PCATCH, wmesg, static_cast<uint64_t>(left));
}

int ThreadSleep(const volatile void* ident, const char* wmesg, const Deadline& end) {
  const int error = SleepToDeadline(ident, wmesg, end);
  userret();
  if (error == EWOULDBLOCK) return Now() >= end.until() ? ETIMEDOUT : 0;
  return NoRestart(error);
}

bool ThreadIsDying(const proc* p) {
  return p->p_exiting || p->p_threxit || p->p_mainproc->p_ps_exiting;
}

int ThreadErrno(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

bool ThreadCleansUp() {
  const rthread* const thread = curproc()->p_rthread;
  return thread != nullptr && thread->cleans_up;
}

void rthread_ended(proc* p) {
  if (p->p_rthread == nullptr) return;
  p->p_rthread->cleans_up = true;
  // A process that ends has destroyed its main thread's, in exit(), and leaves the others' alone.
  if (!ProcessEnds(p)) DestroyLocals(p->p_rthread);
  DestroySpecific(p->p_rthread);
  rthread* const thread = std::exchange(p->p_rthread, nullptr);
  rprocess* const process = thread->process;
  thread->thr_proc = nullptr;
  wakeup(thread);
  if (thread->detached) Forget(thread);
  if (--process->procs == 0) delete process;
}

void DestroyLocals(rthread* thread) {
  while (!thread->at_exit.empty()) {
    const rthread::ThreadExit last = thread->at_exit.back();
    thread->at_exit.pop_back();
    last.call(last.arg);
  }
}

// --- Life. ---

int CreateThread(pthread_t* id, const pthread_attr_t* attr, std::function<void*()> main) {
  proc* const p = BeginThreadCall();
  if (fault::Fires(Site::kPoolGet, Here().pid)) return EAGAIN;
  int detach_state = PTHREAD_CREATE_JOINABLE;
  if (attr != nullptr && pthread_attr_getdetachstate(attr, &detach_state) != 0) return EINVAL;
  fdinit(p);  // the table that they are to share
  rprocess* const process = SelfThread()->process;
  proc* const made = proc_spawn({.main = [main = std::move(main)] { return ThreadMain(main); },
                                 .stack_bytes = StackOf(p, attr),
                                 .thread_of = p});
  fdshare(p, made);
  rthread* const thread = NewThread(process, made);
  thread->detached = detach_state == PTHREAD_CREATE_DETACHED;
  *id = thread->id;
  return 0;
}

int pthread_create(pthread_t* id, const pthread_attr_t* attr, void* (*start)(void*), void* arg) {
  return CreateThread(id, attr, [start, arg] { return start(arg); });
}

int thrd_create(thrd_t* id, thrd_start_t start, void* arg) {
  const auto main = [start, arg] {
    return reinterpret_cast<void*>(static_cast<intptr_t>(start(arg)));
  };
  return CreateThread(id, nullptr, main) == 0 ? thrd_success : thrd_error;
}

void pthread_exit(void* result) {
  BeginThreadCall();
  SelfThread()->result = result;
  proc_thread_exit();
}

int pthread_join(pthread_t id, void** result) { return Join(id, result, kNever); }

int pthread_tryjoin_np(pthread_t id, void** result) { return Join(id, result, kNoWait); }

int pthread_timedjoin_np(pthread_t id, void** result, const timespec* abstime) {
  return uapi::pthread_clockjoin_np(id, result, CLOCK_REALTIME, abstime);
}

int pthread_clockjoin_np(pthread_t id, void** result, clockid_t clock, const timespec* abstime) {
  Deadline end;
  if (const int error = ThreadDeadline(clock, abstime, &end)) return error;
  return Join(id, result, end);
}

int pthread_setname_np(pthread_t id, const char* name) {
  BeginThreadCall();
  rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  if (std::string_view(name).size() >= kThreadNameRoom) return ERANGE;
  thread->name = name;
  return 0;
}

int pthread_getname_np(pthread_t id, char* name, size_t size) {
  BeginThreadCall();
  const rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  if (size < kThreadNameRoom) return ERANGE;
  const std::string& own = thread->name.empty() ? curproc()->p_comm : thread->name;
  name[own.copy(name, kThreadNameRoom - 1)] = '\0';
  return 0;
}

int pthread_detach(pthread_t id) {
  BeginThreadCall();
  rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  if (thread->detached || thread->joining) return EINVAL;
  thread->detached = true;
  if (thread->thr_proc == nullptr) Forget(thread);
  return 0;
}

pthread_t pthread_self() { return static_cast<pthread_t>(curproc()->p_pid); }

// --- Cancelling. ---

namespace {

// Sends the thread on its way, if it may go where it stands.
void ActOnCancel(rthread* thread) {
  if (!thread->cancelled || !thread->cancel_enabled || thread->uncancellable != 0) return;
  if (thread->thr_proc != nullptr) proc_thread_kill(thread->thr_proc);
}

}  // namespace

int pthread_cancel(pthread_t id) {
  BeginThreadCall();
  rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  thread->cancelled = true;
  ActOnCancel(thread);
  return 0;
}

int pthread_setcancelstate(int state, int* old) {
  BeginThreadCall();
  if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE) return EINVAL;
  rthread* const self = SelfThread();
  if (old != nullptr) {
    *old = self->cancel_enabled ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE;
  }
  self->cancel_enabled = state == PTHREAD_CANCEL_ENABLE;
  ActOnCancel(self);
  return 0;
}

int pthread_setcanceltype(int type, int* old) {
  BeginThreadCall();
  if (type == PTHREAD_CANCEL_ASYNCHRONOUS) return ENOTSUP;
  if (type != PTHREAD_CANCEL_DEFERRED) return EINVAL;
  if (old != nullptr) *old = PTHREAD_CANCEL_DEFERRED;
  return 0;
}

void pthread_testcancel() {
  BeginThreadCall();
  ActOnCancel(SelfThread());
  userret();
}

int pthread_kill(pthread_t id, int signo) {
  BeginThreadCall();
  const rthread* const thread = FindThread(id);
  if (thread == nullptr || thread->thr_proc == nullptr) return ESRCH;
  if (signo < 0 || signo >= kSignals) return EINVAL;
  if (signo != 0) ptsignal(thread->thr_proc, signo);
  userret();
  return 0;
}

int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) {
  return uapi::sigprocmask(how, set, old) == 0 ? 0 : errno;
}

int sched_yield() {
  proc_charge(BeginThreadCall(), kYieldNs);
  yield();
  userret();
  return 0;
}

// --- Once. ---

int pthread_once(pthread_once_t* once, void (*init)()) {
  BeginThreadCall();
  while (*once != kOnceDone) {
    if (*once == kOnceRuns) {
      (void)ThreadSleep(once, "once", kNever);  // whatever ends it, it looks again
      continue;
    }
    *once = kOnceRuns;
    try {
      init();
    } catch (...) {  // it has not been done; unwinding goes on
      *once = 0;
      wakeup(once);
      throw;
    }
    *once = kOnceDone;
    wakeup(once);
  }
  return 0;
}

// --- Keys. ---

void NoteKey(pthread_key_t key, void (*destructor)(void*)) {
  KASSERT(key < own_keys.size() && !IsOwnKey(key));
  own_keys[key] = {.destructor = destructor, .generation = own_keys[key].generation + 1};
}

void ForgetKey(pthread_key_t key) {
  KASSERT(IsOwnKey(key));
  ++own_keys[key].generation;  // what threads hold is of an old one now
}

bool IsOwnKey(pthread_key_t key) {
  return key < own_keys.size() && own_keys[key].generation % 2 != 0;
}

void* pthread_getspecific(pthread_key_t key) {
  const std::vector<rthread::Specific>& specific = SelfThread()->specific;
  if (!IsOwnKey(key) || key >= specific.size()) return nullptr;
  return specific[key].generation == own_keys[key].generation ? specific[key].value : nullptr;
}

int pthread_setspecific(pthread_key_t key, const void* value) {
  BeginThreadCall();
  if (!IsOwnKey(key)) return EINVAL;
  std::vector<rthread::Specific>& specific = SelfThread()->specific;
  if (key >= specific.size()) specific.resize(key + 1);
  specific[key] = {.value = const_cast<void*>(value), .generation = own_keys[key].generation};
  return 0;
}

}  // namespace sockbed::uapi
