// C's cleanup handlers: pthread_cleanup_push of files that are compiled without -fexceptions.
//
// Such a frame has nothing that unwinding could stop at. It has called setjmp, and told us:
//
//     ThreadMain  <- UnwindGuard: the thread ends here
//        ^  raised again: no handler is left
//     a C frame   <- buffer: jump target, stack pointer    handler runs, __pthread_unwind_next
//        ^  forced: each frame below is unwound, then a jump into this one
//     read() ... userret() throws proc_unwind
//
// The exception stays uncaught while a handler runs, as it does while a destructor runs, so that
// system calls made by a handler return instead of unwinding again.
#include <setjmp.h>
#include <unwind.h>

#include <exception>

#include "kernel/sched/proc.h"
#include "kernel/sim/kassert.h"
#include "uapi/rthread.h"
#include "uapi/rthread_private.h"

namespace sockbed::uapi {
namespace {

// The words of a buffer that the C library leaves to whoever keeps the list.
enum { kOuter, kStackPointer };

uintptr_t StackPointerOf(const __pthread_unwind_buf_t* handler) {
  return reinterpret_cast<uintptr_t>(handler->__pad[kStackPointer]);
}

// Called for each frame before it is unwound; context's CFA is the frame's stack pointer.
_Unwind_Reason_Code StopAtHandler(int, _Unwind_Action actions, _Unwind_Exception_Class,
                                  _Unwind_Exception* exception, _Unwind_Context* context,
                                  void* arg) {
  auto* const handler = static_cast<__pthread_unwind_buf_t*>(arg);
  const bool below = _Unwind_GetCFA(context) < StackPointerOf(handler);
  if (below && (actions & _UA_END_OF_STACK) == 0) return _URC_NO_REASON;
  rthread* const self = SelfThread();
  self->handlers = static_cast<__pthread_unwind_buf_t*>(handler->__pad[kOuter]);
  self->unwinding = exception;
  // As __sigsetjmp has filled it; without a signal mask nothing behind that is read.
  _longjmp(reinterpret_cast<__jmp_buf_tag*>(handler->__cancel_jmp_buf), 1);
}

}  // namespace

void CleanupPush(__pthread_unwind_buf_t* handler, void* stack_pointer) {
  rthread* const self = SelfThread();
  handler->__pad[kOuter] = self->handlers;
  handler->__pad[kStackPointer] = stack_pointer;
  self->handlers = handler;
}

void CleanupPop(const __pthread_unwind_buf_t* handler) {
  SelfThread()->handlers = static_cast<__pthread_unwind_buf_t*>(handler->__pad[kOuter]);
}

void CleanupNext() {
  _Unwind_RaiseException(SelfThread()->unwinding);
  KPANIC("a thread that ends has lost its way");
}

bool StopsAtHandlers() {
  const proc* const p = curproc();
  return p->p_exiting && !p->p_unwound && !p->p_mainproc->p_ps_exiting && p->p_rthread != nullptr &&
         p->p_rthread->handlers != nullptr && std::uncaught_exceptions() == 1;
}

_Unwind_Reason_Code UnwindToHandler(_Unwind_Exception* exception) {
  return _Unwind_ForcedUnwind(exception, StopAtHandler, SelfThread()->handlers);
}

}  // namespace sockbed::uapi
