#include "kernel/inet/if_arp.h"

#include <errno.h>

#include <algorithm>

#include "kernel/inet/arp_wire.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/inet_host.h"
#include "kernel/inet/inet_trace.h"
#include "kernel/mbuf/chain.h"
#include "kernel/mbuf/mbuf_alloc.h"
#include "kernel/sim/machine.h"

namespace sockbed {

namespace {

constexpr SimTime kAskInterval = kSecond;           // between requests
constexpr SimTime kRefreshInterval = 30 * kSecond;  // between requests to a neighbour still known
constexpr int kRefreshShare = 8;                    // in the last eighth of its life
constexpr int kPruneSeconds = 300;

void Note(InetRecord type, const ifnet* ifp, in_addr addr, const ether_addr& link) {
  Emit(Room::kInet, static_cast<uint8_t>(type), ifp->if_index, in_host(addr), ether_pack(link));
}

void SendArp(ifnet* ifp, const ArpPacket& packet, const ether_addr& to) {
  MbufPtr m = m_gethdr(M_DONTWAIT, MT_DATA);
  if (m == nullptr) return;  // as lost as on the wire: whoever waits asks again
  m_align(m.get(), kArpPacket);
  m->m_len = m->m_pkthdr.len = kArpPacket;
  packet.Write(m->m_data, kArpPacket);
  (void)ether_send(ifp, std::move(m), to, kEtherTypeArp);  // likewise
}

// The address of the host's to ask from: on the neighbour's own network.
in_addr AskFrom(const ifnet* ifp, in_addr target) {
  in_addr first{};
  for (const auto& ifa : inet_here().addresses) {
    if (ifa->ia_ifp != ifp) continue;
    const uint32_t differ = in_host(ifa->ia_addr) ^ in_host(target);
    if ((differ & in_host(ifa->ia_netmask)) == 0) return ifa->ia_addr;
    if (in_isany(first)) first = ifa->ia_addr;
  }
  return first;
}

// Whether `addr` is an address of that interface.
bool IsMine(const ifnet* ifp, in_addr addr) {
  const in_ifaddr* ifa = in_ifawithaddr(addr);
  return ifa != nullptr && ifa->ia_ifp == ifp;
}

void Drop(ipstat_counters why, const mbuf* m) {
  ip_note_drop(why, {}, {}, m->m_pkthdr.len);
}

// A packet of another host's, checked; see spec 15.1, rules 3 to 5.
void HandleArp(ifnet* ifp, const ArpView& arp) {
  const in_addr sender = arp.sender(), target = arp.target();
  const bool for_us = IsMine(ifp, target);
  if (IsMine(ifp, sender)) {
    // Somebody else claims an address of ours. The owner of a name answers for it.
    Note(InetRecord::kArpConflict, ifp, sender, arp.sender_link());
    ipstat_inc(ips_arpconflict);
    if (arp.operation() == kArpRequest) {
      const ether_addr mine = ifp->if_lladdr;
      SendArp(ifp, {kArpReply, mine, sender, kEtherBroadcast, sender}, kEtherBroadcast);
    }
    return;
  }
  if (!in_isany(sender)) arp_table().Learn(ifp, sender, arp.sender_link(), for_us);
  if (for_us && arp.operation() == kArpRequest) {
    SendArp(ifp, {kArpReply, ifp->if_lladdr, target, arp.sender_link(), sender},
            arp.sender_link());
  }
}

// if_family::input of ARP. Takes.
void arp_input(ifnet* ifp, MbufPtr m) {
  uint8_t bytes[kArpPacket];
  if (m->m_pkthdr.len < kArpPacket) return Drop(ips_badarp, m.get());
  m_copydata(m.get(), 0, kArpPacket, bytes);
  const ArpView arp(bytes, sizeof bytes);
  const bool known = arp.operation() == kArpRequest || arp.operation() == kArpReply;
  if (!arp.well_formed() || !known || ether_ismulticast(arp.sender_link())) {
    return Drop(ips_badarp, m.get());
  }
  // A broadcast address is nobody's.
  if (in_broadcast(arp.sender()) || in_ismulticast(arp.sender())) return Drop(ips_badarp, m.get());
  if (arp.sender_link() == ifp->if_lladdr) return;  // our own words
  HandleArp(ifp, arp);
}

}  // namespace

const if_family kArpFamily = {
    .input = arp_input,
    .finish_checksums = [](mbuf*) {},
    .link_state =
        [](ifnet* ifp) {
          if (!if_is_up(ifp)) arp_table().Flush(ifp);
        },
};

ArpTable& arp_table() { return inet_here().arp; }

void arp_request(ifnet* ifp, in_addr source, in_addr target, const ether_addr& to) {
  SendArp(ifp, {kArpRequest, ifp->if_lladdr, source, {}, target}, to);
}

ArpTable::ArpTable() { timeout_set(&timer_, Prune, this); }

ArpTable::Key ArpTable::KeyOf(const ifnet* ifp, in_addr addr) {
  return {ifp->if_index, in_host(addr)};
}

const llinfo_arp* ArpTable::Find(const ifnet* ifp, in_addr addr) const {
  const auto found = entries_.find(KeyOf(ifp, addr));
  return found != entries_.end() ? &found->second : nullptr;
}

bool ArpTable::IsDownNow(const ifnet* ifp, in_addr addr) const {
  const llinfo_arp* la = Find(ifp, addr);
  return la != nullptr && la->state == llinfo_arp::State::kDown && Now() < la->expire;
}

void ArpTable::ForEach(const std::function<void(const llinfo_arp&)>& visit) const {
  for (const auto& [key, la] : entries_) visit(la);
}

// --- Asking. ---

int ArpTable::Resolve(ifnet* ifp, MbufPtr& m, in_addr dst, ether_addr* to) {
  if ((m->m_flags & M_BCAST) != 0) {
    *to = kEtherBroadcast;
    return 0;
  }
  if (in_ismulticast(dst)) {
    *to = ether_multicast4(in_host(dst));
    return 0;
  }
  PruneIfDue();
  const auto refuse = [&m](int error) {
    Drop(ips_arpdropped, m.get());
    m.reset();
    return error;
  };
  using State = llinfo_arp::State;
  const llinfo_arp* known = Find(ifp, dst);
  const bool permanent = known != nullptr && known->state == State::kPermanent;
  if ((ifp->if_flags & IFF_NOARP) != 0 && !permanent) return refuse(EINVAL);
  const Key key = KeyOf(ifp, dst);
  if (known == nullptr && entries_.size() >= kArpEntriesMax) return refuse(ENOBUFS);
  llinfo_arp& la = entries_[key];
  la.ifp = ifp;
  la.addr = dst;
  if (la.state == State::kDown) {
    if (Now() < la.expire) return refuse(EHOSTDOWN);
    la.state = State::kAsked;
  }
  if (la.state == State::kKnown && la.expire <= Now()) la.state = State::kAsked;
  if (la.state == State::kKnown || la.state == State::kPermanent) {
    *to = la.link;
    const SimTime life = arptimeout * kSecond;
    const bool old = la.state == State::kKnown && la.expire - Now() < life / kRefreshShare;
    if (old && Now() - la.last_asked >= kRefreshInterval) {
      la.last_asked = Now();
      arp_request(ifp, AskFrom(ifp, dst), dst, la.link);
    }
    return 0;
  }
  Hold(&la, std::move(m));
  return Ask(&la);
}

// Asks for a neighbour unless that was done within a second; gives it up after five requests.
int ArpTable::Ask(llinfo_arp* la) {
  if (la->asked > 0 && Now() - la->last_asked < kAskInterval) return EAGAIN;
  if (la->asked < kArpRequestsMax) {
    ++la->asked;
    la->last_asked = Now();
    arp_request(la->ifp, AskFrom(la->ifp, la->addr), la->addr);
    return EAGAIN;
  }
  la->state = llinfo_arp::State::kDown;
  la->expire = Now() + arpdown * kSecond;
  down_until_ = std::max(down_until_, la->expire);
  la->asked = 0;
  Note(InetRecord::kArpDown, la->ifp, la->addr, {});
  DropHeld(la);
  return EHOSTDOWN;
}

void ArpTable::Hold(llinfo_arp* la, MbufPtr m) {
  if (ml_len(&la->held) >= static_cast<uint32_t>(kArpHeldMax)) {
    Drop(ips_arpdropped, MBUF_LIST_FIRST(&la->held));
    ml_dequeue(&la->held).reset();
    --arpqueued;
  }
  if (arpqueued >= kArpHeldTotalMax) return Drop(ips_arpdropped, m.get());
  ml_enqueue(&la->held, std::move(m));
  ++arpqueued;
  WatchHeld();
}

void ArpTable::WatchHeld() {
  if (arpqueued > 0 && !timeout_pending(&timer_)) timeout_add_sec(&timer_, kPruneSeconds);
  if (arpqueued == 0 && timeout_pending(&timer_)) timeout_del(&timer_);
}

// --- Answers. ---

void ArpTable::Learn(ifnet* ifp, in_addr addr, const ether_addr& link, bool create) {
  PruneIfDue();
  const Key key = KeyOf(ifp, addr);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (!create || entries_.size() >= kArpEntriesMax) return;
    found = entries_.try_emplace(key).first;
    found->second.ifp = ifp;
    found->second.addr = addr;
  }
  llinfo_arp& la = found->second;
  if (la.state == llinfo_arp::State::kPermanent) return;
  if (la.state != llinfo_arp::State::kKnown || la.link != link) {
    Note(InetRecord::kArp, ifp, addr, link);
  }
  la.state = llinfo_arp::State::kKnown;
  la.link = link;
  la.expire = Now() + arptimeout * kSecond;
  la.asked = 0;
  SendHeld(&la);
}

