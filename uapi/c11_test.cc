// C11's threads in a simulated process: thrd_*, mtx_*, cnd_*, tss_*, call_once.
#include <errno.h>
#include <threads.h>
#include <time.h>

#include <cstdint>

#include "uapi/posix.h"
#include "uapi/two_hosts.h"

namespace sockbed {
namespace {

// What the threads of one test share.
struct Shared {
  mtx_t mutex;
  cnd_t cond;
  tss_t key;
  once_flag once = ONCE_FLAG_INIT;
  int count = 0;
  thrd_t first = 0;
};

class C11 : public TwoHosts {
 protected:
  void SetUp() override { ASSERT_EQ(posix_check(), ""); }
};

timespec InMilliseconds(int ms) {
  timespec t;
  EXPECT_EQ(timespec_get(&t, TIME_UTC), TIME_UTC);
  const int64_t ns = t.tv_nsec + ms * int64_t{1'000'000};
  return {.tv_sec = t.tv_sec + ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
}

int AddThousand(void* arg) {
  auto* const shared = static_cast<Shared*>(arg);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(mtx_lock(&shared->mutex), thrd_success);
    const int before = shared->count;
    if (i % 100 == 0) thrd_yield();
    shared->count = before + 1;
    EXPECT_EQ(mtx_unlock(&shared->mutex), thrd_success);
  }
  return 42;
}

TEST_F(C11, ThreadsShareAMutex) {
  server_.Spawn("prog", [] {
    Shared shared;
    ASSERT_EQ(mtx_init(&shared.mutex, mtx_plain), thrd_success);
    thrd_t threads[3];
    for (thrd_t& thread : threads) {
      ASSERT_EQ(thrd_create(&thread, AddThousand, &shared), thrd_success);
    }
    for (const thrd_t thread : threads) {
      int result = 0;
      EXPECT_EQ(thrd_join(thread, &result), thrd_success);
      EXPECT_EQ(result, 42);
    }
    EXPECT_EQ(shared.count, 3000);
    mtx_destroy(&shared.mutex);
  });
  Run();
}

int SayTwice(void* arg) {
  auto* const shared = static_cast<Shared*>(arg);
  for (int i = 0; i < 2; ++i) {
    const timespec tenth{.tv_sec = 0, .tv_nsec = 100'000'000};
    EXPECT_EQ(thrd_sleep(&tenth, nullptr), 0);
    mtx_lock(&shared->mutex);
    ++shared->count;
    EXPECT_EQ(cnd_signal(&shared->cond), thrd_success);
    mtx_unlock(&shared->mutex);
  }
  thrd_exit(7);
}

TEST_F(C11, ConditionsAreWaitedForWithAndWithoutALimit) {
  server_.Spawn("prog", [] {
    Shared shared;
    mtx_init(&shared.mutex, mtx_timed);
    cnd_init(&shared.cond);
    thrd_t thread;
    ASSERT_EQ(thrd_create(&thread, SayTwice, &shared), thrd_success);
    mtx_lock(&shared.mutex);
    const timespec soon = InMilliseconds(30), late = InMilliseconds(900);
    EXPECT_EQ(cnd_timedwait(&shared.cond, &shared.mutex, &soon), thrd_timedout);
    while (shared.count < 1) EXPECT_EQ(cnd_wait(&shared.cond, &shared.mutex), thrd_success);
    EXPECT_EQ(cnd_timedwait(&shared.cond, &shared.mutex, &late), thrd_success);
    EXPECT_EQ(shared.count, 2);
    mtx_unlock(&shared.mutex);
    int result = 0;
    EXPECT_EQ(thrd_join(thread, &result), thrd_success);
    EXPECT_EQ(result, 7);
    cnd_destroy(&shared.cond);
  });
  Run();
}

int TryToLock(void* arg) {
  auto* const shared = static_cast<Shared*>(arg);
  const timespec soon = InMilliseconds(30);
  EXPECT_EQ(mtx_trylock(&shared->mutex), thrd_busy);
  EXPECT_EQ(mtx_timedlock(&shared->mutex, &soon), thrd_timedout);
  EXPECT_NE(thrd_equal(thrd_current(), shared->first), 1);
  return 0;
}

TEST_F(C11, AHeldMutexIsBusy) {
  server_.Spawn("prog", [] {
    Shared shared;
    shared.first = thrd_current();
    mtx_init(&shared.mutex, mtx_timed | mtx_recursive);
    EXPECT_EQ(mtx_lock(&shared.mutex), thrd_success);
    EXPECT_EQ(mtx_lock(&shared.mutex), thrd_success) << "recursive";
    thrd_t thread;
    ASSERT_EQ(thrd_create(&thread, TryToLock, &shared), thrd_success);
    EXPECT_EQ(thrd_join(thread, nullptr), thrd_success);
    mtx_unlock(&shared.mutex);
    mtx_unlock(&shared.mutex);
    EXPECT_EQ(thrd_join(thread, nullptr), thrd_error) << "joined already";
    EXPECT_EQ(thrd_detach(thread), thrd_error);
  });
  Run();
}

void Destroy(void* value) { ++*static_cast<int*>(value); }
void Begin() { uapi::Print("begun\n"); }

int KeepOwnValue(void* arg) {
  auto* const shared = static_cast<Shared*>(arg);
  call_once(&shared->once, Begin);
  EXPECT_EQ(tss_get(shared->key), nullptr);
  EXPECT_EQ(tss_set(shared->key, &shared->count), thrd_success);
  thrd_yield();
  EXPECT_EQ(tss_get(shared->key), &shared->count);
  return 0;
}

TEST_F(C11, EachThreadHasItsOwnValues) {
  server_.Spawn("prog", [] {
    Shared shared;
    ASSERT_EQ(tss_create(&shared.key, Destroy), thrd_success);
    thrd_t threads[2];
    for (thrd_t& thread : threads) thrd_create(&thread, KeepOwnValue, &shared);
    for (const thrd_t thread : threads) EXPECT_EQ(thrd_join(thread, nullptr), thrd_success);
    EXPECT_EQ(shared.count, 2) << "two values destroyed";
    tss_delete(shared.key);
  });
  Run();
  EXPECT_EQ(sim_.console().size(), 1u) << "begun once";
}

TEST_F(C11, ClocksAreVirtual) {
  server_.Spawn("prog", [] {
    timespec now;
    EXPECT_EQ(timespec_get(&now, TIME_UTC), TIME_UTC);
    EXPECT_EQ(now.tv_sec, kBootEpochSeconds);
    EXPECT_EQ(timespec_get(&now, 0), 0);
    EXPECT_LT(clock(), 1000) << "what a few calls were charged";
  });
  Run();
}

TEST_F(C11, OutsideTheyAreTheCLibrarys) {
  Shared shared;
  mtx_init(&shared.mutex, mtx_plain);
  thrd_t thread;
  ASSERT_EQ(thrd_create(&thread, AddThousand, &shared), thrd_success);
  int result = 0;
  EXPECT_EQ(thrd_join(thread, &result), thrd_success);
  EXPECT_EQ(result, 42);
  EXPECT_EQ(shared.count, 1000);
  mtx_destroy(&shared.mutex);
}

}  // namespace
}  // namespace sockbed
