// Processes and signals: who one is, ending, waiting, killing, catching.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernel/sched/signal.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// A program's signal set holds its first 64 signals in one word.
uint64_t ToMask(const sigset_t& set) {
  uint64_t mask;
  std::memcpy(&mask, &set, sizeof mask);
  return mask;
}
void FromMask(uint64_t mask, sigset_t* set) {
  sigemptyset(set);
  std::memcpy(set, &mask, sizeof mask);
}
constexpr uint64_t kCannotBlock = SigBit(SIGKILL) | SigBit(SIGSTOP);

// kill(2): whether `p` may signal `target`.
bool MaySignal(const proc* p, const proc* target) {
  const ucred &from = p->p_ucred, &to = target->p_ucred;
  if (suser(from)) return true;
  const uid_t ids[] = {to.cr_uid, to.cr_ruid, to.cr_svuid};
  return std::any_of(std::begin(ids), std::end(ids),
                     [&](uid_t id) { return id == from.cr_uid || id == from.cr_ruid; });
}

int SignalGroup(proc* p, pid_t pgid, int signo) {
  int error = ESRCH;
  proc_foreach(*p->p_host, [&](proc* target) {
    if (target->p_pgid != pgid || target->p_stat == ProcState::kZombie) return;
    if (!MaySignal(p, target)) {
      if (error == ESRCH) error = EPERM;
      return;
    }
    error = 0;
    if (signo != 0) psignal(target, signo);
  });
  return error;
}

int sys_kill(proc* p, pid_t pid, int signo) {
  if (signo < 0 || signo >= kSignals) return EINVAL;
  if (pid == 0) return SignalGroup(p, p->p_pgid, signo);
  if (pid < 0) return SignalGroup(p, -pid, signo);
  proc* const target = pfind(pid);
  if (target == nullptr) return ESRCH;
  if (!MaySignal(p, target)) return EPERM;
  if (signo != 0) psignal(target, signo);
  return 0;
}

// What a program asks for with sigaction(2), as the kernel keeps it.
int FromProgram(const struct sigaction& act, sigact* kernel) {
  if ((act.sa_flags & ~(SA_RESTART | SA_SIGINFO)) != 0) return EINVAL;
  kernel->restart = (act.sa_flags & SA_RESTART) != 0;
  kernel->mask = ToMask(act.sa_mask) & ~kCannotBlock;
  if ((act.sa_flags & SA_SIGINFO) != 0) {
    kernel->kind = sigact::Kind::kCatch;
    kernel->handler = [handler = act.sa_sigaction](int signo) {
      siginfo_t info{};
      info.si_signo = signo;
      handler(signo, &info, nullptr);
    };
  } else if (act.sa_handler == SIG_IGN) {
    kernel->kind = sigact::Kind::kIgnore;
  } else if (act.sa_handler == SIG_DFL) {
    kernel->kind = sigact::Kind::kDefault;
  } else {
    kernel->kind = sigact::Kind::kCatch;
    kernel->handler = act.sa_handler;
  }
  return 0;
}

// What sigaction(2) tells of the old action. A handler that is no plain function reads as SIG_DFL:
// it was not set through this call.
struct sigaction ToProgram(const sigact& kernel) {
  struct sigaction act{};
  act.sa_handler = kernel.kind == sigact::Kind::kIgnore ? SIG_IGN : SIG_DFL;
  if (auto* const plain = kernel.handler.target<void (*)(int)>()) act.sa_handler = *plain;
  act.sa_flags = kernel.restart ? SA_RESTART : 0;
  FromMask(kernel.mask, &act.sa_mask);
  return act;
}

int sys_sigaction(proc* p, int signo, const struct sigaction* act, struct sigaction* old) {
  if (signo < 1 || signo >= kSignals) return EINVAL;
  sigact wanted;
  if (act != nullptr) {
    if (const int error = FromProgram(*act, &wanted)) return error;
  }
  if (old != nullptr) *old = ToProgram(sigaction_get(p, signo));
  return act != nullptr ? sigaction_set(p, signo, std::move(wanted)) : 0;
}

