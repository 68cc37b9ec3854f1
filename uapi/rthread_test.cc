// Threads of a simulated process, under the names that programs know them by.
#include "uapi/rthread.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "uapi/posix.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

using testing::HasSubstr;

class Rthread : public TwoHosts {
 protected:
  void SetUp() override { ASSERT_EQ(posix_check(), ""); }
  // Runs a program and returns what was wrong with it.
  std::string Complaints(std::function<void()> main) {
    server_.Spawn("prog", std::move(main));
    return sim_.Run().Complaints();
  }
  // The same of a program whose frames end by std::terminate, as a std::thread that nobody has
  // joined makes them: what they own stays.
  std::string Abandoned(std::function<void()> main) {
#ifdef __SANITIZE_ADDRESS__
    const __lsan::ScopedDisabler no_leaks;
#endif
    return Complaints(std::move(main));
  }
  void RunProgram(std::function<void()> main) { EXPECT_EQ(Complaints(std::move(main)), ""); }
};

void* Nothing(void* arg) { return arg; }

timespec In(int64_t ms) {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_sec += ms / 1000;
  ts.tv_nsec += ms % 1000 * 1'000'000;
  if (ts.tv_nsec >= 1'000'000'000) {
    ts.tv_nsec -= 1'000'000'000;
    ++ts.tv_sec;
  }
  return ts;
}

// --- Life. ---

TEST_F(Rthread, JoinGivesTheResult) {
  RunProgram([] {
    pthread_t thread;
    int value;
    ASSERT_EQ(pthread_create(&thread, nullptr, Nothing, &value), 0);
    void* result = nullptr;
    EXPECT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, &value);
    EXPECT_EQ(pthread_join(thread, nullptr), ESRCH);
    EXPECT_EQ(pthread_join(pthread_self(), nullptr), EDEADLK);
  });
}

TEST_F(Rthread, HasANumberOfItsOwnAndThePidOfItsProcess) {
  RunProgram([] {
    const pid_t pid = getpid();
    std::thread([pid, main = std::this_thread::get_id()] {
      EXPECT_EQ(getpid(), pid);
      EXPECT_NE(std::this_thread::get_id(), main);
    }).join();
  });
}

TEST_F(Rthread, KeepsTheNameThatItIsGiven) {
  RunProgram([] {
    char name[16];
    EXPECT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "prog");
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, nullptr, Nothing, nullptr), 0);
    EXPECT_EQ(pthread_setname_np(thread, "the worker of 1"), 0);
    EXPECT_EQ(pthread_setname_np(thread, "the worker of 16"), ERANGE);
    EXPECT_EQ(pthread_getname_np(thread, name, sizeof name - 1), ERANGE);
    EXPECT_EQ(pthread_getname_np(thread, name, sizeof name), 0);
    EXPECT_STREQ(name, "the worker of 1");
    EXPECT_EQ(pthread_join(thread, nullptr), 0);
    EXPECT_EQ(pthread_setname_np(thread, "x"), ESRCH);
    EXPECT_EQ(pthread_getname_np(thread, name, sizeof name), ESRCH);
  });
}

TEST_F(Rthread, DetachedThreadCannotBeJoined) {
  RunProgram([] {
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, nullptr, Nothing, nullptr), 0);
    EXPECT_EQ(pthread_detach(thread), 0);
    EXPECT_EQ(pthread_join(thread, nullptr), EINVAL);
    sleep(1);
    EXPECT_EQ(pthread_detach(thread), ESRCH);
  });
}

TEST_F(Rthread, TimedJoinGivesUp) {
  RunProgram([] {
    std::thread sleeper([] { sleep(2); });
    const timespec limit = In(500);
    EXPECT_EQ(pthread_tryjoin_np(sleeper.native_handle(), nullptr), EBUSY);
    EXPECT_EQ(pthread_timedjoin_np(sleeper.native_handle(), nullptr, &limit), ETIMEDOUT);
    sleeper.join();
  });
}

TEST_F(Rthread, SharesDescriptorsWithItsProcess) {
  RunProgram([] {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::thread writer([&ends] {
      EXPECT_EQ(write(ends[0], "x", 1), 1);
      close(ends[0]);
    });
    char byte;
    EXPECT_EQ(read(ends[1], &byte, 1), 1);
    EXPECT_EQ(read(ends[1], &byte, 1), 0);
    writer.join();
    EXPECT_EQ(close(ends[0]), -1);
    close(ends[1]);
  });
}

