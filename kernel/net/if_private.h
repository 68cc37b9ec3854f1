// What the drivers of this room share: counting and dropping.
//
// Lives here:  if_drop, if_setflags, if_take_turn, if_count_output.
// Called by:   if.cc, loop.cc, link.cc.
#ifndef SOCKBED_KERNEL_NET_IF_PRIVATE_H_
#define SOCKBED_KERNEL_NET_IF_PRIVATE_H_

#include "kernel/net/if.h"
#include "kernel/net/net_trace.h"

namespace sockbed {

// Drops a packet: counts it in *counter and leaves a record of why. Takes.
void if_drop(ifnet* ifp, NetDrop why, uint64_t* counter, MbufPtr m);

// Sets if_flags; on a change leaves a record and tells the address families.
void if_setflags(ifnet* ifp, int flags);

// The packet of `queue` whose turn it is when `event` fires, taken off. That is the first one,
// whichever of several events of this instant was chosen to come first: a queue never changes its
// order.
MbufPtr if_take_turn(mbuf_list* queue, Event* event);

// Counts a packet that leaves.
inline void if_count_output(ifnet* ifp, const mbuf* m) {
  ++ifp->if_counters.ifi_opackets;
  ifp->if_counters.ifi_obytes += static_cast<uint64_t>(m->m_pkthdr.len);
  if ((m->m_flags & (M_BCAST | M_MCAST)) != 0) ++ifp->if_counters.ifi_omcasts;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_IF_PRIVATE_H_
