// Descriptors, as the rooms below uapi reach them.
//
// Lives here:  struct fdops.
// Called by:   unix (passing open files), socket (SO_SPLICE). uapi fills the table and stores it in
//              SocketHost::fd_ops at boot.
// Context:     a process; never sleeps.
// Source:      OpenBSD sys/kern/kern_descrip.c: fd_getfile, fdalloc, fdremove.
#ifndef SOCKBED_KERNEL_SOCKET_FDOPS_H_
#define SOCKBED_KERNEL_SOCKET_FDOPS_H_

#include <span>

#include "kernel/sched/file.h"
#include "kernel/sched/proc.h"

namespace sockbed {

struct fdops {
  // The open file behind descriptor `fd` of `p`, borrowed; null when there is none.
  file* (*fd_getfile)(proc* p, int fd);

  // Makes descriptors of `p` for all `files`, in order, each the lowest free number, and stores the
  // numbers in fds[0 .. files.size()). Each descriptor is one more reference to its file; the
  // caller keeps its own. Errors: EMFILE (nothing was made).
  int (*fd_install)(proc* p, std::span<file* const> files, bool close_on_exec, int* fds);
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_FDOPS_H_
