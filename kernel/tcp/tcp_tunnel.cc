// TCP in UDP: a port of the host's takes datagrams that carry segments.
#include <cerrno>

#include "kernel/inet/in_tunnel.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sched/spl.h"
#include "kernel/socket/socket.h"
#include "kernel/tcp/tcp_ip.h"
#include "kernel/tcp/tcp_private.h"

namespace sockbed {
namespace {

void TunnelInput(MbufPtr m, int off) {
  ++HostLocal<TcpHost>::Get().stat[tcps_tunneled_pkts];
  const UdpView uh(m->m_data + off - kUdpHeader, kUdpHeader);
  const uint16_t port = uh.source_port();
  tcp_input_from(std::move(m), off, port);
}

void TunnelCtlinput(const IcmpError& told) {
  const UdpView uh(told.transport, static_cast<size_t>(told.transport_len));
  IcmpError inner = told;
  inner.transport += kUdpHeader;
  inner.transport_len -= kUdpHeader;  // what is too short, TCP sees
  tcp_ctlinput_from(inner, uh.destination_port());
}

constexpr InetTunnel kTunnel = {TunnelInput, TunnelCtlinput};

// A socket of the kernel's own. Errors: those of socreate and sobind; ENOBUFS.
int OpenSocket(sa_family_t family, uint16_t port, socket** so) {
  if (const int error = socreate(family, so, SOCK_DGRAM, IPPROTO_UDP)) return error;
  inpcb* inp = sotoinpcb(*so);
  inp->inp_tunnel = &kTunnel;
  if (in_pcbis6(inp)) inp->inp_flags |= INP_V6ONLY;
  MbufPtr nam = m_get(M_DONTWAIT, MT_SONAME);
  if (nam == nullptr) return ENOBUFS;
  if (family == AF_INET) {
    in_sin2nam(in_addr{}, htons(port), nam.get());
  } else {
    in6_sin2nam(in6_addr{}, htons(port), nam.get());
  }
  return sobind(*so, nam.get(), nullptr);
}

}  // namespace

int tcp_tunnel_open(TcpHost& host, int64_t port) {
  if (port != 0 && host.tunables.freebsd_options == 0) return ENOPROTOOPT;
  tcp_tunnel_close(host);
  if (port == 0) return 0;
  constexpr sa_family_t kFamilies[] = {AF_INET, AF_INET6};
  for (size_t i = 0; i < std::size(kFamilies); ++i) {
    const int error = OpenSocket(kFamilies[i], static_cast<uint16_t>(port), &host.udp_sockets[i]);
    if (error == 0) continue;
    tcp_tunnel_close(host);
    return error;
  }
  return 0;
}

void tcp_tunnel_close(TcpHost& host) {
  const SplScope spl(IPL_SOFTNET);
  host.tunables.udp_tunneling_port = 0;
  for (socket*& so : host.udp_sockets) {
    if (so == nullptr) continue;
    so->so_state |= SS_NOFDREF;  // nobody but us has known it
    soabort(std::exchange(so, nullptr));
  }
}

}  // namespace sockbed
