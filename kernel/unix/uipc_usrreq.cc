// AF_UNIX: a whole protocol without a network. What TCP does with packets, this room does by
// reaching into the peer's receive buffer.
//
//    client (unp_conn)                    server side (unp_conn)
//      so_snd: no mbufs, only the           so_rcv: [data][data]
//      counts of the peer's so_rcv            ^
//        |                                    |
//      sosend waits while the mirror          | unp_send: sbappend, copy the counts, sorwakeup
//      says "full" ---------------------------+
//        ^
//        +---- unp_rcvd, after soreceive: copy the counts, sowwakeup
//
// A datagram socket has no mirror: a datagram that does not fit is refused with ENOBUFS.
//
// A name is a node of the file tree (unix_names.h). bind makes it and ties the socket to it;
// connect finds the node, and through it the listener. The tie ends with the socket, the name stays
// until it is unlinked.
#include <errno.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/sim/fault.h"
#include "kernel/unix/unix_trace.h"
#include "kernel/unix/unpcb.h"

namespace sockbed {
namespace {

bool IsDatagram(const socket* so) { return so->so_type == SOCK_DGRAM; }

::ucred CallerId(const socket* so) {
  const proc* p = curproc();
  if (p == nullptr) return {.pid = so->so_cpid, .uid = so->so_euid, .gid = so->so_egid};
  return {.pid = p->p_pid, .uid = p->p_ucred.cr_uid, .gid = p->p_ucred.cr_gid};
}

// --- Names. ---

// Writes the name of `unp`, or the name of the nameless, into nam.
void StoreName(const unpcb* unp, mbuf* nam) {
  if (unp != nullptr && unp->unp_addr != nullptr) {
    std::memcpy(nam->m_data, unp->unp_addr.get(), sizeof(sockaddr_un));
    nam->m_len = sizeof(sockaddr_un);
  } else {
    const sockaddr noname = {.sa_family = AF_UNIX, .sa_data = {}};
    std::memcpy(nam->m_data, &noname, sizeof(noname));
    nam->m_len = sizeof(noname);
  }
}

// The family in an address; of one too short to have it, ours: the length is what is wrong.
sa_family_t FamilyOf(const mbuf* nam) {
  sa_family_t family = AF_UNIX;
  if (nam->m_len >= static_cast<int>(sizeof(family))) {
    std::memcpy(&family, nam->m_data, sizeof(family));
  }
  return family;
}

// The path in an address. Errors: EINVAL (too short, too long, no end), EAFNOSUPPORT.
int PathOf(const mbuf* nam, std::string* path) {
  constexpr int kStart = offsetof(sockaddr_un, sun_path);
  const int len = nam->m_len;
  if (len < kStart || len > static_cast<int>(sizeof(sockaddr_un))) return EINVAL;
  sockaddr_un sun = {};
  std::memcpy(&sun, nam->m_data, static_cast<size_t>(len));
  if (sun.sun_family != AF_UNIX) return EAFNOSUPPORT;
  const size_t length = strnlen(sun.sun_path, static_cast<size_t>(len - kStart));
  if (length == sizeof(sun.sun_path)) return EINVAL;
  path->assign(sun.sun_path, length);
  return 0;
}

std::unique_ptr<const sockaddr_un> MakeAddress(const std::string& path) {
  auto sun = std::make_unique<sockaddr_un>();
  sun->sun_family = AF_UNIX;
  path.copy(sun->sun_path, sizeof(sun->sun_path) - 1);
  return sun;
}

// The live socket of the same type that is bound to the address. Errors: see unp_connect.
int FindPeer(const socket* so, const mbuf* nam, socket** peer) {
  std::string path;
  vnode* node = nullptr;
  // Other than bind, connect minds the family before the length.
  if (FamilyOf(nam) != AF_UNIX) return EAFNOSUPPORT;
  if (const int error = PathOf(nam, &path)) return error;
  if (const int error = Unix().names.Lookup(path, &node)) return error;
  if (node->v_type != VnodeType::kSocket) return ENOTSOCK;
  if (const int error = Unix().names.MayWrite(node)) return error;
  if (node->v_socket == nullptr) return ECONNREFUSED;
  if (node->v_socket->so_type != so->so_type) return EPROTOTYPE;
  *peer = node->v_socket;
  return 0;
}

// --- The tie between two sockets. ---

// Makes so_snd of `unp` show what its peer's so_rcv holds.
void Mirror(unpcb* unp) {
  sockbuf* snd = &unp->unp_socket->so_snd;
  const sockbuf* rcv = &unp->unp_conn->unp_socket->so_rcv;
  snd->sb_cc = rcv->sb_cc;
  snd->sb_mbcnt = rcv->sb_mbcnt;
}

void ForgetMirror(unpcb* unp) {
  unp->unp_socket->so_snd.sb_cc = 0;
  unp->unp_socket->so_snd.sb_mbcnt = 0;
}

// Joins so to so2: both ways, or of datagram sockets one way. Errors: EPROTOTYPE.
int Join(socket* so, socket* so2) {
  if (so->so_type != so2->so_type) return EPROTOTYPE;
  unpcb* unp = sotounpcb(so);
  unpcb* unp2 = sotounpcb(so2);
  KASSERT(unp->unp_conn == nullptr);
  EmitUnix(UnixEvent::kConnect, so, so2->so_id);
  unp->unp_conn = unp2;
  if (IsDatagram(so)) {
    unp->unp_nextref = unp2->unp_refs;
    unp2->unp_refs = unp;
    soisconnected(so);
    return 0;
  }
  unp2->unp_conn = unp;
  soisconnected(so);
  soisconnected(so2);
  return 0;
}

void LeaveRefs(unpcb* unp, unpcb* of) {
  unpcb** place = &of->unp_refs;
  while (*place != unp) place = &(*place)->unp_nextref;
  *place = std::exchange(unp->unp_nextref, nullptr);
}

// Cuts the tie, if there is one.
void Part(unpcb* unp) {
  unpcb* unp2 = std::exchange(unp->unp_conn, nullptr);
  if (unp2 == nullptr) return;
  if (IsDatagram(unp->unp_socket)) {
    LeaveRefs(unp, unp2);
    unp->unp_socket->so_state &= ~SS_ISCONNECTED;
    return;
  }
  unp2->unp_conn = nullptr;
  ForgetMirror(unp);
  ForgetMirror(unp2);
  soisdisconnected(unp->unp_socket);
  soisdisconnected(unp2->unp_socket);
}

// The peer of `unp` has gone, or it is itself aborted: reports `error` there.
void Drop(unpcb* unp, int error) {
  so_seterror(unp->unp_socket, error);
  Part(unp);
  sorwakeup(unp->unp_socket);
  sowwakeup(unp->unp_socket);
}

// --- Requests. ---

int unp_attach(socket* so, int) {
  UnixHost& host = Unix();
  if (so->so_pcb != nullptr) return EISCONN;
  if (so->so_snd.sb_hiwat == 0 || so->so_rcv.sb_hiwat == 0) {
    std::pair space{host.stream_sendspace, host.stream_recvspace};
    if (so->so_type == SOCK_DGRAM) space = {host.dgram_sendspace, host.dgram_recvspace};
    if (so->so_type == SOCK_SEQPACKET) space = {host.seqpacket_sendspace, host.seqpacket_recvspace};
    const int error =
        soreserve(so, static_cast<uint64_t>(space.first), static_cast<uint64_t>(space.second));
    if (error != 0) return error;
  }
  if (fault::Fires(Site::kPoolGet, so->so_id)) return ENOBUFS;
  unpcb* unp = host.free_unpcbs;
  if (unp != nullptr) {
    host.free_unpcbs = unp->unp_next_free;
    *unp = unpcb{};
  } else {
    unp = new unpcb;
  }
  ++host.live_unpcbs;
  unp->unp_socket = so;
  unp->unp_ctime_ns = Now();
  so->so_pcb = unp;
  return 0;
}

int unp_detach(socket* so) {
  UnixHost& host = Unix();
  unpcb* unp = sotounpcb(so);
  if (unp->unp_vnode != nullptr) {
    unp->unp_vnode->v_socket = nullptr;
    host.names.vrele(std::exchange(unp->unp_vnode, nullptr));
  }
  Part(unp);
  while (unp->unp_refs != nullptr) Drop(unp->unp_refs, ECONNRESET);
  soisdisconnected(so);
  so->so_pcb = nullptr;
  unp->unp_addr = nullptr;
  unp->unp_next_free = host.free_unpcbs;
  host.free_unpcbs = unp;
  --host.live_unpcbs;
  if (host.unp_rights != 0) {
    // What only this socket's messages kept open must go now, or be found unreachable.
    sorflush(so);
    unp_gc();
  }
  return 0;
}

int unp_bind(socket* so, mbuf* nam, proc*) {
  unpcb* unp = sotounpcb(so);
  std::string path;
  if (unp->unp_vnode != nullptr) return EINVAL;
  if (const int error = PathOf(nam, &path)) return error;
  NameSpace& names = Unix().names;
  vnode* node = nullptr;
  if (const int error = names.MakeSocket(path, &node)) return error;
  names.vref(node);
  node->v_socket = so;
  unp->unp_vnode = node;
  unp->unp_addr = MakeAddress(path);
  unp->unp_connid = CallerId(so);
  unp->unp_flags |= UNP_FEIDSBIND;
  EmitUnix(UnixEvent::kBind, so, node->v_ino, PackText(path),
           PackText(path.size() > 8 ? std::string_view(path).substr(8) : ""));
  return 0;
}

int unp_listen(socket* so) {
  if (IsDatagram(so)) return EOPNOTSUPP;
  return sotounpcb(so)->unp_vnode != nullptr ? 0 : EINVAL;
}

// Errors: EAFNOSUPPORT, EINVAL (address; a stream that was connected before); the look-up's;
// ENOTSOCK, EACCES, ECONNREFUSED (nobody there, not listening, queue full), EPROTOTYPE.
int unp_connect(socket* so, mbuf* nam) {
  socket* so2 = nullptr;
  if ((so->so_state & SS_ISDISCONNECTED) != 0) return EINVAL;
  if (const int error = FindPeer(so, nam, &so2)) return error;
  if (IsDatagram(so)) return Join(so, so2);
  if ((so2->so_options & kSoAcceptConn) == 0) return ECONNREFUSED;
  socket* so3 = sonewconn(so2, 0);
  if (so3 == nullptr) return ECONNREFUSED;
  unpcb* unp = sotounpcb(so);
  const unpcb* unp2 = sotounpcb(so2);
  unpcb* unp3 = sotounpcb(so3);
  unp3->unp_addr = std::make_unique<const sockaddr_un>(*unp2->unp_addr);
  unp3->unp_connid = CallerId(so);
  unp3->unp_flags |= UNP_FEIDS;
  if ((unp2->unp_flags & UNP_FEIDSBIND) != 0) {
    unp->unp_connid = unp2->unp_connid;
    unp->unp_flags |= UNP_FEIDS;
  }
  return Join(so, so3);
}

int unp_connect2(socket* so1, socket* so2) {
  if (const int error = Join(so1, so2)) return error;
  if (IsDatagram(so1)) return 0;
  for (socket* so : {so1, so2}) {
    unpcb* unp = sotounpcb(so);
    unp->unp_connid = {.pid = so1->so_cpid, .uid = so1->so_euid, .gid = so1->so_egid};
    unp->unp_flags |= UNP_FEIDS;
  }
  return 0;
}

int unp_disconnect(socket* so) {
  Part(sotounpcb(so));
  return 0;
}

int unp_shutdown(socket* so) {
  socantsendmore(so);
  const unpcb* unp = sotounpcb(so);
  if (!IsDatagram(so) && unp->unp_conn != nullptr) socantrcvmore(unp->unp_conn->unp_socket);
  return 0;
}

void unp_rcvd(socket* so, int) {
  unpcb* unp = sotounpcb(so);
  if (unp->unp_conn == nullptr) return;
  Mirror(unp->unp_conn);
  sowwakeup(unp->unp_conn->unp_socket);
}

int SendDatagram(socket* so, MbufPtr& m, const mbuf* nam, MbufPtr& control) {
  unpcb* unp = sotounpcb(so);
  socket* so2 = nullptr;
  if (nam != nullptr) {
    if (unp->unp_conn != nullptr) return EISCONN;
    if (const int error = FindPeer(so, nam, &so2)) return error;
  } else {
    if (unp->unp_conn == nullptr) return ENOTCONN;
    so2 = unp->unp_conn->unp_socket;
  }
  const sockaddr noname = {.sa_family = AF_UNIX, .sa_data = {}};
  const bool named = unp->unp_addr != nullptr;
  const auto* from = named ? reinterpret_cast<const sockaddr*>(unp->unp_addr.get()) : &noname;
  const socklen_t length = named ? sizeof(sockaddr_un) : sizeof(noname);
  if (sbappendaddr(&so2->so_rcv, from, length, m, control) == 0) return ENOBUFS;
  sorwakeup(so2);
  return 0;
}

int SendConnected(socket* so, MbufPtr& m, MbufPtr& control) {
  unpcb* unp = sotounpcb(so);
  if ((so->so_state & SS_CANTSENDMORE) != 0) return EPIPE;
  if (unp->unp_conn == nullptr) return ENOTCONN;
  socket* so2 = unp->unp_conn->unp_socket;
  if (control != nullptr) {
    if (sbappendcontrol(&so2->so_rcv, m, control) == 0) return ENOBUFS;
  } else if (so->so_type == SOCK_SEQPACKET) {
    sbappendrecord(&so2->so_rcv, std::move(m));
  } else {
    sbappend(&so2->so_rcv, std::move(m));
  }
  Mirror(unp);
  sorwakeup(so2);
  return 0;
}

int unp_send(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  if (control != nullptr) {
    if (const int error = unp_internalize(control.get())) return error;
  }
  const int error =
      IsDatagram(so) ? SendDatagram(so, m, nam, control) : SendConnected(so, m, control);
  if (control != nullptr) unp_dispose(control.get());  // nobody took it
  return error;
}

void unp_abort(socket* so) {
  Drop(sotounpcb(so), ECONNABORTED);
  (void)unp_detach(so);  // always 0
  sofree(so);
}

int unp_accept(socket* so, mbuf* nam) {
  StoreName(sotounpcb(so)->unp_conn, nam);
  return 0;
}

int unp_sockaddr(socket* so, mbuf* nam) {
  StoreName(sotounpcb(so), nam);
  return 0;
}

int unp_peeraddr(socket* so, mbuf* nam) {
  StoreName(sotounpcb(so)->unp_conn, nam);
  return 0;
}

int unp_sense(socket* so, struct stat* sb) {
  unpcb* unp = sotounpcb(so);
  sb->st_blksize = static_cast<blksize_t>(so->so_snd.sb_hiwat);
  if (!IsDatagram(so) && unp->unp_conn != nullptr) {
    sb->st_blksize += static_cast<blksize_t>(unp->unp_conn->unp_socket->so_rcv.sb_cc);
  }
  sb->st_dev = static_cast<dev_t>(-1);
  if (unp->unp_ino == 0) unp->unp_ino = ++Unix().last_ino;
  sb->st_ino = unp->unp_ino;
  const timespec created = {.tv_sec = kBootEpochSeconds + unp->unp_ctime_ns / kSecond,
                            .tv_nsec = unp->unp_ctime_ns % kSecond};
  sb->st_atim = sb->st_mtim = sb->st_ctim = created;
  return 0;
}

int unp_peereid(socket* so, ::ucred* id) {
  const unpcb* unp = sotounpcb(so);
  if ((unp->unp_flags & UNP_FEIDS) == 0) return ENOTCONN;
  *id = unp->unp_connid;
  return 0;
}

constexpr pr_usrreqs kRequests = {
    .pru_attach = unp_attach,
    .pru_detach = unp_detach,
    .pru_bind = unp_bind,
    .pru_listen = unp_listen,
    .pru_connect = unp_connect,
    .pru_accept = unp_accept,
    .pru_disconnect = unp_disconnect,
    .pru_shutdown = unp_shutdown,
    .pru_rcvd = unp_rcvd,
    .pru_send = unp_send,
    .pru_sendoob = nullptr,
    .pru_rcvoob = nullptr,
    .pru_abort = unp_abort,
    .pru_control = nullptr,
    .pru_sense = unp_sense,
    .pru_sockaddr = unp_sockaddr,
    .pru_peeraddr = unp_peeraddr,
    .pru_connect2 = unp_connect2,
    .pru_peereid = unp_peereid,
};

constexpr std::array kProtocols = std::to_array<protosw>({
    {SOCK_STREAM, &unixdomain, PF_UNIX, PR_CONNREQUIRED | PR_WANTRCVD | PR_RIGHTS, &kRequests,
     nullptr},
    {SOCK_SEQPACKET, &unixdomain, PF_UNIX, PR_ATOMIC | PR_CONNREQUIRED | PR_WANTRCVD | PR_RIGHTS,
     &kRequests, nullptr},
    {SOCK_DGRAM, &unixdomain, PF_UNIX, PR_ATOMIC | PR_ADDR | PR_RIGHTS, &kRequests, nullptr},
});

}  // namespace

const domain unixdomain = {
    .dom_family = AF_UNIX,
    .dom_name = "unix",
    .dom_externalize = unp_externalize,
    .dom_dispose = unp_dispose,
    .dom_protosw = kProtocols,
};

}  // namespace sockbed
