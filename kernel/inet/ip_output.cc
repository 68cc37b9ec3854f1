#include <errno.h>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip_private.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/tcp_chopper.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// Where a packet goes, once decided.
struct Way {
  rtentry* rt = nullptr;  // null: the sender has chosen the interface
  ifnet* ifp = nullptr;
  in_addr next_hop{};
  bool broadcast = false;
};

int Refuse(MbufPtr m, ipstat_counters why, int error) {
  ip_drop(why, std::move(m));
  return error;
}

// Rule 7 and the like for 255.255.255.255: the interface that the sender has chosen. Null: none.
ifnet* ChosenInterface(InetHost& inet, in_addr dst, const ip_moptions* imo) {
  const bool to_many = in_ismulticast(dst) || in_host(dst) == INADDR_BROADCAST;
  if (!to_many || imo == nullptr) return nullptr;
  return if_byindex(*inet.host, imo->imo_ifidx);
}

// What goes to a group has no next hop but itself.
bool IsViaGateway(const rtentry* rt, in_addr dst) {
  return (rt->rt_flags & RTF_GATEWAY) != 0 && !in_ismulticast(dst);
}
in_addr NextHop(const rtentry* rt, in_addr dst) {
  return IsViaGateway(rt, dst) ? rt->rt_gateway.v4() : dst;
}

