// Interfaces: where packets leave a host and arrive at it.
//
// Lives here:  struct ifnet, ifqueue, if_data; if_attach and kin; the table of address families.
// Called by:   inet (if_output, if_byindex), links and lo0 (if_input), kernel/host, tools
//              (counters).
// May touch:   mbuf, sched, sim. Never an address: families keep their own lists and are reached
//              through the table that they fill at boot.
// Context:     if_output anywhere; if_input in interrupt context.
// Owns:        the host's list owns every interface; a family's table is constant and borrowed.
// Units:       bytes and packets.
// Invariants:  1. if_index counts from 1 per host and is never used twice; 0 is "none".
//              2. if_output and if_input consume the packet on every path.
//              3. A packet dropped here has moved exactly one counter and left one record.
// Source:      OpenBSD sys/net/if.h, if_var.h, if.c, ifq.h.
// Differs:     flags keep BSD's numbers. One priority per queue: nothing in this kernel sets
//              another.
#ifndef SOCKBED_KERNEL_NET_IF_H_
#define SOCKBED_KERNEL_NET_IF_H_

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"
#include "kernel/net/arrival_queue.h"
#include "kernel/sched/host_local.h"
#include "kernel/sim/trace.h"

namespace sockbed {

// if_flags.
inline constexpr int IFF_UP = 0x1;  // wanted up
inline constexpr int IFF_BROADCAST = 0x2;
inline constexpr int IFF_LOOPBACK = 0x8;
inline constexpr int IFF_POINTOPOINT = 0x10;
inline constexpr int IFF_RUNNING = 0x40;  // able to carry packets
inline constexpr int IFF_NOARP = 0x80;
inline constexpr int IFF_PROMISC = 0x100;
inline constexpr int IFF_SIMPLEX = 0x800;  // does not hear its own transmissions
inline constexpr int IFF_MULTICAST = 0x8000;

// if_capabilities: what may be left to the interface.
inline constexpr int IFCAP_CSUM_IPv4 = 0x01;  // the IPv4 header checksum
inline constexpr int IFCAP_CSUM_TCPv4 = 0x02;
inline constexpr int IFCAP_CSUM_UDPv4 = 0x04;  // and ICMP's
inline constexpr int IFCAP_CSUM_TCPv6 = 0x80;
inline constexpr int IFCAP_CSUM_UDPv6 = 0x100;
inline constexpr int IFCAP_TSOv4 = 0x1000;  // cutting a TCP packet into segments of ph_mss
inline constexpr int IFCAP_TSOv6 = 0x2000;
inline constexpr int IFCAP_LRO = 0x4000;  // hands joined segments up
inline constexpr int IFCAP_CSUM_ALL =
    IFCAP_CSUM_IPv4 | IFCAP_CSUM_TCPv4 | IFCAP_CSUM_UDPv4 | IFCAP_CSUM_TCPv6 | IFCAP_CSUM_UDPv6;

inline constexpr int IFQ_MAXLEN = 256;       // packets in a transmit queue
inline constexpr int kInputQueueMax = 2048;  // packets waiting on lo0

struct if_data {
  uint64_t ifi_ipackets = 0;
  uint64_t ifi_opackets = 0;
  uint64_t ifi_ibytes = 0;
  uint64_t ifi_obytes = 0;
  uint64_t ifi_ierrors = 0;
  uint64_t ifi_oerrors = 0;  // refused: the interface was down, no memory, or it looped too often
  uint64_t ifi_imcasts = 0;
  uint64_t ifi_omcasts = 0;
  uint64_t ifi_iqdrops = 0;  // the input queue was full
  uint64_t ifi_oqdrops = 0;  // the transmit queue was full
  uint64_t ifi_noproto = 0;  // of a family that this host does not know
  uint64_t ifi_collisions = 0;
  uint64_t ifi_notours = 0;  // Ethernet: a frame for somebody else, or this host's own
};

// An Ethernet address, and one of a group that is listened to.
struct ether_addr {
  std::array<uint8_t, 6> octets{};
  friend bool operator==(const ether_addr&, const ether_addr&) = default;
};
struct ether_multi {
  ether_addr address;
  int references;
};

// A transmit queue. When a packet enters, the instant at which its transmission begins is known, so
// the queue holds those instants and no packets: a packet is queued while its instant lies ahead.
class ifqueue {
 public:
  int ifq_maxlen = IFQ_MAXLEN;  // packets waiting, the one being sent not counted

