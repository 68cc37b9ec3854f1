// ICMPv6 errors: made here about others' packets, heard about our own.
#include <errno.h>

#include <algorithm>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/icmp_wire.h"
#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr int kQuotedTransport = 8;  // bytes of the transport's header that identify a socket
constexpr int kMessageMost = static_cast<int>(kIpv6MtuLeast);

uint64_t TypeAndCode(const IcmpView& icmp) { return uint64_t{icmp.type()} << 8 | icmp.code(); }

// Whether `m` is, or quotes in vain, an ICMPv6 error or a redirect.
bool IsError(const mbuf* m) {
  Ip6Chain at = ip6_firsthdr(m);
  if (!ip6_lasthdr(m, &at) || at.next != IPPROTO_ICMPV6) return false;
  if (at.offset >= m->m_pkthdr.len) return true;  // who knows
  uint8_t type;
  m_copydata(m, at.offset, sizeof type, &type);
  return (type & ICMP6_INFOMSG_MASK) == 0 || type == ND_REDIRECT;
}

// Why an error about `m` may not be sent (RFC 4443 2.4 e), or icp6s_ncounters when it may.
icmp6stat_counters WhyNoError(const mbuf* m, uint8_t type, uint8_t code) {
  if (IsError(m)) return icp6s_oldicmp;
  const bool to_groups_too =
      type == ICMP6_PACKET_TOO_BIG || (type == ICMP6_PARAM_PROB && code == ICMP6_PARAMPROB_OPTION);
  const bool to_group =
      (m->m_flags & (M_BCAST | M_MCAST)) != 0 || in6_ismulticast(ip6_destination(m));
  if (to_group && !to_groups_too) return icp6s_multicast;
  const in6_addr src = ip6_source(m);
  if (in6_isany(src) || in6_ismulticast(src)) return icp6s_badsource;
  Inet6Host& inet6 = inet6_here();
  return ppsratecheck(&inet6.icmp6_errors, inet6.tunables.icmp6_errppslimit) ? icp6s_ncounters
                                                                             : icp6s_toofreq;
}

// The MTU that a router tells of. Less than every link must carry is for one system the word of a
// router that translates, for which packets bear a fragment header (RFC 2460 5); the other takes it
// for 1280 (RFC 8200 5).
uint32_t NextMtu(uint32_t told, bool freebsd) {
  if (told >= kIpv6MtuLeast) return told;
  return freebsd ? kIpv6MtuLeast : kIpv6MtuLeast - kIp6FragmentHeader;
}

// The errno of spec 8 that a transport hears of; 0: none; -1: no such code. `freebsd`: by that
// profile.
int ErrnoOf(uint8_t type, uint8_t code, bool freebsd) {
  switch (type) {
    case ICMP6_DST_UNREACH:
      switch (code) {
        case ICMP6_DST_UNREACH_NOROUTE: return EHOSTUNREACH;
        case ICMP6_DST_UNREACH_ADMIN:
        case ICMP6_DST_UNREACH_NOPORT: return ECONNREFUSED;
        case ICMP6_DST_UNREACH_BEYONDSCOPE: return freebsd ? EHOSTUNREACH : ENOPROTOOPT;
        case ICMP6_DST_UNREACH_ADDR: return freebsd ? EHOSTUNREACH : EHOSTDOWN;
        default: return -1;
      }
    case ICMP6_PACKET_TOO_BIG: return code == 0 ? EMSGSIZE : -1;
    case ICMP6_TIME_EXCEEDED:
      if (code > ICMP6_TIME_EXCEED_REASSEMBLY) return -1;
      return freebsd && code == ICMP6_TIME_EXCEED_TRANSIT ? EHOSTUNREACH : 0;
    default:
      if (code > ICMP6_PARAMPROB_OPTION) return -1;
      return !freebsd && code == ICMP6_PARAMPROB_NEXTHEADER ? ECONNREFUSED : ENOPROTOOPT;
  }
}

// The headers of a quoted packet that came back, up to the transport's: false when that is not
// there. `m` starts with the quoted IPv6 header.
bool FindTransport(const mbuf* m, Ip6Chain* at) {
  if (m->m_pkthdr.len < kIpv6Header) return false;
  *at = ip6_firsthdr(m);
  return ip6_lasthdr(m, at) && at->offset + kQuotedTransport <= m->m_pkthdr.len;
}

// Who hears of an error about a packet of protocol `next`; null: nobody. Raw sockets do not, but
// the MTU of their path is learnt all the same: no router fragments for them.
using Control = void (*)(const IcmpError& error);
Control ControlOf(const IcmpError& error, uint8_t next) {
  const InetProtocol* protocol = inet6_here().protocols[next];
  if (protocol != nullptr && protocol->ctlinput != nullptr) return protocol->ctlinput;
  return error.error == EMSGSIZE && rip6_sent(error, next) ? icmp6_mtudisc : nullptr;
}

void Send(MbufPtr m, int flags, ip6_moptions* im6o) {
  Ip6Chain at = ip6_firsthdr(m.get());
  const bool found = ip6_lasthdr(m.get(), &at);
  KASSERT(found);
  uint8_t head[kIcmpHeader];
  m_copydata(m.get(), at.offset, kIcmpHeader, head);
  m->m_pkthdr.csum_flags = M_ICMP_CSUM_OUT;
  icmp6stat_inc(icp6s_sent);
  CauseScope scope(Emit6(InetRecord::kIcmp6Send, 0, ip6_view(m.get()).source(),
                         ip6_view(m.get()).destination(),
                         PackPair(static_cast<uint32_t>(TypeAndCode(IcmpView(head, sizeof head))),
                                  LoadBe32(head + 4))));
  // Nobody waits for it: what goes wrong is counted where it happens.
  (void)ip6_output(std::move(m), nullptr, nullptr, flags, im6o, nullptr);
}

}  // namespace

