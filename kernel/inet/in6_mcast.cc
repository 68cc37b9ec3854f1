#include "kernel/inet/in6_mcast.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/in6.h"
#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_var.h"
#include "kernel/inet/mld6.h"
#include "kernel/net/if_ether.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

namespace {

void Note(InetRecord type, const in6_multi* in6m) {
  Emit(Room::kInet, static_cast<uint8_t>(type), in6m->in6m_ifidx, in6_high(in6m->in6m_addr),
       in6_low(in6m->in6m_addr));
}

std::tuple<uint32_t, uint64_t, uint64_t> KeyOf(uint32_t ifidx, const in6_addr& group) {
  return {ifidx, in6_high(group), in6_low(group)};
}

void Release(in6_multi* in6m) {
  KASSERT(in6m->in6m_refcnt > 0);
  if (--in6m->in6m_refcnt > 0) return;
  mld6_stop_listening(in6m);
  Note(InetRecord::kLeave6, in6m);
  ifnet* ifp = if_byindex(*Here().host, in6m->in6m_ifidx);
  if (ifp != nullptr && if_is_ethernet(ifp)) {
    ether_delmulti(ifp, ether_multicast6(in6m->in6m_addr.s6_addr));
  }
  inet6_here().groups.erase(KeyOf(in6m->in6m_ifidx, in6m->in6m_addr));
}

// A pcb whose options are the defaults needs none of its own.
bool IsDefault(const ip6_moptions& im6o) {
  return im6o.im6o_ifidx == 0 && im6o.im6o_hlim == IPV6_DEFAULT_MULTICAST_HOPS && im6o.im6o_loop &&
         im6o.im6o_membership.empty();
}

// The interface that may carry multicasts; null: none such.
ifnet* Capable(ifnet* ifp) {
  return ifp != nullptr && (ifp->if_flags & IFF_MULTICAST) != 0 ? ifp : nullptr;
}

bool ReadInt(const mbuf* m, int* value) {
  if (m == nullptr || m->m_len != static_cast<int>(sizeof *value)) return false;
  std::memcpy(value, m->m_data, sizeof *value);
  return true;
}

// --- The options. ---

int SetInterface(ip6_moptions* im6o, int index) {
  if (index < 0) return EINVAL;
  if (index != 0 && Capable(if_byindex(*Here().host, static_cast<uint32_t>(index))) == nullptr) {
    return EADDRNOTAVAIL;
  }
  im6o->im6o_ifidx = static_cast<uint32_t>(index);
  return 0;
}

int SetHops(ip6_moptions* im6o, int hops) {
  if (hops < -1 || hops > 255) return EINVAL;
  im6o->im6o_hlim = hops == -1 ? IPV6_DEFAULT_MULTICAST_HOPS : hops;
  return 0;
}

int SetLoop(ip6_moptions* im6o, int loop) {
  if (loop < 0 || loop > 1) return EINVAL;
  im6o->im6o_loop = loop != 0;
  return 0;
}

// What IPV6_JOIN_GROUP and IPV6_LEAVE_GROUP are given. The address has no zone yet.
int ReadRequest(const mbuf* m, ipv6_mreq* request) {
  if (m == nullptr || m->m_len != static_cast<int>(sizeof *request)) return EINVAL;
  std::memcpy(request, m->m_data, sizeof *request);
  return in6_ismulticast(request->ipv6mr_multiaddr) ? 0 : EINVAL;
}

int Join(const inpcb* inp, ip6_moptions* im6o, const mbuf* m) {
  ipv6_mreq request;
  if (const int error = ReadRequest(m, &request)) return error;
  ifnet* ifp = if_byindex(*Here().host, request.ipv6mr_interface);
  if (request.ipv6mr_interface == 0) {
    const rtentry* rt = rt_match(request.ipv6mr_multiaddr);
    if (rt != nullptr) ifp = rt->rt_ifp;
  }
  if (Capable(ifp) == nullptr) return EADDRNOTAVAIL;
  const in6_addr group = in6_setscope(request.ipv6mr_multiaddr, ifp->if_index);
  for (const in6_multi* in6m : im6o->im6o_membership) {
    if (in6m->in6m_ifidx == ifp->if_index && in6_equal(in6m->in6m_addr, group)) return EADDRINUSE;
  }
  if (im6o->im6o_membership.size() >= kMembershipsMax) return ETOOMANYREFS;
  if (fault::Fires(Site::kPoolGet, inp->inp_socket->so_id)) return ENOBUFS;
  if (im6o->im6o_membership.empty()) im6o->im6o_membership.reserve(kMembershipsAtFirst);
  im6o->im6o_membership.push_back(in6_addmulti(ifp, group));
  ++inet6_here().live_memberships;
  return 0;
}

// Without an interface the first membership of that group goes, in order of joining.
int Leave(ip6_moptions* im6o, const mbuf* m) {
  ipv6_mreq request;
  if (const int error = ReadRequest(m, &request)) return error;
  std::vector<in6_multi*>& all = im6o->im6o_membership;
  const auto found = std::find_if(all.begin(), all.end(), [&](const in6_multi* in6m) {
    const bool there =
        request.ipv6mr_interface == 0 || in6m->in6m_ifidx == request.ipv6mr_interface;
    return there && in6_equal(in6_clearscope(in6m->in6m_addr), request.ipv6mr_multiaddr);
  });
  if (found == all.end()) return EADDRNOTAVAIL;
  Release(*found);
  all.erase(found);
  --inet6_here().live_memberships;
  return 0;
}

int Set(int optname, const inpcb* inp, ip6_moptions* im6o, const mbuf* m) {
  if (optname == IPV6_JOIN_GROUP) return Join(inp, im6o, m);
  if (optname == IPV6_LEAVE_GROUP) return Leave(im6o, m);
  int value;
  if (!ReadInt(m, &value)) return EINVAL;
  if (optname == IPV6_MULTICAST_IF) return SetInterface(im6o, value);
  return optname == IPV6_MULTICAST_HOPS ? SetHops(im6o, value) : SetLoop(im6o, value);
}

}  // namespace

