#include "kernel/inet/in_pcb.h"

#include <errno.h>

#include <cstring>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/fault.h"

namespace sockbed {

int in_pcballoc(socket* so, inpcbtable* table) {
  KASSERT(so->so_pcb == nullptr);
  if (fault::Fires(Site::kPoolGet, so->so_id)) return ENOBUFS;
  auto* inp = new inpcb;
  inp->inp_socket = so;
  inp->inp_ip.ip_ttl = static_cast<uint8_t>(inet_here().tunables.ttl);
  InpcbTableAccess::Enter(table, inp);
  ++inet_here().live_pcbs;
  so->so_pcb = inp;
  return 0;
}

void in_pcbdetach(inpcb* inp) {
  socket* so = inp->inp_socket;
  KASSERT(so->so_pcb == inp);
  InpcbTableAccess::Unlink(inp);
  InpcbTableAccess::Leave(inp);
  m_freemp(&inp->inp_options);
  ip_freemoptions(inp->inp_moptions);
  delete inp;
  --inet_here().live_pcbs;
  so->so_pcb = nullptr;
  sofree(so);
}

int in_nam2sin(const mbuf* nam, sockaddr_in* sin) {
  if (nam->m_len < static_cast<int>(sizeof(sa_family_t))) return EINVAL;
  sa_family_t family;
  std::memcpy(&family, nam->m_data + offsetof(sockaddr_in, sin_family), sizeof family);
  if (family != AF_INET) return EAFNOSUPPORT;
  if (nam->m_len != static_cast<int>(sizeof *sin)) return EINVAL;
  std::memcpy(sin, nam->m_data, sizeof *sin);
  return 0;
}

void in_sin2nam(in_addr addr, in_port_t port, mbuf* nam) {
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_port = port;
  sin.sin_addr = addr;
  std::memcpy(nam->m_data, &sin, sizeof sin);
  nam->m_len = sizeof sin;
}

void in_setsockaddr(const inpcb* inp, mbuf* nam) {
  in_sin2nam(inp->inp_laddr, inp->inp_lport, nam);
}

void in_setpeeraddr(const inpcb* inp, mbuf* nam) {
  in_sin2nam(inp->inp_faddr, inp->inp_fport, nam);
}

inpcb* in_pcblookup(inpcbtable* table, in_addr faddr, in_port_t fport, in_addr laddr,
                    in_port_t lport) {
  return InpcbTableAccess::Find(table, faddr, fport, laddr, lport);
}

inpcb* in_pcblookup_listen(inpcbtable* table, in_addr laddr, in_port_t lport) {
  const inpport* port = InpcbTableAccess::FindPort(table, lport);
  if (port == nullptr) return nullptr;
  inpcb* wild = nullptr;
  for (inpcb* inp = port->unconnected; inp != nullptr; inp = inp->inp_port_next) {
    if (inp->inp_laddr.s_addr == laddr.s_addr) return inp;
    if (wild == nullptr && in_isany(inp->inp_laddr)) wild = inp;
  }
  return wild;
}

inpcb* in_pcbport_unconnected(inpcbtable* table, in_port_t lport) {
  const inpport* port = InpcbTableAccess::FindPort(table, lport);
  return port != nullptr ? port->unconnected : nullptr;
}

inpcb* in_pcbport_connected(inpcbtable* table, in_port_t lport) {
  const inpport* port = InpcbTableAccess::FindPort(table, lport);
  return port != nullptr ? port->connected : nullptr;
}

bool in_pcbnotify(inpcbtable* table, in_addr faddr, in_port_t fport, in_addr laddr, in_port_t lport,
                  int error, void (*notify)(inpcb* inp, int error)) {
  inpcb* inp = in_pcblookup(table, faddr, fport, laddr, lport);
  if (inp == nullptr) return false;
  notify(inp, error);
  return true;
}

void in_pcbnotifyall(inpcbtable* table, in_addr faddr, int error, void (*notify)(inpcb*, int)) {
  for (inpcb *inp = table->first(), *next; inp != nullptr; inp = next) {
    next = inp->inp_queue_next;  // notify may detach inp
    if (inp->inp_faddr.s_addr == faddr.s_addr && !in_isany(faddr)) notify(inp, error);
  }
}

rtentry* in_pcbrtentry(inpcb* inp) {
  return in_isany(inp->inp_faddr) ? nullptr : rtalloc(&inp->inp_route, inp->inp_faddr);
}

void in_losing(inpcb* inp) {
  rtentry* rt = in_pcbrtentry(inp);
  if (rt != nullptr && (rt->rt_flags & RTF_DYNAMIC) != 0) rt_delete(rt);
  rtfree(&inp->inp_route);
}

// These options of a socket are flags of ip_output as they stand.
static_assert(IP_ROUTETOIF == kSoDontRoute && IP_ALLOWBROADCAST == kSoBroadcast);

int in_pcboutflags(const inpcb* inp) {
  const int flags = inp->inp_socket->so_options & (IP_ROUTETOIF | IP_ALLOWBROADCAST);
  switch (inp->inp_mtu_discover) {
    case MtuDiscover::kDont:
      return flags;
    case MtuDiscover::kWant:
      return flags | IP_MTUWANT;
    case MtuDiscover::kDo:
      return flags | IP_MTUDISC;
    case MtuDiscover::kProbe:
      return flags | IP_MTUPROBE;
  }
  KPANIC("inp_mtu_discover");
}

}  // namespace sockbed