void ArpTable::Set(ifnet* ifp, in_addr addr, const ether_addr& link) {
  llinfo_arp& la = entries_[KeyOf(ifp, addr)];
  la.ifp = ifp;
  la.addr = addr;
  la.link = link;
  la.state = llinfo_arp::State::kPermanent;
  Note(InetRecord::kArp, ifp, addr, link);
  SendHeld(&la);
}

void ArpTable::SendHeld(llinfo_arp* la) {
  arpqueued -= ml_len(&la->held);
  WatchHeld();
  mbuf_list going;
  ml_enlist(&going, &la->held);
  while (MbufPtr m = ml_dequeue(&going)) {
    (void)ether_send(la->ifp, std::move(m), la->link, kEtherTypeIpv4);  // what it drops it counts
  }
}

void ArpTable::DropHeld(llinfo_arp* la) {
  while (MbufPtr m = ml_dequeue(&la->held)) {
    Drop(ips_arpdropped, m.get());
    --arpqueued;
  }
  WatchHeld();
}

// --- Forgetting. ---

template <typename Predicate>
void ArpTable::EraseIf(Predicate doomed) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (doomed(at->second)) {
      DropHeld(&at->second);
      at = entries_.erase(at);
    } else {
      ++at;
    }
  }
}

void ArpTable::PruneIfDue() {
  if (Now() < next_prune_) return;
  next_prune_ = Now() + kPruneSeconds * kSecond;
  EraseIf([](const llinfo_arp& la) {
    using State = llinfo_arp::State;
    if (la.state == State::kPermanent) return false;
    if (la.state == State::kAsked) return Now() - la.last_asked >= kPruneSeconds * kSecond;
    return la.expire <= Now();
  });
}

void ArpTable::Prune(void* self) {
  auto* table = static_cast<ArpTable*>(self);
  table->next_prune_ = 0;
  table->PruneIfDue();
  table->WatchHeld();
}

int ArpTable::Delete(const ifnet* ifp, in_addr addr) {
  const auto found = entries_.find(KeyOf(ifp, addr));
  if (found == entries_.end()) return ESRCH;
  DropHeld(&found->second);
  entries_.erase(found);
  return 0;
}

void ArpTable::Flush(const ifnet* ifp) {
  EraseIf([ifp](const llinfo_arp& la) { return ifp == nullptr || la.ifp == ifp; });
}

}  // namespace sockbed
