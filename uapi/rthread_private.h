// What rthread.cc and rthread_sync.cc share.
//
// Lives here:  struct rthread, struct rprocess; the frame of a call on threads; the short way
//              through locks for a process of one thread.
// Called by:   this room only.
// Owns:        a process's rprocess owns its rthreads; it goes with the last of its procs. An
//              rthread stays until it is joined, if it was not detached.
#ifndef SOCKBED_UAPI_RTHREAD_PRIVATE_H_
#define SOCKBED_UAPI_RTHREAD_PRIVATE_H_

#include <pthread.h>
#include <time.h>
#include <unwind.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/sched/proc.h"
#include "kernel/sim/context.h"

namespace sockbed {

struct rprocess;

struct rthread {
  // The value of a key, good while the key is of this generation.
  struct Specific {
    void* value = nullptr;
    uint32_t generation = 0;
  };
  // What destroys a thread_local object.
  struct ThreadExit {
    void (*call)(void*);
    void* arg;
  };

  pthread_t id = 0;             // [I] p_pid of its proc
  rprocess* process = nullptr;  // [I]
  proc* thr_proc = nullptr;     // null once it has ended
  std::string name;             // pthread_setname_np's; empty: the process's
  void* result = nullptr;       // for who joins it
  bool detached = false;
  bool joining = false;  // somebody waits for it
  bool cancel_enabled = true;
  bool cancelled = false;                // asked to end
  bool cleans_up = false;                // runs the destructors of its keys, when all else is gone
  int held = 0;                          // mutexes it has locked
  std::vector<pthread_mutex_t*> robust;  // of these, the robust ones
  int uncancellable = 0;                 // depth of waits that cancellation does not end
  std::vector<Specific> specific;        // by key
  std::vector<char> locals;              // its program's thread_local variables, while others run
  std::vector<ThreadExit> at_exit;       // their destructors, run from the last to the first
  __pthread_unwind_buf_t* handlers = nullptr;  // C's, innermost first: in the frames that have them
  _Unwind_Exception* unwinding = nullptr;      // while one of them runs
};

struct rprocess {
  std::map<pthread_t, std::unique_ptr<rthread>> threads;
  int procs = 0;  // that have not ended
};

namespace uapi {

// The current thread's; made for the first thread of a process when it is first asked for.
rthread* SelfThread();

// pthread_create for any kind of main. Errors: as it has them.
int CreateThread(pthread_t* id, const pthread_attr_t* attr, std::function<void*()> main);

// The start of each call: of a process with several threads it may let another one run in between
// (fault point thread.preempt). It takes no time: how often libraries lock depends on what they
// have in their caches, which are the OS process's, and may not show.
proc* BeginThreadCall();
// Charges a little: for a try that has failed, so that who tries again and again moves time on.
void ChargeThreadCall(proc* p);

// When a wait ends: at a virtual time, or when the wall clock, which may be set meanwhile, shows a
// time.
struct Deadline {
  SimTime at = kForever;  // that is never; negative: there is no wait
  bool wall = false;      // `at` is the wall clock's

  // In virtual time, if the clock is not set.
  SimTime until() const;
  bool waits() const { return at >= 0; }
};
inline constexpr Deadline kNever, kNoWait{-1};

// Errors: EINVAL (not a time, or not a clock that waits go by).
[[nodiscard]] int ThreadDeadline(clockid_t clock, const timespec* abstime, Deadline* end);

// tsleep until a deadline. [sleeps] Errors: EWOULDBLOCK (it has come, or is about to), EINTR,
// kERESTART.
[[nodiscard]] int SleepToDeadline(const volatile void* ident, const char* wmesg,
                                  const Deadline& end);
// The same, and acts on signals. [sleeps] Errors: EINTR (a signal was acted on), ETIMEDOUT.
int ThreadSleep(const volatile void* ident, const char* wmesg, const Deadline& end);

// Runs what destroys the current thread's thread_local objects.
void DestroyLocals(rthread* thread);

// The thread ends: whoever locks its robust mutexes next, hears of it.
void GiveUpRobust(rthread* thread);

// Whether the thread is on its way out: then no mistake with locks is one any more.
bool ThreadIsDying(const proc* p);

// Sets errno for the calls that report by it. Returns -1, or 0 if there is no error.
int ThreadErrno(int error);

// A thread has ended: what it has under its keys goes to their destructors; tells who joins it. An
// exit hook, before the one that closes descriptors.
void rthread_ended(proc* p);

// --- C's cleanup handlers (rthread_cleanup.cc). ---

// The frame of C that `handler` stands in has called setjmp on it and goes on with `stack_pointer`;
// borrows it until it is popped or run.
void CleanupPush(__pthread_unwind_buf_t* handler, void* stack_pointer);
void CleanupPop(const __pthread_unwind_buf_t* handler);
// The innermost handler has run: the thread unwinds on. REQUIRES: a handler was jumped to.
[[noreturn]] void CleanupNext();
// Whether the exception that is raised now ends the current thread, which has handlers to run. A
// process that ends runs none, as in life.
bool StopsAtHandlers();
// Unwinds up to the innermost handler, and jumps to it. Returns only what keeps it from doing so.
_Unwind_Reason_Code UnwindToHandler(_Unwind_Exception* exception);

// --- The short way. ---

// Libraries lock some thousand times in a TLS handshake, nearly always in a process of one thread.
// Such a process finds no lock taken by another and nothing can come in between, so that these few
// moves do what the calls of rthread.h would. False: nothing was done, the call is to be made.

// The current thread if it is a program's and the only one of its process. Null otherwise, outside
// simulated processes too.
inline proc* LoneThread() {
  if (!InSimulation()) return nullptr;
  proc* const p = curproc();
  return p != nullptr && p->p_alone ? p : nullptr;
}

// A reader-writer lock's state is in the fields that the C library leaves alone.
inline unsigned& ReadersOf(pthread_rwlock_t* lock) { return lock->__data.__pad3; }
inline unsigned& WriterOf(pthread_rwlock_t* lock) { return lock->__data.__pad4; }
inline unsigned char& WaitedFor(pthread_rwlock_t* lock) { return lock->__data.__pad1[0]; }

inline bool LockForReadingAlone(pthread_rwlock_t* lock) {
  if (WriterOf(lock) != 0 || LoneThread() == nullptr) return false;
  ++ReadersOf(lock);
  return true;
}

inline bool LockForWritingAlone(pthread_rwlock_t* lock) {
  if (WriterOf(lock) != 0 || ReadersOf(lock) != 0) return false;
  const proc* const p = LoneThread();
  if (p == nullptr) return false;
  WriterOf(lock) = static_cast<unsigned>(p->p_pid);
  return true;
}

inline bool UnlockAlone(pthread_rwlock_t* lock) {
  const proc* const p = LoneThread();
  if (p == nullptr || WaitedFor(lock) != 0) return false;
  if (WriterOf(lock) == 0) {
    if (ReadersOf(lock) == 0) return false;
    --ReadersOf(lock);
    return true;
  }
  if (WriterOf(lock) != static_cast<unsigned>(p->p_pid)) return false;
  WriterOf(lock) = 0;
  return true;
}

// As the C library has it: the first bit says that it runs, the second that it is done.
enum { kOnceRuns = 1, kOnceDone = 2 };

inline bool IsDoneAlone(const pthread_once_t* once) {
  return *once == kOnceDone && LoneThread() != nullptr;
}

}  // namespace uapi
}  // namespace sockbed

#endif  // SOCKBED_UAPI_RTHREAD_PRIVATE_H_
