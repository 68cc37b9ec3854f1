// Bind and connect: which names a pcb may have beside those of others (spec 9.3 to 9.6).
#include <errno.h>

#include <algorithm>

#include "kernel/inet/in6_mcast.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_options.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_pcb_private.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr uint16_t kPortReserved = 1024;  // ports below need privilege
constexpr uint16_t kLowPortFirst = 600;   // of IP_PORTRANGE_LOW
constexpr int kReuse = kSoReuseAddr | kSoReusePort;

bool IsPrivileged(const proc* p) { return p == nullptr || suser(p->p_ucred); }

// Of ports in order: most are beyond the last.
bool Contains(std::span<const uint16_t> ports, uint16_t port) {
  return !ports.empty() && port <= ports.back() &&
         std::binary_search(ports.begin(), ports.end(), port);
}

// Whether somebody else's pcb with a wildcard in its names stands in the way: not if the socket may
// share, nor if it is a stream that will never listen by itself.
bool WildcardsCount(const socket* so) {
  return (so->so_options & kReuse) == 0 &&
         ((so->so_proto->pr_flags & PR_CONNREQUIRED) == 0 || (so->so_options & kSoAcceptConn) == 0);
}

// The families that a pcb at `laddr` has peers of.
constexpr int kTalks4 = 1, kTalks6 = 2;
int Families(const inpcb* inp, const inpaddru& laddr) {
  if (!laddr.is_any()) return laddr.is_v4() ? kTalks4 : kTalks6;
  return (in_pcbtalks(inp, true) ? kTalks4 : 0) | (in_pcbtalks(inp, false) ? kTalks6 : 0);
}

// How many of the names of `old` are wild against `inp` at `laddr`: 0 exact ... 2; -1: no match.
// What is of different families does not meet.
int Wildcards(const inpcb* old, const inpcb* inp, const inpaddru& laddr) {
  if ((Families(old, old->inp_laddr) & Families(inp, laddr)) == 0) return -1;
  int wild = old->inp_faddr.is_any() ? 0 : 1;
  if (old->inp_laddr == laddr) return wild;
  if (!old->inp_laddr.is_any() && !laddr.is_any()) return -1;
  return wild + 1;
}

// The pcb that matches `self` at `laddr` and that port with the fewest wildcards, among equals the
// newest; without `wild` only an exact one. Null: none.
[[gnu::noinline]] inpcb* BestMatchOf(const inpport* port, const inpcb* self, const inpaddru& laddr,
                                     bool wild) {
  inpcb* best = nullptr;
  int best_wild = wild ? 3 : 1;
  for (inpcb* list : {port->unconnected, wild ? port->connected : nullptr}) {
    for (inpcb* inp = list; inp != nullptr; inp = inp->inp_port_next) {
      const int count = Wildcards(inp, self, laddr);
      if (count < 0 || count > best_wild) continue;
      if (count == best_wild && (best == nullptr || inp->inp_bound < best->inp_bound)) continue;
      best = inp;
      best_wild = count;
      if (count == 0) return best;  // the lists are newest first
    }
  }
  return best;
}
inline inpcb* BestMatch(const inpcb* self, const inpaddru& laddr, in_port_t lport, bool wild) {
  const inpport* port = InpcbTableAccess::FindPort(self->inp_table, lport);
  return port != nullptr ? BestMatchOf(port, self, laddr, wild) : nullptr;
}

// Whether the user rule of spec 9.4 is about such a pcb. FreeBSD's is not about connections,
// TIME_WAIT included, that a stream meets.
bool UserCounts(const inpcb* other, const socket* so) {
  return inet_here().tunables.profile == 0 || so->so_type != SOCK_STREAM ||
         other->inp_faddr.is_any();
}

// Rule 5 of spec 9.3 with 9.4.
int CheckConflict(const inpcb* inp, const inpaddru& laddr, in_port_t lport) {
  const socket* so = inp->inp_socket;
  int sharing = so->so_options & kSoReusePort;
  const bool multicast = in_isgroup(laddr);
  if (multicast && (so->so_options & kReuse) != 0) sharing = kReuse;
  if (so->so_euid != 0 && !multicast) {
    const inpcb* other = BestMatch(inp, laddr, lport, true);
    const bool others = other != nullptr && other->inp_socket->so_euid != so->so_euid;
    if (others && UserCounts(other, so)) return EADDRINUSE;
  }
  const inpcb* other = BestMatch(inp, laddr, lport, WildcardsCount(so));
  if (other == nullptr || (other->inp_socket->so_options & sharing) != 0) return 0;
  return EADDRINUSE;
}

