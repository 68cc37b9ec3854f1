#include "kernel/socket/loop_protocol.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernel/mbuf/chain.h"
#include "kernel/sched/spl.h"
#include "kernel/sim/machine.h"

namespace sockbed {
namespace {

LoopHost& Loop() { return HostLocal<LoopHost>::Get(); }

LoopPcb* FindPort(uint16_t port, int type) {
  for (LoopPcb* pcb : Loop().pcbs) {
    if (port != 0 && pcb->port == port && pcb->so->so_type == type) return pcb;
  }
  return nullptr;
}

void Kick(LoopPcb* pcb) {
  if (!pcb->event.pending()) Here().machine->ScheduleAfter(&pcb->event, kLoopDelay);
}

// The pcb is gone; the socket too if nobody refers to it.
void Drop(LoopPcb* pcb) {
  socket* so = pcb->so;
  Here().machine->Cancel(&pcb->event);
  if (pcb->peer != nullptr && pcb->peer->peer == pcb) pcb->peer->peer = nullptr;
  std::erase(Loop().pcbs, pcb);
  delete pcb;
  so->so_pcb = nullptr;
  sofree(so);
}

void Disconnected(LoopPcb* pcb) {
  sbflush(&pcb->so->so_snd);
  soisdisconnected(pcb->so);
  Drop(pcb);
}

// --- Events. ---

void Handshake(LoopPcb* pcb) {
  if (pcb->peer == nullptr) {
    LoopPcb* listener = FindPort(pcb->peer_port, pcb->so->so_type);
    socket* made = nullptr;
    if (listener != nullptr && (listener->so->so_options & kSoAcceptConn) != 0) {
      made = sonewconn(listener->so, 0);
    }
    if (made == nullptr) {
      so_seterror(pcb->so, ECONNREFUSED);
      Disconnected(pcb);
      return;
    }
    pcb->peer = LoopPcbOf(made);
    pcb->peer->peer = pcb;
    pcb->peer->peer_port = pcb->port;
    Kick(pcb);
    return;
  }
  pcb->connecting = false;
  LoopPcb* peer = pcb->peer;
  soisconnected(pcb->so);
  soisconnected(peer->so);
}

void SendEnd(LoopPcb* pcb) {
  LoopPcb* peer = pcb->peer;
  pcb->fin_sent = true;
  if (peer == nullptr) {
    Disconnected(pcb);
    return;
  }
  peer->fin_received = true;
  if (peer->fin_sent) {
    Disconnected(peer);
    Disconnected(pcb);
  } else {
    socantrcvmore(peer->so);
  }
}

// Moves what fits from so_snd to the peer's so_rcv.
void MoveBytes(LoopPcb* pcb) {
  sockbuf* snd = &pcb->so->so_snd;
  if (pcb->peer != nullptr && snd->sb_cc > 0) {
    socket* to = pcb->peer->so;
    const bool deaf = (to->so_state & SS_CANTRCVMORE) != 0;  // takes everything, keeps nothing
    const auto queued = static_cast<int64_t>(snd->sb_cc);
    const int64_t room = deaf ? queued : std::max<int64_t>(sbspace(&to->so_rcv), 0);
    const int n = Loop().stalled ? 0 : static_cast<int>(std::min(room, queued));
    if (n > 0) {
      MbufPtr bytes = m_copym(snd->sb_mb, 0, n, M_DONTWAIT);
      if (bytes == nullptr) {
        Kick(pcb);
        return;
      }
      if (!deaf) sbappendstream(&to->so_rcv, std::move(bytes));
      sbdrop(snd, n);
      sorwakeup(to);
      sowwakeup(pcb->so);
    }
  }
  if (snd->sb_cc == 0 && pcb->fin_wanted && !pcb->fin_sent) SendEnd(pcb);
}

void RunEvent(Event* event) {
  auto* pcb = reinterpret_cast<LoopPcb*>(event);
  if (pcb->connecting) {
    Handshake(pcb);
  } else {
    MoveBytes(pcb);
  }
}

// --- Requests. ---

int loop_attach(socket* so, int) {
  LoopHost& loop = Loop();
  if (loop.attach_error != 0) return std::exchange(loop.attach_error, 0);
  if (so->so_pcb != nullptr) return EISCONN;
  if (so->so_snd.sb_hiwat == 0 || so->so_rcv.sb_hiwat == 0) {
    if (const int error = soreserve(so, kLoopSpace, kLoopSpace)) return error;
  }
  auto* pcb = new LoopPcb;
  pcb->event.handler = RunEvent;
  pcb->event.ipl = IPL_SOFTNET;
  pcb->so = so;
  so->so_pcb = pcb;
  loop.pcbs.push_back(pcb);
  return 0;
}

int loop_detach(socket* so) {
  LoopPcb* pcb = LoopPcbOf(so);
  const int error = std::exchange(Loop().detach_error, 0);
  if (pcb->fin_wanted && pcb->peer != nullptr) return error;  // closes on without its descriptor
  soisdisconnected(so);
  Drop(pcb);
  return error;
}

int loop_bind(socket* so, mbuf* nam, proc*) {
  const uint16_t port = LoopPort(nam);
  if (LoopPcbOf(so)->port != 0) return EINVAL;
  if (FindPort(port, so->so_type) != nullptr) return EADDRINUSE;
  LoopPcbOf(so)->port = port;
  return 0;
}

int loop_listen(socket* so) { return LoopPcbOf(so)->port != 0 ? 0 : EINVAL; }

int loop_connect(socket* so, mbuf* nam) {
  LoopPcb* pcb = LoopPcbOf(so);
  if (pcb == nullptr) return EINVAL;
  pcb->peer_port = LoopPort(nam);
  pcb->connecting = true;
  soisconnecting(so);
  Kick(pcb);
  return 0;
}

int loop_accept(socket* so, mbuf* nam) {
  const MbufPtr address = LoopAddress(LoopPcbOf(so) != nullptr ? LoopPcbOf(so)->peer_port : 0);
  std::memcpy(nam->m_data, address->m_data, static_cast<size_t>(address->m_len));
  nam->m_len = address->m_len;
  return 0;
}

int loop_disconnect(socket* so) {
  LoopPcb* pcb = LoopPcbOf(so);
  if (Loop().disconnect_error != 0) return std::exchange(Loop().disconnect_error, 0);
  if ((so->so_options & kSoLinger) != 0 && so->so_linger == 0) {
    if (pcb->peer != nullptr) LoopReset(pcb->peer->so, ECONNRESET);
    Disconnected(pcb);
    return 0;
  }
  soisdisconnecting(so);
  pcb->fin_wanted = true;
  Kick(pcb);
  if (pcb->peer != nullptr) Kick(pcb->peer);  // what it could not deliver is thrown away now
  return 0;
}

int loop_shutdown(socket* so) {
  if ((so->so_state & SS_CANTSENDMORE) != 0) return 0;
  socantsendmore(so);
  LoopPcbOf(so)->fin_wanted = true;
  Kick(LoopPcbOf(so));
  return 0;
}

void loop_rcvd(socket* so, int) {
  ++Loop().rcvd_calls;
  LoopPcb* pcb = LoopPcbOf(so);
  if (pcb->peer != nullptr && pcb->peer->so->so_snd.sb_cc > 0) Kick(pcb->peer);
}

void Note(const socket* so, const mbuf* m) {
  LoopHost& loop = Loop();
  ++loop.send_calls;
  loop.sent_options.push_back(so->so_options);
  loop.sent_lengths.push_back(m_length(m));
  loop.sent_hints.push_back((so->so_state & SS_ISSENDING) != 0);
}

int loop_send(socket* so, MbufPtr m, mbuf*, MbufPtr control) {
  Note(so, m.get());
  if (Loop().send_error != 0) return Loop().send_error;
  if (control != nullptr && control->m_len > 0 && !Loop().drops_control) return EINVAL;
  if (so->so_pcb == nullptr) return EINVAL;
  sbappendstream(&so->so_snd, std::move(m));
  Kick(LoopPcbOf(so));
  return 0;
}

// The urgent byte travels at once, ahead of what so_snd holds: enough for the layer above.
int loop_sendoob(socket* so, MbufPtr m, mbuf*, MbufPtr) {
  LoopPcb* peer = LoopPcbOf(so)->peer;
  if (peer == nullptr) return ENOTCONN;
  socket* to = peer->so;
  to->so_oobmark = to->so_rcv.sb_cc;
  if (to->so_oobmark == 0) to->so_state |= SS_RCVATMARK;
  peer->urgent = *mtod<char>(m.get());
  peer->has_urgent = true;
  sohasoutofband(to);
  return 0;
}

int loop_rcvoob(socket* so, mbuf* m, int flags) {
  LoopPcb* pcb = LoopPcbOf(so);
  if (!pcb->has_urgent) return EINVAL;
  *mtod<char>(m) = pcb->urgent;
  m->m_len = 1;
  if ((flags & MSG_PEEK) == 0) pcb->has_urgent = false;
  return 0;
}

void loop_abort(socket* so) {
  LoopPcb* pcb = LoopPcbOf(so);
  if (pcb->peer != nullptr) LoopReset(pcb->peer->so, ECONNRESET);
  so_seterror(so, ECONNABORTED);
  Disconnected(pcb);
}

int loop_sense(socket* so, struct stat* sb) {
  sb->st_blksize = static_cast<blksize_t>(so->so_snd.sb_hiwat);
  return 0;
}

int loop_ctloutput(prc_setopt op, socket*, int level, int optname, mbuf* m) {
  Loop().last_option = optname;
  ++Loop().option_calls;
  if (level != IPPROTO_TCP && level != SOL_SOCKET) return ENOPROTOOPT;
  if (op == PRCO_GETOPT) {
    const int value = 42;
    std::memcpy(m->m_data, &value, sizeof(value));
    m->m_len = sizeof(value);
  }
  return 0;
}

int loop_connect2(socket* so1, socket* so2) {
  LoopPcbOf(so1)->peer = LoopPcbOf(so2);
  LoopPcbOf(so2)->peer = LoopPcbOf(so1);
  soisconnected(so1);
  soisconnected(so2);
  return 0;
}

// --- Datagrams and records. ---

int dgram_connect(socket* so, mbuf* nam) {
  LoopPcb* pcb = LoopPcbOf(so);
  pcb->peer = FindPort(LoopPort(nam), so->so_type);
  if (pcb->peer == nullptr) return ECONNREFUSED;
  soisconnected(so);
  return 0;
}

int dgram_disconnect(socket* so) {
  LoopPcbOf(so)->peer = nullptr;
  so->so_state &= ~SS_ISCONNECTED;
  return 0;
}

int dgram_detach(socket* so) {
  soisdisconnected(so);
  Drop(LoopPcbOf(so));
  return 0;
}

int dgram_send(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  Note(so, m.get());
  if (Loop().send_error != 0) return Loop().send_error;
  LoopPcb* to = nam != nullptr ? FindPort(LoopPort(nam), so->so_type) : LoopPcbOf(so)->peer;
  if (to == nullptr) return ECONNREFUSED;
  const MbufPtr from = LoopAddress(LoopPcbOf(so)->port);
  if (sbappendaddr(&to->so->so_rcv, mtod<sockaddr>(from.get()), static_cast<socklen_t>(from->m_len),
                   m, control) == 0) {
    return ENOBUFS;
  }
  sorwakeup(to->so);
  return 0;
}

int record_send(socket* so, MbufPtr m, mbuf*, MbufPtr control) {
  Note(so, m.get());
  if (Loop().send_error != 0) return Loop().send_error;
  socket* to = LoopPcbOf(so)->peer->so;
  if (control == nullptr) {
    sbappendrecord(&to->so_rcv, std::move(m));
  } else if (sbappendcontrol(&to->so_rcv, m, control) == 0) {
    return ENOBUFS;
  }
  sorwakeup(to);
  return 0;
}

void record_rcvd(socket*, int) {}

constexpr pr_usrreqs kStreamRequests = {
    .pru_attach = loop_attach,
    .pru_detach = loop_detach,
    .pru_bind = loop_bind,
    .pru_listen = loop_listen,
    .pru_connect = loop_connect,
    .pru_accept = loop_accept,
    .pru_disconnect = loop_disconnect,
    .pru_shutdown = loop_shutdown,
    .pru_rcvd = loop_rcvd,
    .pru_send = loop_send,
    .pru_sendoob = loop_sendoob,
    .pru_rcvoob = loop_rcvoob,
    .pru_abort = loop_abort,
    .pru_control = nullptr,
    .pru_sense = loop_sense,
    .pru_sockaddr = nullptr,
    .pru_peeraddr = nullptr,
    .pru_connect2 = loop_connect2,
    .pru_peereid = nullptr,
};

constexpr pr_usrreqs kDatagramRequests = {
    .pru_attach = loop_attach,
    .pru_detach = dgram_detach,
    .pru_bind = loop_bind,
    .pru_listen = nullptr,
    .pru_connect = dgram_connect,
    .pru_accept = nullptr,
    .pru_disconnect = dgram_disconnect,
    .pru_shutdown = nullptr,
    .pru_rcvd = nullptr,
    .pru_send = dgram_send,
    .pru_sendoob = nullptr,
    .pru_rcvoob = nullptr,
    .pru_abort = loop_abort,
    .pru_control = nullptr,
    .pru_sense = nullptr,
    .pru_sockaddr = nullptr,
    .pru_peeraddr = nullptr,
    .pru_connect2 = nullptr,
    .pru_peereid = nullptr,
};

constexpr pr_usrreqs kRecordRequests = {
    .pru_attach = loop_attach,
    .pru_detach = dgram_detach,
    .pru_bind = loop_bind,
    .pru_listen = loop_listen,
    .pru_connect = nullptr,
    .pru_accept = nullptr,
    .pru_disconnect = nullptr,
    .pru_shutdown = nullptr,
    .pru_rcvd = record_rcvd,
    .pru_send = record_send,
    .pru_sendoob = nullptr,
    .pru_rcvoob = nullptr,
    .pru_abort = loop_abort,
    .pru_control = nullptr,
    .pru_sense = nullptr,
    .pru_sockaddr = nullptr,
    .pru_peeraddr = nullptr,
    .pru_connect2 = loop_connect2,
    .pru_peereid = nullptr,
};

extern const domain kLoopDomain;

constexpr std::array kProtocols = std::to_array<protosw>({
    {SOCK_STREAM, &kLoopDomain, IPPROTO_TCP,
     PR_CONNREQUIRED | PR_WANTRCVD | PR_ABRTACPTDIS | PR_SPLICE, &kStreamRequests, loop_ctloutput},
    {SOCK_DGRAM, &kLoopDomain, IPPROTO_UDP, PR_ATOMIC | PR_ADDR | PR_SPLICE, &kDatagramRequests,
     nullptr},
    {SOCK_SEQPACKET, &kLoopDomain, 99, PR_ATOMIC | PR_CONNREQUIRED | PR_WANTRCVD, &kRecordRequests,
     nullptr},
    {SOCK_RAW, &kLoopDomain, 0, PR_ATOMIC | PR_ADDR, &kDatagramRequests, nullptr},
});

constexpr domain kLoopDomain = {
    .dom_family = AF_INET,
    .dom_name = "loop",
    .dom_externalize = nullptr,
    .dom_dispose = nullptr,
    .dom_protosw = kProtocols,
};

}  // namespace

void loop_boot(HostBase& host) {
  HostLocal<LoopHost>::Make(host);
  domain_register(host, &kLoopDomain);
}

MbufPtr LoopAddress(uint16_t port) {
  sockaddr_in sin = {};
  sin.sin_family = AF_INET;
  sin.sin_port = htons(port);
  MbufPtr m = m_get(M_DONTWAIT, MT_SONAME);
  std::memcpy(m->m_data, &sin, sizeof(sin));
  m->m_len = sizeof(sin);
  return m;
}

uint16_t LoopPort(const mbuf* nam) {
  sockaddr_in sin;
  std::memcpy(&sin, nam->m_data, sizeof(sin));
  return ntohs(sin.sin_port);
}

void LoopReset(socket* so, int error) {
  const SplScope spl(IPL_SOFTNET);
  so_seterror(so, error);
  Disconnected(LoopPcbOf(so));
}

}  // namespace sockbed
