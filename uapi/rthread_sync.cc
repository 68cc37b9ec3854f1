// Threads: mutexes, condition variables and the other locks. What a lock says of itself stands in
// the fields that the C library has for it, so that one at rest can be used on either side.
#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>

#include <algorithm>

#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/thread.h"
#include "uapi/rthread.h"
#include "uapi/rthread_private.h"

namespace sockbed::uapi {
namespace {

// --- Mutexes. ---

// __lock as the C library has it: free, taken, and taken while somebody may wait. Who has waited
// himself takes it the last way, for there may be others.
enum { kFree, kTaken, kWaited };

// What kinds have in common is in the low bits.
constexpr int kKindMask = 3;
constexpr int kRobust = 16;

// What a robust mutex guards: as it should be, left in the middle of something by an owner that
// ended, and given up. It stands in a field that the C library does not use for such.
enum Guarded : short { kWhole, kOrphaned, kBroken, kLost };
constexpr unsigned kDepthMax = 0x7fff'ffff;

int KindOf(const pthread_mutex_t* mutex) { return mutex->__data.__kind & kKindMask; }
bool IsRobust(const pthread_mutex_t* mutex) { return (mutex->__data.__kind & kRobust) != 0; }
bool IsOwn(const pthread_mutex_t* mutex, const proc* p) {
  return mutex->__data.__lock != kFree && mutex->__data.__owner == p->p_pid;
}

void Own(pthread_mutex_t* mutex, const proc* p, bool waited) {
  mutex->__data.__lock = waited ? kWaited : kTaken;
  mutex->__data.__owner = p->p_pid;
  ++SelfThread()->held;
  if (IsRobust(mutex)) SelfThread()->robust.push_back(mutex);
}

// What the new owner hears of a robust one. Errors: EOWNERDEAD.
int Inherit(pthread_mutex_t* mutex) {
  if (!IsRobust(mutex) || mutex->__data.__spins != kOrphaned) return 0;
  mutex->__data.__spins = kBroken;
  return EOWNERDEAD;
}

// Takes the mutex, waiting until `end` at most.
int Lock(pthread_mutex_t* mutex, const Deadline& end) {
  proc* const p = BeginThreadCall();
  if (IsOwn(mutex, p)) {
    if (KindOf(mutex) == PTHREAD_MUTEX_ERRORCHECK) return end.waits() ? EDEADLK : EBUSY;
    if (KindOf(mutex) == PTHREAD_MUTEX_RECURSIVE) {
      if (mutex->__data.__count == kDepthMax) return EAGAIN;
      ++mutex->__data.__count;
      return 0;
    }
  }
  bool waited = false;
  for (; mutex->__data.__lock != kFree; waited = true) {
    if (!end.waits()) {
      ChargeThreadCall(p);
      return EBUSY;
    }
    mutex->__data.__lock = kWaited;
    ++SelfThread()->uncancellable;
    const int error = ThreadSleep(mutex, "mutex", end);
    --SelfThread()->uncancellable;
    if (error == ETIMEDOUT) return ETIMEDOUT;
  }
  if (IsRobust(mutex) && mutex->__data.__spins == kLost) return ENOTRECOVERABLE;
  Own(mutex, p, waited);
  return Inherit(mutex);
}

// Gives it back. A mistake ends the process, unless it ends anyway: then its threads unwind in any
// order, and what they let go of may be taken already.
int Unlock(pthread_mutex_t* mutex) {
  proc* const p = curproc();
  if (!IsOwn(mutex, p)) {
    if (KindOf(mutex) == PTHREAD_MUTEX_ERRORCHECK || KindOf(mutex) == PTHREAD_MUTEX_RECURSIVE) {
      return EPERM;
    }
    if (!ThreadIsDying(p)) {
      proc_abort(mutex->__data.__lock == 0 ? "a mutex is unlocked that is not locked"
                                           : "a mutex is unlocked that another thread has locked");
    }
    return EPERM;
  }
  if (mutex->__data.__count != 0) {  // recursive: locked so many times more
    --mutex->__data.__count;
    return 0;
  }
  const bool waited = mutex->__data.__lock == kWaited;
  mutex->__data.__lock = kFree;
  mutex->__data.__owner = 0;
  --SelfThread()->held;
  if (IsRobust(mutex)) {
    std::erase(SelfThread()->robust, mutex);
    if (mutex->__data.__spins == kBroken) {
      mutex->__data.__spins = kLost;
      wakeup(mutex);  // nobody will ever unlock it again: all hear of it
    }
  }
  if (waited) wakeup_one(mutex);
  return 0;
}

// Takes the mutex again after a wait, whatever has come meanwhile: that is acted on once it is
// held, so that who unwinds finds it as the program's owners expect it.
void LockAgain(pthread_mutex_t* mutex, proc* p) {
  const uint64_t mask = p->p_sigmask;
  p->p_sigmask = ~uint64_t{0};
  ++SelfThread()->uncancellable;
  bool waited = false;
  for (; mutex->__data.__lock != kFree && !ThreadIsDying(p); waited = true) {
    mutex->__data.__lock = kWaited;
    (void)tsleep(mutex, PUSER | PCATCH, "mutex", 0);  // whatever ends it, it looks again
  }
  --SelfThread()->uncancellable;
  p->p_sigmask = mask;
  if (!IsOwn(mutex, p)) Own(mutex, p, waited);
}

// --- Condition variables. ---

int Wait(pthread_cond_t* cond, pthread_mutex_t* mutex, const Deadline& end) {
  proc* const p = BeginThreadCall();
  if (!IsOwn(mutex, p)) return EPERM;
  if (const int error = Unlock(mutex)) return error;
  const int error = SleepToDeadline(cond, "cond", end);
  LockAgain(mutex, p);
  if (p->p_threxit) wakeup_one(cond);  // it may have been the one that was woken
  userret();
  if (const int orphaned = Inherit(mutex)) return orphaned;
  return error == EWOULDBLOCK && Now() >= end.until() ? ETIMEDOUT : 0;
}

// The clock that pthread_cond_init was told, where the C library notes it.
clockid_t ClockOf(const pthread_cond_t* cond) {
  constexpr unsigned kMonotonic = 2;
  return (cond->__data.__wrefs & kMonotonic) != 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

// --- Reader-writer locks. ---

// Waits for a change. Errors: EBUSY (not to wait), ETIMEDOUT.
int AwaitLock(pthread_rwlock_t* lock, proc* p, const Deadline& end) {
  if (!end.waits()) {
    ChargeThreadCall(p);
    return EBUSY;
  }
  WaitedFor(lock) = 1;
  return ThreadSleep(lock, "rwlock", end) == ETIMEDOUT ? ETIMEDOUT : 0;
}

int LockForReading(pthread_rwlock_t* lock, const Deadline& end) {
  proc* const p = BeginThreadCall();
  if (WriterOf(lock) == static_cast<unsigned>(p->p_pid)) return end.waits() ? EDEADLK : EBUSY;
  while (WriterOf(lock) != 0) {
    if (const int error = AwaitLock(lock, p, end)) return error;
  }
  ++ReadersOf(lock);
  return 0;
}

int LockForWriting(pthread_rwlock_t* lock, const Deadline& end) {
  proc* const p = BeginThreadCall();
  if (WriterOf(lock) == static_cast<unsigned>(p->p_pid)) return end.waits() ? EDEADLK : EBUSY;
  while (WriterOf(lock) != 0 || ReadersOf(lock) != 0) {
    if (const int error = AwaitLock(lock, p, end)) return error;
  }
  WriterOf(lock) = static_cast<unsigned>(p->p_pid);
  return 0;
}

// --- Semaphores: the value is the lower half of the first word. ---

uint32_t& ValueOf(sem_t* sem) { return *reinterpret_cast<uint32_t*>(sem->__size); }

int Down(sem_t* sem, const Deadline& end) {
  proc* const p = BeginThreadCall();
  while (ValueOf(sem) == 0) {
    if (!end.waits()) {
      ChargeThreadCall(p);
      return EAGAIN;
    }
    if (const int error = ThreadSleep(sem, "sem", end)) return error;
  }
  --ValueOf(sem);
  return 0;
}

// Calls wait(end) with the limit that a program gives.
template <typename Call>
int Until(clockid_t clock, const timespec* abstime, Call wait) {
  Deadline end;
  if (const int error = ThreadDeadline(clock, abstime, &end)) return error;
  return wait(end);
}

}  // namespace

int pthread_mutex_lock(pthread_mutex_t* mutex) { return Lock(mutex, kNever); }

int pthread_mutex_trylock(pthread_mutex_t* mutex) { return Lock(mutex, kNoWait); }

int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* abstime) {
  return uapi::pthread_mutex_clocklock(mutex, CLOCK_REALTIME, abstime);
}

int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* abstime) {
  return Until(clock, abstime, [mutex](const Deadline& end) { return Lock(mutex, end); });
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  BeginThreadCall();
  return Unlock(mutex);
}