  // Packets that wait at `now`. Forgets those whose transmission has begun.
  int ifq_len(SimTime now);
  bool ifq_full(SimTime now) { return ifq_len(now) >= ifq_maxlen; }
  // How many more may wait; less than none once the queue was made shorter.
  int ifq_room(SimTime now) { return ifq_maxlen - ifq_len(now); }
  // Adds a packet whose transmission begins at `start`. REQUIRES: not full; not before the last
  // one's.
  void ifq_enqueue(SimTime start);

 private:
  std::vector<SimTime> starts_;   // a ring of 2^n, grown as needed
  uint64_t head_ = 0, tail_ = 0;  // counts of packets taken off and put on
};

struct ifnet {
  HostBase* if_host = nullptr;  // [I]
  std::string if_xname;         // [I] "lo0", "link1"
  uint32_t if_index = 0;        // [I]
  int if_flags = 0;             // IFF_*
  int if_capabilities = 0;      // IFCAP_*; set by the driver, changed by if_setcapabilities
  uint32_t if_mtu = 1500;
  void* if_softc = nullptr;  // the driver's
  if_data if_counters;
  ifqueue if_snd;

  // Sends a packet to `dst` on this interface: the next hop's address, of which a point-to-point
  // interface reads only the family. Takes m, borrows dst. Called through if_output below.
  int (*if_output)(ifnet* ifp, MbufPtr m, const sockaddr* dst) = nullptr;

