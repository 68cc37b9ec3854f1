#undef _FORTIFY_SOURCE

#include "uapi/posix_trap.h"

#include <link.h>
#include <signal.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include <algorithm>
#include <vector>

#include "uapi/outside.h"
#include "uapi/posix_real.h"

namespace sockbed {
namespace {

// Code of an object that was there before any program.
struct Code {
  uintptr_t begin;
  uintptr_t end;
  bool Has(uintptr_t address) const { return begin <= address && address < end; }
};

// One per OS process, as programs are. The real kernel reads the selector at each call.
struct Trap {
  std::vector<Code> known;
  volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;
};
constinit Trap trap;

int NoteCode(dl_phdr_info* object, size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    trap.known.push_back({begin, begin + segment.p_memsz});
  }
  return 0;
}

const Code* FindKnown(uintptr_t address) {
  const auto found =
      std::ranges::find_if(trap.known, [address](const Code& code) { return code.Has(address); });
  return found != trap.known.end() ? &*found : nullptr;
}

// Runs on the stack of the code that made the call, which may sleep here (a futex) like any other.
void OnTrap(int, siginfo_t* info, void* context) {
  const int before = errno;
  auto& word = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const bool known = FindKnown(reinterpret_cast<uintptr_t>(info->si_call_addr)) != nullptr;
  const auto make = known ? Real().syscall : ::syscall;
  const long result = make(word[REG_RAX], word[REG_RDI], word[REG_RSI], word[REG_RDX],
                           word[REG_R10], word[REG_R8], word[REG_R9]);
  word[REG_RAX] = result == -1 ? -errno : result;
  errno = before;
}

}  // namespace

void TrapCalls() {
  const uapi::OutsideProcess outside;
  if (trap.known.empty()) dl_iterate_phdr(NoteCode, nullptr);
  const Code* const libc = FindKnown(reinterpret_cast<uintptr_t>(Real().syscall));
  struct sigaction act {};
  act.sa_sigaction = OnTrap;
  act.sa_flags = SA_SIGINFO | SA_NODEFER;  // another process may trap while this one sleeps in it
  if (libc == nullptr || Real().sigaction(SIGSYS, &act, nullptr) != 0) return;
  (void)prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, libc->begin,
              libc->end - libc->begin, &trap.selector);  // an old kernel has no such thing
}

void TrapWhile(bool program_runs) {
  trap.selector = program_runs ? SYSCALL_DISPATCH_FILTER_BLOCK : SYSCALL_DISPATCH_FILTER_ALLOW;
}

}  // namespace sockbed
