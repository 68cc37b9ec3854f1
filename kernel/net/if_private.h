// What the drivers of this room share: counting and dropping.
//
// Lives here:  if_drop, if_note_drop, if_setflags, if_chop, if_send_chopped, if_count_output.
// Called by:   if.cc, if_ethersubr.cc, loop.cc, link.cc.
#ifndef SOCKBED_KERNEL_NET_IF_PRIVATE_H_
#define SOCKBED_KERNEL_NET_IF_PRIVATE_H_

#include "kernel/net/if.h"
#include "kernel/net/net_trace.h"

namespace sockbed {

// Drops a packet: counts it in *counter and leaves a record of why. Takes.
void if_drop(ifnet* ifp, NetDrop why, uint64_t* counter, MbufPtr m);
// The same for a packet that is gone already, having been `bytes` long.
void if_note_drop(const ifnet* ifp, NetDrop why, uint64_t* counter, int bytes);

// Sets if_flags; on a change leaves a record and tells the address families.
void if_setflags(ifnet* ifp, int flags);

// Cuts a packet that the host has left to be cut (M_TCP_TSO), by its family. Takes m. Errors:
// ENOBUFS, counted; then `segments` is empty.
[[nodiscard]] int if_chop(ifnet* ifp, MbufPtr m, mbuf_list* segments);

// Does so, and hands each segment to `send`, which takes it. Errors: if_chop's; the first of
// `send`, to which the others are handed all the same.
template <typename Send>
int if_send_chopped(ifnet* ifp, MbufPtr m, Send send) {
  mbuf_list segments;
  int error = if_chop(ifp, std::move(m), &segments);
  while (MbufPtr segment = ml_dequeue(&segments)) {
    const int send_error = send(std::move(segment));
    if (error == 0) error = send_error;
  }
  return error;
}

// Counts a packet that leaves.
inline void if_count_output(ifnet* ifp, const mbuf* m) {
  ++ifp->if_counters.ifi_opackets;
  ifp->if_counters.ifi_obytes += static_cast<uint64_t>(m->m_pkthdr.len);
  if ((m->m_flags & (M_BCAST | M_MCAST)) != 0) [[unlikely]]
    ++ifp->if_counters.ifi_omcasts;
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_IF_PRIVATE_H_
