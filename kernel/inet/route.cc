#include "kernel/inet/route.h"

#include <errno.h>

#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/sim/fault.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr int kAddressBits = 32;
constexpr uint32_t kMtuLeast = 68;  // RFC 791: every link carries that much

uint32_t MaskOf(int plen) { return plen == 0 ? 0 : ~uint32_t{0} << (kAddressBits - plen); }

uint64_t PackPrefix(const rtentry* rt) { return PackPair(in_host(rt->rt_dest), rt->rt_plen); }

void Note(InetRecord type, const rtentry* rt, uint64_t a1 = 0, uint64_t a2 = 0) {
  Emit(Room::kInet, static_cast<uint8_t>(type), rt->rt_id, PackPrefix(rt), a1, a2);
}

// Links `rt` into the list of its prefix, best priority first.
void Link(InetHost& inet, rtentry* rt) {
  const uint32_t key = in_host(rt->rt_dest);
  rtentry* head = inet.routes.Find(key, rt->rt_plen);
  rtentry** at = &head;
  while (*at != nullptr && (*at)->rt_priority < rt->rt_priority) at = &(*at)->rt_next;
  rt->rt_next = *at;
  *at = rt;
  inet.routes.Set(key, rt->rt_plen, head);
  ++inet.live_routes;
  ++inet.rt_generation;
}

// Takes `rt` out of the table and frees it.
void Unlink(InetHost& inet, rtentry* rt) {
  const uint32_t key = in_host(rt->rt_dest);
  rtentry* head = inet.routes.Find(key, rt->rt_plen);
  rtentry** at = &head;
  while (*at != rt) {
    KASSERT(*at != nullptr);
    at = &(*at)->rt_next;
  }
  *at = rt->rt_next;
  inet.routes.Set(key, rt->rt_plen, head);
  --inet.live_routes;
  ++inet.rt_generation;
  Note(InetRecord::kUnroute, rt);
  timeout_del(&rt->rt_timer);
  delete rt;
}

void Expired(void* arg) {
  rtentry* rt = static_cast<rtentry*>(arg);
  if ((rt->rt_flags & RTF_DYNAMIC) != 0) return Unlink(inet_here(), rt);
  rt->rt_expire = 0;
  rt->rt_mtu = 0;
  rt->rt_locks &= ~RTV_MTU;
  Note(InetRecord::kRouteMtu, rt, 0, 0);
}

// The routes for which `doomed` holds, collected first: removing one moves the tree.
template <typename Predicate>
void RemoveAll(InetHost& inet, Predicate doomed) {
  std::vector<rtentry*> found;
  inet.routes.ForEach([&](rtentry* rt) {
    for (; rt != nullptr; rt = rt->rt_next) {
      if (doomed(rt)) found.push_back(rt);
    }
  });
  for (rtentry* rt : found) Unlink(inet, rt);
}

}  // namespace

int rt_add(const RouteSpec& spec, rtentry** made) {
  InetHost& inet = inet_here();
  if (spec.plen > kAddressBits || (in_host(spec.dest) & ~MaskOf(spec.plen)) != 0) return EINVAL;
  const bool via_gateway = !in_isany(spec.gateway);
  if (!via_gateway && spec.ifp == nullptr) return EINVAL;
  if (rt_get(spec.dest, spec.plen, spec.priority) != nullptr) return EEXIST;

  ifnet* ifp = spec.ifp;
  if (via_gateway) {
    const rtentry* on_link = rt_match(spec.gateway);
    if (on_link == nullptr || (on_link->rt_flags & (RTF_GATEWAY | RTF_LOCAL)) != 0) {
      return ENETUNREACH;
    }
    if (ifp == nullptr) ifp = on_link->rt_ifp;
  }
  in_ifaddr* ifa = spec.ifa != nullptr ? spec.ifa : in_ifaof(ifp);
  if (ifa == nullptr) return EADDRNOTAVAIL;
  // Those that configuration makes may wait for memory.
  const bool may_wait = (spec.flags & RTF_DYNAMIC) == 0;
  if (!may_wait && fault::Fires(Site::kPoolGet, inet.next_rt_id + 1)) return ENOBUFS;

  auto* rt = new rtentry;
  rt->rt_dest = spec.dest;
  rt->rt_plen = spec.plen;
  rt->rt_priority = spec.priority;
  rt->rt_flags = spec.flags | (if_is_up(ifp) ? RTF_UP : 0) | (via_gateway ? RTF_GATEWAY : 0) |
                 (spec.plen == kAddressBits ? RTF_HOST : 0);
  rt->rt_gateway = spec.gateway;
  rt->rt_ifp = ifp;
  rt->rt_ifa = ifa;
  rt->rt_mtu = spec.mtu;
  rt->rt_id = ++inet.next_rt_id;
  timeout_set(&rt->rt_timer, Expired, rt);
  Link(inet, rt);
  Note(InetRecord::kRoute, rt, in_host(rt->rt_gateway), PackText(ifp->if_xname));
  if (made != nullptr) *made = rt;
  return 0;
}

