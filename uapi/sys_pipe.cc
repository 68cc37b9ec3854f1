// pipe(2): bytes from one descriptor to another, through a ring of fixed size.
//
//   fd[1]: write --> [ ........ring, kPipeBytes........ ] --> read: fd[0]
//                      first ^ .. count bytes .. ^
//
// A write of no more than PIPE_BUF bytes goes in as a whole. Both ends are files; the pipe goes
// with the second of them. Unlike OpenBSD's it carries bytes one way only, as POSIX asks.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "kernel/sched/event.h"
#include "kernel/sched/selinfo.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/synch.h"
#include "uapi/syscall.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr size_t kPipeBytes = 65536;  // BSD's BIG_PIPE_SIZE, Linux's default
static_assert(PIPE_BUF < kPipeBytes);

// One end: whether it is open, who polls it, who gets its SIGIO.
struct PipeEnd {
  bool open = true;
  bool async = false;
  int pgid = 0;
  uid_t uid = 0, euid = 0;  // of whoever set pgid
  selinfo sel;
};

struct Pipe {
  std::unique_ptr<char[]> ring = std::make_unique_for_overwrite<char[]>(kPipeBytes);
  size_t first = 0;
  size_t count = 0;
  PipeEnd reader, writer;

  size_t room() const { return kPipeBytes - count; }
};

Pipe& PipeOf(const file* fp) { return *static_cast<Pipe*>(fp->f_data); }
bool IsReader(const file* fp) { return (fp->f_flag & FREAD) != 0; }
PipeEnd& EndOf(const file* fp) { return IsReader(fp) ? PipeOf(fp).reader : PipeOf(fp).writer; }

// Something has changed for that end: whoever sleeps on it, polls it or wants a signal hears.
void Tell(PipeEnd& end) {
  wakeup(&end);
  selwakeup(&end.sel);
  if (end.async) csignal(end.pgid, SIGIO, end.uid, end.euid);
}

// Sleeps until the other end has done something. [sleeps] Errors: EWOULDBLOCK, EINTR, kERESTART.
int Await(const file* fp, const char* wmesg) {
  if ((fp->f_flag & FNONBLOCK) != 0) return EWOULDBLOCK;
  return tsleep(&EndOf(fp), PSOCK | PCATCH, wmesg, 0);
}

int pipe_read(file* fp, uio* uio) {
  if (uio->uio_resid == 0) return 0;
  Pipe& pipe = PipeOf(fp);
  while (pipe.count == 0) {
    if (!pipe.writer.open) return 0;
    if (const int error = Await(fp, "piperd")) return error;
  }
  while (pipe.count > 0 && uio->uio_resid > 0) {
    const size_t n = std::min({pipe.count, uio->uio_resid, kPipeBytes - pipe.first});
    if (const int error = uiomove(&pipe.ring[pipe.first], n, uio)) return error;
    pipe.first = (pipe.first + n) % kPipeBytes;
    pipe.count -= n;
  }
  Tell(pipe.writer);
  return 0;
}

int pipe_write(file* fp, uio* uio) {
  Pipe& pipe = PipeOf(fp);
  if (!pipe.reader.open) return EPIPE;
  const size_t whole = uio->uio_resid <= PIPE_BUF ? uio->uio_resid : 1;
  while (uio->uio_resid > 0) {
    while (pipe.room() < whole) {
      if (const int error = Await(fp, "pipewr")) return error;
      if (!pipe.reader.open) return EPIPE;
    }
    while (pipe.room() > 0 && uio->uio_resid > 0) {
      const size_t end = (pipe.first + pipe.count) % kPipeBytes;
      const size_t n = std::min({pipe.room(), uio->uio_resid, kPipeBytes - end});
      if (const int error = uiomove(&pipe.ring[end], n, uio)) return error;
      pipe.count += n;
    }
    Tell(pipe.reader);
  }
  return 0;
}

int pipe_ioctl(file* fp, unsigned long com, void* data) {
  PipeEnd& end = EndOf(fp);
  int* const value = static_cast<int*>(data);
  switch (com) {
    case FIONBIO: return 0;  // the file's flag is what the pipe looks at
    case FIOASYNC: end.async = *value != 0; return 0;
    case FIONREAD: *value = IsReader(fp) ? static_cast<int>(PipeOf(fp).count) : 0; return 0;
    case SIOCSPGRP:
    case FIOSETOWN:
      end.pgid = *value;
      end.uid = curproc()->p_ucred.cr_ruid;
      end.euid = curproc()->p_ucred.cr_uid;
      return 0;
    case SIOCGPGRP:
    case FIOGETOWN: *value = end.pgid; return 0;
    default: return ENOTTY;
  }
}

