// Processes: who one is, ending, waiting for children, groups. Signals are in kern_sig.cc.
#include <errno.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernel/sched/signal.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

// What fork(2) hands on besides the descriptors.
void InheritSignals(const proc* parent, proc* child) {
  child->p_sigmask = parent->p_sigmask;
  child->p_sigignore = parent->p_sigignore;
  child->p_sigcatch = parent->p_sigcatch;
  child->p_nocldstop = parent->p_nocldstop;
  child->p_nocldwait = parent->p_nocldwait;
  if (parent->p_sigacts != nullptr) {
    child->p_sigacts = std::make_unique<sigacts>(*parent->p_sigacts);
  }
}

// All that is known of what a process used.
rusage Usage(SimTime stime) {
  rusage usage{};
  usage.ru_stime = {.tv_sec = stime / kSecond, .tv_usec = stime % kSecond / kMicrosecond};
  return usage;
}

template <typename Body>
int64_t Ask(Sys sys, Body&& body) {
  return SystemCallValue(sys, {}, std::forward<Body>(body));
}

}  // namespace

pid_t getpid() {
  return static_cast<pid_t>(Ask(Sys::kGetpid, [](proc* p) { return p->p_mainproc->p_pid; }));
}
pid_t getppid() {
  return static_cast<pid_t>(Ask(Sys::kGetppid, [](proc* p) { return p->p_mainproc->p_ppid; }));
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

pid_t getpgrp() {
  return static_cast<pid_t>(Ask(Sys::kGetpgrp, [](proc* p) { return p->p_pgid; }));
}

pid_t getpgid(pid_t pid) {
  return static_cast<pid_t>(
      SystemCall(Sys::kGetpgid, {.a0 = Shown(pid)}, [&](proc* p, int64_t* value) {
        const proc* const target = pid != 0 ? pfind(pid) : p;
        if (target == nullptr || target->p_stat == ProcState::kZombie) return ESRCH;
        *value = target->p_pgid;
        return 0;
      }));
}

int setpgid(pid_t pid, pid_t pgid) {
  const CallArgs args{.a0 = Shown(pid), .a1 = Shown(pgid)};
  return static_cast<int>(SystemCall(
      Sys::kSetpgid, args, [&](proc*, int64_t*) { return proc_setpgid(pid, pgid); }));
}

void _exit(int status) {
  Enter(Sys::kExit, {.a0 = Shown(status)});
  proc_exit(status);
}

void exit(int status) { _exit(status); }

pid_t waitpid(pid_t pid, int* status, int options) {
  return uapi::wait4(pid, status, options, nullptr);
}

pid_t wait(int* status) { return uapi::wait4(-1, status, 0, nullptr); }

pid_t wait4(pid_t pid, int* status, int options, rusage* usage) {
  const CallArgs args{.a0 = Shown(pid), .a1 = Shown(options)};
  return static_cast<pid_t>(SystemCall(Sys::kWait4, args, [&](proc*, int64_t* value) {
    if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED)) != 0) return EINVAL;
    pid_t child = 0;
    int how = 0;
    SimTime used = 0;
    const int error = proc_wait(pid, options, &child, &how, &used);
    if (error != 0) return error;
    if (child != 0 && status != nullptr) *status = how;
    if (child != 0 && usage != nullptr) *usage = Usage(used);
    *value = child;
    return 0;
  }));
}

int getrusage(int who, rusage* usage) {
  return static_cast<int>(
      SystemCall(Sys::kGetrusage, {.a0 = Shown(who)}, [&](const proc* p, int64_t*) {
        if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN) return EINVAL;
        if (usage == nullptr) return EFAULT;
        *usage = Usage(who == RUSAGE_SELF ? p->p_stime : p->p_cstime);
        return 0;
      }));
}

int uname(utsname* name) {
  return static_cast<int>(SystemCall(Sys::kUname, {}, [&](const proc*, int64_t*) {
    if (name == nullptr) return EFAULT;
    *name = {};
    const auto put = [](auto& field, const std::string& text) {
      text.copy(field, sizeof field - 1);
    };
    // The same on every machine: a run may not depend on where it runs.
    put(name->sysname, "OpenBSD");
    put(name->nodename, CurrentHost().name);
    put(name->release, "4.9");
    put(name->version, "SOCKBED");
    put(name->machine, "simulated");
    return 0;
  }));
}

pid_t spawn(const char* name, std::function<int()> main) {
  const CallArgs args{.a0 = Shown(name, 0), .a1 = Shown(name, 1)};
  return static_cast<pid_t>(SystemCallValue(Sys::kSpawn, args, [&](proc* p) {
    proc* const child = proc_spawn({.name = name,
                                    .main = std::move(main),
                                    .cred = p->p_ucred,
                                    .parent = p->p_mainproc->p_pid,
                                    .stack_bytes = p->p_stack_bytes});
    fdcopy(p, child);
    InheritSignals(p, child);
    return child->p_pid;
  }));
}

}  // namespace sockbed::uapi
