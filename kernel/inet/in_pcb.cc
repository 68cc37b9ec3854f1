#include "kernel/inet/in_pcb.h"

#include <errno.h>

#include <cstring>
#include <new>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

int in_pcballoc(socket* so, inpcbtable* table) {
  KASSERT(so->so_pcb == nullptr);
  if (fault::Fires(Site::kPoolGet, so->so_id)) return ENOBUFS;
  KASSERT(so->so_proto->pr_usrreqs->pru_pcbbytes >= sizeof(inpcb));
  inpcb* inp = new (so_pcbroom(so)) inpcb();
  inp->inp_socket = so;
  inp->inp_ip.ip_ttl = static_cast<uint8_t>(inet_here().tunables.ttl);
  if (so->so_proto->pr_domain->dom_family == AF_INET6) {
    const Inet6Tunables& tunables = inet6_here().tunables;
    inp->inp_flags |= INP_IPV6 | (tunables.v6only != 0 ? INP_V6ONLY : 0) |
                      (tunables.auto_flowlabel != 0 ? IN6P_AUTOFLOWLABEL : 0);
  }
  InpcbTableAccess::Enter(table, inp);
  ++inet_here().live_pcbs;
  so->so_pcb = inp;
  return 0;
}

void in_pcbexpect(inpcb* inp) { InpcbTableAccess::Expect(inp); }

void in_pcbdetach(inpcb* inp) {
  socket* so = inp->inp_socket;
  KASSERT(so->so_pcb == inp);
  InpcbTableAccess::Unlink(inp);
  InpcbTableAccess::Leave(inp);
  if (inp->inp_options != nullptr) m_freemp(&inp->inp_options);
  if (inp->inp_moptions != nullptr) ip_freemoptions(inp->inp_moptions);
  delete inp->inp_outputopts6;
  ip6_freemoptions(inp->inp_moptions6);
  inp->~inpcb();
  Slab<socket>::AbandonBehind(so, so->so_proto->pr_usrreqs->pru_pcbbytes);
  --inet_here().live_pcbs;
  so->so_pcb = nullptr;
  sofree(so);
}

namespace {

// The family of an address that a program gave. Errors: EINVAL (too short for one).
int FamilyOf(const mbuf* nam, sa_family_t* family) {
  if (nam->m_len < static_cast<int>(sizeof *family)) return EINVAL;
  std::memcpy(family, nam->m_data + offsetof(sockaddr, sa_family), sizeof *family);
  return 0;
}

// An IPv6 address with its zone. Errors: EINVAL.
int ReadSin6(const mbuf* nam, InetName* name) {
  sockaddr_in6 sin6;
  if (nam->m_len != static_cast<int>(sizeof sin6)) return EINVAL;
  std::memcpy(&sin6, nam->m_data, sizeof sin6);
  const uint32_t zone = sin6.sin6_scope_id;
  const bool scoped = in6_isscoped(sin6.sin6_addr);
  if (scoped && in6_zone(sin6.sin6_addr) != 0) return EINVAL;  // the zone's place is elsewhere
  if (scoped && zone != 0 && if_byindex(*Here().host, zone) == nullptr) return EINVAL;
  name->addr = in6_setscope(sin6.sin6_addr, scoped ? zone : 0);
  name->port = sin6.sin6_port;
  return 0;
}

sockaddr_in Sin(in_addr addr, in_port_t port) {
  sockaddr_in sin{};
  sin.sin_family = AF_INET;
  sin.sin_port = port;
  sin.sin_addr = addr;
  return sin;
}

sockaddr_in6 Sin6(const in6_addr& addr, in_port_t port) {
  sockaddr_in6 sin6{};
  sin6.sin6_family = AF_INET6;
  sin6.sin6_port = port;
  sin6.sin6_addr = in6_clearscope(addr);
  sin6.sin6_scope_id = in6_zone(addr);
  return sin6;
}

void SetName(const inpcb* inp, const InetName& name, mbuf* nam) {
  if (in_pcbis6(inp)) {
    in6_sin2nam(name.addr.v6(), name.port, nam);
  } else {
    in_sin2nam(name.addr.v4(), name.port, nam);
  }
}

}  // namespace

int in_nam2sin(const mbuf* nam, sockaddr_in* sin) {
  sa_family_t family;
  if (const int error = FamilyOf(nam, &family)) return error;
  if (family != AF_INET) return EAFNOSUPPORT;
  if (nam->m_len != static_cast<int>(sizeof *sin)) return EINVAL;
  std::memcpy(sin, nam->m_data, sizeof *sin);
  return 0;
}

int in_nam2name(const inpcb* inp, const mbuf* nam, InetName* name) {
  if (!in_pcbis6(inp)) {
    sockaddr_in sin;
    const int error = in_nam2sin(nam, &sin);
    if (error == 0) *name = {sin.sin_addr, sin.sin_port};
    return error;
  }
  sa_family_t family;
  if (const int error = FamilyOf(nam, &family)) return error;
  if (family != AF_INET6) return EAFNOSUPPORT;
  if (const int error = ReadSin6(nam, name)) return error;
  if (!name->addr.is_v4()) return 0;
  // ::ffff:0.0.0.0 would be an "any" of one family, which no pcb can have.
  const bool usable = in_pcbtalks(inp, true) && !in_isany(name->addr.v4());
  return usable ? 0 : EADDRNOTAVAIL;
}

