#include "uapi/filedesc.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "kernel/host/simulation.h"
#include "kernel/sim/fault.h"
#include "kernel/socket/fdops.h"
#include "kernel/socket/socket_host.h"
#include "uapi/console.h"
#include "uapi/uapi_trace.h"

namespace sockbed::uapi {
namespace {

// The process has ended: closes what it left open, in order of number.
void fdfree(proc* p) {
  if (p->p_fd == nullptr) return;
  for (size_t fd = 0; fd < p->p_fd->fd_ofiles.size(); ++fd) {
    // Nobody is left to be told how a close went.
    if (p->p_fd->fd_ofiles[fd].fp != nullptr) (void)fdrelease(p, static_cast<int>(fd));
  }
  delete std::exchange(p->p_fd, nullptr);
}

// fdops, through which rooms below reach this one.

file* OpsGetFile(proc* p, int fd) {
  return p->p_fd != nullptr ? fd_getfile(p, fd) : nullptr;
}

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

// The first system call on this host: its rooms below learn of descriptors. There is no earlier
// moment, since kernel/host boots only what lies below it.
void AttachHost(Host& host) {
  const auto attached = [](const auto& other) { return HostLocal<UapiHost>::Has(*other); };
  if (std::ranges::none_of(host.simulation().hosts(), attached)) {
    uapi_describe(Here().machine->trace());
  }
  HostLocal<UapiHost>::Make(host);
  HostLocal<SocketHost>::Of(host).fd_ops = &kFdops;
  proc_at_exit(host, fdfree);
}

size_t Index(int fd) { return static_cast<size_t>(fd); }

}  // namespace

void fdinit(proc* p) {
  if (p->p_fd != nullptr) return;
  if (!HostLocal<UapiHost>::Has(*p->p_host)) AttachHost(CurrentHost());
  p->p_fd = new filedesc;
  file* console;
  if (console_open(&console) != 0) return;  // kern.maxfiles is reached: the process goes without
  for (int i = 0; i < 3; ++i) {
    FREF(console);
    p->p_fd->fd_ofiles.push_back({.fp = console});
  }
  p->p_fd->fd_freefile = 3;
  FRELE(console);  // the slots' references are what is left
}

void fdcopy(const proc* p, proc* child) {
  KASSERT(child->p_fd == nullptr);
  child->p_fd = new filedesc(*p->p_fd);
  for (const filedesc::Slot& slot : child->p_fd->fd_ofiles) {
    if (slot.fp != nullptr) FREF(slot.fp);
  }
}

int getfile(const proc* p, int fd, file** fp) {
  *fp = fd_getfile(p, fd);
  return *fp != nullptr ? 0 : EBADF;
}

int getsock(const proc* p, int fd, file** fp, struct socket** so) {
  if (const int error = getfile(p, fd, fp)) return error;
  if ((*fp)->f_type != FileType::kSocket) return ENOTSOCK;
  *so = static_cast<struct socket*>((*fp)->f_data);
  return 0;
}

int fdalloc(proc* p, int from, file* fp, bool close_on_exec, int* fd) {
  filedesc& table = *p->p_fd;
  const int limit = static_cast<int>(CurrentHost().kern.maxfilesperproc);
  int i = std::max(from, table.fd_freefile);
  while (Index(i) < table.fd_ofiles.size() && table.fd_ofiles[Index(i)].fp != nullptr) ++i;
  if (i >= limit || fault::Fires(Site::kFdLimit, Here().pid)) return EMFILE;
  if (Index(i) >= table.fd_ofiles.size()) table.fd_ofiles.resize(Index(i) + 1);
  table.fd_ofiles[Index(i)] = {fp, close_on_exec};
  if (from <= table.fd_freefile) table.fd_freefile = i + 1;
  *fd = i;
  return 0;
}

int fdrelease(proc* p, int fd) {
  file* const fp = fd_getfile(p, fd);
  if (fp == nullptr) return EBADF;
  filedesc& table = *p->p_fd;
  table.fd_ofiles[Index(fd)] = {};
  table.fd_freefile = std::min(table.fd_freefile, fd);
  return FRELE(fp);
}

int fddup2(proc* p, int from, int to) {
  file* const fp = fd_getfile(p, from);
  if (fp == nullptr || to < 0 || to >= CurrentHost().kern.maxfilesperproc) return EBADF;
  if (from == to) return 0;
  FREF(fp);
  // dup2 does not tell how the close of what `to` was went.
  if (fd_getfile(p, to) != nullptr) (void)fdrelease(p, to);
  filedesc& table = *p->p_fd;
  if (Index(to) >= table.fd_ofiles.size()) table.fd_ofiles.resize(Index(to) + 1);
  table.fd_ofiles[Index(to)] = {.fp = fp};
  return 0;
}

}  // namespace sockbed::uapi
