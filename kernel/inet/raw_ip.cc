#include "kernel/inet/raw_ip.h"

#include <errno.h>

#include <cstring>
#include <memory>
#include <utility>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/raw_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

namespace {

constexpr uint64_t kRawSpace = 8192;  // bytes, both ways
constexpr int kProtocolMax = 255;

bool IsConnected(const socket* so) { return (so->so_state & SS_ISCONNECTED) != 0; }

// --- Requests. ---

int rip_attach(socket* so, int protocol) {
  if (so->so_pcb != nullptr) return EINVAL;
  if ((so->so_state & SS_PRIV) == 0) return EACCES;
  if (protocol < 0 || protocol > kProtocolMax) return EPROTONOSUPPORT;
  if (const int error = soreserve(so, kRawSpace, kRawSpace)) return error;
  const bool v6 = so->so_proto->pr_domain->dom_family == AF_INET6;
  InetHost& inet = inet_here();
  if (const int error = in_pcballoc(so, v6 ? inet.v6.raw.get() : inet.raw.get())) return error;
  auto raw = std::make_unique<rawcb>();
  raw->protocol = static_cast<uint8_t>(protocol);
  sotoinpcb(so)->inp_ppcb = raw.release() /*taken*/;
  return 0;
}

int rip_detach(socket* so) {
  inpcb* inp = sotoinpcb(so);
  if (inp == nullptr) return EINVAL;
  delete RawOf(inp);
  inp->inp_ppcb = nullptr;
  in_pcbdetach(inp);
  return 0;
}

int rip_bind(socket* so, mbuf* nam, proc*) {
  InetName name;
  if (const int error = in_nam2name(sotoinpcb(so), nam, &name)) return error;
  if (const int error = in_pcbaddrisavail(sotoinpcb(so), name.addr)) return error;
  RawOf(sotoinpcb(so))->laddr = name.addr;
  return 0;
}

int rip_connect(socket* so, mbuf* nam) {
  InetName name;
  if (const int error = in_nam2name(sotoinpcb(so), nam, &name)) return error;
  RawOf(sotoinpcb(so))->faddr = name.addr;
  soisconnected(so);
  return 0;
}

int rip_disconnect(socket* so) {
  if (!IsConnected(so)) return ENOTCONN;
  RawOf(sotoinpcb(so))->faddr = {};
  so->so_state &= ~SS_ISCONNECTED;
  return 0;
}

int rip_shutdown(socket* so) {
  socantsendmore(so);
  return 0;
}

void rip_abort(socket* so) {
  soisdisconnected(so);
  (void)rip_detach(so);  // always 0 here
}

int rip_sense(socket*, struct stat*) { return 0; }  // no block size of its own

void SetName(const inpcb* inp, const inpaddru& addr, mbuf* nam) {
  socklen_t length;
  const sockaddr_in6 ss = in_sockaddr(inp, {addr, 0}, &length);
  std::memcpy(nam->m_data, &ss, length);
  nam->m_len = static_cast<int>(length);
}

int rip_sockaddr(socket* so, mbuf* nam) {
  SetName(sotoinpcb(so), RawOf(sotoinpcb(so))->laddr, nam);
  return 0;
}

int rip_peeraddr(socket* so, mbuf* nam) {
  SetName(sotoinpcb(so), RawOf(sotoinpcb(so))->faddr, nam);
  return 0;
}

// --- Sending. ---

// The header that a program has made, checked and completed. Null: *error says why.
MbufPtr CheckOwnHeader(MbufPtr m, int* error) {
  *error = EINVAL;
  if (m->m_pkthdr.len < kIpv4HeaderMin) return nullptr;
  m = m_pullup(std::move(m), kIpv4HeaderMin);
  if (m != nullptr) {
    const int hlen = ip_view(m.get()).header_length();
    if (hlen < kIpv4HeaderMin || hlen > m->m_pkthdr.len) return nullptr;
    m = m_pullup(std::move(m), hlen);
  }
  if (m == nullptr) {
    *error = ENOBUFS;
    return nullptr;
  }
  Ipv4Edit ip = ip_edit(m.get());
  if (ip.version() != 4 || ip.total_length() != m->m_pkthdr.len) return nullptr;
  if (ip.id() == 0) ip.set_id(inet_here().ids.Next());
  *error = 0;
  return m;
}

int rip_output(inpcb* inp, MbufPtr m, in_addr dst) {
  const rawcb* raw = RawOf(inp);
  const int flags = in_pcboutflags(inp);
  if (raw->header_included) {
    int error = 0;
    m = CheckOwnHeader(std::move(m), &error);
    if (m == nullptr) return error;
    return ip_output(std::move(m), nullptr, &inp->inp_route, flags | IP_RAWOUTPUT,
                     inp->inp_moptions, inp);
  }
  const int length = m->m_pkthdr.len + kIpv4HeaderMin;
  if (length > kIpv4PacketMax) return EMSGSIZE;
  m = m_prepend(std::move(m), kIpv4HeaderMin, M_DONTWAIT);
  if (m == nullptr) return ENOBUFS;
  Ipv4Header{.total_length = length,
             .tos = inp->inp_ip.ip_tos,
             .ttl = inp->inp_ip.ip_ttl,
             .protocol = raw->protocol,
             .source = in_isofmany(raw->laddr) ? in_addr{} : raw->laddr.v4(),  // ip_output chooses
             .destination = dst}
      .Write(m->m_data, kIpv4HeaderMin);
  return ip_output(std::move(m), inp->inp_options, &inp->inp_route, flags, inp->inp_moptions, inp);
}

int rip_send(socket* so, MbufPtr m, mbuf* nam, MbufPtr control) {
  inpcb* inp = sotoinpcb(so);
  if (control != nullptr && !in_pcbis6(inp)) return EINVAL;  // whoever wants more brings a header
  InetName name = {RawOf(inp)->faddr, 0};
  if (nam == nullptr && !IsConnected(so)) return ENOTCONN;
  if (nam != nullptr) {
    if (IsConnected(so)) return EISCONN;
    if (const int error = in_nam2name(inp, nam, &name)) return error;
  }
  return in_pcbis6(inp) ? rip6_output(inp, std::move(m), name.addr, control.get())
                        : rip_output(inp, std::move(m), name.addr.v4());
}

// --- Receiving. ---

bool Wants(const inpcb* inp, const mbuf* m) {
  const rawcb* raw = RawOf(inp);
  const Ipv4View ip = ip_view(m);
  if (raw->protocol != 0 && raw->protocol != ip.protocol()) return false;
  if (!raw->laddr.is_any() && raw->laddr != inpaddru(ip.destination())) return false;
  if (!raw->faddr.is_any() && raw->faddr != inpaddru(ip.source())) return false;
  return !in_ismulticast(ip.destination()) ||
         ip_hearsgroup(inp, m->m_pkthdr.ph_ifidx, ip.destination());
}

void Deliver(inpcb* inp, mbuf* m) {
  const Ipv4View ip = ip_view(m);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr = ip.source();
  socket* so = inp->inp_socket;
  MbufPtr control = ip_savecontrol(inp, m);
  MbufPtr copy = m_copym(m, 0, M_COPYALL, M_DONTWAIT);
  if (copy == nullptr || ip.ttl() < inp->inp_ip_minttl) {
    return ip_note_drop(ips_rawdropped, ip.source(), ip.destination(), m->m_pkthdr.len);
  }
  // Programs look at the bytes.
  in_proto_cksum_out(copy.get(), kTransportChecksumsOut | M_IPV4_CSUM_OUT);
  if (sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(&from), sizeof from, copy,
                   control) == 0) {
    return ip_note_drop(ips_rawdropped, ip.source(), ip.destination(), m->m_pkthdr.len);
  }
  sorwakeup(so);
}