void in_sin2nam(in_addr addr, in_port_t port, mbuf* nam) {
  const sockaddr_in sin = Sin(addr, port);
  std::memcpy(nam->m_data, &sin, sizeof sin);
  nam->m_len = sizeof sin;
}

void in6_sin2nam(const in6_addr& addr, in_port_t port, mbuf* nam) {
  const sockaddr_in6 sin6 = Sin6(addr, port);
  std::memcpy(nam->m_data, &sin6, sizeof sin6);
  nam->m_len = sizeof sin6;
}

sockaddr_in6 in_sockaddr(const inpcb* inp, const InetName& name, socklen_t* length) {
  if (in_pcbis6(inp)) {
    *length = sizeof(sockaddr_in6);
    return Sin6(name.addr.v6(), name.port);
  }
  const sockaddr_in sin = Sin(name.addr.v4(), name.port);
  sockaddr_in6 room{};
  std::memcpy(&room, &sin, *length = sizeof sin);
  return room;
}

int in_pcbpeername(const inpcb* inp, const mbuf* nam, InetName* name) {
  const int error = in_nam2name(inp, nam, name);
  const InetHost& inet = inet_here();
  if (error != 0 || !name->addr.is_any() || inet.tunables.profile == 0) return error;
  if (in_pcbis6(inp)) {
    name->addr = kIn6Loopback;
  } else if (!inet.addresses.empty()) {
    name->addr = inet.addresses.front()->ia_addr;
  }
  return 0;
}

void in_setsockaddr(const inpcb* inp, mbuf* nam) {
  SetName(inp, {inp->inp_laddr, inp->inp_lport}, nam);
}

void in_setpeeraddr(const inpcb* inp, mbuf* nam) {
  SetName(inp, {inp->inp_faddr, inp->inp_fport}, nam);
}

inpcb* in_pcblookup_hash(inpcbtable* table, const inpaddru& faddr, in_port_t fport,
                         const inpaddru& laddr, in_port_t lport) {
  return InpcbTableAccess::Find(table, faddr, fport, laddr, lport);
}

inpcb* in_pcblookup_listen(inpcbtable* table, const inpaddru& laddr, in_port_t lport) {
  const inpport* port = InpcbTableAccess::FindPort(table, lport);
  if (port == nullptr) return nullptr;
  inpcb* wild = nullptr;
  for (inpcb* inp = port->unconnected; inp != nullptr; inp = inp->inp_port_next) {
    if (inp->inp_laddr == laddr) return inp;
    if (wild == nullptr && inp->inp_laddr.is_any() && in_pcbtalks(inp, laddr.is_v4())) wild = inp;
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

bool in_pcbnotify(inpcbtable* table, const inpaddru& faddr, in_port_t fport, const inpaddru& laddr,
                  in_port_t lport, int error, void (*notify)(inpcb* inp, int error)) {
  inpcb* inp = in_pcblookup(table, faddr, fport, laddr, lport);
  if (inp == nullptr) return false;
  notify(inp, error);
  return true;
}

void in_pcbnotifyall(inpcbtable* table, const inpaddru& faddr, int error,
                     void (*notify)(inpcb*, int)) {
  for (inpcb *inp = table->first(), *next; inp != nullptr; inp = next) {
    next = inp->inp_queue_next;  // notify may detach inp
    if (inp->inp_faddr == faddr && !faddr.is_any()) notify(inp, error);
  }
}

void in_pcbinherit(inpcb* inp, const inpcb* listener) {
  constexpr int kInherited = INP_V6ONLY | IN6P_AUTOFLOWLABEL;
  inp->inp_flags = (inp->inp_flags & ~kInherited) | (listener->inp_flags & kInherited);
  inp->inp_ip = listener->inp_ip;
  inp->inp_ip_minttl = listener->inp_ip_minttl;
  inp->inp_hops = listener->inp_hops;
  inp->inp_ip6_minhlim = listener->inp_ip6_minhlim;
  inp->inp_ip6_mtu = listener->inp_ip6_mtu;
  if ((inp->inp_flags & IN6P_AUTOFLOWLABEL) == 0) inp->inp_flowinfo = 0;
  if (listener->inp_outputopts6 != nullptr) {
    KASSERT(inp->inp_outputopts6 == nullptr);
    inp->inp_outputopts6 = new ip6_pktopts(*listener->inp_outputopts6);
  }
}

rtentry* in_pcbrtentry(inpcb* inp) {
  return inp->inp_faddr.is_any() ? nullptr : rtalloc(&inp->inp_route, inp->inp_faddr);
}

void in_losing(inpcb* inp) {
  rtentry* rt = in_pcbrtentry(inp);
  if (rt != nullptr && (rt->rt_flags & RTF_DYNAMIC) != 0) rt_delete(rt);
  rtfree(&inp->inp_route);
}

}  // namespace sockbed
