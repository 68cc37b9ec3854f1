// Bind and connect: which names a pcb may have beside those of others (spec 9.3 to 9.6).
#include <errno.h>

#include <algorithm>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"

namespace sockbed {

namespace {

constexpr uint16_t kPortReserved = 1024;  // ports below need privilege
constexpr uint16_t kLowPortFirst = 600;   // of IP_PORTRANGE_LOW
constexpr int kReuse = kSoReuseAddr | kSoReusePort;

bool IsPrivileged(const proc* p) { return p == nullptr || suser(p->p_ucred); }

bool Contains(std::span<const uint16_t> ports, uint16_t port) {
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

// Whether somebody else's pcb with a wildcard in its names stands in the way: not if the socket may
// share, nor if it is a stream that will never listen by itself.
bool WildcardsCount(const socket* so) {
  return (so->so_options & kReuse) == 0 &&
         ((so->so_proto->pr_flags & PR_CONNREQUIRED) == 0 || (so->so_options & kSoAcceptConn) == 0);
}

// How many of the names of `old` are wild against a socket at `laddr`: 0 exact ... 2; -1: no match.
int Wildcards(const inpcb* old, in_addr laddr) {
  int wild = in_isany(old->inp_faddr) ? 0 : 1;
  if (old->inp_laddr.s_addr == laddr.s_addr) return wild;
  if (!in_isany(old->inp_laddr) && !in_isany(laddr)) return -1;
  return wild + 1;
}

// The pcb that matches (laddr, lport) with the fewest wildcards, among equals the newest; without
// `wild` only an exact one. Null: none.
inpcb* BestMatch(inpcbtable* table, in_addr laddr, in_port_t lport, bool wild) {
  const inpport* port = InpcbTableAccess::FindPort(table, lport);
  if (port == nullptr) return nullptr;
  inpcb* best = nullptr;
  int best_wild = wild ? 3 : 1;
  for (inpcb* list : {port->unconnected, wild ? port->connected : nullptr}) {
    for (inpcb* inp = list; inp != nullptr; inp = inp->inp_port_next) {
      const int count = Wildcards(inp, laddr);
      if (count < 0 || count > best_wild) continue;
      if (count == best_wild && (best == nullptr || inp->inp_bound < best->inp_bound)) continue;
      best = inp;
      best_wild = count;
      if (count == 0) return best;  // the lists are newest first
    }
  }
  return best;
}

// Rule 5 of spec 9.3 with 9.4.
int CheckConflict(const inpcb* inp, in_addr laddr, in_port_t lport) {
  const socket* so = inp->inp_socket;
  int sharing = so->so_options & kSoReusePort;
  const bool multicast = in_ismulticast(laddr);
  if (multicast && (so->so_options & kReuse) != 0) sharing = kReuse;
  if (so->so_euid != 0 && !multicast) {
    const inpcb* other = BestMatch(inp->inp_table, laddr, lport, true);
    if (other != nullptr && other->inp_socket->so_euid != so->so_euid) return EADDRINUSE;
  }
  const inpcb* other = BestMatch(inp->inp_table, laddr, lport, WildcardsCount(so));
  if (other == nullptr || (other->inp_socket->so_options & sharing) != 0) return 0;
  return EADDRINUSE;
}

// Rule 3: whether the host lets a socket have that address.
bool MayHaveAddress(const socket* so, in_addr laddr) {
  if (in_isany(laddr) || (so->so_options & kSoBindAny) != 0) return true;
  if (so->so_type != SOCK_STREAM && (in_ismulticast(laddr) || in_broadcast(laddr))) return true;
  return in_ifawithaddr(laddr) != nullptr;
}

struct PortRange {
  int64_t low, high;
};

// Spec 9.5. Errors: EACCES (low ports need privilege), EADDRNOTAVAIL (all taken).
int PickPort(inpcb* inp, in_addr laddr, const proc* p, in_port_t* lport) {
  const InetTunables& tunables = inet_here().tunables;
  PortRange range = {tunables.portfirst, tunables.portlast};
  if ((inp->inp_flags & INP_HIGHPORT) != 0) range = {tunables.porthifirst, tunables.porthilast};
  if ((inp->inp_flags & INP_LOWPORT) != 0) {
    if (!IsPrivileged(p)) return EACCES;
    range = {kLowPortFirst, kPortReserved - 1};
  }
  if (range.low > range.high) std::swap(range.low, range.high);
  const uint64_t width = static_cast<uint64_t>(range.high - range.low);
  int64_t port = range.low;
  if (tunables.portrandom != 0) {
    port += static_cast<int64_t>(InpcbTableAccess::DrawPort(inp->inp_table, width));
  }
  const bool wild = WildcardsCount(inp->inp_socket);
  for (uint64_t tries = 0; tries <= width; ++tries) {
    if (++port > range.high) port = range.low;
    const uint16_t candidate = static_cast<uint16_t>(port);
    if (Contains(InpcbTableAccess::BadDynamic(inp->inp_table), candidate)) continue;
    if (BestMatch(inp->inp_table, laddr, htons(candidate), wild) != nullptr) continue;
    *lport = htons(candidate);
    return 0;
  }
  return EADDRNOTAVAIL;
}

}  // namespace

int in_pcbbind(inpcb* inp, const mbuf* nam, proc* p) {
  if (inp->inp_lport != 0 || !in_isany(inp->inp_laddr)) return EINVAL;
  in_addr laddr{};
  in_port_t lport = 0;
  if (nam != nullptr) {
    sockaddr_in sin;
    const int error = in_nam2sin(nam, &sin);
    if (error != 0) return error;
    if (!MayHaveAddress(inp->inp_socket, sin.sin_addr)) return EADDRNOTAVAIL;
    laddr = sin.sin_addr;
    lport = sin.sin_port;
  }
  if (lport == 0) {
    const int error = PickPort(inp, laddr, p, &lport);
    if (error != 0) return error;
  } else {
    const int error = CheckConflict(inp, laddr, lport);
    if (error != 0) return error;
    const uint16_t port = ntohs(lport);
    const bool restricted =
        port < kPortReserved || Contains(InpcbTableAccess::RootOnly(inp->inp_table), port);
    if (restricted && !IsPrivileged(p)) return EACCES;
  }
  InpcbTableAccess::SetLocal(inp, laddr, lport);
  return 0;
}

int in_pcbconnect(inpcb* inp, const mbuf* nam) {
  sockaddr_in sin;
  int error = in_nam2sin(nam, &sin);
  if (error != 0) return error;
  if (sin.sin_port == 0) return EADDRNOTAVAIL;
  KASSERT(in_isany(inp->inp_faddr));
  in_addr laddr;
  error = in_pcbselsrc(&laddr, inp, sin.sin_addr);
  if (error != 0) return error;
  if (in_pcblookup(inp->inp_table, sin.sin_addr, sin.sin_port, laddr, inp->inp_lport) != nullptr) {
    return EADDRINUSE;
  }
  if (inp->inp_lport == 0) {
    in_port_t lport = 0;
    error = PickPort(inp, laddr, curproc(), &lport);
    if (error != 0) return error;
    InpcbTableAccess::SetLocal(inp, laddr, lport);
  }
  InpcbTableAccess::SetPeer(inp, laddr, sin.sin_addr, sin.sin_port);
  return 0;
}

int in_pcbset_addr(inpcb* inp, in_addr faddr, in_port_t fport, in_addr laddr, in_port_t lport) {
  if (in_pcblookup(inp->inp_table, faddr, fport, laddr, lport) != nullptr) return EADDRINUSE;
  InpcbTableAccess::SetLocal(inp, laddr, lport);
  InpcbTableAccess::SetPeer(inp, laddr, faddr, fport);
  return 0;
}

void in_pcbdisconnect(inpcb* inp) {
  InpcbTableAccess::ClearPeer(inp);
  if ((inp->inp_socket->so_state & SS_NOFDREF) != 0) in_pcbdetach(inp);
}

int in_pcbselsrc(in_addr* src, inpcb* inp, in_addr dst) {
  *src = inp->inp_laddr;
  if (!in_isany(*src) && !in_ismulticast(*src) && !in_broadcast(*src)) return 0;
  const bool to_many = in_ismulticast(dst) || in_host(dst) == INADDR_BROADCAST;
  if (to_many && inp->inp_moptions != nullptr && inp->inp_moptions->imo_ifidx != 0) {
    const ifnet* ifp = if_byindex(*inet_here().host, inp->inp_moptions->imo_ifidx);
    const in_ifaddr* ifa = ifp != nullptr ? in_ifaof(ifp) : nullptr;
    if (ifa == nullptr) return EADDRNOTAVAIL;
    *src = ifa->ia_addr;
    return 0;
  }
  const rtentry* rt = rtalloc(&inp->inp_route, dst);
  if (rt == nullptr) return EADDRNOTAVAIL;
  const bool on_link_only = (inp->inp_socket->so_options & kSoDontRoute) != 0;
  if (on_link_only && (rt->rt_flags & RTF_GATEWAY) != 0) return EADDRNOTAVAIL;
  *src = ifatoia(rt->rt_ifa)->ia_addr;
  return 0;
}

}  // namespace sockbed
