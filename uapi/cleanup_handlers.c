// Compiled as C, with -fexceptions and without: see README.md, "Threads".
#include "uapi/cleanup_handlers.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef __EXCEPTIONS
#define SLEEP SleepWithHandlers
#define EXIT ExitWithHandlers
#define WAIT WaitWithHandlers
#else
#define SLEEP SleepWithJumps
#define EXIT ExitWithJumps
#define WAIT WaitWithJumps
#endif

// A call that could end the thread does not while a handler runs.
static void SayInner(void* log) {
  usleep(1000);
  strncat(log, "inner ", 7);
}
static void SayOuter(void* log) { strncat(log, "outer ", 7); }
static void Unlock(void* mutex) { pthread_mutex_unlock(mutex); }

void* SLEEP(void* log) {
  pthread_cleanup_push(SayOuter, log);
  pthread_cleanup_push(SayInner, log);
  for (;;) usleep(1000000);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return NULL;
}

static void Leave(void* log) {
  pthread_cleanup_push(SayInner, log);
  pthread_exit(log);
  pthread_cleanup_pop(0);
}

void* EXIT(void* log) {
  pthread_cleanup_push(SayOuter, log);
  pthread_cleanup_push(SayOuter, log);
  pthread_cleanup_pop(0);
  Leave(log);
  pthread_cleanup_pop(0);
  return NULL;
}

void* WAIT(void* arg) {
  struct Waited* const waited = arg;
  pthread_mutex_lock(&waited->mutex);
  pthread_cleanup_push(Unlock, &waited->mutex);
  for (;;) pthread_cond_wait(&waited->cond, &waited->mutex);
  pthread_cleanup_pop(1);
  return NULL;
}
