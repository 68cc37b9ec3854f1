// Sleeping and waking: tsleep(9), wakeup(9) and kin.
//
// Lives here:  tsleep and its variants, wakeup, sleep priorities, the report of sleepers.
// Called by:   mbuf (pool limits), socket (sbwait, sblock), uapi (accept, connect, poll), programs.
// Context:     sleeping needs a process; waking may be done anywhere.
// Units:       ticks (timeout.h); the _nsec forms take nanoseconds and round up.
// Invariants:  1. A wakeup is a hint: callers test their condition in a loop.
//              2. Sleepers on one ident wake in the order in which they went to sleep.
//              3. After a sleep nothing read before it is trusted.
// Source:      OpenBSD sys/kern/kern_synch.c; tsleep(9).
// Differs:     one run queue (priorities are recorded, not obeyed) unless a Choices says otherwise.
#ifndef SOCKBED_KERNEL_SCHED_SYNCH_H_
#define SOCKBED_KERNEL_SCHED_SYNCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/sched/proc.h"

namespace sockbed {

// The result of an interrupted sleep whose call is to be made again. Never leaves uapi.
inline constexpr int kERESTART = -1;

inline constexpr int PSWP = 0, PVM = 4, PINOD = 8, PRIBIO = 16, PVFS = 20, PZERO = 22, PSOCK = 24;
inline constexpr int PWAIT = 32, PLOCK = 36, PPAUSE = 40, PUSER = 50, MAXPRI = 127;
inline constexpr int PRIMASK = 0xff;
inline constexpr int PCATCH = 0x100;     // signals end the sleep
inline constexpr int PNORELOCK = 0x200;  // msleep: leave the lock released
inline constexpr uint64_t INFSLP = UINT64_MAX;

// Sleeps until wakeup(ident), `timo` ticks have passed (0: no limit), or with PCATCH a signal.
// [sleeps] Returns 0 (woken), EWOULDBLOCK (timeout), EINTR or kERESTART (signal; outranks both).
// REQUIRES: ident != null; a process; wmesg is a literal of at most 7 characters; timo >= 0. While
// the host is torn down (proc_killall) every sleep returns EINTR at once.
[[nodiscard]] int tsleep(const volatile void* ident, int priority, const char* wmesg, int timo);
// The same with a limit in nanoseconds, INFSLP for none. [sleeps]
[[nodiscard]] int tsleep_nsec(const volatile void* ident, int priority, const char* wmesg,
                              uint64_t nsecs);

// Nobody wakes this: tsleep on it is a pure delay. A constant, for its address only.
extern const int nowake;

// Goes behind all processes that can run now. [sleeps]
void yield();

// Locks for msleep and rwsleep: never contended here (one CPU, no preemption), but checked. The
// owner in interrupt context is null. No sleep while a mutex is held, but for msleep's own.
// REQUIRES: each function its counterpart, by the same owner.
struct mutex {
  bool mtx_held = false;
  const proc* mtx_owner = nullptr;
};
void mtx_enter(mutex* mtx);
void mtx_leave(mutex* mtx);
struct rwlock {
  bool rwl_writer = false;
  const proc* rwl_owner = nullptr;  // the writer
  int rwl_readers = 0;
};
void rw_enter_write(rwlock* rwl);
void rw_exit_write(rwlock* rwl);
void rw_enter_read(rwlock* rwl);
void rw_exit_read(rwlock* rwl);

// tsleep that releases the lock once queued and takes it again before returning. [sleeps]
// REQUIRES: held by the caller. PNORELOCK leaves a mutex released.
[[nodiscard]] int msleep(const volatile void* ident, mutex* mtx, int priority, const char* wmesg,
                         int timo);
[[nodiscard]] int msleep_nsec(const volatile void* ident, mutex* mtx, int priority,
                              const char* wmesg, uint64_t nsecs);
[[nodiscard]] int rwsleep(const volatile void* ident, rwlock* rwl, int priority, const char* wmesg,
                          int timo);
[[nodiscard]] int rwsleep_nsec(const volatile void* ident, rwlock* rwl, int priority,
                               const char* wmesg, uint64_t nsecs);

// Makes the first n sleepers on `ident` of the current host runnable, all if n < 0. No sleeper: no
// effect.
void wakeup_n(const volatile void* ident, int n);
inline void wakeup(const volatile void* ident) { wakeup_n(ident, -1); }
inline void wakeup_one(const volatile void* ident) { wakeup_n(ident, 1); }

// Whether anybody sleeps on `ident`: nobody may when what it points to is freed.
bool is_slept_on(const volatile void* ident);

// Takes `p` off its sleep queue and makes it runnable; tsleep then looks for signals. No-op if
// awake.
void unsleep(proc* p);

// One line of "who sleeps, on what, since when".
struct SleeperInfo {
  HostId host;
  std::string host_name;
  pid_t pid;
  std::string comm;
  std::string wmesg;
  SimTime since;      // for a stopped process: its last sleep
  std::string ident;  // "so#3.timeo" if a room knows the ident, else empty
  bool stopped;       // by a signal; wmesg is empty if it does not sleep as well
};
// The sleepers of `host`, and its stopped processes, in order of pid.
std::vector<SleeperInfo> sleepers(HostBase& host);
// One of them in words.
std::string SleeperText(const SleeperInfo& info);

// Knows the idents of a room: stores the name of the one given and returns true, or returns false.
// Called only for reports, so that naming costs a sleep nothing: it may search.
using IdentNamer = bool (*)(const volatile void* ident, std::string* name);
void name_idents(HostBase& host, IdentNamer namer);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SCHED_SYNCH_H_