  ether_addr if_lladdr;  // of no use but for a name where there are no frames
  // Ethernet only (if_ether.h).
  int (*if_transmit)(ifnet* ifp, MbufPtr frame) = nullptr;  // the driver's; takes
  std::vector<ether_multi> if_multiaddrs;  // groups it listens to, in order of joining
};

inline bool if_is_ethernet(const ifnet* ifp) { return ifp->if_transmit != nullptr; }

inline bool if_is_up(const ifnet* ifp) {
  return (ifp->if_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

// What an address family offers to interfaces. Constant; filled by the family's room.
struct if_family {
  // A packet of this family has arrived. Takes m.
  void (*input)(ifnet* ifp, MbufPtr m);
  // Computes the checksums that were left to the interface (M_*_CSUM_OUT), and clears those flags.
  // Borrows; the first mbuf holds the network header. Called where somebody looks at the bytes.
  void (*finish_checksums)(mbuf* m);
  // The interface went down or came up (routes lose or regain RTF_UP).
  void (*link_state)(ifnet* ifp);
  // The link address of a next hop on an Ethernet interface: 0 and *to; else m has been taken:
  // EAGAIN when it is held until the address is known, or an errno. May be null: not for Ethernet.
  int (*resolve)(ifnet* ifp, MbufPtr& m, const sockaddr* dst, ether_addr* to) = nullptr;
  // Cuts a packet with M_TCP_TSO into segments of ph_mss, checksums pending. Takes m. Errors:
  // ENOBUFS, counted there. May be null: the family makes no such packets.
  int (*chop)(MbufPtr m, mbuf_list* segments) = nullptr;
};

struct NetHost {
  static constexpr HostSlot kHostSlot = HostSlot::kNet;
  explicit NetHost(HostBase& host_in);

  HostBase* host;
  std::vector<std::unique_ptr<ifnet>> interfaces;  // [if_index - 1]; null once detached
  std::array<const if_family*, AF_MAX> families{};
  ArrivalQueue loop_queue;  // packets on lo0
};

// Tells how this room's records read. Once per machine.
void net_describe(Trace& trace);
// Makes the host's NetHost with lo0 (index 1), up. REQUIRES: inside a MachineScope.
void net_boot(HostBase& host);
// Frees what waits on lo0. Before the host's counts are checked; links are halted by their owner.
void net_halt(HostBase& host);

// Takes the packets of `family` from now on. The table must outlive the host.
void if_register_family(HostBase& host, int family, const if_family* ops);

// Makes an interface of `host`, down; the driver sets the rest. The host owns it.
ifnet* if_attach(HostBase& host, std::string name);
// Removes it: down first (routes go), then freed. REQUIRES: nothing of it is on its way.
void if_detach(ifnet* ifp);

// The interface of that index, name; null when there is none. And lo0.
ifnet* if_byindex(HostBase& host, uint32_t index);
ifnet* if_byname(HostBase& host, std::string_view name);
inline ifnet* if_loopback(HostBase& host) { return if_byindex(host, 1); }

// Sets or clears IFF_UP and tells the families. Idempotent.
void if_up(ifnet* ifp);
void if_down(ifnet* ifp);

// Says what work a host leaves to the interface from now on: any of IFCAP_*. Errors: EINVAL (an
// unknown one; IFCAP_LRO but to lo0, since no link joins segments; cutting without the checksums of
// what is cut).
[[nodiscard]] int if_setcapabilities(ifnet* ifp, int capabilities);

// Drops what was to be sent on an interface that is down: ENETDOWN. Takes.
[[nodiscard]] int if_refuse(ifnet* ifp, MbufPtr m);

// Sends m, of dst's family. Takes m, borrows dst. Errors: ENETDOWN (not up and running), ENOBUFS
// (the queue is full), ELOOP (lo0). Packets that a link loses are no error.
[[nodiscard, gnu::always_inline]] inline int if_output(ifnet* ifp, MbufPtr m, const sockaddr* dst) {
  KASSERT((m->m_flags & M_PKTHDR) != 0);
  if (!if_is_up(ifp)) [[unlikely]]
    return if_refuse(ifp, std::move(m));
  m->m_pkthdr.ph_family = static_cast<uint8_t>(dst->sa_family);
  return ifp->if_output(ifp, std::move(m), dst);
}

// Drops what has arrived of a family that this host does not know. Takes.
void if_input_unknown(ifnet* ifp, MbufPtr m);

// Hands a packet that has arrived to its family (m_pkthdr.ph_family). Takes m. Sets ph_ifidx and
// counts. REQUIRES: interrupt context of ifp's host.
[[gnu::always_inline]] inline void if_input(ifnet* ifp, MbufPtr m) {
  KASSERT(Here().host == ifp->if_host && Here().process == nullptr);
  m->m_pkthdr.ph_ifidx = ifp->if_index;
  ++ifp->if_counters.ifi_ipackets;
  ifp->if_counters.ifi_ibytes += static_cast<uint64_t>(m->m_pkthdr.len);
  const if_family* family = HostLocal<NetHost>::Of(*ifp->if_host).families[m->m_pkthdr.ph_family];
  if (family == nullptr) [[unlikely]]
    return if_input_unknown(ifp, std::move(m));
  family->input(ifp, std::move(m));
}

// Hands ifp a copy of what this host itself sends to many, among them itself, as if it had arrived:
// through the input queue, by an event at this instant. Takes m, whose pending checksums count as
// verified. A copy that finds no room is counted as lo0's are (ifi_iqdrops, ifi_oerrors).
void if_input_local(ifnet* ifp, MbufPtr m, int family);

// Computes whatever checksums are pending in m, by its family. Borrows.
void if_finish_checksums(ifnet* ifp, mbuf* m);

// Turns what was left to the interface into its verdict: a pending checksum is as good as verified,
// since nothing will have touched the bytes. The OUT flag stays, for whoever shows the bytes later.
inline void if_accept_checksums(mbuf* m) {
  constexpr uint16_t kIp = M_IPV4_CSUM_IN_OK, kTcp = M_TCP_CSUM_IN_OK, kUdp = M_UDP_CSUM_IN_OK;
  // By what is pending, whose flags are the lowest three.
  static constexpr uint16_t kVerified[] = {0,    kIp,        kTcp,        kIp | kTcp,
                                           kUdp, kIp | kUdp, kTcp | kUdp, kIp | kTcp | kUdp};
  static_assert(M_IPV4_CSUM_OUT == 1 && M_TCP_CSUM_OUT == 2 && M_UDP_CSUM_OUT == 4);
  uint16_t& flags = m->m_pkthdr.csum_flags;
  if ((flags & M_ICMP_CSUM_OUT) != 0) [[unlikely]]
    flags |= M_ICMP_CSUM_IN_OK;
  flags |= kVerified[flags & 7];
}

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_NET_IF_H_
