// A C program with cleanup handlers, for rthread_sync_test.
//
// Lives here:  SleepWithHandlers, ExitWithHandlers.
// Called by:   rthread_sync_test, as the mains of threads.
#ifndef SOCKBED_UAPI_CLEANUP_HANDLERS_H_
#define SOCKBED_UAPI_CLEANUP_HANDLERS_H_

#ifdef __cplusplus
extern "C" {
#endif

// Each has two handlers, which append "inner " and "outer " to the text at `log`; the first then
// sleeps until it is cancelled, the second calls pthread_exit.
void* SleepWithHandlers(void* log);
void* ExitWithHandlers(void* log);

#ifdef __cplusplus
}
#endif

#endif  // SOCKBED_UAPI_CLEANUP_HANDLERS_H_
