// Neighbour discovery: which link address an IPv6 neighbour has and whether it is still there,
// whether an address is ours alone, what routers tell.
//
// Lives here:  class Nd6Table, struct llinfo_nd6; nd6_*.
// Called by:   net (through if_family), in6.cc (addresses added and removed), icmp6.cc (messages),
//              ip6_forward.cc (redirects), tcp (what confirms a neighbour); tools (listing).
// May touch:   net, the rest of inet.
// Context:     any; messages and timers in interrupt context. Never sleeps.
// Owns:        the table owns entries, the packets they hold, and the checks of addresses.
// Units:       sysctls as the manual has them; instants in virtual ns. Addresses with their zone.
// Invariants:  1. Only an INCOMPLETE entry holds packets: at most 10, and 100 in all.
//              2. A packet held is handed to the interface, which counts what it drops, or dropped
//                 with one counter moved (ip6s_nddropped).
//              3. An entry's timer runs exactly while it is INCOMPLETE, DELAY or PROBE: a host at
//                 rest stays at rest. That a neighbour has grown STALE shows when it is used.
// Source:      RFC 4861, RFC 4862; OpenBSD sys/netinet6/nd6.c, nd6_nbr.c, nd6_rtr.c; ndp(8).
// Differs:     entries stand in a table of their own, not in the routing table; what has not been
//              used for a day is pruned when the table is used.
#ifndef SOCKBED_KERNEL_INET_ND6_H_
#define SOCKBED_KERNEL_INET_ND6_H_

#include <cstdint>
#include <functional>
#include <map>
#include <tuple>

#include "kernel/inet/in6_var.h"
#include "kernel/inet/route.h"
#include "kernel/mbuf/mbuf.h"
#include "kernel/mbuf/mbuf_list.h"
#include "kernel/net/if.h"
#include "kernel/net/if_ether.h"
#include "kernel/sched/timeout.h"

namespace sockbed {

struct inpcb;

inline constexpr int kNd6HeldMax = 10;  // packets that wait for one neighbour
inline constexpr int kNd6HeldTotalMax = 100;

// What is known of one neighbour (RFC 4861 7.3.2).
struct llinfo_nd6 {
  enum class State : uint8_t { kIncomplete, kReachable, kStale, kDelay, kProbe, kPermanent };

  State state = State::kIncomplete;
  ifnet* ifp = nullptr;   // [I]
  in6_addr addr{};        // [I]
  ether_addr link;        // but for kIncomplete
  bool router = false;    // it has said so
  SimTime expire = 0;     // kReachable: until when
  SimTime last_used = 0;  // for pruning
  int asked = 0;          // solicitations since it is kIncomplete or kProbe
  timeout timer;          // kIncomplete, kDelay, kProbe
  mbuf_list held;         // kIncomplete: packets, oldest first
};

// What holds for all neighbours of an interface; routers may change it (RFC 4861 6.3.2).
struct nd_ifinfo {
  ifnet* ifp = nullptr;  // [I]
  bool up = false;       // as it was when last heard of
  int64_t basereachable_ms = 30'000;
  int64_t retrans_ms = 1000;
  uint32_t link_mtu = 0;    // 0: the interface's
  uint8_t hop_limit = 0;    // of packets sent; 0: the host's
  SimTime reachable = 0;    // the base, times 0.5 .. 1.5
  SimTime drawn_until = 0;  // then it is drawn again
  uint64_t draws = 0;
  timeout solicit_timer;      // for routers
  int solicitations = 0;      // left to send
  bool heard_router = false;  // one that may be the default one, since they were asked for
};

class Nd6Table {
 public:
  Nd6Table() = default;
  Nd6Table(const Nd6Table&) = delete;
  Nd6Table& operator=(const Nd6Table&) = delete;

  // if_family::resolve of IPv6. Errors: EAGAIN (held).
  [[nodiscard]] int Resolve(ifnet* ifp, MbufPtr& m, const in6_addr& dst, ether_addr* to);

  // Somebody at `link` has the address and has said so unasked: a solicitation, an advertisement of
  // a router, a redirect (RFC 4861 7.2.3). Makes an entry, STALE if that is news.
  llinfo_nd6* Learn(ifnet* ifp, const in6_addr& addr, const ether_addr& link);
  // What an advertisement of the neighbour says (RFC 4861 7.2.5). `link`: null if it tells none.
  void Advertised(ifnet* ifp, const in6_addr& addr, const ether_addr* link, uint32_t flags);
  // The neighbour has been heard of through what an upper layer got back.
  void Confirm(ifnet* ifp, const in6_addr& addr);