// Rules 3 and 3b: whether the host lets a socket have that address.
bool MayHaveAddress(const socket* so, const inpaddru& laddr) {
  if (laddr.is_any() || (so->so_options & kSoBindAny) != 0) return true;
  if (so->so_type != SOCK_STREAM && in_isgroup(laddr)) return true;
  if (laddr.is_v4()) {
    if (so->so_type != SOCK_STREAM && in_broadcast(laddr.v4())) return true;
    return in_ifawithaddr(laddr.v4()) != nullptr;
  }
  return in6_issource(laddr.v6());
}

struct PortRange {
  int64_t low, high;
};

// Spec 9.5. Errors: EACCES (low ports need privilege), EADDRNOTAVAIL (all taken).
int PickPort(inpcb* inp, const inpaddru& laddr, const proc* p, in_port_t* lport) {
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
    if (BestMatch(inp, laddr, htons(candidate), wild) != nullptr) continue;
    *lport = htons(candidate);
    return 0;
  }
  return EADDRNOTAVAIL;
}

// Draws a flow label for a connection that wants one.
void SetFlow(inpcb* inp) {
  const bool wanted = (inp->inp_flags & IN6P_AUTOFLOWLABEL) != 0 && !in_pcbpeer4(inp);
  constexpr uint32_t kFlowLabels = 1 << 20;
  if (wanted)
    inp->inp_flowinfo = static_cast<uint32_t>(inet6_here().flow_labels.NextBelow(kFlowLabels));
}

// The route to `dst`, or null. To "any" leads the default route, if there is one.
const rtentry* RouteTo(inpcb* inp, const inpaddru& dst) {
  if (!dst.is_any()) return rtalloc(&inp->inp_route, dst);
  return in_pcbis6(inp) ? rt_match(dst.v6()) : rt_match(dst.v4());
}

// The interface that an address of a link or of a group is reached by without a route: its zone
// says it, or of a group the socket's options, IPV6_PKTINFO first. 0: none does.
uint32_t ChosenInterface(const inpcb* inp, const in6_addr& dst) {
  if (in6_zone(dst) != 0 || !in6_ismulticast(dst)) return in6_zone(dst);
  if (const uint32_t wanted = in_pcbpktopts(inp).ip6po_ifindex) return wanted;
  return inp->inp_moptions6 != nullptr ? inp->inp_moptions6->im6o_ifidx : 0;
}

// The address of ours to speak from by that interface.
int ScopedSource(const in6_addr& dst, uint32_t ifidx, inpaddru* src) {
  const ifnet* ifp = if_byindex(*Here().host, ifidx);
  const in6_ifaddr* ia6 = ifp != nullptr ? in6_ifawithscope(ifp, dst) : nullptr;
  if (ia6 == nullptr) return ifidx == 0 ? EHOSTUNREACH : EADDRNOTAVAIL;
  *src = ia6->ia_addr;
  return 0;
}

// The address of ours that goes with a route to `dst`.
int SourceOf(const rtentry* rt, const inpaddru& dst, inpaddru* src) {
  if (rt->rt_family == AF_INET) {
    *src = ifatoia(rt->rt_ifa)->ia_addr;
    return 0;
  }
  const in6_ifaddr* ia6 = in6_ifawithscope(rt->rt_ifp, dst.v6());
  if (ia6 == nullptr) return EADDRNOTAVAIL;
  *src = ia6->ia_addr;
  return 0;
}

// The address that a connection to `dst` has here: the one that IPV6_PKTINFO asks for if bind has
// given none (RFC 3542 6.2).
int SourceOfConnection(inpcb* inp, const inpaddru& dst, inpaddru* laddr) {
  const in6_addr& wanted = in_pcbpktopts(inp).ip6po_addr;
  if (!inp->inp_laddr.is_any() || in6_isany(wanted)) return in_pcbselsrc(laddr, inp, dst);
  if (dst.is_v4() || !in6_issource(wanted)) return EADDRNOTAVAIL;
  *laddr = wanted;
  return 0;
}

}  // namespace

int in_pcbaddrisavail(const inpcb* inp, const inpaddru& laddr) {
  const in6_addr v6 = laddr.v6();
  if (in6_isscoped(v6) && in6_zone(v6) == 0) return EINVAL;
  return MayHaveAddress(inp->inp_socket, laddr) ? 0 : EADDRNOTAVAIL;
}

