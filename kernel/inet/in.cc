#include <errno.h>

#include "kernel/inet/in_mcast.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/route.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

in_addr FromHost(uint32_t address) { return in_addr{htonl(address)}; }

// Each address makes its interface a member of 224.0.0.1 once more (RFC 1112 7.2).
in_addr AllHosts() { return FromHost(INADDR_ALLHOSTS_GROUP); }

// Adds the routes that come with an address; what fails was there before (two addresses of one
// network).
void AddRoutes(in_ifaddr* ifa) {
  ifnet* lo0 = if_loopback(*ifa->ia_ifp->if_host);
  const uint32_t mask = in_host(ifa->ia_netmask);
  (void)rt_add(
      {.dest = ifa->ia_addr, .priority = RTP_LOCAL, .flags = RTF_LOCAL, .ifp = lo0, .ifa = ifa});
  if (!in_isany(ifa->ia_dstaddr)) {
    (void)rt_add({.dest = ifa->ia_dstaddr,
                  .priority = RTP_CONNECTED,
                  .flags = RTF_CONNECTED,
                  .ifp = ifa->ia_ifp,
                  .ifa = ifa});
  } else if (ifa->ia_plen < 32) {
    (void)rt_add({.dest = FromHost(in_host(ifa->ia_addr) & mask),
                  .plen = ifa->ia_plen,
                  .priority = RTP_CONNECTED,
                  .flags = RTF_CONNECTED | RTF_CLONING,
                  .ifp = ifa->ia_ifp,
                  .ifa = ifa});
  }
  if (!in_isany(ifa->ia_broadaddr)) {
    // The second one is asked for only while in_broadcast says so, too.
    for (const in_addr all : {ifa->ia_broadaddr, FromHost(in_host(ifa->ia_addr) & mask)}) {
      (void)rt_add({.dest = all,
                    .priority = RTP_LOCAL,
                    .flags = RTF_BROADCAST,
                    .ifp = ifa->ia_ifp,
                    .ifa = ifa});
    }
  }
}

void Note(InetRecord type, const in_ifaddr* ifa) {
  Emit(Room::kInet, static_cast<uint8_t>(type), ifa->ia_ifp->if_index,
       PackPair(in_host(ifa->ia_addr), ifa->ia_plen), PackText(ifa->ia_ifp->if_xname));
}

}  // namespace

int in_ifadd(ifnet* ifp, in_addr addr, uint8_t plen, in_addr peer) {
  KASSERT(Here().host == ifp->if_host);
  InetHost& inet = inet_here();
  if (plen > 32 || in_isthisnet(addr) || in_host(addr) >= INADDR_UNSPEC_GROUP) return EINVAL;
  if (!in_isany(peer) && (ifp->if_flags & IFF_POINTOPOINT) == 0) return EINVAL;
  if (in_ifawithaddr(addr) != nullptr) return EEXIST;
  const uint32_t mask = plen == 0 ? 0 : ~uint32_t{0} << (32 - plen);
  auto ifa = std::make_unique<in_ifaddr>(
      in_ifaddr{{.ia_ifp = ifp, .ia_plen = plen}, addr, FromHost(mask), {}, peer});
  // A /31 has two hosts and no broadcast address (RFC 3021).
  if ((ifp->if_flags & IFF_BROADCAST) != 0 && plen < 31) {
    ifa->ia_broadaddr = FromHost(in_host(addr) | ~mask);
    ++inet.broadcast_addresses;
  }
  inet.addresses.push_back(std::move(ifa));
  inet.last_let_in = {};  // the source of one may be a broadcast address now
  Note(InetRecord::kAddress, inet.addresses.back().get());
  AddRoutes(inet.addresses.back().get());
  if ((ifp->if_flags & IFF_MULTICAST) != 0) (void)in_addmulti(AllHosts(), ifp);
  // An announcement: whoever remembers another owner of the address learns the new one.
  if (if_is_ethernet(ifp) && if_is_up(ifp)) arp_request(ifp, addr, addr);
  return 0;
}

int in_ifdel(ifnet* ifp, in_addr addr) {
  InetHost& inet = inet_here();
  for (auto it = inet.addresses.begin(); it != inet.addresses.end(); ++it) {
    if ((*it)->ia_addr.s_addr != addr.s_addr || (*it)->ia_ifp != ifp) continue;
    rt_flush(it->get());
    if (!in_isany((*it)->ia_broadaddr)) --inet.broadcast_addresses;
    Note(InetRecord::kUnaddress, it->get());
    const std::unique_ptr<in_ifaddr> gone = std::move(*it);
    inet.addresses.erase(it);
    if (in_multi* inm = in_hasmulti(ifp, AllHosts())) in_delmulti(inm);
    // Another address of the same network takes its place.
    for (const auto& ifa : inet.addresses) {
      if (ifa->ia_ifp == ifp) AddRoutes(ifa.get());
    }
    return 0;
  }
  return EADDRNOTAVAIL;
}

in_ifaddr* in_ifawithaddr(in_addr addr) {
  for (const auto& ifa : inet_here().addresses) {
    if (ifa->ia_addr.s_addr == addr.s_addr) return ifa.get();
  }
  return nullptr;
}

in_ifaddr* in_ifaonlink(in_addr addr) {
  const rtentry* rt = rt_match(addr);
  return rt != nullptr && (rt->rt_flags & (RTF_GATEWAY | RTF_LOCAL)) == 0 ? ifatoia(rt->rt_ifa)
                                                                          : nullptr;
}

in_ifaddr* in_ifaof(const ifnet* ifp) {
  for (const auto& ifa : inet_here().addresses) {
    if (ifa->ia_ifp == ifp) return ifa.get();
  }
  return nullptr;
}

bool in_broadcast(in_addr addr, const ifnet* ifp) {
  if (in_host(addr) == INADDR_BROADCAST) return true;
  const InetHost& inet = inet_here();
  if (inet.broadcast_addresses == 0) return false;
  const bool zeros_too = inet.tunables.profile == 0;
  for (const auto& ifa : inet.addresses) {
    if (in_isany(ifa->ia_broadaddr) || (ifp != nullptr && ifa->ia_ifp != ifp)) continue;
    if (addr.s_addr == ifa->ia_broadaddr.s_addr) return true;
    if (zeros_too && addr.s_addr == (ifa->ia_addr.s_addr & ifa->ia_netmask.s_addr)) return true;
  }
  return false;
}

void in_purge(InetHost& inet) {
  rt_purge(inet);
  for (auto& [key, inm] : inet.multis) timeout_del(&inm.inm_timer);
  inet.multis.clear();
  inet.addresses.clear();
  inet.v6.addresses.clear();
  inet.v6.groups.clear();
  inet.broadcast_addresses = 0;
}

}  // namespace sockbed