// The other end's close is told to readers as something to read, to writers as room.
int pipe_poll(file* fp, int events, proc* p) {
  Pipe& pipe = PipeOf(fp);
  const bool reads = IsReader(fp);
  const bool hup = reads ? !pipe.writer.open : !pipe.reader.open;
  int ready = hup ? POLLHUP : 0;
  if (reads && (pipe.count > 0 || hup)) ready |= events & (POLLIN | POLLRDNORM);
  if (!reads && (pipe.room() >= PIPE_BUF || hup)) ready |= events & (POLLOUT | POLLWRNORM);
  if (ready == 0 && p != nullptr) selrecord(p, &EndOf(fp).sel);
  return ready;
}

bool AtEof(knote* kn, const PipeEnd& other) {
  if (!other.open) kn->kn_flags |= EV_EOF;
  return !other.open;
}
int64_t LowWater(const knote* kn, int64_t otherwise) {
  return (kn->kn_sfflags & NOTE_LOWAT) != 0 ? kn->kn_sdata : otherwise;
}
bool filt_piperead(knote* kn, long) {
  const Pipe& pipe = *static_cast<const Pipe*>(kn->kn_hook);
  kn->kn_data = static_cast<int64_t>(pipe.count);
  return AtEof(kn, pipe.writer) || kn->kn_data >= LowWater(kn, 1);
}
bool filt_pipewrite(knote* kn, long) {
  const Pipe& pipe = *static_cast<const Pipe*>(kn->kn_hook);
  kn->kn_data = static_cast<int64_t>(pipe.room());
  return AtEof(kn, pipe.reader) || kn->kn_data >= LowWater(kn, PIPE_BUF);
}
constexpr filterops kPipeRead = {.f_detach = knote_detach, .f_event = filt_piperead};
constexpr filterops kPipeWrite = {.f_detach = knote_detach, .f_event = filt_pipewrite};

int pipe_kqfilter(file* fp, knote* kn) {
  if (kn->kn_filter != (IsReader(fp) ? EVFILT_READ : EVFILT_WRITE)) return EINVAL;
  knote_attach(kn, IsReader(fp) ? &kPipeRead : &kPipeWrite, &EndOf(fp).sel, &PipeOf(fp));
  return 0;
}

int pipe_stat(file* fp, struct stat* st) {
  st->st_mode = S_IFIFO | 0600;
  st->st_size = static_cast<off_t>(PipeOf(fp).count);
  st->st_blksize = PIPE_BUF;
  st->st_uid = fp->f_cred.cr_uid;
  st->st_gid = fp->f_cred.cr_gid;
  return 0;
}

int pipe_close(file* fp) {
  Pipe* const pipe = &PipeOf(fp);
  EndOf(fp).open = false;
  PipeEnd& other = IsReader(fp) ? pipe->writer : pipe->reader;
  if (other.open) {
    Tell(other);
  } else {
    delete pipe;
  }
  return 0;
}

constexpr fileops kPipeOps = {
    // The files are open for one of the two only.
    .fo_read = pipe_read,   .fo_write = pipe_write,       .fo_ioctl = pipe_ioctl,
    .fo_poll = pipe_poll,   .fo_kqfilter = pipe_kqfilter, .fo_stat = pipe_stat,
    .fo_close = pipe_close,
};

int sys_pipe(proc* p, int fds[2], int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0) return EINVAL;
  if (fds == nullptr) return EFAULT;
  const int nonblock = (flags & O_NONBLOCK) != 0 ? FNONBLOCK : 0;
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  auto pipe = std::make_unique<Pipe>();
  int made[2];
  if (const int error = fdcreate(p, FileType::kPipe, &kPipeOps, pipe.get(), FREAD | nonblock,
                                 close_on_exec, &made[0])) {
    return error;
  }
  Pipe* const owned = pipe.release(); /*taken*/
  if (const int error = fdcreate(p, FileType::kPipe, &kPipeOps, owned, FWRITE | nonblock,
                                 close_on_exec, &made[1])) {
    owned->writer.open = false;   // so that the pipe goes with its reader
    (void)fdrelease(p, made[0]);  // why there is no second one is what is told
    return error;
  }
  std::copy_n(made, 2, fds);
  return 0;
}

}  // namespace

int pipe2(int fds[2], int flags) {
  return static_cast<int>(SystemCall(Sys::kPipe, {.a0 = Shown(flags)},
                                     [&](proc* p, int64_t*) { return sys_pipe(p, fds, flags); }));
}

int pipe(int fds[2]) { return uapi::pipe2(fds, 0); }

}  // namespace sockbed::uapi
