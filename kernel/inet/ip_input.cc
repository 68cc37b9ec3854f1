#include <errno.h>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_ipip.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/raw_ip.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// Drops and returns nothing.
MbufPtr Dropped(ipstat_counters why, MbufPtr m) {
  ip_drop(why, std::move(m));
  return nullptr;
}

// m_pullup of a packet that is long enough.
MbufPtr Pullup(MbufPtr m, int len) {
  const int bytes = m->m_pkthdr.len;
  m = m_pullup(std::move(m), len);
  if (m == nullptr) ip_note_drop(ips_nobufs, {}, {}, bytes);
  return m;
}

// Rules 1 to 5 of spec 3.1, in order. Returns the packet with its header in the first mbuf and
// nothing behind its end; null when dropped.
MbufPtr CheckHeader(ifnet* ifp, MbufPtr m) {
  const int bytes = m->m_pkthdr.len;
  if (bytes < kIpv4HeaderMin) return Dropped(ips_toosmall, std::move(m));
  if (m->m_len < kIpv4HeaderMin) {
    m = Pullup(std::move(m), kIpv4HeaderMin);
    if (m == nullptr) return nullptr;
  }
  const int hlen = ip_view(m.get()).header_length();
  if (ip_view(m.get()).version() != 4) return Dropped(ips_badvers, std::move(m));
  if (hlen < kIpv4HeaderMin || hlen > bytes) return Dropped(ips_badhlen, std::move(m));
  if (m->m_len < hlen) {
    m = Pullup(std::move(m), hlen);
    if (m == nullptr) return nullptr;
  }
  const Ipv4View ip = ip_view(m.get());
  if ((ifp->if_flags & IFF_LOOPBACK) == 0 &&
      (in_isloopback(ip.destination()) || in_isloopback(ip.source()))) {
    return Dropped(ips_badaddr, std::move(m));
  }
  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_IPV4_CSUM_IN_OK | M_IPV4_CSUM_IN_BAD);
  if (verdict == M_IPV4_CSUM_IN_BAD || (verdict == 0 && in_cksum(m.get(), hlen) != 0)) {
    return Dropped(ips_badsum, std::move(m));
  }
  const int length = ip.total_length();
  if (length < hlen) return Dropped(ips_badlen, std::move(m));
  if (bytes < length) return Dropped(ips_tooshort, std::move(m));
  if (bytes > length) m_adj(m.get(), length - bytes);
  return m;
}

// Rule 6: multicast, reserved and broadcast addresses, which no packet can be from.
bool IsImpossibleSource(in_addr src) {
  return in_host(src) >= INADDR_UNSPEC_GROUP || in_broadcast(src);
}

enum class Ours : uint8_t { kYes, kNo, kNotMember, kWrongInterface };

// Rule 8, spec 3.2. Marks broadcasts and multicasts.
Ours IsOurs(InetHost& inet, const ifnet* ifp, mbuf* m) {
  const in_addr dst = ip_view(m).destination();
  const rtentry* rt = rtalloc(&inet.input_route, dst);
  if (rt != nullptr && (rt->rt_flags & RTF_LOCAL) != 0) {
    if (rt->rt_ifa->ia_ifp == ifp || (ifp->if_flags & IFF_LOOPBACK) != 0) {
      LastLetIn(inet, ifp) = {ifp, inet.rt_generation, ip_view(m).addresses()};
      return Ours::kYes;
    }
    // RFC 1122 3.3.4.2, strong host model: an address belongs to its interface.
    const bool strong = inet.tunables.strong_es != 0 && inet.tunables.forwarding == 0;
    return strong ? Ours::kWrongInterface : Ours::kYes;
  }
  if (in_host(dst) == INADDR_BROADCAST || in_isany(dst)) {
    m->m_flags |= M_BCAST;
    return Ours::kYes;
  }
  if (in_ismulticast(dst)) {
    if (in_hasmulti(ifp, dst) == nullptr) return Ours::kNotMember;
    m->m_flags |= M_MCAST;
    return Ours::kYes;
  }
  if (rt != nullptr && (rt->rt_flags & RTF_BROADCAST) != 0 && in_broadcast(dst) &&
      (rt->rt_ifp == ifp || inet.tunables.directed_broadcast != 0)) {
    m->m_flags |= M_BCAST;
    return Ours::kYes;
  }
  return Ours::kNo;
}

