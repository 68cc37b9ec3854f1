// ICMPv6 as a protocol: what arrives, by type.
#include "kernel/inet/icmp6.h"

#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

void icmp6_input(MbufPtr m, int hlen) {
  icmp6stat_inc(icp6s_received);
  const int length = m->m_pkthdr.len - hlen;
  if (length < kIcmpHeader) return icmp6_drop(icp6s_badlen, std::move(m));
  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_ICMP_CSUM_IN_OK | M_ICMP_CSUM_IN_BAD);
  if (verdict == M_ICMP_CSUM_IN_BAD ||
      (verdict == 0 && in6_cksum(m.get(), IPPROTO_ICMPV6, hlen, length) != 0)) {
    return icmp6_drop(icp6s_checksum, std::move(m));
  }
  uint8_t type;
  m_copydata(m.get(), hlen, sizeof type, &type);
  switch (type) {
    case ICMP6_DST_UNREACH:
    case ICMP6_PACKET_TOO_BIG:
    case ICMP6_TIME_EXCEEDED:
    case ICMP6_PARAM_PROB: return icmp6_hear_error(std::move(m), hlen);
    default: return icmp6_drop(icp6s_unclaimed, std::move(m));
  }
}

}  // namespace

const InetProtocol kIcmp6Protocol = {IPPROTO_ICMPV6, icmp6_input, nullptr};

}  // namespace sockbed
