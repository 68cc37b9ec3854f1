#include "kernel/tcp/tcp_ip.h"

#include <algorithm>
#include <cstring>

#include "kernel/inet/in_options.h"

namespace sockbed {

TcpName::TcpName(const TcpEndpoints& ends) {
  uint8_t* to = bytes_.data();
  const auto put = [&to](const auto& value) {
    std::memcpy(to, &value, sizeof value);
    to += sizeof value;
  };
  if (ends.faddr.is_v4()) {
    put(ends.faddr.v4());
    put(ends.laddr.v4());
  } else {
    put(ends.faddr.v6());
    put(ends.laddr.v6());
  }
  put(ends.fport);
  put(ends.lport);
  size_ = static_cast<size_t>(to - bytes_.data());
}

TcpIpFields tcp_ip6_fields(inpcb* inp) {
  TcpIpFields fields;
  fields.tos = static_cast<uint8_t>(std::max(in_pcbpktopts(inp).ip6po_tclass, 0));
  fields.ttl = static_cast<uint8_t>(in6_selecthlim(inp->inp_hops, &inp->inp_route, inp->inp_faddr));
  fields.flow = inp->inp_flowinfo;
  return fields;
}

void tcp_set_udp(const TcpHost& host, uint16_t peer_port, TcpIpFields* fields) {
  fields->udp_dport = peer_port;
  fields->udp_sport =
      peer_port != 0 ? static_cast<uint16_t>(host.tunables.udp_tunneling_port) : uint16_t{0};
}

int tcp_write_ip(uint8_t* bytes, const TcpEndpoints& ends, const TcpIpFields& fields, int length) {
  const bool v4 = ends.faddr.is_v4();
  const int ip_length = v4 ? kIpv4HeaderMin : kIpv6Header;
  const int lead = tcp_lead(v4, fields);
  const int payload = lead - ip_length + length;
  const uint8_t protocol = lead != ip_length ? IPPROTO_UDP : IPPROTO_TCP;
  if (v4) {
    Ipv4Header{.total_length = kIpv4HeaderMin + payload,
               .tos = fields.tos,
               .ttl = fields.ttl,
               .protocol = protocol,
               .source = ends.laddr.v4(),
               .destination = ends.faddr.v4()}
        .Write(bytes, kIpv4HeaderMin);
  } else {
    Ipv6Header{.payload_length = payload,
               .traffic_class = fields.tos,
               .flow_label = fields.flow,
               .hop_limit = fields.ttl,
               .next_header = protocol,
               .source = ends.laddr.v6(),
               .destination = ends.faddr.v6()}
        .Write(bytes, kIpv6Header);
  }
  if (protocol == IPPROTO_UDP) {
    UdpHeader{fields.udp_sport, fields.udp_dport, payload}.Write(bytes + ip_length, kUdpHeader);
  }
  return lead;
}

}  // namespace sockbed
