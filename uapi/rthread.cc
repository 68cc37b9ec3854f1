// Threads: how they begin and end, what each has of its own. Locks are in rthread_sync.cc.
#include "uapi/rthread.h"

#include <errno.h>
#include <limits.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "kernel/host/host.h"
#include "kernel/sched/itimer.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "kernel/sim/fault.h"
#include "uapi/rthread_private.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr SimTime kThreadCallNs = 20;       // of a call that need not enter a real kernel
constexpr SimTime kYieldNs = kMicrosecond;  // of one that says it has nothing to do
constexpr size_t kKeysMax = PTHREAD_KEYS_MAX;
// Keys of the simulation lie beyond those of the C library.
constexpr pthread_key_t kFirstKey = 1 << 16;

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

rprocess::Key* KeyOf(pthread_key_t key) {
  std::vector<rprocess::Key>& keys = SelfThread()->process->keys;
  if (key < kFirstKey || key - kFirstKey >= keys.size()) return nullptr;
  rprocess::Key* const found = &keys[key - kFirstKey];
  return found->generation % 2 != 0 ? found : nullptr;
}

// Hands what the keys hold to their destructors, which may set values anew: some rounds of it.
void DestroySpecific(rthread* self) {
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round) {
    bool any = false;
    for (size_t i = 0; i < self->specific.size(); ++i) {
      const rprocess::Key key = self->process->keys[i];
      const rthread::Specific held = std::exchange(self->specific[i], {});
      if (held.value == nullptr || held.generation != key.generation) continue;
      if (key.destructor == nullptr || key.generation % 2 == 0) continue;
      key.destructor(held.value);
      any = true;
    }
    if (!any) return;
  }
}

// What remains to be done when a thread ends alone.
void EndAlone(rthread* self) {
  proc* const p = self->thr_proc;
  DestroySpecific(self);
  if (self->held == 0) return;
  Host& host = CurrentHost();
  host.Say("thread " + std::to_string(self->id) + " has ended with " + std::to_string(self->held) +
           " mutex(es) locked");
  HostLocal<UapiHost>::Of(*p->p_host).mutexes_left += self->held;
}

// The thread unwinds: by pthread_exit, cancelled, or with its process, which asks for nothing more.
class UnwindGuard {
 public:
  explicit UnwindGuard(rthread* self) : self_(self) {}
  ~UnwindGuard() {
    const proc* const p = self_->thr_proc;
    if (std::uncaught_exceptions() == 0 || p->p_mainproc->p_ps_exiting) return;
    if (!p->p_exiting) return;  // an exception of the program, which ends the process
    if (self_->cancelled) self_->result = PTHREAD_CANCELED;
    EndAlone(self_);
  }
  UnwindGuard(const UnwindGuard&) = delete;
  UnwindGuard& operator=(const UnwindGuard&) = delete;

 private:
  rthread* const self_;
};