int sys_sigprocmask(proc* p, int how, const sigset_t* set, sigset_t* old) {
  const uint64_t before = p->p_sigmask;
  if (set != nullptr) {
    const uint64_t mask = ToMask(*set) & ~kCannotBlock;
    switch (how) {
      case SIG_BLOCK:
        p->p_sigmask |= mask;
        break;
      case SIG_UNBLOCK:
        p->p_sigmask &= ~mask;
        break;
      case SIG_SETMASK:
        p->p_sigmask = mask;
        break;
      default:
        return EINVAL;
    }
  }
  if (old != nullptr) FromMask(before, old);
  return 0;
}

// What fork(2) hands on besides the descriptors.
void InheritSignals(const proc* parent, proc* child) {
  child->p_sigmask = parent->p_sigmask;
  child->p_sigignore = parent->p_sigignore;
  child->p_sigcatch = parent->p_sigcatch;
  if (parent->p_sigacts != nullptr) {
    child->p_sigacts = std::make_unique<sigacts>(*parent->p_sigacts);
  }
}

template <typename Body>
int64_t Ask(Sys sys, Body&& body) {
  return SystemCallValue(sys, {}, std::forward<Body>(body));
}

}  // namespace

pid_t getpid() {
  return static_cast<pid_t>(Ask(Sys::kGetpid, [](proc* p) { return p->p_pid; }));
}
pid_t getppid() {
  return static_cast<pid_t>(Ask(Sys::kGetppid, [](proc* p) { return p->p_ppid; }));
}
uid_t getuid() {
  return static_cast<uid_t>(Ask(Sys::kGetuid, [](proc* p) { return p->p_ucred.cr_ruid; }));
}
uid_t geteuid() {
  return static_cast<uid_t>(Ask(Sys::kGeteuid, [](proc* p) { return p->p_ucred.cr_uid; }));
}
gid_t getgid() {
  return static_cast<gid_t>(Ask(Sys::kGetgid, [](proc* p) { return p->p_ucred.cr_rgid; }));
}
gid_t getegid() {
  return static_cast<gid_t>(Ask(Sys::kGetegid, [](proc* p) { return p->p_ucred.cr_gid; }));
}

void _exit(int status) {
  Enter(Sys::kExit, {.a0 = Shown(status)});
  proc_exit(status);
}

void exit(int status) { _exit(status); }

int kill(pid_t pid, int signo) {
  const CallArgs args{.a0 = Shown(pid), .a1 = Shown(signo)};
  return static_cast<int>(SystemCall(
      Sys::kKill, args, [&](proc* p, int64_t*) { return sys_kill(p, pid, signo); }));
}

pid_t waitpid(pid_t pid, int* status, int options) {
  const CallArgs args{.a0 = Shown(pid), .a1 = Shown(options)};
  return static_cast<pid_t>(SystemCall(Sys::kWaitpid, args, [&](proc*, int64_t* value) {
    if ((options & ~WNOHANG) != 0) return EINVAL;
    pid_t child = 0;
    int how = 0;
    const int error = proc_wait(pid, (options & WNOHANG) != 0, &child, &how);
    if (error == 0 && child != 0 && status != nullptr) *status = how;
    *value = child;
    return error;
  }));
}

int sigaction(int signo, const struct sigaction* act, struct sigaction* old) {
  return static_cast<int>(
      SystemCall(Sys::kSigaction, {.a0 = Shown(signo)},
                 [&](proc* p, int64_t*) { return sys_sigaction(p, signo, act, old); }));
}

int sigprocmask(int how, const sigset_t* set, sigset_t* old) {
  const CallArgs args{.a0 = Shown(how), .a1 = set != nullptr ? ToMask(*set) : 0};
  return static_cast<int>(
      SystemCall(Sys::kSigprocmask, args,
                 [&](proc* p, int64_t*) { return sys_sigprocmask(p, how, set, old); }));
}

pid_t spawn(const char* name, std::function<int()> main) {
  const CallArgs args{.a0 = Shown(name, 0), .a1 = Shown(name, 1)};
  return static_cast<pid_t>(SystemCallValue(Sys::kSpawn, args, [&](proc* p) {
    proc* const child = proc_spawn({.name = name,
                                    .main = std::move(main),
                                    .cred = p->p_ucred,
                                    .parent = p->p_pid,
                                    .stack_bytes = p->p_stack_bytes});
    fdcopy(p, child);
    InheritSignals(p, child);
    return child->p_pid;
  }));
}

}  // namespace sockbed::uapi
