#include "kernel/inet/in_mcast.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "kernel/inet/igmp.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/net/if_ether.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"
#include "kernel/socket/socketvar.h"

namespace sockbed {

namespace {

void Note(InetRecord type, const in_multi* inm) {
  Emit(Room::kInet, static_cast<uint8_t>(type), inm->inm_ifidx, in_host(inm->inm_addr));
}

// A pcb whose options are the defaults needs none of its own.
bool IsDefault(const ip_moptions& imo) {
  return imo.imo_ifidx == 0 && imo.imo_ttl == IP_DEFAULT_MULTICAST_TTL && imo.imo_loop &&
         imo.imo_membership.empty();
}

// The interface that may carry multicasts; null: none such.
ifnet* Capable(ifnet* ifp) {
  return ifp != nullptr && (ifp->if_flags & IFF_MULTICAST) != 0 ? ifp : nullptr;
}

ifnet* OfAddress(in_addr addr) {
  const in_ifaddr* ifa = in_ifawithaddr(addr);
  return ifa != nullptr ? ifa->ia_ifp : nullptr;
}

// What IP_ADD_MEMBERSHIP and kin are given.
struct Request {
  in_addr group{}, interface {};
  uint32_t ifidx = 0;
};

// Reads an ip_mreq or ip_mreqn; `address_alone`: instead of the former, the interface's address.
bool ReadRequest(const mbuf* m, bool address_alone, Request* request) {
  if (m == nullptr) return false;
  const size_t size = static_cast<size_t>(m->m_len);
  if (address_alone && size == sizeof(in_addr)) {
    std::memcpy(&request->interface, m->m_data, sizeof(in_addr));
    return true;
  }
  if (size == sizeof(ip_mreqn)) {
    ip_mreqn given;
    std::memcpy(&given, m->m_data, sizeof given);
    if (given.imr_ifindex < 0) return false;
    *request = {given.imr_multiaddr, given.imr_address, static_cast<uint32_t>(given.imr_ifindex)};
    return true;
  }
  if (address_alone || size != sizeof(ip_mreq)) return false;
  ip_mreq given;
  std::memcpy(&given, m->m_data, sizeof given);
  *request = {given.imr_multiaddr, given.imr_interface, 0};
  return true;
}

// The interface a request names, by index, by address, or by nothing: then whatever the route to
// the group says. Null: there is none, or it carries no multicasts.
ifnet* InterfaceOf(const Request& request) {
  if (request.ifidx != 0) return Capable(if_byindex(*inet_here().host, request.ifidx));
  if (!in_isany(request.interface)) return Capable(OfAddress(request.interface));
  const rtentry* rt = rt_match(request.group);
  return rt != nullptr ? Capable(rt->rt_ifp) : nullptr;
}

// --- The options. ---

int SetInterface(ip_moptions* imo, const mbuf* m) {
  Request request;
  if (!ReadRequest(m, true, &request)) return EINVAL;
  if (request.ifidx == 0 && in_isany(request.interface)) {
    imo->imo_ifidx = 0;
    return 0;
  }
  const ifnet* ifp = InterfaceOf(request);
  if (ifp == nullptr) return EADDRNOTAVAIL;
  imo->imo_ifidx = ifp->if_index;
  return 0;
}

// A u_char as BSD has it, or an int. False: neither.
bool ReadSmall(const mbuf* m, int* value) {
  if (m == nullptr) return false;
  if (m->m_len == 1) {
    *value = *mtod<uint8_t>(m);
    return true;
  }
  if (m->m_len != static_cast<int>(sizeof *value)) return false;
  std::memcpy(value, m->m_data, sizeof *value);
  return true;
}

int SetTtl(ip_moptions* imo, const mbuf* m) {
  int value;
  if (!ReadSmall(m, &value) || value < 0 || value > 255) return EINVAL;
  imo->imo_ttl = static_cast<uint8_t>(value);
  return 0;
}

int SetLoop(ip_moptions* imo, const mbuf* m) {
  int value;
  if (!ReadSmall(m, &value) || value < 0 || value > 1) return EINVAL;
  imo->imo_loop = value != 0;
  return 0;
}

int Join(const inpcb* inp, ip_moptions* imo, const mbuf* m) {
  Request request;
  if (!ReadRequest(m, false, &request) || !in_ismulticast(request.group)) return EINVAL;
  ifnet* ifp = InterfaceOf(request);
  if (ifp == nullptr) return EADDRNOTAVAIL;
  for (const in_multi* inm : imo->imo_membership) {
    if (inm->inm_addr.s_addr == request.group.s_addr && inm->inm_ifidx == ifp->if_index) {
      return EADDRINUSE;
    }
  }
  if (imo->imo_membership.size() >= kMembershipsMax) return ETOOMANYREFS;
  if (fault::Fires(Site::kPoolGet, inp->inp_socket->so_id)) return ENOBUFS;
  if (imo->imo_membership.empty()) imo->imo_membership.reserve(kMembershipsAtFirst);
  imo->imo_membership.push_back(in_addmulti(request.group, ifp));
  ++inet_here().live_memberships;
  return 0;
}

// Without an interface the first membership of that group goes, in order of joining.
int Leave(ip_moptions* imo, const mbuf* m) {
  Request request;
  if (!ReadRequest(m, false, &request) || !in_ismulticast(request.group)) return EINVAL;
  const ifnet* ifp = nullptr;
  if (request.ifidx != 0 || !in_isany(request.interface)) {
    ifp = InterfaceOf(request);
    if (ifp == nullptr) return EADDRNOTAVAIL;
  }
  std::vector<in_multi*>& all = imo->imo_membership;
  const auto found = std::find_if(all.begin(), all.end(), [&](const in_multi* inm) {
    return inm->inm_addr.s_addr == request.group.s_addr &&
           (ifp == nullptr || inm->inm_ifidx == ifp->if_index);
  });
  if (found == all.end()) return EADDRNOTAVAIL;
  in_delmulti(*found);
  all.erase(found);
  --inet_here().live_memberships;
  return 0;
}

int Set(int optname, const inpcb* inp, ip_moptions* imo, const mbuf* m) {
  switch (optname) {
    case IP_MULTICAST_IF: return SetInterface(imo, m);
    case IP_MULTICAST_TTL: return SetTtl(imo, m);
    case IP_MULTICAST_LOOP: return SetLoop(imo, m);
    case IP_ADD_MEMBERSHIP: return Join(inp, imo, m);
    default: return Leave(imo, m);
  }
}

}  // namespace

// --- Groups of interfaces. ---

in_multi* in_addmulti(in_addr group, ifnet* ifp) {
  KASSERT(in_ismulticast(group) && Capable(ifp) != nullptr);
  InetHost& inet = inet_here();
  const auto [at, made] = inet.multis.try_emplace({ifp->if_index, in_host(group)});
  in_multi* inm = &at->second;
  ++inm->inm_refcnt;
  if (!made) return inm;
  inm->inm_addr = group;
  inm->inm_ifidx = ifp->if_index;
  if (if_is_ethernet(ifp)) ether_addmulti(ifp, ether_multicast4(in_host(group)));
  Note(InetRecord::kJoin, inm);
  igmp_joingroup(inm);
  return inm;
}

void in_delmulti(in_multi* inm) {
  KASSERT(inm->inm_refcnt > 0);
  if (--inm->inm_refcnt > 0) return;
  InetHost& inet = inet_here();
  igmp_leavegroup(inm);
  Note(InetRecord::kLeave, inm);
  ifnet* ifp = if_byindex(*inet.host, inm->inm_ifidx);
  if (ifp != nullptr && if_is_ethernet(ifp)) {
    ether_delmulti(ifp, ether_multicast4(in_host(inm->inm_addr)));
  }
  inet.multis.erase({inm->inm_ifidx, in_host(inm->inm_addr)});
}

in_multi* in_hasmulti(const ifnet* ifp, in_addr group) {
  InMultiTable& all = inet_here().multis;
  const auto found = all.find({ifp->if_index, in_host(group)});
  return found != all.end() ? &found->second : nullptr;
}

// --- Sockets. ---

void ip_freemoptions(ip_moptions* imo) {
  if (imo == nullptr) return;
  inet_here().live_memberships -= static_cast<int64_t>(imo->imo_membership.size());
  for (in_multi* inm : imo->imo_membership) in_delmulti(inm);
  delete imo;
}

bool ip_hearsgroup(const inpcb* inp, uint32_t ifidx, in_addr group) {
  if (inet_here().tunables.mcast_members_only == 0) return true;
  if (inp->inp_moptions == nullptr) return false;
  const std::vector<in_multi*>& all = inp->inp_moptions->imo_membership;
  return std::any_of(all.begin(), all.end(), [&](const in_multi* inm) {
    return inm->inm_addr.s_addr == group.s_addr && inm->inm_ifidx == ifidx;
  });
}

bool ip_ismoption(int optname) {
  return optname == IP_MULTICAST_IF || optname == IP_MULTICAST_TTL ||
         optname == IP_MULTICAST_LOOP || optname == IP_ADD_MEMBERSHIP ||
         optname == IP_DROP_MEMBERSHIP;
}

int ip_setmoptions(int optname, inpcb* inp, const mbuf* m) {
  ip_moptions* imo = inp->inp_moptions;
  if (imo == nullptr) {
    if (fault::Fires(Site::kPoolGet, inp->inp_socket->so_id)) return ENOBUFS;
    imo = inp->inp_moptions = new ip_moptions;
  }
  const int error = Set(optname, inp, imo, m);
  if (IsDefault(*imo)) {
    ip_freemoptions(imo);
    inp->inp_moptions = nullptr;
  }
  return error;
}

int ip_getmoptions(int optname, const inpcb* inp, mbuf* m) {
  const ip_moptions defaults;
  const ip_moptions& imo = inp->inp_moptions != nullptr ? *inp->inp_moptions : defaults;
  if (optname == IP_MULTICAST_IF) {
    const ifnet* ifp = if_byindex(*inet_here().host, imo.imo_ifidx);
    const in_ifaddr* ifa = ifp != nullptr ? in_ifaof(ifp) : nullptr;
    const in_addr address = ifa != nullptr ? ifa->ia_addr : in_addr{};
    std::memcpy(m->m_data, &address, sizeof address);
    m->m_len = sizeof address;
    return 0;
  }
  if (optname != IP_MULTICAST_TTL && optname != IP_MULTICAST_LOOP) return ENOPROTOOPT;
  // An int, which whoever asks for one byte gets the low byte of.
  const int value = optname == IP_MULTICAST_TTL ? imo.imo_ttl : imo.imo_loop ? 1 : 0;
  std::memcpy(m->m_data, &value, sizeof value);
  m->m_len = sizeof value;
  return 0;
}

}  // namespace sockbed
