#include <errno.h>

#include <cstring>

#include "kernel/inet/in_cksum.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_icmp.h"
#include "kernel/inet/ip_wire.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"
#include "kernel/udp/udp_private.h"
#include "kernel/udp/udp_wire.h"

namespace sockbed {

namespace {

// A datagram that has passed the checks.
struct Datagram {
  in_addr src, dst;
  in_port_t sport, dport;  // network order, as pcbs have them
  uint8_t ttl;
  int header;  // bytes of both headers
};

void NoteDrop(udpstat_counters why, const Datagram& d, uint64_t pcb = 0) {
  udpstat_inc(why);
  Emit(Room::kUdp, static_cast<uint8_t>(UdpRecord::kDrop), pcb, udp_endpoint(d.dst, d.dport),
       udp_endpoint(d.src, d.sport), why);
}

// Rules 1 to 3 of spec 10.2. Returns the packet with both headers in its first mbuf; null: dropped.
MbufPtr Check(MbufPtr m, int hlen, Datagram* d) {
  const Ipv4View ip(m->m_data, static_cast<size_t>(m->m_len));
  *d = {.src = ip.source(),
        .dst = ip.destination(),
        .sport = 0,
        .dport = 0,
        .ttl = ip.ttl(),
        .header = hlen + kUdpHeader};
  const int length = m->m_pkthdr.len - hlen;
  if (length < kUdpHeader) return NoteDrop(udps_hdrops, *d), nullptr;
  if (m->m_len < d->header) {
    m = m_pullup(std::move(m), d->header);
    if (m == nullptr) return NoteDrop(udps_nobufs, *d), nullptr;
  }
  const UdpView uh(m->m_data + hlen, kUdpHeader);
  d->sport = htons(uh.source_port());
  d->dport = htons(uh.destination_port());
  if (d->dport == 0) return NoteDrop(udps_badport, *d), nullptr;
  if (uh.length() < kUdpHeader || uh.length() > length) return NoteDrop(udps_badlen, *d), nullptr;
  if (uh.length() < length) m_adj(m.get(), uh.length() - length);

  const uint16_t verdict = m->m_pkthdr.csum_flags & (M_UDP_CSUM_IN_OK | M_UDP_CSUM_IN_BAD);
  if (verdict == 0 && uh.checksum() == 0) {
    udpstat_inc(udps_nosum);
  } else if (verdict == M_UDP_CSUM_IN_BAD ||
             (verdict == 0 && in4_cksum(m.get(), IPPROTO_UDP, hlen, uh.length()) != 0)) {
    return NoteDrop(udps_badsum, *d), nullptr;
  }
  return m;
}

// Rules 6 and 7: into the socket's buffer. Takes m.
void Deliver(inpcb* inp, MbufPtr m, const Datagram& d) {
  if (d.ttl < inp->inp_ip_minttl) return NoteDrop(udps_minttl, d, inp->inp_id);
  socket* so = inp->inp_socket;
  MbufPtr control = ip_savecontrol(inp, m.get(), d.dport);
  m_adj(m.get(), d.header);
  const uint64_t length = static_cast<uint64_t>(m->m_pkthdr.len);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_port = d.sport;
  from.sin_addr = d.src;
  if (sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(&from), sizeof from, m,
                   control) == 0) {
    return NoteDrop(udps_fullsock, d, inp->inp_id);
  }
  CauseScope cause(Emit(Room::kUdp, static_cast<uint8_t>(UdpRecord::kIn), inp->inp_id,
                        udp_endpoint(d.dst, d.dport), udp_endpoint(d.src, d.sport), length));
  sorwakeup(so);
}

bool Wants(const inpcb* inp, uint32_t ifidx, const Datagram& d) {
  if (!in_isany(inp->inp_laddr) && inp->inp_laddr.s_addr != d.dst.s_addr) return false;
  if (in_ismulticast(d.dst) && !ip_hearsgroup(inp, ifidx, d.dst)) return false;
  return in_isany(inp->inp_faddr) ||
         (inp->inp_faddr.s_addr == d.src.s_addr && inp->inp_fport == d.sport);
}

// Rule 4: a copy for every pcb that wants it, newest first, until one that does not share its port.
void DeliverToAll(MbufPtr m, const Datagram& d) {
  inpcbtable& table = udp_here().table;
  inpcb* open = in_pcbport_unconnected(&table, d.dport);
  inpcb* connected = in_pcbport_connected(&table, d.dport);
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
  Datagram d;
  m = Check(std::move(m), hlen, &d);
  if (m == nullptr) return;
  if (ip_wasbroadcast(m.get())) return DeliverToAll(std::move(m), d);
  UdpHost& udp = udp_here();
  inpcb* inp = in_pcblookup(&udp.table, d.src, d.sport, d.dst, d.dport);
  if (inp == nullptr) inp = in_pcblookup_listen(&udp.table, d.dst, d.dport);
  if (inp != nullptr) return Deliver(inp, std::move(m), d);
  NoteDrop(udps_noport, d);
  if (udp.blackhole == 0) icmp_error(std::move(m), ICMP_UNREACH, ICMP_UNREACH_PORT);
}

void udp_ctlinput(const IcmpError& told) {
  if (told.error == 0) return;
  inpcbtable& table = udp_here().table;
  const UdpView quoted(told.transport, static_cast<size_t>(told.transport_len));
  const in_port_t lport = htons(quoted.source_port());
  const in_port_t fport = htons(quoted.destination_port());
  inpcb* inp = in_pcblookup(&table, told.dst.v4(), fport, told.src.v4(), lport);
  if (told.error == EMSGSIZE &&
      (inp != nullptr || in_pcblookup_listen(&table, told.src.v4(), lport) != nullptr)) {
    icmp_mtudisc(told);
  }
  // Only a connected socket has asked that peer to be its one: the others never hear of it.
  if (inp != nullptr) SetError(inp, told.error);
}

}  // namespace sockbed