// Another thread's close does not free what a call works on, and does not end it either.
TEST_F(Rthread, CloseLeavesTheCallOfAnotherThreadAlone) {
  RunProgram([] {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::thread reader([fd = ends[1]] {
      char byte;
      EXPECT_EQ(read(fd, &byte, 1), 1);
      EXPECT_EQ(read(fd, &byte, 1), -1);
      EXPECT_EQ(errno, EBADF);
    });
    sleep(1);
    EXPECT_EQ(close(ends[1]), 0);
    sleep(1);
    EXPECT_EQ(write(ends[0], "x", 1), 1);
    reader.join();
    EXPECT_EQ(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    close(ends[0]);
  });
}

TEST_F(Rthread, ExitOfMainLeavesTheOthersTheirTime) {
  std::string log;
  RunProgram([&log] {
    std::thread([&log] {
      sleep(1);
      log = "worked on";
    }).detach();
    pthread_exit(nullptr);
  });
  EXPECT_EQ(log, "worked on");
}

TEST_F(Rthread, ExceptionInAThreadEndsTheProcessAndIsTold) {
  EXPECT_THAT(Complaints([] {
                pthread_t thread;
                pthread_create(
                    &thread, nullptr, [](void*) -> void* { throw std::runtime_error("bad luck"); },
                    nullptr);
                pthread_join(thread, nullptr);
              }),
              HasSubstr("SIGABRT (exception: bad luck)"));
}

TEST_F(Rthread, SignalGoesToTheThreadThatIsNamed) {
  static pthread_t seen;
  RunProgram([] {
    struct sigaction act {};
    act.sa_handler = [](int) { seen = pthread_self(); };
    ASSERT_EQ(sigaction(SIGUSR1, &act, nullptr), 0);
    std::thread sleeper([] { sleep(10); });
    sleep(1);
    EXPECT_EQ(pthread_kill(sleeper.native_handle(), SIGUSR1), 0);
    sleep(1);
    EXPECT_EQ(seen, sleeper.native_handle());
    EXPECT_EQ(pthread_kill(12345, SIGUSR1), ESRCH);
    sleeper.join();
  });
}

// --- Cancelling. ---

TEST_F(Rthread, CancelledThreadEndsInItsWaitAndUnwinds) {
  RunProgram([] {
    bool unwound = false;
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, nullptr,
                  [](void* arg) -> void* {
                    struct Guard {
                      bool* flag;
                      ~Guard() { *flag = true; }
                    } const guard{static_cast<bool*>(arg)};
                    sleep(1000);
                    return nullptr;
                  },
                  &unwound),
              0);
    sleep(1);
    EXPECT_EQ(pthread_cancel(thread), 0);
    void* result;
    EXPECT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_TRUE(unwound);
    EXPECT_EQ(time(nullptr), kBootEpochSeconds + 1);
  });
}

TEST_F(Rthread, CancellationWaitsUntilItIsEnabled) {
  RunProgram([] {
    std::string log;
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, nullptr,
                  [](void* arg) -> void* {
                    int old;
                    EXPECT_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
                    EXPECT_EQ(old, PTHREAD_CANCEL_ENABLE);
                    sleep(2);
                    *static_cast<std::string*>(arg) += "slept";
                    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
                    pthread_testcancel();
                    *static_cast<std::string*>(arg) += " and went on";
                    return nullptr;
                  },
                  &log),
              0);
    sleep(1);
    EXPECT_EQ(pthread_cancel(thread), 0);
    pthread_join(thread, nullptr);
    EXPECT_EQ(log, "slept");
  });
}

// --- Mutexes. ---

