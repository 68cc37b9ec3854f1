#include "kernel/tcp/tcp_ip.h"

#include <algorithm>
#include <cstring>

#include "kernel/inet/in_options.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_var.h"

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

TcpIpFields tcp_ip_fields(const inpcb* inp, bool v4) {
  if (v4) return {.tos = inp->inp_ip.ip_tos, .ttl = inp->inp_ip.ip_ttl};
  return {.tos = static_cast<uint8_t>(std::max(in_pcbpktopts(inp).ip6po_tclass, 0)),
          .ttl = static_cast<uint8_t>(in6_selecthlim(inp->inp_hops, &inp->inp_route)),
          .flow = inp->inp_flowinfo};
}

int tcp_write_ip(uint8_t* bytes, const TcpEndpoints& ends, const TcpIpFields& fields, int length) {
  if (ends.faddr.is_v4()) {
    Ipv4Header{.total_length = kIpv4HeaderMin + length,
               .tos = fields.tos,
               .ttl = fields.ttl,
               .protocol = IPPROTO_TCP,
               .source = ends.laddr.v4(),
               .destination = ends.faddr.v4()}
        .Write(bytes, kIpv4HeaderMin);
    return kIpv4HeaderMin;
  }
  Ipv6Header{.payload_length = length,
             .traffic_class = fields.tos,
             .flow_label = fields.flow,
             .hop_limit = fields.ttl,
             .next_header = IPPROTO_TCP,
             .source = ends.laddr.v6(),
             .destination = ends.faddr.v6()}
      .Write(bytes, kIpv6Header);
  return kIpv6Header;
}

int tcp_to_ip(MbufPtr m, bool v4, route* ro, int flags, inpcb* inp) {
  if (v4) {
    const mbuf* options = inp != nullptr ? inp->inp_options : nullptr;
    return ip_output(std::move(m), options, ro, flags, nullptr, inp);
  }
  const ip6_pktopts* options = inp != nullptr ? inp->inp_outputopts6 : nullptr;
  return ip6_output(std::move(m), options, ro, 0, nullptr, inp);
}

}  // namespace sockbed
