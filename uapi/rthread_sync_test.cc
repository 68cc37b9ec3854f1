// What outlives a thread: robust mutexes, named semaphores; and what runs as it ends: C's handlers.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <iterator>
#include <string>

#include "uapi/cleanup_handlers.h"
#include "uapi/posix.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

class RthreadSync : public TwoHosts {
 protected:
  void SetUp() override { ASSERT_EQ(posix_check(), ""); }
  void InProcess(void (*main)()) {
    server_.Spawn("prog", main);
    Run();
  }
};

void InitRobust(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(mutex, &attr);
  pthread_mutexattr_destroy(&attr);
}

void* LockAndEnd(void* mutex) {
  EXPECT_EQ(pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex)), 0);
  return nullptr;
}
void LeaveLocked(pthread_mutex_t* mutex) {
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, nullptr, LockAndEnd, mutex), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
}

TEST_F(RthreadSync, ARobustMutexOutlivesItsOwner) {
  InProcess([] {
    pthread_mutex_t mutex;
    InitRobust(&mutex);
    LeaveLocked(&mutex);
    EXPECT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_consistent(&mutex), 0);
    EXPECT_EQ(pthread_mutex_consistent(&mutex), EINVAL) << "nothing is wrong any more";
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_trylock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
  });
}

TEST_F(RthreadSync, WhatNobodyMendsIsLost) {
  InProcess([] {
    pthread_mutex_t mutex;
    InitRobust(&mutex);
    LeaveLocked(&mutex);
    EXPECT_EQ(pthread_mutex_trylock(&mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
    EXPECT_EQ(pthread_mutex_trylock(&mutex), ENOTRECOVERABLE);
    EXPECT_EQ(pthread_mutex_consistent(&mutex), EINVAL);
  });
}

void* AwaitOrphan(void* mutex) {
  EXPECT_EQ(pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex)), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex)), 0);
  return nullptr;
}
void* AwaitLost(void* mutex) {
  usleep(20'000);
  EXPECT_EQ(pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex)), ENOTRECOVERABLE);
  return nullptr;
}
void* HoldAWhile(void* mutex) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
  usleep(100'000);
  return nullptr;
}

TEST_F(RthreadSync, WhoWaitsHearsOfIt) {
  InProcess([] {
    pthread_mutex_t mutex;
    InitRobust(&mutex);
    pthread_t threads[4];
    void* (*const mains[])(void*) = {HoldAWhile, AwaitOrphan, AwaitLost, AwaitLost};
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(pthread_create(&threads[i], nullptr, mains[i], &mutex), 0);
    }
    for (const pthread_t thread : threads) EXPECT_EQ(pthread_join(thread, nullptr), 0);
  });
}

// --- The wall clock is set while threads wait for what it shows. ---

// A lock that the main thread has, and a thread each that waits until `end` of `clock`.
struct Waits {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  sem_t sem{};
  uint32_t word = 0;
  pthread_t joined{};
  clockid_t clock = CLOCK_REALTIME;
  timespec end{};
  int64_t ended_s = 0;  // since boot; of the wait that ended last

  void Note(int error, const char* what) {
    EXPECT_EQ(error, ETIMEDOUT) << what;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_TRUE(ended_s == 0 || ended_s == now.tv_sec) << what;
    ended_s = now.tv_sec;
  }
};
Waits& WaitsOf(void* arg) { return *static_cast<Waits*>(arg); }

