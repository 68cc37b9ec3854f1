// The protocol control block of a local socket, and what the room keeps per host.
//
// Lives here:  struct unpcb, UnixHost; the functions that the files of this room share.
// Called by:   this room only.
// Context:     process, or interrupt where a socket is closed from there.
// Owns:        so_pcb owns the unpcb; the unpcb owns its name and one reference to its node.
// Invariants:  1. Stream, seqpacket: unp_conn->unp_conn is the unpcb itself, or unp_conn is null.
//              2. Datagram: the unpcb is on the list unp_refs of its unp_conn.
//              3. Stream, seqpacket: so_snd holds no mbufs; its counts mirror the peer's so_rcv.
//              4. unp_rights is the sum of f_msgcount over all files.
// Source:      OpenBSD sys/sys/unpcb.h, sys/kern/uipc_usrreq.c.
// Differs:     3 (as later releases; 4.9 moves the sender's limits instead).
#ifndef SOCKBED_KERNEL_UNIX_UNPCB_H_
#define SOCKBED_KERNEL_UNIX_UNPCB_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/sched/file.h"
#include "kernel/socket/socketvar.h"
#include "kernel/unix/unix_names.h"

namespace sockbed {

inline constexpr int UNP_FEIDS = 0x1;      // unp_connid is the peer's
inline constexpr int UNP_FEIDSBIND = 0x2;  // unp_connid is of whoever bound this listener

struct unpcb {
  socket* unp_socket = nullptr;                 // [I]
  vnode* unp_vnode = nullptr;                   // the node it is bound to; one reference
  std::unique_ptr<const sockaddr_un> unp_addr;  // the name it was bound to, or its listener was
  unpcb* unp_conn = nullptr;                    // the peer; datagram: where sends go
  unpcb* unp_refs = nullptr;                    // datagram: those whose unp_conn this one is
  unpcb* unp_nextref = nullptr;                 // ... linked
  ::ucred unp_connid = {};                      // pid, uid, gid: see unp_flags
  int unp_flags = 0;                            // UNP_*
  ino_t unp_ino = 0;                            // for fstat; given when first asked for
  int64_t unp_ctime_ns = 0;                     // [I] virtual time of creation
  unpcb* unp_next_free = nullptr;               // while it is nobody's
};

// A reference to an open file, as a control message in flight holds it.
struct fdpass {
  file* fp;
  int64_t flags;
};
static_assert(sizeof(fdpass) == 16);

struct UnixHost {
  static constexpr HostSlot kHostSlot = HostSlot::kUnix;

  UnixHost() = default;
  ~UnixHost();
  UnixHost(const UnixHost&) = delete;
  UnixHost& operator=(const UnixHost&) = delete;

  NameSpace names;
  unpcb* free_unpcbs = nullptr;
  int64_t live_unpcbs = 0;
  ino_t last_ino = 0;

  // Descriptors in flight (uipc_rights.cc).
  int64_t unp_rights = 0;
  bool unp_gcing = false;
  std::vector<file*> discarded;  // references to drop, in order
  bool discarding = false;

  // Buffer sizes by type, in bytes: net.unix.*.
  int64_t stream_sendspace = 4096, stream_recvspace = 4096;
  int64_t dgram_sendspace = 2048, dgram_recvspace = 4096;
  int64_t seqpacket_sendspace = 4096, seqpacket_recvspace = 4096;
};

inline UnixHost& Unix() { return HostLocal<UnixHost>::Get(); }
inline unpcb* sotounpcb(const socket* so) { return static_cast<unpcb*>(so->so_pcb); }

extern const domain unixdomain;

// --- uipc_rights.cc ---

// Turns the descriptors of curproc in a control message into references to open files. Borrows the
// message and rewrites it; it may get a cluster. Errors: EINVAL (not exactly one SCM_RIGHTS, or a
// kqueue), EMFILE (too many in flight), E2BIG (do not fit a cluster), EBADF, EDEADLK (too many
// references), ENOBUFS; the message is as before then.
[[nodiscard]] int unp_internalize(mbuf* control);
// dom_externalize and dom_dispose of the domain.
[[nodiscard]] int unp_externalize(mbuf* rights, socklen_t controllen, int flags);
void unp_dispose(mbuf* m);
// Closes the files that only messages refer to which nobody can ever receive.
void unp_gc();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_UNIX_UNPCB_H_