int OptionHeaderIncluded(prc_setopt op, rawcb* raw, mbuf* m) {
  int value = raw->header_included ? 1 : 0;
  if (op == PRCO_GETOPT) {
    std::memcpy(m->m_data, &value, sizeof value);
    m->m_len = sizeof value;
    return 0;
  }
  if (m == nullptr || m->m_len != static_cast<int>(sizeof value)) return EINVAL;
  std::memcpy(&value, m->m_data, sizeof value);
  raw->header_included = value != 0;
  return 0;
}

}  // namespace

const pr_usrreqs rip_usrreqs = {
    .pru_attach = rip_attach,
    .pru_detach = rip_detach,
    .pru_bind = rip_bind,
    .pru_connect = rip_connect,
    .pru_disconnect = rip_disconnect,
    .pru_shutdown = rip_shutdown,
    .pru_send = rip_send,
    .pru_abort = rip_abort,
    .pru_sense = rip_sense,
    .pru_sockaddr = rip_sockaddr,
    .pru_peeraddr = rip_peeraddr,
    .pru_pcbbytes = sizeof(inpcb),
};

int rip_ctloutput(prc_setopt op, socket* so, int level, int optname, mbuf* m) {
  if (level == IPPROTO_IP && optname == IP_HDRINCL) {
    return OptionHeaderIncluded(op, RawOf(sotoinpcb(so)), m);
  }
  return ip_ctloutput(op, so, level, optname, m);
}

bool rip_input(mbuf* m, int hlen) {
  KASSERT(m->m_len >= hlen);
  bool wanted = false;
  for (inpcb* inp = inet_here().raw->first(); inp != nullptr; inp = inp->inp_queue_next) {
    if (!Wants(inp, m)) continue;
    wanted = true;
    Deliver(inp, m);
  }
  return wanted;
}

}  // namespace sockbed
