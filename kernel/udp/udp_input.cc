#include <errno.h>

#include <cstring>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_tunnel.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/inet/udp_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_private.h"

namespace sockbed {

namespace {

// A datagram on its way in.
struct Datagram {
  InetName from, to;
  uint8_t ttl;  // or hop limit
  int header;   // bytes of all headers
};

[[gnu::noinline]] void NoteDrop(udpstat_counters why, const Datagram& d, uint64_t pcb = 0) {
  udpstat_inc(why);
  udp_note(UdpRecord::kDrop, pcb, d.to, d.from, why);
}

// What the IP header says.
[[gnu::always_inline]] inline void ReadIp(const mbuf* m, int hlen, Datagram* d) {
  d->header = hlen + kUdpHeader;
  const size_t size = static_cast<size_t>(m->m_len);
  const Ipv4View ip(m->m_data, size);
  if (ip.version() == 4) [[likely]] {
    d->from.addr = ip.source();
    d->to.addr = ip.destination();
    d->ttl = ip.ttl();
  } else {
    d->from.addr = ip6_source(m);
    d->to.addr = ip6_destination(m);
    d->ttl = Ipv6View(m->m_data, size).hop_limit();
  }
}

// Rule 2: whether the length that the header says fits the packet's.
bool LengthFits(const UdpView& uh, int length, bool v4) {
  return v4 ? uh.length() >= kUdpHeader && uh.length() <= length : uh.length() == length;
}

// Rule 3. Only IPv4 lets it be left out.
bool ChecksumIsGood(const mbuf* m, int hlen, const UdpView& uh, bool v4) {
  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_UDP_CSUM_IN_OK | M_UDP_CSUM_IN_BAD);
  if (verdict != 0) return (verdict & M_UDP_CSUM_IN_BAD) == 0;
  if (uh.checksum() == 0) {
    if (v4) udpstat_inc(udps_nosum);
    return v4;
  }
  const int length = uh.length();
  return (v4 ? in4_cksum(m, IPPROTO_UDP, hlen, length) : in6_cksum(m, IPPROTO_UDP, hlen, length)) ==
         0;
}

// Puts all headers into the first mbuf. Rule 1 of spec 10.2. Null: dropped.
[[gnu::noinline]] MbufPtr Gather(MbufPtr m, int hlen) {
  Datagram d;
  ReadIp(m.get(), hlen, &d);
  if (m->m_pkthdr.len < d.header) return NoteDrop(udps_hdrops, d), nullptr;
  m = m_pullup(std::move(m), d.header);
  if (m == nullptr) NoteDrop(udps_nobufs, d);
  return m;
}

// Rules 2 and 3: reads the headers and cuts off what stands behind the datagram. False: to be
// dropped, and noted.
bool Check(mbuf* m, int hlen, Datagram* d) {
  ReadIp(m, hlen, d);
  const bool v4 = Ipv4View(m->m_data, static_cast<size_t>(m->m_len)).version() == 4;
  const int length = m->m_pkthdr.len - hlen;
  const UdpView uh(m->m_data + hlen, kUdpHeader);
  d->from.port = htons(uh.source_port());
  d->to.port = htons(uh.destination_port());
  if (d->to.port == 0) return NoteDrop(udps_badport, *d), false;
  if (!LengthFits(uh, length, v4)) return NoteDrop(udps_badlen, *d), false;
  if (uh.length() < length) m_adj(m, uh.length() - length);
  if (!ChecksumIsGood(m, hlen, uh, v4)) return NoteDrop(udps_badsum, *d), false;
  return true;
}

// Rules 6 and 7: into the socket's buffer. Takes m, whose headers stand in the first mbuf.
void Deliver(inpcb* inp, MbufPtr m, const Datagram& d) {
  if (inp->inp_tunnel != nullptr) [[unlikely]] {
    const auto length = static_cast<uint64_t>(m->m_pkthdr.len - d.header);
    const CauseScope cause(udp_note(UdpRecord::kIn, inp->inp_id, d.to, d.from, length));
    return inp->inp_tunnel->input(std::move(m), d.header);
  }
  const uint8_t least = d.to.addr.is_v4() ? inp->inp_ip_minttl : inp->inp_ip6_minhlim;
  if (d.ttl < least) return NoteDrop(udps_minttl, d, inp->inp_id);
  socket* so = inp->inp_socket;
  MbufPtr control;
  if (in_wantscontrol(inp)) [[unlikely]] {
    control = in_pcbis6(inp) ? ip6_savecontrol(inp, m.get(), d.to.port)
                             : ip_savecontrol(inp, m.get(), d.to.port);
  }
  KASSERT(m->m_len >= d.header);
  m->m_data += d.header;  // m_adj, where all stands in the first mbuf
  m->m_len -= d.header;
  m->m_pkthdr.len -= d.header;
  const uint64_t length = static_cast<uint64_t>(m->m_pkthdr.len);
  socklen_t from_length;
  const sockaddr_in6 from = in_sockaddr(inp, d.from, &from_length);
  if (sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(&from), from_length, m,
                   control) == 0) {
    return NoteDrop(udps_fullsock, d, inp->inp_id);
  }
  CauseScope cause(udp_note(UdpRecord::kIn, inp->inp_id, d.to, d.from, length));
  sorwakeup(so);
}