int pthread_mutex_destroy(pthread_mutex_t* mutex) {
  BeginThreadCall();
  if (mutex->__data.__lock != 0) return EBUSY;
  mutex->__data.__kind = -1;  // as the C library marks it
  return 0;
}

int pthread_mutex_consistent(pthread_mutex_t* mutex) {
  const proc* const p = BeginThreadCall();
  const bool broken = IsRobust(mutex) && mutex->__data.__spins == kBroken;
  if (!broken || !IsOwn(mutex, p)) return EINVAL;
  mutex->__data.__spins = kWhole;
  return 0;
}

void GiveUpRobust(rthread* thread) {
  for (pthread_mutex_t* const mutex : thread->robust) {
    const bool waited = mutex->__data.__lock == kWaited;
    mutex->__data.__lock = kFree;
    mutex->__data.__owner = 0;
    mutex->__data.__count = 0;
    mutex->__data.__spins = kOrphaned;
    --thread->held;
    if (waited) wakeup_one(mutex);
  }
  thread->robust.clear();
}

int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* mutex) {
  return Wait(cond, mutex, kNever);
}

int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex, const timespec* abstime) {
  return uapi::pthread_cond_clockwait(cond, mutex, ClockOf(cond), abstime);
}

int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* abstime) {
  return Until(clock, abstime, [&](const Deadline& end) { return Wait(cond, mutex, end); });
}

