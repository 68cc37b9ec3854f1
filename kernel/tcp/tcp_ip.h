// What of TCP depends on the family of a connection: sizes, the header in front, the way out.
//
// Lives here:  tcp_is4, tcp_headers, tcp_mssdflt, TcpName; tcp_ip_fields, tcp_write_ip, tcp_to_ip.
// Called by:   the files of tcp/ only.
// Owns:        tcp_to_ip takes its packet.
// Units:       ports in host order.
// Source:      RFC 9293 3.1, 3.7.1; RFC 8200 8.1, 8.3.
#ifndef SOCKBED_KERNEL_TCP_TCP_IP_H_
#define SOCKBED_KERNEL_TCP_TCP_IP_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip6_wire.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/tcp/tcp_syncache.h"
#include "kernel/tcp/tcp_tunables.h"
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
inline uint32_t tcp_headers(const inpcb* inp) { return tcp_headers(tcp_is4(inp)); }
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

// The fields of a connection's segments.
TcpIpFields tcp_ip_fields(const inpcb* inp, bool v4);

// Writes the IP header of a segment from ends.laddr to ends.faddr with `length` bytes behind it.
// Returns its size. REQUIRES: as much room at `bytes`.
int tcp_write_ip(uint8_t* bytes, const TcpEndpoints& ends, const TcpIpFields& fields, int length);

// Hands a segment to IP. `inp` may be null: a segment outside any connection. `flags`: of
// ip_output; of these IPv6 knows none. Takes m. Errors: ip_output's, ip6_output's.
[[nodiscard]] int tcp_to_ip(MbufPtr m, bool v4, route* ro, int flags, inpcb* inp);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_TCP_TCP_IP_H_
