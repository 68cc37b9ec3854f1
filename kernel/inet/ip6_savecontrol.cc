// What a socket of AF_INET6 wants to be told with each datagram, or without one (spec 10.5).
#include <sys/time.h>

#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/ip_private.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

namespace {

// The same of both families: a socket that is open to both hears of IPv4 in terms of IPv6.
struct Facts {
  in6_addr dst;
  int hops, traffic_class;
};

Facts FactsOf(const mbuf* m) {
  if (ip6_view(m).version() != 6) {
    const Ipv4View ip = ip_view(m);
    return {inpaddru(ip.destination()).v6(), ip.ttl(), ip.tos()};
  }
  const Ipv6View ip = ip6_view(m);
  return {ip.destination(), ip.hop_limit(), ip.traffic_class()};
}

}  // namespace

MbufPtr ip6_savecontrol(const inpcb* inp, const mbuf* m, in_port_t dport) {
  MbufPtr chain;
  if ((inp->inp_socket->so_options & kSoTimestamp) != 0) {
    timeval when;
    m_microtime(m, &when);
    in_addcontrol(&chain, SOL_SOCKET, SCM_TIMESTAMP, &when, sizeof when);
  }
  if ((inp->inp_flags & IN6P_CONTROLOPTS) == 0) return chain;
  const Facts facts = FactsOf(m);
  if ((inp->inp_flags & IN6P_PKTINFO) != 0) {
    in6_pktinfo info{};
    info.ipi6_addr = in6_clearscope(facts.dst);
    info.ipi6_ifindex = m->m_pkthdr.ph_ifidx;
    in_addcontrol(&chain, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
  if ((inp->inp_flags & IN6P_HOPLIMIT) != 0) {
    in_addcontrol(&chain, IPPROTO_IPV6, IPV6_HOPLIMIT, &facts.hops, sizeof facts.hops);
  }
  if ((inp->inp_flags & IN6P_TCLASS) != 0) {
    in_addcontrol(&chain, IPPROTO_IPV6, IPV6_TCLASS, &facts.traffic_class,
                  sizeof facts.traffic_class);
  }
  if ((inp->inp_flags & IN6P_RECVDSTPORT) != 0) {
    in_addcontrol(&chain, IPPROTO_IPV6, kIpv6RecvDstPort, &dport, sizeof dport);
  }
  return chain;
}

void ip6_notify_pmtu(inpcb* inp, const InetName& peer, uint32_t mtu) {
  if ((inp->inp_flags & IN6P_MTU) == 0) return;
  socket* so = inp->inp_socket;
  const ip6_mtuinfo info = in6_mtuinfo(inp, peer, mtu);
  MbufPtr control, nothing;
  in_addcontrol(&control, IPPROTO_IPV6, IPV6_PATHMTU, &info, sizeof info);
  if (control == nullptr) return;  // no memory: the program asks IPV6_PATHMTU itself
  socklen_t length;
  const sockaddr_in6 from = in_sockaddr(inp, peer, &length);
  if (sbappendaddr(&so->so_rcv, reinterpret_cast<const sockaddr*>(&from), length, nothing,
                   control) != 0) {
    sorwakeup(so);
  }
}

}  // namespace sockbed