int pthread_cond_signal(pthread_cond_t* cond) {
  BeginThreadCall();
  wakeup_one(cond);
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* cond) {
  BeginThreadCall();
  wakeup(cond);
  return 0;
}

int pthread_cond_destroy(pthread_cond_t* cond) {
  BeginThreadCall();
  return is_slept_on(cond) ? EBUSY : 0;
}

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) { return LockForReading(lock, kNever); }
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) { return LockForWriting(lock, kNever); }
int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) { return LockForReading(lock, kNoWait); }
int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) { return LockForWriting(lock, kNoWait); }

int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* abstime) {
  return uapi::pthread_rwlock_clockrdlock(lock, CLOCK_REALTIME, abstime);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* abstime) {
  return uapi::pthread_rwlock_clockwrlock(lock, CLOCK_REALTIME, abstime);
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* abstime) {
  return Until(clock, abstime, [lock](const Deadline& end) { return LockForReading(lock, end); });
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* abstime) {
  return Until(clock, abstime, [lock](const Deadline& end) { return LockForWriting(lock, end); });
}

int pthread_rwlock_unlock(pthread_rwlock_t* lock) {
  const proc* const p = BeginThreadCall();
  if (WriterOf(lock) == static_cast<unsigned>(p->p_pid)) {
    WriterOf(lock) = 0;
  } else if (WriterOf(lock) == 0 && ReadersOf(lock) != 0) {
    if (--ReadersOf(lock) != 0) return 0;
  } else {
    if (!ThreadIsDying(p)) proc_abort("a lock is unlocked that the thread has not locked");
    return EPERM;
  }
  if (WaitedFor(lock) != 0) {  // all look again: whoever cannot have it yet waits again
    WaitedFor(lock) = 0;
    wakeup(lock);
  }
  return 0;
}

namespace {

// A barrier's fields are ours alone: the C library's are its own affair.
struct Barrier {
  uint32_t count;
  uint32_t waiting;
  uint32_t round;
};
static_assert(sizeof(Barrier) <= sizeof(pthread_barrier_t));
Barrier* BarrierOf(pthread_barrier_t* barrier) {
  return reinterpret_cast<Barrier*>(barrier->__size);
}

}  // namespace