bool Wants(const inpcb* inp, uint32_t ifidx, const Datagram& d) {
  const bool v4 = d.to.addr.is_v4();
  if (inp->inp_laddr.is_any()) {
    if (!in_pcbtalks(inp, v4)) return false;
  } else if (inp->inp_laddr != d.to.addr) {
    return false;
  }
  if (v4 && in_ismulticast(d.to.addr.v4()) && !ip_hearsgroup(inp, ifidx, d.to.addr.v4())) {
    return false;
  }
  if (!v4 && in6_ismulticast(d.to.addr.v6()) && !ip6_hearsgroup(inp, ifidx, d.to.addr.v6())) {
    return false;
  }
  return inp->inp_faddr.is_any() ||
         (inp->inp_faddr == d.from.addr && inp->inp_fport == d.from.port);
}

// Rule 4: a copy for every pcb that wants it, newest first, until one that does not share its port.
void DeliverToAll(MbufPtr m, const Datagram& d) {
  inpcbtable& table = udp_here().table;
  inpcb* open = in_pcbport_unconnected(&table, d.to.port);
  inpcb* connected = in_pcbport_connected(&table, d.to.port);
  inpcb* last = nullptr;
  while (open != nullptr || connected != nullptr) {
    const bool take_open =
        connected == nullptr || (open != nullptr && open->inp_bound > connected->inp_bound);
    inpcb*& from = take_open ? open : connected;
    inpcb* inp = from;
    from = inp->inp_port_next;
    if (!Wants(inp, m->m_pkthdr.ph_ifidx, d)) continue;
    if (last != nullptr) {
      MbufPtr copy = m_copym(m.get(), 0, M_COPYALL, M_DONTWAIT);
      if (copy == nullptr) {
        NoteDrop(udps_nobufs, d, last->inp_id);
      } else {
        Deliver(last, std::move(copy), d);
      }
    }
    last = inp;
    if ((inp->inp_socket->so_options & (kSoReusePort | kSoReuseAddr)) == 0) break;
  }
  if (last == nullptr) return NoteDrop(udps_noportbcast, d);
  Deliver(last, std::move(m), d);
}

void SetError(inpcb* inp, int error) {
  socket* so = inp->inp_socket;
  so_seterror(so, error);
  CauseScope cause(Emit(Room::kUdp, static_cast<uint8_t>(UdpRecord::kError), inp->inp_id,
                        static_cast<uint64_t>(error)));
  sorwakeup(so);
  sowwakeup(so);
}

}  // namespace

void udp_input(MbufPtr m, int hlen) {
  udpstat_inc(udps_ipackets);
  if (m->m_len < hlen + kUdpHeader) [[unlikely]] {
    m = Gather(std::move(m), hlen);
    if (m == nullptr) return;
  }
  Datagram d;
  if (!Check(m.get(), hlen, &d)) return;
  if (ip_wasbroadcast(m.get())) return DeliverToAll(std::move(m), d);
  UdpHost& udp = udp_here();
  inpcb* inp = in_pcblookup(&udp.table, d.from.addr, d.from.port, d.to.addr, d.to.port);
  if (inp == nullptr) inp = in_pcblookup_listen(&udp.table, d.to.addr, d.to.port);
  if (inp != nullptr) return Deliver(inp, std::move(m), d);
  NoteDrop(udps_noport, d);
  if (udp.blackhole != 0) return;
  if (d.to.addr.is_v4()) {
    icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_PORT);
  } else {
    icmp6_error(std::move(m), ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT);
  }
}

void udp_ctlinput(const IcmpError& told) {
  inpcbtable& table = udp_here().table;
  const UdpView quoted(told.transport, static_cast<size_t>(told.transport_len));
  const in_port_t lport = htons(quoted.source_port());
  const in_port_t fport = htons(quoted.destination_port());
  inpcb* inp = in_pcblookup(&table, told.dst, fport, told.src, lport);
  inpcb* open = inp != nullptr ? inp : in_pcblookup_listen(&table, told.src, lport);
  if (open != nullptr && open->inp_tunnel != nullptr) return open->inp_tunnel->ctlinput(told);
  if (told.error == 0) return;
  if (told.error == EMSGSIZE && open != nullptr) {
    if (told.family == AF_INET6) {
      icmp6_mtudisc(told);
    } else {
      icmp_mtudisc(told);
    }
  }
  // Only a connected socket has asked that peer to be its one: the others never hear of it.
  if (inp == nullptr) return;
  SetError(inp, told.error);
  if (told.error == EMSGSIZE) ip6_notify_pmtu(inp, {told.dst, fport}, told.mtu);
}

}  // namespace sockbed
