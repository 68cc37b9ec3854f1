// The threads of a simulated process, under POSIX's names.
//
// Lives here:  pthread_*, sem_*, futex and kin: create, join and cancel; mutexes, condition
//              variables, locks, barriers, semaphores; keys; what std::thread is made of.
// Called by:   //uapi:posix gives them the C library's names; simulated programs.
// May touch:   sched, sim, the rest of uapi.
// Context:     a simulated process. Elsewhere a call panics.
// Owns:        nothing of the program: a mutex or a semaphore is the program's memory and holds
//              what the host's <pthread.h> holds, so that one that was used outside a simulation,
//              and is at rest, can be used inside, and the other way round.
// Units:       POSIX's; every limit is virtual time.
// Invariants:  1. A thread is a proc (kernel/sched): what may go either way between threads is the
//                 scheduler's choice, and fault point thread.preempt yields where another thread of
//                 a real machine might have come in between.
//              2. Whoever waits sleeps, first come, first woken, and a run that goes quiet says on
//                 what: "mutex", "cond", "join" ...
// Source:      POSIX.1-2017 (XSH 2.9); C11 7.26, which is POSIX's under other names; OpenBSD
//              lib/librthread; futex(2) of Linux.
// Differs:     each returns an errno as POSIX has it. Mistakes that POSIX leaves undefined end the
//              process by SIGABRT with a reason: unlocking what is not locked or somebody else's. A
//              mutex that an ended thread still holds counts as leaked, unless it is robust. A
//              thread cancelled ends at its next system call or wait, whichever it is. Processes
//              share nothing but named semaphores, so "process shared" has no effect to be seen;
//              nor have scheduling policies.
#ifndef SOCKBED_UAPI_RTHREAD_H_
#define SOCKBED_UAPI_RTHREAD_H_

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <threads.h>
#include <time.h>

#include <cstdint>

namespace sockbed::uapi {

// --- Life. ---

// Errors: EAGAIN (fault point pool.get), EINVAL (attributes).
int pthread_create(pthread_t* thread, const pthread_attr_t* attr, void* (*start)(void*), void* arg);
[[noreturn]] void pthread_exit(void* result);
// C11's: what `start` returns is the result. Returns thrd_success, thrd_error.
int thrd_create(thrd_t* thread, thrd_start_t start, void* arg);
// [sleeps] "join". Errors: EDEADLK (itself), EINVAL (detached; somebody joins it), ESRCH.
int pthread_join(pthread_t thread, void** result);
int pthread_tryjoin_np(pthread_t thread, void** result);  // Errors: also EBUSY.
int pthread_timedjoin_np(pthread_t thread, void** result, const timespec* abstime);
int pthread_clockjoin_np(pthread_t thread, void** result, clockid_t clock, const timespec* abstime);
int pthread_detach(pthread_t thread);  // Errors: EINVAL, ESRCH.
pthread_t pthread_self();              // the number of the thread's proc
// A name of 15 characters at most, kept for who asks; at first its process's. Errors: ESRCH, ERANGE
// (too long; a buffer below 16 bytes).
int pthread_setname_np(pthread_t thread, const char* name);
int pthread_getname_np(pthread_t thread, char* name, size_t size);
// Errors: ESRCH. It takes effect at the thread's next system call or wait, when it is enabled.
int pthread_cancel(pthread_t thread);
int pthread_setcancelstate(int state, int* old);
int pthread_setcanceltype(int type, int* old);  // Errors: EINVAL, ENOTSUP (asynchronous).
void pthread_testcancel();
// Errors: ESRCH, EINVAL.
int pthread_kill(pthread_t thread, int signo);
int pthread_sigmask(int how, const sigset_t* set, sigset_t* old);
int sched_yield();

// --- Mutexes and condition variables. ---

// [sleeps] "mutex". Errors: EDEADLK (error checking), EAGAIN (recursive, too deep); of a robust one
// EOWNERDEAD (its owner ended with it locked; it is the caller's now, who may mend what it guards)
// and ENOTRECOVERABLE (that caller unlocked it unmended). A thread that locks a plain mutex twice
// sleeps for ever, as it should.
int pthread_mutex_lock(pthread_mutex_t* mutex);
int pthread_mutex_trylock(pthread_mutex_t* mutex);  // Errors: also EBUSY.
int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* abstime);  // also ETIMEDOUT
int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* abstime);
int pthread_mutex_unlock(pthread_mutex_t* mutex);   // Errors: EPERM (recursive, error checking).
int pthread_mutex_destroy(pthread_mutex_t* mutex);  // Errors: EBUSY.
// What a robust one guards is mended. Errors: EINVAL (it is not the caller's; nothing was wrong).
int pthread_mutex_consistent(pthread_mutex_t* mutex);
// [sleeps] "cond". Errors: ETIMEDOUT, EINVAL (the limit), EPERM (the mutex is not the caller's).
int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* mutex);
int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex, const timespec* abstime);
int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* abstime);
int pthread_cond_signal(pthread_cond_t* cond);
int pthread_cond_broadcast(pthread_cond_t* cond);
int pthread_cond_destroy(pthread_cond_t* cond);  // Errors: EBUSY (somebody waits).

