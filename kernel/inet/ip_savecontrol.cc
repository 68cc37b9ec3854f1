// What a socket wants to be told with each datagram (spec 10.5).
#include <sys/time.h>

#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_private.h"
#include "kernel/mbuf/chain.h"
#include "kernel/net/if_dl.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

void in_addcontrol(MbufPtr* chain, int level, int type, const void* data, size_t size) {
  MbufPtr message = sbcreatecontrol(data, size, type, level);
  if (message == nullptr) return;
  if (*chain == nullptr) {
    *chain = std::move(message);
  } else {
    m_cat(chain->get(), std::move(message));
  }
}

namespace {

void AddPacketInfo(MbufPtr* chain, const mbuf* m, const ifnet* ifp) {
  in_pktinfo info{};
  info.ipi_ifindex = static_cast<int>(m->m_pkthdr.ph_ifidx);
  info.ipi_spec_dst = info.ipi_addr = ip_view(m).destination();
  if (ip_wasbroadcast(m)) {
    // An interface that has no address of its own hears what is said to all, too.
    const in_ifaddr* ifa = ifp != nullptr ? in_ifaof(ifp) : nullptr;
    info.ipi_spec_dst = ifa != nullptr ? ifa->ia_addr : in_addr{};
  }
  in_addcontrol(chain, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

}  // namespace

MbufPtr ip_savecontrol(const inpcb* inp, const mbuf* m, in_port_t dport) {
  MbufPtr chain;
  if ((inp->inp_socket->so_options & kSoTimestamp) != 0) {
    timeval when;
    m_microtime(m, &when);
    in_addcontrol(&chain, SOL_SOCKET, SCM_TIMESTAMP, &when, sizeof when);
  }
  if ((inp->inp_flags & INP_CONTROLOPTS) == 0) return chain;
  const Ipv4View ip = ip_view(m);
  if ((inp->inp_flags & INP_RECVDSTADDR) != 0) {
    const in_addr dst = ip.destination();
    in_addcontrol(&chain, IPPROTO_IP, kIpRecvDstAddr, &dst, sizeof dst);
  }
  const ifnet* ifp = if_byindex(*Here().host, m->m_pkthdr.ph_ifidx);
  if ((inp->inp_flags & INP_RECVIF) != 0 && ifp != nullptr) {
    const sockaddr_dl sdl = if_sockaddr_dl(ifp);
    in_addcontrol(&chain, IPPROTO_IP, kIpRecvIf, &sdl, sizeof sdl);
  }
  if ((inp->inp_flags & INP_RECVTTL) != 0) {
    const int ttl = ip.ttl();
    in_addcontrol(&chain, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
  }
  if ((inp->inp_flags & INP_RECVDSTPORT) != 0) {
    in_addcontrol(&chain, IPPROTO_IP, kIpRecvDstPort, &dport, sizeof dport);
  }
  if ((inp->inp_flags & INP_RECVTOS) != 0) {
    const uint8_t tos = ip.tos();
    in_addcontrol(&chain, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
  }
  if ((inp->inp_flags & INP_RECVPKTINFO) != 0) AddPacketInfo(&chain, m, ifp);
  return chain;
}

}  // namespace sockbed