int rt_delete(in_addr dest, uint8_t plen, uint8_t priority) {
  rtentry* rt = rt_get(dest, plen, priority);
  if (rt == nullptr) return ESRCH;
  Unlink(inet_here(), rt);
  return 0;
}

rtentry* rt_get(in_addr dest, uint8_t plen, uint8_t priority) {
  rtentry* rt = inet_here().routes.Find(in_host(dest), plen);
  while (rt != nullptr && priority != 0 && rt->rt_priority != priority) rt = rt->rt_next;
  return rt;
}

int rt_set_mtu(rtentry* rt, uint32_t mtu) {
  if (mtu != 0 && (mtu < kMtuLeast || mtu > rt->rt_ifp->if_mtu)) return EINVAL;
  rt->rt_mtu = mtu;
  Note(InetRecord::kRouteMtu, rt, mtu, rt->rt_locks);
  return 0;
}

rtentry* rt_match(in_addr dst) {
  rtentry* up = nullptr;
  (void)inet_here().routes.Match(in_host(dst), [&up](rtentry* rt) {
    while (rt != nullptr && (rt->rt_flags & RTF_UP) == 0) rt = rt->rt_next;
    if (rt != nullptr) up = rt;
    return rt != nullptr;
  });
  return up;
}

rtentry* rtalloc(route* ro, in_addr dst) {
  const InetHost& inet = inet_here();
  if (ro->ro_generation != inet.rt_generation || ro->ro_dst.s_addr != dst.s_addr) {
    *ro = {.ro_rt = rt_match(dst), .ro_generation = inet.rt_generation, .ro_dst = dst};
  }
  return ro->ro_rt;
}

void rt_foreach(const std::function<void(const rtentry&)>& visit) {
  inet_here().routes.ForEach([&](const rtentry* rt) {
    for (; rt != nullptr; rt = rt->rt_next) visit(*rt);
  });
}

rtentry* rt_clone(in_addr dst) {
  rtentry* rt = rt_match(dst);
  if (rt == nullptr || (rt->rt_flags & (RTF_LOCAL | RTF_BROADCAST | RTF_REJECT)) != 0)
    return nullptr;
  if ((rt->rt_flags & RTF_HOST) != 0) return rt;
  rtentry* clone = nullptr;
  const int error = rt_add({.dest = dst,
                            .plen = kAddressBits,
                            .priority = rt->rt_priority,
                            .flags = RTF_DYNAMIC,
                            .gateway = rt->rt_gateway,
                            .ifp = rt->rt_ifp,
                            .ifa = rt->rt_ifa,
                            .mtu = rt->rt_mtu},
                           &clone);
  return error == 0 ? clone : nullptr;
}

void rt_expire_after(rtentry* rt, int64_t seconds) {
  rt->rt_expire = Now() + seconds * kSecond;
  timeout_add_sec(&rt->rt_timer, static_cast<int>(seconds));
}

void rt_lower_mtu(rtentry* rt, uint32_t mtu) {
  if (mtu == 0) {
    rt->rt_locks |= RTV_MTU;
  } else {
    KASSERT(mtu < rt_path_mtu(rt));
    rt->rt_mtu = mtu;
  }
  Note(InetRecord::kRouteMtu, rt, rt->rt_mtu, rt->rt_locks);
}

void rt_link_state(ifnet* ifp) {
  InetHost& inet = inet_here();
  const bool up = if_is_up(ifp);
  inet.routes.ForEach([&](rtentry* rt) {
    for (; rt != nullptr; rt = rt->rt_next) {
      if (rt->rt_ifp == ifp) rt->rt_flags = up ? rt->rt_flags | RTF_UP : rt->rt_flags & ~RTF_UP;
    }
  });
  ++inet.rt_generation;
}

void rt_flush(const in_ifaddr* ifa) {
  RemoveAll(inet_here(), [ifa](const rtentry* rt) { return rt->rt_ifa == ifa; });
}

void rt_purge(InetHost& inet) {
  RemoveAll(inet, [](const rtentry*) { return true; });
}

}  // namespace sockbed
