// The socket: what a process holds, what a protocol serves.
//
// Lives here:  struct socket and the so*() functions; the per-host state of the room.
// Called by:   uapi and in-kernel consumers (so* of socreate(9)); protocols (soisconnected,
//              sonewconn, sorwakeup).
// May touch:   mbuf, sched, sim. Never a protocol: those are reached through so_proto.
// Context:     process or interrupt; functions marked [sleeps] need a process.
// Owns:        so_rcv and so_snd own their chains; so_pcb is the protocol's; so_head borrows.
// Units:       so_linger in seconds.
// Invariants:  1. A socket is freed exactly when it has no pcb and SS_NOFDREF is set, and no accept
//                 queue holds it (so_q0 lets go, so_q does not).
//              2. Of the four connection bits only these sets occur: none; CONNECTING; CONNECTED;
//                 CONNECTED|DISCONNECTING; DISCONNECTING; DISCONNECTED.
//              3. so_error is reported once: by send, receive, SO_ERROR, connect or accept.
// Source:      OpenBSD 4.9 sys/sys/socketvar.h, sys/kern/uipc_socket.c, uipc_socket2.c;
//              socreate(9).
// Differs:     so_id numbers sockets for the trace; addresses never do.
#ifndef SOCKBED_KERNEL_SOCKET_SOCKETVAR_H_
#define SOCKBED_KERNEL_SOCKET_SOCKETVAR_H_

#include <cstddef>
#include <cstdint>

#include "kernel/mbuf/mbuf.h"
#include "kernel/sched/file.h"
#include "kernel/sched/host_local.h"
#include "kernel/sched/synch.h"
#include "kernel/sched/timeout.h"
#include "kernel/sched/uio.h"
#include "kernel/sim/prefetch.h"
#include "kernel/sim/slab.h"
#include "kernel/socket/bsd_socket.h"
#include "kernel/socket/protosw.h"
#include "kernel/socket/sockbuf.h"
#include "kernel/socket/socket_host.h"

namespace sockbed {

// A listener's queue of sockets, in order of arrival.
struct soqhead {
  socket* first = nullptr;
  socket* last = nullptr;
};

// What a source of a splice knows beside its drain.
struct sosplice {
  off_t ssp_len = 0;        // bytes moved since it began; stays when it ends
  off_t ssp_max = 0;        // where it ends; 0: nowhere
  timeval ssp_idletv = {};  // how long it may be idle; 0: for ever
  timeout ssp_idleto;
};

// What every call and every packet touches comes first (kSocketHot).
struct socket {
  uint64_t so_id = 0;                 // [I] counts from 1 per host
  HostBase* so_host = nullptr;        // [I]
  const protosw* so_proto = nullptr;  // [I]
  void* so_pcb = nullptr;             // the protocol's; null once it has let go
  int so_type = 0;                    // [I] SOCK_*
  int so_options = 0;                 // kSo* bits
  int so_linger = 0;                  // seconds
  int so_state = 0;                   // SS_*
  int so_error = 0;                   // pending, reported once
  char so_timeo = 0;                  // its address is the channel of connect, accept and linger
  uint64_t so_oobmark = 0;            // bytes before the urgent mark; 0: none ahead

  sockbuf so_rcv, so_snd;

  // SO_SPLICE (uipc_splice.h).
  socket* so_splice = nullptr;       // source: the drain that its bytes go to
  socket* so_spliceback = nullptr;   // drain: the source they come from
  struct sosplice* so_sp = nullptr;  // owned; null until it is first a source

  // Called after each sorwakeup, in the waker's context; must not sleep.
  void (*so_upcall)(socket* so, void* arg, int how) = nullptr;
  void* so_upcallarg = nullptr;

  socket* so_head = nullptr;  // the listener this one is queued on
  soqhead* so_onq = nullptr;  // which of its queues
  socket* so_qe_next = nullptr;
  socket* so_qe_prev = nullptr;
  soqhead so_q0;  // listener: handshakes not finished
  soqhead so_q;   // listener: connections waiting for accept
  int so_q0len = 0, so_qlen = 0, so_qlimit = 0;

  pid_t so_pgid = 0;  // whom SIGIO and SIGURG go to: > 0 process, < 0 group
  uid_t so_siguid = 0, so_sigeuid = 0;

  uid_t so_euid = 0, so_ruid = 0;  // [I] of the creating process
  gid_t so_egid = 0, so_rgid = 0;  // [I]
  pid_t so_cpid = 0;               // [I]