// --- Other locks. ---

// [sleeps] "rwlock". Errors: EDEADLK (the writer asks again), EBUSY (try), ETIMEDOUT (timed).
int pthread_rwlock_rdlock(pthread_rwlock_t* lock);
int pthread_rwlock_wrlock(pthread_rwlock_t* lock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t* lock);
int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* abstime);
int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* abstime);
int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* abstime);
int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* abstime);
int pthread_rwlock_unlock(pthread_rwlock_t* lock);
// [sleeps] "barrier". The last one to come gets PTHREAD_BARRIER_SERIAL_THREAD.
int pthread_barrier_init(pthread_barrier_t* barrier, const pthread_barrierattr_t* attr,
                         unsigned count);
int pthread_barrier_wait(pthread_barrier_t* barrier);
int pthread_barrier_destroy(pthread_barrier_t* barrier);  // Errors: EBUSY.
// Yields the processor until it is free.
int pthread_spin_lock(pthread_spinlock_t* lock);
int pthread_spin_trylock(pthread_spinlock_t* lock);
int pthread_spin_unlock(pthread_spinlock_t* lock);
// [sleeps] "sem". -1 and errno: EINTR, EAGAIN (try), ETIMEDOUT, EOVERFLOW (post).
int sem_wait(sem_t* sem);
int sem_trywait(sem_t* sem);
int sem_timedwait(sem_t* sem, const timespec* abstime);
int sem_clockwait(sem_t* sem, clockid_t clock, const timespec* abstime);
int sem_post(sem_t* sem);
// Named ones are the host's: its processes share them. Errors: EINVAL (the name, the value),
// ENAMETOOLONG, EEXIST, ENOENT, ENOMEM (fault point pool.get).
sem_t* sem_open(const char* name, int flags, mode_t mode = 0, unsigned value = 0);
int sem_close(sem_t* sem);         // Errors: EINVAL.
int sem_unlink(const char* name);  // Errors: ENOENT, ENAMETOOLONG.
// Linux's FUTEX_WAIT, WAKE, WAIT_BITSET, WAKE_BITSET: -1 and errno. [sleeps] "futex". Errors:
// EAGAIN (the value is another), EINTR, ETIMEDOUT, EINVAL, ENOSYS (another operation).
long futex(uint32_t* word, int op, uint32_t value, const timespec* limit, uint32_t bitset);

// --- Once, and what each thread has of its own. ---

int pthread_once(pthread_once_t* once, void (*init)());  // [sleeps] "once"
// What a thread has under a key of its own. The C library makes the key; who makes it inside a
// simulated process notes it here, and it is each simulated thread's from then on. Keys made
// outside stay the OS thread's. Errors: EINVAL (no key of ours).
void* pthread_getspecific(pthread_key_t key);
int pthread_setspecific(pthread_key_t key, const void* value);
void NoteKey(pthread_key_t key, void (*destructor)(void*));
void ForgetKey(pthread_key_t key);
bool IsOwnKey(pthread_key_t key);
// Whether the destructors of keys run now, the last code of a program there is.
bool ThreadCleansUp();

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_RTHREAD_H_
