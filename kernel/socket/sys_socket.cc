// A socket as an open file: read, write, ioctl, poll, kqueue filters, stat, close.
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kernel/sched/kqueue.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/socket_private.h"

namespace sockbed {
namespace {

socket* SocketOf(file* fp) { return static_cast<socket*>(fp->f_data); }

int soo_read(file* fp, uio* uio) {
  return soreceive(SocketOf(fp), nullptr, uio, nullptr, nullptr, nullptr);
}

int soo_write(file* fp, uio* uio) {
  return sosend(SocketOf(fp), nullptr, uio, nullptr, nullptr, 0);
}

void SetAsync(socket* so, bool on) {
  for (sockbuf* sb : {&so->so_rcv, &so->so_snd}) {
    sb->sb_flags = on ? sb->sb_flags | SB_ASYNC : sb->sb_flags & ~SB_ASYNC;
  }
  so->so_state = on ? so->so_state | SS_ASYNC : so->so_state & ~SS_ASYNC;
}

// Who gets SIGIO and SIGURG; remembers who said so, since signals obey his ids.
void SetOwner(socket* so, int pgid) {
  so->so_pgid = pgid;
  if (const proc* p = curproc()) {
    so->so_siguid = p->p_ucred.cr_ruid;
    so->so_sigeuid = p->p_ucred.cr_uid;
  }
}

int soo_ioctl(file* fp, unsigned long com, void* data) {
  const SplScope spl(IPL_SOFTNET);
  // Requests on interfaces and routes: numbers 0x89xx of the host, but for those handled below.
  constexpr unsigned long kNetworkGroup = 0x89;
  socket* so = SocketOf(fp);
  int* value = static_cast<int*>(data);
  const auto control = so->so_proto->pr_usrreqs->pru_control;
  switch (com) {
    case FIONBIO:
      so->so_state = *value != 0 ? so->so_state | SS_NBIO : so->so_state & ~SS_NBIO;
      return 0;
    case FIOASYNC:
      SetAsync(so, *value != 0);
      return 0;
    case FIONREAD:
      *value = static_cast<int>(so->so_rcv.sb_datacc);
      return 0;
    case SIOCATMARK:
      *value = (so->so_state & SS_RCVATMARK) != 0 ? 1 : 0;
      return 0;
    case SIOCSPGRP:
    case FIOSETOWN:
      SetOwner(so, *value);
      return 0;
    case SIOCGPGRP:
    case FIOGETOWN:
      *value = so->so_pgid;
      return 0;
    default:
      if (com >> 8 == kNetworkGroup) return ENOTTY;
      // About interfaces a socket may be asked that its protocol has let go.
      return control != nullptr ? control(so, com, data) : EOPNOTSUPP;
  }
}

int soo_poll(file* fp, int events, proc* p) { return sopoll(SocketOf(fp), events, p); }

int soo_stat(file* fp, struct stat* sb) {
  const SplScope spl(IPL_SOFTNET);
  constexpr mode_t kReaders = 0444;
  constexpr mode_t kWriters = 0222;
  socket* so = SocketOf(fp);
  *sb = {};
  sb->st_mode = S_IFSOCK;
  if ((so->so_state & SS_CANTRCVMORE) == 0 || so->so_rcv.sb_cc != 0) sb->st_mode |= kReaders;
  if ((so->so_state & SS_CANTSENDMORE) == 0) sb->st_mode |= kWriters;
  sb->st_uid = so->so_euid;
  sb->st_gid = so->so_egid;
  const auto sense = so->so_proto->pr_usrreqs->pru_sense;
  return sense != nullptr ? sense(so, sb) : 0;
}

int soo_close(file* fp) {
  socket* so = SocketOf(fp);
  fp->f_data = nullptr;
  return soclose_error(so);
}

// Which of `events` hold. POLLHUP, where the host reports it, comes unasked and instead of POLLOUT.
int Ready(const socket* so, int events) {
  constexpr int kOut = POLLOUT | POLLWRNORM;
  int ready = 0;
  if (soreadable(so)) ready |= events & (POLLIN | POLLRDNORM);
  if (so->so_oobmark != 0 || (so->so_state & SS_RCVATMARK) != 0) {
    ready |= events & (POLLPRI | POLLRDBAND);
  }
  const bool hup = HostLocal<SocketHost>::Of(*so->so_host).poll_hup != 0;
  if (hup && (so->so_state & SS_ISDISCONNECTED) != 0) return ready | POLLHUP;
  if (sowriteable(so)) ready |= events & kOut;
  return ready;
}

void Remember(proc* p, sockbuf* sb) {
  selrecord(p, &sb->sb_sel);
  sb->sb_flags |= SB_SEL;
}

socket* WatchedBy(const knote* kn) { return static_cast<socket*>(kn->kn_hook); }

// Nothing more will come (or go): an event in any case, with the error that is pending.
bool AtEof(knote* kn, const socket* so, int cantmore) {
  if ((so->so_state & cantmore) == 0) return false;
  kn->kn_flags |= EV_EOF;
  kn->kn_fflags = static_cast<unsigned>(so->so_error);
  return true;
}

// Whether there is as much as the program asked for, or else as the buffer's mark says.
bool Enough(const knote* kn, const sockbuf* sb) {
  return kn->kn_data >= ((kn->kn_sfflags & NOTE_LOWAT) != 0 ? kn->kn_sdata : sb->sb_lowat);
}

// A listener's data are its connections; which of the two a socket is, is asked each time.
bool filt_soread(knote* kn, long) {
  const socket* so = WatchedBy(kn);
  if ((so->so_options & kSoAcceptConn) != 0) {
    kn->kn_data = so->so_qlen;
    return so->so_qlen != 0 || (knote_polls(kn) && soreadable(so));
  }
  kn->kn_data = static_cast<int64_t>(so->so_rcv.sb_cc);
  if (so->so_splice != nullptr) return false;
  if (AtEof(kn, so, SS_CANTRCVMORE) || so->so_error != 0) return true;
  return Enough(kn, &so->so_rcv);
}

bool filt_sowrite(knote* kn, long) {
  const socket* so = WatchedBy(kn);
  kn->kn_data = sbspace(&so->so_snd);
  if (AtEof(kn, so, SS_CANTSENDMORE) || so->so_error != 0) return true;
  const bool needs_peer = (so->so_proto->pr_flags & PR_CONNREQUIRED) != 0;
  if (needs_peer && (so->so_state & SS_ISCONNECTED) == 0) return false;
  return Enough(kn, &so->so_snd);
}

bool filt_soexcept(knote* kn, long) {
  const socket* so = WatchedBy(kn);
  const bool urgent = so->so_oobmark != 0 || (so->so_state & SS_RCVATMARK) != 0;
  if ((kn->kn_sfflags & NOTE_OOB) == 0 || !urgent) return false;
  kn->kn_fflags |= NOTE_OOB;
  return true;
}

void DetachFrom(sockbuf* sb, knote* kn) {
  knote_detach(kn);
  if (sb->sb_sel.si_note.empty()) sb->sb_flags &= ~SB_KNOTE;
}
void filt_sordetach(knote* kn) { DetachFrom(&WatchedBy(kn)->so_rcv, kn); }
void filt_sowdetach(knote* kn) { DetachFrom(&WatchedBy(kn)->so_snd, kn); }

constexpr filterops soread_filtops = {.f_detach = filt_sordetach, .f_event = filt_soread};
constexpr filterops sowrite_filtops = {.f_detach = filt_sowdetach, .f_event = filt_sowrite};
constexpr filterops soexcept_filtops = {.f_detach = filt_sordetach, .f_event = filt_soexcept};

int soo_kqfilter(file* fp, knote* kn) {
  socket* so = SocketOf(fp);
  sockbuf* const sb = kn->kn_filter == EVFILT_WRITE ? &so->so_snd : &so->so_rcv;
  const filterops* fop;
  switch (kn->kn_filter) {
    case EVFILT_READ: fop = &soread_filtops; break;
    case EVFILT_WRITE: fop = &sowrite_filtops; break;
    case EVFILT_EXCEPT: fop = &soexcept_filtops; break;
    default: return EINVAL;
  }
  knote_attach(kn, fop, &sb->sb_sel, so);
  sb->sb_flags |= SB_KNOTE;
  return 0;
}

}  // namespace

const fileops socketops = {
    .fo_read = soo_read,
    .fo_write = soo_write,
    .fo_ioctl = soo_ioctl,
    .fo_poll = soo_poll,
    .fo_kqfilter = soo_kqfilter,
    .fo_stat = soo_stat,
    .fo_close = soo_close,
};

int sofile(socket* so, int flag, file** fp) {
  if (const int error = falloc_file(fp)) return error;
  (*fp)->f_ops = &socketops;
  (*fp)->f_type = FileType::kSocket;
  (*fp)->f_flag = flag;
  (*fp)->f_data = so;
  return 0;
}

int sopoll(socket* so, int events, proc* p) {
  const SplScope spl(IPL_SOFTNET);
  const int ready = Ready(so, events);
  if (ready != 0 || p == nullptr) return ready;
  // Hanging up is told to everybody; a reader's wakeup comes with it.
  const bool any = HostLocal<SocketHost>::Of(*so->so_host).poll_hup != 0;
  if (any || (events & (POLLIN | POLLRDNORM | POLLPRI | POLLRDBAND)) != 0) Remember(p, &so->so_rcv);
  if ((events & (POLLOUT | POLLWRNORM)) != 0) Remember(p, &so->so_snd);
  return 0;
}

}  // namespace sockbed
