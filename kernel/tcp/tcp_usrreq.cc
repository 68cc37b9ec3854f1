// What sockets ask of TCP (tcp(4), RFC 9293 3.9.1).
#include <cerrno>

#include "kernel/inet/in_var.h"
#include "kernel/mbuf/chain.h"
#include "kernel/tcp/tcp_segment.h"
#include "kernel/tcp/tcp_trace.h"

namespace sockbed {
namespace {

constexpr int64_t kOobOverdraft = 512;  // urgent data may exceed the send buffer by so much

// The connection behind `so`. Errors: EINVAL (there is none any more), or the error that ended it.
int GetTcpcb(const socket* so, tcpcb** tp) {
  *tp = sototcpcb(so);
  if (*tp != nullptr) return 0;
  return so->so_error != 0 ? so->so_error : EINVAL;
}

int Attach(socket* so, int) {
  if (so->so_pcb != nullptr) return EISCONN;
  TcpHost& host = HostLocal<TcpHost>::Get();
  const TcpTunables& set = host.tunables;
  if (so->so_snd.sb_hiwat == 0 || so->so_rcv.sb_hiwat == 0) {
    const int error =
        soreserve(so, static_cast<uint64_t>(set.sendspace), static_cast<uint64_t>(set.recvspace));
    if (error != 0) return error;
  }
  const int error = in_pcballoc(so, &host.tcbtable);
  if (error != 0) return error;
  if (tcp_newtcpcb(sotoinpcb(so)) == nullptr) {
    // The pcb goes, the socket stays the caller's: a descriptor "refers to it" meanwhile.
    const int nofd = so->so_state & SS_NOFDREF;
    so->so_state &= ~SS_NOFDREF;
    in_pcbdetach(sotoinpcb(so));
    so->so_state |= nofd;
    return ENOBUFS;
  }
  if ((so->so_options & kSoLinger) != 0 && so->so_linger == 0) so->so_linger = TCP_LINGERTIME;
  return 0;
}

// The orderly end, or with SO_LINGER of 0 the abrupt one. May free the tcpcb.
void Disconnect(tcpcb* tp) {
  socket* so = tcp_so(tp);
  // With Fast Open the user has a connection before the handshake is done.
  const bool opened = tp->t_state == TCPS_SYN_RECEIVED && (tp->t_flags & TF_FASTOPENED) != 0;
  if (tp->t_state < TCPS_ESTABLISHED && !opened) {
    tcp_close(tp);
  } else if ((so->so_options & kSoLinger) != 0 && so->so_linger == 0) {
    tcp_drop(tp, 0);
  } else {
    // A half-closed end whose peer has acknowledged that is through at once: nothing to wait for.
    if ((so->so_state & SS_ISDISCONNECTED) == 0) soisdisconnecting(so);
    sbflush(&so->so_rcv);
    if (tcp_usrclosed(tp)) (void)tcp_output(tp);  // the FIN goes again until it is acknowledged
  }
}

// close(2) has mostly disconnected first. Then all is said, and the FIN is for the timers to look
// after; but whoever lingers has waited in between, and may have changed his mind.
int Detach(socket* so) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  const bool ending = (so->so_state & SS_ISDISCONNECTING) != 0;
  if (!ending || (so->so_options & kSoLinger) != 0) Disconnect(tp);
  return 0;
}

int Bind(socket* so, mbuf* nam, proc* p) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  return in_pcbbind(tcp_inpcb(tp), nam, p);
}

int Listen(socket* so) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  if (tp->t_state == TCPS_LISTEN) return 0;  // only the backlog changes
  if (tp->t_state != TCPS_CLOSED) return EINVAL;
  if (tcp_inpcb(tp)->inp_lport == 0) {
    if (int error = in_pcbbind(tcp_inpcb(tp), nullptr, curproc())) return error;
  }
  tcp_newstate(tp, TCPS_LISTEN);
  return 0;
}

// Whoever bound the port of a connection that waits in TIME_WAIT may open it again from here, if
// the host lets him: its own numbers go on, so the peer takes them for new. Returns whether it is
// gone.
bool EndOldConnection(const tcpcb* tp, const InetName& peer) {
  if (tunables(tp).timewait_connect_reuse == 0) return false;
  inpcb* inp = tcp_inpcb(tp);
  inpaddru source = inp->inp_laddr;
  if (source.is_any() && in_pcbselsrc(&source, inp, peer.addr) != 0) return false;
  inpcb* old = in_pcblookup(inp->inp_table, peer.addr, peer.port, source, inp->inp_lport);
  if (old == nullptr || intotcpcb(old)->t_state != TCPS_TIME_WAIT) return false;
  tcp_close(intotcpcb(old));
  return true;
}

// The connection is opened, up to its first SYN, which SendFirst sends.
int StartConnect(tcpcb* tp, mbuf* nam) {
  socket* so = tcp_so(tp);
  inpcb* inp = tcp_inpcb(tp);
  if (tp->t_state != TCPS_CLOSED) return inp->inp_faddr.is_any() ? EINVAL : EADDRINUSE;
  InetName peer;
  if (int error = in_pcbpeername(inp, nam, &peer)) return error;
  if (peer.addr.is_any() || in_isofmany(peer.addr)) return EINVAL;
  int error = in_pcbconnect(inp, peer);
  if (error == EADDRINUSE && EndOldConnection(tp, peer)) error = in_pcbconnect(inp, peer);
  if (error != 0) return error;

  TcpHost& host = *tp->t_host;
  tp->request_r_scale = tcp_request_scale(host);
  so->so_state |= SS_CONNECTOUT;
  soisconnecting(so);
  ++host.stat[tcps_connattempt];
  const TcpEndpoints ends{inp->inp_faddr, inp->inp_laddr, ntohs(inp->inp_fport),
                          ntohs(inp->inp_lport)};
  host.syn_cache.Forget(ends);
  EmitOpen(tp->t_id, ends, true);
  tcp_newstate(tp, TCPS_SYN_SENT);
  tp->iss = tcp_new_iss(host, ends);
  tcp_sendseqinit(tp);
  return 0;
}

