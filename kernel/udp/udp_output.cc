#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/udp_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_private.h"

namespace sockbed {

namespace {

// What ancillary data and sticky options ask of one datagram.
struct SendOptions {
  inpaddru source;         // any: as usual
  uint32_t interface = 0;  // it must leave by; 0: any
  uint8_t ttl, tos;        // of IPv4
  ip_moptions multicast;   // with control messages only: the socket's, and what they change
  ip6_pktopts v6;
};

template <typename T>
bool ReadValue(const char* data, size_t size, T* value) {
  if (size != sizeof *value) return false;
  std::memcpy(value, data, sizeof *value);
  return true;
}

// One control message of IPv4. Errors: EINVAL (unknown, wrong length or value).
int ReadMessage(int type, const char* data, size_t size, SendOptions* options) {
  int value = 0;
  in_addr source;
  in_pktinfo info;
  switch (type) {
    case kIpRecvDstAddr:  // as IP_SENDSRCADDR
      if (!ReadValue(data, size, &source)) return EINVAL;
      options->source = source;
      return 0;
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
    default: return EINVAL;
  }
}

// Errors: EINVAL (malformed, another level), and those of the messages.
int ReadControl(const inpcb* inp, const mbuf* control, SendOptions* options) {
  if (control == nullptr) return 0;
  if (const ip_moptions* imo = inp->inp_moptions) {
    options->multicast = {.imo_ifidx = imo->imo_ifidx,
                          .imo_ttl = imo->imo_ttl,
                          .imo_loop = imo->imo_loop,
                          .imo_membership = {}};
  }
  if (in_pcbis6(inp)) return ip6_setpktopts(control, &options->v6);
  return in_readcontrol(control, IPPROTO_IP, [options](int type, const char* data, size_t size) {
    return ReadMessage(type, data, size, options);
  });
}

// Where the datagram goes: `nam`, or the peer. An address of a link may get its zone from the
// interface that the options name.
int Destination(const inpcb* inp, const mbuf* nam, const SendOptions& options, InetName* dst) {
  const bool connected = (inp->inp_socket->so_state & SS_ISCONNECTED) != 0;
  if (nam == nullptr) {
    if (!connected) return ENOTCONN;
    *dst = {inp->inp_faddr, inp->inp_fport};
    return 0;
  }
  if (connected) return EISCONN;
  const int error = in_pcbpeername(inp, nam, dst);
  if (error != 0) return error;
  if (in_pcbis6(inp)) dst->addr = in6_setscope(dst->addr.v6(), options.v6.ip6po_ifindex);
  return dst->port == 0 ? EADDRNOTAVAIL : 0;
}

// Whether the datagram must leave by another interface than it would.
bool IsElsewhere(inpcb* inp, const inpaddru& dst, uint32_t interface) {
  if (interface == 0 || dst.is_any()) return false;
  if (!dst.is_v4() && in6_isscoped(dst.v6())) return in6_zone(dst.v6()) != interface;
  const rtentry* rt = rtalloc(&inp->inp_route, dst);
  return rt == nullptr || rt->rt_ifp->if_index != interface;
}

bool MaySpeakFrom(const inpaddru& a) {
  return a.is_v4() ? in_ifawithaddr(a.v4()) != nullptr : in6_issource(a.v6());
}

// The source of a multicast that must leave by the interface that was asked for.
int InterfaceSource(const inpcb* inp, uint32_t interface, const inpaddru& dst, inpaddru* src) {
  const ifnet* ifp = if_byindex(inp->inp_table->host(), interface);
  if (ifp == nullptr) return EADDRNOTAVAIL;
  inpaddru found;
  if (dst.is_v4()) {
    if (const in_ifaddr* ifa = in_ifaof(ifp)) found = ifa->ia_addr;
  } else {
    if (const in6_ifaddr* ia6 = in6_ifawithscope(ifp, dst.v6())) found = ia6->ia_addr;
  }
  if (found.is_any()) return EADDRNOTAVAIL;
  *src = in_pcbhassource(inp) ? inp->inp_laddr : found;
  return 0;
}

// Whether it goes to a peer of IPv4. "Any" is of the socket's own family.
bool GoesTo4(const inpcb* inp, const inpaddru& dst) {
  return dst.is_any() ? !in_pcbis6(inp) : dst.is_v4();
}

// Which of our addresses it comes from, if it may leave by the interface that was asked for. A
// connected socket's was chosen when it was connected, unless it is bound to a group or the like.
// An unbound one gets its port here; its address stays open.
int Source(inpcb* inp, const inpaddru& dst, const SendOptions& options, inpaddru* src) {
  *src = inp->inp_laddr;
  const bool chosen = !inp->inp_faddr.is_any() && (inp->inp_flags & INP_OFMANY) == 0;
  int error = chosen ? 0 : in_pcbselsrc(src, inp, dst);
  const uint32_t interface = in_pcbis6(inp) ? options.v6.ip6po_ifindex : options.interface;
  const bool by_interface = interface != 0 && in_isgroup(dst);
  if (by_interface) {
    error = InterfaceSource(inp, interface, dst, src);
    if (error != 0) return error;
  }
  const inpaddru wanted = in_pcbis6(inp) ? options.v6.ip6po_addr : options.source;
  if (!wanted.is_any()) {
    const bool bound_elsewhere = !inp->inp_laddr.is_any() && inp->inp_laddr != wanted;
    const bool of_other_family = wanted.is_v4() != GoesTo4(inp, dst);
    if (bound_elsewhere || of_other_family || !MaySpeakFrom(wanted)) return EADDRNOTAVAIL;
    *src = wanted;
  } else if (error != 0) {
    return error;
  }
  if (!by_interface && IsElsewhere(inp, dst, interface)) return EADDRNOTAVAIL;
  return inp->inp_lport == 0 ? in_pcbbind(inp, nullptr, curproc()) : 0;
}

void WriteUdp(char* at, const inpcb* inp, const InetName& dst, int length) {
  UdpHeader{.source_port = ntohs(inp->inp_lport),
            .destination_port = ntohs(dst.port),
            .length = kUdpHeader + length}
      .Write(at, kUdpHeader);
}

// Leaves the record of a datagram that goes out.
TraceId NoteOut(const inpcb* inp, const inpaddru& src, const InetName& dst, int length) {
  udpstat_inc(udps_opackets);
  return udp_note(UdpRecord::kOut, inp->inp_id, {src, inp->inp_lport}, dst,
                  static_cast<uint64_t>(length));
}

// REQUIRES: no more than kUdpDataMax bytes.
[[gnu::always_inline]] inline int Send4(inpcb* inp, MbufPtr m, uint8_t ttl, uint8_t tos,
                                        ip_moptions* imo, const inpaddru& src,
                                        const InetName& dst) {
  const int length = m->m_pkthdr.len;
  const CauseScope cause(NoteOut(inp, src, dst, length));
  constexpr int kHeaders = kIpv4HeaderMin + kUdpHeader;
  m = m_prepend(std::move(m), kHeaders, M_DONTWAIT);
  if (m == nullptr) return ENOBUFS;
  Ipv4Header{.total_length = kHeaders + length,
             .tos = tos,
             .ttl = ttl,
             .protocol = IPPROTO_UDP,
             .source = src.v4(),
             .destination = dst.addr.v4()}
      .Write(m->m_data, kHeaders);
  WriteUdp(m->m_data + kIpv4HeaderMin, inp, dst, length);
  m->m_pkthdr.csum_flags = udp_here().checksum != 0 ? M_UDP_CSUM_OUT : 0;
  return ip_output(std::move(m), inp->inp_options, &inp->inp_route, in_pcboutflags(inp), imo, inp);
}

int Send6(inpcb* inp, MbufPtr m, const ip6_pktopts& opt, const inpaddru& src, const InetName& dst) {
  const int length = m->m_pkthdr.len;
  const CauseScope cause(NoteOut(inp, src, dst, length));
  if (length > kUdp6DataMax) return EMSGSIZE;
  constexpr int kHeaders = kIpv6Header + kUdpHeader;
  m = m_prepend(std::move(m), kHeaders, M_DONTWAIT);
  if (m == nullptr) return ENOBUFS;
  const int hops = in6_selecthlim(opt.ip6po_hlim >= 0 ? opt.ip6po_hlim : inp->inp_hops,
                                  &inp->inp_route, dst.addr);
  Ipv6Header{.payload_length = kUdpHeader + length,
             .traffic_class = static_cast<uint8_t>(std::max(opt.ip6po_tclass, 0)),
             .flow_label = inp->inp_flowinfo,
             .hop_limit = static_cast<uint8_t>(hops),
             .next_header = IPPROTO_UDP,
             .source = src.v6(),
             .destination = dst.addr.v6()}
      .Write(m->m_data, kHeaders);
  WriteUdp(m->m_data + kIpv6Header, inp, dst, length);
  m->m_pkthdr.csum_flags = M_UDP_CSUM_OUT;  // never without (RFC 8200 8.1)
  return ip6_pcboutput(inp, std::move(m), opt, dst);
}

// IPv6's terms in IPv4's, for a peer of IPv4 of a socket that is open to both.
void TakeOver(const ip6_pktopts& opt, SendOptions* options) {
  if (opt.ip6po_hlim >= 0) options->ttl = static_cast<uint8_t>(opt.ip6po_hlim);
  if (opt.ip6po_tclass >= 0) options->tos = static_cast<uint8_t>(opt.ip6po_tclass);
}

// A datagram that has a destination of its own, or options. Errors: as udp_output.
[[gnu::noinline]] int SendAsAsked(inpcb* inp, MbufPtr m, const mbuf* nam, const mbuf* control) {
  SendOptions options = {.source = {},
                         .ttl = inp->inp_ip.ip_ttl,
                         .tos = inp->inp_ip.ip_tos,
                         .multicast = {},
                         .v6 = in_pcbpktopts(inp)};
  int error = ReadControl(inp, control, &options);
  if (error != 0) return error;
  InetName dst;
  error = Destination(inp, nam, options, &dst);
  if (error != 0) return error;
  inpaddru src;
  error = Source(inp, dst.addr, options, &src);
  if (error != 0) return error;
  if (!GoesTo4(inp, dst.addr)) return Send6(inp, std::move(m), options.v6, src, dst);
  if (in_pcbis6(inp)) TakeOver(options.v6, &options);
  ip_moptions* imo = control != nullptr ? &options.multicast : inp->inp_moptions;
  return Send4(inp, std::move(m), options.ttl, options.tos, imo, src, dst);
}

}  // namespace

int udp_output(inpcb* inp, MbufPtr m, const mbuf* nam, MbufPtr control) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  if (m->m_pkthdr.len > kUdpDataMax) return EMSGSIZE;
  const bool connected = (inp->inp_socket->so_state & SS_ISCONNECTED) != 0;
  const bool plain = nam == nullptr && control == nullptr && connected &&
                     (inp->inp_flags & (INP_IPV6 | INP_OFMANY)) == 0;
  if (!plain || !inp->inp_faddr.is_v4()) return SendAsAsked(inp, std::move(m), nam, control.get());
  return Send4(inp, std::move(m), inp->inp_ip.ip_ttl, inp->inp_ip.ip_tos, inp->inp_moptions,
               inp->inp_laddr, {inp->inp_faddr, inp->inp_fport});
}

}  // namespace sockbed