TEST_F(Rthread, MutexKeepsOthersOut) {
  RunProgram([] {
    std::mutex mutex;
    int inside = 0, most = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 10; ++i) {
      threads.emplace_back([&] {
        const std::lock_guard lock(mutex);
        most = std::max(most, ++inside);
        usleep(1000);
        --inside;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(most, 1);
  });
}

TEST_F(Rthread, KindsOfMutexTreatTheirOwnerDifferently) {
  RunProgram([] {
    std::recursive_mutex recursive;
    recursive.lock();
    EXPECT_TRUE(recursive.try_lock());
    recursive.unlock();
    std::thread([&] { EXPECT_FALSE(recursive.try_lock()); }).join();
    recursive.unlock();
    EXPECT_EQ(pthread_mutex_unlock(recursive.native_handle()), EPERM);
    pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    EXPECT_EQ(pthread_mutex_lock(&checked), 0);
    EXPECT_EQ(pthread_mutex_lock(&checked), EDEADLK);
    EXPECT_EQ(pthread_mutex_trylock(&checked), EBUSY);
    EXPECT_EQ(pthread_mutex_destroy(&checked), EBUSY);
    EXPECT_EQ(pthread_mutex_unlock(&checked), 0);
    EXPECT_EQ(pthread_mutex_unlock(&checked), EPERM);
    EXPECT_EQ(pthread_mutex_destroy(&checked), 0);
  });
}

TEST_F(Rthread, TimedLockGivesUpInVirtualTime) {
  RunProgram([] {
    std::timed_mutex mutex;
    mutex.lock();
    std::thread([&] {
      EXPECT_FALSE(mutex.try_lock_for(std::chrono::seconds(3)));
      EXPECT_EQ(time(nullptr), kBootEpochSeconds + 3);
    }).join();
    mutex.unlock();
  });
}

TEST_F(Rthread, LockingAPlainMutexTwiceIsSeenAtTheEndOfTheRun) {
  EXPECT_THAT(Complaints([] {
                std::mutex mutex;
                mutex.lock();
                mutex.lock();
              }),
              HasSubstr("sleeps on \"mutex\""));
}

TEST_F(Rthread, UnlockingWhatIsNotLockedEndsTheProcessWithAReason) {
  EXPECT_THAT(Complaints([] {
                std::mutex mutex;
                mutex.unlock();
                usleep(1);
              }),
              HasSubstr("a mutex is unlocked that is not locked"));
}

TEST_F(Rthread, MutexLeftLockedCountsAsLeaked) {
  const std::string complaints = Complaints([] {
    std::mutex mutex;
    std::thread([&] { mutex.lock(); }).join();
  });
  EXPECT_THAT(complaints, HasSubstr("mutex locked by a thread that has ended"));
  ASSERT_EQ(sim_.console().size(), 1u);
  EXPECT_THAT(sim_.console()[0].text, HasSubstr("ended with 1 mutex"));
}

// --- Condition variables and the rest. ---

TEST_F(Rthread, ProducerAndConsumerMeet) {
  RunProgram([] {
    std::mutex mutex;
    std::condition_variable changed;
    int made = 0, taken = 0;
    std::thread consumer([&] {
      std::unique_lock lock(mutex);
      while (taken < 100) {
        changed.wait(lock, [&] { return made > taken; });
        ++taken;
      }
    });
    for (int i = 0; i < 100; ++i) {
      const std::lock_guard lock(mutex);
      ++made;
      changed.notify_one();
    }
    consumer.join();
    EXPECT_EQ(taken, 100);
  });
}

TEST_F(Rthread, WaitOnAConditionEndsAtItsLimitWithTheMutex) {
  RunProgram([] {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    EXPECT_EQ(never.wait_for(lock, std::chrono::seconds(2)), std::cv_status::timeout);
    EXPECT_EQ(time(nullptr), kBootEpochSeconds + 2);
    EXPECT_FALSE(mutex.try_lock());
  });
}

TEST_F(Rthread, FutureWaitsForItsPromise) {
  RunProgram([] {
    std::promise<int> promise;
    std::thread maker([&] {
      sleep(1);
      promise.set_value(7);
    });
    EXPECT_EQ(promise.get_future().get(), 7);
    EXPECT_EQ(time(nullptr), kBootEpochSeconds + 1);
    maker.join();
  });
}

TEST_F(Rthread, StaticVariableIsMadeOnceThoughItsMakingSleeps) {
  RunProgram([] {
    int made = 0;
    const auto get = [&made] {
      static const int value = [&made] {
        sleep(1);
        return ++made;
      }();
      return value;
    };
    std::thread other([&] { EXPECT_EQ(get(), 1); });
    EXPECT_EQ(get(), 1);
    other.join();
    EXPECT_EQ(made, 1);
  });
}

TEST_F(Rthread, OnceIsOnceThoughItSleeps) {
  static int runs = 0;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  RunProgram([] {
    const auto init = [] {
      sleep(1);
      ++runs;
    };
    std::thread other([&] { pthread_once(&once, init); });
    pthread_once(&once, init);
    EXPECT_EQ(runs, 1);
    other.join();
  });
  EXPECT_EQ(runs, 1);
}

TEST_F(Rthread, ReadersShareALockAndAWriterDoesNot) {
  RunProgram([] {
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    EXPECT_EQ(pthread_rwlock_rdlock(&lock), 0);
    std::thread([&] {
      EXPECT_EQ(pthread_rwlock_tryrdlock(&lock), 0);
      EXPECT_EQ(pthread_rwlock_trywrlock(&lock), EBUSY);
      EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
    }).join();
    std::thread writer([&] {
      EXPECT_EQ(pthread_rwlock_wrlock(&lock), 0);
      EXPECT_EQ(pthread_rwlock_wrlock(&lock), EDEADLK);
      EXPECT_EQ(time(nullptr), kBootEpochSeconds + 1);
      EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
    });
    sleep(1);
    EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
    writer.join();
  });
}

TEST_F(Rthread, BarrierLetsAllGoTogether) {
  RunProgram([] {
    pthread_barrier_t barrier;
    ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, 3), 0);
    int serial = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        sleep(static_cast<unsigned>(i));
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD ? 1 : 0;
        EXPECT_EQ(time(nullptr), kBootEpochSeconds + 2);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(serial, 1);
    EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
  });
}