  // A permanent entry; replaces what there is, and sends what it held.
  void Set(ifnet* ifp, const in6_addr& addr, const ether_addr& link);
  // Forgets a neighbour. Errors: ESRCH.
  [[nodiscard]] int Delete(const ifnet* ifp, const in6_addr& addr);
  // Forgets all of an interface (null: of all).
  void Flush(const ifnet* ifp);

  // The entry, or null. Borrowed until the table changes.
  llinfo_nd6* Find(const ifnet* ifp, const in6_addr& addr);
  // In order of interface and address.
  void ForEach(const std::function<void(const llinfo_nd6&)>& visit) const;

  // Tunables: net.inet6.icmp6.nd6_* and net.inet6.ip6.neighborgcthresh.
  int64_t delay = 5;
  int64_t umaxtries = 3;
  int64_t mmaxtries = 3;
  int64_t neighborgcthresh = 2048;
  int64_t held_total = 0;

 private:
  using Key = std::tuple<uint32_t, uint64_t, uint64_t>;  // interface index, the address's halves
  static Key KeyOf(const ifnet* ifp, const in6_addr& addr);

  llinfo_nd6* Make(ifnet* ifp, const in6_addr& addr);
  void Hold(llinfo_nd6* ln, MbufPtr m);
  void SendHeld(llinfo_nd6* ln);
  void DropHeld(llinfo_nd6* ln);
  void SetState(llinfo_nd6* ln, llinfo_nd6::State state);
  void Solicit(llinfo_nd6* ln);
  void Failed(llinfo_nd6* ln);
  static void TimerFired(void* entry);
  void Prune();
  void EvictOldest();
  void Erase(std::map<Key, llinfo_nd6>::iterator at);

  std::map<Key, llinfo_nd6> entries_;
  SimTime next_prune_ = 0;
};

// On the current host: its table, and what it knows of an interface.
Nd6Table& nd6_table();
nd_ifinfo* nd6_ifinfo(ifnet* ifp);
// How long a neighbour on ifp counts as reachable once confirmed.
SimTime nd6_reachable_time(ifnet* ifp);

// if_family::resolve and ::link_state of IPv6.
[[nodiscard]] int nd6_resolve(ifnet* ifp, MbufPtr& m, const sockaddr* dst, ether_addr* to);
void nd6_link_state(ifnet* ifp);

// A transport has seen that its packets along `rt` to `dst` arrive (RFC 4861 7.3.1).
void nd6_confirm(const rtentry* rt, const in6_addr& dst);
// The same of a pcb's packets to its peer. REQUIRES: connected, by IPv6.
void nd6_confirm(inpcb* inp);

// --- Addresses of ours (nd6_nbr.cc). ---

// Begins duplicate detection of an address just added; ends it, and its lifetime, when the address
// goes.
void nd6_dad_start(in6_ifaddr* ia6);
void nd6_dad_stop(in6_ifaddr* ia6);

// What goes on about one address of ours, while something does.
struct nd_address {
  in6_ifaddr* ia6 = nullptr;
  int probes = 0;          // of duplicate detection, left to send
  timeout probe_timer;     // until the next one, or the end of detection
  timeout lifetime_timer;  // until it is deprecated, or gone (nd6_rtr.cc)
};

nd_address* nd6_address(in6_ifaddr* ia6);

// Asks for `target`: the group of its solicited node, or `to` alone if that is not null. `source`:
// the address to ask from, :: to check for duplicates.
void nd6_ns_output(ifnet* ifp, const in6_addr& source, const in6_addr& target, const in6_addr* to);

// --- Routers (nd6_rtr.cc). ---

// A router that may be the default one, and a prefix that a router says is on its link. Both end
// with their lifetimes, and with the link.
struct nd_router {
  ifnet* ifp = nullptr;
  in6_addr addr{};
  timeout lifetime;
};
struct nd_prefix {
  ifnet* ifp = nullptr;
  in6_addr prefix{};
  uint8_t plen = 0;
  SimTime until = 0;  // 0: for ever
  timeout lifetime;
};

// Asks for routers on ifp, three times at most, if the host configures itself.
void nd6_rs_start(ifnet* ifp);
// A neighbour is no router any more, or does not answer.
void nd6_router_gone(const ifnet* ifp, const in6_addr& addr);
// The link is gone, and what its routers have said.
void nd6_forget_routers(const ifnet* ifp);
// Tells the sender of `m`, which is about to be forwarded along `rt`, of the better way. Borrows.
void nd6_redirect_output(const mbuf* m, const rtentry* rt);

// --- Messages, handed over by icmp6_input: `hlen` bytes of headers, then the message, which lies
// in the first mbuf whole. Take m. ---
void nd6_ns_input(MbufPtr m, int hlen);
void nd6_na_input(MbufPtr m, int hlen);
void nd6_ra_input(MbufPtr m, int hlen);
void nd6_redirect_input(MbufPtr m, int hlen);

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_ND6_H_
