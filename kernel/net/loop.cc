#include "kernel/net/loop.h"

#include <errno.h>

#include "kernel/net/if.h"
#include "kernel/net/if_private.h"
#include "kernel/net/net_trace.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

// loop_to, expanded where nearly every packet passes. `sent`: it was sent on lo0, and counts there.
[[gnu::always_inline]] inline int LoopTo(ifnet* ifp, MbufPtr m, bool sent) {
  NetHost& net = HostLocal<NetHost>::Of(*ifp->if_host);
  if (m->m_pkthdr.ph_loopcnt >= M_MAXLOOP) [[unlikely]] {
    if_drop(ifp, NetDrop::kLoops, &ifp->if_counters.ifi_oerrors, std::move(m));
    return ELOOP;
  }
  if (net.loop_queue.size() >= kInputQueueMax) [[unlikely]] {
    if_drop(ifp, NetDrop::kLoopQueue, &ifp->if_counters.ifi_iqdrops, std::move(m));
    return ENOBUFS;
  }
  ++m->m_pkthdr.ph_loopcnt;
  m->m_flags |= M_LOOP;
  m->m_pkthdr.ph_ifidx = ifp->if_index;
  if_accept_checksums(m.get());
  if (sent) if_count_output(ifp, m.get());

  m->m_pkthdr.ph_cause = Emit(Room::kNet, static_cast<uint8_t>(NetRecord::kLoop), ifp->if_index,
                              static_cast<uint64_t>(m->m_pkthdr.len));
  net.loop_queue.Add(std::move(m), Now());
  return 0;
}

// if_output of lo0. Checksums that are pending stay so, and count as verified: they are never
// computed. What was left to be cut arrives joined, unless the receiving half may not.
int looutput(ifnet* ifp, MbufPtr m, const sockaddr*) {
  if ((m->m_pkthdr.csum_flags & M_TCP_TSO) != 0 && (ifp->if_capabilities & IFCAP_LRO) == 0)
      [[unlikely]] {
    return if_send_chopped(ifp, std::move(m),
                           [ifp](MbufPtr segment) { return loop_to(ifp, std::move(segment)); });
  }
  m->m_pkthdr.csum_flags &= static_cast<uint16_t>(~M_TCP_TSO);
  return LoopTo(ifp, std::move(m), true);
}

}  // namespace

void loop_arrive(void* net_host, MbufPtr m) {
  ifnet* ifp = if_byindex(*static_cast<NetHost*>(net_host)->host, m->m_pkthdr.ph_ifidx);
  if (ifp == nullptr) return;  // the interface has gone, and its packets with it
  if_input(ifp, std::move(m));
}

int loop_to(ifnet* ifp, MbufPtr m) {
  return LoopTo(ifp, std::move(m), (ifp->if_flags & IFF_LOOPBACK) != 0);
}

void loop_attach(HostBase& host) {
  ifnet* ifp = if_attach(host, "lo0");
  KASSERT(ifp->if_index == 1);
  ifp->if_mtu = kLoopMtu;
  ifp->if_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK | IFF_MULTICAST;
  ifp->if_capabilities = IFCAP_CSUM_ALL | IFCAP_TSOv4 | IFCAP_TSOv6 | IFCAP_LRO;
  ifp->if_output = looutput;
}

void loop_halt(HostBase& host) { HostLocal<NetHost>::Of(host).loop_queue.Clear(); }

}  // namespace sockbed