  socket* so_list_next = nullptr;  // the host's sockets in order of creation
  socket* so_list_prev = nullptr;
};
inline constexpr size_t kSocketHot = offsetof(socket, so_head);  // bytes
// No pcb has more than this, from its beginning on, that every call and every packet touches.
inline constexpr size_t kPcbHot = 672;

// The memory behind the socket for its protocol's pcb, pru_pcbbytes of it. Raw; a pcb is made in it
// once in the socket's life.
inline void* so_pcbroom(socket* so) { return Slab<socket>::Behind(so); }
// The socket that has its pcb there.
inline socket* so_ofpcbroom(void* pcb) {
  return reinterpret_cast<socket*>(static_cast<char*>(pcb) - Slab<socket>::kBehind);
}
// Fetches what a call or a packet is going to touch of the socket and of its pcb: with many of them
// it is in no cache. `so` is not followed.
inline void so_fetch(const void* so) {
  Prefetch(so, kSocketHot);
  Prefetch(static_cast<const char*>(so) + Slab<socket>::kBehind, kPcbHot);
}

// Bytes that the last splice with this source has moved; 0: there was none.
inline off_t so_splicelen(const socket* so) {
  return so->so_sp != nullptr ? so->so_sp->ssp_len : 0;
}

// --- socreate(9): the life of a socket. Addresses are MT_SONAME mbufs, borrowed. ---

// Makes a socket for the current process. Errors: EPROTONOSUPPORT, EPROTOTYPE, and the protocol's.
[[nodiscard]] int socreate(int dom, socket** aso, int type, int proto);
[[nodiscard]] int sobind(socket* so, mbuf* nam, proc* p);
// Errors: EINVAL (connected or connecting), EOPNOTSUPP (spliced), and the protocol's.
[[nodiscard]] int solisten(socket* so, int backlog);
// Starts connecting; never sleeps. On failure, or when the wait is given up, the caller clears
// SS_ISCONNECTING itself. Errors: EOPNOTSUPP (listening), EISCONN, and the protocol's.
[[nodiscard]] int soconnect(socket* so, mbuf* nam);
[[nodiscard]] int soconnect2(socket* so1, socket* so2);
// Fills `nam` with the peer's address. `so` has been taken off so_q. Errors: ECONNABORTED.
[[nodiscard]] int soaccept(socket* so, mbuf* nam);
// Errors: ENOTCONN, EALREADY.
[[nodiscard]] int sodisconnect(socket* so);
// Errors: EINVAL (how), and the protocol's.
[[nodiscard]] int soshutdown(socket* so, int how);
// Closes. [sleeps] "netcls" with SO_LINGER.
void soclose(socket* so);
// The same with the errno that close(2) reports: EWOULDBLOCK (linger expired), EINTR, the
// protocol's.
int soclose_error(socket* so);
void soabort(socket* so);
void sofree(socket* so);
void sorflush(socket* so);  // [sleeps] waits for the lock of so_rcv, if held

// Sends uio or top (exactly one is set). `top` and `control` are taken on every path; addr is
// borrowed. [sleeps] "netio", "netlck". Errors: EPIPE, so_error, ENOTCONN, EDESTADDRREQ, EMSGSIZE,
// EWOULDBLOCK, EINVAL, EINTR, kERESTART, EFAULT, and the protocol's.
[[nodiscard]] int sosend(socket* so, mbuf* addr, uio* uio, mbuf* top, mbuf* control, int flags);
// Receives into uio, or as a chain into *mp0. *paddr, *mp0, *controlp become the caller's. [sleeps]
// Errors: ENOTCONN, so_error, EWOULDBLOCK, EINTR, kERESTART, EFAULT, and the protocol's (MSG_OOB).
[[nodiscard]] int soreceive(socket* so, mbuf** paddr, uio* uio, mbuf** mp0, mbuf** controlp,
                            int* flagsp);
// The same with the room for externalised rights, as recvmsg needs it.
[[nodiscard]] int soreceive_limit(socket* so, mbuf** paddr, uio* uio, mbuf** mp0, mbuf** controlp,
                                  int* flagsp, socklen_t controllen);

// Options. sosetopt takes m0 (may be null). Level and name are the host's numbers.
[[nodiscard]] int sosetopt(socket* so, int level, int optname, mbuf* m0);
[[nodiscard]] int sogetopt(socket* so, int level, int optname, mbuf** mp);
void sohasoutofband(socket* so);
// Reports so_error, once: returns it and clears it. For those who wait on so_timeo themselves.
int so_takeerror(socket* so);
// sosleep_nsec(9): tsleep_nsec for a caller that holds the lock of `so`, which is splsoftnet here.
// [sleeps]
[[nodiscard]] int sosleep_nsec(socket* so, const volatile void* ident, int priority,
                               const char* wmesg, uint64_t nsecs);

// --- Called by protocols, at splsoftnet or in interrupt context: the life of a connection. ---

// Stores an error for whoever looks next; those who wait are woken by what follows.
void so_seterror(socket* so, int error);
void soisconnecting(socket* so);
void soisconnected(socket* so);
void soisdisconnecting(socket* so);
void soisdisconnected(socket* so);
void socantsendmore(socket* so);
void socantrcvmore(socket* so);
// A socket for a new connection of listener `head`, on so_q0 (connstatus 0) or so_q; null when
// refused.
socket* sonewconn(socket* head, int connstatus);
void soqinsque(socket* head, socket* so, int q);  // q: 0 so_q0, 1 so_q
int soqremque(socket* so, int q);                 // 1 if it was on that queue
// Tell those who wait for a change of so_rcv, of so_snd. Most changes concern nobody.
void so_tellreaders(socket* so);
void so_tellwriters(socket* so);
inline void sorwakeup(socket* so) {
  if (sb_notify(&so->so_rcv) || so->so_upcall != nullptr) so_tellreaders(so);
}
inline void sowwakeup(socket* so) {
  if (sb_notify(&so->so_snd)) so_tellwriters(so);
}

bool soreadable(const socket* so);
bool sowriteable(const socket* so);

// What an open file that is a socket does (sys_socket.c). f_data is the socket; the file's last
// reference closes it.
extern const fileops socketops;
// Makes an open file of `so`, which it owns from then on. Errors: ENFILE (the caller still owns
// `so`).
[[nodiscard]] int sofile(socket* so, int flag, file** fp);
// Of a poll: which of `events` hold; records `p` (may be null) when none does.
int sopoll(socket* so, int events, proc* p);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_SOCKET_SOCKETVAR_H_
