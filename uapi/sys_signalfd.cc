// signalfd(2): signals that are blocked, read from a file.
//
// The file stands in the list of who hears of a process's signals (p_klist), beside the knotes of
// EVFILT_SIGNAL:
//
//   psignal --> p_klist: [knote of a kqueue] [the file's own] --> readers and pollers look again
//           \-> p_siglist: read(2) takes from there
//
// It hears for the process that made it, or that read or polled it last, as Linux's gives each
// reader its own signals.
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <bit>
#include <memory>

#include "kernel/sched/event.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

struct SignalFile {
  uint64_t mask = 0;      // the signals it is for
  uint64_t kept = 0;      // that came blocked, and that the process ignores: psignal forgets them
  uint64_t arriving = 0;  // psignal is about to post it
  proc* owner = nullptr;  // whose signals it hears of; the main thread; null: it has ended
  knote ear;              // in the owner's p_klist
  selinfo sel;
};
SignalFile& SignalsOf(const file* fp) { return *static_cast<SignalFile*>(fp->f_data); }

// Whether the process does nothing about the signal.
bool IsIgnored(const proc* p, int signo) {
  switch (sigaction_get(p, signo).kind) {
    case sigact::Kind::kIgnore: return true;
    case sigact::Kind::kCatch: return false;
    case sigact::Kind::kDefault: break;
  }
  return signo == SIGCHLD || signo == SIGURG || signo == SIGIO || signo == SIGWINCH ||
         signo == SIGCONT;
}

void Changed(SignalFile& signals) {
  wakeup(&signals.kept);
  selwakeup(&signals.sel);
}

// The ear's filter: never fires, for no kqueue owns it.
bool Hear(knote* kn, long signo) {
  auto& signals = *static_cast<SignalFile*>(kn->kn_hook);
  const uint64_t bit = signo != 0 ? SigBit(static_cast<int>(signo)) : 0;
  if ((bit & signals.mask) == 0) return false;
  const proc* const p = signals.owner;
  if ((p->p_sigmask & bit) != 0 && IsIgnored(p, static_cast<int>(signo))) signals.kept |= bit;
  signals.arriving = bit;
  Changed(signals);
  signals.arriving = 0;
  return false;
}
constexpr filterops kEar = {.f_detach = klist_remove, .f_event = Hear};

void Deafen(SignalFile& signals) {
  if (signals.owner == nullptr) return;
  klist_remove(&signals.ear);
  signals.owner = nullptr;
  signals.kept = 0;
}

void HearFor(SignalFile& signals, proc* main) {
  if (signals.owner == main) return;
  Deafen(signals);
  signals.owner = main;
  klist_insert(&main->p_klist, &signals.ear);
}

// The signals that wait for the owner, of those the file is for: sent to the process, or to the
// thread that asks.
uint64_t Pending(const SignalFile& signals) {
  if (signals.owner == nullptr) return 0;
  uint64_t pending = signals.owner->p_siglist | signals.kept | signals.arriving;
  const proc* const p = curproc();
  if (p != nullptr && p->p_mainproc == signals.owner) pending |= p->p_siglist;
  return pending & signals.mask;
}

// --- A signalfd as an open file. ---

int signalfd_read(file* fp, uio* uio) {
  if (uio->uio_resid < sizeof(signalfd_siginfo)) return EINVAL;
  SignalFile& signals = SignalsOf(fp);
  proc* const p = curproc();
  HearFor(signals, p->p_mainproc);
  while (Pending(signals) == 0) {
    if ((fp->f_flag & FNONBLOCK) != 0) return EWOULDBLOCK;
    if (const int error = tsleep(&signals.kept, PSOCK | PCATCH, "sigfdrd", 0)) return error;
    HearFor(signals, p->p_mainproc);  // another process may have read meanwhile
  }
  while (Pending(signals) != 0 && uio->uio_resid >= sizeof(signalfd_siginfo)) {
    const int signo = std::countr_zero(Pending(signals)) + 1;
    signalfd_siginfo info{};
    info.ssi_signo = static_cast<uint32_t>(signo);
    if (const int error = uiomove(&info, sizeof info, uio)) return error;
    const uint64_t bit = SigBit(signo);
    signals.kept &= ~bit;
    ((p->p_siglist & bit) != 0 ? p : signals.owner)->p_siglist &= ~bit;
  }
  return 0;
}

