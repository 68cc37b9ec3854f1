// What of TCP depends on what carries a connection, IPv4 or IPv6, UDP in between or not: sizes, the
// headers in front, the way out.
//
// Lives here:  tcp_is4, tcp_headers, tcp_mssdflt, TcpName; tcp_ip_fields, tcp_lead, tcp_write_ip,
//              tcp_to_ip.
// Called by:   the files of tcp/ only.
// Owns:        tcp_to_ip takes its packet.
// Units:       ports in host order.
// Source:      RFC 9293 3.1, 3.7.1; RFC 8200 8.1, 8.3; FreeBSD sys/netinet/tcp_output.c (t_port).
#ifndef SOCKBED_KERNEL_TCP_TCP_IP_H_
#define SOCKBED_KERNEL_TCP_TCP_IP_H_

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/udp_wire.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_syncache.h"
#include "kernel/tcp/tcp_tunables.h"
#include "kernel/tcp/tcp_var.h"
#include "kernel/tcp/tcp_wire.h"

namespace sockbed {

inline constexpr uint32_t kTcpIpHeaders = kIpv4HeaderMin + kTcpHeaderMin;
inline constexpr uint32_t kTcpIp6Headers = kIpv6Header + kTcpHeaderMin;

// Whether a connection is one of IPv4; before it has a peer, whether its socket is.
inline bool tcp_is4(const inpcb* inp) {
  return inp->inp_faddr.is_any() ? !in_pcbis6(inp) : inp->inp_faddr.is_v4();
}
// Bytes of both headers without options.
inline uint32_t tcp_headers(bool v4) { return v4 ? kTcpIpHeaders : kTcpIp6Headers; }
// The same of a connection, with what lies in between.
inline uint32_t tcp_headers(const tcpcb* tp) {
  return tcp_headers(tcp_is4(tcp_inpcb(tp))) + (tp->t_port != 0 ? kUdpHeader : 0);
}
// The segment size where nobody says.
inline uint32_t tcp_mssdflt(const TcpTunables& set, bool v4) {
  return static_cast<uint32_t>(v4 ? set.mssdflt : set.v6mssdflt);
}

// A connection's name as bytes, for hashing: addresses as long as the family's, then ports.
class TcpName {
 public:
  explicit TcpName(const TcpEndpoints& ends);
  std::span<const uint8_t> bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<uint8_t, 36> bytes_;
  size_t size_;
};

// Makes the segment travel in UDP to that port of the peer's; 0: in none.
void tcp_set_udp(const TcpHost& host, uint16_t peer_port, TcpIpFields* fields);

// The fields of a connection's segments; of one of IPv6, without what UDP adds.
TcpIpFields tcp_ip6_fields(inpcb* inp);
inline TcpIpFields tcp_ip_fields(inpcb* inp, bool v4) {
  TcpIpFields fields;
  if (v4) {
    fields.tos = inp->inp_ip.ip_tos;
    fields.ttl = inp->inp_ip.ip_ttl;
  } else {
    fields = tcp_ip6_fields(inp);
  }
  const tcpcb* tp = intotcpcb(inp);
  if (tp->t_port != 0) tcp_set_udp(*tp->t_host, tp->t_port, &fields);
  return fields;
}

// Bytes in front of the TCP header.
inline int tcp_lead(bool v4, const TcpIpFields& fields) {
  const int udp = fields.udp_dport != 0 ? kUdpHeader : 0;
  return static_cast<int>(tcp_headers(v4)) - kTcpHeaderMin + udp;
}
// What is left to the interface: the checksum of the outer transport. TCP's own stays 0 inside UDP.
inline uint16_t tcp_csum_out(const TcpIpFields& fields) {
  return fields.udp_dport != 0 ? M_UDP_CSUM_OUT : M_TCP_CSUM_OUT;
}
// Whether there is a port to send from: udp_tunneling_port may have been given up meanwhile.
inline bool tcp_may_leave(const TcpIpFields& fields) {
  return fields.udp_dport == 0 || fields.udp_sport != 0;
}

// Writes the headers in front of a segment from ends.laddr to ends.faddr with `length` bytes behind
// them. Returns their size, tcp_lead. REQUIRES: as much room at `bytes`.
int tcp_write_ip(uint8_t* bytes, const TcpEndpoints& ends, const TcpIpFields& fields, int length);

// Hands a segment to IP. `inp` may be null: a segment outside any connection. `flags`: of
// ip_output; of these IPv6 knows none. Takes m. Errors: ip_output's, ip6_output's.
[[nodiscard]] inline int tcp_to_ip(MbufPtr m, bool v4, route* ro, int flags, inpcb* inp) {
  if (v4) {
    const mbuf* options = inp != nullptr ? inp->inp_options : nullptr;
    return ip_output(std::move(m), options, ro, flags, nullptr, inp);
  }
  const ip6_pktopts* options = inp != nullptr ? inp->inp_outputopts6 : nullptr;
  return ip6_output(std::move(m), options, ro, 0, nullptr, inp);
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_IP_H_
