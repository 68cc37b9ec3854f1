#include "uapi/filedesc.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "kernel/host/simulation.h"
#include "kernel/sched/event.h"
#include "kernel/sim/fault.h"
#include "kernel/socket/fdops.h"
#include "kernel/socket/socket_host.h"
#include "uapi/console.h"
#include "uapi/rthread_private.h"
#include "uapi/uapi_trace.h"

namespace sockbed::uapi {
namespace {

// The process has ended: closes what it left open, in order of number.
void fdfree(proc* p) {
  if (p->p_fd == nullptr) return;
  fd_unhold(p);
  if (--p->p_fd->fd_refcnt != 0) {
    p->p_fd = nullptr;
    return;
  }
  p->p_fd->fd_posix.reset();
  for (size_t fd = 0; fd < p->p_fd->fd_ofiles.size(); ++fd) {
    // Nobody is left to be told how a close went.
    if (p->p_fd->fd_ofiles[fd].fp != nullptr) (void)fdrelease(p, static_cast<int>(fd));
  }
  delete std::exchange(p->p_fd, nullptr);
}

// fdops, through which rooms below reach this one.

file* OpsGetFile(proc* p, int fd) { return p->p_fd != nullptr ? fd_getfile(p, fd) : nullptr; }

int OpsInstall(proc* p, std::span<file* const> files, bool close_on_exec, int* fds) {
  for (size_t i = 0; i < files.size(); ++i) {
    FREF(files[i]);
    if (const int error = fdalloc(p, 0, files[i], close_on_exec, &fds[i])) {
      FRELE(files[i]);
      // The sender still holds the files: nothing is closed, so nothing fails.
      while (i-- > 0) (void)fdrelease(p, fds[i]);
      return error;
    }
  }
  return 0;
}

constexpr fdops kFdops = {.fd_getfile = OpsGetFile, .fd_install = OpsInstall};

size_t Index(int fd) { return static_cast<size_t>(fd); }

void SetSlot(filedesc& table, int fd, file* fp, bool close_on_exec) {
  if (Index(fd) >= table.fd_ofiles.size()) {
    table.fd_ofiles.resize(Index(fd) + 1);
    table.fd_exclose.resize(Index(fd) + 1);
  }
  table.fd_ofiles[Index(fd)] = {fp, fp->f_type == FileType::kSocket ? fp->f_data : nullptr};
  table.fd_exclose[Index(fd)] = close_on_exec;
}

}  // namespace

// The rooms below learn of descriptors. There is no earlier moment, since kernel/host boots only
// what lies below it.
UapiHost& attach_host(Host& host) {
  if (HostLocal<UapiHost>::Has(host)) return HostLocal<UapiHost>::Of(host);
  const auto attached = [](const auto& other) { return HostLocal<UapiHost>::Has(*other); };
  if (std::ranges::none_of(host.simulation().hosts(), attached)) {
    uapi_describe(Here().machine->trace());
  }
  HostLocal<SocketHost>::Of(host).fd_ops = &kFdops;
  proc_at_exit(host, rthread_ended);
  proc_at_exit(host, fdfree);
  proc_at_exit(host, signalfd_ended);
  UapiHost& here = HostLocal<UapiHost>::Make(host, host);
  host.live_counts.push_back({"mutex locked by a thread that has ended", &here.mutexes_left});
  return here;
}

[[gnu::noinline]] void fdinit(proc* p) {  // once per process, but asked for by every call
  if (p->p_fd != nullptr) return;
  attach_host(CurrentHost());
  p->p_fd = new filedesc;
  file* console;
  if (console_open(&console) != 0) return;  // kern.maxfiles is reached: the process goes without
  for (int i = 0; i < 3; ++i) {
    FREF(console);
    SetSlot(*p->p_fd, i, console, false);
  }
  p->p_fd->fd_freefile = 3;
  FRELE(console);  // the slots' references are what is left
}

void fdcopy(const proc* p, proc* child) {
  KASSERT(child->p_fd == nullptr);
  child->p_fd = new filedesc(*p->p_fd);
  filedesc& table = *child->p_fd;
  table.fd_refcnt = 1;
  table.fd_held.clear();
  table.fd_posix.reset();
  for (size_t fd = 0; fd < table.fd_ofiles.size(); ++fd) {
    file* const fp = table.fd_ofiles[fd].fp;
    if (fp == nullptr) continue;
    if (fp->f_type != FileType::kKqueue) {
      FREF(fp);
    } else {
      table.fd_ofiles[fd] = {};
      table.fd_freefile = std::min(table.fd_freefile, static_cast<int>(fd));
    }
  }
}

void fdshare(proc* p, proc* thread) {
  KASSERT(thread->p_fd == nullptr);
  thread->p_fd = p->p_fd;
  ++p->p_fd->fd_refcnt;
}

void fd_hold(const proc* p, file* fp) {
  FREF(fp);
  p->p_fd->fd_held.push_back({p, fp});
}

void fd_unhold(const proc* p) {
  std::vector<filedesc::Held>& all = p->p_fd->fd_held;
  for (size_t i = all.size(); i-- > 0;) {
    if (all[i].p != p) continue;
    file* const fp = all[i].fp;
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    (void)FRELE(fp);              // whoever closed it has long been answered
    i = std::min(i, all.size());  // others may have come and gone while that slept
  }
}

int getsock(const proc* p, int fd, file** fp, struct socket** so) {
  if (const int error = getfile(p, fd, fp)) return error;
  if ((*fp)->f_type != FileType::kSocket) return ENOTSOCK;
  *so = static_cast<struct socket*>((*fp)->f_data);
  return 0;
}

int fd_limit(const proc* p) {
  return static_cast<int>(std::min(p->p_fd->fd_limit, CurrentHost().kern.maxfilesperproc));
}

int fdalloc(proc* p, int from, file* fp, bool close_on_exec, int* fd) {
  filedesc& table = *p->p_fd;
  int i = std::max(from, table.fd_freefile);
  while (Index(i) < table.fd_ofiles.size() && table.fd_ofiles[Index(i)].fp != nullptr) ++i;
  if (i >= fd_limit(p) || fault::Fires(Site::kFdLimit, Here().pid)) return EMFILE;
  SetSlot(table, i, fp, close_on_exec);
  if (from <= table.fd_freefile) table.fd_freefile = i + 1;
  *fd = i;
  return 0;
}

int fdcreate(proc* p, FileType type, const fileops* ops, void* data, int flag, bool close_on_exec,
             int* fd) {
  file* fp;
  if (const int error = falloc_file(&fp)) return error;
  fp->f_type = type;
  fp->f_flag = flag;
  fp->f_data = data;
  if (const int error = fdalloc(p, 0, fp, close_on_exec, fd)) {
    FRELE(fp);  // without f_ops it leaves `data` alone
    return error;
  }
  fp->f_ops = ops;
  return 0;
}

namespace {

// `fd` of `table` was freed, and the file is watched.
[[gnu::noinline]] int ReleaseWatched(file* fp, int fd, const filedesc* table) {
  knote_fdclose(fp, fd, table);
  return FRELE(fp);
}

}  // namespace

int fdrelease(proc* p, int fd) {
  file* const fp = fd_getfile(p, fd);
  if (fp == nullptr) return EBADF;
  filedesc& table = *p->p_fd;
  table.fd_ofiles[Index(fd)] = {};
  table.fd_freefile = std::min(table.fd_freefile, fd);
  return fp->f_knotes != nullptr ? ReleaseWatched(fp, fd, &table) : FRELE(fp);
}

int fddup2(proc* p, int from, int to, bool close_on_exec) {
  file* const fp = fd_getfile(p, from);
  if (fp == nullptr || to < 0 || to >= fd_limit(p)) return EBADF;
  if (from == to) return 0;
  FREF(fp);
  // dup2 does not tell how the close of what `to` was went.
  if (fd_getfile(p, to) != nullptr) (void)fdrelease(p, to);
  SetSlot(*p->p_fd, to, fp, close_on_exec);
  return 0;
}

}  // namespace sockbed::uapi