// Rules 4 and 5: the route, through the cache. IP_ROUTETOIF takes only what is on a link.
int FindWay(InetHost& inet, in_addr dst, route* ro, int flags, const ip_moptions* imo, Way* way,
            ipstat_counters* why) {
  *why = ips_noroute;
  if (ifnet* chosen = ChosenInterface(inet, dst, imo)) {
    *way = {.ifp = chosen, .next_hop = dst, .broadcast = in_host(dst) == INADDR_BROADCAST};
    return 0;
  }
  rtentry* rt = rtalloc(ro, dst);
  if (rt == nullptr) return in_ismulticast(dst) ? ENETUNREACH : EHOSTUNREACH;
  if ((rt->rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0) {
    *why = ips_rejected;
    if ((rt->rt_flags & RTF_BLACKHOLE) != 0) return 0;
    return (rt->rt_flags & RTF_HOST) != 0 ? EHOSTUNREACH : ENETUNREACH;
  }
  if ((flags & IP_ROUTETOIF) != 0 && IsViaGateway(rt, dst)) return ENETUNREACH;
  ++rt->rt_use;
  way->rt = rt;
  way->ifp = rt->rt_ifp;
  way->next_hop = NextHop(rt, dst);
  way->broadcast = ((rt->rt_flags & RTF_BROADCAST) != 0 && in_broadcast(dst)) ||
                   in_host(dst) == INADDR_BROADCAST;
  return 0;
}

// Whether the way that `ro` remembers is the packet's, and rules 2 to 11 have nothing against it,
// as for nearly all packets.
inline bool GoesAsBefore(const InetHost& inet, const route* ro, Ipv4View ip) {
  if (ro->ro_generation != inet.rt_generation || !ro->ro_plain) [[unlikely]]
    return false;
  const in_addr src = ip.source();
  const bool leaves_unfit = in_isloopback(src) && (ro->ro_rt->rt_ifp->if_flags & IFF_LOOPBACK) == 0;
  return ro->ro_dst.v4().s_addr == ip.destination().s_addr && !in_isany(src) && !leaves_unfit;
}

// Rules 8 to 10: may this broadcast go out?
int CheckBroadcast(const Way& way, int flags, const mbuf* m, ipstat_counters* why) {
  *why = ips_outaddr;
  if ((way.ifp->if_flags & IFF_BROADCAST) == 0) return EADDRNOTAVAIL;
  *why = ips_outacces;
  if ((flags & IP_ALLOWBROADCAST) == 0) return EACCES;
  *why = ips_cantfrag;
  return static_cast<uint32_t>(m->m_pkthdr.len) > way.ifp->if_mtu ? EMSGSIZE : 0;
}

// Rule 7: the TTL of a multicast, and the copy for the members on this host.
int PrepareMulticast(const Way& way, int flags, const ip_moptions* imo, mbuf* m,
                     ipstat_counters* why) {
  Ipv4Edit ip = ip_edit(m);
  *why = ips_noroute;
  if ((way.ifp->if_flags & IFF_MULTICAST) == 0) return ENETUNREACH;
  m->m_flags |= M_MCAST;
  if ((flags & (IP_FORWARDING | IP_RAWOUTPUT)) == 0) {
    ip.set_ttl(imo != nullptr ? imo->imo_ttl : IP_DEFAULT_MULTICAST_TTL);
  }
  if ((imo != nullptr && !imo->imo_loop) || in_hasmulti(way.ifp, ip.destination()) == nullptr) {
    return 0;
  }
  MbufPtr copy = m_copym(m, 0, M_COPYALL, M_DONTWAIT);
  if (copy != nullptr) copy = ip_own_header(std::move(copy));
  if (copy == nullptr) return 0;  // as lost as on the wire
  copy->m_pkthdr.csum_flags |= M_IPV4_CSUM_OUT;
  if_input_local(way.ifp, std::move(copy), AF_INET);
  return 0;
}

// The largest packet that may go that way whole; sets DF as the flags ask.
[[gnu::always_inline]] inline uint32_t ApplyMtuPolicy(const InetHost& inet, const Way& way,
                                                      int flags, Ipv4Edit ip, const mbuf* m) {
  const uint32_t path = way.rt != nullptr ? rt_path_mtu(way.rt) : way.ifp->if_mtu;
  const bool locked = way.rt != nullptr && (way.rt->rt_locks & RTV_MTU) != 0;
  const uint32_t mtu = (flags & IP_MTUPROBE) != 0 ? way.ifp->if_mtu : path;
  const bool fits = static_cast<uint32_t>(m->m_pkthdr.len) <= mtu;
  const bool discover = inet.tunables.mtudisc != 0 && !locked;
  if (((flags & IP_MTUDISC) != 0 && discover) || (flags & IP_MTUPROBE) != 0 ||
      ((flags & IP_MTUWANT) != 0 && discover && fits)) [[likely]] {
    ip.set_dont_fragment();
  }
  return mtu;
}

[[gnu::always_inline]] inline int Transmit(const Way& way, MbufPtr m) {
  sockaddr_in dst{};
  dst.sin_family = AF_INET;
  dst.sin_addr = way.next_hop;
  const int error = if_output(way.ifp, std::move(m), reinterpret_cast<const sockaddr*>(&dst));
  // A gateway that does not answer says nothing of the host behind it.
  if (error != EHOSTDOWN || way.rt == nullptr) [[likely]]
    return error;
  return (way.rt->rt_flags & RTF_GATEWAY) != 0 ? EHOSTUNREACH : error;
}

// The checksums of IPv4 that an interface may be able to compute.
constexpr int kChecksums4 = IFCAP_CSUM_IPv4 | IFCAP_CSUM_TCPv4 | IFCAP_CSUM_UDPv4;

// Computes those that it cannot.
[[gnu::noinline]] void FinishForInterface(const ifnet* ifp, mbuf* m) {
  const int capabilities = ifp->if_capabilities;
  uint16_t cannot = 0;
  if ((capabilities & IFCAP_CSUM_TCPv4) == 0) cannot |= M_TCP_CSUM_OUT;
  if ((capabilities & IFCAP_CSUM_UDPv4) == 0) cannot |= M_UDP_CSUM_OUT | M_ICMP_CSUM_OUT;
  if ((capabilities & IFCAP_CSUM_IPv4) == 0) cannot |= M_IPV4_CSUM_OUT;
  if ((m->m_pkthdr.csum_flags & cannot) != 0) in_proto_cksum_out(m, cannot);
}

// Rule 14. Fragments never use transport offload.
int TransmitFragments(const Way& way, uint32_t mtu, MbufPtr m) {
  mbuf_list fragments;
  const int error = ip_fragment(std::move(m), way.ifp, mtu, &fragments);
  if (error != 0) return error;
  ipstat_inc(ips_fragmented);
  while (MbufPtr fragment = ml_dequeue(&fragments)) {
    const int send_error = Transmit(way, std::move(fragment));
    if (send_error != 0) {
      while (MbufPtr rest = ml_dequeue(&fragments)) ip_drop(ips_odropped, std::move(rest));
      return send_error;
    }
    ipstat_inc(ips_ofragments);
  }
  return 0;
}

// Whether it is of a size to leave as it is.
bool LeavesWhole(const mbuf* m, uint32_t mtu) {
  return (m->m_pkthdr.csum_flags & M_TCP_TSO) == 0 && static_cast<uint32_t>(m->m_pkthdr.len) <= mtu;
}

// Rule 12, and away.
[[gnu::always_inline]] inline int SendWhole(const InetHost& inet, const Way& way, int flags,
                                            Ipv4Edit ip, MbufPtr m) {
  const bool ours = (flags & (IP_FORWARDING | IP_RAWOUTPUT)) == 0;
  if (ours && inet.tunables.rfc6864 != 0 && ip.dont_fragment()) {
    ip.set_id(0);  // nobody will ever put it together
  }
  // A forwarded header has its sum, adjusted on the way, or it is pending already.
  if ((flags & IP_FORWARDING) == 0) m->m_pkthdr.csum_flags |= M_IPV4_CSUM_OUT;
  if ((way.ifp->if_capabilities & kChecksums4) != kChecksums4) [[unlikely]]
    FinishForInterface(way.ifp, m.get());
  return Transmit(way, std::move(m));
}

int SendSegments(InetHost& inet, Way way, int flags, MbufPtr m);

// Rules 12 and 13, and the choice of 14: checksums, size, away.
[[gnu::noinline]] int SendByWay(InetHost& inet, Way way, int flags, MbufPtr m) {
  Ipv4Edit ip = ip_edit(m.get());
  const uint32_t mtu = ApplyMtuPolicy(inet, way, flags, ip, m.get());
  if ((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0) {
    if (!tcp_may_leave_whole(way.ifp, IFCAP_TSOv4, mtu, m.get())) {
      return SendSegments(inet, way, flags, std::move(m));
    }
  } else if (!LeavesWhole(m.get(), mtu)) {
    if (ip.dont_fragment()) return Refuse(std::move(m), ips_cantfrag, EMSGSIZE);
    return TransmitFragments(way, mtu, std::move(m));
  }
  return SendWhole(inet, way, flags, ip, std::move(m));
}

// Cuts up what TCP has handed over in one piece; each segment then goes as if it had come alone.
int SendSegments(InetHost& inet, Way way, int flags, MbufPtr m) {
  return tcp_send_chopped(
      std::move(m),
      [&](MbufPtr segment) { return SendByWay(inet, way, flags, std::move(segment)); },
      [](MbufPtr rest) { ip_drop(ips_odropped, std::move(rest)); });
}

// Rules 2 to 11. Without an error and without an interface in `way` the packet is dropped silently;
// `why` is of both.
[[gnu::noinline]] int DecideWay(InetHost& inet, route* ro, int flags, const ip_moptions* imo,
                                mbuf* m, Way* way, ipstat_counters* why) {
  Ipv4Edit ip = ip_edit(m);
  const in_addr dst = ip.destination();
  *why = ips_outaddr;
  if (in_isthisnet(dst)) return ENETUNREACH;
  int error = FindWay(inet, dst, ro, flags, imo, way, why);
  if (error != 0 || way->ifp == nullptr) return error;
  if (in_isany(ip.source())) {
    const in_ifaddr* ifa = way->rt != nullptr ? ifatoia(way->rt->rt_ifa) : in_ifaof(way->ifp);
    *why = ips_outaddr;
    if (ifa == nullptr) return EADDRNOTAVAIL;
    ip.set_source(ifa->ia_addr);
  }
  if (way->broadcast) {
    error = CheckBroadcast(*way, flags, m, why);
    if (error != 0) return error;
    m->m_flags |= M_BCAST;
  }
  const bool loopback = (way->ifp->if_flags & IFF_LOOPBACK) != 0;
  if (in_ismulticast(dst)) {
    error = PrepareMulticast(*way, flags, imo, m, why);
    if (error != 0) return error;
    *why = ips_mcastlocal;
    if (ip.ttl() == 0 || loopback) {
      way->ifp = nullptr;
      return 0;
    }
  }
  *why = ips_outaddr;
  const bool leaves = !loopback && (in_isloopback(dst) || in_isloopback(ip.source()));
  return leaves ? EADDRNOTAVAIL : 0;
}

// Whether nothing is wanted but, perhaps, DF. A broadcast that is allowed has a way of its own.
constexpr int kMtuFlags = IP_MTUDISC | IP_MTUWANT;
bool IsUsual(const mbuf* opt, int flags) {
  return opt == nullptr && (flags & ~(kMtuFlags | IP_ALLOWBROADCAST)) == 0;
}

// What this host sends gets its number.
inline void CountOut(InetHost& inet, Ipv4Edit ip) {
  ip.set_id(inet.ids.Next());
  ++inet.ipstat[ips_localout];
}

// ip_output, rule by rule.
[[gnu::noinline]] int Examine(InetHost& inet, MbufPtr m, const mbuf* opt, route* ro, int flags,
                              const ip_moptions* imo) {
  if (opt != nullptr) {
    int error = 0;
    m = ip_insertoptions(std::move(m), opt, &error);
    if (m == nullptr) return error;
  }
  if ((flags & (IP_FORWARDING | IP_RAWOUTPUT)) == 0) CountOut(inet, ip_edit(m.get()));
  route here;
  Way way;
  ipstat_counters why;
  const int error = DecideWay(inet, ro != nullptr ? ro : &here, flags, imo, m.get(), &way, &why);
  if (error != 0 || way.ifp == nullptr) return Refuse(std::move(m), why, error);
  return SendByWay(inet, way, flags, std::move(m));
}

}  // namespace

int ip_output(MbufPtr m, const mbuf* opt, route* ro, int flags, ip_moptions* imo, inpcb* inp) {
  KASSERT((m->m_flags & M_PKTHDR) != 0 && m->m_len >= kIpv4HeaderMin);
  InetHost& inet = inet_here();
  Ipv4Edit ip = ip_edit(m.get());
  KASSERT(ip.total_length() == m->m_pkthdr.len);
  if (ro == nullptr || !IsUsual(opt, flags) || !GoesAsBefore(inet, ro, ip)) [[unlikely]]
    return Examine(inet, std::move(m), opt, ro, flags, imo);
  CountOut(inet, ip);
  rtentry* rt = ro->ro_rt;
  ++rt->rt_use;
  const Way way = {.rt = rt, .ifp = rt->rt_ifp, .next_hop = NextHop(rt, ro->ro_dst.v4())};
  flags &= kMtuFlags;
  const uint32_t mtu = ApplyMtuPolicy(inet, way, flags, ip, m.get());
  if (!LeavesWhole(m.get(), mtu)) [[unlikely]]
    return SendByWay(inet, way, flags, std::move(m));
  return SendWhole(inet, way, flags, ip, std::move(m));
}

void ip_header_checksum(const ifnet* ifp, mbuf* m) {
  m->m_pkthdr.csum_flags |= M_IPV4_CSUM_OUT;
  if ((ifp->if_capabilities & IFCAP_CSUM_IPv4) == 0) in_proto_cksum_out(m, M_IPV4_CSUM_OUT);
}

void in_proto_cksum_out(mbuf* m, uint16_t which) {
  // Where each protocol keeps its checksum, and whether it covers a pseudo header.
  constexpr struct {
    uint16_t flag;
    int offset;
    bool pseudo;
  } kFields[] = {
      {M_TCP_CSUM_OUT, 16, true}, {M_UDP_CSUM_OUT, 6, true}, {M_ICMP_CSUM_OUT, 2, false}};
  uint16_t& flags = m->m_pkthdr.csum_flags;
  const uint16_t pending = flags & which;
  Ipv4Edit ip = ip_edit(m);
  const int hlen = ip.header_length();
  const int length = m->m_pkthdr.len - hlen;
  for (const auto& field : kFields) {
    if ((pending & field.flag) == 0) continue;
    KASSERT(length >= field.offset + 2);
    uint8_t sum[2] = {0, 0};
    // A shared mbuf may be written to: whoever shares it computes the same.
    int error = m_copyback(m, hlen + field.offset, 2, sum, M_DONTWAIT);
    uint16_t value = in4_cksum(m, field.pseudo ? ip.protocol() : 0, hlen, length);
    if (value == 0 && field.flag == M_UDP_CSUM_OUT) value = 0xffff;  // 0 means "none" (RFC 768)
    StoreBe16(sum, value);
    error |= m_copyback(m, hlen + field.offset, 2, sum, M_DONTWAIT);
    KASSERT(error == 0);  // the chain does not grow
  }
  if ((pending & M_IPV4_CSUM_OUT) != 0) {
    ip.set_checksum(0);
    ip.set_checksum(in_cksum(m, hlen));
  }
  flags &= static_cast<uint16_t>(~pending);
}

MbufPtr ip_own_header(MbufPtr m) {
  if (!M_READONLY(m.get())) return m;
  const int hlen = ip_view(m.get()).header_length();
  KASSERT(m->m_len >= hlen);
  const int bytes = m->m_pkthdr.len;
  uint8_t header[kIpv4HeaderMax];
  m_copydata(m.get(), 0, hlen, header);
  const Ipv4View ip(header, sizeof header);
  m_adj(m.get(), hlen);
  m = m_prepend(std::move(m), hlen, M_DONTWAIT);  // no room in front of a shared mbuf: a new one
  if (m == nullptr) {
    ip_note_drop(ips_nobufs, ip.source(), ip.destination(), bytes);
    return nullptr;
  }
  std::memcpy(m->m_data, header, static_cast<size_t>(hlen));
  return m;
}

}  // namespace sockbed
