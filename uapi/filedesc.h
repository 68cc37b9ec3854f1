// The descriptor table: which open file each small number of a process means.
//
// Lives here:  struct filedesc; finding, making and dropping descriptors.
// Called by:   every system call that takes or makes a descriptor; socket and unix, through fdops.
// May touch:   sched (struct file), socket (is it one?), host (limits, console).
// Owns:        a process's threads own its table from its first system call to the last one's end;
//              a used slot holds one reference to its file.
// Invariants:  1. No number below fd_freefile is free.
//              2. A file found in curproc's table lives as long as the call. With one thread that
//                 is so by itself: only the process closes its descriptors, and it is in the call.
//                 With several, getfile and getsock hold what they find until the call leaves.
// Source:      OpenBSD sys/kern/kern_descrip.c, sys/sys/filedesc.h.
#ifndef SOCKBED_UAPI_FILEDESC_H_
#define SOCKBED_UAPI_FILEDESC_H_

#include <errno.h>
#include <semaphore.h>

#include <memory>
#include <string>
#include <vector>

#include "kernel/host/host.h"
#include "kernel/sched/file.h"
#include "kernel/sched/proc.h"
#include "kernel/sim/huge_pages.h"
#include "kernel/sim/random.h"
#include "kernel/socket/socketvar.h"
#include "uapi/inode.h"
#include "uapi/resolver.h"

namespace sockbed {

struct filedesc {
  struct Slot {
    file* fp = nullptr;        // null: free
    const void* so = nullptr;  // the file's socket, if it is one: fetched with it, never followed
  };
  std::vector<Slot, HugeAllocator<Slot>> fd_ofiles;  // by number
  std::vector<bool> fd_exclose;                      // by number: close on exec
  const file* fd_lastfound = nullptr;                // by getfile: compared, never followed
  int fd_freefile = 0;                               // where to begin the search for a free one
  int64_t fd_limit = INT64_MAX;      // RLIMIT_NOFILE; kern.maxfilesperproc is below it, or not
  int64_t fd_limit_max = INT64_MAX;  // what it may be raised to
  std::vector<char> fd_hostent;      // gethostbyname(3)'s static result
  std::vector<char> fd_servent, fd_protoent;  // the results of getservbyname, getprotobyname
  std::string fd_cdir = "/";                  // the current directory, absolute
  mode_t fd_cmask = 022;                      // umask(2)
  std::shared_ptr<void> fd_posix;  // what the shim keeps of the process (posix_process.h)
  int fd_refcnt = 1;               // procs whose table it is: the threads of one process
  struct Held {
    const proc* p;
    file* fp;
  };
  std::vector<Held> fd_held;  // references of calls under way, if there are several threads
};

namespace uapi {

// One that sem_open makes.
struct NamedSemaphore {
  std::string name;  // empty once it is unlinked
  sem_t sem = {};
  int opens = 0;  // that were not closed; a process that ends closes nothing
};

// Who wants to know that the host's wall clock was set, and by how much it moved.
struct WallWatch {
  void (*clock_set)(WallWatch* watch, SimTime step) = nullptr;
  WallWatch *next = nullptr, *prev = nullptr;  // null: hears nothing
};

// In order of beginning. Who sleeps until a time of the wall clock may sleep on it, too.
struct WallWatches {
  void Begin(WallWatch* watch);
  void End(WallWatch* watch);  // no-op if it has not begun
  void Tell(SimTime step) const;

 private:
  WallWatch *first_ = nullptr, *last_ = nullptr;  // borrowed
};

// What this room keeps per host; made when its resolver is set up, or by its first process that
// makes a system call.
struct UapiHost {
  explicit UapiHost(Host& host) : files(host) {}
  static constexpr HostSlot kHostSlot = HostSlot::kUapi;
  static constexpr uint64_t kQueryIds = 1;
  Stream getrandom{Site::kGetrandom};
  Stream query_id{Site::kGetrandom, kQueryIds};  // of DNS queries; its draws move no program's
  ResolverConf resolver;
  Files files;
  bool runs_programs = false;  // the shim follows the machine's switches
  int64_t mutexes_left = 0;    // live count: locked by threads that have ended
  WallWatches wall_watches;
  std::vector<std::unique_ptr<NamedSemaphore>> semaphores;  // in order of creation
};

// Makes the host's, unless there is one.
UapiHost& attach_host(Host& host);

// A process has ended: its signalfds, which others may still have open, hear nothing any more. An
// exit hook.
void signalfd_ended(proc* p);

// Gives `p` a table with the console as 0, 1 and 2, unless it has one.
void fdinit(proc* p);
// Gives `child` a copy of p's table: the same open files, but for kqueues. REQUIRES: `child` has
// none.
void fdcopy(const proc* p, proc* child);
// Makes p's table that of `thread`, too. REQUIRES: `thread` has none.
void fdshare(proc* p, proc* thread);

// The open file of that number, borrowed, or null.
inline file* fd_getfile(const proc* p, int fd) {
  const auto& slots = p->p_fd->fd_ofiles;
  return static_cast<size_t>(fd) < slots.size() ? slots[static_cast<size_t>(fd)].fp : nullptr;
}

// Drops what the current call of `p` holds. [sleeps] as a close does, if another thread has closed.
void fd_unhold(const proc* p);

// Holds `fp` until the current call of `p` leaves: another thread may close it meanwhile.
void fd_hold(const proc* p, file* fp);
// Of an open file that the call before did not work on, fetches what this call is going to touch:
// with many of them open it is in no cache, and each part is found through the one before.
inline void fd_fetch(filedesc* fdp, int fd, const file* fp) {
  if (fp == fdp->fd_lastfound) return;
  fdp->fd_lastfound = fp;
  so_fetch(fdp->fd_ofiles[static_cast<size_t>(fd)].so);
}
// What a call works on. Errors: EBADF.
[[nodiscard]] inline int getfile(const proc* p, int fd, file** fp) {
  *fp = fd_getfile(p, fd);
  if (*fp == nullptr) return EBADF;
  fd_fetch(p->p_fd, fd, *fp);
  if (p->p_fd->fd_refcnt > 1) [[unlikely]]
    fd_hold(p, *fp);
  return 0;
}
// Its socket. Errors: EBADF, ENOTSOCK.
[[nodiscard]] int getsock(const proc* p, int fd, file** fp, struct socket** so);

// One more than the highest number a descriptor of `p` may have.
int fd_limit(const proc* p);

// Makes `fp` the lowest free number from `from` on. Takes the reference. Errors: EMFILE (nothing
// taken).
[[nodiscard]] int fdalloc(proc* p, int from, file* fp, bool close_on_exec, int* fd);
// A new open file of `data`, which the file owns from then on, as the lowest free number. `flag` is
// F*. Errors: EMFILE, ENFILE (`data` is still the caller's).
[[nodiscard]] int fdcreate(proc* p, FileType type, const fileops* ops, void* data, int flag,
                           bool close_on_exec, int* fd);
// Frees the number, which kqueues of this table forget, and drops its reference. [sleeps] if that
// was the last one of a lingering socket.
// Errors: EBADF, what fo_close answers. The number is free in every case.
int fdrelease(proc* p, int fd);
// Makes `to` mean what `from` means, closing what it was. `from` itself is left as it is. Errors:
// EBADF.
[[nodiscard]] int fddup2(proc* p, int from, int to, bool close_on_exec);

}  // namespace uapi
}  // namespace sockbed

#endif  // SOCKBED_UAPI_FILEDESC_H_
