// ARP: which link address an IPv4 neighbour has.
//
// Lives here:  arp_resolve, arp_input, the host's table of neighbours.
// Called by:   net (through if_family), in.cc (addresses added and removed), kernel/host and tools
//              (permanent entries, listing).
// May touch:   net, the rest of inet.
// Context:     any; arp_input in interrupt context. Never sleeps.
// Owns:        the table owns entries and the packets they hold.
// Units:       sysctls in seconds, instants in virtual ns.
// Invariants:  1. Only an entry that is not resolved holds packets: at most 10, and 100 in all.
//              2. A packet held is handed to the interface, which counts what it drops, or dropped
//                 with one counter moved (ips_arpdropped).
//              3. The timer runs exactly while packets are held: a host at rest stays at rest.
// Source:      OpenBSD sys/netinet/if_ether.c; arp(4), arp(8); RFC 826, RFC 1122 2.3.2.
// Differs:     entries stand in a table of their own, not in the routing table; what has expired is
//              pruned when the table is used.
#ifndef SOCKBED_KERNEL_INET_IF_ARP_H_
#define SOCKBED_KERNEL_INET_IF_ARP_H_

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "kernel/mbuf/mbuf_list.h"
#include "kernel/net/if.h"
#include "kernel/net/if_ether.h"
#include "kernel/sched/timeout.h"
#include "kernel/sim/machine.h"

namespace sockbed {

inline constexpr int kArpRequestsMax = 5;  // unanswered ones before a neighbour is given up
inline constexpr int kArpHeldMax = 10;     // packets that wait for one neighbour
inline constexpr int kArpHeldTotalMax = 100;
inline constexpr size_t kArpEntriesMax = 4096;

// What is known of one neighbour.
struct llinfo_arp {
  enum class State : uint8_t { kAsked, kKnown, kPermanent, kDown };

  State state = State::kAsked;
  ifnet* ifp = nullptr;    // [I]
  in_addr addr{};          // [I]
  ether_addr link;         // kKnown, kPermanent
  SimTime expire = 0;      // kKnown: end of its life; kDown: when to try again
  SimTime last_asked = 0;  // instant of the last request
  int asked = 0;           // requests since the last answer
  mbuf_list held;          // kAsked: packets, oldest first
};

class ArpTable {
 public:
  ArpTable();
  ArpTable(const ArpTable&) = delete;
  ArpTable& operator=(const ArpTable&) = delete;

  // if_family::resolve of IPv4. Errors: EAGAIN (held), EHOSTDOWN (no answer lately), ENOBUFS (too
  // many neighbours), EINVAL (an interface without ARP).
  [[nodiscard]] int Resolve(ifnet* ifp, MbufPtr& m, in_addr dst, ether_addr* to);
  // Somebody at `link` has the address; `create`: worth knowing even if nobody has asked.
  void Learn(ifnet* ifp, in_addr addr, const ether_addr& link, bool create);

  // A permanent entry; replaces what there is, and sends what it held.
  void Set(ifnet* ifp, in_addr addr, const ether_addr& link);
  // Forgets a neighbour. Errors: ESRCH.
  [[nodiscard]] int Delete(const ifnet* ifp, in_addr addr);
  // Forgets all of an interface (null: of all).
  void Flush(const ifnet* ifp);

  const llinfo_arp* Find(const ifnet* ifp, in_addr addr) const;
  // Whether Resolve would say EHOSTDOWN, without a packet to ask about.
  bool IsDown(const ifnet* ifp, in_addr addr) const {
    return Now() < down_until_ && IsDownNow(ifp, addr);
  }
  void ForEach(const std::function<void(const llinfo_arp&)>& visit) const;

  // net.inet.ip.*
  int64_t arptimeout = 1200;
  int64_t arpdown = 20;
  int64_t arpqueued = 0;  // packets held now

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // interface, address in host order
  static Key KeyOf(const ifnet* ifp, in_addr addr);
  static void Prune(void* self);

  bool IsDownNow(const ifnet* ifp, in_addr addr) const;
  void PruneIfDue();
  void Hold(llinfo_arp* la, MbufPtr m);
  int Ask(llinfo_arp* la);
  void SendHeld(llinfo_arp* la);
  void DropHeld(llinfo_arp* la);
  void WatchHeld();
  template <typename Predicate>
  void EraseIf(Predicate doomed);

  std::map<Key, llinfo_arp> entries_;
  SimTime down_until_ = 0;  // from then on nobody is down
  SimTime next_prune_ = 0;
  timeout timer_;
};

// Asks who has `target`; `source`, an address of ifp, is who asks. To `to`, if anybody in
// particular. An announcement asks for the source itself.
void arp_request(ifnet* ifp, in_addr source, in_addr target,
                 const ether_addr& to = kEtherBroadcast);

// ARP as a family of packets.
extern const if_family kArpFamily;

// On the current host: its table.
ArpTable& arp_table();

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_IF_ARP_H_
