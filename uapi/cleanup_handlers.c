// Compiled as C, with -fexceptions: see README.md, "Threads".
#include "uapi/cleanup_handlers.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void SayInner(void* log) { strncat(log, "inner ", 7); }
static void SayOuter(void* log) { strncat(log, "outer ", 7); }

void* SleepWithHandlers(void* log) {
  pthread_cleanup_push(SayOuter, log);
  pthread_cleanup_push(SayInner, log);
  for (;;) usleep(1000000);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return NULL;
}

void* ExitWithHandlers(void* log) {
  pthread_cleanup_push(SayOuter, log);
  pthread_cleanup_push(SayInner, log);
  pthread_exit(log);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return NULL;
}
