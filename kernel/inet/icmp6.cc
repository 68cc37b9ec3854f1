// ICMPv6 as a protocol: what arrives, by type; echo.
#include "kernel/inet/icmp6.h"

#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/mld6.h"
#include "kernel/inet/nd6.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"

namespace sockbed {

namespace {

// Answers a request with its own data, behind headers made anew.
void Echo(MbufPtr m, int hlen) {
  uint8_t head[kIcmpHeader];
  m_copydata(m.get(), hlen, kIcmpHeader, head);
  if (IcmpView(head, sizeof head).code() != 0) return icmp6_drop(icp6s_badcode, std::move(m));
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  if (in6_isany(src)) return icmp6_drop(icp6s_badsource, std::move(m));
  const in6_ifaddr* ours = in6_ifawithaddr(dst);
  const bool usable = ours != nullptr && (ours->ia6_flags & IN6_IFF_ANYCAST) == 0;
  const uint8_t traffic_class = ip6_view(m.get()).traffic_class();
  constexpr int kHeaders = kIpv6Header + kIcmpHeader;
  m_adj(m.get(), hlen + kIcmpHeader);
  m_resethdr(m.get());
  m = m_prepend(std::move(m), kHeaders, M_DONTWAIT);
  if (m == nullptr) return icmp6_note_drop(icp6s_nobufs, src, dst);
  Ipv6Header{.payload_length = m->m_pkthdr.len - kIpv6Header,
             .traffic_class = traffic_class,
             .hop_limit = static_cast<uint8_t>(in6_selecthlim(-1)),
             .next_header = IPPROTO_ICMPV6,
             .source = usable ? dst : kIn6Any,
             .destination = src}
      .Write(m->m_data, kIpv6Header);
  IcmpHeader{.type = ICMP6_ECHO_REPLY, .code = 0, .rest = LoadBe32(head + 4)}.Write(
      m->m_data + kIpv6Header, kIcmpHeader);
  icmp6stat_inc(icp6s_reflected);
  icmp6_send(std::move(m));
}

// Neighbour discovery reads its messages where they lie.
void Discover(MbufPtr m, int hlen, void (*input)(MbufPtr m, int hlen)) {
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  const int whole = m->m_pkthdr.len;
  m = m_pullup(std::move(m), whole);
  if (m == nullptr) return icmp6_note_drop(icp6s_nobufs, src, dst);
  input(std::move(m), hlen);
}

void icmp6_input(MbufPtr m, int hlen) {
  icmp6stat_inc(icp6s_received);
  const int length = m->m_pkthdr.len - hlen;
  if (length < kIcmpHeader) return icmp6_drop(icp6s_badlen, std::move(m));
  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_ICMP_CSUM_IN_OK | M_ICMP_CSUM_IN_BAD);
  if (verdict == M_ICMP_CSUM_IN_BAD ||
      (verdict == 0 && in6_cksum(m.get(), IPPROTO_ICMPV6, hlen, length) != 0)) {
    return icmp6_drop(icp6s_checksum, std::move(m));
  }
  const bool heard = rip6_input(m.get(), hlen, IPPROTO_ICMPV6);
  uint8_t type;
  m_copydata(m.get(), hlen, sizeof type, &type);
  switch (type) {
    case ICMP6_DST_UNREACH:
    case ICMP6_PACKET_TOO_BIG:
    case ICMP6_TIME_EXCEEDED:
    case ICMP6_PARAM_PROB: return icmp6_hear_error(std::move(m), hlen);
    case ICMP6_ECHO_REQUEST: return Echo(std::move(m), hlen);
    case MLD_LISTENER_QUERY:
    case MLD_LISTENER_REPORT:
    case MLD_LISTENER_DONE: return mld6_input(std::move(m), hlen);
    case ND_ROUTER_ADVERT: return Discover(std::move(m), hlen, nd6_ra_input);
    case ND_NEIGHBOR_SOLICIT: return Discover(std::move(m), hlen, nd6_ns_input);
    case ND_NEIGHBOR_ADVERT: return Discover(std::move(m), hlen, nd6_na_input);
    case ND_REDIRECT: return Discover(std::move(m), hlen, nd6_redirect_input);
    default:
      if (!heard) icmp6_drop(icp6s_unclaimed, std::move(m));
  }
}

}  // namespace

const InetProtocol kIcmp6Protocol = {IPPROTO_ICMPV6, icmp6_input, nullptr};

}  // namespace sockbed
