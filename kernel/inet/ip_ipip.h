// Packets from a tunnel, on a host that has none: IP in IP, and GRE.
//
// Lives here:  ipip_rule.
// Called by:   ip_input.cc, ip6_input.cc, for protocols that nothing has registered.
// Source:      OpenBSD sys/netinet/ip_ipip.c, sys/net/if_gre.c; FreeBSD sys/netinet/ip_encap.c.
// Differs:     net.inet.ipip.allow is always 0 and cannot be set: nothing here opens such a packet.
#ifndef SOCKBED_KERNEL_INET_IP_IPIP_H_
#define SOCKBED_KERNEL_INET_IP_IPIP_H_

#include <netinet/in.h>

#include <cstdint>

namespace sockbed {

struct IpipRule {
  bool raw;   // raw sockets get it
  bool tell;  // whom no raw socket takes it from hears that there is no such protocol
};

// What becomes of a packet of `protocol`. `profile`: 0 OpenBSD, where IP in IP has a handler, which
// drops it, and raw sockets have GRE; 1 FreeBSD, where raw sockets have both and nobody is told.
inline IpipRule ipip_rule(int64_t profile, uint8_t protocol) {
  const bool ipip = protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
  if (profile == 0) return {.raw = !ipip, .tell = !ipip};
  return {.raw = true, .tell = !ipip && protocol != IPPROTO_GRE};
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IP_IPIP_H_