// The limit of the handshake is set once the SYN is out: that one's timer comes before it, and the
// event has found its place.
int SendFirst(tcpcb* tp) {
  const int error = tcp_output(tp);
  tcp_timer_arm(tp, TCPT_KEEP, tcp_keepinit(tp));
  return error;
}

int Connect(socket* so, mbuf* nam) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  if (int error = StartConnect(tp, nam)) return error;
  return SendFirst(tp);
}

int Accept(socket* so, mbuf* nam) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  in_setpeeraddr(tcp_inpcb(tp), nam);
  return 0;
}

int DisconnectRequest(socket* so) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  Disconnect(tp);
  return 0;
}

int Shutdown(socket* so) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  if ((so->so_state & SS_CANTSENDMORE) != 0) return 0;
  socantsendmore(so);
  return tcp_usrclosed(tp) ? tcp_output(tp) : 0;
}

void Rcvd(socket* so, int) {
  tcpcb* tp = sototcpcb(so);
  constexpr int kAlive = SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING;
  if (tp == nullptr || (so->so_state & kAlive) == 0) [[unlikely]]
    return;
  (void)tcp_output(tp);  // the next read tries again
}

// sendto(2) on a socket that is not connected connects it, where the system has that; its data may
// go with the SYN (RFC 7413).
int ImpliedConnect(tcpcb* tp, mbuf* nam) {
  if (nam == nullptr || tunables(tp).freebsd_options == 0) return ENOTCONN;
  if (tp->t_state == TCPS_LISTEN) return EOPNOTSUPP;
  if (int error = StartConnect(tp, nam)) return error;
  tcp_fastopen_connect(tp);
  return 0;
}

int Send(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  if (control != nullptr && control->m_len != 0) [[unlikely]]
    return EINVAL;
  const bool first = tp->t_state < TCPS_SYN_SENT;
  if (first) {
    if (int error = ImpliedConnect(tp, nam)) return error;
  }
  sbappendstream(&so->so_snd, std::move(m));
  return first ? SendFirst(tp) : tcp_output(tp);
}

int SendOob(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  if (control != nullptr && control->m_len != 0) return EINVAL;
  const bool first = tp->t_state < TCPS_SYN_SENT;
  if (first) {
    if (int error = ImpliedConnect(tp, nam)) return error;
  }
  if (sbspace(&so->so_snd) < -kOobOverdraft) return ENOBUFS;
  sbappendstream(&so->so_snd, std::move(m));
  // The pointer names the byte behind the urgent one: see tcp_step_urgent.
  tp->snd_up = tcp_snd_first(tp) + static_cast<uint32_t>(so->so_snd.sb_cc);
  tp->t_force = true;
  const int error = first ? SendFirst(tp) : tcp_output(tp);
  tp->t_force = false;
  return error;
}

int RcvOob(socket* so, mbuf* m, int flags) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  const bool marked = so->so_oobmark != 0 || (so->so_state & SS_RCVATMARK) != 0;
  if (!marked || (so->so_options & kSoOobInline) != 0 || (tp->t_oobflags & TCPOOB_HADDATA) != 0) {
    return EINVAL;
  }
  if ((tp->t_oobflags & TCPOOB_HAVEDATA) == 0) return EWOULDBLOCK;
  m->m_len = 1;
  *mtod<uint8_t>(m) = tp->t_iobc;
  if ((flags & MSG_PEEK) == 0) tp->t_oobflags ^= TCPOOB_HAVEDATA | TCPOOB_HADDATA;
  return 0;
}

// What arrives acknowledges what has been sent.
void Await(const socket* so) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return;
  in_pcbexpect(inp);
  Prefetch(so->so_snd.sb_mb);
}

void Abort(socket* so) {
  if (tcpcb* tp = sototcpcb(so)) tcp_drop(tp, ECONNABORTED);
}

int Sense(socket* so, struct stat* sb) {
  sb->st_blksize = static_cast<blksize_t>(so->so_snd.sb_hiwat);
  return 0;
}

int SockAddr(socket* so, mbuf* nam) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  in_setsockaddr(tcp_inpcb(tp), nam);
  return 0;
}

int PeerAddr(socket* so, mbuf* nam) {
  tcpcb* tp = nullptr;
  if (int error = GetTcpcb(so, &tp)) return error;
  in_setpeeraddr(tcp_inpcb(tp), nam);
  return 0;
}

}  // namespace

const pr_usrreqs tcp_usrreqs = {
    .pru_attach = Attach,
    .pru_detach = Detach,
    .pru_bind = Bind,
    .pru_listen = Listen,
    .pru_connect = Connect,
    .pru_accept = Accept,
    .pru_disconnect = DisconnectRequest,
    .pru_shutdown = Shutdown,
    .pru_rcvd = Rcvd,
    .pru_send = Send,
    .pru_sendoob = SendOob,
    .pru_rcvoob = RcvOob,
    .pru_abort = Abort,
    .pru_control = nullptr,
    .pru_sense = Sense,
    .pru_sockaddr = SockAddr,
    .pru_peeraddr = PeerAddr,
    .pru_connect2 = nullptr,
    .pru_peereid = nullptr,
    .pru_await = Await,
    .pru_pcbbytes = kInpcbRoom + sizeof(tcpcb),
};

}  // namespace sockbed