void icmp6_send(MbufPtr m) { Send(std::move(m), IPV6_MINMTU, nullptr); }

void icmp6_send_by(MbufPtr m, const ifnet* ifp) {
  ip6_moptions im6o;
  im6o.im6o_ifidx = ifp->if_index;
  im6o.im6o_hlim = ip6_view(m.get()).hop_limit();
  im6o.im6o_loop = false;
  Send(std::move(m), IPV6_UNSPECSRC, &im6o);
}

void icmp6_error(MbufPtr m, uint8_t type, uint8_t code, uint32_t param) {
  icmp6stat_inc(icp6s_errors);
  const icmp6stat_counters why_not = WhyNoError(m.get(), type, code);
  if (why_not != icp6s_ncounters) return icmp6_drop(why_not, std::move(m));
  in6_proto_cksum_out(m.get(), kTransportChecksumsOut6);
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  const in6_ifaddr* ours = in6_ifawithaddr(dst);

  MbufPtr error = m_gethdr(M_DONTWAIT, MT_HEADER);
  constexpr int kHeaders = kIpv6Header + kIcmpHeader;
  const int quoted = std::min(m->m_pkthdr.len, kMessageMost - kHeaders);
  MbufPtr quotation;
  if (error != nullptr) quotation = m_copym(m.get(), 0, quoted, M_DONTWAIT);
  if (quotation == nullptr) return icmp6_drop(icp6s_nobufs, std::move(m));
  static_assert(max_linkhdr + kHeaders <= MHLEN);
  error->m_data += max_linkhdr;
  error->m_len = kHeaders;
  const bool usable =
      ours != nullptr && (ours->ia6_flags & (IN6_IFF_NOTREADY | IN6_IFF_ANYCAST)) == 0;
  Ipv6Header{.payload_length = kIcmpHeader + quoted,
             .hop_limit = static_cast<uint8_t>(in6_selecthlim(-1)),
             .next_header = IPPROTO_ICMPV6,
             .source = usable ? dst : kIn6Any,
             .destination = src}
      .Write(error->m_data, kIpv6Header);
  IcmpHeader{.type = type, .code = code, .rest = param}.Write(error->m_data + kIpv6Header,
                                                              kIcmpHeader);
  m_cat(error.get(), std::move(quotation));
  error->m_pkthdr.len = kHeaders + quoted;
  icmp6_send(std::move(error));
}

void icmp6_hear_error(MbufPtr m, int hlen) {
  const int length = m->m_pkthdr.len - hlen;
  if (length < kIcmpHeader + kIpv6Header) return icmp6_drop(icp6s_tooshort, std::move(m));
  uint8_t head[kIcmpHeader];
  m_copydata(m.get(), hlen, kIcmpHeader, head);
  const IcmpView icmp(head, sizeof head);
  const in6_addr from = ip6_source(m.get()), to = ip6_destination(m.get());
  const bool freebsd = inet_here().tunables.profile != 0;
  const int error = ErrnoOf(icmp.type(), icmp.code(), freebsd);
  if (error < 0) return icmp6_drop(icp6s_badcode, std::move(m));

  // From here on the packet is what was quoted.
  m_adj(m.get(), hlen + kIcmpHeader);
  m = m_pullup(std::move(m), kIpv6Header);
  if (m == nullptr) return icmp6_note_drop(icp6s_nobufs, from, to);
  Ip6Chain at;
  if (!FindTransport(m.get(), &at)) return icmp6_note_drop(icp6s_tooshort, from, to);
  m = m_pullup(std::move(m), at.offset + kQuotedTransport);
  if (m == nullptr) return icmp6_note_drop(icp6s_nobufs, from, to);
  const in6_addr src = ip6_source(m.get()), dst = ip6_destination(m.get());
  if (in6_ismulticast(dst) && icmp.type() != ICMP6_PACKET_TOO_BIG) {
    return icmp6_note_drop(icp6s_badquote, from, to);
  }
  const IcmpError told = {
      .family = AF_INET6,
      .error = error,
      .type = icmp.type(),
      .code = icmp.code(),
      .src = src,
      .dst = dst,
      .mtu = error == EMSGSIZE ? NextMtu(LoadBe32(head + 4), freebsd) : 0,
      .transport = mtod<uint8_t>(m.get()) + at.offset,
      .transport_len = m->m_len - at.offset};
  const Control control = ControlOf(told, at.next);
  if (control == nullptr) return icmp6_note_drop(icp6s_unclaimed, from, to);
  icmp6stat_inc(icp6s_delivered);
  CauseScope scope(
      Emit6(InetRecord::kIcmp6Error, 0, src, dst,
            PackPair(static_cast<uint32_t>(TypeAndCode(icmp)), static_cast<uint32_t>(error))));
  control(told);
}

void icmp6_mtudisc(const IcmpError& error) {
  rtentry* rt = rt_clone(AF_INET6, error.dst);
  if (rt == nullptr) return;
  if (error.mtu < rt_path_mtu(rt)) rt_lower_mtu(rt, error.mtu);
  rt_expire_after(rt, inet6_here().tunables.mtudisctimeout);
}

}  // namespace sockbed