int ThreadMain(void* (*start)(void*), void* arg) {
  rthread* const self = SelfThread();
  {
    const UnwindGuard guard(self);
    self->result = start(arg);
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
int Join(pthread_t id, void** result, bool wait, SimTime until) {
  BeginThreadCall();
  rthread* const thread = FindThread(id);
  if (thread == nullptr) return ESRCH;
  if (thread == SelfThread()) return EDEADLK;
  if (thread->detached || thread->joining) return EINVAL;
  if (thread->thr_proc != nullptr && !wait) return EBUSY;
  while (thread->thr_proc != nullptr) {
    thread->joining = true;
    const int error = tsleep_nsec(
        thread, PUSER | PCATCH, "join",
        until == kForever ? INFSLP : static_cast<uint64_t>(std::max<SimTime>(until - Now(), 1)));
    thread->joining = false;
    userret();
    if (error == EWOULDBLOCK && Now() >= until && thread->thr_proc != nullptr) return ETIMEDOUT;
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
  return NewThread(new rprocess, p);
}

proc* BeginThreadCall() {
  proc* const p = curproc();
  KASSERT(p != nullptr);
  if (__builtin_expect(p->p_fd == nullptr, 0)) fdinit(p);
  proc_charge(p, kThreadCallNs);
  if (fault::Fires(Site::kThreadPreempt, Here().pid)) yield();
  return p;
}

int ThreadDeadline(clockid_t clock, const timespec* abstime, SimTime* until) {
  if (abstime == nullptr || abstime->tv_nsec < 0 || abstime->tv_nsec >= kSecond) return EINVAL;
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) return EINVAL;
  const int64_t shown = clock == CLOCK_REALTIME ? CurrentHost().wall_clock_ns() : Now();
  const int64_t seconds = std::clamp<int64_t>(abstime->tv_sec, 0, kForever / kSecond / 2);
  *until = Now() + (seconds * kSecond + abstime->tv_nsec - shown);
  return 0;
}

int ThreadSleep(const volatile void* ident, const char* wmesg, SimTime until) {
  if (until <= Now()) return ETIMEDOUT;
  const uint64_t ns = until == kForever ? INFSLP : static_cast<uint64_t>(until - Now());
  const int error = tsleep_nsec(ident, PUSER | PCATCH, wmesg, ns);
  userret();
  if (error == EWOULDBLOCK) return Now() >= until ? ETIMEDOUT : 0;
  return NoRestart(error);
}

bool ThreadIsDying(const proc* p) {
  return p->p_exiting || p->p_threxit || p->p_mainproc->p_ps_exiting;
}

int ThreadErrno(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

void rthread_ended(proc* p) {
  rthread* const thread = std::exchange(p->p_rthread, nullptr);
  if (thread == nullptr) return;
  rprocess* const process = thread->process;
  thread->thr_proc = nullptr;
  wakeup(thread);
  if (thread->detached) Forget(thread);
  if (--process->procs == 0) delete process;
}

// --- Life. ---

int pthread_create(pthread_t* id, const pthread_attr_t* attr, void* (*start)(void*), void* arg) {
  proc* const p = BeginThreadCall();
  if (fault::Fires(Site::kPoolGet, Here().pid)) return EAGAIN;
  int detach_state = PTHREAD_CREATE_JOINABLE;
  if (attr != nullptr && pthread_attr_getdetachstate(attr, &detach_state) != 0) return EINVAL;
  rprocess* const process = SelfThread()->process;
  proc* const made = proc_spawn({.main = [start, arg] { return ThreadMain(start, arg); },
                                 .stack_bytes = StackOf(p, attr),
                                 .thread_of = p});
  fdshare(p, made);
  rthread* const thread = NewThread(process, made);
  thread->detached = detach_state == PTHREAD_CREATE_DETACHED;
  *id = thread->id;
  return 0;
}

void pthread_exit(void* result) {
  BeginThreadCall();
  SelfThread()->result = result;
  proc_thread_exit();
}

int pthread_join(pthread_t id, void** result) { return Join(id, result, true, kForever); }

int pthread_tryjoin_np(pthread_t id, void** result) { return Join(id, result, false, kForever); }

int pthread_timedjoin_np(pthread_t id, void** result, const timespec* abstime) {
  SimTime until;
  if (const int error = ThreadDeadline(CLOCK_REALTIME, abstime, &until)) return error;
  return Join(id, result, true, until);
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

// As the C library has it: the second bit says that it is done.
int pthread_once(pthread_once_t* once, void (*init)()) {
  constexpr int kRuns = 1, kDone = 2;
  BeginThreadCall();
  while (*once != kDone) {
    if (*once == kRuns) {
      (void)ThreadSleep(once, "once", kForever);  // whatever ends it, it looks again
      continue;
    }
    *once = kRuns;
    try {
      init();
    } catch (...) {  // it has not been done; unwinding goes on
      *once = 0;
      wakeup(once);
      throw;
    }
    *once = kDone;
    wakeup(once);
  }
  return 0;
}

// --- Keys. ---

bool IsOwnKey(pthread_key_t key) { return key >= kFirstKey; }

int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  BeginThreadCall();
  std::vector<rprocess::Key>& keys = SelfThread()->process->keys;
  const auto free = std::ranges::find_if(keys, [](const auto& k) { return k.generation % 2 == 0; });
  const size_t index = static_cast<size_t>(free - keys.begin());
  if (index == kKeysMax) return EAGAIN;
  if (free == keys.end()) keys.emplace_back();
  keys[index] = {.destructor = destructor, .generation = keys[index].generation + 1};
  *key = kFirstKey + static_cast<pthread_key_t>(index);
  return 0;
}

int pthread_key_delete(pthread_key_t key) {
  BeginThreadCall();
  rprocess::Key* const found = KeyOf(key);
  if (found == nullptr) return EINVAL;
  ++found->generation;  // what threads hold is of an old one now
  return 0;
}

void* pthread_getspecific(pthread_key_t key) {
  const rprocess::Key* const found = KeyOf(key);
  const std::vector<rthread::Specific>& specific = SelfThread()->specific;
  const size_t index = key - kFirstKey;
  if (found == nullptr || index >= specific.size()) return nullptr;
  return specific[index].generation == found->generation ? specific[index].value : nullptr;
}

int pthread_setspecific(pthread_key_t key, const void* value) {
  BeginThreadCall();
  const rprocess::Key* const found = KeyOf(key);
  if (found == nullptr) return EINVAL;
  std::vector<rthread::Specific>& specific = SelfThread()->specific;
  const size_t index = key - kFirstKey;
  if (index >= specific.size()) specific.resize(index + 1);
  specific[index] = {.value = const_cast<void*>(value), .generation = found->generation};
  return 0;
}

}  // namespace sockbed::uapi