void* AwaitMutex(void* arg) {
  Waits& w = WaitsOf(arg);
  w.Note(pthread_mutex_clocklock(&w.mutex, w.clock, &w.end), "mutex");
  return nullptr;
}
void* AwaitCondition(void* arg) {
  Waits& w = WaitsOf(arg);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  w.Note(pthread_cond_clockwait(&w.cond, &mutex, w.clock, &w.end), "cond");
  pthread_mutex_unlock(&mutex);
  return nullptr;
}
void* AwaitReading(void* arg) {
  Waits& w = WaitsOf(arg);
  w.Note(pthread_rwlock_clockrdlock(&w.lock, w.clock, &w.end), "rwlock");
  return nullptr;
}
void* AwaitSemaphore(void* arg) {
  Waits& w = WaitsOf(arg);
  w.Note(sem_clockwait(&w.sem, w.clock, &w.end) == -1 ? errno : 0, "sem");
  return nullptr;
}
void* AwaitWord(void* arg) {
  Waits& w = WaitsOf(arg);
  const int op = FUTEX_WAIT_BITSET | (w.clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
  const long result = syscall(SYS_futex, &w.word, op, 0, &w.end, nullptr, FUTEX_BITSET_MATCH_ANY);
  w.Note(result == -1 ? errno : 0, "futex");
  return nullptr;
}
void* AwaitEnd(void* arg) {
  Waits& w = WaitsOf(arg);
  w.Note(pthread_clockjoin_np(w.joined, nullptr, w.clock, &w.end), "join");
  return nullptr;
}
void* SleepTwoMinutes(void*) {
  sleep(120);
  return nullptr;
}

// Sets the clock from 10 s after boot to what it shows `step_s` later.
void StepAmid(Waits* waits, int step_s) {
  pthread_mutex_lock(&waits->mutex);
  pthread_rwlock_wrlock(&waits->lock);
  ASSERT_EQ(pthread_create(&waits->joined, nullptr, SleepTwoMinutes, nullptr), 0);
  void* (*const mains[])(void*) = {AwaitMutex,     AwaitCondition, AwaitReading,
                                   AwaitSemaphore, AwaitWord,      AwaitEnd};
  pthread_t threads[std::size(mains)];
  for (size_t i = 0; i < std::size(mains); ++i) {
    ASSERT_EQ(pthread_create(&threads[i], nullptr, mains[i], waits), 0);
  }
  sleep(10);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += step_s;
  EXPECT_EQ(clock_settime(CLOCK_REALTIME, &now), 0);
  for (const pthread_t thread : threads) EXPECT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_EQ(pthread_join(waits->joined, nullptr), 0);
  pthread_rwlock_unlock(&waits->lock);
  pthread_mutex_unlock(&waits->mutex);
}

TEST_F(RthreadSync, WhoWaitsForATimeOfTheWallClockFollowsIt) {
  server_.Spawn("sooner", [] {
    Waits sooner{.end = {time(nullptr) + 60, 0}};
    StepAmid(&sooner, 20);
    EXPECT_EQ(sooner.ended_s, 40);
  });
  client_.Spawn("later", [] {
    Waits later{.end = {time(nullptr) + 60, 0}};
    StepAmid(&later, -20);
    EXPECT_EQ(later.ended_s, 80);
  });
  Run();
}

TEST_F(RthreadSync, ATimeThatTheClockWasSetBeyondHasCome) {
  InProcess([] {
    Waits waits{.end = {time(nullptr) + 60, 0}};
    StepAmid(&waits, 1000);
    EXPECT_EQ(waits.ended_s, 10);
  });
}

TEST_F(RthreadSync, WhoWaitsForATimeSinceBootDoesNot) {
  InProcess([] {
    Waits waits{.clock = CLOCK_MONOTONIC, .end = {60, 0}};
    StepAmid(&waits, 20);
    EXPECT_EQ(waits.ended_s, 60);
  });
}

TEST_F(RthreadSync, NamedSemaphoresAreSharedByProcesses) {
  server_.Spawn("waiter", [] {
    sem_t* const sem = sem_open("/turn", O_CREAT, 0600, 0);
    ASSERT_NE(sem, SEM_FAILED);
    EXPECT_EQ(sem_wait(sem), 0);
    EXPECT_EQ(sem_close(sem), 0);
    EXPECT_EQ(sem_unlink("/turn"), 0);
    EXPECT_EQ(sem_open("/turn", 0), SEM_FAILED);
    EXPECT_EQ(errno, ENOENT);
  });
  server_.Spawn("poster", [] {
    usleep(50'000);
    sem_t* const sem = sem_open("turn", 0);
    ASSERT_NE(sem, SEM_FAILED);
    EXPECT_EQ(sem_post(sem), 0);
    EXPECT_EQ(sem_close(sem), 0);
  });
  client_.Spawn("elsewhere", [] {
    usleep(20'000);
    EXPECT_EQ(sem_open("/turn", 0), SEM_FAILED) << "another host's";
    EXPECT_EQ(errno, ENOENT);
  });
  Run();
}

TEST_F(RthreadSync, NamesOfSemaphoresAreChecked) {
  InProcess([] {
    const auto fails = [](const char* name, int flags, unsigned value) {
      return sem_open(name, flags, 0600, value) == SEM_FAILED ? errno : 0;
    };
    EXPECT_EQ(fails("/", O_CREAT, 0), EINVAL);
    EXPECT_EQ(fails("/a/b", O_CREAT, 0), EINVAL);
    EXPECT_EQ(fails(std::string(300, 'x').c_str(), O_CREAT, 0), ENAMETOOLONG);
    EXPECT_EQ(fails("/x", O_CREAT, 1U << 31), EINVAL);
    EXPECT_EQ(fails("/x", O_CREAT, 3), 0);
    EXPECT_EQ(fails("/x", O_CREAT | O_EXCL, 3), EEXIST);
    sem_t* const sem = sem_open("/x", 0);
    int value = 0;
    EXPECT_EQ(sem_getvalue(sem, &value), 0);
    EXPECT_EQ(value, 3);
    EXPECT_EQ(sem_unlink("/x"), 0);
    EXPECT_EQ(sem_unlink("/x"), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(sem_wait(sem), 0) << "who has it open still uses it";
    EXPECT_EQ(sem_close(sem), 0);
    EXPECT_EQ(sem_close(sem), 0) << "opened twice";
    EXPECT_EQ(sem_close(sem), -1);
    EXPECT_EQ(errno, EINVAL);
  });
}

using ThreadMain = void* (*)(void*);

void ExpectHandlersToRun(ThreadMain sleeping, ThreadMain exiting, ThreadMain waiting) {
  char cancelled[32] = {}, exited[32] = {};
  Waited waited = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
  pthread_t sleeper, leaver, waiter;
  ASSERT_EQ(pthread_create(&sleeper, nullptr, sleeping, cancelled), 0);
  ASSERT_EQ(pthread_create(&leaver, nullptr, exiting, exited), 0);
  ASSERT_EQ(pthread_create(&waiter, nullptr, waiting, &waited), 0);
  usleep(50'000);
  EXPECT_EQ(pthread_cancel(sleeper), 0);
  EXPECT_EQ(pthread_cancel(waiter), 0);
  void* result = nullptr;
  EXPECT_EQ(pthread_join(sleeper, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_EQ(pthread_join(leaver, &result), 0);
  EXPECT_EQ(result, exited);
  EXPECT_EQ(pthread_join(waiter, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_STREQ(cancelled, "inner outer ");
  EXPECT_STREQ(exited, "inner outer ");
  EXPECT_EQ(pthread_mutex_trylock(&waited.mutex), 0) << "the handler has unlocked it";
  EXPECT_EQ(pthread_mutex_unlock(&waited.mutex), 0);
}

TEST_F(RthreadSync, HandlersOfCRunAsAThreadEnds) {
  InProcess([] { ExpectHandlersToRun(SleepWithHandlers, ExitWithHandlers, WaitWithHandlers); });
}

TEST_F(RthreadSync, SoDoThoseThatAreMadeOfSetjmp) {
  InProcess([] { ExpectHandlersToRun(SleepWithJumps, ExitWithJumps, WaitWithJumps); });
}

TEST_F(RthreadSync, HandlersOfCAreNotRunByAnEndingProcess) {
  char left[32] = {};
  server_.Spawn("prog", [&left] {
    pthread_t sleeper;
    EXPECT_EQ(pthread_create(&sleeper, nullptr, SleepWithJumps, left), 0);
    usleep(50'000);
    uapi::exit(0);
  });
  Run();
  EXPECT_STREQ(left, "");
}

}  // namespace
}  // namespace sockbed
