// System calls that a program makes by an instruction of its own, past the C library.
//
// Lives here:  TrapCalls, TrapWhile.
// Called by:   posix_program.cc.
// May touch:   prctl(2), SIGSYS.
// Context:     anywhere. A trap is part of the process that made the call.
// Source:      Linux 5.11, syscall user dispatch: PR_SET_SYSCALL_USER_DISPATCH of prctl(2).
// Differs:     where the real kernel does not offer that, nothing is trapped.
//
//   program's code:  its instruction --> SIGSYS --> syscall() of the shim: simulated, or refused
//   C library, called by the shim or by the real host's code:  allowed, never trapped
//   dynamic linker, vDSO, sanitizers ...:  SIGSYS --> the call is made for them
#ifndef SOCKBED_UAPI_POSIX_TRAP_H_
#define SOCKBED_UAPI_POSIX_TRAP_H_

namespace sockbed {

// From here on this OS thread traps calls, while programs run. What the OS process has loaded when
// this is first called is not a program's.
void TrapCalls();

// Whether a program runs.
void TrapWhile(bool program_runs);

}  // namespace sockbed

#endif  // SOCKBED_UAPI_POSIX_TRAP_H_
