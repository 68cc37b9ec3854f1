// The shim's names of C11's threads (C11 7.26). The C library builds them on its own locks without
// passing through their POSIX names; here they are those names, which choose.
#undef _FORTIFY_SOURCE

#include <cstdint>

#include "uapi/posix_real.h"
#include "uapi/rthread.h"

namespace sockbed {
namespace {

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t));
static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t));
static_assert(sizeof(once_flag) == sizeof(pthread_once_t));

pthread_mutex_t* MutexOf(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* CondOf(cnd_t* cond) { return reinterpret_cast<pthread_cond_t*>(cond); }

// C11's word for an errno.
int Thrd(int error) {
  switch (error) {
    case 0: return thrd_success;
    case EBUSY: return thrd_busy;
    case ETIMEDOUT: return thrd_timedout;
    case ENOMEM: return thrd_nomem;
    default: return thrd_error;
  }
}

}  // namespace
}  // namespace sockbed

using sockbed::CondOf;
using sockbed::InProcess;
using sockbed::MutexOf;
using sockbed::Thrd;

#pragma GCC visibility push(default)
extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t start, void* arg) {
  if (!InProcess()) return sockbed::Real().thrd_create(thread, start, arg);
  return sockbed::uapi::thrd_create(thread, start, arg);
}
thrd_t thrd_current() { return pthread_self(); }
void thrd_exit(int result) { pthread_exit(reinterpret_cast<void*>(static_cast<intptr_t>(result))); }
int thrd_join(thrd_t thread, int* result) {
  void* value = nullptr;
  const int error = pthread_join(thread, &value);
  if (error == 0 && result != nullptr) {
    *result = static_cast<int>(reinterpret_cast<intptr_t>(value));
  }
  return Thrd(error);
}
int thrd_detach(thrd_t thread) { return Thrd(pthread_detach(thread)); }
void thrd_yield() { sched_yield(); }
int thrd_sleep(const timespec* interval, timespec* rest) {
  constexpr int kInterrupted = -1, kFailed = -2;
  const int error = clock_nanosleep(CLOCK_REALTIME, 0, interval, rest);
  return error == 0 ? 0 : error == EINTR ? kInterrupted : kFailed;
}

int mtx_lock(mtx_t* mutex) { return Thrd(pthread_mutex_lock(MutexOf(mutex))); }
int mtx_trylock(mtx_t* mutex) { return Thrd(pthread_mutex_trylock(MutexOf(mutex))); }
int mtx_timedlock(mtx_t* mutex, const timespec* limit) {
  return Thrd(pthread_mutex_timedlock(MutexOf(mutex), limit));
}
int mtx_unlock(mtx_t* mutex) { return Thrd(pthread_mutex_unlock(MutexOf(mutex))); }
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy(MutexOf(mutex)); }

int cnd_wait(cnd_t* cond, mtx_t* mutex) {
  return Thrd(pthread_cond_wait(CondOf(cond), MutexOf(mutex)));
}
int cnd_timedwait(cnd_t* cond, mtx_t* mutex, const timespec* limit) {
  return Thrd(pthread_cond_timedwait(CondOf(cond), MutexOf(mutex), limit));
}
int cnd_signal(cnd_t* cond) { return Thrd(pthread_cond_signal(CondOf(cond))); }
int cnd_broadcast(cnd_t* cond) { return Thrd(pthread_cond_broadcast(CondOf(cond))); }
void cnd_destroy(cnd_t* cond) { pthread_cond_destroy(CondOf(cond)); }

void call_once(once_flag* flag, void (*init)()) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), init);
}
int tss_create(tss_t* key, tss_dtor_t destructor) {
  return Thrd(pthread_key_create(key, destructor));
}
void* tss_get(tss_t key) { return pthread_getspecific(key); }
int tss_set(tss_t key, void* value) { return Thrd(pthread_setspecific(key, value)); }
void tss_delete(tss_t key) { pthread_key_delete(key); }

}  // extern "C"
#pragma GCC visibility pop