int signalfd_write(file*, uio*) { return EINVAL; }

// O_NONBLOCK is looked at where it counts; a signal never comes of it.
int signalfd_ioctl(file*, unsigned long com, void* data) {
  return com == FIONBIO || (com == FIOASYNC && *static_cast<int*>(data) == 0) ? 0 : ENOTTY;
}

int signalfd_poll(file* fp, int events, proc* p) {
  SignalFile& signals = SignalsOf(fp);
  if (p != nullptr) HearFor(signals, p->p_mainproc);
  const int in = events & (POLLIN | POLLRDNORM);
  if (in == 0 || Pending(signals) != 0) return in;
  if (p != nullptr) selrecord(p, &signals.sel);
  return 0;
}

bool filt_signalread(knote* kn, long) {
  const uint64_t pending = Pending(*static_cast<const SignalFile*>(kn->kn_hook));
  kn->kn_data = std::popcount(pending) * int64_t{sizeof(signalfd_siginfo)};
  return pending != 0;
}
constexpr filterops kSignalRead = {.f_detach = knote_detach, .f_event = filt_signalread};

int signalfd_kqfilter(file* fp, knote* kn) {
  if (kn->kn_filter != EVFILT_READ) return EINVAL;
  knote_attach(kn, &kSignalRead, &SignalsOf(fp).sel, &SignalsOf(fp));
  return 0;
}

int signalfd_stat(file*, struct stat* st) {
  st->st_mode = 0600;
  return 0;
}

int signalfd_close(file* fp) {
  Deafen(SignalsOf(fp));
  delete &SignalsOf(fp);
  return 0;
}

constexpr fileops kSignalfdOps = {
    .fo_read = signalfd_read,
    .fo_write = signalfd_write,
    .fo_ioctl = signalfd_ioctl,
    .fo_poll = signalfd_poll,
    .fo_kqfilter = signalfd_kqfilter,
    .fo_stat = signalfd_stat,
    .fo_close = signalfd_close,
};

// --- The call. ---

int Make(proc* p, uint64_t mask, int flags, int64_t* value) {
  auto signals = std::make_unique<SignalFile>();
  signals->mask = mask;
  signals->ear.kn_fop = &kEar;
  signals->ear.kn_hook = signals.get();
  const int flag = FREAD | FWRITE | ((flags & SFD_NONBLOCK) != 0 ? FNONBLOCK : 0);
  int fd;
  // It counts as one of the files that hold whole records, which is all that its type decides.
  if (const int error = fdcreate(p, FileType::kEventfd, &kSignalfdOps, signals.get(), flag,
                                 (flags & SFD_CLOEXEC) != 0, &fd)) {
    return error;
  }
  HearFor(*signals, p->p_mainproc);
  (void)signals.release() /*taken*/;
  *value = fd;
  return 0;
}

int sys_signalfd(proc* p, int fd, const sigset_t* set, int flags, int64_t* value) {
  if (set == nullptr) return EFAULT;
  if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) != 0) return EINVAL;
  const uint64_t mask = ToMask(*set) & ~kCannotBlock;
  if (fd == -1) return Make(p, mask, flags, value);
  file* fp;
  if (const int error = getfile(p, fd, &fp)) return error;
  if (fp->f_ops != &kSignalfdOps) return EINVAL;
  SignalsOf(fp).mask = mask;
  Changed(SignalsOf(fp));
  *value = fd;
  return 0;
}

}  // namespace

void signalfd_ended(proc* p) {
  knote* next;
  for (knote* kn = p->p_klist.kl_first; kn != nullptr; kn = next) {
    next = kn->kn_selnext;
    if (kn->kn_fop == &kEar) Deafen(*static_cast<SignalFile*>(kn->kn_hook));
  }
}

int signalfd(int fd, const sigset_t* set, int flags) {
  const CallArgs args{.fd = fd, .a0 = set != nullptr ? ToMask(*set) : 0, .a1 = Shown(flags)};
  return static_cast<int>(SystemCall(Sys::kSignalfd, args, [&](proc* p, int64_t* value) {
    return sys_signalfd(p, fd, set, flags, value);
  }));
}

}  // namespace sockbed::uapi