int in_pcbbind(inpcb* inp, const mbuf* nam, proc* p) {
  if (inp->inp_lport != 0 || !inp->inp_laddr.is_any()) return EINVAL;
  InetName name;
  if (nam != nullptr) {
    const int error = in_nam2name(inp, nam, &name);
    if (error != 0) return error;
    if (const int unfit = in_pcbaddrisavail(inp, name.addr)) return unfit;
  }
  in_port_t lport = name.port;
  if (lport == 0) {
    const int error = PickPort(inp, name.addr, p, &lport);
    if (error != 0) return error;
  } else {
    const uint16_t port = ntohs(lport);
    const bool restricted =
        port < kPortReserved || Contains(InpcbTableAccess::RootOnly(inp->inp_table), port);
    const bool refused = restricted && !IsPrivileged(p);
    // The systems differ in what they look at first (spec 9.3).
    if (refused && inet_here().tunables.profile != 0) return EACCES;
    const int error = CheckConflict(inp, name.addr, lport);
    if (error != 0) return error;
    if (refused) return EACCES;
  }
  InpcbTableAccess::SetLocal(inp, name.addr, lport);
  return 0;
}

int in_pcbconnect(inpcb* inp, const InetName& name) {
  if (name.port == 0) return EADDRNOTAVAIL;
  KASSERT(inp->inp_faddr.is_any());
  InetName peer = name;
  if (in_pcbis6(inp)) {
    peer.addr = in6_setscope(name.addr.v6(), in_pcbpktopts(inp).ip6po_ifindex);
  }
  inpaddru laddr;
  int error = SourceOfConnection(inp, peer.addr, &laddr);
  if (error != 0) return error;
  // What bind has given stays, even if no packet can come from it.
  const bool of_many = !inp->inp_laddr.is_any() && inp->inp_laddr != laddr;
  if (of_many) laddr = inp->inp_laddr;
  if (inp->inp_lport != 0) {
    error = InpcbTableAccess::SetPeer(inp, laddr, peer.addr, peer.port);
  } else {
    // A port that is picked may be shared (spec 9.5): whoever has it may have this peer as well.
    in_port_t lport = 0;
    error = PickPort(inp, laddr, curproc(), &lport);
    if (error != 0) return error;
    error = InpcbTableAccess::SetNames(inp, laddr, lport, peer.addr, peer.port);
  }
  if (error != 0) return error;
  inp->inp_flags = of_many ? inp->inp_flags | INP_OFMANY : inp->inp_flags & ~INP_OFMANY;
  SetFlow(inp);
  return 0;
}

int in_pcbset_addr(inpcb* inp, const inpaddru& faddr, in_port_t fport, const inpaddru& laddr,
                   in_port_t lport) {
  const int error = InpcbTableAccess::SetNames(inp, laddr, lport, faddr, fport);
  if (error == 0) SetFlow(inp);
  return error;
}

void in_pcbdisconnect(inpcb* inp) {
  InpcbTableAccess::ClearPeer(inp);
  inp->inp_flowinfo = 0;
  if ((inp->inp_socket->so_state & SS_NOFDREF) != 0) in_pcbdetach(inp);
}

bool in_pcbhassource(const inpcb* inp) {
  return !inp->inp_laddr.is_any() && !in_isofmany(inp->inp_laddr);
}

int in_pcbselsrc(inpaddru* src, inpcb* inp, const inpaddru& dst) {
  *src = inp->inp_laddr;
  const bool to_v4 = dst.is_any() ? !in_pcbis6(inp) : dst.is_v4();
  if (!src->is_any() && src->is_v4() != to_v4) return EAFNOSUPPORT;
  if (in_pcbhassource(inp)) return 0;
  const bool to_many = to_v4 && (in_ismulticast(dst.v4()) || in_host(dst.v4()) == INADDR_BROADCAST);
  if (to_many && inp->inp_moptions != nullptr && inp->inp_moptions->imo_ifidx != 0) {
    const ifnet* ifp = if_byindex(*inet_here().host, inp->inp_moptions->imo_ifidx);
    const in_ifaddr* ifa = ifp != nullptr ? in_ifaof(ifp) : nullptr;
    if (ifa == nullptr) return EADDRNOTAVAIL;
    *src = ifa->ia_addr;
    return 0;
  }
  const uint32_t chosen = to_v4 ? 0 : ChosenInterface(inp, dst.v6());
  if (!to_v4 && (chosen != 0 || in6_isscoped(dst.v6()))) {
    return ScopedSource(dst.v6(), chosen, src);
  }
  const rtentry* rt = RouteTo(inp, dst);
  if (rt == nullptr) return inet_here().tunables.profile != 0 ? ENETUNREACH : EADDRNOTAVAIL;
  const bool on_link_only = (inp->inp_socket->so_options & kSoDontRoute) != 0;
  if (on_link_only && (rt->rt_flags & RTF_GATEWAY) != 0) return EADDRNOTAVAIL;
  return SourceOf(rt, dst, src);
}

}  // namespace sockbed