int pthread_barrier_init(pthread_barrier_t* barrier, const pthread_barrierattr_t*, unsigned count) {
  BeginThreadCall();
  if (count == 0) return EINVAL;
  *BarrierOf(barrier) = {.count = count, .waiting = 0, .round = 0};
  return 0;
}

int pthread_barrier_wait(pthread_barrier_t* barrier) {
  BeginThreadCall();
  Barrier* const b = BarrierOf(barrier);
  const uint32_t round = b->round;
  if (++b->waiting == b->count) {
    b->waiting = 0;
    ++b->round;
    wakeup(barrier);
    return PTHREAD_BARRIER_SERIAL_THREAD;
  }
  // A signal's handler runs, and the wait goes on.
  while (b->round == round) (void)ThreadSleep(barrier, "barrier", kNever);
  return 0;
}

int pthread_barrier_destroy(pthread_barrier_t* barrier) {
  BeginThreadCall();
  return BarrierOf(barrier)->waiting != 0 ? EBUSY : 0;
}

// The C library's convention on this architecture: 1 is free, 0 or less is taken.
int pthread_spin_lock(pthread_spinlock_t* lock) {
  BeginThreadCall();
  while (*lock != 1) (void)uapi::sched_yield();
  *lock = 0;
  return 0;
}

int pthread_spin_trylock(pthread_spinlock_t* lock) {
  BeginThreadCall();
  if (*lock != 1) return EBUSY;
  *lock = 0;
  return 0;
}

int pthread_spin_unlock(pthread_spinlock_t* lock) {
  BeginThreadCall();
  *lock = 1;
  return 0;
}

int sem_wait(sem_t* sem) { return ThreadErrno(Down(sem, kNever)); }

int sem_trywait(sem_t* sem) { return ThreadErrno(Down(sem, kNoWait)); }

int sem_timedwait(sem_t* sem, const timespec* abstime) {
  return uapi::sem_clockwait(sem, CLOCK_REALTIME, abstime);
}

int sem_clockwait(sem_t* sem, clockid_t clock, const timespec* abstime) {
  return ThreadErrno(Until(clock, abstime, [sem](const Deadline& end) { return Down(sem, end); }));
}

int sem_post(sem_t* sem) {
  BeginThreadCall();
  if (ValueOf(sem) == SEM_VALUE_MAX) return ThreadErrno(EOVERFLOW);
  ++ValueOf(sem);
  wakeup_one(sem);
  return 0;
}

namespace {

int FutexWait(const uint32_t* word, uint32_t value, const Deadline& end) {
  if (*word != value) return EAGAIN;
  return ThreadSleep(word, "futex", end);
}

// A relative limit, or with a bit set an absolute one.
int FutexDeadline(int op, const timespec* limit, Deadline* end) {
  *end = kNever;
  if (limit == nullptr) return 0;
  const bool relative = (op & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET;
  const bool real = !relative && (op & FUTEX_CLOCK_REALTIME) != 0;
  if (const int error = ThreadDeadline(real ? CLOCK_REALTIME : CLOCK_MONOTONIC, limit, end)) {
    return error;
  }
  if (relative) end->at += Now();
  return 0;
}

}  // namespace

long futex(uint32_t* word, int op, uint32_t value, const timespec* limit, uint32_t bitset) {
  BeginThreadCall();
  switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
      if (bitset != FUTEX_BITSET_MATCH_ANY) return ThreadErrno(ENOSYS);
      [[fallthrough]];
    case FUTEX_WAIT: {
      Deadline end;
      if (const int error = FutexDeadline(op, limit, &end)) return ThreadErrno(error);
      return ThreadErrno(FutexWait(word, value, end));
    }
    case FUTEX_WAKE_BITSET:
      if (bitset != FUTEX_BITSET_MATCH_ANY) return ThreadErrno(ENOSYS);
      [[fallthrough]];
    case FUTEX_WAKE: {
      uint32_t woken = 0;
      for (; woken != value && is_slept_on(word); ++woken) wakeup_one(word);
      return woken;
    }
    default: return ThreadErrno(ENOSYS);
  }
}

}  // namespace sockbed::uapi