// --- Groups of interfaces. ---

in6_multi* in6_addmulti(ifnet* ifp, const in6_addr& group) {
  KASSERT(in6_ismulticast(group));
  const auto [at, made] = inet6_here().groups.try_emplace(KeyOf(ifp->if_index, group));
  in6_multi* in6m = &at->second;
  ++in6m->in6m_refcnt;
  if (!made) return in6m;
  in6m->in6m_addr = group;
  in6m->in6m_ifidx = ifp->if_index;
  if (if_is_ethernet(ifp)) ether_addmulti(ifp, ether_multicast6(group.s6_addr));
  Note(InetRecord::kJoin6, in6m);
  mld6_start_listening(in6m);
  return in6m;
}

void in6_delmulti(ifnet* ifp, const in6_addr& group) {
  in6_multi* in6m = in6_hasmulti(ifp, group);
  KASSERT(in6m != nullptr);
  Release(in6m);
}

in6_multi* in6_hasmulti(const ifnet* ifp, const in6_addr& group) {
  In6MultiTable& all = inet6_here().groups;
  const auto found = all.find(KeyOf(ifp->if_index, group));
  return found != all.end() ? &found->second : nullptr;
}

// --- Sockets. ---

ip6_moptions ip6_packetmoptions(const inpcb* inp, const ip6_pktopts& opt) {
  ip6_moptions im6o;
  if (const ip6_moptions* own = inp->inp_moptions6) {
    im6o.im6o_ifidx = own->im6o_ifidx;
    im6o.im6o_hlim = own->im6o_hlim;
    im6o.im6o_loop = own->im6o_loop;
  }
  if (opt.ip6po_hlim >= 0) im6o.im6o_hlim = opt.ip6po_hlim;
  return im6o;
}

void ip6_freemoptions(ip6_moptions* im6o) {
  if (im6o == nullptr) return;
  inet6_here().live_memberships -= static_cast<int64_t>(im6o->im6o_membership.size());
  for (in6_multi* in6m : im6o->im6o_membership) Release(in6m);
  delete im6o;
}

bool ip6_hearsgroup(const inpcb* inp, uint32_t ifidx, const in6_addr& group) {
  if (inet_here().tunables.mcast_members_only == 0) return true;
  if (inp->inp_moptions6 == nullptr) return false;
  const std::vector<in6_multi*>& all = inp->inp_moptions6->im6o_membership;
  return std::any_of(all.begin(), all.end(), [&](const in6_multi* in6m) {
    return in6m->in6m_ifidx == ifidx && in6_equal(in6m->in6m_addr, group);
  });
}

bool ip6_ismoption(int optname) {
  return optname == IPV6_MULTICAST_IF || optname == IPV6_MULTICAST_HOPS ||
         optname == IPV6_MULTICAST_LOOP || optname == IPV6_JOIN_GROUP ||
         optname == IPV6_LEAVE_GROUP;
}

int ip6_setmoptions(int optname, inpcb* inp, const mbuf* m) {
  ip6_moptions* im6o = inp->inp_moptions6;
  if (im6o == nullptr) {
    if (fault::Fires(Site::kPoolGet, inp->inp_socket->so_id)) return ENOBUFS;
    im6o = inp->inp_moptions6 = new ip6_moptions;
  }
  const int error = Set(optname, inp, im6o, m);
  if (IsDefault(*im6o)) {
    ip6_freemoptions(im6o);
    inp->inp_moptions6 = nullptr;
  }
  return error;
}

int ip6_getmoptions(int optname, const inpcb* inp, mbuf* m) {
  const ip6_moptions defaults;
  const ip6_moptions& im6o = inp->inp_moptions6 != nullptr ? *inp->inp_moptions6 : defaults;
  int value;
  switch (optname) {
    case IPV6_MULTICAST_IF: value = static_cast<int>(im6o.im6o_ifidx); break;
    case IPV6_MULTICAST_HOPS: value = im6o.im6o_hlim; break;
    case IPV6_MULTICAST_LOOP: value = im6o.im6o_loop ? 1 : 0; break;
    default: return ENOPROTOOPT;
  }
  std::memcpy(m->m_data, &value, sizeof value);
  m->m_len = sizeof value;
  return 0;
}

}  // namespace sockbed
