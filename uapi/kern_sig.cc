// Signals: sending, catching, blocking, waiting for one.
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kernel/sched/signal.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// kill(2): whether `p` may signal `target`.
bool MaySignal(const proc* p, const proc* target) {
  const ucred &from = p->p_ucred, &to = target->p_ucred;
  if (suser(from)) return true;
  const uid_t ids[] = {to.cr_uid, to.cr_ruid, to.cr_svuid};
  return std::any_of(std::begin(ids), std::end(ids),
                     [&](uid_t id) { return id == from.cr_uid || id == from.cr_ruid; });
}

// Signals all that `is_meant` says, as far as the caller may. Errors: ESRCH (there are none), EPERM
// (none that it may).
template <typename IsMeant>
int SignalMany(proc* p, int signo, IsMeant is_meant) {
  int error = ESRCH;
  proc_foreach(*p->p_host, [&](proc* target) {
    if (target->p_stat == ProcState::kZombie || target->p_system || !is_mainproc(target)) return;
    if (!is_meant(target)) return;
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
  if (pid == -1) {  // everybody else
    return SignalMany(p, signo, [p](const proc* target) { return target != p->p_mainproc; });
  }
  if (pid <= 0) {
    const pid_t pgid = pid == 0 ? p->p_pgid : -pid;
    return SignalMany(p, signo, [pgid](const proc* target) { return target->p_pgid == pgid; });
  }
  proc* const target = pfind(pid);
  if (target == nullptr || target->p_stat == ProcState::kZombie) return ESRCH;
  if (!MaySignal(p, target)) return EPERM;
  if (signo != 0) psignal(target, signo);
  return 0;
}

// What a program asks for with sigaction(2), as the kernel keeps it.
int FromProgram(const struct sigaction& act, sigact* kernel) {
  constexpr int kKnown =
      SA_RESTART | SA_SIGINFO | SA_NODEFER | SA_RESETHAND | SA_NOCLDSTOP | SA_NOCLDWAIT;
  const int flags = act.sa_flags;
  if ((flags & ~kKnown) != 0) return EINVAL;
  kernel->restart = (flags & SA_RESTART) != 0;
  kernel->nodefer = (flags & SA_NODEFER) != 0;
  kernel->resethand = (flags & SA_RESETHAND) != 0;
  kernel->nocldstop = (flags & SA_NOCLDSTOP) != 0;
  kernel->nocldwait = (flags & SA_NOCLDWAIT) != 0;
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
  act.sa_flags = (kernel.restart ? SA_RESTART : 0) | (kernel.nodefer ? SA_NODEFER : 0) |
                 (kernel.resethand ? static_cast<int>(SA_RESETHAND) : 0) |
                 (kernel.nocldstop ? SA_NOCLDSTOP : 0) | (kernel.nocldwait ? SA_NOCLDWAIT : 0);
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

// Sleeps under `mask` until a signal has been acted on. [sleeps] "pause". Returns EINTR.
int sys_sigsuspend(proc* p, const sigset_t* mask) {
  if (mask == nullptr) return EFAULT;
  const MaskScope scope(p, mask);
  while (tsleep(&p->p_sigmask, PPAUSE | PCATCH, "pause", 0) == 0) {
  }
  userret();  // the signal may be blocked again outside
  return EINTR;
}

}  // namespace

int kill(pid_t pid, int signo) {
  const CallArgs args{.a0 = Shown(pid), .a1 = Shown(signo)};
  return static_cast<int>(SystemCall(
      Sys::kKill, args, [&](proc* p, int64_t*) { return sys_kill(p, pid, signo); }));
}

int killpg(pid_t pgid, int signo) {
  if (pgid <= 1) {  // kill(2) would take it for something else
    return static_cast<int>(SystemCall(Sys::kKill, {.a0 = Shown(-pgid), .a1 = Shown(signo)},
                                       [](proc*, int64_t*) { return EINVAL; }));
  }
  return uapi::kill(-pgid, signo);
}

int raise(int signo) { return uapi::kill(curproc()->p_pid, signo); }

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

int sigpending(sigset_t* set) {
  return static_cast<int>(SystemCall(Sys::kSigpending, {}, [&](const proc* p, int64_t*) {
    if (set == nullptr) return EFAULT;
    FromMask(p->p_siglist & ~kThreadEnds, set);
    return 0;
  }));
}

int sigsuspend(const sigset_t* mask) {
  const CallArgs args{.a0 = mask != nullptr ? ToMask(*mask) : 0};
  return static_cast<int>(SystemCall(Sys::kSigsuspend, args, [&](proc* p, int64_t*) {
    return sys_sigsuspend(p, mask);
  }));
}

int pause() {
  sigset_t now;
  return uapi::sigprocmask(SIG_BLOCK, nullptr, &now) != 0 ? -1 : uapi::sigsuspend(&now);
}

}  // namespace sockbed::uapi