TEST_F(Rthread, SemaphoreCounts) {
  RunProgram([] {
    sem_t sem;
    ASSERT_EQ(sem_init(&sem, 0, 1), 0);
    EXPECT_EQ(sem_wait(&sem), 0);
    EXPECT_EQ(sem_trywait(&sem), -1);
    EXPECT_EQ(errno, EAGAIN);
    const timespec limit = In(1000);
    EXPECT_EQ(sem_timedwait(&sem, &limit), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    std::thread poster([&] { sem_post(&sem); });
    EXPECT_EQ(sem_wait(&sem), 0);
    poster.join();
  });
}

TEST_F(Rthread, KeysHoldAValuePerThreadAndDestroyIt) {
  static int destroyed = 0;
  RunProgram([] {
    pthread_key_t key;
    ASSERT_EQ(
        pthread_key_create(&key, [](void* value) { *static_cast<int*>(value) = ++destroyed; }), 0);
    int mine = 0, other = 0;
    EXPECT_EQ(pthread_setspecific(key, &mine), 0);
    std::thread([&] {
      EXPECT_EQ(pthread_getspecific(key), nullptr);
      EXPECT_EQ(pthread_setspecific(key, &other), 0);
      usleep(1);
      EXPECT_EQ(pthread_getspecific(key), &other);
    }).join();
    EXPECT_EQ(other, 1);
    EXPECT_EQ(pthread_getspecific(key), &mine);
    EXPECT_EQ(pthread_key_delete(key), 0);
    EXPECT_EQ(pthread_getspecific(key), nullptr);
    EXPECT_EQ(pthread_setspecific(key, &mine), EINVAL);
  });
}

TEST_F(Rthread, SpinnersMoveTimeOn) {
  RunProgram([] {
    std::atomic<bool> set{false};
    std::thread setter([&] {
      sleep(1);
      set = true;
    });
    while (!set) std::this_thread::yield();
    setter.join();
  });
}

TEST_F(Rthread, NumberOfProcessorsIsNotTheHosts) {
  RunProgram([] { EXPECT_EQ(std::thread::hardware_concurrency(), 1u); });
}

TEST_F(Rthread, TerminatedProgramEndsAloneWithAReason) {
  EXPECT_THAT(Abandoned([] { const std::thread forgotten([] { sleep(1); }); }),
              HasSubstr("SIGABRT (exception: std::terminate)"));
}

TEST_F(Rthread, KilledProcessTakesItsThreadsAlong) {
  EXPECT_THAT(Abandoned([] {
                std::mutex mutex;
                std::condition_variable never;
                std::thread waiter([&] {
                  std::unique_lock lock(mutex);
                  never.wait(lock);
                });
                sleep(1);
                kill(getpid(), SIGKILL);
                usleep(1);
                waiter.join();
              }),
              HasSubstr("was ended by SIGKILL"));
}

}  // namespace
}  // namespace sockbed
