// A C program with cleanup handlers, for rthread_sync_test.
//
// Lives here:  SleepWithHandlers, ExitWithHandlers, WaitWithHandlers; the same WithJumps.
// Called by:   rthread_sync_test, as the mains of threads.
// Differs:     the first three are compiled with -fexceptions, the others without: there
//              pthread_cleanup_push is made of setjmp.
#ifndef SOCKBED_UAPI_CLEANUP_HANDLERS_H_
#define SOCKBED_UAPI_CLEANUP_HANDLERS_H_

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

struct Waited {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
};

// Each has two handlers, which append "inner " and "outer " to the text at `log`; the first then
// sleeps until it is cancelled, the second calls pthread_exit.
void* SleepWithHandlers(void* log);
void* ExitWithHandlers(void* log);
// Waits until it is cancelled; its handler unlocks the mutex of a struct Waited.
void* WaitWithHandlers(void* waited);

void* SleepWithJumps(void* log);
void* ExitWithJumps(void* log);
void* WaitWithJumps(void* waited);

#ifdef __cplusplus
}
#endif

#endif  // SOCKBED_UAPI_CLEANUP_HANDLERS_H_