// No protocol has registered for the packet.
void DeliverRaw(InetHost& inet, MbufPtr m) {
  const Ipv4View ip = ip_view(m.get());
  const IpipRule rule = ipip_rule(inet.tunables.profile, ip.protocol());
  if (rule.raw && rip_input(m.get(), ip.header_length())) {
    ++inet.ipstat[ips_delivered];
    return;
  }
  if (!rule.tell) return ip_drop(ips_notunnel, std::move(m));
  ip_note_drop(ips_noproto, ip.source(), ip.destination(), m->m_pkthdr.len);
  icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_PROTOCOL);
}

// A whole packet, to the protocol that it names.
[[gnu::always_inline]] inline void Deliver(InetHost& inet, Ipv4View ip, MbufPtr m) {
  const InetProtocol* protocol = inet.protocols[ip.protocol()];
  if (protocol == nullptr) [[unlikely]]
    return DeliverRaw(inet, std::move(m));
  ++inet.ipstat[ips_delivered];
  protocol->input(std::move(m), ip.header_length());
}

void ReassembleAndDeliver(InetHost& inet, MbufPtr m) {
  if (ip_view(m.get()).is_fragment()) {
    const int hlen = ip_view(m.get()).header_length();
    m = inet.reassembly.Add(std::move(m), hlen);
    if (m == nullptr) return;
  }
  const Ipv4View ip = ip_view(m.get());
  Deliver(inet, ip, std::move(m));
}

// Whether all rules would let the packet pass as it is, as nearly all packets are: whole, without
// options or padding, checked by the interface, and of the addresses of the one before.
bool PassesAsItIs(InetHost& inet, const ifnet* ifp, Ipv4View ip, const pkthdr& packet) {
  constexpr uint16_t kVerdict = M_IPV4_CSUM_IN_OK | M_IPV4_CSUM_IN_BAD;
  return ip.is_version4_without_options() && ip.total_length() == packet.len && !ip.is_fragment() &&
         (packet.csum_flags & kVerdict) == M_IPV4_CSUM_IN_OK &&
         LastLetIn(inet, ifp) == LetIn{ifp, inet.rt_generation, ip.addresses()};
}

// Rule by rule.
[[gnu::noinline]] void Examine(InetHost& inet, ifnet* ifp, MbufPtr m) {
  m = CheckHeader(ifp, std::move(m));
  if (m == nullptr) return;
  if (IsImpossibleSource(ip_view(m.get()).source())) return ip_drop(ips_badaddr, std::move(m));
  if (ip_view(m.get()).header_length() > kIpv4HeaderMin) {
    m = ip_dooptions(ifp, std::move(m));
    if (m == nullptr) return;
  }
  switch (IsOurs(inet, ifp, m.get())) {
    case Ours::kYes: return ReassembleAndDeliver(inet, std::move(m));
    case Ours::kNotMember: return ip_drop(ips_notmember, std::move(m));
    case Ours::kWrongInterface: return ip_drop(ips_wrongif, std::move(m));
    case Ours::kNo: break;
  }
  if (inet.tunables.forwarding == 0 || (m->m_flags & (M_BCAST | M_MCAST)) != 0) {
    return ip_drop(ips_cantforward, std::move(m));
  }
  ip_forward(ifp, std::move(m), false);
}

}  // namespace

void ip_input(ifnet* ifp, MbufPtr m) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  InetHost& inet = inet_here();
  ++inet.ipstat[ips_total];
  if (m->m_len >= kIpv4HeaderMin) [[likely]] {
    const Ipv4View ip = ip_view(m.get());
    if (PassesAsItIs(inet, ifp, ip, m->m_pkthdr)) return Deliver(inet, ip, std::move(m));
  }
  Examine(inet, ifp, std::move(m));
}

}  // namespace sockbed
