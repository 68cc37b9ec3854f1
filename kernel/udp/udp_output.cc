#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_private.h"
#include "kernel/udp/udp_wire.h"

namespace sockbed {

namespace {

// What ancillary data asks of one datagram.
struct SendOptions {
  in_addr source{};        // 0: as usual
  uint32_t interface = 0;  // it must leave by; 0: any
  uint8_t ttl, tos;
  ip_moptions multicast;  // with control messages only: the socket's, and what they change
};

template <typename T>
bool ReadValue(const char* data, size_t size, T* value) {
  if (size != sizeof *value) return false;
  std::memcpy(value, data, sizeof *value);
  return true;
}

// One control message. Errors: EINVAL (unknown, wrong length or value).
int ReadMessage(int type, const char* data, size_t size, SendOptions* options) {
  int value = 0;
  in_pktinfo info;
  switch (type) {
    case kIpRecvDstAddr:  // as IP_SENDSRCADDR
      return ReadValue(data, size, &options->source) ? 0 : EINVAL;
    case IP_PKTINFO:
      if (!ReadValue(data, size, &info) || info.ipi_ifindex < 0) return EINVAL;
      options->interface = static_cast<uint32_t>(info.ipi_ifindex);
      if (options->interface != 0) options->multicast.imo_ifidx = options->interface;
      options->source = info.ipi_spec_dst;
      return 0;
    case IP_TTL:
      if (!ReadValue(data, size, &value) || value < 1 || value > 255) return EINVAL;
      options->ttl = options->multicast.imo_ttl = static_cast<uint8_t>(value);
      return 0;
    case IP_TOS:
      if (!ReadValue(data, size, &value) || value < 0 || value > 255) return EINVAL;
      options->tos = static_cast<uint8_t>(value);
      return 0;
    default:
      return EINVAL;
  }
}

int ReadControl(const inpcb* inp, const mbuf* control, SendOptions* options) {
  if (control == nullptr) return 0;
  if (const ip_moptions* imo = inp->inp_moptions) {
    options->multicast = {.imo_ifidx = imo->imo_ifidx,
                          .imo_ttl = imo->imo_ttl,
                          .imo_loop = imo->imo_loop,
                          .imo_membership = {}};
  }
  if (control->m_next != nullptr) return EINVAL;
  const size_t total = static_cast<size_t>(control->m_len);
  for (size_t at = 0; at < total;) {
    cmsghdr header;
    if (total - at < sizeof header) return EINVAL;
    std::memcpy(&header, control->m_data + at, sizeof header);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > total - at) return EINVAL;
    if (header.cmsg_level != IPPROTO_IP) return EINVAL;
    const int error = ReadMessage(header.cmsg_type, control->m_data + at + CMSG_LEN(0),
                                  header.cmsg_len - CMSG_LEN(0), options);
    if (error != 0) return error;
    at += std::min(CMSG_ALIGN(header.cmsg_len), total - at);
  }
  return 0;
}

// Where the datagram goes: `nam`, or the peer.
int Destination(const inpcb* inp, const mbuf* nam, sockaddr_in* dst) {
  const bool connected = (inp->inp_socket->so_state & SS_ISCONNECTED) != 0;
  if (nam == nullptr) {
    if (!connected) return ENOTCONN;
    dst->sin_addr = inp->inp_faddr;
    dst->sin_port = inp->inp_fport;
    return 0;
  }
  if (connected) return EISCONN;
  const int error = in_nam2sin(nam, dst);
  if (error != 0) return error;
  return dst->sin_port == 0 ? EADDRNOTAVAIL : 0;
}

// Which of our addresses it comes from, if it may leave by the interface that was asked for. An
// unbound socket gets its port here; its address stays open.
int Source(inpcb* inp, in_addr dst, const SendOptions& options, in_addr* src) {
  int error = in_pcbselsrc(src, inp, dst);
  const bool by_interface = options.interface != 0 && in_ismulticast(dst);
  if (by_interface) {
    const ifnet* ifp = if_byindex(inp->inp_table->host(), options.interface);
    const in_ifaddr* ifa = ifp != nullptr ? in_ifaof(ifp) : nullptr;
    if (ifa == nullptr) return EADDRNOTAVAIL;
    if (in_isany(inp->inp_laddr)) *src = ifa->ia_addr;
    error = 0;
  }
  if (!in_isany(options.source)) {
    const bool bound_elsewhere =
        !in_isany(inp->inp_laddr) && inp->inp_laddr.s_addr != options.source.s_addr;
    if (bound_elsewhere || in_ifawithaddr(options.source) == nullptr) return EADDRNOTAVAIL;
    *src = options.source;
  } else if (error != 0) {
    return error;
  }
  if (options.interface != 0 && !by_interface) {
    const rtentry* rt = rtalloc(&inp->inp_route, dst);
    if (rt == nullptr || rt->rt_ifp->if_index != options.interface) return EADDRNOTAVAIL;
  }
  return inp->inp_lport == 0 ? in_pcbbind(inp, nullptr, curproc()) : 0;
}

}  // namespace

int udp_output(inpcb* inp, MbufPtr m, const mbuf* nam, MbufPtr control) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  UdpHost& udp = udp_here();
  const int length = m->m_pkthdr.len;
  if (length > kUdpDataMax) return EMSGSIZE;
  SendOptions options = {.ttl = inp->inp_ip.ip_ttl, .tos = inp->inp_ip.ip_tos};
  int error = ReadControl(inp, control.get(), &options);
  if (error != 0) return error;
  sockaddr_in dst{};
  error = Destination(inp, nam, &dst);
  if (error != 0) return error;
  in_addr src;
  error = Source(inp, dst.sin_addr, options, &src);
  if (error != 0) return error;

  constexpr int kHeaders = kIpv4HeaderMin + kUdpHeader;
  m = m_prepend(std::move(m), kHeaders, M_DONTWAIT);
  if (m == nullptr) return ENOBUFS;
  Ipv4Header{.total_length = kHeaders + length,
             .tos = options.tos,
             .ttl = options.ttl,
             .protocol = IPPROTO_UDP,
             .source = src,
             .destination = dst.sin_addr}
      .Write(m->m_data, kHeaders);
  UdpHeader{.source_port = ntohs(inp->inp_lport),
            .destination_port = ntohs(dst.sin_port),
            .length = kUdpHeader + length}
      .Write(m->m_data + kIpv4HeaderMin, kUdpHeader);
  m->m_pkthdr.csum_flags = udp.checksum != 0 ? M_UDP_CSUM_OUT : 0;
  ++udp.udpstat[udps_opackets];
  CauseScope cause(Emit(Room::kUdp, static_cast<uint8_t>(UdpRecord::kOut), inp->inp_id,
                        udp_endpoint(src, inp->inp_lport), udp_endpoint(dst.sin_addr, dst.sin_port),
                        static_cast<uint64_t>(length)));
  ip_moptions* imo = control != nullptr ? &options.multicast : inp->inp_moptions;
  return ip_output(std::move(m), inp->inp_options, &inp->inp_route, in_pcboutflags(inp), imo, inp);
}

}  // namespace sockbed
