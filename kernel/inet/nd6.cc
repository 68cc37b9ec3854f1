// The cache of neighbours: asking, believing, doubting (RFC 4861 7.2, 7.3).
#include "kernel/inet/nd6.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernel/inet/icmp6.h"
#include "kernel/inet/in_pcb.h"
#include "kernel/inet/inet6_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/inet/ip6_private.h"
#include "kernel/inet/nd6_wire.h"
#include "kernel/sim/machine.h"
#include "kernel/sim/random.h"

namespace sockbed {

namespace {

using State = llinfo_nd6::State;

constexpr SimTime kGarbageAfter = 86'400 * kSecond;  // a neighbour not used for a day
constexpr SimTime kPruneInterval = 3600 * kSecond;
constexpr SimTime kRedrawInterval = 7200 * kSecond;  // of the reachable time (RFC 4861 6.3.2)

void Note(InetRecord type, const llinfo_nd6* ln, uint64_t what = 0) {
  Emit(Room::kInet, static_cast<uint8_t>(type), ln->ifp->if_index, in6_high(ln->addr),
       in6_low(ln->addr), what);
}

void Drop(const ifnet* ifp, const mbuf* m) {
  const in6_addr src = in6_setscope(ip6_view(m).source(), ifp->if_index);
  ip6_note_drop(ip6s_nddropped, src, in6_setscope(ip6_view(m).destination(), ifp->if_index),
                m->m_pkthdr.len);
}

bool IsReady(const in6_ifaddr* ia6, const ifnet* ifp) {
  return ia6 != nullptr && ia6->ia_ifp == ifp && (ia6->ia6_flags & IN6_IFF_NOTREADY) == 0;
}

// The address to ask from: the one whose packet waits, as it will want the answers (RFC 4861
// 7.2.2), else one that suits. :: when none is ready.
in6_addr AskFrom(const llinfo_nd6* ln) {
  if (const mbuf* first = MBUF_LIST_FIRST(&ln->held)) {
    const in6_addr src = in6_setscope(ip6_view(first).source(), ln->ifp->if_index);
    if (IsReady(in6_ifawithaddr(src), ln->ifp)) return src;
  }
  const in6_ifaddr* ia6 = in6_ifawithscope(ln->ifp, ln->addr);
  return IsReady(ia6, ln->ifp) ? ia6->ia_addr : kIn6Any;
}

}  // namespace

Nd6Table& nd6_table() { return inet6_here().nd6; }

nd_ifinfo* nd6_ifinfo(ifnet* ifp) {
  nd_ifinfo* nd = &inet6_here().nd_interfaces[ifp->if_index];
  nd->ifp = ifp;
  return nd;
}

SimTime nd6_reachable_time(ifnet* ifp) {
  nd_ifinfo* nd = nd6_ifinfo(ifp);
  if (nd->drawn_until <= Now()) {
    const uint64_t base = static_cast<uint64_t>(nd->basereachable_ms * kMillisecond);
    const DecisionName name = {Site::kNdJitter, Here().host_id, ifp->if_index, nd->draws++};
    nd->reachable =
        static_cast<SimTime>(base / 2 + Below(Draw(Here().machine->seed(), name), base));
    nd->drawn_until = Now() + kRedrawInterval;
  }
  return nd->reachable;
}

int nd6_resolve(ifnet* ifp, MbufPtr& m, const sockaddr* dst, ether_addr* to) {
  sockaddr_in6 sin6;
  std::memcpy(&sin6, dst, sizeof sin6);
  return nd6_table().Resolve(ifp, m, sin6.sin6_addr, to);
}

void nd6_confirm(const rtentry* rt, const in6_addr& dst) {
  if (!if_is_ethernet(rt->rt_ifp)) return;
  const bool via_gateway = (rt->rt_flags & RTF_GATEWAY) != 0;
  nd6_table().Confirm(rt->rt_ifp, via_gateway ? rt->rt_gateway.v6() : dst);
}

void nd6_confirm(inpcb* inp) {
  if (const rtentry* rt = in_pcbrtentry(inp)) nd6_confirm(rt, inp->inp_faddr.v6());
}

// --- The table. ---

Nd6Table::Key Nd6Table::KeyOf(const ifnet* ifp, const in6_addr& addr) {
  return {ifp->if_index, in6_high(addr), in6_low(addr)};
}

llinfo_nd6* Nd6Table::Find(const ifnet* ifp, const in6_addr& addr) {
  const auto found = entries_.find(KeyOf(ifp, addr));
  return found != entries_.end() ? &found->second : nullptr;
}

void Nd6Table::ForEach(const std::function<void(const llinfo_nd6&)>& visit) const {
  for (const auto& [key, ln] : entries_) visit(ln);
}

llinfo_nd6* Nd6Table::Make(ifnet* ifp, const in6_addr& addr) {
  Prune();
  if (static_cast<int64_t>(entries_.size()) >= neighborgcthresh) EvictOldest();
  llinfo_nd6* ln = &entries_[KeyOf(ifp, addr)];
  ln->ifp = ifp;
  ln->addr = addr;
  ln->last_used = Now();
  timeout_set(&ln->timer, TimerFired, ln);
  return ln;
}

// Enters a state, with what its timer is for.
void Nd6Table::SetState(llinfo_nd6* ln, State state) {
  ln->state = state;
  ln->asked = 0;
  timeout_del(&ln->timer);
  switch (state) {
    case State::kReachable: ln->expire = Now() + nd6_reachable_time(ln->ifp); return;
    case State::kDelay: timeout_add_sec(&ln->timer, static_cast<int>(delay)); return;
    case State::kProbe: return Solicit(ln);
    default: return;
  }
}

// --- Asking. ---

int Nd6Table::Resolve(ifnet* ifp, MbufPtr& m, const in6_addr& dst, ether_addr* to) {
  if (in6_ismulticast(dst)) {
    *to = ether_multicast6(dst.s6_addr);
    return 0;
  }
  llinfo_nd6* ln = Find(ifp, dst);
  if (ln == nullptr) ln = Make(ifp, dst);
  ln->last_used = Now();
  if (ln->state == State::kIncomplete) {
    Hold(ln, std::move(m));
    if (ln->asked == 0) Solicit(ln);
    return EAGAIN;
  }
  if (ln->state == State::kReachable && ln->expire <= Now()) ln->state = State::kStale;
  if (ln->state == State::kStale) SetState(ln, State::kDelay);
  *to = ln->link;
  return 0;
}

void Nd6Table::Solicit(llinfo_nd6* ln) {
  ++ln->asked;
  timeout_add_msec(&ln->timer, static_cast<int>(nd6_ifinfo(ln->ifp)->retrans_ms));
  const in6_addr source = AskFrom(ln);
  if (in6_isany(source)) return;  // none of ours is ready: the next time, perhaps
  const in6_addr addr = ln->addr;
  nd6_ns_output(ln->ifp, source, addr, ln->state == State::kProbe ? &addr : nullptr);
}

void Nd6Table::TimerFired(void* entry) {
  auto* ln = static_cast<llinfo_nd6*>(entry);
  Nd6Table& table = nd6_table();
  switch (ln->state) {
    case State::kDelay: return table.SetState(ln, State::kProbe);
    case State::kIncomplete:
      return ln->asked < table.mmaxtries ? table.Solicit(ln) : table.Failed(ln);
    default:
      KASSERT(ln->state == State::kProbe);
      return ln->asked < table.umaxtries ? table.Solicit(ln) : table.Failed(ln);
  }
}

// The neighbour has not answered: it is forgotten, and the sender of each packet that waited hears
// of it, this host by way of lo0. In that order: telling sends packets, which may want entries.
void Nd6Table::Failed(llinfo_nd6* ln) {
  Note(InetRecord::kNd6Down, ln);
  const ifnet* ifp = ln->ifp;
  const in6_addr addr = ln->addr;
  held_total -= ml_len(&ln->held);
  mbuf_list lost;
  ml_enlist(&lost, &ln->held);
  Erase(entries_.find(KeyOf(ifp, addr)));
  nd6_router_gone(ifp, addr);
  while (MbufPtr m = ml_dequeue(&lost)) {
    Drop(ifp, m.get());
    m->m_pkthdr.ph_ifidx = ifp->if_index;
    icmp6_error(std::move(m), ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR);
  }
}

void Nd6Table::Hold(llinfo_nd6* ln, MbufPtr m) {
  if (ml_len(&ln->held) >= static_cast<uint32_t>(kNd6HeldMax)) {
    Drop(ln->ifp, MBUF_LIST_FIRST(&ln->held));
    ml_dequeue(&ln->held).reset();
    --held_total;
  }
  if (held_total >= kNd6HeldTotalMax) return Drop(ln->ifp, m.get());
  ml_enqueue(&ln->held, std::move(m));
  ++held_total;
}

// --- Answers. ---

llinfo_nd6* Nd6Table::Learn(ifnet* ifp, const in6_addr& addr, const ether_addr& link) {
  llinfo_nd6* ln = Find(ifp, addr);
  const bool is_new = ln == nullptr;
  if (is_new) ln = Make(ifp, addr);
  if (ln->state == State::kPermanent) return ln;
  if (!is_new && ln->state != State::kIncomplete && ln->link == link) return ln;
  ln->link = link;
  Note(InetRecord::kNd6, ln, ether_pack(link));
  SetState(ln, State::kStale);
  SendHeld(ln);
  return ln;
}

void Nd6Table::Advertised(ifnet* ifp, const in6_addr& addr, const ether_addr* link,
                          uint32_t flags) {
  llinfo_nd6* ln = Find(ifp, addr);
  if (ln == nullptr || ln->state == State::kPermanent) return;  // nobody has asked
  const bool solicited = (flags & ND_NA_FLAG_SOLICITED) != 0;
  const bool router = (flags & ND_NA_FLAG_ROUTER) != 0;
  if (ln->state == State::kIncomplete) {
    if (link == nullptr) return;
    ln->link = *link;
    ln->router = router;
    Note(InetRecord::kNd6, ln, ether_pack(*link));
    SetState(ln, solicited ? State::kReachable : State::kStale);
    return SendHeld(ln);
  }
  const bool differs = link != nullptr && !(*link == ln->link);
  if (differs && (flags & ND_NA_FLAG_OVERRIDE) == 0) {
    if (ln->state == State::kReachable) SetState(ln, State::kStale);
    return;
  }
  if (differs) {
    ln->link = *link;
    Note(InetRecord::kNd6, ln, ether_pack(*link));
  }
  if (solicited) {
    SetState(ln, State::kReachable);
  } else if (differs) {
    SetState(ln, State::kStale);
  }
  ln->router = router;
  if (!router) nd6_router_gone(ifp, addr);
}

void Nd6Table::Confirm(ifnet* ifp, const in6_addr& addr) {
  llinfo_nd6* ln = Find(ifp, addr);
  if (ln == nullptr || ln->state == State::kIncomplete || ln->state == State::kPermanent) return;
  SetState(ln, State::kReachable);
}

void Nd6Table::Set(ifnet* ifp, const in6_addr& addr, const ether_addr& link) {
  llinfo_nd6* ln = Find(ifp, addr);
  if (ln == nullptr) ln = Make(ifp, addr);
  ln->link = link;
  SetState(ln, State::kPermanent);
  Note(InetRecord::kNd6, ln, ether_pack(link));
  SendHeld(ln);
}

// --- What waits. ---

void Nd6Table::SendHeld(llinfo_nd6* ln) {
  held_total -= ml_len(&ln->held);
  mbuf_list going;
  ml_enlist(&going, &ln->held);
  ifnet* ifp = ln->ifp;
  const ether_addr link = ln->link;
  while (MbufPtr m = ml_dequeue(&going)) {
    (void)ether_send(ifp, std::move(m), link, kEtherTypeIpv6);  // what it drops it counts
  }
}

void Nd6Table::DropHeld(llinfo_nd6* ln) {
  while (MbufPtr m = ml_dequeue(&ln->held)) {
    Drop(ln->ifp, m.get());
    --held_total;
  }
}

// --- Forgetting. ---

void Nd6Table::Erase(std::map<Key, llinfo_nd6>::iterator at) {
  DropHeld(&at->second);
  timeout_del(&at->second.timer);
  entries_.erase(at);
}

void Nd6Table::Prune() {
  if (Now() < next_prune_) return;
  next_prune_ = Now() + kPruneInterval;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    const llinfo_nd6& ln = at->second;
    const bool quiet = ln.state == State::kReachable || ln.state == State::kStale;
    if (quiet && Now() - ln.last_used >= kGarbageAfter) Erase(at);
    at = next;
  }
}

// Makes room: the entry that has gone unused for longest, if any may go.
void Nd6Table::EvictOldest() {
  auto oldest = entries_.end();
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    if (at->second.state == State::kPermanent) continue;
    if (oldest == entries_.end() || at->second.last_used < oldest->second.last_used) oldest = at;
  }
  if (oldest != entries_.end()) Erase(oldest);
}

int Nd6Table::Delete(const ifnet* ifp, const in6_addr& addr) {
  const auto found = entries_.find(KeyOf(ifp, addr));
  if (found == entries_.end()) return ESRCH;
  Erase(found);
  return 0;
}

void Nd6Table::Flush(const ifnet* ifp) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (ifp == nullptr || at->second.ifp == ifp) Erase(at);
    at = next;
  }
}

}  // namespace sockbed
